"""The agent's page in a real Chromium, served by the real web, over facts as the live link tells them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from aiohttp import ClientSession, CookieJar
from playwright.async_api import Browser, Page, expect
from sqlalchemy import text

from callcenter.ami.facts import AgentAnswered, CallEnded, LinkLost, LinkRestored, PhoneStateChanged, RingEnded
from callcenter.desk.screen import Region
from callcenter.diag.reading import OnuReading, OnuState
from callcenter.store import Database, Scope
from callcenter.words import Dbm, Known
from tests.agent_house import DIM_DID, SILENT, WEAK, AgentHouse, agent_house, real_now
from tests.desk_house import PASSWORD

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>{{ 7*7 }}"
CONTRAST = """() => {
  const rgb = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return [...m.slice(0, 3), m[3] ?? 1]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (el) => {
    for (; el; el = el.parentElement) { const c = rgb(getComputedStyle(el).backgroundColor); if (c[3] === 1) return c; }
    return [255, 255, 255, 1];
  };
  const poor = [];
  for (const el of document.querySelectorAll('body *')) {
    const own = [...el.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !el.checkVisibility() || el.closest('.sr, .skip, :disabled')) continue;
    const [a, b] = [light(rgb(getComputedStyle(el).color)), light(behind(el))].sort((x, y) => y - x);
    const style = getComputedStyle(el), px = parseFloat(style.fontSize);
    const wanted = px >= 24 || (px >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const got = (a + 0.05) / (b + 0.05);
    if (got < wanted) poor.push(`${el.textContent.trim().slice(0, 30)}: ${got.toFixed(2)}`);
  }
  return poor;
}"""


@pytest.fixture
async def house(database: Database) -> AsyncIterator[AgentHouse]:
    async with agent_house(database) as house:
        yield house


class Complaints(list[str]):
    """What the browser objected to: script errors, refused resources, dialogs."""

    def of(self, page: Page) -> None:
        page.on("console", lambda said: self.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("dialog", lambda dialog: self.append(f"a dialog: {dialog.message}"))
        page.on("pageerror", lambda error: self.append(str(error)))


async def agents_page(
    house: AgentHouse, chromium: Browser, login: str = "olena", *, path: str = "/agent", **options: object
) -> tuple[Page, Complaints]:
    """Signed in and drawn."""
    context = await chromium.new_context(**{"viewport": {"width": 1366, "height": 768}, **options})  # type: ignore[arg-type]
    page, complaints = await context.new_page(), Complaints()
    complaints.of(page)
    page.set_default_timeout(8000)
    await page.goto(f"{house.url}/sign-in")
    await page.fill("[name=login]", login)
    await page.fill("[name=password]", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{house.url}/agent")
    if path != "/agent":
        await page.goto(house.url + path)
    await expect(page.locator("#status .state")).to_be_visible()
    return page, complaints


async def test_the_phone_rings_and_the_page_says_whose_who_and_what_is_wrong(
    house: AgentHouse, chromium: Browser
) -> None:
    await house.subscriber("100241")
    house.olts.answer(WEAK)
    async with house.served():
        page, complaints = await agents_page(house, chromium, path="/agent?bench=1")
        await expect(page.locator("#idle")).to_contain_text("Чекаємо на дзвінок")
        call = house.arrives(name="Марія")
        await wait_for_card(house, call)
        await expect(page.locator(".card")).to_have_count(0)
        house.rings(call)
        card = page.locator(".card")
        await expect(card.locator("h1")).to_have_text("СвітлоНет")
        await expect(card.locator(".greet")).to_contain_text("Компанія «СвітлоНет», мене звати Олена")
        await expect(card.locator(".who h2")).to_have_text("Шевченко Марія Іванівна")
        await expect(card.locator(".number")).to_have_text("067 123 45 67")
        await expect(card.locator(".verdict")).to_have_text("Слабкий сигнал: −26,4 dBm")
        await expect(page.locator("#idle")).to_be_hidden()
        await expect(page.locator("#say")).to_have_text("Дзвонить: СвітлоНет. Шевченко Марія Іванівна")
        assert "СвітлоНет · Шевченко" in await page.title()
        assert "ringing" in (await page.get_attribute('link[rel="icon"]', "href") or "")
        pops = await page.evaluate("window.__pops")
        assert pops[0]["complete"] is True, "the card is whole in its first frame"
        house.tell(AgentAnswered(call, "101"))
        await expect(card).to_have_attribute("data-stage", "talking")
        house.tell(CallEnded(call))
        await expect(card).to_have_attribute("data-stage", "after_call")
        await page.keyboard.press("Escape")
        await expect(card).to_have_count(0)
        await expect(page.locator("#idle")).to_be_visible()
        assert complaints == []


async def wait_for_card(house: AgentHouse, call: str) -> None:
    """Until everything is looked up, as it is after a greeting."""
    async with asyncio.timeout(5):
        while not house.screens._calls[call].card.is_complete:  # type: ignore[index]
            await asyncio.sleep(0.005)


async def test_names_that_would_like_to_be_scripts_stay_names(house: AgentHouse, chromium: Browser) -> None:
    long = "Я" * 200
    await house.subscriber("1", HOSTILE, address=HOSTILE, note=long, phone="+380930000001")
    await house.subscriber("2", long, address=long, phone="+380930000002")
    await house.subscriber("3", HOSTILE, phone="+380930000003")
    await house.subscriber("4", "\u202eВорожий", address=HOSTILE, phone="+380930000003")
    async with house.served():
        page, complaints = await agents_page(house, chromium, viewport={"width": 1024, "height": 768})
        callers = (
            ("0930000001", ""),
            ("0930000002", ""),
            ("0930000003", ""),
            ("0931112233", HOSTILE * 4),
            (HOSTILE, HOSTILE),
        )
        for number, name in callers:
            call = house.rings(house.arrives(number, name))
            await wait_for_card(house, call)
            await expect(page.locator(f'.card[data-call="{call}"][data-complete="true"]')).to_be_visible()
            assert await page.locator(".desk img, .desk script").count() == 0
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{number} is too wide"
            assert "49" not in await page.inner_text(".card h2")
            house.tell(CallEnded(call))
        assert complaints == []


async def test_one_works_by_keyboard(house: AgentHouse, chromium: Browser) -> None:
    await house.subscriber("100241")
    second = await house.subscriber("100242", "Шевченко Олег", onu="EPON0/2:49")
    house.olts.answer(WEAK)
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        await page.keyboard.press("p")
        await page.keyboard.press("1")
        await expect(page.locator("#trouble")).to_be_hidden()
        house.is_("paused")
        house.screens.rail.stir()
        await expect(page.locator(".state")).to_contain_text("Пауза")
        ukrainian = "new KeyboardEvent('keydown', {key: 'з', code: 'KeyP', bubbles: true})"  # the same key
        await page.evaluate(f"document.body.dispatchEvent({ukrainian})")
        async with asyncio.timeout(5):
            while len(house.orders.given) < 2:
                await asyncio.sleep(0.01)
        assert house.orders.given == [("pause", "101", "break"), ("ready", "101")]
        call = house.rings(house.arrives())
        await expect(page.locator(".choice li")).to_have_count(2)
        await page.keyboard.press("2")
        await expect(page.locator(".who h2")).to_have_text("Шевченко Олег")
        await expect(page.locator(".verdict")).to_contain_text("Слабкий сигнал")
        assert house.olts.asked == ["EPON0/2:49"]
        house.olts.answer(OnuReading(OnuState.ONLINE, onu_rx=Dbm(-20.0)))
        await page.keyboard.press("r")
        await expect(page.locator(".verdict")).to_have_text("Лінія в нормі")
        await page.keyboard.press("0")
        await expect(page.locator(f"#choose-{second}")).to_be_visible()
        await page.focus(f"#choose-{second}")
        house.screens._card_changed(call)  # the card is drawn anew under the agent's hands
        await page.wait_for_function(f"document.activeElement.id === 'choose-{second}'")
        assert complaints == []


async def test_calling_back_rings_the_own_phone_and_shows_whom_one_calls(house: AgentHouse, chromium: Browser) -> None:
    await house.subscriber("100241")
    house.olts.answer(WEAK)
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(
            text("INSERT INTO callback "
                 "(provider_id, number, callable, opened_at, due_at, rank_at, misses, last_missed_at) VALUES "
                 "(1, '+380671234567', true, :at, :due, :due, 2, :at), "
                 "(2, '+380931112233', true, :at, :due, :due, 1, :at)"),
            {"at": real_now() - timedelta(minutes=34), "due": real_now() - timedelta(minutes=4)},
        )  # fmt: skip
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        await expect(page.locator("#callbacks li")).to_have_count(1)  # the other provider's is not ours to see
        await expect(page.locator("#callbacks .left")).to_have_text("−4 хв")
        await expect(page.locator(".tally .bad")).to_contain_text("1")
        await page.keyboard.press("b")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        card = page.locator('.card[data-stage="calling"]')
        await expect(card.locator(".who h2")).to_have_text("Шевченко Марія Іванівна")
        await expect(card.locator(".greet")).to_contain_text("Ви нам телефонували")
        assert house.orders.given == [("call_back", 1, "101")]
        house.tell(PhoneStateChanged("101", "inuse"), PhoneStateChanged("101", "not_inuse"))
        await expect(page.locator(".card")).to_have_attribute("data-stage", "after_call")
        assert complaints == []


async def test_what_is_late_is_awaited_and_an_old_reading_is_shown_with_its_age(
    house: AgentHouse, chromium: Browser
) -> None:
    await house.subscriber("100241")
    house.olts.last = Known(WEAK, real_now() - timedelta(hours=3), "OLT-Садова")
    house.olts.gate.clear()
    async with house.served():
        page, complaints = await agents_page(house, chromium)
        house.rings(house.arrives())
        await expect(page.locator(".verdict")).to_have_text("Читаємо лінію…")
        await expect(page.locator(".before")).to_have_text(re.compile(r"3 год\.? тому: Слабкий сигнал: −26,4 dBm"))
        house.olts.line = SILENT
        house.olts.gate.set()
        await expect(page.locator(".verdict")).to_have_text("OLT-Садова не відповіла за 2 с")
        await expect(page.locator(".before")).to_contain_text("тому: Слабкий сигнал")
        assert complaints == []


async def test_a_restarted_service_draws_the_present_again(house: AgentHouse, chromium: Browser) -> None:
    await house.subscriber("100241")
    async with house.served():
        page, _ = await agents_page(house, chromium)
        call = house.rings(house.arrives())
        await expect(page.locator(".card .who h2")).to_have_text("Шевченко Марія Іванівна")
        await page.reload()
        await expect(page.locator(".card .who h2")).to_have_text("Шевченко Марія Іванівна")
    await expect(page.locator("#cut")).to_be_visible()
    await expect(page.locator(".card")).to_be_visible()  # what was known is not taken away
    house.tell(AgentAnswered(call, "101"))
    async with house.served():
        await expect(page.locator(".card")).to_have_attribute("data-stage", "talking", timeout=15000)
        await expect(page.locator("#cut")).to_be_hidden()


async def test_who_is_signed_out_elsewhere_is_asked_to_sign_in(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        page, _ = await agents_page(house, chromium)
        async with house.db.scoped(Scope.only(())) as conn:
            await conn.execute(text("DELETE FROM session"))
        for screen in house.screens._every_screen():
            screen.close()
        await page.wait_for_url(re.compile(r"/sign-in\?ended&next=/agent$"))


async def test_a_cut_telephony_link_is_said(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        page, _ = await agents_page(house, chromium)
        house.tell(LinkLost(real_now() - timedelta(seconds=75)))
        await expect(page.locator("#link")).to_contain_text(re.compile(r"Зв’язок із телефонією перервано.*1:1[5-9]"))
        house.tell(LinkRestored())
        await expect(page.locator("#link .bar")).to_have_count(0)


async def test_nobody_sees_the_card_of_a_provider_they_do_not_serve(house: AgentHouse, chromium: Browser) -> None:
    await house.subscriber("100241")
    async with house.served():
        page, _ = await agents_page(house, chromium, "taras")
        call = house.arrives(name="Марія")
        await wait_for_card(house, call)
        house.rings(call, "102")
        await expect(page.locator(".card")).to_contain_text("Дзвінок чужого провайдера")
        told = await page.content()
        for secret in ("Шевченко", "067 123", "0671234567", "СвітлоНет", "100241", "Марія"):
            assert secret not in told
        house.tell(RingEnded(call, "102"))
        await expect(page.locator(".card")).to_have_count(0)
        own = house.rings(house.arrives("0931112233", did=DIM_DID), "102")
        await expect(page.locator(f'.card[data-call="{own}"] h1')).to_have_text("Дім.Лінк")


async def test_a_socket_that_does_not_read_stalls_nobody(house: AgentHouse, chromium: Browser) -> None:
    async with house.served(), ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        fields = {"login": "olena", "password": PASSWORD}
        await session.post(f"{house.url}/sign-in", data=fields, headers={"Origin": house.url})
        sleeping = await session.ws_connect(f"{house.url}/desk/live", origin=house.url)
        first = house.rings(house.arrives())
        (screen,) = house.screens._every_screen()
        refused = 0
        async with asyncio.timeout(60):
            while refused < 100:  # until its buffers are full and nothing more is taken off it
                screen.note(Region.CARD)
                await asyncio.sleep(0.001)
                refused = refused + 1 if screen._unseen else 0
        page, _ = await agents_page(house, chromium)
        house.tell(CallEnded(first))
        call = house.rings(house.arrives())
        await expect(page.locator(f'.card[data-call="{call}"]')).to_be_visible(timeout=3000)
        await sleeping.close()


async def test_a_part_that_cannot_be_drawn_says_so_and_the_page_goes_on(house: AgentHouse, chromium: Browser) -> None:
    await house.subscriber("100241")
    house.olts.line = Known(WEAK, datetime(2026, 11, 22, 12), "OLT-Садова")  # noqa: DTZ001  # a time nobody can compare
    async with house.served():
        page, _ = await agents_page(house, chromium)
        call = house.rings(house.arrives())
        await expect(page.locator("#card [role=alert]")).to_contain_text("не можна показати")
        house.tell(CallEnded(call))
        house.olts.answer(WEAK)
        again = house.rings(house.arrives())
        await expect(page.locator(f'.card[data-call="{again}"] h1')).to_have_text("СвітлоНет")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_can_be_read_in_light_and_in_dark(house: AgentHouse, chromium: Browser, scheme: str) -> None:
    await house.subscriber("100241", status="debtor", note="Собака на подвір’ї.")
    house.olts.answer(WEAK)
    async with house.served():
        page, complaints = await agents_page(
            house, chromium, color_scheme=scheme, reduced_motion="reduce", locale="uk-UA"
        )
        assert await page.evaluate(CONTRAST) == []
        call = house.rings(house.arrives())
        await expect(page.locator(".verdict")).to_contain_text("Слабкий")
        assert await page.evaluate(CONTRAST) == []
        house.tell(AgentAnswered(call, "101"), CallEnded(call), LinkLost(real_now()))
        await expect(page.locator("#link .bar")).to_be_visible()
        assert await page.evaluate(CONTRAST) == []
        ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(244, 245, 247)", "dark": "rgb(15, 18, 22)"}[scheme]
        assert len(await page.screenshot()) > 20_000
        assert complaints == []


async def test_an_agent_may_read_it_in_english(house: AgentHouse, chromium: Browser) -> None:
    await house.subscriber("100241")
    house.olts.answer(WEAK)
    async with house.served():
        page, _ = await agents_page(house, chromium)
        await page.click("#me summary")
        await page.click("button[lang=en]")
        await expect(page.locator("#idle")).to_contain_text("Waiting for a call")
        house.rings(house.arrives())
        await expect(page.locator(".verdict")).to_have_text("Weak signal: −26.4 dBm")
        await expect(page.locator(".greet")).to_contain_text("Компанія")  # the caller is greeted in their language


async def test_a_supervisor_without_a_phone_is_told_so(house: AgentHouse, chromium: Browser) -> None:
    async with house.served():
        context = await chromium.new_context()
        page = await context.new_page()
        await page.goto(f"{house.url}/sign-in")
        await page.fill("[name=login]", "iryna")
        await page.fill("[name=password]", PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{house.url}/callbacks")
        await page.goto(f"{house.url}/agent")
        await expect(page.locator("main")).to_contain_text("немає телефону")
