"""``callcenter provider reason`` and ``callcenter pause``: the lists agents choose from.

Where there is no list of one's own the house's is in use, and the first change begins with a copy of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.place import Place, clock, entry
from callcenter.cli.providers import provider
from callcenter.cli.tables import json_option, show
from callcenter.errors import RuleBroken
from callcenter.routing import register
from callcenter.routing.book import Book, Provider, Reason, read_book
from callcenter.routing.entries import PauseEntry, ReasonEntry
from callcenter.routing.reasons import call_reasons, pause_reasons

R = TypeVar("R", bound=ReasonEntry)


@provider.group()
def reason() -> None:
    """Why a provider's subscribers call, as it wants it counted."""


@reason.command("add")
@click.argument("slug")
@click.argument("code")
@click.argument("uk", metavar="NAME")
@click.option("--en", help="The name in English.")
@click.pass_obj
def add_reason(place: Place, slug: str, code: str, uk: str, en: str | None) -> None:
    """Adds a reason at the end of a provider's list, or renames it."""
    wanted = entry(ReasonEntry, {"code": code, "uk": uk, "en": en})

    async def work(connection: AsyncConnection) -> str:
        owner = await _provider(connection, slug)
        entries = _with(_call_entries(owner), wanted)
        return await register.set_call_reasons(connection, owner.id, entries, clock())

    click.echo(f"reason {code} of {slug}: {place.written(work)}")


@reason.command("remove")
@click.argument("slug")
@click.argument("code")
@click.pass_obj
def remove_reason(place: Place, slug: str, code: str) -> None:
    """Takes a reason off a provider's list; calls that have it keep it."""

    async def work(connection: AsyncConnection) -> None:
        owner = await _provider(connection, slug)
        await register.set_call_reasons(connection, owner.id, _without(_call_entries(owner), code), clock())

    place.written(work)
    click.echo(f"reason {code} of {slug} removed")


@reason.command("list")
@click.argument("slug")
@json_option
@click.pass_obj
def list_reasons(place: Place, slug: str, as_json: bool) -> None:
    """Lists why a provider's subscribers call."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        owner = await _provider(connection, slug)
        return _shown(call_reasons(owner), own=bool(owner.reasons))

    show(place.written(work), as_json)


@click.group()
def pause() -> None:
    """Why agents may take a pause, and for how long."""


@pause.command("add")
@click.argument("code")
@click.argument("uk", metavar="NAME")
@click.option("--en", help="The name in English.")
@click.option("--limit-min", type=int, help="The longest it may last; without it as long as it takes.")
@click.pass_obj
def add_pause(place: Place, /, code: str, uk: str, **given: Any) -> None:
    """Adds a reason for a pause at the end of the list, or changes it."""
    wanted = entry(PauseEntry, {"code": code, "uk": uk, **given})

    async def work(connection: AsyncConnection) -> str:
        entries = _with(_pause_entries(await read_book(connection)), wanted)
        return await register.set_pause_reasons(connection, entries, clock())

    click.echo(f"pause {code}: {place.written(work)}")


@pause.command("remove")
@click.argument("code")
@click.pass_obj
def remove_pause(place: Place, code: str) -> None:
    """Takes a reason for a pause off the list; who has that pause now keeps it."""

    async def work(connection: AsyncConnection) -> None:
        entries = _without(_pause_entries(await read_book(connection)), code)
        await register.set_pause_reasons(connection, entries, clock())

    place.written(work)
    click.echo(f"pause {code} removed")


@pause.command("list")
@json_option
@click.pass_obj
def list_pauses(place: Place, as_json: bool) -> None:
    """Lists why agents may take a pause."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        book = await read_book(connection)
        found = pause_reasons(book)
        rows = _shown(found, own=bool(book.pauses))
        return [{**row, "limit_min": _minutes(each)} for row, each in zip(rows, found, strict=True)]

    show(place.written(work), as_json)


async def _provider(connection: AsyncConnection, slug: str) -> Provider:
    await register.provider_id(connection, slug)
    found = (await read_book(connection)).by_slug(slug)
    if found is None:
        raise RuleBroken(f"there is no provider {slug} (see `callcenter provider list`)")
    return found


def _call_entries(owner: Provider) -> list[ReasonEntry]:
    return [ReasonEntry(code=each.code, uk=each.name_uk, en=each.name_en or None) for each in call_reasons(owner)]


def _pause_entries(book: Book) -> list[PauseEntry]:
    return [
        PauseEntry(code=each.code, uk=each.name_uk, en=each.name_en or None, limit_min=_minutes(each))
        for each in pause_reasons(book)
    ]


def _with(present: Iterable[R], wanted: R) -> list[R]:
    """What is known by this code stays in its place with what is new of it; a new one comes last."""
    entries = {each.code: each for each in present}
    return list({**entries, wanted.code: wanted}.values())


def _without(present: Sequence[R], code: str) -> list[R]:
    left = [each for each in present if each.code != code]
    if len(left) == len(present):
        raise RuleBroken(f"{code} is not on the list")
    if not left:
        raise RuleBroken(f"{code} is the last one: agents must have something to choose")
    return left


def _shown(reasons: Iterable[Reason], *, own: bool) -> list[dict[str, Any]]:
    return [
        {"code": each.code, "uk": each.name_uk, "en": each.name_en, "list": "own" if own else "house"}
        for each in reasons
    ]


def _minutes(each: Reason) -> int | None:
    return None if each.limit is None else int(each.limit.total_seconds() // 60)
