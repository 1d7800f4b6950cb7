"""Phones in pages, the service's half: whose password Asterisk takes, and a talk that outlives the page.

Phones of the lab stand in for browsers in the talks: Asterisk, the orders and the database are the real ones, and what
a browser does with them is proven in a browser. Registrations go over Asterisk's own WebSocket.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import pytest_asyncio
from sqlalchemy import text

from callcenter.ami.link import LiveLink
from callcenter.ami.session import AmiAddress
from callcenter.calls.outcome import CallOutcome
from callcenter.config import PhoneSettings
from callcenter.errors import RuleBroken
from callcenter.floor.page_phones import PagePhones
from callcenter.floor.talking import TalkOrders
from callcenter.pbx import render as rendering
from callcenter.store import Database
from callcenter.store.embedded import Embedded
from lab.page_register import register, register_over
from lab.rtp import level
from lab.sip import Call
from tests.live.conftest import until
from tests.live.lone_pbx import Pbx, a_pbx, first_to_ring, seconds_of
from tests.live.ports import free_port
from tests.live.test_phone_orders import AGENT, CALLER, Floor, hears, never_heard, talk, told
from tests.pbx_house import EVENTS_SECRET

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

SESSION, OTHER_SESSION = b"s" * 32, b"o" * 32
TAB, OTHER_TAB = "tab-of-101-a", "tab-of-101-b"
AWAY_S = 4
ON_PURPOSE = ("failed to authenticate", "sending OPTIONS request to endpoint agent-103")
"""Wrong passwords, and sockets that close without a word."""


def clock() -> datetime:
    return datetime.now(UTC)


@dataclass
class Phones(Floor):
    """A floor, its database, and its phones in pages."""

    db: Database | None = None
    pages: PagePhones | None = None
    url: str = ""

    @property
    def phones(self) -> PagePhones:
        assert self.pages is not None
        return self.pages


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pbx() -> AsyncIterator[Pbx]:
    port = free_port()
    page = PhoneSettings(address=f"ws://127.0.0.1:{port}/ws", bind=f"127.0.0.1:{port}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "AWAY_S", AWAY_S)
        async with a_pbx(page=page) as pbx:
            yield pbx
            assert [line for line in pbx.complaints() if not any(noise in line for noise in ON_PURPOSE)] == []


@pytest_asyncio.fixture(loop_scope="module")
async def floor(pbx: Pbx, postgres: Embedded) -> AsyncIterator[Phones]:
    for extension in ("101", "102"):
        pbx.phone(extension).forget()
    async with a_service(pbx, postgres) as floor:
        await floor.idle()
        yield floor
    await pbx.callers.hang_up_all()
    await pbx.phones.hang_up_all()


@asynccontextmanager
async def a_service(pbx: Pbx, postgres: Embedded) -> AsyncIterator[Phones]:
    owner = Database(postgres.superuser_url.replace("/postgres?", "/callcenter?"), pool_size=4)
    async with owner.engine.begin() as connection:
        for statement in filter(None, map(str.strip, SEED.split(";"))):
            await connection.execute(text(statement), {"s": SESSION, "o": OTHER_SESSION} if ":s" in statement else {})
    await owner.close()
    db = Database(postgres.url)
    pages = tuple(replace(agent, phone="browser", contact=None) for agent in pbx.book.agents)
    book = replace(pbx.book, agents=pages)
    address = AmiAddress("127.0.0.1", pbx.settings.asterisk.ami_port, pbx.settings.ami.events_user, EVENTS_SECRET)
    facts: list[object] = []
    phones: list[PagePhones] = []

    def on_fact(fact: object) -> None:
        facts.append(fact)
        for each in phones:
            each.on_fact(fact)  # type: ignore[arg-type]

    link = LiveLink(address, on_fact, clock=clock)
    async with pbx.commands() as commands, asyncio.TaskGroup() as group:
        orders = TalkOrders(lambda: book, commands, link.view)
        phones.append(
            PagePhones(
                db, lambda: book, commands, link.view, orders, clock, good_for=timedelta(minutes=5), leads=lambda: True
            )
        )
        running = [group.create_task(link.run()), group.create_task(phones[0].run())]
        floor = Phones(pbx, orders, commands, link.view, facts, db, phones[0], pbx.settings.phone.address)  # type: ignore[arg-type]
        await floor.sees(lambda: link.health.is_live and len(link.view.members()) >= 2)
        yield floor
        for task in running:
            task.cancel()
    await db.close()


SEED = """
TRUNCATE agent, user_account, session, phone_login CASCADE;
INSERT INTO agent (id, extension, name, sip_secret, phone) OVERRIDING SYSTEM VALUE VALUES
    (101, '101', 'A', 'secret-101-x', 'browser'), (102, '102', 'B', 'secret-102-x', 'browser'),
    (103, '103', 'C', 'secret-103-x', 'browser');
