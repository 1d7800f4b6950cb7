"""``callcenter device``: the OLTs and switches of a provider, and how they are asked."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import click
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.place import Place, clock, entry
from callcenter.cli.tables import json_option, show
from callcenter.diag.cli import Cli, fingerprint
from callcenter.diag.detect import Probe, dotted, probe
from callcenter.diag.devices import (
    AUTO,
    CliLogin,
    Device,
    SnmpV3,
    device_by_name,
    devices,
    put_device,
    remove_device,
    write_detected,
)
from callcenter.diag.drivers import ALL
from callcenter.diag.snmp import Snmp
from callcenter.errors import RuleBroken
from callcenter.routing import register
from callcenter.routing.entries import DeviceEntry
from callcenter.store import Database, Scope
from callcenter.words import DeviceId, ProviderId


@click.group()
def device() -> None:
    """The OLTs and switches of a provider."""


@device.command("drivers")
@json_option
def list_drivers(as_json: bool) -> None:
    """Lists the families that are known."""
    show([{"driver": each.name, "for": each.title} for each in ALL.values()], as_json, "no driver at all")


@device.command("add")
@click.argument("slug")
@click.argument("name")
@click.option("--driver", required=True, help="One of `callcenter device drivers`, or auto.")
@click.option("--host", required=True)
@click.option("--port", type=int)
@click.option("--community-stdin", is_flag=True, help="Read the SNMP community from standard input; else it is asked.")
@click.pass_obj
def add(place: Place, /, slug: str, name: str, community_stdin: bool, **given: Any) -> None:
    """Adds a device, or changes the one of this name. The community is never an argument: other users see those."""
    if community_stdin:
        community = sys.stdin.readline().strip()
    else:
        community = str(click.prompt("SNMP community", hide_input=True))
    wanted = entry(DeviceEntry, {"name": name, "community": community, **given})

    async def work(connection: AsyncConnection) -> None:
        owner = await register.provider_id(connection, slug)
        await put_device(connection, place.vault, device_of(wanted, owner))

    place.written(work)
    click.echo(f"device {name} of {slug} is written down")


@device.command("list")
@json_option
@click.pass_obj
def list_devices(place: Place, as_json: bool) -> None:
    """Lists the devices; no credential is shown."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        slugs = await register.slugs(connection)
        return [
            {
                "provider": slugs.get(each.provider, each.provider), "name": each.name, "driver": each.driver,
                "detected": each.detected, "host": each.host, "port": each.port,
                "snmp": "v3" if each.v3 else "v2c" if each.community.get_secret_value() else "none",
                "cli": each.cli.protocol if each.cli else "none", "area": each.area,
            }
            for each in await devices(connection, place.vault)
        ]  # fmt: skip

    show(place.written(work), as_json, "no device yet: callcenter device add PROVIDER NAME --driver DRIVER --host HOST")


@device.command("probe")
@click.argument("slug")
@click.argument("name")
@json_option
@click.pass_obj
def probe_device(place: Place, slug: str, name: str, as_json: bool) -> None:
    """Finds out what a device is by asking it; a device whose driver is auto is read by what was found."""

    async def work(connection: AsyncConnection) -> tuple[Device, Probe]:
        owner = await register.provider_id(connection, slug)
        asked = await device_by_name(connection, place.vault, owner, name)
        snmp = Snmp()
        snmp.start()
        try:
            found = await probe(snmp, Snmp.target(asked))
        finally:
            snmp.close()
        if asked.driver == AUTO:
            await write_detected(connection, asked.id, found.driver or "", found.descr, clock(), found.options)
        return asked, found

    asked, found = place.written(work)
    about = {
        "device": asked.name, "driver": found.driver, "by": found.by, "options": dict(found.options),
        "object_id": dotted(found.object_id), "describes_itself": found.descr,
    }  # fmt: skip
    if as_json:
        click.echo(json.dumps(about | {"answers": dict(found.answers)}, ensure_ascii=False))
        return
    for key, value in about.items():
        click.echo(f"{key:<18} {value if value else 'unknown'}")
    for root, answered in found.answers:
        click.echo(f"  {root:<40} {answered or 'no such table'}")


