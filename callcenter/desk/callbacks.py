"""Callbacks in the web: who is owed a call, the oldest promise first, and calling them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field

from callcenter.callbacks.queue import Attempt, Callback, Miss, attempts, close_with, misses, one_callback
from callcenter.desk.api import Ask, Cursor, Gives, Id, Limit, Route, Takes, filters_of, not_found, query_of
from callcenter.desk.callback_rows import CallbackRow, count_overdue, list_open
from callcenter.desk.guard import must_supervise
from callcenter.desk.pages import PAGES, PORTS, catalogue_of, visible_providers, visitor_of
from callcenter.errors import RuleBroken
from callcenter.words import ProviderId

CURSOR = Cursor(int)
ONE = r"/callbacks/{callback:[1-9][0-9]{0,17}}"


class CallbacksWanted(Takes):
    provider: Id | None = None
    limit: Limit = 100
    cursor: Annotated[str, Field(max_length=200)] | None = None


class CallbackWanted(Takes):
    callback: Id


class CallbackGiven(Gives):
    """A caller who is owed a call. It closes by itself once they were reached, and never otherwise."""

    id: Id
    provider: Id
    number: str
    """E.164, or what the network sent; empty for anonymous callers, who are counted together."""
    callable: bool
    opened_at: datetime
    due_at: datetime
    """Until when the provider promised to call back, counted from the first miss."""
    misses: int
    last_missed_at: datetime
    attempts: int
    closed_at: datetime | None
    closed_reason: str | None


class MissGiven(Gives):
    call: str
    missed_at: datetime
    outcome: str
    waited_s: float | None


class AttemptGiven(Gives):
    call: str
    agent: str
    at: datetime
    answered: bool
    talked_s: float


class CallbackDetail(CallbackGiven):
    missed: list[MissGiven]
    tried: list[AttemptGiven]


class CallbacksGiven(Gives):
    items: list[CallbackGiven]
    next: str | None
    """The cursor of the next page."""


async def _page(ask: Ask, wanted: CallbacksWanted) -> tuple[list[CallbackRow], str | None, int]:
    provider = None if wanted.provider is None else ProviderId(wanted.provider)
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await list_open(conn, provider, CURSOR.read(wanted.cursor), wanted.limit + 1)
        overdue = await count_overdue(conn, provider, ask.ports.clock())
    shown = found[: wanted.limit]
    further = CURSOR.write(shown[-1].due_at, shown[-1].id) if len(found) > wanted.limit else None
    return shown, further, overdue


async def api_list(ask: Ask, wanted: CallbacksWanted) -> CallbacksGiven:
    shown, further, _ = await _page(ask, wanted)
    return CallbacksGiven(items=[CallbackGiven.model_validate(row) for row in shown], next=further)


async def api_one(ask: Ask, wanted: CallbackWanted) -> CallbackDetail:
    found, missed, tried = await _whole(ask, wanted.callback)
    return CallbackDetail(
        **CallbackGiven.model_validate(found).model_dump(),
        missed=[MissGiven.model_validate(miss) for miss in missed],
        tried=[AttemptGiven.model_validate(attempt) for attempt in tried],
    )


async def _whole(ask: Ask, callback: int) -> tuple[Callback, list[Miss], list[Attempt]]:
    """One callback with everything that led to it and was tried; 404 outside the visitor's scope."""
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await one_callback(conn, callback)
        if found is None:
            raise not_found()
        return found, await misses(conn, callback), await attempts(conn, callback)


async def call(ask: Ask, wanted: CallbackWanted) -> None:
    """The agent's own phone rings first; when they pick up, the caller who is owed a call is dialled."""
    found, _, _ = await _whole(ask, wanted.callback)
    words = catalogue_of(ask.request)
    if found.closed_at is not None:
        raise RuleBroken(words.text("callback.is_closed"))
    if not found.callable:
        raise RuleBroken(words.text("callbacks.not_callable"))
    if ask.visitor.extension is None:
        raise RuleBroken(words.text("callback.no_phone"))
    await ask.ports.telephony.call_back(wanted.callback, ask.visitor.extension)
    ask.ports.calling(found.id, found.provider, found.number, ask.visitor.extension)


