"""Calls as subscribers make them, each with its one outcome and exactly one callback where one is owed."""

from __future__ import annotations

import asyncio

import pytest

from lab.house import House
from lab.sip import Behaviour, CallerId, CallFailed
from tests.live.conftest import CLOSED_DID, DID, IMPATIENT_DID, ONE_LINE_DID, Books, new_number, until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def test_a_caller_is_answered_and_both_voices_are_kept(house: House, books: Books) -> None:
    number = new_number()
    house.phones["101"].behaviour = house.phones["102"].behaviour = Behaviour(answer_after=0.3)
    call = await house.dial(DID, number)
    await call.answered()
    answered_at = asyncio.get_running_loop().time()
    await until(lambda: _talking(books, number), 15, "an agent answered")
    await asyncio.sleep(3)
    call.hangup()
    (kept,) = await books.ended(number)
    since_answered = asyncio.get_running_loop().time() - answered_at
    assert kept["outcome"] == "answered"
    assert kept["agents"] in (["101"], ["102"])
    assert 2 <= kept["talked_s"] <= since_answered
    assert kept["waited_s"] is not None
    assert await books.callbacks(number) == []
    recording = await books.recording(kept["id"])
    assert recording["state"] == "stored", recording
    assert abs(recording["duration_s"] - kept["talked_s"]) < 1


async def _talking(books: Books, number: str) -> bool:
    return any(call["connected_at"] is not None for call in await books.calls(number))


async def test_a_caller_who_leaves_in_the_greeting_is_owed_a_callback(house: House, books: Books) -> None:
    number = new_number()
    call = await house.dial(DID, number)
    await call.answered()
    await asyncio.sleep(0.5)
    call.hangup()
    await books.owed_once(number, "left_in_greeting")


async def test_a_caller_who_cancels_at_once_is_owed_a_callback(house: House, books: Books) -> None:
    number = new_number()
    call = await house.dial(ONE_LINE_DID, number)
    await call.taken()
    call.hangup()
    await call.ended()
    calls = await books.ended(number)
    assert calls[0]["outcome"] in ("left_before_answer", "left_in_greeting")
    assert len(await books.callbacks(number)) == 1


async def test_a_caller_who_leaves_while_a_phone_rings_is_owed_a_callback(house: House, books: Books) -> None:
    number = new_number()
    call = await house.dial(IMPATIENT_DID, number)
    await house.phones["104"].rings()
    call.hangup()
    await books.owed_once(number, "left_ringing")


async def test_a_caller_who_leaves_a_queue_where_everybody_talks_is_owed_a_callback(house: House, books: Books) -> None:
    first, second = new_number(), new_number()
    house.phones["104"].behaviour = Behaviour(answer_after=0.1)
    talking = await house.dial(IMPATIENT_DID, first)
    await until(lambda: _talking(books, first), 15, "the first caller talks")
    waiting = await house.dial(IMPATIENT_DID, second)
    await until(lambda: _queued(books, second), 15, "the second caller waits")
    waiting.hangup()
    await books.owed_once(second, "left_waiting")
    talking.hangup()
    assert (await books.ended(first))[0]["outcome"] == "answered"


async def _queued(books: Books, number: str) -> bool:
    return any(call["queued_at"] is not None for call in await books.calls(number))


async def test_a_queue_that_gives_up_owes_a_callback(house: House, books: Books) -> None:
    number = new_number()
    call = await house.dial(IMPATIENT_DID, number)
    await call.ended(40)
    await books.owed_once(number, "queue_timeout")


async def test_an_agent_who_does_not_answer_passes_the_caller_on(house: House, books: Books) -> None:
    number = new_number()
    call = await house.dial(DID, number)
    await until(lambda: _rung(house), 15, "a phone rings")
    silent, other = ("101", "102") if house.phones["101"].rung else ("102", "101")
    house.phones[other].behaviour = Behaviour(answer_after=0.2)
    await until(lambda: _talking(books, number), 20, "the other agent answered")
    await asyncio.sleep(1.5)
    call.hangup()
    (kept,) = await books.ended(number)
    assert (kept["outcome"], kept["agents"]) == ("answered", [other])
    assert set(kept["rang"]) == {silent, other}
    assert await books.callbacks(number) == []


async def _rung(house: House) -> bool:
    return house.phones["101"].rung + house.phones["102"].rung > 0


