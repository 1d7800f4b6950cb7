"""``callcenter agent``, ``user`` and ``token``: who answers, who signs in, which programs may ask."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cli.place import Place, clock, entry, hashed
from callcenter.cli.tables import as_row, json_option, show, show_one
from callcenter.errors import RuleBroken
from callcenter.floor.duty import duties
from callcenter.floor.states import Duty
from callcenter.routing import register, users
from callcenter.routing.book import read_book
from callcenter.routing.entries import AgentEntry, UserEntry
from callcenter.routing.users import NewUser, Role
from callcenter.store.credentials import new_token
from callcenter.words import ProviderId

password_options = (
    click.option("--password-stdin", is_flag=True, help="Read the password from standard input."),
    click.option("--password-prompt", is_flag=True, help="Ask for the password."),
)


def _with_password(command: Any) -> Any:
    """Without either option a password is generated and printed once."""
    for option in password_options:
        command = option(command)
    return command


@click.group()
def agent() -> None:
    """The people who answer."""


@agent.command("add")
@click.argument("extension")
@click.option("--name", required=True)
@click.option("--login", help="Of the sign-in; agentEXTENSION if not said.")
@click.option("--no-sign-in", is_flag=True, help="Make no sign-in.")
@click.option("--contact", help="sip:user@host:port of a phone that does not register.")
@click.option("--phone", type=click.Choice(["desk", "browser"]), default="desk", help="A SIP phone, or the page.")
@click.option("--auto-answer", is_flag=True, help="The phone answers by itself, after a tone.")
@_with_password
@json_option
@click.pass_obj
def add(
    place: Place, /, extension: str, login: str | None, no_sign_in: bool, password_stdin: bool, password_prompt: bool,
    as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Adds an agent with a phone and a sign-in; what was generated is printed once."""
    wanted = entry(AgentEntry, {"extension": extension, **given})
    sign_in = entry(UserEntry, {"login": login or f"agent{extension}", "name": wanted.name})
    kept, shown = ("", None) if no_sign_in else hashed(password_stdin, password_prompt)

    async def work(connection: AsyncConnection) -> str:
        agent_id, change = await register.put_agent(connection, wanted)
        if change != "added":
            raise RuleBroken(f"there is an agent {extension} already (change it with `callcenter agent set`)")
        if not no_sign_in:
            user = NewUser(sign_in.login, sign_in.name, kept, "agent", agent=agent_id)
            await users.add_user(connection, user)
        found = (await read_book(connection)).agent(extension)
        return found.sip_secret.get_secret_value() if found is not None else ""

    secret = place.written(work)
    made = {"extension": extension, "name": wanted.name, "sip_secret": secret}
    if not no_sign_in:
        made["login"] = sign_in.login
    show_one({**made, "password": shown} if shown else made, as_json)


@agent.command("set")
@click.argument("extension")
@click.option("--name")
@click.option("--contact", help="sip:user@host:port; 'none' lets the phone register.")
@click.option("--phone", type=click.Choice(["desk", "browser"]), help="A SIP phone of its own, or the page.")
@click.option("--auto-answer/--no-auto-answer", default=None, help="The phone answers by itself, after a tone.")
@click.option("--new-sip-secret", is_flag=True, help="Generate another SIP password and print it.")
@click.pass_obj
def change(
    place: Place, extension: str, name: str | None, contact: str | None, phone: str | None, auto_answer: bool | None,
    new_sip_secret: bool,
) -> None:  # fmt: skip
    """Changes an agent; the phone's secret and the sign-in stay unless said."""
    secret = new_token()[:24] if new_sip_secret else None

    async def work(connection: AsyncConnection) -> str:
        present = (await read_book(connection)).agent(extension)
        if present is None:
            raise RuleBroken(f"there is no agent {extension} (see `callcenter agent list`)")
        values: dict[str, Any] = {"extension": extension, "name": name or present.name, "sip_secret": secret}
        values |= {"phone": phone or present.phone}
        if auto_answer is not None:
            values["auto_answer"] = auto_answer
        if contact is None and phone == "browser" and present.contact is not None:
            raise RuleBroken(f"agent {extension} has a phone at {present.contact}: add `--contact none`")
        wanted = entry(AgentEntry, values if contact in {None, "none"} else {**values, "contact": contact})
        if contact == "none":
            wanted = AgentEntry.model_validate({**wanted.given, "contact": None})
        return (await register.put_agent(connection, wanted))[1]

    click.echo(f"agent {extension}: {place.written(work)}")
    if secret:
        click.echo(f"sip_secret  {secret}")


