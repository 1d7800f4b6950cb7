"""What is wrong with a subscriber's line, from everything that a full diagnosis learned. Pure rules.

The first cause in the order of the tree wins: is the OLT there, is it not only this line, the ONU's own state, its
light, the router's cable, the router, its VLAN, a line that comes and goes, losses on the way. What was not learned
says nothing: it never makes a line worse. A line that is dark makes later questions not applicable, never bad.

Sources of the order and the numbers: the tree that first-line support of Ukrainian providers uses, written down with
the thresholds in ``Thresholds`` and in this file; field practice where no standard speaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from callcenter.diag.reading import LineDetails, OnuReading, OnuState, PortReading
from callcenter.diag.verdict import DEAFEST_OLT, Cause, Level, LineVerdict, Thresholds, judge
from callcenter.words import Dbm, Missing

ATTENTION_DB, WARNING_DB = 2.0, 3.0
"""dB below the ONU's own seven-day median: half the power is gone at 3."""
LEAST_POINTS = 12
"""Readings a week needs before a level is compared with it."""
DOWNS_DAY, DOWNS_WEEK = 2, 3
"""Falls in a day or in a week after which a line that is up now is not well."""
LOSS_NOTICED, LOSS_BAD = 0.01, 0.05
"""Parts of probes lost from which on calls and video suffer, and from which on everything does."""
LEAST_PROBES = 50
"""Fewer probes cannot tell one per cent from ten."""
PORT_ERRORS, ERRORS_GREW = 1000, 10
"""Errors that a port has counted since it counts beside which a cable is suspected, and those that came meanwhile."""
BEND_DB = 2.0
"""dB by which the way down lost more than the way up: a bend hurts the longer wave more (1490 nm against 1310)."""
LEAST_NEIGHBOURS, MOST_LOWER, SAME_DB = 4, 0.7, 2.0
"""Neighbours on a PON that must be comparable, the part of them that must be lower too, and the dB by which this line
may have lost more than they did, for it to be the PON."""
FEW_LOST = 3
"""Fewer lost probes than this may be chance."""


class Lamp(StrEnum):
    """What the subscriber is asked to look at on their ONU; the answer is yes or no."""

    POWER_LIT = "power_lit"
    PON_LIT = "pon_lit"
    LOS_RED = "los_red"
    LAN_LIT = "lan_lit"


class Confidence(StrEnum):
    """How much the conclusion is worth."""

    SURE = "sure"
    LIKELY = "likely"
    GUESS = "guess"


@dataclass(frozen=True, slots=True)
class Echoes:
    """What came back of ICMP echo requests: times in milliseconds."""

    sent: int
    received: int
    average_ms: float = 0.0
    jitter_ms: float = 0.0

    @property
    def loss(self) -> float:
        """The part that was lost, 0 to 1."""
        return 1 - self.received / self.sent if self.sent else 0.0

    @property
    def silent(self) -> bool:
        return self.sent > 0 and self.received == 0


@dataclass(frozen=True, slots=True)
class Past:
    """The ONU's own seven days: medians in dBm, readings they stand on, falls of a day and of the week."""

    median_rx: Dbm | None = None
    median_olt_rx: Dbm | None = None
    points: int = 0
    downs_24h: int = 0
    downs_7d: int = 0


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The other ONUs of the PON against their own weeks: how many could be compared, how many are lower too."""

    compared: int
    lower: int
    drop: float = 0.0
    """dB, the median of those that are lower."""

    def explain(self, fell: float) -> bool:
        """Whether so much less light is the whole PON's: nearly all lost some, and this line hardly more than they."""
        nearly_all = self.compared >= LEAST_NEIGHBOURS and self.lower >= MOST_LOWER * self.compared
        return nearly_all and fell - self.drop <= SAME_DB


