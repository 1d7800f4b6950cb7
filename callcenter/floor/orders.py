"""Every order that the web may give to the floor: an agent's duty here, their calls in ``calling``."""

from __future__ import annotations

import logging

from sqlalchemy import text

from callcenter.ami.facts import MemberChanged
from callcenter.errors import Refused, RuleBroken, Unavailable
from callcenter.floor.calling import CallOrders, interface_of
from callcenter.store import Scope

log = logging.getLogger(__name__)


class Orders(CallOrders):
    """Every order of the floor. An agent's duty stays in the database: a restarted Asterisk is told again."""

    async def pause(self, extension: str, *, reason: str, who: str) -> None:
        """Takes the agent out of every queue with this reason."""
        await self._pause(extension, True, reason)

    async def ready(self, extension: str, who: str) -> None:
        """Puts the agent back into every queue."""
        await self._pause(extension, False, "")

    async def _pause(self, extension: str, paused: bool, reason: str) -> None:
        agent = self._book().agent(extension)
        if agent is None:
            raise RuleBroken(f"there is no agent {extension}")
        await self._commands.queue_pause(interface_of(extension), paused, reason)
        async with self._database.scoped(Scope.only(())) as connection:
            await connection.execute(
                _KEEP, {"agent": agent.id, "paused": paused, "reason": reason, "at": self._clock()}
            )

    async def keep_duty(self) -> None:
        """Pauses again those agents whom a restarted Asterisk has forgotten to be paused, and nobody else."""
        async with self._database.scoped(Scope.only(())) as connection:
            kept = (await connection.execute(_KEPT)).all()
        for extension, paused, reason in kept:
            places = [each for each in self._view.members() if _is_place_of(each, extension)]
            if paused and places and not all(each.paused for each in places):
                try:
                    await self._commands.queue_pause(interface_of(extension), paused=True, reason=reason)
                except (Refused, Unavailable) as exc:
                    log.warning("agent %s stays as Asterisk has it: %s", extension, exc)


def _is_place_of(member: MemberChanged, extension: str) -> bool:
    return member.agent == extension and member.status != "removed"


_KEEP = text(
    "INSERT INTO agent_duty (agent_id, status, reason, since) "
    "VALUES (:agent, CASE WHEN :paused THEN 'paused' ELSE 'ready' END, :reason, :at) "
    "ON CONFLICT (agent_id) DO UPDATE SET status = excluded.status, reason = excluded.reason, since = excluded.since"
)
_KEPT = text("SELECT a.extension, d.status = 'paused', d.reason FROM agent_duty d JOIN agent a ON a.id = d.agent_id")
