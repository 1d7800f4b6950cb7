"""What the wallboard shows of one moment: providers and queues, agents, what is owed, what needs somebody. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from callcenter.floor.board import AgentNow, QueueNow, Snapshot
from callcenter.floor.duty import OVER_LIMIT_ALARM, UNANSWERED_ALARM
from callcenter.floor.states import NO_ANSWER, AgentState
from callcenter.reports.measures import Tally
from callcenter.routing.book import Agent, Book, Provider, Queue
from callcenter.store.alarms import Alarm
from callcenter.store.scope import Scope
from callcenter.words import ProviderId, UniqueId

STATES: Final = (
    AgentState.TALKING, AgentState.ON_HOLD, AgentState.RINGING, AgentState.READY,
    AgentState.WRAP_UP, AgentState.PAUSED, AgentState.UNREACHABLE, AgentState.OFFLINE,
)  # fmt: skip
"""The order in which they are counted on the board."""
IN_CALL: Final = frozenset({AgentState.TALKING, AgentState.ON_HOLD, AgentState.RINGING})
QUIET_AFTER: Final = timedelta(minutes=5)
COLLAPSE_FROM: Final = 13
"""So many providers in sight, and the quiet ones are one line each no more."""
EVERY_REGION: Final = ("link", "figures", "needs", "states", "agents", "absent", "providers", "quiet")
"""The parts of the page; ``agent:101`` and ``provider:7`` are single rows of theirs."""
TOLD_BY_STATE: Final = frozenset({UNANSWERED_ALARM, OVER_LIMIT_ALARM})
"""Alarms that the agent's own row tells at once."""


@dataclass(frozen=True, slots=True)
class Owed:
    """The open callbacks of a provider."""

    open: int = 0
    """That can be called."""
    soon: int = 0
    """Of them due within a quarter of an hour."""
    overdue: int = 0
    decision: int = 0
    """Waiting for the shift lead to decide."""
    no_number: int = 0
    """Of callers who hid their number: owed, and nowhere to call."""

    def __add__(self, other: Owed) -> Owed:
        return Owed(
            self.open + other.open,
            self.soon + other.soon,
            self.overdue + other.overdue,
            self.decision + other.decision,
            self.no_number + other.no_number,
        )

    @property
    def presses(self) -> bool:
        return bool(self.overdue or self.decision)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the database knows of today, read once for all boards."""

    at: datetime | None = None
    """When it was read; ``None`` is never."""
    providers: Mapping[ProviderId, Tally] = field(default_factory=lambda: MappingProxyType({}))
    """Each on its own calendar day."""
    queues: Mapping[tuple[ProviderId, str], Tally] = field(default_factory=lambda: MappingProxyType({}))
    owed: Mapping[ProviderId, Owed] = field(default_factory=lambda: MappingProxyType({}))
    calling: Mapping[str, ProviderId] = field(default_factory=lambda: MappingProxyType({}))
    """Agents who call a subscriber now, and for whom."""
    alarms: tuple[Alarm, ...] = ()
    failed: bool = False
    """It could not be read again since: what is here is as old as ``at``."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    name: str
    waiting: int
    longest_since: datetime | None
    signed_in: int
    ready: int
    today: Tally


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider with its queues."""

    provider: Provider
    open: bool
    """Its hours say it is served now."""
    lines: int
    waiting: int
    longest_since: datetime | None
    today: Tally
    owed: Owed
    queues: tuple[QueueRow, ...]

    @property
    def is_full(self) -> bool:
        """Every line it pays for is in use: the next caller is refused."""
        return self.lines >= self.provider.max_lines

    @property
    def is_busy(self) -> bool:
        return bool(self.lines or self.waiting or self.owed.presses)


@dataclass(frozen=True, slots=True)
class AgentRow:
    extension: str
    name: str
    state: AgentState
    since: datetime | None
    reason: str
    until: datetime | None
    provider: ProviderId | None
    """Whose call it is; nothing when it is none of the reader's providers."""
    call: UniqueId | None
    needs: str
    """Why somebody should look: ``no_answer``, ``over_limit``, ``unreachable``; empty is that nobody has to."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All providers in sight together."""

    waiting: int
    longest_since: datetime | None
    lines: int
    today: Tally
    owed: Owed


