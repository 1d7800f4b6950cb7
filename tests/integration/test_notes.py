"""What agents write of calls, over the real web and PostgreSQL: whose it is, who sees it, what may be written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from callcenter.calls.notes import CallNote, of_calls, save
from callcenter.store import Database, Scope
from callcenter.words import ProviderId, UniqueId
from tests.desk_house import CALLS, NOON, ORIGIN, Browser, House, a_day_of_work, desk_house

SVITLO, DIM = ProviderId(1), ProviderId(2)
OURS, THEIRS = UniqueId(CALLS[1]), UniqueId(CALLS[2])


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with desk_house(database, tmp_path) as house:
        await a_day_of_work(house)
        yield house


async def write(browser: Browser, call: str, **body: object) -> int:
    headers = {"Origin": ORIGIN, "X-CSRF-Token": browser.csrf}
    url = browser.house.url(f"/api/v1/calls/{call}/note")
    async with browser.session.post(url, json=body, headers=headers) as answer:
        return answer.status


async def read(browser: Browser, call: str) -> tuple[int, list[dict[str, object]]]:
    answer = await browser.get(f"/api/v1/calls/{call}/notes")
    return answer.status, (await answer.json())["items"] if answer.status == 200 else []


async def test_the_latest_words_of_an_agent_stand_and_emptied_ones_are_forgotten(house: House) -> None:
    async with house.browser() as olena:
        await olena.sign_in("olena")
        assert await write(olena, OURS, reason="tv", note="  Приставка\r\nбез мережі ") == 204
        assert await write(olena, OURS, reason="router", note="Роутер") == 204
        status, written = await read(olena, OURS)
        assert (status, [(one["agent"], one["reason"], one["note"]) for one in written]) == (
            200, [("101", "router", "Роутер")],
        )  # fmt: skip
        assert await write(olena, OURS, reason="", note="   ") == 204
        assert await read(olena, OURS) == (200, [])


async def test_lines_of_a_note_are_kept_and_control_characters_refused(house: House) -> None:
    async with house.browser() as olena:
        await olena.sign_in("olena")
        assert await write(olena, OURS, note="перше\r\nдруге") == 204
        assert (await read(olena, OURS))[1][0]["note"] == "перше\nдруге"
        assert await write(olena, OURS, note="a\x00b") == 422
        assert await write(olena, OURS, note="x" * 4001) == 422
        assert await write(olena, OURS, reason="Не код") == 422


async def test_nobody_writes_of_another_providers_call_or_reads_of_it(house: House) -> None:
    async with house.browser() as olena, house.browser() as taras:
        await olena.sign_in("olena")
        await taras.sign_in("taras")
        assert await write(taras, THEIRS, note="чуже") == 204
        assert await write(olena, THEIRS, note="чуже") == 404
        assert (await read(olena, THEIRS))[0] == 404
        assert await write(olena, "pbx1-9999.9", note="нема") == 404
        page = await (await olena.get(f"/calls/{OURS}")).text()
        assert "чуже" not in page
    async with house.db.scoped(Scope.only([SVITLO])) as conn:
        assert await of_calls(conn, [OURS, THEIRS]) == {}
        assert not await save(conn, CallNote(THEIRS, "101", "", "повз", NOON))


async def test_a_reason_is_one_of_the_providers_list(house: House) -> None:
    async with house.browser() as olena:
        await olena.sign_in("olena")
        assert await write(olena, OURS, reason="tv") == 204
        assert await write(olena, OURS, reason="weather") == 409


async def test_who_has_no_phone_writes_nothing(house: House) -> None:
    async with house.browser() as iryna:
        await iryna.sign_in("iryna")
        assert await write(iryna, OURS, note="від супервізора") == 409
        assert (await read(iryna, OURS))[0] == 200


async def test_a_note_goes_with_its_call(house: House) -> None:
    async with house.db.scoped(Scope.only([SVITLO])) as conn:
        assert await save(conn, CallNote(OURS, "101", "tv", "", NOON))
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("DELETE FROM recording WHERE call_id = :id"), {"id": OURS})
        await conn.execute(text("DELETE FROM callback_attempt WHERE call_id = :id"), {"id": OURS})
        await conn.execute(text("DELETE FROM call WHERE id = :id"), {"id": OURS})
        assert await of_calls(conn, [OURS]) == {}


async def order(browser: Browser, path: str, **body: object) -> int:
    headers = {"Origin": ORIGIN, "X-CSRF-Token": browser.csrf}
    async with browser.session.post(browser.house.url(f"/api/v1{path}"), json=body, headers=headers) as answer:
        return answer.status


async def test_an_agent_orders_their_own_phone_and_no_other(house: House) -> None:
    async with house.browser() as olena:
        await olena.sign_in("olena")
        for path, body in (
            ("hold", {}), ("unhold", {}), ("transfer", {"to": "102"}), ("consult", {"to": "102"}), ("complete", {}),
            ("take-back", {}), ("hang-up", {}), ("dial", {"provider": 1, "number": "0671234567"}),
            ("call-colleague", {"other": "102"}), ("sign-in", {}), ("sign-out", {}), ("finish", {}), ("prolong", {}),
        ):  # fmt: skip
            assert await order(olena, f"/agents/101/{path}", **body) == 204, path
            assert await order(olena, f"/agents/102/{path}", **body) == 404, path
        assert [given[0] for given in house.orders.given] == [
            "hold", "unhold", "transfer", "consult", "complete", "take_back", "hang_up", "dial", "call_colleague",
            "sign_in", "sign_out", "finish_wrap_up", "prolong_wrap_up",
        ]  # fmt: skip
        assert house.orders.given[7] == ("dial", "101", 1, "+380671234567")


async def test_one_dials_for_own_providers_and_only_numbers(house: House) -> None:
    async with house.browser() as olena:
        await olena.sign_in("olena")
        assert await order(olena, "/agents/101/dial", provider=2, number="0671234567") == 404
        assert await order(olena, "/agents/101/dial", provider=1, number="1) & Set(X=1") == 422
        assert await order(olena, "/agents/101/transfer", to="102,1,Hangup") == 422
        assert house.orders.given == []


async def test_whom_one_may_call_is_who_one_may_see(house: House) -> None:
    async with house.browser() as olena:
        await olena.sign_in("olena")
        listed = await (await olena.get("/desk/people?for=call")).text()
        assert "Тарас" not in listed
        assert "svitlo" in listed
        assert "dim-link" not in listed
    async with house.browser() as iryna:
        await iryna.sign_in("iryna")
        assert (await iryna.get("/desk/people?for=call")).status in {403, 404}
