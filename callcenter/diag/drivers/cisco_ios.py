"""Cisco IOS switches: 2950, 2960, 3560, 3750 and their like.

Sources: LibreNMS recordings "ios_2960x" and "ios_c3560@..." (the MAC table of each VLAN has a community of its own,
``public@10``), CISCO-VLAN-MEMBERSHIP-MIB, CISCO-VTP-MIB (vlanTrunkPortDynamicState: 1 on, 2 off, 3 desirable, 4 auto,
5 on without negotiation; DynamicStatus: 1 trunking), CISCO-ENTITY-SENSOR-MIB with sensors named ``Te1/0/1 Receive Power
Sensor`` in ENTITY-MIB; the command line from oxidized (ios.rb) and ntc-templates (``show clock``, ``show logging``,
``show mac address-table``, ``show interface transceiver``). Not tried on our own devices. Small business series (SF,
SG) speak another command line and are not these.

Oddities: a VLAN is added to a trunk with ``add``; without that word the whole list would be replaced, and such a
command is never sent. An access port is not made a trunk from here: a new trunk lets every VLAN through. A trunk whose
link is down does not "trunk": what it is set to counts. Switches with VTP in client mode refuse new VLANs.
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
from callcenter.diag.switch import Fdb, PortMap, PortPlace, PortQuestion, SwitchDriver, VlanOrder
from callcenter.diag.values import NO_VALUE, Answers, Oid, light, not_negative, number
from callcenter.errors import RuleBroken
from callcenter.words import Dbm

CISCO: Oid = (1, 3, 6, 1, 4, 1, 9)
TRUNK: Oid = (*CISCO, 9, 46, 1, 6, 1, 1)
SENSOR: Oid = (*CISCO, 9, 91, 1, 1, 1, 1)
ENT_NAME: Oid = (*bridge.MIB2, 47, 1, 1, 1, 1, 7)
TRUNKING = 1
MODES = {1: "trunk", 2: "access", 3: "dynamic desirable", 4: "dynamic auto", 5: "trunk"}
DBM = 14
UNITS = {8: 1000, 9: 1}
"""EntitySensorDataScale: milli and units; dBm comes in no other."""


def places(walked: Walked) -> dict[str, PortPlace]:
    """The bridge MIBs' ports, and the sensors of their optics by name."""
    found = bridge.PORTS.places(walked)
    sensors: dict[str, dict[str, int]] = {}
    for index, raw in walked.get("sensor", {}).items():
        named = re.fullmatch(rb"(\S+) (Receive|Transmit) Power Sensor\s*", raw) if isinstance(raw, bytes) else None
        if named is not None and len(index) == 1:
            port = bridge.spelled(named[1].decode("ascii", "replace"))
            sensors.setdefault(port, {})["rx" if named[2] == b"Receive" else "tx"] = index[0]
    return {name: replace(each, sensors=sensors[name]) if name in sensors else each for name, each in found.items()}


def decode(place: PortPlace, answers: Answers, walked: Walked) -> PortReading:
    """Access VLAN and trunk list stand in Cisco's own MIBs, 1024 VLANs a bitmap that counts from VLAN 0."""
    mode = MODES.get(number(answers, "state") or 0, "")
    told = replace(
        bridge.port(place, answers, walked), mode=mode, sfp_rx=_power(answers, "rx"), sfp_tx=_power(answers, "tx")
    )
    if number(answers, "trunking") != TRUNKING and mode != "trunk":
        return replace(told, pvid=_vlan(answers, "access_vlan"), tagged=())
    allowed = {
        first + bit - 1
        for name, first in (("allowed", 0), ("allowed_2k", 1024), ("allowed_3k", 2048), ("allowed_4k", 3072))
        for bit in bridge.bits(answers.get(name, NO_VALUE))
        if bit <= 1024 and 1 <= first + bit - 1 <= 4094
    }
    known = {index[-1] for index, state in walked.get("vlans", {}).items() if index and state == 1}
    native = _vlan(answers, "native")
    carried = (allowed & known if known else allowed) - {native}
    return replace(told, pvid=native, tagged=tuple(sorted(carried)), allowed=bridge.ranges(allowed))


