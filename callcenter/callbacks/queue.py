"""The callbacks that are owed: one open for each provider and number, opened by a miss, closed by proof or by a person.

``pay_or_owe`` runs in the transaction that writes the call, so there is no moment at which a missed call is known and
its callback is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.duty import due_at, is_missed, is_proof
from callcenter.calls.entry import LedgerEntry
from callcenter.errors import RuleBroken
from callcenter.store.alarms import raise_alarm
from callcenter.words import ProviderId, UniqueId

GOT_THROUGH: Final = "got_through"
CALLED_BACK: Final = "called_back"
CORRECTED: Final = "corrected"
BY_HAND: Final = "by_hand"


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


@dataclass(frozen=True, slots=True)
class Miss:
    call: UniqueId
    missed_at: datetime
    outcome: str
    waited_s: float | None


@dataclass(frozen=True, slots=True)
class Attempt:
    call: UniqueId
    agent: str
    at: datetime
    answered: bool
    talked_s: float


class _PayOrOwe:
    """Every missed call has exactly one callback; a conversation after the last miss pays it. The ledger's hook.

    Running again for the same call changes nothing: a miss is counted once for each call, and what is paid stays paid.
    """

    async def __call__(self, connection: AsyncConnection, entry: LedgerEntry) -> None:
        await self.of_many(connection, [entry])

    async def of_many(self, connection: AsyncConnection, entries: Sequence[LedgerEntry]) -> None:
        """Misses are written in bulk; before a conversation that may pay one of them, those before it are written."""
        ended = [entry for entry in entries if entry.call.ended]
        payable = await _payable(connection, ended)
        owed: list[LedgerEntry] = []
        for entry in ended:
            if is_missed(entry.call):
                owed.append(entry)
                payable.add(_key(entry))
            elif entry.call.direction == "out" or (
                is_proof(entry.call) and (_key(entry) in payable or entry.call.id in payable)
            ):
                await _owe(connection, owed)
                owed = []
                await _pay_or_attempt(connection, entry)
        await _owe(connection, owed)


pay_or_owe: Final = _PayOrOwe()


async def open_callbacks(connection: AsyncConnection, limit: int = 200) -> list[Callback]:
    """What is owed now, the oldest promise first."""
    return [_callback(row) for row in await connection.execute(_OPEN, {"limit": limit})]


async def open_callback_for(connection: AsyncConnection, provider: ProviderId, number: str) -> Callback | None:
    found = (await connection.execute(_OPEN_FOR, {"provider": provider, "number": number})).one_or_none()
    return None if found is None else _callback(found)


async def one_callback(connection: AsyncConnection, callback: int) -> Callback | None:
    """One callback, open or closed; ``None`` too when it is out of the transaction's scope."""
    found = (await connection.execute(_ONE, {"id": callback})).one_or_none()
    return None if found is None else _callback(found)


async def misses(connection: AsyncConnection, callback: int) -> list[Miss]:
    """The calls that were missed, oldest first."""
    return [Miss(*row) for row in await connection.execute(_MISSES, {"id": callback})]


async def attempts(connection: AsyncConnection, callback: int) -> list[Attempt]:
    """The calls back that were made, oldest first."""
    return [Attempt(*row) for row in await connection.execute(_ATTEMPTS, {"id": callback})]


async def close_by_hand(connection: AsyncConnection, callback: int, who: str, at: datetime) -> None:
    """A person answers for a callback that no call can pay, such as one without a number. Raises ``RuleBroken``."""
    done = await connection.execute(_CLOSE_BY_HAND, {"id": callback, "reason": f"{BY_HAND}: {who}", "at": at})
    if not done.rowcount:
        raise RuleBroken(f"callback {callback} is not open")


async def claim(connection: AsyncConnection, callback: int, agent: str, at: datetime, span: timedelta) -> None:
    """One agent at a time calls a number back: for so long nobody else may. Raises ``RuleBroken`` if somebody does."""
    values = {"id": callback, "agent": agent, "at": at, "until": at + span}
    if not (await connection.execute(_CLAIM, values)).rowcount:
        raise RuleBroken(f"callback {callback} is being called back already, or is not open")


async def release(connection: AsyncConnection, callback: int, agent: str) -> None:
    """The agent's phone was never rung: whoever wants to may call."""
    await connection.execute(_RELEASE, {"id": callback, "agent": agent})


async def _payable(connection: AsyncConnection, entries: Sequence[LedgerEntry]) -> set[tuple[int, str] | str]:
    """What a conversation among these can pay: numbers with an open callback, and calls once counted as missed."""
    talks = [entry for entry in entries if is_proof(entry.call)]
    if not talks:
        return set()
    about = {"numbers": [entry.number.number for entry in talks], "calls": [entry.call.id for entry in talks]}
    found = await connection.execute(_PAYABLE, about)
    return {call if call is not None else (provider, number) for provider, number, call in found}


