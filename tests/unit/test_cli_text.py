"""What is left of a terminal's bytes, which commands may be sent, and Telnet's orders: laws that hold for any input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.diag.cli_text import MOST_LINE, Screen, checked, clean, echo_ends, shown
from callcenter.diag.dialect import Dialect
from callcenter.diag.telnet import TelnetStream
from callcenter.errors import RuleBroken

GCOM_PAGER = "....press ENTER to next line, CTRL_C to quit, other key to next page...."

PIECES = st.lists(
    st.one_of(
        st.text(alphabet="ab #>\r\n\b\x00\x07\t", max_size=6),
        st.sampled_from(
            ["\x1b[", "\x1b", "\x1b[31m", "\x1b[73D", "\x1b[K", "\x1b[2K", "\x1b[24;1H", "\x1b[9999999C", "\x1b]0;x",
             "\x07", "\x1b\\", "\x1b(B", "\x9b5D", "\x1bE", "\x1b[1;2;3X", "\x1b[?25h", "0", ";", "m", "\x1b[P"]
        ),
        st.text(max_size=4),
    ),
    max_size=30,
)  # fmt: skip
"""Bytes of a hostile or a strange terminal."""


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("a\r\nb\r\r\nc\n\rd", "a\nb\nc\nd"),
        ("\x00\x00OLT#", "OLT#"),
        ("\x1b[31mred\x1b[0m \x1b[1;24r\x1b[?25hon", "red on"),
        (" --More-- " + "\b" * 10 + " " * 10 + "\b" * 10 + "EPON0/1:5", "EPON0/1:5 "),
        (GCOM_PAGER + "\x1b[73D\x1b[K0/1/5 up", "0/1/5 up"),
        ("--More--\r        \rrow", "row"),
        ("\x1b[24;1Hname# \x1b[24;1H\x1b[24;7H", "name#"),
        ("one\x1bEtwo", "one\ntwo"),
        ("\x1b]0;title\x07name#", "name#"),
        ("pass\b\b\b\bshow", "show"),
        ("a\tb", "a       b"),
    ],
)
def test_text_is_what_a_terminal_would_show(raw: str, seen: str) -> None:
    assert clean(raw).rstrip() == seen.rstrip()


@given(PIECES)
def test_no_control_or_escape_survives(pieces: list[str]) -> None:
    assert not any((each < " " and each != "\n") or "\x7f" <= each <= "\x9f" for each in clean("".join(pieces)))


@given(PIECES, st.data())
def test_pieces_may_be_cut_anywhere(pieces: list[str], data: st.DataObject) -> None:
    raw = "".join(pieces)
    screen, at = Screen(), 0
    while at < len(raw):
        step = data.draw(st.integers(1, 9))
        screen.feed(raw[at : at + step])
        at += step
    assert screen.text() == clean(raw)


@given(st.lists(st.sampled_from(["\x1b[4000Cx\n", "\x1b[99999999Cx", "\x1b[24;500Hy", "\t"]), max_size=300))
def test_a_device_cannot_make_lines_grow_without_end(pieces: list[str]) -> None:
    raw = "".join(pieces)
    screen = Screen()
    screen.feed(raw)
    assert all(len(line) <= MOST_LINE for line in (*screen.lines, screen.line))
    assert screen.size + len(screen.line) <= 520 * max(1, len(pieces))


@given(st.text(alphabet=st.characters(blacklist_categories=["C"]), max_size=200))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text.rstrip()


DIALECT = Dialect("gcom", r"[\w.-]+[>#]", forbidden=(r"^\s*reboot\b",))


@pytest.mark.parametrize(
    "command",
    [
        "reboot", "  Reboot  ", "do reboot", "REBOOT now", "", "   ", "description a\nreboot", "description a\rreboot",
        "show x\x00", "description a\x1b[A", "description a\u2028reboot", "reboot ?", "show ?", "name a\tb", "x" * 501,
        "name \x03", "name \u202eabc",
    ],
)  # fmt: skip
def test_what_could_be_another_command_is_not_sent(command: str) -> None:
    with pytest.raises(RuleBroken):
        checked(DIALECT, command)


@given(st.text())
def test_whatever_is_sent_is_one_line(text: str) -> None:
    try:
        command = checked(DIALECT, text)
    except RuleBroken:
        return
    assert len(command.splitlines()) == 1
    assert command.isprintable()
    assert not command.casefold().startswith("reboot ")


def test_onu_reboot_is_another_command_than_reboot() -> None:
    assert checked(DIALECT, "onu-reboot") == "onu-reboot"


def test_an_echo_is_found_over_a_wrapped_line_and_after_log_lines() -> None:
    assert (
        echo_ends(["2026 log", "OLT# show mac address", "-table onu 0/1/1", "row"], "show mac address-table onu 0/1/1")
        == 2
    )
    assert echo_ends(["OLT# show"], "show version") is None


def test_what_a_device_said_is_shown_short_and_on_one_line() -> None:
    assert shown("a\x1b\n b" + "c" * 900).startswith("a b")
    assert len(shown("c" * 900)) < 210


def negotiated(*orders: int) -> tuple[bytes, bytes]:
    return TelnetStream().feed(bytes(orders))


def test_telnet_lets_the_device_echo_and_wants_nothing_else() -> None:
    assert negotiated(255, 251, 1, 255, 251, 3) == (b"", bytes((255, 253, 1, 255, 253, 3)))
    assert negotiated(255, 253, 24, 255, 253, 3) == (b"", bytes((255, 252, 24, 255, 251, 3)))
    assert negotiated(255, 251, 34) == (b"", bytes((255, 254, 34)))


def test_telnet_orders_of_two_bytes_and_subnegotiations_are_no_text() -> None:
    text, _ = negotiated(*b"OL", 255, 241, *b"T", 255, 250, 24, *b"xterm", 255, 255, 1, 255, 240, *b"#", 255, 255)
    assert text == b"OLT#\xff"


def test_telnet_answers_an_order_once_however_often_it_comes() -> None:
    stream = TelnetStream()
    assert len(stream.feed(bytes((255, 251, 1)) * 5000)[1]) == 3
    assert stream.feed(bytes((255, 251, 1)))[1] == b""


@given(st.lists(st.sampled_from([255, 250, 240, 251, 253, 241, 1, 3, 24, 65, 66, 0]), max_size=80), st.data())
def test_telnet_may_be_cut_anywhere(raw: list[int], data: st.DataObject) -> None:
    whole = TelnetStream().feed(bytes(raw))
    stream, at = TelnetStream(), 0
    text, answer = b"", b""
    while at < len(raw):
        step = data.draw(st.integers(1, 4))
        some = stream.feed(bytes(raw[at : at + step]))
        text, answer = text + some[0], answer + some[1]
        at += step
    assert (text, answer) == whole
