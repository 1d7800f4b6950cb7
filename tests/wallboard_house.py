"""Wallboards over a real PostgreSQL and the real web; a test tells what agents do and who waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from callcenter.config import WebSettings
from callcenter.desk.pages import PORTS
from callcenter.desk.ports import AgentNow, DeskPorts, QueueNow, Snapshot
from callcenter.desk.server import make_app, served
from callcenter.desk.wallboard import wallboard_routes
from callcenter.desk.wallboard_feed import WallboardFeed
from callcenter.routing.book import Book, load_book
from callcenter.store import Database, Scope
from callcenter.words import ProviderId
from tests.desk_house import HASH, House, desk_house


@dataclass
class Floor:
    """What the live link would show."""

    linked: bool = True
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    agents: dict[str, AgentNow] = field(default_factory=dict)
    queues: dict[str, QueueNow] = field(default_factory=dict)
    lines: dict[ProviderId, int] = field(default_factory=dict)

    def __call__(self) -> Snapshot:
        return Snapshot(self.linked, self.since, tuple(self.agents.values()), tuple(self.queues.values()), self.lines)


@dataclass
class WallHouse:
    desk: House
    floor: Floor
    feed: WallboardFeed
    ports: DeskPorts
    book: Book

    @property
    def url(self) -> str:
        return self.ports.web.public_url

    @property
    def db(self) -> Database:
        return self.ports.db

    def is_(self, extension: str, state: str, **more: object) -> None:
        """An agent is in this state from now on."""
        self.floor.agents[extension] = replace(AgentNow(extension, state, self.ports.clock()), **more)  # type: ignore[arg-type]
        self.feed.stir()

    def waits(self, queue: str, callers: int, for_s: float = 0) -> None:
        since = self.ports.clock() - timedelta(seconds=for_s) if callers else None
        self.floor.queues[queue] = QueueNow(queue, callers, since)
        self.feed.stir()

    async def call(
        self, number: int, provider: int = 1, outcome: str = "answered", *, waited: float = 5, queue: str = "svitlo",
        at: datetime | None = None, direction: str = "in",
    ) -> None:  # fmt: skip
        """A call that is over, as the ledger writes it."""
        async with self.db.scoped(Scope.all()) as conn:
            await conn.execute(
                _CALL,
                {"id": f"pbx1-{number}.1", "provider": provider, "outcome": outcome, "waited": waited, "queue": queue,
                 "at": at or self.ports.clock(), "number": f"+3806700{number:05}", "direction": direction},
            )  # fmt: skip
        self.feed.stale()

    async def owes(self, number: int, due_at: datetime, provider: int = 1, *, decision: bool = False) -> None:
        """An open callback."""
        async with self.db.scoped(Scope.all()) as conn:
            await conn.execute(
                _CALLBACK,
                {"provider": provider, "number": f"+3806701{number:05}", "due": due_at, "now": self.ports.clock(),
                 "decision": self.ports.clock() if decision else None},
            )  # fmt: skip
        self.feed.stale()


@asynccontextmanager
async def wallboard_house(database: Database, folder: Path) -> AsyncIterator[WallHouse]:
    """``desk_house`` on a free port of the loopback, with Larysa 103 who leads the shift and has a phone."""
    async with desk_house(database, folder) as desk:
        async with database.scoped(Scope.all()) as conn:
            for statement in LEAD.split(";\n"):
                await conn.execute(text(statement), {"hash": HASH} if ":hash" in statement else {})
        book = await load_book(database)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        floor = Floor()
        web = WebSettings(port=port, public_url=f"http://127.0.0.1:{port}")

        def now() -> datetime:
            return datetime.now(UTC)

        feed = WallboardFeed(database, lambda: book, floor, now)
        ports = replace(desk.app[PORTS], book=lambda: book, live=floor, web=web, clock=now, changed=feed.stale)
        for agent in book.agents:
            floor.agents[agent.extension] = AgentNow(agent.extension, "ready", now() - timedelta(minutes=3))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(feed.run())
            async with served(make_app(ports, wallboard_routes(feed)), "127.0.0.1", port):
                yield WallHouse(desk, floor, feed, ports, book)
                feed.close_pages()
            running.cancel()


LEAD = """
INSERT INTO agent (extension, name, sip_secret) VALUES ('103', 'Лариса', 'secret-103');
INSERT INTO queue_agent (queue_id, agent_id, provider_id) SELECT 1, id, 1 FROM agent WHERE extension = '103';
INSERT INTO user_account (login, password_hash, name, role, agent_id, providers)
SELECT 'larysa', :hash, 'Лариса', 'lead', id, NULL FROM agent WHERE extension = '103'
"""
_CALL = text(
    """
    INSERT INTO call (id, provider_id, direction, did, dialled, number, callable, arrived_at, answered_at, queued_at,
        connected_at, ended_at, outcome, waited_s, talked_s, agents, rang, queue, settled)
    VALUES (:id, :provider, :direction, '+380441234567', '+380441234567', :number, true, :at, :at, :at,
        CASE WHEN :outcome = 'answered' THEN CAST(:at AS timestamptz) END, :at, :outcome, :waited,
        CASE WHEN :outcome = 'answered' THEN 30 ELSE 0 END, '{}', '{}', :queue, true)
    """
)
_CALLBACK = text(
    """
    INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, misses, last_missed_at,
        decision_since)
    VALUES (:provider, :number, true, :now, :due, :due, 1, :now, CAST(:decision AS timestamptz))
    """
)
