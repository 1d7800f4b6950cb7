"""Shifts on a turned clock: what is missed is on a board until it is paid, and nothing is left without a name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from callcenter.callbacks import shifts
from callcenter.callbacks.decisions import close_with
from callcenter.callbacks.shift import Counts, Left, Shift
from callcenter.callbacks.shifts import Actor, deciding
from callcenter.calls.outcome import CallOutcome
from callcenter.desk.shift_figures import figures
from callcenter.errors import RuleBroken
from callcenter.store import Database, Scope
from callcenter.words import ProviderId, UserId
from tests.callback_house import OLENA, PETRO, Callbacks, miss, reached, talk

KYIV = ZoneInfo("Europe/Kyiv")
IRYNA, SOFIIA, HALYNA = UserId(1), UserId(2), UserId(3)
USERS = (("iryna", "Ірина", "lead"), ("sofiia", "Софія", "lead"), ("halyna", "Галина", "supervisor"),
         ("oleh", "Олег", "agent"))  # fmt: skip


def kyiv(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November 2026 on the clock of Kyiv; the 20th is a Friday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=KYIV).astimezone(UTC)


@dataclass
class Floor:
    """A call centre with two providers, two leads and a supervisor."""

    callbacks: Callbacks

    @classmethod
    async def build(cls, database: Database) -> Floor:
        house = await Callbacks.build(database)
        async with database.scoped(Scope.all()) as connection:
            for login, name, role in USERS:
                agent = 1 if role == "agent" else None
                await connection.execute(
                    text("INSERT INTO user_account (login, password_hash, name, role, agent_id) "
                         "VALUES (:login, '', :name, :role, :agent)"),
                    {"login": login, "name": name, "role": role, "agent": agent},
                )  # fmt: skip
        return cls(house)

    @property
    def database(self) -> Database:
        return self.callbacks.database

    async def open(self, lead: UserId, at: datetime, hours: float = 12) -> int:
        async with self.database.scoped(Scope.all()) as connection:
            return await shifts.open_shift(connection, "Зміна", lead, at + timedelta(hours=hours), actor(lead), at)

    async def name(self, callbacks: Sequence[int], why: str, by: UserId, at: datetime) -> int:
        async with self.database.scoped(Scope.all()) as connection:
            return await shifts.name_left(connection, callbacks, why, actor(by), at)

    async def offer(self, to: UserId, by: UserId, at: datetime) -> None:
        async with self.database.scoped(Scope.all()) as connection:
            await shifts.offer(connection, to, "", actor(by), at)

    async def accept(self, by: UserId, at: datetime) -> int:
        async with deciding(self.database) as connection:
            return await shifts.accept(connection, "Далі", at + timedelta(hours=12), actor(by), at, figures)

    async def close(self, by: UserId, at: datetime) -> int:
        async with deciding(self.database) as connection:
            return await shifts.close(connection, actor(by), at, figures)

    async def current(self) -> Shift | None:
        async with self.database.scoped(Scope.all()) as connection:
            return await shifts.current(connection)

    async def left(self) -> list[Left]:
        async with self.database.scoped(Scope.all()) as connection:
            shift = await shifts.current(connection)
            assert shift is not None
            return await shifts.left(connection, shift)

    async def counts(self, now: datetime, provider: int = 1) -> Counts:
        async with self.database.scoped(Scope.all()) as connection:
            shift = await shifts.current(connection)
            assert shift is not None
            found = (await shifts.counts(connection, shift, now)).get(ProviderId(provider), Counts())
        assert found.inherited + found.new == found.done + found.left
        return found

    async def document(self, shift: int, provider: int = 1) -> Any:
        async with self.database.scoped(Scope.all()) as connection:
            return (await shifts.documents(connection, shift))[ProviderId(provider)]

    async def hand_over(self, by: UserId, to: UserId, at: datetime, why: str = "абонент не відповідає") -> int:
        await self.name([each.callback for each in await self.left()], why, by, at)
        await self.offer(to, by, at)
        return await self.accept(to, at)


def actor(user: UserId) -> Actor:
    return Actor(user, f"user:{USERS[user - 1][1]}", supervises=user == HALYNA)


@pytest.fixture
async def floor(database: Database) -> Floor:
    return await Floor.build(database)


async def test_pain_1_missed_at_2350_on_friday_is_inherited_by_night_and_by_monday(floor: Floor) -> None:
    """Pain 1: missed calls disappear from the list at night. Here they are on every board until they are paid."""
    await floor.open(IRYNA, kyiv(20, 8))
    await floor.hand_over(IRYNA, SOFIIA, kyiv(20, 20))
    await floor.callbacks.tell(miss(kyiv(20, 23, 50)))
    assert await floor.counts(kyiv(20, 23, 51)) == Counts(new=1, left=1, misses=1)
    await floor.hand_over(SOFIIA, IRYNA, kyiv(21, 8), "вночі не телефонуємо")
    assert (await floor.counts(kyiv(21, 8, 1))).inherited == 1
    for day in (21, 22):
        await floor.hand_over(IRYNA, SOFIIA, kyiv(day, 20))
        night = await floor.hand_over(SOFIIA, IRYNA, kyiv(day + 1, 8))
    monday = await floor.counts(kyiv(23, 8, 1))
    assert monday == Counts(inherited=1, inherited_left=1, left=1, overdue=1)
    await floor.callbacks.tell(reached(kyiv(23, 8, 30)))
    paid = await floor.counts(kyiv(23, 9))
    assert (paid.inherited, paid.inherited_left, paid.called_back, paid.late, paid.left) == (1, 0, 1, 1, 0)
    assert await floor.close(IRYNA, kyiv(23, 20)) == night


async def test_a_miss_while_no_shift_is_open_is_inherited_by_the_next(floor: Floor) -> None:
    await floor.open(IRYNA, kyiv(20, 8))
    await floor.close(IRYNA, kyiv(20, 20))
    await floor.callbacks.tell(miss(kyiv(20, 21)), miss(kyiv(20, 22)), miss(kyiv(20, 22, 30), number=PETRO))
    await floor.open(SOFIIA, kyiv(21, 8))
    assert await floor.counts(kyiv(21, 8)) == Counts(inherited=2, inherited_left=2, left=2, overdue=2)


async def test_the_board_counts_what_came_what_was_paid_and_how(floor: Floor) -> None:
    await floor.callbacks.tell(miss(kyiv(20, 7)), miss(kyiv(20, 7, 5), number=PETRO))
    await floor.open(IRYNA, kyiv(20, 8))
    others = [f"+38063333{n:04}" for n in range(4)]
    for n, number in enumerate(others):
        await floor.callbacks.tell(miss(kyiv(20, 9, n), number=number), miss(kyiv(20, 9, n + 10), number=number))
    await floor.callbacks.tell(miss(kyiv(20, 9, 40), number="anonymous"), miss(kyiv(20, 9, 41)), slug="nettown")
    await floor.callbacks.tell(reached(kyiv(20, 9, 20)), talk(kyiv(20, 9, 21), number=others[0]))
    async with floor.database.scoped(Scope.all()) as connection:
        asked = await connection.execute(text("SELECT id FROM callback WHERE number = :number"), {"number": others[1]})
        await close_with(connection, asked.scalar_one(), "not_wanted", "передумав", "user:Ірина", kyiv(20, 9, 30))
    assert await floor.counts(kyiv(20, 9, 50)) == Counts(
        inherited=2, new=4, inherited_left=1, called_back=1, got_through=1, named=1, late=1, left=3, overdue=3,
        misses=8,
    )  # fmt: skip
    nettown = await floor.counts(kyiv(20, 9, 50), provider=2)
    assert (nettown.new, nettown.left, nettown.hidden, nettown.callable) == (2, 2, 1, 1)


async def test_a_shift_does_not_close_while_anything_is_open(floor: Floor) -> None:
    await floor.open(IRYNA, kyiv(20, 8))
    await floor.callbacks.tell(miss(kyiv(20, 9)))
    with pytest.raises(RuleBroken, match="1 callbacks are open"):
        await floor.close(IRYNA, kyiv(20, 20))
    await floor.callbacks.tell(talk(kyiv(20, 10)))
    await floor.close(IRYNA, kyiv(20, 20))
    assert await floor.current() is None


async def test_each_callback_left_is_named_before_the_shift_is_offered(floor: Floor) -> None:
    await floor.open(IRYNA, kyiv(20, 8))
    await floor.callbacks.tell(miss(kyiv(20, 9)), miss(kyiv(20, 9), number=PETRO))
    with pytest.raises(RuleBroken, match="2 of 2 callbacks are not named"):
        await floor.offer(SOFIIA, IRYNA, kyiv(20, 20))
    first, second = await floor.left()
    assert await floor.name([first.callback], "двічі не відповів", IRYNA, kyiv(20, 20)) == 1
    with pytest.raises(RuleBroken, match="1 of 2 callbacks are not named"):
        await floor.offer(SOFIIA, IRYNA, kyiv(20, 20))
    with pytest.raises(RuleBroken, match="say why"):
        await floor.name([second.callback], "  ", IRYNA, kyiv(20, 20))
    assert await floor.name([first.callback, second.callback, 999], "просив завтра", IRYNA, kyiv(20, 20, 1)) == 2
    await floor.offer(SOFIIA, IRYNA, kyiv(20, 20, 1))


async def test_what_comes_in_between_naming_and_accepting_is_asked_for(floor: Floor) -> None:
    before = await floor.open(IRYNA, kyiv(20, 8))
    await floor.callbacks.tell(miss(kyiv(20, 9)))
    await floor.name([1], "не відповідає", IRYNA, kyiv(20, 20))
    await floor.offer(SOFIIA, IRYNA, kyiv(20, 20))
    await floor.callbacks.tell(miss(kyiv(20, 20, 1), number=PETRO))
    with pytest.raises(RuleBroken, match="1 of 2 callbacks are not named"):
        await floor.accept(SOFIIA, kyiv(20, 20, 2))
    shift = await floor.current()
    assert shift is not None
    assert (shift.id, shift.lead, shift.successor) == (before, IRYNA, SOFIIA)
    assert await floor.name([2], "щойно пропущено", SOFIIA, kyiv(20, 20, 3)) == 1, "the next lead may name it too"
    after = await floor.accept(SOFIIA, kyiv(20, 20, 3))
    kept = await floor.document(before)
    assert [(each["number"], each["why"], each["named_by"]) for each in kept["left"]] == [
        (OLENA, "не відповідає", "user:Ірина"), (PETRO, "щойно пропущено", "user:Софія"),
    ]  # fmt: skip
    shift = await floor.current()
    assert shift is not None
    assert (shift.id, shift.lead_name, shift.before) == (after, "Софія", before)
    assert (await floor.counts(kyiv(20, 20, 4))).inherited == 2


async def test_only_whom_it_is_offered_to_accepts_and_only_its_lead_hands_it_over(floor: Floor) -> None:
    await floor.open(IRYNA, kyiv(20, 8))
    with pytest.raises(RuleBroken, match="offered to nobody"):
        await floor.accept(SOFIIA, kyiv(20, 20))
    with pytest.raises(RuleBroken, match="led by Ірина"):
        await floor.offer(HALYNA, SOFIIA, kyiv(20, 20))
    with pytest.raises(RuleBroken, match="somebody else"):
        await floor.offer(IRYNA, IRYNA, kyiv(20, 20))
    with pytest.raises(RuleBroken, match="Олег may not lead"):
        await floor.offer(UserId(4), IRYNA, kyiv(20, 20))
    await floor.offer(SOFIIA, IRYNA, kyiv(20, 20))
    with pytest.raises(RuleBroken, match="offered to Софія"):
        await floor.accept(HALYNA, kyiv(20, 20))
    with pytest.raises(RuleBroken, match="led by Ірина"):
        await floor.close(SOFIIA, kyiv(20, 20))


async def test_who_sees_some_providers_only_leads_no_shift(floor: Floor) -> None:
    async with floor.database.scoped(Scope.all()) as connection:
        await connection.execute(text("UPDATE user_account SET providers = '{1}' WHERE login = 'sofiia'"))
    with pytest.raises(RuleBroken, match="a lead sees every provider"):
        await floor.open(SOFIIA, kyiv(20, 8))


async def test_a_supervisor_takes_over_from_a_lead_who_is_gone(floor: Floor) -> None:
    await floor.open(IRYNA, kyiv(20, 8))
    await floor.callbacks.tell(miss(kyiv(20, 9)))
    async with floor.database.scoped(Scope.all()) as connection:
        with pytest.raises(RuleBroken, match="a supervisor takes"):
            await shifts.take_over(connection, SOFIIA, actor(SOFIIA), kyiv(20, 12))
    async with floor.database.scoped(Scope.all()) as connection:
        await shifts.take_over(connection, SOFIIA, actor(HALYNA), kyiv(20, 12))
    shift = await floor.current()
    assert shift is not None
    assert (shift.lead_name, "Ірина → user:Галина" in shift.note) == ("Софія", True)
    assert (await floor.counts(kyiv(20, 12))).new == 1, "it is the same shift"
    await floor.hand_over(SOFIIA, IRYNA, kyiv(20, 20))


async def test_of_several_who_open_at_once_one_does(floor: Floor) -> None:
    async def attempt(lead: UserId) -> bool:
        try:
            await floor.open(lead, kyiv(20, 8))
        except RuleBroken:
            return False
        return True

    assert sorted(await asyncio.gather(*(attempt(lead) for lead in (IRYNA, SOFIIA, HALYNA, IRYNA)))) == [
        False, False, False, True,
    ]  # fmt: skip


async def test_of_several_who_accept_at_once_one_does(floor: Floor) -> None:
    """A lead who clicks twice, or in two windows."""
    before = await floor.open(IRYNA, kyiv(20, 8))
    await floor.offer(SOFIIA, IRYNA, kyiv(20, 20))

    async def attempt() -> int:
        try:
            return await floor.accept(SOFIIA, kyiv(20, 20))
        except RuleBroken:
            return 0

    opened = await asyncio.gather(*(attempt() for _ in range(4)))
    assert len([each for each in opened if each]) == 1
    found = await floor.callbacks.rows("SELECT id, closed_at IS NULL FROM shift ORDER BY id")
    assert found == [(before, False), (max(opened), True)]


async def test_a_callback_that_commits_while_a_shift_is_accepted_is_left_by_nobody_silently(floor: Floor) -> None:
    """What the hand-over does not see is the new shift's: it is on its board, and in no document as left unnamed."""
    before = await floor.open(IRYNA, kyiv(20, 8))
    await floor.offer(SOFIIA, IRYNA, kyiv(20, 20))
    async with deciding(floor.database) as connection:
        await shifts.current(connection)
        await floor.callbacks.tell(miss(kyiv(20, 19, 59)))
        await shifts.accept(connection, "Ніч", kyiv(21, 8), actor(SOFIIA), kyiv(20, 20), figures)
    kept = await floor.document(before)
    assert (kept["left"], kept["counts"]["left"]) == ([], 0)
    assert (await floor.counts(kyiv(20, 20, 1))).inherited == 1


