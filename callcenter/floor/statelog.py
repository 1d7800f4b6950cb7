"""What each agent did since when, as rows: it outlives the service, and reports count it. Written by the leader."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.errors import Unavailable
from callcenter.floor.board import AgentNow, Snapshot
from callcenter.store import Database, Scope

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks: a state that lasted less may be missing from the rows."""

States = dict[str, tuple[str, str, datetime]]


class StateLog:
    """Keeps one open row an agent."""

    def __init__(self, database: Database, live: Callable[[], Snapshot], leads: Callable[[], bool]) -> None:
        self._database = database
        self._live = live
        self._leads = leads
        self._written: States | None = None

    async def run(self) -> None:
        """Writes what changed, each second, for as long as this service leads; ends by being cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.step()
            except Unavailable as exc:
                self._written = None
                log.warning("states: written later: %s", exc)
            except Exception:
                self._written = None
                log.exception("states: could not be written")

    async def step(self) -> None:
        """Writes what is new. Raises ``Unavailable``. While the link is cut nobody knows what agents do."""
        if not self._leads():
            self._written = None
            return
        picture = self._live()
        if not picture.linked:
            return
        async with self._database.scoped(Scope.only(())) as connection:
            if self._written is None:
                self._written = await open_states(connection)
            changed = [each for each in picture.agents if _differs(self._written.get(each.extension), each)]
            if changed:
                await write(connection, changed)
        for each in changed:
            if each.since is not None:
                self._written[each.extension] = (each.state, each.reason, each.since)


def _differs(written: tuple[str, str, datetime] | None, now: AgentNow) -> bool:
    return written is None or written[:2] != (now.state, now.reason)


async def open_states(connection: AsyncConnection) -> States:
    """What each agent was last seen to do, and since when."""
    rows = await connection.execute(_OPEN)
    return {extension: (state, reason, since) for extension, state, reason, since in rows}


async def write(connection: AsyncConnection, changed: Sequence[AgentNow]) -> None:
    """Ends the open row of each of these agents and begins the next; a row never ends before it began."""
    values = [
        {
            "extension": each.extension, "state": each.state, "reason": each.reason, "since": each.since,
            "call": each.call or "",
        }
        for each in changed
    ]  # fmt: skip
    await connection.execute(_CLOSE, values)
    await connection.execute(_BEGIN, values)


_OPEN = text(
    "SELECT a.extension, s.state, s.reason, s.started_at FROM agent_state s JOIN agent a ON a.id = s.agent_id "
    "WHERE s.ended_at IS NULL"
)
_CLOSE = text(
    "UPDATE agent_state SET ended_at = greatest(started_at, CAST(:since AS timestamptz)) "
    "WHERE ended_at IS NULL AND agent_id = (SELECT id FROM agent WHERE extension = :extension)"
)
_BEGIN = text(
    "INSERT INTO agent_state (agent_id, started_at, state, reason, call_id) "
    "SELECT id, CAST(:since AS timestamptz), CAST(:state AS text), :reason, CASE CAST(:state AS text) "
    "WHEN 'wrap_up' THEN coalesce((SELECT call_id FROM agent_duty WHERE agent_id = agent.id), '') "
    "ELSE CAST(:call AS text) END FROM agent WHERE extension = :extension "
    "ON CONFLICT (agent_id, started_at) DO UPDATE SET state = excluded.state, reason = excluded.reason, "
    "call_id = excluded.call_id, ended_at = NULL"
)
"""A wrap-up is of the call that it follows: reports count it with that call."""
