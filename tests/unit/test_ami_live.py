"""The calls as they stand now, on recorded streams of a real Asterisk and on what it may send some day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.ami import events as ami
from callcenter.ami.events import Leg, when_made
from callcenter.ami.live import (
    AgentAnswered,
    AgentDidNotAnswer,
    AgentHeld,
    AgentRang,
    CallArrived,
    CallEnded,
    CallerJoinedQueue,
    CallTransferred,
    LinkLost,
    LinkRestored,
    LiveFact,
    LiveView,
    MemberChanged,
    PhoneStateChanged,
    Ring,
    RingEnded,
)
from callcenter.ami.snapshot import OUTGOING, QueueEntry, ShownChannel, Snapshot
from callcenter.words import LinkedId, UniqueId
from tests.unit.ami_tapes import LOST_AT, TAPES, about_calls, events, expected, frames, line, play, tape

TORN = "forged_frames_in_the_number"
"""Here every frame of the call is torn, its hangup too: only a resync can end it."""
WHOLE = [name for name in TAPES if name != TORN]
WITHOUT_LISTS = [name for name in WHOLE if b"CoreShowChannelsComplete" not in tape(name)]

CALL = UniqueId("pbx1-1795380000.1")
CALLER = Leg(CALL, "PJSIP/trunk-skynet-00000001", LinkedId(CALL))


def phone(extension: str, number: int, linkedid: str = CALL) -> Leg:
    return Leg(UniqueId(f"pbx1-1795380001.{number}"), f"PJSIP/agent-{extension}-0000000{number}", LinkedId(linkedid))


ANNA, BOHDAN = phone("101", 2), phone("102", 3)
ARRIVED = CallArrived(CALL, "380441110001", "0501234567", "Іван", LinkedId(CALL), when_made(CALL))
ARRIVAL = ami.Newchannel(CALLER, ami.STATE_RING, "380441110001", "0501234567", "Іван", "", when_made(CALL))
JOIN = ami.QueueCallerJoin(CALLER, "skynet", 1, "+380441110001", "skynet", "0501234567", "Іван")


def rings(leg: Leg) -> ami.AgentCalled:
    return ami.AgentCalled(CALLER, leg, "skynet", "+380441110001", "skynet", "0501234567", "Іван")


def told(*events: ami.AmiEvent, view: LiveView | None = None) -> list[LiveFact]:
    view = view or LiveView()
    return [fact for event in events for fact in view.apply(event)]


def shown(leg: Leg, **more: str) -> ShownChannel:
    channel = ShownChannel(leg, "6", "s", "0501234567", "Іван", "+380441110001", "skynet", "Queue", "skynet,t", "")
    return replace(channel, **more)  # type: ignore[arg-type]


def dialled(leg: Leg, state: str = "5", bridge: str = "") -> ShownChannel:
    return shown(leg, state=state, application="AppQueue", data=OUTGOING, bridge=bridge)


# The tapes, and their laws


@pytest.mark.parametrize("name", TAPES)
def test_a_tape_tells_exactly_what_its_file_says(name: str) -> None:
    assert [line(fact) for fact in play(LiveView(), frames(tape(name)))] == expected(name)


@pytest.mark.parametrize("name", WHOLE)
def test_after_the_last_hangup_nothing_is_left(name: str) -> None:
    view = LiveView()
    play(view, frames(tape(name)))
    assert view.is_empty()
    assert view.calls() == ()
    assert view.agents_on_a_line() == frozenset()


@pytest.mark.parametrize("name", TAPES)
def test_a_tape_cut_off_anywhere_never_raises_and_whoever_comes_late_ends_up_right(name: str) -> None:
    streams = frames(tape(name))
    for start in range(len(streams[0])):
        view = LiveView()
        play(view, [streams[0][start:], *streams[1:]])
        assert view.is_empty() or name == TORN
    for end in range(len(streams[0])):
        play(LiveView(), [streams[0][:end]])


@pytest.mark.parametrize("name", TAPES)
def test_an_event_told_twice_changes_nothing_the_second_time(name: str) -> None:
    streams = frames(tape(name))
    assert play(LiveView(), streams, times=2) == play(LiveView(), streams)


@pytest.mark.parametrize("name", WITHOUT_LISTS)
def test_a_tape_played_again_tells_nothing_new_of_its_calls(name: str) -> None:
    view, streams = LiveView(), frames(tape(name))
    play(view, streams)
    assert about_calls(play(view, streams)) == []
    assert view.is_empty()


@pytest.mark.parametrize("name", TAPES)
def test_every_call_that_arrived_has_ended_once_and_every_ring_has_one_end(name: str) -> None:
    facts = play(LiveView(), frames(tape(name)))
    arrived = [fact.call for fact in facts if isinstance(fact, CallArrived)]
    ended = [fact.call for fact in facts if isinstance(fact, CallEnded)]
    assert sorted(arrived) == sorted(ended) == sorted(set(arrived))
    rang = [(fact.call, fact.agent) for fact in facts if isinstance(fact, AgentRang)]
    over = [
        (fact.call, fact.agent) for fact in facts if isinstance(fact, AgentDidNotAnswer | RingEnded | AgentAnswered)
    ]
    assert set(rang) <= set(over)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_order_events_come_in_nothing_raises_and_nothing_is_left(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(WITHOUT_LISTS))
    view = LiveView()
    facts = told(*data.draw(st.permutations(events(tape(name)))), view=view)
    assert view.is_empty()
    arrived = [fact.call for fact in facts if isinstance(fact, CallArrived)]
    assert arrived == list(dict.fromkeys(arrived))
    assert set(arrived) == {fact.call for fact in facts if isinstance(fact, CallEnded)}


# What no tape holds


def test_the_card_moves_from_the_phone_that_rang_out_to_the_next() -> None:
    view = LiveView()
    facts = told(ARRIVAL, JOIN, rings(ANNA), ami.AgentRingNoAnswer(CALLER, ANNA), rings(BOHDAN), view=view)
    assert facts == [
        ARRIVED,
        CallerJoinedQueue(CALL, "skynet", 1),
        AgentRang(CALL, "101", ANNA.uniqueid),
        AgentDidNotAnswer(CALL, "101"),
        AgentRang(CALL, "102", BOHDAN.uniqueid),
    ]
    [call] = view.calls()
    assert (call.did, call.queue, call.position) == ("+380441110001", "skynet", 1)
    assert call.ringing == (Ring("102", BOHDAN.uniqueid),)


def test_a_call_that_another_agent_picks_up_is_theirs() -> None:
    view = LiveView()
    facts = told(ARRIVAL, JOIN, rings(ANNA), ami.AgentConnect(CALLER, BOHDAN), view=view)
    assert facts[-2:] == [AgentAnswered(CALL, "102"), RingEnded(CALL, "101")]


def test_what_a_queue_says_of_abandoning_ends_no_call() -> None:
    view = LiveView()
    facts = told(ARRIVAL, JOIN, ami.QueueCallerLeave(CALLER, "skynet"), view=view)
    assert not any(isinstance(fact, CallEnded) for fact in facts)
    assert [call.position for call in view.calls()] == [None]


def test_an_agents_own_call_out_is_no_call_of_a_subscriber() -> None:
    """The trunk's leg of a call back is born in the trunk's context too (seen): only its state tells them apart."""
    out = Leg(UniqueId("pbx1-1795380001.9"), "PJSIP/trunk-skynet-00000009", ANNA.linkedid)
    born = replace(ARRIVAL, leg=out, state=ami.STATE_DOWN, exten="s")
    view = LiveView()
    assert told(born, ami.DialBegin(ANNA, out), ami.BridgeEnter(ANNA, "b"), ami.BridgeEnter(out, "b"), view=view) == []
    assert view.agents_on_a_line() == {"101"}
    assert view.resync(Snapshot((dialled(out, "6", "b"), shown(ANNA, bridge="b")), (), (), True)) == []


def test_a_consultation_rings_for_the_agent_and_not_for_the_caller() -> None:
    second = phone("101", 4, "pbx1-1795380009.4")
    facts = told(ARRIVAL, ami.AgentConnect(CALLER, ANNA), ami.DialBegin(second, BOHDAN))
    assert facts == [ARRIVED, AgentAnswered(CALL, "101")]


def test_two_bridges_joined_by_local_halves_are_one_conversation() -> None:
    """A transfer by DTMF leaves the caller and the new agent in two bridges with a Local pair between."""
    near = Leg(UniqueId("pbx1-1795380002.5"), "Local/102@agents-00000001;1", LinkedId(CALL))
    far = Leg(UniqueId("pbx1-1795380002.6"), "Local/102@agents-00000001;2", LinkedId(CALL))
    facts = told(
        ARRIVAL,
        ami.BridgeEnter(CALLER, "near"),
        ami.BridgeEnter(near, "near"),
        ami.BridgeEnter(BOHDAN, "far"),
        ami.BridgeEnter(far, "far"),
    )
    assert facts == [ARRIVED, AgentAnswered(CALL, "102")]


def test_a_transfer_says_whereto_whichever_leg_the_agent_transferred() -> None:
    target = phone("102", 3)
    for transferee, other in ((CALLER, target), (target, CALLER)):
        view = LiveView()
        told(ARRIVAL, ami.AgentConnect(CALLER, ANNA), view=view)
        event = ami.AttendedTransfer(ANNA, phone("101", 4), transferee, other)
        assert told(event, event, view=view) == [CallTransferred(CALL, "102")]


def test_an_agent_who_is_transferred_from_is_no_longer_talking() -> None:
    view = LiveView()
    told(
        ARRIVAL,
        ami.AgentConnect(CALLER, ANNA),
        ami.BridgeEnter(ANNA, "b"),
        ami.BridgeEnter(CALLER, "b"),
        ami.Hold(ANNA),
        ami.BridgeLeave(ANNA, "b"),
        view=view,
    )
    [call] = view.calls()
    assert (call.talking, call.holders) == ((), ("101",))
    told(ami.Hangup(ANNA, 16), view=view)
    assert not view.calls()[0].held


def test_a_caller_whose_arrival_was_torn_is_known_when_an_agent_rings() -> None:
    facts = told(rings(ANNA))
    assert facts == [
        replace(ARRIVED, did="+380441110001"),
        AgentRang(CALL, "101", ANNA.uniqueid),
    ]


def test_a_late_event_does_not_bring_a_call_back() -> None:
    view = LiveView()
    told(ARRIVAL, JOIN, ami.Hangup(CALLER, 16), view=view)
    assert told(ARRIVAL, JOIN, rings(ANNA), ami.BridgeEnter(CALLER, "b"), ami.Hangup(ANNA, 0), view=view) == []
    assert view.is_empty()


def test_an_agent_is_known_by_the_whole_extension() -> None:
    leg = Leg(UniqueId("pbx1-1795380001.2"), "PJSIP/agent-front-desk-1-00000a0b", LinkedId(CALL))
    assert told(ARRIVAL, rings(leg))[-1] == AgentRang(CALL, "front-desk-1", leg.uniqueid)


# Members and phones


def test_a_phones_state_is_told_once_though_each_queue_repeats_it() -> None:
    anna = ami.QueueMember("skynet", "PJSIP/agent-101", False, "", "ringing")
    facts = told(anna, replace(anna, queue="nettown"), anna, replace(anna, paused=True, reason="обід"))
    assert facts == [
        MemberChanged("skynet", "101", False, "ringing"),
        PhoneStateChanged("101", "ringing"),
        MemberChanged("nettown", "101", False, "ringing"),
        MemberChanged("skynet", "101", True, "ringing", "обід"),
    ]


def test_a_member_who_left_the_queue_is_removed_once() -> None:
    view = LiveView()
    anna = ami.QueueMember("skynet", "PJSIP/agent-101", False, "", "not_inuse")
    told(anna, view=view)
    gone = [MemberChanged("skynet", "101", False, "removed")]
    removed = replace(anna, status="removed")
    assert told(removed, removed, view=view) == gone
    told(anna, view=view)
    assert view.resync(Snapshot((), (), (), True)) == gone
    assert view.members() == ()


def test_of_the_phone_of_whoever_is_in_no_queue_nothing_is_known() -> None:
    """Pain 13: an agent signs out by phone, so their phone is in use as they leave; it does not show so for ever."""
    view = LiveView()
    places = [ami.QueueMember(queue, "PJSIP/agent-101", False, "", "inuse") for queue in ("skynet", "nettown")]
    told(*places, view=view)
    told(replace(places[0], status="removed"), view=view)
    assert view.phones() == {"101": "inuse"}
    told(replace(places[1], status="removed"), view=view)
    assert view.phones() == {}
    told(*places, view=view)
    view.resync(Snapshot((), (), (), True))
    assert view.phones() == {}


def test_a_member_that_is_no_agent_is_nobody() -> None:
    assert told(ami.QueueMember("skynet", "Local/1@x", False, "", "inuse")) == []


# Resync


def test_a_view_that_comes_late_learns_who_talks_who_rings_and_who_waits() -> None:
    waiting = Leg(UniqueId("pbx1-1795380005.7"), "PJSIP/trunk-skynet-00000007", LinkedId("pbx1-1795380005.7"))
    ringing = phone("102", 8, waiting.linkedid)
    view = LiveView()
    facts = view.resync(
        Snapshot(
            channels=(
                dialled(ringing),
                shown(waiting),
                dialled(ANNA, "6", "b"),
                shown(CALLER, bridge="b"),
            ),
            members=(ami.QueueMember("skynet", "PJSIP/agent-101", False, "", "inuse"),),
            entries=(QueueEntry("skynet", waiting.uniqueid, 1),),
            whole=True,
        )
    )
    assert [type(fact) for fact in facts] == [
        CallArrived,
        CallArrived,
        CallerJoinedQueue,
        AgentAnswered,
        AgentRang,
        MemberChanged,
        PhoneStateChanged,
    ]
    first, second = view.calls()
    assert first.ringing == (Ring("102", ringing.uniqueid),)
    assert (second.talking, second.queue, second.did) == (("101",), "skynet", "+380441110001")
    assert told(ami.Hangup(CALLER, 16), ami.Hangup(waiting, 16), view=view) == [
        CallEnded(CALL),
        RingEnded(waiting.uniqueid, "102"),
        CallEnded(waiting.uniqueid),
    ]


def test_a_lost_link_is_said_once_and_calls_that_ended_meanwhile_end() -> None:
    view = LiveView()
    told(ARRIVAL, JOIN, rings(ANNA), view=view)
    assert view.lose_link(LOST_AT) == [LinkLost(LOST_AT)]
    assert view.lose_link(LOST_AT) == []
    assert len(view.calls()) == 1
    assert view.resync(Snapshot((), (), (), True)) == [LinkRestored(), RingEnded(CALL, "101"), CallEnded(CALL)]
    assert view.is_empty()


def test_the_first_picture_of_a_service_is_a_link_and_its_failing_a_loss() -> None:
    assert LiveView(linked=None).resync(Snapshot((), (), (), True)) == [LinkRestored()]
    assert LiveView(linked=None).lose_link(LOST_AT) == [LinkLost(LOST_AT)]


def test_a_list_that_is_not_whole_ends_nobody() -> None:
    view = LiveView()
    told(ARRIVAL, JOIN, rings(ANNA), view=view)
    assert view.resync(Snapshot((), (), (), whole=False)) == []
    assert view.calls()[0].position == 1


def test_a_forged_hangup_is_put_right_by_the_next_resync() -> None:
    view = LiveView()
    told(ARRIVAL, JOIN, ami.AgentConnect(CALLER, ANNA), ami.Hangup(CALLER, 16), view=view)
    picture = Snapshot((shown(CALLER, bridge="b"), dialled(ANNA, "6", "b")), (), (), True)
    assert [type(fact) for fact in view.resync(picture)] == [CallArrived, AgentAnswered]
    assert view.resync(picture) == []


def test_what_the_list_told_already_is_not_told_again_by_the_events_behind_it() -> None:
    view = LiveView()
    view.resync(Snapshot((shown(CALLER, bridge="b"), dialled(ANNA, "6", "b")), (), (), True))
    repeated = (ARRIVAL, rings(ANNA), ami.BridgeEnter(ANNA, "b"), ami.BridgeEnter(CALLER, "b"), ami.Hold(ANNA))
    assert told(*repeated, view=view) == [AgentHeld(CALL, "101")]


def test_a_phone_that_stopped_ringing_while_we_were_away_rings_no_longer() -> None:
    view = LiveView()
    told(ARRIVAL, JOIN, rings(ANNA), rings(BOHDAN), view=view)
    facts = view.resync(Snapshot((shown(CALLER), dialled(ANNA)), (), (QueueEntry("skynet", CALL, 1),), True))
    assert facts == [RingEnded(CALL, "102")]


def test_a_caller_who_has_just_come_in_is_known_by_the_number_dialled() -> None:
    view = LiveView()
    view.resync(
        Snapshot((shown(CALLER, state="4", exten="380441110001", did="", application="Set", data=""),), (), (), True)
    )
    assert [call.did for call in view.calls()] == ["380441110001"]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(("enter 1", "enter 2", "leave", "hangup", "hold"))), max_size=30
    )
)
def test_no_order_of_bridges_and_hangups_raises_and_the_last_hangup_leaves_nothing(
    steps: list[tuple[int, str]],
) -> None:
    """Two callers and two agents' legs, joined and parted in any order: an event may be unforeseen, never fatal."""
    legs = [
        Leg(UniqueId(f"p-1.{number}"), f"PJSIP/{name}-0000000{number}", LinkedId(f"p-1.{number}"))
        for number, name in enumerate(("trunk-up", "trunk-up", "agent-101", "agent-102"))
    ]
    view, bridges = LiveView(), dict.fromkeys(range(4), "")
    for number, leg in enumerate(legs):
        state = ami.STATE_RING if number < 2 else ami.STATE_DOWN
        view.apply(ami.Newchannel(leg, state, "380441230001", "0631234567", "", "", datetime(2026, 11, 22, tzinfo=UTC)))
    for number, step in [*steps, *((number, "hangup") for number in range(4))]:
        leg = legs[number]
        if step.startswith("enter"):
            bridges[number] = step.split()[1]
            view.apply(ami.BridgeEnter(leg, bridges[number]))
        elif step == "leave":
            view.apply(ami.BridgeLeave(leg, bridges[number]))
        elif step == "hold":
            view.apply(ami.Hold(leg))
        else:
            view.apply(ami.Hangup(leg, 16))
    assert view.is_empty()