async def test_a_failure_in_the_middle_of_accepting_leaves_the_old_shift_open(floor: Floor) -> None:
    before = await floor.open(IRYNA, kyiv(20, 8))
    await floor.offer(SOFIIA, IRYNA, kyiv(20, 20))
    with pytest.raises(RuleBroken, match=r"15 minutes"):
        async with deciding(floor.database) as connection:
            await shifts.accept(connection, "Ніч", kyiv(20, 20), actor(SOFIIA), kyiv(20, 20), figures)
    shift = await floor.current()
    assert shift is not None
    assert (shift.id, await floor.callbacks.rows("SELECT count(*) FROM shift_document")) == (before, [(0,)])


async def test_agents_join_by_signing_in_and_leave_by_signing_out(floor: Floor) -> None:
    shift = await floor.open(IRYNA, kyiv(20, 8))
    states = (
        (1, kyiv(20, 7), "ready", kyiv(20, 9)), (1, kyiv(20, 9), "talking", kyiv(20, 12)),
        (1, kyiv(20, 12), "offline", None), (2, kyiv(20, 6), "offline", kyiv(20, 10)),
        (2, kyiv(20, 10), "paused", None),
    )  # fmt: skip
    async with floor.database.scoped(Scope.all()) as connection:
        for agent, since, state, until in states:
            await connection.execute(
                text("INSERT INTO agent_state (agent_id, started_at, state, ended_at) VALUES (:a, :s, :state, :u)"),
                {"a": agent, "s": since, "state": state, "u": until},
            )
        found = await shifts.current(connection)
        assert found is not None
        there = await shifts.workers(connection, found, kyiv(20, 15))
    assert [(each.extension, each.joined_at, each.left_at) for each in there] == [
        ("101", kyiv(20, 8), kyiv(20, 12)), ("102", kyiv(20, 10), None),
    ]  # fmt: skip
    await floor.close(IRYNA, kyiv(20, 20))
    kept = await floor.document(shift)
    assert [(each["name"], each["joined_at"], each["left_at"]) for each in kept["workers"]] == [
        ("Олег", kyiv(20, 8).isoformat(), kyiv(20, 12).isoformat()),
        ("Борис", kyiv(20, 10).isoformat(), kyiv(20, 20).isoformat()),
    ]


