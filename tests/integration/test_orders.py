"""Orders from the page to a scripted manager: a number is called back once at a time, whatever Asterisk answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.ami.commands import Commands
from callcenter.ami.live import LiveView
from callcenter.config import OutboundSettings
from callcenter.errors import CallCenterError, Refused, RuleBroken, Unavailable
from callcenter.floor.orders import Orders
from callcenter.store import Database
from callcenter.words import ProviderId
from tests.integration.ami_server import ScriptedAsterisk, scripted_asterisk, until
from tests.integration.ledger_house import House
from tests.integration.test_ami_session import QUICK, address, clock, running
from tests.unit.cel_rows import MISS, nth_call


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    house = await House.build(database, tmp_path)
    house.write(nth_call(1, 0, MISS, number="0631111111"))
    await house.ledger().catch_up()
    return house


def commands_to(asterisk: ScriptedAsterisk) -> Commands:
    return Commands(address(asterisk), clock=clock, pace=QUICK)


def orders_of(house: House, commands: Commands, trunk: str | None = None) -> Orders:
    return Orders(house.database, lambda: house.book, commands, LiveView(), OutboundSettings(trunk=trunk), house.clock)


async def said(orders: Orders, agent: str) -> CallCenterError | None:
    try:
        await orders.call_back(1, agent)
    except CallCenterError as exc:
        return exc
    return None


async def claimed_by(house: House) -> str | None:
    [(agent,)] = await house.rows("SELECT claimed_by FROM callback")
    return agent  # type: ignore[no-any-return]


async def test_two_agents_and_a_double_click_ring_one_phone(house: House) -> None:
    async with scripted_asterisk() as asterisk:
        commands = commands_to(asterisk)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            orders = orders_of(house, commands)
            answers = await asyncio.gather(said(orders, "101"), said(orders, "101"), said(orders, "102"))
        assert asterisk.count("Originate") == 1
    assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "RuleBroken", "RuleBroken"]


async def test_what_asterisk_refused_another_agent_may_call_at_once(house: House) -> None:
    async with scripted_asterisk(refused_actions={"Originate"}) as asterisk:
        commands = commands_to(asterisk)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            assert isinstance(await said(orders_of(house, commands), "101"), Refused)
            assert await claimed_by(house) is None
            asterisk.refused_actions.clear()
            assert await said(orders_of(house, commands), "102") is None
    assert await claimed_by(house) == "102"


async def test_what_may_not_be_sent_claims_nothing(house: House) -> None:
    house.book = replace(house.book, trunks=())
    async with scripted_asterisk() as asterisk:
        commands = commands_to(asterisk)
        assert isinstance(await said(orders_of(house, commands, trunk="two words"), "101"), RuleBroken)
    assert await claimed_by(house) is None


async def test_while_a_phone_may_ring_nobody_else_calls_the_number(house: House) -> None:
    async with scripted_asterisk(silent_actions={"Originate"}) as asterisk:
        commands = commands_to(asterisk)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            orders = orders_of(house, commands)
            assert isinstance(await said(orders, "101"), Unavailable)
            assert isinstance(await said(orders, "102"), RuleBroken)
        assert asterisk.count("Originate") == 1
    assert await claimed_by(house) == "101"


async def dialled(orders: Orders, agent: str, number: str) -> CallCenterError | None:
    try:
        await orders.dial(agent, ProviderId(1), number, "olena")
    except CallCenterError as exc:
        return exc
    return None


OWED, NEW = "063 111 11 11", "063 222 22 22"


@pytest.mark.parametrize("number", [OWED, NEW])
async def test_a_number_that_is_dialled_by_hand_is_called_by_one_agent(house: House, number: str) -> None:
    async with scripted_asterisk() as asterisk:
        commands = commands_to(asterisk)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            orders = orders_of(house, commands)
            answers = await asyncio.gather(*(dialled(orders, agent, number) for agent in ("101", "102", "101")))
        [order] = [each for each in asterisk.received if each["Action"] == "Originate"]
    assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "RuleBroken", "RuleBroken"]
    assert (order["Context"], order["CallerID"]) == ("outbound", "+38" + number.replace(" ", ""))


async def test_dialling_a_number_that_is_owed_a_call_is_its_attempt(house: House) -> None:
    """By another agent than the first nobody calls it meanwhile, neither by hand nor from the list."""
    async with scripted_asterisk() as asterisk:
        commands = commands_to(asterisk)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            orders = orders_of(house, commands)
            assert await dialled(orders, "101", OWED) is None
            assert isinstance(await said(orders, "102"), RuleBroken)
    assert await claimed_by(house) == "101"


@pytest.mark.parametrize("number", [OWED, NEW])
async def test_a_number_that_asterisk_refused_to_dial_is_free_again(house: House, number: str) -> None:
    async with scripted_asterisk(refused_actions={"Originate"}) as asterisk:
        commands = commands_to(asterisk)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            orders = orders_of(house, commands)
            assert isinstance(await dialled(orders, "101", number), Refused)
            asterisk.refused_actions.clear()
            assert await dialled(orders, "102", number) is None


@pytest.mark.parametrize(
    ("number", "why"), [("+1 900 555 1234", "may not be called"), ("12", "not a phone number"), ("", "not a phone")]
)
async def test_what_may_not_be_dialled_is_said_and_claims_nothing(house: House, number: str, why: str) -> None:
    async with scripted_asterisk() as asterisk:
        answer = await dialled(orders_of(house, commands_to(asterisk)), "101", number)
        assert isinstance(answer, RuleBroken)
        assert why in str(answer)
        assert asterisk.received == []
    assert await house.rows("SELECT * FROM dialling") == []


async def test_a_colleague_is_called_under_the_own_extension_and_not_oneself(house: House) -> None:
    async with scripted_asterisk() as asterisk:
        commands = commands_to(asterisk)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            orders = orders_of(house, commands)
            await orders.call_colleague("101", "102")
            for other in ("101", "999", "102&PJSIP/900"):
                with pytest.raises(RuleBroken):
                    await orders.call_colleague("101", other)
        [order] = [each for each in asterisk.received if each["Action"] == "Originate"]
    assert (order["Channel"], order["Context"], order["Exten"]) == ("PJSIP/agent-101", "colleague", "102")
    assert order["Variable"] == "FROM=101"


async def test_nothing_but_names_of_channels_and_places_of_ours_is_sent(house: House) -> None:
    async with scripted_asterisk() as asterisk:
        commands = commands_to(asterisk)
        for order in (
            commands.set_variable("PJSIP/agent-101-00000001", "HOLD_OTHER", "PJSIP/x,1)\r\nAction: Command"),
            commands.set_variable("PJSIP/agent-101-00000001", "CHANNEL(hangup_handler_push)", "PJSIP/agent-102"),
            commands.redirect("Local/5@from-agent", "talk", context="hold"),
            commands.redirect("PJSIP/agent-101", "talk", context="hold,x"),
            commands.blind_transfer("PJSIP/agent-101", "1 2", context="from-agent"),
            commands.attended_transfer("PJSIP/agent-101", "${EVIL}", context="from-agent"),
            commands.cancel_transfer("PJSIP/agent-101;1"),
        ):
            with pytest.raises(RuleBroken):
                await order
        assert asterisk.received == []
