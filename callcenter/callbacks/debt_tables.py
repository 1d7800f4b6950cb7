"""What is known of a number's debts, read and written for many numbers at once. SQL only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.debt import GOT_THROUGH, Acts, Missed, Proof, Tried
from callcenter.callbacks.duty import Terms, result_of
from callcenter.callbacks.rewriting import Key, Placed, Rewritten, Row
from callcenter.errors import RuleBroken
from callcenter.routing.hours import Calendar, Holiday, WeekHours
from callcenter.words import UniqueId


@dataclass(frozen=True, slots=True)
class Counted:
    """A call that was counted as missed before: in which callback."""

    outcome: str
    missed_at: datetime
    key: Key
    by_hand: bool
    """A person has closed that callback: it stays as it is."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What of a number's calls can pay, and what was tried."""

    talks: tuple[Proof, ...] = ()
    tried: tuple[Tried, ...] = ()


async def counted(connection: AsyncConnection, calls: Sequence[UniqueId]) -> dict[UniqueId, Counted]:
    found = await connection.execute(_COUNTED, {"calls": list(calls)})
    return {
        UniqueId(call): Counted(outcome, at, (provider, number), by_hand)
        for call, outcome, at, provider, number, by_hand in found
    }


async def payable(connection: AsyncConnection, talks: Sequence[tuple[int, str, datetime | None]]) -> set[Key]:
    """The numbers whose debts a conversation of that moment can concern; a hidden number pays for nobody."""
    asked = [talk for talk in talks if talk[1]]
    if not asked:
        return set()
    return {(provider, number) for provider, number in await connection.execute(_PAYABLE, _arrays(asked))}


async def correct(connection: AsyncConnection, calls: Sequence[UniqueId]) -> None:
    """These calls were answered after all: their misses stay in sight and are owed nothing."""
    if calls:
        await connection.execute(_CORRECT, {"calls": list(calls)})


async def rows_since(connection: AsyncConnection, since: Mapping[Key, datetime]) -> dict[Key, list[Row]]:
    """The callbacks, not closed by a person, of each number from the one that stood before this moment on."""
    found: dict[Key, list[Row]] = {}
    for provider, number, *values in await connection.execute(_ROWS, _since(since)):
        found.setdefault((provider, number), []).append(Row(*values))
    return found


async def missed_of(connection: AsyncConnection, callbacks: Sequence[int]) -> dict[int, list[Missed]]:
    found: dict[int, list[Missed]] = {}
    if callbacks:
        for callback, *values in await connection.execute(_MISSED, {"ids": list(callbacks)}):
            found.setdefault(callback, []).append(Missed(*values))
    return found


async def queues_of(connection: AsyncConnection, calls: Sequence[UniqueId]) -> dict[UniqueId, str]:
    if not calls:
        return {}
    return {UniqueId(call): queue for call, queue in await connection.execute(_QUEUES, {"calls": list(calls)})}


async def calls_since(connection: AsyncConnection, since: Mapping[Key, datetime]) -> dict[Key, Calls]:
    """The conversations and the calls of ours with each number from this moment on."""
    asked = {key: at for key, at in since.items() if key[1]}
    if not asked:
        return {}
    talks: dict[Key, list[Proof]] = {}
    tried: dict[Key, list[Tried]] = {}
    for row in await connection.execute(_CALLS, _since(asked)):
        key = (row.provider_id, row.number)
        if row.direction == "in":
            talks.setdefault(key, []).append(Proof(row.connected_at, row.id, GOT_THROUGH))
        else:
            result = result_of(row.outcome, row.talked_s, row.callback_talk_s)
            tried.setdefault(key, []).append(
                Tried(row.arrived_at, row.id, row.agent or "", result, row.talked_s, row.connected_at,
                      row.callback_id is not None, row.said or "", row.said_at)
            )  # fmt: skip
    return {key: Calls(tuple(talks.get(key, ())), tuple(tried.get(key, ()))) for key in {*talks, *tried}}


async def acts_of(connection: AsyncConnection, callbacks: Sequence[int]) -> dict[int, Acts]:
    if not callbacks:
        return {}
    found = await connection.execute(_ACTS, {"ids": list(callbacks)})
    return {callback: Acts(tuple(again), tuple(lost)) for callback, again, lost in found}


