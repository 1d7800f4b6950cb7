"""One open page over a WebSocket: the whole first, then only what changes. The agent's page and the wallboard are such.

A frame is ``{"seq": 1, "full": true, "now": 1795380250123, "regions": {"card": "<article>…"}}``; ``now`` is the
service's clock in milliseconds. A page that misses a frame asks for the whole by connecting again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Generic, TypeVar

from aiohttp import WSMsgType, web

from callcenter.desk.pages import PAGES, PORTS, SESSIONS
from callcenter.desk.sessions import Visitor
from callcenter.errors import Unavailable

log = logging.getLogger(__name__)

STILL_ALLOWED_EVERY = 30.0
"""Seconds between two looks at whether the session is still open."""
PING_EVERY = 20.0
CLOSE_WITHIN = 2.0
SIGNED_OUT = 4401
COME_BACK = 1012
NONSENSE = 1008

Changes = Callable[[], Awaitable[Collection[str] | None]]
"""Waits for something to draw and names the regions; ``None`` when there will be nothing any more."""
Draw = Callable[[str], str]
"""One region as HTML."""
Obey = Callable[[str], bool]
"""Takes in what the page said; False for what no page of ours says."""


def nothing_is_said(_: str) -> bool:
    """A page that only shows."""
    return False


R = TypeVar("R", bound=str)


class Slots(Generic[R]):
    """What one open page has not been shown yet: one slot for each region.

    A browser that does not read costs one small set here, and nobody waits for it: what it missed is not kept but drawn
    anew, as it is by then, when it reads again.
    """

    def __init__(self, everything: Iterable[R]) -> None:
        self._unseen: set[R] = set(everything)
        self._stirred = asyncio.Event()
        self._stirred.set()
        self._closed = False

    def note(self, *regions: R) -> None:
        """These regions are to be drawn again; noting one twice is noting it once."""
        self._unseen.update(regions)
        self._stirred.set()

    def close(self) -> None:
        """The service stops: the page is told to come back."""
        self._closed = True
        self._stirred.set()

    def take(self) -> frozenset[R]:
        """What is to be drawn, which then counts as seen."""
        unseen, self._unseen = frozenset(self._unseen), set()
        self._stirred.clear()
        return unseen

    async def changes(self) -> frozenset[R] | None:
        """Waits for something to draw; ``None`` when there will be nothing any more."""
        await self._stirred.wait()
        return None if self._closed else self.take()


class OpenPage:
    """Draws until the browser goes, the session ends or the service stops."""

    def __init__(
        self, request: web.Request, visitor: Visitor, changes: Changes, draw: Draw, obey: Obey = nothing_is_said
    ) -> None:
        self._request = request
        self._visitor = visitor
        self._changes = changes
        self._draw = draw
        self._obey = obey
        self._ws = web.WebSocketResponse(timeout=CLOSE_WITHIN, heartbeat=PING_EVERY, max_msg_size=4096, compress=False)

    async def serve(self) -> web.WebSocketResponse:
        """Returns when the page is gone."""
        await self._ws.prepare(self._request)
        try:
            async with asyncio.TaskGroup() as group:
                others = (group.create_task(self._keep_drawn()), group.create_task(self._watch()))
                await self._listen()
                for other in others:
                    other.cancel()
        except* ConnectionError:
            pass  # the browser has gone: it comes back by itself
        return self._ws

    async def _keep_drawn(self) -> None:
        """A browser that does not read waits here alone."""
        seq = 0
        while (regions := await self._changes()) is not None:
            seq += 1
            frame = {
                "seq": seq,
                "full": seq == 1,
                "now": round(self._request.app[PORTS].clock().timestamp() * 1000),
                "regions": {region: self._region(region) for region in sorted(regions)},
            }
            await self._ws.send_str(json.dumps(frame, ensure_ascii=False))
        await self._ws.close(code=COME_BACK)

    def _region(self, region: str) -> str:
        """A region that cannot be drawn says so in its place: the others, and the reader, go on."""
        try:
            return self._draw(region)
        except Exception:  # one row nobody thought of must not take the page away from who works with it
            log.exception("the region %s of %s could not be drawn", region, self._visitor.who)
            return self._request.app[PAGES].fragment(self._visitor.language, "agent/undrawn.html")

    async def _watch(self) -> None:
        """Who signed out, was disabled or works for other providers by now sees no more than that."""
        seen = _sight(self._visitor)
        while True:
            await asyncio.sleep(STILL_ALLOWED_EVERY)
            app = self._request.app
            try:
                still = await app[SESSIONS].still(self._visitor.session, app[PORTS].book())
            except Unavailable:
                continue  # nobody can be asked now; people go on working
            if still is None:
                await self._ws.close(code=SIGNED_OUT)
            elif _sight(still) != seen:
                await self._ws.close(code=COME_BACK)

    async def _listen(self) -> None:
        async for message in self._ws:
            if message.type is not WSMsgType.TEXT:
                break
            if not self._obey(message.data):
                await self._ws.close(code=NONSENSE)
                break


def _sight(visitor: Visitor) -> tuple[object, ...]:
    return visitor.extension, visitor.scope, visitor.language, visitor.role
