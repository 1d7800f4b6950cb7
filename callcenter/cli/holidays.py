"""``callcenter provider holiday``: the days on which a provider is served otherwise than on their weekday."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.place import Place, entry
from callcenter.cli.providers import provider
from callcenter.cli.tables import json_option, show
from callcenter.routing import register, tables
from callcenter.routing.entries import HolidayEntry

RENDER = "callers hear of it after `callcenter asterisk render --install`; promises count with it from now on"


@provider.group()
def holiday() -> None:
    """Days off, and days with other hours."""


@holiday.command("add")
@click.argument("slug")
@click.argument("day", metavar="YYYY-MM-DD")
@click.option("--name", help="Such as Різдво.")
@click.option("--hours", multiple=True, metavar="SPAN", help="Such as 10:00-14:00; without it nobody answers.")
@click.pass_obj
def add(place: Place, slug: str, day: str, name: str | None, hours: tuple[str, ...]) -> None:
    """Adds a holiday, or changes the one that is on that day."""
    wanted = entry(HolidayEntry, {"day": day, "name": name, "hours": list(hours)})

    async def work(connection: AsyncConnection) -> str:
        return await register.put_holiday(connection, await register.provider_id(connection, slug), wanted)

    click.echo(f"holiday {wanted.day} of {slug}: {place.written(work)}; {RENDER}")


@holiday.command("remove")
@click.argument("slug")
@click.argument("day", metavar="YYYY-MM-DD")
@click.pass_obj
def remove(place: Place, slug: str, day: str) -> None:
    """Makes it a day like its weekday again."""
    wanted = entry(HolidayEntry, {"day": day}).day

    async def work(connection: AsyncConnection) -> None:
        await register.remove_holiday(connection, await register.provider_id(connection, slug), wanted)

    place.written(work)
    click.echo(f"holiday {wanted} of {slug} removed; {RENDER}")


@holiday.command("list")
@click.argument("slug")
@json_option
@click.pass_obj
def list_all(place: Place, slug: str, as_json: bool) -> None:
    """Lists a provider's holidays."""
    of = tables.holiday.c

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        owner = await register.provider_id(connection, slug)
        wanted = select(of.day, of.name, of.hours).where(of.provider_id == owner).order_by(of.day)
        return [
            {"day": day.isoformat(), "name": name, "hours": hours}
            for day, name, hours in await connection.execute(wanted)
        ]

    show(place.written(work), as_json, f"{slug} has no holidays: callcenter provider holiday add {slug} YYYY-MM-DD")