async def terms_of(connection: AsyncConnection, provider: int) -> Terms:
    """A provider's terms as they are now; raises ``RuleBroken`` when it is out of the transaction's scope."""
    found = (await connection.execute(_TERMS, {"provider": provider})).one_or_none()
    if found is None:
        raise RuleBroken("there is no such provider")
    days = [Holiday.parse(day["day"], day["name"], day["hours"]) for day in json.loads(found.holidays)]
    calendar = Calendar(
        WeekHours.parse(json.loads(found.hours)), ZoneInfo(found.timezone), {each.day: each for each in days}
    )
    return Terms(
        calendar, timedelta(minutes=found.callback_within_min), found.callback_attempts,
        timedelta(minutes=found.callback_every_min), float(found.callback_talk_s),
    )  # fmt: skip


async def let_go(connection: AsyncConnection, over: Sequence[tuple[int, str, datetime]]) -> bool:
    """Whoever called these numbers is done: others may. Says whether anybody had a claim."""
    if not over:
        return False
    free = await connection.execute(_LET_GO, _arrays(over))
    done = await connection.execute(_DIALLED, _arrays(over))
    return bool(free.rowcount or done.rowcount)


async def write(connection: AsyncConnection, out: Rewritten) -> bool:
    """Writes what is to be written; says whether anything differed.

    What closes is closed first, for a number never has two open callbacks.
    """
    fresh = [each for each in out.placed if each.id is None]
    old = [{"id": each.id, **each.values} for each in out.placed if each.id is not None and each.changed]
    await _update(connection, [values for values in old if values["closed_at"] is not None])
    if out.corrected:
        await connection.execute(_CORRECTED, {"rows": _json(out.corrected)})
    await _update(connection, [values for values in old if values["closed_at"] is None])
    if fresh:
        await _insert(connection, fresh)
    changed = bool(old or fresh or out.corrected or out.gone)
    if out.moved:
        rows = [_miss(placed, miss) for placed, miss in out.moved]
        changed |= (await connection.execute(_MISSES, {"rows": _json(rows)})).rowcount > 0
    changed |= await _write_tried(connection, out.placed)
    if out.untried:
        changed |= (await connection.execute(_UNTRIED, {"calls": out.untried})).rowcount > 0
    for row, into in out.gone:
        for statement in _JOIN:
            await connection.execute(statement, {"gone": row, "into": into.id})
    return changed


