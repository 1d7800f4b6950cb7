"""``callcenter shift``: opening, handing over and closing a shift from the command line, and what shifts said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks import shifts
from callcenter.callbacks.shift import Counts, Shift, counts_in, next_span
from callcenter.callbacks.shifts import Actor, deciding
from callcenter.cli.ledger import slugs_of
from callcenter.cli.place import Place, clock
from callcenter.cli.tables import as_row, json_option, show, show_json, show_one
from callcenter.desk.shift_figures import figures
from callcenter.errors import RuleBroken
from callcenter.store import Database
from callcenter.words import UserId

T = TypeVar("T")
by_option = click.option("--by", "login", required=True, help="The login of who does it.")
NAMES = {"day": "Денна зміна", "night": "Нічна зміна"}


@click.group()
def shift() -> None:
    """Shifts: who leads, what was inherited, what is left."""


@shift.command("open")
@by_option
@click.option("--lead", "lead_login", help="The login of its lead, if it is somebody else.")
@click.option("--name", help="What it is called; by the hour if not said.")
@click.option("--hours", type=click.FloatRange(0.25, 24), help="How long it lasts; until 8 or 20 o'clock if not said.")
@click.pass_obj
def open_shift(place: Place, login: str, lead_login: str | None, name: str | None, hours: float | None) -> None:
    """Opens a shift; whatever is owed by now is inherited."""

    async def work(connection: AsyncConnection) -> int:
        by, at = await _actor(connection, login), clock()
        lead = await _user(connection, lead_login or login)
        called, until = next_span(at, await _zone(connection))
        ends_at = until if hours is None else at + timedelta(hours=hours)
        return await shifts.open_shift(connection, name or NAMES[called], lead, ends_at, by, at)

    click.echo(f"shift {place.written(work)} is open")


@shift.command("hand-over")
@by_option
@click.option("--to", "successor", required=True, help="The login of the next lead.")
@click.option("--why", help="Why the callbacks that are not named yet are left.")
@click.option("--note", default="", help="A word for the next shift.")
@click.pass_obj
def hand_over(place: Place, login: str, successor: str, why: str | None, note: str) -> None:
    """Names what is left and offers the shift to the next lead, who accepts it on the page or with `accept`."""

    async def work(connection: AsyncConnection) -> int:
        by, at = await _actor(connection, login), clock()
        found = await _open(connection)
        unnamed = [each.callback for each in await shifts.left(connection, found) if not each.why]
        if unnamed and why:
            await shifts.name_left(connection, unnamed, why, by, at)
        await shifts.offer(connection, await _user(connection, successor), note, by, at)
        return len(unnamed)

    click.echo(f"offered to {successor}; {place.written(work)} callbacks were named now")


@shift.command("accept")
@by_option
@click.option("--name", help="What the next shift is called; by the hour if not said.")
@click.option("--hours", type=click.FloatRange(0.25, 24), help="How long it lasts; until 8 or 20 o'clock if not said.")
@click.pass_obj
def accept(place: Place, login: str, name: str | None, hours: float | None) -> None:
    """Closes the shift that is offered to you and opens the next one: both or neither."""

    async def work(connection: AsyncConnection) -> int:
        by, at = await _actor(connection, login), clock()
        called, until = next_span(at, await _zone(connection))
        ends_at = until if hours is None else at + timedelta(hours=hours)
        return await shifts.accept(connection, name or NAMES[called], ends_at, by, at, figures)

    click.echo(f"shift {_decided(place, work)} is open")


@shift.command("close")
@by_option
@click.pass_obj
def close(place: Place, login: str) -> None:
    """Ends the shift, with nothing left open."""

    async def work(connection: AsyncConnection) -> int:
        return await shifts.close(connection, await _actor(connection, login), clock(), figures)

    click.echo(f"shift {_decided(place, work)} is closed")


@shift.command("take-over")
@by_option
@click.option("--lead", "lead_login", help="The login of who leads on, if it is somebody else.")
@click.pass_obj
def take_over(place: Place, login: str, lead_login: str | None) -> None:
    """A supervisor takes the open shift over from a lead who is gone."""

    async def work(connection: AsyncConnection) -> None:
        by = await _actor(connection, login)
        await shifts.take_over(connection, await _user(connection, lead_login or login), by, clock())

    place.written(work)
    click.echo(f"{lead_login or login} leads the shift now")


@shift.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20)
@json_option
@click.pass_obj
def list_shifts(place: Place, limit: int, as_json: bool) -> None:
    """Lists shifts, the newest first."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        rows = []
        for each in await shifts.newest(connection, limit):
            counted = await _counts(connection, each)
            rows.append(
                {
                    "id": each.id, "name": each.name, "lead": each.lead_name, "opened_at": each.opened_at,
                    "closed_at": each.closed_at, "inherited": counted.inherited, "new": counted.new,
                    "done": counted.done, "left": counted.left, "overdue": counted.overdue,
                }
            )  # fmt: skip
        return rows

    show(place.written(work), as_json, "no shift yet: callcenter shift open --by LOGIN")


