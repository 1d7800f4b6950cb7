"""What one service changes the others hear of: PostgreSQL's NOTIFY, sent with the transaction's commit.

A notice says that something is old, never what is new: whoever hears it reads again. After a lost connection
everything may be old, so every listener is called once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.store.database import Database

log = logging.getLogger(__name__)

CHANNEL = "callcenter"
RETRY_S = 1.0
ALIVE_S = 2.0


class Topic(StrEnum):
    """What can have changed."""

    DUTY = "duty"
    """What an agent is on: signed in, paused, in wrap-up."""
    CALLBACKS = "callbacks"
    BOOK = "book"
    """Providers, queues, who is in which."""
    SHIFT = "shift"
    MESSAGES = "messages"
    CALLS = "calls"
    LINES = "lines"
    """Mass outages: one opened, changed or ended."""


async def tell(connection: AsyncConnection, *topics: Topic) -> None:
    """Everybody who listens is told when this transaction commits, and never when it does not."""
    for topic in topics:
        await connection.execute(_NOTIFY, {"channel": CHANNEL, "topic": topic})


class Notices:
    """Listens on a connection of its own. ``heard`` is called in the event loop, once a topic; it waits for nothing."""

    def __init__(self, database: Database, heard: Callable[[Topic], None]) -> None:
        self._database = database
        self._heard = heard

    async def run(self) -> None:
        """Listens for ever; while the database is away it tries again each second."""
        while True:
            try:
                await self._listen()
            except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as exc:
                log.warning("notices: none without the database: %s", type(exc).__name__)
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        async with self._database.engine.connect() as connection:
            raw: Any = (await connection.get_raw_connection()).driver_connection
            try:
                await raw.add_listener(CHANNEL, self._take)
                for topic in Topic:
                    self._heard(topic)
                while True:
                    await asyncio.sleep(ALIVE_S)
                    await raw.execute("SELECT 1")
            finally:
                await connection.invalidate()

    def _take(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            topic = Topic(str(payload))
        except ValueError:
            log.warning("notices: nobody knows the topic %.40r", payload)
            return
        try:
            self._heard(topic)
        except Exception:  # one listener's mistake must not end the listening
            log.exception("notices: %s could not be taken in", topic)


_NOTIFY = text("SELECT pg_notify(:channel, :topic)")
