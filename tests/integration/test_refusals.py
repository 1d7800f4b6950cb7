"""Why an order was refused is said in the language of who gave it, and to a program in English."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callcenter.errors import RuleBroken
from callcenter.store import Database
from tests.desk_house import ORIGIN, House, desk_house

HOLD = "/api/v1/agents/101/hold"


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with desk_house(database, tmp_path) as house:
        yield house


async def test_a_refusal_is_in_the_readers_language(house: House) -> None:
    house.orders.fails_with = RuleBroken("the phone of agent 102 is in a call", "refusal.busy", agent="102")
    async with house.browser() as browser:
        await browser.sign_in("olena")
        headers = {"Origin": ORIGIN, "X-CSRF-Token": browser.csrf}
        answer = await browser.session.post(house.url(HOLD), json={}, headers=headers)
        assert answer.status == 409
        assert (await answer.json())["detail"] == "Телефон 102 зайнятий розмовою."
    program = await house.client.post(HOLD, json={}, headers={"Authorization": f"Bearer {house.tokens['all']}"})
    assert (await program.json())["detail"] == "the phone of agent 102 is in a call"


async def test_a_refusal_without_words_of_its_own_is_told_as_it_is(house: House) -> None:
    house.orders.fails_with = RuleBroken("not today", "refusal.nobody-wrote-this")
    async with house.browser() as browser:
        await browser.sign_in("olena")
        headers = {"Origin": ORIGIN, "X-CSRF-Token": browser.csrf}
        answer = await browser.session.post(house.url(HOLD), json={}, headers=headers)
        assert (await answer.json())["detail"] == "not today"