def _key(entry: LedgerEntry) -> tuple[int, str]:
    return entry.provider.id, entry.number.number


async def _pay_or_attempt(connection: AsyncConnection, entry: LedgerEntry) -> None:
    if entry.call.direction == "out":
        await _attempt(connection, entry)
    elif await _pay(connection, entry, GOT_THROUGH):
        await _correct(connection, entry)
        await _pay(connection, entry, GOT_THROUGH)


async def _owe(connection: AsyncConnection, entries: Sequence[LedgerEntry]) -> None:
    values = [
        _about(entry)
        | {
            "callable": entry.number.callable, "missed_at": entry.call.missed_at, "outcome": entry.call.outcome,
            "due_at": due_at(entry.call.missed_at, entry.provider.callback_within), "waited_s": entry.call.waited_s,
            "got_through": GOT_THROUGH, "called_back": CALLED_BACK,
        }
        for entry in entries
    ]  # fmt: skip
    if values:
        await connection.execute(_OWE, values)


async def _pay(connection: AsyncConnection, entry: LedgerEntry, reason: str) -> bool:
    """Closes what is open for this number when the conversation began after the last miss.

    Says whether this very call was once counted as missed. One hidden number is not another: it pays for nobody.
    """
    about = _about(entry) | {"connected_at": entry.call.connected_at, "reason": reason}
    return (await connection.execute(_PAY, about)).scalar_one_or_none() is not None


async def _attempt(connection: AsyncConnection, entry: LedgerEntry) -> None:
    call = entry.call
    await connection.execute(
        _ATTEMPT,
        _about(entry)
        | {
            "callback": call.callback_id, "agent": call.agents[0] if call.agents else "", "at": call.arrived_at,
            "answered": is_proof(call), "talked_s": call.talked_s,
        },
    )  # fmt: skip
    if is_proof(call):
        await _pay(connection, entry, CALLED_BACK)


async def _correct(connection: AsyncConnection, entry: LedgerEntry) -> None:
    """Late rows can prove that a call which was taken for missed had been answered: its miss is paid, and said so."""
    call = entry.call
    about = _about(entry) | {"at": call.missed_at, "reason": CORRECTED}
    corrected = (await connection.execute(_CORRECT, about)).scalar_one_or_none()
    if corrected is not None:
        detail = f"{entry.number.number}: counted as {corrected} at first, answered by {', '.join(call.agents)}"
        await raise_alarm(
            connection, "outcome_corrected", call.id, at=call.missed_at, detail=detail, provider=entry.provider.id
        )


def _about(entry: LedgerEntry) -> dict[str, Any]:
    return {"call": entry.call.id, "provider": entry.provider.id, "number": entry.number.number}


def _callback(row: Any) -> Callback:
    return Callback(*row)


