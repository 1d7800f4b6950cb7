"""What an agent orders of the call they are in, on a real Asterisk: heard in the sound, told in the journal.

The lone PBX has no service: orders go by the same live picture and the same commands as in one, and what must go on
without a service is seen to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from callcenter.ami.commands import Commands
from callcenter.ami.facts import AgentHeld, AgentUnheld, CallTransferred, LiveFact
from callcenter.ami.link import LiveLink
from callcenter.ami.live import LiveView
from callcenter.ami.session import AmiAddress
from callcenter.calls.groups import fold_journal
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord
from callcenter.calls.rows import Line, read_rows
from callcenter.errors import RuleBroken
from callcenter.floor import talking
from callcenter.floor.talking import TalkOrders
from callcenter.pbx import render as rendering
from lab.rtp import level
from lab.sip import CONTROLLED, Call, CallerId, Tone
from tests.live.lone_pbx import SUBSCRIBER, Pbx, a_pbx, first_to_ring, seconds_of
from tests.pbx_house import EVENTS_SECRET, VOLIA_DID

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

CALLER, AGENT, SUPERVISOR = 440, 880, 1320
"""The pitch each of them speaks with, in Hz."""
PRESENT, ABSENT = 0.2, 0.05


def clock() -> datetime:
    return datetime.now(UTC)


@dataclass
class Floor:
    """Agents' orders over two real logins."""

    pbx: Pbx
    orders: TalkOrders
    commands: Commands
    view: LiveView
    facts: list[LiveFact] = field(default_factory=list)

    async def sees(self, wanted: Callable[[], object], within: float = 8.0) -> None:
        async with asyncio.timeout(within):
            while not wanted():
                await asyncio.sleep(0.02)

    async def idle(self) -> None:
        await self.sees(self.view.is_empty)


@asynccontextmanager
async def a_floor(pbx: Pbx) -> AsyncIterator[Floor]:
    facts: list[LiveFact] = []
    address = AmiAddress("127.0.0.1", pbx.settings.asterisk.ami_port, pbx.settings.ami.events_user, EVENTS_SECRET)
    link = LiveLink(address, facts.append, clock=clock)
    async with pbx.commands() as commands, asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        floor = Floor(pbx, TalkOrders(lambda: pbx.book, commands, link.view), commands, link.view, facts)
        await floor.sees(lambda: link.health.is_live and len(link.view.members()) >= 2)
        yield floor
        running.cancel()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pbx() -> AsyncIterator[Pbx]:
    async with a_pbx() as pbx:
        third = pbx.phone("103")
        third.tone = Tone(SUPERVISOR)
        await third.register(f"sip:{pbx.at}")
        yield pbx
        assert pbx.complaints() == []


@pytest_asyncio.fixture(loop_scope="module")
async def floor(pbx: Pbx) -> AsyncIterator[Floor]:
    for extension in ("101", "102", "103"):
        pbx.phone(extension).forget()
    async with a_floor(pbx) as floor:
        await floor.idle()
        yield floor
    await pbx.callers.hang_up_all()
    await pbx.phones.hang_up_all()


@dataclass
class Talk:
    """A caller and the agent who answered."""

    caller: Call
    agent: Call
    extension: str
    other: str
    """The agent who did not."""

    @property
    def talks(self) -> bool:
        return hears(self.agent, CALLER) and hears(self.caller, AGENT)


def hears(call: Call, hertz: int, seconds: float = 0.4) -> bool:
    assert call.audio is not None
    samples = call.audio.heard(seconds)
    return len(samples) >= seconds * 8000 * 0.9 and level(samples, hertz) > PRESENT


def has_heard(call: Call, hertz: int) -> bool:
    """For longer than the shortest talk that counts."""
    assert call.audio is not None
    samples = call.audio.heard(1.3)
    return len(samples) >= 10_000 and level(samples, hertz) > 0.9


def never_heard(call: Call, hertz: int) -> bool:
    """Nothing of this pitch since ``forget``, looked at in pieces of half a second."""
    assert call.audio is not None
    samples = call.audio.heard(60)
    return all(level(samples[i : i + 4000], hertz) < ABSENT for i in range(0, len(samples) - 3999, 4000))


async def talk(floor: Floor, caller: str = SUBSCRIBER) -> Talk:
    pbx = floor.pbx
    call = await pbx.dial(caller=CallerId(caller))
    await call.answered()
    agent = await first_to_ring(pbx, "101", "102")
    agent.answer()
    extension = "101" if agent in pbx.phone("101").calls else "102"
    found = Talk(call, agent, extension, "102" if extension == "101" else "101")
    pbx.phone(extension).forget()
    await floor.sees(lambda: floor.view.line_of(extension))
    await floor.sees(lambda: found.talks and has_heard(call, AGENT))
    return found


