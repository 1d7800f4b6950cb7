"""Diagnoses in the web, over a real OLT: ordered and read by the API, shown on the call's page, closed to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from markupsafe import escape
from sqlalchemy import text

from callcenter.desk.languages import load_catalogues
from callcenter.desk.lookups import lookups_of
from callcenter.desk.pages import PORTS
from callcenter.desk.server import make_app
from callcenter.diag.conclusion import Lamp
from callcenter.store import Database, Scope
from callcenter.words import UniqueId
from tests.desk_house import CALLS, HOSTILE, MISSED, Browser, House, a_day_of_work, desk_house
from tests.integration.test_diagnosis import OURS, Bench, bench
from tests.keys import VAULT


@dataclass
class Web:
    house: House
    lines: Bench
    client: TestClient[Request, Application]
    subscriber: int

    async def ask(self, method: str, path: str, token: str = "svitlo", **options: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.house.tokens[token]}", "Accept-Language": "en"}
        answer = await self.client.request(method, f"/api/v1{path}", headers=headers, **options)
        return answer.status, await answer.json()

    async def ended(self, number: int) -> dict[str, Any]:
        async with asyncio.timeout(90):
            while True:
                self.lines.changed.clear()
                status, told = await self.ask("GET", f"/diagnoses/{number}")
                assert status == 200
                if told["state"] == "ended":
                    return dict(told)
                await self.lines.changed.wait()


@asynccontextmanager
async def web(database: Database, folder: Path) -> AsyncIterator[Web]:
    """Svitlo's subscriber has the first line of its OLT; what happens to it is the bench's."""
    async with desk_house(database, folder) as house:
        await a_day_of_work(house)
        async with bench(database, seeds=False) as lines:
            reader, outages = lines.diagnoses._examination._lines, lines.diagnoses._examination._outages
            lookups = lookups_of(database, reader, VAULT, lines.clock, outages, lines.diagnoses)  # type: ignore[arg-type]
            ports = replace(house.app[PORTS], diagnoses=lines.diagnoses, diagnose=lookups.diagnose)
            async with database.scoped(Scope.only([OURS])) as connection:
                row = await connection.execute(
                    text("UPDATE subscriber SET device_id = :device, onu = :onu WHERE provider_id = 1 RETURNING id"),
                    {"device": lines.device.id, "onu": str(lines.cast[2].address)},
                )
                subscriber = int(row.scalar_one())
            async with TestClient(TestServer(make_app(ports))) as client:
                yield Web(house, lines, client, subscriber)


async def page(made: Web, login: str, path: str) -> tuple[int, str]:
    """As a browser that signed in sees it, of the web that knows the lines."""
    async with made.house.browser() as browser:
        signed: Browser = browser
        await signed.sign_in(login)
        cookies = {cookie.key: cookie.value for cookie in signed.session.cookie_jar}
        answer = await made.client.get(path, cookies=cookies, headers={"Accept-Language": "en"}, allow_redirects=False)
        return answer.status, await answer.text()


async def test_a_diagnosis_is_ordered_and_read_while_it_runs_and_afterwards(database: Database, tmp_path: Path) -> None:
    async with web(database, tmp_path) as made:
        order = f"/subscribers/{made.subscriber}/diagnoses"
        status, begun = await made.ask("POST", order)
        assert (status, begun["state"], begun["who"], begun["call"]) == (200, "running", "token:svitlo", None)
        again = (await made.ask("POST", order))[1]
        assert again["id"] == begun["id"], "one that is under way goes on"
        told = await made.ended(begun["id"])
        assert (told["conclusion"]["cause"], told["conclusion"]["visit"]) == ("critical", True)
        assert told["conclusion"]["say"]
        assert "%(" not in str(told)
        assert {step["name"] for step in told["steps"]} >= {"olt", "levels", "icmp"}
        levels = next(step for step in told["steps"] if step["name"] == "levels")
        assert "dBm" in levels["facts"][0]["said"]
        async with asyncio.timeout(20):
            while (kept := (await made.ask("GET", order))[1]["items"])[0]["ended_at"] is None:
                await asyncio.sleep(0.01)
        assert kept == [told]
        later = (await made.ask("POST", order))[1]
        assert later["id"] != begun["id"]


async def test_another_providers_diagnosis_is_not_there(database: Database, tmp_path: Path) -> None:
    async with web(database, tmp_path) as made:
        order = f"/subscribers/{made.subscriber}/diagnoses"
        number = (await made.ask("POST", order))[1]["id"]
        for method, path in (("GET", f"/diagnoses/{number}"), ("GET", order), ("POST", order)):
            status, told = await made.ask(method, path, token="dim")
            assert (status, "vezha" in str(told)) == (404, False)
        await made.ended(number)
        assert (await made.ask("GET", f"/diagnoses/{number}", token="dim"))[0] == 404
        assert (await made.ask("GET", f"/calls/{CALLS[1]}/diagnoses", token="dim"))[0] == 404
        assert (await made.ask("GET", f"/diagnoses/{number}", token="all"))[0] == 200


async def test_a_line_that_cannot_be_looked_at_says_why(database: Database, tmp_path: Path) -> None:
    async with web(database, tmp_path) as made:
        async with database.scoped(Scope.only([OURS])) as connection:
            await connection.execute(text("UPDATE subscriber SET onu = NULL, port = NULL"))
        status, told = await made.ask("POST", f"/subscribers/{made.subscriber}/diagnoses")
        assert status == 409
        assert told["detail"]
        for path in ("/subscribers/999999/diagnoses", "/diagnoses/999999", "/diagnoses/0", "/diagnoses/x"):
            assert (await made.ask("GET", path))[0] == 404
        wrong = await made.ask("POST", f"/subscribers/{made.subscriber}/diagnoses", json={"device": 1})
        assert wrong[0] == 422
        assert (await made.ask("GET", f"/subscribers/{made.subscriber}/diagnoses?since=yesterday"))[0] == 422


async def test_the_calls_page_shows_what_was_found_in_it(database: Database, tmp_path: Path) -> None:
    async with web(database, tmp_path) as made:
        diagnoses = made.lines.diagnoses
        begun = await diagnoses.start(made.lines.about(made.lines.cast[4]), f"user:{HOSTILE}", UniqueId(CALLS[1]))
        await made.lines.until(begun.id, lambda now: now.ended_at is not None)
        await diagnoses.answer(begun.id, Lamp.POWER_LIT, False, "user:Олена")
        await diagnoses.answer(begun.id, Lamp.LOS_RED, None, "user:Олена")
        status, shown = await page(made, "olena", f"/calls/{CALLS[1]}")
        assert status == 200
        assert shown.count('class="panel diagnosed"') == 1
        words = load_catalogues()["uk"]
        for key in ("line.say.no-power", "line.say.no-light", "diag.lamp.power_lit.no", "diag.lamp.los_red.untold"):
            assert str(escape(words.text(key, word="–"))) in shown, key
        assert str(made.lines.cast[4].address) in shown
        assert words.text("diag.fact.olt_answers", device="vezha") in shown
        assert "<img src=x" not in shown
        [told] = (await made.ask("GET", f"/calls/{CALLS[1]}/diagnoses"))[1]["items"]
        assert [each["cause"] for each in told["before"]] == ["no-light"]
        assert [(each["lamp"], each["lit"]) for each in told["answers"]] == [("power_lit", False), ("los_red", None)]
        assert (await made.ask("GET", f"/calls/{MISSED[1]}/diagnoses"))[1]["items"] == []
        assert 'class="panel diagnosed"' not in (await page(made, "olena", f"/calls/{MISSED[1]}"))[1]
        status, shown = await page(made, "taras", f"/calls/{CALLS[1]}")
        assert (status, "vezha" in shown) == (404, False)


async def test_one_that_the_service_was_stopped_in_is_broken_off(database: Database, tmp_path: Path) -> None:
    """And what another version wrote is shown as far as it is understood."""
    async with web(database, tmp_path) as made:
        async with database.scoped(Scope.only([OURS])) as connection:
            number = (
                await connection.execute(
                    text(
                        "INSERT INTO diagnosis (provider_id, call_id, line, started_at, who, steps) VALUES "
                        "(1, :call, 'EPON0/1:1', CAST('2026-01-01T00:00Z' AS timestamptz), 'user:Олена', "
                        """'[{"name": "mac", "state": "done", "took_ms": null, "facts": """
                        """[{"key": "diag.fact.tea_leaves", "args": {}}, {"key": "diag.fact.vlan", "args": {}}]}]') """
                        "RETURNING id"
                    ),
                    {"call": CALLS[1]},
                )
            ).scalar_one()
        told = (await made.ask("GET", f"/diagnoses/{number}"))[1]
        assert (told["state"], told["conclusion"]) == ("broken_off", None)
        assert [fact["said"] for fact in told["steps"][0]["facts"]] == ["diag.fact.tea_leaves", "diag.fact.vlan"]
        status, shown = await page(made, "iryna", f"/calls/{CALLS[1]}")
        assert status == 200
        assert load_catalogues()["uk"].text("diag.standing.broken_off") in shown
        assert "diag.fact.tea_leaves" in shown


async def test_an_order_without_lines_or_without_a_database_says_so(database: Database, tmp_path: Path) -> None:
    async with desk_house(database, tmp_path) as house:
        await a_day_of_work(house)
        headers = {"Authorization": f"Bearer {house.tokens['svitlo']}"}
        found = await (await house.client.get("/api/v1/subscribers?words=100245", headers=headers)).json()
        path = f"/api/v1/subscribers/{found['items'][0]['id']}/diagnoses"
        assert (await house.client.post(path, headers=headers)).status == 503
