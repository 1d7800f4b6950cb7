"""The figures that PostgreSQL counts are those that plain Python counts, rolled up or not, whatever is corrected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import text

from callcenter.floor import duty
from callcenter.floor.board import AgentNow, Snapshot
from callcenter.floor.statelog import StateLog
from callcenter.reports.measures import Work
from callcenter.reports.periods import Between, Days, Today
from callcenter.reports.queries import By, Key, Wanted, debts, totals, work
from callcenter.reports.rolling import RIPE, Rolling
from callcenter.store import Database, Scope
from callcenter.words import ProviderId, UniqueId
from tests.integration import report_house as made
from tests.integration.report_house import AGENTS, DAYS, NOW, Call, counted, owed, worked

A, B = ProviderId(1), ProviderId(2)
Wish = Callable[[Call], bool]


async def _filled(database: Database, seed: int, count: int = 260) -> list[Call]:
    calls = made.draw(Random(seed), count)
    async with database.scoped(Scope.all()) as connection:
        await made.build(connection)
        await made.insert(connection, calls)
    return calls


async def _rolled(database: Database) -> int:
    return await Rolling(database, lambda: NOW, lambda: True).step()


async def _agree(database: Database, calls: Sequence[Call], said: str) -> None:
    """Every figure, however it is told apart, for everybody and for one provider's supervisor."""
    async with database.scoped(Scope.all()) as connection:
        for by in By:
            assert await totals(connection, Wanted(DAYS), by) == counted(calls, DAYS, by), (said, by)
        assert await work(connection, Wanted(DAYS), NOW) == dict(sorted(worked(calls, DAYS).items())), said
    theirs = [call for call in calls if call.provider == A]
    async with database.scoped(Scope.only([A])) as connection:
        assert await totals(connection, Wanted(DAYS), By.QUEUE) == counted(theirs, DAYS, By.QUEUE), said


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_counts_agree_before_and_after_days_are_rolled_up(database: Database, seed: int) -> None:
    calls = await _filled(database, seed)
    await _agree(database, calls, "counted from the calls")
    assert await _rolled(database) > 30
    await _agree(database, calls, "read from rolled days")
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("DELETE FROM report_day WHERE (provider_id + (day - DATE '2025-01-01')) % 2 = 0"))
    await _agree(database, calls, "some days rolled, some not")


FILTERS: dict[str, tuple[Wanted, Wish]] = {
    "provider": (Wanted(DAYS, provider=B), lambda call: call.provider == B),
    "queue": (Wanted(DAYS, queue="q1a"), lambda call: call.queue == "q1a"),
    "agent": (Wanted(DAYS, agent="102"), lambda call: "102" in (*call.agents, *call.rang)),
    "both": (
        Wanted(DAYS, provider=A, agent="101"),
        lambda call: call.provider == A and "101" in (*call.agents, *call.rang),
    ),
}


@pytest.mark.parametrize("name", list(FILTERS))
async def test_filters_leave_out_what_they_say(database: Database, name: str) -> None:
    calls = await _filled(database, 4)
    wanted, wish = FILTERS[name]
    for _ in ("counted", "rolled"):
        async with database.scoped(Scope.all()) as connection:
            for by in By:
                assert await totals(connection, wanted, by) == counted(calls, DAYS, by, wish), by
            found = await work(connection, wanted, NOW)
        expected = worked(calls, DAYS, wish)
        assert found == (expected if wanted.agent is None else {wanted.agent: expected[wanted.agent]})
        await _rolled(database)


async def test_any_moment_can_begin_and_end_a_period(database: Database) -> None:
    calls = await _filled(database, 5)
    since, until = datetime(2025, 10, 25, 20, 17, tzinfo=UTC), datetime(2025, 10, 26, 1, 3, tzinfo=UTC)
    inside = [replace(call, outcome=call.outcome if since <= call.at < until else None) for call in calls]
    async with database.scoped(Scope.all()) as connection:
        found = await totals(connection, Wanted(Between(since, until), in_full=False), By.HOUR)
    expected = counted(inside, Days(date(2025, 10, 1), date(2025, 10, 31)), By.HOUR)
    assert found == {key: replace(tally, repeats_day=0, repeats_week=0, wrap_ms=0) for key, tally in expected.items()}
    assert found


