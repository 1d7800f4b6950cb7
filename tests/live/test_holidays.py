"""A holiday, from the operator's command to what callers hear and what they are promised."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from callcenter.cli.place import clock
from lab.house import House
from tests.live.conftest import IMPATIENT_DID, Books, new_number, until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]
KYIV = ZoneInfo("Europe/Kyiv")
DAYS = 3


@pytest_asyncio.fixture(loop_scope="session")
async def holidays(house: House, books: Books) -> AsyncIterator[None]:
    """Край is closed today and tomorrow; afterwards it is as it was."""
    today = clock().astimezone(KYIV).date()
    days = [str(today + timedelta(days=number)) for number in range(DAYS)]
    for day in days:
        await house.callcenter("provider", "holiday", "add", "kray", day, "--name", "Свято")
    await house.callcenter("asterisk", "render", "--install")
    yield
    for day in days:
        await house.callcenter("provider", "holiday", "remove", "kray", day)
    await house.callcenter("asterisk", "render", "--install")


async def test_on_a_holiday_callers_are_told_so_and_are_called_back_on_the_next_working_day(
    house: House, books: Books, holidays: None
) -> None:
    number = new_number()
    call = await house.dial(IMPATIENT_DID, number)
    await call.answered()
    await call.ended(30)
    owed = await books.owed_once(number, "closed")
    (kept,) = await books.calls(number)
    working_day = kept["arrived_at"].astimezone(KYIV).date() + timedelta(days=DAYS - 1)
    assert owed["due_at"].astimezone(KYIV).date() >= working_day
    assert house.phones["104"].rung == 0


async def test_when_it_is_no_holiday_any_more_phones_ring_again(house: House, books: Books) -> None:
    call = await house.dial(IMPATIENT_DID, new_number())
    await call.answered()
    await house.phones["104"].rings(20)
    call.hangup()
    await until(lambda: _nobody_is_on_the_line(house), 10, "the caller has gone")


async def _nobody_is_on_the_line(house: House) -> bool:
    return (await house.asterisk.rx("core show channels count")).startswith("0 active")
