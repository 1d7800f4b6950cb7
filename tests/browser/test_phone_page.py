"""The phone in the agent's page, in a real Chromium at a real Asterisk, served by the whole service."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Browser, expect

from lab.house import House
from lab.sip import CONTROLLED, Tone
from tests.browser.phone_pages import (
    DID,
    MARKS,
    OTHER_DID,
    a_browser,
    at_work,
    begin_work,
    hears_nobody,
    hears_page,
    phone_is,
    signed_in,
    talks,
)
from tests.browser.test_agent_looks import CUT_OFF, UNNAMED
from tests.browser.test_agent_page import CONTRAST
from tests.live.conftest import until

pytestmark = MARKS


async def test_a_queues_call_rings_in_the_page_and_is_answered_by_a_key(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await house.dial(DID, "380639100001")
    await phone_is(page, "ringing")
    await expect(page.locator(".card[data-stage=ringing] h1")).to_have_text("СвітлоНет")
    await expect(page.locator("#answer")).to_have_text("ВідповістиA")
    await page.wait_for_function("() => /0:0[2-9]/.test(document.querySelector('.card .timer').textContent)")
    await expect(page.locator("#answer")).to_have_text("ВідповістиA")
    await page.click("#answer")
    await phone_is(page, "talking")
    await expect(page.locator("#hang-up")).to_be_visible()
    heard = await page.evaluate("() => new Promise((told) => phone.stats(told))")
    assert heard["received"]["packets"] > 100
    assert heard["sent"]["packets"] > 100
    assert heard["received"]["energy"] > 0.01
    await page.keyboard.press("x")
    await phone_is(page, "registered")
    await call.ended()


async def test_a_muted_agent_is_not_heard_and_says_so(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639100002")
    await until(lambda: hears_page(call), 20, "the caller hears the agent's microphone")
    await page.keyboard.press("u")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#trouble")).to_contain_text("вас не чують")
    await until(lambda: hears_nobody(call), 20, "the caller hears nothing")
    await page.keyboard.press("u")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "false")
    await until(lambda: hears_page(call), 20, "the caller hears the agent again")


async def test_keys_typed_with_the_pad_open_are_heard_as_keys_and_never_choose_anything(
    house: House, browser: Browser
) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639100003")
    await page.keyboard.press("k")
    await expect(page.locator("#pad .pad-keys")).to_be_visible()
    await page.keyboard.type("12*#")
    await page.click("#pad [data-key='7']")
    await expect(page.locator("#pad-said")).to_have_text("12*#7")
    assert call.audio is not None
    sound = call.audio

    async def pressed() -> bool:
        return sound.digits == "12*#7"

    await until(pressed, 20, f"the caller hears the keys: {sound.digits}")
    await page.keyboard.press("Escape")
    await expect(page.locator("#pad .pad-keys")).to_be_hidden()
    await phone_is(page, "talking")


async def test_another_page_opens_over_the_agents_page_and_the_talk_goes_on(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639100004")
    await page.click("#me summary")
    await page.click("#me nav a[href='/calls']")
    inside = page.frame_locator("#panel-page")
    await expect(inside.locator("h1")).to_have_text("Дзвінки")
    await inside.get_by_role("link", name="Передзвонити").click()
    await expect(inside.locator("h1")).to_have_text("Передзвонити")
    await expect(page.locator("#panel-title")).to_have_text("Передзвонити")
    await expect(inside.get_by_role("link", name="Робоче місце")).to_be_hidden()
    await inside.locator("h1").click()
    await page.keyboard.press("u")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await inside.locator("h1").click()
    await page.keyboard.press("Escape")
    await expect(page.locator("#panel")).to_be_hidden()
    assert page.url == f"{house.url}/agent"
    await phone_is(page, "talking")
    assert not call.is_ended


async def test_a_call_that_rings_is_seen_though_another_page_is_open(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    await page.click("#me summary")
    await page.click("#me nav a[href='/calls']")
    await expect(page.frame_locator("#panel-page").locator("h1")).to_have_text("Дзвінки")
    await house.dial(DID, "380639100005")
    await expect(page.locator(".card[data-stage=ringing]")).to_be_visible(timeout=20_000)
    await expect(page.locator("#panel")).to_be_hidden()
    await page.keyboard.press("a")
    await phone_is(page, "talking")


async def test_one_hears_oneself_in_the_echo_test(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    await page.keyboard.press("g")
    await page.wait_for_function("() => document.getElementById('phone-level').value > 0.1")
    await expect(page.locator("[data-device=microphone] option")).not_to_have_count(1)
    await page.click("#phone-echo")
    await expect(page.locator("#sheet-phone")).to_be_hidden()
    await phone_is(page, "talking")
    await page.wait_for_function(
        """async () => {
          const all = [...(await phone.call.session.connection.getStats()).values()];
          return all.some((one) => one.type === 'inbound-rtp' && one.totalAudioEnergy > 0.001);
        }"""
    )
    await page.click("#hang-up-here, #hang-up")
    await phone_is(page, "registered")


async def test_a_microphone_that_is_refused_says_what_to_do_and_nobody_is_sent_a_call(house: House) -> None:
    async with a_browser(flags=("--use-fake-device-for-media-stream",)) as strict:
        context = await strict.new_context()
        page = await signed_in(house, context)
        await phone_is(page, "refused")
        await expect(page.locator("#phone-bar")).to_contain_text("Браузер не дає мікрофона")
        assert "agent-101/" not in await house.asterisk.rx("pjsip show contacts")
        await expect(page.locator("#phone-bar button")).to_have_text("Спробувати ще раз")
        await context.grant_permissions(["microphone"], origin=house.url)
        await phone_is(page, "registered")  # by itself: who has allowed it is asked for nothing more
        await expect(page.locator("#phone-bar")).to_be_hidden()
        await begin_work(page)
        await context.clear_permissions()
        await phone_is(page, "refused")
        await expect(page.locator("#status .state.unreachable")).to_be_visible()


async def test_without_any_microphone_the_agent_is_told_to_plug_one_in(house: House) -> None:
    async with a_browser(flags=("--use-fake-ui-for-media-stream",)) as deaf:
        page = await signed_in(house, await deaf.new_context())
        await phone_is(page, "refused")
        await expect(page.locator("#phone-bar")).to_contain_text("Мікрофона не знайдено")
        assert "agent-101/" not in await house.asterisk.rx("pjsip show contacts")


async def test_a_second_tab_is_asked_and_the_first_is_told_and_lets_go(house: House, browser: Browser) -> None:
    context = await browser.new_context()
    first = await at_work(house, context)
    second = await context.new_page()
    await second.goto(f"{house.url}/agent")
    await phone_is(second, "off")
    await expect(second.locator("#phone-bar")).to_contain_text("в іншій вкладці")
    await phone_is(first, "registered")
    await second.click("#phone-bar button")
    await phone_is(second, "registered")
    await phone_is(first, "off")
    await expect(first.locator("#phone-bar")).to_contain_text("в іншій вкладці")
    await house.dial(DID, "380639100006")
    await phone_is(second, "ringing")
    assert await first.evaluate("() => phone.state") == "off"


async def test_a_phone_taken_by_another_browser_lets_go_without_a_word_between_them(
    house: House, browser: Browser
) -> None:
    first = await at_work(house, await browser.new_context())
    second = await signed_in(house, await browser.new_context())
    await phone_is(second, "off")
    await second.click("#phone-bar button")
    await phone_is(second, "registered")
    await phone_is(first, "off", within_s=60)
    assert await first.evaluate("() => phone.why") == "elsewhere"


async def test_a_closed_tab_leaves_the_phone_to_the_one_that_is_left(house: House, browser: Browser) -> None:
    context = await browser.new_context()
    first = await at_work(house, context)
    second = await context.new_page()
    await second.goto(f"{house.url}/agent")
    await phone_is(second, "off")
    await first.close()
    await phone_is(second, "registered", within_s=60)


async def test_a_colleague_who_calls_is_named_though_there_is_no_card(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    colleague = await house.phones["103"].dial(f"sip:101@127.0.0.1:{house.ports.sip}")
    await phone_is(page, "ringing")
    await expect(page.locator("#phone-bar")).to_contain_text("Тарас")
    await page.keyboard.press("a")
    await colleague.answered()
    await phone_is(page, "talking")
    await until(lambda: hears_page(colleague), 20, "the colleague hears the agent")


async def test_a_copied_tab_is_another_tab(house: House, browser: Browser) -> None:
    context = await browser.new_context()
    first = await at_work(house, context)
    async with context.expect_page() as opened:
        await first.evaluate("() => { window.open('/agent'); }")
    copy = await opened.value
    await phone_is(copy, "off")
    names = [await page.evaluate("() => phoneTab.id") for page in (first, copy)]
    assert names[0] != names[1]
    await phone_is(first, "registered")
    await first.reload()
    await phone_is(first, "registered")
    assert await first.evaluate("() => phoneTab.id") == names[0]


async def test_a_lost_network_shows_at_once_and_the_phone_comes_back_by_itself(house: House, browser: Browser) -> None:
    context = await browser.new_context()
    page = await at_work(house, context)
    await context.set_offline(True)
    await phone_is(page, "lost")
    await expect(page.locator("#phone-bar")).to_contain_text("втратив зв’язок")
    await expect(page.locator("#phone-settings")).to_contain_text("Телефон без зв’язку")
    await context.set_offline(False)
    await phone_is(page, "registered", within_s=60)
    await expect(page.locator("#phone-bar")).to_be_hidden()


async def test_an_asterisk_that_says_nothing_is_lost_too(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    house.asterisk.freeze()
    try:
        await phone_is(page, "lost", within_s=60)
    finally:
        house.asterisk.thaw()
    await phone_is(page, "registered", within_s=60)


async def test_a_page_that_is_loaded_again_comes_back_to_the_talk(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639100007")
    await page.reload()
    await phone_is(page, "talking", within_s=60)
    await until(lambda: hears_page(call), 20, "the caller hears the agent again")
    assert not call.is_ended
    await expect(page.locator(".card[data-stage=talking]")).to_be_visible()
    await expect(page.locator("#status .state.talking")).to_be_visible(timeout=20_000)
    await page.keyboard.press("h")
    await expect(page.locator("#status .state.on_hold")).to_be_visible(timeout=20_000)
    await page.keyboard.press("h")
    await expect(page.locator("#status .state.talking")).to_be_visible(timeout=20_000)


async def test_who_orders_a_call_need_not_pick_up(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    subscriber = house.callers.phone("380639100008", CONTROLLED, tone=Tone(440))
    await page.keyboard.press("n")
    await page.fill("#dial-form [name=number]", "0639100008")
    await page.keyboard.press("Enter")
    call = await subscriber.rings()
    call.answer()
    await phone_is(page, "talking")
    await until(lambda: hears_page(call), 20, "the subscriber hears the agent")
    await expect(page.locator(".card")).to_contain_text("063 910 00 08")
    await page.keyboard.press("x")
    await phone_is(page, "registered")


async def test_who_talks_is_busy_for_a_colleague(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639100009")
    colleague = await house.phones["103"].dial(f"sip:101@127.0.0.1:{house.ports.sip}")
    await colleague.ended()
    assert not colleague.is_answered
    await phone_is(page, "talking")
    assert not call.is_ended


async def test_a_caller_who_gives_up_leaves_a_quiet_phone(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await house.dial(DID, "380639100010")
    await phone_is(page, "ringing")
    call.hangup()
    await phone_is(page, "registered")
    await expect(page.locator("#answer")).to_be_hidden()
    assert not await page.evaluate("() => phone.answer()")
    await talks(house, page, "380639100011")


async def test_a_microphone_that_fails_when_it_rings_gives_the_call_to_the_next_agent(
    house: House, browser: Browser
) -> None:
    page = await at_work(house, await browser.new_context(), "102")
    await page.evaluate(_HELD_BY_ANOTHER_PROGRAM)
    await house.callcenter("agent", "sign-in", "103")
    call = await house.dial(OTHER_DID, "380639100012")
    desk = await house.phones["103"].rings()
    await phone_is(page, "refused")
    await expect(page.locator("#phone-bar")).to_contain_text("зайнятий або не відповідає")
    await expect(page.locator("#status .state.unreachable")).to_be_visible()
    desk.answer()
    await call.answered()
    await house.callcenter("agent", "sign-out", "103")


async def test_what_is_open_over_the_page_gives_way_to_a_call(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    await page.keyboard.press("g")
    await expect(page.locator("#sheet-phone")).to_be_visible()
    await house.dial(DID, "380639100013")
    await phone_is(page, "ringing")
    await expect(page.locator("#sheet-phone")).to_be_hidden()
    await page.keyboard.press("a")
    await phone_is(page, "talking")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_phone_can_be_read_and_fits(house: House, browser: Browser, scheme: Literal["light", "dark"]) -> None:
    context = await browser.new_context(
        color_scheme=scheme, reduced_motion="reduce", viewport={"width": 1280, "height": 768}
    )
    page = await at_work(house, context)
    await page.keyboard.press("g")
    await expect(page.locator("[data-device=microphone] option")).not_to_have_count(1)
    assert await page.evaluate(CONTRAST.replace("'body *'", "'dialog[open] *'")) == []
    await page.keyboard.press("Escape")
    await house.dial(DID, "380639100014" if scheme == "light" else "380639100015")
    await phone_is(page, "ringing")
    assert await page.evaluate(CONTRAST) == []
    await page.keyboard.press("a")
    await phone_is(page, "talking")
    await expect(page.locator("#hang-up")).to_be_visible()
    await page.keyboard.press("u")
    await page.keyboard.press("k")
    assert await page.evaluate(CONTRAST) == []
    assert await page.evaluate(f"({CUT_OFF})()") == []
    assert await page.evaluate(f"({UNNAMED})()") == []
    await context.set_offline(True)
    await expect(page.locator("#phone-bar")).to_be_visible()
    assert await page.evaluate(CONTRAST) == []


_HELD_BY_ANOTHER_PROGRAM = """() => {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotReadableError'));
}"""
"""As a browser says it of a microphone that another program holds, which no flag of Chromium plays."""


async def test_a_phone_that_answers_by_itself_says_whose_caller_it_is_first(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    await house.callcenter("agent", "set", "101", "--auto-answer")
    await house.callcenter("asterisk", "render", "--install")
    try:
        call = await house.dial(DID, "380639100016")
        await phone_is(page, "talking")
        await until(lambda: hears_page(call), 20, "the caller hears the agent")
        await expect(page.locator(".card[data-stage=talking] h1")).to_have_text("СвітлоНет")
    finally:
        await house.callcenter("agent", "set", "101", "--no-auto-answer")
        await house.callcenter("asterisk", "render", "--install")
