"""The door of the web: who gets in, who does not, and what a stranger learns."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import ClientResponse, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import text

from callcenter.config import WebSettings
from callcenter.desk.pages import PORTS
from callcenter.desk.server import make_app
from callcenter.store import Database, Scope
from tests.desk_house import ORIGIN, PASSWORD, Browser, House, desk_house


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with desk_house(database, tmp_path) as made:
        yield made


async def test_a_stranger_is_asked_to_sign_in_and_lands_where_they_wanted(house: House) -> None:
    async with house.browser() as browser:
        asked = await browser.get("/recordings")
        assert (asked.status, asked.headers["Location"]) == (303, "/sign-in?next=/recordings")
        answer = await browser.post("/sign-in", {"login": "olena", "password": PASSWORD, "next": "/recordings"})
        assert (answer.status, answer.headers["Location"]) == (303, "/recordings")
        cookie = answer.cookies["callcenter"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert (await browser.get("/recordings")).status == 200


@pytest.mark.parametrize(
    "next_", ["//evil.example", "https://evil.example", "/\\evil.example", "/sign-out", "/a?b", ""]
)
async def test_signing_in_never_leads_to_somebody_elses_site(house: House, next_: str) -> None:
    async with house.browser() as browser:
        answer = await browser.post("/sign-in", {"login": "olena", "password": PASSWORD, "next": next_})
        assert answer.headers["Location"] == "/"


async def test_under_https_the_cookie_is_for_this_host_alone(database: Database, tmp_path: Path) -> None:
    web = WebSettings(public_url="https://desk.example/")
    async with desk_house(database, tmp_path, web) as house, house.browser() as browser:
        answer = await browser.post("/sign-in", {"login": "olena", "password": PASSWORD}, origin="https://desk.example")
        cookie = answer.cookies["__Host-callcenter"]
        assert cookie["secure"]
        assert cookie["path"] == "/"
        assert not cookie["domain"]
        assert "max-age=" in answer.headers["Strict-Transport-Security"]


async def test_wrong_login_wrong_password_and_locked_account_look_the_same(house: House) -> None:
    async with house.browser() as browser:
        for _ in range(5):
            wrong = await browser.sign_in("olena", "не той пароль")
        locked = await browser.sign_in("olena")
        nobody = await browser.sign_in("nobody", "не той пароль")
        disabled = await _disabled(house, browser)
        pages = [(await page.text()).replace("nobody", "olena").replace("taras", "olena")
                 for page in (wrong, locked, nobody, disabled)]  # fmt: skip
        assert {page.status for page in (wrong, locked, nobody, disabled)} == {401}
        assert len(set(pages)) == 1


async def _disabled(house: House, browser: Browser) -> ClientResponse:
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("UPDATE user_account SET disabled_at = now() WHERE login = 'taras'"))
    return await browser.sign_in("taras")


async def test_five_wrong_tries_close_an_account_for_a_while_and_longer_each_time(house: House) -> None:
    async with house.browser() as browser:
        for _ in range(5):
            assert (await browser.sign_in("olena", "не той пароль")).status == 401
        assert (await browser.sign_in("olena")).status == 401, "the right password opened a locked account"
        house.clock.pass_(timedelta(seconds=31))
        assert (await browser.sign_in("olena", "не той пароль")).status == 401
        house.clock.pass_(timedelta(seconds=31))
        assert (await browser.sign_in("olena")).status == 401, "the second lock is not longer than the first"
        house.clock.pass_(timedelta(seconds=31))
        assert (await browser.sign_in("olena")).status == 303
        assert await _failures(house) == 0


async def _failures(house: House) -> int:
    async with house.db.scoped(Scope.all()) as conn:
        return int((await conn.execute(text("SELECT failures FROM user_account WHERE login = 'olena'"))).scalar_one())


async def test_an_address_that_tries_many_names_is_kept_waiting(house: House) -> None:
    async with house.browser() as browser:
        for number in range(20):
            assert (await browser.sign_in(f"guess{number}", "не той пароль")).status == 401
        answer = await browser.sign_in("olena")
        assert answer.status == 429
        assert answer.headers["Retry-After"] == "30"
        house.clock.pass_(timedelta(seconds=30))
        assert (await browser.sign_in("olena")).status == 303


async def test_a_session_ends_when_signed_out_expired_or_disabled(house: House) -> None:
    async with house.browser() as browser:
        await browser.sign_in("olena")
        key = browser.session.cookie_jar.filter_cookies(house.client.make_url("/"))["callcenter"].value
        assert (await browser.post("/sign-out", {"csrf": browser.csrf})).status == 303
        again = await browser.get("/recordings", cookies={"callcenter": key})
        assert again.status == 303, "a signed-out key still opens"
        await browser.sign_in("olena")
        house.clock.pass_(timedelta(hours=12))
        assert (await browser.get("/recordings")).status == 303
        await browser.sign_in("olena")
        async with house.db.scoped(Scope.all()) as conn:
            await conn.execute(text("UPDATE user_account SET disabled_at = now()"))
        assert (await browser.get("/recordings")).status == 303


async def test_the_key_is_new_at_every_sign_in_and_kept_only_as_a_hash(house: House) -> None:
    async with house.browser() as browser:
        fixed = "chosen-by-somebody-else"
        browser.session.cookie_jar.update_cookies({"callcenter": fixed}, house.client.make_url("/"))
        first = (await browser.sign_in("olena")).cookies["callcenter"].value
        second = (await browser.sign_in("olena")).cookies["callcenter"].value
        assert len({fixed, first, second}) == 3
        async with house.db.scoped(Scope.all()) as conn:
            rows = (await conn.execute(text("SELECT session::text FROM session"))).scalars().all()
        assert len(rows) == 1, "the session before this sign-in still lives"
        assert second not in rows[0]


async def test_an_order_without_the_sessions_token_or_from_elsewhere_is_refused(house: House) -> None:
    async with house.browser() as browser:
        await browser.sign_in("iryna")
        fields = {"language": "en", "next": "/"}
        assert (await browser.post("/language", fields)).status == 403
        assert (await browser.post("/language", {**fields, "csrf": "x" * 43})).status == 403
        for origin in (
            None,
            "null",
            "http://evil.example",
            ORIGIN + ".evil.example",
            ORIGIN + ":81",
            "https://desk.example",
        ):
            assert (await browser.post("/language", {**fields, "csrf": browser.csrf}, origin)).status == 403
        assert (await browser.post("/language", {**fields, "csrf": browser.csrf})).status == 303
        assert 'lang="en"' in await (await browser.get("/recordings")).text()


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", ORIGIN + ".evil.example"])
async def test_a_socket_opened_by_another_site_is_refused(house: House, origin: str | None) -> None:
    async with house.browser() as browser:
        await browser.sign_in("olena")
        with pytest.raises(WSServerHandshakeError) as refused:
            await browser.session.ws_connect(house.url("/desk/live"), origin=origin)
        assert refused.value.status == 403


async def test_every_answer_keeps_itself_to_itself(house: House) -> None:
    async with house.browser() as browser:
        for path in ("/sign-in", "/nothing-here", "/static/callcenter.css", "/api/v1/me", "/healthz"):
            answer = await browser.get(path)
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'self'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "aiohttp" not in answer.headers.get("Server", "")


async def test_no_page_has_inline_script_or_style(house: House) -> None:
    async with house.browser() as browser:
        pages = [await (await browser.get("/sign-in")).text()]
        await browser.sign_in("iryna")
        pages += [
            await (await browser.get(path)).text() for path in ("/recordings", "/alarms", "/api/docs", "/nothing")
        ]
        for page in pages:
            assert "<style" not in page
            assert " style=" not in page
            assert "<script" not in page or "<script src=" in page
            assert " onclick" not in page


async def test_the_log_holds_no_secret_and_no_number(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "callcenter.desk")
    async with house.browser() as browser:
        await browser.sign_in("olena", "не той пароль")
        await browser.sign_in("olena")
        await browser.get("/recordings?state=%2B380671234567")
        await browser.get("/calls/380671234567-none")
    assert "GET /recordings 200" in caplog.text
    for secret in (PASSWORD, "не той пароль", "380671234567", browser.csrf):
        assert secret not in caplog.text


async def test_health_tells_strangers_which_part_and_us_why(house: House, database: Database, tmp_path: Path) -> None:
    async with house.browser() as browser:
        stranger = {"X-Forwarded-For": "203.0.113.5"}  # a proxy on this machine asks for somebody else
        told = await (await browser.get("/healthz", headers=stranger)).json()
        assert told["state"] == "degraded"
        assert told["parts"] == {
            "ami": {"state": "degraded"}, "database": {"state": "ok"}, "journal": {"state": "ok"},
        }  # fmt: skip
        local = await (await browser.get("/healthz")).json()
        assert local["parts"]["ami"]["reason"] == "login refused at 10.0.0.5"
        token = {**stranger, "Authorization": f"Bearer {house.tokens['dim']}"}
        assert "reason" in (await (await browser.get("/healthz", headers=token)).json())["parts"]["ami"]
        assert (await browser.get("/metrics", headers=stranger)).status == 401
        assert (await browser.get("/metrics", headers=token)).status == 403
        measured = await (await browser.get("/metrics")).text()
        assert 'callcenter_part_up{part="ami"} 1.0' in measured
        assert 'callcenter_http_requests_total{method="GET",route="/healthz",status="200"} 3.0' in measured


async def test_without_a_database_the_web_says_so_in_words(house: House) -> None:
    away = Database("postgresql://callcenter@127.0.0.1:9/callcenter")
    app = make_app(replace(house.app[PORTS], db=away))
    async with TestClient(TestServer(app)) as client:
        client.session.cookie_jar.update_cookies({"callcenter": "some-key"}, client.make_url("/"))
        answer = await client.get("/recordings")
        assert answer.status == 503
        assert "записи не губляться" in await answer.text()
        api = await client.get("/api/v1/me")
        assert (api.status, api.content_type) == (503, "application/problem+json")
        health = await client.get("/healthz", cookies={"callcenter": ""})
        assert health.status == 503
        assert (await health.json())["parts"]["database"]["state"] == "down"
    await away.close()
