"""Whatever is killed, cut or full: each call has one outcome, one callback where one is owed, and a recording."""

from __future__ import annotations

import asyncio

import pytest

from lab.house import House
from lab.sip import Behaviour
from tests.live.conftest import DID, IMPATIENT_DID, Books, new_number, until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]
ANSWERS = Behaviour(answer_after=0.2)


async def _connected(books: Books, number: str) -> bool:
    return any(call["connected_at"] is not None for call in await books.calls(number))


async def _started(books: Books, number: str) -> bool:
    return bool(await books.calls(number))


def _everybody_answers(house: House) -> None:
    for phone in house.phones.values():
        phone.behaviour = ANSWERS


async def test_the_service_is_dead_when_the_call_comes(house: House, books: Books) -> None:
    """Asterisk greets, queues, rings and records by itself; the ledger learns of it afterwards."""
    _everybody_answers(house)
    missed, answered = new_number(), new_number()
    await house.service.kill9()
    try:
        leaves = await house.dial(DID, missed)
        await leaves.answered()
        leaves.hangup()
        talks = await house.dial(DID, answered)
        await talks.answered()
        agent = await asyncio.wait_for(_first_talk(house), 20)
        await asyncio.sleep(2)
        talks.hangup()
        await agent.ended()
        assert await books.calls(missed) == []
    finally:
        await house.service.start()
    await books.owed_once(missed, "left_in_greeting")
    (kept,) = await books.ended(answered)
    assert kept["outcome"] == "answered"
    assert (await books.recording(kept["id"]))["state"] == "stored"


async def _first_talk(house: House):  # type: ignore[no-untyped-def]  # a Call of whichever phone
    while True:
        for phone in house.phones.values():
            for call in phone.calls:
                if call.is_answered and not call.is_ended:
                    return call
        await asyncio.sleep(0.05)


async def test_the_service_dies_in_mid_call(house: House, books: Books) -> None:
    _everybody_answers(house)
    number = new_number()
    call = await house.dial(DID, number)
    await until(lambda: _connected(books, number), 20, "they talk")
    await house.service.kill9()
    await asyncio.sleep(1)
    await house.service.start()
    await asyncio.sleep(1)
    call.hangup()
    (kept,) = await books.ended(number)
    assert kept["outcome"] == "answered"
    assert kept["talked_s"] > 1.5
    assert await books.callbacks(number) == []
    assert (await books.recording(kept["id"]))["state"] == "stored"


async def test_the_service_dies_again_and_again_while_callers_leave(house: House, books: Books) -> None:
    numbers = [new_number() for _ in range(12)]

    async def callers() -> None:
        for number in numbers:
            call = await house.dial(DID, number)
            await call.answered()
            await asyncio.sleep(0.2)
            call.hangup()

    async with asyncio.TaskGroup() as group:
        calling = group.create_task(callers())
        while not calling.done():
            await house.service.kill9()
            await house.service.start()
    for number in numbers:
        await books.owed_once(number, "left_in_greeting")


async def test_a_mute_service_costs_a_caller_a_second(house: House, books: Books) -> None:
    _everybody_answers(house)
    number = new_number()
    house.service.freeze()
    try:
        call = await house.dial(DID, number)
        await call.answered()
        agent = await asyncio.wait_for(_first_talk(house), 20)
        assert agent.is_answered
        await asyncio.sleep(1.5)
        call.hangup()
        await agent.ended()
    finally:
        house.service.thaw()
    (kept,) = await books.ended(number)
    assert kept["outcome"] == "answered"


async def test_postgresql_stops_for_ten_seconds_in_mid_call(house: House, books: Books) -> None:
    _everybody_answers(house)
    talks, leaves = new_number(), new_number()
    call = await house.dial(DID, talks)
    await until(lambda: _connected(books, talks), 20, "they talk")
    await asyncio.to_thread(house.postgres.stop)
    gone = await house.dial(DID, leaves)
    await gone.answered()
    gone.hangup()
    await asyncio.sleep(10)
    await asyncio.to_thread(house.postgres.start)
    await house.service.ready()
    call.hangup()
    (kept,) = await books.ended(talks)
    assert kept["outcome"] == "answered"
    assert (await books.recording(kept["id"]))["state"] == "stored"
    await books.owed_once(leaves, "left_in_greeting")


async def test_the_ami_link_is_cut_in_mid_call(house: House, books: Books) -> None:
    _everybody_answers(house)
    talks, leaves = new_number(), new_number()
    call = await house.dial(DID, talks)
    await until(lambda: _connected(books, talks), 20, "they talk")
    await asyncio.sleep(1.5)
    house.wire.cut(refusing=True)
    gone = await house.dial(DID, leaves)
    await gone.answered()
    gone.hangup()
    await books.owed_once(leaves, "left_in_greeting")
    assert call.is_answered
    assert not call.is_ended
    house.wire.mend()
    await house.service.ready()
    agents = (await house.api("GET", "/agents"))["items"]
    assert [agent["extension"] for agent in agents if agent["state"] == "talking"], agents
    call.hangup()
    (kept,) = await books.ended(talks)
    assert kept["outcome"] == "answered"


async def test_asterisk_is_killed_in_mid_call(house: House, books: Books) -> None:
    talks, waits = new_number(), new_number()
    house.phones["104"].behaviour = ANSWERS
    talking = await house.dial(IMPATIENT_DID, talks)
    await until(lambda: _connected(books, talks), 20, "they talk")
    await asyncio.sleep(2)
    waiting = await house.dial(DID, waits)
    await waiting.answered()
    await until(lambda: _started(books, waits), 10, "the journal knows the waiting caller")
    await house.asterisk.kill9()
    talking.vanish()
    waiting.vanish()
    await house.asterisk.start()
    await books.owed_once(waits, "lost")
    (kept,) = await books.ended(talks)
    assert kept["outcome"] == "answered"
    assert kept["ended_at"] is None
    assert await books.callbacks(talks) == []
    await house.service.ready()
