"""The wallboard: what happens now and what was counted today, for who leads. One page, one WebSocket, one API route."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import web

from callcenter.desk.agent_words import AgentWords
from callcenter.desk.api import Ask, Gives, Id, Nothing, Route
from callcenter.desk.guard import must_lead
from callcenter.desk.live_state import AgentState
from callcenter.desk.pages import PAGES, PORTS, zone_of
from callcenter.desk.sessions import Visitor
from callcenter.desk.socket import OpenPage
from callcenter.desk.wall import Owed, ProviderRow, QueueRow, Wall, wall_of
from callcenter.desk.wall_counts import read_counts
from callcenter.desk.wallboard_feed import OpenBoard, WallboardFeed
from callcenter.reports.measures import Tally
from callcenter.routing.reasons import pause_reasons
from callcenter.store import Scope
from callcenter.words import Language


class WallboardPage:
    """Serves the page; what is drawn for one reader is drawn for all who may see the same."""

    def __init__(self, feed: WallboardFeed) -> None:
        self._feed = feed
        self._drawn: dict[tuple[Language, Scope, bool], tuple[Wall, dict[str, str]]] = {}

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The frame of the page; ``?screen=1`` is for a screen on the wall: large, and nothing to press."""
        must_lead(request)
        return request.app[PAGES].page(request, "wallboard.html", on_wall=request.query.get("screen") == "1")

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """Draws for who leads; 403 for agents and programs."""
        visitor = must_lead(request)
        if visitor.user is None:
            raise web.HTTPForbidden
        with self._feed.opened(visitor.scope) as board:
            return await OpenPage(
                request, visitor, partial(_changes, board), partial(self._region, request, visitor)
            ).serve()

    def _region(self, request: web.Request, visitor: Visitor, region: str) -> str:
        wall = self._feed.wall(visitor.scope)
        key = (visitor.language, visitor.scope, visitor.role == "supervisor")
        drawn = self._drawn.get(key)
        if drawn is None or drawn[0] is not wall:
            self._drawn = {each: kept for each, kept in self._drawn.items() if self._feed.is_shown(each[1])}
            drawn = self._drawn[key] = (wall, {})
        if region not in drawn[1]:
            drawn[1][region] = self._draw(request, visitor, wall, region)
        return drawn[1][region]

    def _draw(self, request: web.Request, visitor: Visitor, wall: Wall, region: str) -> str:
        ports, pages = request.app[PORTS], request.app[PAGES]
        book = ports.book()
        kind, _, which = region.partition(":")
        values: dict[str, Any] = {
            "wall": wall,
            "now": ports.clock(),
            "words": AgentWords(pages.catalogues[visitor.language]),
            "reasons": pause_reasons(book),
            "providers": {row.provider.id: row.provider for row in wall.providers},
            "zone": zone_of(row.provider for row in wall.providers),
            "supervises": visitor.role == "supervisor",
        }
        match kind:
            case "agent":
                row: object = next((each for each in wall.at_work if each.extension == which), None)
            case "provider":
                row = next((each for each in wall.loud if str(each.provider.id) == which), None)
            case _:
                row = wall
        if row is None:
            return ""  # gone since: its list is drawn with the next frame
        return pages.fragment(visitor.language, f"wallboard/{kind}.html", **values, row=row)


async def _changes(board: OpenBoard) -> Collection[str] | None:
    """A list that is drawn as a whole brings its rows with it."""
    regions = await board.changes()
    if regions is None:
        return None
    return [region for region in regions if f"{region.partition(':')[0]}s" not in regions]


# ---- the same for programs


class TodayGiven(Gives):
    """Calls of the provider's own calendar day that are over, by the reports' own definitions."""

    came: int
    offered: int
    answered: int
    missed: int
    service_level: float | None
    """Of the calls offered, the share answered within the provider's seconds: 0 to 1; null of none."""
    kinds: dict[str, int]
    """The missed by kind."""
    short: int
    """Left out as short abandons; their callbacks exist all the same."""


