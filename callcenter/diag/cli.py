"""The one door to devices' command lines, over SSH and Telnet (ADR 0012).

One session a device at a time, kept for some seconds for whoever asks next. Every answer has an end in bytes and in
time. Host keys are compared before a password is sent, and never accepted by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from callcenter.diag.cli_session import ANSWERS, Dropped, Said, Session
from callcenter.diag.cli_text import checked
from callcenter.diag.cli_transport import (
    HostKeyChanged,
    HostKeyUnknown,
    fingerprint,
    login_of,
    port_of,
    shown_key,
)
from callcenter.diag.devices import Device
from callcenter.diag.dialect import Dialect
from callcenter.diag.snmp_target import Busy, NoAnswer, Nonsense
from callcenter.errors import Refused

__all__ = [
    "Busy", "Cli", "CommandRefused", "Dropped", "HostKeyChanged", "HostKeyUnknown", "NoAnswer", "Nonsense",
    "fingerprint",
]  # fmt: skip

KEPT = 15.0
"""Seconds that a session stays open for the next question; devices have four or five of them."""
LONGEST_COMMAND = 60.0
"""Seconds that one command may take, however large the budget."""
SHOWING = ("show ", "display ")
OLDEST = 300.0
"""Seconds after which a session is not used again."""


class CommandRefused(Refused):
    """The device refused a command: those before number ``at`` (from 0) were carried out, none after it was sent.

    ``at`` is the number of commands when all were carried out and only the saving was refused.
    """

    def __init__(self, system: str, at: int, command: str, said: str) -> None:
        super().__init__(system, f"refused {command!r}: {said}")
        self.at = at
        self.command = command
        self.said = said


@dataclass(slots=True)
class _Line:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    session: Session | None = None
    since: float = 0.0
    closing: asyncio.TimerHandle | None = None


class Cli:
    """Asks devices on their command lines; belongs to one event loop."""

    def __init__(self, *, kept: float = KEPT) -> None:
        self._kept = kept
        self._lines: dict[tuple[str, int], _Line] = {}

    async def ask(self, device: Device, dialect: Dialect, commands: Sequence[str], budget: float) -> tuple[str, ...]:
        """What the device shows for each command, in order, cleaned of echoes, pagers and escape codes.

        ``budget`` is seconds, the waiting for this device's turn included. What the device says to a command that it
        does not understand is an answer too. After such a command nothing more is asked (empty answers), for the mode
        is not the one that was meant; unless it only shows things, which changes no mode.
        Raises ``Busy``, ``NoAnswer``, ``Nonsense``, ``Dropped`` (all ``Unavailable``); ``Refused`` for a wrong login or
        host key; ``Misconfigured`` without a login; ``RuleBroken`` for a command that is never sent.
        """
        return await self._turn(device, dialect, [checked(dialect, each) for each in commands], budget, change=False)

    async def apply(self, device: Device, dialect: Dialect, commands: Sequence[str], budget: float) -> tuple[str, ...]:
        """Gives these commands in the configuration mode, then saves where the family needs that.

        A command that is just ``y`` or ``n`` answers the question of the one before. Raises ``CommandRefused`` at the
        first that the device refuses (nothing after it is sent, nothing is undone or saved), else as ``ask``. After any
        ``Unavailable`` it is not known which were carried out.
        """
        return await self._turn(device, dialect, [checked(dialect, each) for each in commands], budget, change=True)

    async def host_key(self, device: Device, dialect: Dialect | None = None, budget: float = 10.0) -> str:
        """The SSH host key that the device shows at this moment, for a person to compare; see ``fingerprint``."""
        try:
            async with asyncio.timeout(budget):
                return await shown_key(device, old_ssh=dialect is None or dialect.old_ssh)
        except TimeoutError as exc:
            raise NoAnswer(device.name, f"shows no SSH host key in {budget:.0f} s") from exc

    def close(self) -> None:
        """Ends every session."""
        for line in self._lines.values():
            self._end(line)

    # --- turns ---

    async def _turn(
        self, device: Device, dialect: Dialect, commands: Sequence[str], budget: float, *, change: bool
    ) -> tuple[str, ...]:
        deadline = _now() + budget
        async with self._held(device, deadline) as line:
            session, reused = await self._session(line, device, dialect, deadline)
            try:
                return await self._work(session, commands, deadline, change=change)
            except Dropped:
                if not reused or session.answers:
                    raise
            self._end(line)  # it had been closed while nobody looked, before it took anything of this turn
            session, _ = await self._session(line, device, dialect, deadline)
            return await self._work(session, commands, deadline, change=change)

    @contextlib.asynccontextmanager
    async def _held(self, device: Device, deadline: float) -> AsyncIterator[_Line]:
        line = self._lines.setdefault((device.host, port_of(login_of(device))), _Line())
        try:
            async with asyncio.timeout_at(deadline):
                await line.lock.acquire()
        except TimeoutError as exc:
            raise Busy(device.name, "was busy with other questions on its command line") from exc
        try:
            yield line
        except BaseException:
            self._end(line)
            raise
        else:
            self._keep(line)
        finally:
            line.lock.release()

    async def _session(self, line: _Line, device: Device, dialect: Dialect, deadline: float) -> tuple[Session, bool]:
        if line.closing is not None:
            line.closing.cancel()
            line.closing = None
        kept = line.session
        if kept is not None:
            fits = kept.device == device and kept.dialect == dialect
            if fits and kept.alive and _now() - line.since < OLDEST:
                kept.answers = 0
                return kept, True
            self._end(line)
        try:
            async with asyncio.timeout_at(deadline):
                line.session = await Session.open(device, dialect)
        except TimeoutError as exc:
            raise NoAnswer(device.name, "did not let us sign in to its command line in time") from exc
        line.since = _now()
        return line.session, False

    async def _work(
        self, session: Session, commands: Sequence[str], deadline: float, *, change: bool
    ) -> tuple[str, ...]:
        at_first = session.prompt
        if not change:
            said = await self._asked(session, commands, deadline)
        else:
            said = await self._changed(session, commands, deadline)
        if session.prompt != at_first:
            session.spent = True  # a mode was left open: the next caller begins anew
        return said

    async def _asked(self, session: Session, commands: Sequence[str], deadline: float) -> tuple[str, ...]:
        outputs: list[str] = []
        for command in commands:
            said = await self._one(session, command, deadline)
            outputs.append(said.text)
            if said.refused and not command.casefold().startswith(SHOWING):
                session.spent = True
                break
        return (*outputs, *[""] * (len(commands) - len(outputs)))

    async def _changed(self, session: Session, commands: Sequence[str], deadline: float) -> tuple[str, ...]:
        dialect, outputs = session.dialect, [""] * len(commands)
        await self._step(session, dialect.configure, deadline)
        answered = False
        for at, command in enumerate(commands):
            if answered:
                answered = False
                continue
            following = commands[at + 1] if at + 1 < len(commands) else ""
            if command.casefold() in ANSWERS:
                raise CommandRefused(session.device.name, at, command, "it was not asked anything")
            said = await self._one(session, command, deadline, following)
            outputs[at], answered = said.text, said.answered
            if said.refused:
                session.spent = True
                raise CommandRefused(session.device.name, at, command, said.refused)
        await self._step(session, dialect.leave_configure if dialect.configure else "", deadline)
        if dialect.save and (said := await self._one(session, dialect.save, deadline)).refused:
            raise CommandRefused(session.device.name, len(commands), dialect.save, said.refused)
        return tuple(outputs)

    async def _step(self, session: Session, command: str, deadline: float) -> None:
        """One of the dialect's own commands around a change."""
        if not command:
            return
        said = await self._one(session, command, deadline)
        if said.refused:
            raise Refused(session.device.name, f"refused {command!r}: {said.refused}")

    async def _one(self, session: Session, command: str, deadline: float, following: str = "") -> Said:
        limit = min(deadline, _now() + LONGEST_COMMAND)
        try:
            async with asyncio.timeout_at(limit):
                said = await session.run(command, following)
        except TimeoutError as exc:
            raise NoAnswer(session.device.name, f"did not end its answer to {command!r} in time") from exc
        session.answers += 1
        return said

    # --- sessions that stay open ---

    def _keep(self, line: _Line) -> None:
        if line.session is None or line.session.spent:
            self._end(line)
        else:
            line.closing = asyncio.get_running_loop().call_later(self._kept, self._end, line)

    def _end(self, line: _Line) -> None:
        if line.closing is not None:
            line.closing.cancel()
            line.closing = None
        if line.session is not None:
            line.session.close()
            line.session = None


def _now() -> float:
    return asyncio.get_running_loop().time()
