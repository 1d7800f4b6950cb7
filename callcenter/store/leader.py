"""Of several services on one database one leads: it alone does what must be done once.

A session lock in PostgreSQL says who; it falls to another as soon as the leader's connection is gone. Whoever loses the
lock may finish a step it has begun, so a step that must never happen twice is also guarded by the row it changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from callcenter.store.database import Database

log = logging.getLogger(__name__)

KEY = 0x0CA11
"""The advisory lock's number: any, but the same in every service."""
TRY_EVERY_S = 1.0


class Leader:
    """Tries to lead for as long as it runs."""

    def __init__(self, database: Database, key: int = KEY, every: float = TRY_EVERY_S) -> None:
        self._database = database
        self._key = key
        self._every = every
        self._leads = asyncio.Event()
        self._lost = asyncio.Event()
        self._lost.set()

    @property
    def leads(self) -> bool:
        """This service is the one."""
        return self._leads.is_set()

    async def led(self) -> None:
        """Returns when this service leads."""
        await self._leads.wait()

    async def only_leading(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Does the work for as long as this service leads, and begins it anew when it leads again."""
        while True:
            await self._leads.wait()
            async with asyncio.TaskGroup() as group:
                task = group.create_task(work())
                await self._lost.wait()
                task.cancel()

    async def run(self) -> None:
        """Takes the lead when nobody has it, and holds it until the connection is lost or this is cancelled."""
        while True:
            try:
                await self._try()
            except (SQLAlchemyError, OSError, TimeoutError) as exc:
                log.warning("leader: not without the database: %s", type(exc).__name__)
            await asyncio.sleep(self._every)

    async def _try(self) -> None:
        async with self._database.engine.connect() as connection:
            held = await connection.execution_options(isolation_level="AUTOCOMMIT")
            try:
                while True:
                    if (await held.execute(_LOCK, {"key": self._key})).scalar_one():
                        break
                    await asyncio.sleep(self._every)
                log.info("leader: this service leads")
                self._lost.clear()
                self._leads.set()
                while True:
                    await asyncio.sleep(self._every)
                    await held.execute(_ALIVE)
            finally:
                if self._leads.is_set():
                    log.info("leader: this service leads no more")
                self._leads.clear()
                self._lost.set()
                await connection.invalidate()  # the lock belongs to the session: it must not go back into the pool


_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_ALIVE = text("SELECT 1")