def _vlan(answers: Answers, name: str) -> int | None:
    vlan = not_negative(number(answers, name), zero_is_unknown=True)
    return vlan if vlan is None or vlan <= 4094 else None


def _power(answers: Answers, which: str) -> Dbm | None:
    """A sensor's value with its scale and precision; a sensor that measures something else is none."""
    value, per = number(answers, f"{which}_value"), UNITS.get(number(answers, f"{which}_scale") or 0)
    precision = number(answers, f"{which}_precision")
    if number(answers, f"{which}_type") != DBM or value is None or per is None or precision is None:
        return None
    return light(value / 10**precision / per) if 0 <= precision <= 9 and abs(value) < 2**31 else None


def macs(walked: Walked, names: Mapping[int, str]) -> tuple[MacRow, ...]:
    """dot1dTpFdbPort of one VLAN: the six arcs of a MAC -> bridge port; the VLAN is whose community was asked."""
    return tuple(
        MacRow(bytes(index).hex(":"), None, names[port])
        for index, port in walked.get("fdb", {}).items()
        if len(index) == 6 and isinstance(port, int) and port in names and max(index) < 256
    )


# --- the command line ---


def _went(line: str) -> str:
    found = re.search(r"%(LINK|LINEPROTO)-\d-UPDOWN: .*changed state to (?:administratively )?down", line)
    return "" if found is None else {"LINK": "link", "LINEPROTO": "line"}[found[1]]


def _log(outputs: tuple[str, ...], name: str) -> PortReading:
    """``*Oct 19 18:57:38.347: %LINK-3-UPDOWN: Interface GigabitEthernet1/0/5, changed state to down``."""
    now = port_log.clock(outputs[0]) if outputs else None
    if len(outputs) < 2 or now is None or any(re.match(r"% ?\w+ (input|command)", x) for x in said.lines(outputs[1])):
        return PortReading(name)
    mine = [line for line in said.lines(outputs[1]) if "%" in line and port_log.speaks_of(name, line)]
    return port_log.told(name, mine, now, _went)


def _macs(outputs: tuple[str, ...], name: str) -> PortReading:
    """``2    c869.cd54.1f71    DYNAMIC     Gi1/0/7``; old ones: ``0010.7b00.1540  Dynamic  2  FastEthernet0/5``."""
    if not said.has_table(r"mac address (table|type)|address type\s+vlan|vlan\s+mac address", *outputs):
        return PortReading(name)
    rows = []
    for line in said.lines(*outputs):
        new = re.match(r"\*?\s*([0-9]{1,4})\s+(\S+)\s+dynamic\s.*?(\S+)$", line, re.IGNORECASE | re.ASCII)
        old = re.match(r"(\S+)\s+dynamic\s+([0-9]{1,4})\s+(\S+)$", line, re.IGNORECASE | re.ASCII)
        vlan, mac, port = new.groups() if new else (old[2], old[1], old[3]) if old else ("", "", "")
        if said.mac(mac) and said.vlan(vlan) and bridge.spelled(port) == bridge.spelled(name):
            rows.append(MacRow(said.mac(mac), said.vlan(vlan), name))
    return PortReading(name, macs=tuple(rows))


def _optics(outputs: tuple[str, ...], name: str) -> PortReading:
    """``Te1/49   23.1   3.29   -2.2   -3.0``: sent and received are the last two, maybe with a mark behind each."""
    heading = any(re.search(r"Tx Power\s+Rx Power", line) for line in said.lines(*outputs))
    for line in said.lines(*outputs) if heading else ():
        port, *rest = line.split()
        figures = [each for each in rest if each not in {"+", "++", "-", "--"}]
        if bridge.spelled(port) == bridge.spelled(name) and len(figures) in (4, 5):
            return PortReading(name, sfp_tx=said.level(figures[-2]), sfp_rx=said.level(figures[-1]))
    return PortReading(name)


def add_vlan(order: VlanOrder) -> tuple[str, ...]:
    made = (f"vlan {order.vlan}", *((f"name {order.name}",) if order.name else ()), "exit")
    port = _joins(order)
    return (*made, *((f"interface {order.port}", *port, "exit") if port else ()))


