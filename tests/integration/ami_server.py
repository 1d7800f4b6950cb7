"""A scripted Asterisk manager over real TCP: what it answers, forgets, forges and cuts is up to the test."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

SECRET = "right-secret"
Action = dict[str, str]


def frame(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass
class ScriptedAsterisk:
    """Its knobs are its fields: turned between two connections or in the middle of one."""

    channels: list[bytes] = field(default_factory=list)
    members: list[bytes] = field(default_factory=list)
    started: str = "20:41:26"
    secret: str = SECRET
    mute: bool = False
    piece: int = 0
    cut_lists: int = 0
    silent_actions: set[str] = field(default_factory=set)
    refused_actions: set[str] = field(default_factory=set)
    before_list: bytes = b""
    received: list[Action] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    port: int = 0
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens, on the same port when it did before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()
            self._server = None

    def cut(self) -> None:
        """Every link is gone, in the middle of whatever it was."""
        for writer in self._open:
            writer.transport.abort()

    def say(self, raw: bytes) -> None:
        """Sends this to everybody who is logged in."""
        for writer in self._open:
            writer.write(raw)

    @property
    def links(self) -> int:
        return len(self._open)

    def count(self, action: str) -> int:
        return sum(1 for each in self.received if each["Action"] == action)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        self._write(writer, b"Asterisk Call Manager/11.0.0\r\n")
        try:
            while raw := await reader.readuntil(b"\r\n\r\n"):
                lines = (line.partition(": ") for line in raw.decode().strip().split("\r\n"))
                action = {name: value for name, _, value in lines}
                self.received.append(action)
                if not self.mute and action["Action"] not in self.silent_actions:
                    self._answer(writer, action)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            self._open.discard(writer)
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, action: Action) -> None:
        name, action_id = action["Action"], f"ActionID: {action['ActionID']}"
        if name == "Login":
            right = action["Secret"] == self.secret
            message = "Authentication accepted" if right else "Authentication failed"
            self._write(writer, frame(f"Response: {'Success' if right else 'Error'}", action_id, f"Message: {message}"))
        elif name in ("CoreShowChannels", "QueueStatus"):
            self._list(writer, name, action_id)
        elif name == "CoreStatus":
            started = ("CoreStartupDate: 2026-11-22", f"CoreStartupTime: {self.started}", "CoreCurrentCalls: 2")
            self._write(writer, frame("Response: Success", action_id, *started))
        elif name in self.refused_actions:
            self._write(writer, frame("Response: Error", action_id, "Message: refused"))
        elif name == "QueuePause" and action["Interface"].endswith("404"):
            self._write(writer, frame("Response: Error", action_id, "Message: Interface not found"))
        else:
            self._write(writer, frame("Response: Success", action_id, "Message: done"))

    def _list(self, writer: asyncio.StreamWriter, name: str, action_id: str) -> None:
        items = self.channels if name == "CoreShowChannels" else self.members
        complete = "CoreShowChannelsComplete" if name == "CoreShowChannels" else "QueueStatusComplete"
        if name == "CoreShowChannels":
            self._write(writer, self.before_list)
        self._write(writer, frame("Response: Success", action_id, "EventList: start", "Message: will follow"))
        for item in items:
            self._write(writer, item.replace(b"ActionID: ?", action_id.encode()))
        if self.cut_lists:
            self.cut_lists -= 1
            writer.transport.abort()
            return
        end = (f"Event: {complete}", action_id, "EventList: Complete", f"ListItems: {len(items)}")
        self._write(writer, frame(*end))

    def _write(self, writer: asyncio.StreamWriter, raw: bytes) -> None:
        if self.piece:
            for at in range(0, len(raw), self.piece):
                writer.write(raw[at : at + self.piece])
        else:
            writer.write(raw)


@asynccontextmanager
async def scripted_asterisk(**knobs: object) -> AsyncIterator[ScriptedAsterisk]:
    asterisk = ScriptedAsterisk(**knobs)  # type: ignore[arg-type]
    await asterisk.start()
    try:
        yield asterisk
    finally:
        await asterisk.stop()


async def until(true: Callable[[], object], deadline: float = 5.0) -> None:
    """Waits until something is so; fails when it is not in time."""
    async with asyncio.timeout(deadline):
        while not true():
            await asyncio.sleep(0.005)
