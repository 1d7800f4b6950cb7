"""Messages to agents: what a supervisor writes stands on the agent's page until the agent has seen it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.store.notices import Topic, tell

LONGEST = 1000
"""Characters of one message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one agent."""

    id: int
    sender: str
    """The name of who wrote it, as people know them."""
    body: str
    at: datetime


async def send(
    connection: AsyncConnection, extensions: Iterable[str], body: str, sender: str, at: datetime
) -> tuple[str, ...]:
    """Each of these agents is told once, wherever and whenever they next look; gives whom there was to tell."""
    wanted = sorted(set(extensions))
    values = {"extensions": wanted, "sender": sender[:200], "body": body, "at": at}
    told = tuple(sorted((await connection.execute(_SEND, values)).scalars()))
    if told:
        await tell(connection, Topic.MESSAGES)
    return told


async def unseen(connection: AsyncConnection, extension: str) -> list[Message]:
    """What this agent has not seen yet, the oldest first."""
    return [Message(*row) for row in await connection.execute(_UNSEEN, {"extension": extension})]


async def seen(connection: AsyncConnection, extension: str, message: int, at: datetime) -> bool:
    """The agent has seen their message; another agent's, or one seen before, changes nothing and is no."""
    done = await connection.execute(_SEEN, {"extension": extension, "id": message, "at": at})
    if done.rowcount:
        await tell(connection, Topic.MESSAGES)
    return done.rowcount > 0


_SEND = text(
    """
    WITH sent AS (
        INSERT INTO agent_message (agent_id, sender, body, at)
        SELECT id, :sender, :body, :at FROM agent WHERE extension = ANY(:extensions) RETURNING agent_id
    )
    SELECT agent.extension FROM sent JOIN agent ON agent.id = sent.agent_id
    """
)
_UNSEEN = text(
    """
    SELECT m.id, m.sender, m.body, m.at FROM agent_message m JOIN agent a ON a.id = m.agent_id
    WHERE a.extension = :extension AND m.seen_at IS NULL ORDER BY m.at, m.id LIMIT 50
    """
)
_SEEN = text(
    """
    UPDATE agent_message SET seen_at = :at
    WHERE id = :id AND seen_at IS NULL AND agent_id = (SELECT id FROM agent WHERE extension = :extension)
    """
)
