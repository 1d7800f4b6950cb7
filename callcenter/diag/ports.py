"""Ports of switches as they are now: state, speed, errors, VLANs, light, and who is behind them."""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from callcenter.diag.devices import Device
from callcenter.diag.driver import Rows
from callcenter.diag.drivers import SWITCHES
from callcenter.diag.drivers._bridge import spelled
from callcenter.diag.reading import MacRow, PortReading
from callcenter.diag.snmp import Snmp
from callcenter.diag.snmp_target import Busy, Nonsense
from callcenter.diag.switch import PortPlace, SwitchDriver
from callcenter.diag.values import Oid, SnmpValue
from callcenter.errors import CallCenterError, Refused, Unavailable
from callcenter.words import Missing

log = logging.getLogger(__name__)

MAP_KEPT = 300.0
"""Seconds for which a switch's list of ports is believed."""
BUDGET = 10.0
MOST_MACS = 20_000
MOST_VLANS = 4094


@dataclass(slots=True)
class _Switch:
    places: dict[str, PortPlace] = field(default_factory=dict)
    listed_at: float = float("-inf")


class Ports:
    """Reads ports; belongs to one event loop."""

    def __init__(self, snmp: Snmp) -> None:
        self._snmp = snmp
        self._switches: dict[Device, _Switch] = {}

    async def read(self, device: Device, port: str, budget: float = BUDGET) -> PortReading | Missing:
        """The port as it is now, its MACs too, or why that is not known. Never raises for a device."""
        driver = SWITCHES.get(device.driver_name)
        if driver is None:
            return Missing("line.missing.no-driver", device.driver_name)
        try:
            async with asyncio.timeout(budget):
                place = await self._place(device, driver, port)
                if isinstance(place, Missing):
                    return place
                reading = await self._read(device, driver, place, budget)
                if reading.up is None and reading.enabled is None:  # its index is nobody's any more
                    self._switches.pop(device, None)
                    return Missing("line.missing.no-port", port)
                macs = await self._macs(device, driver, place, reading, budget)
        except TimeoutError:
            return Missing("line.missing.timeout", device.name)
        except Busy:
            return Missing("line.missing.busy", device.name)
        except Nonsense:
            return Missing("line.missing.nonsense", device.name)
        except Unavailable:
            return Missing("line.missing.timeout", device.name)
        except Refused:
            return Missing("line.missing.refused", device.name)
        except CallCenterError as exc:
            log.warning("port %s of %s: %s", port, device.name, exc)
            return Missing("line.missing.failed", device.name)
        return replace(reading, macs=macs, absent=driver.absent)

    async def find_mac(self, device: Device, mac: str, vlan: int | None = None) -> list[MacRow]:
        """Every port on which the switch knows this MAC. Raises ``Unavailable`` or ``Refused``."""
        driver = SWITCHES[device.driver_name]
        rows = await self._table(device, driver, {vlan} if vlan is not None else None, BUDGET)
        return [row for row in rows if row.mac == mac]

    async def vlan(self, device: Device, vlan: int, budget: float = BUDGET) -> bool:
        """Whether the VLAN exists on the switch. Raises ``Unavailable`` or ``Refused``."""
        driver = SWITCHES[device.driver_name]
        return vlan in await self._vlans(device, driver, budget)

    async def place(self, device: Device, port: str) -> PortPlace | Missing:
        """Where this port stands, however it was spelled. Raises ``Unavailable`` or ``Refused``."""
        return await self._place(device, SWITCHES[device.driver_name], port)

    # --- one switch ---

    async def _place(self, device: Device, driver: SwitchDriver, port: str) -> PortPlace | Missing:
        switch = self._switches.setdefault(device, _Switch())
        now = asyncio.get_running_loop().time()
        if spelled(port) not in switch.places or now - switch.listed_at > MAP_KEPT:
            walked = {
                name: await self._walk(device, driver, column, BUDGET) for name, column in driver.ports.columns.items()
            }
            switch.places, switch.listed_at = driver.ports.places(walked), now
        place = switch.places.get(spelled(port))
        if place is not None:
            return place
        near = difflib.get_close_matches(spelled(port), switch.places, 3, 0.5)
        return Missing("line.missing.no-port", ", ".join(switch.places[each].name for each in near) or port)

    async def _read(self, device: Device, driver: SwitchDriver, place: PortPlace, budget: float) -> PortReading:
        target = self._snmp.target(device, driver.limits)
        oids: dict[str, Oid] = {name: (*column, place.if_index) for name, column in driver.reads.items()}
        if place.bridge_port is not None:
            oids |= {name: (*column, place.bridge_port) for name, column in driver.bridge_reads.items()}
        oids |= driver.scalars
        got = await self._snmp.get(target, list(oids.values()), budget)
        answers: dict[str, SnmpValue] = {name: got[oid] for name, oid in oids.items()}
        walked = {name: await self._walk(device, driver, each, budget) for name, each in driver.vlan_columns.items()}
        return driver.decode(place, answers, walked)

    async def _macs(
        self, device: Device, driver: SwitchDriver, place: PortPlace, reading: PortReading, budget: float
    ) -> tuple[MacRow, ...] | None:
        if place.bridge_port is None and not driver.fdb.per_vlan:
            return None
        vlans = {each for each in (reading.pvid, *(reading.tagged or ())) if each} if driver.fdb.per_vlan else None
        rows = await self._table(device, driver, vlans, budget)
        return tuple(row for row in rows if row.port == place.name)

    async def _table(self, device: Device, driver: SwitchDriver, vlans: set[int] | None, budget: float) -> list[MacRow]:
        """The MAC table: of the whole switch, or of each of these VLANs where every VLAN has its own."""
        places = self._switches.setdefault(device, _Switch()).places
        if not places:
            await self._place(device, driver, "")
            places = self._switches[device].places
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
