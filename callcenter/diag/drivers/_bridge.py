"""What switches of all makers share: IF-MIB, EtherLike-MIB and the bridge MIBs (RFC 2863, 3635, 4188, 4363). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from callcenter.diag.driver import Walked, interface_name
from callcenter.diag.reading import MacRow, PortReading
from callcenter.diag.switch import PortMap, PortPlace
from callcenter.diag.values import Answers, Oid, SnmpValue, not_negative, number, text

MIB2: Oid = (1, 3, 6, 1, 2, 1)
IF: Oid = (*MIB2, 2, 2, 1)
IF_X: Oid = (*MIB2, 31, 1, 1, 1)
ETHER: Oid = (*MIB2, 10, 7, 2, 1)
BRIDGE: Oid = (*MIB2, 17)
Q_BRIDGE: Oid = (*BRIDGE, 7, 1)
UPTIME: Oid = (*MIB2, 1, 3, 0)

READS: Mapping[str, Oid] = {
    "admin": (*IF, 7), "oper": (*IF, 8), "changed": (*IF, 9), "in_errors": (*IF, 14), "out_errors": (*IF, 20),
    "mbps": (*IF_X, 15), "alias": (*IF_X, 18), "crc": (*ETHER, 3), "duplex": (*ETHER, 19),
}  # fmt: skip
"""Columns by ifIndex that every family answers."""

_LONG = {
    "fa": "fastethernet", "gi": "gigabitethernet", "ge": "gigabitethernet", "te": "tengigabitethernet",
    "xge": "ten-gigabitethernet", "eth": "ethernet",
}  # fmt: skip
_NAME = re.compile(r"([a-z-]+)\s*([0-9][0-9/.]*)", re.ASCII)


def spelled(name: str) -> str:
    """A port's name as names are compared: ``Gi1/0/5``, ``GE1/0/5`` and ``GigabitEthernet1/0/5`` are one."""
    small = name.strip().casefold()
    found = _NAME.fullmatch(small)
    return f"{_LONG.get(found[1], found[1])}{found[2]}" if found else small


def _places(walked: Walked) -> dict[str, PortPlace]:
    listed = walked.get("bridge", {}).items()
    bridge = {port: index[0] for index, port in listed if isinstance(port, int) and len(index) == 1}
    places: dict[str, PortPlace] = {}
    for column in ("descr", "name"):
        for index, raw in walked.get(column, {}).items():
            name = interface_name(raw)
            if name and len(index) == 1:
                shown = raw.decode("ascii", "replace").strip(" \0") if isinstance(raw, bytes) else name
                places.setdefault(spelled(name), PortPlace(index[0], bridge.get(index[0]), shown))
    return places


PORTS = PortMap({"descr": (*IF, 2), "name": (*IF_X, 1), "bridge": (*BRIDGE, 1, 4, 1, 2)}, _places)


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
    tagged: tuple[int, ...] | None = None
    if place.bridge_port is not None and walked.get("egress"):
        untagged = walked.get("untagged", {})
        tagged = tuple(
            sorted(
                index[-1]
                for index, members in walked["egress"].items()
                if index and place.bridge_port in bits(members) - bits(untagged.get(index, b""))
            )
        )
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
        tagged=tagged,
    )


def _since(answers: Answers) -> int | None:
    """Seconds since the link last changed; TimeTicks wrap after 497 days, so an ifLastChange ahead of now wrapped."""
    now, then = number(answers, "uptime"), number(answers, "changed")
    if now is None or then is None:
        return None
    return ((now - then) % 2**32) // 100


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
