"""One open page of an agent, as the service sees it: its parts, whose it is and what it has not been shown yet."""

from __future__ import annotations

from enum import StrEnum

from callcenter.desk.socket import Slots
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
    DIAGNOSIS = "diagnosis"
    """The full diagnosis of the caller's line, step by step."""
    NOTE = "note"
    """What the agent writes of the call: drawn apart, so that nothing takes the pen out of their hand."""
    PAST = "past"
    MINE = "mine"
    """The callbacks this agent has taken."""
    CALLBACKS = "callbacks"
    CALLS = "calls"


EVERYTHING = frozenset(Region)


class Screen(Slots[Region]):
    """A page of the agent with this extension; ``scope`` is what its reader may see."""

    def __init__(self, extension: str, scope: Scope) -> None:
        super().__init__(EVERYTHING)
        self.extension = extension
        self.scope = scope
