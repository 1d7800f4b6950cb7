"""Callers, and the agents' pages that are no Chromium: a process of its own, so that it delays no clock of the bench.

Told what to do by lines of JSON on its input, answers each with one line: ``{"do": "open" | "call" | "hold", …}``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import text

from callcenter.store import Database, Scope
from lab.agent_page import AgentPage, agent_page
from lab.sip import Call, CallerId, CallFailed, SipAgent

LOOKED_EVERY = 0.02
"""Seconds between two looks at the list of callbacks."""
OWED = text("SELECT number FROM callback WHERE closed_at IS NULL AND number = ANY(:numbers)")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One card that came to an agent's page; ``at`` is seconds since the epoch."""

    agent: str
    call: str
    stage: str
    complete: bool
    at: float


@dataclass(frozen=True, slots=True)
class Wave:
    """Calls that come by chance (Poisson) for ``seconds``, or until nobody is left who has not called yet.

    ``patience`` are the seconds after which some give up.
    """

    uris: Sequence[str]
    served: Sequence[Sequence[str]]
    """Numbers of those who stay until they were served, by provider; each calls again and again."""
    leaving: Sequence[Sequence[str]]
    """Numbers of those who give up, by provider; each calls once."""
    per_second: float
    seconds: float
    leaving_share: float
    patience: Sequence[float]

    def calls(self, dice: random.Random) -> Iterator[tuple[float, str, str, float | None]]:
        """When, to whom, from whom, and after how many seconds they give up."""
        served = [itertools.cycle(numbers) for numbers in self.served]
        leaving = [iter(numbers) for numbers in self.leaving]
        at = 0.0
        while (at := at + dice.expovariate(self.per_second)) < self.seconds:
            provider = dice.randrange(len(self.uris))
            leaves = dice.random() < self.leaving_share
            number = next(leaving[provider] if leaves else served[provider], None)
            if number is None:
                return
            yield at, self.uris[provider], number, dice.choice(self.patience) if leaves else None


@dataclass
class Crowd:
    """Everybody outside: callers on one socket, pages of agents, and one who looks at the list of callbacks."""

    callers: SipAgent
    database: Database
    pages: dict[str, AgentPage] = field(default_factory=dict)
    awaited: dict[str, float] = field(default_factory=dict)
    """Who gave up and when, by number in E.164, until their callback stands in the list."""
    owed_after: list[float] = field(default_factory=list)
    failed: int = 0

    async def call(self, wave: Wave) -> dict[str, Any]:
        """Lets the wave come and waits until the last has gone."""
        dice, loop = random.Random(7), asyncio.get_running_loop()
        began, count = loop.time(), 0
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look())
            async with asyncio.TaskGroup() as calling:
                for at, uri, number, patience in wave.calls(dice):
                    await asyncio.sleep(began + at - loop.time())
                    calling.create_task(self._visit(uri, number, patience))
                    count += 1
            patient_until = loop.time() + 20
            while self.awaited and loop.time() < patient_until:
                await asyncio.sleep(0.1)
            looking.cancel()
        return {
            "calls": count, "failed": self.failed, "owed_after": self.owed_after, "never_owed": len(self.awaited),
            "drawn": list(self._drawn()),
        }  # fmt: skip

    async def hold(self, uris: Sequence[str], numbers: Sequence[Sequence[str]], count: int) -> dict[str, Any]:
        """Brings so many calls up and keeps them."""
        calls: list[Call] = []
        for number in range(count):
            provider = number % len(uris)
            calls.append(await self.callers.dial(uris[provider], CallerId(numbers[provider][number // len(uris)])))
            await asyncio.sleep(0.05)
        await asyncio.sleep(8)
        return {"up": sum(call.is_answered and not call.is_ended for call in calls)}

    async def _visit(self, uri: str, number: str, patience: float | None) -> None:
        call = await self.callers.dial(uri, CallerId(number))
        try:
            await call.answered()
            if patience is None:
                await call.ended(90)
                return
            await asyncio.sleep(patience)
        except (CallFailed, TimeoutError):
            self.failed += 1
        if not call.is_ended:
            if patience is not None:
                self.awaited[f"+{number}"] = time.time()
            call.hangup()

    async def _look(self) -> None:
        while True:
            if self.awaited:
                async with self.database.scoped(Scope.all()) as connection:
                    found = (await connection.execute(OWED, {"numbers": list(self.awaited)})).scalars().all()
                now = time.time()
                self.owed_after += [now - self.awaited.pop(number) for number in found]
            await asyncio.sleep(LOOKED_EVERY)

    def _drawn(self) -> Iterator[dict[str, Any]]:
        ahead = time.time() - time.monotonic()
        for agent, page in self.pages.items():
            for card in page.cards:
                if card.call:
                    yield asdict(Drawn(agent, card.call, card.stage, card.is_complete, card.at + ahead))


async def main(host: str, database_url: str) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        crowd = Crowd(await stack.enter_async_context(await SipAgent.open(host)), Database(database_url, pool_size=2))
        stack.push_async_callback(crowd.database.close)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            told = json.loads(line)
            answer: dict[str, Any] = {}
            match told.pop("do"):
                case "open":
                    for agent, password in told["agents"].items():
                        page = await stack.enter_async_context(agent_page(told["url"], f"agent{agent}", password))
                        crowd.pages[agent] = page
                case "call":
                    answer = await crowd.call(Wave(**told))
                case "hold":
                    answer = await crowd.hold(**told)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
