"""Whom an agent may call or hand a caller on to: colleagues with what they do now, and the queues of the provider.

Asked for when the sheet is opened, and only while it is: nobody is told of a hundred colleagues' states all day.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from sqlalchemy import text

from callcenter.desk.api import Ask, Route
from callcenter.desk.live_state import AgentWanted, may_order, visible_extensions
from callcenter.desk.pages import PAGES, PORTS, catalogue_of, visitor_of
from callcenter.desk.ports import AgentNow, Snapshot
from callcenter.desk.sessions import Visitor
from callcenter.errors import RuleBroken
from callcenter.routing.book import Book, Queue
from callcenter.words import ProviderId

FREE_FIRST = ("ready", "wrap_up", "paused", "ringing", "talking", "on_hold", "unreachable", "offline")


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody else with a phone, and what they do now."""

    extension: str
    name: str
    now: AgentNow
    serves: bool
    """They work for the provider whose call it is."""

    @property
    def can_take(self) -> bool:
        """Their phone is there and nobody talks on it."""
        return self.now.state in {"ready", "wrap_up", "paused"}


def colleagues(book: Book, live: Snapshot, visitor: Visitor, provider: ProviderId | None) -> list[Colleague]:
    """Who is free stands on top, those who know the provider before the others; oneself is not in it."""
    states = {agent.extension: agent for agent in live.agents}
    seen = visible_extensions(book, visitor) - {visitor.extension}
    found = [
        Colleague(
            agent.extension,
            agent.name,
            states.get(agent.extension, AgentNow(agent.extension, "offline", None)),
            provider is not None and provider in book.providers_of(agent.extension),
        )
        for agent in book.agents
        if agent.extension in seen
    ]
    return sorted(found, key=_rank)


def _rank(one: Colleague) -> tuple[bool, bool, int, str]:
    return not one.can_take, not one.serves, FREE_FIRST.index(one.now.state), one.name.casefold()


def queues_for(book: Book, visitor: Visitor, provider: ProviderId | None) -> list[Queue]:
    """A caller stays with their provider: only its queues can take them."""
    return [queue for queue in book.queues if queue.provider == provider and visitor.scope.holds(queue.provider)]


async def people(request: web.Request) -> web.StreamResponse:
    """The sheet's list as HTML; ``?for=call`` hands the present call on, ``?for=dial`` calls a colleague."""
    visitor, ports = visitor_of(request), request.app[PORTS]
    if visitor.extension is None:
        raise web.HTTPForbidden
    book, live = ports.book(), ports.live()
    mine = next((agent for agent in live.agents if agent.extension == visitor.extension), None)
    provider = mine.provider if mine is not None else None
    hands_on = request.query.get("for") == "call"
    html = request.app[PAGES].fragment(
        visitor.language,
        "agent/people.html",
        people=colleagues(book, live, visitor, provider if hands_on else None),
        queues=queues_for(book, visitor, provider) if hands_on else (),
        hands_on=hands_on,
        visitor=visitor,
        now=ports.clock(),
    )
    return web.Response(text=html, content_type="text/html", headers={"Cache-Control": "no-store"})


async def ask_supervisor(ask: Ask, wanted: AgentWanted) -> None:
    """The lead of the open shift is asked first, else any lead or supervisor whose phone is free; the caller waits."""
    may_order(ask.visitor, wanted.extension, ask.ports.book())
    live = {agent.extension: agent for agent in ask.ports.live().agents}
    provider = live[wanted.extension].provider if wanted.extension in live else None
    async with ask.ports.db.scoped(ask.scope) as conn:
        leads = [str(row[0]) for row in await conn.execute(_LEADS, {"provider": provider})]
    free = [
        one for one in leads
        if one != wanted.extension and one in live and live[one].state in {"ready", "wrap_up", "paused"}
    ]  # fmt: skip
    if not free:
        raise RuleBroken(catalogue_of(ask.request).text("people.no_supervisor"))
    await ask.ports.telephony.consult(wanted.extension, free[0])


_LEADS = text(
    """
    SELECT a.extension FROM user_account u JOIN agent a ON a.id = u.agent_id
    LEFT JOIN shift s ON s.lead_id = u.id AND s.closed_at IS NULL
    WHERE u.role IN ('lead', 'supervisor') AND u.disabled_at IS NULL
        AND (u.providers IS NULL OR CAST(:provider AS bigint) IS NULL OR :provider = ANY(u.providers))
    ORDER BY s.id IS NULL, u.role, a.extension
    """
)
API = (
    Route("POST", "/agents/{extension}/ask-supervisor", "ask_supervisor", "Ask the shift's lead, the caller waiting",
          AgentWanted, None, ask_supervisor, tag="live"),
)  # fmt: skip
ROUTES = (web.get("/desk/people", people),)