@agent.command("list")
@json_option
@click.pass_obj
def list_all(place: Place, as_json: bool) -> None:
    """Lists the agents, what they are on duty as, their queues and their sign-ins; no secrets."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        book = await read_book(connection)
        logins = {user.extension: user.login for user in await users.list_users(connection)}
        on_duty = await duties(connection)
        return [
            {
                "extension": each.extension,
                "name": each.name,
                "duty": _said(on_duty.get(each.extension) or Duty(each.extension)),
                "phone": each.phone,
                "contact": each.contact or "registers",
                "queues": [queue.name for queue in book.queues_of(each.extension)],
                "login": logins.get(each.extension),
            }
            for each in book.agents
        ]

    show(place.written(work), as_json, "no agent yet: callcenter agent add EXTENSION --name NAME")


def _said(duty: Duty) -> str:
    """``paused: lunch since 12:03``, the time in UTC."""
    reason = f": {duty.reason}" if duty.reason else ""
    return f"{duty.status}{reason}" + (f" since {duty.since:%d.%m. %H:%M} UTC" if duty.since is not None else "")


@agent.command("remove")
@click.argument("extension")
@click.confirmation_option("--yes", prompt="Remove the agent and their sign-in?")
@click.pass_obj
def remove(place: Place, extension: str) -> None:
    """Removes an agent; the calls they answered stay."""
    place.written(lambda connection: register.remove_agent(connection, extension))
    click.echo(f"agent {extension} removed")


@click.group()
def user() -> None:
    """Sign-ins."""


@user.command("add")
@click.argument("login")
@click.option("--name", required=True)
@click.option("--role", type=click.Choice(["supervisor", "lead", "agent"]), default="supervisor")
@click.option("--agent", "extension", help="Whose phone it is: an agent's, or of who leads and works at a phone too.")
@click.option("--provider", "slugs", multiple=True, help="A supervisor of this provider only; may repeat.")
@_with_password
@json_option
@click.pass_obj
def add_user(
    place: Place, login: str, name: str, role: Role, extension: str | None, slugs: tuple[str, ...],
    password_stdin: bool, password_prompt: bool, as_json: bool,
) -> None:  # fmt: skip
    """Adds a sign-in of a supervisor, of who leads shifts, or of an agent who has none."""
    if role == "agent" and extension is None:
        raise RuleBroken("an agent's sign-in names the agent: --role agent --agent EXTENSION")
    if role == "agent" and slugs:
        raise RuleBroken("an agent sees the providers of their queues: --provider is for supervisors")
    wanted = entry(UserEntry, {"login": login, "name": name})
    kept, shown = hashed(password_stdin, password_prompt)

    async def work(connection: AsyncConnection) -> None:
        agent_id = None if extension is None else await register.agent_id(connection, extension)
        providers = await _providers(connection, slugs)
        await users.add_user(connection, NewUser(wanted.login, wanted.name, kept, role, agent_id, providers))

    place.written(work)
    made = {"login": login, "role": role}
    show_one({**made, "password": shown} if shown else made, as_json)


@user.command("list")
@json_option
@click.pass_obj
def list_users(place: Place, as_json: bool) -> None:
    """Lists the sign-ins."""
    found = place.written(users.list_users)
    show(
        [_with_scope(as_row(each)) for each in found], as_json, "no sign-in yet: callcenter user add LOGIN --name NAME"
    )


@user.command("password")
@click.argument("login")
@_with_password
@click.pass_obj
def set_password(place: Place, login: str, password_stdin: bool, password_prompt: bool) -> None:
    """Gives a new password, opens a locked sign-in and ends its sessions."""
    kept, shown = hashed(password_stdin, password_prompt)
    place.written(lambda connection: users.set_password(connection, login, kept))
    click.echo(f"password  {shown}" if shown else f"the password of {login} is changed")


@user.command("remove")
@click.argument("login")
@click.pass_obj
def remove_user(place: Place, login: str) -> None:
    """Removes a sign-in and ends its sessions."""
    place.written(lambda connection: users.remove_user(connection, login))
    click.echo(f"sign-in {login} removed")


@click.group()
def token() -> None:
    """API tokens, for programs."""


@token.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(["supervisor", "lead", "agent"]), default="supervisor")
@click.option("--provider", "slugs", multiple=True, help="For this provider's data only; may repeat.")
@json_option
@click.pass_obj
def add_token(place: Place, name: str, role: Role, slugs: tuple[str, ...], as_json: bool) -> None:
    """Makes an API token; it is printed once and cannot be shown again."""
    secret = new_token()

    async def work(connection: AsyncConnection) -> int:
        providers = await _providers(connection, slugs)
        return await users.add_token(connection, secret, name, role, providers, clock())

    number = place.written(work)
    show_one({"id": number, "name": name, "role": role, "token": secret}, as_json)


@token.command("list")
@json_option
@click.pass_obj
def list_tokens(place: Place, as_json: bool) -> None:
    """Lists the tokens without their secrets."""
    found = place.written(users.list_tokens)
    show([_with_scope(as_row(each)) for each in found], as_json, "no token yet: callcenter token add NAME")


@token.command("revoke")
@click.argument("number", type=int)
@click.pass_obj
def revoke_token(place: Place, number: int) -> None:
    """Revokes a token by its number; it opens nothing from then on."""
    place.written(lambda connection: users.revoke_token(connection, number, clock()))
    click.echo(f"token {number} revoked")


async def _providers(connection: AsyncConnection, slugs: tuple[str, ...]) -> tuple[ProviderId, ...] | None:
    """The providers named; nobody named is every provider."""
    if not slugs:
        return None
    return tuple([await register.provider_id(connection, slug) for slug in slugs])


def _with_scope(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "providers": "all" if row["providers"] is None else row["providers"]}
