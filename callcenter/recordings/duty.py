"""Which calls owe a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.entry import LedgerEntry
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord


def owes_a_recording(call: CallRecord) -> bool:
    """Every conversation is recorded; one that was cut short is a conversation too."""
    return call.outcome in {CallOutcome.ANSWERED, CallOutcome.CUT_SHORT} and call.ended


class _Expect:
    """Owes each conversation's recording in the call's own transaction: the ledger's hook.

    It may run again for the same call; one that turns out to have been missed owes none any more.
    """

    async def __call__(self, connection: AsyncConnection, entry: LedgerEntry) -> None:
        await self.of_many(connection, [entry])

    async def of_many(self, connection: AsyncConnection, entries: Sequence[LedgerEntry]) -> None:
        """All of a transaction at once."""
        ended = [entry for entry in entries if entry.call.ended]
        owed = [_owed(entry) for entry in ended if owes_a_recording(entry.call)]
        free = [entry.call.id for entry in ended if not owes_a_recording(entry.call)]
        if owed:
            await connection.execute(_EXPECT, owed)
        if free:
            await connection.execute(_OWES_NONE, {"calls": free})


expect: Final = _Expect()


def _owed(entry: LedgerEntry) -> dict[str, Any]:
    call = entry.call
    return {
        "call": call.id, "provider": entry.provider.id, "source": call.recording or call.id,
        "talked": call.talked_s, "at": call.missed_at,
    }  # fmt: skip


_EXPECT = text(
    """
    INSERT INTO recording (call_id, provider_id, source, talked_s, expected_at)
    VALUES (:call, :provider, :source, :talked, :at)
    ON CONFLICT (call_id) DO UPDATE
    SET talked_s = excluded.talked_s, source = excluded.source, expected_at = excluded.expected_at
    WHERE recording.state = 'expected'
    """
)
_OWES_NONE = text("DELETE FROM recording WHERE call_id = ANY(CAST(:calls AS text[])) AND state = 'expected'")
