"""Agents whose phone is their page: a whole house around a real Asterisk, a Chromium with a microphone that beeps."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from lab.house import House
from lab.plan import LabOlt, LabProvider, Plan
from lab.rtp import FRAME, RATE
from lab.sip import CONTROLLED, Call, Tone
from tests.browser.chromium import QUIET, chromium_path
from tests.live.ports import free_ports

DID = "380441230001"
"""СвітлоНет: agent 101, whose phone is the page."""
OTHER_DID = "380441240001"
"""Дім.Лінк: agents 102 and 104, whose phone is the page; and agent 103 with a phone of its own."""
CALLER, COLLEAGUE = 440, 880
"""Pitches of the lab's phones, in Hz; the microphone of a page beeps."""
PLAN = Plan(
    providers=(
        LabProvider(
            "svitlonet", "СвітлоНет", "#0b5fff", (DID,), "svitlo-epon", ring_s=20, wrapup_s=0, members=("101",)
        ),
        LabProvider(
            "domlink",
            "Дім.Лінк",
            "#0f7b5a",
            (OTHER_DID,),
            "dom-gpon",
            ring_s=20,
            wrapup_s=0,
            members=("102", "103", "104"),
        ),
    ),
    olts=(
        LabOlt("svitlo-epon", "epon", pons=1, onus=8, seed=1),
        LabOlt("dom-gpon", "gpon", pons=1, onus=8, seed=2),
    ),
    agent_count=4,
    pages=("101", "102", "104"),
    signed_in=False,
    unanswered_rings=20,
    subscribers=8,
    answer_after=None,
    agent_tone=Tone(COLLEAGUE),
    caller_tone=Tone(CALLER),
)
MARKS = [
    pytest.mark.browser,
    pytest.mark.live,
    pytest.mark.timeout(300),  # a loaded machine may take minutes to open the house
    pytest.mark.asyncio(loop_scope="session"),
]
"""Of every test with pages' phones."""
SILENT, BEEP, HIGHEST = 30.0, 100.0, 12_000.0
"""Root mean squares of a frame of 16-bit samples: nobody is below, a beep above; so high a beep begins. The music's
quietest is at 40, its loudest at 1,700.
"""
MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
"""A microphone that beeps twice a second and is given without a question."""


@asynccontextmanager
async def phone_house(plan: Plan = PLAN) -> AsyncIterator[House]:
    """Everybody is signed out of work until their page does it."""
    with tempfile.TemporaryDirectory(prefix="cc", ignore_cleanup_errors=True) as folder:
        async with House(Path(folder) / "h", plan, free_ports()) as house:
            for phone in house.phones.values():
                phone.behaviour = CONTROLLED
            yield house


@asynccontextmanager
async def quiet_afterwards(house: House) -> AsyncIterator[None]:
    """Whatever a test leaves on the line is hung up."""
    for phone in house.phones.values():
        phone.forget()
    try:
        yield
    finally:
        await house.callers.hang_up_all()
        await house.phone_agent.hang_up_all()


@asynccontextmanager
async def a_browser(flags: Sequence[str] = MICROPHONE) -> AsyncIterator[Browser]:
    """As people have it: without a gesture it may play no sound, unless it holds the microphone."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=[*QUIET, *flags])
        yield browser
        await browser.close()


@asynccontextmanager
async def network_cut(browser: Browser) -> AsyncIterator[None]:
    """Nothing leaves the browser or reaches it: what speaks with the network for its pages stands still, unnoticed."""
    session = await browser.new_browser_cdp_session()
    found = await session.send("SystemInfo.getProcessInfo")
    [network] = [each["id"] for each in found["processInfo"] if each["type"] == "network.mojom.NetworkService"]
    os.kill(network, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(network, signal.SIGCONT)


async def signed_in(house: House, context: BrowserContext, extension: str = "101") -> Page:
    """The agent's page of who was just signed in, whatever becomes of the phone in it."""
    page = await context.new_page()
    page.set_default_timeout(15_000)
    await page.goto(f"{house.url}/sign-in?next=/agent")
    await page.fill("[name=login]", f"agent{extension}")
    await page.fill("[name=password]", house.passwords[f"agent{extension}"])
    await page.keyboard.press("Enter")
    await expect(page.locator("#status .state")).to_be_visible()
    return page


async def phone_is(page: Page, *states: str, within_s: float = 30.0) -> None:
    """Until the phone in this page is in one of these states."""
    await page.wait_for_function(
        "(states) => window.phone && states.includes(window.phone.state)", arg=list(states), timeout=within_s * 1000
    )


async def at_work(house: House, context: BrowserContext, extension: str = "101") -> Page:
    """An agent whose page is registered and who takes calls."""
    page = await signed_in(house, context, extension)
    await phone_is(page, "registered")
    await begin_work(page)
    return page


async def begin_work(page: Page) -> None:
    """The agent signs in to work, if they have not yet, and is ready."""
    if await page.locator("#status .state.offline").count():
        await page.keyboard.press("p")
    await expect(page.locator("#status .state.ready")).to_be_visible(timeout=20_000)


async def talks(house: House, page: Page, caller: str, did: str = DID) -> Call:
    """A subscriber calls and the agent answers with the key; gives the caller's call."""
    call = await house.dial(did, caller)
    await phone_is(page, "ringing")
    await page.keyboard.press("a")
    await phone_is(page, "talking")
    return call


async def hears_tone(call: Call, hertz: int) -> bool:
    """Whether this leg hears the tone of a lab's phone."""
    assert call.audio is not None
    return call.audio.hears(hertz)


async def hears_page(call: Call) -> bool:
    """Whether this leg hears a page's microphone now: short beeps and quiet between, as no music and no tone is."""
    power = await _listens(call, 100)
    loud = "".join("#" if each > BEEP else "." for each in power)
    beeps = [len(each) for each in loud.split(".") if each]
    return len(beeps) >= 3 and max(beeps) < 15


async def hears_music(call: Call) -> bool:
    """Whether this leg hears what goes on without a pause and has no beep in it."""
    power = await _listens(call, 50)
    return len(power) >= 45 and sum(each > SILENT for each in power) >= 45 and max(power) < HIGHEST / 2


async def hears_nobody(call: Call) -> bool:
    """Whether a second goes by in which it hears nothing or silence."""
    await _listens(call, 25)  # what was on its way is not counted
    power = await _listens(call, 50)
    return not call.is_ended and math.hypot(*power) < SILENT * math.sqrt(50)


async def _listens(call: Call, frames: int) -> list[float]:
    """How loud what comes from now on is, frame by frame, while this leg sends so many; nothing once it has ended.

    What was heard before counts for nothing: a leg keeps it, however long nothing has come since.
    """
    sound = call.audio
    assert sound is not None
    sound.forget()
    until_sent = sound.sent + frames
    while sound.sent < until_sent and not call.is_ended:
        await asyncio.sleep(0.02)
    heard = [] if call.is_ended else sound.heard(frames * FRAME / RATE)
    return [_root_mean_square(heard[at : at + FRAME]) for at in range(0, len(heard) - FRAME + 1, FRAME)]


def _root_mean_square(samples: Sequence[int]) -> float:
    return math.sqrt(sum(each * each for each in samples) / max(1, len(samples)))
