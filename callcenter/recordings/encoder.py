"""The encoder's process, seen from the event loop: asked for one file at a time, started again when it dies."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

from callcenter.errors import Refused, Unavailable
from callcenter.recordings.audio import Encoded

LIMIT_S = 600.0
"""An hour of stereo takes some 30 s; what takes ten minutes has hung."""


class Encoder:
    """Encodes in a process of its own, one file after another, so that the event loop never waits for sound."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def encode(self, sources: Sequence[Path], target: Path, parts: Path) -> Encoded:
        """As ``audio.encode``; raises ``Refused`` as well when the process died or hung over this file."""
        request = {"sources": [str(source) for source in sources], "target": str(target), "parts": str(parts)}
        async with self._turn:
            line = await self._ask(json.dumps(request).encode() + b"\n", sources[0].name)
        answer = json.loads(line)
        if "unavailable" in answer:
            raise Unavailable(answer["system"], answer["unavailable"])
        if "refused" in answer:
            raise Refused(answer["system"], answer["refused"])
        left, right = answer["peaks"]
        return Encoded(answer["seconds"], answer["bytes"], answer["sha256"], (left, right))

    async def _ask(self, request: bytes, name: str) -> bytes:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "callcenter.recordings.audio", stdin=PIPE, stdout=PIPE
            )
        if process.stdin is None or process.stdout is None:
            raise Unavailable("encoder", "its process has no pipes")
        line = b""
        try:
            async with asyncio.timeout(self._limit_s):
                process.stdin.write(request)
                await process.stdin.drain()
                line = await process.stdout.readline()
        except TimeoutError as exc:
            raise Refused(name, f"the encoder hung for {self._limit_s:g} s over it") from exc
        except (BrokenPipeError, ConnectionResetError) as exc:
            raise Refused(name, "the encoder died over it") from exc
        finally:
            if not line.endswith(b"\n"):  # also when cancelled: the next file must not get this one's answer
                await self.close()
        if not line.endswith(b"\n"):
            raise Refused(name, "the encoder died over it")
        return line

    async def close(self) -> None:
        """Ends the process; a file half written stays a part and is written anew."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