@dataclass(frozen=True, slots=True)
class Wall:
    """One board at one moment, for one scope."""

    linked: bool
    """False while the link to the PBX is cut: the picture is then as old as ``since``."""
    since: datetime | None
    counted_at: datetime | None
    behind: datetime | None
    """The counts are as old as this, for the database does not answer."""
    figures: Figures
    states: tuple[tuple[AgentState, int], ...]
    agents: tuple[AgentRow, ...]
    """By name, who is not at work too."""
    providers: tuple[ProviderRow, ...]
    """By name, the quiet ones too."""
    quiet: frozenset[ProviderId]
    """Those for whom nothing happens now."""
    alarms: tuple[Alarm, ...]

    @property
    def at_work(self) -> tuple[AgentRow, ...]:
        return tuple(agent for agent in self.agents if agent.state is not AgentState.OFFLINE)

    @property
    def absent(self) -> tuple[AgentRow, ...]:
        return tuple(agent for agent in self.agents if agent.state is AgentState.OFFLINE)

    @property
    def loud(self) -> tuple[ProviderRow, ...]:
        return tuple(row for row in self.providers if row.provider.id not in self.quiet)

    @property
    def calm(self) -> tuple[ProviderRow, ...]:
        return tuple(row for row in self.providers if row.provider.id in self.quiet)

    @property
    def in_need(self) -> tuple[AgentRow, ...]:
        """What stops calls first, then what only takes long."""
        return tuple(
            sorted((agent for agent in self.agents if agent.needs), key=lambda each: each.needs == "over_limit")
        )

    @property
    def full(self) -> tuple[ProviderRow, ...]:
        return tuple(row for row in self.providers if row.is_full)


def agents_in_sight(book: Book, scope: Scope) -> frozenset[str]:
    """One sees the agents who work for a provider one sees; who sees every provider sees every agent."""
    everybody = frozenset(agent.extension for agent in book.agents)
    if scope.providers is None:
        return everybody
    return everybody & {m.extension for queue in book.queues if scope.holds(queue.provider) for m in queue.members}


def needs_of(agent: AgentNow, now: datetime) -> str:
    """An agent who let calls ring, whose pause is over its limit or whose phone is gone is somebody's to look after."""
    if agent.state == AgentState.UNREACHABLE:
        return "unreachable"
    if agent.state != AgentState.PAUSED:
        return ""
    if agent.reason == NO_ANSWER:
        return "no_answer"
    return "over_limit" if agent.until is not None and agent.until <= now else ""


def agent_row(agent: Agent, seen: AgentNow, counts: Counts, scope: Scope, now: datetime) -> AgentRow:
    """A call of a provider the reader may not see is a call, and nothing more is told of it."""
    state = AgentState(seen.state)
    owner = seen.provider
    if owner is None and seen.call is None and state in IN_CALL:
        owner = counts.calling.get(agent.extension)
    shown = owner is not None and scope.holds(owner)
    return AgentRow(
        extension=agent.extension,
        name=agent.name,
        state=state,
        since=seen.since,
        reason=seen.reason,
        until=seen.until,
        provider=owner if shown else None,
        call=seen.call if shown else None,
        needs=needs_of(seen, now),
    )


def wall_of(
    book: Book,
    picture: Snapshot,
    counts: Counts,
    scope: Scope,
    now: datetime,
    busy_at: Mapping[ProviderId, datetime] = MappingProxyType({}),
) -> Wall:
    """The board of who sees these providers: nobody else's queues, agents or calls are on it.

    ``busy_at`` is when something last happened for each provider; rows do not jump away with the last caller.
    """
    states = {agent.extension: agent for agent in picture.agents}
    sight = agents_in_sight(book, scope)
    agents = tuple(
        agent_row(agent, states.get(agent.extension) or AgentNow(agent.extension, "offline", None), counts, scope, now)
        for agent in sorted(book.agents, key=lambda each: (each.name.casefold(), each.extension))
        if agent.extension in sight
    )
    by_state = {state: sum(agent.state is state for agent in agents) for state in STATES}
    rows = tuple(_provider_rows(book, picture, counts, scope, now))
    return Wall(
        linked=picture.linked,
        since=picture.since,
        counted_at=counts.at,
        behind=counts.at if counts.failed else None,
        figures=_figures(rows),
        states=tuple(by_state.items()),
        agents=agents,
        providers=rows,
        quiet=_quiet(rows, busy_at, now),
        alarms=tuple(alarm for alarm in counts.alarms if _concerns(alarm, scope)),
    )


