"""``callcenter asterisk``: Asterisk's configuration from the book, checked before it is put in place."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from callcenter.ami.commands import Commands
from callcenter.ami.session import NOT_STARTED, AmiAddress
from callcenter.cli.place import Place, clock
from callcenter.config import Settings
from callcenter.errors import CallCenterError, Misconfigured
from callcenter.ivr.prompts import make_music, make_prompts, make_waiting
from callcenter.pbx.certificate import check_certificate
from callcenter.pbx.install import Installed, Reload, check_rendered, go_back, install
from callcenter.pbx.render import music_folder, prompts_folder, render, waiting_queues
from callcenter.pbx.version import PbxVersion
from callcenter.routing.book import Book, load_book
from callcenter.store import Database

AMI_PATIENCE_S = 3.0

T = TypeVar("T")


@click.group()
def asterisk() -> None:
    """Asterisk's configuration."""


@asterisk.command("render")
@click.option("--check", is_flag=True, help="Check only: every mistake is named, nothing is written.")
@click.option(
    "--install", "put_in_place", is_flag=True, help="Put it in place, with prompts, and have Asterisk reload."
)
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Write the files to this folder.")
@click.pass_obj
def render_all(place: Place, check: bool, put_in_place: bool, folder: Path | None) -> None:
    """Renders the configuration of the present providers, queues and agents; without an option prints it."""
    settings = place.settings

    async def work(database: Database) -> Book:
        return await load_book(database, settings.country)

    book = place.inside(work)
    files = render(book, settings, PbxVersion.parse(settings.asterisk.version), today=clock().date())
    check_rendered(files)
    if check or put_in_place:
        _look_at_certificate(settings, refuse=check)
    if folder is not None:
        _write(folder, files)
    if put_in_place:
        _put_in_place(settings, book, files)
    elif check or folder is not None:
        click.echo(f"{len(files)} files, no mistake")
    else:
        for name, text in files.items():
            click.echo(f";;; {name}\n{text}")


def _look_at_certificate(settings: Settings, *, refuse: bool) -> None:
    """New hours and numbers are put in place also where pages' phones cannot register: then it is only said."""
    try:
        warnings = check_certificate(settings.phone, clock())
    except Misconfigured as exc:
        if refuse:
            raise
        warnings = [f"no page's phone will register: {exc}"]
    for warning in warnings:
        click.echo(warning, err=True)


def _write(folder: Path, files: dict[str, str]) -> None:
    """The files hold secrets: nobody else reads them."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, text in files.items():
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)


def _put_in_place(settings: Settings, book: Book, files: dict[str, str]) -> None:
    sounds, studio = prompts_folder(settings), settings.data_dir / "prompts"
    made = make_prompts(book.providers, sounds, studio if studio.is_dir() else None)
    make_music(music_folder(settings), studio if studio.is_dir() else None)
    make_waiting(waiting_queues(book, sounds), music_folder(settings))
    done, untold = asyncio.run(_install(settings, files))
    click.echo(f"configuration {done.generation}: {len(done.changed)} of {len(files)} files changed")
    click.echo(f"prompts: {len(made)}, of which {sum(each.fresh for each in made)} made now")
    _say_untold(untold)
    if done.needs_restart:
        click.echo(f"Asterisk must be restarted for {', '.join(done.needs_restart)}")
    for line in done.operator:
        click.echo(f"still to do: {line}")


@asterisk.command("rollback")
@click.pass_obj
def rollback(place: Place) -> None:
    """Puts the configuration before the present one back, and has Asterisk reload; done twice, it is as it was."""
    generation, untold = asyncio.run(_go_back(place.settings))
    click.echo(f"configuration {generation} is in place again")
    _say_untold(untold)


def _say_untold(why: str) -> None:
    if why:
        click.echo(f"Asterisk was not told ({why}): it reads this when it starts, or at `core reload`")


async def _go_back(settings: Settings) -> tuple[str, str]:
    return await _told(settings, lambda reload: go_back(settings.asterisk, reload))


async def _install(settings: Settings, files: dict[str, str]) -> tuple[Installed, str]:
    return await _told(settings, lambda reload: install(files, settings.asterisk, reload))


async def _told(settings: Settings, work: Callable[[Reload | None], Awaitable[T]]) -> tuple[T, str]:
    """Does it with a way to tell a running Asterisk to reload, or without one and why there was none."""
    ami = settings.ami
    secret = ami.commands_secret.get_secret_value()
    commands = Commands(AmiAddress(ami.host, ami.port, ami.commands_user, secret, ami.tls_cafile), clock=clock)
    async with asyncio.TaskGroup() as group:
        link = group.create_task(commands.run())
        try:
            untold = await _untold(commands)
            done: T | CallCenterError = await work(None if untold else commands.reload)
        except CallCenterError as failure:
            done = failure  # raised outside: the operator is told of it, not of a group of tasks
        finally:
            link.cancel()
    if isinstance(done, CallCenterError):
        raise done
    return done, untold


async def _untold(commands: Commands) -> str:
    """Why Asterisk cannot be told; empty when it can."""
    try:
        async with asyncio.timeout(AMI_PATIENCE_S):
            while not commands.health.is_live:
                if commands.health.reason not in {"", NOT_STARTED}:
                    return commands.health.reason
                await asyncio.sleep(0.02)
    except TimeoutError:
        return commands.health.reason or "no answer over AMI"
    return ""
