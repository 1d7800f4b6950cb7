"""Messages in the web: who leads writes to one agent or to all at work; an agent reads their own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from callcenter.desk.api import Ask, Gives, Id, Nothing, Route, Takes, not_found
from callcenter.desk.live_state import Extension, visible_extensions
from callcenter.errors import RuleBroken
from callcenter.floor.messages import LONGEST, seen, send, unseen


def _written(value: str) -> str:
    """Lines are allowed, other control characters are not."""
    if any((ord(c) < 32 and c != "\n") or ord(c) == 127 for c in value):
        raise ValueError("control characters are not text")
    if not value.strip():
        raise ValueError("nothing is written")
    return value.strip()


class MessageWanted(Takes):
    agents: Annotated[tuple[Extension, ...], Field(max_length=500)] = ()
    """To whom; empty is to every agent you see who is signed in."""
    body: Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_written)]


class ToldGiven(Gives):
    agents: list[str]
    """Who was told."""


class SeenWanted(Takes):
    message: Id


class MessageGiven(Gives):
    id: Id
    sender: str
    body: str
    at: datetime


class MessagesGiven(Gives):
    items: list[MessageGiven]


async def write(ask: Ask, wanted: MessageWanted) -> ToldGiven:
    """404 when one of the agents works for none of the visitor's providers: then nobody is told."""
    visible = visible_extensions(ask.ports.book(), ask.visitor)
    if not set(wanted.agents) <= visible:
        raise not_found()
    at_work = {agent.extension for agent in ask.ports.live().agents if agent.state != "offline"}
    chosen = set(wanted.agents) or ((visible & at_work) - {ask.visitor.extension})
    if not chosen:
        raise RuleBroken("no agent is at work")
    async with ask.ports.db.scoped(ask.scope) as conn:
        told = await send(conn, chosen, wanted.body, ask.visitor.name, ask.ports.clock())
    return ToldGiven(agents=list(told))


async def mine(ask: Ask, _: Nothing) -> MessagesGiven:
    if ask.visitor.extension is None:
        return MessagesGiven(items=[])
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await unseen(conn, ask.visitor.extension)
    return MessagesGiven(items=[MessageGiven.model_validate(each) for each in found])


async def saw(ask: Ask, wanted: SeenWanted) -> None:
    """Another agent's message is not found; one seen before is not found either."""
    async with ask.ports.db.scoped(ask.scope) as conn:
        if ask.visitor.extension is None or not await seen(
            conn, ask.visitor.extension, wanted.message, ask.ports.clock()
        ):
            raise not_found()


API = (
    Route("POST", "/messages", "send_message", "Write to agents", MessageWanted, ToldGiven, write, role="lead",
          tag="live"),
    Route("GET", "/messages", "list_messages", "What you have not seen yet", Nothing, MessagesGiven, mine, tag="live"),
    Route("POST", "/messages/{message}/seen", "see_message", "You have seen a message", SeenWanted, None, saw,
          tag="live"),
)  # fmt: skip
