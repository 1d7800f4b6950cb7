"""Who has a callback now: one agent at a time, so that no number is called by two."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.paying import lock_numbers
from callcenter.errors import RuleBroken
from callcenter.store.notices import Topic, tell
from callcenter.words import ProviderId

TAKEN_FOR: Final = timedelta(minutes=10)
"""How long an agent may look at a callback before calling; then anybody may take it."""
LONGEST_CALL: Final = timedelta(hours=2)
"""A call of ours whose end was never told does not keep its number for ever."""


async def take(
    connection: AsyncConnection, callback: int, agent: str, at: datetime, span: timedelta = TAKEN_FOR
) -> None:
    """An agent takes a callback to call it: for so long nobody else may. Raises ``RuleBroken`` if it may not be."""
    found = await _locked(connection, callback)
    _must_be_free(found, agent, at)
    values = {"id": callback, "agent": agent, "at": at, "until": at + span}
    await connection.execute(_TAKE, values)
    await _act(connection, callback, at, "taken", agent)


async def claim(connection: AsyncConnection, callback: int, agent: str, at: datetime, span: timedelta) -> None:
    """The agent's phone is about to ring for it: one call to a number at a time.

    Raises ``RuleBroken`` when it is not open or not callable, when somebody else has it or is calling the number, when
    the provider's time between two attempts is not over, or when the lead is to decide first.
    """
    found = await _locked(connection, callback)
    _must_be_free(found, agent, at)
    _must_not_be_dialled(found, at)
    if not found.callable:
        raise RuleBroken(f"callback {callback} has no number that can be called")
    if found.decision_since is not None:
        raise RuleBroken(f"callback {callback} waits for the shift lead's decision", "refusal.lead_decides")
    if found.next_try_at is not None and found.next_try_at > at:
        raise RuleBroken(f"callback {callback} was tried just now: not before {found.next_try_at:%H:%M} UTC")
    await _must_not_ring(connection, found.provider_id, found.number, at)
    await connection.execute(_CLAIM, {"id": callback, "agent": agent, "at": at, "until": at + span})
    await _act(connection, callback, at, "calling", agent)


async def claim_number(
    connection: AsyncConnection, provider: ProviderId, number: str, agent: str, at: datetime, span: timedelta
) -> int | None:
    """The agent is about to dial this number (E.164) for a provider without having chosen a callback.

    Gives the number's open callback, if there is one, claimed for them. Raises ``RuleBroken`` when somebody is calling
    that number of that provider already, or has its callback.
    """
    await lock_numbers(connection, [(provider, number)])
    await _must_not_ring(connection, provider, number, at)
    open_one = (await connection.execute(_OPEN_OF, {"provider": provider, "number": number})).one_or_none()
    if open_one is not None:
        found = await _locked(connection, open_one.id)
        _must_be_free(found, agent, at)
        _must_not_be_dialled(found, at)
        await connection.execute(_CLAIM, {"id": found.id, "agent": agent, "at": at, "until": at + span})
        await _act(connection, found.id, at, "calling", agent)
        return int(found.id)
    values = {"provider": provider, "number": number, "agent": agent, "at": at, "until": at + span}
    if not (await connection.execute(_DIAL, values)).rowcount:
        raise RuleBroken(f"{number} is being called already", "refusal.being_called", number=number)
    return None


async def release(connection: AsyncConnection, callback: int, agent: str) -> None:
    """The agent's phone was never rung, or they changed their mind: whoever wants to may call."""
    if (await connection.execute(_RELEASE, {"id": callback, "agent": agent})).rowcount:
        await tell(connection, Topic.CALLBACKS)


async def let_go(connection: AsyncConnection, callback: int, agent: str, at: datetime) -> None:
    """The agent gives back a callback they took. ``RuleBroken`` when they have not, or their phone rings for it."""
    if not (await connection.execute(_LET_GO, {"id": callback, "agent": agent, "at": at})).rowcount:
        raise RuleBroken(f"callback {callback} is not yours, or is being called back now")
    await _act(connection, callback, at, "let_go", agent)


async def release_number(connection: AsyncConnection, provider: ProviderId, number: str, agent: str) -> None:
    """The number that was claimed without a callback was never dialled."""
    await connection.execute(_RELEASE_NUMBER, {"provider": provider, "number": number, "agent": agent})


