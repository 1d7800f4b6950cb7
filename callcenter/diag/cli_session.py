"""One conversation with a device's command line: signing in, and one command after another, with all its interruptions.

scrapli's own loop waits for a prompt alone. This one knows pagers that cannot be switched off, questions in the middle
of a command, log lines that interrupt, a second login inside SSH, and an end to every answer in bytes and in time.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

import asyncssh
from scrapli.exceptions import ScrapliException
from scrapli.transport.base import AsyncTransport

from callcenter.diag.cli_text import Screen, echo_ends, shown
from callcenter.diag.cli_transport import login_of, opened
from callcenter.diag.devices import Device
from callcenter.diag.dialect import Dialect
from callcenter.diag.snmp_target import Nonsense
from callcenter.errors import Refused, Unavailable

MOST_OCTETS = 2_000_000
"""Of the answer to one command, as it was sent and as it is shown."""
MOST_PAGES = 2_000
MOST_QUESTIONS = 20
"""The pager's stops and the questions within one command."""
QUIET = 1.0
"""Seconds of silence after which a prompt that a log line has scrolled away still counts."""
SETTLE = 0.1
"""Seconds after the first prompt in which more may come: banners can look like one."""
TAIL = 400
SLICE = 4096
"""Characters that are looked at in one go: a few milliseconds of escape sequences at worst."""
ENDS = 200
"""Lines at the beginning and at the end of an answer in which errors, and prompts scrolled away, are looked for."""
ANSWERS = frozenset({"y", "n", "yes", "no"})
"""Commands that answer the question of the command before them."""


class Dropped(Unavailable):
    """The device ended the session."""


@dataclass(frozen=True, slots=True)
class Said:
    """The answer to one command; ``refused`` is the device's own line that says no, empty when it does not."""

    text: str
    refused: str = ""
    answered: bool = False
    """Whether the answer that followed the command was used for a question of the device."""