async def test_a_closed_shift_is_a_document_that_never_changes(floor: Floor) -> None:
    await floor.callbacks.set(short_abandon_s=0)
    shift = await floor.open(IRYNA, kyiv(20, 8))
    await floor.callbacks.tell(
        talk(kyiv(20, 9)), talk(kyiv(20, 9, 30), number=PETRO), miss(kyiv(20, 11)), miss(kyiv(20, 11, 5))
    )
    await floor.callbacks.tell(reached(kyiv(20, 11, 20)))
    await floor.close(IRYNA, kyiv(20, 14, 10))
    kept = await floor.document(shift)
    assert kept["counts"]["new"] == kept["counts"]["done"] == 1
    assert (kept["calls"]["answered"], kept["calls"]["missed"], kept["calls"]["in_time"]) == (2, 2, 2), kept["calls"]
    assert [(hour["hour"], hour["answered"], hour["missed"]) for hour in kept["hours"]] == [
        (kyiv(20, hour).isoformat(), {9: 2}.get(hour, 0), {11: 2}.get(hour, 0)) for hour in range(8, 15)
    ]
    await floor.callbacks.tell(miss(kyiv(20, 12), CallOutcome.LOST, number=PETRO))
    assert await floor.document(shift) == kept
    await floor.open(SOFIIA, kyiv(20, 15))
    assert (await floor.counts(kyiv(20, 15))).inherited == 1, "what became known late is on the next board"


async def test_a_limited_supervisor_reads_the_lines_of_their_providers_only(floor: Floor) -> None:
    shift = await floor.open(IRYNA, kyiv(20, 8))
    await floor.callbacks.tell(miss(kyiv(20, 9)))
    await floor.callbacks.tell(miss(kyiv(20, 9), number=PETRO), slug="nettown")
    async with floor.database.scoped(Scope.only([ProviderId(2)])) as connection:
        found = await shifts.current(connection)
        assert found is not None
        assert set(await shifts.counts(connection, found, kyiv(20, 10))) == {2}
        assert [each.number for each in await shifts.left(connection, found)] == [PETRO]
    await floor.hand_over(IRYNA, SOFIIA, kyiv(20, 20))
    async with floor.database.scoped(Scope.only([ProviderId(2)])) as connection:
        assert set(await shifts.documents(connection, shift)) == {2}
