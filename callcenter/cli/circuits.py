"""``callcenter circuit`` and ``callcenter diag circuit|port|ping``: paths through switches, and what they stand on."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.diag import diag
from callcenter.cli.place import Place, clock
from callcenter.cli.tables import json_option, show, show_one
from callcenter.desk.languages import load_catalogues
from callcenter.diag.circuit_work import Circuits, circuit_named, circuits, put_circuit
from callcenter.diag.circuits import Circuit, CircuitJudged, Hop, Orders
from callcenter.diag.cli import Cli
from callcenter.diag.devices import device_by_name
from callcenter.diag.ports import Ports
from callcenter.diag.reach import PROBES, Reach
from callcenter.diag.reading import PortReading
from callcenter.diag.snmp import Snmp
from callcenter.errors import RuleBroken, Unavailable
from callcenter.routing import register
from callcenter.store import Database, Scope
from callcenter.words import DeviceId, Missing, ProviderId

T = TypeVar("T")
PORT_BUDGET = 20.0
"""Seconds for one port, its switch's log included."""


@click.group()
def circuit() -> None:
    """L2 circuits: paths of ports and VLANs through a provider's switches."""


def _hop(written: str, vlan: int) -> Hop:
    """``sw-a:Gi1/0/24:tagged``, with ``:310`` after it where the VLAN is another there."""
    name, _, rest = written.partition(":")
    port, _, how = rest.partition(":")
    kind, _, own = how.partition(":")
    if not name or not port or kind not in {"tagged", "untagged"} or (own and not own.isdecimal()):
        raise RuleBroken(f"{written!r} is no hop such as sw-a:Gi1/0/24:tagged")
    return Hop(DeviceId(0), name, port, int(own) if own else vlan, kind == "tagged")


@circuit.command("add")
@click.argument("slug")
@click.argument("name")
@click.option("--vlan", type=click.IntRange(1, 4094), required=True)
@click.option("--hop", "hops", multiple=True, required=True, help="DEVICE:PORT:tagged or DEVICE:PORT:untagged, A to B.")
@click.option("--mac-a", default="")
@click.option("--mac-b", default="")
@click.option("--ip-b", default=None, help="Address of the B end, whose echoes a check counts.")
@click.pass_obj
def add(
    place: Place, slug: str, name: str, vlan: int, hops: tuple[str, ...], mac_a: str, mac_b: str, ip_b: str | None
) -> None:
    """Writes a circuit down, or changes the one of this name. Nothing is done on any device."""
    wanted = Circuit(name, vlan, tuple(_hop(each, vlan) for each in hops), mac_a=mac_a, mac_b=mac_b, ip_b=ip_b)

    async def work(connection: AsyncConnection) -> None:
        await put_circuit(connection, place.vault, await register.provider_id(connection, slug), wanted)

    place.written(work)
    click.echo(f"circuit {name} of {slug} is written down: {len(hops)} hops")


