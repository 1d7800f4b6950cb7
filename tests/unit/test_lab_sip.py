"""The lab's own SIP reads what the wire brings, hostile or not: a torn message is refused, never half understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.rtp import _ALAW, _ULAW, Tone, _to_alaw, _to_ulaw, level
from lab.sip import CallerId
from lab.sip_message import Credentials, NotSip, Session, SipMessage, address_of, name_of, tag_of, uri_of, user_of

INVITE = (
    b"INVITE sip:a101@127.0.0.1:5071 SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.0.1:5160;rport;branch=z9hG4bK1;alias\r\n"
    b'f: "Evil ;tag=no <sip:x@y>" <sip:380631234567@127.0.0.1>;tag=abc\r\n'
    b"To: <sip:a101@127.0.0.1>\r\n"
    b"i: 1@x\r\n"
    b"CSeq: 7\r\n INVITE\r\n"
    b"Content-Length: 4\r\n\r\nv=0\nrest"
)


def test_compact_folded_and_quoted_headers_are_read() -> None:
    invite = SipMessage.parse(INVITE)
    assert (invite.method, invite.uri, invite.cseq) == ("INVITE", "sip:a101@127.0.0.1:5071", (7, "INVITE"))
    assert (invite.branch, invite.call_id, invite.from_tag, invite.to_tag) == ("z9hG4bK1", "1@x", "abc", "")
    assert invite.body == b"v=0\n"
    party = invite.first("from")
    assert (name_of(party), user_of(uri_of(party))) == ("Evil ;tag=no <sip:x@y>", "380631234567")


def test_what_is_rendered_reads_the_same() -> None:
    invite = SipMessage.parse(INVITE)
    again = SipMessage.parse(invite.render())
    assert (again.start, again.body, again.first("From")) == (invite.start, invite.body, invite.first("From"))


@pytest.mark.parametrize(
    "torn",
    [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        INVITE.replace(b"i: 1@x\r\n", b""),
        INVITE.replace(b"INVITE\r\nContent", b"INV\r\nContent").replace(b"CSeq: 7", b"CSeq: seven"),
        INVITE.replace(b"To: <", b"To <"),
        INVITE[:60],
        b"SIP/2.0 999 No\r\n\r\n",
        INVITE.replace(b"CSeq: 7", "CSeq: ².".encode()),
    ],
)
def test_a_torn_message_is_refused(torn: bytes) -> None:
    with pytest.raises(NotSip):
        SipMessage.parse(torn)


@given(st.binary(max_size=400), st.integers(0, len(INVITE)))
def test_no_bytes_whatever_break_the_reader(noise: bytes, cut: int) -> None:
    for packet in (noise, INVITE[:cut] + noise + INVITE[cut:], INVITE[:cut] + noise):
        try:
            message = SipMessage.parse(packet)
        except NotSip:
            continue
        party = message.first("From")
        assert isinstance(name_of(party) + uri_of(party) + tag_of(party), str)
        Session.parse(message.body)


@given(st.binary(max_size=200))
def test_a_session_description_of_any_bytes_is_read_or_left(body: bytes) -> None:
    Session.parse(b"c=IN IP4 1.2.3.4\r\nm=audio 4000 RTP/AVP 8 101\r\n" + body)
    Session.parse(body)


def test_a_session_description_reads_as_it_was_written() -> None:
    offer = Session("127.0.0.2", 4000, (8, 0), "sendonly", 101)
    assert Session.parse(offer.render(1)) == offer


def test_the_digest_is_the_one_of_the_standard() -> None:
    """The example of RFC 2617, section 3.5."""
    asked = 'Digest realm="testrealm@host.com", qop="auth,auth-int", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    nonce = 'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    challenge = SipMessage("SIP/2.0 401 Unauthorized", (("WWW-Authenticate", f"{asked}, {nonce}"),))
    name, answer = Credentials("Mufasa", "Circle Of Life").answer(challenge, "GET", "/dir/index.html", "0a4f113b")
    assert name == "Authorization"
    assert 'response="6629fae49393a05397450978507c4ef1"' in answer


def test_addresses_are_read_or_refused() -> None:
    assert address_of("sip:380441234567@127.0.0.1:5160;transport=udp") == ("127.0.0.1", 5160)
    assert address_of("sip:127.0.0.1") == ("127.0.0.1", 5060)
    for bad in ("", "sip:", "sip:x@", "sip:x@host:port"):
        with pytest.raises(NotSip):
            address_of(bad)


@given(st.one_of(st.text(), st.binary()))
def test_a_caller_may_carry_any_name(name: str | bytes) -> None:
    expected = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    assert name_of(CallerId("1", name).from_header("h")) == expected


def test_g711_is_the_standard_one_and_a_tone_is_heard_as_itself() -> None:
    assert (_to_ulaw(0), _to_ulaw(-1), _to_ulaw(32_767), _to_alaw(0), _to_alaw(-1)) == (0xFF, 0x7F, 0x80, 0xD5, 0x55)
    for table, encode in ((_ULAW, _to_ulaw), (_ALAW, _to_alaw)):
        assert all(table[encode(table[byte])] == table[byte] for byte in range(256))
    for payload, table in ((0, _ULAW), (8, _ALAW)):
        sound = [table[each] for each in Tone(880).encoded(payload)]
        assert level(sound, 880) > 0.95
        assert level(sound, 440) < 0.01
