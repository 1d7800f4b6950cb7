"""``callcenter diag``: a line read from the terminal, with the same verdict as on the card; a sweep; a ping."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

import click

from callcenter.cli.place import Place, clock
from callcenter.cli.tables import json_option
from callcenter.desk.agent_words import AgentWords
from callcenter.desk.languages import load_catalogues
from callcenter.diag.devices import Device, device_by_id, device_by_name
from callcenter.diag.line import LineReader
from callcenter.diag.reading import OnuReading
from callcenter.diag.snmp import Snmp
from callcenter.diag.sweep import Sweeper, SweepFailed
from callcenter.diag.verdict import Thresholds, judge
from callcenter.errors import Misconfigured, RuleBroken, Unavailable
from callcenter.routing import register
from callcenter.store import Database, Scope
from callcenter.subscribers.directory import find_by_account
from callcenter.words import Known, Missing, ProviderId

BUDGET = 5.0


@click.group()
def diag() -> None:
    """Looks at a line, a device, an address: what the agents see, in the terminal."""


class _Done(Exception):
    """The command has its answer: what was begun beside it is let go."""


@asynccontextmanager
async def reader(database: Database) -> AsyncIterator[LineReader]:
    """A line reader of this command's own."""
    snmp = Snmp()
    snmp.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            yield LineReader(snmp, database, tasks, clock)
            raise _Done
    except* _Done:
        pass
    finally:
        snmp.close()


@diag.command("onu")
@click.argument("slug")
@click.argument("device_name", metavar="[DEVICE]", required=False)
@click.argument("onu", required=False)
@click.option("--account", help="The line of this subscriber, instead of a device and an ONU.")
@click.option("--language", type=click.Choice(["en", "uk"]), default="en", show_default=True)
@json_option
@click.pass_obj
def onu_line(
    place: Place, slug: str, device_name: str | None, onu: str | None, account: str | None,
    language: Literal["en", "uk"], as_json: bool,
) -> None:  # fmt: skip
    """Reads one ONU now: `diag onu PROVIDER DEVICE EPON0/1:7`, or `diag onu PROVIDER --account 10025`."""
    words = AgentWords(load_catalogues()[language])

    async def work(database: Database) -> dict[str, Any]:
        owner, norms = await _provider(database, slug)
        device, address = await _line(place, database, owner, device_name, onu, account)
        async with reader(database) as lines:
            found = await lines.read(device, address, BUDGET)
            reading = found.value if isinstance(found, Known) else found
            details = await lines.details(device, address, reading, 10.0) if isinstance(reading, OnuReading) else None
        verdict = judge(reading, norms.of_line(address))
        return {
            "device": device.name, "driver": device.driver_name, "onu": address,
            "reading": reading.as_json() if isinstance(reading, OnuReading) else None,
            "details": None if details is None or isinstance(details, Missing) else asdict(details),
            "missing": words.missing(reading) if isinstance(reading, Missing) else None,
            "level": verdict.level.value, "cause": verdict.cause.value, "say": words.say(verdict),
            "advise": words.advise(verdict),
        }  # fmt: skip

    told = place.inside(work)
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False, default=_plain))
        return
    click.echo(f"{told['onu']} of {told['device']} ({told['driver']})")
    for part in ("reading", "details"):
        for name, value in (told[part] or {}).items():
            if value not in (None, "", [], ()):
                click.echo(f"  {name:<18} {value}")
    click.echo(f"{told['level'].upper()}: {told['say']}\n  {told['advise']}")


@diag.command("sweep")
@click.argument("slug")
@click.argument("device_name", metavar="DEVICE")
@json_option
@click.pass_obj
def sweep(place: Place, slug: str, device_name: str, as_json: bool) -> None:
    """Reads every ONU of one OLT now and keeps what was found, as the service does every few minutes."""

    async def work(database: Database) -> dict[str, Any]:
        owner, norms = await _provider(database, slug)
        device = await _device(place, database, owner, device_name)
        async with reader(database) as lines:
            sweeper = Sweeper(database, lines, place.vault, clock)
            began = asyncio.get_running_loop().time()
            done = await sweeper.once(device)
            took = asyncio.get_running_loop().time() - began
        if isinstance(done, SweepFailed):
            raise Unavailable(device.name, done.why)
        levels: dict[str, int] = {}
        for onu, reading in done.readings.items():
            level = judge(reading, norms.of_line(onu)).level.value
            levels[level] = levels.get(level, 0) + 1
        return {"device": device.name, "onus": len(done.readings), "seconds": round(took, 2), "levels": levels}

    told = place.inside(work)
    if as_json:
        click.echo(json.dumps(told))
        return
    levels = ", ".join(f"{count} {level}" for level, count in sorted(told["levels"].items()))
    click.echo(f"{told['device']}: {told['onus']} ONUs in {told['seconds']} s ({levels})")


async def _provider(database: Database, slug: str) -> tuple[ProviderId, Thresholds]:
    async with database.scoped(Scope.all()) as connection:
        owner = await register.provider_id(connection, slug)
        settings = await register.thresholds_of(connection, owner)
    try:
        return owner, Thresholds.from_settings(settings)
    except Misconfigured as wrong:
        raise RuleBroken(f"provider {slug}: {wrong}") from wrong


async def _device(place: Place, database: Database, owner: ProviderId, name: str) -> Device:
    async with database.scoped(Scope.only([owner])) as connection:
        return await device_by_name(connection, place.vault, owner, name)


async def _line(
    place: Place, database: Database, owner: ProviderId, name: str | None, onu: str | None, account: str | None
) -> tuple[Device, str]:
    """The device and the ONU that were named, or those of a subscriber's contract."""
    if account is None:
        if name is None or onu is None:
            raise click.UsageError("name a device and an ONU, or --account")
        return await _device(place, database, owner, name), onu
    async with database.scoped(Scope.only([owner])) as connection:
        subscriber = await find_by_account(connection, owner, account)
        if subscriber is None:
            raise RuleBroken(f"there is no subscriber {account}")
        if subscriber.device is None or subscriber.onu is None:
            raise RuleBroken(f"the contract of {account} names no ONU")
        device = await device_by_id(connection, place.vault, subscriber.device)
    if device is None:
        raise RuleBroken(f"the device of {account} is gone")
    return device, subscriber.onu


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)