async def is_being_called(connection: AsyncConnection, provider: ProviderId, number: str, at: datetime) -> str | None:
    """Who is calling this number of this provider now: an extension."""
    values = {"provider": provider, "number": number, "at": at, "since": at - LONGEST_CALL}
    found = (await connection.execute(_CALLING, values)).scalar_one_or_none()
    return None if found is None else str(found)


async def _locked(connection: AsyncConnection, callback: int) -> Any:
    """The open callback as it is, which nobody else changes or claims until this transaction ends."""
    number = (await connection.execute(_NUMBER, {"id": callback})).one_or_none()
    if number is not None:
        await lock_numbers(connection, [tuple(number)])
    found = (await connection.execute(_FOUND, {"id": callback})).one_or_none()
    if found is None:
        raise RuleBroken(f"callback {callback} is not open")
    return found


def _must_be_free(found: Any, agent: str, at: datetime) -> None:
    if found.claimed_until is not None and found.claimed_until > at and found.claimed_by != agent:
        raise RuleBroken(
            f"agent {found.claimed_by} has callback {found.id} now", "refusal.taken", agent=found.claimed_by
        )


def _must_not_be_dialled(found: Any, at: datetime) -> None:
    if found.dialling_until is not None and found.dialling_until > at:
        raise RuleBroken(f"callback {found.id} is being called back already", "refusal.being_called_back")


async def _must_not_ring(connection: AsyncConnection, provider: int, number: str, at: datetime) -> None:
    caller = await is_being_called(connection, ProviderId(provider), number, at)
    if caller is not None:
        raise RuleBroken(f"agent {caller} is calling {number} already", "refusal.calls_it", agent=caller, number=number)


async def _act(connection: AsyncConnection, callback: int, at: datetime, act: str, who: str) -> None:
    await connection.execute(_ACT, {"id": callback, "at": at, "act": act, "who": who})
    await tell(connection, Topic.CALLBACKS)


_NUMBER = text("SELECT provider_id, number FROM callback WHERE id = :id")
_FOUND = text(
    "SELECT id, provider_id, number, callable, claimed_by, claimed_until, dialling_until, next_try_at, decision_since "
    "FROM callback WHERE id = :id AND closed_at IS NULL FOR UPDATE"
)
_OPEN_OF = text("SELECT id FROM callback WHERE provider_id = :provider AND number = :number AND closed_at IS NULL")
_TAKE = text(
    "UPDATE callback SET claimed_by = :agent, claimed_at = :at, claimed_until = greatest(:until, dialling_until) "
    "WHERE id = :id"
)
_CLAIM = text(
    "UPDATE callback SET claimed_by = :agent, claimed_at = :at, dialling_until = :until, "
    "claimed_until = greatest(:until, claimed_until) WHERE id = :id"
)
_DIAL = text(
    """
    INSERT INTO dialling AS known (provider_id, number, agent, at, until)
    VALUES (:provider, :number, :agent, :at, :until)
    ON CONFLICT (provider_id, number)
    DO UPDATE SET agent = excluded.agent, at = excluded.at, until = excluded.until WHERE known.until <= excluded.at
    """
)
_RELEASE = text(
    "UPDATE callback SET claimed_by = NULL, claimed_at = NULL, claimed_until = NULL, dialling_until = NULL "
    "WHERE id = :id AND claimed_by = :agent"
)
_LET_GO = text(f"{_RELEASE.text} AND (dialling_until IS NULL OR dialling_until <= :at)")
"""While a phone rings for it the callback guards the number: nobody else may have it until then."""
_RELEASE_NUMBER = text("DELETE FROM dialling WHERE provider_id = :provider AND number = :number AND agent = :agent")
_CALLING = text(
    """
    SELECT agent FROM (
        SELECT coalesce(agents[1], '') AS agent, arrived_at AS at FROM call
        WHERE provider_id = :provider AND number = :number AND direction = 'out' AND outcome IS NULL
            AND arrived_at > :since
        UNION ALL
        SELECT agent, at FROM dialling WHERE provider_id = :provider AND number = :number AND until > :at
        UNION ALL
        SELECT claimed_by, claimed_at FROM callback WHERE provider_id = :provider AND number = :number
            AND closed_at IS NULL AND dialling_until > :at
    ) AS calling ORDER BY at LIMIT 1
    """
)
_ACT = text(
    "INSERT INTO callback_act (callback_id, provider_id, at, act, who) "
    "SELECT id, provider_id, :at, :act, :who FROM callback WHERE id = :id"
)
