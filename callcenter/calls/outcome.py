"""How a call ended, in one word. Pure: what the journal says of one caller goes in, the word comes out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

SWITCH_CONGESTION: Final = 42
"""Q.850 cause of a call that Asterisk refused because ``maxcalls`` was reached; no dialplan row precedes it."""
USER_BUSY: Final = 17
_NOT_ANSWERED: Final = frozenset({0, 16, 18, 19, 21, 26, 127})


class CallOutcome(StrEnum):
    ANSWERED = "answered"
    LEFT_BEFORE_ANSWER = "left_before_answer"
    LEFT_IN_GREETING = "left_in_greeting"
    LEFT_WAITING = "left_waiting"
    LEFT_RINGING = "left_ringing"
    QUEUE_TIMEOUT = "queue_timeout"
    QUEUE_FULL = "queue_full"
    QUEUE_EMPTY = "queue_empty"
    LINES_FULL = "lines_full"
    REFUSED = "refused"
    CLOSED = "closed"
    UNKNOWN_DID = "unknown_did"
    ASKED_CALLBACK = "asked_callback"
    CUT_SHORT = "cut_short"
    LOST = "lost"
    FAILED = "failed"
    NO_ANSWER = "no_answer"
    BUSY = "busy"


HangupBy = Literal["caller", "agent", "pbx", ""]
Stage = Literal["", "greeting", "question", "queue"]

_QUEUE_SAID: Final = {
    "TIMEOUT": CallOutcome.QUEUE_TIMEOUT,
    "FULL": CallOutcome.QUEUE_FULL,
    "JOINEMPTY": CallOutcome.QUEUE_EMPTY,
    "LEAVEEMPTY": CallOutcome.QUEUE_EMPTY,
    "JOINUNAVAIL": CallOutcome.QUEUE_EMPTY,
    "LEAVEUNAVAIL": CallOutcome.QUEUE_EMPTY,
}
_ENDS: Final = {
    "closed": CallOutcome.CLOSED,
    "lines_full": CallOutcome.LINES_FULL,
    "unknown_did": CallOutcome.UNKNOWN_DID,
    "asked": CallOutcome.ASKED_CALLBACK,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a call when its caller's leg is over."""

    talked: bool
    """They were in one bridge with an agent for at least the provider's minimum."""
    met: bool
    """They were in one bridge with an agent, however short."""
    unseen: bool
    """Nobody saw the end: Asterisk died, or the rows are missing."""
    picked_up: bool
    """Asterisk answered the line."""
    stage: Stage
    end: str
    """The dialplan's named end (``CC_END``)."""
    queue_said: str
    """``QUEUESTATUS`` after the last queue (``CC_QUEUE``)."""
    phone_rang: bool
    """An agent's phone was ringing when the caller's leg ended."""
    hangup_by: HangupBy
    cause: int | None


def outcome_in(ending: Ending) -> CallOutcome:
    """A call is answered when caller and agent shared a bridge long enough; any other inbound call was missed."""
    if ending.talked:
        return CallOutcome.ANSWERED
    if ending.met:
        return CallOutcome.CUT_SHORT
    if ending.end in _ENDS:
        return _ENDS[ending.end]
    if ending.unseen:
        return CallOutcome.LOST
    if ending.queue_said in _QUEUE_SAID:
        return _QUEUE_SAID[ending.queue_said]
    if not (ending.picked_up or ending.stage) and ending.cause == SWITCH_CONGESTION:
        return CallOutcome.REFUSED
    if ending.hangup_by == "pbx":
        return CallOutcome.FAILED
    return _left(ending)


def _left(ending: Ending) -> CallOutcome:
    if ending.stage == "queue":
        return CallOutcome.LEFT_RINGING if ending.phone_rang else CallOutcome.LEFT_WAITING
    if ending.picked_up or ending.stage:
        return CallOutcome.LEFT_IN_GREETING
    return CallOutcome.LEFT_BEFORE_ANSWER


def outcome_out(*, talked: bool, met: bool, cause: int | None) -> CallOutcome:
    """A call back reached the subscriber when they shared a bridge with the agent long enough."""
    if talked:
        return CallOutcome.ANSWERED
    if met:
        return CallOutcome.CUT_SHORT
    if cause == USER_BUSY:
        return CallOutcome.BUSY
    return CallOutcome.NO_ANSWER if cause is None or cause in _NOT_ANSWERED else CallOutcome.FAILED
