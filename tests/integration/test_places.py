"""Kept places on a real PostgreSQL with a scripted manager: whose phone rings for whom, what becomes of the place."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from callcenter.ami import events as ami
from callcenter.ami.commands import Commands
from callcenter.ami.facts import LinkRestored
from callcenter.ami.live import LiveView
from callcenter.callbacks.claims import let_go, take
from callcenter.calls.outcome import CallOutcome
from callcenter.config import OutboundSettings
from callcenter.floor import duty
from callcenter.floor.board import Board
from callcenter.floor.duty import DutyBook
from callcenter.floor.orders import Orders
from callcenter.floor.place_keeper import MOST_BARRED, PlaceKeeper
from callcenter.store import Database, Scope
from callcenter.words import LinkedId, UniqueId
from tests.callback_house import NOON, OLENA, PETRO, Callbacks, later, miss, out, reached, talk
from tests.integration.ami_server import ScriptedAsterisk, scripted_asterisk, until
from tests.integration.ledger_house import TurnedClock
from tests.integration.test_ami_session import QUICK, address, clock, running

IVAN = "+380633333333"
MINUTE = timedelta(minutes=1)


@dataclass
class Queue:
    """The queue ``skynet``: its agents' phones and its callers are what the test tells the live view."""

    house: Callbacks
    asterisk: ScriptedAsterisk
    commands: Commands
    view: LiveView = field(default_factory=LiveView)
    clock: TurnedClock = field(default_factory=lambda: TurnedClock(NOON + 30 * MINUTE))
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    not_picked_up: list[str] = field(default_factory=list)
    leads: bool = True
    lines: dict[str, ami.Leg] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.duties = DutyBook(self.house.database)
        self.board = Board(self.view, lambda: self.house.book, self.duties.of, self.clock)
        self.board.on_fact(LinkRestored())
        self.keeper = self.another()

    def another(self, **outbound: Any) -> PlaceKeeper:
        """The keeper of one more service on the same database."""
        orders = Orders(
            self.house.database, lambda: self.house.book, self.commands, self.view, OutboundSettings(**outbound),
            self.clock,
        )  # fmt: skip

        async def ring(callback: int, agent: str, _queue: str) -> None:
            await orders.call_back(callback, agent)

        return PlaceKeeper(
            self.house.database, lambda: self.house.book, self.view, self.board.snapshot, ring, self.clock,
            leads=lambda: self.leads, not_picked_up=self.not_picked_up.append,
        )  # fmt: skip

    # ---- what happens

    async def works(self, *agents: str) -> None:
        for agent in agents:
            async with self.house.database.scoped(Scope.all()) as connection:
                await duty.sign_in(connection, agent, self.clock(), agent)
            self.phone(agent, "not_inuse")
        await self.duties.load()

    async def keeps_place(self, number: str, at: datetime) -> int:
        """This caller pressed the key, having waited since then."""
        await self.house.tell(miss(at, CallOutcome.ASKED_CALLBACK, number), queue="skynet")
        self.keeper.stir()
        return next(each.id for each in await self.house.open() if each.number == number)

    def waits(self, number: str, since: datetime) -> UniqueId:
        leg = self._leg("trunk-skynet")
        self.tell(ami.Newchannel(leg, ami.STATE_RING, "380441110001", number, "", "skynet", since))
        self.tell(ami.QueueCallerJoin(leg, "skynet", 1, "+380441110001", "skynet", number, ""))
        return leg.uniqueid

    def rings(self, agent: str) -> None:
        self.lines[agent] = self._leg(f"agent-{agent}")
        self.tell(ami.Newchannel(self.lines[agent], ami.STATE_DOWN, "", "", "", "", self.clock()))
        self.phone(agent, "ringing")

    def picks_up(self, agent: str) -> None:
        self.phone(agent, "inuse")

    def hangs_up(self, agent: str) -> None:
        self.tell(ami.Hangup(self.lines.pop(agent), 16))
        self.phone(agent, "not_inuse")

    def phone(self, agent: str, status: str) -> None:
        self.tell(ami.QueueMember("skynet", f"PJSIP/agent-{agent}", False, "", status, 0))

    def tell(self, event: ami.AmiEvent) -> None:
        for fact in self.view.apply(event):
            self.board.on_fact(fact)
            self.keeper.on_fact(fact)

    def _leg(self, endpoint: str) -> ami.Leg:
        number = next(self.ids)
        uniqueid = f"pbx1-1795000100.{number}"
        return ami.Leg(UniqueId(uniqueid), f"PJSIP/{endpoint}-{number:08x}", LinkedId(uniqueid))

    # ---- what comes of it

    async def step(self) -> list[tuple[str, str]]:
        """Whose phone is told to ring now, and for which number."""
        before = len(self.asterisk.received)
        await self.keeper.step()
        return self.rung(before)

    def rung(self, since: int = 0) -> list[tuple[str, str]]:
        return [
            (each["Channel"].rpartition("-")[2], f"+{each['Exten']}")
            for each in self.asterisk.received[since:]
            if each["Action"] == "Originate"
        ]

    async def kept(self, callback: int) -> tuple[str | None, str | None]:
        """In which queue the place is kept, and who has the callback."""
        [found] = await self.house.rows("SELECT kept_queue, claimed_by FROM callback WHERE id = :id", id=callback)
        return found  # type: ignore[no-any-return]