class OwedGiven(Gives):
    open: int
    soon: int
    overdue: int
    decision: int
    no_number: int


class WallQueueGiven(Gives):
    name: str
    waiting: int
    longest_since: datetime | None
    signed_in: int
    ready: int
    today: TodayGiven


class WallProviderGiven(Gives):
    id: Id
    brand: str
    open: bool
    lines: int
    max_lines: int
    waiting: int
    longest_since: datetime | None
    service_level_s: int
    today: TodayGiven
    owed: OwedGiven
    queues: list[WallQueueGiven]


class WallAgentGiven(Gives):
    extension: str
    name: str
    state: AgentState
    since: datetime | None
    reason: str
    until: datetime | None
    provider: Id | None
    """Whose call it is; null when it is none of the providers you may see."""
    call: str | None
    needs: str
    """``no_answer``, ``over_limit``, ``unreachable``, or empty: why somebody should look."""


class WallAlarmGiven(Gives):
    id: Id
    provider: Id | None
    kind: str
    subject: str
    raised_at: datetime


class WallboardGiven(Gives):
    linked: bool
    """False while the link to the PBX is cut: the picture is then as old as ``since``."""
    since: datetime | None
    counted_at: datetime | None
    waiting: int
    longest_since: datetime | None
    today: TodayGiven
    owed: OwedGiven
    states: dict[str, int]
    agents: list[WallAgentGiven]
    providers: list[WallProviderGiven]
    alarms: list[WallAlarmGiven]


async def api_wallboard(ask: Ask, _: Nothing) -> WallboardGiven:
    """Read at this moment, in the visitor's own scope."""
    now = ask.ports.clock()
    async with ask.ports.db.scoped(ask.scope) as conn:
        counts = await read_counts(conn, now)
    wall = wall_of(ask.ports.book(), ask.ports.live(), counts, ask.scope, now)
    figures = wall.figures
    return WallboardGiven(
        linked=wall.linked,
        since=wall.since,
        counted_at=wall.counted_at,
        waiting=figures.waiting,
        longest_since=figures.longest_since,
        today=_today(figures.today),
        owed=_owed(figures.owed),
        states=dict(wall.states),
        agents=[WallAgentGiven.model_validate(agent) for agent in wall.agents],
        providers=[_provider(row) for row in wall.providers],
        alarms=[WallAlarmGiven.model_validate(alarm) for alarm in wall.alarms],
    )


def _today(tally: Tally) -> TodayGiven:
    return TodayGiven(
        came=tally.came,
        offered=tally.offered,
        answered=tally.answered,
        missed=tally.missed,
        service_level=tally.service_level,
        kinds=dict(tally.kinds),
        short=tally.short,
    )


def _owed(owed: Owed) -> OwedGiven:
    return OwedGiven.model_validate(owed)


def _queue(row: QueueRow) -> WallQueueGiven:
    return WallQueueGiven(
        name=row.name,
        waiting=row.waiting,
        longest_since=row.longest_since,
        signed_in=row.signed_in,
        ready=row.ready,
        today=_today(row.today),
    )


def _provider(row: ProviderRow) -> WallProviderGiven:
    return WallProviderGiven(
        id=row.provider.id,
        brand=row.provider.brand,
        open=row.open,
        lines=row.lines,
        max_lines=row.provider.max_lines,
        waiting=row.waiting,
        longest_since=row.longest_since,
        service_level_s=row.provider.service_level_s,
        today=_today(row.today),
        owed=_owed(row.owed),
        queues=[_queue(queue) for queue in row.queues],
    )


API = (
    Route("GET", "/wallboard", "get_wallboard", "What happens now and what was counted today", Nothing, WallboardGiven,
          api_wallboard, role="lead", tag="live"),
)  # fmt: skip


def wallboard_routes(feed: WallboardFeed) -> Iterable[web.AbstractRouteDef]:
    """What ``make_app`` is given besides its own routes."""
    board = WallboardPage(feed)
    return [web.get("/wallboard", board.page), web.get("/desk/wallboard", board.socket)]
