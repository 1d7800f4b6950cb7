"""Callbacks in the web: who is owed a call, whom to call first, what happened with each.

What is ordered of one is in ``callback_orders``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from callcenter.callbacks.duty import CLOSE_REASONS
from callcenter.callbacks.queue import Act, Attempt, Miss, acts, attempts, misses
from callcenter.calls.outcome import CallOutcome
from callcenter.desk.api import Ask, Cursor, Gives, Id, Limit, Route, Takes, Text, filters_of, not_found, query_of
from callcenter.desk.audits import proof_of
from callcenter.desk.callback_rows import (
    CallbackFilter,
    CallbackRow,
    Pressing,
    count_pressing,
    cursor_of,
    list_callbacks,
    one_row,
)
from callcenter.desk.csv_file import csv_file
from callcenter.desk.guard import Handler, is_api
from callcenter.desk.languages import Catalogue
from callcenter.desk.pages import (
    CALLBACKS_PRESSING,
    PAGES,
    PORTS,
    VISITOR,
    catalogue_of,
    visible_providers,
    visitor_of,
    zone_of,
)
from callcenter.desk.sessions import Visitor
from callcenter.routing.book import Book
from callcenter.words import ProviderId

CURSOR = Cursor(int)
ONE = r"/callbacks/{callback:[1-9][0-9]{0,17}}"
KINDS = tuple(
    kind for kind in CallOutcome if kind not in {CallOutcome.ANSWERED, CallOutcome.NO_ANSWER, CallOutcome.BUSY}
)
"""How a caller can be missed."""
PRESSING_SHOWN = 30
ROWS_OF_A_FILE = 20_000


class CallbacksWanted(Takes):
    provider: Id | None = None
    kind: CallOutcome | None = None
    """How the last call in vain ended."""
    overdue: bool = False
    decision: bool = False
    """Those that wait for the shift lead's decision."""
    mine: bool = False
    """Those that I have now, or called last."""
    number: Text | None = None
    """A number, or a part of it."""
    sort: Literal["rank", "oldest", "newest"] = "rank"
    limit: Limit = 100
    cursor: Annotated[str, Field(max_length=200)] | None = None

    def filter(self, extension: str | None) -> CallbackFilter:
        digits = "".join(each for each in self.number or "" if each.isascii() and each.isdigit())
        return CallbackFilter(
            provider=None if self.provider is None else ProviderId(self.provider),
            kind=self.kind,
            overdue=self.overdue,
            decision=self.decision,
            mine=(extension or "") if self.mine else None,
            digits=(digits.removeprefix("0") or digits or "?") if self.number else None,
        )


class CallbackWanted(Takes):
    callback: Id


class CallbackGiven(Gives):
    """A caller who is owed a call. A conversation closes it, or a person with a reason, a name and a note."""

    id: Id
    provider: Id
    number: str
    """E.164, or what the network sent; empty for anonymous callers, who are counted together."""
    callable: bool
    opened_at: datetime
    due_at: datetime
    """Until when the provider promised to call back: its working time, counted from the first miss."""
    rank_at: datetime | None
    """Whom to call first: the promise, five minutes earlier for each repeated miss."""
    misses: int
    last_missed_at: datetime
    last_outcome: str | None
    """How the last call in vain ended: the kind of the miss."""
    attempts: int
    last_attempt_at: datetime | None
    last_attempt_by: str | None
    last_result: str | None
    next_try_at: datetime | None
    """Not before this moment, by the provider's rule."""
    decision_since: datetime | None
    """Since when it waits for the shift lead."""
    kept_queue: str | None
    kept_since: datetime | None
    """The caller keeps the place in line that they had since then."""
    claimed_by: str | None
    claimed_until: datetime | None
    calling: str | None
    """Extension of the agent who is calling this number now."""
    closed_at: datetime | None
    closed_reason: str | None
    closed_by: str
    """Who ended it, when no conversation did."""
    close_note: str


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
    result: str
    """``answered``, ``cut_short``, ``no_answer``, ``busy``, ``failed``; empty while the call goes on."""
    said: str
    """``voicemail`` or ``wrong_number``, when the agent heard that."""
    said_by: str
    said_at: datetime | None


class ActGiven(Gives):
    at: datetime
    act: str
    who: str
    note: str


class CallbackDetail(CallbackGiven):
    missed: list[MissGiven]
    tried: list[AttemptGiven]
    acts: list[ActGiven]
    """Who took it, called, let it go, had it tried again, closed it."""


