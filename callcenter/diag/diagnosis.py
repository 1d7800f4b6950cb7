"""The full diagnosis of one subscriber's line: step by step, each with its evidence, while the agent talks on.

A device that fails costs its step and says why; the others go on. What was found is concluded by ``conclusion`` and
kept as it was then, with the call it was made in. Answers of the subscriber may come at any time, also afterwards.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from sqlalchemy.exc import DBAPIError

from callcenter.diag import diagnosis_rows, history
from callcenter.diag.conclusion import LEAST_POINTS, Common, Conclusion, Echoes, Evidence, Lamp, Past, conclude
from callcenter.diag.devices import Device
from callcenter.diag.dialect import Dialect
from callcenter.diag.drivers import DRIVERS, driver_of
from callcenter.diag.line import LineReading
from callcenter.diag.outages import Outage
from callcenter.diag.reading import LineDetails, OnuReading, OnuState, PortReading
from callcenter.diag.verdict import Thresholds
from callcenter.errors import CallCenterError, Misconfigured, Unavailable
from callcenter.store import Database, Scope
from callcenter.words import Clock, Known, Missing, OnuAddress, ProviderId, SubscriberId, UniqueId

log = logging.getLogger(__name__)

READ_BUDGET, DETAILS_BUDGET, CLI_BUDGET = 4.0, 15.0, 20.0
"""Seconds that a step may take of its device."""
AT_ONCE = 20
"""Diagnoses under way at the same time; the next wait their turn, so that a storm of them disturbs no card."""
KEPT = 500
"""Diagnoses that are kept in memory; older ones are read from the database."""

T = TypeVar("T")


class StepName(StrEnum):
    """In the order they are shown."""

    OLT = "olt"
    MASS = "mass"
    STATE = "state"
    LAMPS = "lamps"
    LEVELS = "levels"
    UNI = "uni"
    MAC = "mac"
    VLAN = "vlan"
    LOG = "log"
    PORT = "port"
    ICMP = "icmp"


class StepState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    """Not asked, because an earlier answer makes it not applicable."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of evidence: a message of the interface and what it is filled with."""

    key: str
    args: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``took_ms`` once it is over."""

    name: StepName
    state: StepState = StepState.WAITING
    facts: tuple[Fact, ...] = ()
    took_ms: int | None = None


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
class Examined:
    """A diagnosis as it stands now; a new value with each thing that is learned."""

    id: int
    about: LineAbout
    call: UniqueId | None
    who: str
    started_at: datetime
    steps: tuple[Step, ...]
    lamps: Mapping[Lamp, bool] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)
    conclusion: Conclusion | None = None
    ended_at: datetime | None = None

    def with_step(self, step: Step) -> Examined:
        return replace(self, steps=tuple(step if each.name is step.name else each for each in self.steps))


class ReadsLines(Protocol):
    async def read(self, olt: Device, onu: str, budget: float) -> LineReading: ...

    async def details(self, olt: Device, onu: str, reading: OnuReading, budget: float) -> LineDetails | Missing: ...


class AsksCli(Protocol):
    async def ask(
        self, device: Device, dialect: Dialect, commands: tuple[str, ...], budget: float
    ) -> tuple[str, ...]: ...


class KnowsOutages(Protocol):
    async def look(self, device: Device, onu: OnuAddress, reading: LineReading) -> Outage | None: ...


class Pings(Protocol):
    async def ping(self, address: str) -> Echoes | Missing: ...


class ReadsPorts(Protocol):
    async def read(self, device: Device, port: str, budget: float) -> PortReading | Missing: ...


class Diagnoses:
    """Every diagnosis that is under way or was lately; one for the service."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        *,
        lines: ReadsLines,
        outages: KnowsOutages,
        pings: Pings,
        cli: AsksCli | None = None,
        ports: ReadsPorts | None = None,
        norms_of: Callable[[ProviderId], Thresholds] = lambda provider: Thresholds(),
        on_change: Callable[[Examined], None] = lambda examined: None,
    ) -> None:
        self._database, self._clock, self._tasks = database, clock, tasks
        self._lines, self._outages, self._pings, self._cli, self._ports = lines, outages, pings, cli, ports
        self._norms_of = norms_of
        self._on_change = on_change
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._known: dict[int, Examined] = {}
        self._of_call: dict[UniqueId, int] = {}
        self._unsaved = 0

    # --- what is asked of it ---

    def one(self, number: int) -> Examined | None:
        return self._known.get(number)

    def of_call(self, call: UniqueId) -> Examined | None:
        """The newest one that was made in this call."""
        return self._known.get(self._of_call.get(call, 0))

    async def start(self, about: LineAbout, who: str, call: UniqueId | None = None) -> Examined:
        """Begins; ``on_change`` tells what is learned. One that is under way for the same call goes on instead."""
        running = None if call is None else self.of_call(call)
        if running is not None and running.ended_at is None and running.about == about:
            return running
        examined = Examined(0, about, call, who, self._clock(), _steps(about))
        examined = replace(examined, id=await self._begin(examined))
        self._keep(examined)
        self._tasks.create_task(self._run(examined.id), name=f"diagnosis {examined.id}")
        return examined

    async def answer(self, number: int, lamp: Lamp, lit: bool) -> Examined | None:
        """What the subscriber sees on their ONU; concluded anew when all the rest is known already."""
        examined = self._known.get(number)
        if examined is None:
            return None
        lamps = {**examined.lamps, lamp: lit}
        facts = tuple(Fact(f"diag.lamp.{each}.{'yes' if on else 'no'}") for each, on in lamps.items())
        examined = replace(examined, lamps=lamps, evidence=replace(examined.evidence, lamps=lamps))
        examined = examined.with_step(Step(StepName.LAMPS, StepState.DONE, facts))
        if examined.ended_at is not None:
            norms = self._norms_of(examined.about.provider)
            examined = replace(examined, conclusion=conclude(examined.evidence, norms))
        self._keep(examined)
        if examined.ended_at is not None:
            await self._save(examined)
        return examined

    # --- the steps ---

    async def _run(self, number: int) -> None:
        try:
            async with self._turns, asyncio.TaskGroup() as steps:
                steps.create_task(self._icmp(number))
                if self._known[number].about.onu is not None:
                    steps.create_task(self._onu(number))
                else:
                    steps.create_task(self._switch_port(number))
        except* Exception:  # a mistake of ours costs this diagnosis, not the service
            log.exception("diagnosis %d failed", number)
        examined = self._known[number]
        for step in examined.steps:
            if step.state in {StepState.WAITING, StepState.RUNNING} and step.name is not StepName.LAMPS:
                examined = examined.with_step(replace(step, state=StepState.SKIPPED))
        norms = self._norms_of(examined.about.provider)
        concluded = replace(examined, conclusion=conclude(examined.evidence, norms))
        self._keep(concluded)  # the agent does not wait for the books
        await self._save(replace(concluded, ended_at=self._clock()))
        self._keep(replace(self._known[number], ended_at=self._clock()))

    async def _onu(self, number: int) -> None:
        about = self._known[number].about
        onu = about.onu or ""
        found = await self._step(number, StepName.OLT, self._lines.read(about.device, onu, READ_BUDGET))
        if found is None:
            return
        reading = found.value if isinstance(found, Known) else found
        self._learn(number, reading=reading)
        self._tell(number, StepName.OLT, *_olt_facts(found, about.device))
        try:
            address = OnuAddress.parse(onu)
        except ValueError:
            return
        outage = await self._step(number, StepName.MASS, self._outages.look(about.device, address, found))
        if outage is not None:
            self._learn(
                number, outage=Common(outage.place or outage.device_name, outage.dark, outage.total, outage.silent)
            )
        self._tell(
            number, StepName.MASS,
            Fact("diag.fact.outage", {"dark": outage.dark, "total": outage.total, "place": outage.place})
            if outage is not None and not outage.silent else Fact("diag.fact.no_outage"),
        )  # fmt: skip
        if not isinstance(reading, OnuReading):
            return
        self._tell(number, StepName.STATE, *_state_facts(reading))
        week = await self._step(number, StepName.LOG, self._week(about, address))
        if week is not None:
            past = Past(week.median_rx, week.median_olt_rx, week.points, week.downs_24h, week.downs_7d)
            self._learn(number, past=past)
            self._tell(number, StepName.LOG, Fact("diag.fact.downs", {"day": week.downs_24h, "week": week.downs_7d}))
        if reading.state is not OnuState.ONLINE:
            return
        self._tell(number, StepName.LEVELS, *_level_facts(reading, self._known[number].evidence.past))
        details = await self._details(number, about, address, reading)
        if details is not None:
            self._learn(number, details=details)
        self._tell_details(number, reading, details, about)

    async def _week(self, about: LineAbout, onu: OnuAddress) -> history.Week:
        async with self._database.scoped(Scope.only([about.provider])) as connection:
            return await history.week_of(connection, about.device.id, onu, self._clock())

    async def _details(self, number: int, about: LineAbout, onu: OnuAddress, reading: OnuReading) -> LineDetails | None:
        """What SNMP tells, filled by what only the command line does."""
        found = await self._step(
            number, StepName.UNI, self._lines.details(about.device, str(onu), reading, DETAILS_BUDGET)
        )
        details = found if isinstance(found, LineDetails) else LineDetails()
        driver = driver_of(about.device.driver_name, about.device.options) if _is_olt(about.device) else None
        if self._cli is None or driver is None or driver.dialect is None or about.device.cli is None:
            return details if isinstance(found, LineDetails) else None
        for question in driver.questions_cli:
            asked = self._cli.ask(about.device, driver.dialect, question.commands(onu, reading), CLI_BUDGET)
            said = await self._step(number, StepName.LOG if question.about == "log" else StepName.MAC, asked)
            if said is None:
                break
            details = details.filled_by(question.parse(said, onu))
        return details

    async def _switch_port(self, number: int) -> None:
        about = self._known[number].about
        if self._ports is None or about.port is None:
            return
        found = await self._step(number, StepName.PORT, self._ports.read(about.device, about.port, DETAILS_BUDGET))
        if found is None:
            return
        self._learn(number, port=found)
        self._tell(number, StepName.PORT, *_port_facts(found))

    async def _icmp(self, number: int) -> None:
        about = self._known[number].about
        began = asyncio.get_running_loop().time()
        self._show(number, Step(StepName.ICMP, StepState.RUNNING))
        site_ip = about.device.site_ip or about.device.host
        asked = [self._pings.ping(site_ip)] + ([self._pings.ping(about.ip)] if about.ip else [])
        answers = await asyncio.gather(*asked)
        facts: list[Fact] = []
        for which, echoes in zip(("site", "cpe"), answers, strict=False):
            if isinstance(echoes, Echoes):
                self._learn(number, **{which: echoes})
                loss = round(echoes.loss * 100, 1)
                args = {"sent": echoes.sent, "loss": loss, "ms": echoes.average_ms, "jitter": echoes.jitter_ms}
                facts.append(Fact(f"diag.fact.{which}_{'silent' if echoes.silent else 'echoes'}", args))
            else:
                facts.append(Fact(echoes.reason, {"about": echoes.about}))
        if about.ip is None:
            facts.append(Fact("diag.fact.no_ip"))
        took = int((asyncio.get_running_loop().time() - began) * 1000)
        failed = all(isinstance(each, Missing) for each in answers)
        self._show(number, Step(StepName.ICMP, StepState.FAILED if failed else StepState.DONE, tuple(facts), took))

    # --- telling ---

    async def _step(self, number: int, name: StepName, work: Awaitable[T]) -> T | None:
        """The answer, or ``None`` and a step that says why there is none."""
        began = asyncio.get_running_loop().time()
        self._show(number, Step(name, StepState.RUNNING))
        try:
            found = await work
        except CallCenterError as exc:
            log.info("diagnosis %d: %s: %s", number, name, exc)
            why = "line.missing.no-cli" if isinstance(exc, Misconfigured) else "diag.fact.failed"
            about = exc.why if isinstance(exc, Unavailable) else str(exc)
            took = int((asyncio.get_running_loop().time() - began) * 1000)
            self._show(number, Step(name, StepState.FAILED, (Fact(why, {"about": about[:200]}),), took))
            return None
        took = int((asyncio.get_running_loop().time() - began) * 1000)
        self._show(number, Step(name, StepState.DONE, (), took))
        return found

    def _tell(self, number: int, name: StepName, *facts: Fact) -> None:
        """Evidence of a step that is over."""
        step = next((each for each in self._known[number].steps if each.name is name), Step(name))
        failed = any(fact.key.startswith("line.missing.") for fact in facts)
        self._show(number, Step(name, StepState.FAILED if failed else StepState.DONE, facts, step.took_ms))

    def _tell_details(self, number: int, reading: OnuReading, details: LineDetails | None, about: LineAbout) -> None:
        self._tell(number, StepName.UNI, *_uni_facts(reading, details))
        if details is None or details.macs is None:
            self._tell(number, StepName.MAC, Fact("diag.fact.macs_untold"))
        else:
            told = ", ".join(row.mac for row in details.macs[:4]) or "–"
            self._tell(number, StepName.MAC, Fact("diag.fact.macs", {"macs": told, "wanted": about.mac or "–"}))
        vlans = {uni.vlan for uni in details.unis} | {details.vlan} if details else set()
        told = ", ".join(str(each) for each in sorted(each for each in vlans if each is not None)) or "–"
        self._tell(number, StepName.VLAN, Fact("diag.fact.vlan", {"found": told, "wanted": about.vlan or "–"}))

    def _show(self, number: int, step: Step) -> None:
        self._keep(self._known[number].with_step(step))

    def _learn(self, number: int, **known: object) -> None:
        """Fields of ``Evidence`` that are known now."""
        examined = self._known[number]
        contract = {"mac": examined.about.mac, "vlan": examined.about.vlan}
        evidence: Evidence = replace(examined.evidence, **{**contract, **known})  # type: ignore[arg-type]
        self._known[number] = replace(examined, evidence=evidence)

    def _keep(self, examined: Examined) -> None:
        self._known[examined.id] = examined
        if examined.call is not None:
            self._of_call[examined.call] = examined.id
        if len(self._known) > KEPT:
            for old in [number for number, each in self._known.items() if each.ended_at is not None][: KEPT // 10]:
                gone = self._known.pop(old)
                if gone.call is not None and self._of_call.get(gone.call) == old:
                    del self._of_call[gone.call]
        self._on_change(examined)

    # --- keeping ---

    async def _begin(self, examined: Examined) -> int:
        """Its number in the books; without a database a number of this process, below zero."""
        try:
            async with self._database.scoped(Scope.only([examined.about.provider])) as connection:
                return await diagnosis_rows.begin(connection, examined)
        except (Unavailable, DBAPIError) as exc:
            log.warning("a diagnosis is not in the books: %s", exc)
            self._unsaved -= 1
            return self._unsaved

    async def _save(self, examined: Examined) -> None:
        if examined.id < 0:
            return
        try:
            async with self._database.scoped(Scope.only([examined.about.provider])) as connection:
                await diagnosis_rows.save(connection, examined)
        except (Unavailable, DBAPIError) as exc:
            log.warning("diagnosis %d is not kept: %s", examined.id, exc)


def _is_olt(device: Device) -> bool:
    return device.driver_name in DRIVERS


def _steps(about: LineAbout) -> tuple[Step, ...]:
    if about.onu is None:
        return (Step(StepName.PORT), Step(StepName.ICMP))
    return tuple(Step(name) for name in StepName if name is not StepName.PORT)


def _olt_facts(found: LineReading, device: Device) -> tuple[Fact, ...]:
    if isinstance(found, Missing):
        return (Fact(found.reason, {"about": found.about}),)
    return (Fact("diag.fact.olt_answers", {"device": device.name}),)


def _state_facts(reading: OnuReading) -> tuple[Fact, ...]:
    facts = [Fact(f"diag.fact.state_{reading.state}", {"word": reading.last_down_word or "–"})]
    if reading.state is not OnuState.ONLINE and reading.last_down_reason is not None:
        facts.append(Fact(f"line.reason.{reading.last_down_reason}"))
    return tuple(facts)


def _level_facts(reading: OnuReading, past: Past | None) -> tuple[Fact, ...]:
    facts = [
        Fact(f"diag.fact.{name}", {"dbm": level})
        for name, level in (("onu_rx", reading.onu_rx), ("olt_rx", reading.olt_rx), ("onu_tx", reading.onu_tx))
        if level is not None
    ]
    if past is not None and past.median_rx is not None and past.points >= LEAST_POINTS:
        facts.append(Fact("diag.fact.median", {"dbm": round(past.median_rx, 1), "points": past.points}))
    return tuple(facts) or (Fact("diag.fact.no_levels"),)


def _uni_facts(reading: OnuReading, details: LineDetails | None) -> tuple[Fact, ...]:
    unis = details.unis if details else ()
    if unis:
        return tuple(
            Fact("diag.fact.uni_up" if uni.up else "diag.fact.uni_down", {"n": uni.number, "mbps": uni.mbps or "–"})
            for uni in unis[:8]
        )
    if reading.uni_up is None:
        return (Fact("diag.fact.uni_untold"),)
    return (
        Fact("diag.fact.uni_up" if reading.uni_up else "diag.fact.uni_down", {"n": 1, "mbps": reading.uni_mbps or "–"}),
    )


def _port_facts(port: PortReading | Missing) -> tuple[Fact, ...]:
    if isinstance(port, Missing):
        return (Fact(port.reason, {"about": port.about}),)
    facts = [
        Fact("diag.fact.port_up" if port.up else "diag.fact.port_down", {"name": port.name, "mbps": port.mbps or "–"})
    ]
    if port.in_errors is not None or port.crc_errors is not None:
        facts.append(Fact("diag.fact.port_errors", {"n": (port.in_errors or 0) + (port.crc_errors or 0)}))
    if port.macs is not None:
        facts.append(
            Fact("diag.fact.macs", {"macs": ", ".join(row.mac for row in port.macs[:4]) or "–", "wanted": "–"})
        )
    return tuple(facts)
