"""The life of a debt, rule by rule, on a clock that the test turns: promised, claimed, tried, decided, paid."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from callcenter.callbacks.duty import Urgency, urgency
from callcenter.callbacks.queue import (
    acts,
    attempts,
    claim,
    claim_number,
    claimed_by,
    close_with,
    is_being_called,
    let_go,
    misses,
    one_callback,
    said,
    take,
    try_again,
)
from callcenter.calls import tables
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.tables import CallRow
from callcenter.desk.callback_rows import CallbackFilter, count_pressing, list_callbacks
from callcenter.errors import RuleBroken
from callcenter.store import Database, Scope
from callcenter.words import ProviderId, UniqueId
from tests.callback_house import NOON, OLENA, Callbacks, later, miss, out, reached, talk

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RING = timedelta(seconds=45)


@pytest.fixture
async def house(database: Database) -> Callbacks:
    return await Callbacks.build(database)


async def closed(house: Callbacks) -> list[tuple[str, str]]:
    rows = await house.rows("SELECT closed_reason, closed_by FROM callback WHERE closed_at IS NOT NULL ORDER BY id")
    return [(reason, who) for reason, who in rows]


# ---- the promise


async def test_a_miss_late_on_friday_is_on_mondays_list(house: Callbacks) -> None:
    """Pain 1: missed at 23:50 on Friday; still owed on Monday, due in its first hour, and never gone from the list."""
    await house.set(hours='{"mon": ["08:00-22:00"], "fri": ["08:00-24:00"]}', callback_within_min=30)
    friday = datetime(2026, 11, 20, 21, 50, tzinfo=UTC)  # 23:50 in Kyiv, ten minutes before the provider closes
    await house.tell(miss(friday - timedelta(seconds=30), CallOutcome.LEFT_WAITING))
    monday_morning = datetime(2026, 11, 23, 6, 20, tzinfo=UTC)  # ten minutes of Friday, twenty of Monday from 08:00
    [owed] = await house.open()
    assert owed.due_at == monday_morning
    for now in (friday + HOUR, monday_morning - MINUTE, monday_morning + HOUR, monday_morning + timedelta(days=400)):
        async with house.database.scoped(Scope.all()) as connection:
            assert [row.id for row in await list_callbacks(connection, CallbackFilter(), now, None, 10)] == [owed.id]
            pressing = await count_pressing(connection, None, now)
        assert (pressing.overdue, pressing.both) == ((1, 1) if now > monday_morning else (0, 0))


async def test_holidays_and_the_turning_of_clocks_are_counted_right(house: Callbacks) -> None:
    await house.set(hours='{"sat": ["22:00-24:00"], "sun": ["00:00-06:00"]}', callback_within_min=360)
    # The night of 29 March 2026 has no hour from three to four in Kyiv: 22:30 and six working hours make 05:30.
    await house.tell(miss(datetime(2026, 3, 28, 20, 29, 30, tzinfo=UTC)))
    [owed] = await house.open()
    assert owed.due_at == datetime(2026, 3, 29, 2, 30, tzinfo=UTC)


async def test_what_is_left_has_three_colours_and_never_ends(house: Callbacks) -> None:
    due = NOON + HOUR
    assert [urgency(due, due - left) for left in (HOUR, 15 * MINUTE, 14 * MINUTE, timedelta(0))] == [
        Urgency.OK, Urgency.OK, Urgency.SOON, Urgency.SOON,
    ]  # fmt: skip
    assert urgency(due, due + timedelta(seconds=1)) == urgency(due, due + timedelta(days=4000)) == Urgency.OVERDUE


async def test_a_promise_that_was_given_stays_whatever_the_providers_rules_become(house: Callbacks) -> None:
    await house.tell(miss(NOON))
    [before] = await house.open()
    await house.set(callback_within_min=600)
    await house.tell(miss(NOON + 2 * MINUTE))
    [after] = await house.open()
    assert (after.misses, after.due_at) == (2, before.due_at)


async def test_who_calls_again_climbs_and_every_call_is_listed(house: Callbacks) -> None:
    await house.tell(miss(NOON, number="+380632222222"))
    await house.tell(miss(NOON + 4 * MINUTE), miss(NOON + 5 * MINUTE))
    assert [owed.number for owed in await house.open()] == [OLENA, "+380632222222"]
    async with house.database.scoped(Scope.all()) as connection:
        owed = (await house.open())[0]
        assert len(await misses(connection, owed.id)) == owed.misses == 2


# ---- kinds of miss


KINDS = [kind for kind in CallOutcome if kind not in {CallOutcome.ANSWERED, CallOutcome.NO_ANSWER, CallOutcome.BUSY}]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_miss_is_a_debt_and_keeps_its_name(house: Callbacks, kind: CallOutcome) -> None:
    """Pains 4 and 5: whether in the greeting, in the queue or refused for lack of lines, each has its callback.

    It is there in the very transaction that made the call known: there is no moment without it.
    """
    await house.tell(miss(NOON, kind))
    async with house.database.scoped(Scope.all()) as connection:
        [row] = await list_callbacks(connection, CallbackFilter(kind=kind), NOON, None, 10)
        assert row.last_outcome == kind
        others = [other for other in KINDS if other is not kind]
        assert await list_callbacks(connection, CallbackFilter(kind=others[0]), NOON, None, 10) == []


async def test_an_answered_call_is_no_debt_and_late_rows_take_a_wrong_one_back(house: Callbacks) -> None:
    """Pain 7: answered after a transfer, told late: one call, one outcome, and nobody is called back for it."""
    await house.tell(talk(NOON))
    assert await house.open() == []
    lost = miss(NOON + HOUR, CallOutcome.LOST)
    await house.tell(lost)
    told = later(lost, outcome=CallOutcome.ANSWERED, talked_s=30.0, connected_at=lost.arrived_at + MINUTE / 6)
    await house.tell(later(told, agents=("102",)))
    assert await house.open() == []
    assert await closed(house) == [("corrected", "")]


async def test_asked_for_a_callback_keeps_the_place_until_somebody_has_called(house: Callbacks) -> None:
    call = miss(NOON, CallOutcome.ASKED_CALLBACK)
    await house.tell(call, queue="skynet")
    [owed] = await house.open()
    assert (owed.kept_queue, owed.kept_since) == ("skynet", call.queued_at)
    await house.tell(out(NOON + 5 * MINUTE))
    [owed] = await house.open()
    assert (owed.kept_queue, owed.kept_since) == (None, None)


# ---- claims


async def test_two_workers_and_one_number_make_one_dial(house: Callbacks) -> None:
    """Pain 2: a double click, a second agent, a second service and a plain dial at once: exactly one call goes out."""
    await house.tell(miss(NOON))
    [owed] = await house.open()

    async def by_callback(agent: str) -> bool:
        async with house.database.scoped(Scope.all()) as connection:
            await claim(connection, owed.id, agent, NOON + HOUR, RING)
        return True

    async def by_number(agent: str) -> bool:
        async with house.database.scoped(Scope.all()) as connection:
            await claim_number(connection, owed.provider, OLENA, agent, NOON + HOUR, RING)
        return True

    orders = [by_callback("101"), by_number("102"), by_callback("102"), by_callback("101"), by_number("101")]
    done = await asyncio.gather(*orders, return_exceptions=True)
    assert done.count(True) == 1
    assert all(isinstance(each, RuleBroken) for each in done if each is not True)


async def test_a_number_without_a_callback_is_dialled_by_one_agent_at_a_time(house: Callbacks) -> None:
    provider = house.provider().id

    async def dial(agent: str, at: datetime) -> bool:
        async with house.database.scoped(Scope.all()) as connection:
            return await claim_number(connection, provider, OLENA, agent, at, RING) is None

    done = await asyncio.gather(dial("101", NOON), dial("102", NOON), dial("101", NOON), return_exceptions=True)
    assert done.count(True) == 1
    assert await dial("102", NOON + RING)
    other = house.provider("nettown").id
    async with house.database.scoped(Scope.all()) as connection:
        assert await claim_number(connection, other, OLENA, "101", NOON + RING, RING) is None, "another provider's debt"


async def test_a_call_of_ours_that_goes_on_keeps_its_number_however_long(house: Callbacks) -> None:
    await house.tell(miss(NOON))
    [owed] = await house.open()
    async with house.database.scoped(Scope.all()) as connection:
        await claim(connection, owed.id, "101", NOON + HOUR, RING)
    going_on = later(out(NOON + HOUR), outcome=None, ended=False, ended_at=None, settled=False)
    entry = house.entry(going_on)
    async with house.database.scoped(Scope.all()) as connection:
        await tables.write_calls(connection, [CallRow(going_on, entry.provider.id, entry.number, None)])
    at = NOON + HOUR + 20 * MINUTE
    async with house.database.scoped(Scope.all()) as connection:
        assert await is_being_called(connection, owed.provider, OLENA, at) == "101"
        [row] = await list_callbacks(connection, CallbackFilter(), at, None, 10)
        assert row.calling == "101"
    async with house.database.scoped(Scope.all()) as connection:
        with pytest.raises(RuleBroken, match="agent 101 is calling"):
            await claim(connection, owed.id, "102", at, RING)
        with pytest.raises(RuleBroken, match="agent 101 is calling"):
            await claim_number(connection, owed.provider, OLENA, "102", at, RING)
    await house.tell(later(going_on, outcome=CallOutcome.NO_ANSWER, ended=True, settled=True, ended_at=at))
    async with house.database.scoped(Scope.all()) as connection:
        assert await is_being_called(connection, owed.provider, OLENA, at) is None
        assert (await one_callback(connection, owed.id)).claimed_by is None  # type: ignore[union-attr]


async def test_who_takes_a_callback_has_it_for_a_while_and_may_give_it_back(house: Callbacks) -> None:
    await house.tell(miss(NOON))
    [owed] = await house.open()
    async with house.database.scoped(Scope.all()) as connection:
        await take(connection, owed.id, "101", NOON + HOUR)
        assert [each.id for each in await claimed_by(connection, "101", NOON + HOUR)] == [owed.id]
        with pytest.raises(RuleBroken, match="101 has"):
            await claim(connection, owed.id, "102", NOON + HOUR + MINUTE, RING)
        await let_go(connection, owed.id, "101", NOON + HOUR + MINUTE)
        await take(connection, owed.id, "102", NOON + HOUR + MINUTE)
        await take(connection, owed.id, "101", NOON + HOUR + 20 * MINUTE)  # the ten minutes of 102 are over
        await claim(connection, owed.id, "101", NOON + HOUR + 21 * MINUTE, RING)
        told = [(each.act, each.who) for each in await acts(connection, owed.id)]
    assert told == [("taken", "101"), ("let_go", "101"), ("taken", "102"), ("taken", "101"), ("calling", "101")]


# ---- attempts


async def test_attempts_are_spaced_and_after_the_last_the_lead_decides(house: Callbacks) -> None:
    await house.tell(miss(NOON))
    [owed] = await house.open()

    async def may_call(at: datetime) -> bool:
        try:
            async with house.database.scoped(Scope.all()) as connection:
                await claim(connection, owed.id, "101", at, RING)
                await connection.rollback()
        except RuleBroken:
            return False
        return True

    at = NOON + HOUR
    for result in (CallOutcome.NO_ANSWER, CallOutcome.BUSY):
        assert await may_call(at)
        await house.tell(out(at, result))
        [now] = await house.open()
        assert (now.next_try_at, now.decision_since) == (at + 15 * MINUTE, None)
        assert not await may_call(at + 14 * MINUTE)
        at += 15 * MINUTE
    await house.tell(out(at, CallOutcome.CUT_SHORT, talked_s=2.0))
    [now] = await house.open()
    assert (now.attempts, now.next_try_at, now.decision_since) == (3, None, at)
    assert not await may_call(at + HOUR)
    async with house.database.scoped(Scope.all()) as connection:
        assert [each.result for each in await attempts(connection, owed.id)] == ["no_answer", "busy", "cut_short"]
        await try_again(connection, owed.id, "user:Ірина", at + HOUR, "дзвонити ввечері")
    [now] = await house.open()
    assert (now.attempts, now.next_try_at, now.decision_since) == (3, None, None)
    assert await may_call(at + HOUR)
    for step in range(3):
        await house.tell(out(at + HOUR + step * 15 * MINUTE))
    [now] = await house.open()
    assert now.decision_since == at + HOUR + 30 * MINUTE


async def test_only_a_talk_as_long_as_the_provider_demands_pays_and_any_call_of_ours_may(house: Callbacks) -> None:
    """Also a number that was just dialled, and written in another way than the caller's."""
    await house.tell(miss(NOON))
    await house.tell(reached(NOON + HOUR, talked_s=4.9))
    [owed] = await house.open()
    async with house.database.scoped(Scope.all()) as connection:
        assert [each.result for each in await attempts(connection, owed.id)] == ["cut_short"]
    await house.tell(reached(NOON + 2 * HOUR, talked_s=5.0, meant=None, number="8 (063) 111-11-11"))
    assert await house.open() == []
    assert await closed(house) == [("called_back", "")]


