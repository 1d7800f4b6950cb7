"""Orders from the page to a scripted manager: a number is called back once at a time, whatever Asterisk answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.ami.commands import Commands
from callcenter.ami.live import LiveView
from callcenter.config import OutboundSettings
from callcenter.floor.orders import Orders
from callcenter.errors import CallCenterError, Refused, RuleBroken, Unavailable
from callcenter.store import Database
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
