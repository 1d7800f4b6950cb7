"""Agents at work in a real Asterisk while no service of ours is there: they stay, they say so by phone, calls come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from callcenter.ami.link import LiveLink
from callcenter.ami.session import AmiAddress
from callcenter.calls.phone_codes import PhoneCode, phone_codes
from callcenter.calls.rows import Line, read_rows
from callcenter.floor.board import Board
from callcenter.floor.states import AgentStatus, Duty
from lab.sip import CONTROLLED
from tests.live.lone_pbx import Pbx, a_pbx, first_to_ring
from tests.pbx_house import EVENTS_SECRET, VOLIA, a_queue

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]
MEMBER = re.compile(r"^ +(?P<agent>\d+) \(PJSIP/agent-\d+\)(?P<more>.*)$", re.MULTILINE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pbx() -> AsyncIterator[Pbx]:
    async with a_pbx() as pbx:
        yield pbx


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def at_work(pbx: Pbx) -> AsyncIterator[None]:
    """Before each test 101 and 102 are signed in and ready, their phones under the test's hand."""
    for extension in ("101", "102"):
        pbx.phone(extension).behaviour = CONTROLLED
        pbx.phone(extension).forget()
        await say(pbx, extension, "*47")
        await say(pbx, extension, "*46")
    yield
    await pbx.callers.hang_up_all()
    await pbx.phones.hang_up_all()


async def say(pbx: Pbx, extension: str, code: str) -> int:
    """The agent dials a code and listens to its tone; the cause with which Asterisk ends it."""
    call = await pbx.phone(extension).dial(f"sip:{code}@{pbx.at}")
    await call.answered()
    end = await call.ended(10)
    return end.cause or 0


