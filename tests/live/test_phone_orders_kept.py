"""Orders through the web of the whole house: what the pages order is what the ledger keeps."""

from __future__ import annotations

from typing import Any

import pytest

from lab.house import House
from lab.sip import CONTROLLED, Call, Phone, Tone
from tests.live.conftest import IMPATIENT_DID, Books, new_number, until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def order(house: House, extension: str, what: str, **more: Any) -> None:
    await house.api("POST", f"/agents/{extension}/{what}", json=more)


async def state_of(house: House, extension: str) -> str:
    agents = (await house.api("GET", "/agents"))["items"]
    return str(next(agent["state"] for agent in agents if agent["extension"] == extension))


async def is_in(house: House, extension: str, state: str) -> None:
    async def seen() -> bool:
        return await state_of(house, extension) == state

    await until(seen, what=f"agent {extension} {state}")


async def talks(call: Call, hertz: int, seconds: float = 1.3) -> None:
    async def heard() -> bool:
        return call.audio is not None and call.audio.hears(hertz, seconds, 0.9)

    await until(heard, what=f"{hertz} Hz for {seconds} s")


def subscriber(house: House, number: str) -> Phone:
    return house.callers.phone(number, CONTROLLED, tone=Tone(440))


async def test_a_held_call_is_shown_so_and_kept_with_its_queue_and_its_time_on_hold(house: House, books: Books) -> None:
    number = new_number()
    caller = await house.dial(IMPATIENT_DID, number)
    agent = await house.phones["104"].rings()
    agent.answer()
    await talks(caller, 880)
    await order(house, "104", "hold")
    await is_in(house, "104", "on_hold")
    await order(house, "104", "unhold")
    await is_in(house, "104", "talking")
    await talks(caller, 880)
    await order(house, "104", "hang-up")
    await caller.ended()
    (kept,) = await books.ended(number)
    assert (kept["outcome"], kept["agents"]) == ("answered", ["104"])
    assert kept["held_s"] > 0
    assert kept["queue"].startswith("kray")
    assert (await books.recording(kept["id"]))["state"] == "stored"
    assert await books.callbacks(number) == []


async def test_a_number_dialled_from_the_page_is_called_as_the_provider_and_kept(house: House, books: Books) -> None:
    number = new_number()
    phone = subscriber(house, number)
    [provider] = [each for each in (await house.api("GET", "/providers"))["items"] if each["slug"] == "kray"]
    await order(house, "104", "dial", provider=provider["id"], number=f"+{number}")
    agent = await house.phones["104"].rings()
    agent.answer()
    ringing = await phone.rings()
    assert ringing.caller_number == f"+{IMPATIENT_DID}"
    ringing.answer()
    await talks(agent, 440)
    await order(house, "104", "hold")
    await is_in(house, "104", "on_hold")
    await order(house, "104", "unhold")
    await talks(ringing, 880)
    ringing.hangup()
    await agent.ended()
    (kept,) = await books.ended(number)
    assert (kept["direction"], kept["outcome"], kept["agents"]) == ("out", "answered", ["104"])
    assert kept["callback_id"] is None
    assert kept["held_s"] > 0
    assert (await books.recording(kept["id"]))["state"] == "stored"


async def test_a_miss_that_an_agent_dials_by_hand_is_paid_by_that_call(house: House, books: Books) -> None:
    number = new_number()
    caller = await house.dial(IMPATIENT_DID, number)
    await caller.answered()
    caller.hangup()
    owed = await books.owed_once(number, (await books.ended(number))[0]["outcome"])
    phone = subscriber(house, number)
    await order(house, "104", "dial", provider=owed["provider_id"], number=number)
    agent = await house.phones["104"].rings()
    agent.answer()
    ringing = await phone.rings()
    ringing.answer()
    await talks(agent, 440, 6.5)  # nine tenths of it are longer than what a call back must last
    ringing.hangup()
    await agent.ended()

    async def closed() -> bool:
        [found] = await books.callbacks(number)
        return found["closed_at"] is not None

    await until(closed, what="the callback is paid")
    [found] = await books.rows("SELECT * FROM call WHERE number = :n AND direction = 'out'", n=f"+{number}")
    assert found["callback_id"] == owed["id"]


async def test_colleagues_call_each_other_and_no_call_is_kept_of_it(house: House, books: Books) -> None:
    before = len(await books.rows("SELECT id FROM call"))
    await order(house, "104", "call-colleague", other="103")
    own = await house.phones["104"].rings()
    own.answer()
    other = await house.phones["103"].rings()
    assert other.caller_number == "104"
    other.answer()
    await talks(own, 880)
    await order(house, "104", "hang-up")
    await other.ended()
    assert len(await books.rows("SELECT id FROM call")) == before
