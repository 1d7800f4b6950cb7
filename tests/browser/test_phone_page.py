"""The phone in the agent's page, in a real Chromium at a real Asterisk, served by the whole service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from lab.house import House
from tests.browser.phone_pages import DID, a_browser, at_work, phone_house, phone_is

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house() -> AsyncIterator[House]:
    async with phone_house() as built:
        yield built


@pytest_asyncio.fixture(loop_scope="session")
async def browser(house: House) -> AsyncIterator[Browser]:
    async with a_browser() as browser:
        yield browser
    await house.callers.hang_up_all()
    await house.phone_agent.hang_up_all()


async def test_a_queues_call_rings_in_the_page_and_is_answered_by_a_key(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await house.dial(DID, "380639100001")
    await phone_is(page, "ringing")
    await expect(page.locator(".card[data-stage=ringing] h1")).to_have_text("СвітлоНет")
    await expect(page.locator("#answer")).to_be_visible()
    await page.keyboard.press("a")
    await phone_is(page, "talking")
    await expect(page.locator("#hang-up")).to_be_visible()
    heard = await page.evaluate("() => new Promise((told) => phone.stats(told))")
    assert heard["received"]["packets"] > 100
    assert heard["sent"]["packets"] > 100
    assert heard["received"]["energy"] > 0.01
    await page.keyboard.press("x")
    await phone_is(page, "registered")
    await call.ended()