class Session:
    """Belongs to one caller at a time. After any error it is to be closed."""

    def __init__(self, device: Device, dialect: Dialect, transport: AsyncTransport) -> None:
        self.device = device
        self.dialect = dialect
        self.prompt = ""
        """The last prompt seen, which tells the mode."""
        self.answers = 0
        """Commands answered since its present caller has it."""
        self.spent = False
        """Whether it is not to be used by another caller."""
        self._transport = transport
        self._screen = Screen()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._octets = 0
        self._host = ""
        self._prompt = re.compile(dialect.prompt)
        self._pager = re.compile(dialect.pager) if dialect.pager else None
        self._questions = tuple((re.compile(question), answer) for question, answer in dialect.confirm.items())
        self._errors = tuple(re.compile(error) for error in dialect.errors)

    @classmethod
    async def open(cls, device: Device, dialect: Dialect) -> Session:
        """Signs in, takes the rights and switches the pager off. The caller holds the time limit.

        Raises ``NoAnswer``, ``Nonsense``, ``Refused``, ``Misconfigured``.
        """
        session = cls(device, dialect, await opened(device, old_ssh=dialect.old_ssh))
        try:
            await session._sign_in()
            await session._take_rights()
            for command in dialect.unpage:
                await session.run(command)
        except BaseException:
            session.close()
            raise
        return session

    @property
    def alive(self) -> bool:
        return self._transport.isalive()

    def close(self) -> None:
        """Says goodbye without waiting for an answer."""
        try:
            if self._transport.isalive():
                for command in self.dialect.leave:
                    self._transport.write((command + self.dialect.newline).encode())
            self._transport.close()
        except (ScrapliException, asyncssh.Error, OSError, RuntimeError):
            return  # it is gone already

    async def run(self, command: str, following: str = "") -> Said:
        """Sends one command (checked before) and reads until the device is ready again.

        A question of the device is answered with ``following`` where that is an answer, else as the dialect says.
        """
        while await self._more(0):
            pass  # what was printed while nobody asked: a prompt among it would look like the end of this answer
        self._fresh()
        self._write(command + self.dialect.newline)
        pages = questions = 0
        answered = False
        while True:
            spoke = await self._more(QUIET)
            line = self._screen.line[-TAIL:]
            if self._turned_page(line) if spoke else self._found_page(command):
                pages += 1
                if pages > MOST_PAGES:
                    raise Nonsense(self.device.name, f"never ends its answer to {command!r}")
            elif spoke and (answer := self._question(line)) is not None:
                questions += 1
                if questions > MOST_QUESTIONS:
                    raise Nonsense(self.device.name, f"never stops asking back after {command!r}")
                if following.casefold() in ANSWERS and not answered:
                    answer, answered = following, True
                self._screen.newline()
                self._write(answer + self.dialect.newline)
            else:
                end = self._end(command, quiet=not spoke)
                if end is not None:
                    return self._said(*end, answered=answered)

    # --- signing in ---

    async def _sign_in(self) -> None:
        login = login_of(self.device)
        user, password = re.compile(self.dialect.login_user), re.compile(self.dialect.login_password)
        greets = [(re.compile(greet), answer) for greet, answer in self.dialect.greets.items()]
        asked: set[str] = set()
        while True:
            try:
                await self._more()
            except Dropped as exc:
                if "password" in asked:
                    raise self._wrong_login() from exc
                raise
            line = self._screen.line[-TAIL:]
            for each, (greet, answer) in enumerate(greets):
                if f"greet {each}" not in asked and greet.search(self._screen.text()[-TAIL:]):
                    asked.add(f"greet {each}")
                    self._screen.newline()
                    self._write(answer)
                    break
            else:
                if user.search(line):
                    self._answer_once(asked, "user", login.user)
                elif password.search(line):
                    self._answer_once(asked, "password", login.password.get_secret_value())
                elif self._is_prompt(line) and not await self._more(SETTLE):
                    break
        self._learn(self._screen.line)

    def _answer_once(self, asked: set[str], what: str, answer: str) -> None:
        if what in asked:
            raise self._wrong_login()
        asked.add(what)
        self._screen.newline()
        self._write(answer + self.dialect.newline)

    def _wrong_login(self) -> Refused:
        return Refused(self.device.name, "refuses the user name or password of its command line")

    async def _take_rights(self) -> None:
        rights = self.dialect.privileged
        if not self.dialect.enable or not rights or self.prompt.endswith(rights):
            return
        login = login_of(self.device)
        user, password = re.compile(self.dialect.login_user), re.compile(self.dialect.login_password)
        asked: set[str] = set()
        self._fresh()
        self._write(self.dialect.enable + self.dialect.newline)
        try:
            while True:
                spoke = await self._more(QUIET)
                line = self._screen.line[-TAIL:]
                if spoke and user.search(line):
                    self._answer_once(asked, "user", login.user)
                elif spoke and password.search(line):
                    self._answer_once(asked, "password", (login.enable or login.password).get_secret_value())
                elif (end := self._end(self.dialect.enable, quiet=not spoke)) is not None:
                    self.prompt = self._screen.lines[end[1]] if end[1] < len(self._screen.lines) else line
                    break
        except Refused as exc:
            raise Refused(self.device.name, "refuses the password for all rights (enable)") from exc
        self.prompt = self.prompt.strip()
        if not self.prompt.endswith(rights):
            raise Refused(self.device.name, "does not give all rights (enable) to this user name")

    # --- reading ---

    def _fresh(self) -> None:
        self._screen, self._octets = Screen(), 0

    def _write(self, text: str) -> None:
        try:
            self._transport.write(text.encode())
        except (ScrapliException, asyncssh.Error, OSError) as exc:
            raise Dropped(self.device.name, "ended its command line session") from exc

    async def _more(self, quiet: float | None = None) -> bool:
        """Reads the next piece; ``False`` when ``quiet`` seconds passed without one."""
        try:
            async with asyncio.timeout(quiet):
                raw = await self._transport.read()
        except TimeoutError:
            return False
        except (ScrapliException, asyncssh.Error, OSError) as exc:
            raise Dropped(self.device.name, "ended its command line session") from exc
        if not raw:
            raise Dropped(self.device.name, "ended its command line session")
        self._octets += len(raw)
        text = self._decoder.decode(raw)
        for at in range(0, len(text), SLICE):
            self._screen.feed(text[at : at + SLICE])
            if max(self._octets, self._screen.size) > MOST_OCTETS:
                raise Nonsense(self.device.name, f"answers with more than {MOST_OCTETS // 1_000_000} MB")
            if len(text) > SLICE:
                await asyncio.sleep(0)  # a long answer lets everybody else have their turn
        return True

    def _turned_page(self, line: str) -> bool:
        found = None if self._pager is None else _at_end(self._pager, line)
        if found is None:
            return False
        self._screen.cut(len(self._screen.line) - len(line) + found)
        self._write(self.dialect.pager_key)
        return True

    def _found_page(self, command: str) -> bool:
        """Whether the pager waits above log lines that were printed after its text; then a key was pressed."""
        lines = self._screen.lines
        if self._pager is None or self._end(command, quiet=True) is not None:
            return False
        for number in range(len(lines) - 1, max(-1, len(lines) - 6), -1):
            if (found := _at_end(self._pager, lines[number][-TAIL:])) is not None:
                lines[number] = lines[number][: max(0, len(lines[number]) - TAIL) + found]
                self._write(self.dialect.pager_key)
                return True
        return False

    def _question(self, line: str) -> str | None:
        return next((answer for question, answer in self._questions if _at_end(question, line) is not None), None)

    def _end(self, command: str, *, quiet: bool) -> tuple[int, int] | None:
        """The lines before which the answer begins and ends, once the device waits for the next command."""
        lines = self._screen.lines
        echo = echo_ends(lines, command)
        if self._is_prompt(self._screen.line) and (echo is not None or quiet):
            self.prompt = self._screen.line.strip()
            return (0 if echo is None else echo + 1), len(lines)
        if quiet and echo is not None:
            for number in range(len(lines) - 1, max(echo, len(lines) - ENDS), -1):
                found = self._prompt.match(lines[number].strip())
                if found is not None and found.group() and self._is_prompt(found.group()):
                    self.prompt = found.group().strip()
                    return echo + 1, number
        return None

    def _said(self, first: int, last: int, *, answered: bool) -> Said:
        lines = self._screen.lines[first:last]
        ends = lines if len(lines) <= 2 * ENDS else [*lines[:ENDS], *lines[-ENDS:]]
        refused = next((shown(line) for line in ends if self._is_error(line)), "")
        return Said("\n".join(lines).strip("\n"), self._without_secrets(refused), answered)

    def _is_error(self, line: str) -> bool:
        return any(error.match(line.strip()) for error in self._errors)

    def _is_prompt(self, line: str) -> bool:
        plain = line.strip()
        if not plain or len(plain) > 200 or self._host not in plain:
            return False
        return any(self._prompt.fullmatch(each) for each in (plain, line, line.lstrip()))

    def _learn(self, line: str) -> None:
        """The device's name as prompts begin with it; some cut it short in their configuration mode."""
        self.prompt = line.strip()
        name = re.search(r"[^\s()<>\[\]#:~*]+", self.prompt)
        self._host = name.group()[:12] if name else ""

    def _without_secrets(self, text: str) -> str:
        for secret in _secrets(self.device):
            text = text.replace(secret, "***")
        return text


def _secrets(device: Device) -> Iterator[str]:
    login = login_of(device)
    for secret in (login.password, login.enable):
        if secret is not None and secret.get_secret_value():
            yield secret.get_secret_value()


def _at_end(pattern: re.Pattern[str], line: str) -> int | None:
    """Where the last match begins that reaches to the end of the line, spaces aside."""
    end = len(line.rstrip())
    if not end:
        return None
    return next((found.start() for found in pattern.finditer(line) if found.end() >= end), None)
