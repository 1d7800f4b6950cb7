"""Every order that the web may give to the floor: an agent's duty here, their calls in ``calling``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ami.commands import Commands
from callcenter.ami.live import LiveView
from callcenter.config import OutboundSettings
from callcenter.errors import RuleBroken
from callcenter.floor import duty
from callcenter.floor.calling import CallOrders
from callcenter.routing.book import Book
from callcenter.routing.reasons import pause_reasons
from callcenter.store import Database, Scope
from callcenter.store.notices import Topic, tell
from callcenter.words import Clock


async def _nothing() -> None:
    """Nobody keeps a copy."""


class Orders(CallOrders):
    """Every order of the floor. Duty is written down; ``followed`` then brings Asterisk in line."""

    def __init__(
        self,
        database: Database,
        book: Callable[[], Book],
        commands: Commands,
        view: LiveView,
        outbound: OutboundSettings,
        clock: Clock,
        followed: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        super().__init__(database, book, commands, view, outbound, clock)
        self._followed = followed

    async def sign_in(self, extension: str, who: str) -> None:
        """The agent begins to work: a member of each queue they serve."""
        async with self._duty() as connection:
            await duty.sign_in(connection, extension, self._clock(), who)

    async def sign_out(self, extension: str, who: str) -> None:
        """The agent is a member of no queue any more; a call in progress goes on."""
        async with self._duty() as connection:
            await duty.sign_out(connection, extension, self._clock(), who)

    async def pause(self, extension: str, *, reason: str, who: str) -> None:
        """The agent takes no calls, with a reason of the house's list."""
        book = self._book()
        found = next((each for each in pause_reasons(book) if each.code == reason), None)
        if found is None:
            known = ", ".join(each.code for each in pause_reasons(book))
            raise RuleBroken(f"{reason or 'nothing'} is no reason for a pause: {known}")
        async with self._duty() as connection:
            await duty.pause(connection, extension, self._clock(), who, reason=reason, limit=found.limit)

    async def ready(self, extension: str, who: str) -> None:
        """The agent takes calls again."""
        async with self._duty() as connection:
            await duty.ready(connection, extension, self._clock(), who)

    async def finish_wrap_up(self, extension: str, who: str) -> None:
        """The work after the call is done before its time; when it is over already, nothing is to do."""
        async with self._duty() as connection:
            await duty.finish(connection, extension, self._clock(), who)

    async def prolong_wrap_up(self, extension: str, who: str, by_s: int = 60) -> None:
        """The work after the call needs so many seconds more."""
        async with self._duty() as connection:
            await duty.prolong(connection, extension, self._clock(), who, timedelta(seconds=by_s))

    async def serve(self, extension: str, queue_name: str, penalty: int | None, who: str) -> None:
        """The agent serves this queue from now on with this penalty; ``None`` takes them out of it."""
        queue, agent = self._book().queue_named(queue_name), self._book().agent(extension)
        if queue is None or agent is None:
            raise RuleBroken(f"there is no queue {queue_name}" if queue is None else f"there is no agent {extension}")
        if penalty is not None and not 0 <= penalty <= 20:
            raise RuleBroken("a penalty is 0 to 20")
        async with self._database.scoped(Scope.only([queue.provider])) as connection:
            values = {"queue": queue.id, "agent": agent.id, "provider": queue.provider, "penalty": penalty}
            await connection.execute(_LEAVE if penalty is None else _SERVE, values)
            await tell(connection, Topic.BOOK)
        await self._followed()

    @asynccontextmanager
    async def _duty(self) -> AsyncIterator[AsyncConnection]:
        async with self._database.scoped(Scope.all()) as connection:
            yield connection
        await self._followed()


_SERVE = text(
    "INSERT INTO queue_agent (queue_id, agent_id, provider_id, penalty) VALUES (:queue, :agent, :provider, :penalty) "
    "ON CONFLICT (queue_id, agent_id) DO UPDATE SET penalty = excluded.penalty"
)
_LEAVE = text("DELETE FROM queue_agent WHERE queue_id = :queue AND agent_id = :agent")
