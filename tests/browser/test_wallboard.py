"""The wallboard in a real Chromium: it moves when facts arrive, shows nobody else's, and takes orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import text

from callcenter.store import Database, Scope
from callcenter.words import ProviderId, UniqueId
from tests.desk_house import PASSWORD
from tests.wallboard_house import WallHouse, wallboard_house

pytestmark = pytest.mark.browser
SVITLO, DIM = ProviderId(1), ProviderId(2)


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[WallHouse]:
    async with wallboard_house(database, tmp_path) as built:
        yield built


async def board(house: WallHouse, browser: Browser, login: str = "iryna", **options: object) -> tuple[Page, list[str]]:
    """A board as this user sees it, and what the browser complained of."""
    context = await browser.new_context(**({"locale": "uk-UA"} | options))  # type: ignore[arg-type]
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{house.url}/sign-in?next=/wallboard")
    await page.fill("[name=login]", login)
    await page.fill("[name=password]", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{house.url}/wallboard")
    return page, complaints


async def messages(house: WallHouse) -> list[tuple[int, str, str]]:
    async with house.db.scoped(Scope.all()) as conn:
        rows = await conn.execute(text("SELECT agent_id, sender, body FROM agent_message ORDER BY agent_id"))
        return [(row.agent_id, row.sender, row.body) for row in rows]


async def until(fits: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not fits():
            await asyncio.sleep(0.02)


async def test_the_board_moves_when_facts_arrive(house: WallHouse, chromium: Browser) -> None:
    page, complaints = await board(house, chromium)
    await expect(page.locator("#figure-waiting")).to_have_text("0")
    await expect(page.locator("#figure-answered")).to_have_text("0")
    await expect(page.locator("#state-ready b")).to_have_text("3")

    house.waits("svitlo", 2, for_s=31)
    house.floor.lines[SVITLO] = 3
    house.is_("101", "talking", provider=SVITLO, call=UniqueId("pbx1-5.1"))
    await expect(page.locator("#figure-waiting")).to_have_text("2")
    row = page.locator('tr[data-provider="1"]')
    await expect(row.locator(".waiting b")).to_have_text("2")
    await expect(row.locator(".waiting .timer")).to_have_class("timer bad")  # longer than the provider's 20 seconds
    await expect(row.locator(".lines")).to_contain_text("3 з")
    agent = page.locator('[data-region="agent:101"]')
    await expect(agent).to_contain_text("Розмова")
    await expect(agent).to_contain_text("СвітлоНет")
    await expect(page.locator("#state-talking b")).to_have_text("1")

    await house.call(1)
    await house.call(2, outcome="left_waiting", waited=48)
    await expect(page.locator("#figure-answered")).to_have_text("1")
    await expect(page.locator("#figure-missed")).to_have_text("1")
    await expect(page.locator("#figure-level")).to_have_text("50 %")
    await expect(row.locator(".missed")).to_contain_text("у черзі")
    now = house.ports.clock()
    await house.owes(1, now - timedelta(minutes=4))
    await house.owes(2, now + timedelta(hours=1), decision=True)
    await expect(page.locator("#figure-callbacks")).to_have_text("2")
    await expect(row.locator(".owed")).to_contain_text("1 прострочений")
    await expect(row.locator(".owed")).to_contain_text("1 чекає рішення")
    assert complaints == []


async def test_who_needs_somebody_stands_on_top_at_once(house: WallHouse, chromium: Browser) -> None:
    page, _ = await board(house, chromium)
    needs = page.locator('[data-region="needs"]')
    house.is_("101", "paused", reason="no_answer")
    await expect(needs.locator('[data-needs="no_answer"]')).to_contain_text("Олена, 101")
    house.is_("102", "unreachable")
    await expect(needs.locator('[data-needs="unreachable"]')).to_contain_text("Тарас, 102")
    house.is_("103", "paused", reason="lunch", until=house.ports.clock() - timedelta(seconds=1))
    await expect(needs.locator('[data-needs="over_limit"]')).to_contain_text("Обід")
    house.is_("101", "ready")
    await expect(needs.locator('[data-needs="no_answer"]')).to_have_count(0)
    house.floor.lines[DIM] = 1000
    house.feed.stir()
    await expect(needs.locator('[data-needs="full"]')).to_contain_text("Дім.Лінк")
    house.floor.linked = False
    house.feed.stir()
    await expect(page.locator('[data-region="link"]')).to_contain_text("Зв’язок зі станцією втрачено")


async def test_a_limited_supervisor_sees_nobody_elses(house: WallHouse, chromium: Browser) -> None:
    page, _ = await board(house, chromium, "sofiia")
    house.waits("dim-link", 7)
    house.waits("svitlo", 1)
    await house.call(1, provider=2, queue="dim-link")
    house.is_("101", "talking", provider=DIM, call=UniqueId("pbx1-6.1"))
    agent = page.locator('[data-region="agent:101"]')
    await expect(agent).to_contain_text("Розмова")
    await expect(page.locator("#figure-waiting")).to_have_text("1")
    body = await page.locator("body").inner_text()
    assert [name for name in ("Дім.Лінк", "Тарас", "dim-link") if name in body] == []
    await expect(page.locator("#figure-answered")).to_have_text("0")


async def test_orders_are_given_from_the_agents_row_by_keyboard(house: WallHouse, chromium: Browser) -> None:
    page, complaints = await board(house, chromium, "larysa")
    house.is_("101", "talking", provider=SVITLO, call=UniqueId("pbx1-5.1"))
    await expect(page.locator('[data-region="agent:101"]')).to_contain_text("Розмова")
    await page.focus("#orders-101")
    await page.keyboard.press("Enter")
    sheet = page.locator("#orders")
    await expect(sheet).to_be_visible()
    await sheet.get_by_role("button", name="Слухати").focus()
    await page.keyboard.press("Enter")
    await until(lambda: ("listen", "103", "101", "listen") in [given[:4] for given in house.desk.orders.given])
    async with house.db.scoped(Scope.all()) as conn:
        rows = (await conn.execute(text("SELECT call_id, agent, mode, who FROM live_listening"))).all()
    assert [tuple(row) for row in rows] == [("pbx1-5.1", "101", "listen", "user:Лариса")]
    await expect(sheet).to_be_hidden()
    assert await page.evaluate("document.activeElement.id") == "orders-101"

    await page.keyboard.press("Enter")
    await sheet.locator("#pause-reason").select_option("lunch")
    await sheet.get_by_role("button", name="На паузу").click()
    await until(lambda: ("pause", "101", "lunch") in house.desk.orders.given)
    await page.click("#orders-101")
    await sheet.locator('select[name="dim-link"]').select_option("2")
    await sheet.get_by_role("button", name="Зберегти черги").click()
    await until(lambda: ("serve", "101", "dim-link", 2) in [given[:4] for given in house.desk.orders.given])
    await page.click("#orders-101")
    await sheet.locator("textarea").fill("Зателефонуйте бригаді")
    await sheet.get_by_role("button", name="Надіслати").click()
    async with asyncio.timeout(10):
        while not (told := await messages(house)):
            await asyncio.sleep(0.02)
    assert told == [(1, "Лариса", "Зателефонуйте бригаді")]
    assert complaints == []


async def test_one_writes_to_all_at_work(house: WallHouse, chromium: Browser) -> None:
    page, _ = await board(house, chromium)
    house.is_("102", "offline")
    await page.click("#to-all")
    await page.keyboard.type("Аварія на Садовій")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#trouble")).to_have_text("Зроблено.")
    assert [agent for agent, *_ in await messages(house)] == [1, 3]


async def test_one_state_can_be_looked_at_alone(house: WallHouse, chromium: Browser) -> None:
    page, _ = await board(house, chromium)
    house.is_("101", "wrap_up")
    await expect(page.locator("#state-wrap_up b")).to_have_text("1")
    await page.click("#state-wrap_up")
    await expect(page.locator('[data-region="agent:101"]')).to_be_visible()
    await expect(page.locator('[data-region="agent:102"]')).to_be_hidden()
    house.is_("101", "ready")  # it leaves the state one looks at
    await expect(page.locator('[data-region="agent:101"]')).to_be_hidden()


async def test_a_screen_on_the_wall_has_nothing_to_press(house: WallHouse, chromium: Browser) -> None:
    page, _ = await board(house, chromium)
    await page.get_by_role("link", name="На екран").click()
    await page.wait_for_url("**/wallboard?screen=1")
    await expect(page.locator("#figure-waiting")).to_have_text("0")
    await expect(page.locator('[data-region="agent:101"]')).to_be_visible()
    assert await page.locator("header.top").count() == 0
    assert await page.locator("#orders, #to-all").count() == 0
    assert await page.locator(".act:visible").count() == 0


async def test_agents_have_no_board(house: WallHouse, chromium: Browser) -> None:
    page, _ = await board(house, chromium, "olena")
    await expect(page.locator("body")).not_to_contain_text("Провайдери й черги")
    assert await page.locator('a[href="/wallboard"]').count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_board_fits_and_can_be_read(house: WallHouse, chromium: Browser, scheme: str) -> None:
    house.waits("svitlo", 2, for_s=31)
    house.is_("101", "paused", reason="no_answer")
    page, complaints = await board(house, chromium, color_scheme=scheme)
    await expect(page.locator("#figure-waiting")).to_have_text("2")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []
