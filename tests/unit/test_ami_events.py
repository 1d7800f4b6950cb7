"""What Asterisk's events mean, and that one which lacks what it must have is never half believed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from callcenter.ami import events as ami
from callcenter.ami.events import LIVE_EVENTS, Leg, Tainted, parse, read_leg, when_made
from callcenter.ami.frames import Event, read_frame
from callcenter.words import LinkedId, UniqueId
from tests.unit.ami_tapes import TAPES, frames, tape

CALLER = Leg(UniqueId("pbx1-1795380188.0"), "PJSIP/trunk-skynet-00000000", LinkedId("pbx1-1795380188.0"))
CHANNEL = (
    "Channel: PJSIP/trunk-skynet-00000000\r\nChannelState: 4\r\nCallerIDNum: 0501234567\r\nCallerIDName: <unknown>\r\n"
    "Exten: 380441110001\r\nUniqueid: pbx1-1795380188.0\r\nLinkedid: pbx1-1795380188.0\r\n"
    "ChanVariable: DID=\r\nChanVariable: PROVIDER="
)


def meant(text: str) -> object:
    frame = read_frame(text.encode())
    assert isinstance(frame, Event)
    return parse(frame)


def test_a_new_channel_says_what_was_dialled_and_who_calls() -> None:
    assert meant(f"Event: Newchannel\r\nTimestamp: 1795380188.250819\r\n{CHANNEL}") == ami.Newchannel(
        leg=CALLER,
        state=ami.STATE_RING,
        exten="380441110001",
        caller_num="0501234567",
        caller_name="",
        provider="",
        at=datetime(2026, 11, 22, 20, 43, 8, 250819, tzinfo=UTC),
    )


def test_without_timestampevents_a_channel_is_as_old_as_its_uniqueid() -> None:
    new = meant(f"Event: Newchannel\r\n{CHANNEL}")
    assert isinstance(new, ami.Newchannel)
    assert new.at == datetime(2026, 11, 22, 20, 43, 8, tzinfo=UTC) == when_made("1795380188.7")


@pytest.mark.parametrize("header", ["Uniqueid", "Linkedid", "Channel", "Exten", "CallerIDNum", "ChannelState"])
def test_an_event_without_what_it_must_have_is_tainted(header: str) -> None:
    lines = [line for line in CHANNEL.split("\r\n") if not line.startswith(f"{header}:")]
    assert meant("\r\n".join(["Event: Newchannel", *lines])) == Tainted(
        "Newchannel", f"no {header}", header == "Uniqueid"
    )


@pytest.mark.parametrize("uniqueid", ["", "x", "1795380188", "pbx1-1795380188.", "1.1 ", "١.١", "-1.1", "1.1\x01"])
def test_what_is_no_uniqueid_is_tainted(uniqueid: str) -> None:
    lines = CHANNEL.replace("Uniqueid: pbx1-1795380188.0", f"Uniqueid: {uniqueid}")
    assert isinstance(meant(f"Event: Newchannel\r\n{lines}"), Tainted)
    with pytest.raises(ValueError):
        read_leg({"Uniqueid": uniqueid, "Channel": "x", "Linkedid": "x"})


@pytest.mark.parametrize("stamp", ["", "nan", "inf", "-inf", "1e400", "99999999999999999999", "soon"])
def test_a_time_that_is_none_is_tainted(stamp: str) -> None:
    assert isinstance(meant(f"Event: Newchannel\r\nTimestamp: {stamp}\r\n{CHANNEL}"), Tainted)


@pytest.mark.parametrize("position", ["", "x", "1.5", "nan"])
def test_a_number_that_is_none_is_tainted(position: str) -> None:
    text = f"Event: QueueCallerJoin\r\n{CHANNEL}\r\nQueue: skynet\r\nPosition: {position}"
    assert isinstance(meant(text), Tainted)


def test_a_dial_of_our_own_has_no_caller() -> None:
    assert meant(
        "Event: DialBegin\r\nDestChannel: PJSIP/agent-101-0000001f\r\nDestUniqueid: pbx1-1795380357.31\r\n"
        "DestLinkedid: pbx1-1795380357.31\r\nDialString: PJSIP/agent-101"
    ) == ami.DialBegin(
        None, Leg(UniqueId("pbx1-1795380357.31"), "PJSIP/agent-101-0000001f", LinkedId("pbx1-1795380357.31"))
    )


def test_a_member_is_known_by_the_interface_whose_state_it_has() -> None:
    text = (
        "Event: QueueMemberPause\r\nQueue: skynet\r\nMemberName: 101\r\nInterface: Local/101@agents\r\n"
        "StateInterface: PJSIP/agent-101\r\nStatus: 6\r\nPaused: 1\r\nPausedReason: обід"
    )
    assert meant(text) == ami.QueueMember("skynet", "PJSIP/agent-101", True, "обід", "ringing")
    assert meant(text.replace("Pause\r", "Removed\r").replace("Status: 6", "Status: 77")) == ami.QueueMember(
        "skynet", "PJSIP/agent-101", True, "обід", "removed"
    )


def test_a_failed_transfer_is_none() -> None:
    assert meant("Event: BlindTransfer\r\nResult: Fail\r\nExtension: 102") is None
    assert meant("Event: AttendedTransfer\r\nResult: Fail") is None
    assert isinstance(meant("Event: BlindTransfer\r\nExtension: 102"), Tainted)


def test_how_an_originate_ended() -> None:
    text = "Event: OriginateResponse\r\nActionID: cb-7\r\nResponse: Failure\r\nReason: 3\r\nUniqueid: <null>"
    assert meant(text) == ami.OriginateResponse("cb-7", False, 3, "<null>")


def test_what_our_dialplan_says() -> None:
    said = meant(f"Event: UserEvent\r\n{CHANNEL}\r\nUserEvent: QueueResult\r\nStatus: TIMEOUT")
    assert isinstance(said, ami.UserEvent)
    assert (said.name, said.leg, said.headers["Status"]) == ("QueueResult", CALLER, "TIMEOUT")


def test_an_unknown_event_means_nothing() -> None:
    assert meant("Event: RTCPSent\r\nX: y") is None


@pytest.mark.parametrize("name", [name for name in TAPES if "forged" not in name])
def test_nothing_that_a_real_asterisk_sends_is_tainted(name: str) -> None:
    for stream in frames(tape(name)):
        for frame in stream:
            assert not (isinstance(frame, Event) and frame.name in LIVE_EVENTS and isinstance(parse(frame), Tainted))
