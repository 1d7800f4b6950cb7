"""Reports in a real Chromium: by keyboard, light and dark, on paper, and as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from playwright.async_api import Browser

from callcenter.config import WebSettings
from callcenter.desk.pages import PORTS
from callcenter.desk.server import make_app, served
from callcenter.store import Database, Scope
from tests.browser.test_desk_pages import _free_port, _signed_in
from tests.desk_house import House, desk_house
from tests.integration import report_house as made

pytestmark = pytest.mark.browser
SPAN = "first=2025-10-18&last=2025-10-28"


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[tuple[House, str]]:
    web = WebSettings(public_url=f"http://127.0.0.1:{_free_port()}")
    async with desk_house(database, tmp_path, web) as house:
        calls = [
            call for call in made.draw(Random(3), 150) if call.provider < 3 and "103" not in call.agents + call.rang
        ]
        async with database.scoped(Scope.all()) as connection:
            await made.insert(connection, calls)
        house.clock.now = made.NOW
        async with served(make_app(house.app[PORTS]), "127.0.0.1", int(web.public_url.rpartition(":")[2])):
            yield house, web.public_url


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pictures_are_drawn_and_have_their_tables(
    site: tuple[House, str], chromium: Browser, scheme: str
) -> None:
    _, url = site
    page, complaints = await _signed_in(chromium, url, "iryna", locale="uk-UA", color_scheme=scheme)
    await page.goto(f"{url}/reports?{SPAN}")
    bars = page.locator("svg.chart rect.answered")
    assert await bars.count() > 5
    fill = await bars.first.evaluate("bar => getComputedStyle(bar).fill")
    assert fill == ("rgb(13, 115, 79)" if scheme == "light" else "rgb(62, 207, 142)")
    for picture in await page.locator("svg[role=img]").all():
        names = (await picture.get_attribute("aria-labelledby") or "").split()
        assert all([await page.locator(f"#{name}").text_content() for name in names])
    await page.locator("summary").first.focus()
    await page.keyboard.press("Enter")
    assert await page.locator("table[data-part=day]").is_visible()
    for width in (1280, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    assert complaints == []


async def test_a_period_is_chosen_and_its_file_taken(site: tuple[House, str], chromium: Browser) -> None:
    _, url = site
    page, complaints = await _signed_in(chromium, url, "iryna", locale="uk-UA", timezone_id="America/New_York")
    await page.goto(f"{url}/reports")
    await page.get_by_role("link", name="Минулий тиждень").click()
    assert await page.input_value("[name=first]") == "2025-10-20"
    assert await page.input_value("[name=last]") == "2025-10-26"
    assert await page.locator(".presets [aria-current]").text_content() == "Минулий тиждень"
    await page.select_option("[name=provider]", label="СвітлоНет")
    await page.get_by_role("button", name="Показати").click()
    async with page.expect_download() as taken:
        await page.locator("a[href*='report.xlsx'][href*='by=day']").click()
    assert (await taken.value).suggested_filename == "report-svitlo-2025-10-20_2025-10-26-by-day.xlsx"
    assert complaints == []


async def test_on_paper_there_are_figures_and_no_buttons(site: tuple[House, str], chromium: Browser) -> None:
    _, url = site
    page, _ = await _signed_in(chromium, url, "iryna", locale="uk-UA")
    await page.goto(f"{url}/reports?{SPAN}")
    await page.emulate_media(media="print")
    assert await page.locator("[data-figure=service_level]").is_visible()
    for hidden in (".top", ".asks", ".files"):
        assert not await page.locator(hidden).first.is_visible()