class CallbacksGiven(Gives):
    items: list[CallbackGiven]
    next: str | None
    """The cursor of the next page."""


@dataclass(frozen=True, slots=True)
class Whole:
    """One callback with everything that led to it and was done about it."""

    row: CallbackRow
    missed: list[Miss]
    tried: list[Attempt]
    acts: list[Act]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a callback's story."""

    at: datetime
    kind: str
    """``miss``, ``attempt`` or ``act``."""
    word: str
    who: str = ""
    call: str | None = None
    length: float | None = None
    note: str = ""
    said: str = ""


async def api_list(ask: Ask, wanted: CallbacksWanted) -> CallbacksGiven:
    shown, further = await _page(ask, wanted)
    return CallbacksGiven(items=[CallbackGiven.model_validate(row) for row in shown], next=further)


async def api_one(ask: Ask, wanted: CallbackWanted) -> CallbackDetail:
    found = await whole(ask, wanted.callback)
    return CallbackDetail(
        **CallbackGiven.model_validate(found.row).model_dump(),
        missed=[MissGiven.model_validate(each) for each in found.missed],
        tried=[AttemptGiven.model_validate(each) for each in found.tried],
        acts=[ActGiven.model_validate(each) for each in found.acts],
    )


async def _page(ask: Ask, wanted: CallbacksWanted) -> tuple[list[CallbackRow], str | None]:
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await list_callbacks(
            conn, wanted.filter(ask.visitor.extension), ask.ports.clock(), CURSOR.read(wanted.cursor),
            wanted.limit + 1, wanted.sort,
        )  # fmt: skip
    shown = found[: wanted.limit]
    return shown, CURSOR.write(*cursor_of(shown[-1], wanted.sort)) if len(found) > wanted.limit else None


async def _pressing(ask: Ask, wanted: CallbacksWanted) -> tuple[Pressing, list[CallbackRow]]:
    """How many are overdue or wait for a decision, and for who leads a shift the first of them."""
    provider = None if wanted.provider is None else ProviderId(wanted.provider)
    now = ask.ports.clock()
    async with ask.ports.db.scoped(ask.scope) as conn:
        counted = await count_pressing(conn, provider, now)
        if not ask.visitor.leads or not counted.both:
            return counted, []
        first = CallbackFilter(provider=provider, pressing=True)
        return counted, await list_callbacks(conn, first, now, None, PRESSING_SHOWN)


async def whole(ask: Ask, callback: int) -> Whole:
    """404 outside the visitor's scope."""
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await one_row(conn, callback, ask.ports.clock())
        if found is None:
            raise not_found()
        return Whole(found, await misses(conn, callback), await attempts(conn, callback), await acts(conn, callback))


async def list_page(request: web.Request) -> web.StreamResponse:
    """Who is owed a call; above it, for who leads the shift, what is overdue or waits for their decision."""
    ports, visitor = request.app[PORTS], visitor_of(request)
    ask, wanted = Ask(request, ports, visitor), query_of(request, CallbacksWanted)
    shown, further = await _page(ask, wanted)
    counted, pressing = await _pressing(ask, wanted)
    visible = visible_providers(ports.book(), visitor)
    async with ports.db.scoped(visitor.scope) as conn:
        proof = await proof_of(conn, list(visible), ports.clock())
    plain = wanted.model_copy(update={"cursor": None, "limit": 100}) == CallbacksWanted(provider=wanted.provider)
    return request.app[PAGES].page(
        request,
        "callbacks.html",
        callbacks=shown,
        pressing=pressing if plain and not wanted.cursor else [],
        counted=counted,
        kinds=KINDS,
        sorts=("rank", "oldest", "newest"),
        providers={provider.id: provider for provider in visible},
        proof=proof,
        zone=zone_of(visible),
        wanted=wanted,
        query=filters_of(wanted),
        next=further,
        calling=request.query.get("calling") == "1",
        agents=_names(ports.book()),
    )


async def one_page(request: web.Request) -> web.StreamResponse:
    """One callback: every call in vain, every attempt of ours, what was said, who had it."""
    ask = Ask(request, request.app[PORTS], visitor_of(request))
    found = await whole(ask, int(request.match_info["callback"]))
    provider = ask.ports.book().provider(found.row.provider)
    if provider is None:
        raise not_found()
    names = _names(ask.ports.book())
    return request.app[PAGES].page(
        request,
        "callback.html",
        callback=found.row,
        steps=story(found, names),
        attempts=[each for each in found.tried if may_say(ask.visitor, each)],
        provider=provider,
        reasons=[each for each in CLOSE_REASONS if each != "no_number" or not found.row.callable],
        ended_by=name_of(found.row.closed_by, names),
        agents=names,
    )


