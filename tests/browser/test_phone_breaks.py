"""What breaks under the phone in the page, and how it comes back: Asterisk hangs or starts anew, credentials end."""

from __future__ import annotations

import re

from playwright.async_api import Browser, Page, expect
from sqlalchemy import text

from callcenter.store import Scope
from lab.house import House
from tests.browser.phone_pages import (
    DID,
    MARKS,
    at_work,
    begin_work,
    hears_music,
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
        await until(lambda: _is_unreachable(house), 60, "101 is unreachable on the board")
    await phone_is(page, "registered", within_s=60)
    await expect(page.locator("#status .state.ready")).to_be_visible(timeout=60_000)


async def test_sound_that_takes_another_way_in_mid_talk_comes_back_as_a_new_leg(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639200010")
    await until(lambda: hears_page(call), 20, "the caller hears the agent")
    before = await page.evaluate("() => phone.call.session.id")
    await page.wait_for_function("() => Date.now() - phone.call.since > 6000")
    await page.evaluate(_ANOTHER_WAY)
    await page.wait_for_function(
        "(before) => phone.call && phone.call.answered && phone.call.session.id !== before", arg=before, timeout=60_000
    )
    await phone_is(page, "talking")
    await until(lambda: hears_page(call), 60, "the caller hears the agent again")
    assert not call.is_ended
    await expect(page.locator(".card[data-stage=talking]")).to_be_visible(timeout=20_000)


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


async def test_a_password_that_asterisk_has_lost_is_asked_for_anew(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    async with house.db.scoped(Scope.all()) as connection:
        before = (await connection.execute(_LOGIN)).one()
    await house.asterisk.rx("database del callcenter/auth agent-101")

    async def anew() -> bool:
        async with house.db.scoped(Scope.all()) as connection:
            row = (await connection.execute(_LOGIN)).one_or_none()
        return row is not None and row.issued_at > before.issued_at

    await until(anew, 60, "the page has asked for a new password")
    assert "agent-101" in await house.asterisk.rx("database show callcenter/auth agent-101")
    await phone_is(page, "registered")
    await talks(house, page, "380639200006")


async def test_a_sign_in_ended_by_others_is_said_and_calls_wait_for_the_next(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    await _end_the_sign_in(house)
    await page.wait_for_url("**/sign-in**", timeout=60_000)
    await expect(page.locator(".note")).to_contain_text(re.compile("Увійдіть ще раз|Sign in again"))
    await until(lambda: _is_unreachable(house), 60, "101 is unreachable on the board")
    call = await house.dial(DID, "380639200007")
    await until(lambda: hears_music(call), 60, "the caller waits")
    await _sign_in(house, page)
    await phone_is(page, "ringing", within_s=60)
    await page.keyboard.press("a")
    await until(lambda: hears_page(call), 60, "the caller hears the agent")


async def test_a_sign_in_that_ends_in_a_talk_is_asked_for_when_the_talk_is_over(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639200008")
    await _end_the_sign_in(house)
    await expect(page.locator("#phone-bar")).to_contain_text("Договоріть", timeout=60_000)
    await until(lambda: hears_page(call), 20, "the caller hears the agent as before")
    assert "agent-101/" in await house.asterisk.rx("pjsip show contacts")
    await page.keyboard.press("x")
    await call.ended()
    await page.wait_for_url("**/sign-in**")
    await until(lambda: _is_unreachable(house), 60, "101 is unreachable on the board")
    await _sign_in(house, page)
    await phone_is(page, "registered")
    await begin_work(page)
    await talks(house, page, "380639200009")


async def _end_the_sign_in(house: House) -> None:
    """As ``callcenter user password`` does it, or the night: the page is told nothing."""
    async with house.db.scoped(Scope.all()) as connection:
        await connection.execute(
            text("DELETE FROM session USING user_account u WHERE u.id = session.user_id AND u.login = 'agent101'")
        )


async def _sign_in(house: House, page: Page) -> None:
    await page.fill("[name=login]", "agent101")
    await page.fill("[name=password]", house.passwords["agent101"])
    await page.keyboard.press("Enter")
    await expect(page.locator("#status .state")).to_be_visible()


async def _is_unreachable(house: House) -> bool:
    board = await house.api("GET", "/wallboard")
    return any(each["extension"] == "101" and each["state"] == "unreachable" for each in board["agents"])


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


_ANOTHER_WAY = """() => {
  const ice = phone.call.session.connection.getSenders()[0].transport.iceTransport;
  ice.getSelectedCandidatePair = () => ({ local: { address: "2001:db8::7", port: 7 } });
  ice.dispatchEvent(new Event("selectedcandidatepairchange"));
}"""
"""As a browser says that it has left the Wi-Fi for the cable; Chromium has one network here."""
_LOGIN = text("SELECT tab, issued_at FROM phone_login WHERE extension = '101'")
