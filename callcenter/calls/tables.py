"""The ledger's tables: calls, their segments, the rows of calls in progress, and where reading stands. SQL only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.journal import Position
from callcenter.calls.record import CallRecord
from callcenter.calls.rows import Row, SetAside
from callcenter.routing.numbers import CallerNumber
from callcenter.words import Did, ProviderId, UniqueId

Source = Literal["journal", "ami", "queue_log"]
Owner = tuple[ProviderId, Did | None]
_MOST_KEPT_BYTES: Final = 65_536
"""Of bytes that are no row; where the rest is, the path and the position say."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call as it goes into its table."""

    call: CallRecord
    provider: ProviderId | None
    number: CallerNumber
    did: Did | None
    source: Source = "journal"


async def lock_position(connection: AsyncConnection, source: str) -> Position | None:
    """Where reading stands, locked: until this transaction ends nobody else reads on, or adds a call as a witness."""
    await connection.execute(_LOCK, {"source": source})
    found = (await connection.execute(_POSITION, {"source": source})).one_or_none()
    if found is None:
        return None
    path, inode, position, fingerprint, at = found
    return Position(path, inode, position, bytes(fingerprint), at)


async def read_position(connection: AsyncConnection, source: str) -> Position | None:
    found = (await connection.execute(_POSITION, {"source": source})).one_or_none()
    return None if found is None else Position(found[0], found[1], found[2], bytes(found[3]), found[4])


async def move_position(connection: AsyncConnection, source: str, to: Position, rows: int, now: datetime) -> None:
    await connection.execute(
        _MOVE,
        {
            "source": source, "path": to.path, "inode": to.inode, "position": to.position,
            "fingerprint": to.fingerprint, "rows": rows, "now": now,
        },
    )  # fmt: skip


async def open_rows(connection: AsyncConnection) -> list[str]:
    """The lines of calls in progress, in the journal's order."""
    return list((await connection.execute(_OPEN_ROWS)).scalars())


async def keep_open(connection: AsyncConnection, rows: Sequence[Row], settled: Sequence[UniqueId]) -> None:
    """Keeps the rows of calls in progress, and lets go of those whose channels are all over."""
    if settled:
        await connection.execute(_SETTLED, {"channels": list(settled)})
    if rows:
        values = {"channels": [row.uniqueid for row in rows], "lines": [row.text for row in rows]}
        await connection.execute(_KEEP_OPEN, values)


async def set_aside(
    connection: AsyncConnection, source: str, path: str, items: Iterable[SetAside], now: datetime
) -> None:
    """Keeps bytes that are no row where a human sees them."""
    values = [
        {
            "source": source, "path": path, "position": each.position, "raw": each.raw[:_MOST_KEPT_BYTES],
            "reason": _with_length(each), "now": now,
        }
        for each in items
    ]  # fmt: skip
    if values:
        await connection.execute(_SET_ASIDE, values)


async def write_calls(connection: AsyncConnection, rows: Sequence[CallRow]) -> dict[UniqueId, Owner]:
    """Writes calls as they are known now, and returns whose those that belong to a provider are.

    A call never changes its provider, wherever its DID has gone meanwhile.
    What is settled stays as it is until it is settled anew: an old part of the journal, read again, undoes nothing.
    """
    if not rows:
        return {}
    calls = json.dumps([_call_values(row) for row in rows])
    written = (await connection.execute(_CALLS, {"calls": calls})).all()
    owners: dict[UniqueId, int | None] = {row.id: row.provider_id for row in written}
    segments = json.dumps([value for row in rows if row.call.id in owners for value in _segment_values(row, owners)])
    await connection.execute(_SEGMENTS, {"segments": segments, "calls": list(owners)})
    return {row.id: (row.provider_id, row.did) for row in written if row.provider_id is not None}


async def known_calls(connection: AsyncConnection, calls: Sequence[UniqueId]) -> dict[UniqueId, bool]:
    """Which of these calls the ledger knows, and whether their outcome is known."""
    found = await connection.execute(_KNOWN, {"calls": list(calls)})
    return {UniqueId(call): outcome is not None for call, outcome in found}


async def name_dialled(connection: AsyncConnection, dialled: Mapping[UniqueId, Did]) -> bool:
    """Calls of nobody whose first row is torn were made to these numbers; says whether there were any."""
    values = {"calls": list(dialled), "dialled": list(dialled.values())}
    return (await connection.execute(_NAME_DIALLED, values)).rowcount > 0


def _with_length(item: SetAside) -> str:
    cut = len(item.raw) - _MOST_KEPT_BYTES
    return f"{item.reason}; {len(item.raw)} bytes, the first {_MOST_KEPT_BYTES} kept" if cut > 0 else item.reason


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _call_values(row: CallRow) -> dict[str, Any]:
    call = row.call
    return {
        "id": call.id, "provider_id": row.provider, "direction": call.direction, "did": row.did,
        "dialled": call.dialled, "number": row.number.number, "callable": row.number.callable,
        "caller_name": call.caller_name,
        "arrived_at": _iso(call.arrived_at), "answered_at": _iso(call.answered_at), "queued_at": _iso(call.queued_at),
        "connected_at": _iso(call.connected_at), "ended_at": _iso(call.ended_at),
        "outcome": call.outcome, "waited_s": call.waited_s, "talked_s": call.talked_s, "agents": call.agents,
        "rang": call.rang, "transfers": call.transfers, "hangup_by": call.hangup_by, "hangup_cause": call.hangup_cause,
        "recording": call.recording, "callback_id": call.callback_id, "source": row.source, "settled": call.settled,
        "whole": call.whole, "queue": call.queue, "held_s": call.held_s,
    }  # fmt: skip