# ---- what agents hear, what leads decide


async def test_a_voice_mail_pays_nothing_and_joins_what_was_missed_since(house: Callbacks) -> None:
    await house.tell(miss(NOON))
    answered = reached(NOON + HOUR)
    await house.tell(answered)
    await house.tell(miss(NOON + 2 * HOUR))
    [newer] = await house.open()
    async with house.database.scoped(Scope.all()) as connection:
        await said(connection, answered.id, "voicemail", "user:Олег", NOON + 3 * HOUR)
    [owed] = await house.open()
    assert (owed.id, owed.misses, owed.opened_at) == (newer.id, 2, NOON + timedelta(seconds=30))
    assert owed.next_try_at == NOON + HOUR + 15 * MINUTE
    assert await house.rows("SELECT count(*) FROM callback") == [(1,)]
    async with house.database.scoped(Scope.all()) as connection:
        await said(connection, answered.id, "", "user:Олег", NOON + 3 * HOUR)
    assert [each.misses for each in await house.open()] == [1]
    assert await closed(house) == [("called_back", "")]


async def test_a_voice_mail_opens_again_what_this_very_call_had_paid(house: Callbacks) -> None:
    await house.tell(miss(NOON))
    [before] = await house.open()
    answered = reached(NOON + HOUR)
    await house.tell(answered)
    async with house.database.scoped(Scope.all()) as connection:
        await said(connection, answered.id, "voicemail", "user:Олег", NOON + 2 * HOUR)
    [after] = await house.open()
    assert (after.id, after.due_at, after.attempts) == (before.id, before.due_at, 1)


