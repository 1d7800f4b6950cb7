"""What the live view tells: past tense, frozen, a closed union. ``call`` is the Uniqueid of the caller's own leg.

These light screens. None of them decides an outcome: the journal does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from callcenter.ami.events import Leg
from callcenter.words import LinkedId, UniqueId


@dataclass(frozen=True, slots=True)
class CallArrived:
    """A subscriber's call came in. ``did`` is what the trunk dialled, with its plus once the dialplan has said it."""

    call: UniqueId
    did: str
    caller_num: str
    caller_name: str
    linkedid: LinkedId
    at: datetime


@dataclass(frozen=True, slots=True)
class CallerJoinedQueue:
    call: UniqueId
    queue: str
    position: int


@dataclass(frozen=True, slots=True)
class AgentRang:
    """An agent's phone began to ring for this call, by the queue or by a transfer; ``leg`` is the phone's channel."""

    call: UniqueId
    agent: str
    leg: UniqueId


@dataclass(frozen=True, slots=True)
class AgentDidNotAnswer:
    """The phone rang out, or the agent refused."""

    call: UniqueId
    agent: str


@dataclass(frozen=True, slots=True)
class RingEnded:
    """The phone stopped ringing through nobody's fault: another agent answered, or the caller left."""

    call: UniqueId
    agent: str


@dataclass(frozen=True, slots=True)
class AgentAnswered:
    """The agent talks with the caller now, whoever rang before: after a transfer the card moves here."""

    call: UniqueId
    agent: str


@dataclass(frozen=True, slots=True)
class AgentHeld:
    call: UniqueId
    agent: str


@dataclass(frozen=True, slots=True)
class AgentUnheld:
    call: UniqueId
    agent: str


@dataclass(frozen=True, slots=True)
class LegSpoke:
    """Of a leg that was listened to something was heard."""

    leg: UniqueId


@dataclass(frozen=True, slots=True)
class CallTransferred:
    """An agent handed the caller on; ``to`` is the extension, an agent's own where it is one."""

    call: UniqueId
    to: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    call: UniqueId


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """An agent's place in one queue. ``status``: one of ``events.MEMBER_STATUS``, or ``removed``."""

    queue: str
    agent: str
    paused: bool
    status: str
    reason: str = ""
    penalty: int = 0


@dataclass(frozen=True, slots=True)
class PhoneStateChanged:
    """``status`` is one of ``events.MEMBER_STATUS``: not_inuse, ringing, inuse, onhold, unavailable…"""

    agent: str
    status: str


@dataclass(frozen=True, slots=True)
class PhoneContact:
    """A phone that registers is there, or is gone; told at each change."""

    agent: str
    there: bool


@dataclass(frozen=True, slots=True)
class DutyCodeDialled:
    """An agent says by phone what they are on duty as: Asterisk follows at once, the journal has the order."""

    agent: str


@dataclass(frozen=True, slots=True)
class LinkLost:
    """What screens show is as it was then."""

    since: datetime


@dataclass(frozen=True, slots=True)
class LinkRestored:
    """The picture has been read, for the first time or anew; what follows brings screens up to it."""


LiveFact: TypeAlias = (
    CallArrived
    | CallerJoinedQueue
    | AgentRang
    | AgentDidNotAnswer
    | RingEnded
    | AgentAnswered
    | AgentHeld
    | AgentUnheld
    | LegSpoke
    | CallTransferred
    | CallEnded
    | MemberChanged
    | PhoneStateChanged
    | PhoneContact
    | DutyCodeDialled
    | LinkLost
    | LinkRestored
)


@dataclass(frozen=True, slots=True)
class Ring:
    agent: str
    leg: UniqueId


@dataclass(frozen=True, slots=True)
class LiveCall:
    """One call as it stands now: what a page that has just been opened must show.

    ``queue`` is the last one joined; ``position`` is the place there when the caller joined, ``None`` when not waiting.
    """

    call: UniqueId
    did: str
    provider: str
    caller_num: str
    caller_name: str
    linkedid: LinkedId
    since: datetime
    queue: str
    position: int | None
    ringing: tuple[Ring, ...]
    talking: tuple[str, ...]
    held: bool
    """Some agent has put the caller on hold: by the phone, by the page's button, or to ask a colleague."""
    holders: tuple[str, ...] = ()
    """Who has, whether they share a bridge with the caller meanwhile or not."""


@dataclass(frozen=True, slots=True)
class Line:
    """An agent's part in a call: the own leg, whose leg is at the other end, and a colleague who is asked meanwhile."""

    agent: str
    call: UniqueId
    """As the ledger names it: the caller's leg, the agent's own in a call of their making."""
    provider: str
    """The slug of whose call it is; empty between colleagues."""
    leg: Leg
    other: Leg
    held: bool
    """``other`` hears music."""
    asked: str = ""
    """Extension of the colleague who is asked, or whose phone rings for it."""
    asked_talks: bool = False
