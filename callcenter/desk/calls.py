"""Calls in the web: the list with its filters, and one call as a story of its stretches."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field

from callcenter.calls import quality_rows
from callcenter.calls.notes import of_calls
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import Direction, SegmentKind
from callcenter.desk.agent_words import AgentWords
from callcenter.desk.api import (
    Ask,
    CallId,
    Cursor,
    Gives,
    Id,
    Limit,
    Moment,
    Route,
    Takes,
    Text,
    filters_of,
    not_found,
    query_of,
)
from callcenter.desk.call_rows import CallFilter, CallRow, list_calls, one_call
from callcenter.desk.diagnoses import standing
from callcenter.desk.heard import HeardGiven, heard_of
from callcenter.desk.pages import PAGES, PORTS, catalogue_of, visible_providers, visitor_of, zone_of
from callcenter.desk.recordings import audio_path
from callcenter.diag import diagnosis_rows
from callcenter.recordings.store import recording_of
from callcenter.routing.book import Provider
from callcenter.routing.numbers import caller_number
from callcenter.routing.reasons import call_reasons
from callcenter.words import Language, ProviderId, UniqueId

CURSOR = Cursor(str)


def _near(day: date) -> date:
    if not 2000 <= day.year < 2100:
        raise ValueError("a year from 2000 to 2099")
    return day


Day = Annotated[date, AfterValidator(_near)]


class _Filters(Takes):
    provider: Id | None = None
    number: Text | None = None
    """However it is written: 067…, 38067… and +38 (067)… are one number."""
    outcome: CallOutcome | None = None
    missed: bool = False
    direction: Direction | None = None
    agent: Annotated[str, Field(pattern=r"^[0-9]{2,6}$")] | None = None
    limit: Limit = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None

    def wanted(self, country: str, since: datetime | None, until: datetime | None) -> CallFilter:
        return CallFilter(
            provider=None if self.provider is None else ProviderId(self.provider),
            number=None if self.number is None else caller_number(self.number, country).number,
            outcome=None if self.outcome is None else self.outcome.value,
            missed=self.missed,
            direction=self.direction,
            agent=self.agent,
            since=since,
            until=until,
        )


class CallsWanted(_Filters):
    since: Moment | None = None
    until: Moment | None = None


class CallsOnPage(_Filters):
    """The page asks for days on the provider's calendar."""

    first: Day | None = None
    last: Day | None = None


class CallWanted(Takes):
    call: CallId


class CallGiven(Gives):
    """One call. ``outcome`` is null while it goes on; ``answered`` means that caller and agent talked."""

    id: CallId
    provider: Id | None
    direction: Direction
    did: str | None
    dialled: str
    number: str
    """E.164, or what the network sent; empty for an anonymous caller."""
    callable: bool
    caller_name: str
    """What the network claims; anybody can claim anything."""
    arrived_at: datetime
    answered_at: datetime | None
    queued_at: datetime | None
    connected_at: datetime | None
    ended_at: datetime | None
    outcome: CallOutcome | None
    waited_s: float | None
    talked_s: float
    agents: list[str]
    rang: list[str]
    transfers: int
    hangup_by: str
    hangup_cause: int | None
    callback: Id | None
    source: str
    settled: bool


class SegmentGiven(Gives):
    kind: SegmentKind
    agent: str | None
    started_at: datetime
    ended_at: datetime | None


class CallDetail(CallGiven):
    segments: list[SegmentGiven]
    recording: str | None
    """Where to play it; nothing when there is no sound."""
    heard: list[HeardGiven] | None
    """Who heard it, live or from the recording; null for agents, who are not told."""


class CallsGiven(Gives):
    items: list[CallGiven]
    next: str | None
    """The cursor of the next page."""


async def _page(ask: Ask, wanted: CallFilter, limit: int, cursor: str | None) -> tuple[list[CallRow], str | None]:
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await list_calls(conn, wanted, CURSOR.read(cursor), limit + 1)
    shown = found[:limit]
    return shown, CURSOR.write(shown[-1].arrived_at, shown[-1].id) if len(found) > limit else None


