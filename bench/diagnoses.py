"""Cards beside full diagnoses: how soon a complete card stands there while 200 lines are being examined at once.

    python -m bench.diagnoses [--seconds 60] [--calls-per-second 10] [--diagnoses 200]

The house of ``bench.screen_pop``, twice in one run: the calls alone, then the same calls while so many diagnoses are
always under way. Each asks the simulated OLTs (50 ms over each request) everything that an agent's key D asks; what has
its turn later waits, for an OLT is asked one thing at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import text

from bench.pops import share
from bench.screen_pop import PLAN, Measured, Wanted, measure
from callcenter.store import Scope
from lab.house import House

LOOKED_EVERY_S = 2.0


@dataclass
class Examined:
    """What became of the diagnoses: how many ended, and after how many seconds each."""

    ended: list[float]
    refused: int = 0
    most_at_once: int = 0


@contextlib.asynccontextmanager
async def examining(house: House, at_once: int) -> AsyncIterator[Examined]:
    """Keeps so many diagnoses under way, of lines of every provider in turn, until the block ends."""
    told = Examined([])
    async with house.db.scoped(Scope.all()) as connection:
        rows = await connection.execute(
            text(
                "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY provider_id ORDER BY id) AS place "
                "FROM subscriber WHERE onu IS NOT NULL) s ORDER BY place, id LIMIT 1900"
            )
        )
        lines = itertools.cycle([row.id for row in rows])
    headers = {"Authorization": f"Bearer {house.api_token}"}
    under_way = 0
    connector = aiohttp.TCPConnector(limit=20)
    async with aiohttp.ClientSession(f"{house.url}/api/v1/", headers=headers, connector=connector) as http:

        async def ask(method: str, path: str) -> dict[str, Any]:
            async with http.request(method, path) as answer:
                if answer.status >= 400:
                    raise aiohttp.ClientError(str(answer.status))
                return dict(await answer.json())

        async def worker() -> None:
            nonlocal under_way
            while True:
                began = time.monotonic()
                try:
                    begun = await ask("POST", f"subscribers/{next(lines)}/diagnoses")
                    under_way += 1
                    told.most_at_once = max(told.most_at_once, under_way)
                    while (await ask("GET", f"diagnoses/{begun['id']}"))["state"] == "running":
                        await asyncio.sleep(LOOKED_EVERY_S)
                    under_way -= 1
                    told.ended.append(time.monotonic() - began)
                except aiohttp.ClientError:
                    told.refused += 1
                    await asyncio.sleep(1)

        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(worker()) for _ in range(at_once)]
            yield told
            for each in workers:
                each.cancel()


async def run(seconds: float, per_second: float, diagnoses: int) -> tuple[Measured, Measured, Examined]:
    with tempfile.TemporaryDirectory(prefix="ccb", ignore_cleanup_errors=True) as folder:
        began = time.monotonic()

        def say(line: str) -> None:
            print(f"{time.monotonic() - began:6.1f} s  {line}", file=sys.stderr, flush=True)

        async with House(Path(folder) / "h", PLAN, say=say) as house:
            wanted = Wanted(seconds, per_second, live_calls=0)
            alone = await measure(house, wanted)
            say(f"again, with {diagnoses} diagnoses at once")
            async with examining(house, diagnoses) as told:
                beside = await measure(house, wanted)
            return alone, beside, told


def report(alone: Measured, beside: Measured, told: Examined, at_once: int) -> None:
    columns = ("pops", "p50 ms", "p95 ms", "p99 ms", "longest ms", "at once", "service, of a core")
    print(f"| from AgentCalled to the complete card, Chromium | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for name, each in (("calls alone", alone), (f"beside {at_once} diagnoses", beside)):
        one = each.chromium
        times = " | ".join(f"{value:.1f}" for value in (one.p50, one.p95, one.p99, one.longest))
        print(f"| {name} | {one.count} | {times} | {one.whole_at_once:.2%} | {each.cpu['service']:.0%} |")
    ended = sorted(told.ended)
    if ended:
        print(
            f"\n{len(ended)} diagnoses ended meanwhile, at most {told.most_at_once} at once, {told.refused} refused; a "
            f"diagnosis took {share(ended, 0.5):.1f} s (p50), {share(ended, 0.99):.1f} s (p99) with its waiting."
        )
    ratio = beside.chromium.p99 / alone.chromium.p99 if alone.chromium.p99 else float("nan")
    print(f"\np99 beside diagnoses is {ratio:.2f} times that of the calls alone, in one run.")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--calls-per-second", type=float, default=10)
    options.add_argument("--diagnoses", type=int, default=200)
    given = options.parse_args()
    alone, beside, told = asyncio.run(run(given.seconds, given.calls_per_second, given.diagnoses))
    report(alone, beside, told, given.diagnoses)


if __name__ == "__main__":
    main()