async def told(floor: Floor, number: str = SUBSCRIBER) -> CallRecord:
    """The last call of this number as the ledger would keep it, once it is over: the journal may be a moment behind."""
    await floor.idle()

    def over() -> list[CallRecord]:
        whole = floor.pbx.settings.asterisk.journal.read_bytes().rpartition(b"\n")[0].splitlines()
        rows, aside = read_rows([Line(0, line) for line in whole])
        assert aside == []
        known = [call for call in fold_journal(rows) if call.number_raw.lstrip("+") == number]
        return known[-1:] if known and known[-1].settled else []

    await floor.sees(over)
    return over()[0]


async def test_on_hold_the_caller_hears_music_and_afterwards_they_talk_again(floor: Floor) -> None:
    one = await talk(floor)
    await floor.orders.hold(one.extension)
    [live] = floor.view.calls()
    assert (live.held, live.holders, live.talking) == (True, (one.extension,), ())
    assert one.caller.audio is not None
    assert one.agent.audio is not None
    one.caller.audio.forget()
    one.agent.audio.forget()
    await floor.sees(lambda: len(one.caller.audio.heard(2)) >= 12_000)  # type: ignore[union-attr]
    assert never_heard(one.caller, AGENT)
    assert max(map(abs, one.caller.audio.heard(1))) > 500, "music, not silence"
    assert not one.agent.audio.heard(1), "Asterisk sends the agent nothing"
    members = await floor.pbx.asterisk.rx("queue show volia-support")
    assert "in call" in members, "the queue still counts it as this agent's call"
    with pytest.raises(RuleBroken, match="on hold already"):
        await floor.orders.hold(one.extension)
    await floor.orders.unhold(one.extension)
    await floor.sees(lambda: one.talks)
    with pytest.raises(RuleBroken, match="nobody is on hold"):
        await floor.orders.unhold(one.extension)
    call = live.call
    held = [fact for fact in floor.facts if isinstance(fact, AgentHeld | AgentUnheld)]
    assert held == [AgentHeld(call, one.extension), AgentUnheld(call, one.extension)]
    await floor.orders.hang_up(one.extension)
    await one.caller.ended()
    kept = await told(floor)
    assert (kept.outcome, kept.agents, kept.transfers) == (CallOutcome.ANSWERED, (one.extension,), 0)
    assert kept.held_s > 1.4
    assert [each.kind for each in kept.segments][-3:] == ["talking", "hold", "talking"]
    recorded = [seconds_of(floor.pbx, kept.recording, side) for side in ("caller", "agent")]
    assert min(recorded) >= kept.talked_s - 0.5, "every second of talk is recorded"
    assert max(recorded) - min(recorded) < 0.3, "neither side runs away from the other"


async def test_a_button_pressed_twice_holds_once_and_talks_on_once(floor: Floor) -> None:
    one = await talk(floor)
    for order in (floor.orders.hold, floor.orders.unhold):
        answers = await asyncio.gather(*(order(one.extension) for _ in range(3)), return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "RuleBroken", "RuleBroken"]
    await floor.sees(lambda: one.talks)
    one.caller.hangup()
    await one.agent.ended()
    assert (await told(floor)).outcome is CallOutcome.ANSWERED


async def test_who_hangs_up_on_hold_frees_the_agent_and_was_answered(floor: Floor) -> None:
    one = await talk(floor)
    await floor.orders.hold(one.extension)
    one.caller.hangup()
    await one.agent.ended(5)
    kept = await told(floor)
    assert (kept.outcome, kept.hangup_by) == (CallOutcome.ANSWERED, "caller")
    assert kept.segments[-1].kind == "hold"


async def test_whom_an_agent_leaves_on_hold_is_served_before_all_who_wait(floor: Floor) -> None:
    one = await talk(floor)
    await floor.commands.queue_pause(f"PJSIP/agent-{one.other}", paused=True)
    try:
        second = await floor.pbx.dial(caller=CallerId("380639990000"))
        await floor.sees(lambda: [call for call in floor.view.calls() if call.position == 1])
        await floor.orders.hold(one.extension)
        one.agent.hangup()
        again = await floor.pbx.phone(one.extension).rings(10)
        assert again.caller_number == SUBSCRIBER
        again.answer()
        await floor.sees(lambda: hears(again, CALLER))
        second.hangup()
        one.caller.hangup()
        await again.ended()
    finally:
        await floor.commands.queue_pause(f"PJSIP/agent-{one.other}", paused=False)
    kept = await told(floor)
    assert kept.outcome is CallOutcome.ANSWERED
    assert [each.kind for each in kept.segments if each.kind != "ringing"][-4:] == [
        "talking", "hold", "waiting", "talking",
    ]  # fmt: skip


