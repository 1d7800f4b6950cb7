"""What switches of all makers share: IF-MIB, EtherLike-MIB and the bridge MIBs (RFC 2863, 3635, 4188, 4363). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from callcenter.diag.driver import Limits, Walked
from callcenter.diag.reading import MacRow, PortReading
from callcenter.diag.switch import PortMap, PortPlace
from callcenter.diag.values import NO_VALUE, Answers, Oid, SnmpValue, not_negative, number, text

MIB2: Oid = (1, 3, 6, 1, 2, 1)
IF: Oid = (*MIB2, 2, 2, 1)
IF_X: Oid = (*MIB2, 31, 1, 1, 1)
ETHER: Oid = (*MIB2, 10, 7, 2, 1)
BRIDGE: Oid = (*MIB2, 17)
Q_BRIDGE: Oid = (*BRIDGE, 7, 1)
UPTIME: Oid = (*MIB2, 1, 3, 0)

LIMITS = Limits(bulk_rows=40)
"""Switches bear more than OLTs: forty rows of a MAC table are one datagram of some 1,200 octets."""

READS: Mapping[str, Oid] = {
    "descr": (*IF, 2), "name": (*IF_X, 1), "admin": (*IF, 7), "oper": (*IF, 8), "changed": (*IF, 9),
    "in_errors": (*IF, 14), "out_errors": (*IF, 20), "mbps": (*IF_X, 15), "alias": (*IF_X, 18), "crc": (*ETHER, 3),
    "duplex": (*ETHER, 19),
}  # fmt: skip
"""Columns by ifIndex that every family answers."""

_KINDS = {
    "e": "ethernet", "et": "ethernet", "eth": "ethernet", "f": "fastethernet", "fa": "fastethernet",
    "fe": "fastethernet", "g": "gigabitethernet", "gi": "gigabitethernet", "gig": "gigabitethernet",
    "ge": "gigabitethernet", "te": "tengigabitethernet", "ten": "tengigabitethernet", "xge": "tengigabitethernet",
    "fge": "fortygige", "fo": "fortygigabitethernet", "hge": "hundredgige", "hu": "hundredgige",
    "wge": "twentyfivegige", "twe": "twentyfivegige", "mge": "mgigabitethernet", "po": "portchannel",
    "bagg": "bridgeaggregation", "vl": "vlan", "vlaninterface": "vlan",
}  # fmt: skip
"""Short kinds of ports as Cisco and Comware write them, hyphens left out."""
_NAME = re.compile(r"([a-z][a-z-]*?)[\s-]*([0-9][0-9/.:]*)", re.ASCII)


def spelled(name: str) -> str:
    """A port's name as names are compared: ``Gi1/0/5``, ``GE1/0/5`` and ``GigabitEthernet 1/0/5`` are one."""
    small = re.sub(r"^port\s+", "", name.strip(" \0\t").casefold())
    found = _NAME.fullmatch(small)
    if found is None:
        return small
    kind = found[1].replace("-", "")
    return f"{_KINDS.get(kind, kind)}{found[2]}"


def place_named(places: Mapping[str, PortPlace], port: str) -> PortPlace | None:
    """The port of this name; a bare path such as ``1/0/5`` too, where only one port has it."""
    known = places.get(spelled(port))
    if known is not None or not re.fullmatch(r"[0-9]+(/[0-9]+)+", spelled(port), re.ASCII):
        return known
    path = re.compile(rf"[a-z]+{re.escape(spelled(port))}")
    found = {each.if_index: each for name, each in places.items() if path.fullmatch(name)}
    return next(iter(found.values())) if len(found) == 1 else None


def _placed(walked: Walked, order: tuple[str, str]) -> dict[str, PortPlace]:
    """Every port by each of its names; its own name is the first of ``order`` that it has."""
    listed = walked.get("bridge", {}).items()
    bridge = {port: index[0] for index, port in listed if isinstance(port, int) and len(index) == 1}
    own: dict[int, str] = {}
    names: dict[str, int] = {}
    for column in order:
        for index, raw in walked.get(column, {}).items():
            if len(index) == 1 and isinstance(raw, bytes) and (shown := raw.decode("ascii", "replace").strip(" \0")):
                own.setdefault(index[0], shown)
                names.setdefault(spelled(shown), index[0])
    return {name: PortPlace(index, bridge.get(index), own[index]) for name, index in names.items()}


