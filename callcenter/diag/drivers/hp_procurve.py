"""HP ProCurve and ArubaOS-Switch: 2520, 2530, 2620, 2920, 5400 and their like.

Sources: LibreNMS recordings "procurve*" (an FDB's number is not its VLAN: VLAN 95 is FDB 2 there; optics of port 55),
MIB HP-ICF-TRANSCEIVER-MIB, switcher-core (HPESwitch); the command line from oxidized (procurve.rb), nocproject and
ntc-templates (``show mac-address`` in both forms). Log lines ("port 21 is now off-line", the month first) from a
published ``show log -r``; the question of ``no vlan`` from a published session of AOS-S. ``show time`` is from HP's
manual and its form not verified: without it flaps are not counted. Not tried on our own devices. The 18xx and 19xx
series have no useful command line.

A port is untagged in one VLAN only: ``untagged`` moves it there, so it is taken back by ``untagged`` in the VLAN where
it was. ``no vlan`` asks only when a port would be left without a VLAN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from callcenter.diag import said
from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import Signs, Walked
from callcenter.diag.drivers import _bridge as bridge
from callcenter.diag.drivers import _port_log as port_log
from callcenter.diag.reading import MacRow, PortReading
from callcenter.diag.switch import Fdb, PortPlace, PortQuestion, SwitchDriver, VlanOrder
from callcenter.diag.values import Answers, Oid, level

HP: Oid = (1, 3, 6, 1, 4, 1, 11, 2)
SFP: Oid = (*HP, 14, 11, 5, 1, 82, 1, 1, 1, 1)


def decode(place: PortPlace, answers: Answers, walked: Walked) -> PortReading:
    """SFP levels come in 0.001 dBm; 0 is a port without optics."""
    told = bridge.port(place, answers, walked)
    return replace(
        told,
        sfp_rx=level(answers, "sfp_rx", per_dbm=1000) or None,
        sfp_tx=level(answers, "sfp_tx", per_dbm=1000) or None,
    )


def macs(walked: Walked, names: Mapping[int, str]) -> tuple[MacRow, ...]:
    """dot1qVlanFdbId tells an FDB's VLAN; its index is a time mark and the VLAN."""
    vlan_of = {fdb: index[-1] for index, fdb in walked.get("fdb_of_vlan", {}).items() if isinstance(fdb, int) and index}
    return bridge.macs_by_vlan(walked, names, vlan_of or None)


# --- the command line ---


def _log(outputs: tuple[str, ...], name: str) -> PortReading:
    """``I 05/18/13 17:13:31 00077 ports: port 21 is now off-line``, the newest first."""
    if len(outputs) < 2 or said.is_refusal(outputs[1]):
        return PortReading(name)
    of_port = re.compile(rf"\bport {re.escape(name)}(?![\w/])", re.IGNORECASE | re.ASCII)
    rows = [line for line in said.lines(outputs[1]) if re.match(r"[A-Z] +[0-9]{2}/[0-9]{2}/", line, re.ASCII)]
    if not rows:
        return PortReading(name)
    mine = [line for line in rows if of_port.search(line)]
    return port_log.told(name, mine, port_log.clock(outputs[0]), lambda line: "link" if "off-line" in line else "")


def _macs(outputs: tuple[str, ...], name: str) -> PortReading:
    """``500000-260000     Trk1   17``; older ones name no VLAN."""
    if not said.has_table(r"mac address\s+port", *outputs):
        return PortReading(name)
    rows = []
    for line in said.lines(*outputs):
        row = re.fullmatch(r"([0-9a-f]{6}-[0-9a-f]{6})\s+(\S+)(?:\s+([0-9]{1,4}))?", line, re.IGNORECASE | re.ASCII)
        if row is not None and bridge.spelled(row[2]) == bridge.spelled(name):
            rows.append(MacRow(said.mac(row[1]), said.vlan(row[3]), name))
    return PortReading(name, macs=tuple(rows))


def add_vlan(order: VlanOrder) -> tuple[str, ...]:
    name = (f'name "{order.name}"',) if order.name else ()
    return (f"vlan {order.vlan}", *name, f"{'tagged' if order.tagged else 'untagged'} {order.port}", "exit")


def drop_vlan(order: VlanOrder, made: bool) -> tuple[str, ...]:
    before = order.was.pvid if order.was is not None else None
    if not order.tagged and before not in {None, order.vlan}:
        port = (f"vlan {before}", f"untagged {order.port}", "exit")
    else:
        port = (f"vlan {order.vlan}", f"no {'tagged' if order.tagged else 'untagged'} {order.port}", "exit")
    return (*port, *((f"no vlan {order.vlan}",) if made else ()))


DIALECT = Dialect(
    name="hp_procurve",
    prompt=r"[\w.-]+(\([\w/-]+\))?[>#] ?",
    privileged="#",
    unpage=("no page",),
    pager=r"-- MORE --, next page: Space, next line: Enter, quit: Control-C",
    confirm={r"(?i)\[y/n\]\s?\??\s*$": "y"},
    greets={r"Press any key to continue": "\n"},
    leave=("logout", "y", "n"),
    save="write memory",
    errors=(
        r"(?i)^(invalid|incomplete|ambiguous) input.*", r"(?i)^.*not found.*", r"(?i)^error.*", r"(?i)^invalid.*",
        r"(?i)^module not present.*", r"(?i)^maximum number of vlans.*",
    ),
    forbidden=(r"^(reload|boot|erase|no vlan 1$|vlan 1 no )",),
)  # fmt: skip

DRIVER = SwitchDriver(
    name="hp_procurve",
    title="HP ProCurve, ArubaOS-Switch",
    signs=Signs(((*HP, 3, 7, 11), (*HP, 3, 7, 8, 5)), r"ProCurve|HP J|HP Stack|Aruba J", ()),
    ports=bridge.PORTS_BY_NAME,
    reads={**bridge.READS, "sfp_tx": (*SFP, 14), "sfp_rx": (*SFP, 15)},
    bridge_reads={"pvid": (*bridge.Q_BRIDGE, 4, 5, 1, 1)},
    scalars={"uptime": bridge.UPTIME},
    vlan_columns={"egress": (*bridge.Q_BRIDGE, 4, 3, 1, 2), "untagged": (*bridge.Q_BRIDGE, 4, 3, 1, 4)},
    decode=decode,
    fdb=Fdb({"fdb": (*bridge.Q_BRIDGE, 2, 2, 1, 2), "fdb_of_vlan": (*bridge.Q_BRIDGE, 4, 2, 1, 3)}, macs),
    dialect=DIALECT,
    limits=bridge.LIMITS,
    questions_cli=(
        PortQuestion("log", lambda name: ("show time", "show log -r"), _log),
        PortQuestion("macs", lambda name: ("show mac-address",), _macs),
    ),
    add_vlan=add_vlan,
    drop_vlan=drop_vlan,
    absent=frozenset({"mode", "allowed"}),
)
