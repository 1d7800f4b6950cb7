"""Asterisk's own counts of a leg, as it writes them: read, or nothing, whatever stands there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.calls.quality import Heard as Word
from callcenter.calls.quality import Way, between, mos, word
from callcenter.calls.quality_rows import sides
from callcenter.calls.rows import Line, read_rows
from callcenter.calls.rtcp import read_counts, sounds

QUIET = (
    "ssrc=1121891287;themssrc=616528144;lp=0;rxjitter=0.000000;rxcount=153;txjitter=0.000125;txcount=152;rlp=0;"
    "rtt=0.000000;rxmes=0.000000;txmes=88.087887"
)
"""Written by Asterisk 22.10 for a phone that sends no RTCP."""
LOSSY = (
    "ssrc=1;themssrc=2;lp=40;rxjitter=0.012000;rxcount=160;txjitter=0.030000;txcount=200;rlp=20;rtt=0.085000;"
    "rxmes=70.1;txmes=60.2"
)


def test_what_asterisk_received_and_what_the_far_end_says_are_told_apart() -> None:
    heard = read_counts(LOSSY)
    assert heard is not None
    assert heard.received == Way(160, 40, 30.0, 85.0)
    assert heard.sent == Way(180, 20, 12.0, 85.0)
    assert dict(sides("101", heard)) == {"agent": heard.received, "caller": heard.sent}
    assert dict(sides("", heard)) == {"caller": heard.received, "agent": heard.sent}


def test_a_far_end_that_reports_nothing_is_not_taken_for_a_perfect_one() -> None:
    heard = read_counts(QUIET)
    assert heard is not None
    assert heard.sent is None
    assert heard.received == Way(153, 0, 0.125, None)
    assert [side for side, _ in sides("101", heard)] == ["agent"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LOSSY.replace("rlp=20", "rlp=16777215"), Way(200, 0, 12.0, 85.0)),
        (LOSSY.replace("rxjitter=0.012000", "rxjitter=96.000000"), Way(180, 20, None, 85.0)),
        (LOSSY.replace("rtt=0.085000", "rtt=65535.9"), Way(180, 20, 12.0, None)),
        (LOSSY.replace("rlp=20", "rlp=500"), Way(0, 500, 12.0, 85.0)),
    ],
)
def test_reports_that_cannot_be_are_left_out(text: str, expected: Way) -> None:
    heard = read_counts(text)
    assert heard is not None
    assert heard.sent == expected


@given(st.text(max_size=200) | st.from_regex(r"(rxcount|txcount|lp|rtt|rlp)=[0-9.]{0,20};?", fullmatch=True))
def test_no_text_breaks_the_reading(text: str) -> None:
    heard = read_counts(text)
    assert heard is None or (heard.received.packets >= 0 and heard.received.lost >= 0)


def row(channel: str, extra: str) -> bytes:
    encoded = (
        extra.replace("=", "%3D")
        .replace(";", "%3B")
        .replace('"', "%22")
        .replace("{", "%7B")
        .replace("}", "%7D")
        .replace("|", "%7C")
    )
    return (
        f"CC_SOUND|1795439415.621079|102|A|told|{channel.replace('/', '%2F')}|pbx1-1795439408.10|pbx1-1795439412.20|"
        f"{encoded}|CELGenUserEvent|x|"
    ).encode()


def told(*lines: bytes) -> list[tuple[str, str, str]]:
    rows, aside = read_rows(Line(0, line) for line in lines)
    assert not aside
    return [(each.extension, each.codec, str(each.leg)) for each in sounds(rows)]


def test_legs_of_agents_and_trunks_are_told_of_and_no_others() -> None:
    whole = f'{{"extra":"{LOSSY}~(alaw)"}}'
    leg = "pbx1-1795439412.20"
    assert told(
        row("PJSIP/agent-102-00000001", whole),
        row("PJSIP/trunk-lab-00000000", whole),
        row("PJSIP/agent-102-00000001", f'{{"extra":"{LOSSY}~(opus|alaw)"}}'),
        row("Local/102@from-agent-00000000;1", whole),
        row("PJSIP/agent-102-00000001", '{"extra":"~(alaw)"}'),
        row("PJSIP/agent-102-00000001", '{"extra":""}'),
        row("PJSIP/agent-102-00000001", "not JSON"),
        row("PJSIP/agent-102-00000001", f'{{"extra":"{LOSSY}~<b>"}}'),
    ) == [("102", "alaw", leg), ("", "alaw", leg), ("102", "opus", leg), ("102", "", leg)]


def test_what_came_between_two_looks_is_judged_by_itself() -> None:
    earlier, now = Way(1000, 0, 1.0, 20.0), Way(1200, 50, 30.0, 200.0)
    assert between(earlier, now) == Way(200, 50, 30.0, 200.0)
    assert word(mos(between(earlier, now))) is Word.BAD
    assert word(mos(now)) is not Word.BAD
    assert between(Way(5000, 9), Way(40, 1)) == Way(40, 1), "counts that began anew"
    assert between(Way(100, 9), Way(150, 5)) == Way(50, 0), "a loss that was found late"
