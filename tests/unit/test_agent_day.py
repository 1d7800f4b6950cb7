"""What the agent's page shows besides the card: notes, own calls, what was taken, whom one may call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from callcenter.ami.facts import AgentAnswered, AgentHeld, AgentUnheld, CallEnded
from callcenter.calls.entry import LedgerEntry
from callcenter.calls.notes import CallNote
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord
from callcenter.desk.call_rows import CallRow
from callcenter.desk.callback_rows import CallbackRow
from callcenter.desk.card import Stage
from callcenter.desk.people import colleagues, queues_for
from callcenter.desk.ports import AgentNow, Snapshot
from callcenter.desk.screen import Region
from callcenter.desk.sessions import Visitor
from callcenter.errors import Unavailable
from callcenter.floor.messages import Message
from callcenter.routing.numbers import caller_number
from callcenter.store import Scope
from callcenter.words import Known, Missing, Pending, ProviderId, UniqueId, UserId
from tests.unit.desk_story import DIM, NOON, SVITLO, Desk, book, desk, provider, subscriber, until

OURS = Scope.only([SVITLO])


def written(call: str, agent: str = "101", note: str = "вже писали") -> CallNote:
    return CallNote(UniqueId(call), agent, "tv", note, NOON)


def past_call(call: str) -> CallRow:
    return CallRow(
        id=UniqueId(call), provider=SVITLO, direction="in", did=None, dialled="", number="+380671234567",
        callable=True, caller_name="", arrived_at=NOON, answered_at=NOON, queued_at=NOON, connected_at=NOON,
        ended_at=NOON, outcome="answered", waited_s=3.0, talked_s=61.0, agents=("102",), rang=("102",), transfers=0,
        hangup_by="caller", hangup_cause=16, callback=None, source="journal", settled=True,
    )  # fmt: skip


def own_call(call: str, outcome: CallOutcome | None = None, **changes: Any) -> LedgerEntry:
    """The ledger's word of a call that Olena makes."""
    known: dict[str, Any] = {
        "id": UniqueId(call), "direction": "out", "dialled": "", "number_raw": "", "caller_name": "", "trunk": "",
        "arrived_at": NOON, "answered_at": None, "queued_at": None, "connected_at": None, "ended_at": None,
        "outcome": outcome, "waited_s": None, "talked_s": 0.0, "agents": ("101",), "rang": (), "transfers": 0,
        "segments": (), "hangup_by": "", "hangup_cause": None, "recording": None, "callback_id": 7,
        "provider_slug": "p1", "ended": outcome is not None, "settled": False, "whole": True, "last_at": NOON,
    }  # fmt: skip
    record = CallRecord(**{**known, **changes})
    return LedgerEntry(record, provider(), caller_number("+380671234567", "UA"), None)


def owed(number: int, **changes: Any) -> CallbackRow:
    row = CallbackRow(
        id=number, provider=SVITLO, number=f"+38067000000{number}", callable=True, opened_at=NOON, due_at=NOON,
        misses=1, last_missed_at=NOON, closed_at=None, closed_reason=None, last_outcome=None, last_waited_s=None,
        attempts=0, last_attempt_at=None, last_attempt_by=None,
    )  # fmt: skip
    return replace(row, **changes)


def talks(here: Desk) -> UniqueId:
    call = here.rings(here.arrives(), "101")
    here.tell(AgentAnswered(call, "101"))
    return call


async def test_nothing_but_the_card_and_its_past_is_drawn_when_a_phone_rings() -> None:
    async with desk(subscribers=[subscriber()]) as here:
        call = here.arrives()
        await until(lambda: here.screens._calls[call].card.is_complete)
        with here.screens.opened("101", OURS) as screen:
            screen.take()
            here.rings(call, "101")
            assert screen.take() == {Region.CARD, Region.PAST}


async def test_no_note_is_asked_for_between_arrival_and_ring() -> None:
    async with desk(subscribers=[subscriber()]) as here:
        call = here.rings(here.arrives(), "101")
        await until(lambda: not here.screens._calls[call].tasks)
        assert not [asked for asked in here.answers.asked if asked[0] == "notes"]


