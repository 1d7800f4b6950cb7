"""The JSON API: nobody sees another provider's rows, bad input is answered, recordings are played in parts."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from sqlalchemy import text

from callcenter.desk.server import API, PAGE_ROUTES
from callcenter.store import Database, Scope
from tests.desk_house import (
    CALLS,
    HOSTILE,
    MISSED,
    ORIGIN,
    RECORDINGS,
    SOUND,
    UNKNOWN,
    House,
    a_day_of_work,
    desk_house,
)

V1 = "/api/v1"


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with desk_house(database, tmp_path) as made:
        await a_day_of_work(made)
        yield made


def bearer(house: House, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {house.tokens[name]}"}


async def ids(house: House) -> dict[str, dict[int, str]]:
    """What a path can name, by provider."""
    found: dict[str, dict[int, str]] = {
        "call": MISSED, "recording": RECORDINGS, "callback": {}, "alarm": {}, "row": {}, "message": {},
        "extension": {1: "101", 2: "102"}, "shift": {2: "1"}, "device": {}, "circuit": {},
        "subscriber": {}, "diagnosis": {},
    }  # fmt: skip
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(
            text(
                "INSERT INTO device (provider_id, name, driver, host) VALUES (2, 'dim-olt', 'bdcom_gpon', '::1') "
                "ON CONFLICT DO NOTHING"
            )
        )
        await conn.execute(
            text("INSERT INTO circuit (provider_id, name, vlan) VALUES (2, 'Школа', 300) ON CONFLICT DO NOTHING")
        )
        await conn.execute(
            text(
                "INSERT INTO diagnosis (provider_id, call_id, started_at, who) "
                "SELECT 2, :call, now(), 'user:Тарас' WHERE NOT EXISTS (SELECT FROM diagnosis)"
            ),
            {"call": CALLS[2]},
        )
        for kind, query in (
            ("subscriber", "SELECT provider_id, id FROM subscriber"),
            ("diagnosis", "SELECT provider_id, id FROM diagnosis"),
            ("callback", "SELECT provider_id, id FROM callback WHERE callable"),
            ("device", "SELECT provider_id, id FROM device"),
            ("circuit", "SELECT provider_id, id FROM circuit"),
            ("alarm", "SELECT provider_id, id FROM alarm WHERE provider_id IS NOT NULL"),
            ("row", "SELECT 2, id FROM journal_set_aside"),
            ("message", "SELECT agent_id, id FROM agent_message"),
        ):
            for provider, number in await conn.execute(text(query)):
                found[kind][provider] = str(number)
    return found


def _paths() -> list[tuple[str, str]]:
    """Every route that names something, of the API and of the pages."""
    paths = [(route.method, V1 + route.path) for route in API if route.in_path]
    paths += [(route.method, route.path) for route in PAGE_ROUTES if "{" in route.path]
    return paths


GIVEN = {
    "said": {"call": CALLS[2], "word": "voicemail"},
    "transfer": {"to": "102"},
    "dtmf": {"digits": "1"},
    "mute": {"muted": True},
    "plan": {"onu": "GPON0/1:1", "kind": "reboot"},
    "carry-out": {"onu": "GPON0/1:1", "token": "0123456789abcdef"},
    "build": {"shown": "0" * 64},
    "consult": {"to": "102"},
    "dial": {"provider": 2, "number": "0670000002"},
    "call-colleague": {"other": "102"},
    "serve": {"queue": "dim-link", "penalty": 0},
    "close": {"reason": "unreachable", "note": "тричі не відповів"},
}
"""What must be sent with an order, by the last word of its path, to be an order at all."""


def _given(path: str) -> dict[str, object]:
    given = GIVEN.get(path.rpartition("/")[2])
    return {} if given is None else {"json" if path.startswith(V1) else "data": given}


@pytest.mark.parametrize(("method", "path"), _paths())
async def test_what_is_another_providers_is_not_there(house: House, method: str, path: str) -> None:
    """Sofiia supervises svitlo, Olena serves it, and a token sees it: to each, what is dim's does not exist."""
    name = re.findall(r"\{(\w+)", path)[0]
    foreign = re.sub(r"\{[^/]*\}(?=/|$)", (await ids(house))[name][2], path)
    async with house.browser() as sofiia, house.browser() as olena:
        for browser, login in ((sofiia, "sofiia"), (olena, "olena")):
            await browser.sign_in(login)
            headers = {"Origin": ORIGIN, "X-CSRF-Token": browser.csrf}
            answer = await browser.session.request(
                method,
                house.url(foreign),
                headers=headers,
                allow_redirects=False,
                **_given(path),  # type: ignore[arg-type]
            )
            assert answer.status in ({404} if login == "sofiia" else {403, 404})
            assert_no_trace_of_dim((await answer.text()).replace(foreign, ""))
    answer = await house.client.request(method, foreign, headers=bearer(house, "svitlo"), **_given(path))  # type: ignore[arg-type]
    assert answer.status == 404
    assert_no_trace_of_dim((await answer.text()).replace(foreign, ""))
    assert house.orders.given == []


