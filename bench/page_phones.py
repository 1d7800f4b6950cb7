"""Phones in pages: does the complete card stand there before the phone rings, and how long is a reload's silence.

    python -m bench.page_phones [--seconds 60] [--calls-per-second 10] [--pages 4] [--reloads 20]

The house of ``bench.screen_pop``: 5 providers with 10,000 subscribers each, 100 agents, Asterisk, PostgreSQL and OLTs
that think 50 ms. Some agents' phone is their page, in one Chromium with a microphone that beeps; the others have SIP
phones. In each page three moments are noted: JsSIP's ``newRTCSession``, the ring that the agent sees and hears, and
when the complete card of that call is in the document. Then a caller with sound talks to a page that is loaded again
and again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from playwright.async_api import Page, async_playwright

from bench.pops import share
from bench.screen_pop import (
    CHROMIUM,
    FLAGS,
    OLT_THINKS_S,
    PLAN,
    RINGS_S,
    SUBSCRIBERS,
    TALKS_S,
    WITH_LINE,
    CrowdProcess,
    cpu_seconds,
    crowd,
)
from lab.house import House
from lab.people import phone_of
from lab.rtp import PIECE, RATE
from lab.sip import Behaviour, Call, Tone

MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
GOAL = 0.99
SAME_RING_MS = 4000.0
"""A card and a ring of one page further apart than this are not of the same call."""
LOUD = 200.0
"""Root mean square of 16-bit samples from which somebody is heard."""
WATCH = """([rings, talks]) => {
  window.__rings = [];
  window.__cards = [];
  const now = () => performance.timeOrigin + performance.now();
  let before = phone.state;
  let came = 0;
  const on = JsSIP.UA.prototype.emit;
  JsSIP.UA.prototype.emit = function (name, ...more) {
    if (name === 'newRTCSession') came = now();
    return on.call(this, name, ...more);
  };
  document.addEventListener('phone:changed', () => {
    if (phone.state === before) return;
    before = phone.state;
    if (phone.state === 'ringing') {
      const ring = { at: now(), frame: 0, came };
      window.__rings.push(ring);
      requestAnimationFrame(() => { ring.frame = now(); });
      if (rings) setTimeout(() => phone.answer(), rings);
    } else if (phone.state === 'talking' && talks) setTimeout(() => phone.hangUp(), talks);
  });
  agentPage.drawn.push((frame) => {
    const card = agentPage.card();
    if (!('card' in frame) || !card || card.dataset.stage !== 'ringing') return;
    const seen = { call: card.dataset.call, complete: card.dataset.complete === 'true', at: now(), frame: 0 };
    window.__cards.push(seen);
    requestAnimationFrame(() => { seen.frame = now(); });
  });
}"""


@dataclass(frozen=True, slots=True)
class Ring:
    """One ring of a page's phone; milliseconds from it to the complete card: below nothing the card was first."""

    after_ms: float | None
    """From the ring that the agent sees and hears to the card in the document."""
    invite_ms: float | None
    """From JsSIP's ``newRTCSession``, the INVITE's coming, to the same."""
    held_ms: float
    """From the INVITE to the ring."""


def rings_of(rings: Sequence[dict[str, float]], cards: Sequence[dict[str, float]]) -> list[Ring]:
    """Each ring with the first complete card of the call that it was for: of the cards about it, the nearest one's."""
    found = []
    for ring in rings:
        about = [card for card in cards if card["complete"] and abs(card["at"] - ring["at"]) < SAME_RING_MS]
        nearest = min(about, key=lambda card: abs(card["at"] - ring["at"]), default=None)
        if nearest is None:
            found.append(Ring(None, None, ring["at"] - ring["came"]))
        else:
            near = min((card for card in about if card["call"] == nearest["call"]), key=lambda card: card["at"])
            found.append(Ring(near["at"] - ring["at"], near["at"] - ring["came"], ring["at"] - ring["came"]))
    return found


