"""The open shift at this moment: five figures, the callbacks by promise, who works, each provider, the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks import shifts
from callcenter.callbacks.shift import Counts, Shift
from callcenter.desk.audits import Proof, proof_of
from callcenter.desk.callback_rows import CallbackFilter, CallbackRow, list_callbacks
from callcenter.desk.wall import AgentRow, ProviderRow, Wall, wall_of
from callcenter.desk.wall import Counts as WallCounts
from callcenter.floor.board import Snapshot
from callcenter.reports.measures import Tally
from callcenter.reports.periods import Between, Period, Today
from callcenter.reports.queries import By, Wanted, totals
from callcenter.routing.book import Book, Provider
from callcenter.store.scope import Scope
from callcenter.words import ProviderId

ROWS_SHOWN = 60
GIVE_UP_COUNTING = timedelta(days=3)
"""A shift that was never closed is counted of its last days only: a board is no report."""


@dataclass(frozen=True, slots=True)
class Called:
    """A callback on the board, with the caller's name if the provider's directory has one."""

    row: CallbackRow
    name: str
    account: str


@dataclass(frozen=True, slots=True)
class ShiftBoard:
    """What the page shows. Without an open shift the counts are of today's calls, and nothing is inherited."""

    shift: Shift | None
    counts: Counts
    by_provider: Mapping[ProviderId, Counts]
    calls: Tally
    callbacks: tuple[Called, ...]
    wall: Wall
    proof: Proof | None
    nearest_due: datetime | None
    to_call: int
    """Open callbacks that can be called, of whatever shift."""
    overdue: int
    open_all: int

    @property
    def agents(self) -> tuple[AgentRow, ...]:
        return self.wall.at_work

    @property
    def providers(self) -> tuple[ProviderRow, ...]:
        return self.wall.providers

    @property
    def talking(self) -> int:
        return sum(agent.state in {"talking", "on_hold"} for agent in self.agents)

    @property
    def missed(self) -> int:
        """Every caller who reached no human since the shift began, short and out of hours too: each has a callback."""
        if self.shift is None:
            return self.calls.missed + self.calls.closed + self.calls.short
        return self.counts.misses


async def board_of(
    connection: AsyncConnection, book: Book, live: Snapshot, providers: tuple[Provider, ...], scope: Scope,
    now: datetime,
) -> ShiftBoard:  # fmt: skip
    """Everything of the transaction's scope."""
    shift = await shifts.current(connection)
    counted = {} if shift is None else await shifts.counts(connection, shift, now)
    period: Period = Today(now) if shift is None else Between(max(shift.opened_at, now - GIVE_UP_COUNTING), now)
    tallies = await totals(connection, Wanted(period, in_full=False), By.PROVIDER)
    by_provider = {key.provider: tally for key, tally in tallies.items() if key.provider is not None}
    open_now = (await connection.execute(_OPEN, {"now": now})).one()
    rows = await list_callbacks(connection, CallbackFilter(), now, None, ROWS_SHOWN)
    return ShiftBoard(
        shift=shift,
        counts=sum((counted.get(provider.id, Counts()) for provider in providers), Counts()),
        by_provider={provider.id: counted.get(provider.id, Counts()) for provider in providers},
        calls=Tally.of(by_provider.values()),
        callbacks=tuple(await _named(connection, rows)),
        wall=wall_of(book, live, WallCounts(at=now, providers=by_provider), scope, now),
        proof=await proof_of(connection, list(providers), now),
        nearest_due=open_now.nearest,
        to_call=open_now.to_call,
        overdue=open_now.overdue,
        open_all=open_now.open_all,
    )


async def _named(connection: AsyncConnection, rows: list[CallbackRow]) -> list[Called]:
    """Names of those whose number is one subscriber's only."""
    asked = {"providers": [row.provider for row in rows], "numbers": [row.number for row in rows]}
    found = {
        (provider, number): (name, account)
        for provider, number, name, account in await connection.execute(_SUBSCRIBERS, asked)
    }
    return [Called(row, *found.get((row.provider, row.number), ("", ""))) for row in rows]


_OPEN = text(
    """
    SELECT count(*) AS open_all, count(*) FILTER (WHERE callable) AS to_call,
        count(*) FILTER (WHERE callable AND due_at < :now) AS overdue, min(due_at) FILTER (WHERE callable) AS nearest
    FROM callback WHERE closed_at IS NULL
    """
)
_SUBSCRIBERS = text(
    """
    SELECT phone.provider_id, phone.number, min(subscriber.name), min(subscriber.account)
    FROM unnest(CAST(:providers AS bigint[]), CAST(:numbers AS text[])) AS asked (provider, number)
    JOIN subscriber_phone phone ON phone.provider_id = asked.provider AND phone.number = asked.number
    JOIN subscriber ON subscriber.id = phone.subscriber_id
    GROUP BY phone.provider_id, phone.number HAVING count(DISTINCT subscriber.id) = 1
    """
)
