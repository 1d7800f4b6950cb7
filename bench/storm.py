"""A storm: a thousand callers of one area in a minute while twenty agents work. Is anybody lost, does the page answer?

    python -m bench.storm [--callers 1000] [--seconds 60] [--kill]

The house of ``lab/``: real Asterisk, real PostgreSQL, SIP callers and phones. Nobody calls twice; each gives up after 5
to 40 s unless an agent talks with them. ``--kill`` kills the service with SIGKILL in the middle and starts it again.
Afterwards everybody who called has talked with an agent or has exactly one callback: the database is asked.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
from sqlalchemy import text

from bench.pops import share
from bench.screen_pop import cpu_seconds, crowd, rss_mb
from callcenter.store import Database, Scope
from lab.agent_page import agent_page
from lab.house import House
from lab.people import phone_of
from lab.plan import PROVIDERS, Plan
from lab.sip import Behaviour

AGENTS = 20
SUBSCRIBERS = 2_000
PATIENCE = (5.0, 8.0, 12.0, 18.0, 25.0, 40.0)
LINES = 100
"""The provider's own limit: who finds them all in use is refused, and owed a callback like everybody."""
LOOKED_EVERY = 0.25
PLAN = Plan(
    providers=tuple(replace(each, hours="{}", max_lines=LINES, wrapup_s=2, max_waiting=LINES) for each in PROVIDERS),
    agent_count=AGENTS,
    subscribers=SUBSCRIBERS,
    answer_after=1.0,
)


@dataclass
class Felt:
    """What somebody at a page felt meanwhile: seconds for each answer, and how often there was none."""

    pages: dict[str, list[float]] = field(default_factory=dict)
    nothing: Counter[str] = field(default_factory=Counter)

    async def feel(self, house: House, login: str) -> None:
        """Opens these pages again and again."""
        headers = {"Origin": house.url}
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=timeout) as http:
            form = {"login": login, "password": house.passwords[login]}
            async with http.post(f"{house.url}/sign-in", data=form, headers=headers) as reply:
                reply.raise_for_status()
            while True:
                for path in ("/healthz", "/callbacks", "/api/v1/queues"):
                    began = time.monotonic()
                    try:
                        async with http.get(f"{house.url}{path}") as reply:
                            await reply.read()
                            if reply.status >= 500:
                                self.nothing[path] += 1
                            else:
                                self.pages.setdefault(path, []).append(time.monotonic() - began)
                    except (aiohttp.ClientError, TimeoutError):
                        self.nothing[path] += 1
                    await asyncio.sleep(LOOKED_EVERY)


@dataclass(frozen=True, slots=True)
class Settled:
    """What the database says of everybody who called."""

    callers: int
    calls: int
    talked: int
    owed: int
    """Numbers with exactly one open callback."""
    wrong: tuple[str, ...]
    """Numbers that neither talked nor have one, or have more than one."""
    outcomes: dict[str, int]


SAID = text(
    """
    SELECT number, count(*) AS calls, bool_or(outcome = 'answered') AS talked, bool_and(settled) AS settled,
        (SELECT count(*) FROM callback WHERE callback.number = call.number AND closed_at IS NULL) AS open
    FROM call WHERE direction = 'in' AND number = ANY(:numbers) GROUP BY number
    """
)
OUTCOMES = text(
    "SELECT coalesce(outcome, '(none)'), count(*) FROM call WHERE direction = 'in' AND number = ANY(:numbers) "
    "GROUP BY 1 ORDER BY 2 DESC"
)


async def settled(house: House, numbers: list[str]) -> Settled:
    """Waits until every call has ended for the ledger, a minute at most."""
    database = Database(house.postgres.url, pool_size=2)
    try:
        until = time.monotonic() + 60
        while True:
            async with database.scoped(Scope.all()) as connection:
                rows = (await connection.execute(SAID, {"numbers": numbers})).all()
                counted = (await connection.execute(OUTCOMES, {"numbers": numbers})).all()
            if (len(rows) == len(numbers) and all(row.settled for row in rows)) or time.monotonic() > until:
                break
            await asyncio.sleep(0.5)
    finally:
        await database.close()
    said = {row.number: row for row in rows}
    outcomes: dict[str, int] = {outcome: count for outcome, count in counted}  # noqa: C416
    wrong = tuple(
        number
        for number in numbers
        if number not in said or said[number].open > 1 or (said[number].open == 0 and not said[number].talked)
    )
    return Settled(
        len(numbers), sum(row.calls for row in rows), sum(bool(row.talked) for row in rows),
        sum(row.open == 1 for row in rows), wrong, outcomes,
    )  # fmt: skip


