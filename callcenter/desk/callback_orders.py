"""What is ordered of a callback on its page and by the API: take it, call, say what was heard, decide, end it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import StringConstraints, ValidationError

from callcenter.callbacks.duty import CloseReason, Said
from callcenter.callbacks.queue import close_with, let_go, said, take, try_again
from callcenter.desk.api import Ask, CallId, Route, Takes
from callcenter.desk.callback_rows import CallbackRow
from callcenter.desk.callbacks import ONE, CallbackWanted, may_say, whole
from callcenter.desk.guard import Explained, must_lead
from callcenter.desk.pages import PORTS, catalogue_of, visitor_of
from callcenter.errors import RuleBroken
from callcenter.words import UniqueId

Note = Annotated[str, StringConstraints(max_length=1000, strip_whitespace=True)]


class SaidWanted(CallbackWanted):
    call: CallId
    word: Said
    """What took the call: a voice mail, a stranger; empty takes the word back."""


class AgainWanted(CallbackWanted):
    note: Note = ""


class CloseWanted(CallbackWanted):
    reason: CloseReason
    note: Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]
    """Why, in words."""


def _open(ask: Ask, row: CallbackRow) -> CallbackRow:
    if row.closed_at is not None:
        raise RuleBroken(catalogue_of(ask.request).text("callback.is_closed"))
    return row


def _phone(ask: Ask) -> str:
    if ask.visitor.extension is None:
        raise RuleBroken(catalogue_of(ask.request).text("callback.no_phone"))
    return ask.visitor.extension


def _must_be_free(ask: Ask, row: CallbackRow, extension: str) -> None:
    """Two agents never call one number."""
    words, book = catalogue_of(ask.request), ask.ports.book()
    for key, who in (("callbacks.is_calling", row.calling), ("callbacks.has_it", row.claimed_by)):
        if who is not None and (who != extension or key == "callbacks.is_calling"):
            agent = book.agent(who)
            raise RuleBroken(words.text(key, name=who if agent is None else agent.name))


async def take_it(ask: Ask, wanted: CallbackWanted) -> None:
    """The agent has it for ten minutes to look and to call; then anybody may."""
    row, extension = _open(ask, (await whole(ask, wanted.callback)).row), _phone(ask)
    _must_be_free(ask, row, extension)
    async with ask.ports.db.scoped(ask.scope) as conn:
        await take(conn, row.id, extension, ask.ports.clock())
    ask.ports.changed()


async def give_back(ask: Ask, wanted: CallbackWanted) -> None:
    """Others may have it now."""
    row, extension = _open(ask, (await whole(ask, wanted.callback)).row), _phone(ask)
    async with ask.ports.db.scoped(ask.scope) as conn:
        await let_go(conn, row.id, extension, ask.ports.clock())
    ask.ports.changed()


async def call(ask: Ask, wanted: CallbackWanted) -> None:
    """The agent's own phone rings first; when they pick up, the caller who is owed a call is dialled.

    Who leads may call before the time the provider wants between attempts, and after the last of them: that decides it.
    """
    row, extension = _open(ask, (await whole(ask, wanted.callback)).row), _phone(ask)
    words, now = catalogue_of(ask.request), ask.ports.clock()
    if not row.callable:
        raise RuleBroken(words.text("callbacks.not_callable"))
    _must_be_free(ask, row, extension)
    if row.decision_since is not None or row.waits(now):
        if not ask.visitor.leads:
            raise RuleBroken(words.text("callback.must_decide" if row.decision_since else "callback.too_soon"))
        async with ask.ports.db.scoped(ask.scope) as conn:
            await try_again(conn, row.id, ask.visitor.who, now)
    await ask.ports.telephony.call_back(row.id, extension)
    ask.ports.calling(row.id, row.provider, row.number, extension)


async def say(ask: Ask, wanted: SaidWanted) -> None:
    """A voice mail or a stranger took the call: it has paid nothing."""
    found = await whole(ask, wanted.callback)
    words = catalogue_of(ask.request)
    attempt = next((each for each in found.tried if each.call == wanted.call), None)
    if attempt is None:
        raise RuleBroken(words.text("callback.no_attempt"))
    if not may_say(ask.visitor, attempt):
        raise Explained(403, words.text("callback.not_your_call"))
    async with ask.ports.db.scoped(ask.scope) as conn:
        await said(conn, UniqueId(wanted.call), wanted.word, ask.visitor.who, ask.ports.clock())
    ask.ports.changed()


async def again(ask: Ask, wanted: AgainWanted) -> None:
    """The lead has it called again, as many times as before."""
    row = _open(ask, (await whole(ask, wanted.callback)).row)
    async with ask.ports.db.scoped(ask.scope) as conn:
        await try_again(conn, row.id, ask.visitor.who, ask.ports.clock(), wanted.note)
    ask.ports.changed()


async def close(ask: Ask, wanted: CloseWanted) -> None:
    """What no conversation has paid ends with a reason, a name and a note."""
    row = _open(ask, (await whole(ask, wanted.callback)).row)
    words = catalogue_of(ask.request)
    if wanted.reason == "no_number" and row.callable:
        raise RuleBroken(words.text("callback.has_number"))
    async with ask.ports.db.scoped(ask.scope) as conn:
        await close_with(conn, row.id, wanted.reason, wanted.note, ask.visitor.who, ask.ports.clock())
    ask.ports.changed()


M = TypeVar("M", bound=Takes)


async def _form(request: web.Request, model: type[M]) -> tuple[Ask, M]:
    """What a form of a callback's page sends."""
    given = {name: value for name, value in (await request.post()).items() if name != "csrf"}
    try:
        wanted = model.model_validate({**given, "callback": request.match_info["callback"]})
    except ValidationError as exc:
        raise Explained(422, catalogue_of(request).text("callback.fill_in")) from exc
    return Ask(request, request.app[PORTS], visitor_of(request)), wanted


