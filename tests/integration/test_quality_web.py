"""How well talks are heard, told by pages' phones: kept with the agent's own call, shown to its provider's people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from sqlalchemy import text

from callcenter.calls.quality import Way
from callcenter.calls.quality_rows import keep_ended
from callcenter.calls.rtcp import LegHeard, LegSound
from callcenter.desk.pages import PORTS
from callcenter.desk.ports import AgentNow, Snapshot
from callcenter.desk.server import make_app
from callcenter.store import Database, Scope
from callcenter.store.alarms import open_alarms
from callcenter.words import LinkedId, ProviderId, UniqueId
from tests.desk_house import CALLS, ORIGIN, House, a_day_of_work, desk_house

WAY = {"packets": 1000, "lost": 10, "jitter_ms": 4.0}
GOOD: dict[str, Any] = {"codec": "opus", "sent": WAY, "received": WAY, "rtt_ms": 40.0, "unheard_s": 0, "silent_s": 0}
BAD_WAY = {"packets": 700, "lost": 300, "jitter_ms": 80.0}

Client = TestClient[Request, Application]


@asynccontextmanager
async def talking(database: Database, folder: Path, call: str | None = CALLS[1]) -> AsyncIterator[tuple[House, Client]]:
    """Olena (101) talks in this call of svitlo."""
    async with desk_house(database, folder) as house:
        await a_day_of_work(house)
        named = None if call is None else UniqueId(call)
        agents = (
            AgentNow("101", "talking", house.clock(), provider=ProviderId(1), call=named),
            AgentNow("102", "ready", house.clock()),
        )
        snapshot = Snapshot(linked=True, since=house.clock(), agents=agents, queues=())
        ports = replace(house.app[PORTS], live=lambda: snapshot)
        async with TestClient(TestServer(make_app(ports))) as client:
            yield house, client


async def tell(house: House, client: Client, login: str, body: object) -> int:
    async with house.browser() as browser:
        await browser.sign_in(login)
        cookies = {cookie.key: cookie.value for cookie in browser.session.cookie_jar}
        headers = {"Origin": ORIGIN, "X-CSRF-Token": browser.csrf}
        return (await client.post("/api/v1/phone/quality", json=body, cookies=cookies, headers=headers)).status


async def ask(house: House, client: Client, path: str, token: str) -> tuple[int, Any]:
    answer = await client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {house.tokens[token]}"})
    return answer.status, await answer.json()


async def test_what_a_page_counts_is_kept_with_its_call_with_its_worst_moment(
    database: Database, tmp_path: Path
) -> None:
    async with talking(database, tmp_path) as (house, client):
        for body in (GOOD, GOOD | {"received": BAD_WAY, "silent_s": 3}, *[GOOD] * 30):
            assert await tell(house, client, "olena", body) == 204
        status, told = await ask(house, client, f"/calls/{CALLS[1]}/quality", "svitlo")
        assert status == 200
        sides = {one["side"]: one for one in told["items"]}
        caller = sides["caller"]
        assert {side: (one["codec"], one["extension"], one["source"]) for side, one in sides.items()} == {
            "agent": ("opus", "101", "browser"),
            "caller": ("opus", "101", "browser"),
        }
        assert (caller["packets"], caller["lost"]) == (31 * 1000 + 700, 31 * 10 + 300), "a reload begins to count anew"
        assert caller["heard"] == "good"
        assert caller["now_mos"] == sides["agent"]["now_mos"] == sides["agent"]["worst_mos"]
        assert caller["worst_mos"] < 3
        assert (caller["silent_s"], caller["longest_silent_s"]) == (0, 3)
        assert (await ask(house, client, "/quality/now", "svitlo"))[1]["items"] == [], "that call is over"
        async with database.scoped(Scope.all()) as connection:
            await connection.execute(text("UPDATE call SET ended_at = NULL WHERE id = :call"), {"call": CALLS[1]})
        for path in ("/quality", "/quality/now", "/quality?extension=101"):
            items = (await ask(house, client, path, "svitlo"))[1]["items"]
            assert {one["side"] for one in items} == {"agent", "caller"}, path
        assert (await ask(house, client, "/quality", "svitlo"))[1]["items"][0]["side"] == "caller", "worst first"
        for extension in ("102", "trunk"):
            assert (await ask(house, client, f"/quality?extension={extension}", "svitlo"))[1]["items"] == []
        assert (await ask(house, client, f"/calls/{CALLS[1]}/quality", "dim"))[0] == 404
        for path in ("/quality", "/quality/now"):
            assert (await ask(house, client, path, "dim"))[1]["items"] == []
        async with house.browser() as sofiia:
            await sofiia.sign_in("sofiia")
            cookies = {cookie.key: cookie.value for cookie in sofiia.session.cookie_jar}
            for path in (f"/calls/{CALLS[1]}", "/quality", "/quality?extension=101"):
                page = await (await client.get(path, cookies=cookies)).text()
                assert "абонента" in page, path
            empty = await (await client.get("/quality?extension=trunk", cookies=cookies)).text()
            assert "Ще нічого не пораховано" in empty
            file = await client.get("/quality.csv?extension=101", cookies=cookies)
            lines = (await file.text()).lstrip("\ufeff").splitlines()
            assert file.content_type == "text/csv"
            assert len(lines) == 3
            assert lines[1].split(",")[1:6] == [CALLS[1], "101", "абонента", "сторінка", "opus"]


async def test_only_who_leads_takes_the_list_away(database: Database, tmp_path: Path) -> None:
    async with talking(database, tmp_path) as (house, client), house.browser() as olena:
        await olena.sign_in("olena")
        cookies = {cookie.key: cookie.value for cookie in olena.session.cookie_jar}
        for path in ("/quality", "/quality.csv"):
            assert (await client.get(path, cookies=cookies, allow_redirects=False)).status == 403, path


async def test_the_journal_tells_of_calls_the_ledger_knows_and_says_it_twice_without_harm(
    database: Database, tmp_path: Path
) -> None:
    async with talking(database, tmp_path) as (house, client):
        at = house.clock()
        heard = LegHeard(Way(900, 100, 20.0, 80.0), Way(1000, 0, 2.0, 80.0))
        agent = LegSound(UniqueId("pbx-9.1"), LinkedId(CALLS[1]), "101", heard, "alaw", at)
        trunk = LegSound(UniqueId("pbx-9.2"), LinkedId(CALLS[1]), "", LegHeard(heard.received, None), "alaw", at)
        nobody = LegSound(UniqueId("pbx-9.3"), LinkedId("pbx-7.7"), "101", heard, "alaw", at)
        for _ in range(2):
            async with database.scoped(Scope.all()) as connection:
                await keep_ended(connection, [agent, trunk, nobody])
        items = (await ask(house, client, f"/calls/{CALLS[1]}/quality", "svitlo"))[1]["items"]
        assert [(one["extension"], one["side"], one["packets"], one["lost"]) for one in items] == [
            ("101", "agent", 900, 100),
            ("101", "caller", 1000, 0),
            ("", "caller", 900, 100),
        ]
        assert len((await ask(house, client, "/quality", "all"))[1]["items"]) == 3


async def test_nothing_of_an_agent_is_an_alarm_until_they_are_heard(database: Database, tmp_path: Path) -> None:
    async def alarms() -> list[tuple[str, str]]:
        async with database.scoped(Scope.only([ProviderId(1)])) as connection:
            return [
                (each.kind, each.subject) for each in await open_alarms(connection) if each.kind.startswith("agent")
            ]

    async with talking(database, tmp_path) as (house, client):
        await tell(house, client, "olena", GOOD | {"unheard_s": 5})
        assert await alarms() == []
        await tell(house, client, "olena", GOOD | {"unheard_s": 10})
        await tell(house, client, "olena", GOOD | {"unheard_s": 15})
        assert await alarms() == [("agent_not_heard", "101/svitlo")]
        await tell(house, client, "olena", GOOD)
        assert await alarms() == [("agent_not_heard", "101/svitlo")], (
            "muted, or a talk that has just begun: nobody was heard"
        )
        await tell(house, client, "olena", GOOD | {"heard": True})
        assert await alarms() == []


async def test_who_talks_with_nobody_tells_of_nothing(database: Database, tmp_path: Path) -> None:
    async with talking(database, tmp_path, call=None) as (house, client):
        assert await tell(house, client, "olena", GOOD) == 204
        assert (await ask(house, client, "/quality", "all"))[1]["items"] == []
        assert await tell(house, client, "taras", GOOD) == 204
        assert await tell(house, client, "iryna", GOOD) == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"codec": "<script>"},
        {"sent": {"packets": -1, "lost": 0}},
        {"sent": {"packets": 1, "lost": 2**60}},
        {"rtt_ms": float("1e9")},
        {"unheard_s": -1},
        {"more": 1},
        {"received": None},
    ],
)
async def test_counts_that_cannot_be_are_refused(database: Database, tmp_path: Path, wrong: dict[str, Any]) -> None:
    async with talking(database, tmp_path) as (house, client):
        assert await tell(house, client, "olena", GOOD | wrong) == 422
        assert (await ask(house, client, "/quality", "all"))[1]["items"] == []