def may_say(visitor: Visitor, attempt: Attempt) -> bool:
    """What was heard in a call back that somebody took, its own agent says, or who leads."""
    taken = attempt.said or attempt.result not in {"no_answer", "busy", "failed"}
    return bool(taken) and (visitor.leads or attempt.agent == visitor.extension)


def story(found: Whole, names: dict[str, str]) -> list[Step]:
    """Everything that happened with a callback, in the order in which it happened."""
    steps = [Step(each.missed_at, "miss", each.outcome, "", each.call, each.waited_s) for each in found.missed]
    steps += [
        Step(each.at, "attempt", each.result or "in_progress", name_of(each.agent, names), each.call,
             each.talked_s or None, name_of(each.said_by, names), each.said)
        for each in found.tried
    ]  # fmt: skip
    steps += [Step(each.at, "act", each.act, name_of(each.who, names), note=each.note) for each in found.acts]
    return sorted(steps, key=lambda step: step.at)


def name_of(who: str, names: dict[str, str]) -> str:
    """An agent by extension, or ``user:Name`` and ``token:Name`` as orders are signed."""
    return names.get(who) or who.partition(":")[2] or who


def _names(book: Book) -> dict[str, str]:
    return {agent.extension: agent.name for agent in book.agents}


async def file(request: web.Request) -> web.StreamResponse:
    """The same list as a table for a spreadsheet, each time on its provider's wall clock."""
    ask, wanted = Ask(request, request.app[PORTS], visitor_of(request)), query_of(request, CallbacksWanted)
    now = ask.ports.clock()
    async with ask.ports.db.scoped(ask.scope) as conn:
        rows = await list_callbacks(
            conn, wanted.filter(ask.visitor.extension), now, None, ROWS_OF_A_FILE, wanted.sort
        )  # fmt: skip
    return csv_file("callbacks.csv", _lines(rows, catalogue_of(request), ask.ports.book(), now))


def _lines(rows: list[CallbackRow], words: Catalogue, book: Book, now: datetime) -> Iterator[list[str]]:
    """Nothing in it is a formula, whatever the network sent as a number."""
    names = _names(book)
    yield [words.text(f"callbacks.column.{name}") for name in COLUMNS]
    for row in rows:
        provider = book.provider(row.provider)
        if provider is None:
            continue
        cells = (
            provider.brand, row.number, _kind(words, row), row.misses,
            *(at.astimezone(provider.timezone).strftime("%Y-%m-%d %H:%M:%S")
              for at in (row.opened_at, row.last_missed_at, row.due_at)),
            words.text(f"urgency.{row.urgency(now)}"), row.attempts,
            names.get(row.last_attempt_by or "", row.last_attempt_by or ""),
            words.text("callbacks.yes") if row.decision_since else "",
        )  # fmt: skip
        yield [_plain(str(cell)) for cell in cells]


COLUMNS = ("provider", "number", "kind", "misses", "opened", "last", "due", "urgency", "attempts", "by", "decision")


def _kind(words: Catalogue, row: CallbackRow) -> str:
    return words.text(f"outcome.{row.last_outcome}") if row.last_outcome else ""


def _plain(cell: str) -> str:
    return (
        f"'{cell}" if cell[:1] in {"=", "-", "@", "\t", "\r"} or (cell[:1] == "+" and not cell[1:].isdigit()) else cell
    )


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Who leads a shift sees on every page how many callbacks are overdue or wait for a decision."""
    visitor: Visitor | None = request.get(VISITOR)
    if visitor is not None and visitor.leads and visitor.user is not None and not is_api(request):
        ports = request.app[PORTS]
        async with ports.db.scoped(visitor.scope) as conn:
            request[CALLBACKS_PRESSING] = (await count_pressing(conn, None, ports.clock())).both
    return await handler(request)


API = (
    Route("GET", "/callbacks", "list_callbacks", "Open callbacks, whom to call first on top", CallbacksWanted,
          CallbacksGiven, api_list, tag="callbacks"),
    Route("GET", "/callbacks/{callback}", "get_callback", "One callback: misses, attempts, words and claims",
          CallbackWanted, CallbackDetail, api_one, tag="callbacks"),
)  # fmt: skip
ROUTES = (
    web.get("/callbacks", list_page),
    web.get("/callbacks.csv", file),
    web.get(ONE, one_page),
)
