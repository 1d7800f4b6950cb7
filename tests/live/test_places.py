"""Keeping one's place in line, on the real Asterisk with the real service: who is called back, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lab.house import House
from lab.sip import Behaviour, Call
from tests.live.conftest import DID, Books, new_number, until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def everybody_rests(house: House, books: Books) -> AsyncIterator[None]:
    """Both agents of the queue are on a pause; afterwards they are ready again."""
    await house.callcenter("agent", "pause", "101", "102", "--reason", "break")
    await until(lambda: _states(books, "paused"), 10, "both agents are paused")
    yield
    house.callers.anybody = None
    await house.callers.hang_up_all()
    await house.phone_agent.hang_up_all()
    await house.callcenter("agent", "ready", "101", "102")
    await until(lambda: _states(books, "ready"), 30, "both agents are ready")


async def _states(books: Books, status: str) -> bool:
    found = await books.rows(
        "SELECT d.status FROM agent_duty d JOIN agent a ON a.id = d.agent_id WHERE a.extension IN ('101', '102')"
    )
    return [each["status"] for each in found] == [status, status]


async def _keeps_place(house: House, books: Books, number: str) -> None:
    call = await house.dial(DID, number)
    await until(lambda: _waits(books, number), 20, "the caller waits")
    await call.press("1")
    await call.ended(20)
    (owed,) = await until(lambda: books.callbacks(number), 10, "a callback")
    assert (owed["kept_queue"], owed["misses"], owed["closed_at"]) == ("svitlonet", 1, None)
    (kept,) = await books.ended(number)
    assert kept["outcome"] == "asked_callback"
    assert owed["kept_since"] == kept["queued_at"]


async def _waits(books: Books, number: str) -> bool:
    return any(call["queued_at"] is not None for call in await books.calls(number))


async def _called_back(books: Books, number: str) -> bool:
    (owed,) = await books.callbacks(number)
    return bool(owed["closed_reason"] == "called_back")


async def _pays(house: House, books: Books, agent: Call, number: str) -> None:
    """The agent picks up, then the subscriber is rung and talks with them long enough."""
    agent.answer()
    await until(lambda: _called_back(books, number), 30, f"{number} was called back")


def _subscriber_picks_up(house: House) -> None:
    house.callers.anybody = house.callers.phone("subscriber", Behaviour(answer_after=0.3, hangup_after=7))


async def test_who_kept_their_place_is_called_by_the_first_agent_who_is_free(house: House, books: Books) -> None:
    number = new_number()
    _subscriber_picks_up(house)
    await _keeps_place(house, books, number)
    assert house.phones["101"].rung == 0  # nobody is free
    await house.callcenter("agent", "ready", "101")
    await _pays(house, books, await house.phones["101"].rings(20), number)
    (back,) = [call for call in await books.calls(number) if call["direction"] == "out"]
    assert back["outcome"] == "answered"
    assert back["agents"] == ["101"]


async def test_nobody_who_waits_longer_is_jumped_over_and_nobody_who_came_later_is_first(
    house: House, books: Books
) -> None:
    first, second, third = new_number(), new_number(), new_number()
    _subscriber_picks_up(house)
    waits_longest = await house.dial(DID, first)
    await until(lambda: _waits(books, first), 20, "the first caller waits")
    await _keeps_place(house, books, second)
    came_last = await house.dial(DID, third)
    await until(lambda: _waits(books, third), 20, "the third caller waits")
    await house.callcenter("agent", "ready", "101")
    ringing = await house.phones["101"].rings(20)
    ringing.answer()
    await until(lambda: _talks(books, first), 10, "the first caller talks first")
    assert not await _called_back(books, second)
    waits_longest.hangup()
    await ringing.ended()
    await asyncio.sleep(0.1)
    back = await house.phones["101"].rings(20)
    back.answer()
    await until(lambda: _called_back(books, second), 30, "then the kept place")
    assert not await _talks(books, third)
    came_last.hangup()


async def _talks(books: Books, number: str) -> bool:
    return any(call["connected_at"] is not None for call in await books.calls(number))


async def test_an_agent_who_does_not_pick_up_is_followed_by_the_next(house: House, books: Books) -> None:
    number = new_number()
    await _keeps_place(house, books, number)
    for extension in ("101", "102"):
        house.phones[extension].behaviour = Behaviour.rejects()
    await house.callcenter("agent", "ready", "101", "102")

    async def both_were_rung() -> bool:
        return bool(house.phones["101"].rung and house.phones["102"].rung)

    await until(both_were_rung, 30, "one agent after the other")
    await until(lambda: _is_free(books, number), 10, "nobody has it any more")
    (owed,) = await books.callbacks(number)
    assert owed["closed_at"] is None
    assert [call for call in await books.calls(number) if call["direction"] == "out"] == []


async def _is_free(books: Books, number: str) -> bool:
    (owed,) = await books.callbacks(number)
    return owed["claimed_by"] is None
