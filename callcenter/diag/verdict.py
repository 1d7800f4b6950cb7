"""What a reading means for the person on the phone: one sentence, one advice, and the levels with their norm.

Pure rules. The sentences themselves are in the desk's catalogue, in both languages, under ``line.say.<cause>`` and
``line.advise.<cause>``; the provider's own norms are ``Thresholds``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from callcenter.diag.reading import DownReason, OnuReading, OnuState
from callcenter.errors import Misconfigured
from callcenter.words import Dbm, Missing, OnuAddress

_CLASS = re.compile(r"[a-z0-9][a-z0-9 _+-]{0,39}", re.ASCII)


class Level(StrEnum):
    """How bad it is: the colour of the sentence."""

    GOOD = "good"
    WEAK = "weak"
    """Works, but wants attention."""
    CRITICAL = "critical"
    """Expect drops: somebody has to go there."""
    DARK = "dark"
    """No service over this ONU at all."""
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """What is wrong, or that nothing is; each has its sentence and its advice."""

    GOOD = "good"
    ROUTER_OFF = "router-off"
    SLOW_CABLE = "slow-cable"
    TOO_STRONG = "too-strong"
    WEAK = "weak"
    WEAK_AT_OLT = "weak-at-olt"
    CRITICAL = "critical"
    CRITICAL_AT_OLT = "critical-at-olt"
    NO_POWER = "no-power"
    NO_LIGHT = "no-light"
    LINK_LOST = "link-lost"
    RESTARTED = "restarted"
    SWITCHED_OFF = "switched-off"
    OFF = "off"
    STARTING = "starting"
    ABSENT = "absent"
    NO_LEVELS = "no-levels"
    UNREADABLE = "unreadable"
    NO_READING = "no-reading"
    # What only a full diagnosis finds (``conclusion``):
    OLT_SILENT = "olt-silent"
    MASS_OUTAGE = "mass-outage"
    PON_DROPPED = "pon-dropped"
    BENT = "bent"
    DROPPED = "dropped"
    DROPPED_SOME = "dropped-some"
    PORT_OFF = "port-off"
    PORT_DOWN = "port-down"
    PORT_ERRORS = "port-errors"
    NO_MAC = "no-mac"
    OTHER_MAC = "other-mac"
    MAC_ELSEWHERE = "mac-elsewhere"
    WRONG_VLAN = "wrong-vlan"
    FLAPPING = "flapping"
    CABLE_ERRORS = "cable-errors"
    LOSS_AT_PROVIDER = "loss-at-provider"
    LOSS_AT_LINE = "loss-at-line"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a provider draws its lines, in dBm.

    The defaults suit class B+ and PX20+ optics: ONU sensitivity -27 and overload -8 (G.984.2 Amd 1), warnings from -25
    as Ukrainian billing systems do (Ubilling's green, orange and red); the OLT's own side from its sensitivity, -28.
    Other optics are other classes: a setting ``epon.onu_rx_critical = -24`` (PX20 modules) or
    ``gpon.olt_rx_critical = -32`` (C+) is for that PON family alone, ``hg8310.onu_rx_weak`` for ONUs whose model begins
    so.
    """

    onu_rx_strong: float = -8.0
    onu_rx_weak: float = -25.0
    onu_rx_critical: float = -27.0
    olt_rx_weak: float = -26.0
    olt_rx_critical: float = -28.0
    classes: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = ()
    """What differs for a class of ONUs, by its name; sorted pairs."""

    def __post_init__(self) -> None:
        if not (-40 < self.onu_rx_critical <= self.onu_rx_weak < self.onu_rx_strong <= 0):
            raise Misconfigured("thresholds: -40 < onu_rx_critical <= onu_rx_weak < onu_rx_strong <= 0 must hold (dBm)")
        if not (-40 < self.olt_rx_critical <= self.olt_rx_weak < 0):
            raise Misconfigured("thresholds: -40 < olt_rx_critical <= olt_rx_weak < 0 must hold (dBm)")

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> Thresholds:
        """A provider's own lines over the defaults. Raises ``Misconfigured`` naming every mistake.

        Settings that begin with ``mass_`` are ``mass.MassRule``'s.
        """
        known = {each.name for each in fields(cls)} - {"classes"}
        wrong: list[str] = []
        given: dict[str, dict[str, float]] = {"": {}}
        for setting, value in sorted(settings.items()):
            of, dot, name = setting.rpartition(".")
            if setting.startswith("mass_"):
                continue
            if name not in known or (dot and not _CLASS.fullmatch(of)):
                wrong.append(f"{setting} is not a threshold")
            elif isinstance(value, int | float) and not isinstance(value, bool):
                given.setdefault(of, {})[name] = float(value)
            else:
                wrong.append(f"{setting} must be a number of dBm, not {value!r}")
        if wrong:
            raise Misconfigured("thresholds: " + "; ".join(wrong))
        classes = tuple((of, tuple(sorted(own.items()))) for of, own in sorted(given.items()) if of)
        norms = cls(**given[""], classes=classes)
        for of, _ in classes:  # a model's lines may stand on its family's: no reading may find them in disorder
            try:
                for family in ("", "epon", "gpon"):
                    norms.of(family).of(of)
            except Misconfigured as exc:
                raise Misconfigured(f"class {of}: {exc}") from exc
        return norms

    def of_line(self, onu: OnuAddress | str | None, model: str = "") -> Thresholds:
        """The lines for the PON family that this ONU's address names, and for its model where that is known."""
        if not self.classes:
            return self
        try:
            address = OnuAddress.parse(onu) if isinstance(onu, str) else onu
        except ValueError:
            address = None
        return (self if address is None else self.of(address.family)).of(model)

    def of(self, name: str) -> Thresholds:
        """The lines for a PON family (``epon``) or a model (``HG8310M``): of classes that fit, the longest name."""
        fit = [each for each in self.classes if name.casefold().startswith(each[0])]
        own: dict[str, Any] = dict(max(fit, key=lambda each: len(each[0]))[1]) if fit else {}
        return replace(self, **own) if own else self

    def as_settings(self) -> dict[str, float]:
        base = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "classes"}
        return base | {f"{of}.{name}": value for of, own in self.classes for name, value in own}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One level with its norm, both in dBm, and how it stands to it."""

    name: str
    """``onu_rx`` or ``olt_rx``."""
    value: Dbm
    norm: tuple[float | None, float | None]
    """From and to; ``None`` where the norm has no such end."""
    level: Level


@dataclass(frozen=True, slots=True)
class LineVerdict:
    """The judgement of one ONU's line."""

    level: Level
    cause: Cause
    args: Mapping[str, str | float] = field(default_factory=dict)
    """What the sentences of the catalogue are filled with."""
    evidence: tuple[Evidence, ...] = ()

    @property
    def say(self) -> str:
        """The catalogue's key of the sentence; a reading that is missing says its own reason."""
        reason = self.args.get("reason")
        return str(reason) if self.cause is Cause.NO_READING and reason else f"line.say.{self.cause}"

    @property
    def advise(self) -> str:
        """The catalogue's key of what the agent does next."""
        return f"line.advise.{self.cause}"


