"""Following a file that Asterisk appends to, through rotation, truncation and half-written lines.

The place is kept by the caller, together with what was learned up to it. Nothing here remembers anything that matters.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callcenter.calls.rows import Line
from callcenter.errors import Unavailable

LONGEST_LINE: Final = 65_536
"""Bytes without a line break beyond this are no row, whatever they are."""
LOOK_BACK: Final = 256
"""How many bytes before a place are remembered, to know its file again."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading stands: in which file, how far, and what stood just before, to know that file again."""

    path: str
    inode: int
    position: int
    fingerprint: bytes
    at: float = 0.0
    """When it was noted, seconds since 1970."""

    def is_same_place(self, other: Position) -> bool:
        return (self.inode, self.position, self.fingerprint) == (other.inode, other.position, other.fingerprint)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines, and where reading stands after them."""

    path: str
    lines: tuple[Line, ...]
    after: Position | None
    lag: int
    """Bytes that are written and not read yet."""
    there: bool = True
    """False when there is no such file at all."""
    gap: str = ""
    """Why rows may be missing before these lines; empty when none can be."""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    inode: int
    size: int
    modified_at: float

    @property
    def packed(self) -> bool:
        return self.path.suffix == ".gz"

    def read(self, start: int, length: int) -> bytes:
        with gzip.open(self.path, "rb") if self.packed else self.path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    def fingerprint(self, position: int) -> bytes:
        start = max(0, position - LOOK_BACK)
        return _digest(self.read(start, position - start))

    def holds(self, place: Position) -> bool:
        """Whether this file has, before that position, what stood there when it was noted."""
        if not self.packed and self.size < place.position:
            return False
        return self.fingerprint(place.position) == place.fingerprint


class Journal:
    """One file and those it was rotated into (``name.1``, ``name-20260101``, ``name.2.gz``), oldest first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._looked_at: tuple[_File, Position] | None = None

    def read(self, place: Position | None, limit: int, most_lines: int | None = None) -> Chunk:
        """The lines after ``place``, at most some ``limit`` bytes of them, of one file at a time.

        Raises ``Unavailable`` when the folder cannot be read. A file that is not there yet is an empty one.
        """
        try:
            return self._read(place, max(limit, LONGEST_LINE), most_lines)
        except (OSError, EOFError) as exc:
            raise Unavailable("journal", f"{self.path}: {exc}") from exc

    def end(self) -> Position:
        """The end of what is written now, for who does not care for what was before. Raises ``Unavailable``."""
        try:
            current = _file(self.path)
            if current is None:
                return Position(str(self.path), 0, 0, _digest(b""))
            fingerprint = current.fingerprint(current.size)
            return Position(str(self.path), current.inode, current.size, fingerprint, current.modified_at)
        except OSError as exc:
            raise Unavailable("journal", f"{self.path}: {exc}") from exc

    def _read(self, place: Position | None, limit: int, most_lines: int | None) -> Chunk:
        current = _file(self.path)
        if place is not None and current is not None and current.inode == place.inode:
            if self._looked_at == (current, place):
                return Chunk(str(self.path), (), None, 0)
            if current.holds(place):
                self._looked_at = (current, place) if current.size == place.position else None
                return self._lines(current, place.position, [], limit, most_lines)
        files = [file for file in self._files() if file.size]
        if not files:
            return Chunk(str(self.path), (), None, 0, there=current is not None)
        if place is None:
            return self._lines(files[0], 0, files[1:], limit, most_lines)
        return self._elsewhere(place, files, limit, most_lines)

    def _elsewhere(self, place: Position, files: list[_File], limit: int, most_lines: int | None) -> Chunk:
        """Our file was moved, packed, copied away or emptied: its rest comes first, then what is newer."""
        by_inode = sorted(files, key=lambda file: file.inode != place.inode)
        old = next((file for file in by_inode if file.holds(place) and (place.position or file is by_inode[0])), None)
        if old is None:
            newer = [file for file in files if file.modified_at > place.at] or files[-1:]
            gap = f"{place.path} at {place.position} is not there any more: rows after it may be missing"
            return self._lines(newer[0], 0, newer[1:], limit, most_lines, gap=gap)
        newer = [file for file in files[files.index(old) + 1 :] if file.size]
        chunk = self._lines(old, place.position, newer, limit, most_lines)
        if chunk.after is not None or not newer:
            return chunk
        return self._lines(newer[0], 0, newer[1:], limit, most_lines)

    def _lines(
        self,
        file: _File,
        start: int,
        newer: list[_File],
        limit: int,
        most_lines: int | None,
        *,
        gap: str = "",
    ) -> Chunk:
        back = min(start, LOOK_BACK)
        data = file.read(start - back, back + limit)
        before, data = data[:back], data[back:]
        closed = bool(newer) and len(data) < limit
        lines = tuple(_whole_lines(data, start, closed=closed, most=most_lines))
        if not lines:
            return Chunk(str(file.path), (), None, len(data) + sum(each.size for each in newer), gap=gap)
        last = lines[-1]
        read = min(last.position - start + len(last.raw) + 1, len(data))
        after = Position(
            str(file.path), file.inode, start + read, _digest((before + data[:read])[-LOOK_BACK:]), file.modified_at
        )
        behind = max(0, file.size - after.position) + sum(each.size for each in newer)
        return Chunk(str(file.path), lines, after, behind, gap=gap)

    def _files(self) -> list[_File]:
        """The file and what it was rotated into, in the order they were written."""
        siblings = [
            found
            for entry in _listed(self.path.parent)
            if entry.startswith(self.path.name) and entry != self.path.name
            if (found := _file(self.path.parent / entry)) is not None
        ]
        siblings.sort(key=lambda file: (file.modified_at, file.path.name))
        current = _file(self.path)
        return siblings if current is None else [*siblings, current]


def _whole_lines(data: bytes, start: int, *, closed: bool, most: int | None) -> Iterator[Line]:
    """Up to the last line break; the rest too when nobody will write on (``closed``), or when it can be no row."""
    position, count = 0, 0
    while position < len(data) and (most is None or count < most):
        end = data.find(b"\n", position)
        if end < 0:
            if not closed and len(data) - position < LONGEST_LINE:
                return
            end = len(data)
        yield Line(start + position, data[position:end])
        position, count = end + 1, count + 1


def _digest(before: bytes) -> bytes:
    return hashlib.blake2b(before, digest_size=16).digest()


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _file(path: Path) -> _File | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return _File(path, found.st_ino, found.st_size, found.st_mtime)
