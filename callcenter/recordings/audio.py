"""A conversation's sound: what MixMonitor wrote becomes Ogg Opus, caller left, agent right, and is read back.

This file is also a program (``python -m callcenter.recordings.audio``) that encodes what it is asked on its standard
input, one JSON line a file: a fault inside the codec's C library then costs one recording's try and not the service.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy
import soundfile
from numpy.typing import NDArray

from callcenter.errors import Refused, Unavailable

RATE = 8000
BLOCK = 8000
"""Frames handed over at once, one second: libsndfile 1.2 crashed on one huge write."""
DISK, FOLDER, SPOOL = "recordings disk", "recordings folder", "recordings spool"
"""What can be away: room to write, the folder recordings go to, the folder they come from."""
_RESERVE = 1 << 20
_Samples = NDArray[numpy.int16]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file that was written, flushed to the disk and decoded again. ``peaks`` are of left and right, 0 to 32767."""

    seconds: float
    bytes: int
    sha256: str
    peaks: tuple[int, int]


def encode(sources: Sequence[Path], target: Path, parts: Path) -> Encoded:
    """Writes ``target`` whole or not at all, from one interleaved stereo file or from two mono ones (left, right).

    Sources are signed 16-bit little-endian at 8000 Hz without a header (MixMonitor's ``.raw``). ``parts`` is a folder
    on the target's disk. Raises ``Unavailable`` for a full disk (``DISK``) and for a folder that cannot be used
    (``FOLDER``, ``SPOOL``): it is tried again; ``Refused`` when the sound itself cannot be used.
    """
    with ExitStack() as open_files:
        files = [open_files.enter_context(_open(path)) for path in sources]
        frames = _frames(files)
        if frames == 0:
            raise Refused(sources[0].name, "the file is empty")
        part = parts / f"{target.stem}.{os.getpid()}.part"
        try:
            _need_room(parts, frames)
            peaks = _write(_blocks(files), part, frames)
            digest, size = _settle(part)
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
            _sync_folder(target.parent)
        except OSError as exc:
            system = DISK if exc.errno in {errno.ENOSPC, errno.EDQUOT} else FOLDER
            raise Unavailable(system, f"{target}: {exc.strerror or exc}") from exc
        finally:
            with contextlib.suppress(OSError):  # a part that stays is swept up later
                part.unlink(missing_ok=True)
    return Encoded(frames / RATE, size, digest, peaks)


def _open(path: Path) -> BinaryIO:
    """Opens a regular file and nothing else: a link in the spool could name any file of this machine."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as exc:
        if exc.errno in {errno.ELOOP, errno.ENOENT, errno.ENXIO}:
            raise Refused(path.name, exc.strerror or str(exc)) from exc
        raise Unavailable(SPOOL, f"{path}: {exc.strerror}") from exc
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Refused(path.name, "not a regular file")
    return os.fdopen(handle, "rb")


def _frames(files: Sequence[BinaryIO]) -> int:
    """Frames of the longest source; the half frame of a writer that was killed does not count."""
    width = 4 if len(files) == 1 else 2
    return max(os.fstat(file.fileno()).st_size // width for file in files)


def _blocks(files: Sequence[BinaryIO]) -> Iterator[_Samples]:
    if len(files) == 1:
        while frames := files[0].read(BLOCK * 4):
            yield numpy.frombuffer(frames[: len(frames) // 4 * 4], dtype="<i2").reshape(-1, 2)
        return
    while any(channels := [file.read(BLOCK * 2) for file in files]):
        longest = max(len(channel) // 2 for channel in channels)
        block = numpy.zeros((longest, 2), dtype="<i2")
        for side, channel in enumerate(channels):
            samples = numpy.frombuffer(channel[: len(channel) // 2 * 2], dtype="<i2")
            block[: len(samples), side] = samples
        yield block


def _need_room(folder: Path, frames: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < frames // 2 + _RESERVE:  # Opus takes under half a byte a frame: 3 MB for ten minutes
        raise Unavailable(DISK, f"{folder}: {free // 1024} KiB left")


def _write(blocks: Iterator[_Samples], part: Path, frames: int) -> tuple[int, int]:
    try:
        with soundfile.SoundFile(part, "w", RATE, 2, format="OGG", subtype="OPUS") as sound:
            for block in blocks:
                sound.write(block)
        peaks, decoded = numpy.zeros(2, dtype=numpy.int64), 0
        with soundfile.SoundFile(part) as sound:
            channels = sound.channels
            for block in sound.blocks(BLOCK, dtype="int16", always_2d=True):
                decoded += len(block)
                numpy.maximum(peaks, numpy.abs(block.astype(numpy.int64)).max(axis=0), out=peaks)
    except soundfile.LibsndfileError as exc:
        if shutil.disk_usage(part.parent).free < _RESERVE:
            raise Unavailable(DISK, f"{part.parent}: full") from exc
        raise Refused(part.name, f"the codec says {exc}") from exc
    if channels != 2 or decoded != frames:
        raise Refused(part.name, f"decoded {decoded} frames in {channels} channels, wrote {frames} in 2")
    return int(peaks[0]), int(peaks[1])


def _settle(part: Path) -> tuple[str, int]:
    """Flushes the file to the disk; its SHA-256 and size."""
    part.chmod(0o640)
    with part.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest(), part.stat().st_size


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        sources = [Path(source) for source in request["sources"]]
        return asdict(encode(sources, Path(request["target"]), Path(request["parts"])))
    except Unavailable as exc:
        return {"unavailable": exc.why, "system": exc.system}
    except Refused as exc:
        return {"refused": exc.why, "system": exc.system}


def main() -> None:
    """Answers JSON lines until its standard input ends; gives way to whatever else this machine does."""
    os.nice(10)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
