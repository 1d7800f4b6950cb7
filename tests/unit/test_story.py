"""Stories of calls: real tapes with what really happened beside them, and rules written as tables of rows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.calls.groups import Groups, fold_journal
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import Begun, CallRecord
from callcenter.words import UniqueId
from tests.unit.cel_rows import BEGIN, NAMES, expected, id_of, journal, rows_of, tape

ANSWERED = """
    0.0 CHAN_START   caller
    0.1 ANSWER       caller
    0.6 CC_STAGE     caller greeting
    2.0 CC_STAGE     caller queue
    2.1 APP_START    caller Queue
    2.2 CHAN_START   anna
    5.0 ANSWER       anna
    5.1 BRIDGE_ENTER anna A
    5.1 BRIDGE_ENTER caller A
"""
HANGS_UP = """
    9.1 BRIDGE_EXIT  caller A
    9.1 BRIDGE_EXIT  anna A
    9.2 HANGUP       caller caller
    9.2 CHAN_END     caller
    9.2 HANGUP       anna caller
    9.2 CHAN_END     anna
"""


def told(table: str, **linked: str) -> CallRecord:
    [call] = fold_journal(rows_of(journal(table, linked=linked)))
    return call


def facts(call: CallRecord) -> dict[str, Any]:
    found: dict[str, Any] = {
        "number": call.number_raw, "outcome": call.outcome, "agents": list(call.agents), "rang": list(call.rang),
        "talked_s": round(call.talked_s, 1), "waited_s": round(call.waited_s or 0.0, 1), "transfers": call.transfers,
        "hangup_by": call.hangup_by, "name": call.caller_name, "direction": call.direction,
        "callback": call.callback_id, "provider": call.provider_slug, "end_is_unknown": call.ended_at is None,
        "queue": call.queue, "held_s": round(call.held_s, 1),
    }  # fmt: skip
    return found


# ---- what a real Asterisk wrote


@pytest.mark.parametrize("name", NAMES)
def test_a_tape_tells_what_happened(name: str) -> None:
    calls = [facts(call) for call in fold_journal(rows_of(tape(name)))]
    wanted = expected(name)
    assert len(calls) == len(wanted)
    for call, want in zip(calls, wanted, strict=True):
        assert {key: call[key] for key in want} == want


@pytest.mark.parametrize("name", NAMES)
def test_any_cut_off_beginning_never_raises(name: str) -> None:
    rows = rows_of(tape(name))
    for start in range(len(rows) + 1):
        fold_journal(rows[start:])


@pytest.mark.parametrize("name", NAMES)
def test_any_beginning_alone_is_a_story_too(name: str) -> None:
    """Killed at any row: what is told so far never contradicts the end."""
    rows = rows_of(tape(name))
    whole = {call.id: call for call in fold_journal(rows)}
    for end in range(len(rows)):
        for call in fold_journal(rows[:end]):
            assert (call.outcome is None) == (not call.ended)
            assert call.dialled == whole[call.id].dialled or call.direction == "out"


@pytest.mark.parametrize("name", NAMES)
def test_after_the_last_hangup_nothing_is_open(name: str) -> None:
    groups = Groups()
    groups.add(rows_of(tape(name)))
    groups.touched()
    assert len(groups) == 0


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), st.lists(st.integers(0, 200), max_size=12))
def test_however_it_is_cut_into_pieces_the_story_is_the_same(name: str, cuts: list[int]) -> None:
    rows = rows_of(tape(name))
    last: dict[UniqueId, CallRecord] = {}
    groups = Groups()
    places = sorted({0, len(rows), *(cut % (len(rows) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        groups.add(rows[start:end])
        for group in groups.touched():
            last |= {call.id: call for call in group.tell(lambda _begun: 1.0)}
    assert last == {call.id: call for call in fold_journal(rows)}


# ---- rules


def test_a_call_is_answered_when_caller_and_agent_shared_a_bridge_long_enough() -> None:
    call = told(ANSWERED + HANGS_UP)
    assert call.outcome is CallOutcome.ANSWERED
    assert (call.agents, call.talked_s, call.waited_s) == (("101",), 4.0, 3.1)
    assert [segment.kind for segment in call.segments] == ["greeting", "waiting", "ringing", "talking"]
    assert call.settled


def test_the_provider_says_how_long_is_long_enough() -> None:
    rows = rows_of(journal(ANSWERED + HANGS_UP))
    asked: list[Begun] = []

    def five_seconds(begun: Begun) -> float:
        asked.append(begun)
        return 5.0

    [call] = fold_journal(rows, five_seconds)
    assert call.outcome is CallOutcome.CUT_SHORT
    assert asked[0] == Begun("in", "380441110001", None)


def test_a_call_in_progress_has_no_outcome() -> None:
    call = told(ANSWERED)
    assert (call.outcome, call.ended, call.settled, call.ended_at) == (None, False, False, None)


def test_the_outcome_is_known_when_the_caller_is_gone_though_an_agents_leg_lives_on() -> None:
    call = told(ANSWERED + "9.1 BRIDGE_EXIT caller A\n9.2 HANGUP caller caller\n9.2 CHAN_END caller")
    assert (call.outcome, call.settled) == (CallOutcome.ANSWERED, False)


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ("1.0 HANGUP caller caller 127", CallOutcome.LEFT_BEFORE_ANSWER),
        ("0.1 ANSWER caller\n1.0 HANGUP caller caller", CallOutcome.LEFT_IN_GREETING),
        ("0.1 CC_STAGE caller greeting\n1.0 HANGUP caller caller", CallOutcome.LEFT_IN_GREETING),
        ("0.1 CC_STAGE caller queue\n1.0 HANGUP caller caller", CallOutcome.LEFT_WAITING),
        ("0.1 APP_START caller Queue\n1.0 HANGUP caller caller", CallOutcome.LEFT_WAITING),
        ("0.1 APP_START caller Queue\n0.2 CHAN_START anna\n1.0 HANGUP caller caller", CallOutcome.LEFT_RINGING),
        (
            "0.1 APP_START caller Queue\n0.2 CC_QUEUE caller TIMEOUT\n1.0 HANGUP caller caller",
            CallOutcome.QUEUE_TIMEOUT,
        ),
        ("0.1 APP_START caller Queue\n0.2 CC_QUEUE caller FULL\n1.0 HANGUP caller dialplan", CallOutcome.QUEUE_FULL),
        ("0.1 APP_START caller Queue\n0.2 CC_QUEUE caller JOINEMPTY\n1.0 HANGUP caller x", CallOutcome.QUEUE_EMPTY),
        ("0.1 APP_START caller Queue\n0.2 CC_QUEUE caller LEAVEUNAVAIL\n1.0 HANGUP caller x", CallOutcome.QUEUE_EMPTY),
        ("0.1 CC_END caller closed\n1.0 HANGUP caller caller", CallOutcome.CLOSED),
        ("0.1 CC_END caller lines_full\n1.0 HANGUP caller dialplan 17", CallOutcome.LINES_FULL),
        (
            "0.1 APP_START caller Queue\n0.5 CC_END caller asked\n1.0 HANGUP caller caller",
            CallOutcome.ASKED_CALLBACK,
        ),
        ("0.1 CC_END caller unknown_did\n1.0 HANGUP caller dialplan 1", CallOutcome.UNKNOWN_DID),
        ("0.1 HANGUP caller - 42", CallOutcome.REFUSED),
        ("0.1 ANSWER caller\n1.0 HANGUP caller - 42", CallOutcome.FAILED),
        ("0.1 ANSWER caller\n1.0 HANGUP caller dialplan/builtin", CallOutcome.FAILED),
        ("0.1 APP_START caller Queue\n1.0 HANGUP caller -", CallOutcome.FAILED),
    ],
)
def test_a_missed_call_says_where_it_was_missed(rows: str, outcome: CallOutcome) -> None:
    assert told(f"0.0 CHAN_START caller\n{rows}\n1.0 CHAN_END caller").outcome is outcome


def test_a_call_names_the_last_queue_it_joined() -> None:
    two = "0.1 APP_START caller Queue sky,t,,,300\n5.0 APP_START caller Queue sky-second,t,,,300\n"
    call = told(f"0.0 CHAN_START caller\n{two}9.0 HANGUP caller caller\n9.0 CHAN_END caller")
    assert (call.queue, call.queued_at) == ("sky-second", told(f"0.0 CHAN_START caller\n{two}").queued_at)
    [answered] = fold_journal(rows_of(tape("agent_hangs_up")))
    assert answered.queue == "skynet"


HELD = """
    6.5 CC_STAGE     caller hold
    6.5 BRIDGE_EXIT  caller A
    6.5 BRIDGE_EXIT  anna A
