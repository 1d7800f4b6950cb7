"""``callcenter journal`` and ``recordings``: what happened, and what was kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.aside import aside_count, aside_rows, resolve_aside
from callcenter.cli.place import Place, clock
from callcenter.cli.tables import as_row, json_option, show
from callcenter.errors import RuleBroken
from callcenter.recordings.store import RecordingState, list_recordings
from callcenter.routing import register
from callcenter.words import ProviderId


@click.group()
def journal() -> None:
    """Asterisk's journal of calls, which the ledger follows."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where reading stands in one file. ``lag`` is in bytes; ``None`` when the file was rotated or is not here."""

    source: str
    path: str
    position: int
    lag: int | None
    rows: int
    updated_at: datetime


@journal.command("status")
@json_option
@click.pass_obj
def status(place: Place, as_json: bool) -> None:
    """Shows how far the journal is read, and what waits for a human."""

    async def work(connection: AsyncConnection) -> tuple[list[Standing], int, int]:
        found = await connection.execute(_STANDING)
        standing = [
            Standing(source, path, position, _lag(path, position, inode), rows, at)
            for source, path, position, inode, rows, at in found
        ]
        aside = await aside_count(connection)
        in_progress = (await connection.execute(_OPEN_CALLS)).scalar_one()
        return standing, aside, in_progress

    standing, aside, in_progress = place.written(work)
    show([as_row(each) for each in standing], as_json, f"nothing is read yet of {place.settings.asterisk.journal}")
    if not as_json:
        click.echo(f"calls in progress: {in_progress}; rows set aside: {aside}")


@journal.group("set-aside")
def set_aside() -> None:
    """Rows that could not be read or stored; they stopped no other."""


@set_aside.command("list")
@click.option("--all", "also_resolved", is_flag=True, help="Also those that somebody has looked at.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100)
@json_option
@click.pass_obj
def list_aside(place: Place, also_resolved: bool, limit: int, as_json: bool) -> None:
    """Lists the rows, oldest first, with their bytes as they stood."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        found = await aside_rows(connection, limit, also_resolved=also_resolved)
        return [{**as_row(each), "raw": each.shown} for each in found]

    show(place.written(work), as_json, "no row is set aside")


@set_aside.command("resolve")
@click.argument("row", type=int)
@click.option("--by", required=True, help="Who has looked at it.")
@click.pass_obj
def resolve(place: Place, row: int, by: str) -> None:
    """Says that somebody has looked at a row; it is kept."""

    async def work(connection: AsyncConnection) -> None:
        if not await resolve_aside(connection, row, by=by, at=clock()):
            raise RuleBroken(f"row {row} is not set aside (see `callcenter journal set-aside list`)")

    place.written(work)
    click.echo(f"row {row} resolved by {by}")


@click.group()
def recordings() -> None:
    """Recordings of conversations."""


@recordings.command("list")
@click.option("--provider", "slug", help="Of this provider only.")
@click.option("--state", type=click.Choice(["expected", "stored", "missing", "damaged"]))
@click.option("--limit", type=click.IntRange(1, 10_000), default=50)
@json_option
@click.pass_obj
def list_all(place: Place, slug: str | None, state: RecordingState | None, limit: int, as_json: bool) -> None:
    """Lists recordings, newest first."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        owner = None if slug is None else await register.provider_id(connection, slug)
        slugs = await slugs_of(connection)
        found = await list_recordings(connection, provider=owner, state=state, limit=limit)
        return [{**as_row(each), "provider": slugs.get(each.provider)} for each in found]

    show(place.written(work), as_json, "no recording yet")


async def slugs_of(connection: AsyncConnection) -> dict[ProviderId, str]:
    """The providers' short names."""
    found = await connection.execute(text("SELECT id, slug FROM provider"))
    return {ProviderId(number): slug for number, slug in found}


def _lag(path: str, position: int, inode: int) -> int | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_size - position if found.st_ino == inode else None


_STANDING = text("SELECT source, path, position, inode, rows, updated_at FROM journal_position ORDER BY source")
_OPEN_CALLS = text("SELECT count(*) FROM call WHERE NOT settled")
