"""A small house for the agent's page: one provider, two agents, and look-ups that answer when the test says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from callcenter.ami.facts import CallArrived
from callcenter.callbacks.queue import Callback
from callcenter.desk.call_rows import CallRow
from callcenter.desk.callback_rows import CallbackRow
from callcenter.desk.lookups import Lookups
from callcenter.desk.ports import Snapshot
from callcenter.desk.screens import Screens
from callcenter.diag.line import LineReading
from callcenter.diag.reading import OnuReading, OnuState
from callcenter.routing.book import Agent, Book, Member, Provider, Queue
from callcenter.routing.hours import WeekHours
from callcenter.store import Scope
from callcenter.subscribers.directory import Subscriber
from callcenter.words import (
    E164,
    AgentId,
    Dbm,
    Did,
    Known,
    LinkedId,
    Missing,
    OltId,
    ProviderId,
    QueueId,
    SubscriberId,
    UniqueId,
)

T = TypeVar("T")

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DID = "+380441234567"
NUMBER = "+380671234567"
SVITLONET = Provider(
    id=ProviderId(1), slug="svitlonet", brand="СвітлоНет", colour="#0b5fff", language="uk",
    timezone=ZoneInfo("Europe/Kyiv"), greeting="", hours=WeekHours(), max_lines=10, min_talk_s=1.0, short_abandon_s=5,
    callback_within=timedelta(minutes=30), thresholds={},
)  # fmt: skip
DIMLINK = replace(SVITLONET, id=ProviderId(2), slug="dimlink", brand="Дім.Лінк", colour="#2e7d32", language="en")


def agent(extension: str, name: str) -> Agent:
    return Agent(AgentId(int(extension)), extension, name, SecretStr("x" * 12), None)


def members(*extensions: str) -> tuple[Member, ...]:
    return tuple(Member(extension, 0) for extension in extensions)


BOOK = Book(
    providers=(SVITLONET, DIMLINK),
    dids={Did(DID): SVITLONET.id, Did("+380447654321"): DIMLINK.id},
    queues=(
        Queue(QueueId(1), SVITLONET.id, "svitlonet", "leastrecent", 300, 20, 10, 50, members("101", "102")),
        Queue(QueueId(2), DIMLINK.id, "dimlink", "leastrecent", 300, 20, 10, 50, members("103")),
    ),
    agents=(agent("101", "Олена"), agent("102", "Тарас"), agent("103", "Ірина")),
)  # fmt: skip


def subscriber(number: int = 1, **known: object) -> Subscriber:
    someone = Subscriber(
        id=SubscriberId(number), provider=SVITLONET.id, account=f"1002{number:02}", name="Шевченко Марія Іванівна",
        address="вул. Садова 12, кв. 48", tariff="Дім 300", balance=Decimal("-35.00"), currency="UAH", status="active",
        paid_till=None, language=None, olt=OltId(7), onu=f"EPON0/2:{number}", note="", phones=(E164(NUMBER),),
    )  # fmt: skip
    return replace(someone, **known)  # type: ignore[arg-type]


def levels(onu_rx: float, at: datetime = NOON, source: str = "BDCOM P3310C") -> Known[OnuReading]:
    return Known(OnuReading(OnuState.ONLINE, onu_rx=Dbm(onu_rx), olt_rx=Dbm(-24.9), uni_up=True), at, source)


def past_call(call: str, at: datetime = NOON) -> CallRow:
    return CallRow(
        id=UniqueId(call), provider=SVITLONET.id, direction="in", did=DID, dialled=DID, number=NUMBER, callable=True,
        caller_name="", arrived_at=at, answered_at=at, queued_at=at, connected_at=at, ended_at=at, outcome="answered",
        waited_s=3.0, talked_s=61.0, agents=("102",), rang=("102",), transfers=0, hangup_by="caller",
        hangup_cause=16, callback=None, source="journal", settled=True,
    )  # fmt: skip


def arrived(call: str, number: str = "0671234567", name: str = "", did: str = DID) -> CallArrived:
    return CallArrived(UniqueId(call), did, number, name, LinkedId(call), NOON)


@dataclass
class Answers:
    """What the look-ups find; one of them is held back while its gate is shut (``read_line``, or ``read_line 2``)."""

    subscribers: Sequence[Subscriber] = (subscriber(),)
    last: LineReading = field(default_factory=lambda: levels(-22.1, NOON - timedelta(days=1)))
    line: LineReading = field(default_factory=lambda: levels(-26.4))
    lines: Mapping[int, LineReading] = field(default_factory=dict)
    """By subscriber, where they differ."""
    history: Sequence[CallRow] = ()
    callback: Callback | None = None
    broken: set[str] = field(default_factory=set)
    """Names of look-ups that raise what nobody foresaw."""
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    let_be: list[str] = field(default_factory=list)
    """Names of look-ups that were cancelled on their way."""

    def shut(self, *names: str) -> None:
        self.gates |= {name: asyncio.Event() for name in names}

    async def _answer(self, name: str, found: Callable[[], T], *about: object) -> T:
        self.asked.append((name, *about))
        if name in self.broken:
            raise ZeroDivisionError(name)
        try:
            for gate in (name, " ".join(str(part) for part in (name, *about))):
                if gate in self.gates:
                    await self.gates[gate].wait()
        except asyncio.CancelledError:
            self.let_be.append(name)
            raise
        return found()

    def lookups(self) -> Lookups:
        def find(provider: ProviderId, number: str) -> Awaitable[Sequence[Subscriber]]:
            return self._answer("subscribers", lambda: self.subscribers, provider, number)

        def last(one: Subscriber) -> Awaitable[LineReading]:
            return self._answer("last_known", lambda: self.last, one.id)

        def read(one: Subscriber) -> Awaitable[LineReading]:
            return self._answer("read_line", lambda: self.lines.get(one.id, self.line), one.id)

        def history(provider: ProviderId, number: str) -> Awaitable[Sequence[CallRow]]:
            return self._answer("history", lambda: self.history, provider, number)

        def callback(provider: ProviderId, number: str) -> Awaitable[Callback | None]:
            return self._answer("callback", lambda: self.callback, provider, number)

        def owed(_scope: Scope) -> Awaitable[Sequence[CallbackRow]]:
            return self._answer("owed", tuple)

        def own(_scope: Scope, extension: str) -> Awaitable[Sequence[CallRow]]:
            return self._answer("own", tuple, extension)

        return Lookups(find, last, read, history, callback, owed, own)


def screens_of(answers: Answers, now: Callable[[], datetime] = lambda: NOON, book: Book = BOOK) -> Screens:
    return Screens(answers.lookups(), lambda: book, lambda: Snapshot(linked=True, since=NOON), now)


async def until(holds: Callable[[], object], what: str = "") -> None:
    """Lets everything else run until this holds; fails after two seconds."""
    deadline = time.monotonic() + 2
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not come true: {what or holds}")
        await asyncio.sleep(0.002)


NOT_READ = Missing("line.missing.timeout", "OLT Садова")
