"""SNMP answers as bytes, held against the lab's own codec and against whatever a broken device may send."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.diag import ber
from callcenter.diag.values import NO_VALUE, Oid
from lab.snmp_agent import END_OF_MIB, NO_SUCH_INSTANCE, Bare, Ticks, Value, read_request, tlv, write_response

oids = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20).map(lambda arcs: (1, 3, *arcs))
numbers = st.integers(-(2**31), 2**31 - 1)
values: st.SearchStrategy[Value] = st.one_of(numbers, st.binary(max_size=300), oids)
rows = st.lists(st.tuples(oids, values), max_size=20)


@given(st.integers(1, 2**31 - 1), st.lists(oids, max_size=20), st.integers(0, 100), st.binary(max_size=60))
def test_what_is_asked_is_what_a_device_reads(
    request_id: int, asked: list[Oid], repetitions: int, community: bytes
) -> None:
    read = read_request(ber.request(ber.GET_BULK, community, request_id, asked, repetitions))
    assert (read.kind, read.community, read.request_id, read.oids) == (0xA5, community, request_id, tuple(asked))
    assert (read.non_repeaters, read.max_repetitions) == (0, repetitions)


@given(rows)
def test_every_value_is_read_as_it_was_written(binds: list[tuple[Oid, Value]]) -> None:
    asked = read_request(ber.request(ber.GET, b"public", 7, [(1, 3)]))
    assert list(ber.answer(write_response(asked, binds), 7).rows) == binds


@pytest.mark.parametrize(
    ("value", "read"),
    [(Ticks(2**32 - 1), 2**32 - 1), (END_OF_MIB, NO_VALUE), (NO_SUCH_INSTANCE, NO_VALUE), (Bare(5), NO_VALUE)],
)
def test_a_value_that_is_none_is_none(value: Value, read: object) -> None:
    asked = read_request(ber.request(ber.GET, b"public", 7, [(1, 3)]))
    assert ber.answer(write_response(asked, [((1, 3, 1), value)]), 7).rows == (((1, 3, 1), read),)


def test_an_error_is_told_with_what_it_is_about() -> None:
    asked = read_request(ber.request(ber.GET, b"public", 7, [(1, 3)]))
    found = ber.answer(write_response(asked, [], status=5, index=2), 7)
    assert (found.status, found.index, found.rows) == (5, 2, ())


@given(rows, st.data())
def test_no_damaged_answer_is_anything_but_an_answer_or_none(
    binds: list[tuple[Oid, Value]], data: st.DataObject
) -> None:
    """Cut anywhere, changed anywhere: it is read or it is not, and nothing else ever happens."""
    asked = read_request(ber.request(ber.GET, b"public", 7, [(1, 3)]))
    whole = write_response(asked, binds)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(ber.NotAnAnswer):
        ber.answer(cut, 7)
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for hostile in (bytes(damaged), whole + b"\0", data.draw(st.binary(max_size=200))):
        with contextlib.suppress(ber.NotAnAnswer):
            assert isinstance(ber.answer(hostile, 7), ber.Answer)


@pytest.mark.parametrize(
    "hostile",
    [
        tlv(0x30, b""), b"", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80\x00\x00", ber.request(ber.GET, b"x", 7, [(1, 3)]),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(hostile: bytes) -> None:
    with pytest.raises(ber.NotAnAnswer):
        ber.answer(hostile, 7)


def test_the_answer_to_another_request_is_refused() -> None:
    asked = read_request(ber.request(ber.GET, b"public", 8, [(1, 3)]))
    with pytest.raises(ber.NotAnAnswer, match="another request"):
        ber.answer(write_response(asked, []), 7)
