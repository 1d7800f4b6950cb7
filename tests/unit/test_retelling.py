"""The journal read anew from its files: however it was rotated, packed or spoiled, the same calls are told."""

from __future__ import annotations

import gzip
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callcenter.calls.groups import fold_journal
from callcenter.calls.journal import Journal, Position
from callcenter.calls.record import CallRecord, a_second
from callcenter.calls.retelling import Retold, journal_files, retell
from tests.unit.cel_rows import BEGIN, MISS, NAMES, TALK, nth_call, rows_of, tape

TAPES = b"".join(sorted(map(tape, NAMES), key=lambda data: bytes(data).split(b"|")[1]))
SINCE = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
BEGUN = datetime.fromtimestamp(BEGIN, UTC)


def told(
    paths: list[Path], since: datetime = SINCE, length: timedelta = timedelta(days=365), place: Position | None = None
) -> tuple[list[CallRecord], Retold]:
    found: list[CallRecord] = []
    out = retell(paths, since, since + length, a_second, found.append, place=place)
    return sorted(found, key=lambda call: (call.arrived_at, call.id)), out


def test_the_files_tell_what_the_whole_journal_tells(tmp_path: Path) -> None:
    (tmp_path / "callcenter.journal").write_bytes(TAPES)
    found, out = told(journal_files(tmp_path / "callcenter.journal"))
    assert found == list(fold_journal(rows_of(TAPES)))
    assert (len(found) > 40, out.ended, out.torn) == (True, False, 0)


@pytest.mark.parametrize("seed", range(5))
def test_however_it_was_rotated_and_packed(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    lines = TAPES.splitlines(keepends=True)
    cuts = sorted(dice.sample(range(1, len(lines)), 5))
    names = [f"callcenter.journal{end}" for end in (".2.gz", "-20261122", ".1", ".9.gz", ".old", "")]
    dice.shuffle(names)
    for name, begin, end in zip(names, [0, *cuts], [*cuts, len(lines)], strict=True):
        part = b"".join(lines[begin:end])
        (tmp_path / name).write_bytes(gzip.compress(part) if name.endswith(".gz") else part)
    found, out = told(journal_files(tmp_path / "callcenter.journal"))
    assert found == list(fold_journal(rows_of(TAPES)))
    assert len(out.files) == 6


def test_it_is_read_up_to_the_place_that_is_committed_and_no_further(tmp_path: Path) -> None:
    """Also when that file was renamed or packed since."""
    journal = tmp_path / "callcenter.journal"
    journal.write_bytes(TAPES)
    chunk = Journal(journal).read(None, 200_000, most_lines=700)
    assert chunk.after is not None
    part = TAPES[: chunk.after.position]
    for name, packed in (("callcenter.journal", False), ("callcenter.journal.1", False), ("old.gz", True)):
        journal.unlink(missing_ok=True)
        file = tmp_path / name
        file.write_bytes(gzip.compress(TAPES) if packed else TAPES)
        found, out = told([file], place=chunk.after)
        assert (found, out.ended) == (list(fold_journal(rows_of(part))), True), name
        file.unlink()


def test_a_place_in_the_first_of_two_files_hides_the_second(tmp_path: Path) -> None:
    half = len(TAPES.splitlines(keepends=True)) // 2
    one, two = (
        b"".join(part) for part in (TAPES.splitlines(keepends=True)[:half], TAPES.splitlines(keepends=True)[half:])
    )
    journal = tmp_path / "callcenter.journal"
    journal.write_bytes(one)
    place = Journal(journal).end()
    journal.rename(tmp_path / "callcenter.journal.1")
    journal.write_bytes(two)
    found, out = told(journal_files(journal), place=place)
    assert (found, [file.name for file in out.files]) == (list(fold_journal(rows_of(one))), ["callcenter.journal.1"])


def test_a_long_journal_is_searched_and_not_read(tmp_path: Path) -> None:
    """A year in one file: the day is found by halving."""
    journal = tmp_path / "callcenter.journal"
    filler = b"x" * 3000
    with journal.open("wb") as file:
        for number in range(4000):
            at = number * 7200 - 2000 * 7200
            call = nth_call(number + 1, at, MISS, number=f"063{number:07}")
            first, rest = call.split(b"\n", 1)
            file.write(first + b"\nSTREAM_BEGIN|" + f"{BEGIN + at:.6f}".encode() + b"|" + filler + b"\n" + rest)
    assert journal.stat().st_size > 12_000_000
    found, out = told([journal], BEGUN, timedelta(hours=24))
    assert (len(found), found[0].arrived_at) == (12, BEGUN)
    assert out.torn < 50, "weeks of rows were not parsed"


def test_one_row_with_a_spoiled_time_ends_nothing(tmp_path: Path) -> None:
    one, two = nth_call(1, 0, TALK, number="0631111111"), nth_call(2, 60, MISS, number="0632222222")
    future = b"|".join([b"DTMF", b"2999999999.000000", *one.split(b"\n")[0].split(b"|")[2:]]) + b"\n"
    journal = tmp_path / "callcenter.journal"
    journal.write_bytes(one + future + b"\0\0\0garbage\n|||\n" + two)
    found, out = told([journal], BEGUN - timedelta(hours=1), timedelta(days=1))
    assert [str(call.outcome) for call in found] == ["answered", "left_waiting"]
    assert out.torn == 2


def test_a_call_belongs_to_the_day_it_arrived_in(tmp_path: Path) -> None:
    journal = tmp_path / "callcenter.journal"
    journal.write_bytes(nth_call(1, -4, MISS, number="0631111111") + nth_call(2, 3, MISS, number="0632222222"))
    yesterday, today = (told([journal], BEGUN + timedelta(days=n), timedelta(days=1))[0] for n in (-1, 0))
    assert [call.number_raw for call in yesterday] == ["0631111111"]
    assert [call.number_raw for call in today] == ["0632222222"]
    assert all(call.ended for call in yesterday), "its end is of the next day and is read all the same"


def test_no_file_and_empty_files_tell_nothing(tmp_path: Path) -> None:
    assert told(journal_files(tmp_path / "nowhere" / "callcenter.journal")) == ([], Retold())
    (tmp_path / "callcenter.journal").touch()
    assert told(journal_files(tmp_path / "callcenter.journal")) == ([], Retold())
