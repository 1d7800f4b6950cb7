"""Who leads hears calls, moves agents and writes to them: each within what they may see, each with its trace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from callcenter.desk.ports import ListenMode
from callcenter.errors import Refused, RuleBroken, Unavailable
from callcenter.floor.messages import seen, send, unseen
from callcenter.routing.book import load_book
from callcenter.store import Database, Scope
from callcenter.store.embedded import Embedded
from callcenter.words import ProviderId, UniqueId
from tests.desk_house import CALLS, PASSWORD, RECORDINGS, a_day_of_work
from tests.orders_seen import Orders
from tests.wallboard_house import WallHouse, wallboard_house

SVITLO, DIM = ProviderId(1), ProviderId(2)
CALL = UniqueId(CALLS[1])


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[WallHouse]:
    async with wallboard_house(database, tmp_path) as built:
        built.is_("101", "talking", provider=SVITLO, call=CALL)
        built.is_("102", "talking", provider=DIM, call=UniqueId(CALLS[2]))
        yield built


class Door:
    """Asks the API as somebody who is signed in."""

    def __init__(self, house: WallHouse, session: ClientSession, csrf: str) -> None:
        self._house = house
        self._session = session
        self._csrf = csrf

    async def post(self, path: str, **body: object) -> tuple[int, Any]:
        headers = {"Origin": self._house.url, "X-CSRF-Token": self._csrf}
        async with self._session.post(f"{self._house.url}/api/v1{path}", json=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.status != 204 else None

    async def get(self, path: str) -> tuple[int, Any]:
        async with self._session.get(self._house.url + path) as answer:
            given = await (answer.json() if "json" in answer.content_type else answer.text())
            return answer.status, given


@pytest.fixture
async def as_(house: WallHouse) -> AsyncIterator[Any]:
    """``await as_("larysa")`` is that user's door."""
    opened: list[ClientSession] = []

    async def enter(login: str) -> Door:
        session = ClientSession(cookie_jar=CookieJar(unsafe=True))
        opened.append(session)
        form = {"login": login, "password": PASSWORD}
        await session.post(f"{house.url}/sign-in", data=form, headers={"Origin": house.url})
        async with session.get(f"{house.url}/api/v1/me") as answer:
            return Door(house, session, (await answer.json())["csrf"])

    yield enter
    for session in opened:
        await session.close()


async def traces(house: WallHouse) -> list[tuple[Any, ...]]:
    async with house.db.scoped(Scope.all()) as conn:
        rows = await conn.execute(
            text(
                "SELECT provider_id, call_id, agent, mode, who, user_id IS NOT NULL, address "
                "FROM live_listening ORDER BY id"
            )
        )
        return [tuple(row) for row in rows]


# ---- hearing a call


class Watching(Orders):
    """Looks for the trace in the database at the moment the order is given."""

    database: Database
    found: list[int]

    async def listen(self, extension: str, agent: str, mode: ListenMode, *, call: UniqueId) -> None:
        async with self.database.scoped(Scope.all()) as conn:
            self.found.append((await conn.execute(text("SELECT count(*) FROM live_listening"))).scalar_one())
        await super().listen(extension, agent, mode, call=call)


@pytest.mark.parametrize("mode", ["listen", "whisper", "join"])
async def test_a_hearing_is_written_down_before_the_order_is_given(house: WallHouse, as_: Any, mode: str) -> None:
    orders = house.desk.orders
    watching = Watching(orders.given, orders.given_by)
    watching.database, watching.found = house.db, []
    object.__setattr__(house.ports, "telephony", watching)
    larysa = await as_("larysa")
    assert await larysa.post("/agents/101/listen", mode=mode) == (200, {"call": CALL})
    assert watching.found == [1], "the row was committed before the phone was told to ring"
    assert orders.given == [("listen", "103", "101", mode, CALL)]
    assert await traces(house) == [(1, CALL, "101", mode, "user:Лариса", True, "127.0.0.1")]


async def test_no_trace_no_order(house: WallHouse, as_: Any, postgres: Embedded) -> None:
    larysa = await as_("larysa")
    owner = Database(postgres.superuser_url.replace("/postgres?", "/callcenter?"), pool_size=1)
    try:
        async with owner.engine.begin() as connection:
            await connection.execute(text("REVOKE INSERT ON live_listening FROM callcenter_app"))
        status, _ = await larysa.post("/agents/101/listen")
        assert (status, house.desk.orders.given) == (500, [])
    finally:
        async with owner.engine.begin() as connection:
            await connection.execute(text("GRANT INSERT ON live_listening TO callcenter_app"))
        await owner.close()
    assert (await larysa.post("/agents/101/listen"))[0] == 200


