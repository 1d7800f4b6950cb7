"""HP and H3C Comware switches: A5500, 5130, 1910, 1920, 1950.

Sources: LibreNMS recordings "comware*" (bridge port and ifIndex differ, optics of port 26), HH3C-TRANSCEIVER-INFO-MIB;
the command line from oxidized (comware.rb) and ntc-templates. Not tried on our own devices.

Oddities: 1910 and 1920 hide most commands until ``_cmdline-mode on``, which needs a password and is not sent. Names are
long in the FDB and short elsewhere.
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

H3C: Oid = (1, 3, 6, 1, 4, 1, 25506)
SFP: Oid = (*H3C, 2, 70, 1, 1, 1)


def decode(place: PortPlace, answers: Answers, walked: Walked) -> PortReading:
    """SFP levels come in 0.01 dBm."""
    told = bridge.port(place, answers, walked)
    return replace(
        told, sfp_rx=level(answers, "sfp_rx", per_dbm=100) or None, sfp_tx=level(answers, "sfp_tx", per_dbm=100) or None
    )


def macs(walked: Walked, names: Mapping[int, str]) -> tuple[MacRow, ...]:
    """An FDB's number is its VLAN."""
    return bridge.macs_by_vlan(walked, names)


def add_vlan(order: VlanOrder) -> tuple[str, ...]:
    name = (f"name {order.name}",) if order.name else ()
    if order.tagged:
        port = ("port link-type trunk", f"port trunk permit vlan {order.vlan}")
    else:
        port = ("port link-type access", f"port access vlan {order.vlan}")
    return (f"vlan {order.vlan}", *name, "quit", f"interface {order.port}", *port, "quit")


def drop_vlan(order: VlanOrder, made: bool) -> tuple[str, ...]:
    port = f"undo port trunk permit vlan {order.vlan}" if order.tagged else "undo port access vlan"
    return (f"interface {order.port}", port, "quit", *((f"undo vlan {order.vlan}",) if made else ()))


DIALECT = Dialect(
    name="hp_comware",
    prompt=r"[<\[][\w.-]+[>\]]",
    enable="",
    unpage=("screen-length disable",),
    pager=r"---- More ----",
    configure="system-view",
    leave_configure="return",
    save="save force",
    leave=("quit",),
    errors=(r"(?i)^\s*% .*", r"(?i)^ ?error:.*"),
)

DRIVER = SwitchDriver(
    name="hp_comware",
    title="HP and H3C Comware",
    signs=Signs((H3C,), r"Comware|HP V19", ()),
    ports=bridge.PORTS,
    reads={**bridge.READS, "sfp_tx": (*SFP, 9), "sfp_rx": (*SFP, 12)},
    bridge_reads={"pvid": (*bridge.Q_BRIDGE, 4, 5, 1, 1)},
    scalars={"uptime": bridge.UPTIME},
    vlan_columns={"egress": (*bridge.Q_BRIDGE, 4, 3, 1, 2), "untagged": (*bridge.Q_BRIDGE, 4, 3, 1, 4)},
    decode=decode,
    fdb=Fdb({"fdb": (*bridge.Q_BRIDGE, 2, 2, 1, 2)}, macs),
    dialect=DIALECT,
    add_vlan=add_vlan,
    drop_vlan=drop_vlan,
    absent=frozenset({"flaps", "log"}),
)
