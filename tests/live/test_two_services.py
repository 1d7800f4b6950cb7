"""Two services on one database and one Asterisk: nobody is dialled twice, nobody is owed twice, one takes over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import pytest_asyncio

from lab.house import House
from lab.service import Service
from lab.sip import Behaviour
from tests.live.conftest import DID, Books, new_number, until
from tests.live.ports import free_port

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def second(house: House) -> AsyncIterator[str]:
    """The address of another service over the same house; it is stopped afterwards."""
    web, ivr = free_port(), free_port()
    url = f"http://127.0.0.1:{web}"
    own = {"CALLCENTER_WEB__PORT": str(web), "CALLCENTER_WEB__PUBLIC_URL": url, "CALLCENTER_IVR__PORT": str(ivr)}
    service = Service(house.settings_file, house.environment | own, house.folder / "second.log", f"{url}/healthz")
    await service.start()
    try:
        yield url
    finally:
        await service.stop()


@asynccontextmanager
async def _signed_in(url: str, house: House, login: str) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(url, headers={"Origin": url}, cookie_jar=jar) as browser:
        form = {"login": login, "password": house.passwords[login]}
        async with browser.post("/sign-in", data=form, allow_redirects=False) as reply:
            assert reply.status == 303
        async with browser.get("/api/v1/me") as reply:
            browser.headers["X-CSRF-Token"] = (await reply.json())["csrf"]
        yield browser


async def test_each_who_gives_up_is_owed_once(house: House, books: Books, second: str) -> None:
    """Pain 2: one request makes two to four callbacks."""
    numbers = [new_number() for _ in range(12)]
    calls = [await house.dial(DID, number) for number in numbers]
    for call in calls:
        await call.answered()
    await asyncio.sleep(1)
    for call in calls:
        call.hangup()
    for number in numbers:
        await books.ended(number)
        assert [each["misses"] for each in await books.callbacks(number)] == [1], number


async def test_one_callback_is_dialled_once_whichever_service_is_asked(house: House, books: Books, second: str) -> None:
    number = new_number()
    call = await house.dial(DID, number)
    await call.answered()
    await asyncio.sleep(0.5)
    call.hangup()
    (owed,) = await until(lambda: books.callbacks(number), 10, "a callback")
    house.callers.anybody = house.callers.phone("subscriber", Behaviour(answer_after=0.3, hangup_after=7))
    for extension in ("101", "102"):
        house.phones[extension].behaviour = Behaviour(answer_after=0.5)
    async with (
        _signed_in(house.url, house, "agent101") as here,
        _signed_in(second, house, "agent102") as there,
    ):

        async def order(browser: aiohttp.ClientSession) -> int:
            async with browser.post(f"/api/v1/callbacks/{owed['id']}/call", json={}) as reply:
                return reply.status

        answers = await asyncio.gather(*(order(browser) for browser in (here, there, here, there)))
    assert sorted(answers) == [204, 409, 409, 409]

    async def paid() -> bool:
        return bool((await books.callbacks(number))[0]["closed_reason"] == "called_back")

    await until(paid, 30, "the callback is paid")
    assert len([call for call in await books.calls(number) if call["direction"] == "out"]) == 1
    house.callers.anybody = None


async def test_when_the_one_that_leads_dies_the_other_takes_over(house: House, books: Books, second: str) -> None:
    await house.service.kill9()
    try:
        await house.callcenter("agent", "pause", "101", "--reason", "lunch")

        async def paused() -> bool:
            return "paused:lunch" in await house.asterisk.rx("queue show svitlonet")

        await until(paused, 30, "Asterisk was told by the other service")
        number = new_number()
        call = await house.dial(DID, number)
        await call.answered()
        await asyncio.sleep(0.5)
        call.hangup()
        await books.owed_once(number, "left_in_greeting")
    finally:
        await house.service.start()
        await house.callcenter("agent", "ready", "101")
