"""Who heard a call: as it went on, and its recording afterwards. For who leads."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.desk.api import Gives
from callcenter.desk.sessions import Visitor
from callcenter.floor.listening import hearings_of
from callcenter.recordings.store import listenings_of


class HeardGiven(Gives):
    """One trace. ``how`` is ``recording`` for what was played, else how a call in progress was heard."""

    how: Literal["listen", "whisper", "join", "recording"]
    who: str
    at: datetime
    agent: str | None
    """Whose phone was heard, in a call in progress."""


async def heard_of(connection: AsyncConnection, call: str, visitor: Visitor) -> list[HeardGiven] | None:
    """Every trace in order; ``None`` for who does not lead. A hearing counts from the moment it was asked for."""
    if not visitor.leads:
        return None
    live = [
        HeardGiven(how=each.mode, who=each.who, at=each.at, agent=each.agent)
        for each in await hearings_of(connection, call)
    ]
    played = [
        HeardGiven(how="recording", who=who, at=at, agent=None) for who, at in await listenings_of(connection, call)
    ]
    return sorted((*live, *played), key=lambda each: each.at)
