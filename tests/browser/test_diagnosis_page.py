"""The full diagnosis in a real Chromium: on the agent's page over a real OLT, and as it was then on the call's page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import text

from callcenter.ami.facts import AgentAnswered
from callcenter.desk.lookups import lookups_of
from callcenter.diag import diagnosis_rows
from callcenter.diag.conclusion import Conclusion, Confidence, Lamp
from callcenter.diag.devices import Device
from callcenter.diag.examined import Answer, Concluded, Examined, Fact, LineAbout, Step, StepName, StepState
from callcenter.diag.verdict import Cause, Level
from callcenter.store import Database, Scope
from callcenter.words import DeviceId, UniqueId
from tests.agent_house import AgentHouse, agent_house, real_now
from tests.browser.test_agent_page import CONTRAST, agents_page, wait_for_card
from tests.browser.test_desk_pages import _signed_in, site
from tests.desk_house import CALLS, HOSTILE, NOON, House
from tests.integration.test_diagnosis import OURS, bench
from tests.keys import VAULT

__all__ = ["site"]  # a fixture
pytestmark = pytest.mark.browser


@pytest.fixture
async def house(database: Database) -> AsyncIterator[AgentHouse]:
    async with agent_house(database) as house:
        yield house


async def test_the_agent_has_the_line_looked_at_and_asks_about_the_lamps(house: AgentHouse, chromium: Browser) -> None:
    async with bench(house.db, seeds=False) as lines, house.served():
        dark = lines.cast[4]
        number = await house.subscriber("100241", onu=str(dark.address))
        async with house.db.scoped(Scope.only([OURS])) as connection:
            moved = text("UPDATE subscriber SET device_id = :device WHERE id = :id")
            await connection.execute(moved, {"device": lines.device.id, "id": number})
        reader = lines.diagnoses._examination._lines
        lines.diagnoses._on_change = house.screens.diagnosis_changed
        house.screens._finding._lookups = lookups_of(
            house.db,
            reader,  # type: ignore[arg-type]  # the whole reader
            VAULT,
            real_now,
            None,
            lines.diagnoses,
        )
        page, complaints = await agents_page(house, chromium)
        call = house.arrives()
        await wait_for_card(house, call)
        house.rings(call)
        house.tell(AgentAnswered(call, "101"))
        await expect(page.locator(".card")).to_have_attribute("data-stage", "talking")
        await page.keyboard.press("d")
        found = page.locator(".diagnosis")
        await expect(found.locator("header .quiet")).to_have_count(0, timeout=40_000)
        await expect(found.locator(".verdict")).to_have_text("До ONU не доходить світло")
        await expect(found.locator('[data-state="skipped"]')).not_to_have_count(0)
        power = found.locator('[data-lamp="power_lit"]')
        await expect(power).to_have_count(3)
        await power.nth(1).click()
        await expect(found.locator(".verdict")).to_have_text("ONU без живлення")
        await expect(power.nth(1)).to_have_attribute("aria-pressed", "true")
        await power.nth(2).click()
        await expect(found.locator(".verdict")).to_have_text("До ONU не доходить світло")
        await expect(power.nth(2)).to_have_attribute("aria-pressed", "true")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert complaints == []


def _as_it_was() -> Examined:
    """What a house of mirrors would leave behind: long and hostile wherever a device or a person writes."""
    device = Device(DeviceId(1), OURS, HOSTILE, "bdcom_epon", "127.0.0.1")
    first = Conclusion(Cause.NO_LIGHT, Level.DARK, Confidence.LIKELY, {"word": HOSTILE}, ("state",), True)
    last = Conclusion(Cause.NO_POWER, Level.DARK, Confidence.SURE, {"word": HOSTILE}, ("state", "lamps"))
    steps = (
        Step(StepName.STATE, StepState.DONE, (Fact("diag.fact.state_offline", {"word": HOSTILE}),), 12),
        Step(StepName.LOG, StepState.DONE, tuple(Fact("diag.fact.log_line", {"line": "x" * 160}) for _ in range(3)), 5),
        Step(StepName.MAC, StepState.FAILED, (Fact("diag.missing.refused", {"about": HOSTILE}),), 7),
        Step(StepName.UNI, StepState.SKIPPED),
    )
    about = LineAbout(OURS, device, onu="EPON0/1:5")
    return Examined(
        1, about, UniqueId(CALLS[1]), f"user:{HOSTILE}", NOON, steps,
        answers=(Answer(NOON, Lamp.POWER_LIT, False, "user:Олена"), Answer(NOON, Lamp.LOS_RED, None, "user:Олена")),
        concluded=(Concluded(NOON, first), Concluded(NOON + timedelta(minutes=1), last)), conclusion=last,
        ended_at=NOON,
    )  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_calls_page_shows_a_diagnosis_as_it_was_then(
    site: tuple[House, str], chromium: Browser, scheme: str
) -> None:
    house, url = site
    async with house.db.scoped(Scope.only([OURS])) as connection:
        await connection.execute(text("INSERT INTO device (provider_id, name, driver, host) VALUES (1, 'v', 'x', 'h')"))
        was = _as_it_was()
        await diagnosis_rows.save(connection, replace(was, row=await diagnosis_rows.begin(connection, was)))
    page, complaints = await _signed_in(chromium, url, "olena", locale="uk-UA", color_scheme=scheme)
    for width in (1366, 420):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.goto(f"{url}/calls/{CALLS[1]}")
        found = page.locator(".diagnosed")
        await expect(found.locator(".verdict")).to_have_text("ONU без живлення")
        await expect(found.locator("dl")).to_be_hidden()
        await found.locator("summary").focus()
        await page.keyboard.press("Enter")
        await expect(found.locator("dl")).to_be_visible()
        await expect(found.locator("dt")).to_have_count(3)
        assert await page.locator("img").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert await page.evaluate(CONTRAST) == []
    assert complaints == []
