"""Ports of switches over a real SNMP agent: state, errors, VLANs, light, MACs; families that keep them differently."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from callcenter.diag.devices import Device
from callcenter.diag.drivers import SWITCHES
from callcenter.diag.drivers._bridge import bits, spelled
from callcenter.diag.ports import Ports
from callcenter.diag.reading import MacRow, PortReading
from callcenter.diag.snmp import Snmp
from callcenter.diag.switch import PortPlace, VlanOrder
from callcenter.diag.values import NO_VALUE
from callcenter.words import DeviceId, Missing, ProviderId
from lab.switch import Kind, SimulatedSwitch

ROUTER, TV = bytes.fromhex("64eeb7000001"), bytes.fromhex("64eeb7000002")
FAMILIES: tuple[Kind, ...] = ("hp_procurve", "hp_comware", "cisco_ios")
NAMES: dict[Kind, str] = {"hp_procurve": "5", "hp_comware": "GE1/0/5", "cisco_ios": "Gi1/0/5"}
UPLINKS: dict[Kind, str] = {"hp_procurve": "24", "hp_comware": "GigabitEthernet1/0/24", "cisco_ios": "gi1/0/24"}
every_family = pytest.mark.parametrize("kind", FAMILIES)


@asynccontextmanager
async def reading(kind: Kind) -> AsyncIterator[tuple[Ports, Device, SimulatedSwitch]]:
    snmp = Snmp()
    snmp.start()
    try:
        async with SimulatedSwitch(kind) as switch:
            switch.ports[5].macs = {100: [ROUTER]}
            switch.ports[24].tagged, switch.ports[24].pvid = {100, 200}, 1
            switch.ports[24].macs = {200: [TV]}
            device = Device(DeviceId(1), ProviderId(1), "sw", kind, "127.0.0.1", SecretStr("public"), switch.port)
            yield Ports(snmp), device, switch
    finally:
        snmp.close()


def port_of(found: PortReading | Missing) -> PortReading:
    assert isinstance(found, PortReading), found
    return found


@every_family
async def test_a_port_is_read_as_it_is(kind: Kind) -> None:
    async with reading(kind) as (ports, device, switch):
        switch.ports[5].mbps, switch.ports[5].duplex = 100, 2
        switch.ports[5].in_errors, switch.ports[5].crc, switch.ports[5].changed = 7, 3, switch.uptime - 60_000
        found = port_of(await ports.read(device, NAMES[kind]))
        assert (found.up, found.enabled, found.mbps, found.full_duplex) == (True, True, 100, False)
        assert (found.in_errors, found.crc_errors, found.changed_s) == (7, 3, 600)
        assert (found.pvid, found.tagged) == (100, ())
        assert found.macs == (MacRow(ROUTER.hex(":"), 100, found.name),)


@every_family
async def test_a_trunk_has_its_vlans_and_the_macs_of_each(kind: Kind) -> None:
    async with reading(kind) as (ports, device, _):
        found = port_of(await ports.read(device, UPLINKS[kind]))
        assert found.pvid == 1
        assert found.tagged == (100, 200)
        assert found.macs == (MacRow(TV.hex(":"), 200, found.name),)


@every_family
async def test_a_mac_is_found_and_a_vlan_is_there_or_not(kind: Kind) -> None:
    async with reading(kind) as (ports, device, _):
        [found] = await ports.find_mac(device, ROUTER.hex(":"))
        assert (found.vlan, spelled(found.port)) == (100, spelled(NAMES[kind]))
        assert await ports.find_mac(device, "00:00:00:00:00:01") == []
        assert await ports.vlan(device, 200)
        assert not await ports.vlan(device, 300)


@every_family
async def test_a_port_that_is_down_or_off_says_so(kind: Kind) -> None:
    async with reading(kind) as (ports, device, switch):
        switch.ports[5].up = False
        assert port_of(await ports.read(device, NAMES[kind])).up is False
        switch.ports[5].enabled = False
        assert port_of(await ports.read(device, NAMES[kind])).enabled is False


@pytest.mark.parametrize("kind", ["hp_procurve", "hp_comware"])
async def test_the_light_of_an_sfp(kind: Kind) -> None:
    async with reading(kind) as (ports, device, switch):
        switch.ports[24].sfp = (-5.88, -10.45)
        found = port_of(await ports.read(device, UPLINKS[kind]))
        assert found.sfp_tx == pytest.approx(-5.88)
        assert found.sfp_rx == pytest.approx(-10.45)
        assert port_of(await ports.read(device, NAMES[kind])).sfp_rx is None


async def test_a_port_that_is_not_there_is_told_with_the_like() -> None:
    async with reading("cisco_ios") as (ports, device, _):
        found = await ports.read(device, "Gi1/0/55")
        assert isinstance(found, Missing)
        assert found.reason == "line.missing.no-port"
        assert "GigabitEthernet1/0/5" in found.about


@every_family
async def test_a_silent_switch_is_silent_and_nothing_else(kind: Kind) -> None:
    async with reading(kind) as (ports, device, switch):
        switch.silent = True
        found = await ports.read(device, NAMES[kind], budget=0.5)
        assert isinstance(found, Missing)
        assert found.reason == "line.missing.timeout"


@pytest.mark.parametrize("one", ["Gi1/0/5", "gi1/0/5", "GE1/0/5", "GigabitEthernet1/0/5", "gigabitethernet 1/0/5"])
def test_a_port_has_many_spellings(one: str) -> None:
    assert spelled(one) == "gigabitethernet1/0/5"


def test_the_first_bit_is_port_one() -> None:
    assert bits(b"\x80\x01") == {1, 16}


def test_a_vlan_is_added_to_a_trunk_and_never_replaces_its_list() -> None:
    order = VlanOrder("Gi1/0/24", 300, tagged=True, name="circuit")
    add, drop = SWITCHES["cisco_ios"].add_vlan, SWITCHES["cisco_ios"].drop_vlan
    assert add is not None
    assert drop is not None
    assert "switchport trunk allowed vlan add 300" in add(order)
    assert not any(each.startswith("switchport trunk allowed vlan 300") for each in add(order))
    assert "no vlan 300" in drop(order, True)
    assert "no vlan 300" not in drop(order, False)


anything = st.one_of(
    st.just(NO_VALUE),
    st.integers(-(2**63), 2**64),
    st.binary(max_size=70),
    st.lists(st.integers(0, 9), max_size=9).map(tuple),
)  # fmt: skip


@pytest.mark.parametrize("kind", FAMILIES)
@given(data=st.data())
def test_no_answer_breaks_a_driver(kind: Kind, data: st.DataObject) -> None:
    driver = SWITCHES[kind]
    columns = [*driver.reads, *driver.bridge_reads, *driver.scalars]
    answers = {name: data.draw(anything) for name in columns if data.draw(st.booleans())}
    index = st.lists(st.integers(0, 300), max_size=8).map(tuple)
    walked = {
        name: data.draw(st.dictionaries(index, anything, max_size=4))
        for name in (*driver.vlan_columns, *driver.fdb.columns, *driver.ports.columns)
    }
    driver.ports.places(walked)
    driver.fdb.decode(walked, {1: "1", 2: "2"})
    found = driver.decode(PortPlace(5, 5, "5"), answers, walked)
    for dbm in (found.sfp_rx, found.sfp_tx):
        assert dbm is None or -40 < dbm < 15
    assert found.pvid is None or 1 <= found.pvid <= 2**31
