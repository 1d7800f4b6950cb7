"""A part that fails in a way nobody foresaw says so and goes on when it can; it never ends the service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from callcenter.recordings.intake import Intake
from callcenter.routing.book import Shelf
from callcenter.store import Database
from callcenter.store.embedded import Embedded
from tests.integration.ami_server import until
from tests.integration.ledger_house import House
from tests.integration.test_witness import CALL, DID, NUMBER, Watch, moment


@contextlib.asynccontextmanager
async def without_the_right(postgres: Embedded, right: str) -> AsyncIterator[None]:
    """An operator's slip in the database, which is neither an outage nor a wrong setting."""
    await as_superuser(postgres, f"REVOKE {right} FROM callcenter_app")
    try:
        yield
    finally:
        await as_superuser(postgres, f"GRANT {right} TO callcenter_app")


async def as_superuser(postgres: Embedded, statement: str) -> None:
    owner = Database(postgres.superuser_url.replace("/postgres?", "/callcenter?"), pool_size=1)
    async with owner.engine.begin() as connection:
        await connection.execute(text(statement))
    await owner.close()


async def outlives(
    run: Coroutine[Any, Any, None], trouble: Callable[[], str | None], postgres: Embedded, right: str
) -> None:
    async with asyncio.TaskGroup() as group:
        async with without_the_right(postgres, right):
            task = group.create_task(run)
            await until(lambda: "permission denied" in (trouble() or ""), deadline=10.0)
            assert not task.done()
        await until(lambda: not trouble(), deadline=15.0)
        task.cancel()


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    return await House.build(database, tmp_path)


async def test_a_witness_that_could_not_write_owes_for_the_call_when_it_can(house: House, postgres: Embedded) -> None:
    watch = Watch(house)
    watch.witness.saw(CALL, DID, NUMBER, moment(0))
    watch.witness.ended(CALL, moment(5))
    watch.turn_to(60)
    await watch.ledger.catch_up()
    witness = watch.witness
    await outlives(witness.run(), lambda: witness.health().trouble, postgres, "INSERT ON callback_miss")
    assert await watch.open_callbacks() == [("+380631111111", 1)]


async def test_recordings_wait_for_what_nobody_foresaw(house: House, tmp_path: Path, postgres: Embedded) -> None:
    monitor, folder = tmp_path / "monitor", tmp_path / "kept"
    monitor.mkdir()
    folder.mkdir()
    intake = Intake(house.database, monitor, folder, house.clock, poll_s=0.05)
    await outlives(intake.run(), lambda: intake.health().trouble, postgres, "SELECT ON recording")


async def test_the_last_book_serves_while_it_cannot_be_read(house: House, postgres: Embedded) -> None:
    shelf = Shelf(house.database, every=0.05)
    book = await shelf.refresh()
    await outlives(shelf.run(), lambda: shelf.trouble, postgres, "SELECT ON did")
    assert shelf.book() == book
