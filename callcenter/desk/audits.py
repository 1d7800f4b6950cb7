"""The proof of completeness in the web: each provider's days, so many calls, so many misses, each with its callback."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.auditing import KeptLine, lines_of, today_of
from callcenter.desk.api import Ask, Gives, Id, Limit, Route, Takes, filters_of, query_of
from callcenter.desk.guard import must_lead
from callcenter.desk.pages import PAGES, PORTS, visible_providers, zone_of
from callcenter.routing.book import Provider
from callcenter.words import ProviderId


class AuditWanted(Takes):
    provider: Id | None = None
    before: date | None = None
    """Only days before this one: where the last page ended."""
    limit: Limit = 100


class DifferenceGiven(Gives):
    """``kind`` is a fixed word, ``what`` says it in a sentence without the caller's number."""

    kind: str
    call: str
    callback: int | None
    what: str


class AuditLineGiven(Gives):
    """A provider's day on its own calendar, as it was last held against Asterisk's journal."""

    provider: Id
    day: date
    calls: int
    misses: int
    callbacks: int
    """Misses that have their callback: as many as there are misses, or it is a difference."""
    difference: int
    differences: list[DifferenceGiven]
    known: dict[str, int]
    """What differs and is no difference: calls in progress, calls only a witness saw."""
    audited_at: datetime


class AuditsGiven(Gives):
    items: list[AuditLineGiven]


@dataclass(frozen=True, slots=True)
class Proof:
    """The present day of all providers in sight, in one line."""

    calls: int
    misses: int
    callbacks: int
    difference: int
    audited_at: datetime
    """When the oldest of its lines was audited."""


async def list_audits(ask: Ask, wanted: AuditWanted) -> AuditsGiven:
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await _lines(conn, wanted)
    return AuditsGiven(items=[AuditLineGiven.model_validate(_given(each)) for each in found])


async def _lines(conn: AsyncConnection, wanted: AuditWanted) -> list[KeptLine]:
    provider = None if wanted.provider is None else ProviderId(wanted.provider)
    return await lines_of(conn, wanted.limit, provider, wanted.before)


def _given(line: KeptLine) -> dict[str, Any]:
    return {
        "provider": line.provider, "day": line.day, "calls": line.calls, "misses": line.misses,
        "callbacks": line.callbacks, "difference": line.difference, "audited_at": line.audited_at,
        "differences": line.detail["differences"], "known": line.detail["known"],
    }  # fmt: skip


async def proof_of(conn: AsyncConnection, providers: list[Provider], now: datetime) -> Proof | None:
    """Today's line for these providers; ``None`` before the first audit of the day."""
    found = await today_of(conn, {provider.id: provider.timezone for provider in providers}, now)
    if not found:
        return None
    return Proof(
        calls=sum(each.calls for each in found),
        misses=sum(each.misses for each in found),
        callbacks=sum(each.callbacks for each in found),
        difference=sum(each.difference for each in found),
        audited_at=min(each.audited_at for each in found),
    )


async def page(request: web.Request) -> web.StreamResponse:
    """Each provider's days, the newest first; empty differences are how it should look."""
    ports, visitor, wanted = request.app[PORTS], must_lead(request), query_of(request, AuditWanted)
    providers = visible_providers(ports.book(), visitor)
    async with ports.db.scoped(visitor.scope) as conn:
        lines = await _lines(conn, wanted)
        proof = await proof_of(conn, list(providers), ports.clock())
    full = len(lines) == wanted.limit
    return request.app[PAGES].page(
        request,
        "audit.html",
        lines=lines,
        proof=proof,
        providers={provider.id: provider for provider in providers},
        wanted=wanted,
        before=lines[-1].day if full else None,
        query=filters_of(wanted.model_copy(update={"before": None})),
        zone=zone_of(providers),
    )


API = (
    Route("GET", "/audit", "list_audits", "Each provider's days held against the journal, newest first", AuditWanted,
          AuditsGiven, list_audits, role="lead", tag="callbacks"),
)  # fmt: skip
ROUTES = (web.get("/audit", page),)
