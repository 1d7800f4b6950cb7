"""``callcenter device change``: restart an ONU, describe it, set its VLAN; shown first, done once, written down."""

from __future__ import annotations

import getpass

import click

from callcenter.cli.devices import device
from callcenter.cli.diag import reader
from callcenter.cli.place import Place, clock
from callcenter.diag.change_rows import Change
from callcenter.diag.changes import Changes
from callcenter.diag.cli import Cli
from callcenter.diag.devices import device_by_name
from callcenter.diag.driver import WriteKind
from callcenter.diag.snmp import Snmp
from callcenter.errors import RuleBroken, Unavailable
from callcenter.routing import register
from callcenter.store import Database, Scope


@device.command("change")
@click.argument("slug")
@click.argument("name")
@click.argument("onu")
@click.option("--restart", is_flag=True, help="Restart the ONU; its line goes dark for a minute or three.")
@click.option("--description", help="The ONU's new description.")
@click.option("--vlan", help="The VLAN of its LAN port, 1 to 4094.")
@click.option("--yes", is_flag=True, help="Do it after showing it, without asking.")
@click.pass_obj
def change(
    place: Place, slug: str, name: str, onu: str, restart: bool, description: str | None, vlan: str | None, yes: bool
) -> None:
    """Changes one ONU: shows exactly what would be given to the device, asks, gives it once, shows before and after."""
    kind, value = _wanted(restart, description, vlan)

    async def work(database: Database) -> Change | None:
        async with database.scoped(Scope.all()) as connection:
            owner = await register.provider_id(connection, slug)
            found = await device_by_name(connection, place.vault, owner, name)
        snmp, cli = Snmp(), Cli()
        snmp.start()
        try:
            async with reader(database) as lines:
                changes = Changes(database, lines, snmp, cli, clock)
                plan = await changes.plan(found, onu, kind, value)
                for command in plan.commands:
                    click.echo(f"    {command}")
                if not yes and not click.confirm(f"Give this to {name}?"):
                    return None
                return await changes.carry_out(plan, f"shell:{getpass.getuser()}")
        finally:
            cli.close()
            snmp.close()

    done = place.inside(work)
    if done is None:
        click.echo("nothing was done")
        return
    for fact in ("state", "description", "vlan"):
        if done.before.get(fact) is not None or done.after.get(fact) is not None:
            click.echo(f"{fact:<12} {done.before.get(fact)} -> {done.after.get(fact)}")
    if done.state != "done":
        raise Unavailable(name, f"{done.state}: {done.note}")
    click.echo("done" + (f": {done.note}" if done.note else ""))


def _wanted(restart: bool, description: str | None, vlan: str | None) -> tuple[WriteKind, str]:
    given: list[tuple[WriteKind, str]] = []
    if restart:
        given.append(("reboot", ""))
    if description is not None:
        given.append(("describe", description))
    if vlan is not None:
        given.append(("vlan", vlan))
    if len(given) != 1:
        raise RuleBroken("say one of --restart, --description TEXT and --vlan N")
    return given[0]