async def test_a_trace_cannot_be_changed_or_taken_away(house: WallHouse, as_: Any) -> None:
    larysa = await as_("larysa")
    await larysa.post("/agents/101/listen")
    for statement in ("UPDATE live_listening SET who = 'nobody'", "DELETE FROM live_listening"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with house.db.scoped(Scope.all()) as conn:
                await conn.execute(text(statement))
    assert len(await traces(house)) == 1


@pytest.mark.parametrize("failure", [RuleBroken("no"), Refused("asterisk", "no"), Unavailable("asterisk", "gone")])
async def test_an_order_that_fails_leaves_the_trace_that_it_was_given(
    house: WallHouse, as_: Any, failure: Exception
) -> None:
    larysa = await as_("larysa")
    house.desk.orders.fails_with = failure  # type: ignore[assignment]
    assert (await larysa.post("/agents/101/listen"))[0] in {409, 502, 503}
    assert len(await traces(house)) == 1


async def test_another_providers_call_is_not_found(house: WallHouse, as_: Any) -> None:
    """Sofiia sees svitlo: not Taras at all, and of Olena nothing while she talks for dim-link."""
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("UPDATE user_account SET agent_id = NULL WHERE login = 'larysa'"))
        await conn.execute(text("UPDATE user_account SET agent_id = 3 WHERE login = 'sofiia'"))
    sofiia = await as_("sofiia")
    assert (await sofiia.post("/agents/102/listen"))[0] == 404
    assert (await sofiia.post("/agents/999/listen"))[0] == 404
    house.is_("101", "talking", provider=DIM, call=UniqueId(CALLS[2]))
    assert (await sofiia.post("/agents/101/listen"))[0] == 404
    house.is_("101", "talking", provider=None, call=UniqueId("pbx1-9.9"))
    assert (await sofiia.post("/agents/101/listen"))[0] == 404
    assert (await traces(house), house.desk.orders.given) == ([], [])
    house.is_("101", "talking", provider=SVITLO, call=CALL)
    assert (await sofiia.post("/agents/101/listen"))[0] == 200


async def test_who_has_no_phone_or_nothing_to_hear_is_told_so(house: WallHouse, as_: Any) -> None:
    iryna, larysa = await as_("iryna"), await as_("larysa")
    assert (await iryna.post("/agents/101/listen"))[0] == 409
    house.is_("101", "ready")
    status, said = await larysa.post("/agents/101/listen")
    assert (status, said["detail"]) == (409, "agent 101 talks with nobody now")
    house.is_("103", "talking", provider=SVITLO, call=CALL)
    assert (await larysa.post("/agents/103/listen"))[0] == 409, "one's own phone"
    assert (await traces(house), house.desk.orders.given) == ([], [])


async def test_agents_hear_nobody_and_move_nobody(house: WallHouse, as_: Any) -> None:
    olena = await as_("olena")
    assert (await olena.post("/agents/102/listen"))[0] == 403
    assert (await olena.post("/agents/101/serve", queue="svitlo", penalty=0))[0] == 403
    assert (await olena.post("/messages", body="hi"))[0] == 403
    assert (await traces(house), house.desk.orders.given) == ([], [])


async def test_an_order_without_the_sessions_token_is_no_order(house: WallHouse, as_: Any) -> None:
    larysa = await as_("larysa")
    larysa._csrf = "forged"
    assert (await larysa.post("/agents/101/listen"))[0] == 403
    assert (await traces(house), house.desk.orders.given) == ([], [])


async def test_who_heard_a_call_stands_with_it_for_who_leads(house: WallHouse, as_: Any) -> None:
    await a_day_of_work(house.desk)
    larysa, olena = await as_("larysa"), await as_("olena")
    await larysa.post("/agents/101/listen", mode="whisper")
    at = house.ports.clock() - timedelta(days=1)
    async with house.db.scoped(Scope.all()) as conn:
        for second in (0, 1, 2):  # one listening in three parts
            await conn.execute(
                text("INSERT INTO listening (recording_id, provider_id, who, at, address) "
                     "VALUES (:id, 1, 'user:Ірина', :at, '')"),
                {"id": RECORDINGS[1], "at": at.replace(second=second)},
            )  # fmt: skip
    _, call = await larysa.get(f"/api/v1/calls/{CALL}")
    assert [(each["how"], each["who"], each["agent"]) for each in call["heard"]] == [
        ("recording", "user:Ірина", None),
        ("whisper", "user:Лариса", "101"),
    ]
    _, page = await larysa.get(f"/calls/{CALL}")
    assert 'id="heard"' in page
    _, call = await olena.get(f"/api/v1/calls/{CALL}")
    assert call["heard"] is None
    _, page = await olena.get(f"/calls/{CALL}")
    assert 'id="heard"' not in page


# ---- queues and duty


