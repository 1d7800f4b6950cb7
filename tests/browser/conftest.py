"""A real Chromium: the machine's own, else the one that Playwright brought."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from lab.house import House
from tests.browser.chromium import QUIET, chromium_path
from tests.browser.phone_pages import a_browser, phone_house, quiet_afterwards

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


@pytest_asyncio.fixture(loop_scope="session")
async def house(page_phones: House) -> AsyncIterator[House]:
    """The house of pages' phones for one test; other tests have houses of their own."""
    async with quiet_afterwards(page_phones):
        yield page_phones


@pytest_asyncio.fixture(loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A browser with a microphone."""
    async with a_browser() as browser:
        yield browser
