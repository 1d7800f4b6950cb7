"""The command ``callcenter``: serve, migrate, and the administration of the house. One file a noun."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from callcenter.cli import changes, duty, holidays  # noqa: F401 - they add commands to ``device``, ``agent``, ``provider``
from callcenter.cli.asterisk import asterisk
from callcenter.cli.callbacks import callbacks
from callcenter.cli.circuits import circuit
from callcenter.cli.devices import device
from callcenter.cli.diag import diag
from callcenter.cli.house import import_house
from callcenter.cli.ledger import journal, recordings
from callcenter.cli.people import agent, token, user
from callcenter.cli.place import Place, Told
from callcenter.cli.providers import did, provider
from callcenter.cli.queues import queue, trunk
from callcenter.cli.reasons import pause
from callcenter.cli.reports import report
from callcenter.cli.shifts import shift
from callcenter.cli.subscribers import subscriber
from callcenter.diag.devices import seal_plain
from callcenter.store.migrate import migrate


@click.group(cls=Told, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The settings file; else CALLCENTER_CONFIG, else ./callcenter.toml.",
)
@click.version_option(package_name="callcenter")
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """The call centre that internet providers trust: a person answers, and no call is ever lost."""
    ctx.obj = Place(config)


@main.command("migrate")
@click.pass_obj
def migrate_schema(place: Place) -> None:
    """Brings the database's schema up to this version."""
    asyncio.run(migrate(place.door.owner()))
    if sealed := place.written(lambda connection: seal_plain(connection, place.vault)):
        click.echo(f"{sealed} communities, readable in the database until now, are sealed")
    click.echo("the database is at this version")


@main.command("serve")
@click.pass_obj
def serve(place: Place) -> None:
    """Runs the service until it is stopped."""
    from callcenter.app import serve as run  # imported here: the other commands need none of it

    run(place.settings)


for command in (
    provider, did, trunk, queue, agent, pause, user, token, device, circuit, diag, subscriber, import_house, asterisk,
    journal, callbacks, shift, recordings, report,
):  # fmt: skip
    main.add_command(command)
main.add_command(device, "olt")  # its older name
