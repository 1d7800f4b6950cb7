"""An agent's day on the real house: what they say, what Asterisk has, what a page shows, and who dies meanwhile."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from lab.house import House
from lab.service import Service
from lab.sip import CONTROLLED, Behaviour
from tests.live.conftest import ONE_LINE_DID, Books, new_number, until
from tests.live.ports import free_ports

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]
AGENT, QUEUE = "103", "domlink"
LONG_WRAP_UP = "60"


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def at_work(house: House, books: Books) -> AsyncIterator[None]:
    """103 alone serves Дім.Лінк; after each test they are at work and ready again."""
    yield
    await house.callers.hang_up_all()
    await house.phone_agent.hang_up_all()
    await order(house, "sign-in")
    await order(house, "ready")
    await in_asterisk(house, "ready")


async def agent(house: House) -> dict[str, Any]:
    agents = (await house.api("GET", "/agents"))["items"]
    return next(each for each in agents if each["extension"] == AGENT)


async def shows(house: House, state: str, reason: str | None = None, within: float = 15.0) -> dict[str, Any]:
    """The agent as every page has them, once they are in this state."""

    async def seen() -> dict[str, Any] | None:
        now = await agent(house)
        return now if now["state"] == state and reason in {None, now["reason"]} else None

    return await until(seen, within, f"agent {AGENT} is {state} {reason or ''}")


async def in_asterisk(house: House, wanted: str, within: float = 15.0) -> str:
    """``ready``, ``gone``, or ``paused:<reason>``: what Asterisk has of the agent, once it is so."""

    async def seen() -> str | None:
        said = re.sub(r"\x1b\[[0-9;]*m", "", await house.asterisk.rx(f"queue show {QUEUE}"))
        line = next((line for line in said.splitlines() if f"PJSIP/agent-{AGENT})" in line), None)
        paused = re.search(r"paused:([a-z_]+)", line or "")
        has = "gone" if line is None else paused[0] if paused else "paused" if "(paused" in line else "ready"
        return has if has == wanted else None

    return await until(seen, within, f"Asterisk has agent {AGENT} {wanted}")


async def order(house: House, what: str, **body: Any) -> None:
    await house.api("POST", f"/agents/{AGENT}/{what}", json=body)


async def say_by_phone(house: House, code: str) -> None:
    call = await house.phones[AGENT].dial(f"sip:{code}@127.0.0.1:{house.ports.sip}")
    await call.answered()
    assert (await call.ended(10)).cause == 16


async def test_signed_out_and_in_from_the_page_a_pause_and_its_end(house: House, books: Books) -> None:
    await order(house, "pause", reason="lunch")
    paused = await shows(house, "paused", "lunch")
    assert paused["until"] is not None
    await in_asterisk(house, "paused:lunch")
    await order(house, "ready")
    await shows(house, "ready")
    await in_asterisk(house, "ready")
    await order(house, "sign-out")
    await shows(house, "offline")
    await in_asterisk(house, "gone")
    number = new_number()
    call = await house.dial(ONE_LINE_DID, number)
    await call.answered()
    await call.ended(30)
    await books.owed_once(number, "queue_empty")
    await order(house, "sign-in")
    await in_asterisk(house, "ready")
    await shows(house, "ready")


async def test_the_time_after_a_call_is_free_of_calls_until_it_is_over(house: House, books: Books) -> None:
    phone = house.phones[AGENT]
    await house.callcenter("queue", "add", QUEUE, QUEUE, "--wrapup-s", LONG_WRAP_UP)
    try:
        phone.behaviour = Behaviour(answer_after=0.2)
        first = await house.dial(ONE_LINE_DID, new_number())
        await first.answered()
        await shows(house, "talking", within=20)
        first.hangup()
        after = await shows(house, "wrap_up")
        span = datetime.fromisoformat(after["until"]) - datetime.fromisoformat(after["since"])
        assert span.total_seconds() > 50
        await in_asterisk(house, "paused:wrap_up")
        await order(house, "prolong", by_s=60)
        longer = await agent(house)
        assert datetime.fromisoformat(longer["until"]) > datetime.fromisoformat(after["until"])
        phone.forget()
        second = await house.dial(ONE_LINE_DID, new_number())
        await second.answered()
        await asyncio.sleep(6)  # longer than Asterisk's own guard after a call
        assert phone.rung == 0
        await order(house, "finish")
        await until(lambda: _rung(house), 15, "the caller who waited reaches them")
    finally:
        await house.callcenter("queue", "add", QUEUE, QUEUE, "--wrapup-s", "2")


async def _rung(house: House) -> bool:
    return house.phones[AGENT].rung > 0


async def test_rings_in_a_row_that_nobody_answers_end_in_a_pause_and_an_alarm(house: House, books: Books) -> None:
    """Pain 13: after so many the caller goes on to others, and the reason of the pause is not lost."""
    phone = house.phones[AGENT]
    phone.behaviour = Behaviour.rejects()
    number = new_number()
    call = await house.dial(ONE_LINE_DID, number)
    await call.answered()
    await shows(house, "paused", "no_answer", within=90)
    await in_asterisk(house, "paused:no_answer")
    assert phone.rung >= house.plan.unanswered_rings
    alarms = await books.rows("SELECT * FROM alarm WHERE kind = 'agent_does_not_answer' AND cleared_at IS NULL")
    assert [alarm["subject"] for alarm in alarms] == [AGENT]
    assert not call.is_ended
    phone.behaviour = CONTROLLED
    await order(house, "ready")
    (await phone.rings()).answer()
    await shows(house, "talking")
    assert await books.rows("SELECT 1 FROM alarm WHERE kind = 'agent_does_not_answer' AND cleared_at IS NULL") == []


async def test_what_is_said_by_phone_is_the_agents_own_order(house: House, books: Books) -> None:
    await say_by_phone(house, "*45")
    await shows(house, "paused", "phone")
    await in_asterisk(house, "paused:phone")
    await say_by_phone(house, "*46")
    await shows(house, "ready")
    await say_by_phone(house, "*48")
    await shows(house, "offline")
    await in_asterisk(house, "gone")
    await say_by_phone(house, "*47")
    await shows(house, "ready")
    await in_asterisk(house, "ready")
    (row,) = await books.rows(
        "SELECT changed_by FROM agent_duty JOIN agent ON id = agent_id WHERE extension = :x", x=AGENT
    )
    assert row["changed_by"] == "phone"


async def test_what_is_said_by_phone_while_the_service_is_dead_stands_when_it_is_back(
    house: House, books: Books
) -> None:
    await house.service.kill9()
    said = datetime.now(UTC)
    try:
        await say_by_phone(house, "*45")
        await in_asterisk(house, "paused:phone")
        heard = datetime.now(UTC)
    finally:
        await house.service.start()
    now = await shows(house, "paused", "phone")
    assert said <= datetime.fromisoformat(now["since"]) <= heard, "since it was said, not since the service is back"
    for _ in range(20):  # nobody takes it back
        await in_asterisk(house, "paused:phone")
        await asyncio.sleep(0.1)


async def test_a_state_outlives_the_service_and_asterisk(house: House, books: Books) -> None:
    """Pain 13: no silent logout, no lost reason: whoever of the two dies, the state and its beginning stay."""
    await order(house, "pause", reason="break")
    before = await shows(house, "paused", "break")
    await house.service.kill9()
    await house.service.start()
    assert (await shows(house, "paused", "break"))["since"] == before["since"]
    await house.asterisk.kill9()
    await house.asterisk.start()
    await house.service.ready()
    assert (await shows(house, "paused", "break"))["since"] == before["since"]
    await in_asterisk(house, "paused:break")


async def test_what_was_ordered_while_the_link_was_cut_is_told_when_it_is_back(house: House, books: Books) -> None:
    """Pain 14: the link is cut without a word; what Asterisk missed it is told after the next resync."""
    house.wire.cut(refusing=True)
    try:
        await house.callcenter("agent", "pause", AGENT, "--reason", "lunch")
        await in_asterisk(house, "ready")
    finally:
        house.wire.mend()
    await house.service.ready()
    await in_asterisk(house, "paused:lunch", within=30)
    await shows(house, "paused", "lunch")


async def test_when_the_leading_service_dies_the_other_keeps_the_floor(house: House, books: Books) -> None:
    ports = free_ports()
    text = house.settings_file.read_text("utf-8")
    for name in ("web", "ivr"):
        text = text.replace(str(getattr(house.ports, name)), str(getattr(ports, name)))
    second_file = house.folder / "second.toml"
    second_file.write_text(text, "utf-8")
    url = f"http://127.0.0.1:{ports.web}"
    environment = {**house.environment, "CALLCENTER_CONFIG": str(second_file)}
    second = Service(second_file, environment, house.folder / "second.log", f"{url}/healthz")
    await second.start(ready=False)
    try:
        await until(lambda: _answers(f"{url}/healthz"), 30, "the second service")
        await house.callcenter("agent", "pause", AGENT, "--reason", "lunch")
        await in_asterisk(house, "paused:lunch")
        await house.service.kill9()
        await house.callcenter("agent", "ready", AGENT)
        await in_asterisk(house, "ready", within=30)
        states = await until(lambda: _open_states(books, "ready"), 15, "the second writes the states")
        assert len(states) == 1
    finally:
        await second.stop()
        await house.service.start()


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as http, http.get(url) as reply:
            return reply.status in {200, 503}
    except aiohttp.ClientError:
        return False


async def _open_states(books: Books, state: str) -> list[dict[str, Any]]:
    rows = await books.rows(
        "SELECT state FROM agent_state JOIN agent ON id = agent_id WHERE extension = :x AND ended_at IS NULL", x=AGENT
    )
    return rows if rows and rows[0]["state"] == state else []
