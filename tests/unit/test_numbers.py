"""A phone number is E.164 once and for all; what is none is never dialled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.routing.numbers import ANONYMOUS, CallerNumber, caller_number, did_of, to_e164


@pytest.mark.parametrize(
    "written",
    [
        "0631234567", "380631234567", "+380631234567", "80631234567", "631234567", "+38 (063) 123-45-67",
        "8 (063) 123 45 67", "00380631234567", "810380631234567", "+380631234567\n", "+380631234567;npdi",
        "38.063.123.45.67", "\u202a+380631234567\u202c", "063\u00a0123\u00a045\u00a067",
    ],
)  # fmt: skip
def test_every_way_to_write_a_number_is_one_subscriber(written: str) -> None:
    assert caller_number(written) == CallerNumber("+380631234567", callable=True)


@pytest.mark.parametrize(
    "hidden",
    [
        "",
        "anonymous",
        "Anonymous",
        "RESTRICTED",
        "unavailable",
        "<unknown>",
        "Unknown",
        "private",
        " ",
        "+",
        "\x00\r\n",
    ],
)
def test_a_hidden_number_is_an_anonymous_caller(hidden: str) -> None:
    assert caller_number(hidden) == ANONYMOUS


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("101", "101"),
        ("112", "112"),
        ("15-55", "1555"),
        ("2000001", "2000001"),
        ("9" * 300, "9" * 40),
        ("٠٦٣١٢٣٤٥٦٧", "٠٦٣١٢٣٤٥٦٧"),
        ("０６３１２３４５６７", "０６３１２３４５６７"),
        ("${SHELL(id)}", "??SHELL(id)?"),
        ('063"><script>alert(1)</script>', "063???script?alert(1)?/script?"),
        ("Олена", "Олена"),
        ("0631234567 та ще", "0631234567 та ще"),
    ],
)
def test_what_is_no_phone_number_is_kept_and_never_dialled(written: str, kept: str) -> None:
    assert caller_number(written) == CallerNumber(kept, callable=False)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+48601234567", "+48601234567"),
        ("48601234567", "+48601234567"),
        ("0048601234567", "+48601234567"),
        ("0442000001", "+380442000001"),
        ("0800123456", "+380800123456"),
        ("+380011234567", "+380011234567"),
    ],
)
def test_callers_from_abroad_and_from_new_ranges_can_be_called_back(written: str, number: str) -> None:
    assert caller_number(written) == CallerNumber(number, callable=True)


@given(st.one_of(st.text(), st.text(alphabet="0123456789+-() ;<>\n\u0660\uff10abc$", max_size=60)))
def test_a_number_read_twice_is_read_the_same(raw: str) -> None:
    once = caller_number(raw)
    assert caller_number(once.number) == once
    assert len(once.number) <= 40
    assert once.number.isprintable()
    assert not set(once.number) & set("\"'`$\\{}<>|;&%,")
    if once.callable:
        assert once.number[0] == "+"
        assert once.number[1:].isascii()
        assert once.number[1:].isdigit()


def test_a_number_to_keep_must_be_one() -> None:
    assert to_e164("063 123 45 67") == "+380631234567"
    for bad in ("101", "", "anonymous", "٠٦٣١٢٣٤٥٦٧", "0631234567 0631234568"):
        with pytest.raises(ValueError, match="not a phone number"):
            to_e164(bad)


def test_a_did_is_found_however_the_trunk_writes_it() -> None:
    assert did_of("380442000001") == did_of("+380442000001") == did_of("0442000001") == "+380442000001"
    assert did_of("s") is None
    assert did_of("${EXTEN}") is None
