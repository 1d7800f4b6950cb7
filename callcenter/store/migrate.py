"""Brings the schema up to this version, and says when it is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine

from callcenter.errors import Misconfigured
from callcenter.store.database import Database, async_url

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0005"
"""The migration this version was written for; a test holds it against the folder."""
_PACKAGED = Path(__file__).parents[1] / "_migrations"
FOLDER = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "migrations"


def alembic_config() -> Config:
    """What Alembic needs to know; it is imported only by those who migrate, every command would pay for it else."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config


async def migrate(owner_url: str, target: str = "head") -> None:
    """Runs every migration up to ``target`` as the owner of the tables; does nothing when they are there."""
    from alembic import command

    def run(connection: Connection) -> None:
        config = alembic_config()
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
    try:
        async with database.engine.connect() as connection:
            current = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
    except ProgrammingError:  # no such table: nothing was ever migrated
        current = None
    if current != HEAD:
        raise Misconfigured(
            f"the database is at {current or 'nothing'}, this version needs {HEAD}: run `callcenter migrate`"
        )
