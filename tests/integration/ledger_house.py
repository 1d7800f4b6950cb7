"""One provider, its agents and a ledger over a journal in a folder: what the ledger's tests live in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from callcenter.callbacks.queue import pay_or_owe
from callcenter.calls.entry import Hook, LedgerEntry
from callcenter.calls.ledger import Ledger
from callcenter.config import AsteriskSettings
from callcenter.routing.book import Book, read_book
from callcenter.store import Database, Scope

TAPES = Path(__file__).parents[1] / "tapes" / "cel"
DIDS = tuple(f"+38044111000{n}" for n in range(1, 8))


@dataclass
class TurnedClock:
    """Shows the time it was turned to."""

    now: datetime = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def asterisk_in(folder: Path) -> AsteriskSettings:
    (folder / "cel-custom").mkdir(parents=True, exist_ok=True)
    names = ("etc_dir", "spool_dir", "run_dir", "data_dir", "var_dir", "module_dir")
    return AsteriskSettings.model_validate({"log_dir": folder} | dict.fromkeys(names, folder))


@dataclass
class House:
    database: Database
    asterisk: AsteriskSettings
    book: Book
    clock: TurnedClock = field(default_factory=TurnedClock)
    committed: list[LedgerEntry] = field(default_factory=list)

    @classmethod
    async def build(cls, database: Database, folder: Path) -> House:
        async with database.scoped(Scope.all()) as connection:
            await connection.execute(
                text("INSERT INTO provider (slug, brand) VALUES ('skynet', 'Скайнет'), ('nettown', 'NetTown')")
            )
            for did in DIDS:
                await connection.execute(
                    text("INSERT INTO did (number, provider_id) SELECT :did, id FROM provider WHERE slug = 'skynet'"),
                    {"did": did},
                )
            await connection.execute(
                text(
                    "INSERT INTO did (number, provider_id) SELECT '+380442220001', id FROM provider "
                    "WHERE slug = 'nettown'"
                )
            )
            await connection.execute(text("INSERT INTO queue (provider_id, name) SELECT id, slug FROM provider"))
            await connection.execute(
                text("INSERT INTO agent (extension, name, sip_secret) VALUES ('101', 'Анна', 'secret-secret'), "
                     "('102', 'Borys', 'secret-secret')")
            )  # fmt: skip
            await connection.execute(
                text("INSERT INTO queue_agent (queue_id, agent_id, provider_id) "
                     "SELECT queue.id, agent.id, queue.provider_id FROM queue, agent WHERE queue.name = 'skynet'")
            )  # fmt: skip
            await connection.execute(
                text("INSERT INTO trunk (name, provider_id, hosts, outbound_uri) "
                     "SELECT 'skynet', id, ARRAY['127.0.0.2'], 'sip:127.0.0.2' FROM provider WHERE slug = 'skynet'")
            )  # fmt: skip
            book = await read_book(connection)
        return cls(database, asterisk_in(folder), book)

    @property
    def journal(self) -> Path:
        return self.asterisk.journal

    def write(self, data: bytes) -> None:
        with self.journal.open("ab") as file:
            file.write(data)

    def ledger(self, *hooks: Hook, committed: Callable[[Sequence[LedgerEntry]], None] | None = None) -> Ledger:
        return Ledger(
            self.database, lambda: self.book, self.asterisk, self.clock, (pay_or_owe, *hooks),
            committed or self.committed.extend,
        )  # fmt: skip

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.database.scoped(Scope.all()) as connection:
            return [tuple(row) for row in await connection.execute(text(query), values)]

    async def rows_in(self, statement: str, **values: Any) -> None:
        async with self.database.scoped(Scope.all()) as connection:
            await connection.execute(text(statement), values)

    async def outcomes(self) -> list[tuple[str, str | None]]:
        return await self.rows("SELECT number, outcome FROM call ORDER BY arrived_at, id")

    async def snapshot(self) -> dict[str, list[Any]]:
        """Everything that was written, in an order that does not depend on how it was written."""
        return {
            "calls": await self.rows("SELECT * FROM call ORDER BY id"),
            "segments": await self.rows("SELECT * FROM call_segment ORDER BY call_id, seq"),
            "misses": await self.rows(
                "SELECT call_id, missed_at, outcome, waited_s FROM callback_miss ORDER BY call_id"
            ),
            "callbacks": await self.rows(
                "SELECT provider_id, number, callable, opened_at, due_at, misses, last_missed_at, closed_at, "
                "closed_reason, closed_by_call FROM callback ORDER BY number, opened_at"
            ),
            "attempts": await self.rows(
                "SELECT call_id, agent, at, answered, talked_s FROM callback_attempt ORDER BY call_id"
            ),
            "open": await self.rows("SELECT uniqueid, line FROM journal_open_row ORDER BY seq"),
            "aside": await self.rows("SELECT raw, reason FROM journal_set_aside ORDER BY id"),
        }