@dataclass(frozen=True, slots=True)
class Common:
    """A mass outage that the line is of: ``dark`` of ``total`` lines of ``place``."""

    place: str
    dark: int
    total: int
    silent: bool = False
    """The OLT does not answer; nothing is known of its lines."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that may be known of a line; ``None`` and ``Missing`` are not known."""

    reading: OnuReading | Missing | None = None
    outage: Common | None = None
    lamps: Mapping[Lamp, bool] = field(default_factory=lambda: MappingProxyType({}))
    past: Past | None = None
    neighbours: Neighbours | None = None
    details: LineDetails | None = None
    port: PortReading | Missing | None = None
    """Of a line on a switch."""
    errors_grew: int | None = None
    """Errors that the switch's port counted while the diagnosis ran."""
    mac: str | None = None
    """What the contract says is behind the line."""
    mac_at: str = ""
    """Where else the contract's MAC was seen."""
    vlan: int | None = None
    cpe: Echoes | None = None
    site: Echoes | None = None
    """The provider's own equipment at the OLT's site."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The judgement of a full diagnosis."""

    cause: Cause
    level: Level
    confidence: Confidence
    args: Mapping[str, str | float] = field(default_factory=dict)
    stands_on: tuple[str, ...] = ()
    """The facts it stands on, by the names of ``Evidence``'s steps: ``olt``, ``mass``, ``state``, ``lamps``, ..."""
    visit: bool = False
    """Whether somebody has to go there."""
    line: LineVerdict | None = None
    """The levels with their norms, where there were any."""

    @property
    def say(self) -> str:
        reason = self.args.get("reason")
        return str(reason) if self.cause is Cause.NO_READING and reason else f"line.say.{self.cause}"

    @property
    def advise(self) -> str:
        return f"line.advise.{self.cause}"


SILENCE = frozenset({"line.missing.timeout", "line.missing.silent"})
_GO_THERE = frozenset(
    {
        Cause.NO_LIGHT, Cause.CRITICAL, Cause.CRITICAL_AT_OLT, Cause.TOO_STRONG, Cause.DROPPED, Cause.BENT,
        Cause.FLAPPING, Cause.PORT_ERRORS,
    }
)  # fmt: skip
_DARK = frozenset({OnuState.OFFLINE, OnuState.DISABLED, OnuState.STARTING})
_BAD_LIGHT = frozenset({Cause.CRITICAL, Cause.CRITICAL_AT_OLT, Cause.TOO_STRONG})
_FAIR_LIGHT = frozenset({Cause.WEAK, Cause.WEAK_AT_OLT})
DEFINITE = frozenset(
    {
        Cause.OLT_SILENT, Cause.MASS_OUTAGE, Cause.NO_POWER, Cause.NO_LIGHT, Cause.LINK_LOST, Cause.RESTARTED,
        Cause.SWITCHED_OFF, Cause.STARTING, Cause.ABSENT, Cause.PORT_OFF, Cause.PORT_DOWN,
    }
)  # fmt: skip
"""Causes before which nothing stands that is learned after the mass check: the agent may be told at once."""


def conclude(known: Evidence, norms: Thresholds) -> Conclusion:
    """What is wrong is said once, the first in the order of the tree; the confidence says what it stands on."""
    for rule in (
        _olt_silent, _not_only_you, _dark_line, _lamps_alone, _bad_light, _lan, _switch_port, _router, _unsteady,
        _losses,
    ):  # fmt: skip
        if (found := rule(known, norms)) is not None:
            return found
    return _what_is_left(known, norms)


def _said(
    cause: Cause, level: Level, confidence: Confidence, *stands_on: str, line: LineVerdict | None = None,
    **args: str | float,
) -> Conclusion:  # fmt: skip
    return Conclusion(cause, level, confidence, args, stands_on, cause in _GO_THERE, line)


def _olt_silent(known: Evidence, _: Thresholds) -> Conclusion | None:
    """The provider's side: an OLT that does not answer, surely so when its site does not either."""
    if not isinstance(known.reading, Missing) or known.reading.reason not in SILENCE:
        return None
    about = known.reading.about
    if known.site is not None and known.site.silent:
        return _said(Cause.OLT_SILENT, Level.DARK, Confidence.SURE, "olt", "site", about=about)
    if known.outage is not None and known.outage.silent:
        return _said(Cause.OLT_SILENT, Level.DARK, Confidence.LIKELY, "olt", "mass", about=about)
    return None


def _not_only_you(known: Evidence, _: Thresholds) -> Conclusion | None:
    """A line that is up, or that the OLT does not have, is not of the outage. One that was not read likely is."""
    outage, state = known.outage, known.reading.state if isinstance(known.reading, OnuReading) else None
    if outage is None or outage.silent or state in {OnuState.ONLINE, OnuState.ABSENT}:
        return None
    sure = Confidence.SURE if state in _DARK else Confidence.LIKELY
    return _said(
        Cause.MASS_OUTAGE, Level.DARK, sure, "mass", place=outage.place, dark=str(outage.dark),
        total=str(outage.total),
    )  # fmt: skip


