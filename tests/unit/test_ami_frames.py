"""Nothing that arrives can raise, and nothing that Asterisk did not mean is believed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.ami.frames import FRAME_LIMIT, Event, Frame, FrameReader, Response, Torn, read_frame
from tests.unit.ami_tapes import TAPES, frames, tape

HANGUP = (
    b"Event: Hangup\r\nPrivilege: call,all\r\nChannel: PJSIP/agent-101-00000001\r\n"
    b"CallerIDName: \xd0\x9f\xd0\xb5\xd1\x82\xd1\x80\xd0\xbe\xd0\xb2\r\nExten: \r\nUniqueid: pbx1-1795380188.1\r\n"
    b"ChanVariable: DID=+380441110001\r\nChanVariable: PROVIDER=skynet\r\nCause: 16\r\n\r\n"
)


def read(*pieces: bytes, wanted: frozenset[str] | None = None) -> list[Frame]:
    reader = FrameReader(wanted)
    return [frame for piece in pieces for frame in reader.feed(piece)]


def event(frame: Frame) -> Event:
    assert isinstance(frame, Event), frame
    return frame


def why_torn(*pieces: bytes) -> list[str]:
    return [frame.why for frame in read(*pieces) if isinstance(frame, Torn)]


def in_pieces(size: int) -> object:
    def cut(stream: bytes) -> Iterable[bytes]:
        return (stream[at : at + size] for at in range(0, len(stream), size))

    return cut


def test_an_event_keeps_its_names_its_values_and_every_repeated_header() -> None:
    [frame] = read(HANGUP)
    hangup = event(frame)
    assert hangup.name == "Hangup"
    assert hangup.headers["CallerIDName"] == "Петров"
    assert hangup.headers["Exten"] == ""
    assert hangup.headers["Cause"] == "16"
    assert hangup.every("ChanVariable") == ("DID=+380441110001", "PROVIDER=skynet")
    assert (hangup.every("Event"), hangup.every("Cause"), hangup.every("Nothing")) == (("Hangup",), ("16",), ())
    assert (hangup.variable("DID"), hangup.variable("PROVIDER"), hangup.variable("OTHER")) == (
        "+380441110001",
        "skynet",
        "",
    )


def test_a_variable_that_a_caller_slipped_in_does_not_count() -> None:
    raw = b"Event: X\r\nCallerIDName: a\r\nChanVariable: DID=+1\r\nUniqueid: 1.1\r\nChanVariable: DID=+38=0"
    assert event(read_frame(raw)).variable("DID") == "+38=0"
    assert event(read_frame(b"Event: X\r\nChanVariable: DID=")).variable("DID") == ""


def test_a_value_may_hold_what_separates_names_from_values() -> None:
    frame = event(read_frame(b"Event: X\r\nCallerIDName: a: b: c\r\nExten:\r\nContext: d:"))
    assert frame.headers == {"Event": "X", "CallerIDName": "a: b: c", "Exten": "", "Context": "d:"}


@pytest.mark.parametrize("size", range(1, 60))
def test_a_letter_cut_in_two_by_the_network_is_still_a_letter(size: int) -> None:
    pieces = [HANGUP[at : at + size] for at in range(0, len(HANGUP), size)]
    assert read(*pieces) == read(HANGUP)


def test_the_greeting_may_come_glued_split_or_not_at_all() -> None:
    greeting = b"Asterisk Call Manager/11.0.0\r\n"
    answer = b"Response: Success\r\nActionID: 1\r\nMessage: Authentication accepted\r\n\r\n"
    [accepted] = read(answer)
    assert isinstance(accepted, Response)
    assert (accepted.status, accepted.headers["Message"]) == ("Success", "Authentication accepted")
    assert read(greeting + answer) == read(greeting[:7], greeting[7:], answer) == [accepted]
    reader = FrameReader()
    reader.feed(greeting + answer)
    assert reader.version == "11.0.0"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"CallerIDName: x\r\nUniqueid: 1.1\r\n\r\n", "neither an event nor a response"),
        (b"Event: Hangup\r\nEvent: Newchannel\r\n\r\n", "a header is there twice"),
        (b"Event: Hangup\r\nResponse: Success\r\n\r\n", "an event and a response in one frame"),
        (b"Response: Success\r\nEvent: Hangup\r\n\r\n", "neither an event nor a response"),
        (b"Event: Newchannel\r\nUniqueid: 1.1\r\nUniqueid: 1.2\r\n\r\n", "a header is there twice"),
        (b"Event: Newchannel\r\nCallerIDName: a\nb\r\n\r\n", "a control character inside a line"),
        (b"Event: Newchannel\r\nCallerIDName: a\rb\r\n\r\n", "a control character inside a line"),
        (b"Event: Newchannel\r\nCallerIDName: a\0b\r\n\r\n", "a control character inside a line"),
        (b"Event: Newchannel\r\nno header at all\r\n\r\n", "a line is not a header"),
        (b"Event: Newchannel\r\n: x\r\nno header\r\n\r\n", "a line is not a header"),
        (b"Event: X\r\nName: a: Uniqueid\r\n9.9\r\nUniqueid: 1.1\r\n\r\n", "a header is there twice"),
        (b"Event: Newchannel\r\nTransfereeUniqueid: 1\r\nTransfereeUniqueid: 2\r\n\r\n", "a header is there twice"),
        (b"Event: Hangup\nUniqueid: 1.1\n\n\r\n\r\n", "a control character inside a line"),
        (b"Event: A\r\nX: y\r\n\nEvent: B\r\nX: y\r\n\r\n", "a control character inside a line"),
    ],
)
def test_a_frame_that_asterisk_cannot_have_meant_is_torn(raw: bytes, why: str) -> None:
    assert why_torn(raw) == [why]


def test_a_header_without_a_value_is_empty_with_or_without_its_space() -> None:
    frame = event(read_frame(b"Event: Newchannel\r\nExten:\r\nContext: "))
    assert frame.headers == {"Event": "Newchannel", "Exten": "", "Context": ""}


def test_the_variables_of_every_channel_of_a_transfer_may_repeat() -> None:
    raw = b"Event: BlindTransfer\r\nTransfererChanVariable: A=1\r\nTransfererChanVariable: B=2\r\nChanVariable: C=3"
    assert event(read_frame(raw)).every("TransfererChanVariable") == ("A=1", "B=2")


def test_bytes_that_are_not_utf8_do_not_vanish() -> None:
    frame = event(read_frame(b"Event: Newchannel\r\nCallerIDName: \xcf\xe5\xf2\xf0\xee"))
    assert frame.headers["CallerIDName"] == "\\xcf\\xe5\\xf2\\xf0\\xee"


def test_an_originates_answer_is_an_event_although_it_says_response() -> None:
    frame = event(read_frame(b"Event: OriginateResponse\r\nActionID: 1\r\nResponse: Failure\r\nReason: 3"))
    assert frame.headers["Response"] == "Failure"


def test_a_frame_without_an_end_ends_the_reading_and_keeps_no_memory() -> None:
    reader = FrameReader()
    for _ in range(40):
        reader.feed(b"x" * (FRAME_LIMIT // 20))
    assert reader.overlong
    assert reader.feed(HANGUP) == []


def test_events_that_nobody_wants_are_passed_over_but_not_what_hides_in_them() -> None:
    reader = FrameReader(frozenset({"Hangup"}))
    hidden = b"Event: VarSet\r\nValue: x\r\nEvent: Hangup\r\nUniqueid: 1.1\r\n\r\n"
    read = reader.feed(b"Event: VarSet\r\nValue: x\r\n\r\n" + HANGUP + hidden)
    assert [type(frame) for frame in read] == [Event, Torn]
    assert (reader.frames, reader.skipped) == (3, 1)


@pytest.mark.parametrize("name", TAPES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1460])
def test_every_tape_reads_the_same_however_the_network_cuts_it(name: str, size: int) -> None:
    raw = tape(name)
    assert frames(raw, in_pieces(size)) == frames(raw)  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\r\n\r\n", b"\r\n", b"\n", b"Event: ", b": ", HANGUP])))
def test_any_bytes_in_any_pieces_never_raise_and_mean_one_thing(pieces: list[bytes]) -> None:
    assert read(*pieces) == read(b"".join(pieces))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_a_callers_name_cannot_make_a_second_event_unseen(name: str) -> None:
    """Whatever a caller is called, either the frame holds the name as it is, or somebody is told that it is torn."""
    raw = HANGUP.replace(b"\xd0\x9f\xd0\xb5\xd1\x82\xd1\x80\xd0\xbe\xd0\xb2", name.encode("utf-8", "surrogatepass"))
    got = read(raw)
    whole = len(got) == 1 and isinstance(got[0], Event) and got[0].headers["Uniqueid"] == "pbx1-1795380188.1"
    assert whole or any(isinstance(frame, Torn) or "Uniqueid" not in frame.headers for frame in got)
