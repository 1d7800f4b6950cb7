"""The lines of the providers: mass outages, what got worse before anyone called, how sweeps go, one ONU's light."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from aiohttp import web

from callcenter.desk.api import Ask, Gives, Id, Limit, Route, Takes, not_found, query_of
from callcenter.desk.card import norms_of
from callcenter.desk.guard import must_lead
from callcenter.desk.light import HEIGHT, WIDTH, Picture, Span, picture
from callcenter.desk.line_changes import API as CHANGES
from callcenter.desk.line_changes import carry_out_by_form, on_page, planned_by_form
from callcenter.desk.line_rows import days_of, device_of, device_rows, light_of
from callcenter.desk.outage_words import OutageWords
from callcenter.desk.pages import PAGES, PORTS, catalogue_of, visible_providers, visitor_of, zone_of
from callcenter.diag import outage_rows
from callcenter.diag.changes import Plan
from callcenter.diag.outage_rows import Outage
from callcenter.diag.worse import Worse
from callcenter.diag.worse_rows import worse_lines
from callcenter.words import OnuAddress, ProviderId

RECENT = timedelta(days=1)
"""For so long an outage that is over stays on the page."""
WORSE_SHOWN = 200


class OutageGiven(Gives):
    """``dark`` of ``total`` ONUs; ``scope`` is ``pon``, ``olt`` or ``area`` and ``place`` its name, empty for an OLT.

    ``reason`` is what most say, ``reasons`` how many say what; ``silent`` is an OLT that does not answer, of whose ONUs
    nothing is known.
    """

    id: Id
    device: Id
    device_name: str
    provider: Id
    scope: str
    place: str
    reason: str
    reasons: dict[str, int]
    silent: bool
    since: datetime
    seen_at: datetime
    dark: int
    total: int
    ended_at: datetime | None


class OutagesGiven(Gives):
    items: list[OutageGiven]


class LinesWanted(Takes):
    provider: Id | None = None
    limit: Limit = 100


class WorseWanted(LinesWanted):
    kind: Worse | None = None


class WorseGiven(Gives):
    """A line that got worse; levels in ``detail`` are dBm."""

    device: Id
    device_name: str
    provider: Id
    onu: str
    kind: str
    since: datetime
    last_at: datetime
    detail: dict[str, Any]
    account: str | None
    subscriber: str | None
    address: str | None


class WorsesGiven(Gives):
    items: list[WorseGiven]


class LightWanted(Takes):
    device: Id
    onu: str
    span: Span = Span.DAY


class LightGiven(Gives):
    at: datetime
    state: str
    onu_rx: float | None
    olt_rx: float | None


class LightsGiven(Gives):
    items: list[LightGiven]


async def api_outages(ask: Ask, wanted: LinesWanted) -> OutagesGiven:
    async with ask.ports.db.scoped(ask.scope) as conn:
        since = ask.ports.clock() - RECENT
        found = await outage_rows.since(conn, since, wanted.limit, _provider(wanted.provider))
    return OutagesGiven(items=[_given(one) for one in found])


async def api_worse(ask: Ask, wanted: WorseWanted) -> WorsesGiven:
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await worse_lines(conn, provider=_provider(wanted.provider), kind=wanted.kind, most=wanted.limit)
    return WorsesGiven(items=[WorseGiven.model_validate(one) for one in found])


async def api_light(ask: Ask, wanted: LightWanted) -> LightsGiven:
    """Single readings as they are kept: when something changed, and every hour."""
    try:
        onu = str(OnuAddress.parse(wanted.onu))
    except ValueError:
        raise not_found() from None
    async with ask.ports.db.scoped(ask.scope) as conn:
        if await device_of(conn, wanted.device) is None:
            raise not_found()
        found = await light_of(conn, wanted.device, onu, ask.ports.clock() - wanted.span.length)
    return LightsGiven(items=[LightGiven.model_validate(one) for one in found])


def _given(outage: Outage) -> OutageGiven:
    return OutageGiven(
        id=outage.id or 0, device=outage.device, device_name=outage.device_name, provider=outage.provider,
        scope=outage.scope, place="" if outage.silent else outage.place, reason=outage.reason,
        reasons={reason.value: many for reason, many in outage.reasons}, silent=outage.silent, since=outage.since,
        seen_at=outage.seen_at, dark=outage.dark, total=outage.total, ended_at=outage.ended_at,
    )  # fmt: skip


def _provider(number: int | None) -> ProviderId | None:
    return None if number is None else ProviderId(number)


async def page(request: web.Request) -> web.StreamResponse:
    """What provider's engineers should see before anyone calls."""
    ports, visitor = request.app[PORTS], must_lead(request)
    wanted = query_of(request, WorseWanted)
    provider = _provider(wanted.provider)
    async with ports.db.scoped(visitor.scope) as conn:
        values: dict[str, Any] = {
            "outages": await outage_rows.since(conn, ports.clock() - RECENT, WORSE_SHOWN, provider),
            "worse": await worse_lines(conn, provider=provider, kind=wanted.kind, most=WORSE_SHOWN),
            "devices": await device_rows(conn, provider),
        }
    providers = {one.id: one for one in visible_providers(ports.book(), visitor)}
    return request.app[PAGES].page(
        request, "lines.html", **values, wanted=wanted, providers=providers, zone=zone_of(providers.values()),
        most=WORSE_SHOWN, told=OutageWords(catalogue_of(request)),
    )  # fmt: skip


