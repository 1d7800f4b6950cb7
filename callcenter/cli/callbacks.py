"""``callcenter callbacks``: who is owed a call, and the proof that nobody was forgotten."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.auditing import Audited, audit, keep
from callcenter.callbacks.queue import open_callbacks
from callcenter.calls.audit import Known
from callcenter.calls.retelling import journal_files
from callcenter.cli.ledger import slugs_of
from callcenter.cli.place import Place, clock
from callcenter.cli.tables import json_option, show, show_json
from callcenter.errors import RuleBroken
from callcenter.routing import register
from callcenter.store import Database, Scope


@click.group()
def callbacks() -> None:
    """Missed calls that are owed a callback."""


@callbacks.command("list")
@click.option("--provider", "slug", help="Of this provider only.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200)
@json_option
@click.pass_obj
def list_callbacks(place: Place, slug: str | None, limit: int, as_json: bool) -> None:
    """Lists what is owed now, the oldest promise first."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        owner = None if slug is None else await register.provider_id(connection, slug)
        slugs = await slugs_of(connection)
        return [
            {
                "id": each.id,
                "provider": slugs.get(each.provider),
                "number": each.number or "anonymous",
                "callable": each.callable,
                "due_at": each.due_at,
                "misses": each.misses,
                "last_missed_at": each.last_missed_at,
                "attempts": each.attempts,
            }
            for each in await open_callbacks(connection, limit)
            if owner in {None, each.provider}
        ]

    show(place.written(work), as_json, "nothing is owed")


@callbacks.command("audit")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The day, on each provider's own clock.")
@click.option("--provider", "slugs", multiple=True, help="Of this provider only; may repeat.")
@click.option(
    "--journal",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read these files instead of the journal and all it was rotated into; may repeat.",
)
@json_option
@click.pass_context
def audit_day(
    ctx: click.Context, day: datetime, slugs: tuple[str, ...], files: tuple[Path, ...], as_json: bool
) -> None:  # fmt: skip
    """Folds a day's journal anew and holds it against the database; ends with 1 if anything differs.

    So many calls, so many misses, each with its callback. What was found is kept, with its alarm, unless files are
    named.
    """
    place: Place = ctx.obj
    paths = list(files) or journal_files(place.settings.asterisk.journal)

    async def work(database: Database) -> Audited:
        now = clock()
        found = await audit(database, paths, place.settings.country, day.date(), now, list(slugs) or None)
        if not files:
            async with database.scoped(Scope.all()) as connection:
                await keep(connection, found, now)
        return found

    found = place.inside(work)
    _must_reach(found, day.date())
    rows = [
        {
            "provider": each.slug or "nobody", "calls": line.calls, "misses": line.misses, "callbacks": line.callbacks,
            "difference": line.difference, "known": {str(kind): count for kind, count in line.known.items()},
        }
        for each, line in found.lines.items()
    ]  # fmt: skip
    differences = [
        {
            "provider": each.slug or "nobody", "kind": str(one.kind), "call": one.call, "callback": one.callback,
            "what": one.what,
        }
        for each, line in found.lines.items()
        for one in line.differences
    ]  # fmt: skip
    read = {"files": [str(path) for path in found.retold.files], "rows": found.retold.rows, "torn": found.retold.torn}
    if as_json:
        show_json({"day": day.date(), "providers": rows, "differences": differences, "journal": read})
    else:
        show(rows, as_json=False)
        if differences:
            click.echo()
            show(differences, as_json=False)
        click.echo(f"{len(found.retold.files)} files, {found.retold.rows} rows, {found.retold.torn} torn pieces; "
                   f"difference {found.difference}")  # fmt: skip
    ctx.exit(1 if found.difference else 0)


def _must_reach(found: Audited, day: date) -> None:
    """Of a day before the oldest row that is kept nothing can be said. Raises ``RuleBroken``."""
    if any(line.calls for line in found.lines.values()):
        return
    if any(line.known.get(Known.BEFORE_JOURNAL) for line in found.lines.values()):
        begins = found.retold.begins_at
        since = "there is no journal" if begins is None else f"the journal that is kept begins at {begins:%F %T} UTC"
        raise RuleBroken(f"{day} cannot be audited: {since}")