def _allows(order: VlanOrder) -> bool:
    return order.was is not None and bridge.within(order.vlan, order.was.allowed)


def _joins(order: VlanOrder) -> tuple[str, ...]:
    trunk = order.was is None or bool(order.was.allowed) or order.mode == "trunk"
    if order.tagged:
        if not trunk:
            raise RuleBroken(f"{order.port} is no trunk: as a new one it would let every VLAN through, set it by hand")
        return () if _allows(order) else (f"switchport trunk allowed vlan add {order.vlan}",)
    if order.was is not None and trunk:
        raise RuleBroken(f"{order.port} is a trunk: it is not made an access port from here")
    mode = () if order.mode == "access" else ("switchport mode access",)
    return (*mode, f"switchport access vlan {order.vlan}")


def drop_vlan(order: VlanOrder, made: bool) -> tuple[str, ...]:
    port: tuple[str, ...]
    if order.tagged:
        port = () if _allows(order) else (f"switchport trunk allowed vlan remove {order.vlan}",)
    else:
        before = order.was.pvid if order.was is not None else None
        back = "no switchport access vlan" if before in {None, 1} else f"switchport access vlan {before}"
        dynamic = order.mode if order.mode.startswith("dynamic") else ""
        port = (back, f"switchport mode {dynamic}") if dynamic else (back,)
    steps = (f"interface {order.port}", *port, "exit") if port else ()
    return (*steps, *((f"no vlan {order.vlan}",) if made else ()))


DIALECT = Dialect(
    name="cisco_ios",
    prompt=r"[\w.-]+(\([\w/-]+\))?[>#]",
    privileged="#",
    unpage=("terminal length 0", "terminal width 0"),
    pager=r"--More--",
    save="write memory",
    errors=(
        r"^%(?!\s?(Access VLAN does not exist|Warning)|[A-Z0-9_]+-[0-7]-)\s?\S.*", r"(?i)^command rejected.*",
        r"(?i)^vtp vlan configuration not allowed.*", r"(?i)^error:.*", r"(?i)^bad vlan.*",
    ),
    forbidden=(
        r"^(reload|erase|delete|format|default interface|no vlan (1|1-.*)$)",
        r"^(no )?sw\w* tr\w* al\w*\b(?! v\w* (add|remove) [1-9])",
    ),
)  # fmt: skip

DRIVER = SwitchDriver(
    name="cisco_ios",
    title="Cisco IOS (2950, 2960, 3560, 3750)",
    signs=Signs(((*CISCO, 1),), r"Cisco (IOS|Internetwork Operating System)", ()),
    ports=PortMap({**bridge.PORTS.columns, "sensor": ENT_NAME}, places),
    reads={
        **bridge.READS, "access_vlan": (*CISCO, 9, 68, 1, 2, 2, 1, 2), "allowed": (*TRUNK, 4), "native": (*TRUNK, 5),
        "state": (*TRUNK, 13), "trunking": (*TRUNK, 14), "allowed_2k": (*TRUNK, 17), "allowed_3k": (*TRUNK, 18),
        "allowed_4k": (*TRUNK, 19),
    },
    bridge_reads={},
    scalars={"uptime": bridge.UPTIME},
    vlan_columns={"vlans": (*CISCO, 9, 46, 1, 3, 1, 1, 2)},
    decode=decode,
    fdb=Fdb({"fdb": (*bridge.BRIDGE, 4, 3, 1, 2), "bridge": (*bridge.BRIDGE, 1, 4, 1, 2)}, macs, per_vlan=True),
    dialect=DIALECT,
    limits=bridge.LIMITS,
    questions_cli=(
        PortQuestion("log", lambda name: ("show clock", f"show logging | include {name}"), _log),
        PortQuestion("macs", lambda name: (f"show mac address-table interface {name}",), _macs),
        PortQuestion("optics", lambda name: (f"show interfaces {name} transceiver",), _optics),
    ),
    add_vlan=add_vlan,
    drop_vlan=drop_vlan,
    sensor_reads={
        f"{which}_{what}": (which, (*SENSOR, arc))
        for which in ("rx", "tx")
        for what, arc in (("type", 1), ("scale", 2), ("precision", 3), ("value", 4))
    },
)  # fmt: skip
