"""The proof of completeness over calls of a real Asterisk: the service is killed in between, and nothing differs."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lab.house import House
from lab.sip import Behaviour
from tests.live.conftest import CLOSED_DID, DID, IMPATIENT_DID, Books, new_number, until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def audited(house: House) -> dict[str, Any]:
    """Today and yesterday by the operator's own command, as midnight may fall into a test."""
    today = datetime.now(UTC).astimezone(ZoneInfo("Europe/Kyiv")).date()
    found = [
        json.loads(await house.callcenter("callbacks", "audit", "--day", f"{day}", "--json"))
        for day in (today, today - timedelta(days=1))
    ]
    lines = [line for each in found for line in each["providers"]]
    return {
        "differences": [one for each in found for one in each["differences"]],
        **{name: sum(line[name] for line in lines) for name in ("calls", "misses", "callbacks", "difference")},
    }


async def a_few_calls(house: House) -> list[str]:
    """One leaves in the greeting, one waits in vain, one comes at night, one is talked to."""
    numbers = [new_number() for _ in range(4)]
    greeting = await house.dial(DID, numbers[0])
    await greeting.answered()
    greeting.hangup()
    waits = await house.dial(IMPATIENT_DID, numbers[1])
    night = await house.dial(CLOSED_DID, numbers[2])
    talks = await house.dial(DID, numbers[3])
    await talks.answered()
    await until(lambda: _talking(house), 20, "an agent picks up")
    await asyncio.sleep(2)
    talks.hangup()
    for call in (waits, night):
        await asyncio.wait_for(call.ended(), 30)
    return numbers


async def _talking(house: House) -> bool:
    return any(call.is_answered and not call.is_ended for phone in house.phones.values() for call in phone.calls)


async def test_a_day_with_a_killed_service_has_no_difference(house: House, books: Books) -> None:
    house.phones["101"].behaviour = house.phones["102"].behaviour = Behaviour(answer_after=0.2)
    house.phones["104"].behaviour = Behaviour(answer_after=None)
    before = await audited(house)
    assert before["differences"] == []
    numbers = await a_few_calls(house)
    await house.service.kill9()
    numbers += await a_few_calls(house)
    meanwhile = await audited(house)
    assert meanwhile["differences"] == [], "what is not committed yet is no difference"
    await house.service.start()
    for number in numbers:
        await books.ended(number)
    after = await audited(house)
    assert after["differences"] == []
    assert after["calls"] - before["calls"] == len(numbers)
    assert after["misses"] - before["misses"] == after["callbacks"] - before["callbacks"] == 6

    async def by_the_service() -> bool:
        found = await books.rows("SELECT sum(difference) AS n FROM audit_day HAVING count(*) > 0")
        return bool(found) and found[0]["n"] == 0

    await until(by_the_service, 90, "the service's own audit")
