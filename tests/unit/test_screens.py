"""Which card stands on whose screens, told as stories over live facts; nothing here waits for a browser."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from callcenter.ami.facts import (
    AgentAnswered,
    AgentDidNotAnswer,
    AgentHeld,
    AgentUnheld,
    CallEnded,
    CallerJoinedQueue,
    CallTransferred,
    LinkLost,
    LinkRestored,
    PhoneStateChanged,
    RingEnded,
)
from callcenter.desk.card import Stage
from callcenter.desk.ports import AgentNow, QueueNow, Snapshot
from callcenter.desk.screen import EVERYTHING, Region, Screen
from callcenter.errors import Unavailable
from callcenter.store import Scope
from callcenter.words import Did, Known, Missing, Pending, SubscriberId, UniqueId
from tests.unit.desk_story import DIDS, DIM, GOOD_BEFORE, NOON, SVITLO, WEAK, desk, subscriber, until

OURS = Scope.only([SVITLO])


async def test_lookups_begin_when_the_call_arrives_and_the_card_is_whole_when_the_phone_rings() -> None:
    async with desk(subscribers=[subscriber()], last=GOOD_BEFORE) as here:
        call = here.arrives()
        await until(lambda: any(asked[0] == "read_line" for asked in here.answers.asked))
        assert here.sees_nothing("101")
        await until(lambda: len(here.answers.asked) >= 5)
        await asyncio.sleep(0)
        here.rings(call, "101")
        assert here.card().is_complete
        assert here.card().line == WEAK
        assert here.seat().stage is Stage.RINGING


async def test_only_the_agent_who_rings_sees_the_card() -> None:
    async with desk(subscribers=[subscriber()]) as here:
        here.rings(here.arrives(), "101")
        assert here.sees_nothing("102")
        assert here.sees_nothing("103")


async def test_what_is_late_follows_as_it_comes() -> None:
    async with desk(subscribers=[subscriber()], last=GOOD_BEFORE) as here:
        gate = here.answers.hold("read_line")
        with here.screens.opened("101", OURS) as screen:
            call = here.arrives()
            await until(lambda: here.screens._calls[call].card.shown_line == GOOD_BEFORE)
            screen.take()
            here.rings(call, "101")
            assert Region.CARD in screen.take()
            assert here.card().line == Pending()
            gate.set()
            await until(lambda: here.card().line == WEAK)
            assert Region.CARD in screen.take()


async def test_a_ring_that_is_not_answered_moves_on() -> None:
    async with desk() as here:
        call = here.rings(here.arrives(), "101")
        here.tell(AgentDidNotAnswer(call, "101"))
        here.rings(call, "102")
        assert here.sees_nothing("101")
        assert here.card("102").call == call


async def test_the_card_closes_for_losers_and_stays_with_who_answered() -> None:
    async with desk() as here:
        call = here.rings(here.arrives(), "101", "102")
        here.tell(RingEnded(call, "102"), AgentAnswered(call, "101"))
        assert here.sees_nothing("102")
        assert here.seat("101").stage is Stage.TALKING


async def test_the_card_closes_for_losers_even_when_the_end_of_their_ringing_is_not_told() -> None:
    async with desk() as here:
        call = here.rings(here.arrives(), "101", "102")
        here.tell(AgentAnswered(call, "101"))
        assert here.sees_nothing("102")
        here.rings(call, "102")  # 101 asks 102 something
        here.tell(AgentAnswered(call, "101"))
        assert here.seat("102").stage is Stage.RINGING


async def test_when_the_caller_leaves_while_ringing_every_card_closes() -> None:
    async with desk() as here:
        call = here.rings(here.arrives(), "101", "102")
        here.tell(CallEnded(call))
        assert here.sees_nothing("101")
        assert here.sees_nothing("102")
        assert not here.screens._calls


async def test_after_the_call_the_card_stays_until_dismissed() -> None:
    async with desk() as here:
        call = here.rings(here.arrives(), "101")
        here.tell(AgentAnswered(call, "101"))
        here.screens.dismiss("101", call)
        assert here.seat().stage is Stage.TALKING  # whom one talks with cannot be closed
        here.tell(CallEnded(call))
        assert here.seat().stage is Stage.AFTER_CALL
        here.screens.dismiss("101", call)
        assert here.sees_nothing("101")
        assert not here.screens._calls


async def test_after_the_call_the_card_stays_until_the_next_ring() -> None:
    async with desk() as here:
        first = here.rings(here.arrives(), "101")
        here.tell(AgentAnswered(first, "101"), CallEnded(first))
        second = here.rings(here.arrives("0931112233"), "101")
        assert here.card().call == second
        assert set(here.screens._calls) == {second}
        here.tell(CallEnded(second))
        assert here.sees_nothing("101")


async def test_a_transfer_moves_the_card() -> None:
    async with desk() as here:
        call = here.rings(here.arrives(), "101")
        here.tell(AgentAnswered(call, "101"), CallTransferred(call, "102"))
        here.rings(call, "102")
        assert here.seat("101").stage is Stage.AFTER_CALL
        here.tell(AgentAnswered(call, "102"))
        assert here.seat("102").stage is Stage.TALKING
        here.screens.dismiss("101", call)
        here.rings(here.arrives("0931112233"), "101")  # 101 goes on; the transferred call is not touched by it
        assert here.seat("102").stage is Stage.TALKING
        assert not here.screens._calls[call].over


async def test_an_attended_transfer_leaves_the_first_agent_behind() -> None:
    async with desk() as here:
        call = here.rings(here.arrives(), "101")
        here.tell(AgentAnswered(call, "101"), AgentAnswered(call, "102"), CallTransferred(call, "102"))
        assert here.seat("101").stage is Stage.AFTER_CALL
        assert here.seat("102").stage is Stage.TALKING


async def test_an_agent_whose_phone_is_idle_talks_with_nobody() -> None:
    async with desk() as here:
        call = here.rings(here.arrives(), "101")
        here.tell(AgentAnswered(call, "101"), PhoneStateChanged("101", "inuse"))
        assert here.seat().stage is Stage.TALKING
        here.tell(PhoneStateChanged("101", "not_inuse"))
        assert here.seat().stage is Stage.AFTER_CALL


async def test_hold_is_shown() -> None:
    async with desk() as here:
        call = here.rings(here.arrives(), "101")
        here.tell(AgentAnswered(call, "101"), AgentHeld(call, "101"))
        assert here.seat().held
        here.tell(AgentUnheld(call, "101"))
        assert not here.seat().held


async def test_the_lookups_of_a_call_end_with_it() -> None:
    async with desk(subscribers=[subscriber()]) as here:
        here.answers.hold("read_line")
        call = here.arrives()
        await until(lambda: ("read_line", 1) in here.answers.asked)
        here.tell(CallEnded(call))
        await until(lambda: here.answers.cancelled == ["read_line"])
        assert not here.screens._calls


async def test_a_lookup_that_fails_is_said_on_the_card_and_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    failing = {"subscribers": Unavailable("database", "gone"), "history": RuntimeError("a bug")}
    async with desk(failing=failing) as here:
        call = here.arrives()
        await until(lambda: here.screens._calls[call].card.is_complete)
        here.rings(call, "101")
        assert here.card().subscribers == Missing("card.no_directory")
        assert here.card().history == Missing("card.no_ledger")
        assert isinstance(here.card().callback, Known)
        here.answers.failing.clear()
        here.answers.subscribers = [subscriber()]
        here.screens.read_again("101", call)
        await until(lambda: here.card().line == WEAK and isinstance(here.card().history, Known))
    assert "a bug" in caplog.text


async def test_the_agent_chooses_among_several_and_the_line_follows_the_choice() -> None:
    async with desk(subscribers=[subscriber(1), subscriber(2)]) as here:
        call = here.rings(here.arrives(), "101")
        await until(lambda: here.card().is_choice)
        assert not any(asked[0] == "read_line" for asked in here.answers.asked)
        here.screens.choose("102", call, SubscriberId(1))  # not their call
        assert here.card().is_choice
        here.screens.choose("101", call, SubscriberId(2))
        await until(lambda: here.card().line == WEAK)
        assert ("read_line", 2) in here.answers.asked
        here.screens.choose("101", call, None)
        assert here.card().is_choice


async def test_an_answer_for_somebody_not_chosen_any_more_is_dropped() -> None:
    async with desk(subscribers=[subscriber(1), subscriber(2)]) as here:
        gate = here.answers.hold("read_line")
        call = here.rings(here.arrives(), "101")
        await until(lambda: here.card().is_choice)
        here.screens.choose("101", call, SubscriberId(1))
        await until(lambda: ("read_line", 1) in here.answers.asked)
        here.screens.choose("101", call, None)
        gate.set()
        await until(lambda: not here.screens._calls[call].tasks)
        assert here.card().line == Pending()


async def test_an_anonymous_caller_has_nobodys_history() -> None:
    async with desk() as here:
        call = here.rings(here.arrives("anonymous"), "101")
        await until(lambda: here.card().is_complete)
        assert here.card().caller.anonymous
        assert not any(asked[0] in {"history", "callback"} for asked in here.answers.asked)
        assert here.card().call == call


async def test_every_question_names_the_provider_that_was_dialled() -> None:
    async with desk(subscribers=[subscriber()]) as here:
        call = here.rings(here.arrives(did=DIDS[DIM]), "103")
        await until(lambda: here.card("103").is_complete)
        assert here.card("103").subscriber is None
        assert {asked[1] for asked in here.answers.asked if asked[0] in {"subscribers", "history", "callback"}} == {DIM}
        assert here.card("103").call == call


async def test_a_number_that_is_nobodys_lights_no_screen() -> None:
    async with desk() as here:
        here.rings(here.arrives(did="380449999999"), "101")
        assert here.sees_nothing("101")


async def test_a_did_that_the_book_learns_while_the_caller_waits_has_its_card_when_the_phone_rings() -> None:
    async with desk(subscribers=[subscriber()]) as here:
        call, gone = here.arrives(did="380449999999"), here.arrives(did="380449999999")
        here.tell(CallEnded(gone))
        known = here.books[-1]
        here.books.append(replace(known, dids={**known.dids, Did("+380449999999"): SVITLO}))
        here.rings(call, "101")
        assert here.card().provider.id == SVITLO
        await until(lambda: here.card().is_complete)
        here.tell(CallEnded(call))
        assert here.sees_nothing("101")
        assert here.screens._strangers == {}


async def test_facts_about_calls_nobody_told_of_change_nothing() -> None:
    async with desk() as here:
        call = UniqueId("pbx1-77.1")
        here.rings(call, "101")
        here.tell(
            AgentAnswered(call, "101"), AgentDidNotAnswer(call, "101"), RingEnded(call, "101"), AgentHeld(call, "101"),
            CallTransferred(call, "102"), CallEnded(call), CallerJoinedQueue(call, "p1", 1),
            PhoneStateChanged("777", "not_inuse"),
        )  # fmt: skip
        assert here.sees_nothing("101")
        assert not here.screens._seats


async def test_told_twice_nothing_changes() -> None:
    async with desk() as here:
        call = here.arrives()
        with here.screens.opened("101", OURS) as screen:
            here.rings(call, "101")
            screen.take()
            here.rings(call, "101")
            assert screen.take() == frozenset()


async def test_a_fact_that_breaks_something_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async with desk() as here:
        here.screens._book = lambda: (_ for _ in ()).throw(RuntimeError("no book"))
        here.arrives()
        assert "could not take in CallArrived" in caplog.text


async def test_a_page_that_comes_back_is_drawn_whole_first() -> None:
    async with desk() as here:
        here.rings(here.arrives(), "101")
        with here.screens.opened("101", OURS) as screen:
            assert await screen.changes() == EVERYTHING
        with here.screens.opened("101", OURS) as again:
            assert await again.changes() == EVERYTHING
            assert here.card().call


async def test_every_tab_of_an_agent_gets_it() -> None:
    async with desk() as here:
        call = here.arrives()
        with here.screens.opened("101", OURS) as one, here.screens.opened("101", OURS) as other:
            one.take()
            other.take()
            here.rings(call, "101")
            assert Region.CARD in one.take()
            assert Region.CARD in other.take()


async def test_a_browser_that_does_not_read_stalls_nobody_and_costs_one_slot_a_region() -> None:
    async with desk() as here:
        with here.screens.opened("101", OURS) as sleeping, here.screens.opened("102", OURS) as awake:
            for _ in range(500):
                call = here.rings(here.arrives(), "101")
                here.tell(CallEnded(call))
            assert sleeping.take() <= EVERYTHING
            awake.take()
            here.rings(here.arrives(), "102")
            assert Region.CARD in await awake.changes()  # type: ignore[operator]
        assert len(here.screens._calls) == 1


async def test_a_cut_link_is_said_and_taken_back() -> None:
    async with desk() as here:
        with here.screens.opened("101", OURS) as screen:
            screen.take()
            here.tell(LinkLost(NOON - timedelta(seconds=20)))
            assert Region.LINK in screen.take()
            assert here.screens.lost_since == NOON - timedelta(seconds=20)
            here.tell(LinkRestored())
            assert Region.LINK in screen.take()
            assert here.screens.lost_since is None


async def test_whom_an_agent_calls_back_is_a_card_until_the_phone_is_idle() -> None:
    async with desk(subscribers=[subscriber()]) as here:
        here.screens.calling_back(7, SVITLO, "+380671234567", "101")
        assert here.seat().stage is Stage.CALLING
        await until(lambda: here.card().line == WEAK)
        here.tell(PhoneStateChanged("101", "ringing"), PhoneStateChanged("101", "inuse"))
        assert here.seat().stage is Stage.CALLING
        here.tell(PhoneStateChanged("101", "not_inuse"))
        assert here.seat().stage is Stage.AFTER_CALL
        here.screens.dismiss("101", UniqueId("callback-7"))
        assert not here.screens._calls


async def test_a_ring_takes_the_place_of_a_call_back() -> None:
    async with desk() as here:
        here.screens.calling_back(7, SVITLO, "+380671234567", "101")
        call = here.rings(here.arrives(), "101")
        assert set(here.screens._calls) == {call}


async def test_when_the_service_stops_pages_are_told_to_come_back() -> None:
    async with desk() as here:
        screen = Screen("101", OURS)
        here.screens._screens["101"] = {screen}
    assert await screen.changes() is None


async def test_the_status_is_drawn_where_it_differs() -> None:
    async with desk() as here:
        with here.screens.opened("101", OURS) as one, here.screens.opened("103", Scope.only([DIM])) as other:
            rail = here.screens.rail
            assert rail.status(one).state == "offline"
            await until(lambda: ("owed", OURS) in here.answers.asked)
            await until(lambda: isinstance(rail.calls(one), Known))
            one.take()
            other.take()
            since = NOON - timedelta(seconds=31)
            queues = (QueueNow("p1", 2, since), QueueNow("p2", 5, NOON))
            here.picture.append(Snapshot(True, NOON, (AgentNow("101", "paused", NOON, "обід"),), queues))
            rail.stir()
            await until(lambda: rail.status(one).state == "paused")
            assert (rail.status(one).waiting, rail.status(one).longest_since) == (2, since)
            await until(lambda: rail.status(other).waiting == 5)  # who waits is counted once a second
            assert {Region.STATUS, Region.IDLE} <= one.take()
            assert Region.IDLE not in other.take()


async def test_lists_that_cannot_be_read_stay_as_they_were() -> None:
    async with desk() as here:
        with here.screens.opened("101", OURS) as screen:
            rail = here.screens.rail
            await until(lambda: isinstance(rail.owed(screen), Known))
            here.answers.failing["owed"] = Unavailable("database", "gone")
            asked = here.answers.asked.count(("owed", OURS))
            here.screens.callbacks_changed()
            await until(lambda: here.answers.asked.count(("owed", OURS)) > asked)
            assert isinstance(rail.owed(screen), Known)
