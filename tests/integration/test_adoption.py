"""A call on a DID that is newer than the book is not lost: it gets its provider and its callback afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.queue import pay_or_owe
from callcenter.calls.adoption import REMEMBERED
from callcenter.calls.entry import LedgerEntry
from callcenter.calls.ledger import Ledger
from callcenter.errors import Unavailable
from callcenter.recordings.duty import expect
from callcenter.routing.book import Book, read_book
from callcenter.store import Database, Scope
from tests.integration.ledger_house import House
from tests.unit.cel_rows import MISS, TALK, nth_call, tape

NEW = "+380445550001"
CALLED_NEW = MISS.replace("CHAN_START caller", "CHAN_START caller 380445550001")
TALKED_ON_NEW = TALK.replace("CHAN_START caller", "CHAN_START caller 380445550001")
CALLER = "0631111111"


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    return await House.build(database, tmp_path)


async def own(house: House, did: str) -> None:
    """Somebody gives Skynet this number; the ledger's book does not know yet."""
    async with house.database.scoped(Scope.all()) as connection:
        await connection.execute(
            text("INSERT INTO did (number, provider_id) SELECT :did, id FROM provider WHERE slug = 'skynet'"),
            {"did": did},
        )


async def read_again(house: House) -> Book:
    async with house.database.scoped(Scope.all()) as connection:
        house.book = await read_book(connection)
    return house.book


def ledger_that_reads(house: House) -> tuple[Ledger, list[int]]:
    """A ledger that may have the book read, and the log of its doing so."""
    asked: list[int] = []

    async def refresh() -> Book:
        asked.append(1)
        return await read_again(house)

    ledger = Ledger(
        house.database, lambda: house.book, house.asterisk, house.clock, (pay_or_owe, expect),
        house.committed.extend, refresh,
    )  # fmt: skip
    return ledger, asked


OWED = "SELECT number, misses, (SELECT slug FROM provider WHERE id = provider_id) FROM callback"


async def test_a_missed_call_on_a_did_newer_than_the_book_is_owed_a_callback_at_once(house: House) -> None:
    ledger, asked = ledger_that_reads(house)
    await ledger.catch_up()
    await own(house, NEW)
    house.write(nth_call(1, 0, CALLED_NEW, number=CALLER))
    await ledger.catch_up()
    assert await house.rows(OWED) == [("+380631111111", 1, "skynet")]
    assert await house.rows("SELECT did, outcome FROM call") == [(NEW, "left_waiting")]
    assert await house.rows("SELECT count(*) FROM call_segment WHERE provider_id IS NULL") == [(0,)]
    assert await house.rows("SELECT kind FROM alarm WHERE cleared_at IS NULL") == []
    assert [entry.call.outcome for entry in house.committed] == ["left_waiting"]
    assert asked == [1]


async def test_a_did_that_is_added_later_gets_its_calls_of_the_week(house: House) -> None:
    ledger = house.ledger(expect)
    house.write(
        nth_call(1, 0, CALLED_NEW, number=CALLER)
        + nth_call(2, 60, TALKED_ON_NEW, number="0632222222")
        + tape("unknown_did")
    )
    await ledger.catch_up()
    assert await house.rows(OWED) == []
    alarms = "SELECT subject FROM alarm WHERE kind = 'unknown_did' AND cleared_at IS NULL ORDER BY subject"
    assert await house.rows(alarms) == [("380445550001",), ("380449999999",)]
    await own(house, NEW)
    await ledger.catch_up()
    assert await house.rows(OWED) == []
    await read_again(house)
    await ledger.catch_up()
    assert await house.rows(OWED) == [("+380631111111", 1, "skynet")]
    assert await house.rows("SELECT state FROM recording") == [("expected",)]
    assert await house.rows(alarms) == [("380449999999",)]
    once = await house.snapshot()
    async with house.database.scoped(Scope.all()) as connection:
        await connection.execute(text("DELETE FROM journal_position"))
    await house.ledger(expect).catch_up()
    assert await house.snapshot() == once


async def test_whoever_rang_a_number_that_asterisk_did_not_know_yet_is_owed_a_callback(house: House) -> None:
    await own(house, "+380449999999")
    await read_again(house)
    house.write(tape("unknown_did"))
    await house.ledger().catch_up()
    assert [(misses, slug) for _, misses, slug in await house.rows(OWED)] == [(1, "skynet")]


async def test_a_miss_before_the_talk_is_paid_by_it_whichever_call_arrived_first(house: House) -> None:
    long = TALK.replace("CHAN_START   caller", "CHAN_START   caller 380445550001").replace("8.0 ", "80.0 ")
    house.write(
        nth_call(1, 0, long.replace("8.1 ", "80.1 "), number=CALLER) + nth_call(2, 3, CALLED_NEW, number=CALLER)
    )
    seen: list[str] = []

    async def hook(_connection: AsyncConnection, entry: LedgerEntry) -> None:
        seen.append(str(entry.call.outcome))

    ledger = house.ledger(hook)
    await ledger.catch_up()
    await own(house, NEW)
    await read_again(house)
    await ledger.catch_up()
    assert seen == ["left_waiting", "answered"]


async def test_older_calls_of_nobody_stay_nobodys(house: House) -> None:
    house.write(nth_call(1, 0, CALLED_NEW, number=CALLER))
    ledger = house.ledger()
    await ledger.catch_up()
    [(arrived_at,)] = await house.rows("SELECT arrived_at FROM call")
    house.clock.now = arrived_at + REMEMBERED
    await own(house, NEW)
    await read_again(house)
    await ledger.catch_up()
    assert await house.rows(OWED) == []


async def test_wrong_numbers_do_not_make_the_book_be_read_each_time(house: House) -> None:
    ledger, asked = ledger_that_reads(house)
    for number in range(5):
        house.write(nth_call(number, number * 60, CALLED_NEW, number=CALLER))
        await ledger.catch_up()
    assert asked == [1]
    house.clock.turn(1.0)
    await ledger.catch_up()
    assert asked == [1, 1]


async def test_a_database_or_a_hook_that_fails_meanwhile_delays_it_only(house: House) -> None:
    fails: list[type[Exception]] = [Unavailable, KeyError]

    async def hook(_connection: AsyncConnection, _entry: LedgerEntry) -> None:
        if fails:
            kind = fails.pop(0)
            raise kind("PostgreSQL", "away") if kind is Unavailable else kind("away")

    ledger = house.ledger(hook)
    house.write(nth_call(1, 0, CALLED_NEW, number=CALLER))
    await ledger.catch_up()
    await own(house, NEW)
    await read_again(house)
    with pytest.raises(Unavailable):
        await ledger.step()
    await ledger.step()
    assert await house.rows(OWED) == []
    assert await house.rows("SELECT kind FROM alarm WHERE cleared_at IS NULL") == [("unknown_did",)]
    await ledger._sweep()
    await ledger.step()
    assert await house.rows(OWED) == [("+380631111111", 1, "skynet")]