_SHOWN: Final = """
    SELECT id, provider_id, number, callable, opened_at, due_at, misses, last_missed_at,
        (SELECT count(*) FROM callback_attempt made WHERE made.callback_id = callback.id),
        (SELECT max(at) FROM callback_attempt made WHERE made.callback_id = callback.id),
        closed_at, closed_reason, closed_by_call
    FROM callback
"""
_OPEN = text(f"{_SHOWN} WHERE closed_at IS NULL ORDER BY due_at, id LIMIT :limit")
_OPEN_FOR = text(f"{_SHOWN} WHERE closed_at IS NULL AND provider_id = :provider AND number = :number")
_ONE = text(f"{_SHOWN} WHERE id = :id")
_MISSES = text(
    "SELECT call_id, missed_at, outcome, waited_s FROM callback_miss "
    "WHERE callback_id = :id ORDER BY missed_at, call_id"
)
_ATTEMPTS = text(
    "SELECT call_id, agent, at, answered, talked_s FROM callback_attempt WHERE callback_id = :id ORDER BY at, call_id"
)
_CLOSE_BY_HAND = text(
    "UPDATE callback SET closed_at = :at, closed_reason = :reason WHERE id = :id AND closed_at IS NULL"
)
_CLAIM = text(
    "UPDATE callback SET claimed_by = :agent, claimed_until = :until "
    "WHERE id = :id AND closed_at IS NULL AND (claimed_until IS NULL OR claimed_until <= :at)"
)
_RELEASE = text("UPDATE callback SET claimed_by = NULL, claimed_until = NULL WHERE id = :id AND claimed_by = :agent")
_PAYABLE = text(
    """
    SELECT provider_id, number, NULL AS call_id FROM callback
    WHERE closed_at IS NULL AND number = ANY(CAST(:numbers AS text[]))
    UNION ALL
    SELECT NULL, NULL, call_id FROM callback_miss
    WHERE call_id = ANY(CAST(:calls AS text[])) AND outcome <> 'answered'
    """
)
_OWE = text(
    """
    WITH known AS (
        UPDATE callback_miss SET outcome = :outcome, waited_s = :waited_s WHERE call_id = :call RETURNING callback_id
    ), proof AS (
        SELECT id, direction, connected_at FROM call
        WHERE provider_id = :provider AND number = :number AND number <> '' AND outcome = 'answered'
            AND connected_at > :missed_at AND xmin::text <> pg_current_xact_id()::xid::text
        ORDER BY connected_at LIMIT 1
    ), paid AS (
        INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, last_missed_at,
            closed_at, closed_reason, closed_by_call)
        SELECT :provider, :number, :callable, CAST(:missed_at AS timestamptz), CAST(:due_at AS timestamptz),
            CAST(:due_at AS timestamptz),
            CAST(:missed_at AS timestamptz), proof.connected_at,
            CASE proof.direction WHEN 'in' THEN :got_through ELSE :called_back END, proof.id
        FROM proof WHERE NOT EXISTS (SELECT FROM known)
        RETURNING id
    ), owed AS (
        INSERT INTO callback AS open (provider_id, number, callable, opened_at, due_at, rank_at, last_missed_at)
        SELECT :provider, :number, :callable, CAST(:missed_at AS timestamptz), CAST(:due_at AS timestamptz),
            CAST(:due_at AS timestamptz),
            CAST(:missed_at AS timestamptz)
        WHERE NOT EXISTS (SELECT FROM proof) AND NOT EXISTS (SELECT FROM known)
        ON CONFLICT (provider_id, number) WHERE closed_at IS NULL
        DO UPDATE SET misses = open.misses + 1,
            opened_at = least(open.opened_at, excluded.opened_at), due_at = least(open.due_at, excluded.due_at),
            last_missed_at = greatest(open.last_missed_at, excluded.last_missed_at)
        RETURNING id
    )
    INSERT INTO callback_miss (call_id, callback_id, provider_id, missed_at, outcome, waited_s)
    SELECT :call, id, :provider, :missed_at, :outcome, CAST(:waited_s AS real)
    FROM (SELECT id FROM paid UNION ALL SELECT id FROM owed) AS opened
    """
)
"""A miss that was found late may have been made good already. Calls written by this very transaction (``xmin``) are
left to their own hook, which comes later: one miss and its proof make one callback, however the journal was cut."""
_PAY = text(
    """
    WITH paid AS (
        UPDATE callback SET closed_at = :connected_at, closed_reason = :reason, closed_by_call = :call
        WHERE provider_id = :provider AND number = :number AND number <> '' AND closed_at IS NULL
            AND last_missed_at < :connected_at
    )
    SELECT outcome FROM callback_miss WHERE call_id = :call AND outcome <> 'answered'
    """
)
_ATTEMPT = text(
    """
    INSERT INTO callback_attempt (call_id, callback_id, provider_id, agent, at, answered, talked_s)
    SELECT :call, id, provider_id, :agent, :at, :answered, :talked_s FROM callback
    WHERE provider_id = :provider AND number = :number
        AND (id = CAST(:callback AS bigint) OR (closed_at IS NULL AND opened_at <= :at AND NOT EXISTS (
            SELECT FROM callback meant WHERE meant.id = CAST(:callback AS bigint)
            AND meant.provider_id = :provider AND meant.number = :number)))
    ON CONFLICT (call_id) DO UPDATE
    SET agent = excluded.agent, answered = excluded.answered, talked_s = excluded.talked_s
    """
)
_CORRECT = text(
    """
    WITH miss AS (
        SELECT callback_id, outcome FROM callback_miss WHERE call_id = :call AND outcome <> 'answered'
    ), others AS (
        SELECT count(*) AS left FROM callback_miss WHERE callback_id = (SELECT callback_id FROM miss)
            AND call_id <> :call AND outcome <> 'answered'
    ), marked AS (
        UPDATE callback_miss SET outcome = 'answered' WHERE call_id = :call AND outcome <> 'answered'
    ), paid AS (
        UPDATE callback SET
            misses = greatest(1, callback.misses - 1),
            last_missed_at = coalesce((
                SELECT max(missed_at) FROM callback_miss rest WHERE rest.callback_id = callback.id
                AND rest.call_id <> :call AND rest.outcome <> 'answered'), callback.last_missed_at),
            closed_at = CASE WHEN others.left = 0 THEN CAST(:at AS timestamptz) END,
            closed_reason = CASE WHEN others.left = 0 THEN CAST(:reason AS text) END,
            closed_by_call = CASE WHEN others.left = 0 THEN CAST(:call AS text) END
        FROM miss, others WHERE callback.id = miss.callback_id AND callback.closed_at IS NULL
    )
    SELECT outcome FROM miss
    """
)
