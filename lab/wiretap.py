"""A wire between the service and the PBX's AMI that a test can cut, and a measurement can listen to."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

Heard = Callable[[float, bytes], None]
"""What the PBX said and when its bytes left: seconds since the epoch."""


class Wiretap:
    """Forwards TCP connections to ``target`` on 127.0.0.1, unchanged and at once."""

    def __init__(self, target: int, port: int = 0) -> None:
        self._target = target
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.heard: Heard | None = None
        self.refusing = False
        self.connections = 0

    async def __aenter__(self) -> Wiretap:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()

    @property
    def port(self) -> int:
        if self._server is None:
            return self._port
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self, *, refusing: bool = False) -> None:
        """Cuts every connection at once (RST); ``refusing`` also refuses new ones until `mend`."""
        self.refusing = refusing
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        self.refusing = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refusing:
            writer.transport.abort()
            return
        try:
            pbx_reader, pbx_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, pbx_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(pbx_reader, writer, listen=True, ends=ends))
                group.create_task(self._copy(reader, pbx_writer, listen=False, ends=ends))
        finally:
            self._writers -= ends

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, listen: bool, ends: set[asyncio.StreamWriter]
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(65_536):
                if listen and self.heard is not None:
                    self.heard(time.time(), chunk)
                sink.write(chunk)
                await sink.drain()
        for end in ends:
            end.close()