@contextlib.asynccontextmanager
async def page_phones(house: House, agents: Sequence[str]) -> AsyncIterator[list[Page]]:
    """One Chromium, a context an agent, each registered."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *MICROPHONE])
        pages = []
        for agent in agents:
            page = await (await browser.new_context(viewport={"width": 1366, "height": 768})).new_page()
            page.set_default_timeout(60_000)
            await page.goto(f"{house.url}/sign-in?next=/agent")
            await page.fill("[name=login]", f"agent{agent}")
            await page.fill("[name=password]", house.passwords[f"agent{agent}"])
            await page.press("[name=password]", "Enter")
            await registered(page)
            pages.append(page)
        yield pages
        await browser.close()


async def registered(page: Page) -> None:
    await page.wait_for_function("() => window.phone && phone.state === 'registered'")
    await page.wait_for_selector("#status .state.ready")


@dataclass(frozen=True, slots=True)
class Measured:
    calls: int
    rings: list[Ring]
    cpu: dict[str, float]
    silences: list[float]
    """Seconds in which the caller heard neither the agent nor music, of each reload."""
    away: list[float]
    """Seconds until the caller heard the agent again, of each reload."""


async def wave(house: House, outside: CrowdProcess, pages: Sequence[Page], seconds: float, per_second: float) -> int:
    uris = [f"sip:{each.dids[0]}@127.0.0.1:{house.ports.sip}" for each in house.plan.providers]
    numbers = [[f"38{phone_of(p, n)}" for n in range(SUBSCRIBERS)] for p in range(len(uris))]
    for page in pages:
        await page.evaluate(WATCH, [RINGS_S * 1000, TALKS_S * 1000])
    told = await outside.do(
        "call", uris=uris, per_second=per_second, seconds=seconds, leaving_share=0.0,
        served=[each[:WITH_LINE] for each in numbers], leaving=[each[WITH_LINE:] for each in numbers], patience=[1.5],
    )  # fmt: skip
    return int(told["calls"])


async def reloads(house: House, page: Page, agent: str, count: int) -> tuple[list[float], list[float]]:
    """A caller with sound talks to this page while it is loaded again so many times."""
    silences, away = [], []
    others = [each for each in house.plan.extensions if each != agent]
    await house.callcenter("agent", "sign-out", *others)
    call = await house.dial(house.plan.providers[0].dids[0], "380639700001", tone=Tone(440))
    await page.wait_for_function("() => phone.state === 'ringing'")
    await page.evaluate("() => phone.answer()")
    await page.wait_for_function("() => phone.state === 'talking'")
    for _ in range(count):
        await asyncio.sleep(3)
        began = _forget(call)
        await page.reload(wait_until="commit")
        await page.wait_for_function("() => window.phone && phone.state === 'talking'")
        took = time.monotonic() - began
        await asyncio.sleep(3)
        silences.append(_longest_silence(call))
        away.append(took)
    call.hangup()
    return silences, away


def _forget(call: Call) -> float:
    assert call.audio is not None
    call.audio.forget()
    return time.monotonic()


def _longest_silence(call: Call) -> float:
    """The longest stretch in which nothing was heard, in pieces of 100 ms."""
    assert call.audio is not None
    samples = call.audio.heard(120)
    longest = now = 0
    for start in range(0, len(samples) - PIECE, PIECE):
        piece = samples[start : start + PIECE]
        now = 0 if (sum(each * each for each in piece) / PIECE) ** 0.5 > LOUD else now + 1
        longest = max(longest, now)
    return longest * PIECE / RATE


async def run(seconds: float, per_second: float, count: int, reload_count: int) -> Measured:
    extensions = PLAN.extensions
    agents = [extensions[number * len(extensions) // count] for number in range(count)]
    plan = replace(PLAN, pages=tuple(agents))
    with tempfile.TemporaryDirectory(prefix="ccb", ignore_cleanup_errors=True) as folder:
        began = time.monotonic()

        def say(line: str) -> None:
            print(f"{time.monotonic() - began:6.1f} s  {line}", file=sys.stderr, flush=True)

        async with House(Path(folder) / "h", plan, say=say) as house:
            for olt in house.olts.values():
                olt.delay = OLT_THINKS_S
            for phone in house.phones.values():
                phone.behaviour = Behaviour(answer_after=RINGS_S, hangup_after=TALKS_S)
            async with crowd(house) as outside, page_phones(house, agents) as pages:
                say(f"{per_second:g} calls a second for {seconds:g} s, {count} pages are phones")
                before, started = cpu_seconds(house, outside), time.monotonic()
                calls = await wave(house, outside, pages, seconds, per_second)
                took = time.monotonic() - started
                cpu = {part: (at - before[part]) / took for part, at in cpu_seconds(house, outside).items()}
                rings: list[Ring] = []
                for page in pages:
                    rings += rings_of(await page.evaluate("__rings"), await page.evaluate("__cards"))
                silences: list[float] = []
                away: list[float] = []
                if reload_count:
                    say(f"{reload_count} reloads in one talk")
                    await pages[0].reload()
                    await registered(pages[0])
                    silences, away = await reloads(house, pages[0], agents[0], reload_count)
    return Measured(calls, rings, cpu, silences, away)


def report(found: Measured, per_second: float, pages: int) -> bool:
    known = sorted(each.after_ms for each in found.rings if each.after_ms is not None)
    first = sum(each <= 0 for each in known) / max(1, len(found.rings))
    print(f"{found.calls} calls at {per_second:g} a second; {len(found.rings)} rings in {pages} pages of Chromium\n")
    print("| milliseconds | p1 | p50 | p99 | longest | of the rings below 0 |\n|---|---:|---:|---:|---:|---:|")
    for name, values in (
        ("from the ring to the complete card", known),
        ("from the INVITE (newRTCSession) to the complete card", [each.invite_ms for each in found.rings]),
        ("from the INVITE to the ring", [each.held_ms for each in found.rings]),
    ):
        if there := sorted(each for each in values if each is not None):
            below = sum(each <= 0 for each in there) / len(found.rings)
            row = (share(there, 0.01), share(there, 0.5), share(there, 0.99), there[-1])
            print(f"| {name} | {' | '.join(f'{each:.1f}' for each in row)} | {below:.2%} |")
    print(f"\n{len(found.rings) - len(known)} rings without a card.\n\n| CPU in the wave | of one core |\n|---|---:|")
    for part_name, used in found.cpu.items():
        print(f"| {part_name} | {used:.0%} |")
    if found.silences:
        silent, away = sorted(found.silences), sorted(found.away)
        print(f"\n| {len(silent)} reloads in a talk, the caller's end | p50 | longest |\n|---|---:|---:|")
        print(f"| longest stretch without voice or music, s | {share(silent, 0.5):.1f} | {silent[-1]:.1f} |")
        print(f"| until the page talks again, s | {share(away, 0.5):.2f} | {away[-1]:.2f} |")
    print(f"\nTo reach: the card first in {GOAL:.0%} of the rings: {'reached' if first >= GOAL else 'NOT reached'}.")
    return first >= GOAL


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--calls-per-second", type=float, default=10)
    options.add_argument("--pages", type=int, default=4)
    options.add_argument("--reloads", type=int, default=20)
    chosen = options.parse_args()
    found = asyncio.run(run(chosen.seconds, chosen.calls_per_second, chosen.pages, chosen.reloads))
    report(found, chosen.calls_per_second, chosen.pages)


if __name__ == "__main__":
    main()
