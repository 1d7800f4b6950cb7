"""One value everywhere: page, CSV, XLSX, JSON and command tell the same figures, and only what is theirs to see."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from callcenter.cli import main
from callcenter.reports.rolling import Rolling
from callcenter.reports.sheets import CALLS, KINDS, Part
from callcenter.store import Database, Scope
from callcenter.store.embedded import Embedded
from tests.desk_house import Browser, House, desk_house
from tests.integration import report_house as made
from tests.integration.report_house import NOW
from tests.integration.test_cli import SETTINGS

SPAN = "first=2025-10-18&last=2025-10-28"
NS = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """The desk's two providers (Olena 101 serves the first, Taras 102 the second), with random calls and debts."""
    async with desk_house(database, tmp_path) as desk:
        calls = [call for call in made.draw(Random(12), 200) if call.provider < 3]
        async with database.scoped(Scope.all()) as connection:
            await connection.execute(
                text("INSERT INTO agent (extension, name, sip_secret) VALUES ('103', '103', 'secret-103')")
            )
            await made.insert(connection, calls)
            await made.insert_debts(connection, [d for d in made.draw_debts(Random(12), 80) if d.provider < 3])
        desk.clock.now = NOW
        await Rolling(database, lambda: NOW, lambda: True).step()
        yield desk


