"""The agent's page: one HTML page, its socket, and what is said over it: who calls, read again, done with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from callcenter.desk.agent_regions import AgentRegions
from callcenter.desk.pages import PAGES, PORTS, visible_providers, visitor_of
from callcenter.desk.screen import Region, Screen
from callcenter.desk.screens import Screens
from callcenter.desk.socket import OpenPage
from callcenter.diag.conclusion import Lamp
from callcenter.words import SubscriberId, UniqueId


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


class Diagnose(_CardOrder):
    """The whole line is to be looked at."""

    do: Literal["diagnose"]


class Lit(_CardOrder):
    """What the subscriber says of a lamp of their ONU."""

    do: Literal["lamp"]
    lamp: Lamp
    lit: bool | None
    """``null``: they cannot tell."""


class Dismiss(_CardOrder):
    do: Literal["dismiss"]


Order: TypeAlias = Choose | ReadAgain | Diagnose | Lit | Dismiss
ORDER: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="do")])


class LivePage:
    """Serves the page to agents and keeps each open one up to the present."""

    def __init__(self, screens: Screens) -> None:
        self._screens = screens
        self._regions = AgentRegions(screens)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The frame of the page; its regions come over the socket."""
        visitor = visitor_of(request)
        if visitor.extension is None:
            return request.app[PAGES].page(request, "agent_none.html")
        book = request.app[PORTS].book()
        agent = book.agent(visitor.extension)
        return request.app[PAGES].page(
            request,
            "agent.html",
            providers=visible_providers(book, visitor),
            phone="desk" if agent is None else agent.phone,
            unheard_s=request.app[PORTS].phone.unheard_s,
        )

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """Draws until the browser goes, the session ends or the service stops. 403 for who has no phone."""
        visitor = visitor_of(request)
        if visitor.extension is None or visitor.user is None:
            raise web.HTTPForbidden
        with self._screens.opened(visitor.extension, visitor.scope) as screen:

            def draw(region: str) -> str:
                return self._regions.draw(request, visitor, screen, Region(region))

            def obey(said: str) -> bool:
                try:
                    self._carry_out(ORDER.validate_json(said), screen, visitor.who)
                except ValidationError:
                    return False
                return True

            return await OpenPage(request, visitor, screen.changes, draw, obey).serve()

    def _carry_out(self, order: Order, screen: Screen, who: str) -> None:
        """Orders are about the agent's own card, and only as far as they may see it."""
        call, shown = UniqueId(order.call), self._screens.shown(screen.extension)
        if isinstance(order, Dismiss):
            self._screens.dismiss(screen.extension, call)
        elif shown is None or shown[0].call != call or not screen.scope.holds(shown[0].provider.id):
            return
        elif isinstance(order, Choose):
            chosen = None if order.subscriber is None else SubscriberId(order.subscriber)
            self._screens.choose(screen.extension, call, chosen)
        elif isinstance(order, Diagnose):
            self._screens.diagnose(screen.extension, call, who)
        elif isinstance(order, Lit):
            self._screens.lamp(screen.extension, call, order.lamp, order.lit, who)
        else:
            self._screens.read_again(screen.extension, call)


def live_routes(screens: Screens) -> Iterable[web.AbstractRouteDef]:
    """What ``make_app`` is given besides its own routes."""
    live = LivePage(screens)
    return [web.get("/agent", live.page), web.get("/desk/live", live.socket)]
