"""A web over a real PostgreSQL with two providers, two agents and two supervisors; what the desk's tests share."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import ClientResponse, ClientSession, CookieJar
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from sqlalchemy import text

from callcenter.config import WebSettings
from callcenter.desk.ports import AgentNow, DeskPorts, Part, PartState, QueueNow, Snapshot
from callcenter.desk.server import make_app
from callcenter.routing.book import Book, load_book
from callcenter.store import Database, Scope
from callcenter.store.credentials import hash_password, new_token, token_hash
from callcenter.words import ProviderId
from tests.orders_seen import Orders, Phones

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PASSWORD = "ясне-сонце-7"
ORIGIN = "http://desk.example"
HASH = hash_password(PASSWORD)


@dataclass
class TurnedClock:
    """Time as the test wants it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, span: timedelta) -> None:
        self.now += span


@dataclass
class House:
    db: Database
    clock: TurnedClock
    orders: Orders
    book: Book
    app: Application
    client: TestClient[Request, Application]
    tokens: Mapping[str, str]
    recordings: Path

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[Browser]:
        """A browser of its own: cookies, and the origin it sends."""
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
            yield Browser(self, session)

    def url(self, path: str) -> str:
        return str(self.client.make_url("/")).rstrip("/") + path


@dataclass
class Browser:
    house: House
    session: ClientSession
    csrf: str = ""

    async def get(self, path: str, **options: object) -> ClientResponse:
        return await self.session.get(self.house.url(path), allow_redirects=False, **options)  # type: ignore[arg-type]

    async def post(self, path: str, fields: Mapping[str, str], origin: str | None = ORIGIN) -> ClientResponse:
        headers = {} if origin is None else {"Origin": origin}
        return await self.session.post(self.house.url(path), data=dict(fields), headers=headers, allow_redirects=False)

    async def sign_in(self, login: str, password: str = PASSWORD) -> ClientResponse:
        answer = await self.post("/sign-in", {"login": login, "password": password})
        if answer.status == 303:
            page = await (await self.get("/api/docs")).text()
            found = re.search(r'name="csrf" content="([^"]+)"', page)
            self.csrf = found[1] if found else ""
        return answer


@asynccontextmanager
async def desk_house(database: Database, folder: Path, web: WebSettings | None = None) -> AsyncIterator[House]:
    """Olena 101 serves svitlo, Taras 102 dim-link; Iryna supervises all, Sofiia svitlo."""
    clock, orders = TurnedClock(), Orders()
    tokens = {"svitlo": new_token(), "dim": new_token(), "all": new_token()}
    async with database.scoped(Scope.all()) as conn:
        for statement in SEED.split(";\n"):
            await conn.execute(text(statement))
        for login, name, role, agent, providers in USERS:
            await conn.execute(
                text("INSERT INTO user_account (login, password_hash, name, role, agent_id, providers) "
                     "VALUES (:login, :hash, :name, :role, :agent, :providers)"),
                {"login": login, "hash": HASH, "name": name, "role": role, "agent": agent, "providers": providers},
            )  # fmt: skip
        for name, providers in (("svitlo", [1]), ("dim", [2]), ("all", None)):
            await conn.execute(
                text("INSERT INTO api_token (token_hash, name, role, providers, created_at) "
                     "VALUES (:hash, :name, 'supervisor', :providers, :now)"),
                {"hash": token_hash(tokens[name]), "name": name, "providers": providers, "now": clock()},
            )  # fmt: skip
    book = await load_book(database)
    snapshot = Snapshot(
        linked=True,
        since=clock(),
        agents=(AgentNow("101", "talking", clock(), provider=ProviderId(1)), AgentNow("102", "ready", clock())),
        queues=(QueueNow("svitlo", 2, clock() - timedelta(seconds=31)), QueueNow("dim-link", 0, None)),
    )
    recordings = folder / "recordings"
    recordings.mkdir(exist_ok=True)
    ports = DeskPorts(
        db=database,
        book=lambda: book,
        clock=clock,
        web=web or WebSettings(public_url=ORIGIN),
        recordings_dir=recordings,
        telephony=orders,
        live=lambda: snapshot,
        phones=Phones(),
        parts=lambda: {"ami": Part(PartState.DEGRADED, "login refused at 10.0.0.5"), "journal": Part(PartState.OK)},
    )
    app = make_app(ports)
    async with TestClient(TestServer(app)) as client:
        yield House(database, clock, orders, book, app, client, tokens, recordings)


SEED = """
INSERT INTO provider (slug, brand, colour) VALUES ('svitlo', 'СвітлоНет', '#0b5fff'), ('dim-link', 'Дім.Лінк',
'#ffd400');
INSERT INTO did (number, provider_id) VALUES ('+380441234567', 1), ('+380447654321', 2);
INSERT INTO agent (extension, name, sip_secret) VALUES ('101', 'Олена', 'secret-101'), ('102', 'Тарас',
'secret-102');
INSERT INTO queue (provider_id, name) VALUES (1, 'svitlo'), (2, 'dim-link');
INSERT INTO queue_agent (queue_id, agent_id, provider_id) VALUES (1, 1, 1), (2, 2, 2)
"""
USERS: tuple[tuple[str, str, str, int | None, list[int] | None], ...] = (
    ("olena", "Олена", "agent", 1, None),
    ("taras", "Тарас", "agent", 2, None),
    ("iryna", "Ірина", "supervisor", None, None),
    ("sofiia", "Софія", "supervisor", None, [1]),
)


