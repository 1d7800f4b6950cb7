"""What tests share: one real PostgreSQL a session, an empty migrated database a test."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import text

from callcenter.desk import server
from callcenter.desk.languages import load_catalogues
from callcenter.desk.openapi import document
from callcenter.store import Database
from callcenter.store.embedded import Embedded
from callcenter.store.migrate import migrate

# How long an example takes says how busy the machine is, and nothing of ours. Each run has the same examples; new ones
# are sought by ``--hypothesis-profile=search``, and what it finds becomes an example of its own.
settings.register_profile("here", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")

_EMPTY = text(
    """
    DO $$
    DECLARE used text;
    BEGIN
        SELECT string_agg(format('%I', relname), ', ') INTO used FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
                AND pg_relation_size(oid) > 0;
        IF used IS NOT NULL THEN
            EXECUTE 'TRUNCATE ' || used || ' CASCADE';
        END IF;
        FOR used IN SELECT format('%I', sequencename) FROM pg_sequences
            WHERE schemaname = 'public' AND last_value IS NOT NULL
        LOOP
            EXECUTE 'ALTER SEQUENCE ' || used || ' RESTART';
        END LOOP;
    END $$
    """
)
"""Only tables that ever held a row are emptied: to truncate all of them costs more than most tests."""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes name no test: a random message would give each of the parallel workers another list of tests."""
    return argname if isinstance(val, bytes | bytearray) else None


@pytest.fixture(scope="session", autouse=True)
def made_once() -> Iterator[None]:
    """The catalogues and the API's document are the same at every start of the web; to make them is half of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "load_catalogues", cache(load_catalogues))
        patch.setattr(server, "document", cache(document))
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Embedded]:
    """A real PostgreSQL in a folder of its own, migrated to head, stopped and deleted after the session."""
    with tempfile.TemporaryDirectory(prefix="callcenter-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Embedded(Path(folder) / "postgres")
        server.start()
        asyncio.run(_in_a_hurry(server.superuser_url))
        asyncio.run(migrate(server.owner_url))
        yield server
        server.stop()


async def _in_a_hurry(superuser_url: str) -> None:
    """Only a power cut could tell the difference, and these data die with the session: no write waits for the disk."""
    server = Database(superuser_url)
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        async with server.engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
    async with server.engine.begin() as connection:
        await connection.execute(text("SELECT pg_reload_conf()"))
    await server.close()


@pytest.fixture
async def database(postgres: Embedded) -> AsyncIterator[Database]:
    """The service's own view of an empty database."""
    owner = Database(postgres.superuser_url.replace("/postgres?", "/callcenter?"), pool_size=2)
    async with owner.engine.begin() as connection:
        await connection.execute(_EMPTY)
    await owner.close()
    db = Database(postgres.url)
    try:
        yield db
    finally:
        await db.close()