async def test_a_held_call_needs_no_service(floor: Floor, pbx: Pbx) -> None:
    """The service dies while somebody is on hold: whoever leaves, Asterisk does what is to be done."""
    one = await talk(floor)
    async with a_floor(pbx) as short:
        await short.orders.hold(one.extension)
    one.agent.hangup()
    again = await first_to_ring(pbx, "101", "102")
    again.answer()
    await floor.sees(lambda: hears(again, CALLER))
    again.hangup()
    await one.caller.ended()


async def test_a_service_that_comes_back_finds_who_is_on_hold(floor: Floor, pbx: Pbx) -> None:
    one = await talk(floor)
    await floor.orders.hold(one.extension)
    async with a_floor(pbx) as later:
        assert [fact for fact in later.facts if isinstance(fact, AgentHeld)]
        assert later.view.calls()[0].holders == (one.extension,)
        await later.orders.unhold(one.extension)
        await floor.sees(lambda: one.talks)
    assert not floor.view.calls()[0].held
    one.caller.hangup()
    await one.agent.ended()


async def test_nobody_stays_on_hold_for_ever(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "HOLD_S", 2)
    await floor.pbx.render(floor.pbx.book)
    try:
        one = await talk(floor)
        await floor.orders.hold(one.extension)
        await one.agent.ended(10)
        again = await first_to_ring(floor.pbx, "101", "102")
        again.answer()
        await floor.sees(lambda: hears(again, CALLER))
        await asyncio.sleep(2.5)  # the time that is over must not end the talk that follows
        assert not one.caller.is_ended
        one.caller.hangup()
        await again.ended()
    finally:
        monkeypatch.undo()
        await floor.pbx.render(floor.pbx.book)


async def test_a_caller_is_handed_to_a_colleague(floor: Floor) -> None:
    one = await talk(floor)
    await floor.orders.transfer(one.extension, one.other)
    second = await floor.pbx.phone(one.other).rings()
    second.answer()
    await floor.sees(lambda: hears(second, CALLER) and hears(one.caller, AGENT))
    assert one.agent.is_ended
    assert CallTransferred(floor.view.calls()[0].call, one.other) in floor.facts
    one.caller.hangup()
    await second.ended()
    kept = await told(floor)
    assert (kept.outcome, kept.agents, kept.transfers) == (CallOutcome.ANSWERED, (one.extension, one.other), 1)


async def test_who_is_on_hold_can_be_handed_on_too_also_to_a_queue(floor: Floor) -> None:
    one = await talk(floor)
    await floor.orders.hold(one.extension)
    await floor.orders.transfer(one.extension, "volia-support")
    await one.agent.ended()
    second = await first_to_ring(floor.pbx, "101", "102")
    second.answer()
    await floor.sees(lambda: hears(second, CALLER))
    one.caller.hangup()
    await second.ended()
    kept = await told(floor)
    assert (kept.outcome, kept.queue, kept.transfers) == (CallOutcome.ANSWERED, "volia-support", 1)


async def test_what_cannot_be_is_said_in_words(floor: Floor) -> None:
    with pytest.raises(RuleBroken, match="talks with nobody"):
        await floor.orders.hold("101")
    with pytest.raises(RuleBroken, match="in no call"):
        await floor.orders.hang_up("101")
    one = await talk(floor)
    for to, why in (
        (one.extension, "your own phone"),
        ("night-support", "another provider's queue"),
        ("999", "no colleague or queue"),
    ):
        with pytest.raises(RuleBroken, match=why):
            await floor.orders.transfer(one.extension, to)
    with pytest.raises(RuleBroken, match="no colleague or queue"):
        await floor.orders.consult(one.extension, "volia-support")
    with pytest.raises(RuleBroken, match="no colleague is asked"):
        await floor.orders.complete(one.extension)
    asks = await floor.pbx.phone("103").dial(f"sip:{one.other}@{floor.pbx.at}")
    busy = await floor.pbx.phone(one.other).rings()
    busy.answer()
    await asks.answered()
    await floor.sees(lambda: floor.view.line_of(one.other))
    with pytest.raises(RuleBroken, match="is in a call"):
        await floor.orders.transfer(one.extension, one.other)
    with pytest.raises(RuleBroken, match="colleague is not put on hold"):
        await floor.orders.hold(one.other)
    asks.hangup()
    one.caller.hangup()