@circuit.command("list")
@click.argument("slug")
@json_option
@click.pass_obj
def list_circuits(place: Place, slug: str, as_json: bool) -> None:
    """Lists a provider's circuits."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        owner = await register.provider_id(connection, slug)
        return [
            {
                "name": each.name,
                "vlan": each.vlan,
                "hops": [f"{h.device_name}:{h.port}:{'tagged' if h.tagged else 'untagged'}" for h in each.hops],
            }
            for each in await circuits(connection, owner)
        ]

    show(place.written(work), as_json, "no circuit yet: callcenter circuit add PROVIDER NAME --vlan N --hop ...")


@circuit.command("check")
@click.argument("slug")
@click.argument("name")
@json_option
@click.pass_obj
def check(place: Place, slug: str, name: str, as_json: bool) -> None:
    """Looks at every hop now and says where it breaks; ends with 1 when it does."""
    judged = _with(place, slug, name, lambda work, owner, one: work.check(owner, one, _who()))
    _tell(judged, as_json)
    if not judged.sound:
        raise SystemExit(1)


@circuit.command("build")
@click.argument("slug")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Give the commands after showing them, without asking.")
@click.pass_obj
def build(place: Place, slug: str, name: str, yes: bool) -> None:
    """Shows the exact commands that build or mend the circuit, asks, gives them, checks; takes back what failed."""
    shown: tuple[Orders, ...] = _with(place, slug, name, lambda work, owner, one: work.dry_run(owner, one))
    if not shown:
        click.echo("every hop is as it should be: nothing to do")
        return
    for orders in shown:
        click.echo(f"{orders.device_name}:")
        for command in orders.commands:
            click.echo(f"    {command}")
    if not yes and not click.confirm("Give these commands?"):
        return
    done = _with(place, slug, name, lambda work, owner, one: work.build(owner, one, shown, _who()))
    _tell(done.judged, as_json=False)
    if done.why:
        what = "everything was taken back" if done.rolled_back else "NOT EVERYTHING could be taken back: look at it"
        raise Unavailable(name, f"{done.why}; {what}")


@diag.command("port")
@click.argument("slug")
@click.argument("device_name", metavar="DEVICE")
@click.argument("port")
@json_option
@click.pass_obj
def port_now(place: Place, slug: str, device_name: str, port: str, as_json: bool) -> None:
    """Reads one port of a switch now."""
    words = load_catalogues()["en"]

    async def work(database: Database) -> PortReading | Missing:
        async with database.scoped(Scope.all()) as connection:
            owner = await register.provider_id(connection, slug)
            device = await device_by_name(connection, place.vault, owner, device_name)
        snmp, cli = Snmp(), Cli()
        snmp.start()
        try:
            return await Ports(snmp, cli).read(device, port, PORT_BUDGET)
        finally:
            cli.close()
            snmp.close()

    found = place.inside(work)
    if isinstance(found, Missing):
        raise Unavailable(device_name, words.text(found.reason, about=found.about))
    told = {name: value for name, value in asdict(found).items() if name != "absent"}
    if not as_json:
        told["macs"] = (
            None if found.macs is None else ", ".join(f"{each.mac} ({each.vlan})" for each in found.macs) or "none"
        )
        told["log"] = None if found.log is None else " | ".join(each.text for each in found.log[-3:]) or "none"
        told["tagged"] = None if found.tagged is None else ", ".join(map(str, found.tagged)) or "none"
    show_one(told, as_json)


@diag.command("ping")
@click.argument("address")
@click.option("--probes", type=click.IntRange(1, 500), default=PROBES, show_default=True)
@json_option
def ping(address: str, probes: int, as_json: bool) -> None:
    """Sends echo requests and tells the loss, the time and how even it is."""
    found = asyncio.run(Reach().ping(address, probes))
    if isinstance(found, Missing):
        raise Unavailable(address, load_catalogues()["en"].text(found.reason, about=found.about))
    show_one({**asdict(found), "loss_percent": round(found.loss * 100, 1)}, as_json)


def _with(place: Place, slug: str, name: str, act: Callable[[Circuits, ProviderId, Circuit], Awaitable[T]]) -> T:
    async def work(database: Database) -> T:
        async with database.scoped(Scope.all()) as connection:
            owner = await register.provider_id(connection, slug)
            one = await circuit_named(connection, owner, name)
        snmp, cli = Snmp(), Cli()
        snmp.start()
        try:
            return await act(Circuits(database, place.vault, Ports(snmp), cli, clock, Reach()), owner, one)
        finally:
            cli.close()
            snmp.close()

    return place.inside(work)


def _tell(judged: CircuitJudged, as_json: bool) -> None:
    rows = [
        {
            "hop": number,
            "device": each.hop.device_name,
            "port": each.hop.port,
            "vlan": each.hop.vlan,
            "tagged": each.hop.tagged,
            "fault": each.fault or "",
            "detail": each.detail,
        }
        for number, each in enumerate(judged.hops, 1)
    ]
    show(rows, as_json)
    if not as_json:
        click.echo("the circuit is whole" if judged.sound else f"it breaks at hop {judged.broken_at}")


def _who() -> str:
    return f"shell:{getpass.getuser()}"


diag.add_command(check, "circuit")
