"""Ports of switches as they are now: state, speed, errors, VLANs, light, who is behind them, and how often they fell.

SNMP tells most of it; the switch's command line, where we have a login, its log and what SNMP left out. What one of
them does not tell is not known, and takes nothing from what the others told.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from callcenter.diag.devices import Device
from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import Rows
from callcenter.diag.drivers import SWITCHES
from callcenter.diag.drivers._bridge import is_named, place_named, spelled
from callcenter.diag.reading import MacRow, PortReading
from callcenter.diag.snmp import Snmp
from callcenter.diag.snmp_target import Busy, NoAnswer, Nonsense
from callcenter.diag.switch import PortPlace, PortQuestion, SwitchDriver
from callcenter.diag.values import Oid, SnmpValue
from callcenter.errors import CallCenterError, Refused, Unavailable
from callcenter.words import Missing

log = logging.getLogger(__name__)
T = TypeVar("T")

MAP_KEPT = 300.0
"""Seconds for which a switch's list of ports is believed."""
SAID_KEPT = 30.0
"""Seconds for which a port's command line is not asked again, whether it answered or not."""
SAID_BUDGET = 8.0
"""Seconds that the command line may take of a reading."""
BUDGET = 10.0
SEARCH_BUDGET = 30.0
"""Seconds for a MAC in the tables of a whole switch."""
MOST_MACS = 20_000
MOST_VLANS = 4094
MOST_TABLES = 16
"""VLANs whose tables are read one by one for the MACs of one port; a trunk with more does not tell its MACs."""
MOST_SAID = 256


class AsksCli(Protocol):
    async def ask(
        self, device: Device, dialect: Dialect, commands: Sequence[str], budget: float
    ) -> tuple[str, ...]: ...


@dataclass(slots=True)
class _Switch:
    places: dict[str, PortPlace] = field(default_factory=dict)
    listed_at: float = float("-inf")
    listing: asyncio.Lock = field(default_factory=asyncio.Lock)
    said: dict[tuple[str, ...], tuple[float, tuple[str, ...] | None]] = field(default_factory=dict)
    """What the command line showed, or that it did not answer, and when, by the commands."""