def assert_no_trace_of_dim(said: str) -> None:
    for trace in (
        "Дім.Лінк",
        "dim-link",
        "+380670000002",
        "067 000 00 02",
        CALLS[2],
        MISSED[2],
        RECORDINGS[2],
        "Тарас",
    ):
        assert trace not in said, trace


LISTS = ("/me", "/providers", "/agents", "/queues", "/wallboard", "/calls", "/callbacks", "/recordings", "/alarms",
         "/subscribers?number=0670000002", "/subscribers?words=100245", "/calls?provider=2", "/callbacks?provider=2",
         "/recordings?provider=2", "/calls?number=0670000002", "/subscribers?number=0670000002&provider=2")  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
async def test_lists_hold_ones_own_providers_only(house: House, path: str) -> None:
    answer = await house.client.get(V1 + path, headers=bearer(house, "svitlo"))
    assert answer.status == 200
    assert_no_trace_of_dim(await answer.text())
    every = await house.client.get(V1 + path, headers=bearer(house, "all"))
    everything = await every.text()
    assert any(
        trace in everything
        for trace in ("dim-link", "+380670000002", CALLS[2], RECORDINGS[2], "102", '"providers":[1,2]')
    )


@pytest.mark.parametrize(
    "path", ["/calls", "/callbacks", "/recordings", "/alarms", "/calls?provider=2", "/callbacks?provider=2"]
)
async def test_pages_hold_ones_own_providers_only(house: House, path: str) -> None:
    async with house.browser() as browser:
        await browser.sign_in("sofiia")
        answer = await browser.get(path)
        assert answer.status == 200
        page = await answer.text()
        assert_no_trace_of_dim(page)
        assert UNKNOWN not in page
        assert "torn" not in page
        assert "brand-2" not in await (await browser.get("/brands.css")).text()


async def test_a_cursor_of_another_scope_opens_nothing(house: House) -> None:
    first = await (await house.client.get(f"{V1}/calls?limit=1", headers=bearer(house, "all"))).json()
    answer = await house.client.get(f"{V1}/calls?cursor={first['next']}", headers=bearer(house, "svitlo"))
    assert_no_trace_of_dim(await answer.text())
    assert {call["provider"] for call in (await answer.json())["items"]} == {1}


async def test_pages_of_a_list_hold_every_call_once(house: House) -> None:
    seen: list[str] = []
    query = f"{V1}/calls?limit=2"
    while query:
        page = await (await house.client.get(query, headers=bearer(house, "all"))).json()
        seen += [call["id"] for call in page["items"]]
        query = f"{V1}/calls?limit=2&cursor={page['next']}" if page["next"] else ""
    assert sorted(seen) == sorted([*CALLS.values(), *MISSED.values(), UNKNOWN])


async def test_calls_are_found_by_whatever_way_a_number_is_written(house: House) -> None:
    for written in ("0670000001", "380670000001", "%2B38%20(067)%20000-00-01"):
        found = await (await house.client.get(f"{V1}/calls?number={written}", headers=bearer(house, "all"))).json()
        assert {call["id"] for call in found["items"]} == {CALLS[1], MISSED[1]}
    missed = await (await house.client.get(f"{V1}/calls?missed=true&provider=1", headers=bearer(house, "all"))).json()
    assert [call["id"] for call in missed["items"]] == [MISSED[1]]


