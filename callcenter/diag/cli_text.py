"""What a terminal would show of the bytes that a device sends, and which commands may be sent at all. Pure.

Devices move the cursor back over their pager's text, erase lines, put NULs before prompts and colour what they say.
Here it becomes lines of plain text, whatever comes and however it is cut into pieces.
"""

from __future__ import annotations

import re

from callcenter.diag.dialect import Dialect
from callcenter.errors import RuleBroken

MOST_LINE = 4096
"""A line that is longer goes on in the next one."""
FURTHEST = 512
"""The cursor is moved no further to the right than this by a device's order."""
LONGEST_COMMAND = 500

_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|(?:\x1b\[|\x9b)(?P<numbers>[0-?]{0,64})[ -/]{0,8}(?P<order>[@-~])"
    r"|(?:\x1b[\]PX^_]|\x9d)[^\x07\x1b]{0,256}(?:\x07|\x1b\\)"
    r"|\x1b(?P<short>[0-~])"
    r"|\x1b[ -/]{1,8}[0-~]"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f])",
    re.DOTALL,
)
_UNFINISHED = re.compile(
    r"(?:(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}|\x1b[ -/]{0,8}|(?:\x1b[\]PX^_]|\x9d)[^\x07\x1b]{0,256}\x1b?)\Z", re.DOTALL
)


class Screen:
    """A terminal without height: finished ``lines``, and the ``line`` that the cursor is in."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.line = ""
        self.size = 0
        """Characters in the finished lines."""
        self._column = 0
        self._row: int | None = None
        self._rest = ""

    def feed(self, text: str) -> None:
        """Takes the next piece; the pieces may be cut anywhere."""
        text = self._rest + text
        unfinished = _UNFINISHED.search(text, max(0, len(text) - 300))
        self._rest = "" if unfinished is None else unfinished.group()
        for found in _TOKEN.finditer(text, 0, len(text) - len(self._rest)):
            if found["text"] is not None:
                self._put(found["text"])
            elif found["order"] is not None:
                self._obey(found["order"], found["numbers"])
            elif found["short"] is not None:
                if found["short"] in "DE":
                    self.newline()
            elif found["control"] is not None:
                self._control(found["control"])

    def newline(self) -> None:
        self.lines.append(self.line.rstrip())
        self.size += len(self.lines[-1])
        self.line, self._column = "", 0

    def cut(self, start: int) -> None:
        """Takes away the end of the present line, such as a pager's text."""
        self.line = self.line[:start]
        self._column = len(self.line)

    def text(self) -> str:
        return "\n".join([*self.lines, self.line.rstrip()])

    def _put(self, text: str) -> None:
        while text:
            part, text = text[: MOST_LINE - self._column], text[MOST_LINE - self._column :]
            end = self._column + len(part)
            if self._column == len(self.line):
                self.line += part
            else:
                self.line = self.line[: self._column].ljust(self._column) + part + self.line[end:]
            self._column = end
            if end >= MOST_LINE:
                self.newline()

    def _control(self, control: str) -> None:
        match control:
            case "\n" | "\x0b" | "\x0c" | "\x85":
                self.newline()
            case "\r":
                self._column = 0
            case "\b":
                self._column = max(0, self._column - 1)
            case "\t":
                self._put(" " * (8 - self._column % 8))
            case _:
                pass

    def _obey(self, order: str, given: str) -> None:
        numbers = [int(part) if part.isdecimal() else 0 for part in given.lstrip("?<=>").split(";")]
        many = min(max(numbers[0], 1), MOST_LINE)
        at = self._column
        match order:
            case "D":
                self._column = max(0, at - many)
            case "C":
                self._column = max(at, min(at + many, FURTHEST))
            case "G" | "`":
                self._column = min(many - 1, FURTHEST)
            case "H" | "f":
                row = max(numbers[0], 1)
                if self._row is not None and row != self._row:
                    self.newline()
                self._row = row
                self._column = min(max(numbers[1] if len(numbers) > 1 else 1, 1) - 1, FURTHEST)
            case "E":
                self.newline()
            case "K" | "J":
                if numbers[0] == 0:
                    self.line = self.line[:at]
                elif numbers[0] == 1:
                    self.line = " " * min(at + 1, len(self.line)) + self.line[at + 1 :]
                else:
                    self.line = ""
            case "P":
                self.line = self.line[:at] + self.line[at + many :]
            case "X":
                self.line = self.line[:at] + " " * len(self.line[at : at + many]) + self.line[at + many :]
            case _:
                pass


def clean(raw: str) -> str:
    """The text as a terminal shows it, without what only moves or colours."""
    screen = Screen()
    screen.feed(raw)
    return screen.text()


def shown(text: str, most: int = 200) -> str:
    """A device's words for an error or a log: one line, printable, short."""
    words = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return words if len(words) <= most else f"{words[:most]}..."


def checked(dialect: Dialect, command: str) -> str:
    """The command as it may be sent. Raises ``RuleBroken`` for one that could become another, or is never sent.

    A line break would begin a second command; a question mark or a tab makes devices act before the line ends.
    """
    if not command.strip():
        raise RuleBroken("an empty command is not sent")
    if len(command) > LONGEST_COMMAND:
        raise RuleBroken(f"a command of more than {LONGEST_COMMAND} characters is not sent")
    if not command.isprintable() or "?" in command:
        raise RuleBroken(
            f"a command with line breaks, control characters or question marks is not sent: {shown(command)}"
        )
    plain = re.sub(r"^(do\s+|!\s*)+", "", " ".join(command.split()), flags=re.IGNORECASE)
    if any(re.search(pattern, plain, re.IGNORECASE) for pattern in dialect.forbidden):
        raise RuleBroken(f"{shown(command)!r} is never sent to a device of the family {dialect.name}")
    return command.strip()


def echo_ends(lines: list[str], command: str) -> int | None:
    """The number of the line with which the device has finished repeating our command; ``None`` if it has not.

    Long commands are wrapped by the device: they are compared without spaces, over line ends.
    """
    wanted, seen = "".join(command.split()), ""
    for number, line in enumerate(lines[:200]):
        seen = (seen + "".join(line.split()))[-2 * MOST_LINE :]
        if wanted in seen:
            return number
    return None