@pytest.fixture
async def queue(database: Database) -> AsyncIterator[Queue]:
    house = await Callbacks.build(database)
    async with scripted_asterisk() as asterisk:
        commands = Commands(address(asterisk), clock=clock, pace=QUICK)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            yield Queue(house, asterisk, commands)


async def test_no_more_places_ring_than_agents_are_free(queue: Queue) -> None:
    """Pain 3: kept places flood the agents."""
    await queue.works("101", "102")
    for number, minute in ((PETRO, 2), (OLENA, 1), (IVAN, 3)):
        await queue.keeps_place(number, NOON + minute * MINUTE)
    assert await queue.step() == [("101", OLENA), ("102", PETRO)]
    assert await queue.step() == []
    queue.rings("101")
    queue.rings("102")
    assert await queue.step() == []


async def test_a_place_is_before_who_came_later_and_after_who_came_earlier(queue: Queue) -> None:
    """Pain 3: kept places jump over people who wait."""
    await queue.works("101")
    await queue.keeps_place(OLENA, NOON + 5 * MINUTE)
    first = queue.waits(PETRO, NOON + 4 * MINUTE)
    queue.waits(IVAN, NOON + 6 * MINUTE)
    assert await queue.step() == []
    assert not await queue.keeper.before_ready("101")
    leg = ami.Leg(first, "", LinkedId(first))
    queue.tell(ami.QueueCallerLeave(leg, "skynet"))
    assert await queue.step() == [("101", OLENA)]


async def test_what_counts_is_when_somebody_joined_the_queue_and_not_when_they_began_to_listen(queue: Queue) -> None:
    await queue.works("101")
    await queue.keeps_place(OLENA, NOON + 5 * MINUTE)
    listened_long = queue.waits(PETRO, NOON + 4 * MINUTE)
    waiting = later(miss(NOON + 4 * MINUTE, number=PETRO), id=listened_long, queued_at=NOON + 6 * MINUTE)
    await queue.house.tell(later(waiting, outcome=None, ended_at=None, ended=False, settled=False))
    assert await queue.step() == [("101", OLENA)]


async def test_who_is_about_to_be_free_calls_a_place_before_they_are_given_a_caller(queue: Queue) -> None:
    await queue.works("101")
    queue.rings("101")
    queue.picks_up("101")
    await queue.keeps_place(OLENA, NOON + 5 * MINUTE)
    queue.waits(PETRO, NOON + 6 * MINUTE)
    assert await queue.step() == []
    queue.hangs_up("101")
    assert await queue.keeper.before_ready("101")
    assert queue.rung() == [("101", OLENA)]
    assert not await queue.keeper.before_ready("102")


async def test_an_agent_who_does_not_pick_up_is_followed_by_the_next_and_the_place_is_given_up_in_the_end(
    queue: Queue,
) -> None:
    await queue.works("101", "102")
    place = await queue.keeps_place(OLENA, NOON)
    for agent in ("101", "102", "101"):
        assert await queue.step() == [(agent, OLENA)]
        assert await queue.kept(place) == ("skynet", agent)
        queue.rings(agent)
        assert await queue.step() == []
        queue.hangs_up(agent)
        if agent == "102":
            queue.keeper._resting.pop("101")  # half a minute is over
    assert await queue.step() == []
    assert queue.not_picked_up == ["101", "102", "101"]
    assert await queue.kept(place) == (None, None)
    [owed] = await queue.house.open()
    assert owed.closed_at is None
    told = await queue.house.rows("SELECT act, note FROM callback_act WHERE act = 'place_lost'")
    assert told == [("place_lost", "3 agents did not pick up")]