async def test_one_call_tells_its_stretches_and_where_its_sound_is(house: House) -> None:
    call = await (await house.client.get(f"{V1}/calls/{CALLS[1]}", headers=bearer(house, "svitlo"))).json()
    assert [segment["kind"] for segment in call["segments"]] == ["greeting", "talking"]
    assert call["recording"] == f"{V1}/recordings/{RECORDINGS[1]}/audio"
    assert call["caller_name"] == f"{HOSTILE} svitlo"


async def test_a_call_back_rings_the_agents_own_phone(house: House) -> None:
    async with house.browser() as browser:
        await browser.sign_in("olena")
        callback = (await ids(house))["callback"][1]
        assert (await browser.post(f"/callbacks/{callback}/call", {"csrf": browser.csrf})).status == 303
        assert house.orders.given == [("call_back", int(callback), "101")]
        assert (await browser.post("/callbacks/999/call", {"csrf": browser.csrf})).status == 404
    program = await house.client.post(f"{V1}/callbacks/{callback}/call", headers=bearer(house, "svitlo"))
    assert program.status == 409, "a program has no phone"


async def test_a_callback_ends_without_a_conversation_only_with_a_reason_a_name_and_a_note(house: House) -> None:
    headers = bearer(house, "svitlo")
    owed = (await (await house.client.get(f"{V1}/callbacks", headers=headers)).json())["items"]
    assert {(row["number"], row["callable"]) for row in owed} == {("+380670000001", True), ("", False)}
    [hidden] = [f"{V1}/callbacks/{row['id']}/close" for row in owed if not row["callable"]]
    [known] = [f"{V1}/callbacks/{row['id']}/close" for row in owed if row["callable"]]
    for body, status in (
        ({}, 422),
        ({"reason": "no_number"}, 422),
        ({"reason": "no_number", "note": "  "}, 422),
        ({"reason": "tired", "note": "так"}, 422),
    ):
        assert (await house.client.post(hidden, headers=headers, json=body)).status == status, body
    ended = {"reason": "no_number", "note": "двічі мовчав"}
    assert (await house.client.post(known, headers=headers, json=ended)).status == 409
    assert (await house.client.post(hidden, headers=headers, json=ended)).status == 204
    assert (await house.client.post(hidden, headers=headers, json=ended)).status == 409
    left = (await (await house.client.get(f"{V1}/callbacks", headers=headers)).json())["items"]
    assert [row["number"] for row in left] == ["+380670000001"]
    one = await (await house.client.get(hidden.removesuffix("/close"), headers=headers)).json()
    assert (one["closed_reason"], one["closed_by"], one["close_note"]) == ("no_number", "token:svitlo", "двічі мовчав")


async def test_an_agent_pauses_themselves_and_a_supervisor_their_agents(house: House) -> None:
    async with house.browser() as browser:
        await browser.sign_in("olena")
        headers = {"Origin": ORIGIN, "X-CSRF-Token": browser.csrf}
        url = house.url(f"{V1}/agents/101/pause")
        assert (await browser.session.post(url, json={"reason": "обід"}, headers=headers)).status == 204
        assert (await browser.session.post(url, json={"reason": "обід"}, headers={"Origin": ORIGIN})).status == 403
    assert (await house.client.post(f"{V1}/agents/102/ready", headers=bearer(house, "dim"))).status == 204
    assert house.orders.given == [("pause", "101", "обід"), ("ready", "102")]


async def test_alarms_are_cleared_and_rows_resolved_once(house: House) -> None:
    known = await ids(house)
    headers = bearer(house, "all")
    for path in (f"{V1}/alarms/{known['alarm'][1]}/clear", f"{V1}/set-aside/{known['row'][2]}/resolve"):
        assert (await house.client.post(path, headers=headers)).status == 204
        assert (await house.client.post(path, headers=headers)).status == 404
    async with house.db.scoped(Scope.all()) as conn:
        by = (await conn.execute(text("SELECT cleared_by FROM alarm WHERE cleared_by IS NOT NULL"))).scalars().all()
        assert by == ["token:all"]
    rows = await (await house.client.get(f"{V1}/set-aside", headers=headers)).json()
    assert rows == {"items": [], "open": 0}