async def test_a_colleague_is_asked_first_and_takes_over(floor: Floor) -> None:
    one = await talk(floor)
    await floor.orders.hold(one.extension)
    await floor.orders.consult(one.extension, one.other)
    second = await floor.pbx.phone(one.other).rings()
    with pytest.raises(RuleBroken, match="has not answered yet"):
        await floor.orders.complete(one.extension)
    second.answer()
    await floor.sees(lambda: hears(second, AGENT) and hears(one.agent, AGENT))
    await floor.sees(lambda: (line := floor.view.line_of(one.extension)) and line.asked_talks)
    line = floor.view.line_of(one.extension)
    assert line is not None
    assert (line.asked, line.held) == (one.other, True)
    assert not hears(one.caller, AGENT)
    await floor.orders.complete(one.extension)
    await one.agent.ended()
    await floor.sees(lambda: hears(second, CALLER) and hears(one.caller, AGENT))
    assert floor.view.calls()[0].talking == (one.other,)
    assert not floor.view.calls()[0].held
    await floor.orders.hold(one.other)
    await floor.orders.unhold(one.other)
    await floor.sees(lambda: hears(second, CALLER))
    one.caller.hangup()
    await second.ended()
    kept = await told(floor)
    assert (kept.outcome, kept.agents, kept.transfers) == (CallOutcome.ANSWERED, (one.extension, one.other), 1)


async def test_the_caller_is_taken_back_from_asking(floor: Floor) -> None:
    one = await talk(floor)
    await floor.orders.consult(one.extension, one.other)
    second = await floor.pbx.phone(one.other).rings()
    second.answer()
    await floor.sees(lambda: (line := floor.view.line_of(one.extension)) and line.asked_talks)
    await floor.orders.take_back(one.extension)
    await second.ended()
    await floor.sees(lambda: one.talks)
    assert not floor.view.calls()[0].held
    one.caller.hangup()
    await one.agent.ended()
    kept = await told(floor)
    assert (kept.outcome, kept.transfers) == (CallOutcome.ANSWERED, 0)


@pytest.mark.parametrize("how", ["refuses", "is let go"])
async def test_a_colleague_who_does_not_answer_leaves_the_agent_with_the_caller(floor: Floor, how: str) -> None:
    one = await talk(floor)
    await floor.orders.consult(one.extension, one.other)
    second = await floor.pbx.phone(one.other).rings()
    if how == "refuses":
        second.reject(486)
    else:
        await floor.orders.take_back(one.extension)
        await second.ended()
    await floor.sees(lambda: one.talks)
    await floor.sees(lambda: not floor.view.calls()[0].held)
    one.caller.hangup()
    await one.agent.ended()
    assert (await told(floor)).outcome is CallOutcome.ANSWERED


@pytest.mark.parametrize(("mode", "agent_hears", "caller_hears"), [
    ("listen", False, False), ("whisper", True, False), ("join", True, True),
])  # fmt: skip
async def test_a_supervisor_hears_one_call_and_is_heard_as_they_chose(
    floor: Floor, mode: str, agent_hears: bool, caller_hears: bool
) -> None:
    one = await talk(floor)
    call = floor.view.calls()[0].call
    await floor.orders.listen("103", one.extension, mode, call=call)  # type: ignore[arg-type]
    ear = await floor.pbx.phone("103").rings()
    ear.answer()
    await ear.answered()
    await floor.sees(lambda: hears(ear, CALLER) and hears(ear, AGENT))
    if agent_hears:
        await floor.sees(lambda: hears(one.agent, SUPERVISOR))
    if caller_hears:
        await floor.sees(lambda: hears(one.caller, SUPERVISOR))
    for leg, heard in ((one.agent, agent_hears), (one.caller, caller_hears)):
        assert leg.audio is not None
        assert heard or never_heard(leg, SUPERVISOR)
    assert one.talks
    one.caller.hangup()
    await ear.ended(10)
    await floor.idle()
    with pytest.raises(RuleBroken, match="in that call no more"):
        await floor.orders.listen("103", one.extension, "listen", call=call)
    kept = await told(floor)
    assert (kept.outcome, kept.agents) == (CallOutcome.ANSWERED, (one.extension,))


async def test_a_call_that_ended_before_the_supervisor_picked_up_is_not_another_one(floor: Floor) -> None:
    one = await talk(floor)
    await floor.orders.listen("103", one.extension, "listen", call=floor.view.calls()[0].call)
    ear = await floor.pbx.phone("103").rings()
    one.caller.hangup()
    await one.agent.ended()
    two = await talk(floor, "380639990001")
    ear.answer()
    await ear.ended(10)
    assert never_heard(ear, CALLER)
    two.caller.hangup()
    await two.agent.ended()


