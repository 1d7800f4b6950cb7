"""A desk without a web: two providers, three agents, look-ups that answer when the test lets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from callcenter.ami.facts import AgentRang, CallArrived, LiveFact
from callcenter.callbacks.queue import Callback
from callcenter.calls.notes import CallNote
from callcenter.desk.call_rows import CallRow
from callcenter.desk.callback_rows import CallbackRow
from callcenter.desk.card import Card, Seat
from callcenter.desk.lookups import Lookups, OwnRow
from callcenter.desk.ports import Snapshot
from callcenter.desk.screens import Screens
from callcenter.diag.line import LineReading
from callcenter.diag.reading import OnuReading, OnuState
from callcenter.floor.messages import Message
from callcenter.routing.book import Agent, Book, Member, Provider, Queue
from callcenter.routing.hours import WeekHours
from callcenter.store import Scope
from callcenter.subscribers.directory import Subscriber
from callcenter.words import (
    E164,
    AgentId,
    Dbm,
    DeviceId,
    Did,
    Known,
    LinkedId,
    Missing,
    ProviderId,
    QueueId,
    SubscriberId,
    UniqueId,
)  # fmt: skip

NOON = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
"""Midday in Kyiv."""
SVITLO, DIM = ProviderId(1), ProviderId(2)
DIDS = {SVITLO: "380441234567", DIM: "380447654321"}
MARIIA = "0671234567"
WEAK = Known(OnuReading(OnuState.ONLINE, onu_rx=Dbm(-26.4), olt_rx=Dbm(-24.9)), NOON, "OLT-1")
GOOD_BEFORE = Known(OnuReading(OnuState.ONLINE, onu_rx=Dbm(-19.4)), NOON - timedelta(hours=3), "OLT-1")
NEVER_READ = Missing("line.missing.never-read", "OLT-1")


def provider(number: ProviderId = SVITLO, **changes: Any) -> Provider:
    known: dict[str, Any] = {
        "id": number, "slug": f"p{number}", "brand": "СвітлоНет" if number == SVITLO else "Дім.Лінк",
        "colour": "#0b5fff", "language": "uk", "timezone": ZoneInfo("Europe/Kyiv"), "greeting": "",
        "hours": WeekHours.parse({}), "max_lines": 10, "min_talk_s": 1.0, "short_abandon_s": 5,
        "callback_within": timedelta(minutes=30), "thresholds": {},
    }  # fmt: skip
    return Provider(**{**known, **changes})


def subscriber(number: int = 1, **changes: Any) -> Subscriber:
    known: dict[str, Any] = {
        "id": SubscriberId(number), "provider": SVITLO, "account": f"10024{number}",
        "name": f"Шевченко Марія {number}", "address": "вул. Садова 12", "tariff": "Дім 300",
        "balance": Decimal("-35.00"), "currency": "UAH", "status": "active", "paid_till": None, "language": None,
        "device": DeviceId(1), "onu": f"EPON0/2:{number}", "note": "", "phones": (E164("+380671234567"),),
    }  # fmt: skip
    return Subscriber(**{**known, **changes})


def book() -> Book:
    """101 and 102 work for svitlo, 103 for dim."""
    agents = tuple(
        Agent(AgentId(n), ext, name, SecretStr("secret"), None)
        for n, (ext, name) in enumerate((("101", "Олена"), ("102", "Тарас"), ("103", "Ганна")), 1)
    )
    queues = tuple(
        Queue(QueueId(owner), owner, f"p{owner}", "ringall", 60, 15, 0, 20, tuple(Member(ext, 0) for ext in members))
        for owner, members in ((SVITLO, ("101", "102")), (DIM, ("103",)))
    )
    dids = {Did(f"+{did}"): owner for owner, did in DIDS.items()}
    return Book((provider(SVITLO), provider(DIM)), dids, queues, agents)


@dataclass
class Answers:
    """What the look-ups say. A name in ``held`` keeps its answers back until it is let go."""

    subscribers: Sequence[Subscriber] = ()
    last: LineReading = field(default_factory=lambda: NEVER_READ)
    line: LineReading = field(default_factory=lambda: WEAK)
    history: Sequence[CallRow] = ()
    callback: Callback | None = None
    owed: Sequence[CallbackRow] = ()
    taken: Sequence[CallbackRow] = ()
    own: Sequence[OwnRow] = ()
    messages: Sequence[Message] = ()
    notes: Mapping[UniqueId, tuple[CallNote, ...]] = field(default_factory=dict)
    failing: dict[str, Exception] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def hold(self, name: str) -> asyncio.Event:
        return self.held.setdefault(name, asyncio.Event())

    async def _say(self, name: str, *about: object) -> None:
        self.asked.append((name, *about))
        if name in self.failing:
            raise self.failing[name]
        if name in self.held:
            try:
                await self.held[name].wait()
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise

    def lookups(self) -> Lookups:
        async def subscribers(owner: ProviderId, number: str) -> Sequence[Subscriber]:
            await self._say("subscribers", owner, number)
            return [one for one in self.subscribers if one.provider == owner and number in one.phones]

        async def last_known(one: Subscriber) -> LineReading:
            await self._say("last_known", one.id)
            return self.last

        async def read_line(one: Subscriber) -> LineReading:
            await self._say("read_line", one.id)
            return self.line

        async def history(owner: ProviderId, number: str) -> Sequence[CallRow]:
            await self._say("history", owner, number)
            return self.history

        async def callback(owner: ProviderId, number: str) -> Callback | None:
            await self._say("callback", owner, number)
            return self.callback

        async def owed(scope: Scope) -> Sequence[CallbackRow]:
            await self._say("owed", scope)
            return self.owed

        async def taken(scope: Scope) -> Sequence[CallbackRow]:
            await self._say("taken", scope)
            return self.taken

        async def own(scope: Scope, extension: str) -> Sequence[OwnRow]:
            await self._say("own", scope, extension)
            return self.own

        async def messages(extension: str) -> Sequence[Message]:
            await self._say("messages", extension)
            return self.messages

        async def notes(owner: ProviderId, calls: Sequence[UniqueId]) -> Mapping[UniqueId, tuple[CallNote, ...]]:
            await self._say("notes", owner, tuple(calls))
            return {call: self.notes[call] for call in calls if call in self.notes}

        return Lookups(subscribers, last_known, read_line, history, callback, owed, taken, own, messages, notes)


@dataclass
class Desk:
    screens: Screens
    answers: Answers
    picture: list[Snapshot]
    books: list[Book]
    calls: int = 0

    def tell(self, *facts: LiveFact) -> None:
        for fact in facts:
            self.screens.on_fact(fact)

    def arrives(self, number: str = MARIIA, *, name: str = "", did: str = DIDS[SVITLO]) -> UniqueId:
        self.calls += 1
        call = UniqueId(f"pbx1-1000.{self.calls}")
        self.tell(CallArrived(call, did, number, name, LinkedId(call), NOON))
        return call

    def rings(self, call: UniqueId, *agents: str) -> UniqueId:
        self.tell(*(AgentRang(call, agent, UniqueId(f"{call}{agent}")) for agent in agents))
        return call

    def card(self, agent: str = "101") -> Card:
        found = self.screens.shown(agent)
        assert found is not None, f"{agent} sees no card"
        return found[0]

    def seat(self, agent: str = "101") -> Seat:
        found = self.screens.shown(agent)
        assert found is not None, f"{agent} sees no card"
        return found[1]

    def sees_nothing(self, agent: str) -> bool:
        return self.screens.shown(agent) is None


async def until(holds: Callable[[], bool], within: float = 3.0) -> None:
    """Waits until this is so; fails when it is not in time."""
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def desk(**answers: Any) -> AsyncIterator[Desk]:
    given, picture = Answers(**answers), [Snapshot(True, NOON)]
    books = [book()]
    screens = Screens(given.lookups(), lambda: books[-1], lambda: picture[-1], lambda: NOON)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(screens.run())
        await asyncio.sleep(0)
        yield Desk(screens, given, picture, books)
        running.cancel()