async def test_a_card_is_whole_before_what_was_written_of_the_calls_before_is_known() -> None:
    notes = {UniqueId("pbx1-1.1"): (written("pbx1-1.1"),)}
    async with desk(subscribers=[subscriber()], history=[past_call("pbx1-1.1")], notes=notes) as here:
        gate = here.answers.hold("notes")
        call = here.rings(here.arrives(), "101")
        await until(lambda: here.card().is_complete)
        assert here.card().past_notes == {}
        with here.screens.opened("101", OURS) as screen:
            screen.take()
            gate.set()
            await until(lambda: here.card().past_notes == notes)
            assert Region.PAST in screen.take()
        assert here.screens._calls[call].card.history == Known((past_call("pbx1-1.1"),), NOON, "ledger")


async def test_what_was_written_before_is_there_when_the_page_or_the_service_is_new() -> None:
    async with desk() as here:
        call = here.arrives()
        here.answers.notes = {call: (written(call, "102"), written(call, "101", "моє"))}
        here.rings(call, "101")
        assert here.screens.note_of("101") == Pending()
        here.tell(AgentAnswered(call, "101"))
        await until(lambda: isinstance(here.screens.note_of("101"), Known))
        assert here.screens.note_of("101") == Known(written(call, "101", "моє"), NOON, "notes")
        here.answers.notes = {call: (written(call, "101", "з іншої служби"),)}
        with here.screens.opened("101", OURS):
            await until(
                lambda: here.screens.note_of("101") == Known(written(call, "101", "з іншої служби"), NOON, "notes")
            )


async def test_what_one_page_writes_the_others_show_and_other_agents_do_not() -> None:
    async with desk() as here:
        call = talks(here)
        await until(lambda: isinstance(here.screens.note_of("101"), Known))
        with here.screens.opened("101", OURS) as mine, here.screens.opened("102", OURS) as other:
            await until(lambda: not here.screens._calls[call].tasks)
            mine.take()
            other.take()
            here.screens.noted(written(call))
            assert here.screens.note_of("101") == Known(written(call), NOON, "notes")
            assert Region.NOTE in mine.take()
            assert Region.NOTE not in other.take()


async def test_a_note_that_was_asked_for_when_the_call_ended_is_asked_for_again() -> None:
    async with desk() as here:
        gate = here.answers.hold("notes")
        call = talks(here)
        await until(lambda: ("notes", SVITLO, (call,)) in here.answers.asked)
        here.tell(CallEnded(call))
        assert here.seat().stage is Stage.AFTER_CALL
        gate.set()
        await until(lambda: isinstance(here.screens.note_of("101"), Known))


async def test_a_database_that_is_away_is_said_where_the_note_would_be() -> None:
    async with desk(failing={"notes": Unavailable("database", "gone")}) as here:
        talks(here)
        await until(lambda: isinstance(here.screens.note_of("101"), Missing))


async def test_a_call_of_ours_has_its_name_and_its_end_from_the_ledger() -> None:
    async with desk() as here:
        here.screens.calling_back(7, SVITLO, "+380671234567", "101")
        assert here.card().ledger_call is None
        here.screens.calls_committed([own_call("pbx1-2.1")])
        assert here.card().ledger_call == "pbx1-2.1"
        await until(lambda: isinstance(here.screens.note_of("101"), Known))
        here.screens.calls_committed([own_call("pbx1-2.1", CallOutcome.NO_ANSWER)])
        own = here.card().own
        assert own is not None
        assert (own.outcome, own.is_in_vain, own.was_taken) == ("no_answer", True, False)


