"""``callcenter provider`` and ``callcenter did``: whose calls we answer, and on which numbers."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.place import Place, entry
from callcenter.cli.tables import json_option, show, show_one
from callcenter.diag.norms import norms_in_force
from callcenter.errors import RuleBroken
from callcenter.routing import register, tables
from callcenter.routing.book import read_book
from callcenter.routing.entries import DidEntry, ProviderEntry
from callcenter.routing.hours import DAYS
from callcenter.routing.numbers import to_e164


@click.group()
def provider() -> None:
    """The internet providers we answer for."""


def _settings(command: Any) -> Any:
    """The options that `add` and `set` share."""
    for option in reversed(
        (
            click.option("--colour", help="#rrggbb, the brand's colour on the agent's page."),
            click.option("--language", type=click.Choice(["uk", "en"]), help="Spoken to callers."),
            click.option("--timezone", help="Such as Europe/Kyiv."),
            click.option("--greeting", help="Jinja2 of the agent's sentence; empty is the house's own."),
            click.option("--hours", multiple=True, metavar="DAYS=SPANS", help="mon-fri=08:00-22:00; 'always' clears."),
            click.option("--max-lines", type=int, help="Calls at once."),
            click.option("--min-talk-s", type=float, help="A shorter talk counts as missed."),
            click.option("--short-abandon-s", type=int, help="Who leaves sooner is told apart in reports."),
            click.option("--callback-within-min", type=int, help="The promise after a missed call."),
            click.option("--callback-attempts", type=int, help="After so many in vain the shift lead decides."),
            click.option("--callback-every-min", type=int, help="The least time between two of them."),
            click.option("--callback-talk-s", type=float, help="A shorter call back has not reached the subscriber."),
            click.option("--service-level-s", type=int, help="Answered within so much is in time, for reports."),
            click.option("--agents-restart/--no-agents-restart", default=None, help="Agents too may restart an ONU."),
            click.option(
                "--auto-answer/--no-auto-answer", default=None, help="Phones answer its callers by themselves."
            ),
            click.option(
                "--threshold",
                multiple=True,
                metavar="NAME=NUMBER",
                help="onu_rx_weak=-25, epon.onu_rx_weak=-24, mass_least=5; NAME= back.",
            ),
        )
    ):
        command = option(command)
    return command


@provider.command("add")
@click.argument("slug")
@click.option("--brand", required=True, help="The name callers know.")
@_settings
@click.pass_obj
def add(place: Place, /, slug: str, **given: Any) -> None:
    """Adds a provider; then give it a DID, a queue and a trunk."""
    wanted = _entry({"slug": slug, **given})

    async def work(connection: AsyncConnection) -> None:
        if await _found(connection, slug) is not None:
            raise RuleBroken(f"there is a provider {slug} already (change it with `callcenter provider set`)")
        await register.put_provider(connection, wanted)

    place.written(work)
    click.echo(f"provider {slug} added")


@provider.command("set")
@click.argument("slug")
@click.option("--brand", help="The name callers know.")
@_settings
@click.pass_obj
def change(place: Place, /, slug: str, **given: Any) -> None:
    """Changes what is named and nothing else."""

    async def work(connection: AsyncConnection) -> str:
        present = await _found(connection, slug)
        if present is None:
            raise RuleBroken(f"there is no provider {slug} (see `callcenter provider list`)")
        wanted = _entry({"slug": slug, **given, "brand": given["brand"] or present["brand"]}, present)
        return (await register.put_provider(connection, wanted))[1]

    click.echo(f"provider {slug}: {place.written(work)}")


@provider.command("list")
@json_option
@click.pass_obj
def list_all(place: Place, as_json: bool) -> None:
    """Lists the providers."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        book = await read_book(connection)
        return [
            {
                "slug": each.slug,
                "brand": each.brand,
                "dids": [did for did, owner in book.dids.items() if owner == each.id],
                "queues": [queue.name for queue in book.queues if queue.provider == each.id],
                "lines": each.max_lines,
                "callback_within_min": int(each.callback_within.total_seconds() // 60),
            }
            for each in book.providers
        ]

    show(place.written(work), as_json, "no provider yet: callcenter provider add")


@provider.command("show")
@click.argument("slug")
@json_option
@click.pass_obj
def show_provider(place: Place, slug: str, as_json: bool) -> None:
    """Shows everything of a provider."""

    async def work(connection: AsyncConnection) -> dict[str, Any]:
        found = await _found(connection, slug)
        if found is None:
            raise RuleBroken(f"there is no provider {slug} (see `callcenter provider list`)")
        return found

    found = place.written(work)
    found["thresholds"] = norms_in_force(found["thresholds"])
    show_one(found, as_json)


@provider.command("remove")
@click.argument("slug")
@click.confirmation_option("--yes", prompt="Remove the provider with its DIDs, queues, OLTs and subscribers?")
@click.pass_obj
def remove(place: Place, slug: str) -> None:
    """Removes a provider that was never called."""
    place.written(lambda connection: register.remove_provider(connection, slug))
    click.echo(f"provider {slug} removed")


def _entry(given: dict[str, Any], present: dict[str, Any] | None = None) -> ProviderEntry:
    values = {name: value for name, value in given.items() if name not in {"hours", "threshold"}}
    if given["hours"]:
        values["hours"] = _hours(given["hours"])
    if given["threshold"]:
        before = (present or {}).get("thresholds", {})
        named = before | _thresholds(given["threshold"])
        values["thresholds"] = {name: number for name, number in named.items() if number is not None}
        norms_in_force(values["thresholds"])
    return entry(ProviderEntry, values)


def _hours(texts: tuple[str, ...]) -> dict[str, list[str]]:
    """``mon-fri=08:00-12:00,13:00-22:00`` and ``sat=10:00-16:00``; ``always`` alone is round the clock."""
    if texts == ("always",):
        return {}
    hours: dict[str, list[str]] = {}
    for text in texts:
        days, _, spans = text.partition("=")
        first, _, last = days.partition("-")
        if first not in DAYS or (last or first) not in DAYS or not spans:
            raise RuleBroken(f"hours: {text!r} is not such as mon-fri=08:00-22:00")
        for day in DAYS[DAYS.index(first) : DAYS.index(last or first) + 1]:
            hours[day] = spans.split(",")
    return hours


def _thresholds(texts: tuple[str, ...]) -> dict[str, float | None]:
    """By name; ``None`` for one that is taken back (``epon.onu_rx_weak=``)."""
    found: dict[str, float | None] = {}
    for text in texts:
        name, given, value = text.partition("=")
        try:
            found[name] = None if given and not value else float(value)
        except ValueError as exc:
            raise RuleBroken(f"threshold: {text!r} is not such as onu_rx_weak=-25 or mass_least=5") from exc
    return found


async def _found(connection: AsyncConnection, slug: str) -> dict[str, Any] | None:
    found = await connection.execute(select(tables.provider).where(tables.provider.c.slug == slug))
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


@click.group()
def did() -> None:
    """The numbers subscribers dial."""


@did.command("add")
@click.argument("slug")
@click.argument("number")
@click.option("--note", default="")
@click.pass_obj
def add_did(place: Place, slug: str, number: str, note: str) -> None:
    """Gives a number to a provider."""
    wanted = entry(DidEntry, {"number": number, "note": note})

    async def work(connection: AsyncConnection) -> str:
        return await register.put_did(connection, await register.provider_id(connection, slug), wanted)

    click.echo(f"DID {wanted.number}: {place.written(work)}")


@did.command("list")
@json_option
@click.pass_obj
def list_dids(place: Place, as_json: bool) -> None:
    """Lists the numbers and whose they are."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        found = await connection.execute(
            select(tables.did.c.number, tables.provider.c.slug, tables.provider.c.brand, tables.did.c.note)
            .join(tables.provider, tables.provider.c.id == tables.did.c.provider_id)
            .order_by(tables.did.c.number)
        )
        return [dict(zip(("number", "provider", "brand", "note"), row, strict=True)) for row in found]

    show(place.written(work), as_json, "no DID yet: callcenter did add PROVIDER NUMBER")


@did.command("remove")
@click.argument("number")
@click.pass_obj
def remove_did(place: Place, number: str) -> None:
    """Takes a number away; a caller who dials it is then told nothing."""
    try:
        wanted = to_e164(number)
    except ValueError as exc:
        raise RuleBroken(str(exc)) from exc
    place.written(lambda connection: register.remove_did(connection, wanted))
    click.echo(f"DID {wanted} removed")
