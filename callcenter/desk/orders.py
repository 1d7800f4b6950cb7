"""What an agent orders from the page: to take no calls for a while, and to call somebody back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import text

from callcenter.ami.commands import Commands
from callcenter.ami.facts import MemberChanged
from callcenter.ami.live import LiveView
from callcenter.callbacks.placing import start_call_back
from callcenter.callbacks.queue import claim, release
from callcenter.config import OutboundSettings
from callcenter.errors import Refused, RuleBroken, Unavailable
from callcenter.routing.book import Book
from callcenter.store import Database, Scope
from callcenter.words import Clock

log = logging.getLogger(__name__)

CLAIMED_FOR = timedelta(seconds=45)
"""Longer than the agent's phone rings; then the subscriber's does, and the agent is seen to be in a call."""
RING_FOR = timedelta(seconds=30)


class Orders:
    """Orders to the PBX. What an agent's duty is stays in the database: a restarted Asterisk is told again."""

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

    async def pause(self, extension: str, *, paused: bool, reason: str) -> None:
        """Takes the agent out of every queue with this reason, or puts them back."""
        agent = self._book().agent(extension)
        if agent is None:
            raise RuleBroken(f"there is no agent {extension}")
        await self._commands.queue_pause(_interface(extension), paused, reason)
        async with self._database.scoped(Scope.only(())) as connection:
            await connection.execute(
                _KEEP, {"agent": agent.id, "paused": paused, "reason": reason, "at": self._clock()}
            )

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
                channel=_interface(extension),
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

    async def keep_duty(self) -> None:
        """Pauses again those agents whom a restarted Asterisk has forgotten to be paused, and nobody else."""
        async with self._database.scoped(Scope.only(())) as connection:
            kept = (await connection.execute(_KEPT)).all()
        for extension, paused, reason in kept:
            places = [each for each in self._view.members() if _is_place_of(each, extension)]
            if paused and places and not all(each.paused for each in places):
                try:
                    await self._commands.queue_pause(_interface(extension), paused=True, reason=reason)
                except (Refused, Unavailable) as exc:
                    log.warning("agent %s stays as Asterisk has it: %s", extension, exc)


def _interface(extension: str) -> str:
    return f"PJSIP/agent-{extension}"


def _is_place_of(member: MemberChanged, extension: str) -> bool:
    return member.agent == extension and member.status != "removed"


_KEEP = text(
    "INSERT INTO agent_duty (agent_id, status, reason, since) "
    "VALUES (:agent, CASE WHEN :paused THEN 'paused' ELSE 'ready' END, :reason, :at) "
    "ON CONFLICT (agent_id) DO UPDATE SET status = excluded.status, reason = excluded.reason, since = excluded.since"
)
_KEPT = text("SELECT a.extension, d.status = 'paused', d.reason FROM agent_duty d JOIN agent a ON a.id = d.agent_id")