async def one_line(request: web.Request) -> web.StreamResponse:
    """One ONU's light on a page of its own, and what is and may be changed there."""
    return await _line_page(request, plan=None, why_not="")


async def plan_on_page(request: web.Request) -> web.StreamResponse:
    """The same page with what a change would do, to be confirmed."""
    planned, why_not = await planned_by_form(request)
    return await _line_page(request, plan=planned, why_not=why_not)


async def carry_out_on_page(request: web.Request) -> web.StreamResponse:
    """Back to the line, or the line's page with why it was not done."""
    return await _line_page(request, plan=None, why_not=await carry_out_by_form(request))


async def _line_page(request: web.Request, plan: Plan | None, why_not: str) -> web.StreamResponse:
    drawn = await _drawn(request)
    changes = await on_page(request.app[PORTS], visitor_of(request), drawn["device"], drawn["onu"])
    return request.app[PAGES].page(request, "line.html", **drawn, **changes, plan=plan, why_not=why_not)


async def light(request: web.Request) -> web.StreamResponse:
    """The same picture as a piece of HTML, for the sheet on the agent's page."""
    drawn = await _drawn(request)
    html = request.app[PAGES].fragment(visitor_of(request).language, "light.html", **drawn)
    return web.Response(text=html, content_type="text/html", headers={"Cache-Control": "no-store"})


async def _drawn(request: web.Request) -> dict[str, Any]:
    ports, visitor = request.app[PORTS], visitor_of(request)
    try:
        given = (await request.post()).get("onu") if request.method == "POST" else request.query.get("onu", "")
        onu = str(OnuAddress.parse(str(given)))
        span = Span(request.query.get("span", Span.DAY))
    except ValueError:
        raise not_found() from None
    now = ports.clock()
    async with ports.db.scoped(visitor.scope) as conn:
        device = await device_of(conn, int(request.match_info["device"]))
        if device is None:
            raise not_found()
        provider = next((one for one in ports.book().providers if one.id == device.provider), None)
        if provider is None:
            raise not_found()
        readings = await light_of(conn, device.id, onu, now - span.length) if span is not Span.QUARTER else []
        days = await days_of(conn, device.id, onu, (now - span.length).date()) if span is Span.QUARTER else []
    words = catalogue_of(request)
    norms = norms_of(provider).of_line(onu)
    drawn: Picture = picture(
        readings, days, span, now, (norms.onu_rx_weak, norms.onu_rx_strong), provider.timezone, words
    )
    return {
        "picture": drawn, "device": device, "onu": onu, "span": span, "spans": tuple(Span), "provider": provider,
        "query": f"onu={quote(onu, safe='/:')}", "width": WIDTH, "height": HEIGHT,
    }  # fmt: skip


API = (
    Route("GET", "/lines/outages", "list_line_outages", "Mass outages that last or ended within a day", LinesWanted,
          OutagesGiven, api_outages, tag="lines"),
    Route("GET", "/lines/worse", "list_worse_lines", "Lines that got worse, newest first", WorseWanted, WorsesGiven,
          api_worse, role="lead", tag="lines"),
    Route("GET", "/lines/light", "read_light", "The light of one ONU over a day, a week or a quarter", LightWanted,
          LightsGiven, api_light, tag="lines"),
    *CHANGES,
)  # fmt: skip
ROUTES = (
    web.get("/lines", page),
    web.get(r"/lines/{device:[1-9][0-9]{0,17}}", one_line),
    web.post(r"/lines/{device:[1-9][0-9]{0,17}}/plan", plan_on_page),
    web.post(r"/lines/{device:[1-9][0-9]{0,17}}/carry-out", carry_out_on_page),
    web.get(r"/desk/light/{device:[1-9][0-9]{0,17}}", light),
)
