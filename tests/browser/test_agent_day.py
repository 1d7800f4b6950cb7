"""The agent's day on their page, in a real Chromium: duty, phone, notes, callbacks, messages, as the floor is told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from playwright.async_api import Browser, Dialog, Page, expect
from sqlalchemy import text

from callcenter.ami.facts import AgentAnswered, AgentHeld, AgentUnheld, CallEnded, PhoneStateChanged
from callcenter.calls.entry import LedgerEntry
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord
from callcenter.desk.ports import AgentNow
from callcenter.errors import RuleBroken, Unavailable
from callcenter.floor.messages import send
from callcenter.routing.numbers import caller_number
from callcenter.store import Database, Scope
from callcenter.words import Did, ProviderId, UniqueId
from tests.agent_house import MARIIA, SVITLO_DID, AgentHouse, agent_house, real_now
from tests.browser.test_agent_page import CONTRAST, agents_page

pytestmark = pytest.mark.browser


@pytest.fixture
async def house(database: Database) -> AsyncIterator[AgentHouse]:
    async with agent_house(database) as house:
        yield house


def at(house: AgentHouse, state: str, agent: str = "101", **more: object) -> None:
    """The floor says what an agent is at."""
    house.picture[agent] = AgentNow(agent, state, real_now(), **more)  # type: ignore[arg-type]
    house.screens.rail.stir()


async def given(house: AgentHouse, *orders: tuple[object, ...]) -> None:
    """Until exactly these orders have reached the floor, in this order."""
    async with asyncio.timeout(8):
        while len(house.orders.given) < len(orders):
            await asyncio.sleep(0.01)
    assert house.orders.given == list(orders)
    house.orders.given.clear()


async def keep_call(house: AgentHouse, call: str, *, direction: str = "in", number: str = "+380671234567") -> None:
    """The ledger knows this call, as it does a moment after it began."""
    values = {"id": call, "direction": direction, "did": f"+{SVITLO_DID}", "number": number, "at": real_now()}
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(_CALL, values)


async def notes(house: AgentHouse) -> list[tuple[str, str, str, str]]:
    async with house.db.scoped(Scope.all()) as conn:
        rows = await conn.execute(text("SELECT call_id, agent, reason, note FROM call_note ORDER BY call_id, agent"))
        return [tuple(row) for row in rows]


async def talk(house: AgentHouse) -> UniqueId:
    """A subscriber talks with Olena, and the ledger knows of it."""
    call = house.rings(house.arrives())
    await keep_call(house, call)
    house.tell(AgentAnswered(call, "101"))
    at(house, "talking", provider=ProviderId(1), call=call)
    return call


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
        await expect(page.locator("#notes")).to_contain_text("Телебачення")
        await expect(page.locator("#notes")).to_contain_text("<b>жирно</b>")
        await expect(page.locator("#notes")).to_contain_text("Тарас")
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


async def test_leaving_the_page_in_a_call_is_asked_about(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        call = await talk(house)
        await expect(page.locator('.card[data-stage="talking"]')).to_be_visible()
        await page.mouse.click(5, 5)  # browsers ask only where somebody did something
        kinds: list[str] = []

        async def answer(dialog: Dialog) -> None:
            kinds.append(dialog.type)
            await dialog.accept()

        page.on("dialog", answer)
        await page.reload()
        assert kinds == ["beforeunload"]
        house.tell(CallEnded(call))
        await expect(page.locator('.card[data-stage="after_call"]')).to_be_visible()
        await page.mouse.click(5, 5)
        await page.reload()
        assert kinds == ["beforeunload"]
        assert [said for said in complaints if not said.startswith("a dialog")] == []


async def test_a_hidden_page_notifies_once_it_was_allowed_to(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        context = await chromium.new_context(permissions=["notifications"])
        await context.add_init_script(_WATCH_NOTIFICATIONS)
        page = await signed_in(house, context.new_page)
        call = house.rings(house.arrives())
        await expect(page.locator(".card")).to_be_visible()
        assert await page.evaluate("window.__shown") == []
        house.tell(CallEnded(call))
        await page.evaluate("window.__hidden = true")
        house.rings(house.arrives())
        await page.wait_for_function("window.__shown.length === 1")
        assert "СвітлоНет" in (await page.evaluate("window.__shown"))[0]


async def test_notifications_are_asked_for_by_a_button_and_never_by_loading(
    house: AgentHouse, chromium: Browser
) -> None:
    async with house.served():
        context = await chromium.new_context()
        await context.add_init_script(_COUNT_QUESTIONS)
        page = await signed_in(house, context.new_page)
        assert await page.evaluate("window.__asked") == 0
        await page.click("#me summary")
        await page.click("#notify")
        await expect(page.locator("#trouble")).to_contain_text("не дозволив")
        assert await page.evaluate("window.__asked") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1024, 1280, 1366])
async def test_everything_of_a_call_fits_and_can_be_read(
    house: AgentHouse, chromium: Browser, scheme: str, width: int
) -> None:
    await both_serve_svitlo(house)
    await house.subscriber("100241")
    async with house.served():
        page, complaints = await agents_page(
            house, chromium, color_scheme=scheme, reduced_motion="reduce", viewport={"width": width, "height": 768}
        )
        fits = f"document.documentElement.scrollWidth <= innerWidth && ({_CUT_OFF})().length === 0"
        await owed(house, minutes_left=-70)
        house.screens.callbacks_changed()
        await expect(page.locator(".tally .bad")).to_contain_text("1")
        for state, more in (
            ("offline", {}), ("unreachable", {}), ("wrap_up", {"until": real_now() + timedelta(seconds=40)}),
            ("paused", {"reason": "technical", "until": real_now() - timedelta(minutes=61)}), ("ready", {}),
        ):  # fmt: skip
            at(house, state, **more)
            await expect(page.locator(f".state.{state}")).to_be_visible()
            assert await page.evaluate(CONTRAST) == []
            assert await page.evaluate(fits), (state, await page.evaluate(_CUT_OFF))
        call = await talk(house)
        await expect(page.locator("#hang-up")).to_be_visible()
        await page.get_by_text("Повільний інтернет").click()
        await expect(page.locator("#note-state")).to_have_text("Збережено")
        assert await page.evaluate(CONTRAST) == []
        assert await page.evaluate(fits), await page.evaluate(_CUT_OFF)
        await page.keyboard.press("Escape")
        await page.click("#hand-on")
        await expect(page.locator("#give-102")).to_be_visible()
        assert await page.evaluate(CONTRAST.replace("'body *'", "'dialog[open] *'")) == []
        await page.keyboard.press("Escape")
        house.tell(CallEnded(call))
        await expect(page.locator("#done")).to_be_visible()
        assert await page.evaluate(CONTRAST) == []
        assert await page.evaluate(fits), await page.evaluate(_CUT_OFF)
        unnamed = await page.evaluate(_UNNAMED)
        assert unnamed == []
        assert complaints == []


async def signed_in(house: AgentHouse, new_page: object) -> Page:
    page: Page = await new_page()  # type: ignore[operator]
    page.set_default_timeout(8000)
    await page.goto(f"{house.url}/sign-in")
    await page.fill("[name=login]", "olena")
    await page.fill("[name=password]", "ясне-сонце-7")
    await page.keyboard.press("Enter")
    await expect(page.locator("#status .state")).to_be_visible()
    return page


async def both_serve_svitlo(house: AgentHouse) -> None:
    """Taras too: the book is read anew."""
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("INSERT INTO queue_agent (queue_id, agent_id, provider_id) VALUES (1, 2, 1)"))
    await house.read_book()


async def owed(house: AgentHouse, number: str = "+380671234567", minutes_left: int = 10, **more: object) -> int:
    now = real_now()
    values = {"number": number, "at": now - timedelta(minutes=20), "due": now + timedelta(minutes=minutes_left), **more}
    columns = "".join(f", {name}" for name in more)
    marks = "".join(f", :{name}" for name in more)
    async with house.db.scoped(Scope.all()) as conn:
        statement = (
            "INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, misses, last_missed_at"
            f"{columns}) VALUES (1, :number, true, :at, :due, :due, 1, :at{marks}) RETURNING id"
        )
        return int((await conn.execute(text(statement), values)).scalar_one())


def own_call(house: AgentHouse, call: UniqueId, callback: int, outcome: CallOutcome | None) -> LedgerEntry:
    """What the ledger says of Olena's call back."""
    now, provider = real_now(), house.ports.book().provider(ProviderId(1))
    assert provider is not None
    record = CallRecord(
        id=call, direction="out", dialled=MARIIA, number_raw=MARIIA, caller_name="", trunk="", arrived_at=now,
        answered_at=None, queued_at=None, connected_at=None, ended_at=None if outcome is None else now,
        outcome=outcome, waited_s=None, talked_s=0.0, agents=("101",), rang=(), transfers=0, segments=(),
        hangup_by="", hangup_cause=None, recording=None, callback_id=callback, provider_slug="svitlo",
        ended=outcome is not None, settled=outcome is not None, whole=True, last_at=now,
    )  # fmt: skip
    return LedgerEntry(record, provider, caller_number(MARIIA, "UA"), Did(f"+{SVITLO_DID}"))


