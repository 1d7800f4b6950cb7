"""What we ask of Asterisk: actions whose values cannot break the protocol, and the table of those not yet answered.

An action is asked once. When the link goes, whoever waits is told so, and nothing is ever sent again by itself: what
must happen is decided anew from the database.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from callcenter.ami.frames import Event, Response
from callcenter.ami.wire import render_action
from callcenter.errors import Refused, RuleBroken, Unavailable

SYSTEM = "Asterisk"
LINE_LIMIT = 1024
"""Bytes of one line that Asterisk reads; the rest of a longer one would become a line of its own (manager.c)."""
HEADER_LIMIT = 127
LIST_LIMIT = 200_000
"""Entries of one list: past this the answer is refused rather than kept in memory."""

Value: TypeAlias = str | int | Sequence[str]
_NAME = re.compile(r"[A-Za-z][A-Za-z-]{0,40}", re.ASCII).fullmatch
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search


def action_text(name: str, headers: Mapping[str, Value], action_id: str) -> str:
    """One action as it goes over the wire; raises ``RuleBroken`` for what would become a second one.

    Every value is one line without control characters of at most 1,024 bytes, there are at most 127 headers.
    """
    fields: dict[str, str | list[str]] = {"Action": name, "ActionID": action_id}
    lines = 2
    for key, value in headers.items():
        if _NAME(key) is None or key in fields:
            raise RuleBroken(f"{key!r} is not the name of an AMI header")
        values = [str(value)] if isinstance(value, str | int) else list(value)
        for each in values:
            if _CONTROL(each) is not None:
                raise RuleBroken(f"{key} holds a control character: {each!r}")
            if len(f"{key}: {each}\r\n".encode()) > LINE_LIMIT:
                raise RuleBroken(f"{key} is longer than Asterisk reads: {len(each)} characters")
        lines += len(values)
        fields[key] = values[0] if len(values) == 1 else values
    if lines > HEADER_LIMIT:
        raise RuleBroken(f"{name} has {lines} headers; Asterisk reads {HEADER_LIMIT}")
    return render_action(fields)


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer. ``events_before`` counts the events that had come before it: a list knows what they told."""

    headers: Mapping[str, str]
    items: tuple[Event, ...] = ()
    events_before: int = 0


@dataclass(slots=True)
class _Asked:
    future: asyncio.Future[Reply]
    headers: Mapping[str, str] | None = None
    items: list[Event] = field(default_factory=list)
    events_before: int = 0


class PendingActions:
    """Actions sent and not yet answered, by ActionID. A waiter that leaves takes its entry along: nothing stays."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def __len__(self) -> int:
        return len(self._asked)

    async def wait(self, action_id: str, send: Callable[[], None], deadline: float) -> Reply:
        """Sends, then waits ``deadline`` seconds at most.

        Raises ``Unavailable`` when there is no answer in time or the link goes, ``Refused`` when Asterisk says no.
        """
        asked = _Asked(asyncio.get_running_loop().create_future())
        self._asked[action_id] = asked
        try:
            send()
            async with asyncio.timeout(deadline):
                return await asked.future
        except TimeoutError as silence:
            raise Unavailable(SYSTEM, f"no answer in {deadline:g} s") from silence
        finally:
            del self._asked[action_id]

    def answer(self, frame: Event | Response, events_before: int) -> bool:
        """Gives an answer to whoever waits for it; false when nobody does."""
        asked = self._asked.get(frame.headers.get("ActionID", ""))
        if asked is None or asked.future.done():
            return False
        if isinstance(frame, Response):
            asked.events_before = events_before
            if frame.status not in ("Success", "Goodbye", "Pong"):
                asked.future.set_exception(Refused(SYSTEM, frame.headers.get("Message", frame.status)))
            elif frame.headers.get("EventList", "").lower() == "start":
                asked.headers = frame.headers
            else:
                asked.future.set_result(Reply(frame.headers, (), events_before))
            return True
        if asked.headers is None:
            return False
        asked.items.append(frame)
        state = frame.headers.get("EventList", "").lower()
        if state == "complete":
            asked.future.set_result(Reply(asked.headers, tuple(asked.items), asked.events_before))
        elif state == "cancelled" or len(asked.items) > LIST_LIMIT:
            asked.future.set_exception(Unavailable(SYSTEM, "the list was cut short"))
        return True

    def fail(self, why: str) -> None:
        """The link has gone: everybody who waits is told, and nothing is kept for a later link."""
        for asked in self._asked.values():
            if not asked.future.done():
                asked.future.set_exception(Unavailable(SYSTEM, why))
