"""What an agent does with a talk on the phone in their page: hold, transfers, keys for a menu, what is recorded."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import numpy.typing as npt
import soundfile
from playwright.async_api import Browser, Page, expect

from lab.house import House
from lab.rtp import RATE as LAB_RATE
from lab.rtp import level
from lab.sip import CONTROLLED, Call, Tone
from tests.browser.phone_pages import (
    CALLER,
    COLLEAGUE,
    MARKS,
    OTHER_DID,
    at_work,
    hears_music,
    hears_page,
    hears_tone,
    phone_is,
    talks,
)
from tests.live.conftest import Books, until

pytestmark = MARKS

ONE, TWO = 660, 1100
"""What the menu answers to its keys."""


@asynccontextmanager
async def a_colleague(house: House, extension: str = "103") -> AsyncIterator[None]:
    """At work for as long as the block runs."""
    await house.callcenter("agent", "sign-in", extension)
    try:
        yield
    finally:
        await house.callcenter("agent", "sign-out", extension)


async def asks(house: House, page: Page) -> Call:
    """The agent asks the colleague at the desk, who answers and hears them; gives the colleague's call."""
    await page.keyboard.press("t")
    await page.click("#ask-103")
    desk = await house.phones["103"].rings()
    desk.answer()
    await until(lambda: hears_page(desk), 20, "the colleague hears the agent")
    return desk


async def settled(house: House, number: str) -> dict[str, object]:
    return (await Books(house).ended(number))[0]


