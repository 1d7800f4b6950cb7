"""What a full diagnosis asks, of whom and in which order: an ONU's line, or a switch port's.

The OLT first, for all else depends on it; then the neighbours, the past and the rest of the line side by side, pings
from the very beginning. The command line is asked only for what SNMP left open.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from callcenter.diag import history
from callcenter.diag.conclusion import (
    ATTENTION_DB,
    Common,
    Echoes,
    Neighbours,
    Past,
    fall_of,
    vlans_of,
)
from callcenter.diag.devices import Device
from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import CliQuestion, OltDriver
from callcenter.diag.drivers import DRIVERS, driver_of
from callcenter.diag.examined import (
    Fact,
    LineAbout,
    StepName,
    echo_facts,
    level_facts,
    log_facts,
    mac_facts,
    mass_facts,
    missing_fact,
    port_facts,
    state_facts,
    uni_facts,
    vlan_facts,
)
from callcenter.diag.inquiry import Inquiry
from callcenter.diag.line import LineReading
from callcenter.diag.outages import Outage
from callcenter.diag.reading import DownReason, LineDetails, MacRow, OnuReading, OnuState, PortReading
from callcenter.diag.verdict import Thresholds
from callcenter.store import Database, Scope
from callcenter.words import Clock, DeviceId, Known, Missing, OnuAddress, ProviderId

READ_BUDGET, DETAILS_BUDGET, CLI_BUDGET, CLI_TOTAL = 4.0, 15.0, 20.0, 45.0
"""Seconds that a question may take of its device; all questions on the command line together."""
RECENT = timedelta(minutes=15)
"""A neighbour's reading that is older is not compared."""
STEP_OF = {
    "optics": StepName.LEVELS, "state": StepName.STATE, "uni": StepName.UNI, "macs": StepName.MAC,
    "vlan": StepName.VLAN, "log": StepName.LOG,
}  # fmt: skip
"""Where the answer to a question on the command line is shown."""
WHEN_DARK = frozenset({"state", "log"})


class KeptReadings(Protocol):
    def of(self, device: DeviceId) -> Mapping[OnuAddress, Known[OnuReading]]: ...


class ReadsLines(Protocol):
    @property
    def readings(self) -> KeptReadings: ...

    async def read(self, olt: Device, onu: str, budget: float) -> LineReading: ...

    async def details(self, olt: Device, onu: str, reading: OnuReading, budget: float) -> LineDetails | Missing: ...


class AsksCli(Protocol):
    async def ask(
        self, device: Device, dialect: Dialect, commands: Sequence[str], budget: float
    ) -> tuple[str, ...]: ...


class KnowsOutages(Protocol):
    async def look(self, device: Device, onu: OnuAddress, reading: LineReading) -> Outage | None: ...


class Pings(Protocol):
    async def ping(self, address: str) -> Echoes | Missing: ...


class ReadsPorts(Protocol):
    async def read(self, device: Device, port: str, budget: float) -> PortReading | Missing: ...

    async def find_mac(self, device: Device, mac: str) -> list[MacRow]: ...


