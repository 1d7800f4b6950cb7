"""What tests share: one real PostgreSQL a session, an empty migrated database a test."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from callcenter.store import Database
from callcenter.store.embedded import Embedded
from callcenter.store.migrate import migrate


@pytest.fixture(scope="session")
def postgres() -> Iterator[Embedded]:
    """A real PostgreSQL in a folder of its own, migrated to head, stopped and deleted after the session."""
    with tempfile.TemporaryDirectory(prefix="callcenter-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Embedded(Path(folder) / "postgres")
        server.start()
        asyncio.run(migrate(server.owner_url))
        yield server
        server.stop()


@pytest.fixture
async def database(postgres: Embedded) -> AsyncIterator[Database]:
    """The service's own view of an empty database."""
    owner = Database(postgres.superuser_url.replace("/postgres?", "/callcenter?"), pool_size=2)
    async with owner.engine.begin() as connection:
        names = await connection.execute(
            text("SELECT string_agg(format('%I', tablename), ', ') FROM pg_tables "
                 "WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
        )  # fmt: skip
        await connection.execute(text(f"TRUNCATE {names.scalar_one()} RESTART IDENTITY CASCADE"))
    await owner.close()
    db = Database(postgres.url)
    try:
        yield db
    finally:
        await db.close()
