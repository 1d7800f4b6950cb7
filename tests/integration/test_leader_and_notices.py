"""One service leads, another takes over; what one changes the others hear of once it is committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from callcenter.store import Database, Scope
from callcenter.store.embedded import Embedded
from callcenter.store.leader import Leader
from callcenter.store.notices import Notices, Topic, tell


@asynccontextmanager
async def running(*works: Callable[[], Awaitable[None]]) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.ensure_future(work()) for work in works]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.02)


async def test_one_leads_and_another_takes_over(database: Database, postgres: Embedded) -> None:
    second = Database(postgres.url, pool_size=2)
    one, two = Leader(database, key=77, every=0.05), Leader(second, key=77, every=0.05)
    async with running(one.run) as [first_task]:
        await until(lambda: one.leads)
        async with running(two.run):
            await asyncio.sleep(0.2)
            assert not two.leads
            first_task.cancel()
            await until(lambda: two.leads)
            assert not one.leads
    await second.close()


async def test_what_only_the_leader_does_stops_and_begins_with_the_lead(database: Database, postgres: Embedded) -> None:
    leader, at_work, begun = Leader(database, key=79, every=0.05), 0, 0
    owner = Database(postgres.superuser_url, pool_size=2)

    async def work() -> None:
        nonlocal at_work, begun
        begun, at_work = begun + 1, at_work + 1
        try:
            await asyncio.Event().wait()
        finally:
            at_work -= 1

    async with running(leader.run, lambda: leader.only_leading(work)):
        await until(lambda: at_work == 1)
        async with owner.engine.begin() as connection:
            await connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 79")
            )
        await until(lambda: begun == 2)
        assert at_work == 1
    assert at_work == 0
    await owner.close()


async def test_a_leader_whose_connection_is_cut_leads_no_more_and_tries_again(
    database: Database, postgres: Embedded
) -> None:
    leader = Leader(database, key=78, every=0.05)
    owner = Database(postgres.superuser_url, pool_size=2)
    async with running(leader.run):
        await until(lambda: leader.leads)
        async with owner.engine.begin() as connection:
            await connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 78")
            )
        await until(lambda: not leader.leads)
        await until(lambda: leader.leads)
    await owner.close()


async def test_a_notice_is_heard_after_the_commit_and_never_without_it(database: Database) -> None:
    heard: list[Topic] = []
    async with running(Notices(database, heard.append).run):
        await until(lambda: set(heard) == set(Topic))
        heard.clear()
        with pytest.raises(ZeroDivisionError):
            await _told_and_broken(database)
        async with database.scoped(Scope.all()) as connection:
            await tell(connection, Topic.CALLBACKS)
            assert heard == []
        await until(lambda: bool(heard))
        assert heard == [Topic.CALLBACKS]


async def _told_and_broken(database: Database) -> None:
    async with database.scoped(Scope.all()) as connection:
        await tell(connection, Topic.DUTY)
        raise ZeroDivisionError


async def test_after_a_cut_everything_may_be_old(database: Database, postgres: Embedded) -> None:
    heard: list[Topic] = []
    owner = Database(postgres.superuser_url, pool_size=2)
    async with running(Notices(database, heard.append).run):
        await until(lambda: set(heard) == set(Topic))
        heard.clear()
        async with owner.engine.begin() as connection:
            await connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LISTEN%' "
                     "AND pid <> pg_backend_pid()")
            )  # fmt: skip
        await until(lambda: set(heard) == set(Topic))
    await owner.close()
