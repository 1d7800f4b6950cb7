"""Simulated command lines over real SSH and real Telnet: ``async with CliDevice(SCRIPTS["gcom_epon"]) as device``.

To add a family, write ``lab/clis/<family>.py`` with one ``SCRIPT`` (see ``lab/clis/script.py`` for its fields, and
``bdcom_epon.py`` for the shortest example): ``prompt(place)`` gives the prompt of the mode the session is in,
``answer(place, line)`` shows what a command shows and changes ``place.mode`` or the model; ``None`` is a command the
family does not know. Echo, pager, logins, enable, SSH, Telnet and every fault are the engine's.

``device.fault`` makes it misbehave from the next command on. ``device.commands`` has every line it was given after the
login, ``device.peak_sessions`` how many were ever open at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import asyncssh

from lab.clis.script import Ask, Place, Script


class Fault(StrEnum):
    """How a command line can misbehave; ``delay`` makes it slow on top."""

    SILENT = "silent"
    """Takes the connection and says nothing, to a command either."""
    NONSENSE = "nonsense"
    """Random bytes instead of an answer, and no prompt."""
    MID_LINE = "mid-line"
    """Stops in the middle of a line."""
    DROP = "drop"
    """Closes the connection in the middle of an answer."""
    FLOOD = "flood"
    """Ten megabytes, line after line."""
    ESCAPES = "escapes"
    """Escape sequences, bells and NULs between the characters of the answer."""
    LOG_LINES = "log-lines"
    """Log lines break in: before, inside and after the answer, over the prompt."""
    LOG_AT_PAGER = "log-at-pager"
    """A log line is printed after the pager's text, while it waits."""
    NO_PROMPT = "no-prompt"
    ENDLESS_PAGER = "endless-pager"
    ENDLESS_QUESTIONS = "endless-questions"