async def test_an_unknown_number_has_an_end_of_its_own(house: House, books: Books) -> None:
    number = new_number()
    call = await house.dial("380449999999", number)
    assert (await call.ended()).status == 404
    (kept,) = await books.ended(number)
    assert (kept["outcome"], kept["provider_id"]) == ("unknown_did", None)
    assert await books.callbacks(number) == []


async def test_closed_hours_owe_a_callback(house: House, books: Books) -> None:
    number = new_number()
    call = await house.dial(CLOSED_DID, number)
    await call.answered()
    await call.ended(30)
    await books.owed_once(number, "closed")


async def test_a_full_provider_owes_a_callback(house: House, books: Books) -> None:
    first, second = new_number(), new_number()
    talking = await house.dial(ONE_LINE_DID, first)
    await talking.answered()
    refused = await house.dial(ONE_LINE_DID, second)
    assert (await refused.ended()).status == 486
    await books.owed_once(second, "lines_full")
    talking.hangup()
    await books.ended(first)


async def test_two_callers_from_one_number_leave_one_debt(house: House, books: Books) -> None:
    number = new_number()
    calls = [await house.dial(DID, number) for _ in range(2)]
    for call in calls:
        await call.answered()
    await asyncio.sleep(0.3)
    for call in calls:
        call.hangup()
    await books.owed_once(number, "left_in_greeting", misses=2)


async def test_the_debt_is_paid_when_the_caller_gets_through(house: House, books: Books) -> None:
    number = new_number()
    call = await house.dial(DID, number)
    await call.answered()
    call.hangup()
    await books.owed_once(number, "left_in_greeting")
    house.phones["101"].behaviour = house.phones["102"].behaviour = Behaviour(answer_after=0.1)
    again = await house.dial(DID, number)
    await until(lambda: _talking(books, number), 20, "answered at the second try")
    await asyncio.sleep(1.5)
    again.hangup()
    calls = await books.ended(number, 2)
    (paid,) = await books.callbacks(number)
    assert paid["closed_at"] is not None
    assert paid["closed_by_call"] == calls[1]["id"]


async def test_an_anonymous_caller_is_a_caller(house: House, books: Books) -> None:
    before = await books.rows("SELECT coalesce(sum(misses), 0) AS misses FROM callback WHERE number = ''")
    call = await house.dial(DID, CallerId("380639999999", anonymous=True))
    await call.answered()
    call.hangup()

    async def counted() -> bool:
        now = await books.rows("SELECT coalesce(sum(misses), 0) AS misses FROM callback WHERE number = ''")
        return bool(now[0]["misses"] == before[0]["misses"] + 1)

    await until(counted, 15, "the anonymous miss is counted")
    (debt,) = await books.rows("SELECT * FROM callback WHERE number = '' AND closed_at IS NULL")
    assert debt["callable"] is False


HOSTILE = {
    "utf-8": CallerId(name="Їжак Ґаздинський 🦔"),
    "html": CallerId(name="<script>alert(1)</script><img src=x onerror=alert(1)>"),
    "quotes": CallerId(name="a'b\"c`d\\"),
    "shell": CallerId(name="${SHELL(touch /tmp/callcenter-was-here)}$(id);id|id"),
    "newlines": CallerId(name="x\r\nAction: Command\r\n\r\n|HANGUP|"),
    "bars": CallerId(name="|ANSWER|1|2|3\n|CHAN_START|"),
    "long": CallerId(name="Д" * 200),
    "bad bytes": CallerId(name=b"\xff\xfe\x00\xd0"),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_name_is_only_a_name(house: House, books: Books, kind: str) -> None:
    number = new_number()
    hostile = HOSTILE[kind]
    call = await house.dial(DID, CallerId(number, hostile.name))
    try:
        await call.answered(8)
    except CallFailed:  # refused by SIP itself: then Asterisk never had a call, and there is nothing to owe
        assert (await call.ended()).status >= 400
        assert await books.calls(number) == []
    except TimeoutError:  # no SIP at all, so that it is not even refused: the phone gives up, as all phones do
        assert call.statuses == []
        call.vanish()
        assert await books.calls(number) == []
    else:
        await asyncio.sleep(0.3)
        call.hangup()
        await books.owed_once(number, "left_in_greeting")
    assert (await house.asterisk.rx("core show channels count")).startswith("0 active")
