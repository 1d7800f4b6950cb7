"""The phone in the agent's page, as routes: what it registers with, that it goes and comes back, keys, mute, echo."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from callcenter.desk.api import Ask, Gives, Route, Takes, not_found
from callcenter.desk.live_state import AgentWanted, may_order
from callcenter.errors import Unavailable

Tab = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
"""What a tab calls itself, the same over its reloads."""


class LoginWanted(Takes):
    tab: Tab
    take_over: bool = False
    """Though another tab is the phone now."""


class TabWanted(Takes):
    tab: Tab


class IceServer(Gives):
    urls: list[str]
    username: str | None = None
    credential: str | None = None


class LoginGiven(Gives):
    address: str
    uri: str
    user: str
    password: str
    expires_at: datetime
    ice_servers: list[IceServer]
    ice_transport_policy: Literal["all", "relay"]
    """As a browser's ``RTCConfiguration``."""
    auto_answer: bool


class BackGiven(Gives):
    rung: bool
    """The page is rung for the talk that waits for it."""


class MuteWanted(AgentWanted):
    muted: bool


class KeysWanted(AgentWanted):
    digits: Annotated[str, Field(pattern=r"^[0-9*#]{1,32}$")]


def _extension(ask: Ask) -> str:
    """Only a person who is signed in has a page; a program has none."""
    if ask.visitor.extension is None or not ask.visitor.session:
        raise not_found()
    return ask.visitor.extension


async def login(ask: Ask, wanted: LoginWanted) -> LoginGiven:
    """A fresh password for this tab; the one before is good no more. 409 while another tab is the phone."""
    extension, settings = _extension(ask), ask.ports.phone
    if not settings.address:
        raise Unavailable("phone", "phones in pages are not set up (phone.address)")
    given = await ask.ports.phones.login(extension, ask.visitor.session, wanted.tab, take_over=wanted.take_over)
    agent = ask.ports.book().agent(extension)
    return LoginGiven(
        address=settings.address,
        uri=f"sip:{given.user}@callcenter",
        user=given.user,
        password=given.password,
        expires_at=given.expires_at,
        ice_servers=ice_servers(ask, given.user),
        ice_transport_policy="relay" if settings.relay_only else "all",
        auto_answer=agent is not None and agent.auto_answer,
    )


def ice_servers(ask: Ask, user: str) -> list[IceServer]:
    """STUN and TURN as a browser takes them; nothing where the PBX sees the agents' addresses itself."""
    found = [IceServer(urls=list(ask.ports.phone.stun))] if ask.ports.phone.stun else []
    return [*found, *(IceServer.model_validate(each) for each in ask.ports.relays(user))]


async def logout(ask: Ask, wanted: TabWanted) -> None:
    await ask.ports.phones.logout(_extension(ask), wanted.tab)


async def leaving(ask: Ask, wanted: TabWanted) -> None:
    await ask.ports.phones.leaving(_extension(ask), wanted.tab)


async def back(ask: Ask, wanted: TabWanted) -> BackGiven:
    return BackGiven(rung=await ask.ports.phones.back(_extension(ask), wanted.tab))


async def echo(ask: Ask, _wanted: TabWanted) -> None:
    await ask.ports.telephony.echo(_extension(ask))


async def dtmf(ask: Ask, wanted: KeysWanted) -> None:
    may_order(ask.visitor, wanted.extension, ask.ports.book())
    await ask.ports.telephony.dtmf(wanted.extension, wanted.digits)


async def mute(ask: Ask, wanted: MuteWanted) -> None:
    may_order(ask.visitor, wanted.extension, ask.ports.book())
    await ask.ports.telephony.mute(wanted.extension, wanted.muted)


API = (
    Route("POST", "/phone/login", "phone_login", "What this tab registers its phone with", LoginWanted, LoginGiven,
          login, tag="phone"),
    Route("POST", "/phone/logout", "phone_logout", "This tab is no phone any more", TabWanted, None, logout,
          tag="phone"),
    Route("POST", "/phone/leaving", "phone_leaving", "This tab goes away in the middle of a talk", TabWanted, None,
          leaving, beacon=True, tag="phone"),
    Route("POST", "/phone/back", "phone_back", "This tab is registered again and talks with nobody", TabWanted,
          BackGiven, back, tag="phone"),
    Route("POST", "/phone/echo", "phone_echo", "Ring my phone: I hear myself", TabWanted, None, echo, tag="phone"),
    Route("POST", "/agents/{extension}/dtmf", "dtmf", "Press keys that the other side hears", KeysWanted, None, dtmf,
          tag="phone"),
    Route("POST", "/agents/{extension}/mute", "mute", "Nobody hears the agent, or they are heard again", MuteWanted,
          None, mute, tag="phone"),
)  # fmt: skip
