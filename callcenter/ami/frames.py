"""Bytes of Asterisk's manager interface cut into frames: nothing that arrives can raise, and nothing is half believed.

Every byte may be hostile: callers choose names and numbers, and Asterisk 22 prints the line breaks in them as they
are (seen). A frame that is not what Asterisk writes on purpose is ``Torn``: kept for people to see, never believed,
a reason to read the whole picture again. Pure: no socket, no clock.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, TypeAlias

END = b"\r\n\r\n"
BANNER = b"Asterisk Call Manager/"
FRAME_LIMIT = 64 * 1024
"""Bytes of one frame. Asterisk's largest, a channel with all its variables, is a tenth of that."""
KEPT_BYTES = 2_000
"""Of a torn frame."""


class Event(NamedTuple):
    """One event as Asterisk wrote it: names keep their case; of a header that repeats, ``headers`` has the last."""

    name: str
    headers: dict[str, str]
    text: str

    def every(self, name: str) -> tuple[str, ...]:
        """All values of a header, in order: one, many or none is the same shape."""
        parts = f"\r\n{self.text}".split(f"\r\n{name}: ")
        return tuple(part.partition("\r\n")[0] for part in parts[1:])

    def variable(self, name: str) -> str:
        """A variable of the event's channel, which ``channelvars`` of manager.conf adds; empty when it has none.

        The last one counts: what a caller could slip in comes before what Asterisk writes.
        """
        mark = f"\r\nChanVariable: {name}="
        at = self.text.rfind(mark)
        return "" if at < 0 else self.text[at + len(mark) :].partition("\r\n")[0]


class Response(NamedTuple):
    """Asterisk's answer to one action."""

    status: str
    headers: dict[str, str]
    text: str


class Torn(NamedTuple):
    """A frame that Asterisk cannot have meant, and why; ``raw`` is its beginning."""

    why: str
    raw: bytes


Frame: TypeAlias = Event | Response | Torn


def read_frame(raw: bytes) -> Frame:
    """Reads one frame, without its closing blank line.

    UTF-8 is decoded over the whole frame; bytes that are none become backslash escapes, so that nothing vanishes.
    """
    text = raw.decode("utf-8", "backslashreplace")
    flat = text.replace("\r\n", ": ")
    if "\n" in flat or "\r" in flat or "\0" in flat:
        return Torn("a control character inside a line", raw[:KEPT_BYTES])
    count = text.count("\r\n") + 1
    parts = flat.split(": ")
    if len(parts) == 2 * count:
        each = iter(parts)
        headers = dict(zip(each, each, strict=True))
    else:
        headers = _headers_line_by_line(text)
        if not headers:
            return Torn("a line is not a header", raw[:KEPT_BYTES])
    if len(headers) != count and not _may_repeat(text, headers, count - len(headers)):
        return Torn("a header is there twice", raw[:KEPT_BYTES])
    if text.startswith("Event: "):
        name = headers["Event"]
        if "Response" in headers and name != "OriginateResponse":
            return Torn("an event and a response in one frame", raw[:KEPT_BYTES])
        return Event(name, headers, text)
    if text.startswith("Response: ") and "Event" not in headers:
        return Response(headers["Response"], headers, text)
    return Torn("neither an event nor a response", raw[:KEPT_BYTES])


def _headers_line_by_line(text: str) -> dict[str, str]:
    """For a value that holds a colon itself, and for ``Exten:`` without its space; empty when a line is no header."""
    headers: dict[str, str] = {}
    for line in text.split("\r\n"):
        name, colon, value = line.partition(": ")
        if not colon:
            name, colon, value = line.partition(":")
        if not colon or not name:
            return {}
        headers[name] = value
    return headers


def _may_repeat(text: str, headers: dict[str, str], repeated: int) -> bool:
    """Only the variables of a channel and the lines of a command's output come more than once."""
    usual = max(text.count("\r\nChanVariable: ") - 1, 0)
    if "DestChannel" in headers:
        usual += max(text.count("\r\nDestChanVariable: ") - 1, 0)
    if usual == repeated:
        return True
    lines = text.split("\r\n")
    names = Counter(line.partition(":")[0] for line in lines)
    return all(":" in line for line in lines) and all(
        count == 1 or "Variable" in name or name == "Output" for name, count in names.items()
    )


class FrameReader:
    """Cuts a stream into frames, however it arrives, and reads those that somebody wants.

    ``wanted`` names the events that are read; others are counted and passed over, unless a second event hides inside.
    """

    def __init__(self, wanted: frozenset[str] | None = None, limit: int = FRAME_LIMIT) -> None:
        self.version = ""
        self.frames = 0
        self.skipped = 0
        self.overlong = False
        self._wanted = None if wanted is None else frozenset(name.encode() for name in wanted)
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._tail = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Whole frames that these bytes complete. After an overlong frame nothing more is read: the link must go."""
        if self.overlong:
            return []
        if END not in data and END not in self._tail + data[:3]:
            self._keep(data)
            return []
        if self._parts:
            data = b"".join([*self._parts, data])
            self._parts.clear()
        raws = data.split(END)
        rest = raws.pop()
        self._size = 0
        self._tail = b""
        if rest:
            self._keep(rest)
        wanted = self._wanted
        frames: list[Frame] = []
        for raw in raws:
            self.frames += 1
            if wanted is not None and raw.startswith(b"Event: "):
                name = raw[7 : raw.find(b"\r\n", 7)]
                if name not in wanted and b"\nEvent:" not in raw:
                    self.skipped += 1
                    continue
            elif raw.startswith((BANNER, b"\r\n")):
                raw = self._without_greeting(raw)
            if raw:
                frames.append(read_frame(raw))
        return frames

    def _keep(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        self._tail = (self._tail + data)[-3:]
        if self._size > self._limit:
            self.overlong = True
            self._parts.clear()

    def _without_greeting(self, raw: bytes) -> bytes:
        """The greeting is a line without a blank one behind it, so it comes glued to the first frame."""
        if self.frames == 1 and raw.startswith(BANNER):
            line, _, raw = raw.partition(b"\r\n")
            self.version = line[len(BANNER) :].decode("ascii", "backslashreplace")
        return raw.removeprefix(b"\r\n")
