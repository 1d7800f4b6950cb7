"""What a missed call obliges us to. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord


def is_owed_a_callback(outcome: CallOutcome | None) -> bool:
    """A caller who never reached a human is owed a callback, whatever stage their call ended in.

    Also one who met an agent for less than the provider's minimum: that is no conversation. And one whose DID Asterisk
    did not know although it is a provider's: it was too new, and that is ours to make good.
    """
    return outcome is not None and outcome is not CallOutcome.ANSWERED


def due_at(missed_at: datetime, within: timedelta) -> datetime:
    """A caller is called back within the time their provider promises, counted from the call they lost."""
    return missed_at + within


def is_missed(call: CallRecord) -> bool:
    """An inbound call that is over and owed a callback."""
    return call.direction == "in" and call.ended and is_owed_a_callback(call.outcome)


def is_proof(call: CallRecord) -> bool:
    """Only a conversation pays a callback: the caller got through by themselves, or our call back was answered."""
    return call.ended and call.outcome is CallOutcome.ANSWERED and call.connected_at is not None
