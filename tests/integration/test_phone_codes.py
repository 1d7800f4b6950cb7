"""What agents said of their duty by phone, from the journal's rows to their duty: each once, in order, none lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.ledger import Ledger
from callcenter.calls.phone_codes import PhoneCode, phone_codes
from callcenter.errors import Unavailable
from callcenter.floor import duty
from callcenter.floor.phone_codes import take_phone_codes
from callcenter.floor.states import PHONE, AgentStatus, Duty
from callcenter.pbx.render import PHONE_PAUSE
from callcenter.store import Database, Scope
from tests.integration.ledger_house import House
from tests.unit.cel_rows import BEGIN, nth_call, rows_of


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    return await House.build(database, tmp_path)


def dialled(number: int, at: float, order: str, agent: str = "101") -> bytes:
    """One call of an agent's phone to a code, as Asterisk writes it."""
    story = f"""
        0.0 CHAN_START anna *45
        0.1 ANSWER     anna
        0.2 CC_DUTY    anna {order}~{agent}
        1.2 HANGUP     anna pbx
        1.2 CHAN_END   anna
    """
    return nth_call(number, at, story, number=agent, agents_own=True)


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(BEGIN + at, UTC)


def ledger(house: House, take: Any = take_phone_codes) -> Ledger:
    return Ledger(house.database, lambda: house.book, house.asterisk, house.clock, take_phone_codes=take)


async def duty_of(house: House, extension: str = "101") -> Duty:
    async with house.database.scoped(Scope.only(())) as connection:
        return await duty.duty_of(connection, extension)


def test_a_pause_by_phone_has_the_same_name_on_both_sides() -> None:
    assert PHONE == PHONE_PAUSE


@pytest.mark.parametrize(
    "said", ["", "pause", "pause~", "pause~x", "away~101", "pause~101~", "in~1 OR 1=1", "in~" + "1" * 21]
)
def test_a_row_that_says_nothing_understandable_says_nothing(said: str) -> None:
    assert phone_codes(rows_of(dialled(1, 0, "pause").replace(b"pause~101", said.replace(" ", "%20").encode()))) == []


async def test_a_day_said_by_phone_is_the_agents_duty_with_the_times_at_which_it_was_said(house: House) -> None:
    house.write(dialled(1, 0, "in") + dialled(2, 600, "pause"))
    await ledger(house).catch_up()
    assert await duty_of(house) == Duty("101", AgentStatus.PAUSED, PHONE, moment(600.2))
    house.write(dialled(3, 1200, "ready"))
    await ledger(house).catch_up()
    assert await duty_of(house) == Duty("101", AgentStatus.READY, since=moment(1200.2))
    house.write(dialled(4, 1800, "out"))
    await ledger(house).catch_up()
    assert await duty_of(house) == Duty("101", since=moment(1800.2))
    assert await house.rows("SELECT changed_by FROM agent_duty") == [("phone",)]
    assert await house.outcomes() == []  # a code is no call


async def test_what_was_said_while_the_service_was_away_is_taken_in_its_order_and_once(house: House) -> None:
    house.write(dialled(1, 0, "in") + dialled(2, 5, "pause") + dialled(3, 9, "ready") + dialled(4, 12, "pause"))
    await ledger(house).catch_up()
    assert await duty_of(house) == Duty("101", AgentStatus.PAUSED, PHONE, moment(12.2))
    async with house.database.scoped(Scope.only(())) as connection:
        await duty.ready(connection, "101", moment(100), "olena")
    await ledger(house).catch_up()  # a service that starts anew reads on, it does not read again
    assert (await duty_of(house)).status is AgentStatus.READY


async def test_what_was_ordered_since_stands_against_a_code_that_is_read_late(house: House) -> None:
    async with house.database.scoped(Scope.all()) as connection:
        await duty.sign_in(connection, "101", moment(0), "olena")
        await duty.pause(connection, "101", moment(10), "olena", reason="lunch")
        await duty.ready(connection, "101", moment(60), "iryna")
    house.write(dialled(1, 30, "pause") + dialled(2, 50, "out"))
    await ledger(house).catch_up()
    assert await duty_of(house) == Duty("101", AgentStatus.READY, since=moment(60))


async def test_a_code_of_an_agent_who_is_gone_or_not_signed_in_stops_nobody(house: House) -> None:
    house.write(dialled(1, 0, "in", "999") + dialled(2, 1, "pause", "102") + dialled(3, 2, "in"))
    await ledger(house).catch_up()
    assert (await duty_of(house)).status is AgentStatus.READY
    assert (await duty_of(house, "102")).status is AgentStatus.SIGNED_OUT
    assert await house.rows("SELECT count(*) FROM journal_set_aside") == [(0,)]


async def test_a_ledger_that_dies_before_its_commit_says_nothing_twice(house: House) -> None:
    taken: list[str] = []

    async def dies_once(connection: AsyncConnection, codes: list[PhoneCode]) -> None:
        await take_phone_codes(connection, codes)
        taken.extend(code.order for code in codes)
        if len(taken) == 1:
            raise Unavailable("database", "gone in the middle of a transaction")

    house.write(dialled(1, 0, "in"))
    with pytest.raises(Unavailable):
        await ledger(house, dies_once).catch_up()
    assert (await duty_of(house)).status is AgentStatus.SIGNED_OUT
    await ledger(house, dies_once).catch_up()
    assert (await duty_of(house)).status is AgentStatus.READY
    assert taken == ["in", "in"]
