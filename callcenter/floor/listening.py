"""Who heard whose call as it went on: written down before a sound is heard, in rows that the service cannot change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.words import ProviderId, UniqueId

Mode = Literal["listen", "whisper", "join"]
"""A supervisor hears a call; hears it and is heard by the agent alone; is heard by both."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """One call in progress that somebody asked to hear, whatever came of it."""

    call: UniqueId
    agent: str
    """The agent's extension."""
    mode: Mode
    who: str
    at: datetime


async def log_hearing(
    connection: AsyncConnection,
    provider: ProviderId,
    hearing: Hearing,
    *,
    user: int | None,
    token: int | None,
    address: str,
) -> None:
    """Every hearing leaves its trace: commit it before the order to the phone is given."""
    await connection.execute(
        _LOG,
        {
            "provider": provider, "call": hearing.call, "agent": hearing.agent, "mode": hearing.mode,
            "who": hearing.who[:200], "user": user, "token": token, "at": hearing.at, "address": address[:100],
        },
    )  # fmt: skip


async def hearings_of(connection: AsyncConnection, call: str) -> list[Hearing]:
    """Who heard this call live, in order; what is out of the transaction's scope nobody heard."""
    return [Hearing(*row) for row in await connection.execute(_OF_CALL, {"call": call})]


_LOG = text(
    """
    INSERT INTO live_listening (provider_id, call_id, agent, mode, who, user_id, token_id, at, address)
    VALUES (:provider, :call, :agent, :mode, :who, :user, :token, :at, :address)
    """
)
_OF_CALL = text("SELECT call_id, agent, mode, who, at FROM live_listening WHERE call_id = :call ORDER BY at, id")