DEAFEST_OLT = -33.0
"""dBm. No OLT receiver of class B+ to C++ or PX20++ hears less; a BDCOM P3608B showed -34.0 for an ONU in good service
(nag.ru wiki 38764878). Such a level is shown, and concluded from by nobody."""

_DARK: Mapping[DownReason | None, Cause] = {
    DownReason.POWER: Cause.NO_POWER,
    DownReason.FIBRE: Cause.NO_LIGHT,
    DownReason.DEGRADED: Cause.LINK_LOST,
    DownReason.RESET: Cause.RESTARTED,
    DownReason.ADMIN: Cause.SWITCHED_OFF,
    DownReason.UNKNOWN: Cause.OFF,
    None: Cause.OFF,
}


def judge(reading: OnuReading | Missing, thresholds: Thresholds) -> LineVerdict:
    """What is wrong with this line is said once, the worst first: no ONU, no light, bad light, then the router's cable.

    Nothing read is "unknown" whatever the reason: a silent OLT never makes a line "offline". The norms are those of the
    ONU's model where it has its own; who knows the PON family gives that family's (``Thresholds.of_line``).
    """
    if isinstance(reading, Missing):
        return LineVerdict(Level.UNKNOWN, Cause.NO_READING, {"reason": reading.reason, "about": reading.about})
    thresholds = thresholds.of(reading.model)
    match reading.state:
        case OnuState.ONLINE:
            return _judge_light(reading, thresholds)
        case OnuState.OFFLINE:
            return LineVerdict(Level.DARK, _DARK[reading.last_down_reason], {"word": reading.last_down_word})
        case OnuState.DISABLED:
            return LineVerdict(Level.DARK, Cause.SWITCHED_OFF, {"word": reading.last_down_word})
        case OnuState.STARTING:
            return LineVerdict(Level.DARK, Cause.STARTING)
        case OnuState.ABSENT:
            return LineVerdict(Level.UNKNOWN, Cause.ABSENT)
        case OnuState.UNKNOWN:
            return LineVerdict(Level.UNKNOWN, Cause.UNREADABLE)


