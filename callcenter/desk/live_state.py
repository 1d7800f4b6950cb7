"""The present picture in the API: who is signed in here, which providers, agents and queues; pausing and going on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from callcenter.desk.api import Ask, Gives, Id, Nothing, Route, Takes, Text, not_found
from callcenter.desk.pages import visible_providers
from callcenter.desk.ports import AgentNow, Snapshot
from callcenter.desk.sessions import Visitor
from callcenter.desk.wall import agents_in_sight
from callcenter.routing.book import Book
from callcenter.words import Language

AgentState = Literal["offline", "ready", "ringing", "talking", "on_hold", "wrap_up", "paused", "unreachable"]
Extension = Annotated[str, Field(pattern=r"^[0-9]{2,6}$")]


class Me(Gives):
    name: str
    role: Literal["agent", "lead", "supervisor"]
    extension: str | None
    language: Language
    providers: list[int]
    """The providers this user or token may see."""
    csrf: str
    """What a browser sends as ``X-CSRF-Token``; empty for a token."""


class ProviderGiven(Gives):
    id: Id
    slug: str
    brand: str
    colour: str
    language: Language
    timezone: str
    max_lines: int
    callback_within_s: int
    open: bool
    """Whether its hours say it is served now."""
    dids: list[str]


class ProvidersGiven(Gives):
    items: list[ProviderGiven]


class AgentGiven(Gives):
    extension: Extension
    name: str
    state: AgentState
    reason: str
    since: datetime | None
    until: datetime | None
    """The end of the wrap-up, or the limit of the pause."""
    provider: Id | None
    """Whose call it is; nothing when it is none of the providers you may see."""


class AgentsGiven(Gives):
    linked: bool
    """False while the link to the PBX is cut: the picture is then as old as ``as_of``."""
    as_of: datetime | None
    items: list[AgentGiven]


class QueueGiven(Gives):
    name: str
    provider: Id
    waiting: int
    longest_wait_s: float
    members: list[Extension]


class QueuesGiven(Gives):
    linked: bool
    as_of: datetime | None
    items: list[QueueGiven]


class PauseWanted(Takes):
    extension: Extension
    reason: Text = ""


class AgentWanted(Takes):
    extension: Extension


class ProlongWanted(AgentWanted):
    by_s: Annotated[int, Field(ge=10, le=600)] = 60
    """Seconds."""


async def me(ask: Ask, _: Nothing) -> Me:
    visitor = ask.visitor
    return Me(
        name=visitor.name,
        role=visitor.role,
        extension=visitor.extension,
        language=visitor.language,
        providers=sorted(provider.id for provider in visible_providers(ask.ports.book(), visitor)),
        csrf=visitor.csrf,
    )


async def providers(ask: Ask, _: Nothing) -> ProvidersGiven:
    book, now = ask.ports.book(), ask.ports.clock()
    return ProvidersGiven(
        items=[
            ProviderGiven(
                id=provider.id,
                slug=provider.slug,
                brand=provider.brand,
                colour=provider.colour,
                language=provider.language,
                timezone=str(provider.timezone),
                max_lines=provider.max_lines,
                callback_within_s=int(provider.callback_within.total_seconds()),
                open=provider.calendar.is_open(now),
                dids=sorted(did for did, owner in book.dids.items() if owner == provider.id),
            )
            for provider in visible_providers(book, ask.visitor)
        ]
    )


def visible_extensions(book: Book, visitor: Visitor) -> frozenset[str]:
    """One sees the agents who work for a provider one sees, and oneself."""
    own = {visitor.extension} & {agent.extension for agent in book.agents}
    return agents_in_sight(book, visitor.scope) | {extension for extension in own if extension is not None}


async def agents(ask: Ask, _: Nothing) -> AgentsGiven:
    book, now = ask.ports.book(), ask.ports.live()
    seen = visible_extensions(book, ask.visitor)
    states = {agent.extension: agent for agent in now.agents}
    return AgentsGiven(
        linked=now.linked,
        as_of=now.since,
        items=[
            _agent(agent.name, states.get(agent.extension, AgentNow(agent.extension, "offline", None)), ask.visitor)
            for agent in sorted(book.agents, key=lambda agent: agent.extension)
            if agent.extension in seen
        ],
    )


def _agent(name: str, agent: AgentNow, visitor: Visitor) -> AgentGiven:
    shown = agent.provider is not None and visitor.scope.holds(agent.provider)
    return AgentGiven.model_validate(
        {
            "extension": agent.extension, "name": name, "state": agent.state, "reason": agent.reason,
            "since": agent.since, "until": agent.until, "provider": agent.provider if shown else None,
        }
    )  # fmt: skip


async def queues(ask: Ask, _: Nothing) -> QueuesGiven:
    now = ask.ports.live()
    return QueuesGiven(linked=now.linked, as_of=now.since, items=_queues(ask, now))


def _queues(ask: Ask, live: Snapshot) -> list[QueueGiven]:
    states, now = {queue.name: queue for queue in live.queues}, ask.ports.clock()
    items = []
    for queue in ask.ports.book().queues:
        if not ask.scope.holds(queue.provider):
            continue
        state = states.get(queue.name)
        since = state.longest_since if state else None
        items.append(
            QueueGiven(
                name=queue.name,
                provider=queue.provider,
                waiting=state.waiting if state else 0,
                longest_wait_s=max(0.0, (now - since).total_seconds()) if since else 0.0,
                members=[member.extension for member in queue.members],
            )
        )
    return items


def may_order(visitor: Visitor, extension: str, book: Book) -> None:
    """An agent pauses themselves, who leads the agents all of whose providers are theirs; else nobody is found.

    Who sees some providers only may not take an agent from the queues of the others.
    """
    if visitor.extension == extension:
        return
    if not visitor.leads or extension not in visible_extensions(book, visitor):
        raise not_found()
    if not all(visitor.scope.holds(provider) for provider in book.providers_of(extension)):
        raise not_found()


async def pause(ask: Ask, wanted: PauseWanted) -> None:
    may_order(ask.visitor, wanted.extension, ask.ports.book())
    await ask.ports.telephony.pause(wanted.extension, reason=wanted.reason, who=ask.visitor.who)


async def ready(ask: Ask, wanted: AgentWanted) -> None:
    may_order(ask.visitor, wanted.extension, ask.ports.book())
    await ask.ports.telephony.ready(wanted.extension, ask.visitor.who)


async def sign_in(ask: Ask, wanted: AgentWanted) -> None:
    may_order(ask.visitor, wanted.extension, ask.ports.book())
    await ask.ports.telephony.sign_in(wanted.extension, ask.visitor.who)


async def sign_out(ask: Ask, wanted: AgentWanted) -> None:
    may_order(ask.visitor, wanted.extension, ask.ports.book())
    await ask.ports.telephony.sign_out(wanted.extension, ask.visitor.who)


async def finish(ask: Ask, wanted: AgentWanted) -> None:
    may_order(ask.visitor, wanted.extension, ask.ports.book())
    await ask.ports.telephony.finish_wrap_up(wanted.extension, ask.visitor.who)


async def prolong(ask: Ask, wanted: ProlongWanted) -> None:
    may_order(ask.visitor, wanted.extension, ask.ports.book())
    await ask.ports.telephony.prolong_wrap_up(wanted.extension, ask.visitor.who, wanted.by_s)


API = (
    Route("GET", "/me", "me", "Who you are and what you may see", Nothing, Me, me, tag="who"),
    Route("GET", "/providers", "list_providers", "Providers you may see", Nothing, ProvidersGiven, providers,
          tag="who"),
    Route("GET", "/agents", "list_agents", "Agents as they are now", Nothing, AgentsGiven, agents, tag="live"),
    Route("POST", "/agents/{extension}/pause", "pause_agent", "Take an agent out of the queues", PauseWanted, None,
          pause, tag="live"),
    Route("POST", "/agents/{extension}/ready", "ready_agent", "Put an agent back into the queues", AgentWanted, None,
          ready, tag="live"),
    Route("POST", "/agents/{extension}/sign-in", "sign_in_agent", "Begin to work: into the queues", AgentWanted, None,
          sign_in, tag="live"),
    Route("POST", "/agents/{extension}/sign-out", "sign_out_agent", "End the work: out of every queue", AgentWanted,
          None, sign_out, tag="live"),
    Route("POST", "/agents/{extension}/finish", "finish_wrap_up", "End the work after a call", AgentWanted, None,
          finish, tag="live"),
    Route("POST", "/agents/{extension}/prolong", "prolong_wrap_up", "More time for the work after a call",
          ProlongWanted, None, prolong, tag="live"),
    Route("GET", "/queues", "list_queues", "Queues as they are now", Nothing, QueuesGiven, queues, tag="live"),
)  # fmt: skip
