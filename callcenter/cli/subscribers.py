"""``callcenter subscriber`` and ``callcenter olt``: who calls, and the equipment their lines end on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.place import Place, clock, entry, in_terminal
from callcenter.cli.tables import as_row, json_option, show, show_one
from callcenter.diag.drivers import DRIVERS
from callcenter.diag.olts import olts
from callcenter.errors import RuleBroken
from callcenter.routing import register
from callcenter.routing.entries import OltEntry
from callcenter.routing.numbers import caller_number
from callcenter.store import Database, Scope
from callcenter.subscribers.directory import Subscriber, find_by_account, find_by_number, search
from callcenter.subscribers.importing import Imported, import_subscribers
from callcenter.subscribers.olts import OltRow, put_olt, remove_olt


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


@click.group()
def olt() -> None:
    """The OLTs of a provider."""


@olt.command("add")
@click.argument("slug")
@click.argument("name")
@click.option("--driver", required=True, help=f"One of {', '.join(sorted(DRIVERS))}.")
@click.option("--host", required=True)
@click.option("--port", type=int)
@click.option("--community-stdin", is_flag=True, help="Read the SNMP community from standard input; else it is asked.")
@click.pass_obj
def add(place: Place, /, slug: str, name: str, community_stdin: bool, **given: Any) -> None:
    """Adds an OLT, or changes the one of this name. The community is never an argument: other users see those."""
    if community_stdin:
        community = sys.stdin.readline().strip()
    else:
        community = str(click.prompt("SNMP community", hide_input=True))
    wanted = entry(OltEntry, {"name": name, "community": community, **given})

    async def work(connection: AsyncConnection) -> None:
        await put_olt(connection, await register.provider_id(connection, slug), olt_row(wanted))

    place.written(work)
    click.echo(f"OLT {name} of {slug} is written down")


@olt.command("list")
@json_option
@click.pass_obj
def list_olts(place: Place, as_json: bool) -> None:
    """Lists the OLTs; communities are not shown."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in as_row(each).items() if name != "community"}
            for each in await olts(connection)
        ]

    show(place.written(work), as_json, "no OLT yet: callcenter olt add PROVIDER NAME --driver DRIVER --host HOST")


@olt.command("remove")
@click.argument("slug")
@click.argument("name")
@click.pass_obj
def remove(place: Place, slug: str, name: str) -> None:
    """Removes an OLT; its subscribers stay, without a line to read."""

    async def work(connection: AsyncConnection) -> None:
        await remove_olt(connection, await register.provider_id(connection, slug), name)

    place.written(work)
    click.echo(f"OLT {name} of {slug} removed")


def olt_row(wanted: OltEntry) -> OltRow:
    """The OLT to write down; raises ``RuleBroken`` for a driver that is not there."""
    if wanted.driver not in DRIVERS:
        raise RuleBroken(
            f"OLT {wanted.name}: there is no driver {wanted.driver} (there are {', '.join(sorted(DRIVERS))})"
        )
    return OltRow(wanted.name, wanted.driver, wanted.host, wanted.community, wanted.port)
