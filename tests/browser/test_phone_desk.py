"""An agent with a phone of their own has the same buttons: Asterisk is told, not the phone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, expect

from lab.house import House
from tests.browser.phone_pages import (
    COLLEAGUE,
    MARKS,
    OTHER_DID,
    a_browser,
    begin_work,
    hears_nobody,
    hears_tone,
    quiet_afterwards,
    signed_in,
)
from tests.live.conftest import until

pytestmark = MARKS


@pytest_asyncio.fixture(loop_scope="session")
async def house(page_phones: House) -> AsyncIterator[House]:
    async with quiet_afterwards(page_phones):
        yield page_phones
    await page_phones.callcenter("agent", "sign-out", "103")


async def test_mute_and_keys_of_a_phone_on_the_desk(house: House) -> None:
    async with a_browser() as browser:
        await _mute_and_keys(house, browser)


async def _mute_and_keys(house: House, browser: Browser) -> None:
    page = await signed_in(house, await browser.new_context(), "103")
    await begin_work(page)
    assert await page.evaluate("() => [phone.kind, phone.state, typeof window.JsSIP]") == ["desk", "off", "undefined"]
    call = await house.dial(OTHER_DID, "380639500001")
    (await house.phones["103"].rings()).answer()
    await expect(page.locator("#mute")).to_be_visible()
    await until(lambda: hears_tone(call, COLLEAGUE), 20, "the caller hears the agent")
    await page.keyboard.press("u")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await until(lambda: hears_nobody(call), 20, "the caller hears nothing")
    await page.keyboard.press("u")
    await until(lambda: hears_tone(call, COLLEAGUE), 20, "the caller hears the agent again")
    await page.keyboard.press("k")
    await page.keyboard.type("42#")
    assert call.audio is not None
    sound = call.audio

    async def pressed() -> bool:
        return sound.digits == "42#"

    await until(pressed, 20, f"the caller hears the keys: {sound.digits}")


async def test_a_phone_on_the_desk_is_answered_from_the_page(house: House) -> None:
    async with a_browser() as browser:
        page = await signed_in(house, await browser.new_context(), "103")
        await begin_work(page)
        call = await house.dial(OTHER_DID, "380639500002")
        ringing = await house.phones["103"].rings()
        await expect(page.locator("#answer")).to_be_visible()
        await page.keyboard.press("a")
        await expect(page.locator("#status .state.talking")).to_be_visible(timeout=20_000)
        assert ringing.is_answered
        await until(lambda: hears_tone(call, COLLEAGUE), 20, "the caller hears the agent")
        await expect(page.locator("#answer")).to_be_hidden()
        call.hangup()
        deaf = await house.dial(OTHER_DID, "380639500003")
        ringing = await house.phones["103"].rings()
        ringing.knows_talk = False
        await page.click("#answer")
        await expect(page.locator("#trouble")).to_contain_text("підніміть", timeout=20_000)
        assert not ringing.is_answered
        deaf.hangup()
