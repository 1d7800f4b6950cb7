"""Cisco IOS switches: 2950, 2960, 3560, 3750 and their like.

Sources: LibreNMS recordings "ios_2960x" and "ios_c3560@..." (the MAC table of each VLAN has a community of its own,
``public@10``), CISCO-VLAN-MEMBERSHIP-MIB, CISCO-VTP-MIB; the command line from oxidized (ios.rb) and ntc-templates. Not
tried on our own devices. Small business series (SF, SG) speak another command line and are not these.

Oddities: a VLAN is added to a trunk with ``add``; without that word the whole list would be replaced. Optics are
sensors of ENTITY-MIB without a port's index and are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import Signs, Walked
from callcenter.diag.drivers import _bridge as bridge
from callcenter.diag.reading import MacRow, PortReading
from callcenter.diag.switch import Fdb, PortPlace, SwitchDriver, VlanOrder
from callcenter.diag.values import NO_VALUE, Answers, Oid, not_negative, number

CISCO: Oid = (1, 3, 6, 1, 4, 1, 9)
TRUNK: Oid = (*CISCO, 9, 46, 1, 6, 1, 1)
TRUNKING = 1


def decode(place: PortPlace, answers: Answers, walked: Walked) -> PortReading:
    """Access VLAN and trunk list stand in Cisco's own MIBs, 1024 VLANs a bitmap that counts from VLAN 0."""
    told = bridge.port(place, answers, walked)
    if number(answers, "trunking") != TRUNKING:
        return replace(told, pvid=not_negative(number(answers, "access_vlan"), zero_is_unknown=True), tagged=())
    allowed = {
        first + bit - 1
        for name, first in (("allowed", 0), ("allowed_2k", 1024), ("allowed_3k", 2048), ("allowed_4k", 3072))
        for bit in bridge.bits(answers.get(name, NO_VALUE))
        if bit <= 1024
    }
    known = {index[-1] for index, state in walked.get("vlans", {}).items() if index and state == 1}
    native = not_negative(number(answers, "native"), zero_is_unknown=True)
    carried = (allowed & known if known else allowed) - {native, 0}
    return replace(told, pvid=native, tagged=tuple(sorted(each for each in carried if 1 <= each <= 4094)))


def macs(walked: Walked, names: Mapping[int, str]) -> tuple[MacRow, ...]:
    """dot1dTpFdbPort of one VLAN: the six arcs of a MAC -> bridge port; the VLAN is whose community was asked."""
    return tuple(
        MacRow(bytes(index).hex(":"), None, names[port])
        for index, port in walked.get("fdb", {}).items()
        if len(index) == 6 and isinstance(port, int) and port in names and max(index) < 256
    )


def add_vlan(order: VlanOrder) -> tuple[str, ...]:
    name = (f"name {order.name}",) if order.name else ()
    if order.tagged:
        port = ("switchport mode trunk", f"switchport trunk allowed vlan add {order.vlan}")
    else:
        port = ("switchport mode access", f"switchport access vlan {order.vlan}")
    return (f"vlan {order.vlan}", *name, "exit", f"interface {order.port}", *port, "exit")


def drop_vlan(order: VlanOrder, made: bool) -> tuple[str, ...]:
    port = f"switchport trunk allowed vlan remove {order.vlan}" if order.tagged else "no switchport access vlan"
    return (f"interface {order.port}", port, "exit", *((f"no vlan {order.vlan}",) if made else ()))


DIALECT = Dialect(
    name="cisco_ios",
    prompt=r"[\w.-]+(\([\w/-]+\))?[>#]",
    privileged="#",
    unpage=("terminal length 0", "terminal width 0"),
    pager=r"--More--",
    save="write memory",
)

DRIVER = SwitchDriver(
    name="cisco_ios",
    title="Cisco IOS (2950, 2960, 3560, 3750)",
    signs=Signs(((*CISCO, 1),), r"Cisco (IOS|Internetwork Operating System)", ()),
    ports=bridge.PORTS,
    reads={
        **bridge.READS, "access_vlan": (*CISCO, 9, 68, 1, 2, 2, 1, 2), "allowed": (*TRUNK, 4), "native": (*TRUNK, 5),
        "trunking": (*TRUNK, 14), "allowed_2k": (*TRUNK, 17), "allowed_3k": (*TRUNK, 18), "allowed_4k": (*TRUNK, 19),
    },
    bridge_reads={},
    scalars={"uptime": bridge.UPTIME},
    vlan_columns={"vlans": (*CISCO, 9, 46, 1, 3, 1, 1, 2)},
    decode=decode,
    fdb=Fdb({"fdb": (*bridge.BRIDGE, 4, 3, 1, 2), "bridge": (*bridge.BRIDGE, 1, 4, 1, 2)}, macs, per_vlan=True),
    dialect=DIALECT,
    add_vlan=add_vlan,
    drop_vlan=drop_vlan,
    absent=frozenset({"flaps", "log", "sfp_rx", "sfp_tx"}),
)  # fmt: skip