def _dark_line(known: Evidence, norms: Thresholds) -> Conclusion | None:
    """Why it is dark is the OLT's word; where that is no word, the subscriber's lamps tell."""
    reading = known.reading
    if isinstance(reading, OnuReading) and reading.state is OnuState.ABSENT:
        return _said(Cause.ABSENT, Level.UNKNOWN, Confidence.SURE, "state")
    if not isinstance(reading, OnuReading) or reading.state not in _DARK:
        return None
    verdict = judge(reading, norms)
    cause, lamps = verdict.cause, known.lamps
    if cause in {Cause.OFF, Cause.NO_LIGHT} and lamps.get(Lamp.POWER_LIT) is False:
        # an ONU that cannot gasp says LOS when it loses its power
        return _said(Cause.NO_POWER, Level.DARK, Confidence.SURE, "state", "lamps")
    if cause is Cause.OFF and lamps.get(Lamp.LOS_RED):
        return _said(Cause.NO_LIGHT, Level.DARK, Confidence.SURE, "state", "lamps")
    if cause is Cause.OFF and lamps.get(Lamp.POWER_LIT) and lamps.get(Lamp.PON_LIT) is False:
        return _said(Cause.NO_LIGHT, Level.DARK, Confidence.LIKELY, "state", "lamps")
    if cause is Cause.NO_POWER and lamps.get(Lamp.POWER_LIT) and lamps.get(Lamp.LOS_RED):
        return _said(Cause.NO_LIGHT, Level.DARK, Confidence.LIKELY, "state", "lamps")
    confirmed = (cause is Cause.NO_LIGHT and lamps.get(Lamp.LOS_RED)) or cause is Cause.SWITCHED_OFF
    told = Confidence.SURE if confirmed else Confidence.GUESS if cause is Cause.OFF else Confidence.LIKELY
    word = str(verdict.args.get("word", ""))
    return _said(cause, verdict.level, told, "state", *(("lamps",) if confirmed and lamps else ()), word=word)


def _lamps_alone(known: Evidence, _: Thresholds) -> Conclusion | None:
    """Where the OLT tells nothing of the line, the subscriber still sees whether there is power and light."""
    if isinstance(known.reading, OnuReading) and known.reading.state is not OnuState.UNKNOWN:
        return None
    if known.lamps.get(Lamp.POWER_LIT) is False:
        return _said(Cause.NO_POWER, Level.DARK, Confidence.LIKELY, "lamps")
    if known.lamps.get(Lamp.LOS_RED):
        return _said(Cause.NO_LIGHT, Level.DARK, Confidence.LIKELY, "lamps")
    return None


def _bad_light(known: Evidence, norms: Thresholds) -> Conclusion | None:
    """Light that will not do, or that fell by half against the ONU's own week; the PON's own fault comes first."""
    reading = known.reading
    if not isinstance(reading, OnuReading) or reading.state is not OnuState.ONLINE:
        return None
    verdict = judge(reading, norms)
    fell = fall_of(reading, known.past)
    if fell is not None and fell >= WARNING_DB and verdict.cause is not Cause.TOO_STRONG:
        level = verdict.level if verdict.cause in _BAD_LIGHT else Level.WEAK
        return _fallen(known, reading, verdict, level, fell)
    if verdict.cause not in _BAD_LIGHT:
        return None
    visit = verdict.cause in _GO_THERE
    return Conclusion(verdict.cause, verdict.level, Confidence.SURE, verdict.args, ("levels",), visit, verdict)


def _fallen(known: Evidence, reading: OnuReading, line: LineVerdict, level: Level, fell: float) -> Conclusion:
    """Light below what is usual for this ONU: the whole PON's, a bend, or its own."""
    args: dict[str, str | float] = {"drop": fell, "onu_rx": reading.onu_rx or 0.0}
    if (around := known.neighbours) is not None and around.explain(fell):
        args |= {"lower": str(around.lower + 1), "total": str(around.compared + 1)}
        return Conclusion(
            Cause.PON_DROPPED, level, Confidence.LIKELY, args, ("levels", "past", "neighbours"), False, line
        )  # fmt: skip
    if _is_bent(reading, known.past, fell):
        return Conclusion(Cause.BENT, level, Confidence.LIKELY, args, ("levels", "past"), True, line)
    if line.cause in _BAD_LIGHT:
        return Conclusion(line.cause, level, Confidence.SURE, line.args, ("levels",), True, line)
    sure = Confidence.SURE if fell >= WARNING_DB else Confidence.GUESS
    cause = Cause.DROPPED if fell >= WARNING_DB else Cause.DROPPED_SOME
    return Conclusion(cause, level, sure, args, ("levels", "past"), cause in _GO_THERE, line)


