"""The real thing: one house for all live tests, and the questions they ask of it."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest_asyncio
from sqlalchemy import text

from callcenter.errors import Unavailable
from callcenter.store import Scope
from lab.house import House
from lab.plan import CLOSED, LabOlt, LabProvider, Plan
from lab.sip import CONTROLLED, Tone
from tests.live.ports import free_ports

T = TypeVar("T")
DID = "380441230001"
"""СвітлоНет: agents 101 and 102."""
ONE_LINE_DID = "380441240001"
"""Дім.Лінк: one line only, agent 103."""
CLOSED_DID = "380441270001"
ENGLISH_DID = "380441260001"
IMPATIENT_DID = "380441250001"
"""Край: its queue gives up after five seconds; agent 104."""
PLAN = Plan(
    providers=(
        LabProvider(
            "svitlonet", "СвітлоНет", "#0b5fff", (DID,), "svitlo-epon", ring_s=3, wrapup_s=0, members=("101", "102")
        ),
        LabProvider("domlink", "Дім.Лінк", "#0f7b5a", (ONE_LINE_DID,), "dom-gpon", max_lines=1, members=("103",)),
        LabProvider("kray", "Край", "#8a3ffc", (IMPATIENT_DID,), "kray-epon", timeout_s=5, ring_s=4, members=("104",)),
        LabProvider("nichnyk", "Нічник", "#475569", (CLOSED_DID,), "night-gpon", hours=CLOSED, members=("104",)),
    ),
    olts=(
        LabOlt("svitlo-epon", "epon", pons=2, onus=16, seed=1),
        LabOlt("dom-gpon", "gpon", pons=2, onus=16, seed=2),
        LabOlt("kray-epon", "epon", pons=2, onus=16, seed=3),
        LabOlt("night-gpon", "gpon", pons=2, onus=16, seed=4),
    ),
    agent_count=4,
    unanswered_rings=20,
    subscribers=40,
    answer_after=None,
    unheard_s=4,
    agent_tone=Tone(880),
    caller_tone=Tone(440),
)
_NUMBERS = itertools.count(1)


def new_number() -> str:
    """A number that has not called before: ``380639000001``."""
    return f"380639{next(_NUMBERS):06d}"


async def until(ask: Callable[[], Awaitable[T | None]], within: float = 15.0, what: str = "") -> T:
    """The first answer that is not empty; fails with ``what`` when none comes within so many seconds."""
    answer: T | None = None
    try:
        async with asyncio.timeout(within):
            while not (answer := await ask()):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {within:g} s: {what}; last answer {answer!r}") from None
    return answer


@dataclass(frozen=True)
class Books:
    """What the database says, seen from outside the service."""

    house: House

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        for last in (False, True):
            try:
                async with self.house.db.scoped(Scope.all()) as connection:
                    return [dict(row) for row in (await connection.execute(text(query), values)).mappings()]
            except Unavailable:  # our own connections, from before PostgreSQL was stopped
                if last:
                    raise
        raise AssertionError

    async def calls(self, number: str) -> list[dict[str, Any]]:
        return await self.rows("SELECT * FROM call WHERE number = :n ORDER BY arrived_at, id", n=f"+{number}")

    async def ended(self, number: str, count: int = 1, within: float = 15.0) -> list[dict[str, Any]]:
        """The calls of a number once so many of them are over."""

        async def over() -> list[dict[str, Any]] | None:
            calls = [call for call in await self.calls(number) if call["settled"]]
            return calls if len(calls) >= count else None

        return await until(over, within, f"{count} settled call(s) of {number}")

    async def callbacks(self, number: str) -> list[dict[str, Any]]:
        return await self.rows("SELECT * FROM callback WHERE number = :n ORDER BY id", n=f"+{number}")

    async def recording(self, call_id: str, within: float = 20.0) -> dict[str, Any]:
        """The recording of a call once it is taken in, or known to be missing."""

        async def taken() -> dict[str, Any] | None:
            found = await self.rows("SELECT * FROM recording WHERE call_id = :c AND state <> 'expected'", c=call_id)
            return found[0] if found else None

        return await until(taken, within, f"a recording of {call_id}")

    async def owed_once(self, number: str, outcome: str, misses: int = 1) -> dict[str, Any]:
        """The promise of this product: the miss has its name, and exactly one open callback."""
        calls = await self.ended(number, misses)
        assert calls[-1]["outcome"] == outcome, calls
        found = await self.callbacks(number)
        assert len(found) == 1, found
        assert found[0]["closed_at"] is None
        assert found[0]["misses"] == misses
        return found[0]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house() -> AsyncIterator[House]:
    with tempfile.TemporaryDirectory(prefix="cc", ignore_cleanup_errors=True) as folder:
        async with House(Path(folder) / "h", PLAN, free_ports()) as house:
            yield house


@pytest_asyncio.fixture(loop_scope="session")
async def books(house: House) -> AsyncIterator[Books]:
    """A quiet house before each test: every phone under the test's control, no call left over."""
    for phone in house.phones.values():
        phone.behaviour = CONTROLLED
        phone.forget()
    yield Books(house)
    await house.callers.hang_up_all()
    await house.phone_agent.hang_up_all()