def _segment_values(row: CallRow, owners: dict[UniqueId, int | None]) -> Iterable[dict[str, Any]]:
    for seq, segment in enumerate(row.call.segments):
        yield {
            "call_id": row.call.id, "seq": seq, "provider_id": owners[row.call.id], "kind": segment.kind,
            "agent": segment.agent, "started_at": _iso(segment.started_at), "ended_at": _iso(segment.ended_at),
        }  # fmt: skip


_COLUMNS: Final = (
    "id", "provider_id", "direction", "did", "dialled", "number", "callable", "caller_name", "arrived_at",
    "answered_at", "queued_at", "connected_at", "ended_at", "outcome", "waited_s", "talked_s", "agents", "rang",
    "transfers", "hangup_by", "hangup_cause", "recording", "callback_id", "source", "settled", "queue", "held_s",
)  # fmt: skip
_KEPT: Final = {
    "provider_id": "coalesce(known.provider_id, excluded.provider_id)",
    "did": "CASE WHEN known.provider_id <> excluded.provider_id THEN known.did "
    "ELSE coalesce(known.did, excluded.did) END",
    "dialled": "coalesce(nullif(excluded.dialled, ''), known.dialled)",
}
_CHANGES: Final = ", ".join(f"{column} = {_KEPT.get(column, f'excluded.{column}')}" for column in _COLUMNS[1:])
_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtext('callcenter.journal.' || :source)), "
    "set_config('plan_cache_mode', 'force_custom_plan', true)"
)
"""Plans that were kept while the tables were empty read them whole when a day has been caught up."""
_POSITION = text(
    "SELECT path, inode, position, fingerprint, extract(epoch FROM updated_at)::float8 "
    "FROM journal_position WHERE source = :source"
)
_MOVE = text(
    """
    INSERT INTO journal_position (source, path, inode, position, fingerprint, rows, updated_at)
    VALUES (:source, :path, :inode, :position, :fingerprint, :rows, :now)
    ON CONFLICT (source) DO UPDATE SET path = excluded.path, inode = excluded.inode, position = excluded.position,
        fingerprint = excluded.fingerprint, rows = journal_position.rows + excluded.rows,
        updated_at = excluded.updated_at
    """
)
_OPEN_ROWS = text("SELECT line FROM journal_open_row ORDER BY seq")
_SETTLED = text("DELETE FROM journal_open_row WHERE uniqueid = ANY(CAST(:channels AS text[]))")
_KEEP_OPEN = text(
    """
    INSERT INTO journal_open_row (uniqueid, line)
    SELECT channel, line FROM unnest(CAST(:channels AS text[]), CAST(:lines AS text[]))
        WITH ORDINALITY AS row (channel, line, place) ORDER BY place
    """
)
_SET_ASIDE = text(
    """
    INSERT INTO journal_set_aside (source, path, position, raw, reason, seen_at)
    VALUES (:source, :path, :position, :raw, :reason, :now)
    ON CONFLICT (source, position, sha256(raw)) DO NOTHING
    """
)
_CALLS = text(
    f"""
    INSERT INTO call AS known ({", ".join(_COLUMNS)})
    SELECT {", ".join("provider.id" if column == "provider_id" else f"call.{column}" for column in _COLUMNS)}
    FROM json_to_recordset(CAST(:calls AS json)) AS call (
        id text, provider_id bigint, direction text, did text, dialled text, number text, callable boolean,
        caller_name text, arrived_at timestamptz, answered_at timestamptz, queued_at timestamptz,
        connected_at timestamptz, ended_at timestamptz, outcome text, waited_s real, talked_s real, agents text[],
        rang text[], transfers integer, hangup_by text, hangup_cause integer, recording text, callback_id bigint,
        source text, settled boolean, whole boolean, queue text, held_s real)
    LEFT JOIN provider ON provider.id = call.provider_id
    WHERE call.whole OR NOT EXISTS (SELECT FROM call told WHERE told.id = call.id AND told.settled)
    ON CONFLICT (id) DO UPDATE SET {_CHANGES}
    WHERE excluded.settled OR NOT known.settled OR (excluded.source = 'journal' AND known.source <> 'journal')
    RETURNING id, provider_id, did
    """  # noqa: S608  # the columns are the constants above
)
_SEGMENTS = text(
    """
    WITH fresh AS (
        SELECT * FROM json_to_recordset(CAST(:segments AS json)) AS segment (
            call_id text, seq integer, provider_id bigint, kind text, agent text,
            started_at timestamptz, ended_at timestamptz)
    ), gone AS (
        DELETE FROM call_segment old WHERE call_id = ANY(CAST(:calls AS text[]))
        AND NOT EXISTS (SELECT FROM fresh WHERE fresh.call_id = old.call_id AND fresh.seq = old.seq)
    )
    INSERT INTO call_segment (call_id, seq, provider_id, kind, agent, started_at, ended_at)
    SELECT call_id, seq, provider_id, kind, agent, started_at, ended_at FROM fresh
    ON CONFLICT (call_id, seq) DO UPDATE SET provider_id = excluded.provider_id, kind = excluded.kind,
        agent = excluded.agent, started_at = excluded.started_at, ended_at = excluded.ended_at
    """
)
_NAME_DIALLED = text(
    """
    UPDATE call SET dialled = told.dialled
    FROM unnest(CAST(:calls AS text[]), CAST(:dialled AS text[])) AS told (call, dialled)
    WHERE id = told.call AND call.dialled = '' AND provider_id IS NULL
    """
)
_KNOWN = text("SELECT id, outcome FROM call WHERE id = ANY(CAST(:calls AS text[]))")