def _is_bent(reading: OnuReading, past: Past | None, fell: float) -> bool:
    """The way up lost clearly less than the way down."""
    if past is None or past.median_olt_rx is None or reading.olt_rx is None or fell < WARNING_DB:
        return False
    if reading.olt_rx < DEAFEST_OLT:
        return False
    return fell - (past.median_olt_rx - reading.olt_rx) >= BEND_DB


def fall_of(reading: OnuReading, past: Past | None) -> float | None:
    """dB by which the ONU's light is below its own seven-day median; ``None`` where that cannot be told."""
    if past is None or past.points < LEAST_POINTS or past.median_rx is None or reading.onu_rx is None:
        return None
    return round(past.median_rx - reading.onu_rx, 1)


def _lan(known: Evidence, norms: Thresholds) -> Conclusion | None:
    """The cable between ONU and router."""
    reading, unis = known.reading, known.details.unis if known.details else ()
    if not isinstance(reading, OnuReading) or reading.state is not OnuState.ONLINE:
        return None
    line = judge(reading, norms)
    up = reading.uni_up if reading.uni_up is not None else (any(uni.up for uni in unis) if unis else None)
    if up is False and not any(uni.up for uni in unis):
        sure = Confidence.SURE if known.lamps.get(Lamp.LAN_LIT) is False else Confidence.LIKELY
        return _said(Cause.ROUTER_OFF, Level.WEAK, sure, "uni", line=line)
    if up is None and known.lamps.get(Lamp.LAN_LIT) is False:
        return _said(Cause.ROUTER_OFF, Level.WEAK, Confidence.GUESS, "lamps", line=line)
    slow = reading.uni_mbps is not None and reading.uni_mbps <= 10
    half = any(uni.up and (uni.full_duplex is False or (uni.mbps is not None and uni.mbps <= 10)) for uni in unis)
    return _said(Cause.SLOW_CABLE, Level.WEAK, Confidence.LIKELY, "uni", line=line) if slow or half else None


def _switch_port(known: Evidence, _: Thresholds) -> Conclusion | None:
    port = known.port
    if not isinstance(port, PortReading):
        return None
    if port.enabled is False:
        return _said(Cause.PORT_OFF, Level.DARK, Confidence.SURE, "port", about=port.name)
    if port.up is False:
        return _said(Cause.PORT_DOWN, Level.DARK, Confidence.LIKELY, "port", about=port.name)
    if port.up and (port.full_duplex is False or (port.mbps is not None and port.mbps <= 10)):
        return _said(Cause.SLOW_CABLE, Level.WEAK, Confidence.LIKELY, "port")
    if known.errors_grew is not None and known.errors_grew >= ERRORS_GREW:
        return _said(Cause.PORT_ERRORS, Level.WEAK, Confidence.LIKELY, "port", about=port.name)
    if known.errors_grew is None and (port.crc_errors or 0) + (port.in_errors or 0) >= PORT_ERRORS:
        return _said(Cause.PORT_ERRORS, Level.WEAK, Confidence.GUESS, "port", about=port.name)
    return None


def _router(known: Evidence, _: Thresholds) -> Conclusion | None:
    """Who is behind the line, and in which VLAN, against the contract."""
    macs = known.details.macs if known.details else None
    if isinstance(known.port, PortReading):
        macs = known.port.macs
    up = isinstance(known.port, PortReading) or (isinstance(known.reading, OnuReading) and known.reading.uni_up)
    if known.mac_at and (macs is None or known.mac not in {row.mac for row in macs}):
        return _said(
            Cause.MAC_ELSEWHERE, Level.WEAK, Confidence.LIKELY, "mac", place=known.mac_at, wanted=known.mac or "–"
        )
    if macs is not None and not macs and up:
        return _said(Cause.NO_MAC, Level.WEAK, Confidence.LIKELY, "mac")
    if macs and known.mac and known.mac not in {row.mac for row in macs}:
        return _said(Cause.OTHER_MAC, Level.WEAK, Confidence.LIKELY, "mac", found=macs[0].mac, wanted=known.mac)
    vlans = vlans_of(known)
    if known.vlan is not None and vlans and known.vlan not in vlans:
        found = ", ".join(str(each) for each in sorted(vlans))
        return _said(Cause.WRONG_VLAN, Level.WEAK, Confidence.LIKELY, "vlan", found=found, wanted=str(known.vlan))
    return None


