"""What can be done to a running lab: one line to a Unix socket, lines back, the last of them ``ok`` or why not."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from callcenter.errors import CallCenterError
from lab.house import House
from lab.olt import obey
from lab.sip import NEVER_ANSWERS, Behaviour, CallerId, CallFailed

USAGE = """\
phone 101 never | answer SECONDS | busy | hangup-after SECONDS
olt NAME cut PON | splice PON | power-loss ONU | power-back ONU | level ONU DBM | fault NAME|none | delay SECONDS | list
call DID NUMBER|anonymous [SECONDS]
service | asterisk | postgres  start | stop | kill | freeze | thaw
ami cut | mend"""
Tell = Callable[[str], None]
LISTENING = 5.0


class NotUnderstood(Exception):
    """No such command, or not with such words."""


class Control:
    """Obeys on behalf of whoever may open the socket: the user who started the lab."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.resting: set[str] = set()
        """Parts that somebody stopped on purpose: nobody starts them again by himself."""

    @asynccontextmanager
    async def listening(self, socket: Path) -> AsyncIterator[None]:
        socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, socket)
        socket.chmod(0o600)
        try:
            yield
        finally:
            server.close()
            socket.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def tell(line: str) -> None:
            writer.write(line.encode("utf-8", "backslashreplace") + b"\n")

        with contextlib.suppress(ConnectionError):
            try:
                line = await asyncio.wait_for(reader.readline(), LISTENING)
                await self.obey(shlex.split(line.decode("utf-8")), tell)
            except NotUnderstood as exc:
                tell(f"error: {exc}\n{USAGE}")
            except (CallCenterError, ValueError, KeyError, TimeoutError) as exc:
                tell(f"error: {exc!s}")
            else:
                tell("ok")
            await writer.drain()
        writer.close()

    async def obey(self, words: list[str], tell: Tell) -> None:
        """Carries out one command; raises ``NotUnderstood``, or what the part of the house raised."""
        match words:
            case ["phone", extension, *how]:
                self._phone(extension, how)
            case ["olt", *_]:
                said = obey(self._house.olts, " ".join(words[1:]))
                if said.startswith("not understood"):
                    raise NotUnderstood(said)
                tell(said)
            case ["call", did, number]:
                await self._call(did, number, 15.0, tell)
            case ["call", did, number, seconds]:
                await self._call(did, number, float(seconds), tell)
            case ["ami", "cut"]:
                self._house.wire.cut(refusing=True)
            case ["ami", "mend"]:
                self._house.wire.mend()
            case ["service" | "asterisk" | "postgres" as part, verb]:
                await self._part(part, verb)
            case _:
                raise NotUnderstood(" ".join(words) or "nothing was said")

    def _phone(self, extension: str, how: list[str]) -> None:
        phone = self._house.phones.get(extension)
        if phone is None:
            raise NotUnderstood(f"no phone {extension}; there are {', '.join(self._house.phones)}")
        match how:
            case ["never"]:
                phone.behaviour = NEVER_ANSWERS
            case ["answer", seconds]:
                phone.behaviour = Behaviour(answer_after=float(seconds))
            case ["busy"]:
                phone.behaviour = Behaviour.rejects(486)
            case ["hangup-after", seconds]:
                phone.behaviour = Behaviour(answer_after=self._house.plan.answer_after, hangup_after=float(seconds))
            case _:
                raise NotUnderstood(f"phone {extension} {' '.join(how)}")

    async def _call(self, did: str, number: str, seconds: float, tell: Tell) -> None:
        """The caller stays for so many seconds from the first ring on, then hangs up."""
        caller = CallerId("", anonymous=True) if number == "anonymous" else CallerId(number)
        call = await self._house.dial(did.lstrip("+"), caller)
        try:
            await call.answered()
        except CallFailed as exc:
            tell(str(exc))
            return
        tell("answered by the PBX")
        try:
            end = await call.ended(seconds)
        except TimeoutError:
            call.hangup()
            end = await call.ended()
        tell(f"ended by {'the caller' if end.by == 'us' else 'the PBX'}")

    async def _part(self, part: str, verb: str) -> None:
        house = self._house
        verbs: dict[tuple[str, str], Callable[[], Awaitable[object] | None]] = {
            ("service", "start"): house.service.start,
            ("service", "stop"): house.service.stop,
            ("service", "kill"): house.service.kill9,
            ("service", "freeze"): house.service.freeze,
            ("service", "thaw"): house.service.thaw,
            ("asterisk", "start"): house.asterisk.start,
            ("asterisk", "stop"): house.asterisk.stop,
            ("asterisk", "kill"): house.asterisk.kill9,
            ("asterisk", "freeze"): house.asterisk.freeze,
            ("asterisk", "thaw"): house.asterisk.thaw,
            ("postgres", "start"): lambda: asyncio.to_thread(house.postgres.start),
            ("postgres", "stop"): lambda: asyncio.to_thread(house.postgres.stop),
        }
        if (part, verb) not in verbs:
            raise NotUnderstood(f"{part} {verb}")
        if verb in {"stop", "kill"}:
            self.resting.add(part)
        done = verbs[part, verb]()
        if done is not None:
            await done
        if verb == "start":
            self.resting.discard(part)
