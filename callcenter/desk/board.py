"""Who does what now: agents and queues as the live link shows them, with the moment of each agent's last change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from callcenter.ami.facts import LinkLost, LinkRestored, LiveCall, LiveFact, MemberChanged
from callcenter.ami.live import LiveView
from callcenter.desk.ports import AgentNow, QueueNow, Snapshot
from callcenter.routing.book import Book
from callcenter.words import Clock

_GONE = {"unavailable", "invalid", "removed", "unknown"}
_BUSY = {"inuse", "busy", "ringinuse", "onhold"}


def agent_now(
    extension: str, calls: Iterable[LiveCall], members: Iterable[MemberChanged], phone: str, *, on_a_line: bool
) -> tuple[str, str, LiveCall | None]:
    """What an agent does: talking, ringing, paused with a reason, ready, or offline when the phone is gone."""
    ringing: LiveCall | None = None
    for call in calls:
        if extension in call.talking:
            return "talking", "", call
        if any(ring.agent == extension for ring in call.ringing):
            ringing = call
    if ringing is not None:
        return "ringing", "", ringing
    places = [member for member in members if member.agent == extension and member.status != "removed"]
    if on_a_line or phone in _BUSY:
        return "talking", "", None
    if phone in _GONE or not places or all(member.status in _GONE for member in places):
        return "offline", "", None
    if all(member.paused for member in places):
        return "paused", places[0].reason, None
    return "ready", "", None


class Board:
    """Keeps since when each agent is in their state; everything else is asked of the live view when it is shown."""

    def __init__(self, view: LiveView, book: Callable[[], Book], clock: Clock) -> None:
        self._view = view
        self._book = book
        self._clock = clock
        self._linked = False
        self._since: datetime | None = None
        self._states: dict[str, tuple[str, str, datetime]] = {}
        self._joined: dict[str, datetime] = {}

    def on_fact(self, fact: LiveFact) -> None:
        """One fact of the live link, in order; quick, and raises nothing."""
        if isinstance(fact, LinkLost):
            self._linked, self._since = False, fact.since
        elif isinstance(fact, LinkRestored):
            self._linked, self._since = True, self._clock()

    def snapshot(self) -> Snapshot:
        """The present picture; between two of them each state keeps the moment at which it was first seen."""
        now, book, view = self._clock(), self._book(), self._view
        calls, members, phones, lines = view.calls(), view.members(), view.phones(), view.agents_on_a_line()
        places, theirs = _places_of(members), _calls_of(calls)
        agents = []
        for agent in book.agents:
            mine, seats = theirs.get(agent.extension, ()), places.get(agent.extension, ())
            phone, on_a_line = phones.get(agent.extension, ""), agent.extension in lines
            state, reason, call = agent_now(agent.extension, mine, seats, phone, on_a_line=on_a_line)
            before = self._states.get(agent.extension)
            since = before[2] if before is not None and before[:2] == (state, reason) else now
            self._states[agent.extension] = (state, reason, since)
            provider = book.by_slug(call.provider) if call is not None else None
            agents.append(
                AgentNow(
                    agent.extension,
                    state,
                    since,
                    reason,
                    None if provider is None else provider.id,
                    None if call is None else call.call,
                )
            )
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
        return Snapshot(self._linked, self._since, tuple(agents), queues)


def _places_of(members: Iterable[MemberChanged]) -> dict[str, list[MemberChanged]]:
    """By agent: a hundred agents in every queue are looked through once and not a hundred times."""
    found: dict[str, list[MemberChanged]] = {}
    for member in members:
        found.setdefault(member.agent, []).append(member)
    return found


def _calls_of(calls: Iterable[LiveCall]) -> dict[str, list[LiveCall]]:
    found: dict[str, list[LiveCall]] = {}
    for call in calls:
        for agent in {*call.talking, *(ring.agent for ring in call.ringing)}:
            found.setdefault(agent, []).append(call)
    return found
