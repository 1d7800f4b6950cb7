"""A real Chromium: the machine's own, else the one that Playwright brought."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from lab.house import House
from tests.browser.chromium import QUIET, chromium_path
from tests.browser.phone_pages import phone_house

FLAGS = [*QUIET, "--autoplay-policy=no-user-gesture-required"]


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def page_phones() -> AsyncIterator[House]:
    """One house for all tests of phones in pages."""
    async with phone_house() as house:
        yield house
