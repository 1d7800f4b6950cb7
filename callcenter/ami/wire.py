"""The socket's side of Asterisk's manager interface: frames to a bounded queue, answers to whoever asked.

panoramisk carries the connection; its own framing is replaced, because it decodes each TCP chunk by itself and
loses letters cut in two, and lets one bad frame or one raising callback take the link down.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol

from callcenter.ami.frames import Event, FrameReader, Response, Torn
from callcenter.ami.tape import Tape

QUEUE_LIMIT = 50_000
"""Frames read and not yet taken by the pump: some twenty-five megabytes, ten seconds of the busiest PBX."""
KEPT_TORN = 50


def render_action(fields: Mapping[str, str | list[str]]) -> str:
    """The text of one action, closed by its blank line; the fields have been checked before."""
    return str(Action(fields))


class Wire(AMIProtocol):  # type: ignore[misc]  # panoramisk is untyped
    """One connection under panoramisk's Manager: bytes in, frames to a bounded queue, answers to whoever asked.

    ``answer`` is offered each response and each event with an ActionID, and says whether somebody waits for it.
    When the pump falls ``QUEUE_LIMIT`` frames behind, the whole link goes and everything is read anew: single
    events are never dropped, since a picture with a hole in it looks whole.
    """

    def __init__(
        self,
        reader: FrameReader,
        answer: Callable[[Event | Response], bool],
        tape: Tape | None = None,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self.reader = reader
        self.queue: deque[Event | Torn] = deque()
        self.kept_torn: deque[Torn] = deque(maxlen=KEPT_TORN)
        self.torn = 0
        self.unasked = 0
        self.received = 0
        self.queued = 0
        self.fault = ""
        self.overflowed = False
        self.wake = asyncio.Event()
        self.ended = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self._answer = answer
        self._tape = tape
        self._queue_limit = queue_limit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self._tape is not None:
            self._tape.write(data)
        if self.fault:
            return
        queue = self.queue
        for frame in self.reader.feed(data):
            if isinstance(frame, Event):
                if "ActionID" not in frame.headers or not self._answer(frame):
                    queue.append(frame)
                    self.queued += 1
            elif isinstance(frame, Response):
                if not self._answer(frame):
                    self.unasked += 1
            else:
                self.torn += 1
                self.kept_torn.append(frame)
                queue.append(frame)
                self.queued += 1
        if self.reader.overlong:
            self._give_up("a frame longer than any of Asterisk's")
        elif len(queue) > self._queue_limit:
            self.overflowed = True
            self._give_up("events came faster than they could be taken")
        self.wake.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.fault:
            self.fault = f"Asterisk closed the link: {exc}" if exc else "Asterisk closed the link"
        self.ended.set()
        self.wake.set()

    def transmit(self, text: str) -> None:
        """Sends one action; after the link has ended the text is dropped, and its waiter already knows."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(text.encode("utf-8"))

    def abort(self, why: str) -> None:
        """Ends the link at once, without waiting for a peer that may be gone."""
        self._give_up(why)

    def _give_up(self, why: str) -> None:
        if not self.fault:
            self.fault = why
        if self.transport is not None:
            self.transport.abort()
