"""A billing's file is read right or its wrong lines are named."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.errors import Misconfigured
from callcenter.subscribers.rows import SubscriberRow, decode, read_sheet
from callcenter.words import E164, DeviceId

OLTS = {"OLT-1": DeviceId(7)}


def test_a_line_with_everything_is_a_subscriber() -> None:
    sheet = read_sheet(
        "account;name;address;tariff;balance;currency;status;paid_till;language;olt;onu;note;phones\r\n"
        '10025;"Дем\'яненко, О. ""Лесь""";"Київ\nвул. Січових; 5";100 Мбіт;-1 125,50;UAH;Debtor;31.12.2026;uk;OLT-1;'
        "epon0/2:48;VIP;063 123-45-67, +380442000001|80631234567\r\n",
        OLTS,
    )
    assert sheet.mistakes == ()
    assert sheet.rows == (
        SubscriberRow(
            account="10025", name='Дем\'яненко, О. "Лесь"', address="Київ вул. Січових; 5", tariff="100 Мбіт",
            balance=Decimal("-1125.50"), currency="UAH", status="debtor", paid_till=date(2026, 12, 31), language="uk",
            device=DeviceId(7), onu="EPON0/2:48", note="VIP", phones=(E164("+380631234567"), E164("+380442000001")),
        ),
    )  # fmt: skip


def test_commas_and_a_few_columns_are_enough() -> None:
    sheet = read_sheet('account,phones\n1,"0631234567;0442000001"\n\n2,\n', OLTS)
    assert [(row.account, len(row.phones)) for row in sheet.rows] == [("1", 2), ("2", 0)]
    assert sheet.columns == ("account", "phones")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("1;a;b", "2: 3 cells, the heading has 5"),
        (";x;;;", "2: account: is empty"),
        ("1;x;12,345;;", "2: balance: '12,345' is not an amount"),
        ("1;x;NaN;;", "2: balance: 'NaN'"),
        ("1;x;1e9;;", "2: balance: '1e9'"),
        ("1;x;٣;;", "2: balance: '٣'"),
        ("1;x;;31/12/2026;", "2: paid_till: '31/12/2026' is not a day"),
        ("1;x;;2026-02-30;", "2: paid_till"),
        ("1;x;;;101", "2: phones: '101' is not a phone number"),
        ("1;a\x00b;;;", "2: name: holds the control character"),
        ("x" * 41 + ";;;;", "2: account: has 41 characters, 40 fit"),
        ("1;x;;;" + ",".join(f"063{n:07}" for n in range(21)), "2: phones: 21 phones, 20 fit"),
    ],
)
def test_a_bad_line_is_named_with_its_number(line: str, what: str) -> None:
    [mistake] = read_sheet(f"account;name;balance;paid_till;phones\n{line}\n", OLTS).mistakes
    assert what in str(mistake)


def test_every_mistake_of_every_line_is_named() -> None:
    sheet = read_sheet(
        'account;name;status;language;olt;onu\n1;"two\nlines";active;uk;OLT-1;EPON0/1:1\n1;;gone;ru;OLT-9;eth0\n2;;;;;\n',
        OLTS,
    )
    assert [str(mistake) for mistake in sheet.mistakes] == [
        "line 4: status: 'gone' is none of active, debtor, frozen, closed",
        "line 4: language: 'ru' is neither uk nor en",
        "line 4: device: the provider has no device 'OLT-9' (see `callcenter device list`)",
        "line 4: onu: 'eth0' is not an ONU address such as EPON0/2:48 or GPON0/1/7:3",
        "line 4: account: '1' is on line 2 already",
    ]
    assert [row.account for row in sheet.rows] == ["1", "2"]


def test_a_quote_that_is_never_closed_is_named_where_it_opens() -> None:
    [mistake] = read_sheet('account;name\n1;fine\n2;"open\n3;x\n', OLTS).mistakes
    assert str(mistake).startswith("line 3: unexpected end of data")


@pytest.mark.parametrize(
    ("heading", "what"),
    [
        ("account;phone", "unknown columns 'phone'"),
        ("account;name;account", "named twice: account"),
        ("name;phones", "no column 'account'"),
        ("", "no column 'account'"),
    ],
)
def test_a_heading_that_cannot_be_is_refused(heading: str, what: str) -> None:
    with pytest.raises(Misconfigured, match=what):
        read_sheet(heading + "\n1;2\n", OLTS)


def test_the_encoding_is_utf8_or_named() -> None:
    written = "account;name\n1;Олена Їжакевич\n"
    assert decode(written.encode()) == decode(b"\xef\xbb\xbf" + written.encode()) == written
    assert decode(written.encode("cp1251"), "cp1251") == written
    with pytest.raises(Misconfigured, match=r"line 2: byte 0xce is not UTF-8.*cp1251"):
        decode(written.encode("cp1251"))
    with pytest.raises(Misconfigured, match="UTF-16"):
        decode(written.encode("utf-16"))
    with pytest.raises(Misconfigured, match="line 2: byte 0xd0 is not ascii"):
        decode(written.encode(), "ascii")
    with pytest.raises(Misconfigured, match="not an encoding"):
        decode(b"x", "klingon")


@given(st.text(max_size=300))
def test_any_text_at_all_is_rows_and_mistakes(body: str) -> None:
    sheet = read_sheet("account;name;balance;phones\n" + body, OLTS)
    assert all(mistake.line >= 2 for mistake in sheet.mistakes)
    assert all(row.account for row in sheet.rows)
