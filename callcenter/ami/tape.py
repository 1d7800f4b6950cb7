"""A recording of what Asterisk sent, byte for byte, for replaying a field bug in a test.

``NAME`` holds the bytes; ``NAME.times`` has a line ``<epoch seconds> <offset>`` for each piece as it arrived.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import BinaryIO

from callcenter.words import Clock

log = logging.getLogger(__name__)

TAPE_LIMIT = 200 * 1024 * 1024
"""Bytes after which a tape ends by itself: it is a tool for an hour, not an archive."""


class Tape:
    """Writes the stream until the limit or the first error; a full disk ends the tape and nothing else."""

    def __init__(self, path: Path, clock: Clock, limit: int = TAPE_LIMIT) -> None:
        self._clock = clock
        self._limit = limit
        self._offset = 0
        self._files: tuple[BinaryIO, BinaryIO] | None = None
        try:
            self._files = path.open("ab"), path.with_name(f"{path.name}.times").open("ab")
        except OSError as failure:
            log.warning("the AMI tape %s cannot be written: %s", path, failure)

    def write(self, data: bytes) -> None:
        if self._files is None:
            return
        stream, times = self._files
        try:
            stream.write(data)
            times.write(b"%f %d\n" % (self._clock().timestamp(), self._offset))
            stream.flush()
            times.flush()
        except OSError as failure:
            log.warning("the AMI tape ends at byte %d: %s", self._offset, failure)
            self.close()
            return
        self._offset += len(data)
        if self._offset >= self._limit:
            log.warning("the AMI tape ends at its limit of %d bytes", self._limit)
            self.close()

    def close(self) -> None:
        """Ends the tape; closing twice is allowed."""
        files, self._files = self._files, None
        for file in files or ():
            try:
                file.close()
            except OSError as failure:
                log.warning("the AMI tape did not close cleanly: %s", failure)
