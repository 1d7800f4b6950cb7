"""Brings the schema up to this version, and says when it is not."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from callcenter.errors import Misconfigured
from callcenter.store.database import Database, async_url

_PACKAGED = Path(__file__).parents[1] / "_migrations"
FOLDER = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config


async def migrate(owner_url: str, target: str = "head") -> None:
    """Runs every migration up to ``target`` as the owner of the tables."""

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, target)

    engine = create_async_engine(async_url(owner_url))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


async def check_schema(database: Database) -> None:
    """Raises ``Misconfigured`` when the schema is not the one this version was written for."""

    def present(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    head = ScriptDirectory.from_config(_config()).get_current_head()
    async with database.engine.connect() as connection:
        current = await connection.run_sync(present)
    if current != head:
        raise Misconfigured(
            f"the database is at {current or 'nothing'}, this version needs {head}: run `callcenter migrate`"
        )
