"""What the stories of the agent's day share: the floor's word, the ledger's word, what has been ordered."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from playwright.async_api import Page, expect
from sqlalchemy import text

from callcenter.ami.facts import AgentAnswered
from callcenter.calls.entry import LedgerEntry
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord
from callcenter.desk.ports import AgentNow
from callcenter.routing.numbers import caller_number
from callcenter.store import Scope
from callcenter.words import Did, ProviderId, UniqueId
from tests.agent_house import MARIIA, SVITLO_DID, AgentHouse, real_now


def at(house: AgentHouse, state: str, agent: str = "101", **more: object) -> None:
    """The floor says what an agent is at."""
    house.picture[agent] = AgentNow(agent, state, real_now(), **more)  # type: ignore[arg-type]
    house.screens.rail.stir()


async def given(house: AgentHouse, *orders: tuple[object, ...]) -> None:
    """Until exactly these orders have reached the floor, in this order."""
    async with asyncio.timeout(8):
        while len(house.orders.given) < len(orders):
            await asyncio.sleep(0.01)
    assert house.orders.given == list(orders)
    house.orders.given.clear()


async def keep_call(house: AgentHouse, call: str, *, direction: str = "in", number: str = "+380671234567") -> None:
    """The ledger knows this call, as it does a moment after it began."""
    values = {"id": call, "direction": direction, "did": f"+{SVITLO_DID}", "number": number, "at": real_now()}
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(_CALL, values)


async def notes(house: AgentHouse) -> list[tuple[str, str, str, str]]:
    async with house.db.scoped(Scope.all()) as conn:
        rows = await conn.execute(text("SELECT call_id, agent, reason, note FROM call_note ORDER BY call_id, agent"))
        return [tuple(row) for row in rows]


async def talk(house: AgentHouse) -> UniqueId:
    """A subscriber talks with Olena, and the ledger knows of it."""
    call = house.rings(house.arrives())
    await keep_call(house, call)
    house.tell(AgentAnswered(call, "101"))
    at(house, "talking", provider=ProviderId(1), call=call)
    return call


async def signed_in(house: AgentHouse, new_page: object) -> Page:
    page: Page = await new_page()  # type: ignore[operator]
    page.set_default_timeout(8000)
    await page.goto(f"{house.url}/sign-in")
    await page.fill("[name=login]", "olena")
    await page.fill("[name=password]", "ясне-сонце-7")
    await page.keyboard.press("Enter")
    await expect(page.locator("#status .state")).to_be_visible()
    return page


async def both_serve_svitlo(house: AgentHouse) -> None:
    """Taras too: the book is read anew."""
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("INSERT INTO queue_agent (queue_id, agent_id, provider_id) VALUES (1, 2, 1)"))
    await house.read_book()


async def owed(house: AgentHouse, number: str = "+380671234567", minutes_left: int = 10, **more: object) -> int:
    now = real_now()
    values = {"number": number, "at": now - timedelta(minutes=20), "due": now + timedelta(minutes=minutes_left), **more}
    columns = "".join(f", {name}" for name in more)
    marks = "".join(f", :{name}" for name in more)
    async with house.db.scoped(Scope.all()) as conn:
        statement = (
            "INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, misses, last_missed_at"
            f"{columns}) VALUES (1, :number, true, :at, :due, :due, 1, :at{marks}) RETURNING id"
        )
        return int((await conn.execute(text(statement), values)).scalar_one())


def own_call(house: AgentHouse, call: UniqueId, callback: int, outcome: CallOutcome | None) -> LedgerEntry:
    """What the ledger says of Olena's call back."""
    now, provider = real_now(), house.ports.book().provider(ProviderId(1))
    assert provider is not None
    record = CallRecord(
        id=call, direction="out", dialled=MARIIA, number_raw=MARIIA, caller_name="", trunk="", arrived_at=now,
        answered_at=None, queued_at=None, connected_at=None, ended_at=None if outcome is None else now,
        outcome=outcome, waited_s=None, talked_s=0.0, agents=("101",), rang=(), transfers=0, segments=(),
        hangup_by="", hangup_cause=None, recording=None, callback_id=callback, provider_slug="svitlo",
        ended=outcome is not None, settled=outcome is not None, whole=True, last_at=now,
    )  # fmt: skip
    return LedgerEntry(record, provider, caller_number(MARIIA, "UA"), Did(f"+{SVITLO_DID}"))


_CALL = text(
    "INSERT INTO call (id, provider_id, direction, did, dialled, number, callable, arrived_at, agents, rang) "
    "VALUES (:id, 1, :direction, :did, :did, :number, true, :at, '{101}', '{101}')"
)
