"""A call centre at work: how soon a complete card stands on an agent's page, how soon a missed call is a callback.

    python -m bench.screen_pop [--seconds 240] [--calls-per-second 10] [--profile FILE]

The house of ``lab/`` with real parts: Asterisk 22, PostgreSQL, simulated OLTs over SNMP that think 50 ms over each
request, 5 providers with 10,000 subscribers each, 100 agents of whom 8 look at Chromium pages and 92 at pages that a
plain WebSocket client reads. Phones ring 1.5 s and hang up after 6 s of talk; there is no sound on the lines.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import soundfile
from playwright.async_api import Page, async_playwright

from bench.crowd import Drawn
from bench.pops import Summary, called, pops, share, summary
from lab.house import House
from lab.people import phone_of
from lab.plan import PROVIDERS, Plan
from lab.sip import NEVER_ANSWERS, Behaviour

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--no-first-run", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
         "--disable-background-timer-throttling"]  # fmt: skip
QUIET_PER_CENT = 12.0
"""Of all cores; the house itself, without calls, takes a few per cent."""
CHROMIUM_PAGES = 8
AGENTS = 100
SUBSCRIBERS = 10_000
WITH_LINE = 384
"""Subscribers of each provider whose contract names an ONU: it is they who call."""
OLT_THINKS_S = 0.05
RINGS_S, TALKS_S = 1.5, 6.0
GIVING_UP = 0.1
LIVE_CALLS = 200
PLAN = Plan(
    providers=tuple(replace(each, hours="{}", max_lines=100, wrapup_s=1, max_waiting=100) for each in PROVIDERS),
    agent_count=AGENTS,
    subscribers=SUBSCRIBERS,
    answer_after=RINGS_S,
)
POP_GOAL_MS, WHOLE_GOAL, CALLBACK_GOAL_MS = 50.0, 0.99, 1000.0


class CrowdProcess:
    """``bench.crowd`` and what it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def do(self, what: str, **more: Any) -> dict[str, Any]:
        """Raises ``EOFError`` when the crowd has died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
        answer = await self._process.stdout.readline()
        if not answer:
            raise EOFError("the crowd has gone")
        return dict(json.loads(answer))


@contextlib.asynccontextmanager
async def crowd(house: House) -> AsyncIterator[CrowdProcess]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.crowd", "127.0.0.2", house.postgres.url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=256 * 1024 * 1024,
    )
    try:
        yield CrowdProcess(process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


@contextlib.asynccontextmanager
async def chromium_pages(house: House, agents: list[str]) -> AsyncIterator[dict[str, Page]]:
    """One Chromium, one context an agent, each signed in by its form."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        pages = {}
        for agent in agents:
            page = await (await browser.new_context(viewport={"width": 1366, "height": 768})).new_page()
            await page.goto(f"{house.url}/sign-in")
            await page.fill("[name=login]", f"agent{agent}")
            await page.fill("[name=password]", house.passwords[f"agent{agent}"])
            await page.press("[name=password]", "Enter")
            await page.wait_for_url("**/agent")
            await page.goto(f"{house.url}/agent?bench=1")
            await page.wait_for_selector("#status .state")
            pages[agent] = page
        yield pages
        await browser.close()


async def drawn_in(agent: str, page: Page) -> list[Drawn]:
    """The cards that stood in this page's frames, by this machine's clock."""
    stamps = await page.evaluate("window.__pops")
    # timeOrigin is fixed when the page opens; what the wall clock was set by since then is taken out here
    slipped = await page.evaluate("Date.now() - (performance.timeOrigin + performance.now())")
    return [Drawn(agent, s["call"], s["stage"], s["complete"], (s["at"] + slipped) / 1000) for s in stamps]


@dataclass(frozen=True, slots=True)
class Measured:
    calls: int
    failed: int
    greeting_s: tuple[float, float]
    chromium: Summary
    sockets: Summary
    owed: list[float]
    """Milliseconds, in order."""
    cpu: dict[str, float]
    """Share of one core by part, in the wave."""
    rss_mb: float
    rss_live_mb: float
    live_calls: int


