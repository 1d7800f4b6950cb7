"""What a subscriber's earlier calls were: for the card, while the phone rings. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.record import Direction
from callcenter.words import ProviderId, UniqueId


@dataclass(frozen=True, slots=True)
class PastCall:
    """One call that is over. ``outcome`` is a word of ``CallOutcome``; lengths are seconds."""

    id: UniqueId
    direction: Direction
    arrived_at: datetime
    outcome: str
    waited_s: float | None
    talked_s: float
    agents: tuple[str, ...]


async def recent_calls(
    connection: AsyncConnection, provider: ProviderId, number: str, limit: int = 5
) -> list[PastCall]:
    """The last calls of this provider with this number, newest first; none for a hidden number."""
    if not number:
        return []
    found = await connection.execute(_RECENT, {"provider": provider, "number": number, "limit": limit})
    return [
        PastCall(call, direction, at, outcome, waited_s, talked_s, tuple(agents))
        for call, direction, at, outcome, waited_s, talked_s, agents in found
    ]


_RECENT = text(
    """
    SELECT id, direction, arrived_at, outcome, waited_s, talked_s, agents FROM call
    WHERE provider_id = :provider AND number = :number AND outcome IS NOT NULL
    ORDER BY arrived_at DESC, id DESC LIMIT :limit
    """
)