async def _update(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    if rows:
        await connection.execute(_UPDATE, {"rows": _json(rows)})


async def _insert(connection: AsyncConnection, placed: Sequence[Placed]) -> None:
    rows = [
        {"provider_id": each.key[0], "number": each.key[1], "callable": each.callable, **each.values} for each in placed
    ]
    found = await connection.execute(_INSERT, {"rows": _json(rows)})
    ids = {(provider, number, paid_by): callback for callback, provider, number, paid_by in found}
    for each in placed:
        each.id = ids[(*each.key, each.values["closed_by_call"])]


async def _write_tried(connection: AsyncConnection, placed: Sequence[Placed]) -> bool:
    rows = [
        {
            "call_id": each.call, "callback_id": debt.id, "provider_id": debt.key[0], "agent": each.agent,
            "at": each.at, "answered": each.result == "answered", "talked_s": each.talked_s, "result": each.result,
        }
        for debt in placed
        for each in debt.debt.tried
    ]  # fmt: skip
    return bool(rows) and (await connection.execute(_TRIED, {"rows": _json(rows)})).rowcount > 0


def _miss(placed: Placed, miss: Missed) -> dict[str, Any]:
    return {
        "call_id": miss.call, "callback_id": placed.id, "provider_id": placed.key[0], "missed_at": miss.at,
        "outcome": miss.outcome, "waited_s": miss.waited_s,
    }  # fmt: skip


def _since(since: Mapping[Key, datetime]) -> dict[str, Any]:
    return _arrays([(*key, at) for key, at in since.items()])


def _arrays(each: Iterable[tuple[int, str, datetime | None]]) -> dict[str, Any]:
    rows = list(each)
    return {"providers": [row[0] for row in rows], "numbers": [row[1] for row in rows], "ats": [row[2] for row in rows]}


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(rows, default=datetime.isoformat)


_ASKED: Final = (
    "unnest(CAST(:providers AS bigint[]), CAST(:numbers AS text[]), CAST(:ats AS timestamptz[])) "
    "AS asked (provider, number, at)"
)
_VALUES: Final = (
    "opened_at", "due_at", "misses", "last_missed_at", "rank_at", "next_try_at", "decision_since", "kept_queue",
    "kept_since", "closed_at", "closed_reason", "closed_by_call",
)  # fmt: skip
_TYPES: Final = (
    "opened_at timestamptz, due_at timestamptz, misses integer, last_missed_at timestamptz, rank_at timestamptz, "
    "next_try_at timestamptz, decision_since timestamptz, kept_queue text, kept_since timestamptz, "
    "closed_at timestamptz, closed_reason text, closed_by_call text"
)
# What is put into these statements are the constants above.
_COUNTED = text(
    """
    SELECT miss.call_id, miss.outcome, miss.missed_at, owed.provider_id, owed.number, owed.closed_by <> ''
    FROM callback_miss miss JOIN callback owed ON owed.id = miss.callback_id
    WHERE miss.call_id = ANY(CAST(:calls AS text[]))
    """
)
_PAYABLE = text(
    f"""
    SELECT DISTINCT owed.provider_id, owed.number FROM {_ASKED}
    JOIN callback owed ON owed.provider_id = asked.provider AND owed.number = asked.number
    WHERE owed.closed_by = '' AND (owed.closed_at IS NULL OR owed.closed_at > asked.at)
    """  # noqa: S608
)
_CORRECT = text("UPDATE callback_miss SET outcome = 'answered' WHERE call_id = ANY(CAST(:calls AS text[]))")
_ROWS = text(
    f"""
    SELECT owed.provider_id, owed.number, owed.id, {", ".join(f"owed.{name}" for name in _VALUES)}
    FROM {_ASKED}
    CROSS JOIN LATERAL (
        SELECT coalesce(max(opened_at), '-infinity') AS opened_at FROM callback before
        WHERE before.provider_id = asked.provider AND before.number = asked.number AND before.closed_by = ''
            AND before.opened_at <= asked.at AND before.closed_reason IS DISTINCT FROM 'corrected'
    ) AS before
    JOIN callback owed ON owed.provider_id = asked.provider AND owed.number = asked.number AND owed.closed_by = ''
        AND (owed.opened_at >= before.opened_at OR owed.closed_at IS NULL)
    ORDER BY owed.id
    """  # noqa: S608
)
_MISSED = text(
    """
    SELECT miss.callback_id, miss.missed_at, miss.call_id, miss.outcome, miss.waited_s, call.queue, call.queued_at
    FROM callback_miss miss JOIN call ON call.id = miss.call_id
    WHERE miss.callback_id = ANY(CAST(:ids AS bigint[])) ORDER BY miss.missed_at, miss.call_id
    """
)
_QUEUES = text("SELECT id, queue FROM call WHERE id = ANY(CAST(:calls AS text[]))")
_CALLS = text(
    f"""
    SELECT call.id, call.provider_id, call.number, call.direction, call.agents[1] AS agent, call.arrived_at,
        call.connected_at, call.outcome, call.talked_s, call.callback_id, provider.callback_talk_s,
        tried.said, tried.said_at
    FROM {_ASKED}
    JOIN provider ON provider.id = asked.provider
    JOIN call ON call.provider_id = asked.provider AND call.number = asked.number
        AND call.arrived_at > asked.at - interval '1 day' AND call.outcome IS NOT NULL
    LEFT JOIN callback_attempt tried ON tried.call_id = call.id
    LEFT JOIN callback meant ON meant.id = tried.callback_id
    WHERE (call.direction = 'in' AND call.outcome = 'answered' AND call.connected_at > asked.at)
        OR (call.direction = 'out' AND coalesce(meant.closed_by, '') = ''
            AND (call.arrived_at >= asked.at OR call.connected_at > asked.at))
    """  # noqa: S608
)
"""A call back that began before the miss can still pay it, if they met after it."""
_ACTS = text(
    """
    SELECT callback_id, coalesce(array_agg(at) FILTER (WHERE act = 'try_again'), '{}'),
        coalesce(array_agg(at) FILTER (WHERE act = 'place_lost'), '{}')
    FROM callback_act WHERE callback_id = ANY(CAST(:ids AS bigint[])) GROUP BY callback_id
    """
)
_TERMS = text(
    """
    SELECT hours::text AS hours, timezone, callback_within_min, callback_attempts, callback_every_min, callback_talk_s,
        coalesce((SELECT jsonb_agg(jsonb_build_object('day', day, 'name', name, 'hours', hours))
                  FROM holiday WHERE provider_id = provider.id), '[]')::text AS holidays
    FROM provider WHERE id = :provider
    """
)
_LET_GO = text(
    f"""
    UPDATE callback SET claimed_by = NULL, claimed_at = NULL, claimed_until = NULL, dialling_until = NULL
    FROM {_ASKED}
    WHERE provider_id = asked.provider AND callback.number = asked.number AND claimed_at < asked.at
    """  # noqa: S608
)
_DIALLED = text(
    f"DELETE FROM dialling USING {_ASKED} "  # noqa: S608
    "WHERE provider_id = asked.provider AND dialling.number = asked.number AND dialling.at < asked.at"
)
_UPDATE = text(
    f"""
    UPDATE callback SET {", ".join(f"{name} = told.{name}" for name in _VALUES)}
    FROM json_to_recordset(CAST(:rows AS json)) AS told (id bigint, {_TYPES}) WHERE callback.id = told.id
    """  # noqa: S608
)
_CORRECTED = text(
    """
    UPDATE callback SET closed_at = told.closed_at, closed_reason = told.closed_reason,
        closed_by_call = told.closed_by_call, next_try_at = NULL, decision_since = NULL, kept_queue = NULL,
        kept_since = NULL
    FROM json_to_recordset(CAST(:rows AS json))
        AS told (id bigint, closed_at timestamptz, closed_reason text, closed_by_call text)
    WHERE callback.id = told.id
    """
)
_INSERT = text(
    f"""
    INSERT INTO callback (provider_id, number, callable, {", ".join(_VALUES)})
    SELECT provider_id, number, callable, {", ".join(_VALUES)} FROM json_to_recordset(CAST(:rows AS json))
        AS told (provider_id bigint, number text, callable boolean, {_TYPES})
    RETURNING id, provider_id, number, closed_by_call
    """  # noqa: S608
)
_MISSES = text(
    """
    INSERT INTO callback_miss AS known (call_id, callback_id, provider_id, missed_at, outcome, waited_s)
    SELECT call_id, callback_id, provider_id, missed_at, outcome, waited_s FROM json_to_recordset(CAST(:rows AS json))
        AS told (call_id text, callback_id bigint, provider_id bigint, missed_at timestamptz, outcome text,
            waited_s real)
    ON CONFLICT (call_id) DO UPDATE SET callback_id = excluded.callback_id, missed_at = excluded.missed_at,
        outcome = excluded.outcome, waited_s = excluded.waited_s
    WHERE (known.callback_id, known.missed_at, known.outcome, known.waited_s) IS DISTINCT FROM
        (excluded.callback_id, excluded.missed_at, excluded.outcome, excluded.waited_s)
    """
)
_TRIED = text(
    """
    INSERT INTO callback_attempt AS known (call_id, callback_id, provider_id, agent, at, answered, talked_s, result)
    SELECT call_id, callback_id, provider_id, agent, at, answered, talked_s, result
    FROM json_to_recordset(CAST(:rows AS json)) AS told (call_id text, callback_id bigint, provider_id bigint,
        agent text, at timestamptz, answered boolean, talked_s real, result text)
    ON CONFLICT (call_id) DO UPDATE SET callback_id = excluded.callback_id, agent = excluded.agent, at = excluded.at,
        answered = excluded.answered, talked_s = excluded.talked_s, result = excluded.result
    WHERE (known.callback_id, known.agent, known.at, known.answered, known.talked_s, known.result) IS DISTINCT FROM
        (excluded.callback_id, excluded.agent, excluded.at, excluded.answered, excluded.talked_s, excluded.result)
    """
)
_UNTRIED = text("DELETE FROM callback_attempt WHERE call_id = ANY(CAST(:calls AS text[])) AND said = ''")
_JOIN = (
    text(
        "UPDATE callback kept SET claimed_by = gone.claimed_by, claimed_at = gone.claimed_at, "
        "claimed_until = gone.claimed_until, dialling_until = gone.dialling_until FROM callback gone "
        "WHERE kept.id = :into AND gone.id = :gone AND gone.claimed_until > coalesce(kept.claimed_until, '-infinity')"
    ),
    text("UPDATE callback_act SET callback_id = :into WHERE callback_id = :gone"),
    text("UPDATE callback_attempt SET callback_id = :into WHERE callback_id = :gone"),
    text(
        "UPDATE handover SET callback_id = :into WHERE callback_id = :gone AND NOT EXISTS "
        "(SELECT FROM handover there WHERE there.shift_id = handover.shift_id AND there.callback_id = :into)"
    ),
    text("UPDATE callback_miss SET callback_id = :into WHERE callback_id = :gone"),
    text("DELETE FROM callback WHERE id = :gone"),
)
"""A callback whose misses are another's now: what else was of it goes with them."""
