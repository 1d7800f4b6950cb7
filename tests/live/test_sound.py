"""How talks are heard, counted by a real Asterisk: live while they last, in the journal at their end, and alarms."""

from __future__ import annotations

from typing import Any

import pytest

from lab.house import House
from lab.sip import Call, Tone
from tests.live.conftest import IMPATIENT_DID, Books, new_number, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]

PROVIDER = "kray"


async def kept(house: House, call: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What Asterisk counted of a call: by the leg (an extension, or nothing for the trunk) and who is heard."""
    items = (await house.api("GET", f"/calls/{call}/quality"))["items"]
    return {(one["extension"], one["side"]): one for one in items if one["source"] == "asterisk"}


async def open_alarms(house: House) -> set[tuple[str, str]]:
    return {(one["kind"], one["subject"]) for one in (await house.api("GET", "/alarms"))["items"]}


async def talk(house: House, number: str) -> tuple[Call, Call, str]:
    """A caller of Край and agent 104, the only one there; and the call as the ledger names it."""
    call = await house.dial(IMPATIENT_DID, number)
    agent = await house.phones["104"].rings()
    agent.answer()

    async def named() -> str | None:
        board = await house.api("GET", "/wallboard")
        found = [each["call"] for each in board["agents"] if each["extension"] == "104" and each["state"] == "talking"]
        return found[0] if found else None

    return call, agent, await until(named, 20, "104 talks")


async def ended(books: Books, number: str) -> str:
    return str((await books.ended(number))[0]["id"])


async def test_both_legs_of_a_call_are_counted_and_none_that_only_rang(house: House, books: Books) -> None:
    number = new_number()
    call = await house.dial(IMPATIENT_DID, number)
    refused = await house.phones["104"].rings()
    refused.reject()
    agent = await house.phones["104"].rings()
    agent.answer()
    await until(lambda: _sent(agent, 150), 30, "three seconds of talk")
    call.hangup()
    named = await ended(books, number)
    legs = await until(lambda: kept(house, named), 10, "Asterisk's counts")
    rows = await books.rows("SELECT DISTINCT uniqueid FROM call_quality WHERE call_id = :call", call=named)
    assert len(rows) == 2, "the leg that refused has no sound"
    assert {key[0] for key in legs} == {"", "104"}
    assert legs["104", "agent"]["packets"] > 100
    assert legs["", "caller"]["packets"] > legs["104", "agent"]["packets"], "the greeting heard the caller too"
    assert all(one["loss"] < 0.02 and one["codec"] in {"alaw", "ulaw"} for one in legs.values())
    assert {one["heard"] for one in legs.values()} == {"good"}


async def test_lost_packets_are_counted_on_the_leg_that_lost_them(house: House, books: Books) -> None:
    number = new_number()
    call, agent, named = await talk(house, number)
    assert agent.audio is not None
    agent.audio.lose_every = 4

    async def lossy() -> bool:
        legs = await kept(house, named)
        return ("104", "agent") in legs and legs["104", "agent"]["loss"] > 0.15

    await until(lossy, 60, "a quarter of the agent's packets is missed while they talk")
    now = (await house.api("GET", "/quality/now"))["items"]
    ours = next(one for one in now if (one["call"], one["extension"], one["side"]) == (named, "104", "agent"))
    assert ours["now_mos"] is not None
    assert ours["now_mos"] < 3.6
    agent.audio.lose_every = 0
    call.hangup()
    await books.ended(number)
    legs = await kept(house, named)
    assert legs["", "caller"]["loss"] < 0.02
    assert legs["104", "agent"]["heard"] == "bad"
    worst = (await house.api("GET", "/quality?extension=104"))["items"]
    assert (worst[0]["call"], worst[0]["side"]) == (named, "agent")
    assert worst[0]["worst_mos"] <= ours["now_mos"] + 0.01


@pytest.mark.parametrize("who", ["agent", "caller"])
async def test_a_side_of_which_no_packet_comes_is_an_alarm_until_it_is_heard(
    house: House, books: Books, who: str
) -> None:
    number = new_number()
    call, agent, named = await talk(house, number)
    sound = (agent if who == "agent" else call).audio
    assert sound is not None
    alarm = ("no_sound_from_agent", "104/kray") if who == "agent" else ("no_sound_from_caller", PROVIDER)
    assert alarm not in await open_alarms(house)
    sound.muted = True
    await until(lambda: _in(house, alarm), 90, f"an alarm: nothing comes of the {who}")
    legs = await kept(house, named)
    assert legs["104" if who == "agent" else "", who]["silent_s"] >= 4
    other = ("no_sound_from_caller", PROVIDER) if who == "agent" else ("no_sound_from_agent", "104/kray")
    assert other not in await open_alarms(house), "the other side is heard"
    sound.muted = False
    await until(lambda: _not_in(house, alarm), 60, f"the {who} is heard again")
    call.hangup()
    await books.ended(number)
    assert (await kept(house, named))["104" if who == "agent" else "", who]["longest_silent_s"] >= 4


@pytest.mark.parametrize("who", ["agent", "caller"])
async def test_packets_with_nothing_in_them_are_an_alarm_until_the_first_word(
    house: House, books: Books, who: str
) -> None:
    number = new_number()
    call = await house.dial(IMPATIENT_DID, number, tone=Tone(0) if who == "caller" else None)
    agent = await house.phones["104"].rings()
    assert agent.audio is not None
    if who == "agent":
        agent.audio.tone = Tone(0)
    agent.answer()
    alarm = ("agent_not_heard", "104/kray") if who == "agent" else ("caller_not_heard", PROVIDER)
    await until(lambda: _in(house, alarm), 120, f"an alarm: not a word of the {who}")
    alarms = await open_alarms(house)
    assert not alarms & {("no_sound_from_agent", "104/kray"), ("no_sound_from_caller", PROVIDER)}, "packets come"
    assert ("agent_not_heard" if who == "caller" else "caller_not_heard") not in {kind for kind, _ in alarms}
    sound = (agent if who == "agent" else call).audio
    assert sound is not None
    sound.tone = Tone(440)
    await until(lambda: _not_in(house, alarm), 60, f"the {who} is heard")
    sound.tone = Tone(0)
    beginning = sound.sent

    async def quiet_for_long() -> bool:
        return sound.sent > beginning + 50 * 20

    await until(quiet_for_long, 90, "twenty seconds of silence")
    assert alarm not in await open_alarms(house), "who has spoken may listen"
    call.hangup()
    await books.ended(number)


async def test_who_is_on_hold_may_be_silent(house: House, books: Books) -> None:
    number = new_number()
    call, agent, _ = await talk(house, number)
    assert agent.audio is not None
    await agent.hold()

    async def for_long() -> bool:
        assert ("no_sound_from_agent", "104/kray") not in await open_alarms(house)
        return await _sent(call, 900)

    await until(for_long, 60, "eighteen seconds of hold")
    call.hangup()
    await books.ended(number)
    assert ("no_sound_from_agent", "104/kray") not in await open_alarms(house)


async def _sent(call: Call, packets: int) -> bool:
    assert call.audio is not None
    return call.audio.sent >= packets


async def _in(house: House, alarm: tuple[str, str]) -> bool:
    return alarm in await open_alarms(house)


async def _not_in(house: House, alarm: tuple[str, str]) -> bool:
    return alarm not in await open_alarms(house)
