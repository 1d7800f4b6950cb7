"""What one caller lived through: stages, phones that rang, people they talked with. Pure; told by ``story``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from callcenter.calls.outcome import CallOutcome, Ending, HangupBy, Stage, outcome_in, outcome_out
from callcenter.calls.record import Begun, CallRecord, Direction, MinTalk, Segment, SegmentKind, moment
from callcenter.words import LinkedId, UniqueId

RING_JUST_OVER_S: Final = 0.5
"""Asterisk stops the agents' phones some milliseconds before it hangs up the caller who left."""
HOLD: Final = "hold"
"""``CC_STAGE`` while the agent has put the caller on hold; so is who waits until a colleague was asked. It ends with
the next talk, queue or end."""
_STAGES: Final[dict[str, tuple[Stage, SegmentKind]]] = {
    "greeting": ("greeting", "greeting"),
    "question": ("question", "question"),
    "queue": ("queue", "waiting"),
}


@dataclass(slots=True)
class Leg:
    """One channel."""

    id: UniqueId
    name: str
    linkedid: LinkedId
    started_at: float
    last_at: float
    exten: str
    number: str
    caller_name: str
    whole: bool
    answered_at: float | None = None
    ended_at: float | None = None
    over: bool = False
    presumed: bool = False
    """Over by our own reckoning, not by a row of Asterisk's."""
    hangup_by: HangupBy = ""
    hangup_cause: int | None = None


