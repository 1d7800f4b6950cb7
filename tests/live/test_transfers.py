"""Transfers: one call, one outcome, everybody who talked is named."""

from __future__ import annotations

import asyncio

import pytest

from lab.house import House
from lab.sip import Call
from tests.live.conftest import IMPATIENT_DID, Books, new_number

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def _answered_by_104(house: House, number: str) -> tuple[Call, Call]:
    caller = await house.dial(IMPATIENT_DID, number)
    ringing = await house.phones["104"].rings()
    ringing.answer()
    await ringing.answered()
    await asyncio.sleep(2)
    return caller, ringing


async def test_a_blind_transfer_moves_the_caller_to_another_agent(house: House, books: Books) -> None:
    number = new_number()
    caller, agent = await _answered_by_104(house, number)
    status = await agent.blind_transfer(f"sip:103@127.0.0.1:{house.ports.sip}")
    assert status in (100, 200, 202)
    second = await house.phones["103"].rings()
    second.answer()
    await second.answered()
    await asyncio.sleep(2)
    caller.hangup()
    await second.ended()
    (kept,) = await books.ended(number)
    assert kept["outcome"] == "answered"
    assert kept["agents"] == ["104", "103"]
    assert kept["transfers"] == 1
    assert await books.callbacks(number) == []
    assert (await books.recording(kept["id"]))["state"] == "stored"


async def test_an_attended_transfer_joins_two_calls_into_one(house: House, books: Books) -> None:
    number = new_number()
    caller, agent = await _answered_by_104(house, number)
    await agent.hold()
    asks = await house.phones["104"].dial(f"sip:103@127.0.0.1:{house.ports.sip}")
    second = await house.phones["103"].rings()
    second.answer()
    await asks.answered()
    await asyncio.sleep(1)
    await agent.attended_transfer(asks)
    await asyncio.sleep(2)
    assert caller.audio is not None
    caller.hangup()
    await second.ended()
    (kept,) = await books.ended(number)
    assert kept["outcome"] == "answered"
    assert kept["agents"] == ["104", "103"]
    assert kept["transfers"] == 1
    assert len(await books.calls(number)) == 1
    assert await books.callbacks(number) == []


async def test_a_transfer_that_nobody_takes_leaves_an_answered_call(house: House, books: Books) -> None:
    number = new_number()
    caller, agent = await _answered_by_104(house, number)
    await agent.blind_transfer(f"sip:103@127.0.0.1:{house.ports.sip}")
    await house.phones["103"].rings()
    caller.hangup()
    (kept,) = await books.ended(number)
    assert kept["outcome"] == "answered"
    assert await books.callbacks(number) == []