async def test_an_agent_may_not_do_a_supervisors_work(house: House) -> None:
    async with house.browser() as browser:
        await browser.sign_in("olena")
        for path in ("/alarms", f"{V1}/alarms", f"{V1}/set-aside"):
            assert (await browser.get(path)).status == 403


async def test_a_revoked_or_foreign_token_opens_nothing(house: House) -> None:
    headers = bearer(house, "all")
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("UPDATE api_token SET revoked_at = now() WHERE name = 'all'"))
    for given in (headers, {"Authorization": "Bearer "}, {"Authorization": "Bearer x\x85"}, {}):
        answer = await house.client.get(f"{V1}/me", headers=given)
        assert answer.status == 401
        assert "Bearer" in answer.headers["WWW-Authenticate"]


RANGES = [
    (None, 200, SOUND),
    ("bytes=0-9", 206, SOUND[:10]),
    ("bytes=100-", 206, SOUND[100:]),
    ("bytes=-20", 206, SOUND[-20:]),
    ("bytes=5119-9999", 206, SOUND[5119:]),
    ("bytes=5120-", 416, None),
    ("bytes=9-2", 416, None),
]


@pytest.mark.parametrize(("asked", "status", "sound"), RANGES)
async def test_a_recording_is_played_in_whole_or_in_parts(
    house: House, asked: str | None, status: int, sound: bytes | None
) -> None:
    path = f"{V1}/recordings/{RECORDINGS[1]}/audio"
    headers = bearer(house, "svitlo") | ({} if asked is None else {"Range": asked})
    answer = await house.client.get(path, headers=headers)
    assert answer.status == status
    if sound is not None:
        assert await answer.read() == sound
        assert answer.headers["Content-Type"].startswith("audio/ogg")
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert await listened(house) == [("token:svitlo", asked or "")]
    else:
        assert answer.headers["Content-Range"] == f"bytes */{len(SOUND)}"


async def listened(house: House) -> list[tuple[str, str]]:
    async with house.db.scoped(Scope.all()) as conn:
        return [(who, span) for who, span in await conn.execute(text("SELECT who, byte_range FROM listening"))]


async def test_asking_for_the_size_is_no_listening(house: House) -> None:
    path = f"{V1}/recordings/{RECORDINGS[1]}/audio"
    answer = await house.client.head(path, headers=bearer(house, "svitlo"))
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(SOUND)))
    assert await listened(house) == []


async def test_a_listening_that_cannot_be_written_down_does_not_happen(house: House) -> None:
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("UPDATE recording SET path = '../outside.opus' WHERE provider_id = 1"))
    (house.recordings.parent / "outside.opus").write_bytes(SOUND)
    answer = await house.client.get(f"{V1}/recordings/{RECORDINGS[1]}/audio", headers=bearer(house, "svitlo"))
    assert answer.status == 503
    assert SOUND not in await answer.read()
    assert await listened(house) == []


@pytest.mark.parametrize(
    "recording", ["..%2f..%2fetc%2fpasswd", "%2e%2e", "%00", "x", "1", RECORDINGS[1] + "%00", "%2fetc%2fpasswd", "..;"]
)
async def test_a_recording_has_no_other_name_than_its_id(house: House, recording: str) -> None:
    for path in (f"{V1}/recordings/{recording}", f"{V1}/recordings/{recording}/audio"):
        answer = await house.client.get(path, headers=bearer(house, "all"), allow_redirects=False)
        assert answer.status == 404


HOSTILE_QUERIES = [
    "limit=-1", "limit=1000000000", "limit=NaN", "limit=1e400", "provider=9223372036854775808", "provider=0",
    "provider=null", "since=0001-01-01T00:00:00Z", "since=9999-12-31T23:59:59Z", "since=2026-02-30T00:00:00Z",
    "since=2026-03-29T03:30:00", "until=yesterday", "outcome=%27%20OR%201%3D1--", "sort=number", "number=%00",
    "number=" + "9" * 300, "agent=101%3Bdrop", "direction=sideways", "missed=perhaps", "limit=1&limit=2",
    "cursor=!!!", "cursor=" + "A" * 199, "cursor=W10", "cursor=%00", "cursor=WzEsMl0", "limit=%D9%A1%D9%A0x",
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE_QUERIES)
async def test_a_query_that_cannot_be_meant_is_answered_so(house: House, query: str) -> None:
    answer = await house.client.get(f"{V1}/calls?{query}", headers=bearer(house, "all"))
    assert answer.status in {400, 422}, await answer.text()
    assert answer.content_type == "application/problem+json"
    async with house.browser() as browser:
        await browser.sign_in("iryna")
        page = await browser.get(f"/calls?{query}")
        assert page.status in {200, 400}


