"""The wallboard of the whole service at a real Asterisk: a call walks over it, and today's numbers are the report's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from sqlalchemy import text

from callcenter.reports.periods import Today
from callcenter.reports.queries import By, Key, Wanted, totals
from callcenter.store import Scope
from callcenter.words import ProviderId
from lab.house import House
from lab.sip import Behaviour
from tests.live.conftest import IMPATIENT_DID, Books, new_number, until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]


async def kray(house: House) -> dict[str, Any]:
    board = await house.api("GET", "/wallboard")
    row: dict[str, Any] = next(each for each in board["providers"] if each["brand"] == "Край")
    return row | {"agents": {each["extension"]: each for each in board["agents"]}, "alarms": board["alarms"]}


async def seated(house: House) -> bool:
    """Agent 104 is a member of the queue in Asterisk: before that a caller of a house just opened finds it empty."""
    return "agent-104" in await house.asterisk.rx("queue show kray")


async def test_a_call_walks_over_the_board_and_into_todays_numbers(house: House, books: Books) -> None:
    await until(lambda: seated(house), 15, "104 sits in the queue")
    before = await kray(house)
    number, missed = new_number(), new_number()
    call = await house.dial(IMPATIENT_DID, number)

    async def rings() -> dict[str, Any] | None:
        row = await kray(house)
        return row if row["agents"]["104"]["state"] == "ringing" else None

    row = await until(rings, 20, "the phone of 104 rings on the board")
    assert (row["lines"], row["waiting"], row["agents"]["104"]["provider"]) == (1, 1, row["id"])
    (await house.phones["104"].rings()).answer()

    async def talks() -> dict[str, Any] | None:
        row = await kray(house)
        return row if row["agents"]["104"]["state"] == "talking" else None

    row = await until(talks, 15, "104 talks on the board")
    assert (row["lines"], row["waiting"], row["agents"]["104"]["call"] is not None) == (1, 0, True)
    second = await house.dial(IMPATIENT_DID, missed)
    await until(lambda: _waits(house), 15, "the second caller waits on the board")
    second.hangup()
    await books.owed_once(missed, "left_waiting")
    call.hangup()
    await books.ended(number)

    async def counted() -> dict[str, Any] | None:
        row = await kray(house)
        return row if row["lines"] == 0 and row["today"]["answered"] == before["today"]["answered"] + 1 else None

    row = await until(counted, 15, "the answered call is counted")
    async with house.db.scoped(Scope.all()) as connection:
        now = (await connection.execute(text("SELECT now()"))).scalar_one()
        report = (await totals(connection, Wanted(Today(now)), By.PROVIDER))[Key(provider=ProviderId(row["id"]))]
    assert (row["today"]["answered"], row["today"]["missed"]) == (report.answered, report.missed)
    assert row["today"]["kinds"] == dict(report.kinds)

    async def owed_as_kept() -> bool:
        async with house.db.scoped(Scope.only([ProviderId(row["id"])])) as connection:
            kept = (
                await connection.execute(text("SELECT count(*) FROM callback WHERE closed_at IS NULL"))
            ).scalar_one()
        return bool(kept >= 1 and (await kray(house))["owed"]["open"] == kept)

    await until(owed_as_kept, 15, "the board shows as many callbacks as are kept")


async def _waits(house: House) -> bool:
    return bool((await kray(house))["waiting"])


async def test_a_lead_hears_a_call_from_the_board_and_leaves_a_trace(house: House, books: Books) -> None:
    """The phone of who leads rings, and who heard is written down with the call."""
    await until(lambda: seated(house), 15, "104 sits in the queue")
    async with house.db.scoped(Scope.all()) as connection:
        await connection.execute(text("UPDATE user_account SET role = 'lead' WHERE login = 'agent101'"))
    try:
        house.phones["104"].behaviour = Behaviour(answer_after=0.2)
        number = new_number()
        call = await house.dial(IMPATIENT_DID, number)

        async def talks() -> str | None:
            agent = (await kray(house))["agents"]["104"]
            return agent["call"] if agent["state"] == "talking" else None

        heard = await until(talks, 20, "104 talks on the board")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            form = {"login": "agent101", "password": house.passwords["agent101"]}
            await http.post(f"{house.url}/sign-in", data=form, headers={"Origin": house.url})
            async with http.get(f"{house.url}/api/v1/me") as answer:
                headers = {"Origin": house.url, "X-CSRF-Token": (await answer.json())["csrf"]}
            order = asyncio.ensure_future(
                http.post(f"{house.url}/api/v1/agents/104/listen", json={"mode": "listen"}, headers=headers)
            )
            (await house.phones["101"].rings()).answer()
            answer = await order
            assert (answer.status, await answer.json()) == (200, {"call": heard})
        rows = await books.rows("SELECT call_id, agent, mode FROM live_listening WHERE call_id = :c", c=heard)
        assert rows == [{"call_id": heard, "agent": "104", "mode": "listen"}]

        async def talked_enough() -> bool:
            since = datetime.fromisoformat((await kray(house))["agents"]["104"]["since"])
            return datetime.now(UTC) - since > timedelta(seconds=4)

        await until(talked_enough, 15, "longer than the least a conversation lasts")
        call.hangup()
        (kept,) = await books.ended(number)
        assert (kept["id"], kept["outcome"]) == (heard, "answered")
        assert [each["how"] for each in (await house.api("GET", f"/calls/{heard}"))["heard"]] == ["listen"]
    finally:
        async with house.db.scoped(Scope.all()) as connection:
            await connection.execute(text("UPDATE user_account SET role = 'agent' WHERE login = 'agent101'"))
