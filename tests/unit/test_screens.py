"""Who sees which card when: told as facts of the live link, with look-ups that answer when the story says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from callcenter.ami.facts import (
    AgentAnswered,
    AgentDidNotAnswer,
    AgentHeld,
    AgentRang,
    AgentUnheld,
    CallArrived,
    CallEnded,
    CallTransferred,
    LinkLost,
    LinkRestored,
    LiveFact,
    PhoneStateChanged,
    RingEnded,
)
from callcenter.desk import screens as screens_module
from callcenter.desk.card import Stage
from callcenter.desk.screen import EVERYTHING, Region
from callcenter.desk.screens import Screens
from callcenter.routing.book import Book
from callcenter.store import Scope
from callcenter.words import Known, Missing, Pending, SubscriberId, UniqueId
from tests.screen_house import (
    NOON,
    NUMBER,
    SVITLONET,
    Answers,
    arrived,
    levels,
    past_call,
    screens_of,
    subscriber,
    until,
)

CALL = UniqueId("1.1")
SVITLO = Scope.only([SVITLONET.id])


@asynccontextmanager
async def running(screens: Screens) -> AsyncIterator[Screens]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(screens.run())
        await asyncio.sleep(0)
        yield screens
        task.cancel()


def tell(screens: Screens, *facts: LiveFact) -> None:
    for fact in facts:
        screens.on_fact(fact)


def stage(screens: Screens, extension: str) -> Stage | None:
    shown = screens.shown(extension)
    return None if shown is None else shown[1].stage


async def test_the_card_is_whole_before_the_phone_rings() -> None:
    answers = Answers(history=[past_call("0.9")])
    async with running(screens_of(answers)) as screens:
        tell(screens, arrived("1.1"))
        await until(lambda: screens._calls[CALL].card.is_complete)
        with screens.opened("101", SVITLO) as screen:
            assert screen.take() == EVERYTHING
            tell(screens, AgentRang(CALL, "101", UniqueId("1.2")))
            assert Region.CARD in screen.take(), "drawn in the very call that told of the ring"
        shown = screens.shown("101")
        assert shown is not None
        card, seat = shown
        assert seat.stage is Stage.RINGING
        assert card.subscriber == subscriber()
        assert isinstance(card.line, Known)
        assert isinstance(card.history, Known)
    assert ("subscribers", SVITLONET.id, NUMBER) in answers.asked, "asked in E.164, however it was dialled"


async def test_only_the_agent_who_rings_sees_it() -> None:
    async with running(screens_of(Answers())) as screens:
        with screens.opened("101", SVITLO) as olena, screens.opened("102", SVITLO) as taras:
            olena.take()
            taras.take()
            tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")))
            assert Region.CARD in olena.take()
            assert Region.CARD not in taras.take()
        assert screens.shown("102") is None


async def test_a_phone_that_is_not_answered_gives_the_card_to_the_next() -> None:
    async with running(screens_of(Answers())) as screens:
        tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")))
        with screens.opened("101", SVITLO) as olena:
            olena.take()
            tell(screens, AgentDidNotAnswer(CALL, "101"))
            assert Region.CARD in olena.take()
        assert screens.shown("101") is None
        tell(screens, AgentRang(CALL, "102", UniqueId("1.3")), AgentAnswered(CALL, "102"))
        assert stage(screens, "102") is Stage.TALKING


async def test_of_two_who_ring_the_loser_loses_the_card() -> None:
    async with running(screens_of(Answers())) as screens:
        tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")), AgentRang(CALL, "102", UniqueId("1.3")))
        tell(screens, AgentAnswered(CALL, "101"), RingEnded(CALL, "102"))
        assert stage(screens, "101") is Stage.TALKING
        assert screens.shown("102") is None


async def test_a_caller_who_gives_up_takes_the_card_along_and_stops_the_looking_up() -> None:
    answers = Answers()
    answers.shut("read_line")
    async with running(screens_of(answers)) as screens:
        tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")))
        await until(lambda: ("read_line", subscriber().id) in answers.asked)
        tell(screens, RingEnded(CALL, "101"), CallEnded(CALL))
        assert screens.shown("101") is None
        await until(lambda: answers.let_be == ["read_line"])
        assert not screens._calls
        assert not screens._seats


async def test_after_the_call_the_card_stays_until_it_is_put_away_or_the_next_one_rings() -> None:
    async with running(screens_of(Answers())) as screens:
        for call, ending in ((CALL, "dismissed"), (UniqueId("2.1"), "rung over")):
            tell(screens, arrived(call), AgentRang(call, "101", UniqueId("x")), AgentAnswered(call, "101"))
            await until(lambda call=call: screens._calls[call].card.is_complete)  # type: ignore[misc]
            tell(screens, CallEnded(call))
            assert stage(screens, "101") is Stage.AFTER_CALL, ending
            if ending == "dismissed":
                screens.dismiss("101", call)
                assert screens.shown("101") is None
        tell(screens, arrived("3.1"), AgentRang(UniqueId("3.1"), "101", UniqueId("x")))
        shown = screens.shown("101")
        assert shown is not None
        assert shown[0].call == "3.1"
        assert set(screens._calls) == {"3.1"}, "what nobody is shown any more is forgotten"


async def test_a_card_of_a_call_that_goes_on_cannot_be_put_away() -> None:
    async with running(screens_of(Answers())) as screens:
        tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")), AgentAnswered(CALL, "101"))
        screens.dismiss("101", CALL)
        assert stage(screens, "101") is Stage.TALKING


async def test_a_transferred_caller_comes_with_the_card() -> None:
    async with running(screens_of(Answers())) as screens:
        tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")), AgentAnswered(CALL, "101"))
        tell(screens, CallTransferred(CALL, "102"), AgentRang(CALL, "102", UniqueId("1.3")))
        assert stage(screens, "101") is Stage.AFTER_CALL
        assert stage(screens, "102") is Stage.RINGING
        tell(screens, AgentAnswered(CALL, "102"))
        assert stage(screens, "102") is Stage.TALKING


async def test_an_idle_phone_talks_with_nobody() -> None:
    async with running(screens_of(Answers())) as screens:
        tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")), AgentAnswered(CALL, "101"))
        tell(screens, PhoneStateChanged("101", "not_inuse"))
        assert stage(screens, "101") is Stage.AFTER_CALL


async def test_a_caller_on_hold_is_shown_so() -> None:
    async with running(screens_of(Answers())) as screens:
        tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")), AgentAnswered(CALL, "101"))
        tell(screens, AgentHeld(CALL, "101"))
        shown = screens.shown("101")
        assert shown is not None
        assert shown[1].held
        tell(screens, AgentUnheld(CALL, "101"))
        shown = screens.shown("101")
        assert shown is not None
        assert not shown[1].held


async def test_a_second_caller_who_rings_does_not_cover_the_conversation() -> None:
    async with running(screens_of(Answers())) as screens:
        tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")), AgentAnswered(CALL, "101"))
        tell(screens, arrived("2.1"), AgentRang(UniqueId("2.1"), "101", UniqueId("2.2")))
        shown = screens.shown("101")
        assert shown is not None
        assert shown[0].call == CALL


async def test_a_reloaded_page_is_drawn_whole_again_and_every_tab_has_it() -> None:
    async with running(screens_of(Answers())) as screens:
        tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")))
        with screens.opened("101", SVITLO) as first, screens.opened("101", SVITLO) as second:
            assert first.take() == second.take() == EVERYTHING
            assert stage(screens, "101") is Stage.RINGING
            tell(screens, AgentAnswered(CALL, "101"))
            assert Region.CARD in first.take() & second.take()
        assert not screens._screens, "a closed page is forgotten"


async def test_a_browser_that_does_not_read_keeps_nobody_waiting_and_costs_no_memory() -> None:
    async with running(screens_of(Answers())) as screens:
        with screens.opened("101", SVITLO) as asleep, screens.opened("101", SVITLO) as awake:
            for number in range(1000):
                call = UniqueId(f"{number}.1")
                tell(screens, arrived(call), AgentRang(call, "101", UniqueId("x")))
                assert Region.CARD in awake.take()
                tell(screens, RingEnded(call, "101"), CallEnded(call))
            assert asleep.take() == EVERYTHING, "as much as one look at the page, however much was missed"


async def test_what_is_found_late_follows() -> None:
    answers = Answers()
    answers.shut("subscribers", "read_line")
    async with running(screens_of(answers)) as screens:
        with screens.opened("101", SVITLO) as screen:
            tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")))
            await until(lambda: isinstance(screens._calls[CALL].card.history, Known))
            screen.take()
            answers.gates["subscribers"].set()
            await until(lambda: isinstance(screens._calls[CALL].card.last_line, Known))
            assert Region.CARD in screen.take()
            card = screens._calls[CALL].card
            assert card.subscriber is not None
            assert isinstance(card.line, Pending)
            answers.gates["read_line"].set()
            await until(lambda: screens._calls[CALL].card.is_complete)
            assert Region.CARD in screen.take()


async def test_the_line_follows_the_choice_and_a_late_answer_for_another_is_dropped() -> None:
    answers = Answers(subscribers=[subscriber(1), subscriber(2)], lines={1: levels(-11), 2: levels(-22)})
    answers.shut("read_line 1")
    async with running(screens_of(answers)) as screens:
        tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")))
        await until(lambda: screens._calls[CALL].card.is_choice)
        assert not [name for name, *_ in answers.asked if name == "read_line"], "nobody chosen, no line read"
        screens.choose("102", CALL, SubscriberId(1))
        assert screens._calls[CALL].card.is_choice, "it is not another agent's to choose"
        screens.choose("101", CALL, SubscriberId(1))
        await until(lambda: ("read_line", 1) in answers.asked)
        screens.choose("101", CALL, SubscriberId(2))
        await until(lambda: screens._calls[CALL].card.line == levels(-22))
        answers.gates["read_line 1"].set()
        await until(lambda: not screens._calls[CALL].tasks)
        assert screens._calls[CALL].card.line == levels(-22)
        screens.choose("101", CALL, None)
        assert screens._calls[CALL].card.is_choice


async def test_a_look_up_that_breaks_is_said_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    answers = Answers(broken={"subscribers", "callback"})
    async with running(screens_of(answers)) as screens:
        tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")))
        await until(lambda: screens._calls[CALL].card.is_complete)
        card = screens._calls[CALL].card
        assert card.subscribers == Missing("card.no_directory")
        assert card.callback == Missing("card.no_ledger")
        assert isinstance(card.history, Known)
        assert "ZeroDivisionError" in caplog.text
        answers.broken.clear()
        screens.read_again("101", CALL)
        await until(lambda: screens._calls[CALL].card.subscriber is not None)


async def test_a_look_up_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens_module, "LOOKUP_LIMIT", 0.05)
    answers = Answers()
    answers.shut("subscribers", "history")
    async with running(screens_of(answers)) as screens:
        tell(screens, arrived("1.1"))
        await until(lambda: screens._calls[CALL].card.is_complete)
        assert screens._calls[CALL].card.subscribers == Missing("card.no_directory")


async def test_hidden_numbers_are_nobodys_history() -> None:
    answers = Answers(subscribers=[], history=[past_call("0.9")])
    async with running(screens_of(answers)) as screens:
        tell(screens, arrived("1.1", number="anonymous"), AgentRang(CALL, "101", UniqueId("1.2")))
        await until(lambda: screens._calls[CALL].card.is_complete)
        card = screens._calls[CALL].card
        assert card.caller.anonymous
        assert isinstance(card.history, Known)
        assert card.history.value == ()


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "Петров'\"\\\r\nEvent: Hangup\r\n\r\n", "\x00\u202e" * 100, "Ї" * 10_000, "\ud800"],
)
async def test_whatever_a_caller_is_called_their_card_comes(name: str) -> None:
    async with running(screens_of(Answers())) as screens:
        tell(screens, arrived("1.1", number=name, name=name), AgentRang(CALL, "101", UniqueId("1.2")))
        await until(lambda: screens._calls[CALL].card.is_complete)
        assert stage(screens, "101") is Stage.RINGING


async def test_a_call_to_nobodys_number_is_no_card() -> None:
    async with running(screens_of(Answers())) as screens:
        tell(screens, arrived("1.1", did="+380449999999"), AgentRang(CALL, "101", UniqueId("1.2")), CallEnded(CALL))
        assert screens.shown("101") is None


async def test_facts_in_any_order_and_twice_break_nothing() -> None:
    story: Sequence[LiveFact] = (
        arrived("1.1"),
        AgentRang(CALL, "101", UniqueId("1.2")),
        AgentAnswered(CALL, "101"),
        AgentHeld(CALL, "101"),
        CallTransferred(CALL, "102"),
        AgentRang(CALL, "102", UniqueId("1.3")),
        AgentAnswered(CALL, "102"),
        CallEnded(CALL),
    )
    for beginning in range(len(story)):
        async with running(screens_of(Answers())) as screens:
            tell(screens, *story[beginning:], *story[beginning:])
            tell(screens, *reversed(story), CallEnded(CALL))
            for extension in ("101", "102"):
                assert stage(screens, extension) in {None, Stage.AFTER_CALL}


async def test_nothing_said_to_the_pump_is_ever_raised_back(caplog: pytest.LogCaptureFixture) -> None:
    def no_book() -> Book:
        raise ZeroDivisionError("the book is gone")

    screens = Screens(Answers().lookups(), no_book, screens_of(Answers()).rail._live, lambda: NOON)
    tell(screens, arrived("1.1"))
    assert "the book is gone" in caplog.text


async def test_a_lost_link_is_told_on_every_page_with_its_hour() -> None:
    async with running(screens_of(Answers())) as screens:
        with screens.opened("101", SVITLO) as screen:
            tell(screens, arrived("1.1"), AgentRang(CALL, "101", UniqueId("1.2")))
            screen.take()
            tell(screens, LinkLost(NOON))
            assert Region.LINK in screen.take()
            assert screens.lost_since == NOON
            assert stage(screens, "101") is Stage.RINGING, "what is shown is as it was then"
            tell(screens, LinkRestored())
            assert Region.LINK in screen.take()
            assert screens.lost_since is None


async def test_calls_that_came_before_the_service_was_ready_are_looked_up_when_it_is() -> None:
    answers = Answers()
    screens = screens_of(answers)
    tell(screens, arrived("1.1"))
    assert not answers.asked
    async with running(screens):
        await until(lambda: screens._calls[CALL].card.is_complete)


async def test_when_the_service_stops_open_pages_are_told() -> None:
    screens = screens_of(Answers())
    with screens.opened("101", SVITLO) as screen:
        screen.take()
        async with running(screens):
            await asyncio.sleep(0)
        assert await screen.changes() is None


async def test_thousands_of_calls_later_nothing_is_left() -> None:
    now = NOON

    def clock() -> datetime:
        nonlocal now
        now += timedelta(milliseconds=1)
        return now

    answers = Answers(line=Missing("line.missing.timeout", "OLT"))
    async with running(screens_of(answers, clock)) as screens:
        for number in range(300):
            call = UniqueId(f"{number}.1")
            facts: tuple[LiveFact, ...] = (arrived(call), AgentRang(call, "101", UniqueId("x")))
            tell(screens, *facts)
            if number % 3:
                tell(screens, AgentAnswered(call, "101"))
            if number % 7 == 0:
                await asyncio.sleep(0)
            tell(screens, CallEnded(call))
        assert len(screens._calls) <= 1, "only the last one talked with is kept, for who talked"


def test_a_call_arrives_once() -> None:
    screens = screens_of(Answers())
    fact = arrived("1.1")
    assert isinstance(fact, CallArrived)
    tell(screens, fact, AgentRang(CALL, "101", UniqueId("1.2")), fact)
    assert stage(screens, "101") is Stage.RINGING
