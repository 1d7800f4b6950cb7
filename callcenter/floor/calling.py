"""What an agent orders of their phone: to call somebody back, to dial, to ring a colleague."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from callcenter.ami.commands import Commands
from callcenter.ami.live import LiveView
from callcenter.callbacks.placing import CallOrder, order_of, start_call_back
from callcenter.callbacks.queue import claim, claim_number, release, release_number
from callcenter.config import OutboundSettings
from callcenter.errors import Refused, RuleBroken
from callcenter.floor.talking import RING_FOR, TalkOrders, interface_of
from callcenter.routing.book import Book
from callcenter.store import Database, Scope
from callcenter.words import Clock, ProviderId

__all__ = ["CallOrders", "interface_of"]

CLAIMED_FOR = timedelta(seconds=45)
"""Longer than the agent's phone rings; then the subscriber's does, and the agent is seen to be in a call."""


class CallOrders(TalkOrders):
    """Orders of calls to the PBX. Each is given once: where nobody knows whether it was obeyed, nobody repeats it."""

    def __init__(
        self,
        database: Database,
        book: Callable[[], Book],
        commands: Commands,
        view: LiveView,
        outbound: OutboundSettings,
        clock: Clock,
    ) -> None:
        super().__init__(book, commands, view)
        self._database = database
        self._outbound = outbound
        self._clock = clock

    async def call_back(self, callback: int, extension: str, *, ordered: bool = True) -> None:
        """Rings the agent's phone, then dials the caller under the provider's own number.

        ``ordered`` by the agent, whose page then answers by itself. The result is not known here: the journal tells it.
        """
        async with self._database.scoped(Scope.all()) as connection:
            order = await start_call_back(
                connection,
                self._book(),
                callback,
                extension,
                allow=self._outbound.allow,
                trunk=self._outbound.trunk,
            )
            self._must_have_a_free_phone(extension)
            await claim(connection, callback, extension, self._clock(), CLAIMED_FOR)
        async with self._released_if_refused(order, None):
            await self._place(order, answers_itself=ordered and self._answers_itself(extension))

    async def dial(self, extension: str, provider: ProviderId, number: str, who: str) -> None:
        """Rings the agent's phone, then this number under the provider's own; one agent at a time calls a number.

        Where that number is owed a callback, this is its attempt.
        """
        try:
            order = order_of(
                provider,
                number,
                self._book(),
                extension,
                allow=self._outbound.allow,
                trunk=self._outbound.trunk,
            )
        except ValueError as no_number:
            raise RuleBroken(str(no_number), "refusal.no_number") from no_number
        self._must_have_a_free_phone(extension)
        async with self._database.scoped(Scope.all()) as connection:
            owed = await claim_number(connection, provider, order.number, extension, self._clock(), CLAIMED_FOR)
        order = order.paying(owed)
        async with self._released_if_refused(order, provider):
            await self._place(order, answers_itself=self._answers_itself(extension))

    async def call_colleague(self, extension: str, other: str) -> None:
        """Rings the agent's phone first, then the colleague's."""
        self._must_be_reachable(extension, other)
        self._must_have_a_free_phone(extension)
        await self._commands.originate(
            interface_of(extension),
            context="colleague",
            exten=other,
            caller_id=other,
            variables={"FROM": extension},
            ring_for=RING_FOR,
            answers_itself=self._answers_itself(extension),
        )

    async def _place(self, order: CallOrder, *, answers_itself: bool) -> None:
        await self._commands.originate(
            channel=interface_of(order.agent),
            context="outbound",
            exten=order.number.removeprefix("+"),
            caller_id=order.number,
            variables=order.variables,
            ring_for=RING_FOR,
            answers_itself=answers_itself,
        )

    @asynccontextmanager
    async def _released_if_refused(self, order: CallOrder, provider: ProviderId | None) -> AsyncIterator[None]:
        """What Asterisk refused was not dialled; where there is no answer the phone may ring all the same."""
        try:
            yield
        except (Refused, RuleBroken):
            async with self._database.scoped(Scope.all()) as connection:
                if order.callback is not None:
                    await release(connection, order.callback, order.agent)
                elif provider is not None:
                    await release_number(connection, provider, order.number, order.agent)
            raise
