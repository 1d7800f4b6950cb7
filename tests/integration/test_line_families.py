"""Every family's line over a real SNMP agent, read by the line reader as a card does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from callcenter.diag.devices import Device
from callcenter.diag.drivers import DRIVERS
from callcenter.diag.line import LineReader, LineReading
from callcenter.diag.reading import DownReason, OnuReading, OnuState
from callcenter.diag.snmp import Snmp
from callcenter.store import Database
from callcenter.words import DeviceId, Known, ProviderId
from lab.mibs import FAMILIES
from lab.olt import SimulatedOlt

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
every_family = pytest.mark.parametrize("family", sorted(FAMILIES))


class _Enough(Exception):
    """The test is over."""


@asynccontextmanager
async def reading(database: Database, family: str) -> AsyncIterator[tuple[LineReader, Device, SimulatedOlt]]:
    snmp = Snmp()
    snmp.start()
    try:
        async with SimulatedOlt(family, "vezha", pons=2, onus_per_pon=12) as olt:
            device = Device(DeviceId(1), ProviderId(1), "vezha", family, olt.host, SecretStr("public"), olt.port)
            async with asyncio.TaskGroup() as tasks:
                yield LineReader(snmp, database, tasks, lambda: NOON), device, olt
                raise _Enough
    except* _Enough:
        pass
    finally:
        snmp.close()


def value(found: LineReading) -> OnuReading:
    assert isinstance(found, Known), found
    return found.value


def test_every_driver_has_a_simulated_family() -> None:
    assert DRIVERS.keys() == FAMILIES.keys()


@every_family
async def test_a_line_is_read_as_it_is(database: Database, family: str) -> None:
    async with reading(database, family) as (lines, device, olt):
        driver = DRIVERS[family]
        good, weak, critical, no_power, no_light, strong, router_off, bad_cable = list(olt.plant.onus.values())[:8]
        for onu in (good, weak, critical, strong):
            found = value(await lines.read(device, str(onu.address)))
            assert found.state is OnuState.ONLINE
            assert found.onu_rx == pytest.approx(onu.rx, abs=0.5)
            assert found.uni_up is True
            if "olt_rx" not in driver.absent:
                assert found.olt_rx == pytest.approx(onu.olt_rx, abs=0.5)
            if "onu_tx" not in driver.absent:
                assert found.onu_tx == pytest.approx(onu.tx, abs=0.5)
            assert found.distance_m == onu.distance
        assert value(await lines.read(device, str(router_off.address))).uni_up is False
        if "uni_mbps" not in driver.absent:
            assert value(await lines.read(device, str(bad_cable.address))).uni_mbps == 10
        for onu, reason in ((no_power, DownReason.POWER), (no_light, DownReason.FIBRE)):
            found = value(await lines.read(device, str(onu.address)))
            assert found.state is OnuState.OFFLINE
            assert (found.onu_rx, found.olt_rx, found.uni_up) == (None, None, None)
            if "last_down_reason" not in driver.absent:
                assert found.last_down_reason is reason
        assert olt.peak_outstanding == 1


@every_family
async def test_an_onu_that_is_not_there_is_absent(database: Database, family: str) -> None:
    async with reading(database, family) as (lines, device, olt):
        last = list(olt.plant.onus.values())[-1].address
        nobody = f"{last.pon}:{last.onu + 1}"
        assert value(await lines.read(device, nobody)).state is OnuState.ABSENT
        olt.forget(str(last))
        assert value(await lines.read(device, str(last))).state is OnuState.ABSENT


@every_family
async def test_a_restarted_olt_shows_no_neighbours_line(database: Database, family: str) -> None:
    async with reading(database, family) as (lines, device, olt):
        onus = list(olt.plant.onus.values())
        assert value(await lines.read(device, str(onus[0].address))).state is OnuState.ONLINE
        olt.renumber()
        for onu in onus[:4]:
            found = value(await lines.read(device, str(onu.address)))
            assert (found.state is OnuState.ONLINE) == (onu.down is None)
            if onu.down is None:
                assert found.onu_rx == pytest.approx(onu.rx, abs=0.5)


@every_family
async def test_a_silent_olt_is_never_an_offline_line(database: Database, family: str) -> None:
    from lab.olt import Fault

    async with reading(database, family) as (lines, device, olt):
        olt.fault = Fault.SILENT
        address = str(next(iter(olt.plant.onus.values())).address)
        assert not isinstance(await lines.read(device, address, budget=0.3), Known)