def _judge_light(reading: OnuReading, norms: Thresholds) -> LineVerdict:
    evidence = _evidence(reading, norms)
    at = {each.name: each for each in evidence}
    onu, olt = at.get("onu_rx"), at.get("olt_rx")
    too_strong = onu is not None and onu.value > norms.onu_rx_strong
    args: dict[str, str | float] = {each.name: each.value for each in evidence}

    def verdict(level: Level, cause: Cause) -> LineVerdict:
        return LineVerdict(level, cause, args, evidence)

    if onu is not None and onu.level is Level.CRITICAL:
        return verdict(Level.CRITICAL, Cause.CRITICAL)
    if olt is not None and olt.level is Level.CRITICAL:
        return verdict(Level.CRITICAL, Cause.CRITICAL_AT_OLT)
    if too_strong:
        return verdict(Level.WEAK, Cause.TOO_STRONG)
    if onu is not None and onu.level is Level.WEAK:
        return verdict(Level.WEAK, Cause.WEAK)
    if olt is not None and olt.level is Level.WEAK:
        return verdict(Level.WEAK, Cause.WEAK_AT_OLT)
    if reading.uni_up is False:
        return verdict(Level.WEAK, Cause.ROUTER_OFF)
    if reading.uni_mbps is not None and reading.uni_mbps <= 10:
        return verdict(Level.WEAK, Cause.SLOW_CABLE)
    if all(each.level is Level.UNKNOWN for each in evidence):
        return verdict(Level.UNKNOWN, Cause.NO_LEVELS)
    return verdict(Level.GOOD, Cause.GOOD)


def _evidence(reading: OnuReading, norms: Thresholds) -> tuple[Evidence, ...]:
    found = []
    if (rx := reading.onu_rx) is not None:
        if rx < norms.onu_rx_critical:
            level = Level.CRITICAL
        elif rx < norms.onu_rx_weak or rx > norms.onu_rx_strong:
            level = Level.WEAK
        else:
            level = Level.GOOD
        found.append(Evidence("onu_rx", rx, (norms.onu_rx_weak, norms.onu_rx_strong), level))
    if (rx := reading.olt_rx) is not None:
        if rx < DEAFEST_OLT:
            level = Level.UNKNOWN
        elif rx < norms.olt_rx_critical:
            level = Level.CRITICAL
        else:
            level = Level.WEAK if rx < norms.olt_rx_weak else Level.GOOD
        found.append(Evidence("olt_rx", rx, (norms.olt_rx_weak, None), level))
    return tuple(found)
