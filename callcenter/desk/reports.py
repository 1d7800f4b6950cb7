"""Reports in the web: the page, its files, and the same figures as JSON. An agent is shown their own numbers only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any

from aiohttp import hdrs, web
from pydantic import Field, create_model, model_validator

from callcenter.desk import report_charts as charts
from callcenter.desk.api import Ask, Gives, Id, Route, Takes, filters_of, not_found, query_of
from callcenter.desk.calls import Day
from callcenter.desk.languages import Catalogue
from callcenter.desk.pages import PAGES, PORTS, catalogue_of, language_of, visible_providers, visitor_of, zone_of
from callcenter.reports.periods import LONGEST_DAYS, PRESETS, Days, Preset, days_of, today_in
from callcenter.reports.queries import Wanted
from callcenter.reports.reading import Asked, read_sheet, read_sheets
from callcenter.reports.sheets import (
    CALLS,
    DEBTS,
    KINDS,
    WORK,
    Column,
    Kind,
    Names,
    Part,
    Row,
    Sheet,
    csv_lines,
    file_name,
)
from callcenter.reports.workbook import write_workbook
from callcenter.routing.book import Provider
from callcenter.words import Language, ProviderId

CHUNK = 64 * 1024
CSV_LINES = 500
HOURLY_DAYS = 2
"""A chart of so many days has a bar an hour."""

QueueName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Extension = Annotated[str, Field(pattern=r"^[0-9]{2,6}$")]


class _Filters(Takes):
    first: Day | None = None
    """The first day, on each provider's own calendar; today when neither day is given."""
    last: Day | None = None
    """The last day, which is counted too."""
    provider: Id | None = None
    queue: QueueName | None = None
    agent: Extension | None = None
    """Calls that this extension talked in or that rang there. An agent always asks for their own."""


class ReportWanted(_Filters):
    by: Part = Part.ALL
    """What the rows are."""

    @model_validator(mode="after")
    def _possible(self) -> ReportWanted:
        if self.first and self.last and not 0 <= (self.last - self.first).days < LONGEST_DAYS:
            raise ValueError(f"a period of 1 to {LONGEST_DAYS} days")
        return self


class ReportOnPage(_Filters):
    preset: Preset | None = None
    by: Part = Part.DAY
    """Of a file: what its rows are."""


_MEANS: dict[Kind, str] = {
    "count": "A count", "share": "A share, 0 to 1; null of nothing", "seconds": "Seconds; null of nothing",
}  # fmt: skip
_TYPES: dict[Kind, Any] = {"count": int | None, "share": float | None, "seconds": float | None}
_COLUMNS = (*(each.column for each in CALLS), *(each.column for each in DEBTS), *(each.column for each in WORK))
_FIELDS: dict[str, Any] = {
    column.name: (_TYPES[column.kind], Field(None, description=_MEANS[column.kind])) for column in _COLUMNS
}
ReportFigures = create_model(
    "ReportFigures",
    __base__=Gives,
    __doc__="The figures of a row; those that rows of this kind do not have are null.",
    **_FIELDS,
)


class ReportRow(Gives):
    """What a row is of, and its figures."""

    provider: str | None = None
    """The slug."""
    brand: str | None = None
    queue: str | None = None
    """Empty for calls that reached no queue."""
    extension: str | None = None
    agent: str | None = None
    reason: str | None = None
    """The code; empty where no agent named one."""
    reason_name: str | None = None
    day: date | None = None
    hour: datetime | None = None
    weekday: int | None = None
    """Monday is 0."""
    clock: int | None = None
    """The hour on the wall clock."""
    figures: ReportFigures


class ReportGiven(Gives):
    """A report: the same values as on the page and in its files."""

    first: date
    last: date
    zone: str
    """Whose wall clock hours are shown on."""
    by: Part
    rows: list[ReportRow]
    total: ReportFigures | None


# ---- what is asked


