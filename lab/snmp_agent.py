"""A small SNMP v2c agent: GET, GETNEXT and GETBULK over a sorted table, with its own BER codec.

It shares no code with the client under test on purpose: two codecs that agree prove more than one that agrees with
itself. net-snmp's ``snmpget`` and ``snmpbulkwalk`` read it too.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Oid: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ticks:
    """TimeTicks, hundredths of a second."""

    hundredths: int


@dataclass(frozen=True, slots=True)
class Bare:
    """A value without content: Null or one of the three exceptions of v2c."""

    tag: int


NULL, NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB = Bare(0x05), Bare(0x80), Bare(0x81), Bare(0x82)
Value: TypeAlias = int | bytes | Oid | Ticks | Bare
VarBind: TypeAlias = tuple[Oid, Value]
Rows: TypeAlias = Mapping[Oid, Callable[[], Value]]

GET, GET_NEXT, RESPONSE, SET, GET_BULK = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5
TOO_BIG, GEN_ERR, NO_ACCESS = 1, 5, 6


class NotSnmp(Exception):
    """The datagram is not a request we can read: a real agent drops it silently."""


# --- BER -------------------------------------------------------------------------------------------------------------


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _int(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _oid(oid: Oid) -> bytes:
    out = bytearray()
    for arc in (oid[0] * 40 + oid[1], *oid[2:]):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        out += bytes(reversed(septets))
    return bytes(out)


def encode(value: Value) -> bytes:
    match value:
        case int():
            return tlv(0x02, _int(value))
        case bytes():
            return tlv(0x04, value)
        case tuple():
            return tlv(0x06, _oid(value))
        case Ticks():
            return tlv(0x43, _int(value.hundredths))
        case Bare():
            return tlv(value.tag, b"")


def _read(raw: bytes, at: int) -> tuple[int, bytes, int]:
    """One tag, its content and where the next begins."""
    try:
        tag, size, at = raw[at], raw[at + 1], at + 2
        if size & 0x80:
            many = size & 0x7F
            size, at = int.from_bytes(raw[at : at + many], "big"), at + many
    except IndexError as exc:
        raise NotSnmp("cut off") from exc
    if at + size > len(raw):
        raise NotSnmp("cut off")
    return tag, raw[at : at + size], at + size


def _parts(raw: bytes) -> list[tuple[int, bytes]]:
    at, out = 0, []
    while at < len(raw):
        tag, content, at = _read(raw, at)
        out.append((tag, content))
    return out


def _to_oid(content: bytes) -> Oid:
    arcs, arc = [], 0
    for byte in content:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    if not arcs:
        raise NotSnmp("empty OID")
    first = min(arcs[0] // 40, 2)
    return (first, arcs[0] - first * 40, *arcs[1:])


@dataclass(frozen=True, slots=True)
class Request:
    version: int
    community: bytes
    kind: int
    request_id: int
    non_repeaters: int
    max_repetitions: int
    oids: tuple[Oid, ...]
    values: tuple[int | bytes, ...] = ()
    """What a SET brings."""


def read_request(datagram: bytes) -> Request:
    """Raises ``NotSnmp`` for anything that is no GET, GETNEXT, GETBULK or SET of v2c."""
    try:
        [(_, message)] = _parts(datagram)
        (_, version), (_, community), (kind, pdu) = _parts(message)
        (_, request_id), (_, second), (_, third), (_, binds) = _parts(pdu)
        pairs = [_parts(bind) for _, bind in _parts(binds)]
        oids = tuple(_to_oid(pair[0][1]) for pair in pairs)
        values = tuple(_to_value(*pair[1]) for pair in pairs) if kind == SET else ()
    except (ValueError, IndexError) as exc:
        raise NotSnmp("not a message") from exc
    numbers = [int.from_bytes(raw, "big", signed=True) for raw in (version, request_id, second, third)]
    if numbers[0] != 1 or kind not in {GET, GET_NEXT, GET_BULK, SET}:
        raise NotSnmp("not a request of v2c")
    return Request(numbers[0], community, kind, numbers[1], numbers[2], numbers[3], oids, values)


def _to_value(tag: int, content: bytes) -> int | bytes:
    return int.from_bytes(content, "big", signed=True) if tag == 0x02 else content


def write_response(asked: Request, binds: Sequence[VarBind], status: int = 0, index: int = 0) -> bytes:
    rows = b"".join(tlv(0x30, encode(oid) + encode(value)) for oid, value in binds)
    pdu = encode(asked.request_id) + encode(status) + encode(index) + tlv(0x30, rows)
    return tlv(0x30, encode(asked.version) + encode(asked.community) + tlv(RESPONSE, pdu))


# --- the table -------------------------------------------------------------------------------------------------------


class Mib:
    """Every object of a device, sorted, each with a way to learn its present value."""

    MOST_OCTETS = 1400
    """A GETBULK answer stops here, as real agents do to stay in one frame."""

    def __init__(self, rows: Rows) -> None:
        self._rows = dict(rows)
        self._order = sorted(rows)

    def answer(self, asked: Request) -> list[VarBind]:
        match asked.kind:
            case 0xA0:
                return [(oid, self._get(oid)) for oid in asked.oids]
            case 0xA1:
                return [self._next(oid) for oid in asked.oids]
            case _:
                return self._bulk(asked)

    def value(self, oid: Oid) -> Value:
        """What the device has there now."""
        return self._get(oid)

    def _get(self, oid: Oid) -> Value:
        row = self._rows.get(oid)
        return NO_SUCH_INSTANCE if row is None else row()

    def _next(self, oid: Oid) -> VarBind:
        at = bisect.bisect_right(self._order, oid)
        if at == len(self._order):
            return oid, END_OF_MIB
        found = self._order[at]
        return found, self._rows[found]()

    def _bulk(self, asked: Request) -> list[VarBind]:
        out = [self._next(oid) for oid in asked.oids[: asked.non_repeaters]]
        cursors, size = list(asked.oids[asked.non_repeaters :]), 0
        for _ in range(asked.max_repetitions):
            row = [self._next(oid) for oid in cursors]
            size += sum(len(encode(oid)) + len(encode(value)) for oid, value in row)
            if out and size > self.MOST_OCTETS:
                break
            out += row
            cursors = [oid for oid, _ in row]
            if all(value is END_OF_MIB for _, value in row):
                break
        return out