class Ports:
    """Reads ports; belongs to one event loop."""

    def __init__(self, snmp: Snmp, cli: AsksCli | None = None) -> None:
        self._snmp = snmp
        self._cli = cli
        self._switches: dict[Device, _Switch] = {}

    async def read(
        self, device: Device, port: str, budget: float = BUDGET, *, vlan: int | None = None, with_log: bool = True
    ) -> PortReading | Missing:
        """The port as it is now, its MACs too, or why that is not known. Never raises for a device.

        ``vlan`` asks for the MACs of this VLAN only; ``with_log`` whether the switch's log is asked for as well.
        """
        driver = SWITCHES.get(device.driver_name)
        if driver is None:
            return Missing("line.missing.no-driver", device.driver_name)
        deadline = _now() + budget
        try:
            async with asyncio.timeout_at(deadline):
                found = await self._present(device, driver, port, budget)
        except TimeoutError:
            return Missing("line.missing.timeout", device.name)
        except CallCenterError as exc:
            return _missing(device, port, exc)
        if isinstance(found, Missing):
            return found
        place, reading = found
        macs = await self._macs(device, driver, place, reading, vlan, deadline)
        reading = replace(reading, macs=macs, absent=driver.absent)
        return await self._completed(device, driver, reading, deadline, with_log=with_log)

    async def macs_of(self, device: Device, port: str, budget: float = BUDGET) -> tuple[MacRow, ...] | Missing:
        """The MACs behind a port, or why they are not known. Never raises for a device."""
        found = await self.read(device, port, budget, with_log=False)
        if isinstance(found, Missing):
            return found
        return Missing("line.missing.failed", device.name) if found.macs is None else found.macs

    async def find_mac(
        self, device: Device, mac: str, vlan: int | None = None, budget: float = SEARCH_BUDGET
    ) -> list[MacRow]:
        """Every port on which the switch knows this MAC. Raises ``Unavailable`` or ``Refused``."""
        driver = SWITCHES[device.driver_name]
        rows = await _within(device, budget, self._table(device, driver, {vlan} if vlan is not None else None, budget))
        return [row for row in rows if row.mac == mac and vlan in (None, row.vlan)]

    async def vlan(self, device: Device, vlan: int, budget: float = BUDGET) -> bool:
        """Whether the VLAN exists on the switch. Raises ``Unavailable`` or ``Refused``."""
        driver = SWITCHES[device.driver_name]
        return vlan in await _within(device, budget, self._vlans(device, driver, budget))

    async def place(self, device: Device, port: str) -> PortPlace | Missing:
        """Where this port stands, however it was spelled. Raises ``Unavailable`` or ``Refused``."""
        return await self._place(device, SWITCHES[device.driver_name], port)

    # --- one switch ---

    async def _present(
        self, device: Device, driver: SwitchDriver, port: str, budget: float
    ) -> tuple[PortPlace, PortReading] | Missing:
        """The port by its present index: one whose index is another port's now is looked up anew, once."""
        for _ in range(2):
            place = await self._place(device, driver, port)
            if isinstance(place, Missing):
                return place
            reading = await self._read(device, driver, place, budget)
            if reading is not None:
                return place, reading
            self._switch(device).listed_at = float("-inf")
        return Missing("line.missing.no-port", port)

    def _switch(self, device: Device) -> _Switch:
        return self._switches.setdefault(device, _Switch())

    async def _place(self, device: Device, driver: SwitchDriver, port: str) -> PortPlace | Missing:
        places = await self._listed(device, driver, lambda known: place_named(known, port) is not None)
        place = place_named(places, port)
        if place is not None:
            return place
        near = difflib.get_close_matches(spelled(port), places, 3, 0.5)
        return Missing("line.missing.no-port", ", ".join(places[each].name for each in near) or port)

    async def _listed(
        self, device: Device, driver: SwitchDriver, is_enough: Callable[[dict[str, PortPlace]], bool]
    ) -> dict[str, PortPlace]:
        """The switch's ports by name, walked anew when what is known is old or does not do."""
        switch = self._switch(device)
        asked_at = _now()
        async with switch.listing:
            fresh = _now() - switch.listed_at <= MAP_KEPT
            if switch.listed_at < asked_at and not (fresh and is_enough(switch.places)):
                walked = {
                    name: await self._walk(device, driver, column, BUDGET)
                    for name, column in driver.ports.columns.items()
                }
                switch.places, switch.listed_at = driver.ports.places(walked), _now()
            return switch.places

    async def _read(self, device: Device, driver: SwitchDriver, place: PortPlace, budget: float) -> PortReading | None:
        """``None`` when the index is another port's, or nobody's, by now."""
        target = self._snmp.target(device, driver.limits)
        oids: dict[str, Oid] = {name: (*column, place.if_index) for name, column in driver.reads.items()}
        if place.bridge_port is not None:
            oids |= {name: (*column, place.bridge_port) for name, column in driver.bridge_reads.items()}
        for name, (sensor, column) in driver.sensor_reads.items():
            if sensor in place.sensors:
                oids[name] = (*column, place.sensors[sensor])
        oids |= driver.scalars
        got = await self._snmp.get(target, list(oids.values()), budget)
        answers: dict[str, SnmpValue] = {name: got[oid] for name, oid in oids.items()}
        if not is_named(place, answers):
            return None
        walked = {name: await self._walk(device, driver, each, budget) for name, each in driver.vlan_columns.items()}
        reading = driver.decode(place, answers, walked)
        return None if reading.up is None and reading.enabled is None else reading

    async def _macs(
        self, device: Device, driver: SwitchDriver, place: PortPlace, reading: PortReading, vlan: int | None,
        deadline: float,
    ) -> tuple[MacRow, ...] | None:  # fmt: skip
        """The port's MACs; ``None`` when the tables could not be read in time, which says nothing of the port."""
        if place.bridge_port is None and not driver.fdb.per_vlan:
            return None
        vlans: set[int] | None = None
        if driver.fdb.per_vlan:
            vlans = {each for each in (reading.pvid, *(reading.tagged or ())) if each and vlan in (None, each)}
            if len(vlans) > MOST_TABLES:
                return None
        budget = deadline - _now()
        if budget <= 0:
            return None
        try:
            rows = await _within(device, budget, self._table(device, driver, vlans, budget))
        except CallCenterError as exc:
            log.info("MACs of %s %s are not known: %s", device.name, place.name, exc)
            return None
        return tuple(row for row in rows if row.port == place.name and vlan in (None, row.vlan))

    async def _table(self, device: Device, driver: SwitchDriver, vlans: set[int] | None, budget: float) -> list[MacRow]:
        """The MAC table: of the whole switch, or of each of these VLANs where every VLAN has its own."""
        places = await self._listed(device, driver, bool)
        by_index = {place.if_index: place.name for place in places.values()}
        if not driver.fdb.per_vlan:
            names = {place.bridge_port: place.name for place in places.values() if place.bridge_port is not None}
            walked = {name: await self._walk(device, driver, each, budget) for name, each in driver.fdb.columns.items()}
            return list(driver.fdb.decode(walked, names))
        if vlans is None:
            vlans = set(await self._vlans(device, driver, budget))
        rows: list[MacRow] = []
        for vlan in sorted(vlans):
            walked = {
                name: await self._walk(device, driver, each, budget, vlan) for name, each in driver.fdb.columns.items()
            }
            bridge: Mapping[int, str] = {
                index[0]: by_index[port]
                for index, port in walked.get("bridge", {}).items()
                if len(index) == 1 and isinstance(port, int) and port in by_index
            }
            rows += [replace(row, vlan=vlan) for row in driver.fdb.decode(walked, bridge)]
        return rows

    async def _vlans(self, device: Device, driver: SwitchDriver, budget: float) -> list[int]:
        column = next(iter(driver.vlan_columns.values()))
        rows = await self._walk(device, driver, column, budget)
        return sorted({index[-1] for index in rows if index and 1 <= index[-1] <= MOST_VLANS})

    async def _walk(
        self, device: Device, driver: SwitchDriver, column: Oid, budget: float, vlan: int | None = None
    ) -> Rows:
        target = self._snmp.target(device, driver.limits)
        rows = await self._snmp.walk(target, column, budget, MOST_MACS, vlan=vlan)
        return {oid[len(column) :]: value for oid, value in rows.items()}

    # --- the command line ---

    async def _completed(
        self, device: Device, driver: SwitchDriver, reading: PortReading, deadline: float, *, with_log: bool
    ) -> PortReading:
        """The reading with what the command line adds; as it is when that does not answer."""
        wanted = [each for each in driver.questions_cli if _is_open(each, reading, with_log=with_log)]
        if self._cli is None or driver.dialect is None or device.cli is None or not wanted:
            return reading
        commands = tuple(command for each in wanted for command in each.commands(reading.name))
        said = await self._said(device, driver.dialect, commands, deadline)
        if said is None:
            return reading
        at = 0
        for question in wanted:
            count = len(question.commands(reading.name))
            told = question.parse(said[at : at + count], reading.name)
            at += count
            reading = replace(
                reading,
                **{
                    name: getattr(told, name)
                    for name in ("flaps", "log", "macs", "sfp_rx", "sfp_tx")
                    if getattr(reading, name) is None
                },
            )
        return reading

    async def _said(
        self, device: Device, dialect: Dialect, commands: tuple[str, ...], deadline: float
    ) -> tuple[str, ...] | None:
        assert self._cli is not None
        kept = self._switch(device).said
        if commands in kept and _now() - kept[commands][0] <= SAID_KEPT:
            return kept[commands][1]
        budget = min(deadline - _now(), SAID_BUDGET)
        if budget <= 0:
            return None
        said: tuple[str, ...] | None = None
        try:
            said = await self._cli.ask(device, dialect, commands, budget)
        except CallCenterError as exc:
            log.info("the command line of %s tells nothing of the port: %s", device.name, exc)
        if len(kept) >= MOST_SAID:
            kept.clear()
        kept[commands] = (_now(), said)
        return said


def _is_open(question: PortQuestion, reading: PortReading, *, with_log: bool) -> bool:
    match question.about:
        case "log":
            return with_log
        case "macs":
            return reading.macs is None
        case "optics":
            return with_log and reading.up is True and reading.sfp_rx is None and reading.sfp_tx is None
    return True


async def _within(device: Device, budget: float, work: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(budget):
            return await work
    except TimeoutError as exc:
        raise NoAnswer(device.name, "did not end its answer in time") from exc


def _missing(device: Device, port: str, exc: CallCenterError) -> Missing:
    match exc:
        case Busy():
            return Missing("line.missing.busy", device.name)
        case Nonsense():
            return Missing("line.missing.nonsense", device.name)
        case Unavailable():
            return Missing("line.missing.timeout", device.name)
        case Refused():
            return Missing("line.missing.refused", device.name)
    log.warning("port %s of %s: %s", port, device.name, exc)
    return Missing("line.missing.failed", device.name)


def _now() -> float:
    return asyncio.get_running_loop().time()
