"""What each agent is on duty as, kept in the database: it outlives a page, a service and an Asterisk.

Every change is one row, told to all services at its commit. Asterisk is brought in line by ``keeper``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.errors import RuleBroken
from callcenter.floor.states import NO_ANSWER, AgentStatus, Duty
from callcenter.store import Database, Scope
from callcenter.store.alarms import clear_alarm, raise_alarm
from callcenter.store.notices import Topic, tell

LONGEST_WRAP_UP = timedelta(minutes=30)
UNANSWERED_ALARM = "agent_does_not_answer"
OVER_LIMIT_ALARM = "pause_over_limit"


class DutyBook:
    """Every agent's duty as last read; ``load`` reads it anew."""

    def __init__(self, database: Database, changed: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._changed = changed
        self._duties: dict[str, Duty] = {}

    def of(self, extension: str) -> Duty:
        return self._duties.get(extension) or Duty(extension)

    def all(self) -> dict[str, Duty]:
        """By extension; who is not in it is signed out."""
        return dict(self._duties)

    async def load(self) -> None:
        """Raises ``Unavailable`` and keeps what was known."""
        async with self._database.scoped(Scope.only(())) as connection:
            fresh = await duties(connection)
        if fresh != self._duties:
            self._duties = fresh
            self._changed()


async def duties(connection: AsyncConnection) -> dict[str, Duty]:
    """Every duty there is, by extension."""
    rows = await connection.execute(_ALL)
    return {row.extension: Duty(row.extension, AgentStatus(row.status), *row[2:]) for row in rows}


async def duty_of(connection: AsyncConnection, extension: str) -> Duty:
    """As it stands now, locked until the transaction ends. Raises ``RuleBroken`` when there is no such agent."""
    if (await connection.execute(_LOCK, {"extension": extension})).one_or_none() is None:
        raise RuleBroken(f"there is no agent {extension}")
    row = (await connection.execute(_ONE, {"extension": extension})).one_or_none()
    return Duty(extension) if row is None else Duty(extension, AgentStatus(row.status), *row[2:])


async def said_since(connection: AsyncConnection, extension: str) -> datetime | None:
    """Since when a person's word stands; what the service did by itself, such as ending a wrap-up, is nobody's word."""
    await duty_of(connection, extension)
    found = (await connection.execute(_SAID, {"extension": extension})).scalar_one_or_none()
    return found if found is None else cast(datetime, found)


async def sign_in(connection: AsyncConnection, extension: str, at: datetime, who: str) -> None:
    """The agent begins to work and is ready; who is signed in already stays as they are."""
    before = await duty_of(connection, extension)
    if not before.is_signed_in:
        await _write(connection, Duty(extension, AgentStatus.READY, since=at), who)


async def sign_out(connection: AsyncConnection, extension: str, at: datetime, who: str) -> None:
    """The agent goes home; a call in progress goes on."""
    if (await duty_of(connection, extension)).is_signed_in:
        await _write(connection, Duty(extension, since=at), who)
        await _no_alarms(connection, extension, at, who)


async def pause(
    connection: AsyncConnection, extension: str, at: datetime, who: str, *, reason: str, limit: timedelta | None = None
) -> None:
    """The agent takes no calls, for as long as the reason allows. Raises ``RuleBroken`` if signed out."""
    await _signed_in(connection, extension)
    until = None if limit is None else at + limit
    await _write(connection, Duty(extension, AgentStatus.PAUSED, reason, at, until), who)


async def ready(connection: AsyncConnection, extension: str, at: datetime, who: str) -> None:
    """The agent takes calls again, after a pause or before the end of the wrap-up. ``RuleBroken`` if signed out."""
    if (await _signed_in(connection, extension)).status is not AgentStatus.READY:
        await _write(connection, Duty(extension, AgentStatus.READY, since=at), who)
        await _no_alarms(connection, extension, at, who)


async def wrap_up(connection: AsyncConnection, extension: str, at: datetime, call: str, span: timedelta) -> bool:
    """The work after a call begins; who has taken a pause meanwhile keeps it. Says whether it did."""
    before = await duty_of(connection, extension)
    if before.status is not AgentStatus.READY or span <= timedelta(0):
        return False
    await _write(connection, Duty(extension, AgentStatus.WRAP_UP, since=at, until=at + span, call=call), "service")
    return True


async def prolong(connection: AsyncConnection, extension: str, at: datetime, who: str, by: timedelta) -> None:
    """The work after the call takes longer, half an hour at most. Raises ``RuleBroken`` when there is none."""
    before = await duty_of(connection, extension)
    if before.status is not AgentStatus.WRAP_UP or before.until is None or before.since is None:
        raise RuleBroken(f"agent {extension} is not in wrap-up")
    until = min(max(before.until, at) + by, before.since + LONGEST_WRAP_UP)
    await _write(connection, Duty(extension, before.status, since=before.since, until=until, call=before.call), who)


async def finish(
    connection: AsyncConnection, extension: str, at: datetime, who: str, *, due_only: bool = False
) -> bool:
    """The work after the call is done; with ``due_only`` if its time is over. Says whether it was."""
    before = await duty_of(connection, extension)
    over = before.until is None or before.until <= at
    if before.status is not AgentStatus.WRAP_UP or (due_only and not over):
        return False
    since = before.until if due_only and before.until is not None else at
    await _write(connection, Duty(extension, AgentStatus.READY, since=since), who)
    return True


async def answered(connection: AsyncConnection, extension: str) -> None:
    """The agent picked up: rings before that nobody answered count no more."""
    await connection.execute(_ANSWERED, {"extension": extension})


async def rang_unanswered(connection: AsyncConnection, extension: str, at: datetime, limit: int) -> bool:
    """One more ring nobody answered; with the ``limit``-th in a row the agent is paused. Says whether they were."""
    before = await duty_of(connection, extension)
    if before.status is not AgentStatus.READY:
        return False
    count = before.unanswered + 1
    if count < limit:
        await _write(connection, Duty(extension, before.status, since=before.since, unanswered=count), "service")
        return False
    await _write(connection, Duty(extension, AgentStatus.PAUSED, NO_ANSWER, at), "service")
    detail = f"{count} calls in a row rang and were not answered"
    await raise_alarm(connection, UNANSWERED_ALARM, extension, at=at, detail=detail)
    return True


async def over_limit(connection: AsyncConnection, extension: str, at: datetime) -> None:
    """A pause lasts longer than its reason allows: the agent stays paused, and supervisors are told."""
    before = await duty_of(connection, extension)
    if before.status is AgentStatus.PAUSED and before.until is not None and before.until <= at:
        detail = f"{before.reason}: since {before.since:%H:%M} UTC, allowed until {before.until:%H:%M}"
        await raise_alarm(connection, OVER_LIMIT_ALARM, extension, at=at, detail=detail)


async def _signed_in(connection: AsyncConnection, extension: str) -> Duty:
    before = await duty_of(connection, extension)
    if not before.is_signed_in:
        raise RuleBroken(f"agent {extension} is not signed in")
    return before


async def _no_alarms(connection: AsyncConnection, extension: str, at: datetime, who: str) -> None:
    for kind in (UNANSWERED_ALARM, OVER_LIMIT_ALARM):
        await clear_alarm(connection, kind, extension, at=at, by=who)


async def _write(connection: AsyncConnection, duty: Duty, who: str) -> None:
    await connection.execute(
        _WRITE,
        {
            "extension": duty.extension, "status": duty.status, "reason": duty.reason, "since": duty.since,
            "until": duty.until, "call": duty.call, "unanswered": duty.unanswered, "who": who,
        },
    )  # fmt: skip
    await tell(connection, Topic.DUTY)


_COLUMNS = "a.extension, d.status, d.reason, d.since, d.until, d.call_id, d.unanswered"
_ALL = text(f"SELECT {_COLUMNS} FROM agent_duty d JOIN agent a ON a.id = d.agent_id")  # noqa: S608 - our own text
_LOCK = text("SELECT id FROM agent WHERE extension = :extension FOR NO KEY UPDATE")
"""A statement of its own: the next one then sees what whoever held the lock has written."""
_ONE = text(f"{_ALL.text} WHERE a.extension = :extension")
_SAID = text(
    "SELECT d.since FROM agent_duty d JOIN agent a ON a.id = d.agent_id "
    "WHERE a.extension = :extension AND d.changed_by <> 'service'"
)
_WRITE = text(
    """
    INSERT INTO agent_duty (agent_id, status, reason, since, until, call_id, unanswered, changed_by)
    SELECT id, :status, :reason, :since, CAST(:until AS timestamptz), :call, :unanswered, :who
    FROM agent WHERE extension = :extension
    ON CONFLICT (agent_id) DO UPDATE SET status = excluded.status, reason = excluded.reason, since = excluded.since,
        until = excluded.until, call_id = excluded.call_id, unanswered = excluded.unanswered,
        changed_by = excluded.changed_by
    """
)
_ANSWERED = text(
    "UPDATE agent_duty SET unanswered = 0 WHERE unanswered > 0 "
    "AND agent_id = (SELECT id FROM agent WHERE extension = :extension)"
)
