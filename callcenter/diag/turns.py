"""Turns at a device that is asked one thing at a time: in order, but whoever cannot wait goes first."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """A lock whose holders come in order; those in a hurry before all others. Belongs to one event loop."""

    def __init__(self) -> None:
        self._taken = False
        self._hurried: deque[asyncio.Future[None]] = deque()
        self._patient: deque[asyncio.Future[None]] = deque()

    def locked(self) -> bool:
        return self._taken

    async def take(self, *, urgent: bool) -> None:
        """Returns when it is the caller's turn; who is cancelled while waiting has none."""
        if not self._taken:
            self._taken = True
            return
        waiting = self._hurried if urgent else self._patient
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()  # it was just ours: the next one's now
            raise
        finally:
            if not turn.done():
                waiting.remove(turn)

    def give(self) -> None:
        """Ends the caller's turn: the next one's begins."""
        for waiting in (self._hurried, self._patient):
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._taken = False
