"""What a full diagnosis is: whose line, its steps with their evidence, what the subscriber answered, what it came to.

Values and pure rules; ``diagnosis`` makes them, the agent's page and the terminal show them, the database keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from callcenter.diag.conclusion import LEAST_POINTS, Common, Conclusion, Echoes, Evidence, Lamp, Past
from callcenter.diag.devices import Device
from callcenter.diag.reading import LineDetails, OnuReading, OnuState, PortReading
from callcenter.words import Missing, ProviderId, SubscriberId, UniqueId


class StepName(StrEnum):
    """In the order they are shown."""

    OLT = "olt"
    PORT = "port"
    MASS = "mass"
    STATE = "state"
    LAMPS = "lamps"
    LEVELS = "levels"
    UNI = "uni"
    MAC = "mac"
    VLAN = "vlan"
    LOG = "log"
    ICMP = "icmp"


OF_A_PORT = (StepName.PORT, StepName.MAC, StepName.VLAN, StepName.LOG, StepName.ICMP)
"""The steps of a line that ends at a switch."""


class StepState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    """Not asked, because an earlier answer makes it not applicable."""
    FAILED = "failed"
    """Asked, and nothing but the reason why there is no answer."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of evidence: a message of the interface and what it is filled with."""

    key: str
    args: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``took_ms`` once something was asked for it, all its questions together."""

    name: StepName
    state: StepState = StepState.WAITING
    facts: tuple[Fact, ...] = ()
    took_ms: int | None = None

    def told(self, *facts: Fact) -> Step:
        """With this evidence; what failed before stays beside it."""
        return replace(self, state=StepState.DONE, facts=(*self.facts, *facts))

    def failed(self, why: Fact) -> Step:
        """A question got no answer: the step failed unless another question of it was answered."""
        state = StepState.DONE if self.state is StepState.DONE else StepState.FAILED
        return replace(self, state=state, facts=(*self.facts, why) if why not in self.facts else self.facts)


@dataclass(frozen=True, slots=True)
class LineAbout:
    """Whose line is looked at, and what the contract says of it."""

    provider: ProviderId
    device: Device
    subscriber: SubscriberId | None = None
    onu: str | None = None
    port: str | None = None
    mac: str | None = None
    vlan: int | None = None
    ip: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the subscriber said of a lamp, when, and whom; ``None`` for "I cannot tell"."""

    at: datetime
    lamp: Lamp
    lit: bool | None
    who: str = ""


@dataclass(frozen=True, slots=True)
class Concluded:
    """What was concluded at a moment; later answers add another, and change none."""

    at: datetime
    conclusion: Conclusion


