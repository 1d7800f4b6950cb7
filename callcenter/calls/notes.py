"""What agents wrote down of a call: why the subscriber called, and a note; each agent one of a call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.words import ProviderId, UniqueId

LONGEST_NOTE = 4000


@dataclass(frozen=True, slots=True)
class CallNote:
    """One agent's words of one call. ``reason`` is a code of the provider's list, or empty."""

    call: UniqueId
    agent: str
    """Extension."""
    reason: str
    note: str
    at: datetime

    @property
    def is_blank(self) -> bool:
        return not self.reason and not self.note


async def provider_of_call(connection: AsyncConnection, call: UniqueId) -> ProviderId | None:
    """Whose call it is; ``None`` outside the transaction's scope, and before the ledger knows the call."""
    found = (await connection.execute(_PROVIDER, {"call": call})).scalar_one_or_none()
    return None if found is None else ProviderId(found)


async def save(connection: AsyncConnection, note: CallNote) -> bool:
    """Keeps an agent's words of a call, the latest over the earlier; what was emptied is forgotten.

    False when this scope knows no such call, or the ledger has not written it yet.
    """
    values = {"call": note.call, "agent": note.agent, "reason": note.reason, "note": note.note, "at": note.at}
    if note.is_blank:
        await connection.execute(_FORGET, {"call": note.call, "agent": note.agent})
        return await provider_of_call(connection, note.call) is not None
    return (await connection.execute(_SAVE, values)).rowcount > 0


async def of_calls(connection: AsyncConnection, calls: Iterable[UniqueId]) -> dict[UniqueId, tuple[CallNote, ...]]:
    """What was written of each of these calls, the earliest first; calls without a word are left out."""
    found: dict[UniqueId, tuple[CallNote, ...]] = {}
    for row in await connection.execute(_OF_CALLS, {"calls": list(calls)}):
        note = CallNote(UniqueId(row.call_id), row.agent, row.reason, row.note, row.at)
        found[note.call] = (*found.get(note.call, ()), note)
    return found


async def of_agent(connection: AsyncConnection, call: UniqueId, agent: str) -> CallNote | None:
    """What this agent wrote of this call."""
    return next((note for note in (await of_calls(connection, [call])).get(call, ()) if note.agent == agent), None)


_PROVIDER = text("SELECT provider_id FROM call WHERE id = :call AND provider_id IS NOT NULL")
_SAVE = text(
    """
    INSERT INTO call_note (call_id, agent, provider_id, reason, note, at)
    SELECT id, :agent, provider_id, :reason, :note, :at FROM call WHERE id = :call AND provider_id IS NOT NULL
    ON CONFLICT (call_id, agent) DO UPDATE SET reason = excluded.reason, note = excluded.note, at = excluded.at
    """
)
_FORGET = text("DELETE FROM call_note WHERE call_id = :call AND agent = :agent")
_OF_CALLS = text(
    "SELECT call_id, agent, reason, note, at FROM call_note WHERE call_id = ANY(CAST(:calls AS text[])) ORDER BY at"
)
