"""What every command stands on: the settings, the database, and errors told as what, to what, what to do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.config import Settings, load
from callcenter.errors import CallCenterError, Misconfigured, RuleBroken
from callcenter.store import Database, Scope
from callcenter.store.credentials import hash_password, new_password
from callcenter.store.migrate import check_schema
from callcenter.store.notices import Topic, tell
from callcenter.store.opening import Door, open_door
from callcenter.store.vault import Vault, open_vault

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


def clock() -> datetime:
    """The present time: this is the edge that real time comes in by."""
    return datetime.now(UTC)  # noqa: TID251 - the one place of the commands


@dataclass
class Place:
    """Where a command works: read when the command first needs it, so that ``--help`` needs nothing."""

    config: Path | None = None

    @cached_property
    def settings(self) -> Settings:
        return load(self.config)

    @cached_property
    def vault(self) -> Vault:
        return open_vault(self.settings.data_dir, self.settings.vault.keys)

    @cached_property
    def door(self) -> Door:
        return open_door(self.settings)

    def inside(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Runs the work with the database open and its schema checked."""

        async def run() -> T:
            database = self.door.database(pool_size=2)
            try:
                await database.ping()
                await check_schema(database)
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(run())

    def written(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Runs the work in one transaction over every provider: all of it, or nothing. Services read the book anew."""

        async def transaction(database: Database) -> T:
            try:
                async with database.scoped(Scope.all()) as connection:
                    done = await work(connection)
                    await tell(connection, Topic.BOOK)
                    return done
            except IntegrityError as exc:  # what the entries cannot know, such as a row taken in the same second
                raise RuleBroken(f"the database refused it: {str(exc.orig).splitlines()[0]}") from exc

        return self.inside(transaction)


class Told(click.Group):
    """Ends with 2 for settings or data that cannot work, with 1 for anything else we say on purpose."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CallCenterError as exc:
            click.echo(f"callcenter: {exc}", err=True)
            ctx.exit(2 if isinstance(exc, Misconfigured) else 1)


def entry(kind: type[M], values: Mapping[str, Any]) -> M:
    """The entry made of the options that were given; raises ``RuleBroken`` with every mistake on a line of its own."""
    try:
        return kind.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as exc:
        raise RuleBroken("\n".join(mistakes(exc))) from None


def mistakes(exc: ValidationError) -> list[str]:
    """One line for each: where, and what is wrong. The value is not shown: it may be a secret."""
    return [f"{place_in(e['loc'])}: {_said(e['msg'])}" for e in exc.errors(include_input=False, include_url=False)]


def place_in(loc: tuple[int | str, ...]) -> str:
    return " ".join(str(part + 1) if isinstance(part, int) else part for part in loc)


def _said(message: str) -> str:
    return message.removeprefix("Value error, ").replace("String should", "should")


def password_from(stdin: bool, prompt: bool) -> tuple[str, bool]:
    """A password and whether it was generated. It never comes from an argument: other users see those."""
    if stdin:
        return sys.stdin.readline().rstrip("\r\n"), False
    if prompt:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True)), False
    return new_password(), True


def hashed(stdin: bool, prompt: bool) -> tuple[str, str | None]:
    """The hash to keep, and the password to show once if it was generated."""
    password, generated = password_from(stdin, prompt)
    return hash_password(password), password if generated else None


def in_terminal() -> bool:
    return sys.stderr.isatty()