@dataclass(frozen=True, slots=True)
class Examined:
    """A diagnosis as it stands now; a new value with each thing that is learned."""

    id: int
    """Of this service's run; ``row`` is where it is kept."""
    about: LineAbout
    call: UniqueId | None
    who: str
    started_at: datetime
    steps: tuple[Step, ...]
    answers: tuple[Answer, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    conclusion: Conclusion | None = None
    """While it runs: only what nothing that is still asked can change."""
    concluded: tuple[Concluded, ...] = ()
    """Every conclusion since it ended, oldest first."""
    ended_at: datetime | None = None
    ahead: int = 0
    """Diagnoses that have their turn before it."""
    row: int | None = None

    @property
    def said(self) -> dict[Lamp, bool | None]:
        """The last word on each lamp; ``None`` where the subscriber cannot tell."""
        return {answer.lamp: answer.lit for answer in self.answers}

    @property
    def lamps(self) -> dict[Lamp, bool]:
        return {lamp: lit for lamp, lit in self.said.items() if lit is not None}

    def step(self, name: StepName) -> Step:
        return next((each for each in self.steps if each.name is name), Step(name))

    def with_step(self, step: Step) -> Examined:
        return replace(self, steps=tuple(step if each.name is step.name else each for each in self.steps))


def steps_of(about: LineAbout) -> tuple[Step, ...]:
    if about.onu is None:
        return tuple(Step(name) for name in OF_A_PORT)
    return tuple(Step(name) for name in StepName if name is not StepName.PORT)


# --- evidence as lines for people ---


def missing_fact(missing: Missing) -> Fact:
    return Fact(missing.reason, {"about": missing.about})


def mass_facts(outage: Common | None) -> tuple[Fact, ...]:
    if outage is None:
        return (Fact("diag.fact.no_outage"),)
    if outage.silent:
        return (Fact("diag.fact.olt_silent", {"place": outage.place}),)
    return (Fact("diag.fact.outage", {"dark": outage.dark, "total": outage.total, "place": outage.place}),)


def state_facts(reading: OnuReading) -> tuple[Fact, ...]:
    facts = [Fact(f"diag.fact.state_{reading.state}", {"word": reading.last_down_word or "–"})]
    if reading.state is not OnuState.ONLINE and reading.last_down_reason is not None:
        facts.append(Fact(f"line.reason.{reading.last_down_reason}"))
    return tuple(facts)


def lamp_facts(lamps: Mapping[Lamp, bool]) -> tuple[Fact, ...]:
    return tuple(Fact(f"diag.lamp.{each}.{'yes' if on else 'no'}") for each, on in lamps.items())


def level_facts(reading: OnuReading, past: Past | None) -> tuple[Fact, ...]:
    facts = [
        Fact(f"diag.fact.{name}", {"dbm": level})
        for name, level in (("onu_rx", reading.onu_rx), ("olt_rx", reading.olt_rx), ("onu_tx", reading.onu_tx))
        if level is not None
    ]
    if past is not None and past.median_rx is not None and past.points >= LEAST_POINTS:
        facts.append(Fact("diag.fact.median", {"dbm": round(past.median_rx, 1), "points": past.points}))
    return tuple(facts) or (Fact("diag.fact.no_levels"),)


def uni_facts(reading: OnuReading, details: LineDetails | None) -> tuple[Fact, ...]:
    unis = details.unis if details else ()
    if not unis:
        if reading.uni_up is None:
            return (Fact("diag.fact.uni_untold"),)
        told = "diag.fact.uni_up" if reading.uni_up else "diag.fact.uni_down"
        return (Fact(told, {"n": 1, "mbps": reading.uni_mbps or "–"}),)
    facts = []
    for uni in unis[:8]:
        told = "diag.fact.uni_half" if uni.up and uni.full_duplex is False else "diag.fact.uni_up"
        facts.append(Fact(told if uni.up else "diag.fact.uni_down", {"n": uni.number, "mbps": uni.mbps or "–"}))
        if uni.errors:
            facts.append(Fact("diag.fact.uni_errors", {"n": uni.number, "errors": uni.errors}))
    return tuple(facts)


def mac_facts(macs: tuple[str, ...] | None, wanted: str | None, elsewhere: str = "") -> tuple[Fact, ...]:
    if macs is None:
        return (Fact("diag.fact.macs_untold"),)
    facts = [Fact("diag.fact.macs", {"macs": ", ".join(macs[:4]) or "–", "wanted": wanted or "–"})]
    if elsewhere:
        facts.append(Fact("diag.fact.mac_elsewhere", {"mac": wanted or "", "place": elsewhere}))
    return tuple(facts)


def vlan_facts(vlans: set[int], wanted: int | None) -> tuple[Fact, ...]:
    told = ", ".join(str(each) for each in sorted(vlans)[:20]) or "–"
    return (Fact("diag.fact.vlan", {"found": told, "wanted": "–" if wanted is None else wanted}),)


def log_facts(details: LineDetails) -> tuple[Fact, ...]:
    """The newest three lines of the device's own log."""
    return tuple(Fact("diag.fact.log_line", {"line": line.text[:160]}) for line in (details.log or ())[-3:])


def port_facts(port: PortReading) -> tuple[Fact, ...]:
    if port.enabled is False:
        return (Fact("diag.fact.port_disabled", {"name": port.name}),)
    told = "diag.fact.port_half" if port.up and port.full_duplex is False else "diag.fact.port_up"
    told = told if port.up else "diag.fact.port_down"
    facts = [Fact(told, {"name": port.name, "mbps": port.mbps or "–"})]
    if port.in_errors is not None or port.crc_errors is not None:
        facts.append(Fact("diag.fact.port_errors", {"n": (port.in_errors or 0) + (port.crc_errors or 0)}))
    if port.sfp_rx is not None:
        facts.append(Fact("diag.fact.sfp_rx", {"dbm": port.sfp_rx}))
    return tuple(facts)


def echo_facts(which: str, found: Echoes | Missing) -> Fact:
    """``which`` is ``site`` or ``cpe``."""
    if isinstance(found, Missing):
        return missing_fact(found)
    loss = round(found.loss * 100, 1)
    args = {"sent": found.sent, "loss": loss, "ms": found.average_ms, "jitter": found.jitter_ms}
    return Fact(f"diag.fact.{which}_{'silent' if found.silent else 'echoes'}", args)
