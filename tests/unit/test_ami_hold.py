"""Who is on hold, by whom, and whom an agent asks meanwhile: whatever order it is told in, and after a lost link."""

from __future__ import annotations

from dataclasses import replace

from callcenter.ami import events as ami
from callcenter.ami.events import Leg
from callcenter.ami.facts import AgentAnswered, AgentHeld, AgentUnheld, CallEnded, Line
from callcenter.ami.live import LiveView
from callcenter.ami.snapshot import ShownChannel, Snapshot
from callcenter.words import LinkedId, UniqueId
from tests.unit.ami_tapes import LOST_AT
from tests.unit.test_ami_live import ANNA, ARRIVAL, BOHDAN, CALL, CALLER, phone, rings, told

TALKING = (ARRIVAL, rings(ANNA), ami.BridgeEnter(ANNA, "b"), ami.BridgeEnter(CALLER, "b"))
TO_HOLD = (
    ami.BridgeLeave(CALLER, "b"),
    ami.UserEvent("CallHeld", CALLER, {"Leg": ANNA.channel}),
    ami.BridgeEnter(CALLER, "music"),
    ami.BridgeLeave(ANNA, "b"),
)
BACK = (ami.BridgeLeave(CALLER, "music"), ami.BridgeEnter(CALLER, "c"), ami.BridgeEnter(ANNA, "c"))
SUBSCRIBER = Leg(UniqueId("pbx1-1795380009.9"), "PJSIP/trunk-skynet-00000009", LinkedId(ANNA.uniqueid))


def a_talk() -> LiveView:
    view = LiveView()
    told(*TALKING, view=view)
    return view


def test_the_button_holds_and_talking_again_is_no_new_answer() -> None:
    view = a_talk()
    assert told(*TO_HOLD, view=view) == [AgentHeld(CALL, "101")]
    [call] = view.calls()
    assert (call.held, call.holders, call.talking) == (True, ("101",), ())
    assert view.line_of("101") == Line("101", CALL, call.provider, ANNA, CALLER, held=True)
    assert told(*TO_HOLD, view=view) == []
    assert told(*BACK, view=view) == [AgentUnheld(CALL, "101")]
    [call] = view.calls()
    assert (call.held, call.talking) == (False, ("101",))


def test_the_phones_own_button_says_nothing_of_a_hold_by_the_page() -> None:
    view = a_talk()
    told(*TO_HOLD, view=view)
    assert told(ami.Unhold(ANNA), ami.Hold(ANNA), ami.Unhold(ANNA), view=view) == []
    assert view.calls()[0].held


def test_who_hangs_up_on_hold_ends_the_call_and_whom_an_agent_leaves_is_held_no_more() -> None:
    view = a_talk()
    told(*TO_HOLD, view=view)
    assert told(ami.Hangup(CALLER, 16), view=view) == [CallEnded(CALL)]
    assert view.line_of("101") is None
    view = a_talk()
    told(*TO_HOLD, ami.Hangup(ANNA, 16), view=view)
    assert not view.calls()[0].held
    told(rings(BOHDAN), ami.BridgeLeave(CALLER, "music"), ami.BridgeEnter(CALLER, "d"), view=view)
    assert told(ami.BridgeEnter(BOHDAN, "d"), view=view) == [AgentAnswered(CALL, "102")]


def test_nobody_is_held_by_a_leg_that_is_not_there() -> None:
    view = a_talk()
    assert told(ami.UserEvent("CallHeld", CALLER, {"Leg": "PJSIP/agent-999-00000001"}), view=view) == []
    assert told(ami.UserEvent("CallHeld", CALLER, {}), view=view) == []


def test_after_a_lost_link_who_is_on_hold_is_found() -> None:
    waiting = ShownChannel(CALLER, "6", "caller", "", "", "+380441110001", "skynet", "BridgeWait", "hold-x,p", "music")
    agent = ShownChannel(ANNA, "6", "agent", "", "", "", "", "Wait", "600", "")
    elsewhere = replace(agent, leg=phone("102", 7, "pbx1-1795380005.5"))
    snapshot = Snapshot((waiting, agent, elsewhere), (), (), whole=True)
    view = LiveView()
    assert AgentHeld(CALL, "101") in view.resync(snapshot)
    assert view.resync(snapshot) == []
    view = a_talk()
    told(*TO_HOLD, view=view)
    view.lose_link(LOST_AT)
    assert AgentHeld(CALL, "101") not in view.resync(snapshot)
    talking = replace(waiting, bridge="c"), replace(agent, application="Bridge", data="x", bridge="c")
    assert AgentUnheld(CALL, "101") in view.resync(Snapshot(talking, (), (), whole=True))


def test_an_agents_own_call_says_whose_it_is_and_can_be_held() -> None:
    view = LiveView()
    own = ANNA._replace(linkedid=LinkedId(ANNA.uniqueid))
    told(
        ami.Newchannel(own, ami.STATE_DOWN, "s", "", "", "", LOST_AT),
        ami.UserEvent("CallOut", own, {"Provider": "skynet"}),
        ami.DialBegin(own, SUBSCRIBER),
        ami.BridgeEnter(SUBSCRIBER, "b"),
        view=view,
    )
    told(ami.BridgeEnter(own, "b"), view=view)
    assert view.calls() == ()
    assert view.line_of("101") == Line("101", own.uniqueid, "skynet", own, SUBSCRIBER, held=False)
    held = (ami.BridgeLeave(SUBSCRIBER, "b"), ami.UserEvent("CallHeld", SUBSCRIBER, {"Leg": own.channel}))
    assert told(*held, ami.BridgeLeave(own, "b"), view=view) == [AgentHeld(own.uniqueid, "101")]
    back = (ami.BridgeEnter(SUBSCRIBER, "c"), ami.BridgeEnter(own, "c"))
    assert told(*back, view=view) == [AgentUnheld(own.uniqueid, "101")]
    told(ami.Hangup(SUBSCRIBER, 16), ami.Hangup(own, 16), view=view)
    assert view.is_empty()


def test_who_is_asked_is_shown_from_the_first_ring_on_and_then_as_talking() -> None:
    view = a_talk()
    one = Leg(UniqueId("pbx1-1795380002.5"), "Local/102@from-agent-00000001;1", LinkedId(CALL))
    two = Leg(UniqueId("pbx1-1795380002.6"), "Local/102@from-agent-00000001;2", LinkedId(CALL))
    asks: tuple[ami.AmiEvent, ...] = (
        ami.Hold(ANNA),
        *(ami.Newchannel(half, ami.STATE_DOWN, "102", "", "", "", LOST_AT) for half in (one, two)),
        ami.BridgeEnter(one, "ask"), ami.BridgeLeave(ANNA, "b"), ami.BridgeEnter(ANNA, "ask"),
        ami.DialBegin(two, BOHDAN),
    )  # fmt: skip
    told(*asks, view=view)
    line = view.line_of("101")
    assert line is not None
    assert (line.held, line.asked, line.asked_talks) == (True, "102", False)
    told(ami.BridgeEnter(BOHDAN, "far"), ami.BridgeEnter(two, "far"), view=view)
    line = view.line_of("101")
    assert line is not None
    assert (line.held, line.asked, line.asked_talks) == (True, "102", True)
    assert view.calls()[0].talking == ()
    told(ami.BridgeLeave(ANNA, "ask"), view=view)
    assert told(ami.BridgeEnter(ANNA, "b"), view=view) == [AgentUnheld(CALL, "101")]