async def test_today_is_the_day_it_is_where_the_provider_is(database: Database) -> None:
    """At 22:30 UTC on the 25th it is the 26th in Kyiv, and in Delhi too: the 26th of a day of 25 hours."""
    calls = await _filled(database, 6)
    now, day = datetime(2025, 10, 25, 22, 30, tzinfo=UTC), date(2025, 10, 26)
    async with database.scoped(Scope.all()) as connection:
        found = await totals(connection, Wanted(Today(now)), By.PROVIDER)
        assert found == counted(calls, Days(day, day), By.PROVIDER)
        at_once = await totals(connection, Wanted(Today(now), in_full=False), By.PROVIDER)
        hours = await totals(connection, Wanted(Days(day, day), provider=A), By.HOUR)
    assert {key: each.came for key, each in at_once.items()} == {key: each.came for key, each in found.items()}
    twice = [key.hour for key in hours if key.hour and key.hour.hour in {0, 1}]
    assert len(twice) == 2, "the hour from 3 to 4 in the morning comes twice"


async def test_debts_are_told_by_provider_and_day(database: Database) -> None:
    every = made.draw_debts(Random(7), 150)
    async with database.scoped(Scope.all()) as connection:
        await made.build(connection)
        await made.insert_debts(connection, every)
        for by in (By.ALL, By.PROVIDER, By.DAY):
            assert await debts(connection, Wanted(DAYS), by) == owed(every, DAYS, by)
        assert await debts(connection, Wanted(DAYS, provider=A)) == owed(
            (debt for debt in every if debt.provider == A), DAYS, By.ALL
        )
        with pytest.raises(ValueError, match="queue"):
            await debts(connection, Wanted(DAYS), By.QUEUE)


CORRECTIONS = {
    "a call is told otherwise": "UPDATE call SET outcome = 'lost', talked_s = 0 WHERE id = :id",
    "a call turns out to be of another day": "UPDATE call SET arrived_at = arrived_at - interval '2 d' WHERE id = :id",
    "a call is forgotten": "DELETE FROM call WHERE id = :id",
    "a reason is named late": "UPDATE call_note SET reason = 'payment' WHERE call_id = :id",
    "a note is taken away": "DELETE FROM call_note WHERE call_id = :id",
    "a wrap-up was longer": "UPDATE agent_state SET ended_at = ended_at + interval '5 s' WHERE call_id = :id",
    "a provider's promise changes": "UPDATE provider SET service_level_s = 3 WHERE id = 1",
    "a provider's shortest call changes": "UPDATE provider SET short_abandon_s = 30 WHERE id = 1",
    "a provider moves": "UPDATE provider SET timezone = 'America/New_York' WHERE id = 1",
}


@pytest.mark.parametrize("what", list(CORRECTIONS))
async def test_what_changes_an_old_day_takes_its_roll_back(database: Database, what: str) -> None:
    """The rolled figures are the ledger's at every moment, whoever corrects it, even one who sees no provider."""
    calls = await _filled(database, 8)
    call = next(c for c in calls if c.provider == A and c.notes and c.outcome == "answered" and made.within(c, DAYS))
    await _rolled(database)
    blind = Scope.only(()) if "agent_state" in CORRECTIONS[what] else Scope.all()
    async with database.scoped(blind) as connection:
        assert (await connection.execute(text(CORRECTIONS[what]), {"id": call.id})).rowcount > 0
        scope = await connection.execute(text("SELECT current_setting('callcenter.scope')"))
        assert scope.scalar_one() == blind.setting, "the trigger gave its sight away"
    async with database.scoped(Scope.all()) as connection:
        left = (await connection.execute(text("SELECT count(*) FROM report_day WHERE provider_id = 1"))).scalar_one()
    kept = await _figures(database)
    await _rolled(database)
    again = await _figures(database)
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("DELETE FROM report_day"))
    assert kept == again == await _figures(database)
    assert (left == 0) == what.startswith("a provider")


async def test_a_late_call_counts_in_the_repeats_of_days_that_were_rolled_up(database: Database) -> None:
    calls = await _filled(database, 9)
    await _rolled(database)
    late = replace(calls[0], id="late-1.1", direction="in", number="+380630000003", outcome="answered", provider=1,
                   at=datetime(2025, 10, 20, 9, 0, tzinfo=UTC), states=(), notes=(), talks=())  # fmt: skip
    async with database.scoped(Scope.all()) as connection:
        await made.insert(connection, [late])
    await _agree(database, [*calls, late], "after a late call")


async def _figures(database: Database) -> list[object]:
    async with database.scoped(Scope.all()) as connection:
        found: list[object] = [await totals(connection, Wanted(DAYS), by) for by in By]
        return [*found, await work(connection, Wanted(DAYS), NOW)]


