"""The journal's files read anew, without the ledger and without its place: what they tell of a span of time.

All files the journal was rotated into are looked through, packed or not, in the order of their own rows; a file's time
of change and its name are not trusted. Only what belongs to the span is parsed, and only calls that go on are held, so
that weeks of journal and a day of any size need the same memory.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final, cast

from callcenter.calls.groups import Group, Groups
from callcenter.calls.journal import LONGEST_LINE, LOOK_BACK, Position
from callcenter.calls.record import CallRecord, MinTalk
from callcenter.calls.rows import Line, read_rows
from callcenter.errors import Unavailable

LONGEST_CALL: Final = timedelta(hours=6)
"""What a call needs of the journal before and after the span that it arrived in."""
UNORDERED: Final = timedelta(minutes=5)
"""Rows stand in the file as Asterisk came to write them, which is nearly in the order of their times."""
_BEYOND: Final = 1000
"""So many rows in a row after the span mean that it is over; one alone may have a spoiled time."""
_PIECE: Final = 262_144
_STEP: Final = 4_000_000
"""A plain file is searched for the beginning of the span to so many bytes."""

Aside = Collection[tuple[int, bytes]]
"""Lines that were set aside, by position and bytes: the ledger told its calls without them."""


@dataclass(frozen=True, slots=True)
class JournalFile:
    """One file, with the time of its first row."""

    path: Path
    inode: int
    begins_at: float

    @property
    def packed(self) -> bool:
        return self.path.suffix == ".gz"

    def open(self) -> BinaryIO:
        return cast(BinaryIO, gzip.open(self.path, "rb")) if self.packed else self.path.open("rb")

    def holds(self, place: Position) -> bool:
        """Whether it has, before that position, what stood there when the ledger noted it."""
        if not self.packed and self.path.stat().st_size < place.position:
            return False
        start = max(0, place.position - LOOK_BACK)
        with self.open() as file:
            file.seek(start)
            before = file.read(place.position - start)
        return hashlib.blake2b(before, digest_size=16).digest() == place.fingerprint


@dataclass(slots=True)
class Retold:
    """What was read: counts, and where it ends."""

    begins_at: datetime | None = None
    """The oldest row of all files: of calls before it nothing can be said."""
    ended: bool = False
    """Reading stopped where the ledger had committed to; else at the end of the files."""
    rows: int = 0
    torn: int = 0
    """Pieces that are no row."""
    skipped: int = 0
    """Lines that the ledger set aside."""
    files: list[Path] = field(default_factory=list)


def journal_files(journal: Path) -> list[Path]:
    """The journal and whatever it was rotated into. Raises ``Unavailable`` when the folder cannot be read."""
    try:
        return sorted(each for each in journal.parent.iterdir() if each.name.startswith(journal.name))
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise Unavailable("journal", f"{journal.parent}: {exc}") from exc


def retell(
    paths: Sequence[Path],
    since: datetime,
    until: datetime,
    min_talk: MinTalk,
    take: Callable[[CallRecord], None],
    *,
    place: Position | None = None,
    aside: Aside = (),
) -> Retold:
    """Hands on every call that arrived in the span, as the files tell it up to ``place``. Raises ``Unavailable``."""
    out = Retold()
    try:
        files = _in_order(paths)
        out.begins_at = datetime.fromtimestamp(files[0].begins_at, since.tzinfo) if files else None
        lines = _lines(files, since - LONGEST_CALL, until + LONGEST_CALL, place, out)
        _tell(lines, since, until, min_talk, take, aside, out)
    except (OSError, EOFError) as exc:
        raise Unavailable("journal", str(exc)) from exc
    return out


def _tell(
    lines: Iterator[Line], since: datetime, until: datetime, min_talk: MinTalk, take: Callable[[CallRecord], None],
    aside: Aside, out: Retold,
) -> None:  # fmt: skip
    groups = Groups()

    def tell(group: Group) -> None:
        for call in group.tell(min_talk):
            if since <= call.arrived_at < until:
                take(call)

    for line in lines:
        if aside and (line.position, line.raw) in aside:
            out.skipped += 1
            continue
        rows, torn = read_rows([line])
        out.rows += len(rows)
        out.torn += len(torn)
        groups.add(rows)
        for group in groups.touched():
            if group.settled:
                tell(group)
    for group in groups:
        tell(group)


def _in_order(paths: Sequence[Path]) -> list[JournalFile]:
    """The files that have rows, oldest first."""
    found = []
    for path in paths:
        inode = path.stat().st_ino
        blank = JournalFile(path, inode, 0.0)
        with blank.open() as file:
            at = _first_time(file)
        if at is not None:
            found.append(JournalFile(path, inode, at))
    return sorted(found, key=lambda file: (file.begins_at, file.path.name))


def _lines(
    files: list[JournalFile], since: datetime, until: datetime, place: Position | None, out: Retold
) -> Iterator[Line]:
    """The lines between two moments, up to the place that is committed."""
    last = None if place is None else _file_of(files, place)
    for file, following in pairwise([*files, None]):
        if file is None:
            return
        if following is not None and following.begins_at < (since - UNORDERED).timestamp() and file is not last:
            continue
        if file.begins_at > (until + UNORDERED).timestamp():
            return
        out.files.append(file.path)
        stop = None if file is not last or place is None else place.position
        yield from _lines_of(file, since, until, stop)
        if file is last:
            out.ended = True
            return


def _file_of(files: list[JournalFile], place: Position) -> JournalFile | None:
    """The file of that place, whatever it is called now; the newest of those that could be."""
    own = [file for file in files if file.inode == place.inode and not file.packed]
    others = [file for file in reversed(files) if file not in own]
    return next((file for file in (*own, *others) if file.holds(place)), None)


def _lines_of(file: JournalFile, since: datetime, until: datetime, stop: int | None) -> Iterator[Line]:
    begins, ends = (since - UNORDERED).timestamp(), (until + UNORDERED).timestamp()
    with file.open() as opened:
        position = 0 if file.packed else _beginning(opened, begins, file.path.stat().st_size)
        opened.seek(position)
        beyond = 0
        for line in _whole_lines(opened, position, stop):
            at = _time_of(line.raw)
            if at is not None and at > ends:
                beyond += 1
                if beyond > _BEYOND:
                    return
                continue
            beyond = 0
            if at is None or at >= begins:
                yield line


def _beginning(file: BinaryIO, since: float, size: int) -> int:
    """The beginning of a line before which all rows are older."""
    low, high = 0, size
    while high - low > _STEP:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline(LONGEST_LINE)
        at = _first_time(file)
        if at is None or at >= since:
            high = middle
        else:
            low = middle
    if low == 0:
        return 0
    file.seek(low)
    return low + len(file.readline(LONGEST_LINE))


def _first_time(file: BinaryIO) -> float | None:
    """The time of the first line that has one."""
    for _ in range(1000):
        raw = file.readline(LONGEST_LINE)
        if not raw:
            return None
        if (at := _time_of(raw)) is not None:
            return at
    return None


def _whole_lines(file: BinaryIO, position: int, stop: int | None) -> Iterator[Line]:
    """Lines as the ledger cuts them: up to a line break, or whatever stands at the end of the file or of the place."""
    rest = b""
    while True:
        most = _PIECE if stop is None else min(_PIECE, stop - position - len(rest))
        data = file.read(most) if most > 0 else b""
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for raw in lines:
            yield Line(position, raw)
            position += len(raw) + 1
    if rest:
        yield Line(position, rest)


def _time_of(raw: bytes) -> float | None:
    """Seconds since 1970, of a line that looks like a row."""
    columns = raw.split(b"|", 2)
    if len(columns) < 3:
        return None
    try:
        at = float(columns[1])
    except ValueError:
        return None
    return at if 1e9 <= at < 3e9 else None