async def test_who_did_not_pick_up_is_not_rung_again_at_once(queue: Queue) -> None:
    await queue.works("101")
    await queue.keeps_place(OLENA, NOON)
    assert await queue.step() == [("101", OLENA)]
    queue.rings("101")
    await queue.step()
    queue.hangs_up("101")
    assert await queue.step() == []
    assert not await queue.keeper.before_ready("101")
    assert await queue.step() == []


async def test_a_phone_that_asterisk_cannot_ring_is_followed_by_the_next(queue: Queue) -> None:
    await queue.works("101", "102")
    place = await queue.keeps_place(OLENA, NOON)
    queue.asterisk.refused_actions.add("Originate")
    await queue.step()
    assert await queue.kept(place) == ("skynet", None)
    queue.asterisk.refused_actions.clear()
    assert await queue.step() == [("102", OLENA)]


async def test_once_the_subscriber_was_called_the_place_is_used_whether_they_answered_or_not(queue: Queue) -> None:
    await queue.works("101", "102")
    for number, called in ((OLENA, reached), (PETRO, out)):
        place = await queue.keeps_place(number, NOON)
        assert await queue.step() == [("101", number)]
        queue.rings("101")
        queue.picks_up("101")
        await queue.step()
        queue.hangs_up("101")
        assert await queue.step() == []  # the journal has not told yet
        await queue.house.tell(called(queue.clock(), meant=place, number=number))
        queue.keeper.stir()
        assert await queue.step() == []
        assert await queue.kept(place) == (None, None)
    assert queue.not_picked_up == []
    [owed] = await queue.house.open()
    assert (owed.number, owed.attempts) == (PETRO, 1)


async def test_two_services_that_both_believe_to_lead_ring_one_phone(queue: Queue) -> None:
    await queue.works("101", "102")
    await queue.keeps_place(OLENA, NOON)
    await asyncio.gather(*(keeper.step() for keeper in (queue.keeper, queue.another(), queue.another())))
    assert [number for _, number in queue.rung()] == [OLENA]


async def test_a_service_that_does_not_lead_rings_nobody(queue: Queue) -> None:
    await queue.works("101")
    await queue.keeps_place(OLENA, NOON)
    queue.leads = False
    assert await queue.step() == []
    assert not await queue.keeper.before_ready("101")
    queue.leads = True
    assert await queue.step() == [("101", OLENA)]


async def test_whom_an_agent_has_taken_by_hand_is_theirs(queue: Queue) -> None:
    await queue.works("101")
    place = await queue.keeps_place(OLENA, NOON)
    async with queue.house.database.scoped(Scope.all()) as connection:
        await take(connection, place, "102", queue.clock())
    assert await queue.step() == []
    async with queue.house.database.scoped(Scope.all()) as connection:
        await let_go(connection, place, "102", queue.clock())
    queue.keeper.stir()
    assert await queue.step() == [("101", OLENA)]


async def test_who_calls_again_themselves_is_not_called_meanwhile(queue: Queue) -> None:
    await queue.works("101")
    await queue.keeps_place(OLENA, NOON)
    again = queue.waits("0631111111", NOON + 9 * MINUTE)
    assert await queue.step() == []
    queue.tell(ami.Hangup(ami.Leg(again, "", LinkedId(again)), 16))
    await queue.house.tell(talk(NOON + 10 * MINUTE, OLENA))
    queue.keeper.stir()
    assert await queue.step() == []
    assert queue.rung() == []


async def test_a_number_that_may_not_be_called_does_not_keep_its_place_for_ever(queue: Queue) -> None:
    await queue.works("101")
    place = await queue.keeps_place(OLENA, NOON)
    queue.keeper = queue.another(allow=["+48"])
    for _ in range(MOST_BARRED):
        assert await queue.kept(place) == ("skynet", None)
        await queue.step()
        queue.keeper._barred = {each: (count, 0.0) for each, (count, _) in queue.keeper._barred.items()}
    assert await queue.kept(place) == (None, None)
    assert queue.rung() == []
    [(note,)] = await queue.house.rows("SELECT note FROM callback_act WHERE act = 'place_lost'")
    assert "outbound.allow" in note


async def test_nobody_is_rung_while_the_picture_is_old(queue: Queue) -> None:
    await queue.works("101")
    await queue.keeps_place(OLENA, NOON)
    for fact in queue.view.lose_link(queue.clock()):
        queue.board.on_fact(fact)
    assert await queue.step() == []
