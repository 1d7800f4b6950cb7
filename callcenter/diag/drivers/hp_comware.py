"""HP and H3C Comware switches: A5500, 5130, 1910, 1920, 1950.

Sources: LibreNMS recordings "comware*" (bridge port and ifIndex differ, optics of port 26), HH3C-TRANSCEIVER-INFO-MIB,
HH3C-LswINF-MIB (hh3cifVLANType: 1 trunk, 2 access, 3 hybrid), HH3C-LswVLAN-MIB (hh3cifVLANTrunkAllowListLow and High:
2048 VLANs each); the command line from oxidized (comware.rb) and ntc-templates (``display mac-address``,
``display clock``), optics from H3C's own command reference, log lines of both generations from published logs
(``PHY_UPDOWN`` of Comware 7, ``LINK_UPDOWN`` of Comware 5). Not tried on our own devices.

Oddities: 1910 and 1920 hide most commands until ``_cmdline-mode on``, which needs a password and is not sent. Names are
long in the FDB and short elsewhere. The bit order of the trunk's own lists is not verified: they are
not read, and a trunk that carries every VLAN there is is taken for one that is set to carry all.
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
from callcenter.diag.values import Answers, Oid, level, number
from callcenter.errors import RuleBroken

H3C: Oid = (1, 3, 6, 1, 4, 1, 25506)
SFP: Oid = (*H3C, 2, 70, 1, 1, 1)
LINK_TYPE: Oid = (*H3C, 8, 35, 1, 1, 1, 5)
MODES = {1: "trunk", 2: "access", 3: "hybrid"}


def decode(place: PortPlace, answers: Answers, walked: Walked) -> PortReading:
    """SFP levels come in 0.01 dBm; 0 is a port without optics. A trunk in every VLAN there is may be set for all."""
    told = bridge.port(place, answers, walked)
    mode = MODES.get(number(answers, "link_type") or 0, "")
    there = {index[-1] for index in walked.get("egress", {}) if index}
    everywhere = mode == "trunk" and len(there) > 1 and there <= {told.pvid, *(told.tagged or ())}
    return replace(
        told,
        mode=mode,
        allowed="1-4094" if everywhere else "",
        sfp_rx=level(answers, "sfp_rx", per_dbm=100) or None,
        sfp_tx=level(answers, "sfp_tx", per_dbm=100) or None,
    )


def macs(walked: Walked, names: Mapping[int, str]) -> tuple[MacRow, ...]:
    """An FDB's number is its VLAN."""
    return bridge.macs_by_vlan(walked, names)


# --- the command line ---


def _went(line: str) -> str:
    """``... changed to down`` (Comware 7), ``... link status is DOWN`` (Comware 5)."""
    if re.search(r"PHY_UPDOWN.*changed to down|IFNET/3/LINK_UPDOWN.*status is down", line, re.IGNORECASE):
        return "link"
    return "line" if re.search(r"LINK_UPDOWN.*changed to down", line, re.IGNORECASE) else ""


def _log(outputs: tuple[str, ...], name: str) -> PortReading:
    """``%Jun 12 10:30:12:345 2017 sw IFNET/3/PHY_UPDOWN: Physical state on the interface ... changed to down.``"""
    now = port_log.clock(outputs[0]) if outputs else None
    if len(outputs) < 2 or now is None or any(re.match(r"% ", line) for line in said.lines(outputs[1])):
        return PortReading(name)
    mine = [line for line in said.lines(outputs[1]) if line.startswith("%") and port_log.speaks_of(name, line)]
    return port_log.told(name, mine, now, _went)


def _macs(outputs: tuple[str, ...], name: str) -> PortReading:
    """``fedc-ba09-8765 10  Learned  GigabitEthernet1/0/20  NOAGED``."""
    if not said.has_table(r"mac addr(ess)?\s+vlan id", *outputs):
        return PortReading(name)
    rows = []
    for line in said.lines(*outputs):
        row = re.match(r"(\S+)\s+([0-9]{1,4})\s+(\S+)\s+(\S+)\s", line + " ", re.ASCII)
        if row is not None and said.mac(row[1]) and bridge.spelled(row[4]) == bridge.spelled(name):
            rows.append(MacRow(said.mac(row[1]), said.vlan(row[2]), name))
    return PortReading(name, macs=tuple(rows))


