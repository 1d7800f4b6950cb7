"""``callcenter report``: the figures of a period, the same ones as on the page."""

from __future__ import annotations

from datetime import date, datetime

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.place import Place, clock
from callcenter.cli.tables import show
from callcenter.errors import RuleBroken
from callcenter.reports.periods import PRESETS, Days, Preset, days_of, today_in
from callcenter.reports.queries import Wanted
from callcenter.reports.reading import Asked, read_sheet
from callcenter.reports.sheets import Column, Names, Part, Sheet, Value, csv_lines
from callcenter.routing.book import Book, Provider, read_book
from callcenter.words import LANGUAGES, Language

DAY = click.DateTime(["%Y-%m-%d"])
SHOWN = (
    "came", "offered", "answered", "missed", "service_level", "answer_s", "handling_s", "abandonment", "debts_opened",
    "debts_paid", "taken", "not_taken", "occupancy",
)  # fmt: skip
"""What fits a terminal; ``--csv`` and ``--json`` tell everything."""


@click.command("report")
@click.option("--from", "first", type=DAY, help="The first day, on each provider's own calendar; else today.")
@click.option("--to", "last", type=DAY, help="The last day, counted too; else the first.")
@click.option("--period", type=click.Choice(PRESETS), help="Instead of days.")
@click.option("--by", type=click.Choice([part.value for part in Part]), default=Part.ALL.value, show_default=True)
@click.option("--provider", "slug", help="Of this provider only.")
@click.option("--queue", help="Of this queue only.")
@click.option("--agent", help="Calls that this extension talked in or that rang there.")
@click.option("--language", type=click.Choice(LANGUAGES), default="uk", show_default=True, help="Of reasons' names.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with every figure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with every figure.")
@click.pass_obj
def report(
    place: Place, first: datetime | None, last: datetime | None, period: Preset | None, by: str, slug: str | None,
    queue: str | None, agent: str | None, language: Language, as_csv: bool, as_json: bool,
) -> None:  # fmt: skip
    """Counts the calls of a period: service level, waiting, handling, misses by kind, callbacks, agents' time."""
    if period is not None and (first or last):
        raise click.UsageError("--period stands for days: leave out --from and --to")

    async def work(connection: AsyncConnection) -> Sheet:
        book, now = await read_book(connection), clock()
        provider = _provider(book, slug)
        if queue is not None and book.queue_named(queue) is None:
            raise RuleBroken(f"there is no queue {queue} (see `callcenter queue list`)")
        if agent is not None and book.agent(agent) is None:
            raise RuleBroken(f"there is no agent {agent} (see `callcenter agent list`)")
        zones = [each.timezone for each in book.providers if provider is None or provider == each]
        if not zones:
            raise RuleBroken("there is no provider yet (see `callcenter provider add`)")
        today = today_in(zones[0], now)
        days = days_of(period, today) if period is not None else _days(first, last, today)
        wanted = Wanted(days, None if provider is None else provider.id, queue, agent)
        return await read_sheet(connection, Asked(wanted, days, zones[0], Names.of(book, language), now), Part(by))

    sheet = place.written(work)
    if as_csv:
        for line in csv_lines(sheet):
            click.echo(line, nl=False)
    elif as_json:
        show(sheet.records(), as_json=True)
    else:
        _table(sheet)


def _provider(book: Book, slug: str | None) -> Provider | None:
    provider = None if slug is None else book.by_slug(slug)
    if slug is not None and provider is None:
        raise RuleBroken(f"there is no provider {slug} (see `callcenter provider list`)")
    return provider


def _days(first: datetime | None, last: datetime | None, today: date) -> Days:
    begin = first.date() if first else last.date() if last else today
    try:
        return Days(begin, last.date() if last else begin)
    except ValueError as exc:
        raise RuleBroken(str(exc)) from None


def _table(sheet: Sheet) -> None:
    columns = [column for column in sheet.columns if column in sheet.titles or column.name in SHOWN]
    rows = [dict(zip((c.name for c in sheet.columns), (*row.title, *row.values), strict=True)) for row in sheet.rows]
    show([{column.name: _shown(column, row[column.name]) for column in columns} for row in rows], False, "no calls")


def _shown(column: Column, value: Value) -> Value:
    if value is None:
        return None
    if column.kind == "share" and isinstance(value, int | float):
        return f"{value * 100:.1f}%"
    if column.kind == "moment" and isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M%z}"
    return value
