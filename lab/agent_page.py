"""An agent's open page as their browser has it: signs in, listens on the WebSocket, keeps what came."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser

import aiohttp

from callcenter.errors import Refused

_CALL = re.compile(r'data-call="([^"]*)"')
_STAGE = re.compile(r'data-stage="([^"]*)"')


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@dataclass(frozen=True, slots=True)
class Shown:
    """The card as it stood after one frame; ``at`` is the machine's monotonic clock in seconds."""

    at: float
    html: str

    @property
    def text(self) -> str:
        """What an agent reads."""
        return " ".join(" ".join(self._parsed.words).split())

    @property
    def tags(self) -> set[str]:
        return self._parsed.tags

    @property
    def _parsed(self) -> _Words:
        parser = _Words()
        parser.feed(self.html)
        return parser

    @property
    def call(self) -> str:
        found = _CALL.search(self.html)
        return found[1] if found else ""

    @property
    def stage(self) -> str:
        """``ringing``, ``talking`` or ``after_call``; empty when no card stands there."""
        found = _STAGE.search(self.html)
        return found[1] if found else ""

    @property
    def is_complete(self) -> bool:
        """Nothing on it is still being looked up."""
        return 'data-complete="true"' in self.html


@dataclass
class AgentPage:
    """Everything the page was shown, oldest first."""

    cards: list[Shown] = field(default_factory=list)
    frames: int = 0
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def card(self) -> Shown:
        return self.cards[-1] if self.cards else Shown(0.0, "")

    def take(self, text: str) -> None:
        self.frames += 1
        regions = json.loads(text)["regions"]
        if "card" in regions:
            self.cards.append(Shown(time.monotonic(), regions["card"]))
        self._came.set()

    async def shows(self, wanted: Callable[[Shown], bool], within: float = 10.0) -> Shown:
        """The first card, of those that came and will come, that is as wanted. Raises ``TimeoutError``."""
        async with asyncio.timeout(within):
            seen = 0
            while True:
                for card in self.cards[seen:]:
                    if wanted(card):
                        return card
                seen = len(self.cards)
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def agent_page(url: str, login: str, password: str) -> AsyncIterator[AgentPage]:
    """Signs in and keeps the page open while the block runs. Raises ``Refused`` when the password is not taken."""
    page = AgentPage()
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(url, headers={"Origin": url}, cookie_jar=jar) as browser:
        async with browser.post(
            "/sign-in", data={"login": login, "password": password, "next": "/agent"}, allow_redirects=False
        ) as answer:
            if answer.status != 303:
                raise Refused("sign-in", f"{login}: {answer.status}")
        async with browser.get("/agent") as frame:
            frame.raise_for_status()
        reading = asyncio.get_running_loop().create_task(_read(browser, page))
        try:
            yield page
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


async def _read(browser: aiohttp.ClientSession, page: AgentPage) -> None:
    """As the browser does: when the service goes, comes back to it."""
    while True:
        with suppress(aiohttp.ClientError):
            async with browser.ws_connect("/desk/live") as socket:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        page.take(message.data)
        await asyncio.sleep(0.2)
