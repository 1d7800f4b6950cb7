"""Callbacks on a real PostgreSQL: opened by a miss in the call's own transaction, closed by proof, never twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callcenter.callbacks.placing import order_for, start_call_back
from callcenter.callbacks.queue import (
    Callback,
    attempts,
    claim,
    close_with,
    misses,
    one_callback,
    open_callback_for,
    open_callbacks,
    pay_or_owe,
    release,
)
from callcenter.calls.entry import LedgerEntry
from callcenter.calls.groups import fold_journal
from callcenter.calls.outcome import CallOutcome
from callcenter.errors import RuleBroken
from callcenter.routing.numbers import CallerNumber, caller_number
from callcenter.store import Database, Scope
from callcenter.words import UniqueId
from tests.integration.ledger_house import House
from tests.unit.cel_rows import BEGIN, CALL_BACK, MISS, TALK, nth_call, rows_of

NUMBER, E164 = "0631111111", "+380631111111"
OPEN = "SELECT number, misses FROM callback WHERE closed_at IS NULL ORDER BY number"
CLOSED = "SELECT number, misses, closed_reason FROM callback WHERE closed_at IS NOT NULL ORDER BY id"


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    return await House.build(database, tmp_path)


class Day:
    """Calls one after the other, read by the ledger as they come."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ledger = house.ledger()
        self.calls = 0

    async def brings(self, table: str, number: str = NUMBER, *, at: float | None = None) -> str:
        self.calls += 1
        own = "CC_OUT" in table
        rows = nth_call(self.calls, self.calls * 60.0 if at is None else at, table, number=number, agents_own=own)
        self.house.write(rows)
        await self.ledger.catch_up()
        return f"pbx1-1795000000.{self.calls * 100 + (10 if own else 1)}"

    async def now_open(self) -> list[Callback]:
        async with self.house.database.scoped(Scope.all()) as connection:
            return await open_callbacks(connection)


@pytest.fixture
def day(house: House) -> Day:
    return Day(house)


def call_back(callback: int = 1) -> str:
    return CALL_BACK.format(callback=callback, number=E164)


async def test_a_missed_call_opens_a_callback_within_the_providers_promise(day: Day) -> None:
    call = await day.brings(MISS)
    [found] = await day.now_open()
    missed_at = datetime.fromtimestamp(BEGIN + 65, UTC)
    assert (found.number, found.callable, found.misses) == (E164, True, 1)
    assert (found.opened_at, found.due_at) == (missed_at, missed_at + timedelta(minutes=30))
    async with day.house.database.scoped(Scope.all()) as connection:
        [miss] = await misses(connection, found.id)
    assert (str(miss.call), miss.outcome) == (call, "left_waiting")
    assert miss.waited_s == pytest.approx(4.4)


async def test_who_calls_again_and_again_is_one_callback_with_the_oldest_promise(day: Day) -> None:
    for _ in range(3):
        await day.brings(MISS)
    [found] = await day.now_open()
    assert found.misses == 3
    assert found.due_at == datetime.fromtimestamp(BEGIN + 65, UTC) + timedelta(minutes=30)
    assert found.last_missed_at == datetime.fromtimestamp(BEGIN + 185, UTC)


async def test_the_caller_who_gets_through_later_needs_no_callback(day: Day) -> None:
    await day.brings(MISS)
    through = await day.brings(TALK)
    assert await day.now_open() == []
    assert await day.house.rows("SELECT closed_reason, closed_by_call FROM callback") == [("got_through", through)]


async def test_a_conversation_before_the_last_miss_proves_nothing(day: Day) -> None:
    """Two calls of one number at once: one is answered, the other, begun earlier, is lost a moment later."""
    await day.brings(TALK, at=60)
    await day.brings(MISS.replace("5.0", "50.0"), at=50)
    assert [found.misses for found in await day.now_open()] == [1]


async def test_an_answered_call_back_pays(day: Day) -> None:
    await day.brings(MISS)
    placed = await day.brings(call_back())
    assert await day.now_open() == []
    assert await day.house.rows(CLOSED) == [(E164, 1, "called_back")]
    async with day.house.database.scoped(Scope.all()) as connection:
        [attempt] = await attempts(connection, 1)
    assert (attempt.call, attempt.agent, attempt.answered) == (placed, "101", True)


async def test_a_call_back_that_nobody_answers_is_an_attempt_and_the_promise_stays(day: Day) -> None:
    await day.brings(MISS)
    no_answer = "\n".join(line for line in call_back().splitlines() if "BRIDGE" not in line)
    await day.brings(no_answer)
    await day.brings(no_answer)
    [found] = await day.now_open()
    assert (found.attempts, found.misses) == (2, 1)