async def sides_of(house: House, call: str) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """What the recording has of the caller and of the agent, at 8 kHz; one recording, taken in."""
    recording = await Books(house).recording(call, within=40)
    assert recording["state"] == "stored", recording
    headers = {"Authorization": f"Bearer {house.api_token}"}
    url = house.url + (await house.api("GET", f"/recordings/{recording['id']}"))["audio"]
    async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as answer:
        samples, rate = soundfile.read(io.BytesIO(await answer.read()), dtype="int16", always_2d=True)
    caller, agent = samples[:: rate // LAB_RATE].T
    return caller, agent


def loud_seconds(samples: npt.NDArray[np.int16]) -> list[int]:
    """The seconds of a recording in which somebody is heard: Chromium's microphone beeps in each."""
    power = (whole_seconds(samples).astype(float) ** 2).mean(axis=1) ** 0.5
    return [second for second, each in enumerate(power) if each > 200]


def assert_all_of_the_call(caller: npt.NDArray[np.int16], sent: int) -> None:
    """The caller is recorded all the time, whatever became of the agent's leg; ``sent`` are the caller's frames."""
    assert len(caller) / LAB_RATE > sent / 50 - 8, "of the greeting only nothing is recorded"
    heard = [level(second.tolist(), CALLER) for second in whole_seconds(caller)]
    assert sum(each > 0.8 for each in heard) >= len(heard) - 2, f"the caller's tone in each second: {heard}"


def whole_seconds(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    return samples[: len(samples) // LAB_RATE * LAB_RATE].reshape(-1, LAB_RATE)


async def test_a_caller_on_hold_hears_music_and_the_agent_again_after_it(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639300001")
    await until(lambda: hears_page(call), 20, "the caller hears the agent")
    await page.keyboard.press("h")
    await expect(page.locator("#status .state.on_hold")).to_be_visible(timeout=20_000)
    await until(lambda: hears_music(call), 20, "the caller hears music, and nothing of the agent")
    await phone_is(page, "talking")
    await page.keyboard.press("h")
    await expect(page.locator("#status .state.talking")).to_be_visible(timeout=20_000)
    await until(lambda: hears_page(call), 20, "the caller hears the agent again")
    sent = call.audio.sent if call.audio else 0
    call.hangup()
    ended = await settled(house, "380639300001")
    assert ended["outcome"] == "answered"
    caller, agent = await sides_of(house, str(ended["id"]))
    assert_all_of_the_call(caller, sent)
    spoken = loud_seconds(agent)
    assert spoken[-1] >= len(agent) // LAB_RATE - 3, f"the agent after the hold: {spoken}"


async def test_a_caller_is_handed_on_to_a_colleague_at_a_desk(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context(), "102")
    call = await talks(house, page, "380639300002", OTHER_DID)
    async with a_colleague(house):
        await page.keyboard.press("t")
        await page.click("#give-103")
        desk = await house.phones["103"].rings()
        await phone_is(page, "registered")
        desk.answer()
        await until(lambda: hears_tone(call, COLLEAGUE), 20, "the caller hears the colleague")
        await until(lambda: hears_tone(desk, CALLER), 20, "and is heard")
        await expect(page.locator("#status .state.ready")).to_be_visible(timeout=20_000)
        call.hangup()
    ended = await settled(house, "380639300002")
    assert (ended["outcome"], ended["agents"], ended["transfers"]) == ("answered", ["102", "103"], 1)


async def test_a_caller_is_handed_on_to_a_colleague_whose_phone_is_a_page_too(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context(), "102")
    call = await talks(house, page, "380639300003", OTHER_DID)
    other = await at_work(house, await browser.new_context(), "104")
    await page.keyboard.press("t")
    await page.click("#give-104")
    await phone_is(other, "ringing")
    await phone_is(page, "registered")
    await expect(other.locator(".card[data-stage=ringing] h1")).to_have_text("Дім.Лінк", timeout=20_000)
    await other.keyboard.press("a")
    await phone_is(other, "talking")
    await until(lambda: hears_page(call), 20, "the caller hears the colleague")
    await other.keyboard.press("x")
    await phone_is(other, "registered")
    await call.ended()
    assert (await settled(house, "380639300003"))["agents"] == ["102", "104"]


async def test_a_colleague_is_asked_first_and_the_caller_handed_over(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context(), "102")
    call = await talks(house, page, "380639300004", OTHER_DID)
    async with a_colleague(house):
        desk = await asks(house, page)
        await until(lambda: hears_music(call), 20, "the caller hears music, and nothing of what they say")
        await phone_is(page, "talking")
        await page.keyboard.press("c")
        await until(lambda: hears_tone(call, COLLEAGUE), 20, "the caller hears the colleague")
        await until(lambda: hears_tone(desk, CALLER), 20, "and is heard")
        await phone_is(page, "registered")
        call.hangup()
    ended = await settled(house, "380639300004")
    assert (ended["outcome"], ended["agents"]) == ("answered", ["102", "103"])


async def test_a_colleague_who_was_asked_is_let_go_and_the_caller_is_back(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context(), "102")
    call = await talks(house, page, "380639300005", OTHER_DID)
    async with a_colleague(house):
        desk = await asks(house, page)
        await page.keyboard.press("v")
        await desk.ended()
        await until(lambda: hears_page(call), 20, "the caller hears the agent, no music")
        await phone_is(page, "talking")
        call.hangup()
    assert (await settled(house, "380639300005"))["agents"] == ["102"]


async def test_a_menu_hears_the_keys_and_goes_on_by_them(house: House, browser: Browser) -> None:
    """The agent calls a number where a menu answers: it goes where the keys say, and its answers are recorded."""
    page = await at_work(house, await browser.new_context())
    subscriber = house.callers.phone("380639300006", CONTROLLED, tone=Tone(CALLER))
    await page.keyboard.press("n")
    await page.fill("#dial-form [name=number]", "0639300006")
    await page.keyboard.press("Enter")
    menu = await subscriber.rings()
    menu.answer()
    await phone_is(page, "talking")
    sound = menu.audio
    assert sound is not None

    async def together() -> bool:
        """The words that the call is recorded are over: until then nobody hears the agent, nor their keys."""
        channels = (await house.asterisk.rx("core show channels concise")).splitlines()
        bridges = [channel.split("!")[-2] for channel in channels]
        return len(bridges) == 2 and bridges[0] == bridges[1] != ""

    await until(together, 30, "the agent and the menu share a bridge")

    async def chosen(keys: str) -> bool:
        return sound.digits == keys

    async def said(seconds: int) -> bool:
        return sound.sent >= spoke + 50 * seconds

    for key, keys, answer in (("1", "1", ONE), ("2", "12", TWO)):
        await page.keyboard.press("k")
        await page.keyboard.press(key)
        await until(lambda keys=keys: chosen(keys), 20, f"the menu hears {keys}")  # type: ignore[misc]
        await page.keyboard.press("Escape")
        sound.tone, spoke = Tone(answer), sound.sent
        await until(lambda: said(3), 30, "what the menu says then")
    await page.keyboard.press("x")
    await phone_is(page, "registered")
    ended = await settled(house, "380639300006")
    caller, _agent = await sides_of(house, str(ended["id"]))
    for answer in (ONE, TWO):
        heard = [level(second.tolist(), answer) for second in whole_seconds(caller)]
        assert max(heard) > 0.8, f"{answer} Hz is not in the recording: {heard}"


async def test_a_recording_has_both_sides_also_of_what_came_after_a_reload(house: House, browser: Browser) -> None:
    page = await at_work(house, await browser.new_context())
    call = await talks(house, page, "380639300007")
    await until(lambda: hears_page(call), 20, "the caller hears the agent")
    assert call.audio is not None
    sound = call.audio

    async def sent(until_frame: int) -> bool:
        return sound.sent >= until_frame

    talked = sound.sent
    await until(lambda: sent(talked + 200), 30, "four seconds of talk")
    await page.reload()
    await phone_is(page, "talking", within_s=60)
    reloaded = sound.sent
    await until(lambda: hears_page(call), 20, "the caller hears the agent again")
    await until(lambda: sent(reloaded + 300), 30, "six seconds more")
    whole = sound.sent
    call.hangup()
    ended = await settled(house, "380639300007")
    assert ended["outcome"] == "answered"
    assert len(await Books(house).rows("SELECT id FROM recording WHERE call_id = :call", call=ended["id"])) == 1
    caller, agent = await sides_of(house, str(ended["id"]))
    assert_all_of_the_call(caller, whole)
    spoken = loud_seconds(agent)
    last = len(agent) // LAB_RATE - 1
    assert min(spoken) <= 5, "the agent before the reload"
    assert any(second >= last - 4 for second in spoken), "and after it"