async def test_a_day_is_rolled_up_once_and_not_before_it_is_ripe(database: Database) -> None:
    await _filled(database, 10)
    early = Rolling(
        database, lambda: datetime(2025, 10, 22, 21, tzinfo=UTC) + RIPE - timedelta(seconds=1), lambda: True
    )
    await early.step()
    async with database.scoped(Scope.all()) as connection:
        last = await connection.execute(text("SELECT max(day) FROM report_day WHERE provider_id = 1"))
        assert last.scalar_one() == date(2025, 10, 21), "the 22nd ended in Kyiv at 21:00 UTC"
    assert await _rolled(database) > 0
    assert await _rolled(database) == 0


async def test_a_day_that_is_being_corrected_is_rolled_up_later(database: Database) -> None:
    calls = await _filled(database, 11)
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("UPDATE call SET transfers = 1 WHERE id = :id"), {"id": calls[0].id})
        assert await _rolled(database) == 0
    assert await _rolled(database) > 0


async def test_time_signed_in_is_cut_at_the_ends_of_the_period(database: Database) -> None:
    """101 signed in the evening before and is at it still; 102 was paused for an hour; 103 never came."""
    begin = datetime(2025, 10, 27, 22, 0, tzinfo=UTC)
    states = [
        ("101", begin - timedelta(hours=3), "ready", None),
        ("102", begin + timedelta(hours=1), "ready", begin + timedelta(hours=2)),
        ("102", begin + timedelta(hours=2), "paused", begin + timedelta(hours=3)),
        ("102", begin + timedelta(hours=3), "offline", None),
        ("103", begin - timedelta(days=3), "offline", None),
    ]
    day, hour = Days(date(2025, 10, 28), date(2025, 10, 28)), 3_600_000
    async with database.scoped(Scope.all()) as connection:
        await made.build(connection)
        await connection.execute(text("DELETE FROM provider WHERE id = 3"))
        for agent, at, state, until in states:
            await connection.execute(made.STATE, {"agent": agent, "at": at, "state": state, "call": "", "until": until})
        found = await work(connection, Wanted(day), begin + timedelta(hours=10))
        assert found == {
            "101": Work(signed_in_ms=10 * hour), "102": Work(signed_in_ms=2 * hour, paused_ms=hour),
        }  # fmt: skip
        assert (await work(connection, Wanted(day), begin + timedelta(days=9)))["101"].signed_in_ms == 24 * hour
        assert set(await work(connection, Wanted(day, provider=B), NOW)) == {"102"}
    async with database.scoped(Scope.only([A])) as connection:
        assert set(await work(connection, Wanted(day), NOW)) == {"101"}, "102 serves another provider only"


async def test_a_wrap_up_is_counted_with_the_call_that_it_follows(database: Database) -> None:
    """What the floor writes down while an agent works is what the report of that call counts."""
    at, call = datetime(2025, 10, 28, 10, 0, tzinfo=UTC), UniqueId("pbx1-1.1")
    told = Call(
        call, 1, "in", "q1a", "+380630000001", at, "answered", 4_000, 60_000, 0, ("101",), ("101",), 0, (), (), ()
    )
    async with database.scoped(Scope.all()) as connection:
        await made.build(connection)
        await made.insert(connection, [told])
        await duty.sign_in(connection, "101", at, "test")
    showing = Snapshot(True, at, (AgentNow("101", "ready", at),))
    log = StateLog(database, lambda: showing, lambda: True)
    await log.step()
    for state, after, live in (("ringing", 1, call), ("talking", 5, call), ("wrap_up", 65, None), ("ready", 95, None)):
        async with database.scoped(Scope.all()) as connection:
            if state == "wrap_up":
                await duty.wrap_up(connection, "101", at, call, timedelta(seconds=30))
        showing = Snapshot(True, at, (AgentNow("101", state, at + timedelta(seconds=after), call=live),))
        await log.step()
    async with database.scoped(Scope.all()) as connection:
        whole = (await totals(connection, Wanted(DAYS)))[Key()]
        did = (await work(connection, Wanted(DAYS), at + timedelta(seconds=100)))["101"]
    assert whole.wrap_ms == did.wrap_ms == 30_000
    assert whole.handling_s == did.handling_s == 90
    assert (did.busy_ms, did.signed_in_ms) == (94_000, 100_000)


async def test_the_house_of_the_test_is_worth_its_name(database: Database) -> None:
    """What is compared above is not two empty things."""
    calls = await _filled(database, 1)
    whole = counted(calls, DAYS, By.ALL)[Key()]
    assert (
        min(whole.answered, whole.short, whole.closed, whole.repeats_day, whole.wrap_ms, whole.held_ms, whole.out) > 0
    )
    assert whole.repeats_day < whole.repeats_week < whole.numbered
    assert set(worked(calls, DAYS)) == set(AGENTS)
    assert any(len(call.agents) > 1 and call.outcome == "answered" for call in calls)
