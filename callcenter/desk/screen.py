"""One open page of an agent, as the service sees it: what it has not been shown yet, one slot for each region.

A browser that does not read costs one small set here, and nobody waits for it: what it missed is not kept but drawn
anew, as it is by then, when it reads again.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum

from callcenter.store import Scope


class Region(StrEnum):
    """A part of the page that is drawn as a whole."""

    LINK = "link"
    STATUS = "status"
    PHONE = "phone"
    """What the agent may do with the call they are in."""
    MESSAGES = "messages"
    CARD = "card"
    IDLE = "idle"
    """What stands in the card's place while there is none."""
    NOTE = "note"
    """What the agent writes of the call: drawn apart, so that nothing takes the pen out of their hand."""
    PAST = "past"
    MINE = "mine"
    """The callbacks this agent has taken."""
    CALLBACKS = "callbacks"
    CALLS = "calls"


EVERYTHING = frozenset(Region)


class Screen:
    """A page of the agent with this extension; ``scope`` is what its reader may see."""

    def __init__(self, extension: str, scope: Scope) -> None:
        self.extension = extension
        self.scope = scope
        self._unseen: set[Region] = set(EVERYTHING)
        self._stirred = asyncio.Event()
        self._stirred.set()
        self._closed = False

    def note(self, *regions: Region) -> None:
        """These regions are to be drawn again; noting one twice is noting it once."""
        self._unseen.update(regions)
        self._stirred.set()

    def close(self) -> None:
        """The service stops: the page is told to come back."""
        self._closed = True
        self._stirred.set()

    def take(self) -> frozenset[Region]:
        """What is to be drawn, which then counts as seen."""
        unseen, self._unseen = frozenset(self._unseen), set()
        self._stirred.clear()
        return unseen

    async def changes(self) -> frozenset[Region] | None:
        """Waits for something to draw; ``None`` when there will be nothing any more."""
        await self._stirred.wait()
        return None if self._closed else self.take()
