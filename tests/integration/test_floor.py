"""Agents' duty on a real PostgreSQL with a scripted manager: what is written, what Asterisk is told, by whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from callcenter.ami import events as ami
from callcenter.ami.commands import Commands
from callcenter.ami.facts import AgentAnswered, AgentDidNotAnswer, CallerJoinedQueue, DutyCodeDialled, MemberChanged
from callcenter.ami.live import LiveView
from callcenter.errors import RuleBroken
from callcenter.floor import duty
from callcenter.floor.board import AgentNow, Snapshot
from callcenter.floor.duty import DutyBook
from callcenter.floor.keeper import Keeper
from callcenter.floor.statelog import StateLog, open_states
from callcenter.floor.states import AgentStatus
from callcenter.store import Database, Scope
from callcenter.words import LinkedId, UniqueId
from tests.integration.ami_server import ScriptedAsterisk, scripted_asterisk, until
from tests.integration.ledger_house import House
from tests.integration.test_ami_session import QUICK, address, clock, running

RINGS = 3


@dataclass
class Floor:
    """A keeper that leads, one step at a time, over a view that the test tells."""

    house: House
    asterisk: ScriptedAsterisk
    keeper: Keeper
    duties: DutyBook
    view: LiveView
    first: set[str] = field(default_factory=set)
    """Agents who are rung for something else before they are ready."""

    async def write(self, extension: str, what: str, **more: object) -> None:
        async with self.house.database.scoped(Scope.all()) as connection:
            await getattr(duty, what)(connection, extension, self.house.clock(), "test", **more)
        await self.duties.load()

    async def step(self) -> list[tuple[str, ...]]:
        """What Asterisk is told now; it then shows so in the view, as its events do."""
        before = len(self.asterisk.received)
        self.keeper._told.clear()
        await self.keeper.step()
        told: list[tuple[str, ...]] = []
        for headers in self.asterisk.received[before:]:
            name = headers["Action"]
            if name not in {"QueueAdd", "QueueRemove", "QueuePause", "QueuePenalty"}:
                continue
            self._show(name, headers)
            told.append(
                (name, headers.get("Queue", ""), headers["Interface"].rpartition("-")[2], headers.get("Paused", ""))
            )
        return told

    def _show(self, name: str, headers: dict[str, str]) -> None:
        queue, interface = headers["Queue"], headers["Interface"]
        known = next(
            (m for m in self.view.members() if (m.queue, m.agent) == (queue, interface.rpartition("-")[2])), None
        )
        paused = headers["Paused"] == "true" if "Paused" in headers else bool(known and known.paused)
        status = "removed" if name == "QueueRemove" else "not_inuse"
        penalty = int(headers.get("Penalty", known.penalty if known else 0))
        reason = headers.get("Reason", "")
        for fact in self.view.apply(ami.QueueMember(queue, interface, paused, reason, status, penalty)):
            self.keeper.on_fact(fact)


@pytest.fixture
async def floor(database: Database, tmp_path: Path) -> AsyncIterator[Floor]:
    house = await House.build(database, tmp_path)
    house.book = replace(house.book, queues=tuple(replace(queue, wrapup_s=20) for queue in house.book.queues))
    async with scripted_asterisk() as asterisk:
        commands = Commands(address(asterisk), clock=clock, pace=QUICK)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            async with _floor(house, asterisk, commands) as made:
                yield made


@asynccontextmanager
async def _floor(house: House, asterisk: ScriptedAsterisk, commands: Commands) -> AsyncIterator[Floor]:
    duties, view, first = DutyBook(house.database), LiveView(), set[str]()

    async def is_first(extension: str) -> bool:
        return extension in first

    keeper = Keeper(
        house.database, lambda: house.book, duties, commands, view, house.clock,
        leads=lambda: True, unanswered_rings=RINGS, before_ready=is_first,
    )  # fmt: skip
    yield Floor(house, asterisk, keeper, duties, view, first)


async def test_a_signed_in_agent_is_a_member_of_each_queue_and_a_signed_out_one_of_none(floor: Floor) -> None:
    assert await floor.step() == []
    await floor.write("101", "sign_in")
    assert await floor.step() == [("QueueAdd", "skynet", "101", "false")]
    assert await floor.step() == []
    await floor.write("101", "sign_out")
    assert await floor.step() == [("QueueRemove", "skynet", "101", "")]


async def test_a_restarted_asterisk_that_forgot_everything_is_told_again(floor: Floor) -> None:
    """Pain 14: after a resync the floor is as the database says, whatever Asterisk lost."""
    await floor.write("101", "sign_in")
    await floor.write("101", "pause", reason="lunch")
    await floor.step()
    for fact in floor.view.apply(ami.QueueMember("skynet", "PJSIP/agent-101", False, "", "removed")):
        floor.keeper.on_fact(fact)
    assert await floor.step() == [("QueueAdd", "skynet", "101", "true"), ("QueuePause", "skynet", "101", "true")]


async def test_a_pause_keeps_its_reason_and_ends_when_told(floor: Floor) -> None:
    await floor.write("101", "sign_in")
    await floor.step()
    await floor.write("101", "pause", reason="lunch", limit=timedelta(minutes=45))
    assert await floor.step() == [("QueuePause", "skynet", "101", "true")]
    assert floor.view.members()[0].reason == "lunch"
    floor.house.clock.turn(46 * 60)
    await floor.step()
    assert floor.duties.of("101").status is AgentStatus.PAUSED
    assert await floor.house.rows("SELECT kind, subject FROM alarm") == [("pause_over_limit", "101")]
    await floor.write("101", "ready")
    assert await floor.step() == [("QueuePause", "skynet", "101", "false")]
    assert await floor.house.rows("SELECT count(*) FROM alarm WHERE cleared_at IS NULL") == [(0,)]


async def test_after_a_call_comes_the_time_to_write_it_up_and_then_the_next(floor: Floor) -> None:
    await floor.write("101", "sign_in")
    await floor.step()
    floor.keeper.on_fact(CallerJoinedQueue(UniqueId("pbx1-1.1"), "skynet", 1))
    floor.keeper.on_fact(AgentAnswered(UniqueId("pbx1-1.1"), "101"))
    assert await floor.step() == [("QueuePause", "skynet", "101", "true")]  # nobody is on the line in this view
    after = floor.duties.of("101")
    assert (after.status, after.call) == (AgentStatus.WRAP_UP, "pbx1-1.1")
    assert after.until == floor.house.clock() + timedelta(seconds=20)
    floor.house.clock.turn(19)
    assert await floor.step() == []
    await floor.write("101", "prolong", by=timedelta(seconds=60))
    floor.house.clock.turn(30)
    assert await floor.step() == []
    floor.house.clock.turn(32)
    assert await floor.step() == [("QueuePause", "skynet", "101", "false")]
    assert floor.duties.of("101").status is AgentStatus.READY


async def test_who_asked_for_a_pause_during_the_call_has_it_after_the_call(floor: Floor) -> None:
    await floor.write("101", "sign_in")
    await floor.write("101", "pause", reason="break")
    floor.keeper.on_fact(AgentAnswered(UniqueId("pbx1-1.1"), "101"))
    await floor.step()
    assert (floor.duties.of("101").status, floor.duties.of("101").reason) == (AgentStatus.PAUSED, "break")


async def test_rings_in_a_row_that_nobody_answers_pause_the_agent_and_tell_the_supervisor(floor: Floor) -> None:
    await floor.write("101", "sign_in")
    for _ in range(RINGS - 1):
        floor.keeper.on_fact(AgentDidNotAnswer(UniqueId("pbx1-1.1"), "101"))
        await floor.step()
    floor.keeper.on_fact(AgentAnswered(UniqueId("pbx1-1.2"), "101"))
    await floor.step()
    await floor.write("101", "ready")
    for count in range(RINGS):
        assert floor.duties.of("101").status is AgentStatus.READY, count
        floor.keeper.on_fact(AgentDidNotAnswer(UniqueId("pbx1-1.3"), "101"))
        await floor.step()
    assert (floor.duties.of("101").status, floor.duties.of("101").reason) == (AgentStatus.PAUSED, "no_answer")
    assert await floor.house.rows("SELECT kind, subject FROM alarm") == [("agent_does_not_answer", "101")]


async def test_who_is_rung_for_a_kept_place_first_comes_back_to_the_queue_after_it(floor: Floor) -> None:
    await floor.write("101", "sign_in")
    await floor.write("101", "pause", reason="break")
    await floor.step()
    floor.first.add("101")
    await floor.write("101", "ready")
    assert await floor.step() == []
    floor.first.clear()
    floor.keeper._first_rung.clear()
    assert await floor.step() == [("QueuePause", "skynet", "101", "false")]


async def test_who_comes_to_work_calls_a_kept_place_before_they_are_given_a_caller(floor: Floor) -> None:
    floor.first.add("101")
    await floor.write("101", "sign_in")
    assert await floor.step() == [("QueueAdd", "skynet", "101", "true")]
    floor.first.clear()
    floor.keeper._first_rung.clear()
    assert await floor.step() == [("QueuePause", "skynet", "101", "false")]


async def test_a_kept_place_that_rang_in_vain_counts_as_any_ring(floor: Floor) -> None:
    await floor.write("101", "sign_in")
    for _ in range(RINGS):
        floor.keeper.rang_in_vain("101")
        await floor.step()
    assert floor.duties.of("101").reason == "no_answer"


async def test_what_an_agent_says_by_phone_is_not_undone_before_the_journal_has_told_it(floor: Floor) -> None:
    await floor.write("101", "sign_in")
    await floor.write("102", "sign_in")
    await floor.step()
    floor.keeper.on_fact(DutyCodeDialled("101"))
    for agent in ("101", "102"):  # Asterisk has paused both; of 102 nobody said so
        for fact in floor.view.apply(ami.QueueMember("skynet", f"PJSIP/agent-{agent}", True, "phone", "not_inuse")):
            floor.keeper.on_fact(fact)
    assert await floor.step() == [("QueuePause", "skynet", "102", "false")]
    await floor.write("101", "pause", reason="phone")
    assert await floor.step() == []
    await floor.write("101", "ready")
    assert await floor.step() == [("QueuePause", "skynet", "101", "false")]


async def test_a_code_that_the_journal_never_tells_is_undone_after_a_while(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callcenter.floor.keeper.SAID_WITHIN", 0.0)
    await floor.write("101", "sign_in")
    await floor.step()
    floor.keeper.on_fact(DutyCodeDialled("101"))
    floor.view.apply(ami.QueueMember("skynet", "PJSIP/agent-101", True, "phone", "not_inuse"))
    assert await floor.step() == [("QueuePause", "skynet", "101", "false")]


async def test_asterisk_is_told_nothing_before_the_journal_is_read_or_a_while_is_over(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = False
    floor.keeper._knows_journal = lambda: known
    await floor.write("101", "sign_in")
    assert await floor.step() == []
    known = True
    assert await floor.step() == [("QueueAdd", "skynet", "101", "false")]
    known = False
    await floor.write("101", "sign_out")
    assert await floor.step() == [("QueueRemove", "skynet", "101", "")]  # it has begun
    monkeypatch.setattr("callcenter.floor.keeper.JOURNAL_WITHIN", 0.0)
    floor.keeper._begins_at = None
    await floor.write("101", "sign_in")
    assert await floor.step() == [("QueueAdd", "skynet", "101", "false")]


async def test_after_a_kept_place_was_called_comes_the_time_to_write_it_up(floor: Floor) -> None:
    await floor.write("101", "sign_in")
    await floor.step()
    floor.keeper.calls_out("101", "callback-7", "skynet")
    assert await floor.step() == []  # the phone was told to ring and does not yet
    leg = ami.Leg(UniqueId("pbx1-1.9"), "PJSIP/agent-101-00000009", LinkedId("pbx1-1.9"))
    floor.view.apply(ami.Newchannel(leg, ami.STATE_DOWN, "", "", "", "", floor.house.clock()))
    for status in ("ringing", "inuse"):
        for fact in floor.view.apply(ami.QueueMember("skynet", "PJSIP/agent-101", False, "", status, 0)):
            floor.keeper.on_fact(fact)
        assert await floor.step() == []
    floor.view.apply(ami.Hangup(leg, 16))
    assert await floor.step() == [("QueuePause", "skynet", "101", "true")]
    assert (floor.duties.of("101").status, floor.duties.of("101").call) == (AgentStatus.WRAP_UP, "callback-7")


async def test_an_order_that_makes_no_sense_is_refused_in_words(floor: Floor) -> None:
    for what, more in (("pause", {"reason": "lunch"}), ("ready", {}), ("prolong", {"by": timedelta(60)})):
        with pytest.raises(RuleBroken, match="101"):
            await floor.write("101", what, **more)
    with pytest.raises(RuleBroken, match="there is no agent 999"):
        await floor.write("999", "sign_in")
    await floor.write("101", "sign_in")
    await floor.write("101", "pause", reason="lunch")
    await floor.write("101", "sign_in")  # a second tab: nothing changes
    assert floor.duties.of("101").status is AgentStatus.PAUSED


async def test_two_services_at_once_begin_one_wrap_up(floor: Floor) -> None:
    await floor.write("101", "sign_in")

    async def begins() -> bool:
        async with floor.house.database.scoped(Scope.only(())) as connection:
            return await duty.wrap_up(connection, "101", floor.house.clock(), "pbx1-1.1", timedelta(seconds=20))

    assert sorted(await asyncio.gather(*(begins() for _ in range(6)))) == [False] * 5 + [True]


async def test_a_service_that_does_not_lead_does_nothing(floor: Floor) -> None:
    await floor.write("101", "sign_in")
    floor.keeper._leads = lambda: False
    floor.keeper.on_fact(AgentDidNotAnswer(UniqueId("pbx1-1.1"), "101"))
    floor.keeper.on_fact(MemberChanged("skynet", "101", False, "not_inuse"))
    assert await floor.step() == []
    assert await floor.house.rows("SELECT unanswered FROM agent_duty") == [(0,)]


async def test_states_are_rows_that_a_restart_goes_on_with(floor: Floor) -> None:
    house, now = floor.house, floor.house.clock()

    def picture(state: str, minutes: int) -> Snapshot:
        agents = (AgentNow("101", state, now + timedelta(minutes=minutes)), AgentNow("102", "offline", now))
        return Snapshot(True, now, agents)

    showing = picture("ready", 0)
    log = StateLog(house.database, lambda: showing, lambda: True)
    await log.step()
    showing = picture("talking", 5)
    await log.step()
    await log.step()
    again = StateLog(house.database, lambda: showing, lambda: True)
    await again.step()
    rows = await house.rows(
        "SELECT extension, state, started_at, ended_at FROM agent_state JOIN agent ON agent.id = agent_id "
        "ORDER BY extension, started_at"
    )
    five = now + timedelta(minutes=5)
    assert rows == [("101", "ready", now, five), ("101", "talking", five, None), ("102", "offline", now, None)]
    async with house.database.scoped(Scope.only(())) as connection:
        assert (await open_states(connection))["101"] == ("talking", "", five)
    showing = picture("wrap_up", 3)  # a clock was set back
    await again.step()
    assert await house.rows("SELECT count(*) FROM agent_state WHERE ended_at < started_at") == [(0,)]
    assert await house.rows("SELECT state FROM agent_state WHERE ended_at IS NULL ORDER BY state") == [
        ("offline",), ("wrap_up",),
    ]  # fmt: skip