@dataclass(slots=True)
class Tale:
    """The story of one caller's leg; for a call back, of the agent's own leg."""

    leg: Leg
    direction: Direction
    trunk: str
    dialled: str
    number: str
    provider_slug: str | None = None
    callback_id: int | None = None
    stage: Stage = ""
    end: str = ""
    queue: str = ""
    """The last one joined."""
    queue_said: str = ""
    queued_at: float | None = None
    connected_at: float | None = None
    recording: str | None = None
    other_cause: int | None = None
    """Why the called subscriber's leg ended, Q.850; of a call back."""
    transfers: int = 0
    died_talking: bool = False
    last_sign_at: float = 0.0
    """The last that is known of a leg whose end nobody saw."""
    bridges: set[str] = field(default_factory=set)
    rang: dict[str, None] = field(default_factory=dict)
    agents: dict[str, None] = field(default_factory=dict)
    segments: list[tuple[SegmentKind, str | None, float, float | None]] = field(default_factory=list)
    _open: dict[tuple[SegmentKind, str | None], int] = field(default_factory=dict)
    _rings: dict[UniqueId, str] = field(default_factory=dict)
    _ring_over_at: float = 0.0
    _with: frozenset[str] = frozenset()
    _last_with: frozenset[str] = frozenset()
    _talk_since: float = 0.0
    _talked_s: float = 0.0

    @property
    def last_with(self) -> frozenset[str]:
        """Whom the caller talked with last, while they talk with nobody and are on hold for nobody."""
        return frozenset() if self._with or (HOLD, None) in self._open else self._last_with

    def enters(self, stage: str, at: float) -> None:
        """The dialplan says where the caller is now."""
        if stage == HOLD:
            self._begin(HOLD, None, at)
            return
        known = _STAGES.get(stage)
        if known is None:
            return
        self._finish(HOLD, None, at)
        self.stage, kind = known
        if kind == "waiting":
            self.queue_said = ""
            self.queued_at = self.queued_at if self.queued_at is not None else at
        if (kind, None) not in self._open:
            self._leave_stage(at)
            self._begin(kind, None, at)

    def leaves_queue(self, said: str, at: float) -> None:
        self.queue_said = said
        self._leave_stage(at)

    def rings(self, leg: UniqueId, agent: str, at: float) -> None:
        self._rings[leg] = agent
        self.rang.setdefault(agent)
        self._begin("ringing", agent, at)

    def ring_over(self, leg: UniqueId, at: float) -> None:
        agent = self._rings.pop(leg, None)
        if agent is not None and agent not in self._rings.values():
            self._finish("ringing", agent, at)
            self._ring_over_at = at

    def meets(self, people: frozenset[str], at: float) -> None:
        """From now on the caller shares a bridge with these extensions."""
        if people == self._with:
            return
        for agent in sorted(self._with - people):
            self._finish("talking", agent, at)
        if people:
            self._finish(HOLD, None, at)
        if people and not self._with:
            self._talk_since = at
            self.connected_at = self.connected_at if self.connected_at is not None else at
            self._leave_stage(at)
        if self._with and not people:
            self._talked_s += max(0.0, at - self._talk_since)
        for agent in sorted(people - self._with):
            self.agents.setdefault(agent)
            self._begin("talking", agent, at)
        self._with, self._last_with = people, people or self._with

    def is_over(self, at: float, *, unseen: bool) -> None:
        """The caller's leg is over. A talk that a dying Asterisk cut is still a talk."""
        self.died_talking = unseen and bool(self._with)
        self.last_sign_at = at
        self.meets(frozenset(), at)
        for kind, agent in list(self._open):
            self._finish(kind, agent, at)

    def _leave_stage(self, at: float) -> None:
        for kind in ("greeting", "question", "waiting"):
            self._finish(kind, None, at)

    def _begin(self, kind: SegmentKind, agent: str | None, at: float) -> None:
        if (kind, agent) not in self._open:
            self._open[kind, agent] = len(self.segments)
            self.segments.append((kind, agent, at, None))

    def _finish(self, kind: SegmentKind, agent: str | None, at: float) -> None:
        index = self._open.pop((kind, agent), None)
        if index is not None:
            _, _, began, _ = self.segments[index]
            self.segments[index] = (kind, agent, began, max(began, at))

    def placed_for(self, note: str) -> None:
        """Reads ``CC_OUT``: ``<callback id>~<provider slug>~<number>``."""
        callback, _, rest = unquote(note).partition("~")
        slug, _, number = rest.partition("~")
        self.callback_id = int(callback) if callback.isascii() and callback.isdigit() and len(callback) < 18 else None
        self.provider_slug = slug or None
        self.number = self.dialled = number

    def record(self, min_talk: MinTalk, *, settled: bool) -> CallRecord:
        leg = self.leg
        ended = leg.over or leg.ended_at is not None
        ended_at = leg.ended_at if ended else None
        talked_s = self._talked_s
        since = self.queued_at if self.queued_at is not None else leg.started_at
        last_at = max(leg.last_at, self.last_sign_at if leg.presumed else 0.0)
        until = self.connected_at if self.connected_at is not None else (ended_at or last_at)
        is_waited = ended or self.connected_at is not None
        return CallRecord(
            id=leg.id,
            direction=self.direction,
            dialled=self.dialled,
            number_raw=self.number,
            caller_name=leg.caller_name if self.direction == "in" else "",
            trunk=self.trunk,
            arrived_at=moment(leg.started_at),
            answered_at=None if leg.answered_at is None else moment(leg.answered_at),
            queued_at=None if self.queued_at is None else moment(self.queued_at),
            connected_at=None if self.connected_at is None else moment(self.connected_at),
            ended_at=None if ended_at is None else moment(ended_at),
            outcome=self._outcome(min_talk, talked_s) if ended else None,
            waited_s=round(max(0.0, until - since), 3) if is_waited else None,
            talked_s=round(talked_s, 3),
            agents=tuple(self.agents),
            rang=tuple(self.rang),
            transfers=self.transfers,
            segments=tuple(
                Segment(kind, agent, moment(began), None if done is None else moment(done))
                for kind, agent, began, done in self.segments
            ),
            hangup_by=leg.hangup_by,
            hangup_cause=leg.hangup_cause,
            recording=self.recording,
            callback_id=self.callback_id,
            provider_slug=self.provider_slug,
            ended=ended,
            settled=settled,
            whole=leg.whole,
            last_at=moment(last_at),
            queue=self.queue,
            held_s=round(sum(done - began for kind, _, began, done in self.segments if kind == HOLD and done) + 0.0, 3),
        )

    def _outcome(self, min_talk: MinTalk, talked_s: float) -> CallOutcome:
        met = self.connected_at is not None
        enough = min_talk(Begun(self.direction, self.dialled, self.provider_slug)) if met else 0.0
        talked = met and (self.died_talking or talked_s >= enough)
        if self.direction == "out":
            return outcome_out(talked=talked, met=met, cause=self.other_cause)
        leg = self.leg
        ended_at = leg.ended_at or leg.last_at
        return outcome_in(
            Ending(
                talked=talked,
                met=met,
                unseen=leg.presumed,
                picked_up=leg.answered_at is not None,
                stage=self.stage,
                end=self.end,
                queue_said=self.queue_said,
                phone_rang=bool(self._rings) or ended_at - self._ring_over_at < RING_JUST_OVER_S,
                hangup_by=leg.hangup_by,
                cause=leg.hangup_cause,
            )
        )
