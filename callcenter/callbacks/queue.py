"""The callbacks that are owed: one open for each provider and number, opened by a miss, closed by proof or by a person.

Who opens and pays them is ``paying``; who claims them ``claims``; what people say and decide of them ``decisions``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.claims import claim, claim_number, is_being_called, let_go, release, release_number, take
from callcenter.callbacks.debt import CALLED_BACK, GOT_THROUGH
from callcenter.callbacks.decisions import close_with, lose_place, said, try_again
from callcenter.callbacks.paying import pay_or_owe
from callcenter.callbacks.rewriting import CORRECTED
from callcenter.words import ProviderId, UniqueId

__all__ = [
    "CALLED_BACK", "CORRECTED", "GOT_THROUGH", "Act", "Attempt", "Callback", "Miss", "acts", "attempts", "claim",
    "claim_number", "claimed_by", "close_with", "is_being_called", "let_go", "lose_place", "misses", "one_callback",
    "open_callback_for", "open_callbacks", "pay_or_owe", "release", "release_number", "said", "take", "try_again",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Callback:
    """A promise to one number of one provider; ``due_at`` is that of its oldest miss."""

    id: int
    provider: ProviderId
    number: str
    """``''`` for callers who hid their number: counted, not callable."""
    callable: bool
    opened_at: datetime
    due_at: datetime
    misses: int
    last_missed_at: datetime
    attempts: int
    last_attempt_at: datetime | None
    closed_at: datetime | None
    closed_reason: str | None
    closed_by_call: str | None
    rank_at: datetime | None = None
    """Its place in the line: the promise, and earlier for each repeated miss."""
    next_try_at: datetime | None = None
    """Not before this moment, by the provider's rule; ``None`` is at once."""
    decision_since: datetime | None = None
    """Since when the shift lead is to decide how it goes on."""
    kept_queue: str | None = None
    """The queue in which the caller keeps their place."""
    kept_since: datetime | None = None
    claimed_by: str | None = None
    """Extension of the agent who has it, as long as ``claimed_until`` is not over."""
    claimed_until: datetime | None = None
    closed_by: str = ""
    """Who ended it, when no conversation did."""
    close_note: str = ""


@dataclass(frozen=True, slots=True)
class Miss:
    call: UniqueId
    missed_at: datetime
    outcome: str
    """``answered``: it was taken for missed until late rows proved the contrary."""
    waited_s: float | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """``result`` is the journal's word (``''`` while the call goes on), ``said`` the agent's."""

    call: UniqueId
    agent: str
    at: datetime
    answered: bool
    talked_s: float
    result: str = ""
    said: str = ""
    said_by: str = ""
    said_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did with a callback: took it, called, let it go, had it tried again, closed it."""

    at: datetime
    act: str
    who: str
    note: str


async def open_callbacks(connection: AsyncConnection, limit: int = 200) -> list[Callback]:
    """What is owed now, whom to call first on top."""
    return [_callback(row) for row in await connection.execute(_OPEN, {"limit": limit})]


async def open_callback_for(connection: AsyncConnection, provider: ProviderId, number: str) -> Callback | None:
    found = (await connection.execute(_OPEN_FOR, {"provider": provider, "number": number})).one_or_none()
    return None if found is None else _callback(found)


async def one_callback(connection: AsyncConnection, callback: int) -> Callback | None:
    """One callback, open or closed; ``None`` too when it is out of the transaction's scope."""
    found = (await connection.execute(_ONE, {"id": callback})).one_or_none()
    return None if found is None else _callback(found)


async def claimed_by(connection: AsyncConnection, extension: str, at: datetime) -> list[Callback]:
    """The open callbacks that this agent has now, whom to call first on top."""
    return [_callback(row) for row in await connection.execute(_CLAIMED, {"agent": extension, "at": at})]


async def misses(connection: AsyncConnection, callback: int) -> list[Miss]:
    """The calls that were missed, oldest first."""
    return [Miss(*row) for row in await connection.execute(_MISSES, {"id": callback})]


async def attempts(connection: AsyncConnection, callback: int) -> list[Attempt]:
    """The calls back that were made, oldest first."""
    return [Attempt(*row) for row in await connection.execute(_ATTEMPTS, {"id": callback})]


async def acts(connection: AsyncConnection, callback: int) -> list[Act]:
    """What people did with it, oldest first."""
    return [Act(*row) for row in await connection.execute(_ACTS, {"id": callback})]


def _callback(row: Any) -> Callback:
    return Callback(*row)


_SHOWN: Final = """
    SELECT id, provider_id, number, callable, opened_at, due_at, misses, last_missed_at,
        (SELECT count(*) FROM callback_attempt made WHERE made.callback_id = callback.id),
        (SELECT max(at) FROM callback_attempt made WHERE made.callback_id = callback.id),
        closed_at, closed_reason, closed_by_call, rank_at, next_try_at, decision_since, kept_queue, kept_since,
        claimed_by, claimed_until, closed_by, close_note
    FROM callback
"""
_OPEN = text(f"{_SHOWN} WHERE closed_at IS NULL ORDER BY rank_at, id LIMIT :limit")
_OPEN_FOR = text(f"{_SHOWN} WHERE closed_at IS NULL AND provider_id = :provider AND number = :number")
_ONE = text(f"{_SHOWN} WHERE id = :id")
_CLAIMED = text(
    f"{_SHOWN} WHERE closed_at IS NULL AND claimed_by = :agent AND claimed_until > :at ORDER BY rank_at, id"
)
_MISSES = text(
    "SELECT call_id, missed_at, outcome, waited_s FROM callback_miss "
    "WHERE callback_id = :id ORDER BY missed_at, call_id"
)
_ATTEMPTS = text(
    "SELECT call_id, agent, at, answered, talked_s, result, said, said_by, said_at FROM callback_attempt "
    "WHERE callback_id = :id ORDER BY at, call_id"
)
_ACTS = text("SELECT at, act, who, note FROM callback_act WHERE callback_id = :id ORDER BY at, id")
