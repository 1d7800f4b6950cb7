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
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState
from callcenter.diag.snmp import Snmp
from callcenter.store import Database
from callcenter.words import DeviceId, Known, ProviderId
from lab.mibs import FAMILIES, zte_c3xx
from lab.mibs.family import Family
from lab.olt import Fault, SimulatedOlt
from lab.plant import Onu

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
every_family = pytest.mark.parametrize("family", sorted(FAMILIES))


class _Enough(Exception):
    """The test is over."""


@asynccontextmanager
async def reading(
    database: Database,
    family: str | Family,
    options: tuple[tuple[str, str], ...] = (),
    *,
    pons: int = 2,
    each: int = 12,
) -> AsyncIterator[tuple[LineReader, Device, SimulatedOlt]]:
    snmp = Snmp()
    snmp.start()
    try:
        async with SimulatedOlt(family, "vezha", pons=pons, onus_per_pon=each) as olt:
            for onu in olt.plant.onus.values():
                onu.description = f"flat-{onu.address.onu}"
            secret = SecretStr("public")
            device = Device(
                DeviceId(1), ProviderId(1), "vezha", olt.driver, olt.host, secret, olt.port, options=options
            )
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


@pytest.mark.parametrize(
    ("family", "options"),
    [*((name, ()) for name in sorted(FAMILIES)), (zte_c3xx.NEW, (("cli_names", "gpon_onu-"), ("tree", "1082")))],
    ids=lambda each: each if isinstance(each, str) else "zte-of-the-newer-tree" if isinstance(each, Family) else "",
)
async def test_a_line_is_read_as_it_is(
    database: Database, family: str | Family, options: tuple[tuple[str, str], ...]
) -> None:
    async with reading(database, family, options) as (lines, device, olt):
        driver = DRIVERS[device.driver]
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
    async with reading(database, family) as (lines, device, olt):
        olt.fault = Fault.SILENT
        address = str(next(iter(olt.plant.onus.values())).address)
        assert not isinstance(await lines.read(device, address, budget=0.3), Known)


TOLD = {
    "cdata_fd11": {"macs", "pon"},
    "cdata_fd12": {"macs", "pon", "vlan", "bias"},
    "cdata_fd16": {"pon", "vlan", "bias", "fell"},
    "zte_c3xx": {"fell", "since"},
    "huawei_ma56xx": {"pon", "vlan", "bias", "fell", "since", "log", "tx"},
    "eltex_ltp": {"pon"},
}
"""What a family tells over SNMP on top of temperature, firmware, description and LAN ports."""


@pytest.mark.parametrize("family", sorted(TOLD))
async def test_the_whole_line_is_told_over_snmp(database: Database, family: str) -> None:
    async with reading(database, family) as (lines, device, olt):
        good, _, _, no_power, _, _, router_off, _ = list(olt.plant.onus.values())[:8]
        told = await details(lines, device, good)
        assert told.temperature_c == pytest.approx(good.temperature, abs=0.6)
        assert told.firmware
        assert told.description == "flat-1"
        [uni] = told.unis
        assert (uni.number, uni.up) == (1, True)
        assert (await details(lines, device, router_off)).unis[0].up is False
        said = TOLD[family]
        assert (told.macs is not None) == ("macs" in said)
        if told.macs is not None:
            assert [bytes.fromhex(row.mac.replace(":", "")) for row in told.macs] == good.behind
            assert (await details(lines, device, router_off)).macs is None, "no row of them tells nothing"
        assert (told.pon is not None and told.pon.tx is not None) == ("pon" in said)
        assert (uni.vlan == good.vlan) == ("vlan" in said)
        assert (told.bias_ma is not None) == ("bias" in said)
        assert (told.onu_tx is not None) == ("tx" in said)
        assert (told.registered_at is not None) == ("since" in said)
        dark = await details(lines, device, no_power)
        assert no_power.down_since is not None
        fell = olt.plant.wall(no_power.down_since).replace(tzinfo=None, microsecond=0)
        assert dark.last_down_at == (fell if "fell" in said else None)
        assert ("log" in said) == (dark.log is not None)
        for line in dark.log or ():
            assert (line.at, line.down) == (fell, DownReason.POWER)
        assert olt.peak_outstanding == 1


async def details(lines: LineReader, device: Device, onu: Onu) -> LineDetails:
    found = value(await lines.read(device, str(onu.address)))
    told = await lines.details(device, str(onu.address), found)
    assert isinstance(told, LineDetails), told
    return told


@every_family
async def test_several_hundred_onus_are_swept_as_they_are_read(database: Database, family: str) -> None:
    async with reading(database, family, pons=8, each=48) as (lines, device, olt):
        swept = (await lines.sweep(device, 20)).readings
        assert swept.keys() == {onu.address for onu in olt.plant.onus.values()}
        for onu in list(olt.plant.onus.values())[::37]:
            card = value(await lines.read(device, str(onu.address)))
            assert swept[onu.address].state is card.state
            assert swept[onu.address].uni_up is card.uni_up
            assert swept[onu.address].last_down_reason is card.last_down_reason
            assert (swept[onu.address].onu_rx is None) == (card.onu_rx is None)
