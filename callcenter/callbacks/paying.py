"""Misses become debts and conversations pay them, in the transaction that writes the call. The ledger's hook.

There is no moment at which a missed call is known and its callback is not. What is owed to a number is told anew from
all its calls whenever one of them becomes known (``debt.debts``), and only what differs is written: the order in which
the journal brings the calls, and how often, makes no difference. What a person has closed stays as it was closed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks import debt_tables as tables
from callcenter.callbacks.debt import Acts, Missed, debts
from callcenter.callbacks.debt_tables import Counted
from callcenter.callbacks.duty import Terms, is_missed, is_talk
from callcenter.callbacks.rewriting import ANSWERED, Key, Plan
from callcenter.calls.entry import LedgerEntry
from callcenter.calls.record import CallRecord
from callcenter.store.alarms import raise_alarm
from callcenter.store.notices import Topic, tell
from callcenter.words import UniqueId

_LOCKS: Final = 1024
_LOCK_CLASS: Final = 0xCA11


@dataclass(slots=True)
class Touched:
    """What became known of one number: since when its debts may differ, and on whose terms they are counted."""

    terms: Terms
    callable: bool
    since: datetime
    missed: list[Missed] = field(default_factory=list)


class _PayOrOwe:
    """Every missed call has exactly one callback; a conversation after the last miss pays it.

    Running again for the same call changes nothing.
    """

    async def __call__(self, connection: AsyncConnection, entry: LedgerEntry) -> None:
        await self.of_many(connection, [entry])

    async def of_many(self, connection: AsyncConnection, entries: Sequence[LedgerEntry]) -> None:
        """All calls of a transaction at once: the number of questions to the database does not grow with theirs."""
        ended = [entry for entry in entries if entry.call.ended]
        if not ended:
            return
        await lock_numbers(connection, {_key(entry) for entry in ended})
        counted = await tables.counted(connection, [entry.call.id for entry in ended])
        talks = [(*_key(entry), entry.call.connected_at) for entry in ended if is_talk(entry.call)]
        touched = _touched(ended, counted, await tables.payable(connection, talks))
        corrected = [entry for entry in ended if _is_corrected(entry.call, counted)]
        await tables.correct(connection, [entry.call.id for entry in corrected])
        changed = await _settle(connection, touched)
        for entry in corrected:
            await _say_corrected(connection, entry, counted[entry.call.id].outcome)
        over = [(*_key(entry), entry.call.missed_at) for entry in ended if entry.call.direction == "out"]
        if await tables.let_go(connection, over) or changed or corrected:
            await tell(connection, Topic.CALLBACKS)


pay_or_owe: Final = _PayOrOwe()


async def lock_numbers(connection: AsyncConnection, keys: Iterable[Key]) -> None:
    """Until this transaction ends nobody else changes what is owed to these numbers, or claims it."""
    buckets = sorted({zlib.crc32(f"{provider}:{number}".encode()) % _LOCKS for provider, number in keys})
    await connection.execute(_LOCK, {"class": _LOCK_CLASS, "buckets": buckets})


async def settle_number(connection: AsyncConnection, key: Key, since: datetime) -> None:
    """Somebody has said or decided something of a number: what is owed to it is told anew, from this moment on.

    The number must be locked.
    """
    terms = await tables.terms_of(connection, key[0])
    await _settle(connection, {key: Touched(terms, callable=True, since=since)})
    await tell(connection, Topic.CALLBACKS)


def _touched(
    ended: Sequence[LedgerEntry], counted: Mapping[UniqueId, Counted], payable: set[Key]
) -> dict[Key, Touched]:
    """The numbers whose debts these calls may change, each with its new misses."""
    found: dict[Key, Touched] = {}

    def touch(key: Key, entry: LedgerEntry, since: datetime) -> Touched:
        each = found.setdefault(key, Touched(Terms.of(entry.provider), entry.number.callable, since))
        each.since = min(each.since, since)
        return each

    for entry in ended:
        call, key, before = entry.call, _key(entry), counted.get(entry.call.id)
        if before is not None and before.by_hand:
            continue
        if before is not None:
            touch(before.key, entry, before.missed_at)
        if is_missed(call):
            touch(key, entry, call.missed_at).missed.append(
                Missed(call.missed_at, call.id, str(call.outcome), call.waited_s, queued_at=call.queued_at)
            )
        elif call.direction == "out":
            touch(key, entry, call.arrived_at)
        elif is_talk(call) and (key in payable or before is not None):
            touch(key, entry, call.connected_at or call.arrived_at)
    return found


async def _settle(connection: AsyncConnection, touched: Mapping[Key, Touched]) -> bool:
    """Tells the debts of these numbers from all their calls and writes what differs; says whether anything did."""
    if not touched:
        return False
    rows = await tables.rows_since(connection, {key: each.since for key, each in touched.items()})
    told = {key: each for key, each in touched.items() if each.missed or key in rows}
    if not told:
        return False
    ids = [row.id for found in rows.values() for row in found]
    missed = await tables.missed_of(connection, ids)
    acts = await tables.acts_of(connection, ids)
    begun = {key: min([each.since, *(row.opened_at for row in rows.get(key, ()))]) for key, each in told.items()}
    calls = await tables.calls_since(connection, begun)
    queues = await tables.queues_of(connection, [miss.call for each in told.values() for miss in each.missed])
    fresh = {miss.call for each in told.values() for miss in each.missed}
    plan = Plan()
    for key, each in told.items():
        own = rows.get(key, [])
        kept = [
            miss
            for row in own
            for miss in missed.get(row.id, ())
            if miss.call not in fresh and miss.outcome != ANSWERED
        ]
        new = [miss.in_queue(queues.get(miss.call, "")) for miss in each.missed]
        told_calls = calls.get(key, tables.Calls())
        decided = Acts.joined(acts.get(row.id, Acts()) for row in own)
        found = debts([*kept, *new], told_calls.talks, told_calls.tried)
        within = [attempt.call for attempt in told_calls.tried if attempt.at >= begun[key]]
        plan.take(key, each.terms, each.callable, own, missed, decided, found, within)
    return await tables.write(connection, plan.finished())


def _is_corrected(call: CallRecord, counted: Mapping[UniqueId, Counted]) -> bool:
    """It was taken for missed before."""
    return is_talk(call) and call.id in counted and counted[call.id].outcome != ANSWERED


async def _say_corrected(connection: AsyncConnection, entry: LedgerEntry, before: str) -> None:
    """Late rows can prove that a call which was taken for missed had been answered: its miss is paid, and said so."""
    call = entry.call
    detail = f"{entry.number.number}: counted as {before} at first, answered by {', '.join(call.agents)}"
    await raise_alarm(
        connection, "outcome_corrected", call.id, at=call.missed_at, detail=detail, provider=entry.provider.id
    )


def _key(entry: LedgerEntry) -> Key:
    return entry.provider.id, entry.number.number


_LOCK = text(
    "SELECT pg_advisory_xact_lock(CAST(:class AS integer), bucket) FROM unnest(CAST(:buckets AS integer[])) AS bucket"
)