SOUND = bytes(range(256)) * 20
HOSTILE = "<img src=x onerror=alert(1)>\u202e' OR 1=1--"
CALLS = {1: "pbx1-1000.1", 2: "pbx1-2000.1"}
MISSED = {1: "pbx1-1001.1", 2: "pbx1-2001.1"}
UNKNOWN = "pbx1-3000.1"
RECORDINGS = {1: "11111111-1111-4111-8111-111111111111", 2: "22222222-2222-4222-8222-222222222222"}


async def a_day_of_work(house: House) -> None:
    """Each provider has an answered call with its recording, a missed one with its callback, and an alarm."""
    for provider, slug in ((1, "svitlo"), (2, "dim-link")):
        number = f"+38067000000{provider}"
        values = {
            "provider": provider, "number": number, "name": f"{HOSTILE} {slug}", "did": f"+38044000000{provider}",
            "call": CALLS[provider], "missed": MISSED[provider], "recording": RECORDINGS[provider],
            "path": f"{slug}/sound.opus", "bytes": len(SOUND), "at": NOON - timedelta(hours=1),
            "due": NOON - timedelta(minutes=4), "agent": f"10{provider}",
        }  # fmt: skip
        async with house.db.scoped(Scope.all()) as conn:
            for statement in DAY.split(";\n"):
                await conn.execute(text(statement), values)
        file = house.recordings / slug / "sound.opus"
        file.parent.mkdir()
        file.write_bytes(SOUND)
    async with house.db.scoped(Scope.all()) as conn:
        for statement in NOBODYS.split(";\n"):
            await conn.execute(text(statement), {"id": UNKNOWN, "at": NOON, "raw": b"CHAN_START|\x00torn|\xff"})


DAY = """
INSERT INTO call (id, provider_id, direction, did, dialled, number, callable, caller_name, arrived_at,
answered_at, connected_at, ended_at, outcome, waited_s, talked_s, agents, rang, hangup_by, settled) VALUES
(:call, :provider, 'in', :did, :did, :number, true, :name, :at, :at, :at, :at, 'answered', 4, 62, ARRAY[:agent],
ARRAY[:agent], 'caller', true), (:missed, :provider, 'in', :did, :did, :number, true, :name, :at, :at, NULL,
:at, 'left_waiting', 48, 0, '{}', '{}', 'caller', true);
INSERT INTO call_segment (call_id, seq, provider_id, kind, agent, started_at, ended_at) VALUES (:call, 0,
:provider, 'greeting', NULL, :at, :at), (:call, 1, :provider, 'talking', :agent, :at, :at);
INSERT INTO recording (id, call_id, provider_id, state, path, bytes, sha256, duration_s, talked_s, expected_at)
VALUES (CAST(:recording AS uuid), :call, :provider, 'stored', :path, :bytes, 'x', 62, 62, :at);
INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, misses, last_missed_at) VALUES
(:provider, :number, true, :at, :due, :due, 3, :at), (:provider, '', false, :at, :due, :due, 1, :at);
INSERT INTO callback_miss (call_id, callback_id, provider_id, missed_at, outcome, waited_s) SELECT :missed, id,
:provider, :at, 'left_waiting', 48 FROM callback WHERE number = :number;
INSERT INTO callback_attempt (call_id, callback_id, provider_id, agent, at, answered) SELECT :call, id,
:provider, :agent, :at, false FROM callback WHERE number = :number;
INSERT INTO alarm (kind, subject, detail, provider_id, raised_at, last_at) VALUES ('recording_missing', :path,
:name, :provider, :at, :at);
INSERT INTO subscriber (provider_id, account, name) VALUES (:provider, '100245', :name);
INSERT INTO subscriber_phone (provider_id, number, subscriber_id) SELECT :provider, :number, id FROM subscriber
WHERE provider_id = :provider;
INSERT INTO agent_message (agent_id, sender, body, at) SELECT id, 'Ірина', :name, :at
FROM agent WHERE extension = :agent
"""
NOBODYS = """
INSERT INTO call (id, direction, dialled, number, callable, arrived_at, ended_at, outcome, settled) VALUES (:id,
'in', '+380990000000', '+380670000009', true, :at, :at, 'unknown_did', true);
INSERT INTO alarm (kind, subject, raised_at, last_at) VALUES ('unknown_did', '+380990000000', :at, :at);
INSERT INTO journal_set_aside (source, path, position, raw, reason, seen_at) VALUES ('cel',
'/var/log/asterisk/cel-custom/callcenter.journal', 512, :raw, 'torn', :at);
INSERT INTO shift (name, lead_id, starts_at, ends_at, opened_at, opened_by, closed_at, closed_by) SELECT 'Ніч', id,
CAST(:at AS timestamptz) - interval '9 hours', :at, CAST(:at AS timestamptz) - interval '9 hours', 'user:Ірина', :at,
'user:Ірина' FROM user_account WHERE login = 'iryna';
INSERT INTO shift_document (shift_id, provider_id, document) SELECT id, 2, '{}' FROM shift
"""
