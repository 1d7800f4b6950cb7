"""The schema goes up from nothing, down again, and up; the service refuses another version's schema."""

from __future__ import annotations

import importlib

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from callcenter.errors import Misconfigured
from callcenter.store import Database
from callcenter.store.database import async_url, metadata
from callcenter.store.embedded import Embedded
from callcenter.store.migrate import HEAD, alembic_config, check_schema, migrate


async def test_down_and_up_again(postgres: Embedded) -> None:
    superuser = create_async_engine(async_url(postgres.superuser_url), isolation_level="AUTOCOMMIT")
    async with superuser.connect() as connection:
        await connection.execute(text("DROP DATABASE IF EXISTS updown"))
        await connection.execute(text("CREATE DATABASE updown OWNER callcenter_owner"))
    owner_url = postgres.owner_url.replace("/callcenter?", "/updown?")
    service = Database(postgres.url.replace("/callcenter?", "/updown?"), pool_size=2)

    def down(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    try:
        with pytest.raises(Misconfigured, match="callcenter migrate"):
            await check_schema(service)
        await migrate(owner_url)
        await check_schema(service)
        owner = create_async_engine(async_url(owner_url))
        async with owner.begin() as connection:
            await connection.run_sync(down)
            left = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
            assert left.scalars().all() == ["alembic_version"]
        await owner.dispose()
        await migrate(owner_url)
        await check_schema(service)
    finally:
        await service.close()
        async with superuser.connect() as connection:
            await connection.execute(text("DROP DATABASE updown WITH (FORCE)"))
        await superuser.dispose()


def test_this_version_names_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == HEAD


async def test_the_tables_that_code_declares_are_the_tables_there_are(postgres: Embedded) -> None:
    def differences(connection: Connection) -> list[object]:
        seen = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(seen, metadata)
        return [each for each in found if "_column" in str(each) or "modify_" in str(each)]

    for slice_ in ("routing", "diag"):
        importlib.import_module(f"callcenter.{slice_}.tables")
    assert metadata.tables
    owner = create_async_engine(async_url(postgres.owner_url))
    async with owner.connect() as connection:
        assert await connection.run_sync(differences) == []
    await owner.dispose()
