"""What breaks under the phone in the page, and how it comes back: Asterisk hangs or starts anew, credentials end."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect
from sqlalchemy import text

from callcenter.store import Scope
from lab.house import House
from tests.browser.phone_pages import (
    DID,
    MARKS,
    at_work,
    hears_page,
    network_cut,
    phone_is,
    talks,
)
from tests.live.conftest import until

pytestmark = MARKS


async def watched(page: Page) -> None:
    """Keeps every state the phone goes through."""
    await page.evaluate(
        """() => {
          window.__states = [phone.state];
          document.addEventListener('phone:changed', () => {
            if (window.__states.at(-1) !== phone.state) window.__states.push(phone.state);
          });
        }"""
    )


async def test_a_talk_outlives_an_asterisk_that_hangs_for_a_while(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639200001")
    await watched(page)
    house.asterisk.freeze()
    try:
        await phone_is(page, "lost", within_s=60)
    finally:
        house.asterisk.thaw()
    await phone_is(page, "talking", within_s=60)
    await until(lambda: hears_page(call), 60, "the caller hears the agent again")
    assert not call.is_ended
    assert "lost" in await page.evaluate("() => window.__states")


async def test_a_cut_network_shows_and_the_talk_is_there_when_it_is_back(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639200005")
    async with network_cut(browser):
        await phone_is(page, "lost")
        await expect(page.locator("#phone-bar")).to_be_visible()
    await phone_is(page, "talking", within_s=60)
    await until(lambda: hears_page(call), 60, "the caller hears the agent again")
    await expect(page.locator("#phone-bar")).to_be_hidden()
    assert not call.is_ended


async def test_a_cut_network_makes_who_waits_for_calls_unreachable(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    async with network_cut(browser):
        await phone_is(page, "lost")

        async def unreachable() -> bool:
            board = await house.api("GET", "/wallboard")
            return any(each["extension"] == "101" and each["state"] == "unreachable" for each in board["agents"])

        await until(unreachable, 60, "101 is unreachable on the board")
    await phone_is(page, "registered", within_s=60)
    await expect(page.locator("#status .state.ready")).to_be_visible(timeout=60_000)


async def test_a_new_asterisk_finds_its_phones_again(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    await house.asterisk.kill9()
    await phone_is(page, "lost")
    await house.asterisk.start()
    await phone_is(page, "registered", within_s=90)
    await expect(page.locator("#status .state.ready")).to_be_visible(timeout=60_000)
    await talks(house, page, "380639200002")


async def test_credentials_that_have_ended_are_asked_for_anew_and_a_talk_goes_on(
    house: House, browser: Browser
) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639200003")
    await watched(page)
    async with house.db.scoped(Scope.all()) as connection:
        before = (await connection.execute(_LOGIN)).one()
        await connection.execute(text("UPDATE phone_login SET expires_at = now()"))

    async def anew() -> bool:
        async with house.db.scoped(Scope.all()) as connection:
            row = (await connection.execute(_LOGIN)).one_or_none()
        return row is not None and row.issued_at > before.issued_at and row.tab == before.tab

    await until(anew, 60, "the page has asked for new credentials")
    assert await page.evaluate("() => phone.state") == "talking"
    assert not call.is_ended
    call.hangup()
    await phone_is(page, "registered")
    await house.dial(DID, "380639200004")
    await phone_is(page, "ringing")


async def test_a_page_that_signs_out_is_no_phone_any_more(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    await page.click("#me summary")
    await page.click("#me form[action='/sign-out'] button")
    await page.wait_for_url("**/sign-in**")

    async def gone() -> bool:
        return "agent-101/" not in await house.asterisk.rx("pjsip show contacts")

    await until(gone, 20, "the contact is gone")
    async with house.db.scoped(Scope.all()) as connection:
        assert (await connection.execute(_LOGIN)).one_or_none() is None


_LOGIN = text("SELECT tab, issued_at FROM phone_login WHERE extension = '101'")
