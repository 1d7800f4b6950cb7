"""Shifts and the audit in the API and on pages: who may order, and nobody sees another provider's lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from callcenter.callbacks.auditing import Audited, ProviderDay, keep
from callcenter.calls.audit import DayLine, Difference, Kind, Known
from callcenter.store import Database, Scope
from tests.desk_house import HASH, HOSTILE, NOON, ORIGIN, Browser, House, a_day_of_work, desk_house

V1 = "/api/v1"


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with desk_house(database, tmp_path) as made:
        await a_day_of_work(made)
        async with made.db.scoped(Scope.all()) as conn:
            await conn.execute(
                text("INSERT INTO user_account (login, password_hash, name, role, agent_id, providers) VALUES "
                     "('halyna', :hash, 'Галина', 'lead', NULL, NULL), ('roman', :hash, 'Роман', 'lead', NULL, '{1}')"),
                {"hash": HASH},
            )  # fmt: skip
        yield made


async def order(browser: Browser, what: str, **body: Any) -> tuple[int, Any]:
    """An order as a page of ours gives it."""
    answer = await browser.session.post(
        browser.house.url(f"{V1}/shift/{what}"), json=body, headers={"Origin": ORIGIN, "X-CSRF-Token": browser.csrf}
    )
    return answer.status, None if answer.status == 204 else await answer.json()


async def shown(house: House, token: str, path: str) -> Any:
    answer = await house.client.get(V1 + path, headers={"Authorization": f"Bearer {house.tokens[token]}"})
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def test_a_shift_from_opening_to_its_document(house: House) -> None:
    ends_at = (NOON + timedelta(hours=8)).isoformat()
    async with house.browser() as halyna, house.browser() as iryna:
        await halyna.sign_in("halyna")
        await iryna.sign_in("iryna")
        status, made = await order(halyna, "open", name="День", ends_at=ends_at)
        assert status == 200
        first = made["id"]
        assert (await order(iryna, "open", name="Ще", ends_at=ends_at))[0] == 409
        board = await shown(house, "all", "/shift")
        assert [(each["provider"], each["inherited"], each["left"]) for each in board["providers"]] == [
            (2, 2, 2), (1, 2, 2),
        ]  # fmt: skip
        status, told = await order(halyna, "offer", to=3)
        assert (status, "4 із 4 передзвонів" in told["detail"]) == (409, True)
        left = [each["callback"] for each in board["left"]]
        assert (await order(halyna, "name", callbacks=left, why=HOSTILE))[0] == 204
        assert (await order(halyna, "offer", to=3, note="усе спокійно"))[0] == 204
        house.clock.pass_(timedelta(hours=7))
        assert (await order(halyna, "accept", name="Ніч", ends_at=ends_at))[0] == 409
        status, made = await order(
            iryna, "accept", name="Ніч", ends_at=(house.clock() + timedelta(hours=9)).isoformat()
        )
        assert status == 200
        found = await shown(house, "all", f"/shifts/{first}")
        assert (found["shift"]["accepted_by"], found["shift"]["note"]) == ("user:Ірина", "усе спокійно")
        assert [each["why"] for document in found["documents"] for each in document["document"]["left"]] == [
            HOSTILE
        ] * 4
        [*_, again] = (await shown(house, "all", "/shifts?limit=2"))["items"]
        assert again["id"] == first
        assert (await shown(house, "all", "/shift"))["shift"]["id"] == made["id"]
        answer = await iryna.get(f"/shifts/{first}/shift.csv")
        rows = list(csv.reader(io.StringIO((await answer.read()).decode("utf-8-sig"))))
        assert [row[2:4] for row in rows if row[1] == "передзвони" and row[0] == "СвітлоНет"][:4] == [
            ["Успадковано", "2"], ["Нові", "0"], ["Закрито", "0"], ["Передзвонено", "0"],
        ]  # fmt: skip
        assert sum(row[3] == HOSTILE for row in rows) == 4


async def test_a_limited_supervisor_sees_ones_own_lines_and_orders_nothing(house: House) -> None:
    async with house.browser() as iryna:
        await iryna.sign_in("iryna")
        await order(iryna, "open", name="День", ends_at=(NOON + timedelta(hours=8)).isoformat())
        everything = await shown(house, "all", "/shift")
        await order(iryna, "name", callbacks=[each["callback"] for each in everything["left"]], why="потім")
        await order(iryna, "offer", to=5)
        async with house.browser() as halyna:
            await halyna.sign_in("halyna")
            house.clock.pass_(timedelta(hours=7))
            later = (house.clock() + timedelta(hours=9)).isoformat()
            assert (await order(halyna, "accept", name="Ніч", ends_at=later))[0] == 200
    board = await shown(house, "svitlo", "/shift")
    assert [each["provider"] for each in board["providers"]] == [1]
    assert {each["provider"] for each in board["left"]} == {1}
    kept = await shown(house, "svitlo", f"/shifts/{everything['shift']['id']}")
    assert [each["provider"] for each in kept["documents"]] == [1]
    for login in ("sofiia", "roman"):
        async with house.browser() as limited:
            await limited.sign_in(login)
            for what, body in (
                ("name", {"callbacks": [1], "why": "так"}), ("offer", {"to": 3}), ("close", {}), ("withdraw", {}),
            ):  # fmt: skip
                status, told = await order(limited, what, **body)
                assert (status, "усіх" in told["detail"]) == (403, True)
            for path in ("/shift", "/shift/board", "/shift/hand-over", "/shifts", "/audit"):
                page = await (await limited.get(path)).text()
                for trace in ("Дім.Лінк", "067 000 00 02", "Тарас"):
                    assert trace not in page, (path, trace)


async def test_an_agent_has_no_shift_page(house: House) -> None:
    async with house.browser() as olena:
        await olena.sign_in("olena")
        for path in ("/shift", "/shift/board", "/shift/hand-over", "/shifts", "/shifts/1", "/audit"):
            assert (await olena.get(path)).status == 403
        assert (await order(olena, "close"))[0] == 403


async def test_a_program_opens_no_shift_for_itself(house: House) -> None:
    headers = {"Authorization": f"Bearer {house.tokens['all']}"}
    body = {"name": "День", "ends_at": (NOON + timedelta(hours=8)).isoformat()}
    answer = await house.client.post(f"{V1}/shift/open", json=body, headers=headers)
    assert answer.status == 422
    answer = await house.client.post(f"{V1}/shift/open", json={**body, "lead": 5}, headers=headers)
    assert answer.status == 200
    assert (await shown(house, "all", "/shift"))["shift"]["lead_name"] == "Галина"


async def test_what_a_form_cannot_mean_is_said_in_words(house: House) -> None:
    async with house.browser() as halyna:
        await halyna.sign_in("halyna")
        for what, fields in (
            ("open", {"name": "День", "ends_at": "завтра"}), ("open", {"name": "", "ends_at": "2026-11-22T20:00"}),
            ("name", {"why": "так"}), ("name", {"callbacks": "один", "why": "так"}), ("offer", {"to": "мамі"}),
        ):  # fmt: skip
            answer = await halyna.post(f"/shift/{what}", {**fields, "csrf": halyna.csrf})
            assert answer.status == 422, what
        answer = await halyna.post("/shift/open", {"name": "День", "ends_at": "2026-11-22T20:00", "csrf": halyna.csrf})
        assert (answer.status, answer.headers["Location"]) == (303, "/shift")
        assert (await shown(house, "all", "/shift"))["shift"]["ends_at"] == "2026-11-22T18:00:00Z", "Kyiv's clock"
        answer = await halyna.post("/shift/close", {"csrf": halyna.csrf})
        assert (answer.status, "Відкритих передзвонів: 4" in await answer.text()) == (409, True)


async def test_names_of_callers_stay_text_on_the_board(house: House) -> None:
    async with house.browser() as iryna:
        await iryna.sign_in("iryna")
        for path in ("/shift", "/shift/board"):
            page = await (await iryna.get(path)).text()
            assert "<img" not in page
            assert "&lt;img src=x" in page


async def test_the_daily_lines_are_listed_by_provider(house: House) -> None:
    wrong = Difference(Kind.CALL_MISSING, "pbx1-9.9", None, "answered")
    async with house.db.scoped(Scope.all()) as conn:
        for back in range(3):
            day = date(2026, 11, 22) - timedelta(days=back)
            await keep(conn, Audited(day, {
                ProviderDay(house.book.providers[0].id, "dim-link", day): DayLine(9, 1, 1, (), {Known.WITNESSED: 1}),
                ProviderDay(house.book.providers[1].id, "svitlo", day): DayLine(5, 2, 2, (wrong,) if back else ()),
            }), house.clock())  # fmt: skip
    everything = (await shown(house, "all", "/audit"))["items"]
    assert len(everything) == 6
    assert everything[0]["day"] == "2026-11-22"
    own = (await shown(house, "svitlo", "/audit?before=2026-11-22"))["items"]
    assert [(each["provider"], each["day"], each["difference"]) for each in own] == [
        (1, "2026-11-21", 1), (1, "2026-11-20", 1),
    ]  # fmt: skip
    assert own[0]["differences"] == [{"kind": "call_missing", "call": "pbx1-9.9", "callback": None, "what": "answered"}]
    async with house.browser() as sofiia:
        await sofiia.sign_in("sofiia")
        page = await (await sofiia.get("/callbacks")).text()
        assert re.search(r"5 дзвінків, 2 пропущені, 2 передзвони\.\s*<b class=\"good\">Різниця 0\.", page)
        alarms = [each["subject"] for each in (await shown(house, "svitlo", "/alarms"))["items"]]
    assert alarms.count("svitlo 2026-11-21") == 1
