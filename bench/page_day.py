"""A day of one agent on the phone in their page: 500 calls answered, what the page keeps of them in memory and CPU.

    python -m bench.page_day [--calls 500]

One Chromium page signed in to work, subscribers with ONUs who call one after the other, each talked with for a second.
After every fifty calls the page's garbage is collected and what is left is counted: a page that forgets nothing grows
in a straight line.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from playwright.async_api import Browser, CDPSession, Page

from bench.page_phones import page_phones
from lab.house import House
from lab.people import phone_of
from lab.plan import PROVIDERS, Plan
from lab.sip import CallFailed

AGENT = "101"
TALKS_S = 1.0
AT_ONCE = 3
"""Callers on the line: one who talks and those who wait, so that no second is lost on greetings."""
EVERY = 50
WITH_LINE = 384
PLAN = Plan(
    providers=tuple(replace(each, hours="{}", max_lines=20, wrapup_s=0, max_waiting=20) for each in PROVIDERS[:1]),
    agent_count=1,
    pages=(AGENT,),
    subscribers=500,
    unanswered_rings=20,
)
ANSWERS = """() => {
  window.__taken = 0;
  document.addEventListener('phone:changed', () => {
    if (phone.state === 'ringing' && !phone.call.taken) { window.__taken += 1; phone.answer(); }
  });
}"""


@dataclass(frozen=True, slots=True)
class Left:
    """What a page holds after so many calls, its garbage collected."""

    calls: int
    heap_mb: float
    nodes: int
    listeners: int
    rss_mb: float
    cpu_s: float
    """Of the page's own process since the first call."""


@dataclass
class Watcher:
    page: Page
    session: CDPSession
    process: psutil.Process
    began_s: float

    @classmethod
    async def of(cls, page: Page) -> Watcher:
        browser = page.context.browser
        assert browser is not None
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable")
        process = psutil.Process(await _renderer(page, browser))
        return cls(page, session, process, sum(process.cpu_times()[:2]))

    async def look(self, calls: int) -> Left:
        for _ in range(3):
            await self.session.send("HeapProfiler.collectGarbage")
        told = (await self.session.send("Performance.getMetrics"))["metrics"]
        value = {each["name"]: each["value"] for each in told}
        return Left(
            calls,
            value["JSHeapUsedSize"] / 1e6,
            int(value["Nodes"]),
            int(value["JSEventListeners"]),
            self.process.memory_info().rss / 1e6,
            sum(self.process.cpu_times()[:2]) - self.began_s,
        )


async def _renderer(page: Page, browser: Browser) -> int:
    """The process of this page: the renderer that has worked while the page was told to."""
    session = await browser.new_browser_cdp_session()

    async def worked() -> dict[int, float]:
        found = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
        return {int(each["id"]): each["cpuTime"] for each in found if each["type"] == "renderer"}

    before = await worked()
    await page.evaluate("() => { const began = Date.now(); while (Date.now() - began < 1000); }")
    after = await worked()
    return max(after, key=lambda each: after[each] - before.get(each, 0.0))


async def one_call(house: House, number: str) -> bool:
    """Whether the caller was served."""
    call = await house.dial(house.plan.providers[0].dids[0], number)
    try:
        await call.answered()
        agents = house.plan.extensions
        async with asyncio.timeout(120):
            while not await _talks(house, agents[0], number):
                await asyncio.sleep(0.1)
        await asyncio.sleep(TALKS_S)
    except (CallFailed, TimeoutError):
        return False
    finally:
        if not call.is_ended:
            call.hangup()
    return True


async def _talks(house: House, agent: str, number: str) -> bool:
    """Asked of Asterisk, so that the page is not disturbed: whether this caller shares a bridge with the agent."""
    channels = [line.split("!") for line in (await house.asterisk.rx("core show channels concise")).splitlines()]
    bridges = {each[-2] for each in channels if each[0].startswith(f"PJSIP/agent-{agent}-") and each[-2]}
    return any(each[-2] in bridges for each in channels if each[7] == number)


@contextlib.asynccontextmanager
async def a_house() -> AsyncIterator[House]:
    with tempfile.TemporaryDirectory(prefix="ccb", ignore_cleanup_errors=True) as folder:
        async with House(Path(folder) / "h", PLAN) as house:
            yield house


async def run(calls: int) -> tuple[list[Left], int, float]:
    found: list[Left] = []
    served = failed = 0
    async with a_house() as house, page_phones(house, [AGENT]) as [page]:
        await page.evaluate(ANSWERS)
        watcher = await Watcher.of(page)
        found.append(await watcher.look(0))
        began = time.monotonic()
        numbers = (f"38{phone_of(0, number % WITH_LINE)}" for number in range(10 * calls))

        async def caller() -> None:
            nonlocal served, failed
            while served + failed < calls:
                if not await one_call(house, next(numbers)):
                    failed += 1
                    continue
                served += 1
                if served % EVERY == 0:
                    found.append(await watcher.look(served))
                    print(f"{time.monotonic() - began:7.1f} s  {found[-1]}", file=sys.stderr, flush=True)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(caller())
        took = time.monotonic() - began
        await page.wait_for_function("() => phone.state === 'registered'")
        found.append(await watcher.look(served))
    return found, failed, took


def report(found: list[Left], failed: int, took: float) -> None:
    print(f"{found[-1].calls} calls on one page in {took:.0f} s, {failed} failed\n")
    print("| calls | heap MB | DOM nodes | listeners | RSS MB | CPU s |\n|---:|---:|---:|---:|---:|---:|")
    for each in found:
        print(
            f"| {each.calls} | {each.heap_mb:.1f} | {each.nodes} | {each.listeners} | {each.rss_mb:.0f} | "
            f"{each.cpu_s:.0f} |"
        )
    half, last = found[len(found) // 2], found[-1]
    if last.calls > half.calls:
        each_call = (last.heap_mb - half.heap_mb) / (last.calls - half.calls)
        print(
            f"\nIn the second half a call left {1000 * each_call:.2f} kB behind; the page took {took:.0f} s for a day."
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--calls", type=int, default=500)
    report(*asyncio.run(run(options.parse_args().calls)))


if __name__ == "__main__":
    main()
