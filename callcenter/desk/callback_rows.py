"""The list of open callbacks as the page and the API page through it. Reads only; the rules are in ``callbacks``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.claims import LONGEST_CALL
from callcenter.callbacks.duty import Urgency, urgency
from callcenter.words import ProviderId

Sort = Literal["rank", "oldest", "newest"]


@dataclass(frozen=True, slots=True)
class CallbackRow:
    """One debt. ``last_outcome`` is how the caller's last try ended: the kind of the miss; attempts are ours."""

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
    last_result: str | None = None
    """How our last attempt ended: the agent's word, else the journal's; ``''`` while it goes on."""
    rank_at: datetime | None = None
    next_try_at: datetime | None = None
    """By the provider's rule not before this moment."""
    decision_since: datetime | None = None
    kept_queue: str | None = None
    """The caller keeps their place in this queue."""
    kept_since: datetime | None = None
    claimed_by: str | None = None
    """Extension of the agent who has it now."""
    claimed_until: datetime | None = None
    calling: str | None = None
    """Extension of the agent whose call to this number goes on."""
    closed_by: str = ""
    close_note: str = ""
    closed_by_call: str | None = None

    def urgency(self, now: datetime) -> Urgency:
        return urgency(self.due_at, now)

    def waits(self, now: datetime) -> bool:
        """The provider's time between two attempts is not over."""
        return self.next_try_at is not None and self.next_try_at > now

    def may_call(self, extension: str | None, now: datetime, *, leads: bool) -> bool:
        """Whether this visitor may have it called now; a lead may before its time and decides by doing so."""
        if self.closed_at is not None or not self.callable or extension is None or self.calling is not None:
            return False
        if self.claimed_by not in {None, extension}:
            return False
        return leads or (self.decision_since is None and not self.waits(now))


@dataclass(frozen=True, slots=True)
class CallbackFilter:
    """Which open callbacks: every condition that is given must hold."""

    provider: ProviderId | None = None
    kind: str | None = None
    """The outcome of the last miss."""
    overdue: bool = False
    decision: bool = False
    """Those that wait for the lead."""
    pressing: bool = False
    """Overdue, or waiting for the lead: what climbs to them."""
    mine: str | None = None
    """The extension of who has it now, or called last."""
    digits: str | None = None
    """A part of the number."""
    taken: bool = False
    """Somebody has them now."""


async def list_callbacks(
    conn: AsyncConnection,
    wanted: CallbackFilter,
    now: datetime,
    after: tuple[datetime, int] | None,
    limit: int,
    sort: Sort = "rank",
) -> list[CallbackRow]:
    """The open callbacks of this scope; ``after`` is where the last page ended. Whom to call first is on top."""
    column, way, beyond = _SORTS[sort]
    where, values = _conditions(wanted)
    if after is not None:
        where.append(f"(c.{column}, c.id) {beyond} (CAST(:at AS timestamptz), CAST(:last AS bigint))")
        values |= {"at": after[0], "last": after[1]}
    # Every condition is a constant of this file; every value is a parameter.
    order = f"ORDER BY c.{column} {way}, c.id {way}"
    chosen = f"(SELECT * FROM callback c WHERE {' AND '.join(where)} {order} LIMIT :limit) c"  # noqa: S608
    query = f"{_SELECT} FROM {chosen} {_MORE} {order}"
    values |= {"now": now, "since": now - LONGEST_CALL, "limit": limit}
    return [CallbackRow(*row) for row in await conn.execute(text(query), values)]


def cursor_of(row: CallbackRow, sort: Sort) -> tuple[datetime, int]:
    """Where a list that is sorted so goes on after this row."""
    at = {"rank": row.rank_at or row.due_at, "oldest": row.opened_at, "newest": row.last_missed_at}[sort]
    return at, row.id


async def list_open(
    conn: AsyncConnection, provider: ProviderId | None, after: tuple[datetime, int] | None, limit: int
) -> list[CallbackRow]:
    """The open callbacks of this scope, whom to call first on top; who has one now, the database's clock says."""
    now = (await conn.execute(text("SELECT now()"))).scalar_one()
    return await list_callbacks(conn, CallbackFilter(provider=provider), now, after, limit)


async def one_row(conn: AsyncConnection, callback: int, now: datetime) -> CallbackRow | None:
    """One callback, open or closed; ``None`` too when it is out of the transaction's scope."""
    values = {"id": callback, "now": now, "since": now - LONGEST_CALL}
    found = (await conn.execute(_ONE, values)).one_or_none()
    return None if found is None else CallbackRow(*found)


