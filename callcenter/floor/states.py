"""What an agent is at: status, phone and call are three things, and what is shown follows from them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias


class AgentStatus(StrEnum):
    """What an agent is on duty as: it is theirs or a supervisor's word, kept in the database."""

    SIGNED_OUT = "signed_out"
    READY = "ready"
    PAUSED = "paused"
    WRAP_UP = "wrap_up"


class AgentState(StrEnum):
    """What is shown of an agent."""

    OFFLINE = "offline"
    READY = "ready"
    RINGING = "ringing"
    TALKING = "talking"
    ON_HOLD = "on_hold"
    WRAP_UP = "wrap_up"
    PAUSED = "paused"
    UNREACHABLE = "unreachable"


NO_ANSWER = "no_answer"
"""The reason of a pause that an agent did not ask for: calls rang and nobody picked up."""
WRAP_UP_REASON = "wrap_up"
"""The reason Asterisk is told for the work after a call."""
PHONE = "phone"
"""The reason of a pause that was taken by a code on the phone."""
PHONE_GONE = frozenset({"unavailable", "invalid", "unknown"})
PHONE_BUSY = frozenset({"inuse", "busy", "ringinuse", "onhold"})


@dataclass(frozen=True, slots=True)
class Duty:
    """What one agent is on duty as; an agent never heard of is signed out."""

    extension: str
    status: AgentStatus = AgentStatus.SIGNED_OUT
    reason: str = ""
    """The code of the pause's reason."""
    since: datetime | None = None
    until: datetime | None = None
    """The end of the wrap-up, or the limit of the pause."""
    call: str = ""
    """The call that is wrapped up."""
    unanswered: int = 0
    """Rings in a row that nobody answered."""

    @property
    def is_signed_in(self) -> bool:
        return self.status is not AgentStatus.SIGNED_OUT


class OnCall(StrEnum):
    """What the live view says of an agent's calls."""

    NOTHING = "nothing"
    RINGING = "ringing"
    TALKING = "talking"
    ON_HOLD = "on_hold"


def shown(duty: Duty, phone: str, call: OnCall) -> AgentState:
    """A call shows over everything; a phone that is gone shows over what its agent says of themselves.

    ``phone`` is one of ``ami.events.MEMBER_STATUS``, or empty where nothing was told.
    """
    match call:
        case OnCall.RINGING:
            return AgentState.RINGING
        case OnCall.TALKING:
            return AgentState.TALKING
        case OnCall.ON_HOLD:
            return AgentState.ON_HOLD
        case OnCall.NOTHING:
            pass
    if phone in PHONE_BUSY:
        return AgentState.TALKING
    if not duty.is_signed_in:
        return AgentState.OFFLINE
    if phone in PHONE_GONE:
        return AgentState.UNREACHABLE
    match duty.status:
        case AgentStatus.WRAP_UP:
            return AgentState.WRAP_UP
        case AgentStatus.PAUSED:
            return AgentState.PAUSED
        case _:
            return AgentState.READY


# ---- what Asterisk must be told


@dataclass(frozen=True, slots=True)
class Seat:
    """An agent's place in one queue, as it is to be or as Asterisk has it."""

    queue: str
    extension: str
    penalty: int
    paused: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Add:
    seat: Seat


@dataclass(frozen=True, slots=True)
class Remove:
    queue: str
    extension: str


@dataclass(frozen=True, slots=True)
class Pause:
    queue: str
    extension: str
    paused: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Weigh:
    """Another penalty."""

    queue: str
    extension: str
    penalty: int


Step: TypeAlias = Add | Remove | Pause | Weigh


def extension_of(step: Step) -> str:
    """Whose place it changes."""
    return step.seat.extension if isinstance(step, Add) else step.extension


def takes_calls(step: Step) -> bool:
    """An agent comes to a queue, or is ready again: from now on callers are given to them."""
    match step:
        case Add(seat):
            return not seat.paused
        case Pause():
            return not step.paused
        case _:
            return False


def seats_wanted(duties: Mapping[str, Duty], serving: Iterable[tuple[str, str, int]]) -> dict[tuple[str, str], Seat]:
    """Who is signed in sits in each queue they serve, paused unless they are ready.

    ``serving`` is (queue, agent, penalty).
    """
    wanted = {}
    for queue, extension, penalty in serving:
        duty = duties.get(extension)
        if duty is None or not duty.is_signed_in:
            continue
        ready = duty.status is AgentStatus.READY
        reason = "" if ready else WRAP_UP_REASON if duty.status is AgentStatus.WRAP_UP else duty.reason
        wanted[queue, extension] = Seat(queue, extension, penalty, not ready, reason)
    return wanted


def steps_to(
    wanted: Mapping[tuple[str, str], Seat],
    there: Mapping[tuple[str, str], Seat],
    ours: Iterable[str],
    *,
    not_yet: Iterable[str] = (),
) -> list[Step]:
    """What brings Asterisk's queues to what is wanted; queues that are not ours are let be.

    ``not_yet`` are agents who are ready and must stay paused for now: something else rings them first.
    """
    queues, held = frozenset(ours), frozenset(not_yet)
    steps: list[Step] = [
        Remove(queue, extension) for queue, extension in there if queue in queues and (queue, extension) not in wanted
    ]
    for key, seat in wanted.items():
        has = there.get(key)
        stays = seat.extension in held and not seat.paused
        if has is None:
            steps.append(Add(Seat(seat.queue, seat.extension, seat.penalty, True, seat.reason) if stays else seat))
            continue
        if has.penalty != seat.penalty:
            steps.append(Weigh(seat.queue, seat.extension, seat.penalty))
        if (has.paused, has.reason if has.paused else "") != (seat.paused, seat.reason) and not (stays and has.paused):
            steps.append(Pause(seat.queue, seat.extension, seat.paused, seat.reason))
    return steps
