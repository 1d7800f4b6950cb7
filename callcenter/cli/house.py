"""``callcenter import``: everything of the house in one TOML file, all or nothing, every mistake with its line."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import click
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.devices import device_of
from callcenter.cli.place import Place, clock, mistakes
from callcenter.diag.devices import put_device
from callcenter.diag.norms import norms_in_force
from callcenter.errors import Misconfigured, RuleBroken
from callcenter.routing import register, users
from callcenter.routing.entries import DeviceEntry, HouseAgent, HouseFile, HouseProvider
from callcenter.routing.register import Change
from callcenter.routing.users import NewUser
from callcenter.store.credentials import hash_password, new_password
from callcenter.store.vault import Vault
from callcenter.words import ProviderId

T = TypeVar("T")
Loc = tuple[int | str, ...]
_HEADING = re.compile(r"\s*\[\[\s*([a-z_]+)(?:\s*\.\s*([a-z_]+))?\s*\]\]")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def import_house(place: Place, file: Path) -> None:
    """Takes providers, DIDs, queues, holidays, reasons, devices, agents and trunks from one TOML file.

    What the file names is added or changed; what it does not name stays. Of a queue's agents, a provider's reasons and
    the house's pauses the file names all or none. An agent with a login gets a sign-in, whose
    password is printed once.
    """
    written = _text(file)
    house = _read(file, written)
    work = _Furnishing(file, Lines.of(written), house, place.vault)
    place.written(work.run)
    click.echo(", ".join(f"{count} {what}" for what, count in sorted(work.counts.items())) or "the file is empty")
    for login, password in work.passwords:
        click.echo(f"sign-in {login}  password {password}")


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise Misconfigured(f"{file}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise Misconfigured(f"{file}: byte {exc.start} is not UTF-8: save the file as UTF-8") from exc


def _read(file: Path, written: str) -> HouseFile:
    try:
        return HouseFile.model_validate(tomllib.loads(written))
    except tomllib.TOMLDecodeError as exc:
        raise Misconfigured(f"{file}: {exc}") from exc
    except ValidationError as exc:
        lines = Lines.of(written)
        said = zip(exc.errors(include_input=False), mistakes(exc), strict=True)
        found = sorted({(lines.line_of(error["loc"]), text) for error, text in said})
        raise Misconfigured("\n".join(f"{file}: line {line}: {text}" for line, text in found)) from None


@dataclass(frozen=True, slots=True)
class Lines:
    """Which line of the file a setting stands on: TOML's readers do not say."""

    starts: dict[Loc, int]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, written: str) -> Lines:
        texts = tuple(written.splitlines())
        starts: dict[Loc, int] = {(): 0}
        outer: Counter[str] = Counter()
        inner: Counter[str] = Counter()
        for number, text in enumerate(texts):
            found = _HEADING.match(text)
            if found is None:
                continue
            table, below = found.groups()
            if below is None:
                starts[table, outer[table]] = number
                outer[table] += 1
                inner.clear()
            else:
                starts[table, outer[table] - 1, below, inner[below]] = number
                inner[below] += 1
        return cls(starts, texts)

    def line_of(self, loc: Loc) -> int:
        """The line of the setting, else of the heading it belongs to; counted from 1."""
        section = next(loc[:length] for length in range(len(loc), -1, -1) if loc[:length] in self.starts)
        start = self.starts[section]
        end = min((line for line in self.starts.values() if line > start), default=len(self.texts))
        rest = loc[len(section) :]
        if rest:
            setting = re.compile(rf"\s*{re.escape(str(rest[0]))}\s*[.=]")
            for number in range(start, end):
                if setting.match(self.texts[number]):
                    return number + 1
        return start + 1


@dataclass
class _Furnishing:
    """One file's work in one transaction: goes on after a refusal to name the next one, and then takes nothing."""

    file: Path
    lines: Lines
    house: HouseFile
    vault: Vault
    counts: Counter[str] = field(default_factory=Counter)
    passwords: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)

    async def run(self, connection: AsyncConnection) -> None:
        owners: dict[int, ProviderId] = {}
        for number, provider in enumerate(self.house.provider):
            await self._try(("provider", number), self._provider(connection, provider, owners, number))
        for number, agent in enumerate(self.house.agent):
            await self._try(("agent", number), self._agent(connection, agent))
        for number, trunk in enumerate(self.house.trunk):
            change = await self._try(("trunk", number), register.put_trunk(connection, None, trunk))
            self._count("trunk", change)
        if self.house.pause:
            work = register.set_pause_reasons(connection, self.house.pause, clock())
            self._count("pause list", await self._try(("pause", 0), work))
        for number, provider in enumerate(self.house.provider):
            if number in owners:
                await self._belongings(connection, ("provider", number), owners[number], provider)
        if self.refused:
            lines = [f"{self.file}: line {line}: {what}" for line, what in sorted(self.refused)]
            raise Misconfigured("\n".join(lines))

    async def _provider(
        self, connection: AsyncConnection, provider: HouseProvider, owners: dict[int, ProviderId], number: int
    ) -> None:
        norms_in_force(provider.thresholds)
        owners[number], change = await register.put_provider(connection, provider)
        self._count("provider", change)

    async def _agent(self, connection: AsyncConnection, agent: HouseAgent) -> None:
        agent_id, change = await register.put_agent(connection, agent)
        self._count("agent", change)
        present = {user.login for user in await users.list_users(connection) if user.extension == agent.extension}
        if agent.login is None or present == {agent.login}:
            return
        password = new_password()
        sign_in = NewUser(agent.login, agent.name, hash_password(password), "agent", agent=agent_id)
        await users.add_user(connection, sign_in)
        self.passwords.append((agent.login, password))

    async def _belongings(
        self, connection: AsyncConnection, loc: Loc, owner: ProviderId, provider: HouseProvider
    ) -> None:
        for did in provider.dids:
            change = await self._try((*loc, "dids"), register.put_did(connection, owner, did))
            self._count("DID", change)
        for number, trunk in enumerate(provider.trunk):
            change = await self._try((*loc, "trunk", number), register.put_trunk(connection, owner, trunk))
            self._count("trunk", change)
        for number, queue in enumerate(provider.queue):
            change = await self._try((*loc, "queue", number), register.put_queue(connection, owner, queue))
            self._count("queue", change)
        for number, holiday in enumerate(provider.holiday):
            change = await self._try((*loc, "holiday", number), register.put_holiday(connection, owner, holiday))
            self._count("holiday", change)
        if provider.reason:
            work = register.set_call_reasons(connection, owner, provider.reason, clock())
            self._count("reason list", await self._try((*loc, "reason", 0), work))
        for kind, written in (("device", provider.device), ("olt", provider.olt)):
            for number, device in enumerate(written):
                await self._try((*loc, kind, number), self._device(connection, owner, device))

    async def _device(self, connection: AsyncConnection, owner: ProviderId, device: DeviceEntry) -> None:
        await put_device(connection, self.vault, device_of(device, owner))
        self.counts["devices written"] += 1

    async def _try(self, loc: Loc, work: Awaitable[T]) -> T | None:
        try:
            return await work
        except (RuleBroken, Misconfigured) as exc:
            self.refused.append((self.lines.line_of(loc), str(exc)))
            return None

    def _count(self, what: str, change: Change | None) -> None:
        if change is not None:
            self.counts[f"{what}s {change}" if change != "same" else f"{what}s as they were"] += 1
