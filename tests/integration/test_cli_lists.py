"""Holidays, reasons and promises, as an operator writes them: by command and from the house's file."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from pathlib import Path

import pytest

from callcenter.routing.book import Book, Provider, load_book
from callcenter.routing.hours import Span
from callcenter.routing.reasons import CALL_REASONS, PAUSE_REASONS, call_reasons, pause_reasons
from callcenter.store import Database
from callcenter.store.embedded import Embedded
from tests.integration.test_cli import Operator
from tests.integration.test_cli import operator as operator

FILE = """
[[provider]]
slug = "svitlo"
brand = "Світло"
callback_attempts = 5
callback_every_min = 20
callback_talk_s = 8.5
service_level_s = 30
holiday = [2027-01-01, "2027-03-08", { day = 2026-12-24, name = "Святвечір", hours = ["09:00-13:00"] }]

[[provider.reason]]
code = "slow"
uk = "Повільно"
en = "Slow"

[[provider.reason]]
code = "iptv"
uk = "IPTV"

[[provider.queue]]
name = "svitlo"
keep_place = false
keep_place_every_s = 45

[[pause]]
code = "smoke"
uk = "Перекур"
limit_min = 7

[[pause]]
code = "lunch"
uk = "Обід"
"""


def book_of(postgres: Embedded) -> Book:
    async def read() -> Book:
        database = Database(postgres.url, pool_size=2)
        try:
            return await load_book(database)
        finally:
            await database.close()

    return asyncio.run(read())


def provider_of(postgres: Embedded, slug: str = "svitlo") -> Provider:
    found = book_of(postgres).by_slug(slug)
    assert found is not None
    return found


@pytest.fixture
def written(operator: Operator, tmp_path: Path) -> Path:
    file = tmp_path / "house.toml"
    file.write_text(FILE)
    operator.types("import", str(file))
    return file


def test_the_file_says_promises_holidays_and_reasons(written: Path, operator: Operator, postgres: Embedded) -> None:
    provider, book = provider_of(postgres), book_of(postgres)
    assert (provider.callback_attempts, provider.callback_every) == (5, timedelta(minutes=20))
    assert (provider.callback_talk_s, provider.service_level_s) == (8.5, 30)
    assert [(each.day, each.name, each.spans) for each in provider.holidays] == [
        (date(2026, 12, 24), "Святвечір", (Span(540, 780),)),
        (date(2027, 1, 1), "", ()),
        (date(2027, 3, 8), "", ()),
    ]
    assert [(each.code, each.name("uk"), each.name("en")) for each in call_reasons(provider)] == [
        ("slow", "Повільно", "Slow"),
        ("iptv", "IPTV", "IPTV"),
    ]
    assert [(each.code, each.limit) for each in pause_reasons(book)] == [
        ("smoke", timedelta(minutes=7)),
        ("lunch", None),
    ]
    [queue] = book.queues
    assert (queue.keep_place, queue.keep_place_every_s) == (False, 45)
    again = operator.types("import", str(written)).stdout
    assert "1 pause lists as they were" in again
    assert "1 reason lists as they were" in again
    assert "3 holidays as they were" in again


def test_the_file_names_all_reasons_and_a_retired_one_may_return(
    written: Path, operator: Operator, postgres: Embedded
) -> None:
    head, _, rest = FILE.partition('[[provider.reason]]\ncode = "slow"\nuk = "Повільно"\nen = "Slow"\n')
    written.write_text(head + rest)
    assert "1 reason lists changed" in operator.types("import", str(written)).stdout
    assert [each.code for each in provider_of(postgres).reasons] == ["iptv"]
    written.write_text(FILE)
    operator.types("import", str(written))
    assert [each.code for each in provider_of(postgres).reasons] == ["slow", "iptv"]


@pytest.mark.parametrize(
    ("instead", "of", "said"),
    [
        ('"2027-02-30"', '"2027-03-08"', "'2027-02-30' is not a day such as 2027-01-01"),
        ("2027-01-01T10:00:00", "2027-01-01", "is a day such as 2027-01-01"),
        ('hours = ["13:00-09:00"]', 'hours = ["09:00-13:00"]', "does not end after it starts"),
        ('hours = ["09:00-13:00", "12:00-14:00"]', 'hours = ["09:00-13:00"]', "overlap"),
        ("callback_attempts = 0", "callback_attempts = 5", "callback_attempts"),
        ("callback_every_min = 0", "callback_every_min = 20", "callback_every_min"),
        ("service_level_s = 0", "service_level_s = 30", "service_level_s"),
        ('code = "Slow one"', 'code = "slow"', "reason 1 code"),
        ('uk = ""', 'uk = "Перекур"', "pause 1 uk"),
        ("limit_min = 0", "limit_min = 7", "limit_min"),
        ("keep_place_every_s = 5", "keep_place_every_s = 45", "keep_place_every_s"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_nothing_is_taken(
    operator: Operator, tmp_path: Path, instead: str, of: str, said: str
) -> None:
    file = tmp_path / "house.toml"
    file.write_text(FILE.replace(of, instead))
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if instead in text)
    complaint = operator.types("import", str(file), ends=2).stderr
    assert f"line {line}: " in complaint
    assert said in complaint
    assert operator.json("provider", "list") == []


def test_a_reason_named_twice_is_refused(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "house.toml"
    file.write_text(FILE.replace('code = "iptv"', 'code = "slow"').replace('"smoke"', '"lunch"'))
    complaint = operator.types("import", str(file), ends=2).stderr
    assert "a reason is named twice: slow" in complaint
    assert "a reason is named twice: lunch" in complaint


def test_holidays_by_command(operator: Operator, postgres: Embedded) -> None:
    operator.types("provider", "add", "svitlo", "--brand", "Світло")
    said = operator.types("provider", "holiday", "add", "svitlo", "2026-12-31", "--name", "Новий рік").stdout
    assert "added" in said
    assert "asterisk render --install" in said
    operator.types("provider", "holiday", "add", "svitlo", "2026-12-31", "--hours", "10:00-14:00")
    assert operator.json("provider", "holiday", "list", "svitlo") == [
        {"day": "2026-12-31", "name": "Новий рік", "hours": ["10:00-14:00"]}
    ]
    assert "is not a day" in operator.types("provider", "holiday", "add", "svitlo", "31.12.2026", ends=1).stderr
    assert "no provider" in operator.types("provider", "holiday", "add", "x", "2026-12-31", ends=1).stderr
    assert "is no holiday" in operator.types("provider", "holiday", "remove", "svitlo", "2026-12-30", ends=1).stderr
    operator.types("provider", "holiday", "remove", "svitlo", "2026-12-31")
    assert provider_of(postgres).holidays == ()


def test_reasons_by_command_begin_with_the_houses_own(operator: Operator, postgres: Embedded) -> None:
    operator.types("provider", "add", "svitlo", "--brand", "Світло")
    assert {each["list"] for each in operator.json("provider", "reason", "list", "svitlo")} == {"house"}
    operator.types("provider", "reason", "add", "svitlo", "camera", "Камери", "--en", "Cameras")
    house = [each.code for each in CALL_REASONS]
    assert [each.code for each in provider_of(postgres).reasons] == [*house, "camera"]
    operator.types("provider", "reason", "remove", "svitlo", "tv")
    operator.types("provider", "reason", "add", "svitlo", "payment", "Гроші")
    codes = [each["code"] for each in operator.json("provider", "reason", "list", "svitlo")]
    assert codes == [*(code for code in house if code != "tv"), "camera"]
    assert call_reasons(provider_of(postgres))[codes.index("payment")].name("uk") == "Гроші"
    assert "not on the list" in operator.types("provider", "reason", "remove", "svitlo", "tv", ends=1).stderr
    operator.types("provider", "reason", "add", "svitlo", "tv", "ТБ")
    assert [each.code for each in provider_of(postgres).reasons][-1] == "tv"


def test_pauses_by_command(operator: Operator, postgres: Embedded) -> None:
    operator.types("pause", "add", "smoke", "Перекур", "--limit-min", "7")
    assert [each.code for each in book_of(postgres).pauses] == [*(each.code for each in PAUSE_REASONS), "smoke"]
    for each in PAUSE_REASONS:
        operator.types("pause", "remove", each.code)
    assert [(row["code"], row["limit_min"], row["list"]) for row in operator.json("pause", "list")] == [
        ("smoke", 7, "own")
    ]
    assert "the last one" in operator.types("pause", "remove", "smoke", ends=1).stderr
    assert "limit_min" in operator.types("pause", "add", "nap", "Сон", "--limit-min", "0", ends=1).stderr


def test_promises_and_places_by_command(operator: Operator, postgres: Embedded) -> None:
    operator.types("provider", "add", "svitlo", "--brand", "Світло", "--callback-attempts", "4")
    operator.types("provider", "set", "svitlo", "--callback-every-min", "25", "--service-level-s", "15")
    operator.types("provider", "set", "svitlo", "--callback-talk-s", "12")
    provider = provider_of(postgres)
    assert (
        provider.callback_attempts,
        provider.callback_every,
        provider.service_level_s,
        provider.callback_talk_s,
    ) == (
        4,
        timedelta(minutes=25),
        15,
        12,
    )
    operator.types("queue", "add", "svitlo", "svitlo", "--no-keep-place")
    operator.types("queue", "add", "svitlo", "svitlo", "--keep-place-every-s", "90")
    [queue] = operator.json("queue", "list")
    assert (queue["keep_place"], queue["keep_place_every_s"]) == (False, 90)
    assert (
        "callback_attempts" in operator.types("provider", "set", "svitlo", "--callback-attempts", "99", ends=1).stderr
    )
