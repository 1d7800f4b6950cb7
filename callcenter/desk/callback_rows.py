"""The list of open callbacks as the page and the API page through it. Reads only; the rules are in ``callbacks``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.words import ProviderId


@dataclass(frozen=True, slots=True)
class CallbackRow:
    """One open debt. ``last_outcome`` is how the caller's last try ended; attempts are ours."""

    id: int
    provider: ProviderId
    number: str
    callable: bool
    opened_at: datetime
    due_at: datetime
    misses: int
    last_missed_at: datetime
    closed_at: datetime | None
    closed_reason: str | None
    last_outcome: str | None
    last_waited_s: float | None
    attempts: int
    last_attempt_at: datetime | None
    last_attempt_by: str | None


async def list_open(
    conn: AsyncConnection, provider: ProviderId | None, after: tuple[datetime, int] | None, limit: int
) -> list[CallbackRow]:
    """The open callbacks of this scope, the oldest promise first; ``after`` is where the last page ended."""
    at, last = after if after is not None else (None, None)
    rows = await conn.execute(_OPEN, {"provider": provider, "at": at, "last": last, "limit": limit})
    return [CallbackRow(*row) for row in rows]


async def count_overdue(conn: AsyncConnection, provider: ProviderId | None, now: datetime) -> int:
    """How many promises to numbers that can be called are broken at this moment."""
    return int((await conn.execute(_OVERDUE, {"provider": provider, "now": now})).scalar_one())


_OPEN = text(
    """
    SELECT c.id, c.provider_id, c.number, c.callable, c.opened_at, c.due_at, c.misses, c.last_missed_at,
        c.closed_at, c.closed_reason, m.outcome, m.waited_s, coalesce(a.attempts, 0), a.last_at, a.last_by
    FROM callback c
    LEFT JOIN LATERAL (SELECT outcome, waited_s FROM callback_miss
                       WHERE callback_id = c.id ORDER BY missed_at DESC, call_id DESC LIMIT 1) m ON true
    LEFT JOIN LATERAL (SELECT count(*) AS attempts, max(at) AS last_at,
                           (array_agg(agent ORDER BY at DESC))[1] AS last_by
                       FROM callback_attempt WHERE callback_id = c.id) a ON true
    WHERE c.closed_at IS NULL AND (CAST(:provider AS bigint) IS NULL OR c.provider_id = :provider)
        AND (CAST(:at AS timestamptz) IS NULL OR (c.due_at, c.id) > (:at, CAST(:last AS bigint)))
    ORDER BY c.due_at, c.id LIMIT :limit
    """
)
_OVERDUE = text(
    "SELECT count(*) FROM callback WHERE closed_at IS NULL AND callable AND due_at < :now "
    "AND (CAST(:provider AS bigint) IS NULL OR provider_id = :provider)"
)