def _asked(ask: Ask, wanted: _Filters, language: Language, preset: Preset | None = None) -> Asked:
    """The report this visitor may see; 404 for a provider, queue or agent that is not theirs to know."""
    book, now = ask.ports.book(), ask.ports.clock()
    providers = {provider.id: provider for provider in visible_providers(book, ask.visitor)}
    chosen = _provider(providers, wanted.provider)
    if wanted.queue is not None:
        queue = book.queue_named(wanted.queue)
        if queue is None or queue.provider not in providers or (chosen and queue.provider != chosen.id):
            raise not_found()
    zone = chosen.timezone if chosen else zone_of(providers.values())
    today = today_in(zone, now)
    days = days_of(preset, today) if preset else _days(wanted, today)
    asks = Wanted(days, None if chosen is None else chosen.id, wanted.queue, _agent(ask, wanted.agent))
    return Asked(asks, days, zone, Names.of(book, language), now)


def _provider(providers: dict[ProviderId, Provider], wanted: int | None) -> Provider | None:
    if wanted is None:
        return None
    if ProviderId(wanted) not in providers:
        raise not_found()
    return providers[ProviderId(wanted)]


def _agent(ask: Ask, wanted: str | None) -> str | None:
    visitor, book = ask.visitor, ask.ports.book()
    if not visitor.leads:
        if visitor.extension is None:
            raise web.HTTPForbidden
        if wanted not in {None, visitor.extension}:
            raise not_found()
        return visitor.extension
    if wanted is None:
        return None
    seen = visitor.scope.providers is None or book.providers_of(wanted) & visitor.scope.providers
    if book.agent(wanted) is None or not seen:
        raise not_found()
    return wanted


def _days(wanted: _Filters, today: date) -> Days:
    """One day that is given stands for both; a person may mix them up."""
    ends = sorted((wanted.first or wanted.last or today, wanted.last or wanted.first or today))
    first, last = ends
    return Days(max(first, date.fromordinal(last.toordinal() - LONGEST_DAYS + 1)), last)


# ---- as JSON


async def api_report(ask: Ask, wanted: ReportWanted) -> ReportGiven:
    asked = _asked(ask, wanted, language_of(ask.request))
    async with ask.ports.db.scoped(ask.scope, snapshot=True) as connection:
        sheet = await read_sheet(connection, asked, wanted.by)
    return ReportGiven(
        first=asked.days.first,
        last=asked.days.last,
        zone=asked.zone.key,
        by=wanted.by,
        rows=[ReportRow(**_named(sheet.titles, row.title), figures=_figures(sheet, row)) for row in sheet.rows],
        total=None if sheet.total is None else _figures(sheet, sheet.total),
    )


def _named(columns: tuple[Column, ...], values: tuple[Any, ...]) -> dict[str, Any]:
    return {column.name: value for column, value in zip(columns, values, strict=True)}


def _figures(sheet: Sheet, row: Row) -> Any:
    return ReportFigures(**_named(sheet.figures, row.values))


# ---- as files


async def csv_file(request: web.Request) -> web.StreamResponse:
    """The sheet as CSV, sent as it is written."""
    asked, sheet = await _sheet_of(request)
    response = _download(asked, sheet, "csv", "text/csv; charset=utf-8")
    await response.prepare(request)
    await response.write(b"\xef\xbb\xbf")  # else spreadsheets read Cyrillic letters as something else
    lines = csv_lines(sheet)
    while chunk := "".join(_some(lines)):
        await response.write(chunk.encode())
    await response.write_eof()
    return response


def _some(lines: Iterator[str]) -> Iterator[str]:
    for _, line in zip(range(CSV_LINES), lines, strict=False):
        yield line