_COLUMNS: Mapping[str, Oid] = {"descr": (*IF, 2), "name": (*IF_X, 1), "bridge": (*BRIDGE, 1, 4, 1, 2)}
PORTS = PortMap(_COLUMNS, lambda walked: _placed(walked, ("descr", "name")))
"""Ports whose ifDescr is the name that the command line takes."""
PORTS_BY_NAME = PortMap(_COLUMNS, lambda walked: _placed(walked, ("name", "descr")))
"""Ports whose ifName is that (``A1``, ``Trk1`` of a ProCurve)."""


def is_named(place: PortPlace, answers: Answers) -> bool:
    """Whether the index still bears this name: ports are dealt new indexes when a stack or a module changes."""
    told = [raw for each in ("descr", "name") if isinstance(raw := answers.get(each, NO_VALUE), bytes)]
    return not told or any(spelled(raw.decode("ascii", "replace")) == spelled(place.name) for raw in told)


def bits(raw: SnmpValue) -> frozenset[int]:
    """A bitmap of ports: the first bit of the first octet is port 1 (RFC 4188, PortList)."""
    if not isinstance(raw, bytes):
        return frozenset()
    return frozenset(
        octet * 8 + bit + 1 for octet, value in enumerate(raw[:512]) for bit in range(8) if value & (0x80 >> bit)
    )


def port(place: PortPlace, answers: Answers, walked: Walked) -> PortReading:
    """What IF-MIB and Q-BRIDGE-MIB say of a port; makes something of any answers at all."""
    pvid = not_negative(number(answers, "pvid"), zero_is_unknown=True)
    return PortReading(
        name=place.name,
        up={1: True, 2: False}.get(number(answers, "oper") or 0),
        enabled={1: True, 2: False}.get(number(answers, "admin") or 0),
        mbps=not_negative(number(answers, "mbps"), zero_is_unknown=True),
        full_duplex={2: False, 3: True}.get(number(answers, "duplex") or 0),
        in_errors=not_negative(number(answers, "in_errors")),
        out_errors=not_negative(number(answers, "out_errors")),
        crc_errors=not_negative(number(answers, "crc")),
        changed_s=_since(answers),
        alias=text(answers, "alias"),
        pvid=pvid if pvid is None or pvid < 4095 else None,
        tagged=_tagged(place, walked),
    )


def _tagged(place: PortPlace, walked: Walked) -> tuple[int, ...] | None:
    """The VLANs that the port carries tagged; not known while it is not told of each whether it is untagged there."""
    egress, untagged = walked.get("egress", {}), walked.get("untagged", {})
    if place.bridge_port is None or not egress:
        return None
    member = [index for index, ports in egress.items() if index and place.bridge_port in bits(ports)]
    if any(not isinstance(untagged.get(index), bytes) for index in member):
        return None
    vlans = {index[-1] for index in member if place.bridge_port not in bits(untagged[index])}
    return tuple(sorted(vlan for vlan in vlans if 1 <= vlan <= 4094))


def _since(answers: Answers) -> int | None:
    """Seconds since the link last changed; TimeTicks wrap after 497 days, so an ifLastChange ahead of now wrapped."""
    now, then = number(answers, "uptime"), number(answers, "changed")
    if now is None or then is None:
        return None
    return ((now - then) % 2**32) // 100


def ranges(vlans: Iterable[int]) -> str:
    """``1-99,300``, as switches write lists of VLANs."""
    parts: list[list[int]] = []
    for each in sorted(set(vlans)):
        if parts and each == parts[-1][1] + 1:
            parts[-1][1] = each
        else:
            parts.append([each, each])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def within(vlan: int, written: str) -> bool:
    """Whether a list such as ``1-99,300`` has this VLAN."""
    for part in written.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and int(first) <= vlan <= int(last if last.isdecimal() else first):
            return True
    return False


def macs_by_vlan(
    walked: Walked, names: Mapping[int, str], vlan_of: Mapping[int, int] | None = None
) -> tuple[MacRow, ...]:
    """dot1qTpFdbPort: ``fdb.mac`` -> bridge port; 0 is no port. ``vlan_of`` where an FDB's number is not its VLAN."""
    rows = []
    for index, where in walked.get("fdb", {}).items():
        if len(index) != 7 or not isinstance(where, int) or where not in names or max(index[1:]) > 255:
            continue
        vlan = index[0] if vlan_of is None else vlan_of.get(index[0])
        rows.append(MacRow(bytes(index[1:]).hex(":"), vlan, names[where]))
    return tuple(rows)
