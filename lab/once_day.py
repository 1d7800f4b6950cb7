"""The working day in ``make demo ONCE=1``: holding, a place that is kept, figures that agree, the proof at the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import aiohttp

from lab.house import House
from lab.once_calls import KRAY, Scene
from lab.promises import must, until
from lab.sip import CONTROLLED, Behaviour, Call

AGENT = "104"
KYIV = ZoneInfo("Europe/Kyiv")


class WorkingDay(Scene):
    """Край, agent 104, after everything else: nobody else calls any more."""

    async def run(self) -> None:
        books = self.books
        self.set(CONTROLLED, AGENT)
        await books.check("a caller on hold hears music, and is talked with again", self._hold())
        await books.check("who keeps their place by a key is called back in their turn", self._place())
        await books.check("wallboard and report count the same", self._figures())
        await books.check("the journal's files and the books agree on every call of today", self._audit())

    async def _hold(self) -> str:
        number = "+380639700001"
        caller = await self.house.dial(KRAY, number[1:])
        ringing = await self.house.phones[AGENT].rings(25)
        ringing.answer()
        await self.books.talking(number)
        await asyncio.sleep(2)
        async with page_of(self.house, AGENT) as browser:
            await self._order(browser, "hold")
            await self._hears(caller, voice=False)
            await self._order(browser, "unhold")
            await self._hears(caller, voice=True)
            await self._order(browser, "hang-up")
        await caller.ended(10)
        call = await self.books.over(number, "answered")
        kinds = [each["kind"] for each in call.get("segments", [])] or ["held"]
        return f"one call, {call['talked_s']:.1f} s of talk ({', '.join(kinds)})"

    async def _order(self, browser: aiohttp.ClientSession, what: str) -> None:
        async with browser.post(f"/api/v1/agents/{AGENT}/{what}", json={}) as reply:
            must(reply.status == 204, f"{what}: {reply.status} {await reply.text()}")

    async def _hears(self, caller: Call, *, voice: bool) -> None:
        """The caller hears the agent's tone, or music instead."""

        async def ask() -> bool:
            audio = caller.audio
            return audio is not None and bool(audio.heard(0.5)) and audio.hears(880) is voice

        await until(ask, 15, f"the agent's voice is {'back' if voice else 'gone'}")

    async def _place(self) -> str:
        number = "+380639700002"
        await self.house.api("POST", f"/agents/{AGENT}/pause", json={"reason": "break"})
        self.house.callers.anybody = self.house.callers.phone("subscriber", Behaviour(answer_after=0.3, hangup_after=7))
        caller = await self.house.dial(KRAY, number[1:])
        await self.books.call(number, lambda call: call["queued_at"] is not None, f"{number} waits")
        await caller.press("1")
        await caller.ended(20)
        await self.books.over(number, "asked_callback")
        await self.books.owed_once(number)
        await self.house.api("POST", f"/agents/{AGENT}/ready", json={})
        ringing = await self.house.phones[AGENT].rings(30)
        ringing.answer()
        await until(lambda: self._is_paid(number), 30, f"{number} is called back")
        self.house.callers.anybody = None
        return "pressed 1, was called when an agent was free, the callback is paid"

    async def _is_paid(self, number: str) -> bool:
        return not await self.books.owed(number)

    async def _figures(self) -> str:
        today = datetime.now(UTC).astimezone(KYIV).date()
        board = await self.house.api("GET", "/wallboard")
        on_board = {each["brand"]: each["today"] for each in board["providers"]}
        days = {"first": str(today), "last": str(today), "by": "provider"}
        report = await self.house.api("GET", "/reports", params=days)
        in_report = {each["brand"]: each["figures"] for each in report["rows"]}
        for brand, figures in on_board.items():
            for name in ("came", "answered", "missed"):
                shown, counted = figures[name], in_report.get(brand, {}).get(name, 0)
                must(shown == counted, f"{brand}: {name} {shown} on the wallboard, {counted} in the report")
        came, missed = (sum(each[name] for each in on_board.values()) for name in ("came", "missed"))
        return f"{len(on_board)} providers, {came} calls, {missed} missed"

    async def _audit(self) -> str:
        today = datetime.now(UTC).astimezone(KYIV).date()
        answer = await self.house.callcenter("callbacks", "audit", "--day", str(today), "--json")
        said = json.loads(answer)["providers"]
        must(not any(each["difference"] for each in said), str(said))
        calls, misses = (sum(each[name] for each in said) for name in ("calls", "misses"))
        return f"{calls} calls, {misses} missed, each with its callback: difference 0"


@asynccontextmanager
async def page_of(house: House, extension: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An agent's session as their browser has it, ready to order."""
    login, jar = f"agent{extension}", aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(house.url, headers={"Origin": house.url}, cookie_jar=jar) as browser:
        form = {"login": login, "password": house.passwords[login]}
        async with browser.post("/sign-in", data=form, allow_redirects=False) as reply:
            must(reply.status == 303, f"sign-in of {login}: {reply.status}")
        async with browser.get("/api/v1/me") as reply:
            browser.headers["X-CSRF-Token"] = (await reply.json())["csrf"]
        yield browser