async def members(pbx: Pbx, queue: str = "volia-support") -> dict[str, str]:
    """Who sits in a queue, with what Asterisk says of them."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", await pbx.asterisk.rx(f"queue show {queue}"))
    return {found["agent"]: found["more"] for found in MEMBER.finditer(said)}


def said_by_phone(pbx: Pbx) -> list[PhoneCode]:
    raw = pbx.settings.asterisk.journal.read_bytes().split(b"\n")
    return phone_codes(read_rows(Line(0, line) for line in raw)[0])


async def test_who_is_signed_in_stays_so_when_asterisk_restarts_and_calls_come(pbx: Pbx) -> None:
    """Pain 14: nobody has to tell a restarted Asterisk anything before the next caller reaches an agent."""
    async with pbx.commands() as commands:
        await commands.queue_penalty("PJSIP/agent-101", 3, "volia-support")
    await say(pbx, "102", "*45")  # Asterisk keeps a new penalty with the next change of a member's
    await pbx.asterisk.kill9()
    await pbx.asterisk.start()
    found = await members(pbx)
    assert set(found) == {"101", "102"}
    assert "paused:phone" in found["102"]
    assert "with penalty 3" in await pbx.asterisk.rx("queue show volia-support")
    call = await pbx.dial()
    await call.answered()
    ringing = await first_to_ring(pbx, "101")
    assert not pbx.phone("102").calls
    ringing.answer()
    await call.answered()
    assert not call.is_ended


async def test_a_changed_configuration_leaves_everybody_where_they_are(pbx: Pbx) -> None:
    await say(pbx, "102", "*45")
    before = await members(pbx)
    longer = tuple(replace(queue, ring_s=queue.ring_s + 1) for queue in pbx.book.queues)
    await pbx.render(replace(pbx.book, queues=(*longer, a_queue(9, VOLIA, "volia-sales", "101"))))
    assert "volia-sales" in await pbx.asterisk.rx("queue show")
    after = await members(pbx)
    assert set(after) == set(before) == {"101", "102"}
    assert "paused:phone" in after["102"]
    assert await members(pbx, "volia-sales") == {}  # nobody was put there yet: the service does
    await pbx.render(pbx.book)
    assert set(await members(pbx)) == {"101", "102"}


async def test_with_nobody_signed_in_a_caller_is_told_so_and_with_all_on_a_pause_they_wait(pbx: Pbx) -> None:
    for extension in ("101", "102"):
        assert await say(pbx, extension, "*48") == 16
    assert await members(pbx) == {}
    told = await pbx.dial()
    await told.answered()
    mine = (await pbx.row(lambda row: row[0] == "CHAN_START" and row[4].startswith("380")))[7]
    left = await pbx.row(lambda row: row[7] == mine and row[0] == "CC_QUEUE", 15)
    assert "JOINEMPTY" in left[8]
    await told.ended(20)

    await say(pbx, "101", "*47")
    await say(pbx, "101", "*45")
    waits = await pbx.dial()
    await waits.answered()
    mine = (await pbx.row(lambda row: row[0] == "CHAN_START" and row[4].startswith("380") and row[7] != mine))[7]
    await pbx.row(lambda row: row[7] == mine and row[0] == "APP_START" and row[9] == "Queue", 15)
    await say(pbx, "101", "*46")
    (await first_to_ring(pbx, "101")).answer()
    assert not waits.is_ended


async def test_what_an_agent_says_by_phone_is_done_at_once_and_stands_in_the_journal(pbx: Pbx) -> None:
    at, known = datetime.now(UTC), len(said_by_phone(pbx))
    assert await say(pbx, "101", "*45") == 16
    assert "paused:phone" in (await members(pbx))["101"]
    assert "paused" not in (await members(pbx))["102"]
    assert await say(pbx, "101", "*46") == 16
    assert "paused" not in (await members(pbx))["101"]
    assert await say(pbx, "101", "*48") == 16
    assert "101" not in await members(pbx)
    assert "101" not in await members(pbx, "night-support")
    assert await say(pbx, "101", "*47") == 16
    assert "101" in await members(pbx, "night-support")
    fresh = said_by_phone(pbx)[known:]
    assert [(code.extension, code.order) for code in fresh] == [
        ("101", "pause"), ("101", "ready"), ("101", "out"), ("101", "in"),
    ]  # fmt: skip
    assert all(abs((code.at - at).total_seconds()) < 60 for code in fresh)


async def test_who_is_not_signed_in_cannot_take_a_pause_by_phone(pbx: Pbx) -> None:
    await say(pbx, "101", "*48")
    known = len(said_by_phone(pbx))
    assert await say(pbx, "101", "*45") == 21
    assert await say(pbx, "101", "*46") == 21
    assert said_by_phone(pbx)[known:] == []


async def test_a_caller_sent_to_a_code_says_nothing_for_anybody(pbx: Pbx) -> None:
    known = len(said_by_phone(pbx))
    call = await pbx.dial()
    await call.answered()
    agent = await first_to_ring(pbx, "101", "102")
    agent.answer()
    await agent.answered()
    await agent.blind_transfer(f"sip:*48@{pbx.at}")
    await first_to_ring(pbx, "101", "102")  # back in their provider's queue
    assert set(await members(pbx)) == {"101", "102"}
    assert said_by_phone(pbx)[known:] == []


async def test_a_phone_that_is_gone_shows_so_whatever_its_agent_says(pbx: Pbx) -> None:
    """Pain 13: 103 has signed in, their phone has not: unreachable, never ready; ready once the phone is there."""
    at = pbx.settings.asterisk
    address = AmiAddress("127.0.0.1", at.ami_port, pbx.settings.ami.events_user, EVENTS_SECRET)
    link = LiveLink(address, lambda _fact: None, clock=lambda: datetime.now(UTC))
    duty = Duty("103", AgentStatus.READY)
    board = Board(link.view, lambda: pbx.book, lambda each: duty if each == "103" else Duty(each), link._clock)

    async def shows(state: str) -> None:
        async with asyncio.timeout(15):
            while (seen := next(a for a in board.snapshot().agents if a.extension == "103")).state != state:
                await asyncio.sleep(0.05)
        assert seen.since is not None

    async with asyncio.TaskGroup() as group, pbx.commands() as commands:
        running = group.create_task(link.run())
        await commands.queue_add("volia-support", "PJSIP/agent-103", "103")
        await shows("unreachable")
        phone = pbx.phone("103")
        await phone.register(f"sip:{pbx.at}")
        await shows("ready")
        await phone.register(f"sip:{pbx.at}", expires=0)
        await shows("unreachable")
        await commands.queue_remove("volia-support", "PJSIP/agent-103")
        running.cancel()
