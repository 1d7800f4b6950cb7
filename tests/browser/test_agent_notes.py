"""What agents write of calls, on the real page: nothing typed is lost, and it stands where the next one looks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from playwright.async_api import Browser, Dialog, Page, expect
from sqlalchemy import text

from callcenter.ami.facts import AgentAnswered, CallEnded, PhoneStateChanged
from callcenter.calls.outcome import CallOutcome
from callcenter.store import Database, Scope
from callcenter.words import UniqueId
from tests.agent_house import AgentHouse, agent_house, real_now
from tests.browser.agent_day import at, given, keep_call, notes, owed, own_call, talk
from tests.browser.test_agent_page import agents_page

pytestmark = pytest.mark.browser


@pytest.fixture
async def house(database: Database) -> AsyncIterator[AgentHouse]:
    async with agent_house(database) as house:
        yield house


async def test_a_note_is_kept_as_typed_and_survives_a_reload(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        call = await talk(house)
        await expect(page.locator("#note-text")).to_be_enabled()
        await page.keyboard.press("m")
        await expect(page.locator("#note-text")).to_be_focused()
        await page.keyboard.type("Домовились про выїзд, phx")  # p, h and x are letters here
        await page.get_by_text("Повільний інтернет").click()
        await expect(page.locator("#note-state")).to_have_text("Збережено")
        assert await notes(house) == [(call, "101", "slow-internet", "Домовились про выїзд, phx")]
        house.screens._card_changed(call)  # the card is drawn anew meanwhile
        await expect(page.locator("#note-text")).to_have_value("Домовились про выїзд, phx")
        complaints.clear()
        page.on("dialog", Dialog.accept)
        await page.reload()
        await expect(page.locator("#note-text")).to_have_value("Домовились про выїзд, phx")
        await expect(page.locator("input[value=slow-internet]")).to_be_checked()
        assert house.orders.given == []
        house.tell(CallEnded(call))
        at(house, "wrap_up", until=real_now() + timedelta(seconds=30))
        await expect(page.locator(".state.wrap_up")).to_be_visible()
        await page.locator("#note-text").fill("Домовились про виїзд")
        await page.keyboard.press("Control+Enter")
        await given(house, ("finish_wrap_up", "101"))
        await expect(page.locator(".card")).to_have_count(0)
        assert await notes(house) == [(call, "101", "slow-internet", "Домовились про виїзд")]


async def test_a_note_waits_for_a_ledger_that_is_late(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        page, _ = await agents_page(house, chromium)
        call = house.rings(house.arrives())
        house.tell(AgentAnswered(call, "101"))
        await page.locator("#note-text").fill("Ще до журналу")
        await expect(page.locator("#note-state")).to_have_text("Ще не збережено")
        assert await notes(house) == []
        await keep_call(house, call)
        await expect(page.locator("#note-state")).to_have_text("Збережено", timeout=10000)
        assert await notes(house) == [(call, "101", "", "Ще до журналу")]


async def test_a_second_page_shows_the_same_and_takes_no_pen_away(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        first, _ = await agents_page(house, chromium)
        second, _ = await agents_page(house, chromium)
        await talk(house)
        await first.locator("#note-text").fill("З першої сторінки")
        await expect(second.locator("#note-text")).to_have_value("З першої сторінки")
        await second.locator("#note-text").focus()
        await second.keyboard.press("End")
        await second.keyboard.type(" і з другої")
        await first.keyboard.press("Escape")
        await expect(second.locator("#note-text")).to_have_value("З першої сторінки і з другої")
        await expect(first.locator("#note-text")).to_have_value("З першої сторінки і з другої")
        await second.keyboard.press("Escape")
        at(house, "paused", reason="break")
        for page in (first, second):
            await expect(page.locator(".state")).to_contain_text("Перерва")


async def test_what_was_written_is_shown_before_the_next_talk_and_with_the_call(
    house: AgentHouse, chromium: Browser
) -> None:
    hostile = "<b>жирно</b>\u202e & <script>alert(1)</script>"
    await keep_call(house, "pbx1-900.1")
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(
            text("INSERT INTO call_note (call_id, agent, provider_id, reason, note, at) "
                 "VALUES ('pbx1-900.1', '102', 1, 'tv', :note, now())"), {"note": hostile},
        )  # fmt: skip
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        house.rings(house.arrives())
        await expect(page.locator("#past .row-note")).to_have_text(f"Телебачення: {hostile}")
        await page.locator("#past a.who").click()
        noted = page.frame_locator("#panel-page").locator("#notes")  # over the agent's page, which stays
        await expect(noted).to_contain_text("Телебачення")
        await expect(noted).to_contain_text("<b>жирно</b>")
        await expect(noted).to_contain_text("Тарас")
        assert complaints == []


async def calls_back(house: AgentHouse, page: Page, callback: int) -> UniqueId:
    """Olena's phone has rung, she picked up, and the ledger knows of her call."""
    await page.locator(f"#call-{callback}").click()
    await given(house, ("call_back", callback, "101"))
    await expect(page.locator('.card[data-stage="calling"]')).to_be_visible()
    await expect(page.locator("#note-state")).to_contain_text("щойно почнеться дзвінок")
    call = UniqueId("pbx1-950.1")
    await keep_call(house, call, direction="out")
    house.screens.calls_committed([own_call(house, call, callback, None)])
    return call


async def ends(house: AgentHouse, call: UniqueId, callback: int, outcome: CallOutcome) -> None:
    house.tell(PhoneStateChanged("101", "inuse"), PhoneStateChanged("101", "not_inuse"))
    async with house.db.scoped(Scope.all()) as conn:
        values = {"call": call, "callback": callback, "at": real_now(), "result": outcome.value}
        await conn.execute(_ATTEMPT, values)
    house.screens.calls_committed([own_call(house, call, callback, outcome)])


async def test_a_call_back_in_vain_is_said_on_the_card(house: AgentHouse, chromium: Browser) -> None:
    await house.subscriber("100241")
    callback = await owed(house)
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        call = await calls_back(house, page, callback)
        await page.locator("#note-text").fill("Гудки")
        await expect(page.locator("#note-state")).to_have_text("Збережено")
        await ends(house, call, callback, CallOutcome.NO_ANSWER)
        await expect(page.locator(".vain")).to_contain_text("не відповів")
        await expect(page.locator("#said-voicemail")).to_have_count(0)  # nothing took the call
        assert await notes(house) == [(call, "101", "", "Гудки")]
        assert complaints == []


async def test_what_took_a_call_back_the_agent_tells(house: AgentHouse, chromium: Browser) -> None:
    callback = await owed(house)
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        call = await calls_back(house, page, callback)
        await ends(house, call, callback, CallOutcome.CUT_SHORT)
        await page.locator("#said-voicemail").click()
        await expect(page.locator("#trouble")).to_have_text("Записано: голосова пошта.")
        async with house.db.scoped(Scope.all()) as conn:
            said = (await conn.execute(text("SELECT said, said_by FROM callback_attempt"))).one()
        assert tuple(said) == ("voicemail", "user:Олена")
        assert complaints == []


_ATTEMPT = text(
    "INSERT INTO callback_attempt (call_id, callback_id, provider_id, agent, at, answered, result) "
    "VALUES (:call, :callback, 1, '101', :at, false, :result)"
)
