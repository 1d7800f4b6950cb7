"""The one way into PostgreSQL, where every connection is in use."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from callcenter.errors import Unavailable
from callcenter.store import Database, Scope
from callcenter.store.embedded import Embedded


async def test_no_free_connection_is_a_database_that_does_not_answer(postgres: Embedded) -> None:
    """What waits for a connection too long is told so in our own words, and the next one is served again."""
    database = Database(postgres.url, pool_size=2, wait_s=0.05)
    try:
        async with AsyncExitStack() as taken:
            for _ in range(2):
                await taken.enter_async_context(database.scoped(Scope.all()))
            with pytest.raises(Unavailable, match="every connection is in use"):
                await asyncio.wait_for(database.ping(), 5)
        await database.ping()
    finally:
        await database.close()
