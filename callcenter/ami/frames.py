"""Bytes of Asterisk's manager interface cut into frames: nothing that arrives can raise, and nothing is half believed.

Every byte may be hostile: callers choose names and numbers, and Asterisk 22 prints the line breaks in them as they
are (seen). A frame that is not what Asterisk writes on purpose is ``Torn``: kept for people to see, never believed,
a reason to read the whole picture again. Pure: no socket, no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

END = b"\r\n\r\n"
BANNER = b"Asterisk Call Manager/"
FRAME_LIMIT = 64 * 1024
"""Bytes of one frame. Asterisk's largest, a channel with all its variables, is a tenth of that."""

_NONE_REPEATED: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Event(NamedTuple):
    """One event as Asterisk wrote it: names keep their case, a header that may repeat has all its values in order."""

    name: str
    headers: dict[str, str]
    repeated: Mapping[str, tuple[str, ...]] = _NONE_REPEATED

    def variables(self, prefix: str = "") -> dict[str, str]:
        """The channel variables that ``channelvars`` of manager.conf adds to each event of a channel."""
        key = f"{prefix}ChanVariable"
        found = self.repeated.get(key)
        if found is None:
            one = self.headers.get(key)
            found = () if one is None else (one,)
        return {name: value for name, _, value in (item.partition("=") for item in found)}


class Response(NamedTuple):
    """Asterisk's answer to one action."""

    status: str
    headers: dict[str, str]
    repeated: Mapping[str, tuple[str, ...]] = _NONE_REPEATED


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
    lines = text.split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    try:
        headers: dict[str, str] = dict(pairs)
    except ValueError:
        pairs = [_loose_pair(line) for line in lines]
        if [""] in pairs:
            return Torn("a line is not a header", raw[:2000])
        headers = dict(pairs)
    if "" in headers:
        return Torn("a line is not a header", raw[:2000])
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\0" in text:
        return Torn("a control character inside a line", raw[:2000])
    repeated = _NONE_REPEATED
    if len(headers) != len(pairs):
        counts = Counter(pair[0] for pair in pairs)
        many = [key for key, count in counts.items() if count > 1]
        if not all("Variable" in key or key == "Output" for key in many):
            return Torn("a header is there twice", raw[:2000])
        repeated = {key: tuple(pair[1] for pair in pairs if pair[0] == key) for key in many}
    first, value = pairs[0]
    if first == "Event":
        if "Response" in headers and value != "OriginateResponse":
            return Torn("an event and a response in one frame", raw[:2000])
        return Event(value, headers, repeated)
    if first == "Response" and "Event" not in headers:
        return Response(value, headers, repeated)
    return Torn("neither an event nor a response", raw[:2000])


def _loose_pair(line: str) -> list[str]:
    """``Exten:`` with nothing behind it is a header with an empty value; text without a colon is no header at all."""
    name, colon, value = line.partition(":")
    return [name, value.removeprefix(" ")] if colon and name else [""]


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
                if name not in wanted and b"\nEvent:" not in raw and b"\nResponse:" not in raw:
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