@dataclass(frozen=True, slots=True)
class Pressing:
    """What climbs to the shift lead."""

    overdue: int
    decision: int
    both: int
    """How many are either."""


async def count_pressing(conn: AsyncConnection, provider: ProviderId | None, now: datetime) -> Pressing:
    """How many promises to numbers that can be called are broken at this moment, and how many wait for a decision."""
    return Pressing(*(await conn.execute(_PRESSING, {"provider": provider, "now": now})).one())


async def count_overdue(conn: AsyncConnection, provider: ProviderId | None, now: datetime) -> int:
    """How many promises to numbers that can be called are broken at this moment."""
    return (await count_pressing(conn, provider, now)).overdue


def _conditions(wanted: CallbackFilter) -> tuple[list[str], dict[str, Any]]:
    where, values = ["c.closed_at IS NULL"], dict[str, Any]()
    if wanted.provider is not None:
        where.append("c.provider_id = :provider")
        values["provider"] = wanted.provider
    if wanted.kind is not None:
        where.append(f"{_LAST_OUTCOME} = :kind")
        values["kind"] = wanted.kind
    if wanted.overdue:
        where.append("c.callable AND c.due_at < :now")
    if wanted.decision:
        where.append("c.decision_since IS NOT NULL")
    if wanted.pressing:
        where.append("(c.decision_since IS NOT NULL OR (c.callable AND c.due_at < :now))")
    if wanted.mine is not None:
        where.append(f"((c.claimed_by = :mine AND c.claimed_until > :now) OR {_LAST_AGENT} = :mine)")
        values["mine"] = wanted.mine
    if wanted.taken:
        where.append("c.claimed_by IS NOT NULL AND c.claimed_until > :now")
    if wanted.digits is not None:
        where.append("strpos(c.number, :digits) > 0")
        values["digits"] = wanted.digits
    return where, values


_SORTS: Final[dict[Sort, tuple[str, str, str]]] = {
    "rank": ("rank_at", "ASC", ">"),
    "oldest": ("opened_at", "ASC", ">"),
    "newest": ("last_missed_at", "DESC", "<"),
}
_SELECT: Final = """
    SELECT c.id, c.provider_id, c.number, c.callable, c.opened_at, c.due_at, c.misses, c.last_missed_at,
        c.closed_at, c.closed_reason, m.outcome, m.waited_s, coalesce(a.attempts, 0), a.last_at, a.last_by,
        a.last_result, c.rank_at, c.next_try_at, c.decision_since, c.kept_queue, c.kept_since,
        CASE WHEN c.claimed_until > :now THEN c.claimed_by END,
        CASE WHEN c.claimed_until > :now THEN c.claimed_until END,
        coalesce(o.agent, CASE WHEN c.dialling_until > :now THEN c.claimed_by END),
        c.closed_by, c.close_note, c.closed_by_call
"""
_MORE: Final = """
    LEFT JOIN LATERAL (SELECT outcome, waited_s FROM callback_miss
                       WHERE callback_id = c.id ORDER BY missed_at DESC, call_id DESC LIMIT 1) m ON true
    LEFT JOIN LATERAL (SELECT count(*) AS attempts, max(at) AS last_at,
                           (array_agg(agent ORDER BY at DESC))[1] AS last_by,
                           (array_agg(coalesce(nullif(said, ''), result) ORDER BY at DESC))[1] AS last_result
                       FROM callback_attempt WHERE callback_id = c.id) a ON true
    LEFT JOIN LATERAL (SELECT agents[1] AS agent FROM call
                       WHERE call.provider_id = c.provider_id AND call.number = c.number AND c.callable
                           AND direction = 'out' AND outcome IS NULL AND arrived_at > :since
                       ORDER BY arrived_at DESC LIMIT 1) o ON c.closed_at IS NULL
"""
_LAST_OUTCOME: Final = (
    "(SELECT outcome FROM callback_miss WHERE callback_id = c.id ORDER BY missed_at DESC, call_id DESC LIMIT 1)"
)
_LAST_AGENT: Final = "(SELECT agent FROM callback_attempt WHERE callback_id = c.id ORDER BY at DESC LIMIT 1)"
_ONE = text(f"{_SELECT} FROM callback c {_MORE} WHERE c.id = :id")
_PRESSING = text(
    """
    SELECT count(*) FILTER (WHERE callable AND due_at < :now), count(*) FILTER (WHERE decision_since IS NOT NULL),
        count(*) FILTER (WHERE decision_since IS NOT NULL OR (callable AND due_at < :now))
    FROM callback WHERE closed_at IS NULL AND (CAST(:provider AS bigint) IS NULL OR provider_id = :provider)
    """
)
