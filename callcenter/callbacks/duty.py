"""What a missed call obliges us to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord
from callcenter.routing.book import Provider
from callcenter.routing.hours import Calendar

REPEAT_IS_WORTH: Final = timedelta(minutes=5)
"""How much earlier each repeated miss puts a callback in the line."""
SOON: Final = timedelta(minutes=15)

Result = Literal["answered", "cut_short", "no_answer", "busy", "failed"]
Said = Literal["", "voicemail", "wrong_number"]
"""What the agent heard at the other end of a call back, when it was not the subscriber."""
ActKind = Literal["taken", "calling", "let_go", "try_again", "closed", "place_lost"]
"""What people do with a callback, and what is written down of it."""
CloseReason = Literal["wrong_number", "unreachable", "not_wanted", "no_number"]
CLOSE_REASONS: Final[tuple[CloseReason, ...]] = ("unreachable", "wrong_number", "not_wanted", "no_number")
"""Why a person may end a callback that no conversation has paid."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one provider promises to those it missed, and how it wants them called back."""

    calendar: Calendar
    within: timedelta
    """How much working time may pass before a missed caller is called back."""
    attempts: int
    every: timedelta
    talk_s: float

    @classmethod
    def of(cls, provider: Provider) -> Terms:
        return cls(
            provider.calendar,
            provider.callback_within,
            provider.callback_attempts,
            provider.callback_every,
            provider.callback_talk_s,
        )

    def due_at(self, missed_at: datetime) -> datetime:
        """A caller is called back within the working time their provider promises, counted from the call they lost.

        A miss outside the working hours waits for them to begin; holidays and the turning of clocks are counted right.
        """
        return self.calendar.after(missed_at, self.within)


class Urgency(StrEnum):
    """What is left of a promise."""

    OK = "ok"
    SOON = "soon"
    OVERDUE = "overdue"


def urgency(due_at: datetime, now: datetime) -> Urgency:
    """A promise whose time is past is overdue and stays so: it never expires. Its last quarter of an hour is soon."""
    if due_at < now:
        return Urgency.OVERDUE
    return Urgency.SOON if due_at - now < SOON else Urgency.OK


def rank_at(due_at: datetime, misses: int) -> datetime:
    """The nearest promise is called first; each further call in vain of the caller counts as five minutes less."""
    return due_at - (misses - 1) * REPEAT_IS_WORTH


def is_owed_a_callback(outcome: CallOutcome | None) -> bool:
    """A caller who never reached a human is owed a callback, whatever stage their call ended in.

    Also one who met an agent for less than the provider's minimum: that is no conversation. And one whose DID Asterisk
    did not know although it is a provider's: it was too new, and that is ours to make good.
    """
    return outcome is not None and outcome is not CallOutcome.ANSWERED


def is_missed(call: CallRecord) -> bool:
    """An inbound call that is over and owed a callback."""
    return call.direction == "in" and call.ended and is_owed_a_callback(call.outcome)


def is_talk(call: CallRecord) -> bool:
    """The caller got through to a human by themselves: that pays what they were owed."""
    return (
        call.direction == "in" and call.ended and call.outcome is CallOutcome.ANSWERED and call.connected_at is not None
    )


def result_of(outcome: str, talked_s: float, talk_s: float) -> Result:
    """A call of ours has reached the subscriber when they talked as long as their provider demands, and not otherwise.

    The journal says so, not a click: ``outcome`` and ``talked_s`` are its words.
    """
    if outcome == CallOutcome.ANSWERED:
        return "answered" if talked_s >= talk_s else "cut_short"
    if outcome == CallOutcome.CUT_SHORT:
        return "cut_short"
    if outcome == CallOutcome.BUSY:
        return "busy"
    return "no_answer" if outcome == CallOutcome.NO_ANSWER else "failed"
