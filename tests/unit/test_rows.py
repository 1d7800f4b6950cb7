"""Rows of the journal: read whole, taken apart when spoiled, set aside when nothing else is left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.calls.rows import OURS, Line, gone, plain, read_rows
from callcenter.words import UniqueId
from tests.unit.cel_rows import NAMES, rows_of, tape

ANSWERED = tape("answered").split(b"\n")


def read(raw: bytes, position: int = 0) -> tuple[list[str], list[tuple[int, str]]]:
    rows, aside = read_rows([Line(position, raw)])
    return [row.event for row in rows], [(each.position, each.reason) for each in aside]


@pytest.mark.parametrize("name", NAMES)
def test_every_row_a_real_asterisk_wrote_is_read(name: str) -> None:
    lines = [Line(0, raw) for raw in tape(name).split(b"\n") if raw]
    rows, aside = read_rows(lines)
    assert not aside
    assert [row.text.encode("ascii") for row in rows] == [line.raw for line in lines]


def test_what_a_caller_sent_never_makes_a_row() -> None:
    names = [row.name for row in rows_of(tape("hostile_names")) if row.event == "CHAN_START"]
    assert "a|b|CHAN_START|1795380000.000001|x" in names
    assert len(names) == 11


def test_a_row_glued_to_the_torn_end_of_another_is_read() -> None:
    events, aside = read(ANSWERED[1][:57] + ANSWERED[0], position=1000)
    assert events == ["CHAN_START"]
    assert aside == [(1000, "6 columns instead of 12")]


def test_three_rows_on_one_line_are_three_rows() -> None:
    assert read(b"".join(ANSWERED[:3])) == (["CHAN_START", "ANSWER", "CC_STAGE"], [])


def test_zeros_that_a_power_cut_left_are_skipped_and_the_row_after_them_is_read() -> None:
    assert read(b"\0" * 4096 + ANSWERED[0]) == (["CHAN_START"], [])


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"nonsense", "1 columns instead of 12"),
        (ANSWERED[0].replace(b"Olena", b"\xcf\xe5\xf2"), "bytes that Asterisk would have encoded"),
        (ANSWERED[0].replace(b"Olena", b"Ole\0na"), "NUL bytes"),
        (ANSWERED[0].replace(b"CHAN_START", b"chan_start"), "no name of an event"),
        (ANSWERED[0].replace(b"|1795", b"|x795"), "no time in seconds and microseconds"),
        (ANSWERED[0].replace(b"pbx1-1795380959.10", b"pbx1 1795380959.10"), "no name of a channel"),
    ],
)
def test_what_is_no_row_is_set_aside_with_the_reason(raw: bytes, reason: str) -> None:
    assert read(raw, position=7) == ([], [(7, reason)])


def test_blank_lines_are_nothing() -> None:
    assert read(b"") == ([], [])
    assert read(b"  \r") == ([], [])


def test_decoded_text_is_text_that_postgresql_can_hold() -> None:
    assert plain("063%00%0D%0A%7C") == "063���|"
    assert plain("%CF%E5") == "��"
    assert plain("%D0%9F%D0%B5%D1%82%D1%80%D0%BE") == "Петро"


def test_the_ledgers_own_note_reads_as_a_row_of_its_channel() -> None:
    row = gone(UniqueId("pbx1-1795380959.10"), 1_795_380_960.25, seen=True)
    again = rows_of(row.text.encode("ascii"))
    assert again == [row]
    assert (row.event, row.uniqueid, row.at) == ("CC_GONE", "pbx1-1795380959.10", 1_795_380_960.25)
    assert row.event in OURS


@given(st.binary(max_size=400))
def test_no_bytes_raise_and_none_vanish(raw: bytes) -> None:
    rows, aside = read_rows([Line(0, raw)])
    assert rows or aside or not raw.strip(b"\0 \r\n\t\v\f\x1c\x1d\x1e\x1f\x85")


@settings(max_examples=200)
@given(st.data())
def test_one_lost_piece_costs_at_most_the_two_rows_it_touches(data: st.DataObject) -> None:
    """A full disk swallows a stretch of the journal, its line breaks included."""
    whole = tape("blind_transfer")
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start, min(len(whole), start + 120)))
    torn = whole[:start] + whole[end:]
    touched = whole[start:end].count(b"\n") + 1
    assert len(rows_of(torn)) >= len(rows_of(whole)) - touched
