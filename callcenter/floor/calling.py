"""What an agent orders of their phone: to call somebody back, to dial, to hold, to hand a caller on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from callcenter.ami.commands import Commands
from callcenter.ami.live import LiveView
from callcenter.callbacks.placing import start_call_back
from callcenter.callbacks.queue import claim, release
from callcenter.config import OutboundSettings
from callcenter.errors import Refused, RuleBroken
from callcenter.routing.book import Book
from callcenter.store import Database, Scope
from callcenter.words import Clock

CLAIMED_FOR = timedelta(seconds=45)
"""Longer than the agent's phone rings; then the subscriber's does, and the agent is seen to be in a call."""
RING_FOR = timedelta(seconds=30)


class CallOrders:
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
        self._database = database
        self._book = book
        self._commands = commands
        self._view = view
        self._outbound = outbound
        self._clock = clock

    async def call_back(self, callback: int, extension: str) -> None:
        """Rings the agent's phone, then dials the caller under the provider's own number.

        The result is not known here: the journal tells it.
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
            if extension in self._view.agents_on_a_line():
                raise RuleBroken(f"the phone of agent {extension} is in a call")
            await claim(connection, callback, extension, self._clock(), CLAIMED_FOR)
        try:
            await self._commands.originate(
                channel=interface_of(extension),
                context="outbound",
                exten=order.number.removeprefix("+"),
                caller_id=order.number,
                variables=order.variables,
                ring_for=RING_FOR,
            )
        except (Refused, RuleBroken):  # not Unavailable: then the phone may ring all the same
            async with self._database.scoped(Scope.all()) as connection:
                await release(connection, callback, extension)
            raise


def interface_of(extension: str) -> str:
    """The SIP endpoint of an agent's phone, as Asterisk names it."""
    return f"PJSIP/agent-{extension}"