async def close(ask: Ask, wanted: CallbackWanted) -> None:
    """Only a conversation closes a callback; a supervisor answers for one that has no number to call."""
    found, _, _ = await _whole(ask, wanted.callback)
    words = catalogue_of(ask.request)
    if found.closed_at is not None:
        raise RuleBroken(words.text("callback.is_closed"))
    if found.callable:
        raise RuleBroken(words.text("callback.needs_proof"))
    async with ask.ports.db.scoped(ask.scope) as conn:
        await close_with(conn, wanted.callback, "no_number", "-", ask.visitor.who, ask.ports.clock())
    ask.ports.changed()


async def list_page(request: web.Request) -> web.StreamResponse:
    """Who is owed a call: the oldest promise on top; hidden numbers are shown though nobody can call them."""
    ports, visitor = request.app[PORTS], visitor_of(request)
    wanted = query_of(request, CallbacksWanted)
    shown, further, overdue = await _page(Ask(request, ports, visitor), wanted)
    return request.app[PAGES].page(
        request,
        "callbacks.html",
        callbacks=shown,
        overdue=overdue,
        providers={provider.id: provider for provider in visible_providers(ports.book(), visitor)},
        wanted=wanted,
        query=filters_of(wanted),
        next=further,
        calling=request.query.get("calling") == "1",
        agents={agent.extension: agent.name for agent in ports.book().agents},
    )


async def one_page(request: web.Request) -> web.StreamResponse:
    """One callback with every miss that led to it and every attempt of ours."""
    ask = Ask(request, request.app[PORTS], visitor_of(request))
    found, missed, tried = await _whole(ask, int(request.match_info["callback"]))
    provider = ask.ports.book().provider(found.provider)
    if provider is None:
        raise not_found()
    return request.app[PAGES].page(
        request,
        "callback.html",
        callback=found,
        misses=missed,
        attempts=tried,
        provider=provider,
        closed=_closed(request, found.closed_reason),
        agents={agent.extension: agent.name for agent in ask.ports.book().agents},
    )


def _closed(request: web.Request, reason: str | None) -> str:
    """Why it is closed, in words; by hand it says by whom."""
    word, _, who = (reason or "").partition(": ")
    words = catalogue_of(request)
    said = words.text(f"closed.{word}") if words.knows(f"closed.{word}") else word
    return f"{said}: {who.partition(':')[2]}" if who else said


async def call_on_page(request: web.Request) -> web.StreamResponse:
    ask = Ask(request, request.app[PORTS], visitor_of(request))
    await call(ask, CallbackWanted(callback=int(request.match_info["callback"])))
    raise web.HTTPSeeOther("/callbacks?calling=1")


async def close_on_page(request: web.Request) -> web.StreamResponse:
    ask = Ask(request, request.app[PORTS], must_supervise(request))
    await close(ask, CallbackWanted(callback=int(request.match_info["callback"])))
    raise web.HTTPSeeOther("/callbacks")


API = (
    Route("GET", "/callbacks", "list_callbacks", "Open callbacks, the oldest promise first", CallbacksWanted,
          CallbacksGiven, api_list, tag="callbacks"),
    Route("GET", "/callbacks/{callback}", "get_callback", "One callback with its misses and attempts", CallbackWanted,
          CallbackDetail, api_one, tag="callbacks"),
    Route("POST", "/callbacks/{callback}/call", "call_back", "Ring your phone, then call this caller back",
          CallbackWanted, None, call, tag="callbacks"),
    Route("POST", "/callbacks/{callback}/close", "close_callback", "Answer for a callback without a number",
          CallbackWanted, None, close, role="supervisor", tag="callbacks"),
)  # fmt: skip
ROUTES = (
    web.get("/callbacks", list_page),
    web.get(ONE, one_page),
    web.post(ONE + "/call", call_on_page),
    web.post(ONE + "/close", close_on_page),
)