async def test_a_call_back_too_short_to_be_a_talk_pays_nothing(day: Day) -> None:
    await day.brings(MISS)
    await day.brings(call_back().replace("9.0", "3.4"))
    assert [found.attempts for found in await day.now_open()] == [1]


async def test_after_a_paid_callback_a_new_miss_opens_a_new_one(day: Day) -> None:
    await day.brings(MISS)
    await day.brings(TALK)
    await day.brings(MISS)
    assert await day.house.rows(OPEN) == [(E164, 1)]
    assert await day.house.rows(CLOSED) == [(E164, 1, "got_through")]


async def test_hidden_numbers_are_counted_and_one_of_them_proves_nothing_for_another(day: Day) -> None:
    await day.brings(MISS, "anonymous")
    await day.brings(MISS, "Restricted")
    await day.brings(TALK, "anonymous")
    [found] = await day.now_open()
    assert (found.number, found.callable, found.misses) == ("", False, 2)


async def test_the_same_number_is_owed_by_each_provider_of_its_own(day: Day) -> None:
    await day.brings(MISS)
    await day.brings(MISS.replace("CHAN_START caller", "CHAN_START caller 380442220001"))
    await day.brings(TALK)
    assert await day.house.rows(
        "SELECT slug, misses FROM callback JOIN provider ON provider.id = provider_id WHERE closed_at IS NULL"
    ) == [("nettown", 1)]


async def test_a_miss_found_late_that_was_made_good_already_is_kept_and_paid(day: Day) -> None:
    """The rows of its end were lost; the live link had seen it, and was believed after the caller had called again."""
    lost = await day.brings(MISS.split("5.0")[0])
    through = await day.brings(TALK)
    assert await day.house.rows("SELECT count(*) FROM callback") == [(0,)]
    day.ledger.presume_ended(UniqueId(lost), datetime.fromtimestamp(BEGIN + 66, UTC))
    await day.ledger.catch_up()
    assert await day.now_open() == []
    assert await day.house.rows("SELECT misses, closed_reason, closed_by_call FROM callback") == [
        (1, "got_through", through)
    ]
    assert await day.house.rows("SELECT count(*) FROM callback_miss") == [(1,)]


async def test_a_call_taken_for_missed_that_proves_answered_is_corrected_in_sight(house: House) -> None:
    [call] = fold_journal(rows_of(nth_call(1, 0, TALK, number=NUMBER)))
    house.write(nth_call(1, 0, TALK, number=NUMBER))
    await house.ledger().catch_up()  # the call itself is in its table
    provider = next(each for each in house.book.providers if each.slug == "skynet")
    entry = LedgerEntry(call, provider, caller_number(NUMBER), None)
    wrong = replace(entry, call=replace(call, outcome=CallOutcome.LOST, talked_s=0.0, agents=()))
    async with house.database.scoped(Scope.all()) as connection:
        await pay_or_owe(connection, wrong)
        assert [each.misses for each in await open_callbacks(connection)] == [1]
    async with house.database.scoped(Scope.all()) as connection:
        await pay_or_owe(connection, entry)
        await pay_or_owe(connection, entry)
    assert await house.rows(CLOSED) == [(E164, 1, "corrected")]
    [(kind, detail, times)] = await house.rows("SELECT kind, detail, times FROM alarm")
    assert (kind, times) == ("outcome_corrected", 1)
    assert "counted as lost at first, answered by 101" in detail


async def test_a_correction_leaves_the_other_misses_of_the_callback_owed(day: Day) -> None:
    await day.brings(MISS, at=1000)
    [call] = fold_journal(rows_of(nth_call(2, 0, TALK, number=NUMBER)))
    await day.brings(TALK, at=0)
    provider = next(each for each in day.house.book.providers if each.slug == "skynet")
    entry = LedgerEntry(call, provider, caller_number(NUMBER), None)
    wrong = replace(entry, call=replace(call, outcome=CallOutcome.LOST))
    async with day.house.database.scoped(Scope.all()) as connection:
        await pay_or_owe(connection, wrong)
        assert [each.misses for each in await open_callbacks(connection)] == [2]
        await pay_or_owe(connection, entry)
        [left] = await open_callbacks(connection)
    assert (left.misses, left.last_missed_at) == (1, datetime.fromtimestamp(BEGIN + 1005, UTC))