async def api_list(ask: Ask, wanted: CallsWanted) -> CallsGiven:
    chosen = wanted.wanted(ask.ports.country, wanted.since, wanted.until)
    shown, further = await _page(ask, chosen, wanted.limit, wanted.cursor)
    return CallsGiven(items=[CallGiven.model_validate(call) for call in shown], next=further)


async def api_one(ask: Ask, wanted: CallWanted) -> CallDetail:
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await one_call(conn, wanted.call)
        recording = await recording_of(conn, UniqueId(wanted.call))
        heard = await heard_of(conn, wanted.call, ask.visitor)
    if found is None:
        raise not_found()
    call, segments = found
    return CallDetail.model_validate(
        {
            **asdict(call),
            "segments": [SegmentGiven.model_validate(segment) for segment in segments],
            "recording": audio_path(recording.id) if recording is not None and recording.playable else None,
            "heard": heard,
        }
    )


async def list_page(request: web.Request) -> web.StreamResponse:
    """Calls, newest first, each on its provider's wall clock."""
    ports, visitor = request.app[PORTS], visitor_of(request)
    wanted = query_of(request, CallsOnPage)
    providers = {provider.id: provider for provider in visible_providers(ports.book(), visitor)}
    chosen = providers.get(ProviderId(wanted.provider or 0))
    zone = chosen.timezone if chosen else zone_of(providers.values())
    since = datetime.combine(wanted.first, time.min, zone) if wanted.first else None
    until = datetime.combine(wanted.last + timedelta(days=1), time.min, zone) if wanted.last else None
    shown, further = await _page(
        Ask(request, ports, visitor), wanted.wanted(ports.country, since, until), wanted.limit, wanted.cursor
    )
    return request.app[PAGES].page(
        request,
        "calls.html",
        calls=shown,
        providers=providers,
        zone=zone,
        outcomes=list(CallOutcome),
        agents={agent.extension: agent.name for agent in ports.book().agents},
        wanted=wanted,
        query=filters_of(wanted),
        next=further,
    )


async def call_page(request: web.Request) -> web.StreamResponse:
    """One call: what happened in which order, who talked, and the recording."""
    ports, visitor = request.app[PORTS], visitor_of(request)
    async with ports.db.scoped(visitor.scope) as conn:
        found = await one_call(conn, request.match_info["call"])
        recording = await recording_of(conn, UniqueId(request.match_info["call"]))
        notes = await of_calls(conn, [UniqueId(request.match_info["call"])])
        heard = await heard_of(conn, request.match_info["call"], visitor)
        diagnoses = await diagnosis_rows.of_call(conn, UniqueId(request.match_info["call"]))
        quality = await quality_rows.of_call(conn, request.match_info["call"])
    if found is None:
        raise not_found()
    call, segments = found
    provider = None if call.provider is None else ports.book().provider(call.provider)
    return request.app[PAGES].page(
        request,
        "call.html",
        call=call,
        segments=segments,
        provider=provider,
        zone=provider.timezone if provider else zone_of(ports.book().providers),
        recording=recording,
        notes=notes.get(call.id, ()),
        reason_of=lambda code: _reason(provider, code, visitor.language),
        audio=audio_path,
        heard=heard,
        diagnoses=diagnoses,
        quality=quality,
        words=AgentWords(catalogue_of(request)),
        standing=lambda kept: standing(kept, False, ports.clock()),
        agents={agent.extension: agent.name for agent in ports.book().agents},
    )


def _reason(provider: Provider | None, code: str, language: Language) -> str:
    """A call's reason by its name; a retired one by its code."""
    known = call_reasons(provider) if provider else ()
    return next((reason.name(language) for reason in known if reason.code == code), code)


API = (
    Route("GET", "/calls", "list_calls", "Calls, newest first", CallsWanted, CallsGiven, api_list),
    Route("GET", "/calls/{call}", "get_call", "One call with its stretches", CallWanted, CallDetail, api_one),
)
ROUTES = (
    web.get("/calls", list_page),
    web.get(r"/calls/{call:[A-Za-z0-9_-]{0,40}[0-9]{1,20}\.[0-9]{1,20}}", call_page),
)