def _provider_rows(book: Book, picture: Snapshot, counts: Counts, scope: Scope, now: datetime) -> Iterable[ProviderRow]:
    queues = {queue.name: queue for queue in picture.queues}
    states = {agent.extension: agent.state for agent in picture.agents}
    owned: dict[ProviderId, list[Queue]] = {}
    for queue in book.queues:
        owned.setdefault(queue.provider, []).append(queue)
    for provider in sorted(book.providers, key=lambda each: (each.brand.casefold(), each.id)):
        if not scope.holds(provider.id):
            continue
        here = tuple(_queue_row(queue, queues.get(queue.name), states, counts) for queue in owned.get(provider.id, ()))
        yield ProviderRow(
            provider=provider,
            open=provider.calendar.is_open(now),
            lines=picture.lines.get(provider.id, 0),
            waiting=sum(queue.waiting for queue in here),
            longest_since=min((queue.longest_since for queue in here if queue.longest_since), default=None),
            today=counts.providers.get(provider.id, Tally()),
            owed=counts.owed.get(provider.id, Owed()),
            queues=here,
        )


def _queue_row(queue: Queue, seen: QueueNow | None, states: Mapping[str, str], counts: Counts) -> QueueRow:
    serving = [states.get(member.extension, AgentState.OFFLINE) for member in queue.members]
    return QueueRow(
        name=queue.name,
        waiting=seen.waiting if seen else 0,
        longest_since=seen.longest_since if seen else None,
        signed_in=sum(state != AgentState.OFFLINE for state in serving),
        ready=sum(state == AgentState.READY for state in serving),
        today=counts.queues.get((queue.provider, queue.name), Tally()),
    )


def _figures(rows: Collection[ProviderRow]) -> Figures:
    return Figures(
        waiting=sum(row.waiting for row in rows),
        longest_since=min((row.longest_since for row in rows if row.longest_since), default=None),
        lines=sum(row.lines for row in rows),
        today=Tally.of(row.today for row in rows),
        owed=sum((row.owed for row in rows), Owed()),
    )


def _quiet(
    rows: Collection[ProviderRow], busy_at: Mapping[ProviderId, datetime], now: datetime
) -> frozenset[ProviderId]:
    """With many providers in sight, those for whom nothing happened for five minutes take less room."""
    if len(rows) < COLLAPSE_FROM:
        return frozenset()
    calm = (row.provider.id for row in rows if not row.is_busy)
    return frozenset(each for each in calm if (last := busy_at.get(each)) is None or now - last > QUIET_AFTER)


def _concerns(alarm: Alarm, scope: Scope) -> bool:
    """An alarm of nobody in particular is for who sees every provider."""
    if alarm.kind in TOLD_BY_STATE:
        return False
    return scope.providers is None if alarm.provider is None else scope.holds(alarm.provider)


# ---- what of it a page must draw anew


def regions_changed(before: Wall | None, after: Wall) -> list[str]:
    """The parts of the page that differ; a list is drawn whole only when rows came, went or changed places."""
    if before is None:
        return list(EVERY_REGION)
    changed = []
    if (before.linked, before.since, before.behind) != (after.linked, after.since, after.behind):
        changed.append("link")
    if (before.figures, before.counted_at is None) != (after.figures, after.counted_at is None):
        changed.append("figures")
    if _needs(before) != _needs(after):
        changed.append("needs")
    if before.states != after.states:
        changed.append("states")
    changed += _rows_changed(
        "agent",
        {agent.extension: agent for agent in before.at_work},
        {agent.extension: agent for agent in after.at_work},
    )
    if before.absent != after.absent:
        changed.append("absent")
    changed += _rows_changed(
        "provider",
        {str(row.provider.id): row for row in before.loud},
        {str(row.provider.id): row for row in after.loud},
    )
    if before.calm != after.calm:
        changed.append("quiet")
    return changed


def _needs(wall: Wall) -> tuple[object, ...]:
    return wall.in_need, [(row.provider, row.lines) for row in wall.full], wall.alarms


def _rows_changed(kind: str, before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    if list(before) != list(after):
        return [f"{kind}s"]
    return [f"{kind}:{key}" for key, row in after.items() if row != before[key]]