BODIES: list[tuple[bytes, dict[str, str]]] = [
    (b"[" * 100_000, {}), (b'{"a":' * 10_000, {}), (b"{", {}), (b"nothing", {}), (b"[]", {}), (b"null", {}),
    (b'"x"', {}),
    (b'{"reason": 1}', {}), (b'{"reason": null}', {}), (b'{"reason": NaN}', {}), (b'{"reason": 1e400}', {}),
    (b'{"reason": "a", "reason": "b"}', {}), (b'{"reason": "a", "more": 1}', {}), (b'{"extension": "102"}', {}),
    (b'{"reason": "\\u0000"}', {}), (b'{"reason": "\\ud800"}', {}), (b'{"reason": "a\\r\\nAction: Originate"}', {}),
    (b'{"reason": "' + b"x" * 201 + b'"}', {}), (b"\xff\xfe{}", {}), (b'{"reason": "\xff"}', {}),
    (b'{"\\ud800": 1}', {}), (b"x" * 70_000, {}), (b"reason=x", {"Content-Type": "application/x-www-form-urlencoded"}),
    (gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "headers"), BODIES)
async def test_a_body_that_cannot_be_meant_is_answered_so(house: House, body: bytes, headers: dict[str, str]) -> None:
    sent = {"Content-Type": "application/json"} | headers | bearer(house, "all")
    answer = await house.client.post(f"{V1}/agents/101/pause", data=body, headers=sent)
    assert answer.status in {400, 413, 415, 422}, await answer.text()
    assert answer.content_type == "application/problem+json"
    assert house.orders.given == []


@pytest.mark.parametrize(
    "call", ["1", "%00", "a.b", "9" * 400 + ".1", "..%2f1.1", "%F0%9F%92%A3.1", "%D9%A1.1", "1.1%0A"]
)
async def test_a_call_that_cannot_exist_is_not_found(house: House, call: str) -> None:
    for path in (f"{V1}/calls/{call}", f"/calls/{call}"):
        assert (await house.client.get(path, headers=bearer(house, "all"))).status == 404


async def test_a_hostile_name_is_text_wherever_it_is_shown(house: House) -> None:
    async with house.browser() as browser:
        await browser.sign_in("iryna")
        for path in ("/calls", f"/calls/{CALLS[1]}", "/alarms"):
            page = await (await browser.get(path)).text()
            assert "<img src=x" not in page
            assert "&lt;img src=x onerror=alert(1)&gt;" in page


async def test_the_document_is_valid_and_names_every_route(house: House) -> None:
    document = await (await house.client.get(f"{V1}/openapi.json")).json()
    OpenAPIV31SpecValidator(document).validate()
    described = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
    served = {
        (route.method, route.resource.canonical)
        for route in house.app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith(V1) and route.method != "HEAD"
    }
    assert described == served - {("GET", f"{V1}/openapi.json")}
    page = await (await house.client.get("/api/docs")).text()
    for operation in ("list_calls", "play_recording", "call_back"):
        assert f'id="{operation}"' in page


async def test_every_answer_is_what_the_document_says(house: House) -> None:
    from openapi_schema_validator import OAS31Validator

    document = await (await house.client.get(f"{V1}/openapi.json")).json()
    for path in ("/me", "/providers", "/agents", "/queues", "/calls", "/callbacks", "/recordings", "/alarms",
                 "/set-aside", "/subscribers?words=100245"):  # fmt: skip
        answer = await house.client.get(V1 + path, headers=bearer(house, "all"))
        operation = document["paths"][V1 + path.partition("?")[0]]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        OAS31Validator({**schema, "components": document["components"]}).validate(json.loads(await answer.text()))
