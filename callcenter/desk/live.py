"""The agent's page: one HTML page and one WebSocket that draws its regions, the whole first and then what changes.

A frame is ``{"seq": 1, "full": true, "now": 1795380250123, "regions": {"card": "<article>…"}}``; ``now`` is the
service's clock in milliseconds. A page that misses a frame asks for the whole by connecting again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeAlias

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from callcenter.desk.agent_words import AgentWords
from callcenter.desk.card import Stage
from callcenter.desk.greeting import greeting_sentence
from callcenter.desk.lookups import OPEN_CALLBACKS
from callcenter.desk.pages import PAGES, PORTS, SESSIONS, visible_providers, visitor_of
from callcenter.desk.screen import Region, Screen
from callcenter.desk.screens import Screens
from callcenter.desk.sessions import Visitor
from callcenter.errors import Unavailable
from callcenter.store import Scope
from callcenter.words import Language, SubscriberId, UniqueId

log = logging.getLogger(__name__)

STILL_ALLOWED_EVERY = 30.0
"""Seconds between two looks at whether the session is still open."""
PING_EVERY = 20.0
CLOSE_WITHIN = 2.0
SIGNED_OUT = 4401
COME_BACK = 1012
NONSENSE = 1008


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _CardOrder(_Order):
    call: Annotated[str, Field(max_length=80)]


class Choose(_CardOrder):
    """Which of several subscribers calls; nobody asks again."""

    do: Literal["choose"]
    subscriber: Annotated[int, Field(ge=1, le=2**63 - 1)] | None


class ReadAgain(_CardOrder):
    do: Literal["read_again"]


class Dismiss(_CardOrder):
    do: Literal["dismiss"]


Order: TypeAlias = Choose | ReadAgain | Dismiss
ORDER: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="do")])


class LivePage:
    """Serves the page to agents and keeps each open one up to the present."""

    def __init__(self, screens: Screens) -> None:
        self._screens = screens
        self._lists: dict[tuple[Language, Scope], tuple[object, str]] = {}

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The frame of the page; its regions come over the socket."""
        visitor = visitor_of(request)
        if visitor.extension is None:
            return request.app[PAGES].page(request, "agent_none.html")
        return request.app[PAGES].page(request, "agent.html", regions=list(Region))

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """Draws until the browser goes, the session ends or the service stops. 403 for who has no phone."""
        visitor = visitor_of(request)
        if visitor.extension is None or visitor.user is None:
            raise web.HTTPForbidden
        ws = web.WebSocketResponse(timeout=CLOSE_WITHIN, heartbeat=PING_EVERY, max_msg_size=4096, compress=False)
        await ws.prepare(request)
        with self._screens.opened(visitor.extension, visitor.scope) as screen:
            try:
                async with asyncio.TaskGroup() as group:
                    others = (
                        group.create_task(self._draw(request, ws, visitor, screen)),
                        group.create_task(self._watch(request, ws, visitor, screen)),
                    )
                    await self._obey(ws, screen)
                    for other in others:
                        other.cancel()
            except* ConnectionError:
                pass  # the browser has gone: it comes back by itself
        return ws

    async def _draw(self, request: web.Request, ws: web.WebSocketResponse, visitor: Visitor, screen: Screen) -> None:
        """A browser that does not read waits here alone."""
        seq = 0
        while (regions := await screen.changes()) is not None:
            seq += 1
            frame = {
                "seq": seq,
                "full": seq == 1,
                "now": round(request.app[PORTS].clock().timestamp() * 1000),
                "regions": {region: self._region(request, visitor, screen, region) for region in sorted(regions)},
            }
            await ws.send_str(json.dumps(frame, ensure_ascii=False))
        await ws.close(code=COME_BACK)

    async def _watch(self, request: web.Request, ws: web.WebSocketResponse, visitor: Visitor, screen: Screen) -> None:
        """Who signed out, was disabled or works for other providers by now sees no more than that."""
        while True:
            await asyncio.sleep(STILL_ALLOWED_EVERY)
            try:
                still = await request.app[SESSIONS].still(visitor.session, request.app[PORTS].book())
            except Unavailable:
                continue  # nobody can be asked now; agents go on working
            if still is None:
                await ws.close(code=SIGNED_OUT)
            elif (still.extension, still.scope, still.language) != (
                screen.extension, screen.scope, visitor.language,
            ):  # fmt: skip
                await ws.close(code=COME_BACK)

    async def _obey(self, ws: web.WebSocketResponse, screen: Screen) -> None:
        async for message in ws:
            if message.type is not WSMsgType.TEXT:
                break
            try:
                order = ORDER.validate_json(message.data)
            except ValidationError:
                await ws.close(code=NONSENSE)
                break
            self._carry_out(order, screen)

    def _carry_out(self, order: Order, screen: Screen) -> None:
        """Orders are about the agent's own card, and only as far as they may see it."""
        call, shown = UniqueId(order.call), self._screens.shown(screen.extension)
        if isinstance(order, Dismiss):
            self._screens.dismiss(screen.extension, call)
        elif shown is None or shown[0].call != call or not screen.scope.holds(shown[0].provider.id):
            return
        elif isinstance(order, Choose):
            chosen = None if order.subscriber is None else SubscriberId(order.subscriber)
            self._screens.choose(screen.extension, call, chosen)
        else:
            self._screens.read_again(screen.extension, call)

    def _region(self, request: web.Request, visitor: Visitor, screen: Screen, region: Region) -> str:
        """A region that cannot be drawn says so in its place: the others, and the agent, go on."""
        try:
            return self._drawn(request, visitor, screen, region)
        except Exception:  # one row nobody thought of must not take the page away from an agent who talks
            log.exception("the region %s of agent %s could not be drawn", region, screen.extension)
            return request.app[PAGES].fragment(visitor.language, "agent/undrawn.html")

    def _drawn(self, request: web.Request, visitor: Visitor, screen: Screen, region: Region) -> str:
        ports = request.app[PORTS]
        values: dict[str, Any] = {
            "visitor": visitor,
            "words": AgentWords(request.app[PAGES].catalogues[visitor.language]),
            "csrf": visitor.csrf,
            "now": ports.clock(),
            "providers": {provider.id: provider for provider in visible_providers(ports.book(), visitor)},
        }
        rail = self._screens.rail
        match region:
            case Region.CALLBACKS:
                return self._list_of_callbacks(request, visitor, screen, values)
            case Region.LINK:
                values["lost_since"] = self._screens.lost_since
            case Region.STATUS | Region.IDLE:
                values |= {"status": rail.status(screen), "most": OPEN_CALLBACKS}
            case Region.CALLS:
                values["calls"] = rail.calls(screen)
            case Region.CARD | Region.PAST:
                values |= self._card_values(request, screen)
        return request.app[PAGES].fragment(visitor.language, f"agent/{region}.html", **values)

    def _list_of_callbacks(self, request: web.Request, visitor: Visitor, screen: Screen, values: dict[str, Any]) -> str:
        """Pages of the same providers and language show the same promises: they are drawn once for all of them."""
        owed = self._screens.rail.owed(screen)
        drawn = self._lists.get((visitor.language, screen.scope))
        if drawn is None or drawn[0] is not owed:
            html = request.app[PAGES].fragment(visitor.language, "agent/callbacks.html", **values, owed=owed)
            drawn = self._lists[visitor.language, screen.scope] = (owed, html)
        return drawn[1]

    def _card_values(self, request: web.Request, screen: Screen) -> dict[str, Any]:
        """The card on top; one of a provider the agent does not work for shows nothing of it."""
        ports, shown = request.app[PORTS], self._screens.shown(screen.extension)
        if shown is None:
            return {"card": None, "seat": None, "withheld": False}
        card, seat = shown
        agents = {agent.extension: agent.name for agent in ports.book().agents}
        name = agents.get(screen.extension, "")
        return {
            "card": card,
            "seat": seat,
            "withheld": not screen.scope.holds(card.provider.id),
            "greeting": greeting_sentence(
                card.provider, card.language, name, ports.clock(), calls_back=seat.stage is Stage.CALLING
            ),
            "agents": agents,
            "zone": card.provider.timezone,
        }


def live_routes(screens: Screens) -> Iterable[web.AbstractRouteDef]:
    """What ``make_app`` is given besides its own routes."""
    live = LivePage(screens)
    return [web.get("/agent", live.page), web.get("/desk/live", live.socket)]
