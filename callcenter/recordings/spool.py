"""MixMonitor's folder: raw files named by the uniqueid of their call, and nothing else in it is touched.

An Asterisk that can be trusted with it (``pbx.version``) writes one interleaved ``<uniqueid>.raw`` (option ``D``);
others write two mono files, ``<uniqueid>-caller.raw`` (option ``r()``) and ``<uniqueid>-agent.raw`` (option ``t()``:
what the caller hears).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from callcenter.errors import Unavailable
from callcenter.recordings.audio import SPOOL
from callcenter.words import UniqueId

SIDES = ("-caller", "-agent")
_UNIQUEID = r"(?:[A-Za-z0-9]{1,16}-)?[0-9]{1,12}\.[0-9]{1,10}"
_CALL = re.compile(_UNIQUEID, re.ASCII)
_NAME = re.compile(rf"({_UNIQUEID})(?:-caller|-agent)?\.raw", re.ASCII)


@dataclass(frozen=True, slots=True)
class Raw:
    """What MixMonitor left of one call: one stereo file or two mono ones (left, right), of which one may be absent."""

    call: UniqueId
    paths: tuple[Path, ...]
    bytes: int
    modified: float
    """The newest file's time, in seconds since the epoch."""
    regular: bool
    """False when one of them is a link or a device: it is never opened."""


@dataclass(frozen=True, slots=True)
class Spool:
    """The folder MixMonitor writes to; it makes the folder itself with the first recording."""

    folder: Path

    def find(self, call: str) -> Raw | None:
        """The raw sound of one call; ``None`` when there is none or the name is no uniqueid."""
        if not _CALL.fullmatch(call):
            return None
        self._check()
        pair = [self.folder / f"{call}{side}.raw" for side in SIDES]
        return self._raw(call, [self.folder / f"{call}.raw"]) or self._raw(call, pair)

    def all(self) -> list[Raw]:
        """Every raw sound in the folder, oldest first."""
        self._check()
        if not self.folder.is_dir():
            return []
        with os.scandir(self.folder) as entries:
            calls = {found[1] for entry in entries if (found := _NAME.fullmatch(entry.name))}
        raws = [raw for call in calls if (raw := self.find(call))]
        return sorted(raws, key=lambda raw: (raw.modified, raw.call))

    def _check(self) -> None:
        """A folder that is not there yet is empty; a spool that is not there says nothing about its recordings."""
        if not self.folder.parent.is_dir():
            raise Unavailable(SPOOL, f"{self.folder.parent} is not there")

    def _raw(self, call: str, paths: Sequence[Path]) -> Raw | None:
        there = []
        for path in paths:
            try:
                there.append((path, path.lstat()))
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise Unavailable(SPOOL, f"{path}: {exc.strerror}") from exc
        if not there:
            return None
        return Raw(
            UniqueId(call),
            tuple(paths),
            sum(status.st_size for _, status in there),
            max(status.st_mtime for _, status in there),
            all(stat.S_ISREG(status.st_mode) for _, status in there),
        )


def remove(raw: Raw) -> None:
    """Deletes the raw files; one that is gone already is fine."""
    for path in raw.paths:
        path.unlink(missing_ok=True)
