"""What a human must see: open alarms, and rows of the journal that could not be read or stored."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.aside import aside_count, aside_rows, resolve_aside
from callcenter.desk.api import Ask, Gives, Id, Limit, Nothing, Route, Takes, not_found
from callcenter.desk.guard import Handler, is_api, must_supervise
from callcenter.desk.pages import ALARMS_OPEN, PAGES, PORTS, VISITOR, visible_providers, zone_of
from callcenter.desk.sessions import Visitor
from callcenter.store.alarms import clear_alarm, open_alarms

MOST_SHOWN = 2000
"""Characters of a piece; ``callcenter journal set-aside list`` shows all that was kept."""


class AlarmGiven(Gives):
    """``kind`` is a fixed word, ``subject`` what it is about; a repeated alarm counts ``times`` up."""

    id: Id
    provider: Id | None
    kind: str
    subject: str
    detail: str
    raised_at: datetime
    last_at: datetime
    times: int


class AlarmsGiven(Gives):
    items: list[AlarmGiven]


class AlarmWanted(Takes):
    alarm: Id


class SetAsideWanted(Takes):
    limit: Limit = 100


class SetAsideGiven(Gives):
    """A row of a journal that could not be read or stored. ``raw`` shows bytes that are no text as ``\\xNN``."""

    id: Id
    source: str
    path: str
    position: int
    raw: str
    reason: str
    seen_at: datetime


class SetAsidesGiven(Gives):
    items: list[SetAsideGiven]
    open: int
    """How many wait for somebody to look, shown here or not."""


class RowWanted(Takes):
    row: Id


async def api_list(ask: Ask, _: Nothing) -> AlarmsGiven:
    async with ask.ports.db.scoped(ask.scope) as conn:
        return AlarmsGiven(items=[AlarmGiven.model_validate(alarm) for alarm in await open_alarms(conn)])


async def clear(ask: Ask, wanted: AlarmWanted) -> None:
    """A supervisor clears an alarm; if its cause is still there it comes back by itself."""
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = (await conn.execute(_ALARM, {"id": wanted.alarm})).one_or_none()
        if found is None:
            raise not_found()
        await clear_alarm(conn, found.kind, found.subject, at=ask.ports.clock(), by=ask.visitor.who)
    ask.ports.changed()


def must_see_all(visitor: Visitor) -> None:
    """A journal row that cannot be read may be anybody's: only who sees every provider sees it."""
    if not visitor.supervises_all:
        raise not_found()


async def api_set_aside(ask: Ask, wanted: SetAsideWanted) -> SetAsidesGiven:
    must_see_all(ask.visitor)
    async with ask.ports.db.scoped(ask.scope) as conn:
        rows = await set_aside_rows(conn, wanted.limit)
        waiting = await aside_count(conn)
    return SetAsidesGiven(items=rows, open=waiting)


async def set_aside_rows(conn: AsyncConnection, limit: int) -> list[SetAsideGiven]:
    return [
        SetAsideGiven(
            id=row.id,
            source=row.source,
            path=row.path,
            position=row.position,
            raw=row.shown[:MOST_SHOWN],
            reason=row.reason,
            seen_at=row.seen_at,
        )
        for row in await aside_rows(conn, limit, newest_first=True, most_bytes=MOST_SHOWN)
    ]


async def resolve(ask: Ask, wanted: RowWanted) -> None:
    """Somebody has looked at the row and it needs nothing further."""
    must_see_all(ask.visitor)
    async with ask.ports.db.scoped(ask.scope) as conn:
        if not await resolve_aside(conn, wanted.row, by=ask.visitor.who, at=ask.ports.clock()):
            raise not_found()
    ask.ports.changed()


async def page(request: web.Request) -> web.StreamResponse:
    """Alarms and set-aside rows on one page: empty is how it should look."""
    ports, visitor = request.app[PORTS], must_supervise(request)
    async with ports.db.scoped(visitor.scope) as conn:
        alarms = await open_alarms(conn)
        rows = await set_aside_rows(conn, 100) if visitor.supervises_all else []
    providers = {provider.id: provider for provider in visible_providers(ports.book(), visitor)}
    return request.app[PAGES].page(
        request, "alarms.html", alarms=alarms, rows=rows, providers=providers, zone=zone_of(providers.values())
    )


async def clear_on_page(request: web.Request) -> web.StreamResponse:
    visitor = must_supervise(request)
    await clear(Ask(request, request.app[PORTS], visitor), AlarmWanted(alarm=int(request.match_info["alarm"])))
    raise web.HTTPSeeOther("/alarms")


async def resolve_on_page(request: web.Request) -> web.StreamResponse:
    visitor = must_supervise(request)
    await resolve(Ask(request, request.app[PORTS], visitor), RowWanted(row=int(request.match_info["row"])))
    raise web.HTTPSeeOther("/alarms")


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A supervisor sees on every page that there are alarms."""
    visitor: Visitor | None = request.get(VISITOR)
    if visitor is not None and visitor.role == "supervisor" and visitor.user is not None and not is_api(request):
        async with request.app[PORTS].db.scoped(visitor.scope) as conn:
            request[ALARMS_OPEN] = int((await conn.execute(_HOW_MANY)).scalar_one())
    return await handler(request)


_HOW_MANY = text("SELECT count(*) FROM alarm WHERE cleared_at IS NULL")
_ALARM = text("SELECT kind, subject FROM alarm WHERE id = :id AND cleared_at IS NULL")

API = (
    Route("GET", "/alarms", "list_alarms", "Open alarms, newest first", Nothing, AlarmsGiven, api_list,
          role="supervisor", tag="alarms"),
    Route("POST", "/alarms/{alarm}/clear", "clear_alarm", "Clear an alarm", AlarmWanted, None, clear,
          role="supervisor", tag="alarms"),
    Route("GET", "/set-aside", "list_set_aside", "Journal rows that could not be read or stored", SetAsideWanted,
          SetAsidesGiven, api_set_aside, role="supervisor", tag="alarms"),
    Route("POST", "/set-aside/{row}/resolve", "resolve_set_aside", "Somebody has looked at the row", RowWanted, None,
          resolve, role="supervisor", tag="alarms"),
)  # fmt: skip
ROUTES = (
    web.get("/alarms", page),
    web.post(r"/alarms/{alarm:[1-9][0-9]{0,17}}/clear", clear_on_page),
    web.post(r"/set-aside/{row:[1-9][0-9]{0,17}}/resolve", resolve_on_page),
)
