"""HP ProCurve and ArubaOS-Switch: 2520, 2530, 2620, 2920, 5400 and their like.

Sources: LibreNMS recordings "procurve*" (an FDB's number is not its VLAN: VLAN 95 is FDB 2 there; optics of port 55),
MIB HP-ICF-TRANSCEIVER-MIB, switcher-core (HPESwitch); the command line from oxidized (procurve.rb), nocproject and
ntc-templates. Not tried on our own devices. The 18xx and 19xx series have no useful command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import Signs, Walked
from callcenter.diag.drivers import _bridge as bridge
from callcenter.diag.reading import MacRow, PortReading
from callcenter.diag.switch import Fdb, PortPlace, SwitchDriver, VlanOrder
from callcenter.diag.values import Answers, Oid, level

HP: Oid = (1, 3, 6, 1, 4, 1, 11, 2)
SFP: Oid = (*HP, 14, 11, 5, 1, 82, 1, 1, 1, 1)


def decode(place: PortPlace, answers: Answers, walked: Walked) -> PortReading:
    """SFP levels come in 0.001 dBm."""
    told = bridge.port(place, answers, walked)
    return replace(
        told,
        sfp_rx=level(answers, "sfp_rx", per_dbm=1000) or None,
        sfp_tx=level(answers, "sfp_tx", per_dbm=1000) or None,
    )


def macs(walked: Walked, names: Mapping[int, str]) -> tuple[MacRow, ...]:
    vlan_of = {fdb: index[-1] for index, fdb in walked.get("fdb_of_vlan", {}).items() if isinstance(fdb, int) and index}
    return bridge.macs_by_vlan(walked, names, vlan_of or None)


def add_vlan(order: VlanOrder) -> tuple[str, ...]:
    name = (f'name "{order.name}"',) if order.name else ()
    return (f"vlan {order.vlan}", *name, f"{'tagged' if order.tagged else 'untagged'} {order.port}", "exit")


def drop_vlan(order: VlanOrder, made: bool) -> tuple[str, ...]:
    if made:
        return (f"no vlan {order.vlan}", "y")
    return (f"vlan {order.vlan}", f"no {'tagged' if order.tagged else 'untagged'} {order.port}", "exit")


DIALECT = Dialect(
    name="hp_procurve",
    prompt=r"[\w.-]+(\([\w/-]+\))?[>#] ?",
    privileged="#",
    unpage=("no page",),
    pager=r"-- MORE --, next page: Space, next line: Enter, quit: Control-C",
    confirm={r"(?i)\[y/n\]\?\s*$": "y"},
    greets={r"Press any key to continue": "\n"},
    leave=("logout",),
    save="write memory",
    errors=(r"(?i)^invalid input.*", r"(?i)^.*not found.*", r"(?i)^error.*"),
)

DRIVER = SwitchDriver(
    name="hp_procurve",
    title="HP ProCurve, ArubaOS-Switch",
    signs=Signs(((*HP, 3, 7, 11), (*HP, 3, 7, 8, 5)), r"ProCurve|HP J|Aruba J", ()),
    ports=bridge.PORTS,
    reads={**bridge.READS, "sfp_tx": (*SFP, 14), "sfp_rx": (*SFP, 15)},
    bridge_reads={"pvid": (*bridge.Q_BRIDGE, 4, 5, 1, 1)},
    scalars={"uptime": bridge.UPTIME},
    vlan_columns={"egress": (*bridge.Q_BRIDGE, 4, 3, 1, 2), "untagged": (*bridge.Q_BRIDGE, 4, 3, 1, 4)},
    decode=decode,
    fdb=Fdb({"fdb": (*bridge.Q_BRIDGE, 2, 2, 1, 2), "fdb_of_vlan": (*bridge.Q_BRIDGE, 4, 2, 1, 3)}, macs),
    dialect=DIALECT,
    add_vlan=add_vlan,
    drop_vlan=drop_vlan,
    absent=frozenset({"flaps", "log"}),
)