async def quiet(at_most: float) -> None:
    """Waits until the machine is idle, for as long as that takes but at most so many seconds."""
    until = time.monotonic() + at_most
    idle = 0
    psutil.cpu_percent()
    while idle < 3 and time.monotonic() < until:
        await asyncio.sleep(1)
        idle = idle + 1 if psutil.cpu_percent() < QUIET_PER_CENT else 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be measured."""

    seconds: float
    per_second: float
    wait_for_quiet: float = 0.0
    profile: Path | None = None
    live_calls: int = LIVE_CALLS
    """Calls that are held up at the end, to see what memory they take; 0 for none."""


async def measure(house: House, wanted: Wanted) -> Measured:
    seconds, per_second, profile = wanted.seconds, wanted.per_second, wanted.profile
    for olt in house.olts.values():
        olt.delay = OLT_THINKS_S
    for phone in house.phones.values():
        phone.behaviour = Behaviour(answer_after=RINGS_S, hangup_after=TALKS_S)
    step = AGENTS // CHROMIUM_PAGES
    watched = [str(101 + number * step) for number in range(CHROMIUM_PAGES)]
    others = [agent for agent in house.plan.extensions if agent not in watched]
    uris = [f"sip:{each.dids[0]}@127.0.0.1:{house.ports.sip}" for each in house.plan.providers]
    numbers = [[f"38{phone_of(p, n)}" for n in range(SUBSCRIBERS)] for p in range(len(uris))]
    lengths = greetings(house)
    async with crowd(house) as outside, chromium_pages(house, watched) as pages:
        passwords = {agent: house.passwords[f"agent{agent}"] for agent in others}
        await outside.do("open", url=house.url, agents=passwords)
        await quiet(wanted.wait_for_quiet)
        house.say(f"{per_second:g} calls a second for {seconds:g} s")
        stream: list[tuple[float, bytes]] = []
        house.wire.heard = lambda at, piece: stream.append((at, piece))
        before, began = cpu_seconds(house, outside), time.monotonic()
        async with profiled(house, profile, seconds):
            told = await outside.do(
                "call", uris=uris, per_second=per_second, seconds=seconds, leaving_share=GIVING_UP,
                served=[each[:WITH_LINE] for each in numbers], leaving=[each[WITH_LINE:] for each in numbers],
                patience=[1.5, lengths[1] + 1.2],
            )  # fmt: skip
        took = time.monotonic() - began
        used = {part: (at - before[part]) / took for part, at in cpu_seconds(house, outside).items()}
        house.wire.heard = None
        await asyncio.sleep(1)
        events = called(stream)
        cards = [card for agent, page in pages.items() for card in await drawn_in(agent, page)]
        plain = [Drawn(**card) for card in told["drawn"]]
        rss, live, rss_live = rss_mb(house), 0, 0.0
        if wanted.live_calls:
            rss, live, rss_live = await with_live_calls(house, outside, uris, numbers, wanted.live_calls)
    return Measured(
        told["calls"], told["failed"], lengths, summary(pops(events, cards, set(watched))),
        summary(pops(events, plain, set(others))),
        sorted(1000 * each for each in told["owed_after"]) + [float("inf")] * told["never_owed"], used,
        rss, rss_live, live,
    )  # fmt: skip


async def with_live_calls(
    house: House, outside: CrowdProcess, uris: list[str], numbers: list[list[str]], count: int
) -> tuple[float, int, float]:
    """The service's memory in MB as it stands, and with so many calls on the lines; half of them wait in queues."""
    before = rss_mb(house)
    for phone in house.phones.values():
        phone.behaviour = replace(NEVER_ANSWERS, answer_after=RINGS_S)
    held = await outside.do("hold", uris=uris, numbers=[each[:WITH_LINE] for each in numbers], count=count)
    async with aiohttp.ClientSession() as http, http.get(f"{house.url}/metrics") as reply:
        said = [line for line in (await reply.text()).splitlines() if line.startswith("callcenter_live_calls")]
    live = int(float(said[0].split()[-1])) if said else held["up"]
    return before, live, rss_mb(house)


def rss_mb(house: House) -> float:
    return float(psutil.Process(house.service.pid).memory_info().rss) / 1e6


def greetings(house: House) -> tuple[float, float]:
    """The shortest and the longest of what callers hear before they are queued, in seconds."""
    found = []
    for provider in house.plan.providers:
        heard = [next(house.folder.rglob(f"{provider.slug}/{provider.language}/{name}.*")) for name in
                 ("greeting", "recorded")]  # fmt: skip
        found.append(sum(soundfile.info(str(file)).duration for file in heard))
    return min(found), max(found)


def cpu_seconds(house: House, outside: CrowdProcess) -> dict[str, float]:
    """CPU time so far by part; Chromium and PostgreSQL with their children."""
    used = dict.fromkeys(("service", "Asterisk", "PostgreSQL", "Chromium", "callers, phones, OLTs, pages"), 0.0)
    ours, harness = psutil.Process(), {outside.pid}
    for process in psutil.process_iter(["pid", "name", "cmdline"]):
        with contextlib.suppress(psutil.NoSuchProcess):
            line = " ".join(process.info["cmdline"] or ())
            if process.pid == house.service.pid:
                part = "service"
            elif str(house.folder) in line and "asterisk" in line:
                part = "Asterisk"
            elif process.info["name"] == "postgres" and {process.pid, process.ppid()} & postmasters(house):
                part = "PostgreSQL"
            elif "chrom" in process.info["name"] and ours.pid in [each.pid for each in process.parents()]:
                part = "Chromium"
            elif process.pid == ours.pid or process.pid in harness:
                part = "callers, phones, OLTs, pages"
            else:
                continue
            times = process.cpu_times()
            gone = times.children_user + times.children_system if part == "PostgreSQL" else 0.0
            used[part] += times.user + times.system + gone
    machine = psutil.cpu_times()
    busy = machine.user + machine.nice + machine.system + machine.irq + machine.softirq
    return used | {"what else ran on this machine": busy - sum(used.values())}


