"""The pages of a shift: its board, its hand-over, those that are over and what each of them said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import ValidationError

from callcenter.callbacks import shifts
from callcenter.callbacks.shift import Shift, counts_in, next_span
from callcenter.desk.agent_words import AgentWords
from callcenter.desk.api import Ask, Nothing, Takes, query_of
from callcenter.desk.csv_file import csv_file
from callcenter.desk.guard import Explained, must_lead, must_supervise
from callcenter.desk.languages import Catalogue
from callcenter.desk.pages import PAGES, PORTS, catalogue_of, language_of, visible_providers, zone_of
from callcenter.desk.sessions import Visitor
from callcenter.desk.shift_board import board_of
from callcenter.desk.shifts import (
    AcceptWanted,
    NameWanted,
    OfferWanted,
    OpenWanted,
    ShiftsWanted,
    TakeOverWanted,
    accept,
    close,
    closed,
    hand_over_of,
    name_left,
    offer,
    open_one,
    take_over,
    withdraw,
)
from callcenter.routing.book import Provider
from callcenter.routing.reasons import pause_reasons
from callcenter.words import ProviderId

LEFT_SHOWN = 400
W = TypeVar("W", bound=Takes)


def _ask(request: web.Request) -> Ask:
    return Ask(request, request.app[PORTS], must_lead(request))


# ---- the board


async def _board_values(ask: Ask) -> dict[str, Any]:
    ports, visitor = ask.ports, ask.visitor
    book, now = ports.book(), ports.clock()
    providers = visible_providers(book, visitor)
    async with ports.db.scoped(visitor.scope) as conn:
        board = await board_of(conn, book, ports.live(), providers, visitor.scope, now)
    return {
        "board": board,
        "now": now,
        "visitor": visitor,
        "zone": zone_of(providers),
        "providers": {provider.id: provider for provider in providers},
        "agents": {agent.extension: agent.name for agent in book.agents},
        "words": AgentWords(catalogue_of(ask.request)),
        "reasons": pause_reasons(book),
        "orders": visitor.scope.providers is None,
    }


async def board(request: web.Request) -> web.StreamResponse:
    """The board; it draws itself anew every few seconds."""
    ask = _ask(request)
    values = await _board_values(ask)
    name, ends_at = next_span(values["now"], values["zone"])
    return request.app[PAGES].page(
        request, "shift.html", **values, suggested=name, suggested_end=_local(ends_at, values["zone"])
    )


async def fragment(request: web.Request) -> web.StreamResponse:
    """The parts of the board that change."""
    ask = _ask(request)
    values = await _board_values(ask)
    body = request.app[PAGES].fragment(language_of(request), "shift_board.html", **values, csrf=ask.visitor.csrf)
    return web.Response(text=body, content_type="text/html", headers={"Cache-Control": "no-store"})


async def hand_over(request: web.Request) -> web.StreamResponse:
    """What is left, each with why; then to whom the shift is offered, or its acceptance."""
    ask = _ask(request)
    ports, visitor = ask.ports, ask.visitor
    providers = visible_providers(ports.book(), visitor)
    zone, now = zone_of(providers), ports.clock()
    async with ports.db.scoped(visitor.scope) as conn:
        shift = await shifts.current(conn)
        left, leads = ([], []) if shift is None else await hand_over_of(conn, shift)
    if shift is None:
        raise web.HTTPSeeOther("/shift")
    name, ends_at = next_span(now, zone)
    return request.app[PAGES].page(
        request,
        "shift_hand_over.html",
        shift=shift,
        left=left[:LEFT_SHOWN],
        beyond=max(0, len(left) - LEFT_SHOWN),
        unnamed=sum(not each.why for each in left),
        total=len(left),
        leads=leads,
        mine=_is_of(shift, visitor),
        offered_to_me=shift.successor is not None and shift.successor == visitor.user,
        suggested=name,
        suggested_end=_local(ends_at, zone),
        providers={provider.id: provider for provider in providers},
        zone=zone,
    )


def _is_of(shift: Shift, visitor: Visitor) -> bool:
    return shift.lead == visitor.user or visitor.supervises_all


def _local(at: datetime, zone: ZoneInfo) -> str:
    """As ``<input type=datetime-local>`` has it."""
    return f"{at.astimezone(zone):%Y-%m-%dT%H:%M}"


# ---- what is over


async def list_page(request: web.Request) -> web.StreamResponse:
    ask, wanted = _ask(request), query_of(request, ShiftsWanted)
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await shifts.newest(conn, wanted.limit, wanted.before)
        open_one = next((shift for shift in found if shift.is_open), None)
        said = {shift.id: await shifts.documents(conn, shift.id) for shift in found if not shift.is_open}
    return request.app[PAGES].page(
        request,
        "shifts.html",
        shifts=[each for each in found if each.is_open or said[each.id]],
        open=open_one,
        counts={number: _sum(kept) for number, kept in said.items()},
        zone=zone_of(visible_providers(ask.ports.book(), ask.visitor)),
        before=found[-1].id if len(found) == wanted.limit else None,
    )


def _sum(kept: Mapping[ProviderId, Any]) -> dict[str, int]:
    counted = [counts_in(each) for each in kept.values()]
    return {
        "inherited": sum(each.inherited for each in counted), "new": sum(each.new for each in counted),
        "done": sum(each.done for each in counted), "left": sum(each.left for each in counted),
        "overdue": sum(each.overdue for each in counted),
    }  # fmt: skip


def _parts(ask: Ask, kept: Mapping[ProviderId, Any]) -> list[dict[str, Any]]:
    """Each provider's part, by name, with its times as moments."""
    parts = []
    for provider in visible_providers(ask.ports.book(), ask.visitor):
        document = kept.get(provider.id)
        if document is not None:
            parts.append(_part(provider, document))
    return parts


