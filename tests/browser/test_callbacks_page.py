"""Callbacks in a real Chromium: what climbs to the lead, taking one, ending one, by keyboard and in both languages."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page
from sqlalchemy import text

from callcenter.config import WebSettings
from callcenter.desk.pages import PORTS
from callcenter.desk.server import make_app, served
from callcenter.store import Database, Scope
from tests.desk_house import PASSWORD, House, a_day_of_work, desk_house

pytestmark = pytest.mark.browser


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[tuple[House, str]]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    web = WebSettings(public_url=f"http://127.0.0.1:{port}")
    async with desk_house(database, tmp_path, web) as house:
        await a_day_of_work(house)
        async with served(make_app(house.app[PORTS]), "127.0.0.1", port):
            yield house, web.public_url


async def _signed_in(browser: Browser, url: str, login: str, **options: object) -> tuple[Page, list[str]]:
    page = await (await browser.new_context(**options)).new_page()  # type: ignore[arg-type]
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{url}/sign-in?next=/callbacks")
    await page.fill("[name=login]", login)
    await page.fill("[name=password]", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{url}/callbacks")
    return page, complaints


async def _callback(house: House) -> int:
    async with house.db.scoped(Scope.all()) as conn:
        return int((await conn.execute(text("SELECT id FROM callback WHERE number = '+380670000001'"))).scalar_one())


CALLED = """
INSERT INTO call (id, provider_id, direction, dialled, number, callable, arrived_at, connected_at, ended_at, outcome,
    talked_s, agents, settled)
SELECT 'pbx1-4000.1', provider_id, 'out', '', number, true, opened_at + interval '1 minute',
    opened_at + interval '2 minutes', opened_at + interval '3 minutes', 'answered', 3, '{101}', true
FROM callback WHERE id = :id;
INSERT INTO callback_attempt (call_id, callback_id, provider_id, agent, at, answered, talked_s, result)
SELECT 'pbx1-4000.1', id, provider_id, '101', opened_at + interval '1 minute', false, 3, 'cut_short'
FROM callback WHERE id = :id
"""


async def test_what_is_overdue_stands_on_top_for_the_lead_and_in_their_bar(
    site: tuple[House, str], chromium: Browser
) -> None:
    house, url = site
    page, complaints = await _signed_in(chromium, url, "sofiia")
    callback = await _callback(house)
    assert await page.locator(f"#pressing tr[data-callback='{callback}']").count() == 1
    assert await page.locator("nav a[href='/callbacks'] .count").inner_text() == "1"
    assert "прострочено" in await page.locator("#pressing").inner_text()
    olena, _ = await _signed_in(chromium, url, "olena")
    assert await olena.locator("#pressing").count() == 0
    assert await olena.locator("nav a[href='/callbacks'] .count").count() == 0
    assert complaints == []


async def test_an_agent_takes_a_callback_and_another_sees_who_has_it(
    site: tuple[House, str], chromium: Browser
) -> None:
    house, url = site
    callback = await _callback(house)
    page, complaints = await _signed_in(chromium, url, "olena")
    await page.goto(f"{url}/callbacks/{callback}")
    await page.get_by_role("button", name="Взяти собі").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Віддати").wait_for()
    seen, _ = await _signed_in(chromium, url, "sofiia")
    assert "Олена має цей передзвін" in await seen.locator("#all").inner_text()
    await page.get_by_role("button", name="Подзвонити", exact=True).click()
    await page.wait_for_url(f"{url}/callbacks?calling=1")
    assert ("call_back", callback, "101") in house.orders.given
    assert complaints == []


async def test_who_leads_ends_one_with_a_reason_and_a_note_and_not_without(
    site: tuple[House, str], chromium: Browser
) -> None:
    house, url = site
    callback = await _callback(house)
    page, _ = await _signed_in(chromium, url, "sofiia")
    await page.goto(f"{url}/callbacks/{callback}")
    end = page.get_by_role("button", name="Закінчити без розмови")
    await end.click()
    assert await page.evaluate("document.querySelector('#decide form:last-of-type [name=note]').matches(':invalid')")
    await page.fill("#decide form:last-of-type [name=note]", "<b>тричі</b> не відповів")
    await page.keyboard.press("Enter")
    await page.get_by_text("не вдалося додзвонитися: Софія").first.wait_for()
    assert "<b>тричі</b> не відповів" in await page.locator("dl.facts").inner_text()
    assert await page.locator("#decide").count() == 0
    await page.goto(f"{url}/callbacks")
    assert await page.locator(f"tr[data-callback='{callback}']").count() == 0


async def test_a_voice_mail_is_written_down_by_who_called(site: tuple[House, str], chromium: Browser) -> None:
    house, url = site
    callback = await _callback(house)
    async with house.db.scoped(Scope.all()) as conn:
        for statement in CALLED.split(";\n"):
            await conn.execute(text(statement), {"id": callback})
    page, _ = await _signed_in(chromium, url, "olena")
    await page.goto(f"{url}/callbacks/{callback}")
    form = page.locator("form", has=page.locator("[value='pbx1-4000.1']"))
    await form.locator("[name=word]").select_option("voicemail")
    await form.get_by_role("button", name="Записати").click()
    await page.locator(".story b", has_text="автовідповідач").wait_for()
    async with house.db.scoped(Scope.all()) as conn:
        said = (await conn.execute(text("SELECT said, said_by FROM callback_attempt WHERE said <> ''"))).all()
    assert [tuple(row) for row in said] == [("voicemail", "user:Олена")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_the_pages_fit_the_screen(
    site: tuple[House, str], chromium: Browser, scheme: str, width: int, tmp_path: Path
) -> None:
    house, url = site
    page, complaints = await _signed_in(
        chromium, url, "sofiia", color_scheme=scheme, viewport={"width": width, "height": 900}
    )
    for path in ("/callbacks", f"/callbacks/{await _callback(house)}", "/callbacks?kind=left_waiting&sort=newest"):
        await page.goto(url + path)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        await page.screenshot(path=tmp_path / f"{scheme}-{width}-{path.count('/')}.png", full_page=True)
    assert complaints == []