async def test_another_call_is_not_taken_for_the_one_on_the_card() -> None:
    others: Sequence[LedgerEntry] = (
        own_call("pbx1-3.1", agents=("102",)),
        own_call("pbx1-3.2", arrived_at=NOON - timedelta(hours=1)),
        own_call("pbx1-3.3", direction="in"),
        replace(own_call("pbx1-3.4"), provider=provider(DIM)),
        replace(own_call("pbx1-3.5"), number=caller_number("+380930000000", "UA")),
    )
    async with desk() as here:
        here.screens.calling_back(7, SVITLO, "+380671234567", "101")
        here.screens.calls_committed(others)
        assert here.card().ledger_call is None


async def test_whom_one_dials_is_on_the_card_without_a_callback() -> None:
    async with desk(subscribers=[subscriber()]) as here:
        here.screens.dialling(SVITLO, "+380671234567", "101")
        assert here.seat().stage is Stage.CALLING
        await until(lambda: here.card().subscriber is not None)
        own = here.card().own
        assert own is not None
        assert own.callback is None


async def test_holding_redraws_what_can_be_ordered() -> None:
    async with desk() as here:
        call = talks(here)
        with here.screens.opened("101", OURS) as screen:
            screen.take()
            here.tell(AgentHeld(call, "101"))
            assert Region.PHONE in screen.take()
            here.tell(AgentHeld(call, "101"))
            assert Region.PHONE not in screen.take()
            here.tell(AgentUnheld(call, "101"))
            assert Region.PHONE in screen.take()


async def test_what_an_agent_has_taken_is_theirs_alone_and_drawn_when_it_changes() -> None:
    async with desk(taken=[owed(1, claimed_by="101"), owed(2, claimed_by="102")]) as here:
        rail = here.screens.rail
        with here.screens.opened("101", OURS) as one:
            await until(lambda: [row.id for row in rail.mine(one)] == [1])
            one.take()
            here.answers.taken = [owed(2, claimed_by="102")]
            here.screens.callbacks_changed()
            await until(lambda: rail.mine(one) == ())
            assert Region.MINE in one.take()


async def test_a_message_reaches_the_page_of_whom_it_is_for_and_is_read_only_on_news() -> None:
    async with desk(messages=(Message(1, "Ірина", "Аварія", NOON),)) as here:
        rail = here.screens.rail
        with here.screens.opened("101", OURS) as screen:
            await until(lambda: len(rail.messages(screen)) == 1)
            asked = len([one for one in here.answers.asked if one[0] == "messages"])
            lists = here.answers.asked.count(("owed", OURS))
            here.screens.callbacks_changed()
            await until(lambda: here.answers.asked.count(("owed", OURS)) > lists)
            assert len([one for one in here.answers.asked if one[0] == "messages"]) == asked
            screen.take()
            here.answers.messages = ()
            here.screens.messages_changed()
            await until(lambda: rail.messages(screen) == ())
            assert Region.MESSAGES in screen.take()


def olena(scope: Scope = OURS) -> Visitor:
    return Visitor("Олена", "agent", scope, "uk", UserId(1), None, "101")


def test_who_is_free_and_knows_the_provider_stands_on_top_of_the_colleagues() -> None:
    live = Snapshot(True, NOON, (AgentNow("102", "talking", NOON), AgentNow("103", "ready", NOON)))
    everybody = colleagues(book(), live, olena(Scope.all()), SVITLO)
    assert [one.extension for one in everybody] == ["103", "102"]
    assert [one.can_take for one in everybody] == [True, False]
    free = Snapshot(True, NOON, (AgentNow("102", "wrap_up", NOON), AgentNow("103", "ready", NOON)))
    assert [one.extension for one in colleagues(book(), free, olena(Scope.all()), SVITLO)] == ["102", "103"]


def test_one_sees_who_works_for_ones_providers_and_never_oneself() -> None:
    live = Snapshot(True, NOON)
    assert [one.extension for one in colleagues(book(), live, olena(), SVITLO)] == ["102"]
    assert [queue.name for queue in queues_for(book(), olena(), SVITLO)] == ["p1"]
    assert queues_for(book(), olena(), DIM) == []
    assert queues_for(book(), olena(), ProviderId(9)) == []
