"""Calls of one number as a test wants them, told to the hook in any order: what the callbacks' tests live in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from callcenter.callbacks.queue import Callback, open_callbacks, pay_or_owe
from callcenter.calls import tables
from callcenter.calls.entry import LedgerEntry
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord
from callcenter.calls.tables import CallRow
from callcenter.routing.book import Book, Provider, read_book
from callcenter.routing.numbers import caller_number
from callcenter.store import Database, Scope
from callcenter.words import UniqueId

NOON = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
"""Friday, 12:00 in Kyiv."""
OLENA, PETRO = "+380631111111", "+380632222222"

SEED = """
INSERT INTO provider (slug, brand, callback_attempts, callback_every_min) VALUES ('skynet', 'Скайнет', 3, 15),
('nettown', 'NetTown', 3, 15);
INSERT INTO did (number, provider_id) SELECT '+38044' || id || '110001', id FROM provider;
INSERT INTO queue (provider_id, name) SELECT id, slug FROM provider;
INSERT INTO agent (extension, name, sip_secret) VALUES ('101', 'Олег', 'secret-secret'), ('102', 'Борис',
'secret-secret');
INSERT INTO queue_agent (queue_id, agent_id, provider_id) SELECT queue.id, agent.id, queue.provider_id
FROM queue, agent;
INSERT INTO trunk (name, provider_id, hosts, outbound_uri) SELECT slug, id, ARRAY['127.0.0.2'], 'sip:127.0.0.2'
FROM provider
"""


@dataclass
class Numbers:
    """Gives each call its own id."""

    next: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def uniqueid(self) -> UniqueId:
        return UniqueId(f"pbx1-1795000000.{next(self.next)}")


_IDS = Numbers()


def call(
    at: datetime,
    outcome: CallOutcome,
    *,
    direction: str = "in",
    number: str = OLENA,
    talked_s: float = 0.0,
    length: timedelta = timedelta(seconds=30),
    meant: int | None = None,
    agent: str = "101",
) -> CallRecord:
    """A call that arrived at this moment; a conversation began five seconds later."""
    talked = outcome in {CallOutcome.ANSWERED, CallOutcome.CUT_SHORT}
    return CallRecord(
        id=_IDS.uniqueid(), direction="in" if direction == "in" else "out", dialled="380441110001", number_raw=number,
        caller_name="", trunk="skynet", arrived_at=at, answered_at=at, queued_at=at if direction == "in" else None,
        connected_at=at + timedelta(seconds=5) if talked else None, ended_at=at + length, outcome=outcome,
        waited_s=4.4, talked_s=talked_s, agents=(agent,) if talked or direction == "out" else (), rang=(), transfers=0,
        segments=(), hangup_by="caller", hangup_cause=16, recording=None, callback_id=meant,
        provider_slug="skynet" if direction == "out" else None, ended=True, settled=True, whole=True,
        last_at=at + length,
    )  # fmt: skip


def miss(at: datetime, outcome: CallOutcome = CallOutcome.LEFT_WAITING, number: str = OLENA) -> CallRecord:
    return call(at, outcome, number=number)


def talk(at: datetime, number: str = OLENA) -> CallRecord:
    return call(at, CallOutcome.ANSWERED, talked_s=25.0, number=number)


def out(
    at: datetime,
    outcome: CallOutcome = CallOutcome.NO_ANSWER,
    *,
    talked_s: float = 0.0,
    meant: int | None = 1,
    number: str = OLENA,
    agent: str = "101",
) -> CallRecord:
    """A call of ours: from a callback, or just dialled (``meant=None``)."""
    return call(at, outcome, direction="out", talked_s=talked_s, meant=meant, number=number, agent=agent)


def reached(at: datetime, *, talked_s: float = 25.0, meant: int | None = 1, number: str = OLENA) -> CallRecord:
    return out(at, CallOutcome.ANSWERED, talked_s=talked_s, meant=meant, number=number)


@dataclass
class Callbacks:
    """Two providers, and a way to let calls become known."""

    database: Database
    book: Book

    @classmethod
    async def build(cls, database: Database) -> Callbacks:
        async with database.scoped(Scope.all()) as connection:
            for statement in SEED.split(";\n"):
                await connection.execute(text(statement))
            return cls(database, await read_book(connection))

    async def set(self, **columns: Any) -> None:
        """Changes the rules of the first provider."""
        async with self.database.scoped(Scope.all()) as connection:
            for name, value in columns.items():
                await connection.execute(
                    text(f"UPDATE provider SET {name} = :value WHERE slug = 'skynet'"), {"value": value}
                )
            self.book = await read_book(connection)

    def provider(self, slug: str = "skynet") -> Provider:
        found = self.book.by_slug(slug)
        assert found is not None
        return found

    def entry(self, record: CallRecord, slug: str = "skynet") -> LedgerEntry:
        return LedgerEntry(record, self.provider(slug), caller_number(record.number_raw), None)

    async def tell(self, *calls: CallRecord, slug: str = "skynet", queue: str = "") -> None:
        """These calls become known, in one transaction, as the ledger does it."""
        entries = [self.entry(each, slug) for each in sorted(calls, key=lambda each: each.missed_at)]
        async with self.database.scoped(Scope.all()) as connection:
            await tables.write_calls(
                connection, [CallRow(each.call, each.provider.id, each.number, each.did) for each in entries]
            )
            if queue:
                await connection.execute(
                    text("UPDATE call SET queue = :queue WHERE id = ANY(CAST(:ids AS text[]))"),
                    {"queue": queue, "ids": [each.call.id for each in entries]},
                )
            await pay_or_owe.of_many(connection, entries)

    async def open(self) -> list[Callback]:
        async with self.database.scoped(Scope.all()) as connection:
            return await open_callbacks(connection)

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.database.scoped(Scope.all()) as connection:
            return [tuple(row) for row in await connection.execute(text(query), values)]

    async def snapshot(self) -> list[Any]:
        """Each callback with all that is known of it, named by its misses and not by its id."""
        found = await self.rows(SNAPSHOT)
        return sorted(found, key=repr)

    async def forget(self) -> None:
        async with self.database.scoped(Scope.all()) as connection:
            for table in ("callback", "call", "alarm"):
                await connection.execute(text(f"DELETE FROM {table}"))


SNAPSHOT = """
SELECT provider_id, number, callable, opened_at, due_at, misses, last_missed_at, rank_at, next_try_at, decision_since,
    kept_queue, kept_since, closed_at, closed_reason, closed_by_call, closed_by,
    (SELECT array_agg(call_id || ' ' || outcome || ' ' || missed_at ORDER BY call_id) FROM callback_miss
        WHERE callback_id = callback.id),
    (SELECT array_agg(call_id || ' ' || result || ' ' || answered || ' ' || said || ' ' || agent ORDER BY call_id)
        FROM callback_attempt WHERE callback_id = callback.id)
FROM callback
"""


def later(record: CallRecord, **changes: Any) -> CallRecord:
    """The same call as the journal tells it after more of its rows."""
    return replace(record, **changes)


def minutes(*spans: float) -> Iterable[datetime]:
    return (NOON + timedelta(minutes=span) for span in spans)


def in_batches(calls: Sequence[CallRecord], sizes: Iterable[int]) -> Iterable[Sequence[CallRecord]]:
    place = 0
    for size in sizes:
        if place >= len(calls):
            return
        yield calls[place : place + size]
        place += size
