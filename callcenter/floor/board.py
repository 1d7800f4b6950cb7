"""Who does what now: agents and queues as duty and the live link show them, each state with its beginning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from callcenter.ami.facts import Line, LinkLost, LinkRestored, LiveCall, LiveFact
from callcenter.ami.live import LiveView
from callcenter.floor.states import AgentState, AgentStatus, Duty, OnCall, shown
from callcenter.routing.book import Book
from callcenter.words import Clock, ProviderId, UniqueId


@dataclass(frozen=True, slots=True)
class AgentNow:
    """An agent at this moment."""

    extension: str
    state: str
    """One of ``floor.states.AgentState``."""
    since: datetime | None
    reason: str = ""
    """Why they are paused: a code of the house's list, or ``no_answer``."""
    provider: ProviderId | None = None
    """Whose call it is, when there is one."""
    call: UniqueId | None = None
    """As the ledger names it: the caller's leg, the agent's own in a call of their making."""
    until: datetime | None = None
    """The end of the wrap-up, or the limit of the pause."""
    asked: str = ""
    """Extension of the colleague they ask while the caller waits."""


@dataclass(frozen=True, slots=True)
class QueueNow:
    """A provider's queue at this moment."""

    name: str
    waiting: int
    longest_since: datetime | None
    """When the caller who waits longest joined."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The present picture; ``linked`` is False while the link to the PBX is cut and the picture is old."""

    linked: bool
    since: datetime | None
    agents: tuple[AgentNow, ...] = ()
    queues: tuple[QueueNow, ...] = ()
    lines: Mapping[ProviderId, int] = field(default_factory=dict)
    """How many callers each provider's lines hold: counted as Asterisk counts them against its limit."""


def on_call(extension: str, calls: Iterable[LiveCall], *, on_a_line: bool) -> tuple[OnCall, LiveCall | None]:
    """What the live view says of an agent: talking, on hold, ringing, or on a line for something else."""
    ringing: LiveCall | None = None
    for call in calls:
        if extension in call.holders:
            return OnCall.ON_HOLD, call
        if extension in call.talking:
            return OnCall.TALKING, call
        if any(ring.agent == extension for ring in call.ringing):
            ringing = call
    if ringing is not None:
        return OnCall.RINGING, ringing
    return OnCall.TALKING if on_a_line else OnCall.NOTHING, None


class Board:
    """Keeps since when each agent is in their state; everything else is asked of the live view when it is shown."""

    def __init__(self, view: LiveView, book: Callable[[], Book], duty: Callable[[str], Duty], clock: Clock) -> None:
        self._view = view
        self._book = book
        self._duty = duty
        self._clock = clock
        self._linked = False
        self._since: datetime | None = None
        self._states: dict[str, tuple[str, str, datetime]] = {}
        self._joined: dict[str, datetime] = {}

    def remember(self, states: Mapping[str, tuple[str, str, datetime]]) -> None:
        """What was known before this service started: who is in the same state still, is in it since then."""
        self._states = {**states, **self._states}

    def on_fact(self, fact: LiveFact) -> None:
        """One fact of the live link, in order; quick, and raises nothing."""
        if isinstance(fact, LinkLost):
            self._linked, self._since = False, fact.since
        elif isinstance(fact, LinkRestored):
            self._linked, self._since = True, self._clock()

    def snapshot(self) -> Snapshot:
        """The present picture; between two of them each state keeps the moment at which it was first seen."""
        now, book, view = self._clock(), self._book(), self._view
        calls, phones, lines = view.calls(), view.phones(), view.agents_on_a_line()
        theirs = _calls_of(calls)
        agents = []
        for agent in book.agents:
            extension = agent.extension
            duty = self._duty(extension)
            doing, call = on_call(extension, theirs.get(extension, ()), on_a_line=extension in lines)
            line = self._line_beside(extension, doing, call)
            doing = OnCall.ON_HOLD if line is not None and line.held else doing
            state = shown(duty, phones.get(extension, ""), doing)
            reason = duty.reason if state is AgentState.PAUSED else ""
            until = duty.until if state in {AgentState.PAUSED, AgentState.WRAP_UP} else None
            slug = call.provider if call is not None else line.provider if line is not None else ""
            named = call.call if call is not None else line.call if line is not None and line.provider else None
            provider = book.by_slug(slug)
            agents.append(
                AgentNow(
                    extension, state, self._since_of(extension, state, reason, duty, now), reason,
                    None if provider is None else provider.id, named, until, "" if line is None else line.asked,
                )
            )  # fmt: skip
        waiting = {call.call: call for call in calls if call.position is not None}
        self._joined = {call: self._joined.get(call, now) for call in waiting}
        queues = tuple(
            QueueNow(
                queue.name,
                len(here := [call for call in waiting.values() if call.queue == queue.name]),
                min((self._joined[call.call] for call in here), default=None),
            )
            for queue in book.queues
        )
        return Snapshot(self._linked, self._since, tuple(agents), queues, _lines_of(calls, book))

    def _line_beside(self, extension: str, doing: OnCall, call: LiveCall | None) -> Line | None:
        """What a caller's call does not tell: a call of the agent's own making, and whom they ask meanwhile."""
        if doing is OnCall.ON_HOLD or (doing is OnCall.TALKING and call is None):
            return self._view.line_of(extension)
        return None

    def _since_of(self, extension: str, state: AgentState, reason: str, duty: Duty, now: datetime) -> datetime:
        before = self._states.get(extension)
        if before is not None and before[:2] == (state, reason):
            since = before[2]
        elif state.value == duty.status.value and duty.status is not AgentStatus.READY and duty.since is not None:
            since = duty.since  # the row says when it began, however late we saw it
        else:
            since = now
        self._states[extension] = (state, reason, since)
        return since


def _lines_of(calls: Iterable[LiveCall], book: Book) -> dict[ProviderId, int]:
    """Every caller of a provider holds one of its lines, from the first moment to the hang-up."""
    owners = (book.by_slug(call.provider) for call in calls)
    return dict(Counter(owner.id for owner in owners if owner is not None))


def _calls_of(calls: Iterable[LiveCall]) -> dict[str, list[LiveCall]]:
    """By agent: a hundred agents in every queue are looked through once and not a hundred times."""
    found: dict[str, list[LiveCall]] = {}
    for call in calls:
        for agent in {*call.talking, *call.holders, *(ring.agent for ring in call.ringing)}:
            found.setdefault(agent, []).append(call)
    return found