async def xlsx_file(request: web.Request) -> web.StreamResponse:
    """The sheet as XLSX, its titles in the reader's language."""
    asked, sheet = await _sheet_of(request)
    words = catalogue_of(request)
    titles = [title_of(words, column) for column in sheet.columns]
    weekdays = [words.text(f"weekday.{day}") for day in range(7)]
    name = f"{asked.days.first:%Y-%m-%d} {asked.days.last:%Y-%m-%d}"
    book = await asyncio.to_thread(write_workbook, sheet, titles, weekdays, name, words.text("reports.title"))
    with book:
        response = _download(asked, sheet, "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        await response.prepare(request)
        while chunk := book.read(CHUNK):
            await response.write(chunk)
        await response.write_eof()
    return response


async def _sheet_of(request: web.Request) -> tuple[Asked, Sheet]:
    ask = Ask(request, request.app[PORTS], visitor_of(request))
    wanted = query_of(request, ReportOnPage)
    asked = _asked(ask, wanted, language_of(request), wanted.preset)
    async with ask.ports.db.scoped(ask.scope, snapshot=True) as connection:
        return asked, await read_sheet(connection, asked, wanted.by)


def _download(asked: Asked, sheet: Sheet, suffix: str, kind: str) -> web.StreamResponse:
    provider = asked.wanted.provider
    slug = None if provider is None else asked.names.provider(provider)[0]
    name = file_name(slug, asked.days.first, asked.days.last, sheet.part, suffix)
    headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"', hdrs.CACHE_CONTROL: "no-store"}
    return web.StreamResponse(headers={**headers, hdrs.CONTENT_TYPE: kind})


def title_of(words: Catalogue, column: Column) -> str:
    """What a column is called; a kind of miss is called as everywhere else."""
    key = f"figure.{column.name}"
    return words.text(key if words.knows(key) else f"outcome.{column.name}")


# ---- as a page


async def page(request: web.Request) -> web.StreamResponse:
    """Numbers first, then pictures, then tables; all of one moment."""
    ask = Ask(request, request.app[PORTS], visitor_of(request))
    wanted = query_of(request, ReportOnPage)
    asked = _asked(ask, wanted, language_of(request), wanted.preset)
    own = not ask.visitor.leads
    timeline = Part.HOUR if asked.days.count <= HOURLY_DAYS else Part.DAY
    parts = (Part.ALL, timeline, Part.WEEK, Part.PROVIDER, Part.QUEUE, Part.AGENT, Part.REASON)
    async with ask.ports.db.scoped(ask.scope, snapshot=True) as connection:
        sheets = await read_sheets(connection, asked, parts)
    book, words = ask.ports.book(), catalogue_of(request)
    providers = {provider.id: provider for provider in visible_providers(book, ask.visitor)}
    chosen = _understood(wanted, asked)
    today = today_in(asked.zone, asked.now)
    return request.app[PAGES].page(
        request,
        "reports.html",
        asked=asked,
        presets=PRESETS,
        chosen_preset=next((preset for preset in PRESETS if days_of(preset, today) == asked.days), None),
        whole=dict(zip((c.name for c in sheets[Part.ALL].figures), sheets[Part.ALL].rows[0].values, strict=True)),
        sheets=sheets,
        timeline=charts.columns(sheets[timeline], words, asked.zone),
        week=charts.week(sheets[Part.WEEK]),
        kinds=charts.kinds(sheets[Part.ALL]),
        own=own,
        providers=providers,
        queues=[queue for queue in book.queues if queue.provider in providers],
        agents=() if own else [agent for agent in book.agents if _is_seen(ask, agent.extension)],
        provider_ids={provider.slug: provider.id for provider in providers.values()},
        query=filters_of(chosen),
        others=filters_of(chosen.model_copy(update={"first": None, "last": None})),
        kind_names=KINDS,
        all_names={column.name for column in sheets[Part.ALL].figures},
        title=lambda column: title_of(words, column),
        level=_level(providers, asked.wanted.provider),
    )


def _is_seen(ask: Ask, extension: str) -> bool:
    scope = ask.visitor.scope.providers
    return scope is None or bool(ask.ports.book().providers_of(extension) & scope)


def _understood(wanted: ReportOnPage, asked: Asked) -> ReportOnPage:
    """The filters as they were understood, for links: the days that a preset meant."""
    days = {"first": asked.days.first, "last": asked.days.last, "by": Part.DAY, "preset": None}
    return wanted.model_copy(update=days)


def _level(providers: dict[ProviderId, Provider], chosen: ProviderId | None) -> int | None:
    """The seconds of the service level, where all the providers one looks at have the same."""
    levels = {provider.service_level_s for provider in providers.values() if chosen in {None, provider.id}}
    return levels.pop() if len(levels) == 1 else None


API = (
    Route(
        "GET", "/reports", "get_report", "Figures of a period from the ledger", ReportWanted, ReportGiven, api_report,
        tag="reports",
    ),
)  # fmt: skip
ROUTES = (
    web.get("/reports", page),
    web.get("/reports/report.csv", csv_file),
    web.get("/reports/report.xlsx", xlsx_file),
)
