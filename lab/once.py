"""``make demo ONCE=1``: the calls of a day in a minute, and of each what was promised and what happened."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path

from lab.house import House
from lab.keeping import until_stopped
from lab.once_calls import AnsweredCalls, BrokenParts, LostCalls, NamedEnds, Showing
from lab.once_day import WorkingDay
from lab.once_lines import Lines
from lab.plan import CLOSED, LabOlt, LabProvider, Plan
from lab.promises import Books, table
from lab.sip import Tone

PLAN = Plan(
    providers=(
        LabProvider(
            "svitlonet", "СвітлоНет", "#0b5fff", ("380441230001",), "svitlo-epon", ring_s=4, wrapup_s=0,
            members=("101", "102"), subscribers=16,
        ),
        LabProvider("domlink", "Дім.Лінк", "#0f7b5a", ("380441240001",), "dom-gpon", max_lines=1, members=("103",)),
        LabProvider("kray", "Край", "#8a3ffc", ("380441250001",), "kray-epon", wrapup_s=0, members=("104",)),
        LabProvider("fastfiber", "FastFiber", "#b4440a", ("380441260001",), "fast-gpon", language="en",
                    wrapup_s=0, members=("105",), subscribers=16),
        LabProvider("nichnyk", "Нічник", "#475569", ("380441270001",), "night-gpon", hours=CLOSED, members=("103",)),
    ),
    olts=(
        LabOlt("svitlo-epon", "epon", pons=2, onus=16, seed=1),
        LabOlt("dom-gpon", "huawei_ma56xx", pons=2, onus=16, seed=2),
        LabOlt("kray-epon", "cdata_fd12", pons=2, onus=16, seed=3),
        LabOlt("fast-gpon", "zte_c3xx", pons=2, onus=16, seed=4),
        LabOlt("night-gpon", "eltex_ltp", pons=2, onus=16, seed=5),
    ),
    agent_count=5,
    subscribers=0,
    answer_after=None,
    site=True,
    agent_tone=Tone(880),
    caller_tone=Tone(440),
)  # fmt: skip


def once() -> int:
    """0 when every promise was kept; the table says what happened to each."""
    kept = False

    async def work() -> None:
        nonlocal kept
        kept = await _whole_day()

    return until_stopped(work) or (0 if kept else 1)


async def _whole_day() -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="callcenter-demo", ignore_cleanup_errors=True) as folder:
        async with House(Path(folder) / "lab", PLAN, say=lambda line: print(f"  {line}", flush=True)) as house:
            print(f"  everything runs after {time.monotonic() - began:.0f} s; calling", flush=True)
            books = Books(house)
            await _calls(house, books)
    promises = list(books.kept.values())
    broken = sum(not each.kept for each in promises)
    print(f"\n{table(promises)}\n")
    print(f"  {len(promises) - broken} of {len(promises)} promises kept, in {time.monotonic() - began:.0f} s")
    return not broken


async def _calls(house: House, books: Books) -> None:
    """Different providers' callers call at the same time, as they do; what breaks a part comes last."""
    async with AsyncExitStack() as open_pages:
        answered = AnsweredCalls(house, books)
        showing = Showing(house, books)
        await asyncio.gather(*(each.open_pages(open_pages) for each in (answered, showing)))
        groups: tuple[Awaitable[None], ...] = (
            answered.run(),
            showing.run(),
            LostCalls(house, books).run(),
            NamedEnds(house, books).run(),
            Lines(house, books).run(),
        )
        await asyncio.gather(*groups)
        await BrokenParts(house, books, answered).run()
        await WorkingDay(house, books).run()