async def call_on_page(request: web.Request) -> web.StreamResponse:
    await call(*await _form(request, CallbackWanted))
    raise web.HTTPSeeOther("/callbacks?calling=1")


async def take_on_page(request: web.Request) -> web.StreamResponse:
    return await _then_back(request, CallbackWanted, take_it)


async def give_back_on_page(request: web.Request) -> web.StreamResponse:
    return await _then_back(request, CallbackWanted, give_back)


async def say_on_page(request: web.Request) -> web.StreamResponse:
    return await _then_back(request, SaidWanted, say)


async def again_on_page(request: web.Request) -> web.StreamResponse:
    must_lead(request)
    return await _then_back(request, AgainWanted, again)


async def close_on_page(request: web.Request) -> web.StreamResponse:
    must_lead(request)
    return await _then_back(request, CloseWanted, close)


async def _then_back(
    request: web.Request, model: type[M], order: Callable[[Ask, M], Awaitable[None]]
) -> web.StreamResponse:
    ask, wanted = await _form(request, model)
    await order(ask, wanted)
    raise web.HTTPSeeOther(f"/callbacks/{request.match_info['callback']}")


API = (
    Route("POST", "/callbacks/{callback}/take", "take_callback", "Have a callback for ten minutes: nobody else may",
          CallbackWanted, None, take_it, tag="callbacks"),
    Route("POST", "/callbacks/{callback}/let-go", "let_callback_go", "Give a callback back that you took",
          CallbackWanted, None, give_back, tag="callbacks"),
    Route("POST", "/callbacks/{callback}/call", "call_back", "Ring your phone, then call this caller back",
          CallbackWanted, None, call, tag="callbacks"),
    Route("POST", "/callbacks/{callback}/said", "say_of_attempt", "A voice mail or a stranger took the call",
          SaidWanted, None, say, tag="callbacks"),
    Route("POST", "/callbacks/{callback}/try-again", "try_callback_again", "Have it called again, at once",
          AgainWanted, None, again, role="lead", tag="callbacks"),
    Route("POST", "/callbacks/{callback}/close", "close_callback", "End it with a reason, a name and a note",
          CloseWanted, None, close, role="lead", tag="callbacks"),
)  # fmt: skip
ROUTES = (
    web.post(ONE + "/take", take_on_page),
    web.post(ONE + "/let-go", give_back_on_page),
    web.post(ONE + "/call", call_on_page),
    web.post(ONE + "/said", say_on_page),
    web.post(ONE + "/try-again", again_on_page),
    web.post(ONE + "/close", close_on_page),
)