async def measure(house: House, callers: int, seconds: float, *, kill: bool) -> bool:
    for phone in house.phones.values():
        phone.behaviour = Behaviour(answer_after=1.0, hangup_after=8.0)
    uri = f"sip:{house.plan.providers[0].dids[0]}@127.0.0.1:{house.ports.sip}"
    numbers = [f"38{phone_of(0, n)}" for n in range(callers)]
    felt = Felt()
    agent = f"agent{house.plan.extensions[0]}"
    async with crowd(house) as outside, agent_page(house.url, agent, house.passwords[agent]) as page:
        house.say(f"{callers} callers in {seconds:g} s")
        before, began = cpu_seconds(house, outside), time.monotonic()
        async with asyncio.TaskGroup() as group:
            feeling = group.create_task(felt.feel(house, "supervisor"))
            killing = group.create_task(_kill_at(house, seconds / 2)) if kill else None
            told = await outside.do(
                "call", uris=[uri], per_second=callers / seconds, seconds=2 * seconds, leaving_share=1.0,
                served=[numbers], leaving=[numbers], patience=PATIENCE,
            )  # fmt: skip
            feeling.cancel()
            if killing is not None:
                await killing
        took = time.monotonic() - began
        used = {part: (at - before[part]) / took for part, at in cpu_seconds(house, outside).items()}
        cards = len(page.cards)
        rss = rss_mb(house)
    called = [f"+{number}" for number in numbers[: told["calls"]]]
    found = await settled(house, called)
    print(f"| {found.callers} callers in {seconds:g} s, {AGENTS} agents, {LINES} lines | |\n|---|---:|")
    print(f"| calls in the ledger | {found.calls} |\n| callers who talked with an agent | {found.talked} |")
    print(f"| callers with exactly one open callback | {found.owed} |")
    print(f"| **callers with neither, or with two** | **{len(found.wrong)}** |")
    for outcome, count in found.outcomes.items():
        print(f"| … {outcome} | {count} |")
    print(f"| cards drawn on one agent's page | {cards} |\n| memory of the service, MB | {rss:.0f} |")
    print(
        "\n| page, while it stormed | answers | p50 ms | p99 ms | longest ms | no answer |\n"
        "|---|---:|---:|---:|---:|---:|"
    )
    for path, times in felt.pages.items():
        ms = sorted(1000 * each for each in times)
        print(f"| {path} | {len(ms)} | {share(ms, 0.5):.0f} | {share(ms, 0.99):.0f} | {ms[-1]:.0f} |"
              f" {felt.nothing[path]} |")  # fmt: skip
    print("\n| CPU in the storm | of one core |\n|---|---:|")
    for part, part_used in used.items():
        print(f"| {part} | {part_used:.0%} |")
    for number in found.wrong[:20]:
        print(f"wrong: {number}")
    return not found.wrong


async def _kill_at(house: House, after: float) -> None:
    await asyncio.sleep(after)
    house.say("the service is killed")
    await house.service.kill9()
    await asyncio.sleep(3)
    await house.service.start()
    house.say("the service is back")


async def run(callers: int, seconds: float, *, kill: bool) -> bool:
    with tempfile.TemporaryDirectory(prefix="ccs", ignore_cleanup_errors=True) as folder:
        began = time.monotonic()

        def say(line: str) -> None:
            print(f"{time.monotonic() - began:6.1f} s  {line}", file=sys.stderr, flush=True)

        async with House(Path(folder) / "h", PLAN, say=say) as house:
            return await measure(house, callers, seconds, kill=kill)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--callers", type=int, default=1000)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--kill", action="store_true", help="kills the service in the middle")
    given = options.parse_args()
    if not 1 <= given.callers <= SUBSCRIBERS:
        options.error(f"--callers: 1 to {SUBSCRIBERS}")
    sys.exit(0 if asyncio.run(run(given.callers, given.seconds, kill=given.kill)) else 1)


if __name__ == "__main__":
    main()
