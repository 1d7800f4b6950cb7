"""What who leads orders of an agent beside their duty: to be heard, and which queues they serve.

The agent's duty itself (pause, go on, sign out) is ordered with ``live_state``'s routes, by the same ``may_order``.
"""

from __future__ import annotations

import logging
from typing import Annotated

from aiohttp import web
from pydantic import Field

from callcenter.desk.api import Ask, Gives, Route, Takes, Text, not_found
from callcenter.desk.guard import address_of, must_lead
from callcenter.desk.live_state import Extension, may_order, visible_extensions
from callcenter.desk.pages import PAGES, PORTS, language_of
from callcenter.desk.ports import AgentNow
from callcenter.desk.sessions import Visitor
from callcenter.errors import RuleBroken
from callcenter.floor.listening import Hearing, Mode, log_hearing
from callcenter.routing.book import Book, Queue
from callcenter.routing.reasons import pause_reasons
from callcenter.words import UniqueId

log = logging.getLogger(__name__)

MOST_PENALTY = 20
USUAL_PENALTIES = 6


class ListenWanted(Takes):
    extension: Extension
    mode: Mode = "listen"


class ListenGiven(Gives):
    call: str
    """The call that is heard: its trace is in ``GET /calls/{call}``."""


class ServeWanted(Takes):
    extension: Extension
    queue: Text
    penalty: Annotated[int, Field(ge=0, le=MOST_PENALTY)] | None = None
    """0 is asked first; null takes the agent out of this queue."""


async def listen(ask: Ask, wanted: ListenWanted) -> ListenGiven:
    """A supervisor hears a call of the providers they see; that they do is written down before their phone rings."""
    agent = heard_agent(ask, wanted.extension)
    if ask.visitor.extension is None:
        raise RuleBroken("you have no phone here: an extension is needed to hear a call")
    if ask.visitor.extension == wanted.extension:
        raise RuleBroken("this is your own phone")
    call, provider = agent.call, agent.provider
    if call is None or provider is None:
        raise RuleBroken(f"agent {wanted.extension} talks with nobody now")
    hearing = Hearing(call, wanted.extension, wanted.mode, ask.visitor.who, ask.ports.clock())
    async with ask.ports.db.scoped(ask.scope) as conn:
        await log_hearing(
            conn, provider, hearing,
            user=ask.visitor.user, token=ask.visitor.token, address=address_of(ask.request),
        )  # fmt: skip
    log.info("%s asks to %s agent %s in call %s", ask.visitor.who, wanted.mode, wanted.extension, call)
    await ask.ports.telephony.listen(ask.visitor.extension, wanted.extension, wanted.mode, call=UniqueId(call))
    return ListenGiven(call=call)


def heard_agent(ask: Ask, extension: str) -> AgentNow:
    """As they are now; 404 for who works for none of the visitor's providers, and for another provider's call."""
    if extension not in visible_extensions(ask.ports.book(), ask.visitor):
        raise not_found()
    now = agent_now(ask, extension)
    if now.call is not None and (now.provider is None or not ask.scope.holds(now.provider)):
        raise not_found()
    return now


def agent_now(ask: Ask, extension: str) -> AgentNow:
    found = next((agent for agent in ask.ports.live().agents if agent.extension == extension), None)
    return found or AgentNow(extension, "offline", None)


async def serve(ask: Ask, wanted: ServeWanted) -> None:
    """Moves an agent between queues: from now on they serve this one, or do not."""
    book = ask.ports.book()
    may_order(ask.visitor, wanted.extension, book)
    queue = book.queue_named(wanted.queue)
    if queue is None or not ask.scope.holds(queue.provider):
        raise not_found()
    log.info("%s: agent %s in queue %s: %s", ask.visitor.who, wanted.extension, queue.name, wanted.penalty)
    await ask.ports.telephony.serve(wanted.extension, queue.name, wanted.penalty, ask.visitor.who)
    ask.ports.changed()


def servable(book: Book, visitor: Visitor) -> list[Queue]:
    """The queues a visitor may put an agent into, by provider and name."""
    brands = {provider.id: provider.brand.casefold() for provider in book.providers}
    seen = [queue for queue in book.queues if visitor.scope.holds(queue.provider)]
    return sorted(seen, key=lambda queue: (brands.get(queue.provider, ""), queue.name))


async def orders_dialog(request: web.Request) -> web.StreamResponse:
    """What may be ordered of one agent at this moment, as the inside of a dialog."""
    visitor, ports = must_lead(request), request.app[PORTS]
    ask, extension, book = Ask(request, ports, visitor), request.match_info["extension"], ports.book()
    agent = book.agent(extension)
    if agent is None or extension not in visible_extensions(book, visitor):
        raise not_found()
    now = agent_now(ask, extension)
    seen = now.provider is not None and visitor.scope.holds(now.provider)
    serves = {queue.name: _penalty(queue, extension) for queue in book.queues_of(extension)}
    html = request.app[PAGES].fragment(
        language_of(request),
        "wallboard/orders.html",
        agent=agent,
        state=now.state,
        provider=book.provider(now.provider) if seen and now.provider is not None else None,
        may_hear=seen and now.call is not None and visitor.extension not in {None, extension},
        has_phone=visitor.extension is not None,
        may_order=_may(visitor, extension, book),
        reasons=pause_reasons(book),
        serves=serves,
        queues=servable(book, visitor),
        brands={provider.id: provider for provider in book.providers if visitor.scope.holds(provider.id)},
        penalties=sorted({*range(USUAL_PENALTIES), *serves.values()}),
    )
    return web.Response(text=html, content_type="text/html", headers={"Cache-Control": "no-store"})


def _may(visitor: Visitor, extension: str, book: Book) -> bool:
    try:
        may_order(visitor, extension, book)
    except web.HTTPNotFound:
        return False
    return True


def _penalty(queue: Queue, extension: str) -> int:
    return next((member.penalty for member in queue.members if member.extension == extension), 0)


API = (
    Route("POST", "/agents/{extension}/listen", "listen_to_agent",
          "Hear an agent's call, whisper to the agent, or join; the trace of it is written first", ListenWanted,
          ListenGiven, listen, role="lead", tag="live"),
    Route("POST", "/agents/{extension}/serve", "serve_queue", "Put an agent into a queue, or take them out of it",
          ServeWanted, None, serve, role="lead", tag="live"),
)  # fmt: skip
ROUTES = (web.get(r"/wallboard/agents/{extension:[0-9]{2,6}}", orders_dialog),)
