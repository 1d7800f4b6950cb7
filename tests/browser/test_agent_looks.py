"""How the agent's page fits, reads and calls its agent: widths, contrast, names, notifications, leaving in a call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from playwright.async_api import Browser, Dialog, expect

from callcenter.ami.facts import CallEnded
from callcenter.store import Database
from tests.agent_house import AgentHouse, agent_house, real_now
from tests.browser.agent_day import at, both_serve_svitlo, owed, signed_in, talk
from tests.browser.test_agent_page import CONTRAST, agents_page

pytestmark = pytest.mark.browser


@pytest.fixture
async def house(database: Database) -> AsyncIterator[AgentHouse]:
    async with agent_house(database) as house:
        yield house


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
        fits = f"document.documentElement.scrollWidth <= innerWidth && ({CUT_OFF})().length === 0"
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
            assert await page.evaluate(fits), (state, await page.evaluate(CUT_OFF))
        call = await talk(house)
        await expect(page.locator("#hang-up")).to_be_visible()
        await page.get_by_text("Повільний інтернет").click()
        await expect(page.locator("#note-state")).to_have_text("Збережено")
        assert await page.evaluate(CONTRAST) == []
        assert await page.evaluate(fits), await page.evaluate(CUT_OFF)
        await page.keyboard.press("Escape")
        await page.click("#hand-on")
        await expect(page.locator("#give-102")).to_be_visible()
        assert await page.evaluate(CONTRAST.replace("'body *'", "'dialog[open] *'")) == []
        await page.keyboard.press("Escape")
        house.tell(CallEnded(call))
        await expect(page.locator("#done")).to_be_visible()
        assert await page.evaluate(CONTRAST) == []
        assert await page.evaluate(fits), await page.evaluate(CUT_OFF)
        unnamed = await page.evaluate(UNNAMED)
        assert unnamed == []
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
CUT_OFF = """() => [...document.querySelectorAll('button, summary, .tally div')].filter((el) => el.checkVisibility())
  .filter((el) => {
    const right = el.getBoundingClientRect().right;
    for (let up = el.parentElement; up; up = up.parentElement) {
      if (getComputedStyle(up).overflowX !== 'visible' && right > up.getBoundingClientRect().right + 1) return true;
    }
    return right > innerWidth + 1;
  }).map((el) => el.textContent)"""
UNNAMED = """() => [...document.querySelectorAll('button, input, select, textarea, summary')]
  .filter((el) => el.checkVisibility() && el.type !== 'hidden')
  .filter((el) => !(el.textContent.trim() || el.getAttribute('aria-label') || el.labels?.length))
  .map((el) => el.outerHTML.slice(0, 80))"""