class Examination:
    """Examines lines, one call of ``examine`` each; shares nothing between them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        lines: ReadsLines,
        outages: KnowsOutages,
        pings: Pings,
        cli: AsksCli | None = None,
        ports: ReadsPorts | None = None,
        norms_of: Callable[[ProviderId], Thresholds] = lambda provider: Thresholds(),
    ) -> None:
        self._database, self._clock = database, clock
        self._lines, self._outages, self._pings, self._cli, self._ports = lines, outages, pings, cli, ports
        self._norms_of = norms_of

    async def examine(self, inquiry: Inquiry) -> None:
        """All that is worth asking of this line. Raises nothing for a device."""
        async with asyncio.TaskGroup() as both:
            pings = both.create_task(self._echoes(inquiry))
            if inquiry.about.onu is not None:
                both.create_task(self._onu(inquiry, inquiry.about.onu))
            else:
                both.create_task(self._port(inquiry, pings))

    # --- pings ---

    async def _echoes(self, inquiry: Inquiry) -> None:
        """The provider's site and the subscriber's CPE at once, so that a loss tells which side it is on."""
        about = inquiry.about
        site_ip = about.device.site_ip or about.device.host

        async def both() -> list[Echoes | Missing]:
            asked = [self._pings.ping(site_ip), *([self._pings.ping(about.ip)] if about.ip else [])]
            return list(await asyncio.gather(*asked))

        answers = await inquiry.ask(StepName.ICMP, both())
        if isinstance(answers, Missing):
            return
        for which, found in zip(("site", "cpe"), answers, strict=False):
            if isinstance(found, Echoes):
                inquiry.learn(**{which: found})
                inquiry.tell(StepName.ICMP, echo_facts(which, found))
            else:
                inquiry.fail(StepName.ICMP, missing_fact(found))
        if about.ip is None:
            inquiry.tell(StepName.ICMP, Fact("diag.fact.no_ip"))

    # --- an ONU ---

    async def _onu(self, inquiry: Inquiry, onu: str) -> None:
        about = inquiry.about
        found = await inquiry.ask(StepName.OLT, self._reading(about.device, onu))
        line: LineReading = found[0] if isinstance(found, tuple) else found
        reading = line.value if isinstance(line, Known) else line
        inquiry.learn(reading=reading)
        if isinstance(line, Missing):
            inquiry.fail(StepName.OLT, missing_fact(line))
        else:
            inquiry.tell(StepName.OLT, Fact("diag.fact.olt_answers", {"device": about.device.name}))
        try:
            address = OnuAddress.parse(onu)
        except ValueError:
            return
        async with asyncio.TaskGroup() as rest:
            rest.create_task(self._mass(inquiry, address, line))
            if isinstance(reading, OnuReading):
                inquiry.tell(StepName.STATE, *state_facts(reading))
                rest.create_task(self._past(inquiry, address, reading))
                rest.create_task(self._deeper(inquiry, address, reading))

    async def _reading(self, device: Device, onu: str) -> tuple[LineReading]:
        """In a tuple: a reading that is missing is an answer, and no failure of asking."""
        return (await self._lines.read(device, onu, READ_BUDGET),)

    async def _mass(self, inquiry: Inquiry, onu: OnuAddress, line: LineReading) -> None:
        device = inquiry.about.device
        found = await inquiry.ask(StepName.MASS, self._outages.look(device, onu, line))
        if isinstance(found, Missing):
            return
        common = None
        if found is not None:
            common = Common(found.place or found.device_name, found.dark, found.total, found.silent)
        inquiry.learn(outage=common)
        inquiry.tell(StepName.MASS, *mass_facts(common))
        inquiry.conclude_early(self._norms_of(inquiry.about.provider).of_line(inquiry.about.onu))

    async def _past(self, inquiry: Inquiry, onu: OnuAddress, reading: OnuReading) -> None:
        weeks = await inquiry.ask(StepName.LOG, self._weeks(inquiry.about, [onu]))
        past = None
        if not isinstance(weeks, Missing):
            week = weeks.get(onu, history.Week())
            past = _past_of(week)
            inquiry.learn(past=past)
            inquiry.tell(StepName.LOG, Fact("diag.fact.downs", {"day": week.downs_24h, "week": week.downs_7d}))
        if reading.state is not OnuState.ONLINE:
            return
        inquiry.tell(StepName.LEVELS, *level_facts(reading, past))
        fell = fall_of(reading, past)
        if fell is not None and fell >= ATTENTION_DB:
            around = await inquiry.ask(StepName.LEVELS, self._neighbours(inquiry.about, onu))
            if not isinstance(around, Missing):
                inquiry.learn(neighbours=around)
                told = {"lower": around.lower, "total": around.compared}
                inquiry.tell(StepName.LEVELS, Fact("diag.fact.neighbours", told))

    async def _weeks(self, about: LineAbout, onus: Sequence[OnuAddress]) -> Mapping[OnuAddress, history.Week]:
        async with self._database.scoped(Scope.only([about.provider])) as connection:
            return await history.weeks_of(connection, about.device.id, self._clock(), onus)

    async def _neighbours(self, about: LineAbout, onu: OnuAddress) -> Neighbours:
        """Are the other ONUs of this PON below their own weeks too? From the last sweep, without asking the OLT."""
        now = self._clock()
        recent = {
            other: known.value
            for other, known in self._lines.readings.of(about.device.id).items()
            if other.pon == onu.pon and other != onu and now - known.at <= RECENT
        }
        weeks = await self._weeks(about, list(recent))
        falls = [fall_of(each, _past_of(weeks[other])) for other, each in recent.items() if other in weeks]
        compared = [fell for fell in falls if fell is not None]
        lower = [fell for fell in compared if fell >= ATTENTION_DB]
        return Neighbours(len(compared), len(lower), round(statistics.median(lower), 1) if lower else 0.0)

    async def _deeper(self, inquiry: Inquiry, onu: OnuAddress, reading: OnuReading) -> None:
        """The rest of the line: over SNMP, then on the command line what is not known yet."""
        online = reading.state is OnuState.ONLINE
        details = LineDetails()
        if online:
            asked = self._lines.details(inquiry.about.device, str(onu), reading, DETAILS_BUDGET)
            found = await inquiry.ask(StepName.UNI, asked)
            if not isinstance(found, Missing):
                details = found
                inquiry.learn(details=details)
        elif reading.state not in {OnuState.OFFLINE, OnuState.DISABLED}:
            return
        details = await self._by_cli(inquiry, onu, reading, details)
        if not online:
            return
        macs = None if details.macs is None else tuple(row.mac for row in details.macs)
        inquiry.tell(StepName.UNI, *uni_facts(reading, details))
        inquiry.tell(StepName.MAC, *mac_facts(macs, inquiry.about.mac))
        inquiry.tell(StepName.VLAN, *vlan_facts(vlans_of(inquiry.evidence), inquiry.about.vlan))

    # --- its OLT's command line ---

    async def _by_cli(
        self, inquiry: Inquiry, onu: OnuAddress, reading: OnuReading, details: LineDetails
    ) -> LineDetails:
        """One question after another while the OLT answers; each answer is evidence at once."""
        device = inquiry.about.device
        driver = driver_of(device.driver_name, device.options) if device.driver_name in DRIVERS else None
        if self._cli is None or driver is None or driver.dialect is None:
            return details
        began = asyncio.get_running_loop().time()
        for question in driver.questions_cli:
            left = CLI_TOTAL - (asyncio.get_running_loop().time() - began)
            if not _is_open(question, driver, reading, details, inquiry.about.vlan):
                continue
            step = STEP_OF.get(question.about, StepName.LOG)
            if device.cli is None:
                inquiry.tell(step, Fact("diag.fact.cli_would_tell"))
                continue
            answer = await inquiry.ask(
                step, self._question(device, driver, question, onu, reading, min(CLI_BUDGET, left))
            )
            if isinstance(answer, Missing):
                break
            details = details.filled_by(answer)
            reading = _completed(reading, details)
            inquiry.learn(details=details, reading=reading)
            match question.about:
                case "log":
                    inquiry.tell(StepName.LOG, *log_facts(details))
                case "state":
                    inquiry.tell(StepName.STATE, *state_facts(reading))
                case "optics":
                    inquiry.tell(StepName.LEVELS, *level_facts(reading, inquiry.evidence.past))
        return details

    async def _question(
        self, device: Device, driver: OltDriver, question: CliQuestion, onu: OnuAddress, reading: OnuReading,
        budget: float,
    ) -> LineDetails:  # fmt: skip
        assert self._cli is not None and driver.dialect is not None  # noqa: PT018
        said = await self._cli.ask(device, driver.dialect, question.commands(onu, reading), budget)
        return question.parse(said, onu)

    # --- a switch port ---

    async def _port(self, inquiry: Inquiry, pings: asyncio.Task[None]) -> None:
        about, ports = inquiry.about, self._ports
        if ports is None or about.port is None:
            inquiry.learn(port=Missing("card.no_onu"))
            return
        port = await inquiry.ask(StepName.PORT, ports.read(about.device, about.port, DETAILS_BUDGET))
        inquiry.learn(port=port)
        if isinstance(port, Missing):
            return
        inquiry.tell(StepName.PORT, *port_facts(port))
        inquiry.conclude_early(self._norms_of(about.provider))
        macs = None if port.macs is None else tuple(row.mac for row in port.macs)
        if about.mac is not None and about.mac not in (macs or ()):
            rows = await inquiry.ask(StepName.MAC, ports.find_mac(about.device, about.mac))
            if not isinstance(rows, Missing) and (elsewhere := [row.port for row in rows if row.port != port.name]):
                inquiry.learn(mac_at=elsewhere[0])
        inquiry.tell(StepName.MAC, *mac_facts(macs, about.mac, inquiry.evidence.mac_at))
        inquiry.tell(StepName.VLAN, *vlan_facts(vlans_of(inquiry.evidence), about.vlan))
        if port.flaps is not None:
            inquiry.tell(StepName.LOG, Fact("diag.fact.flaps", {"n": port.flaps}))
        if port.log:
            inquiry.tell(StepName.LOG, *log_facts(LineDetails(log=port.log)))
        if not port.up or (port.in_errors is None and port.crc_errors is None):
            return
        await asyncio.wait({pings})  # the pings load the line for some seconds: do errors come with them?
        again = await inquiry.ask(StepName.PORT, ports.read(about.device, about.port, DETAILS_BUDGET))
        if isinstance(again, PortReading):
            grew = max(0, _errors(again) - _errors(port))
            inquiry.learn(errors_grew=grew)
            inquiry.tell(StepName.PORT, Fact("diag.fact.errors_grew", {"n": grew}))


def _errors(port: PortReading) -> int:
    return (port.in_errors or 0) + (port.crc_errors or 0)


def _past_of(week: history.Week) -> Past:
    return Past(week.median_rx, week.median_olt_rx, week.points, week.downs_24h, week.downs_7d)


def _is_open(
    question: CliQuestion, driver: OltDriver, reading: OnuReading, details: LineDetails, vlan: int | None
) -> bool:
    """Whether the command line could still tell something that the diagnosis wants."""
    if reading.state is not OnuState.ONLINE and question.about not in WHEN_DARK:
        return False
    match question.about:
        case "optics":
            return reading.onu_rx is None or (reading.olt_rx is None and "olt_rx" not in driver.absent)
        case "state":
            return reading.state is not OnuState.ONLINE and reading.last_down_reason in {None, DownReason.UNKNOWN}
        case "uni":
            slow = "uni_mbps" not in driver.absent
            return not details.unis or any(
                uni.up is None or (uni.up and uni.mbps is None and slow) for uni in details.unis
            )
        case "macs":
            return details.macs is None
        case "vlan":
            return vlan is not None and details.vlan is None and all(uni.vlan is None for uni in details.unis)
    return True


def _completed(reading: OnuReading, details: LineDetails) -> OnuReading:
    """What SNMP did not tell of the line, as the command line tells it."""
    if reading.state is OnuState.ONLINE:
        return replace(
            reading,
            onu_rx=details.onu_rx if reading.onu_rx is None else reading.onu_rx,
            onu_tx=details.onu_tx if reading.onu_tx is None else reading.onu_tx,
            olt_rx=details.olt_rx if reading.olt_rx is None else reading.olt_rx,
        )
    if reading.last_down_reason not in {None, DownReason.UNKNOWN} or details.last_down_reason is None:
        return reading
    return replace(reading, last_down_reason=details.last_down_reason, last_down_word=details.last_down_word)
