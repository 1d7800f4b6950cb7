"""Calls as the pages and the API read them: lists with filters, and one call with its stretches. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.record import Direction, Segment
from callcenter.words import ProviderId, UniqueId


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call of the ledger. ``outcome`` is ``None`` while it goes on; lengths are seconds."""

    id: UniqueId
    provider: ProviderId | None
    direction: Direction
    did: str | None
    dialled: str
    number: str
    callable: bool
    caller_name: str
    arrived_at: datetime
    answered_at: datetime | None
    queued_at: datetime | None
    connected_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    waited_s: float | None
    talked_s: float
    agents: tuple[str, ...]
    rang: tuple[str, ...]
    transfers: int
    hangup_by: str
    hangup_cause: int | None
    callback: int | None
    source: str
    settled: bool


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls: every condition that is given must hold."""

    provider: ProviderId | None = None
    number: str | None = None
    outcome: str | None = None
    missed: bool = False
    """Inbound calls that never reached a human."""
    direction: Direction | None = None
    agent: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def list_calls(
    conn: AsyncConnection, wanted: CallFilter, before: tuple[datetime, str] | None, limit: int
) -> list[CallRow]:
    """The calls of the transaction's scope, newest first; ``before`` is where the last page ended."""
    where, values = _conditions(wanted)
    if before is not None:
        where.append("(arrived_at, id) < (:at, :last)")
        values |= {"at": before[0], "last": before[1]}
    # Every condition is a constant of this file; every value is a parameter.
    query = f"SELECT {_COLUMNS} FROM call WHERE {' AND '.join(where)} ORDER BY arrived_at DESC, id DESC LIMIT :limit"  # noqa: S608
    return [_row(row) for row in await conn.execute(text(query), {**values, "limit": limit})]


def _conditions(wanted: CallFilter) -> tuple[list[str], dict[str, Any]]:
    possible: dict[str, tuple[str, Any]] = {
        "provider": ("provider_id = :provider", wanted.provider),
        "number": ("number = :number", wanted.number),
        "outcome": ("outcome = :outcome", wanted.outcome),
        "direction": ("direction = :direction", wanted.direction),
        "agent": ("(agents || rang) @> ARRAY[CAST(:agent AS text)]", wanted.agent),
        "since": ("arrived_at >= :since", wanted.since),
        "until": ("arrived_at < :until", wanted.until),
    }
    given = {name: value for name, value in possible.items() if value[1] is not None}
    where = ["true", *(condition for condition, _ in given.values())]
    if wanted.missed:
        where.append("direction = 'in' AND outcome IS NOT NULL AND outcome <> 'answered'")
    return where, {name: value for name, (_, value) in given.items()}


async def one_call(conn: AsyncConnection, call: str) -> tuple[CallRow, tuple[Segment, ...]] | None:
    """One call with its stretches in order; ``None`` when this scope has no such call."""
    found = (await conn.execute(_ONE, {"id": call})).one_or_none()
    if found is None:
        return None
    segments = await conn.execute(_SEGMENTS, {"id": call})
    return _row(found), tuple(Segment(*segment) for segment in segments)


def _row(row: Any) -> CallRow:
    values = row._asdict()
    return CallRow(**{**values, "agents": tuple(values["agents"]), "rang": tuple(values["rang"])})


_COLUMNS = """id, provider_id AS provider, direction, did, dialled, number, callable, caller_name, arrived_at,
    answered_at, queued_at, connected_at, ended_at, outcome, waited_s, talked_s, agents, rang, transfers, hangup_by,
    hangup_cause, callback_id AS callback, source, settled"""
_ONE = text(f"SELECT {_COLUMNS} FROM call WHERE id = :id")  # noqa: S608 - a constant of this file
_SEGMENTS = text("SELECT kind, agent, started_at, ended_at FROM call_segment WHERE call_id = :id ORDER BY seq")
