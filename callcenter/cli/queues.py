"""``callcenter queue`` and ``callcenter trunk``: where callers wait, and where they come from."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.place import Place, entry
from callcenter.cli.tables import json_option, show
from callcenter.routing import register
from callcenter.routing.book import read_book
from callcenter.routing.entries import MemberEntry, QueueEntry, TrunkEntry


@click.group()
def queue() -> None:
    """The queues callers wait in, and the agents who answer them."""


@queue.command("add")
@click.argument("slug")
@click.argument("name")
@click.option("--strategy", help="rrmemory (usual), leastrecent, fewestcalls, ringall, linear, ...")
@click.option("--timeout-s", type=int, help="The longest a caller waits.")
@click.option("--ring-s", type=int, help="How long one phone rings.")
@click.option("--wrapup-s", type=int, help="An agent's pause after a call.")
@click.option("--max-waiting", type=int, help="Callers at once.")
@click.option("--keep-place/--no-keep-place", default=None, help="Callers may press 1 to be called back in their turn.")
@click.option("--keep-place-every-s", type=int, help="How often they are told so.")
@click.pass_obj
def add(place: Place, /, slug: str, name: str, **given: Any) -> None:
    """Adds a queue to a provider, or changes what is named of it."""
    wanted = entry(QueueEntry, {"name": name, **given})

    async def work(connection: AsyncConnection) -> str:
        return await register.put_queue(connection, await register.provider_id(connection, slug), wanted)

    click.echo(f"queue {name}: {place.written(work)}")


@queue.command("list")
@json_option
@click.pass_obj
def list_all(place: Place, as_json: bool) -> None:
    """Lists the queues and who is in them."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        book = await read_book(connection)
        slugs = {each.id: each.slug for each in book.providers}
        return [
            {
                "name": each.name,
                "provider": slugs[each.provider],
                "strategy": each.strategy,
                "timeout_s": each.timeout_s,
                "ring_s": each.ring_s,
                "wrapup_s": each.wrapup_s,
                "max_waiting": each.max_waiting,
                "keep_place": each.keep_place,
                "keep_place_every_s": each.keep_place_every_s,
                "agents": [member.extension for member in each.members],
            }
            for each in book.queues
        ]

    show(place.written(work), as_json, "no queue yet: callcenter queue add PROVIDER NAME")


@queue.command("join")
@click.argument("name")
@click.argument("extension")
@click.option("--penalty", type=int, default=0, help="Higher answers later.")
@click.pass_obj
def join(place: Place, name: str, extension: str, penalty: int) -> None:
    """Puts an agent into a queue; the agent then sees that provider."""
    member = entry(MemberEntry, {"extension": extension, "penalty": penalty})
    done = place.written(lambda connection: register.join_queue(connection, name, member))
    click.echo(f"agent {extension} in queue {name}: {done}")


@queue.command("leave")
@click.argument("name")
@click.argument("extension")
@click.pass_obj
def leave(place: Place, name: str, extension: str) -> None:
    """Takes an agent out of a queue."""
    place.written(lambda connection: register.leave_queue(connection, name, extension))
    click.echo(f"agent {extension} left queue {name}")


@queue.command("remove")
@click.argument("name")
@click.pass_obj
def remove(place: Place, name: str) -> None:
    """Removes a queue; its calls stay in the ledger."""
    place.written(lambda connection: register.remove_queue(connection, name))
    click.echo(f"queue {name} removed")


@click.group()
def trunk() -> None:
    """The SIP trunks calls arrive by."""


@trunk.command("add")
@click.argument("name")
@click.option("--host", "hosts", multiple=True, required=True, help="An address, a network or a name; may repeat.")
@click.option("--provider", "slug", help="Whose it is; without it everybody's.")
@click.option("--outbound-uri", help="sip:host:port that calls back leave to.")
@click.option("--codecs", help="alaw,ulaw")
@click.pass_obj
def add_trunk(place: Place, /, name: str, slug: str | None, **given: Any) -> None:
    """Adds a trunk, or changes what is named of it."""
    wanted = entry(TrunkEntry, {"name": name, **given})

    async def work(connection: AsyncConnection) -> str:
        owner = None if slug is None else await register.provider_id(connection, slug)
        return await register.put_trunk(connection, owner, wanted)

    click.echo(f"trunk {name}: {place.written(work)}")


@trunk.command("list")
@json_option
@click.pass_obj
def list_trunks(place: Place, as_json: bool) -> None:
    """Lists the trunks."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        book = await read_book(connection)
        slugs = {each.id: each.slug for each in book.providers}
        return [
            {
                "name": each.name,
                "provider": None if each.provider is None else slugs[each.provider],
                "hosts": each.hosts,
                "outbound_uri": each.outbound_uri,
                "codecs": each.codecs,
            }
            for each in book.trunks
        ]

    show(place.written(work), as_json, "no trunk yet: callcenter trunk add NAME --host ADDRESS")


@trunk.command("remove")
@click.argument("name")
@click.pass_obj
def remove_trunk(place: Place, name: str) -> None:
    """Removes a trunk; its calls are then strangers'."""
    place.written(lambda connection: register.remove_trunk(connection, name))
    click.echo(f"trunk {name} removed")