INSERT INTO user_account (id, login, name, role, password_hash, agent_id) OVERRIDING SYSTEM VALUE VALUES
    (1, 'agent103', 'C', 'agent', 'x', 103);
INSERT INTO session (key_hash, user_id, csrf, created_at, last_seen_at, expires_at, address) VALUES
    (:s, 1, 'c', now(), now(), now() + interval '1 hour', '127.0.0.1'),
    (:o, 1, 'c', now(), now(), now() + interval '1 hour', '127.0.0.1')
"""


async def gone(url: str, password: str, within: float = 20.0) -> None:
    """Until Asterisk takes this password no more."""
    async with asyncio.timeout(within):
        while await register(url, "agent-103", password) != 401:
            await asyncio.sleep(0.2)


async def test_only_the_password_of_this_sign_in_is_taken_and_only_as_long_as_it_lasts(floor: Phones) -> None:
    url = floor.url
    assert await register(url, "agent-103", "secret-103-x") != 200, "the file's password opens no page's phone"
    given = await floor.phones.login("103", SESSION, TAB, take_over=False)
    assert given.password not in repr(given)
    assert await register(url, "agent-103", given.password) == 200
    assert await register(url, "agent-103", secrets.token_urlsafe(24)) == 401
    again = await floor.phones.login("103", SESSION, TAB, take_over=False)
    assert await register(url, "agent-103", given.password) == 401, "the one before is good no more"
    assert await register(url, "agent-103", again.password) == 200
    await floor.phones.logout("103", OTHER_TAB)
    assert await register(url, "agent-103", again.password) == 200, "another tab cannot sign this one out"
    await floor.phones.logout("103", TAB)
    assert await register(url, "agent-103", again.password) == 401


@pytest.mark.parametrize(
    "end",
    [
        "DELETE FROM session WHERE key_hash = :s",
        "UPDATE session SET expires_at = now() - interval '1 second' WHERE key_hash = :s",
        "UPDATE user_account SET disabled_at = now()",
        "UPDATE phone_login SET expires_at = now() - interval '1 second'",
    ],
)
async def test_whatever_ends_the_sign_in_ends_the_phone(floor: Phones, postgres: Embedded, end: str) -> None:
    given = await floor.phones.login("103", SESSION, TAB, take_over=False)
    assert await register(floor.url, "agent-103", given.password) == 200
    owner = Database(postgres.superuser_url.replace("/postgres?", "/callcenter?"), pool_size=4)
    async with owner.engine.begin() as connection:
        await connection.execute(text(end), {"s": SESSION} if ":s" in end else {})
    await owner.close()
    await gone(floor.url, given.password)


async def test_a_sign_in_that_ends_in_a_talk_leaves_the_phone_until_the_talk_is_over(
    floor: Phones, postgres: Embedded
) -> None:
    one = await talk(floor)
    await floor.phones.login(one.extension, SESSION, TAB, take_over=False)
    idle = await floor.phones.login("103", SESSION, TAB, take_over=False)
    owner = Database(postgres.superuser_url.replace("/postgres?", "/callcenter?"), pool_size=4)
    try:

        async def left() -> set[str]:
            async with owner.engine.begin() as connection:
                return set((await connection.execute(text("SELECT extension FROM phone_login"))).scalars())

        async def without(extension: str) -> bool:
            return extension not in await left()

        async with owner.engine.begin() as connection:
            await connection.execute(text("DELETE FROM session"))
        await gone(floor.url, idle.password)
        await until(lambda: without("103"), 20, "the look that took it is over")
        assert await left() == {one.extension}
        assert one.talks
        one.caller.hangup()
        await one.agent.ended()
        await until(lambda: without(one.extension), 20, "nobody talks any more")
    finally:
        await owner.close()


async def test_signing_out_ends_it_at_once_and_leaves_another_sessions_phone_alone(floor: Phones) -> None:
    given = await floor.phones.login("103", SESSION, TAB, take_over=False)
    await floor.phones.session_ended(OTHER_SESSION)
    assert await register(floor.url, "agent-103", given.password) == 200
    await floor.phones.session_ended(SESSION)
    assert await register(floor.url, "agent-103", given.password) == 401


async def test_a_second_tab_is_refused_while_the_first_is_there_and_may_take_over(floor: Phones) -> None:
    given = await floor.phones.login("103", SESSION, TAB, take_over=False)
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(floor.url, protocols=("sip",)) as socket,
    ):
        assert await register_over(socket, "agent-103", given.password) == 200
        await floor.sees(lambda: floor.view.contacts().get("103") is True)
        with pytest.raises(RuleBroken, match="another tab"):
            await floor.phones.login("103", OTHER_SESSION, OTHER_TAB, take_over=False)
        assert (await floor.phones.login("103", SESSION, TAB, take_over=False)).user == "agent-103", (
            "a reload is no other"
        )
        taken = await floor.phones.login("103", OTHER_SESSION, OTHER_TAB, take_over=True)
        assert await register_over(socket, "agent-103", given.password) == 401
        assert await register(floor.url, "agent-103", taken.password) == 200
    await floor.sees(lambda: floor.view.contacts().get("103") is False)
    assert (await floor.phones.login("103", SESSION, TAB, take_over=False)).password, "a tab that is gone holds nothing"


async def ring_again(floor: Phones, extension: str, old: Call) -> Call:
    phone = floor.pbx.phone(extension)
    await floor.sees(lambda: any(call is not old and not call.is_ended for call in phone.calls))
    return next(call for call in phone.calls if call is not old and not call.is_ended)


async def reload(floor: Phones, extension: str, old: Call, *, bye: bool) -> Call:
    """The page goes, whom they talk with hears music; it comes back and is rung for the talk."""
    await floor.phones.login(extension, SESSION, TAB, take_over=False)
    await floor.phones.leaving(extension, TAB)
    if bye:
        old.hangup()
    assert await floor.phones.back(extension, TAB)
    return await ring_again(floor, extension, old)


@pytest.mark.parametrize("bye", [False, True], ids=["reload", "page-hung-up-first"])
async def test_a_page_that_comes_back_talks_on_with_the_same_caller(floor: Phones, bye: bool) -> None:
    one = await talk(floor)
    assert one.caller.audio is not None
    fresh = await reload(floor, one.extension, one.agent, bye=bye)
    assert "answer-after=0" in fresh.invite.first("Call-Info")
    one.caller.audio.forget()
    await floor.sees(lambda: len(one.caller.audio.heard(1)) >= 7_000)  # type: ignore[union-attr]
    assert never_heard(one.caller, AGENT)
    assert max(map(abs, one.caller.audio.heard(1))) > 500, "music, not silence"
    fresh.answer()
    await floor.sees(lambda: hears(one.caller, AGENT) and hears(fresh, CALLER))
    if not bye:
        await one.agent.ended()
    line = floor.view.line_of(one.extension)
    assert line is not None
    assert not line.held
    assert len(floor.view.calls()) == 1
    one.caller.hangup()
    await fresh.ended()
    kept = await told(floor)
    assert (kept.outcome, kept.agents, kept.queue) == (CallOutcome.ANSWERED, (one.extension,), "volia-support")
    kinds = [each.kind for each in kept.segments if each.kind != "ringing"]
    assert kinds[-3:] == ["talking", "hold", "talking"]
    recorded = [seconds_of(floor.pbx, kept.recording, side) for side in ("caller", "agent")]
    assert min(recorded) >= kept.talked_s - 0.5, "every second of talk is recorded"
    assert max(recorded) - min(recorded) < 0.3, "neither side runs away from the other"


async def test_a_caller_whose_agents_page_never_comes_back_is_served_by_another(floor: Phones) -> None:
    one = await talk(floor)
    await floor.phones.login(one.extension, SESSION, TAB, take_over=False)
    await floor.phones.leaving(one.extension, TAB)
    other = await first_to_ring(floor.pbx, one.other)
    other.answer()
    await floor.sees(lambda: hears(one.caller, AGENT) and hears(other, CALLER), 20)
    assert await floor.phones.back(one.extension, TAB) is False, "too late: they are another's now"
    one.caller.hangup()
    await other.ended()
    kept = await told(floor)
    assert (kept.outcome, set(kept.agents)) == (CallOutcome.ANSWERED, {one.extension, one.other})


async def test_a_caller_who_hangs_up_while_the_page_is_away_was_answered(floor: Phones) -> None:
    one = await talk(floor)
    await floor.sees(lambda: has_talked(one.caller))
    await floor.phones.login(one.extension, SESSION, TAB, take_over=False)
    await floor.phones.leaving(one.extension, TAB)
    one.caller.hangup()
    await one.agent.ended(5)
    assert await floor.phones.back(one.extension, TAB) is False or one.caller.is_ended
    kept = await told(floor)
    assert (kept.outcome, kept.hangup_by) == (CallOutcome.ANSWERED, "caller")


def has_talked(call: Call) -> bool:
    return call.audio is not None and call.audio.hears(AGENT, 1.3, 0.9)


async def test_a_stranger_tab_makes_nobody_wait(floor: Phones) -> None:
    one = await talk(floor)
    await floor.phones.login(one.extension, SESSION, TAB, take_over=False)
    await floor.phones.leaving(one.extension, OTHER_TAB)
    assert await floor.phones.back(one.extension, OTHER_TAB) is False
    line = floor.view.line_of(one.extension)
    assert line is not None
    assert not line.held
    one.caller.hangup()
    await one.agent.ended()


async def test_keys_reach_the_caller_and_mute_is_heard(floor: Phones) -> None:
    one = await talk(floor)
    await floor.orders.dtmf(one.extension, "1#9")
    await floor.sees(lambda: one.caller.audio is not None and one.caller.audio.digits == "1#9")
    await floor.orders.mute(one.extension, True)
    await falls_silent(one.caller)
    await floor.orders.mute(one.extension, False)
    await floor.sees(lambda: hears(one.caller, AGENT))
    one.caller.hangup()
    await one.agent.ended()


async def falls_silent(call: Call) -> None:
    """Until nothing of the agent has come for a while: what came before is forgotten first, nothing may come at all."""
    assert call.audio is not None
    async with asyncio.timeout(30):
        while True:
            call.audio.forget()
            await asyncio.sleep(0.5)
            if not hears(call, AGENT, 0.3):
                return


async def test_an_echo_call_gives_the_voice_back(floor: Phones) -> None:
    await floor.orders.echo("102")
    ringing = await first_to_ring(floor.pbx, "102")
    assert "answer-after=0" in ringing.invite.first("Call-Info")
    ringing.answer()
    await floor.sees(lambda: hears(ringing, AGENT))
    ringing.hangup()
    await floor.idle()


async def test_a_phone_that_answers_by_itself_hears_whose_caller_it_is_before_they_talk(floor: Phones) -> None:
    first, second = floor.pbx.book.providers
    try:
        await floor.pbx.render(replace(floor.pbx.book, providers=(replace(first, auto_answer=True), second)))
        caller = await floor.pbx.dial()
        await caller.answered()
        agent = await first_to_ring(floor.pbx, "101", "102")
        assert "answer-after=0" in agent.invite.first("Call-Info")
        agent.answer()
        await floor.sees(lambda: bell(agent))
        await floor.sees(lambda: hears(agent, CALLER) and hears(caller, AGENT), 15)
        caller.hangup()
        await agent.ended()
    finally:
        await floor.pbx.render(floor.pbx.book)
    caller = await floor.pbx.dial()
    await caller.answered()
    agent = await first_to_ring(floor.pbx, "101", "102")
    assert agent.invite.first("Call-Info") == "", "nobody's choice any more"
    caller.hangup()
    await agent.ended()


def bell(call: Call) -> bool:
    """The first note of what is said into the agent's ear alone."""
    if call.audio is None:
        return False
    heard = call.audio.heard(10)
    return any(level(heard[start : start + 800], 660) > 0.5 for start in range(0, len(heard) - 800, 400))


async def test_of_tabs_that_ask_at_the_same_moment_one_is_the_phone(floor: Phones) -> None:
    tabs = [f"tab-number-{number}" for number in range(4)]
    answers = await asyncio.gather(
        *(floor.phones.login("103", SESSION, tab, take_over=False) for tab in tabs), return_exceptions=True
    )
    given = [tab for tab, answer in zip(tabs, answers, strict=True) if not isinstance(answer, BaseException)]
    refused = [answer for answer in answers if isinstance(answer, RuleBroken)]
    assert (len(given), len(refused)) == (1, 3), answers
    await floor.phones.login("103", SESSION, given[0], take_over=False)
    taken = await floor.phones.login("103", SESSION, next(tab for tab in tabs if tab != given[0]), take_over=True)
    assert taken.user == "agent-103"