def _part(provider: Provider, document: Any) -> dict[str, Any]:
    return {
        "provider": provider,
        "counts": counts_in(document),
        "calls": document["calls"],
        "hours": [{**hour, "at": datetime.fromisoformat(hour["hour"])} for hour in document["hours"]],
        "workers": [
            {**each, "from": datetime.fromisoformat(each["joined_at"]), "to": datetime.fromisoformat(each["left_at"])}
            for each in document["workers"]
        ],
        "left": [
            {**each, "missed": datetime.fromisoformat(each["opened_at"]), "due": datetime.fromisoformat(each["due_at"])}
            for each in document["left"]
        ],
    }


async def one_page(request: web.Request) -> web.StreamResponse:
    """What a closed shift says, to be read and printed."""
    ask = _ask(request)
    shift, kept = await closed(ask, int(request.match_info["shift"]))
    parts = _parts(ask, kept)
    return request.app[PAGES].page(
        request,
        "shift_document.html",
        shift=shift,
        sections=parts,
        total=_sum(kept),
        most=max((hour["answered"] + hour["missed"] for part in parts for hour in part["hours"]), default=0),
        zone=zone_of(part["provider"] for part in parts),
    )


async def file(request: web.Request) -> web.StreamResponse:
    """The same as a table for a spreadsheet: a line for every count, hour, worker and callback that was left."""
    ask = _ask(request)
    shift, kept = await closed(ask, int(request.match_info["shift"]))
    return csv_file(f"shift-{shift.id}.csv", _lines(_parts(ask, kept), catalogue_of(request)))


