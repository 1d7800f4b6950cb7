"""Whatever the order in which calls become known, and however often: the same calls leave the same debts."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import event

from callcenter.callbacks.queue import said
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord
from callcenter.store import Database, Scope
from tests.callback_house import NOON, OLENA, PETRO, Callbacks, in_batches, miss, out, reached, talk


@pytest.fixture
async def house(database: Database) -> Callbacks:
    return await Callbacks.build(database)


def a_day(dice: random.Random) -> list[CallRecord]:
    """Misses, conversations, calls back that reach, do not, or are too short; of two numbers and a hidden one."""
    calls = []
    for step in range(dice.randint(8, 22)):
        at = NOON + timedelta(minutes=7 * step, seconds=dice.randint(0, 200))
        number = dice.choice([OLENA, OLENA, PETRO, "anonymous"])
        kind = dice.choice(["miss", "miss", "miss", "talk", "vain", "vain", "reached", "short"])
        if kind == "miss" or (number == "anonymous" and kind != "talk"):
            kinds = [CallOutcome.LEFT_WAITING, CallOutcome.LOST, CallOutcome.CLOSED, CallOutcome.QUEUE_FULL]
            calls.append(miss(at, dice.choice(kinds), number=number))
        elif kind == "talk":
            calls.append(talk(at, number=number))
        elif kind == "vain":
            result = dice.choice([CallOutcome.NO_ANSWER, CallOutcome.BUSY, CallOutcome.FAILED])
            calls.append(out(at, result, meant=dice.choice([1, None]), number=number))
        else:
            calls.append(
                reached(at, talked_s=3.0 if kind == "short" else 20.0, meant=dice.choice([1, None]), number=number)
            )
    return calls


class Killed(BaseException):
    """As good as ``kill -9``: no code of ours handles it."""


async def killed_at(house: Callbacks, step: int, calls: Sequence[CallRecord]) -> None:
    """Tells these calls, and is killed at the ``step``-th statement or at the commit after it."""
    count = 0

    def on_statement(*_args: object) -> None:
        nonlocal count
        count += 1
        if count == step:
            raise Killed

    engine = house.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", on_statement)
    event.listen(engine, "commit", on_statement)
    try:
        await house.tell(*calls)
    except Killed:
        pass
    finally:
        event.remove(engine, "before_cursor_execute", on_statement)
        event.remove(engine, "commit", on_statement)


async def say(house: Callbacks, calls: Sequence[CallRecord]) -> None:
    """What agents said of these calls, each as soon as it is an attempt."""
    for each in calls:
        if await house.rows("SELECT 1 FROM callback_attempt WHERE call_id = :id AND said = ''", id=each.id):
            async with house.database.scoped(Scope.all()) as connection:
                word = "wrong_number" if each.talked_s == 3.0 else "voicemail"
                await said(connection, each.id, word, "user:Олег", NOON + timedelta(hours=6))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(12))
async def test_the_same_calls_leave_the_same_debts_in_whatever_order_they_become_known(
    house: Callbacks, seed: int
) -> None:
    dice = random.Random(seed)
    calls = a_day(dice)
    await house.tell(*calls)
    as_it_was = await house.snapshot()
    for _ in range(4):
        await house.forget()
        shuffled = dice.sample(calls, len(calls))
        for batch in in_batches(shuffled, iter(lambda: dice.randint(1, 6), None)):
            if dice.random() < 0.4:
                await killed_at(house, dice.randint(1, 18), batch)
            await house.tell(*batch)
            if dice.random() < 0.3:
                await house.tell(*batch)
        await house.tell(*calls)
        assert await house.snapshot() == as_it_was


@pytest.mark.parametrize("seed", range(12))
async def test_each_miss_is_in_one_callback_and_only_a_later_conversation_has_paid_it(
    house: Callbacks, seed: int
) -> None:
    """Held against the rule itself, told once more and differently from how the code does it."""
    dice = random.Random(1000 + seed)
    calls = a_day(dice)
    for batch in in_batches(dice.sample(calls, len(calls)), itertools.repeat(1)):
        await house.tell(*batch)
    for number in (OLENA, PETRO, ""):
        mine = [each for each in calls if each.number_raw == (number or "anonymous")]
        missed = [each for each in mine if each.direction == "in" and each.outcome is not CallOutcome.ANSWERED]
        talks = [] if not number else [
            each.connected_at
            for each in mine
            if each.connected_at is not None
            and each.outcome is CallOutcome.ANSWERED
            and (each.direction == "in" or each.talked_s >= 5)
        ]  # fmt: skip
        found = await house.rows(
            "SELECT call_id, closed_at FROM callback_miss JOIN callback ON callback.id = callback_id "
            "WHERE number = :number ORDER BY call_id", number=number,
        )  # fmt: skip
        wanted = [
            (each.id, min((at for at in talks if at > each.missed_at), default=None))
            for each in sorted(missed, key=lambda each: each.id)
        ]
        assert found == wanted
    assert await house.rows(
        "SELECT number FROM callback WHERE closed_at IS NULL GROUP BY provider_id, number HAVING count(*) > 1"
    ) == []  # fmt: skip
    assert await house.rows(
        "SELECT id FROM callback WHERE misses <> (SELECT count(*) FROM callback_miss WHERE callback_id = callback.id)"
    ) == []  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
async def test_what_agents_heard_counts_whenever_they_say_it(house: Callbacks, seed: int) -> None:
    """Said at once, or of a call whose debt has closed and opened anew since."""
    dice = random.Random(2000 + seed)
    calls = a_day(dice)
    await house.tell(*calls)
    ours = [each for each in calls if each.direction == "out" and each.number_raw != "anonymous"]
    attempts = {call for (call,) in await house.rows("SELECT call_id FROM callback_attempt")}
    spoken = [each for each in ours if each.id in attempts and dice.random() < 0.6]
    await say(house, spoken)
    as_it_was = await house.snapshot()
    for _ in range(3):
        await house.forget()
        left = list(spoken)
        for batch in in_batches(sorted(calls, key=lambda each: each.missed_at), iter(lambda: dice.randint(1, 5), None)):
            await house.tell(*batch)
            now = [each for each in left if each in batch and dice.random() < 0.5]
            await say(house, now)
            left = [each for each in left if each not in now]
        await say(house, dice.sample(left, len(left)))
        await house.tell(*calls)
        assert await house.snapshot() == as_it_was
    await house.tell(*calls)
    assert await house.snapshot() == as_it_was