"""


def test_what_a_caller_spends_on_hold_is_no_talk_and_the_call_stays_answered() -> None:
    back = "8.0 BRIDGE_ENTER caller B\n8.0 BRIDGE_ENTER anna B\n" + HANGS_UP.replace(" A", " B")
    call = told(ANSWERED + HELD + back)
    assert (call.outcome, call.held_s, round(call.talked_s, 1)) == (CallOutcome.ANSWERED, 1.5, 2.5)
    assert [(each.kind, each.agent) for each in call.segments][-3:] == [
        ("talking", "101"), ("hold", None), ("talking", "101"),
    ]  # fmt: skip
    assert all(each.ended_at is not None for each in call.segments)


def test_while_a_colleague_is_asked_the_caller_is_on_hold() -> None:
    asks = """
        6.5 BRIDGE_EXIT  anna A
        6.6 BRIDGE_ENTER anna B
        8.5 BRIDGE_EXIT  anna B
        8.6 BRIDGE_ENTER anna A
    """
    call = told(ANSWERED + asks + HANGS_UP)
    assert (call.outcome, call.held_s, round(call.talked_s, 1)) == (CallOutcome.ANSWERED, 2.0, 1.9)


def test_who_hangs_up_on_hold_had_been_answered() -> None:
    call = told(ANSWERED + HELD + "9.2 HANGUP caller caller\n9.2 CHAN_END caller\n9.3 HANGUP anna x\n9.3 CHAN_END anna")
    assert (call.outcome, call.held_s) == (CallOutcome.ANSWERED, 2.7)


def test_who_is_put_back_into_the_queue_from_hold_waits_again() -> None:
    again = "8.0 APP_START caller Queue sky\n9.2 HANGUP caller caller\n9.2 CHAN_END caller"
    call = told(ANSWERED + HELD + "7.9 HANGUP anna anna\n7.9 CHAN_END anna\n" + again)
    assert (call.outcome, call.held_s) == (CallOutcome.ANSWERED, 1.5)
    assert [each.kind for each in call.segments][-2:] == ["hold", "waiting"]


def test_an_agents_own_leg_is_needed_two_callers_in_one_bridge_are_nobodys_conversation() -> None:
    rows = rows_of(
        journal("""
            0.0 CHAN_START caller
            0.0 CHAN_START second
            1.0 BRIDGE_ENTER caller A
            1.0 BRIDGE_ENTER second A
            9.0 HANGUP caller caller
            9.0 CHAN_END caller
            9.0 HANGUP second second
            9.0 CHAN_END second
        """)
    )
    assert [call.outcome for call in fold_journal(rows)] == [CallOutcome.LEFT_BEFORE_ANSWER] * 2


def test_a_talk_through_a_pair_of_local_channels_is_a_talk() -> None:
    call = told(
        """
        0.0 CHAN_START   caller
        1.0 CHAN_START   local1
        1.0 CHAN_START   local2
        1.1 CHAN_START   borys
        1.2 BRIDGE_ENTER caller A
        1.2 BRIDGE_ENTER local1 A
        1.5 BRIDGE_ENTER local2 B
        1.5 BRIDGE_ENTER borys  B
        4.5 BRIDGE_EXIT  borys  B
        5.0 HANGUP       caller caller
        5.0 CHAN_END     caller
        """
    )
    assert (call.agents, call.talked_s, call.outcome) == (("102",), 3.0, CallOutcome.ANSWERED)


def test_whose_phone_was_picked_up_is_not_who_talked() -> None:
    call = told(
        """
        0.0 CHAN_START   caller
        1.0 CHAN_START   anna
        2.0 CHAN_START   borys
        3.0 BRIDGE_ENTER borys A
        3.0 BRIDGE_ENTER caller A
        6.0 HANGUP       caller caller
        6.0 CHAN_END     caller
        """,
        borys="borys",
    )
    assert (call.rang, call.agents) == (("101",), ("102",))


def test_when_asterisk_dies_a_conversation_stays_one_and_a_waiting_caller_is_lost() -> None:
    boot = "900.0 CHAN_START boot boot\n900.0 CC_BOOT boot 1795000900"
    talked = told(ANSWERED + boot)
    waited = told("0.0 CHAN_START caller\n2.0 APP_START caller Queue\n" + boot)
    assert (talked.outcome, talked.ended_at, talked.settled) == (CallOutcome.ANSWERED, None, True)
    assert (waited.outcome, waited.ended_at, waited.settled) == (CallOutcome.LOST, None, True)
    assert waited.missed_at.timestamp() == BEGIN + 2.0


def test_a_call_that_came_while_asterisk_was_booting_is_alive() -> None:
    """Its channel was made before that of the boot row, by the same Asterisk: a lower serial, moments ago."""
    table = "899.0 CHAN_START caller\n900.0 CC_BOOT boot x"
    young = journal(table).replace(b"pbx1-1795000000.1|", b"pbx1-1795000899.0|")
    [call] = fold_journal(rows_of(young))
    assert not call.ended
    old = journal(table).replace(b"pbx1-1795000000.1|", b"pbx1-1795000899.7|")
    [call] = fold_journal(rows_of(old))
    assert call.outcome is CallOutcome.LOST


def test_rows_without_their_beginning_are_still_a_missed_call() -> None:
    """The row of the arrival was on the full disk: the number that was dialled stands in later rows while it can."""
    line = journal("1.0 ANSWER caller\n2.0 HANGUP caller caller\n2.0 CHAN_END caller").replace(
        b"|s|", b"|380441110001|"
    )
    [call] = fold_journal(rows_of(line))
    assert (call.whole, call.dialled, call.outcome) == (False, "380441110001", CallOutcome.LEFT_IN_GREETING)


def test_a_hangup_row_that_was_lost_is_made_good_by_the_channels_end() -> None:
    call = told("0.0 CHAN_START caller\n0.1 APP_START caller Queue\n3.0 CHAN_END caller")
    assert (call.outcome, call.hangup_by) == (CallOutcome.LEFT_WAITING, "")


def test_a_call_back_is_answered_by_the_subscriber_not_by_the_agent() -> None:
    placed = """
        0.0 CHAN_START anna
        1.0 ANSWER     anna
        1.1 CC_OUT     anna 7~skynet~+380631234567
    """
    rung = rows_of(journal(placed + "9.0 HANGUP anna anna\n9.0 CHAN_END anna", linked={"anna": "anna"}))
    [call] = fold_journal(rung)
    assert (call.direction, call.outcome, call.talked_s) == ("out", CallOutcome.NO_ANSWER, 0.0)
    assert (call.callback_id, call.provider_slug, call.dialled) == (7, "skynet", "+380631234567")
    assert call.id == id_of("anna")


@pytest.mark.parametrize("note", ["", "~", "x~skynet~+380631234567", "7~skynet", "9" * 30 + "~skynet~1", "٣~skynet~1"])
def test_a_spoiled_note_of_a_call_back_raises_nothing(note: str) -> None:
    rows = rows_of(journal(f"0.0 CHAN_START anna\n1.0 CC_OUT anna {note}"))
    assert [call.callback_id in {None, 7} for call in fold_journal(rows)] in ([True], [])
