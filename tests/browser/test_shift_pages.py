"""A shift in a real Chromium: opened, worked off, handed over, accepted by another user, printed."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import text

from callcenter.callbacks.auditing import Audited, ProviderDay, keep
from callcenter.calls.audit import DayLine, Difference, Kind
from callcenter.config import WebSettings
from callcenter.desk.pages import PORTS
from callcenter.desk.server import make_app, served
from callcenter.store import Database, Scope
from tests.desk_house import HASH, NOON, PASSWORD, House, a_day_of_work, desk_house

pytestmark = pytest.mark.browser


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[tuple[House, str]]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    web = WebSettings(public_url=f"http://127.0.0.1:{port}")
    async with desk_house(database, tmp_path, web) as house:
        await a_day_of_work(house)
        async with house.db.scoped(Scope.all()) as conn:
            await conn.execute(
                text("INSERT INTO user_account (login, password_hash, name, role) VALUES "
                     "('halyna', :hash, 'Галина', 'lead'), ('marko', :hash, 'Марко', 'lead')"), {"hash": HASH},
            )  # fmt: skip
        async with served(make_app(house.app[PORTS]), "127.0.0.1", port):
            yield house, web.public_url


async def _signed_in(browser: Browser, url: str, login: str, **options: object) -> tuple[Page, list[str]]:
    page = await (await browser.new_context(locale="uk-UA", **options)).new_page()  # type: ignore[arg-type]
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{url}/sign-in?next=/shift")
    await page.fill("[name=login]", login)
    await page.fill("[name=password]", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{url}/shift")
    return page, complaints


async def _shown(page: Page, name: str) -> None:
    """Keeps a picture for whoever wants to look."""
    if folder := os.environ.get("CALLCENTER_PICTURES"):
        await page.screenshot(path=f"{folder}/{name}.png", full_page=True)


async def test_a_shift_is_opened_handed_over_and_accepted_by_another(
    site: tuple[House, str], chromium: Browser
) -> None:
    house, url = site
    halyna, complaints = await _signed_in(chromium, url, "halyna", viewport={"width": 1480, "height": 900})
    await expect(halyna.locator("h1")).to_contain_text("Зміну не відкрито")
    await halyna.click("text=Відкрити зміну")
    await expect(halyna.locator("h1")).to_contain_text("Денна зміна")
    await expect(halyna.locator(".k").nth(1).locator("b")).to_have_text("4")
    await _shown(halyna, "shift-board")
    house.clock.pass_(timedelta(hours=7))
    await halyna.click("text=Передати зміну")
    await expect(halyna.locator("button:has-text('Передати')").last).to_be_disabled()
    boxes = halyna.locator("tbody input[type=checkbox]")
    await boxes.nth(1).uncheck()
    await boxes.nth(2).uncheck()
    await boxes.nth(3).uncheck()
    await halyna.fill("[name=why]", "не відповідає, просив завтра")
    await halyna.click("text=Записати для позначених")
    await expect(halyna.locator(".tag.warn")).to_have_count(3)
    await halyna.fill("[name=why]", "номер прихований")
    await halyna.click("text=Записати для всіх")
    await expect(halyna.locator(".tag.warn")).to_have_count(0)
    await _shown(halyna, "hand-over")
    await halyna.select_option("[name=to]", label="Марко")
    await halyna.click("button:has-text('Передати') >> nth=-1")
    await expect(halyna.locator("main")).to_contain_text("Зміну передають: Марко")

    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(
            text("INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, misses, "
                 "last_missed_at) VALUES (1, '+380671112233', true, :at, :at, :at, 1, :at)"), {"at": house.clock()},
        )  # fmt: skip
    house.clock.pass_(timedelta(minutes=1))
    marko, more = await _signed_in(chromium, url, "marko", viewport={"width": 1480, "height": 900})
    await expect(marko.locator(".note.good")).to_contain_text("Марко")
    await marko.click("text=Прийняти зміну")
    await expect(marko.locator("button:has-text('Прийняти зміну')")).to_be_disabled()
    await marko.fill("[name=why]", "щойно пропущено")
    await marko.click("text=Записати для 1 неназваного")
    await marko.click("button:has-text('Прийняти зміну')")
    await marko.wait_for_url(f"{url}/shift")
    await expect(marko.locator("h1")).to_contain_text("Нічна зміна")
    await expect(marko.locator("h1")).to_contain_text("Марко")
    await expect(marko.locator(".k").nth(1).locator("b")).to_have_text("5")
    await marko.goto(f"{url}/shifts")
    await _shown(marko, "shifts")
    await marko.click("tbody a:has-text('Денна зміна')")
    await expect(marko.locator("main")).to_contain_text("щойно пропущено")
    await expect(marko.locator("main")).to_contain_text("не відповідає, просив завтра")
    await _shown(marko, "document")
    await marko.emulate_media(media="print")
    await expect(marko.locator("header.top")).to_be_hidden()
    await _shown(marko, "document-print")
    assert complaints + more == []


async def test_the_board_draws_itself_anew_and_says_when_it_cannot(site: tuple[House, str], chromium: Browser) -> None:
    house, url = site
    page, _ = await _signed_in(chromium, url, "iryna")
    await page.click("text=Відкрити зміну")
    await expect(page.locator(".k").first.locator("b")).to_have_text("2")
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("UPDATE callback SET closed_at = now(), closed_reason = 'got_through' WHERE id = 1"))
    await expect(page.locator(".k").first.locator("b")).to_have_text("1", timeout=20_000)
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("DELETE FROM session"))
    await expect(page.locator("#stale")).to_be_visible(timeout=20_000)


async def test_the_proof_is_one_line_and_a_difference_is_red(site: tuple[House, str], chromium: Browser) -> None:
    house, url = site
    page, complaints = await _signed_in(chromium, url, "iryna", color_scheme="dark")
    await expect(page.locator(".proof")).to_contain_text("ще не було")
    wrong = Difference(Kind.MISS_WITHOUT_CALLBACK, "pbx1-1001.1", None, "left_waiting")
    found = Audited(NOON.date(), {
        ProviderDay(house.book.providers[0].id, house.book.providers[0].slug, NOON.date()): DayLine(200, 30, 30),
        ProviderDay(house.book.providers[1].id, house.book.providers[1].slug, NOON.date()): DayLine(42, 1, 0, (wrong,)),
    })  # fmt: skip
    async with house.db.scoped(Scope.all()) as conn:
        await keep(conn, found, house.clock())
    for path in ("/shift", "/callbacks", "/audit"):
        await page.goto(url + path)
        await expect(page.locator(".proof")).to_contain_text("242 дзвінки, 31 пропущений, 30 передзвонів")
        await expect(page.locator(".proof b.bad")).to_have_text("Різниця 1.")
    await page.click("summary")
    await _shown(page, "audit")
    await expect(page.locator("details li")).to_contain_text("пропущений без передзвону")
    assert complaints == []


@pytest.mark.parametrize("path", ["/shift", "/shift/hand-over", "/shifts", "/audit"])
@pytest.mark.parametrize("width", [380, 1480])
async def test_no_page_is_wider_than_the_screen(
    site: tuple[House, str], chromium: Browser, path: str, width: int
) -> None:
    _, url = site
    page, complaints = await _signed_in(chromium, url, "iryna", viewport={"width": width, "height": 800})
    await page.click("text=Відкрити зміну")
    await expect(page.locator("h1")).to_contain_text("Денна зміна")
    await page.goto(url + path)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await _shown(page, f"{path.strip('/').replace('/', '-')}-{width}")
    assert complaints == []