async def test_a_voice_mail_said_while_it_speaks_is_remembered(house: Callbacks) -> None:
    await house.tell(miss(NOON))
    answered = reached(NOON + HOUR)
    going_on = later(answered, outcome=None, ended=False, ended_at=None, settled=False)
    entry = house.entry(going_on)
    async with house.database.scoped(Scope.all()) as connection:
        await tables.write_calls(connection, [CallRow(going_on, entry.provider.id, entry.number, None)])
        await said(connection, answered.id, "voicemail", "user:Олег", NOON + HOUR + MINUTE / 3)
    await house.tell(answered)
    [owed] = await house.open()
    async with house.database.scoped(Scope.all()) as connection:
        [attempt] = await attempts(connection, owed.id)
    assert (attempt.result, attempt.said, attempt.said_by) == ("answered", "voicemail", "user:Олег")


async def test_a_wrong_number_waits_for_the_lead_who_ends_it_by_name(house: Callbacks) -> None:
    await house.tell(miss(NOON))
    answered = reached(NOON + HOUR)
    await house.tell(answered)
    at = NOON + 2 * HOUR
    async with house.database.scoped(Scope.all()) as connection:
        await said(connection, answered.id, "wrong_number", "user:Олег", at)
    [owed] = await house.open()
    assert owed.decision_since == at
    async with house.database.scoped(Scope.all()) as connection:
        for reason, note in (("wrong_number", " "), ("tired", "так"), ("no_number", "так")):
            with pytest.raises(RuleBroken):
                await close_with(connection, owed.id, reason, note, "user:Ірина", at)  # type: ignore[arg-type]
        await close_with(connection, owed.id, "wrong_number", "там магазин", "user:Ірина", at)
    assert await closed(house) == [("wrong_number", "user:Ірина")]
    await house.tell(answered)
    assert await closed(house) == [("wrong_number", "user:Ірина")], "what a person has closed stays as it was closed"
    await house.tell(miss(at + HOUR))
    assert [each.misses for each in await house.open()] == [1]