def bearer(house: House, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {house.tokens[name]}"}


async def told(house: House, query: str, token: str = "all") -> dict[str, Any]:
    answer = await house.client.get(f"/api/v1/reports?{query}", headers=bearer(house, token))
    assert answer.status == 200, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


class _Values(HTMLParser):
    """The values of a page: of its tiles by figure, of its tables by part, line and column."""

    def __init__(self) -> None:
        super().__init__()
        self.tiles: dict[str, str] = {}
        self.tables: dict[str, list[dict[str, str]]] = {}
        self._tile = self._part = self._column = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "data-figure" in given:
            self._tile, self._part = given["data-figure"], ""
        elif tag == "table":
            self._part, self._tile = given.get("data-part", ""), ""
            self.tables.setdefault(self._part, [])
        elif tag == "tr":
            self.tables.get(self._part, []).append({})
        elif tag == "td":
            self._column = given.get("data-column", "")
        elif tag == "data":
            if self._tile:
                self.tiles.setdefault(self._tile, given["value"])
            elif self._column:
                self.tables[self._part][-1][self._column] = given["value"]


async def page_of(browser: Browser, query: str) -> _Values:
    answer = await browser.get(f"/reports?{query}")
    assert answer.status == 200
    body = await answer.text()
    assert " style=" not in body
    assert "<script" not in body.replace("<script>alert", "")
    values = _Values()
    values.feed(body)
    return values


def workbook(raw: bytes) -> list[list[Any]]:
    """The cells of an XLSX, read by what the format says and not by who wrote it."""
    with zipfile.ZipFile(io.BytesIO(raw)) as book:
        page = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
        assert page.find(".//x:f", NS) is None, "a formula"
    lines = []
    for row in page.iterfind(".//x:row", NS):
        cells: list[Any] = []
        for cell in row.iterfind("x:c", NS):
            words, number = cell.find("x:is", NS), cell.find("x:v", NS)
            if words is not None:
                cells.append("".join(words.itertext()))
            else:
                cells.append(None if number is None or number.text is None else float(number.text))
        lines.append(cells)
    return lines


def plain(value: Any) -> str:
    return "" if value is None else str(value)


@pytest.mark.parametrize("part", [each.value for each in Part])
async def test_files_and_json_and_the_command_tell_the_same(
    house: House, part: str, postgres: Embedded, tmp_path: Path
) -> None:
    given = await told(house, f"{SPAN}&by={part}")
    raw = await (await house.client.get(f"/reports/report.csv?{SPAN}&by={part}", headers=bearer(house, "all"))).read()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    assert len(rows) == len(given["rows"])
    figures = [name for name in rows[0] if name in given["rows"][0]["figures"]] if rows else []
    for row, there in zip(rows, given["rows"], strict=True):
        assert {name: row[name] for name in figures} == {name: plain(there["figures"][name]) for name in figures}
    book = await (await house.client.get(f"/reports/report.xlsx?{SPAN}&by={part}", headers=bearer(house, "all"))).read()
    cells = workbook(book)[1 : len(rows) + 1]
    titles = len(rows[0]) - len(figures) if rows else 0
    for line, there in zip(cells, given["rows"], strict=True):
        assert line[titles:] == [there["figures"][name] for name in figures]
    config = tmp_path / "callcenter.toml"
    config.write_text(SETTINGS.format(folder=tmp_path, url=postgres.url, owner=postgres.owner_url))
    done = await _typed(["--config", str(config), "report", "--from", "2025-10-18", "--to", "2025-10-28", "--by", part,
                         "--csv"])  # fmt: skip
    assert done == raw.decode("utf-8-sig")


async def _typed(arguments: list[str]) -> str:
    import asyncio  # the command has a loop of its own, in a thread of its own

    done = await asyncio.to_thread(lambda: CliRunner().invoke(main, arguments))
    assert done.exit_code == 0, done.output
    return done.stdout_bytes.decode()


async def test_the_page_shows_those_values(house: House) -> None:
    async with house.browser() as browser:
        await browser.sign_in("iryna")
        shown = await page_of(browser, SPAN)
    whole = (await told(house, SPAN))["rows"][0]["figures"]
    assert shown.tiles == {name: plain(whole[name]) for name in shown.tiles}
    assert {"service_level", "answered", "missed", "answer_s", "handling_s", "debts_paid"} <= set(shown.tiles)
    for part in ("day", "week", "provider", "agent", "queue", "reason"):
        given = await told(house, f"{SPAN}&by={part}")
        lines = [line for line in shown.tables[part] if line]
        expected = [row["figures"] for row in given["rows"]]
        expected += [given["total"]] if len(expected) > 1 else []
        assert len(lines) == len(expected) > 0, part
        for line, figures in zip(lines, expected, strict=True):
            assert line == {name: plain(figures[name]) for name in line}, part


async def test_parts_add_up_to_the_whole(house: House) -> None:
    whole = (await told(house, SPAN))["rows"][0]["figures"]
    for part in ("provider", "queue", "reason", "day", "hour", "week"):
        given = await told(house, f"{SPAN}&by={part}")
        for name in (figure.name for figure in CALLS if figure.kind == "count"):
            assert sum(row["figures"][name] for row in given["rows"]) == whole[name] == given["total"][name], part
    assert whole["missed"] == sum(whole[kind] for kind in KINDS)


async def test_a_day_of_25_hours_has_25_rows(house: House) -> None:
    given = await told(house, "first=2025-10-26&last=2025-10-26&by=hour")
    hours = [row["hour"] for row in given["rows"]]
    assert len(hours) == 25
    assert [hour for hour in hours if "T03:00" in hour] == ["2025-10-26T03:00:00+03:00", "2025-10-26T03:00:00+02:00"]


async def test_nobody_sees_another_providers_figures(house: House) -> None:
    every = await told(house, f"{SPAN}&by=provider")
    assert {row["provider"] for row in every["rows"]} == {"svitlo", "dim-link"}
    theirs = await told(house, f"{SPAN}&by=provider", "svitlo")
    assert theirs["rows"] == [row for row in every["rows"] if row["provider"] == "svitlo"]
    assert {row["extension"] for row in (await told(house, f"{SPAN}&by=agent", "svitlo"))["rows"]} <= {
        "101",
        "102",
        "103",
    }
    for query in ("provider=2", "queue=dim-link", "agent=102", "queue=nowhere", "agent=999", "provider=2&queue=svitlo"):
        answer = await house.client.get(f"/api/v1/reports?{SPAN}&{query}", headers=bearer(house, "svitlo"))
        assert answer.status == 404, query
        for path in ("/reports", "/reports/report.csv", "/reports/report.xlsx"):
            assert (await house.client.get(f"{path}?{SPAN}&{query}", headers=bearer(house, "svitlo"))).status == 404


async def test_an_agent_is_shown_their_own_numbers_only(house: House) -> None:
    expected = await told(house, f"{SPAN}&agent=101", "svitlo")
    async with house.browser() as browser:
        await browser.sign_in("olena")
        own = await browser.get(f"/api/v1/reports?{SPAN}")
        assert (await own.json())["rows"] == expected["rows"]
        people = await (await browser.get(f"/api/v1/reports?{SPAN}&by=agent")).json()
        assert [row["extension"] for row in people["rows"]] == ["101"]
        for path in (f"/api/v1/reports?{SPAN}&agent=102", f"/reports?{SPAN}&agent=102"):
            assert (await browser.get(path)).status == 404
        shown = await page_of(browser, SPAN)
        assert [line for line in shown.tables["agent"] if line] == [
            {name: plain(people["rows"][0]["figures"][name]) for name in shown.tables["agent"][-1]}
        ]


async def test_a_file_is_named_after_what_it_is_of(house: House) -> None:
    answer = await house.client.get(f"/reports/report.xlsx?{SPAN}&by=agent&provider=1", headers=bearer(house, "all"))
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="report-svitlo-2025-10-18_2025-10-28-by-agent.xlsx"'
    )
    assert answer.headers["Cache-Control"] == "no-store"
    again = await house.client.get("/reports/report.csv?preset=yesterday", headers=bearer(house, "all"))
    assert "report-2025-10-28_2025-10-28-by-day.csv" in again.headers["Content-Disposition"]


@pytest.mark.parametrize(
    "query", ["first=2025-10-20&last=2025-10-01", "first=1999-01-01", "by=weather", "first=2001-01-01&last=2025-01-01"]
)
async def test_a_period_that_cannot_be_is_refused_by_the_api_and_forgiven_on_the_page(house: House, query: str) -> None:
    assert (await house.client.get(f"/api/v1/reports?{query}", headers=bearer(house, "all"))).status == 422
    async with house.browser() as browser:
        await browser.sign_in("iryna")
        assert (await browser.get(f"/reports?{query}")).status == 200


async def test_a_period_without_calls_says_so(house: House) -> None:
    async with house.browser() as browser:
        await browser.sign_in("iryna")
        body = await (await browser.get("/reports?first=2024-01-01&last=2024-01-02")).text()
    assert "За ці дні дзвінків немає" in body
    assert re.search(r'data-figure="service_level".*?–', body, re.S)
