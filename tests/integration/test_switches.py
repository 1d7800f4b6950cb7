"""Ports of switches over a real SNMP agent, SSH and Telnet: state, errors, VLANs, light, MACs, falls."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from callcenter.diag.cli import Cli
from callcenter.diag.devices import CliLogin, Device
from callcenter.diag.drivers import SWITCHES
from callcenter.diag.drivers._bridge import bits, ranges, spelled, within
from callcenter.diag.ports import Ports
from callcenter.diag.reading import MacRow, PortReading
from callcenter.diag.snmp import Snmp
from callcenter.diag.switch import PortPlace, VlanOrder
from callcenter.diag.values import NO_VALUE
from callcenter.words import DeviceId, Missing, ProviderId
from lab.cli_device import CliDevice
from lab.cli_device import Fault as CliFault
from lab.clis import SCRIPTS
from lab.switch import Kind, SimulatedSwitch

ROUTER, TV = bytes.fromhex("64eeb7000001"), bytes.fromhex("64eeb7000002")
FAMILIES: tuple[Kind, ...] = ("hp_procurve", "hp_comware", "cisco_ios")
NAMES: dict[Kind, str] = {"hp_procurve": "5", "hp_comware": "GE1/0/5", "cisco_ios": "Gi1/0/5"}
UPLINKS: dict[Kind, str] = {"hp_procurve": "24", "hp_comware": "GigabitEthernet1/0/24", "cisco_ios": "gi1/0/24"}
Protocol: TypeAlias = Literal["ssh", "telnet"]
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


@every_family
async def test_the_light_of_an_sfp(kind: Kind) -> None:
    async with reading(kind) as (ports, device, switch):
        switch.ports[24].sfp = (-5.9, -10.4)
        found = port_of(await ports.read(device, UPLINKS[kind]))
        assert found.sfp_tx == pytest.approx(-5.9)
        assert found.sfp_rx == pytest.approx(-10.4)
        assert port_of(await ports.read(device, NAMES[kind])).sfp_rx is None


async def test_a_port_that_is_not_there_is_told_with_the_like() -> None:
    async with reading("cisco_ios") as (ports, device, _):
        found = await ports.read(device, "Gi1/0/55")
        assert isinstance(found, Missing)
        assert found.reason == "line.missing.no-port"
        assert "GigabitEthernet1/0/5" in found.about


# --- the command line beside it ---


@asynccontextmanager
async def with_shell(kind: Kind, protocol: Protocol = "ssh") -> AsyncIterator[tuple[Ports, Device, CliDevice]]:
    """The same switch by both ways; port 5 has a router, port 24 an SFP."""
    snmp, cli = Snmp(), Cli()
    snmp.start()
    switch: SimulatedSwitch = SCRIPTS[kind].model()
    switch.ports[5].macs = {1: [ROUTER]}
    try:
        async with switch, CliDevice(SCRIPTS[kind], protocol, model=switch) as shell:
            login = CliLogin(protocol, shell.user, SecretStr(shell.password), None, shell.port, shell.host_key)
            yield (
                Ports(snmp, cli),
                Device(
                    DeviceId(1), ProviderId(1), "sw", kind, "127.0.0.1", SecretStr("public"), switch.port, cli=login
                ),
                shell,
            )
    finally:
        cli.close()
        snmp.close()


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
@every_family
async def test_falls_of_the_last_day_are_counted_by_the_switchs_own_clock(kind: Kind, protocol: Protocol) -> None:
    async with with_shell(kind, protocol) as (ports, device, shell):
        for ago in (30 * 3600, 5 * 3600, 600, 60):
            shell.model.fall(5, ago)
        shell.model.fall(15, 30)
        found = port_of(await ports.read(device, NAMES[kind]))
        assert found.flaps == 3
        assert found.log is not None
        assert [line.down is None for line in found.log].count(False) in (4, 8)  # of the link, and of its protocol
        assert not any(re.search(r"(port |1/0/)15", line.text) for line in found.log)
        assert found.changed_s == 57
        quiet = port_of(await ports.read(device, UPLINKS[kind]))
        assert (quiet.flaps, quiet.log) == (0, ())
        assert shell.peak_sessions == 1


@every_family
async def test_the_log_is_not_asked_for_with_each_reading(kind: Kind) -> None:
    async with with_shell(kind) as (ports, device, shell):
        await ports.read(device, NAMES[kind])
        asked = len(shell.commands)
        again = port_of(await ports.read(device, NAMES[kind]))
        assert (again.flaps, len(shell.commands)) == (0, asked)
        without = port_of(await ports.read(device, UPLINKS[kind], with_log=False))
        assert (without.flaps, without.log, len(shell.commands)) == (None, None, asked)


@pytest.mark.parametrize("fault", [None, *CliFault])
async def test_a_command_line_that_misbehaves_takes_nothing_from_what_snmp_told(fault: CliFault | None) -> None:
    async with with_shell("cisco_ios", "telnet") as (ports, device, shell):
        shell.model.fall(5, 600)
        shell.fault = fault
        found = port_of(await ports.read(device, "Gi1/0/5", budget=3.0))
        assert (found.up, found.pvid, found.macs) == (True, 1, (MacRow(ROUTER.hex(":"), 1, "GigabitEthernet1/0/5"),))
        assert found.flaps in ({1} if fault is None else {None, 0, 1})


async def test_a_command_line_that_does_not_answer_is_left_alone_for_a_while() -> None:
    async with with_shell("cisco_ios", "telnet") as (ports, device, shell):
        shell.fault = CliFault.NO_PROMPT
        for _ in range(2):
            assert port_of(await ports.read(device, "Gi1/0/5", budget=1.5)).log is None
        assert shell.sessions == 1


async def test_a_trunk_of_many_vlans_tells_its_macs_on_the_command_line() -> None:
    async with with_shell("cisco_ios") as (ports, device, shell):
        switch: SimulatedSwitch = shell.model
        switch.vlans |= dict.fromkeys(range(1000, 1100), "many")
        switch.ports[24].tagged = {20, *range(1000, 1100)}
        switch.ports[24].macs = {20: [TV], 1050: [ROUTER]}
        found = port_of(await ports.read(device, "Gi1/0/24"))
        assert [(row.mac, row.vlan) for row in found.macs or ()] == [(TV.hex(":"), 20), (ROUTER.hex(":"), 1050)]


async def test_a_switch_without_a_login_tells_what_snmp_tells() -> None:
    async with with_shell("cisco_ios") as (ports, device, shell):
        found = port_of(await ports.read(replace(device, cli=None), "Gi1/0/5"))
        assert (found.up, found.flaps, found.log) == (True, None, None)
        assert shell.sessions == 0


@pytest.mark.parametrize("kind", ["hp_comware", "cisco_ios"])
async def test_light_is_asked_of_the_command_line_where_snmp_has_no_sensor(kind: Kind) -> None:
    async with with_shell(kind) as (_, device, shell):
        driver = SWITCHES[kind]
        shell.model.ports[24].sfp = (-2.2, -26.5)
        port = "GigabitEthernet1/0/24"
        [question] = [each for each in driver.questions_cli if each.about == "optics"]
        [macs] = [each for each in driver.questions_cli if each.about == "macs"]
        cli = Cli()
        assert driver.dialect is not None
        told = question.parse(await cli.ask(device, driver.dialect, question.commands(port), 10), port)
        assert (told.sfp_tx, told.sfp_rx) == (-2.2, -26.5)
        port = "GigabitEthernet1/0/5"
        rows = macs.parse(await cli.ask(device, driver.dialect, macs.commands(port), 10), port)
        assert rows.macs == (MacRow(ROUTER.hex(":"), 1, port),)
        cli.close()


# --- tables that change, end too late or never were ---


@every_family
async def test_a_port_whose_index_was_dealt_anew_is_found_again(kind: Kind) -> None:
    async with reading(kind) as (ports, device, switch):
        before = port_of(await ports.read(device, NAMES[kind]))
        switch.ports[4].pvid, switch.ports[4].in_errors = 200, 99
        switch.shift = 1  # every index is another port's now
        assert port_of(await ports.read(device, NAMES[kind])) == before
        del switch.ports[5]
        assert isinstance(await ports.read(device, NAMES[kind]), Missing)


@every_family
async def test_macs_that_take_too_long_leave_the_rest_as_it_is(kind: Kind) -> None:
    async with reading(kind) as (ports, device, switch):
        switch.silent_below = (1, 3, 6, 1, 2, 1, 17, 4) if kind == "cisco_ios" else (1, 3, 6, 1, 2, 1, 17, 7, 1, 2)
        found = port_of(await ports.read(device, NAMES[kind], budget=1.5))
        assert (found.up, found.pvid, found.macs) == (True, 100, None)


async def test_a_trunk_of_many_vlans_does_not_tell_its_macs_but_those_of_one() -> None:
    async with reading("cisco_ios") as (ports, device, switch):
        switch.vlans |= dict.fromkeys(range(1000, 1100), "many")
        switch.ports[24].tagged = {200, *range(1000, 1100), 3000}
        found = port_of(await ports.read(device, "Gi1/0/24"))
        assert found.macs is None
        assert found.tagged == (200, *range(1000, 1100))
        assert found.allowed == "1,200,1000-1099,3000"
        one = port_of(await ports.read(device, "Gi1/0/24", vlan=200))
        assert one.macs == (MacRow(TV.hex(":"), 200, one.name),)


async def test_a_trunk_whose_link_is_down_is_a_trunk_still() -> None:
    async with reading("cisco_ios") as (ports, device, switch):
        switch.ports[24].up = False
        found = port_of(await ports.read(device, "Gi1/0/24"))
        assert (found.up, found.mode, found.tagged) == (False, "trunk", (100, 200))


@every_family
async def test_a_wrong_community_is_no_answer_and_never_shown(kind: Kind) -> None:
    async with reading(kind) as (ports, device, _):
        found = await ports.read(replace(device, community=SecretStr("not-it")), NAMES[kind], budget=0.5)
        assert isinstance(found, Missing)
        assert found.reason == "line.missing.timeout"
        assert "not-it" not in repr(found)


@every_family
async def test_a_silent_switch_is_silent_and_nothing_else(kind: Kind) -> None:
    async with reading(kind) as (ports, device, switch):
        switch.silent = True
        found = await ports.read(device, NAMES[kind], budget=0.5)
        assert isinstance(found, Missing)
        assert found.reason == "line.missing.timeout"


SPELLINGS = [
    ("gigabitethernet1/0/5", "Gi1/0/5 gi1/0/5 GE1/0/5 GigabitEthernet1/0/5 g1/0/5 gig1/0/5 Gi_1/0/5 Gi-1/0/5"),
    ("tengigabitethernet1/1/2", "Te1/1/2 XGE1/1/2 Ten-GigabitEthernet1/1/2 TenGigabitEthernet_1/1/2"),
    ("fastethernet0/5", "Fa0/5 FE0/5 FastEthernet0/5"),
    ("portchannel1", "Po1 Port-channel1 port-channel_1"),
    ("bridgeaggregation12", "BAGG12 Bridge-Aggregation12"),
    ("5", "5 port_5 Port_5 _5_"),
    ("a1", "A1 a1"),
    ("trk1", "Trk1 TRK1"),
]


@pytest.mark.parametrize(("name", "written"), SPELLINGS, ids=[each[0] for each in SPELLINGS])
def test_a_port_has_many_spellings(name: str, written: str) -> None:
    assert {spelled(each.replace("_", " ")) for each in written.split(" ")} == {name}


async def test_a_bare_path_names_a_port_where_only_one_has_it() -> None:
    async with reading("hp_comware") as (ports, device, _):
        assert port_of(await ports.read(device, "1/0/5")).name == "GigabitEthernet1/0/5"
        assert isinstance(await ports.read(device, "2/0/5"), Missing)


@given(st.sets(st.integers(1, 4094)))
def test_ranges_say_exactly_their_vlans(vlans: set[int]) -> None:
    written = ranges(vlans)
    assert {vlan for vlan in range(1, 4095) if within(vlan, written)} == vlans


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
