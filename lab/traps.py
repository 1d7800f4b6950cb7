"""The traps that a simulated OLT sends: linkDown and linkUp of an ONU's interface, or a trap of the maker's own.

Written with the lab's own codec, not with the receiver's. What a maker's own trap is called is not public for these
families, so theirs is a stand-in: the device's sysObjectID, 0, and 1 for down, 2 for up, with the place as text. A
receiver that depends on more than that would depend on an invention.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from lab.snmp_agent import Oid, Ticks, Value, encode, tlv

UPTIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
TRAP_OID: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
LINK_DOWN: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 5, 3)
LINK_UP: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 5, 4)
IF_INDEX: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 1)
IF_DESCR: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 2)
TRAP_V1, INFORM, TRAP_V2, REPORT = 0xA4, 0xA6, 0xA7, 0xA8

Rows = Iterable[tuple[Oid, Value]]


def trap_v2(community: bytes, kind: Oid, rows: Rows, uptime: int = 0, *, pdu: int = TRAP_V2, number: int = 0) -> bytes:
    """SNMPv2-Trap, or with ``INFORM`` one that wants an answer."""
    binds: list[tuple[Oid, Value]] = [(UPTIME, Ticks(uptime)), (TRAP_OID, kind), *rows]
    body = encode(number or random.randrange(1, 2**31)) + encode(0) + encode(0) + _binds(binds)
    return tlv(0x30, encode(1) + encode(community) + tlv(pdu, body))


def trap_v1(community: bytes, enterprise: Oid, generic: int, specific: int, rows: Rows, address: str) -> bytes:
    """Trap-PDU of SNMPv1: ``generic`` 2 is linkDown, 3 linkUp, 6 the maker's own."""
    agent = tlv(0x40, bytes(int(part) for part in address.split(".")))
    body = encode(enterprise) + agent + encode(generic) + encode(specific) + encode(Ticks(0)) + _binds(rows)
    return tlv(0x30, encode(0) + encode(community) + tlv(TRAP_V1, body))


def trap_v3(user: bytes, engine: bytes = b"\x80\x00\x0c\xf8\x01lab") -> bytes:
    """A v3 message whose content nobody can read here: only its envelope says whose it is."""
    usm = tlv(0x30, encode(engine) + encode(1) + encode(100) + encode(user) + encode(b"\0" * 12) + encode(b"\0" * 8))
    header = tlv(0x30, encode(7) + encode(65507) + encode(b"\x03") + encode(3))
    return tlv(0x30, encode(3) + header + encode(usm) + encode(random.randbytes(64)))


def of_interface(if_index: int, name: str) -> list[tuple[Oid, Value]]:
    return [((*IF_INDEX, if_index), if_index), ((*IF_DESCR, if_index), name.encode())]


def _binds(rows: Rows) -> bytes:
    return tlv(0x30, b"".join(tlv(0x30, encode(oid) + encode(value)) for oid, value in rows))
