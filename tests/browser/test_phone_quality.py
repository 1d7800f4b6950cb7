"""How well a talk in the page is heard: counted by a real Chromium, kept with the call by the real service."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Browser, expect

from lab.house import House
from tests.browser.phone_pages import DID, MARKS, at_work, phone_is
from tests.live.conftest import until

pytestmark = MARKS


async def test_a_talk_is_counted_and_a_microphone_that_gives_nothing_is_an_alarm(
    house: House, browser: Browser
) -> None:
    page = await at_work(house, await browser.new_context())
    call = await house.dial(DID, "380639100077")
    await phone_is(page, "ringing")
    await page.click("#answer")
    await phone_is(page, "talking")

    ours = await page.get_attribute(".card[data-call]", "data-call")

    async def counted(source: str) -> dict[str, dict[str, Any]] | None:
        items = (await house.api("GET", f"/calls/{ours}/quality"))["items"]
        sides = {one["side"]: one for one in items if (one["extension"], one["source"]) == ("101", source)}
        return sides if len(sides) == 2 and all(one["packets"] > 100 for one in sides.values()) else None

    sides = await until(lambda: counted("browser"), 40, "both sides of the talk are kept")
    asterisks = await until(lambda: counted("asterisk"), 60, "Asterisk counts, and Chromium reports to it by RTCP")
    assert {one["heard"] for one in (*sides.values(), *asterisks.values())} <= {"good", "fair"}
    assert sides["agent"]["codec"] in {"opus", "pcmu", "pcma"}
    assert await page.locator("#quality-bar").is_hidden()

    # The microphone's own switch: the page knows of no mute.
    await page.evaluate("() => { phone.call.stream.getAudioTracks()[0].enabled = false; }")
    await expect(page.locator("#quality-bar")).to_have_text("Вас зовсім не чути: перевірте мікрофон.", timeout=60_000)

    async def alarmed() -> bool:
        return any(one["kind"] == "agent_not_heard" for one in (await house.api("GET", "/alarms"))["items"])

    await until(alarmed, 30, "nobody hears the agent: an alarm")
    await page.evaluate("() => { phone.call.stream.getAudioTracks()[0].enabled = true; }")
    await expect(page.locator("#quality-bar")).to_be_hidden(timeout=30_000)

    async def over() -> bool:
        return not await alarmed()

    await until(over, 30, "the agent is heard again")
    await page.keyboard.press("u")
    await page.wait_for_function("() => phone.muted")
    call.hangup()
    await phone_is(page, "registered")

    async def journalled() -> bool:
        told = await counted("asterisk")
        return told is not None and told["agent"]["codec"] in {"opus", "ulaw", "alaw"}

    await until(journalled, 30, "the journal's last word of the leg")