def _lines(parts: list[dict[str, Any]], words: Catalogue) -> list[list[str]]:
    lines = [[words.text(f"shift.csv_{name}") for name in ("provider", "what", "which", "value", "more")]]

    def row(part: Mapping[str, Any], what: str, *cells: object) -> None:
        lines.append([_safe(cell) for cell in (part["provider"].brand, words.text(f"shift.csv_{what}"), *cells)])

    for part in parts:
        zone = part["provider"].timezone
        counts = part["counts"]
        for name in ("inherited", "new", "done", "called_back", "got_through", "named", "left", "overdue", "late"):
            row(part, "count", words.text(f"shift.{name}"), getattr(counts, name), "")
        for name in ("answered", "in_time", "missed", "closed", "short"):
            row(part, "calls", words.text(f"shift.calls_{name}"), part["calls"][name], "")
        for hour in part["hours"]:
            row(part, "hour", words.clock(hour["at"], zone), hour["answered"], hour["missed"])
        for worker in part["workers"]:
            span = f"{worker['from'].astimezone(zone):%F %H:%M} – {worker['to'].astimezone(zone):%F %H:%M}"
            row(part, "worker", worker["name"], span, worker.get("taken", 0))
        for each in part["left"]:
            row(part, "left", words.phone(each["number"]), each["why"], f"{each['missed'].astimezone(zone):%F %H:%M}")
    return lines


def _safe(cell: object) -> str:
    """A spreadsheet must not take what somebody wrote for a formula."""
    written = str(cell)
    return f"'{written}" if written[:1] in {"=", "+", "-", "@", "\t", "\r"} and not written[1:].isdigit() else written


# ---- orders


async def _form(request: web.Request, model: type[W]) -> W:
    """What a form of ours sends; times are on the wall clock of the page."""
    ask = _ask(request)
    zone = zone_of(visible_providers(ask.ports.book(), ask.visitor))
    sent = await request.post()
    given: dict[str, Any] = {name: value for name, value in sent.items() if name != "csrf" and value != ""}
    try:
        if isinstance(given.get("ends_at"), str):
            given["ends_at"] = datetime.fromisoformat(given["ends_at"]).replace(tzinfo=zone)
        return model.model_validate(given)
    except (ValidationError, ValueError) as exc:
        raise Explained(422, catalogue_of(request).text("callback.fill_in")) from exc


def _order(
    model: type[W], order: Callable[[Ask, W], Awaitable[object]], then: str, *, supervisor: bool = False
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        if supervisor:
            must_supervise(request)
        await order(_ask(request), await _form(request, model))
        raise web.HTTPSeeOther(then)

    return handle


async def name_on_page(request: web.Request) -> web.StreamResponse:
    """The same reason for all that are ticked, or for all that have none."""
    ask = _ask(request)
    sent = await request.post()
    if sent.get("all") == "1":
        async with ask.ports.db.scoped(ask.scope) as conn:
            shift = await shifts.current(conn)
            unnamed = [] if shift is None else [each for each in await shifts.left(conn, shift) if not each.why]
        chosen: list[Any] = [each.callback for each in unnamed]
    else:
        chosen = list(sent.getall("callbacks", []))
    try:
        wanted = NameWanted.model_validate({"callbacks": chosen, "why": sent.get("why", "")})
    except ValidationError as exc:
        raise Explained(422, catalogue_of(request).text("shift.tick_and_say")) from exc
    await name_left(ask, wanted)
    raise web.HTTPSeeOther("/shift/hand-over")


async def close_on_page(request: web.Request) -> web.StreamResponse:
    made = await close(_ask(request), Nothing())
    raise web.HTTPSeeOther(f"/shifts/{made.id}")


ONE = r"/shifts/{shift:[1-9][0-9]{0,17}}"
ROUTES = (
    web.get("/shift", board),
    web.get("/shift/board", fragment),
    web.get("/shift/hand-over", hand_over),
    web.get("/shifts", list_page),
    web.get(ONE, one_page),
    web.get(ONE + "/shift.csv", file),
    web.post("/shift/open", _order(OpenWanted, open_one, "/shift")),
    web.post("/shift/name", name_on_page),
    web.post("/shift/offer", _order(OfferWanted, offer, "/shift/hand-over")),
    web.post("/shift/withdraw", _order(Nothing, withdraw, "/shift/hand-over")),
    web.post("/shift/accept", _order(AcceptWanted, accept, "/shift")),
    web.post("/shift/close", close_on_page),
    web.post("/shift/take-over", _order(TakeOverWanted, take_over, "/shift", supervisor=True)),
)
