"""``callcenter agent sign-in`` and its kin: an agent's duty without the page. A running service follows at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.people import agent
from callcenter.cli.place import Place, clock
from callcenter.errors import RuleBroken
from callcenter.floor import duty
from callcenter.routing.book import read_book
from callcenter.routing.reasons import pause_reasons

WHO = "command"


@agent.command("sign-in")
@click.argument("extensions", nargs=-1, required=True)
@click.pass_obj
def sign_in(place: Place, extensions: tuple[str, ...]) -> None:
    """Puts agents to work: into every queue they serve."""
    _each(place, extensions, lambda connection, each: duty.sign_in(connection, each, clock(), WHO))
    click.echo(f"signed in: {', '.join(extensions)}")


@agent.command("sign-out")
@click.argument("extensions", nargs=-1, required=True)
@click.pass_obj
def sign_out(place: Place, extensions: tuple[str, ...]) -> None:
    """Takes agents out of every queue; their calls in progress go on."""
    _each(place, extensions, lambda connection, each: duty.sign_out(connection, each, clock(), WHO))
    click.echo(f"signed out: {', '.join(extensions)}")


@agent.command("pause")
@click.argument("extensions", nargs=-1, required=True)
@click.option("--reason", required=True, help="A code of the house's list, such as lunch.")
@click.pass_obj
def pause(place: Place, extensions: tuple[str, ...], reason: str) -> None:
    """Gives agents a pause."""

    async def paused(connection: AsyncConnection, extension: str) -> None:
        known = {each.code: each for each in pause_reasons(await read_book(connection))}
        if reason not in known:
            raise RuleBroken(f"{reason} is no reason for a pause: {', '.join(known)}")
        await duty.pause(connection, extension, clock(), WHO, reason=reason, limit=known[reason].limit)

    _each(place, extensions, paused)
    click.echo(f"paused: {', '.join(extensions)}")


@agent.command("ready")
@click.argument("extensions", nargs=-1, required=True)
@click.pass_obj
def ready(place: Place, extensions: tuple[str, ...]) -> None:
    """Ends agents' pauses."""
    _each(place, extensions, lambda connection, each: duty.ready(connection, each, clock(), WHO))
    click.echo(f"ready: {', '.join(extensions)}")


def _each(place: Place, extensions: tuple[str, ...], work: Callable[[AsyncConnection, str], Awaitable[None]]) -> None:
    """All of them, or nobody."""

    async def all_of_them(connection: AsyncConnection) -> None:
        for extension in extensions:
            await work(connection, extension)

    place.written(all_of_them)