class Wire(Protocol):
    async def read(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class Gone(Exception):
    """The other side has left."""


LOG_LINE = "2026/08/10 11:59:30 OLT: EPON0/1:3 Deregister, reason: wire-down"


@dataclass(slots=True)
class CliDevice:
    """One device on a TCP port of its own. Use as an async context; port 0 takes any free one."""

    script: Script
    protocol: Literal["ssh", "telnet"] = "ssh"
    name: str = "OLT"
    user: str = "noc"
    password: str = "secret-of-the-line"
    enable_password: str = ""
    model: Any = None
    port: int = 0
    host: str = "127.0.0.1"
    fault: Fault | None = None
    delay: float = 0.0
    """Seconds before each answer."""
    most_sessions: int = 5
    commands: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """What was pressed at the pager."""
    secrets_seen: list[str] = field(default_factory=list)
    """Every password that was given to it, in SSH and in its shell."""
    sessions: int = 0
    open_sessions: int = 0
    peak_sessions: int = 0
    host_key: str = ""
    """Its SSH public key, ``ssh-ed25519 AAAA...``."""
    _wires: set[Wire] = field(default_factory=set)
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _server: Any = None

    async def __aenter__(self) -> Self:
        if self.model is None:
            self.model = self.script.model()
        if self.protocol == "telnet":
            self._server = await asyncio.start_server(self._telnet, self.host, self.port)
            self.port = int(self._server.sockets[0].getsockname()[1])
        else:
            await self.rekey()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        self._server.close()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._server.wait_closed()

    async def rekey(self) -> None:
        """A new SSH host key, as after a change of the device; also the first one."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        old = self.script.old_ssh
        key = asyncssh.generate_private_key("ssh-rsa", key_size=1024) if old else _new_key()
        algorithms: dict[str, Any] = {}
        if old:
            algorithms = {
                "kex_algs": ["diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"],
                "encryption_algs": ["aes128-cbc", "3des-cbc"],
                "mac_algs": ["hmac-sha1"],
                "signature_algs": ["ssh-rsa"],
            }
        self._server = await asyncssh.listen(
            self.host, self.port, server_host_keys=[key], server_factory=lambda: _Door(self),
            process_factory=self._ssh, encoding=None, line_editor=False, **algorithms,
        )  # fmt: skip
        self.port = int(self._server.get_port())
        self.host_key = " ".join(key.export_public_key("openssh").decode().split()[:2])

    def hang_up(self) -> None:
        """Every session ends at once."""
        for wire in list(self._wires):
            wire.close()

    async def interrupt(self, text: str) -> None:
        """Prints this into every open session, whatever they are at."""
        for wire in list(self._wires):
            await wire.write(text.replace("\n", self.script.newline).encode())

    # --- connections ---

    async def _ssh(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        inside = self.script.login_inside_ssh or self.script.login_twice
        await self._serve(_SshWire(process), login=inside)

    async def _telnet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        wire = _TelnetWire(reader, writer)
        with contextlib.suppress(asyncio.CancelledError):  # asyncio's own streams would call it an error
            await wire.greet()
            await self._serve(wire, login=True)

    async def _serve(self, wire: Wire, *, login: bool) -> None:
        if self.open_sessions >= self.most_sessions:
            wire.close()
            return
        self.sessions += 1
        self.open_sessions += 1
        self.peak_sessions = max(self.peak_sessions, self.open_sessions)
        self._wires.add(wire)
        try:
            await Shell(self, wire).run(login=login)
        except (Gone, ConnectionError, asyncssh.Error, BrokenPipeError):
            pass
        finally:
            self.open_sessions -= 1
            self._wires.discard(wire)
            wire.close()


class Shell:
    """One session."""

    def __init__(self, device: CliDevice, wire: Wire) -> None:
        self._device = device
        self._script = device.script
        self._wire = wire
        self._typed = b""
        self._after_cr = False
        self.place = Place(device.name, device.model)
        self._dice = random.Random(7)

    async def run(self, *, login: bool) -> None:
        script = self._script
        if self._device.fault is Fault.SILENT:
            await self._for_ever()
        await self._say(script.banner)
        if login and not await self._login():
            return
        if script.greet:
            await self._say(script.greet)
            await self._key()
            await self._say("\r\n")
        while not self.place.leaving:
            await self._prompt()
            line = (await self._line()).strip()
            if line:
                self._device.commands.append(line)
                await self._command(line)

    async def _login(self) -> bool:
        for _ in range(3):
            await self._say(self._script.user_prompt)
            name = await self._line()
            await self._say(self._script.password_prompt)
            password = await self._line(echo=False)
            self._device.secrets_seen.append(password)
            if (name, password) == (self._device.user, self._device.password):
                return True
            await self._say(self._script.wrong_login + "\n")
        return False

    async def _command(self, line: str) -> None:
        device, script = self._device, self._script
        if device.delay:
            await asyncio.sleep(device.delay)
        if script.enable and line == script.enable and self.place.mode == "user" and device.enable_password:
            await self._say(script.password_prompt)
            password = await self._line(echo=False)
            device.secrets_seen.append(password)
            if password != device.enable_password:
                await self._say("% Bad passwords\n")
                return
        answer = script.answer(self.place, line)
        while isinstance(answer, Ask):
            await self._say(answer.question)
            typed = await self._line()
            device.commands.append(typed)
            if device.fault is not Fault.ENDLESS_QUESTIONS:
                answer = answer.then(typed)
        await self._show(script.unknown if answer is None else answer)

    async def _show(self, text: str) -> None:
        match self._device.fault:
            case None:
                await self._pages(text)
            case Fault.SILENT | Fault.NO_PROMPT:
                await self._say("" if self._device.fault is Fault.SILENT else text + "\n")
                await self._for_ever()
            case Fault.NONSENSE:
                await self._wire.write(self._dice.randbytes(4000))
                await self._for_ever()
            case Fault.MID_LINE:
                await self._say(text[: max(1, len(text) // 2)].rstrip())
                await self._for_ever()
            case Fault.DROP:
                await self._say(text[: max(1, len(text) // 2)])
                raise Gone
            case Fault.FLOOD:
                row = ("x" * 98 + "\r\n").encode() * 100
                for _ in range(1000):
                    await self._wire.write(row)
            case Fault.ESCAPES:
                whole = ["\x1b[31m", "\x1b[0m", "\x1b[?25h", "\x07", "\x00", "\x1b]0;title\x07", "\x1b(B"]
                await self._say("".join(each + self._dice.choice(whole) for each in text) + "\n")
            case Fault.LOG_LINES:
                head, *rest = text.split("\n")
                await self._say("\n".join([LOG_LINE, head, LOG_LINE, *rest]) + "\n")
            case Fault.ENDLESS_PAGER:
                while True:
                    await self._say("row\n" + self._script.pager)
                    await self._key()
            case _:
                await self._pages(text)

    async def _pages(self, text: str) -> None:
        rows = text.split("\n") if text else []
        paged = self._script.pager and self.place.paging
        for number, row in enumerate(rows):
            if paged and number and number % self._script.page == 0:
                await self._say(self._script.pager)
                if self._device.fault is Fault.LOG_AT_PAGER:
                    await self._say("\n" + LOG_LINE + "\n")
                key = await self._key()
                self._device.keys.append(key)
                await self._say(self._script.pager_erased, raw=True)
                if key in "qQ\x03":
                    return
            await self._say(row + "\n")

    async def _prompt(self) -> None:
        await self._say(self._script.before_prompt, raw=True)
        await self._say(self._script.prompt(self.place))
        if self._device.fault is Fault.LOG_LINES and self._device.commands:
            await self._say("\n" + LOG_LINE + "\n")

    # --- keys ---

    async def _say(self, text: str, *, raw: bool = False) -> None:
        if text:
            await self._wire.write((text if raw else text.replace("\n", self._script.newline)).encode())

    async def _key(self) -> str:
        while True:
            if not self._typed:
                self._typed = await self._wire.read()
            key, self._typed = self._typed[:1], self._typed[1:]
            if key == b"\n" and self._after_cr:
                self._after_cr = False
                continue
            self._after_cr = key == b"\r"
            if key != b"\x00":
                return key.decode("utf-8", "replace")

    async def _line(self, *, echo: bool = True) -> str:
        typed = ""
        while (key := await self._key()) not in "\r\n":
            typed += key
            if echo and self._script.echoes:
                width = self._script.width
                await self._say(key + ("\n" if width and len(typed) % width == 0 else ""))
        await self._say("\n")
        return typed

    async def _for_ever(self) -> None:
        """Says nothing more, and hears nothing, until the other side goes."""
        while True:
            await self._wire.read()


class _Door(asyncssh.SSHServer):
    def __init__(self, device: CliDevice) -> None:
        self._device = device

    def begin_auth(self, username: str) -> bool:
        return not self._device.script.login_inside_ssh

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._device.secrets_seen.append(password)
        return (username, password) == (self._device.user, self._device.password)


class _SshWire:
    def __init__(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self._process = process

    async def read(self) -> bytes:
        while True:
            try:
                data = await self._process.stdin.read(4096)
            except asyncssh.TerminalSizeChanged:
                continue
            except (asyncssh.Error, asyncssh.BreakReceived) as exc:
                raise Gone from exc
            if not data:
                raise Gone
            return data

    async def write(self, data: bytes) -> None:
        if self._process.channel.is_closing():
            raise Gone
        self._process.stdout.write(data)
        await self._process.stdout.drain()

    def close(self) -> None:
        self._process.close()
        with contextlib.suppress(OSError, AssertionError):  # asyncssh asserts that the connection is still there
            self._process.channel.get_connection().close()


class _TelnetWire:
    """A small Telnet of its own: negotiates as devices do, doubles 255, drops what the client answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.answered: list[tuple[int, int]] = []
        self._rest = b""

    async def greet(self) -> None:
        """Offers to echo, wants a terminal type and window sizes, begins a subnegotiation, and sends a NOP."""
        self._writer.write(bytes((255, 251, 1, 255, 251, 3, 255, 253, 24, 255, 253, 31)))
        self._writer.write(bytes((255, 250, 24, 1, 255, 240, 255, 241)))

    async def read(self) -> bytes:
        while True:
            data = self._rest + await self._reader.read(4096)
            if not data:
                raise Gone
            self._rest, out, at = b"", bytearray(), 0
            while at < len(data):
                if data[at] != 255:
                    out.append(data[at])
                    at += 1
                elif at + 2 >= len(data):
                    self._rest = data[at:]
                    break
                else:
                    self.answered.append((data[at + 1], data[at + 2]))
                    at += 3
            if out:
                return bytes(out)
            if self._reader.at_eof():
                raise Gone

    async def write(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise Gone
        self._writer.write(data.replace(b"\xff", b"\xff\xff"))
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


def _new_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


__all__ = ["LOG_LINE", "CliDevice", "Fault"]
