"""The agent's day on their page, in a real Chromium: duty, phone, callbacks, messages, as the floor is told."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import text

from callcenter.ami.facts import AgentHeld, AgentUnheld, CallEnded
from callcenter.errors import RuleBroken, Unavailable
from callcenter.floor.messages import send
from callcenter.store import Database, Scope
from callcenter.words import ProviderId
from tests.agent_house import AgentHouse, agent_house, real_now
from tests.browser.agent_day import at, both_serve_svitlo, given, owed, talk
from tests.browser.test_agent_page import agents_page

pytestmark = pytest.mark.browser


@pytest.fixture
async def house(database: Database) -> AsyncIterator[AgentHouse]:
    async with agent_house(database) as house:
        yield house


async def test_one_signs_in_and_out_and_takes_a_pause_with_its_reason(house: AgentHouse, chromium: Browser) -> None:
    at(house, "offline")
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        await expect(page.locator("#idle")).to_contain_text("Ви не на зміні")
        await page.keyboard.press("p")
        await given(house, ("sign_in", "101"))
        at(house, "ready")
        await expect(page.locator(".state")).to_contain_text("Готово")
        await expect(page.locator("#say")).to_have_text("Готово")
        await page.keyboard.press("p")
        await expect(page.locator("#pause-lunch")).to_contain_text(re.compile(r"Обід\s*до 45 хв"))
        await page.keyboard.press("2")
        await given(house, ("pause", "101", "lunch"))
        assert house.orders.given_by[-1] == "user:Олена"
        at(house, "paused", reason="lunch", until=real_now() + timedelta(minutes=45))
        await expect(page.locator(".state")).to_contain_text("Обід")
        await expect(page.locator(".state .timer")).to_have_text(re.compile(r"ще 4[45]:\d\d"))
        at(house, "paused", reason="lunch", until=real_now() - timedelta(seconds=130))
        await expect(page.locator(".state .timer")).to_have_text(re.compile(r"понад межу 2:1\d"))
        await expect(page.locator(".state .timer")).to_have_class(re.compile("bad"))
        await page.keyboard.press("p")
        await given(house, ("ready", "101"))
        at(house, "ready")
        await expect(page.locator("#pause-list")).to_be_visible()
        await page.click("#pause-list")
        await page.click("#sign-out")
        await given(house, ("sign_out", "101"))
        assert complaints == []


async def test_wrap_up_counts_down_is_prolonged_and_ended(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        at(house, "wrap_up", until=real_now() + timedelta(seconds=30))
        await expect(page.locator(".state .timer")).to_have_text(re.compile(r"ще 0:(30|2\d)"))
        await page.keyboard.press("w")
        await given(house, ("prolong_wrap_up", "101", 60))
        await page.keyboard.press("p")
        await given(house, ("finish_wrap_up", "101"))
        assert complaints == []


async def test_a_phone_that_is_gone_is_a_state_of_its_own_and_says_what_to_do(
    house: AgentHouse, chromium: Browser
) -> None:
    async with house.served():
        page, _ = await agents_page(house, chromium)
        at(house, "unreachable")
        await expect(page.locator(".state")).to_contain_text("Телефон не на зв’язку")
        await expect(page.locator("#idle")).to_contain_text("телефон 101 не зареєстровано")


async def test_a_reload_and_a_restarted_service_change_no_state(house: AgentHouse, chromium: Browser) -> None:
    at(house, "paused", reason="break", until=real_now() + timedelta(minutes=15))
    async with house.served():
        page, _ = await agents_page(house, chromium)
        await page.reload()
        await expect(page.locator(".state")).to_contain_text("Перерва")
    await expect(page.locator("#cut")).to_be_visible()
    async with house.served():
        await expect(page.locator("#cut")).to_be_hidden(timeout=15000)
        await expect(page.locator(".state")).to_contain_text("Перерва")
    assert house.orders.given == []


async def test_one_holds_and_hangs_up_by_key(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        await page.keyboard.press("h")  # nobody is on the line
        call = await talk(house)
        await expect(page.locator("#hold")).to_contain_text("Утримати")
        await page.keyboard.press("h")
        await given(house, ("hold", "101"))
        house.tell(AgentHeld(call, "101"))
        await expect(page.locator("#hold")).to_contain_text("Повернутися")
        await expect(page.locator(".stage-now")).to_contain_text("Утримання")
        await page.keyboard.press("h")
        await given(house, ("unhold", "101"))
        house.tell(AgentUnheld(call, "101"))
        await expect(page.locator("#hold")).to_contain_text("Утримати")
        await page.keyboard.press("x")
        await given(house, ("hang_up", "101"))
        house.tell(CallEnded(call))
        at(house, "wrap_up", until=real_now() + timedelta(seconds=30))
        await expect(page.locator("#hang-up")).to_have_count(0)
        assert complaints == []


async def test_one_hands_a_caller_on_asking_first_or_not(house: AgentHouse, chromium: Browser) -> None:
    await both_serve_svitlo(house)
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        await talk(house)
        await expect(page.locator("#hand-on")).to_be_visible()
        await page.keyboard.press("t")
        sheet = page.locator("#sheet-call")
        await expect(sheet.locator("li", has_text="Тарас")).to_contain_text("готово")
        await page.keyboard.type("т")  # it goes into the search, not to the phone
        await sheet.locator("#give-102").click()
        await given(house, ("transfer", "101", "102"))
        await expect(sheet).to_be_hidden()
        await page.keyboard.press("t")
        await sheet.get_by_role("listitem").filter(has_text="svitlo").get_by_role("button").click()
        await given(house, ("transfer", "101", "svitlo"))
        await expect(sheet).to_be_hidden()
        await page.keyboard.press("t")
        await sheet.locator("#ask-102").click()
        await given(house, ("consult", "101", "102"))
        await expect(sheet).to_be_hidden()
        at(house, "talking", provider=ProviderId(1), asked="102")
        await expect(page.locator("#complete")).to_contain_text("З’єднати з Тарас")
        await page.keyboard.press("v")
        await given(house, ("take_back", "101"))
        await page.keyboard.press("c")
        await given(house, ("complete", "101"))
        at(house, "talking", "102")
        at(house, "talking", provider=ProviderId(1))
        await expect(page.locator("#hand-on")).to_be_visible()
        await page.keyboard.press("t")
        await expect(sheet.locator("#give-102")).to_be_disabled()
        assert complaints == []


async def test_the_supervisor_who_is_at_a_phone_is_asked(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        await talk(house)
        await expect(page.locator("#supervisor")).to_be_visible()
        await page.keyboard.press("s")
        await expect(page.locator("#trouble")).to_contain_text("Жодного супервізора")
        async with house.db.scoped(Scope.only(())) as conn:
            await conn.execute(text("UPDATE user_account SET role = 'lead' WHERE login = 'taras'"))
        await page.keyboard.press("s")
        await given(house, ("consult", "101", "102"))
        assert [said for said in complaints if "409" not in said] == []


async def test_what_the_floor_refuses_is_said(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        page, _ = await agents_page(house, chromium)
        await talk(house)
        house.orders.fails_with = RuleBroken("нікого утримувати")
        await page.locator("#hold").click()
        await expect(page.locator("#trouble")).to_have_text("нікого утримувати")
        house.orders.fails_with = Unavailable("asterisk", "no link")
        await page.locator("#hang-up").click()
        await expect(page.locator("#trouble")).to_have_text("asterisk")
        await expect(page.locator("#hang-up")).to_be_enabled()


async def test_own_callbacks_stand_on_top_and_others_say_why_not(house: AgentHouse, chromium: Browser) -> None:
    now = real_now()
    soon = now + timedelta(minutes=9)
    await owed(house, "+380670000001", claimed_by="101", claimed_until=soon)
    await owed(house, "+380670000002", claimed_by="102", claimed_until=soon)
    await owed(house, "+380670000003", next_try_at=soon)
    await owed(house, "+380670000004", kept_queue="svitlo", kept_since=now)
    await owed(house, "+380670000005", decision_since=now)
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        await expect(page.locator("#mine li")).to_have_count(1)
        await expect(page.locator("#mine")).to_contain_text("067 000 00 01")
        rows = page.locator("#callbacks li:visible")
        await expect(rows).to_have_count(4)

        async def row(number: str, says: str, buttons: int) -> None:
            one = page.locator("#callbacks li", has_text=number)
            await expect(one).to_contain_text(says)
            await expect(one.locator("button")).to_have_count(buttons)

        await row("067 000 00 02", "в роботі: Тарас", 0)
        await row("067 000 00 03", "не раніше", 0)
        await row("067 000 00 04", "тримає місце", 1)
        await row("067 000 00 05", "вирішує старший", 0)
        await page.keyboard.press("b")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await given(house, ("call_back", 1, "101"))
        assert complaints == []


async def test_one_dials_a_number_for_a_provider_and_calls_a_colleague(house: AgentHouse, chromium: Browser) -> None:
    await both_serve_svitlo(house)
    await house.subscriber("100241")
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        await page.keyboard.press("n")
        sheet = page.locator("#sheet-dial")
        assert await sheet.locator("option").all_inner_texts() == ["СвітлоНет"]
        await expect(sheet.locator("[name=number]")).to_be_focused()
        await page.keyboard.type("067 (123)")
        await page.keyboard.type(" 45-67")
        await page.keyboard.press("Enter")
        await given(house, ("dial", "101", 1, "+380671234567"))
        await expect(sheet).to_be_hidden()
        await expect(page.locator('.card[data-stage="calling"] h2')).to_have_text("Шевченко Марія Іванівна")
        await page.keyboard.press("Escape")
        await page.keyboard.press("n")
        await sheet.locator("#call-102").click()
        await given(house, ("call_colleague", "101", "102"))
        assert complaints == [], complaints


async def test_a_message_stays_until_it_is_seen(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        other, _ = await agents_page(house, chromium)
        async with house.db.scoped(Scope.only(())) as conn:
            await send(conn, ["101"], "Аварія на <b>Садовій</b>", "Ірина", real_now())
        for each in (page, other):
            await expect(each.locator(".message")).to_contain_text("Ірина Аварія на <b>Садовій</b>")
        await page.reload()
        await page.locator(".message button").click()
        for each in (page, other):
            await expect(each.locator(".message")).to_have_count(0)
        assert complaints == []