_CALL = text(
    "INSERT INTO call (id, provider_id, direction, did, dialled, number, callable, arrived_at, agents, rang) "
    "VALUES (:id, 1, :direction, :did, :did, :number, true, :at, '{101}', '{101}')"
)
_ATTEMPT = text(
    "INSERT INTO callback_attempt (call_id, callback_id, provider_id, agent, at, answered, result) "
    "VALUES (:call, :callback, 1, '101', :at, false, :result)"
)
_WATCH_NOTIFICATIONS = """
window.__shown = []; window.__hidden = false;
const Real = window.Notification;
window.Notification = class extends Real {
  constructor(title, options) { super(title, options); window.__shown.push(title); }
};
Object.defineProperty(document, 'hidden', { get: () => window.__hidden });
"""
_COUNT_QUESTIONS = """
window.__asked = 0;
Notification.requestPermission = () => { window.__asked += 1; return Promise.resolve('denied'); };
Object.defineProperty(Notification, 'permission', { get: () => (window.__asked ? 'denied' : 'default') });
"""
_CUT_OFF = """() => [...document.querySelectorAll('button, summary, .tally div')].filter((el) => el.checkVisibility())
  .filter((el) => {
    const right = el.getBoundingClientRect().right;
    for (let up = el.parentElement; up; up = up.parentElement) {
      if (getComputedStyle(up).overflowX !== 'visible' && right > up.getBoundingClientRect().right + 1) return true;
    }
    return right > innerWidth + 1;
  }).map((el) => el.textContent)"""
_UNNAMED = """() => [...document.querySelectorAll('button, input, select, textarea, summary')]
  .filter((el) => el.checkVisibility() && el.type !== 'hidden')
  .filter((el) => !(el.textContent.trim() || el.getAttribute('aria-label') || el.labels?.length))
  .map((el) => el.outerHTML.slice(0, 80))"""
