"""The book is read from the real PostgreSQL, and goes on without it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from callcenter.errors import Misconfigured, Unavailable
from callcenter.routing.book import Book, Shelf, load_book
from callcenter.store import Database, Scope


async def _house(database: Database) -> None:
    async with database.scoped(Scope.all()) as connection:
        for statement in (
            """INSERT INTO provider (slug, brand, hours, thresholds, callback_within_min) VALUES
               ('skynet', 'SkyNet', '{"mon": ["08:00-22:00"]}', '{"onu_rx_weak": -25}', 15),
               ('lanet', 'Ланет', '{}', '{}', 30)""",
            """INSERT INTO did (number, provider_id) VALUES
               ('+380442000002', 1), ('+380442000001', 1), ('+380442000003', 2)""",
            """INSERT INTO agent (extension, name, sip_secret) VALUES
               ('101', 'Анна', 'long-secret'), ('102', 'Богдан', 'long-secret')""",
            "INSERT INTO queue (provider_id, name) VALUES (1, 'skynet'), (2, 'lanet')",
            """INSERT INTO queue_agent (queue_id, agent_id, provider_id, penalty) VALUES
               (1, 1, 1, 2), (1, 2, 1, 0), (2, 2, 2, 0)""",
            "INSERT INTO trunk (name, provider_id, hosts) VALUES ('lab', NULL, '{127.0.0.2}')",
        ):
            await connection.execute(text(statement))


async def test_the_book_says_whose_call_it_is(database: Database) -> None:
    await _house(database)
    book = await load_book(database)
    found = book.provider_of("0442000001")
    assert found is not None
    did, provider = found
    assert (did, provider.brand, provider.callback_within) == ("+380442000001", "SkyNet", timedelta(minutes=15))
    assert provider.thresholds == {"onu_rx_weak": -25.0}
    assert book.provider_of("0449999999") is None
    assert book.provider_of("${EXTEN}") is None
    assert book.first_did(provider.id) == "+380442000001"


async def test_an_agent_works_for_the_providers_of_their_queues(database: Database) -> None:
    await _house(database)
    book = await load_book(database)
    assert book.providers_of("101") == {1}
    assert book.providers_of("102") == {1, 2}
    assert book.providers_of("999") == frozenset()
    queue = book.queue_named("skynet")
    assert queue is not None
    assert [member.extension for member in queue.members] == ["102", "101"]
    agent = book.agent("101")
    assert agent is not None
    assert "long-secret" not in repr(book)
    assert agent.sip_secret.get_secret_value() == "long-secret"


async def test_an_empty_house_is_an_empty_book(database: Database) -> None:
    assert await load_book(database) == Book()


async def test_a_row_that_cannot_be_leaves_the_last_book_in_place(database: Database) -> None:
    await _house(database)
    shelf = Shelf(database)
    first = await shelf.refresh()
    assert await shelf.refresh() is first
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("UPDATE provider SET timezone = 'Europe/Nowhere' WHERE id = 1"))
    with pytest.raises(Misconfigured, match=r"skynet.*Nowhere"):
        await shelf.refresh()
    assert shelf.book() is first
    assert shelf.trouble == ("provider skynet: 'No time zone found with key Europe/Nowhere'")
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("UPDATE provider SET timezone = 'Europe/Warsaw' WHERE id = 1"))
    assert await shelf.refresh() != first
    assert not shelf.trouble


async def test_before_the_first_reading_there_is_no_book(database: Database) -> None:
    with pytest.raises(Unavailable, match="not read yet"):
        Shelf(database).book()