@shift.command("show")
@click.argument("number", type=int, required=False)
@json_option
@click.pass_obj
def show_shift(place: Place, number: int | None, as_json: bool) -> None:
    """Shows a shift, the open one if not said: its counts by provider and what is left."""

    async def work(connection: AsyncConnection) -> tuple[Shift, list[dict[str, Any]], list[dict[str, Any]]]:
        found = await _open(connection) if number is None else await shifts.one(connection, number)
        if found is None:
            raise RuleBroken(f"there is no shift {number}")
        slugs = await slugs_of(connection)
        if found.is_open:
            counted = await shifts.counts(connection, found, clock())
            left = [as_row(each) for each in await shifts.left(connection, found)]
        else:
            kept = await shifts.documents(connection, found.id)
            counted = {provider: counts_in(document) for provider, document in kept.items()}
            left = [{"provider": provider, **each} for provider, document in kept.items() for each in document["left"]]
        rows = [
            {"provider": slugs.get(provider), "done": each.done, **as_row(each)} for provider, each in counted.items()
        ]
        return found, rows, [{**each, "provider": slugs.get(each["provider"])} for each in left]

    found, rows, left = place.written(work)
    if as_json:
        show_json({**as_row(found), "providers": rows, "left": left})
        return
    show_one(as_row(found), as_json=False)
    columns = ("provider", "inherited", "new", "done", "left", "overdue", "late")
    click.echo()
    show([{name: row[name] for name in columns} for row in rows], as_json=False, empty="nothing came")
    if left:
        click.echo()
        show(left, as_json=False)


async def _counts(connection: AsyncConnection, found: Shift) -> Counts:
    if found.is_open:
        return sum((await shifts.counts(connection, found, clock())).values(), Counts())
    return sum((counts_in(each) for each in (await shifts.documents(connection, found.id)).values()), Counts())


async def _open(connection: AsyncConnection) -> Shift:
    found = await shifts.current(connection)
    if found is None:
        raise RuleBroken("no shift is open")
    return found


async def _actor(connection: AsyncConnection, login: str) -> Actor:
    row = (await connection.execute(_USER, {"login": login})).one_or_none()
    if row is None:
        raise RuleBroken(f"there is no sign-in {login}")
    return Actor(UserId(row.id), f"user:{row.name}", row.role == "supervisor" and row.providers is None)


async def _user(connection: AsyncConnection, login: str) -> UserId:
    user = (await _actor(connection, login)).user
    if user is None:
        raise RuleBroken(f"there is no sign-in {login}")
    return user


async def _zone(connection: AsyncConnection) -> ZoneInfo:
    return ZoneInfo((await connection.execute(_ZONE)).scalar_one_or_none() or "Europe/Kyiv")


def _decided(place: Place, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """What closes a shift sees one moment of everything."""

    async def inside(database: Database) -> T:
        async with deciding(database) as connection:
            return await work(connection)

    return place.inside(inside)


_USER = text("SELECT id, name, role, providers FROM user_account WHERE login = :login AND disabled_at IS NULL")
_ZONE = text("SELECT timezone FROM provider ORDER BY slug LIMIT 1")