async def test_only_a_call_of_ours_can_have_met_a_voice_mail(house: Callbacks) -> None:
    through = talk(NOON)
    await house.tell(through)
    for call in (through.id, UniqueId("pbx1-1.1")):
        with pytest.raises(RuleBroken, match="no call back"):
            async with house.database.scoped(Scope.all()) as connection:
                await said(connection, call, "voicemail", "user:Олег", NOON)


async def test_a_callback_is_not_ended_while_somebody_is_calling(house: Callbacks) -> None:
    await house.tell(miss(NOON))
    [owed] = await house.open()
    async with house.database.scoped(Scope.all()) as connection:
        await claim(connection, owed.id, "101", NOON + HOUR, RING)
        with pytest.raises(RuleBroken, match="is calling"):
            await close_with(connection, owed.id, "unreachable", "досить", "user:Ірина", NOON + HOUR)


async def test_what_is_overdue_or_waits_for_a_decision_climbs_to_the_lead_and_nothing_else(house: Callbacks) -> None:
    await house.tell(miss(NOON), miss(NOON, number="anonymous"))
    await house.tell(*(out(NOON + MINUTE + each * 15 * MINUTE) for each in range(3)))
    await house.tell(miss(NOON + 5 * HOUR, number="+380633333333"))
    await house.tell(miss(NOON + 3 * HOUR, number="+380634444444"))
    now = NOON + 5 * HOUR + 10 * MINUTE
    async with house.database.scoped(Scope.all()) as connection:
        found = await list_callbacks(connection, CallbackFilter(pressing=True), now, None, 10)
        assert [row.number for row in found] == [OLENA, "+380634444444"]
        counted = await count_pressing(connection, None, now)
    assert (counted.overdue, counted.decision, counted.both) == (2, 1, 2)
    async with house.database.scoped(Scope.only([ProviderId(house.provider("nettown").id)])) as connection:
        assert (await count_pressing(connection, None, now)).both == 0