async def test_many_hooks_at_once_keep_one_open_callback(house: House) -> None:
    """A race of writers: PostgreSQL itself keeps it one."""
    tables = [nth_call(number, 60 * number, MISS, number=NUMBER) for number in range(8)]
    house.write(b"".join(tables))
    await house.ledger().catch_up()
    async with house.database.scoped(Scope.all()) as connection:
        await connection.exec_driver_sql("DELETE FROM callback")
    provider = next(each for each in house.book.providers if each.slug == "skynet")

    async def owe(rows: bytes) -> None:
        [call] = fold_journal(rows_of(rows))
        async with house.database.scoped(Scope.all()) as connection:
            await pay_or_owe(connection, LedgerEntry(call, provider, caller_number(NUMBER), None))

    async with asyncio.TaskGroup() as group:
        for rows in tables:
            group.create_task(owe(rows))
    assert await house.rows(OPEN) == [(E164, 8)]


async def test_a_person_may_answer_for_a_callback_that_no_call_can_pay(day: Day) -> None:
    await day.brings(MISS, "anonymous")
    [found] = await day.now_open()
    async with day.house.database.scoped(Scope.all()) as connection:
        await close_with(connection, found.id, "no_number", "числом не дзвонять", "user:olha", day.house.clock())
        with pytest.raises(RuleBroken, match="is not open"):
            await close_with(connection, found.id, "no_number", "ще раз", "user:olha", day.house.clock())
    assert await day.house.rows(CLOSED) == [("", 1, "no_number")]
    assert await day.house.rows("SELECT closed_by, close_note FROM callback") == [("user:olha", "числом не дзвонять")]


async def test_another_providers_callback_is_neither_seen_nor_closed(day: Day) -> None:
    await day.brings(MISS)
    [found] = await day.now_open()
    other = next(each.id for each in day.house.book.providers if each.slug == "nettown")
    async with day.house.database.scoped(Scope.only([other])) as connection:
        assert await open_callbacks(connection) == []
        assert await one_callback(connection, found.id) is None
        assert await open_callback_for(connection, found.provider, E164) is None
        with pytest.raises(RuleBroken):
            await close_with(connection, found.id, "unreachable", "чужий", "stranger", day.house.clock())
        with pytest.raises(RuleBroken):
            await start_call_back(connection, day.house.book, found.id, "101", allow=("+380",), trunk=None)


# ---- placing one


async def test_a_call_back_goes_out_under_the_providers_own_number(day: Day) -> None:
    await day.brings(MISS)
    async with day.house.database.scoped(Scope.all()) as connection:
        order = await start_call_back(connection, day.house.book, 1, "101", allow=("+380",), trunk=None)
    assert (order.agent, order.number, order.caller_id, order.trunk) == ("101", E164, "+380441110001", "skynet")
    assert order.variables["CALLBACK"] == "1"
    assert order.variables["PROVIDER"] == "skynet"


@pytest.mark.parametrize(
    ("number", "agent", "allow", "why"),
    [
        (caller_number("0631111111"), "101", ("+7",), "not in outbound.allow"),
        (caller_number("0631111111"), "101", (), "not in outbound.allow"),
        (caller_number("0631111111"), "999", ("+380",), "does not work for"),
        (CallerNumber("", callable=False), "101", ("+380",), "no number that can be called"),
        (caller_number("101"), "101", ("+380",), "no number that can be called"),
    ],
)
async def test_what_may_not_be_called_back_is_not(
    house: House, number: CallerNumber, agent: str, allow: tuple[str, ...], why: str
) -> None:
    provider = next(each.id for each in house.book.providers if each.slug == "skynet")
    now = house.clock()
    found = Callback(1, provider, number.number, number.callable, now, now, 1, now, 0, None, None, None, None)
    with pytest.raises(RuleBroken, match=why):
        order_for(found, house.book, agent, allow=allow, trunk=None)


async def test_two_agents_and_a_double_click_call_a_number_back_once(day: Day) -> None:
    await day.brings(MISS)
    (owed,) = await day.now_open()
    noon, span = datetime(2026, 11, 22, 12, tzinfo=UTC), timedelta(seconds=45)

    async def order(agent: str, at: datetime) -> bool:
        try:
            async with day.house.database.scoped(Scope.all()) as connection:
                await claim(connection, owed.id, agent, at, span)
        except RuleBroken:
            return False
        return True

    assert sorted(await asyncio.gather(order("101", noon), order("101", noon), order("102", noon))) == [
        False,
        False,
        True,
    ]
    assert await order("102", noon + span)  # the first never got anywhere: another may
    async with day.house.database.scoped(Scope.all()) as connection:
        await release(connection, owed.id, "102")
    assert await order("101", noon + span)
