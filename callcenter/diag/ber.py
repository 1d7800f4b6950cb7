"""SNMP v2c as bytes, as far as sweeps need it: requests written, answers read without believing them. Pure.

Whole tables are read by this and not by pysnmp, which takes some 200 microseconds of the event loop for a row (ADR
0013). An answer is taken only when every length in it is right, down to the last byte; and what an error status says is
said, so that half a table never passes for the whole of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from callcenter.diag.values import NO_VALUE, Oid, SnmpValue

GET, GET_NEXT, RESPONSE, GET_BULK = 0xA0, 0xA1, 0xA2, 0xA5
SEQUENCE, INTEGER, OCTETS, OID, OPAQUE, ADDRESS = 0x30, 0x02, 0x04, 0x06, 0x44, 0x40
_SIGNED = frozenset({INTEGER})
_UNSIGNED = frozenset({0x41, 0x42, 0x43, 0x46})
"""Counter32, Gauge32, TimeTicks, Counter64."""
_TEXT = frozenset({OCTETS, OPAQUE, ADDRESS})
_V2C = b"\x02\x01\x01"

TOO_BIG, NO_SUCH_NAME, GEN_ERR = 1, 2, 5


class NotAnAnswer(ValueError):
    """These bytes are no answer to this request: cut off, foreign, or not SNMP at all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` and ``index`` as in RFC 3416, and the rows in the device's order."""

    status: int
    index: int
    rows: tuple[tuple[Oid, SnmpValue], ...]


def request(kind: int, community: bytes, request_id: int, oids: Sequence[Oid], repetitions: int = 0) -> bytes:
    """A GET, GETNEXT or GETBULK (of ``repetitions`` rows, without non-repeaters) as one datagram."""
    binds = b"".join(_tlv(SEQUENCE, _tlv(OID, _octets_of(oid)) + b"\x05\x00") for oid in oids)
    pdu = _integer(request_id) + _integer(0) + _integer(repetitions) + _tlv(SEQUENCE, binds)
    return _tlv(SEQUENCE, _V2C + _tlv(OCTETS, community) + _tlv(kind, pdu))


def answer(datagram: bytes, request_id: int) -> Answer:
    """Reads the response to this request; raises ``NotAnAnswer`` for anything else."""
    try:
        return _answer(datagram, request_id)
    except IndexError:
        raise NotAnAnswer("it is cut off") from None


def _answer(datagram: bytes, request_id: int) -> Answer:
    at, end = _open(datagram, 0, len(datagram), SEQUENCE)
    if end != len(datagram) or datagram[at : at + len(_V2C)] != _V2C:
        raise NotAnAnswer("it is no whole message of v2c")
    _, at = _open(datagram, at + len(_V2C), end, OCTETS)
    at, stop = _open(datagram, at, end, RESPONSE)
    numbers = []
    for _ in range(3):
        begin, at = _open(datagram, at, stop, INTEGER)
        numbers.append(int.from_bytes(datagram[begin:at], "big", signed=True))
    if numbers[0] != request_id:
        raise NotAnAnswer("it is for another request")
    at, last = _open(datagram, at, stop, SEQUENCE)
    if not last == stop == end:
        raise NotAnAnswer("there is something behind its rows")
    rows = []
    while at < end:
        at, row_end = _open(datagram, at, end, SEQUENCE)
        name, named = _open(datagram, at, row_end, OID)
        tag = datagram[named]
        value, at = _open(datagram, named, row_end, tag)
        if at != row_end:
            raise NotAnAnswer("a row of it is more than a name and a value")
        rows.append((_oid(datagram[name:named]), _value(tag, datagram[value:at])))
    return Answer(numbers[1], numbers[2], tuple(rows))


def _open(raw: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Where the content of the value that begins at ``at`` begins and ends."""
    if raw[at] != tag:
        raise NotAnAnswer(f"{raw[at]:#04x} stands where {tag:#04x} belongs")
    size, at = raw[at + 1], at + 2
    if size >= 0x80:
        octets = size & 0x7F
        if not 1 <= octets <= 3:
            raise NotAnAnswer("a length of it is no length")
        size, at = int.from_bytes(raw[at : at + octets], "big"), at + octets
    if at + size > end:
        raise NotAnAnswer("it is cut off")
    return at, at + size


def _oid(raw: bytes) -> Oid:
    """At most 128 arcs of 32 bits, as RFC 2578 has it."""
    if not raw or raw[-1] >= 0x80 or len(raw) > 640:
        raise NotAnAnswer("a name in it is no OID")
    first = raw[0]
    arcs = [first // 40, first % 40] if first < 80 else [2, first - 80]
    arc = 0
    for octet in raw[1:]:
        if octet < 0x80:
            arcs.append(arc << 7 | octet)
            arc = 0
        else:
            arc = arc << 7 | octet & 0x7F
            if arc >= 1 << 25:
                raise NotAnAnswer("an arc in it is beyond 32 bits")
    return tuple(arcs)


def _value(tag: int, raw: bytes) -> SnmpValue:
    if tag in _TEXT:
        return raw
    if (tag in _SIGNED or tag in _UNSIGNED) and 1 <= len(raw) <= 9:
        return int.from_bytes(raw, "big", signed=tag in _SIGNED)
    if tag == OID and raw and raw[-1] < 0x80:
        return _oid(raw)
    return NO_VALUE  # Null, noSuchObject, noSuchInstance, endOfMibView, and what is none of SNMP's types


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def _integer(value: int) -> bytes:
    return _tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _octets_of(oid: Oid) -> bytes:
    out = bytearray((oid[0] * 40 + oid[1],))
    for arc in oid[2:]:
        if arc < 0x80:
            out.append(arc)
            continue
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        out += bytes(reversed(septets))
    return bytes(out)