async def test_a_subscriber_whom_an_agent_called_is_held_asked_about_and_handed_on(floor: Floor) -> None:
    number = "380671110022"
    subscriber = floor.pbx.callers.phone(number, CONTROLLED, tone=Tone(CALLER))
    await floor.commands.originate(
        "PJSIP/agent-101", context="outbound", exten=number, caller_id=number,
        variables={"CALLBACK": "", "PROVIDER": "volia", "DIALFROM": VOLIA_DID, "TRUNK": "lab"},
    )  # fmt: skip
    agent = await floor.pbx.phone("101").rings()
    agent.answer()
    ringing = await subscriber.rings()
    ringing.answer()
    await floor.sees(lambda: has_heard(agent, CALLER) and hears(ringing, AGENT))
    line = floor.view.line_of("101")
    assert line is not None
    assert (line.provider, line.call) == ("volia", line.leg.uniqueid)
    await floor.orders.hold("101")
    assert AgentHeld(line.call, "101") in floor.facts
    assert ringing.audio is not None
    ringing.audio.forget()
    await floor.sees(lambda: len(ringing.audio.heard(1)) >= 8_000)  # type: ignore[union-attr]
    assert never_heard(ringing, AGENT)
    await floor.orders.unhold("101")
    await floor.sees(lambda: hears(agent, CALLER) and hears(ringing, AGENT))
    with pytest.raises(RuleBroken, match="to a colleague only"):
        await floor.orders.transfer("101", "volia-support")
    await floor.orders.consult("101", "102")
    second = await floor.pbx.phone("102").rings()
    second.answer()
    await floor.sees(lambda: (now := floor.view.line_of("101")) and now.asked_talks)
    await floor.orders.complete("101")
    await floor.sees(lambda: hears(second, CALLER) and hears(ringing, AGENT))
    ringing.hangup()
    await second.ended()
    kept = await told(floor, number)
    assert (kept.direction, kept.outcome, kept.callback_id) == ("out", CallOutcome.ANSWERED, None)
    assert kept.held_s > 0.9


async def test_whom_an_agent_called_and_leaves_on_hold_is_not_sent_to_a_queue(floor: Floor) -> None:
    number = "380671110033"
    subscriber = floor.pbx.callers.phone(number, CONTROLLED, tone=Tone(CALLER))
    await floor.commands.originate(
        "PJSIP/agent-101", context="outbound", exten=number, caller_id=number,
        variables={"CALLBACK": "", "PROVIDER": "volia", "DIALFROM": VOLIA_DID, "TRUNK": "lab"},
    )  # fmt: skip
    agent = await floor.pbx.phone("101").rings()
    agent.answer()
    ringing = await subscriber.rings()
    ringing.answer()
    await floor.sees(lambda: has_heard(agent, CALLER))
    await floor.orders.hold("101")
    agent.hangup()
    await ringing.ended(5)
    assert (await told(floor, number)).outcome is CallOutcome.ANSWERED


async def test_a_phone_on_the_desk_is_answered_by_the_button_of_the_page(floor: Floor) -> None:
    with pytest.raises(RuleBroken, match="does not ring"):
        await floor.orders.answer("101")
    caller = await floor.pbx.dial()
    await caller.answered()
    ringing = await first_to_ring(floor.pbx, "101", "102")
    extension = "101" if ringing in floor.pbx.phone("101").calls else "102"
    await floor.sees(lambda: bool(floor.view.legs_of(extension)))
    await floor.orders.answer(extension)
    assert ringing.is_answered
    await floor.sees(lambda: hears(ringing, CALLER) and hears(caller, AGENT))
    with pytest.raises(RuleBroken, match="does not ring"):
        await floor.orders.answer(extension)
    caller.hangup()
    assert (await told(floor)).agents == (extension,)


async def test_a_phone_that_does_not_know_the_order_goes_on_ringing_and_the_agent_is_told(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talking, "ANSWERED_WITHIN_S", 0.5)  # the queue here lets a phone ring for three seconds
    caller = await floor.pbx.dial()
    await caller.answered()
    ringing = await first_to_ring(floor.pbx, "101", "102")
    ringing.knows_talk = False
    extension = "101" if ringing in floor.pbx.phone("101").calls else "102"
    await floor.sees(lambda: bool(floor.view.legs_of(extension)))
    with pytest.raises(RuleBroken, match="does not answer by a button"):
        await asyncio.wait_for(floor.orders.answer(extension), 20)
    caller.hangup()
    await caller.ended()
