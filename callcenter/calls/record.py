"""A call as the ledger keeps it. Values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from callcenter.calls.outcome import CallOutcome, HangupBy
from callcenter.words import UniqueId

Direction = Literal["in", "out"]
SegmentKind = Literal["greeting", "question", "waiting", "ringing", "talking", "hold"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a call. ``agent`` is the extension that rang or talked; stretches can overlap."""

    kind: SegmentKind
    agent: str | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call as the journal tells it: an inbound call of a trunk, or an agent's call back. All times aware UTC."""

    id: UniqueId
    """The uniqueid of the caller's channel; of the agent's for a call back."""
    direction: Direction
    dialled: str
    number_raw: str
    caller_name: str
    trunk: str
    arrived_at: datetime
    answered_at: datetime | None
    """When Asterisk picked up the line, which no human did yet."""
    queued_at: datetime | None
    connected_at: datetime | None
    """When the two humans first shared a bridge."""
    ended_at: datetime | None
    """``None`` also for a call whose end nobody saw (Asterisk was killed)."""
    outcome: CallOutcome | None
    waited_s: float | None
    """Seconds from the queue, or from the arrival when it never came so far, to the human or the end."""
    talked_s: float
    agents: tuple[str, ...]
    """Extensions that talked, in order; of a call back, the agent who placed it."""
    rang: tuple[str, ...]
    """Extensions whose phone rang for this call, in order."""
    transfers: int
    segments: tuple[Segment, ...]
    hangup_by: HangupBy
    hangup_cause: int | None
    recording: str | None
    callback_id: int | None
    provider_slug: str | None
    """Of a call back only; whose an inbound call is, the dialled number says."""
    ended: bool
    """The caller's leg is over."""
    settled: bool
    """No leg of it is alive: no more rows are expected."""
    whole: bool
    """False when the row of its beginning was lost."""
    last_at: datetime
    """The last row of the caller's own leg."""
    queue: str = ""
    """The last queue it joined."""
    held_s: float = 0.0
    """Seconds with music since the first talk: on hold by the page's button, or while a colleague was asked."""

    @property
    def missed_at(self) -> datetime:
        """When it was over for the caller, as well as that is known."""
        return self.ended_at or self.last_at


@dataclass(frozen=True, slots=True)
class Begun:
    """What is known of a call from its beginning: enough to find its provider."""

    direction: Direction
    dialled: str
    provider_slug: str | None


MinTalk = Callable[[Begun], float]
"""The shortest talk, in seconds, that counts as answered, for a call that began so."""


def a_second(_begun: Begun) -> float:
    return 1.0


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
