"""The wallboard over a real PostgreSQL: it agrees with the reports and shows each reader their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar, WSMsgType
from sqlalchemy import text

from callcenter.desk.wall_counts import read_counts
from callcenter.reports.periods import Days, Today
from callcenter.reports.queries import ALL, By, Key, Wanted, totals
from callcenter.store import Database, Scope
from callcenter.words import ProviderId, UniqueId
from tests.desk_house import ORIGIN, PASSWORD
from tests.wallboard_house import WallHouse, wallboard_house

SVITLO, DIM = ProviderId(1), ProviderId(2)


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[WallHouse]:
    async with wallboard_house(database, tmp_path) as built:
        yield built


async def fetch(house: WallHouse, token: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {house.desk.tokens[token]}"}
    async with ClientSession() as session, session.get(f"{house.url}/api/v1/wallboard", headers=headers) as answer:
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
        return found


async def some_calls(house: WallHouse) -> None:
    for number, outcome in enumerate(("answered", "answered", "left_waiting", "left_ringing", "closed", "lines_full")):
        queue = "" if outcome in {"closed", "lines_full"} else "svitlo"
        await house.call(number, outcome=outcome, waited=8 + 20 * number, queue=queue)
    await house.call(20, outcome="left_in_greeting", waited=1, queue="")  # a short abandon
    await house.call(21, provider=2, queue="dim-link")
    await house.call(22, provider=2, direction="out", queue="")


async def test_the_wallboard_and_the_report_of_today_count_the_same(house: WallHouse) -> None:
    await some_calls(house)
    seen = await fetch(house, "all")
    now = house.ports.clock()
    async with house.db.scoped(Scope.all()) as conn:
        whole = (await totals(conn, Wanted(Today(now))))[ALL]
        parts = await totals(conn, Wanted(Today(now)), By.PROVIDER)
        queues = await totals(conn, Wanted(Today(now)), By.QUEUE)
    assert (whole.answered, whole.missed, whole.short) == (3, 3, 1), "the report itself"
    for given, tally in (
        (seen["today"], whole),
        *((row["today"], parts[Key(provider=row["id"])]) for row in seen["providers"]),
        *(
            (queue["today"], queues[Key(provider=row["id"], queue=queue["name"])])
            for row in seen["providers"]
            for queue in row["queues"]
        ),
    ):
        assert given == {
            "came": tally.came, "offered": tally.offered, "answered": tally.answered, "missed": tally.missed,
            "service_level": tally.service_level, "kinds": dict(tally.kinds), "short": tally.short,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        (datetime(2026, 10, 25, 12, tzinfo=UTC), datetime(2026, 10, 24, 21, tzinfo=UTC)),  # 25 hours long
        (datetime(2026, 3, 29, 12, tzinfo=UTC), datetime(2026, 3, 28, 22, tzinfo=UTC)),  # 23
        (datetime(2026, 7, 1, 21, 30, tzinfo=UTC), datetime(2026, 7, 1, 21, tzinfo=UTC)),  # just after midnight in Kyiv
    ],
)
async def test_today_is_the_providers_own_day(house: WallHouse, now: datetime, midnight: datetime) -> None:
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("UPDATE provider SET timezone = 'UTC' WHERE id = 2"))
    for provider, begins in ((1, midnight), (2, now.replace(hour=0, minute=0))):
        await house.call(provider * 10, provider, at=begins - timedelta(seconds=1))
        await house.call(provider * 10 + 1, provider, at=begins)
        await house.call(provider * 10 + 2, provider, at=now - timedelta(seconds=1))
    async with house.db.scoped(Scope.all()) as conn:
        counts = await read_counts(conn, now)
        zone = house.book.providers[0].timezone
        day = now.astimezone(zone).date()
        report = await totals(conn, Wanted(Days(day, day), provider=SVITLO))
    assert counts.providers[SVITLO].answered == 2
    assert counts.providers[DIM].answered == 2
    assert report[ALL].answered == 2


async def test_callbacks_are_counted_as_their_own_page_counts_them(house: WallHouse) -> None:
    now = house.ports.clock()
    for number, (minutes, decision) in enumerate(((-5, False), (-1, True), (10, False), (30, False), (60, True))):
        await house.owes(number, now + timedelta(minutes=minutes), decision=decision)
    await house.owes(9, now, provider=2)
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("UPDATE callback SET callable = false, number = '' WHERE provider_id = 2"))
    seen = await fetch(house, "all")
    svitlo = next(row["owed"] for row in seen["providers"] if row["id"] == 1)
    dim = next(row["owed"] for row in seen["providers"] if row["id"] == 2)
    assert svitlo == {"open": 5, "soon": 1, "overdue": 2, "decision": 2, "no_number": 0}
    assert dim == {"open": 0, "soon": 0, "overdue": 0, "decision": 0, "no_number": 1}


async def test_everybody_sees_their_own(house: WallHouse) -> None:
    await some_calls(house)
    await house.owes(1, house.ports.clock(), provider=2)
    house.is_("101", "talking", provider=DIM, call=UniqueId("pbx1-1.1"))
    house.waits("dim-link", 3)
    house.floor.lines[DIM] = 4
    seen = await fetch(house, "svitlo")
    assert [row["brand"] for row in seen["providers"]] == ["СвітлоНет"]
    assert [(each["extension"], each["state"], each["provider"], each["call"]) for each in seen["agents"]] == [
        ("103", "ready", None, None),
        ("101", "talking", None, None),
    ]
    assert (seen["waiting"], seen["today"]["answered"], seen["owed"]["open"]) == (0, 2, 0)


async def test_agents_are_shown_no_wallboard(house: WallHouse) -> None:
    async with house.desk.browser() as browser:
        await browser.sign_in("olena")
        assert (await browser.get("/api/v1/wallboard")).status == 403
        assert (await browser.get("/wallboard/agents/101")).status == 403
    async with ClientSession() as stranger:
        for path in ("/api/v1/wallboard", "/desk/wallboard"):
            async with stranger.get(house.url + path, allow_redirects=False) as answer:
                assert answer.status in {303, 401}


async def until(fits: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not fits():
            await asyncio.sleep(0.02)


async def test_many_open_boards_are_read_for_once(house: WallHouse) -> None:
    """Each of ten boards of two kinds of readers costs no read of its own."""
    whole, part = Scope.all(), Scope.only([SVITLO])
    with (
        house.feed.opened(whole) as one, house.feed.opened(part) as limited,
        house.feed.opened(whole), house.feed.opened(whole), house.feed.opened(part),
    ):  # fmt: skip
        await until(lambda: house.feed.wall(whole).counted_at is not None)
        reads = house.feed.reads
        one.take(), limited.take()
        await house.call(1)
        await house.call(2, provider=2, queue="dim-link")
        await until(lambda: house.feed.wall(whole).figures.today.answered == 2)
        assert house.feed.wall(part).figures.today.answered == 1
        assert house.feed.reads - reads <= 2, "one for what was stale, and one more if a read began between the calls"
        assert {"figures", "provider:1", "provider:2"} <= one.take()
        assert {region for region in limited.take() if region.startswith("provider")} == {"provider:1"}


async def test_with_no_board_open_nothing_is_read(house: WallHouse) -> None:
    with house.feed.opened(Scope.all()):
        await until(lambda: house.feed.reads > 0)
    await house.call(1)
    before = house.feed.reads
    with house.feed.opened(Scope.only([DIM])):
        await until(lambda: house.feed.reads > before)
    assert house.feed.reads <= before + 2


async def test_counts_that_cannot_be_read_stay_with_their_time(house: WallHouse) -> None:
    whole = Scope.all()
    await house.call(1)
    with house.feed.opened(whole):
        await until(lambda: house.feed.wall(whole).figures.today.answered == 1)
        away = Database("postgresql://nobody@127.0.0.1:1/none", wait_s=0.2)
        house.feed._database = away
        house.feed.stale()
        await until(lambda: house.feed.wall(whole).behind is not None)
        assert house.feed.wall(whole).figures.today.answered == 1
        house.feed._database = house.db
        await until(lambda: house.feed.wall(whole).behind is None)
        await away.close()


async def test_the_socket_gives_the_whole_and_then_what_changed(house: WallHouse) -> None:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        form = {"login": "sofiia", "password": PASSWORD}
        await session.post(f"{house.url}/sign-in", data=form, headers={"Origin": house.url})
        async with session.ws_connect(f"{house.url}/desk/wallboard", headers={"Origin": house.url}) as ws:
            first = (await ws.receive()).json()
            assert first["full"]
            assert {"figures", "agents", "providers"} <= set(first["regions"])
            house.is_("101", "ringing", provider=SVITLO, call=UniqueId("pbx1-1.1"))
            async with asyncio.timeout(10):
                while "agent:101" not in (frame := (await ws.receive()).json())["regions"]:
                    pass
            assert "Дзвонить" in frame["regions"]["agent:101"]
            house.feed.close_pages()
            async with asyncio.timeout(10):
                while (message := await ws.receive()).type is WSMsgType.TEXT:
                    pass
            assert message.data == 1012, "a service that stops tells its pages to come back"
        async with session.ws_connect(f"{house.url}/desk/wallboard", headers={"Origin": house.url}) as again:
            assert (await again.receive()).json()["full"]


async def test_a_foreign_origin_opens_no_board(house: WallHouse) -> None:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        form = {"login": "iryna", "password": PASSWORD}
        await session.post(f"{house.url}/sign-in", data=form, headers={"Origin": house.url})
        async with session.get(
            f"{house.url}/desk/wallboard",
            headers={"Origin": ORIGIN, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                     "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="},
        ) as answer:  # fmt: skip
            assert answer.status == 403
