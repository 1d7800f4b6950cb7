"""``callcenter subscriber``: who calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.place import Place, clock, in_terminal
from callcenter.cli.tables import as_row, json_option, show, show_one
from callcenter.errors import RuleBroken
from callcenter.routing import register
from callcenter.routing.numbers import caller_number
from callcenter.store import Database, Scope
from callcenter.subscribers.directory import Subscriber, find_by_account, find_by_number, search
from callcenter.subscribers.importing import Imported, import_subscribers


@click.group()
def subscriber() -> None:
    """The subscribers of a provider."""


@subscriber.command("find")
@click.argument("slug")
@click.argument("words", nargs=-1, required=True)
@json_option
@click.pass_obj
def find(place: Place, slug: str, words: tuple[str, ...], as_json: bool) -> None:
    """Finds subscribers by phone (however written), account, name or address."""
    written = " ".join(words)
    number = caller_number(written, place.settings.country)

    async def work(connection: AsyncConnection) -> list[Subscriber]:
        provider = await register.provider_id(connection, slug)
        by_phone = await find_by_number(connection, provider, number.number) if number.callable else []
        return by_phone or await search(connection, written, provider=provider)

    rows = [
        {
            name: value
            for name, value in as_row(each).items()
            if name in {"account", "name", "address", "status", "phones"}
        }
        for each in place.written(work)
    ]
    show(rows, as_json, f"nobody of {slug} is like that")


@subscriber.command("show")
@click.argument("slug")
@click.argument("account")
@json_option
@click.pass_obj
def show_subscriber(place: Place, slug: str, account: str, as_json: bool) -> None:
    """Shows everything of one subscriber."""

    async def work(connection: AsyncConnection) -> Subscriber:
        provider = await register.provider_id(connection, slug)
        found = await find_by_account(connection, provider, account)
        if found is None:
            raise RuleBroken(f"{slug} has no subscriber with the account {account}")
        return found

    show_one(as_row(place.written(work)), as_json)


@subscriber.command("import")
@click.argument("slug")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--encoding", help="If the file is not UTF-8: cp1251, utf-16.")
@click.pass_obj
def take_in(place: Place, slug: str, file: Path, encoding: str | None) -> None:
    """Takes a CSV of a billing in: all of it, or nothing and every bad line named.

    The heading names the columns: account (required), name, address, tariff, balance, currency, status, paid_till,
    language, olt, onu, note, phones. Known accounts are updated, others stay as they are.
    """

    async def work(database: Database) -> Imported:
        async with database.scoped(Scope.all()) as connection:
            provider = await register.provider_id(connection, slug)
        return await import_subscribers(
            database, provider, file, clock, encoding=encoding, country=place.settings.country, progress=_progress()
        )

    done = place.inside(work)
    click.echo(f"{file}: {done.added} added, {done.updated} updated, {done.phones} phones")


def _progress() -> Any:
    """A line that renews itself in a terminal, and a line every so often in a log."""
    terminal, told = in_terminal(), {"reading": 0, "writing": 0}

    def tell(stage: str, done: int, of: int) -> None:
        step = 1 if terminal else 10_000
        if done // step > told[stage] // step or done >= of:
            told[stage] = done
            click.echo(f"{stage} {done} of {of}" + ("\r" if terminal and done < of else "\n"), err=True, nl=False)

    return tell