@device.command("trust")
@click.argument("slug")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Trust the key without asking; its fingerprint is shown all the same.")
@click.pass_obj
def trust(place: Place, slug: str, name: str, yes: bool) -> None:
    """Shows the SSH host key that the device shows now, and keeps it when you confirm: compare it with the device's."""

    async def ask(database: Database) -> tuple[Device, str]:
        async with database.scoped(Scope.all()) as connection:
            owner = await register.provider_id(connection, slug)
            found = await device_by_name(connection, place.vault, owner, name)
        cli = Cli()
        try:
            driver = ALL.get(found.driver_name)
            return found, await cli.host_key(found, driver.dialect if driver else None)
        finally:
            cli.close()

    found, key = place.inside(ask)
    if found.cli is None:
        raise RuleBroken(f"device {name} has no command line login")
    click.echo(f"{name} shows {fingerprint(key)}")
    if found.cli.host_key == key:
        click.echo("that is the key we trust already")
        return
    if found.cli.host_key:
        click.echo(f"until now it was {fingerprint(found.cli.host_key)}")
    if not yes and not click.confirm("Is that the device's own key?"):
        return
    changed = replace(found, cli=replace(found.cli, host_key=key))

    async def work(connection: AsyncConnection) -> None:
        await put_device(connection, place.vault, changed)

    place.written(work)
    click.echo(f"the key of {name} is trusted")


@device.command("login")
@click.argument("slug")
@click.argument("name")
@click.option("--protocol", type=click.Choice(["ssh", "telnet"]), default="ssh", show_default=True)
@click.option("--user", required=True)
@click.option("--port", type=click.IntRange(1, 65535))
@click.option("--enable", is_flag=True, help="The device has an enable password too; it is asked.")
@click.option("--password-stdin", is_flag=True, help="Read the passwords from standard input, a line each.")
@click.pass_obj
def login(
    place: Place, slug: str, name: str, protocol: str, user: str, port: int | None, enable: bool, password_stdin: bool
) -> None:
    """Gives the way to a device's command line. Passwords are asked, never arguments."""

    def asked(what: str) -> SecretStr:
        if password_stdin:
            return SecretStr(sys.stdin.readline().rstrip("\r\n"))
        return SecretStr(str(click.prompt(what, hide_input=True)))

    password = asked("Password")
    second = asked("Enable password") if enable else None

    async def work(connection: AsyncConnection) -> None:
        owner = await register.provider_id(connection, slug)
        found = await device_by_name(connection, place.vault, owner, name)
        kept = found.cli.host_key if found.cli else ""
        way = CliLogin("telnet" if protocol == "telnet" else "ssh", user, password, second, port, kept)
        await put_device(connection, place.vault, replace(found, cli=way))

    place.written(work)
    click.echo(
        f"the command line of {name} is known" + ("" if protocol == "telnet" else "; now: callcenter device trust")
    )


@device.command("remove")
@click.argument("slug")
@click.argument("name")
@click.pass_obj
def remove(place: Place, slug: str, name: str) -> None:
    """Removes a device; its subscribers stay, without a line to read."""

    async def work(connection: AsyncConnection) -> None:
        await remove_device(connection, await register.provider_id(connection, slug), name)

    place.written(work)
    click.echo(f"device {name} of {slug} removed")


def device_of(wanted: DeviceEntry, owner: ProviderId) -> Device:
    """The device to write down; raises ``RuleBroken`` for a driver or an option that is not there."""
    driver = ALL.get(wanted.driver)
    if driver is None and wanted.driver != AUTO:
        raise RuleBroken(
            f"device {wanted.name}: there is no driver {wanted.driver} (there are {', '.join(sorted(ALL))}, and auto)"
        )
    if driver is not None and hasattr(driver, "set_up"):
        try:
            driver.set_up(wanted.options)
        except ValueError as exc:
            raise RuleBroken(f"device {wanted.name}: {exc}") from exc
    v3 = (
        None
        if wanted.v3 is None
        else SnmpV3(**{name: getattr(wanted.v3, name) for name in type(wanted.v3).model_fields})
    )
    cli = None if wanted.cli is None else CliLogin(**{n: getattr(wanted.cli, n) for n in type(wanted.cli).model_fields})
    return Device(
        id=DeviceId(0), provider=owner, name=wanted.name, driver=wanted.driver, host=wanted.host, port=wanted.port,
        community=wanted.community, write_community=wanted.write_community, v3=v3, cli=cli,
        options=tuple(sorted(wanted.options.items())), area=wanted.area, site_ip=wanted.site_ip,
    )  # fmt: skip
