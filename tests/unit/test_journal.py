"""Following the journal: rotated, truncated, half-written, packed. Every line once and in order, whatever happens."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callcenter.calls.journal import LONGEST_LINE, Journal, Position

NAME = "callcenter.journal"


class Reader:
    """What the ledger does: reads, keeps the place, reads on."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.place: Position | None = None
        self.lines: list[str] = []
        self.gaps: list[str] = []
        self._age = 1_000_000.0

    def write(self, text: str) -> None:
        with self.path.open("ab") as file:
            file.write(text.encode())
        self._age += 1
        os.utime(self.path, (self._age, self._age))

    def read(self, limit: int = LONGEST_LINE, most: int | None = None) -> list[str]:
        before = len(self.lines)
        while (chunk := Journal(self.path).read(self.place, limit, most)).after is not None:
            self.place = chunk.after
            self.lines += [line.raw.decode() for line in chunk.lines]
            self.gaps += [chunk.gap] if chunk.gap else []
        return self.lines[before:]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def test_no_file_is_an_empty_one(reader: Reader) -> None:
    assert reader.read() == []
    assert not Journal(reader.path).read(None, 1).there
    reader.write("a\n")
    assert reader.read() == ["a"]


def test_half_a_line_waits_for_its_other_half(reader: Reader) -> None:
    reader.write("one\ntw")
    assert reader.read() == ["one"]
    reader.write("o\nthree\n")
    assert reader.read() == ["two", "three"]


def test_a_journal_that_was_renamed_is_read_to_its_end_first(reader: Reader) -> None:
    reader.write("1\n2\n")
    reader.read(most=1)
    assert reader.lines == ["1", "2"]
    reader.write("3\n")
    reader.path.rename(reader.path.with_name(NAME + ".1"))
    assert reader.read() == ["3"]
    reader.write("4\n")
    assert reader.read() == ["4"]
    assert not reader.gaps


def test_several_rotations_while_we_were_away_are_read_in_order(reader: Reader) -> None:
    reader.write("1\n")
    reader.read()
    for number in range(2, 6):
        reader.write(f"{number}\n")
        for old in sorted(reader.path.parent.glob(NAME + ".*"), reverse=True):
            old.rename(old.with_name(f"{NAME}.{int(old.suffix[1:]) + 1}"))
        reader.path.rename(reader.path.with_name(NAME + ".1"))
    reader.write("6\n")
    assert reader.read() == ["2", "3", "4", "5", "6"]
    assert not reader.gaps


def test_names_with_a_date_are_siblings_too(reader: Reader) -> None:
    reader.write("1\n")
    reader.read()
    reader.write("2\n")
    reader.path.rename(reader.path.with_name(NAME + "-20261122"))
    reader.write("3\n")
    assert reader.read() == ["2", "3"]


def test_a_journal_that_was_packed_while_we_were_away_is_read_on(reader: Reader) -> None:
    reader.write("1\n")
    reader.read()
    reader.write("2\n3\n")
    packed = reader.path.with_name(NAME + ".1.gz")
    packed.write_bytes(gzip.compress(reader.path.read_bytes()))
    shutil.copystat(reader.path, packed)
    reader.path.unlink()
    reader.write("4\n")
    assert reader.read() == ["2", "3", "4"]
    assert not reader.gaps


def test_copied_and_truncated_the_copy_is_finished_first(reader: Reader) -> None:
    reader.write("1\n")
    reader.read()
    reader.write("2\n")
    shutil.copy2(reader.path, reader.path.with_name(NAME + ".1"))
    os.truncate(reader.path, 0)
    reader.write("3\n")
    assert reader.read() == ["2", "3"]
    assert not reader.gaps


def test_truncated_and_grown_beyond_the_old_place_is_noticed(reader: Reader) -> None:
    reader.write("1\n2\n")
    reader.read()
    os.truncate(reader.path, 0)
    reader.write("a much longer line\nb\n")
    assert reader.read() == ["a much longer line", "b"]
    assert len(reader.gaps) == 1


def test_a_file_that_vanished_is_a_gap_that_is_said(reader: Reader) -> None:
    reader.write("1\n")
    reader.read()
    reader.path.unlink()
    reader.write("2\n")
    assert reader.read() == ["2"]
    assert "rows after it may be missing" in reader.gaps[0]


def test_the_half_line_at_the_end_of_a_closed_file_is_given_as_it_is(reader: Reader) -> None:
    reader.write("1\n")
    reader.read()
    reader.write("torn by a full di")
    reader.path.rename(reader.path.with_name(NAME + ".1"))
    assert reader.read() == []
    reader.write("2\n")
    assert reader.read() == ["torn by a full di", "2"]


def test_a_line_without_end_does_not_stop_what_follows(reader: Reader) -> None:
    reader.write("x" * (3 * LONGEST_LINE) + "\nafter\n")
    lines = reader.read()
    assert "".join(lines[:-1]) == "x" * (3 * LONGEST_LINE)
    assert lines[-1] == "after"


def test_what_is_not_read_yet_is_the_lag(reader: Reader) -> None:
    reader.write("1\n" * 10)
    chunk = Journal(reader.path).read(None, 1, 3)
    assert (len(chunk.lines), chunk.lag) == (3, 14)


def test_the_end_is_a_place_to_begin(reader: Reader) -> None:
    reader.place = Journal(reader.path).end()
    reader.write("1\n")
    assert reader.read() == ["1"]
    other = Reader(reader.path.parent)
    other.place = Journal(reader.path).end()
    reader.write("2\n")
    assert other.read() == ["2"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(["write", "half", "read", "rename", "copy", "one"]), max_size=25))
def test_every_line_once_and_in_order(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    reader = Reader(tmp_path_factory.mktemp("journal"))
    written, half, rotated = 0, False, 0
    for step in steps:
        match step:
            case "write" | "half":
                if half:
                    reader.write("\n")
                written += 1
                half = step == "half"
                reader.write(f"line {written}" + ("" if half else "\n"))
            case "read":
                reader.read()
            case "one":
                reader.read(most=1)
            case _ if reader.path.exists() and reader.path.stat().st_size and not half:
                rotated += 1
                aside = reader.path.with_name(f"{NAME}.{rotated:03d}")
                if step == "rename":
                    reader.path.rename(aside)
                else:
                    shutil.copy2(reader.path, aside)
                    os.truncate(reader.path, 0)
    if half:
        reader.write("\n")
    reader.write("last\n")
    reader.read()
    assert reader.lines == [f"line {n + 1}" for n in range(written)] + ["last"]
    assert not reader.gaps
