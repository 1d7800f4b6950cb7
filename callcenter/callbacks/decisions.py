"""What people say and decide of a callback: a voice mail took the call, it is tried again, it ends with a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.claims import is_being_called
from callcenter.callbacks.duty import CLOSE_REASONS, CloseReason, Said
from callcenter.callbacks.paying import lock_numbers, settle_number
from callcenter.errors import RuleBroken
from callcenter.store.notices import Topic, tell
from callcenter.words import ProviderId, UniqueId

LONGEST_NOTE: Final = 1000


async def said(connection: AsyncConnection, call: UniqueId, word: Said, who: str, at: datetime) -> None:
    """A voice mail or a stranger at the other end is no conversation: what this call had paid is owed again.

    A wrong number waits for the lead's decision. ``''`` takes the word back. Said of a call that goes on, it is
    remembered. Raises ``RuleBroken`` when the call is no call back that is known here.
    """
    found = (await connection.execute(_CALL, {"call": call})).one_or_none()
    if found is None:
        raise RuleBroken(f"call {call} is no call back")
    await lock_numbers(connection, [(found.provider_id, found.number)])
    values = {"call": call, "word": word, "who": who if word else "", "at": at if word else None}
    if not (await connection.execute(_SAY, values)).rowcount and not (await connection.execute(_NOTE, values)).rowcount:
        raise RuleBroken(f"call {call} is no call back")
    await settle_number(connection, (found.provider_id, found.number), found.since)


async def try_again(connection: AsyncConnection, callback: int, who: str, at: datetime, note: str = "") -> None:
    """The lead has it called again, at once and as many times as before. Raises ``RuleBroken`` when it is not open."""
    found = await _open(connection, callback)
    await _act(connection, callback, at, "try_again", who, note)
    await settle_number(connection, (found.provider_id, found.number), found.opened_at)


async def close_with(
    connection: AsyncConnection, callback: int, reason: CloseReason, note: str, who: str, at: datetime
) -> None:
    """What no conversation has paid ends with a reason, a name and a note, and never otherwise.

    Raises ``RuleBroken`` without a note, for a callback that is not open or being called now, and for ``no_number``
    when there is one.
    """
    if reason not in CLOSE_REASONS:
        raise RuleBroken(f"{reason} is no reason to end a callback: {', '.join(CLOSE_REASONS)}")
    if not note.strip() or not who.strip():
        raise RuleBroken("a callback ends with a note and a name")
    found = await _open(connection, callback)
    if reason == "no_number" and found.callable:
        raise RuleBroken(f"callback {callback} has a number that can be called")
    calling = await is_being_called(connection, ProviderId(found.provider_id), found.number, at)
    if calling is not None and found.callable:
        raise RuleBroken(f"agent {calling} is calling {found.number} now")
    values = {"id": callback, "reason": reason, "note": note.strip()[:LONGEST_NOTE], "who": who, "at": at}
    await connection.execute(_CLOSE, values)
    await _act(connection, callback, at, "closed", who, note.strip()[:LONGEST_NOTE])
    await tell(connection, Topic.CALLBACKS)


async def lose_place(connection: AsyncConnection, callback: int, at: datetime, why: str = "") -> None:
    """The kept place could not be given to any agent: from now on it is a callback like any other."""
    found = await _open(connection, callback)
    await _act(connection, callback, at, "place_lost", "", why)
    await settle_number(connection, (found.provider_id, found.number), found.opened_at)


async def _open(connection: AsyncConnection, callback: int) -> Any:
    number = (await connection.execute(_NUMBER, {"id": callback})).one_or_none()
    if number is not None:
        await lock_numbers(connection, [tuple(number)])
    found = (await connection.execute(_FOUND, {"id": callback})).one_or_none()
    if found is None:
        raise RuleBroken(f"callback {callback} is not open")
    return found


async def _act(connection: AsyncConnection, callback: int, at: datetime, act: str, who: str, note: str) -> None:
    values = {"id": callback, "at": at, "act": act, "who": who, "note": note[:LONGEST_NOTE]}
    await connection.execute(_ACT, values)


_CALL = text(
    """
    SELECT provider_id, number, least(arrived_at, connected_at) AS since FROM call
    WHERE id = :call AND direction = 'out' AND provider_id IS NOT NULL
    """
)
_SAY = text("UPDATE callback_attempt SET said = :word, said_by = :who, said_at = :at WHERE call_id = :call")
_NOTE = text(
    """
    INSERT INTO callback_attempt
        (call_id, callback_id, provider_id, agent, at, answered, result, said, said_by, said_at)
    SELECT call.id, owed.id, call.provider_id, coalesce(call.agents[1], ''), call.arrived_at, false, '', :word, :who,
        :at
    FROM call JOIN callback owed ON owed.provider_id = call.provider_id AND owed.number = call.number
        AND owed.closed_at IS NULL
    WHERE call.id = :call AND call.outcome IS NULL
    """
)
"""The call goes on: what becomes of it, the journal will say."""
_NUMBER = text("SELECT provider_id, number FROM callback WHERE id = :id")
_FOUND = text(
    "SELECT provider_id, number, callable, opened_at FROM callback WHERE id = :id AND closed_at IS NULL FOR UPDATE"
)
_CLOSE = text(
    "UPDATE callback SET closed_at = :at, closed_reason = :reason, close_note = :note, closed_by = :who, "
    "claimed_by = NULL, claimed_at = NULL, claimed_until = NULL, dialling_until = NULL, next_try_at = NULL, "
    "decision_since = NULL, kept_queue = NULL, kept_since = NULL WHERE id = :id"
)
_ACT = text(
    "INSERT INTO callback_act (callback_id, provider_id, at, act, who, note) "
    "SELECT id, provider_id, :at, :act, :who, :note FROM callback WHERE id = :id"
)
