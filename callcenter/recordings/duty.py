"""Which calls owe a recording."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.entry import LedgerEntry
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord


def owes_a_recording(call: CallRecord) -> bool:
    """Every conversation is recorded; one that was cut short is a conversation too."""
    return call.outcome in {CallOutcome.ANSWERED, CallOutcome.CUT_SHORT} and call.ended


async def expect(connection: AsyncConnection, entry: LedgerEntry) -> None:
    """The ledger's hook: owes the call's recording in the call's own transaction. May run again for the same call."""
    call = entry.call
    if owes_a_recording(call):
        await connection.execute(
            _EXPECT,
            {
                "call": call.id, "provider": entry.provider.id, "source": call.recording or call.id,
                "talked": call.talked_s, "at": call.missed_at,
            },
        )  # fmt: skip
    elif call.ended:
        await connection.execute(_OWES_NONE, {"call": call.id})


_EXPECT = text(
    """
    INSERT INTO recording (call_id, provider_id, source, talked_s, expected_at)
    VALUES (:call, :provider, :source, :talked, :at)
    ON CONFLICT (call_id) DO UPDATE
    SET talked_s = excluded.talked_s, source = excluded.source, expected_at = excluded.expected_at
    WHERE recording.state = 'expected'
    """
)
_OWES_NONE = text("DELETE FROM recording WHERE call_id = :call AND state = 'expected'")
