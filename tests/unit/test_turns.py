"""Turns at a device: in order, whoever is in a hurry first, and nobody's turn is lost when somebody gives up."""

from __future__ import annotations

import asyncio
import random

import pytest

from callcenter.diag.turns import Turns


async def test_whoever_cannot_wait_goes_before_all_who_can() -> None:
    turns, order = Turns(), list[str]()

    async def asks(name: str, *, urgent: bool) -> None:
        await turns.take(urgent=urgent)
        order.append(name)
        await asyncio.sleep(0)
        turns.give()

    await turns.take(urgent=False)
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(asks(f"sweep {number}", urgent=False))
        await asyncio.sleep(0)
        for number in range(2):
            group.create_task(asks(f"card {number}", urgent=True))
        await asyncio.sleep(0)
        turns.give()
    assert order == ["card 0", "card 1", "sweep 0", "sweep 1", "sweep 2"]
    assert not turns.locked()


@pytest.mark.parametrize("seed", range(20))
async def test_one_at_a_time_and_no_turn_is_lost_whoever_gives_up(seed: int) -> None:
    turns, dice, inside, most = Turns(), random.Random(seed), 0, 0

    async def asks() -> None:
        nonlocal inside, most
        await turns.take(urgent=dice.random() < 0.3)
        inside += 1
        most = max(most, inside)
        try:
            await asyncio.sleep(0)
        finally:
            inside -= 1
            turns.give()

    tasks = [asyncio.ensure_future(asks()) for _ in range(40)]
    for _ in range(30):
        await asyncio.sleep(0)
        dice.choice(tasks).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 1
    assert not turns.locked()
    await asyncio.wait_for(turns.take(urgent=False), 1)