def vlans_of(known: Evidence) -> set[int]:
    """Every VLAN that the line is known to be in."""
    if isinstance(known.port, PortReading):
        port = {known.port.pvid, *(known.port.tagged or ())}
        return {each for each in port if each is not None}
    if known.details is None:
        return set()
    found = {known.details.vlan, *(uni.vlan for uni in known.details.unis)}
    if found <= {None}:
        found = {row.vlan for row in known.details.macs or ()}
    return {each for each in found if each is not None}


def _unsteady(known: Evidence, _: Thresholds) -> Conclusion | None:
    past, port = known.past, known.port
    if isinstance(port, PortReading) and (port.flaps or 0) >= DOWNS_DAY:
        return _said(Cause.FLAPPING, Level.WEAK, Confidence.LIKELY, "log", day=str(port.flaps), week=str(port.flaps))
    if past is None or (past.downs_24h < DOWNS_DAY and past.downs_7d < DOWNS_WEEK):
        return None
    day, week = str(past.downs_24h), str(past.downs_7d)
    return _said(Cause.FLAPPING, Level.WEAK, Confidence.LIKELY, "log", day=day, week=week)


def _losses(known: Evidence, _: Thresholds) -> Conclusion | None:
    """Loss to both is the provider's side, loss to the CPE alone the access. No answer at all may be a closed CPE."""
    site, cpe = known.site, known.cpe
    if site is not None and not site.silent and site.sent >= LEAST_PROBES and site.loss >= LOSS_NOTICED:
        level = Level.CRITICAL if site.loss >= LOSS_BAD else Level.WEAK
        sure = Confidence.LIKELY if site.sent - site.received >= FEW_LOST else Confidence.GUESS
        return _said(Cause.LOSS_AT_PROVIDER, level, sure, "icmp", loss=round(site.loss * 100, 1))
    if cpe is None or cpe.silent or cpe.sent < LEAST_PROBES or cpe.loss < LOSS_NOTICED:
        return None
    level = Level.CRITICAL if cpe.loss >= LOSS_BAD else Level.WEAK
    told = site is not None and not site.silent and cpe.sent - cpe.received >= FEW_LOST
    sure = Confidence.LIKELY if told else Confidence.GUESS
    return _said(Cause.LOSS_AT_LINE, level, sure, "icmp", loss=round(cpe.loss * 100, 1))


def _what_is_left(known: Evidence, norms: Thresholds) -> Conclusion:
    """Light that wants attention; then "nothing found", or that too little could be read to say so."""
    reading = known.reading
    if isinstance(reading, OnuReading):
        verdict = judge(replace(reading, uni_up=None, uni_mbps=None), norms)  # the cable was judged by all its ports
        fell = fall_of(reading, known.past)
        lower = fell is not None and fell >= ATTENTION_DB
        of_pon = lower and fell is not None and known.neighbours is not None and known.neighbours.explain(fell)
        if verdict.cause in _FAIR_LIGHT and not of_pon:
            return Conclusion(
                verdict.cause, verdict.level, Confidence.LIKELY, verdict.args, ("levels",), False, verdict
            )
        if lower and fell is not None:
            return _fallen(known, reading, verdict, Level.WEAK, fell)
        for uni in known.details.unis if known.details is not None else ():
            if (uni.errors or 0) >= PORT_ERRORS:
                about = f"LAN {uni.number}"
                return _said(Cause.CABLE_ERRORS, Level.WEAK, Confidence.GUESS, "uni", line=verdict, about=about)
        sure = Confidence.SURE if verdict.cause is Cause.GOOD and known.details is not None else Confidence.LIKELY
        told = sure if verdict.level is not Level.UNKNOWN else Confidence.GUESS
        return Conclusion(verdict.cause, verdict.level, told, verdict.args, ("state", "levels"), False, verdict)
    if isinstance(known.port, PortReading) and known.port.up:
        return _said(Cause.GOOD, Level.GOOD, Confidence.LIKELY, "port")
    missing = reading if isinstance(reading, Missing) else known.port if isinstance(known.port, Missing) else None
    if missing is None:
        missing = Missing("line.missing.never-read")
    return _said(
        Cause.NO_READING, Level.UNKNOWN, Confidence.GUESS, "olt", reason=missing.reason, about=missing.about
    )  # fmt: skip