def _optics(outputs: tuple[str, ...], name: str) -> PortReading:
    """The row under ``Temp(C) Voltage(V) Bias(mA) RX power(dBm) TX power(dBm)``: received first."""
    shown = [line.split() for line in said.lines(*outputs)]
    for heading, row in zip(said.lines(*outputs), shown[1:], strict=False):
        if re.search(r"RX power\(dBm\)\s+TX power\(dBm\)", heading, re.IGNORECASE) and len(row) == 5:
            return PortReading(name, sfp_rx=said.level(row[3]), sfp_tx=said.level(row[4]))
    return PortReading(name)


def add_vlan(order: VlanOrder) -> tuple[str, ...]:
    name = (f"name {order.name}",) if order.name else ()
    return (f"vlan {order.vlan}", *name, "quit", f"interface {order.port}", *_joins(order), "quit")


def _joins(order: VlanOrder) -> tuple[str, ...]:
    """A new trunk lets VLAN 1 through and nothing else: an access port of VLAN 1 may become one."""
    if order.tagged:
        match order.mode:
            case "hybrid":
                return (f"port hybrid vlan {order.vlan} tagged",)
            case "access":
                return ("port link-type trunk", f"port trunk permit vlan {order.vlan}")
            case "trunk":
                return (f"port trunk permit vlan {order.vlan}",)
    else:
        match order.mode:
            case "hybrid":
                return (f"port hybrid vlan {order.vlan} untagged", f"port hybrid pvid vlan {order.vlan}")
            case "access":
                return (f"port access vlan {order.vlan}",)
    raise RuleBroken(f"{order.port} is {order.mode or 'of a link type that is not known'}: set it by hand first")


def drop_vlan(order: VlanOrder, made: bool) -> tuple[str, ...]:
    before = (order.was.pvid if order.was is not None else None) or 1
    port: tuple[str, ...]
    match order.tagged, order.mode:
        case True, "hybrid":
            port = (f"undo port hybrid vlan {order.vlan}",)
        case True, "access":
            port = (f"undo port trunk permit vlan {order.vlan}", "port link-type access")
        case True, _ if order.was is not None and bridge.within(order.vlan, order.was.allowed):
            port = ()  # a list of all VLANs would be left with a hole
        case True, _:
            port = (f"undo port trunk permit vlan {order.vlan}",)
        case False, "hybrid":
            port = (f"port hybrid pvid vlan {before}", f"undo port hybrid vlan {order.vlan}")
        case _:
            port = ("undo port access vlan",) if before == 1 else (f"port access vlan {before}",)
    steps = (f"interface {order.port}", *port, "quit") if port else ()
    return (*steps, *((f"undo vlan {order.vlan}",) if made else ()))


DIALECT = Dialect(
    name="hp_comware",
    prompt=r"[<\[][\w./:-]+[>\]]",
    enable="",
    unpage=("screen-length disable",),
    pager=r"---- More ----",
    configure="system-view",
    leave_configure="return",
    save="save force",
    leave=("quit",),
    errors=(r"(?i)^\s*% .*", r"(?i)^ ?error:.*"),
    forbidden=(r"^(reboot|reset saved|restore|undo vlan (1|all)$|(undo )?port trunk permit vlan (all|.* to ))",),
)

DRIVER = SwitchDriver(
    name="hp_comware",
    title="HP and H3C Comware",
    signs=Signs((H3C,), r"Comware|HP V19", ()),
    ports=bridge.PORTS,
    reads={**bridge.READS, "sfp_tx": (*SFP, 9), "sfp_rx": (*SFP, 12), "link_type": LINK_TYPE},
    bridge_reads={"pvid": (*bridge.Q_BRIDGE, 4, 5, 1, 1)},
    scalars={"uptime": bridge.UPTIME},
    vlan_columns={"egress": (*bridge.Q_BRIDGE, 4, 3, 1, 2), "untagged": (*bridge.Q_BRIDGE, 4, 3, 1, 4)},
    decode=decode,
    fdb=Fdb({"fdb": (*bridge.Q_BRIDGE, 2, 2, 1, 2)}, macs),
    dialect=DIALECT,
    limits=bridge.LIMITS,
    questions_cli=(
        PortQuestion("log", lambda name: ("display clock", f"display logbuffer | include {name}"), _log),
        PortQuestion("macs", lambda name: (f"display mac-address interface {name}",), _macs),
        PortQuestion("optics", lambda name: (f"display transceiver diagnosis interface {name}",), _optics),
    ),
    add_vlan=add_vlan,
    drop_vlan=drop_vlan,
)