async def test_an_agent_is_moved_between_queues_by_name(house: WallHouse, as_: Any) -> None:
    larysa = await as_("larysa")
    assert (await larysa.post("/agents/101/serve", queue="dim-link", penalty=2))[0] == 204
    assert (await larysa.post("/agents/101/serve", queue="svitlo", penalty=None))[0] == 204
    orders = house.desk.orders
    assert orders.given == [("serve", "101", "dim-link", 2), ("serve", "101", "svitlo", None)]
    assert orders.given_by == ["user:Лариса"] * 2
    assert (await larysa.post("/agents/101/serve", queue="nowhere", penalty=0))[0] == 404
    assert (await larysa.post("/agents/101/serve", queue="svitlo", penalty=99))[0] == 422


async def test_who_sees_one_provider_moves_nobody_into_anothers_queue(house: WallHouse, as_: Any) -> None:
    sofiia = await as_("sofiia")
    assert (await sofiia.post("/agents/101/serve", queue="dim-link", penalty=0))[0] == 404
    assert (await sofiia.post("/agents/102/serve", queue="svitlo", penalty=0))[0] == 404
    async with house.db.scoped(Scope.all()) as conn:  # Olena serves both: she is not Sofiia's alone
        await conn.execute(text("INSERT INTO queue_agent (queue_id, agent_id, provider_id) VALUES (2, 1, 2)"))
    book = await load_book(house.db)
    object.__setattr__(house.ports, "book", lambda: book)
    for order in ("serve", "pause", "ready", "sign-out"):
        body = {"queue": "svitlo", "penalty": 0} if order == "serve" else {}
        assert (await sofiia.post(f"/agents/101/{order}", **body))[0] == 404
    assert house.desk.orders.given == []


async def test_the_sheet_of_orders_offers_what_may_be_ordered(house: WallHouse, as_: Any) -> None:
    sofiia, larysa = await as_("sofiia"), await as_("larysa")
    _, sheet = await larysa.get("/wallboard/agents/101")
    assert '"mode": "whisper"' in sheet
    assert 'name="dim-link"' in sheet
    _, sheet = await sofiia.get("/wallboard/agents/101")
    assert '"mode"' not in sheet, "she has no phone"
    assert 'name="svitlo"' in sheet
    assert "dim-link" not in sheet
    assert "Дім.Лінк" not in sheet
    assert (await sofiia.get("/wallboard/agents/102"))[0] == 404


# ---- messages


async def test_a_message_waits_until_its_agent_has_seen_it(house: WallHouse, as_: Any) -> None:
    larysa, olena, taras = await as_("larysa"), await as_("olena"), await as_("taras")
    assert await larysa.post("/messages", agents=["101"], body=" Перший\nдругий ") == (200, {"agents": ["101"]})
    _, mine = await olena.get("/api/v1/messages")
    assert [(each["sender"], each["body"]) for each in mine["items"]] == [("Лариса", "Перший\nдругий")]
    number = mine["items"][0]["id"]
    assert (await taras.get("/api/v1/messages"))[1] == {"items": []}
    assert (await taras.post(f"/messages/{number}/seen"))[0] == 404, "it is not his"
    assert (await olena.post(f"/messages/{number}/seen"))[0] == 204
    assert (await olena.post(f"/messages/{number}/seen"))[0] == 404
    assert (await olena.get("/api/v1/messages"))[1] == {"items": []}


async def test_to_all_is_to_all_one_sees_who_are_at_work(house: WallHouse, as_: Any) -> None:
    larysa, sofiia = await as_("larysa"), await as_("sofiia")
    assert await larysa.post("/messages", body="усім") == (200, {"agents": ["101", "102"]})
    assert await sofiia.post("/messages", body="своїм") == (200, {"agents": ["101", "103"]})
    assert (await sofiia.post("/messages", agents=["101", "102"], body="чужому"))[0] == 404
    for extension in ("101", "102", "103"):
        house.is_(extension, "offline")
    assert (await sofiia.post("/messages", body="нікому"))[0] == 409


@pytest.mark.parametrize("body", ["", "   \n ", "x" * 1001, "bell\x07", "escape\x1b[31m"])
async def test_a_message_is_words(house: WallHouse, as_: Any, body: str) -> None:
    larysa = await as_("larysa")
    assert (await larysa.post("/messages", agents=["101"], body=body))[0] == 422


async def test_messages_are_kept_as_rows(house: WallHouse) -> None:
    at = house.ports.clock()
    async with house.db.scoped(Scope.all()) as conn:
        assert await send(conn, ["101", "101", "777"], "раз", "Ірина", at) == ("101",)
        (first,) = await unseen(conn, "101")
        assert (first.sender, first.body, first.at) == ("Ірина", "раз", at)
        assert not await seen(conn, "102", first.id, at)
        assert await seen(conn, "101", first.id, at)
        assert await unseen(conn, "101") == []