def postmasters(house: House) -> set[int]:
    file = house.folder / "postgres" / "postmaster.pid"
    return {int(file.read_text("ascii").split()[0])} if file.exists() else set()


@contextlib.asynccontextmanager
async def profiled(house: House, file: Path | None, seconds: float) -> AsyncIterator[None]:
    """Samples the service with py-spy, if it is there and wanted."""
    if file is None:
        yield
        return
    sampler = await asyncio.create_subprocess_exec(
        *("py-spy", "record", "-p", str(house.service.pid), "-d", str(int(seconds)), "-r", "100", "--nonblocking"),
        *("-f", "raw", "-o", str(file)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    yield
    await sampler.wait()


def report(found: Measured, per_second: float) -> bool:
    print(
        f"{found.calls} calls at {per_second:g} a second, {found.failed} of them failed; greeting and notice of"
        f" {found.greeting_s[0]:.1f} to {found.greeting_s[1]:.1f} s\n"
    )
    columns = ("pops", "p50 ms", "p95 ms", "p99 ms", "longest ms", "p99 ms by Asterisk's stamp", "never", "at once")
    print(f"| from AgentCalled to the complete card | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    watched = f"{CHROMIUM_PAGES} Chromium pages, in a frame"
    others = f"{AGENTS - CHROMIUM_PAGES} WebSocket clients, received"
    for name, one in ((watched, found.chromium), (others, found.sockets)):
        times = " | ".join(f"{each:.1f}" for each in (one.p50, one.p95, one.p99, one.longest, one.p99_said))
        print(f"| {name} | {one.count} | {times} | {one.never} | {one.whole_at_once:.2%} |")
    print("\nAt once: complete in its first frame.")
    owed = found.owed
    print("\n| from the caller's BYE to the open callback in the database | |\n|---|---:|")
    print(f"| callers who gave up | {len(owed)} |\n| p50 / p99 / longest, ms |"
          f" {share(owed, 0.5):.0f} / {share(owed, 0.99):.0f} / {owed[-1]:.0f} |")  # fmt: skip
    print(f"\n| memory of the service, {SUBSCRIBERS * len(PLAN.providers):,} subscribers | MB |\n|---|---:|")
    print(f"| after the calls above | {found.rss_mb:.0f} |\n| with {found.live_calls} live calls |"
          f" {found.rss_live_mb:.0f} |")  # fmt: skip
    print("\n| CPU in the wave | of one core |\n|---|---:|")
    for part, used in found.cpu.items():
        print(f"| {part} | {used:.0%} |")
    reached = (
        found.chromium.p99 < POP_GOAL_MS
        and found.chromium.whole_at_once >= WHOLE_GOAL
        and share(owed, 0.99) < CALLBACK_GOAL_MS
    )
    print(f"\nTo reach: p99 in Chromium under {POP_GOAL_MS:g} ms, {WHOLE_GOAL:.0%} complete in the first frame,"
          f" callback p99 under {CALLBACK_GOAL_MS / 1000:g} s: {'reached' if reached else 'NOT reached'}.")  # fmt: skip
    return reached


async def run(wanted: Wanted, keep_log: Path | None) -> Measured:
    with tempfile.TemporaryDirectory(prefix="ccb", ignore_cleanup_errors=True) as folder:
        began = time.monotonic()

        def say(line: str) -> None:
            print(f"{time.monotonic() - began:6.1f} s  {line}", file=sys.stderr, flush=True)

        async with House(Path(folder) / "h", PLAN, say=say) as house:
            say("everything runs")
            try:
                return await measure(house, wanted)
            finally:
                if keep_log is not None:
                    keep_log.write_text(house.service.tail(2_000_000), "utf-8")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--seconds", type=float, default=240)
    options.add_argument("--calls-per-second", type=float, default=10)
    options.add_argument("--profile", type=Path, help="samples of the service by py-spy, for a flame graph")
    options.add_argument("--log", type=Path, help="where to keep the service's log")
    options.add_argument("--wait-for-quiet", type=float, default=0, help="seconds to wait at most for an idle machine")
    chosen = options.parse_args()
    wanted = Wanted(chosen.seconds, chosen.calls_per_second, chosen.wait_for_quiet, chosen.profile)
    found = asyncio.run(run(wanted, chosen.log))
    report(found, chosen.calls_per_second)


if __name__ == "__main__":
    main()
