"""An agent's page over a real PostgreSQL and the real web; a test tells the facts, and what an OLT answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from callcenter.ami.facts import AgentRang, CallArrived, LiveFact
from callcenter.config import WebSettings
from callcenter.desk.live import live_routes
from callcenter.desk.lookups import lookups_of
from callcenter.desk.ports import AgentNow, DeskPorts, QueueNow, Snapshot
from callcenter.desk.screens import Screens
from callcenter.desk.server import make_app, served
from callcenter.diag.devices import Device
from callcenter.diag.line import LineReading
from callcenter.diag.reading import DownReason, OnuReading, OnuState
from callcenter.routing.book import Book, load_book
from callcenter.store import Database, Scope
from callcenter.store.notices import Notices, Topic
from callcenter.words import Dbm, Known, LinkedId, Missing, UniqueId
from tests.desk_house import HASH, SEED, USERS
from tests.keys import VAULT
from tests.orders_seen import Orders, Phones

SVITLO_DID, DIM_DID = "380441234567", "+380447654321"
MARIIA = "0671234567"
WEAK = OnuReading(
    OnuState.ONLINE, Dbm(-26.4), Dbm(2.1), Dbm(-24.9), 1900, 7860, DownReason.FIBRE, "wire-down", True, 1000, "P1501C1"
)  # fmt: skip
SILENT = Missing("line.missing.timeout", "OLT-Садова")
NEVER_READ = Missing("line.missing.never-read", "OLT-Садова")


def real_now() -> datetime:
    """A browser has its own clock, so time is real here."""
    return datetime.now(UTC)


@dataclass
class Olts:
    """Answers for every OLT: at once, or when the gate is opened."""

    last: LineReading = NEVER_READ
    line: LineReading = SILENT
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)

    async def last_known(self, olt: Device, onu: str) -> LineReading:
        return self.last

    async def read(self, olt: Device, onu: str) -> LineReading:
        self.asked.append(onu)
        await self.gate.wait()
        return self.line

    def answer(self, reading: OnuReading, age: timedelta = timedelta(0)) -> None:
        self.line = Known(reading, real_now() - age, "OLT-Садова")


@dataclass
class AgentHouse:
    db: Database
    olts: Olts
    screens: Screens
    orders: Orders
    ports: DeskPorts
    picture: dict[str, AgentNow]
    books: list[Book]
    """The last one is the present one."""
    calls: int = 0

    @property
    def url(self) -> str:
        return self.ports.web.public_url

    def tell(self, *facts: LiveFact) -> None:
        for fact in facts:
            self.screens.on_fact(fact)

    def arrives(self, number: str = MARIIA, name: str = "", did: str = SVITLO_DID) -> UniqueId:
        """A new caller dials in."""
        self.calls += 1
        call = UniqueId(f"pbx1-1795380250.{self.calls}")
        self.tell(CallArrived(call, did, number, name, LinkedId(call), real_now()))
        return call

    def rings(self, call: UniqueId, agent: str = "101") -> UniqueId:
        self.tell(AgentRang(call, agent, UniqueId(f"{call}9")))
        return call

    def is_(self, state: str, agent: str = "101") -> None:
        """What the board says of an agent."""
        self.picture[agent] = AgentNow(agent, state, real_now())

    async def read_book(self) -> None:
        """What was changed in the tables is in the book now."""
        self.books.append(await load_book(self.db))

    async def subscriber(
        self, account: str, name: str = "Шевченко Марія Іванівна", *, phone: str = "+380671234567",
        address: str = "вул. Садова 12, кв. 48", status: str = "active", note: str = "", onu: str = "EPON0/2:48",
    ) -> int:  # fmt: skip
        """A contract at svitlo with this phone; its line ends at an ONU of OLT-Садова."""
        async with self.db.scoped(Scope.all()) as conn:
            values = {"account": account, "name": name, "address": address, "status": status, "note": note, "onu": onu}
            number = int((await conn.execute(_SUBSCRIBER, values)).scalar_one())
            await conn.execute(_PHONE, {"subscriber": number, "phone": phone})
        return number

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """The web is up while the block runs; another block is a service started again."""
        async with served(make_app(self.ports, routes=live_routes(self.screens)), "127.0.0.1", self.ports.web.port):
            try:
                yield
            finally:
                self.screens.close_pages()


@asynccontextmanager
async def agent_house(database: Database) -> AsyncIterator[AgentHouse]:
    """Olena 101 serves svitlo, Taras 102 dim; the page will listen on a free port of the loopback."""
    async with database.scoped(Scope.all()) as conn:
        for statement in (*SEED.split(";\n"), OLT):
            await conn.execute(text(statement))
        for login, name, role, agent, providers in USERS:
            values = {"login": login, "hash": HASH, "name": name, "role": role, "agent": agent, "providers": providers}
            await conn.execute(_USER, values)
    books = [await load_book(database)]
    olts, orders, began = Olts(), Orders(), real_now()
    olts.gate.set()
    picture = {agent: AgentNow(agent, "ready", began - timedelta(minutes=3)) for agent in ("101", "102")}

    def live() -> Snapshot:
        waiting = tuple(QueueNow(queue.name, 2, began - timedelta(seconds=31)) for queue in books[-1].queues_of("101"))
        return Snapshot(True, began, tuple(picture.values()), waiting)

    screens = Screens(
        lookups_of(database, olts, VAULT, real_now),
        lambda: books[-1],
        live,
        real_now,
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ports = DeskPorts(
        db=database,
        book=lambda: books[-1],
        clock=real_now,
        web=WebSettings(port=port, public_url=f"http://127.0.0.1:{port}"),
        recordings_dir=Path("/nonexistent"),
        telephony=orders,
        live=live,
        phones=Phones(),
        parts=dict,
        calling=screens.calling_back,
        dialling=screens.dialling,
        noted=screens.noted,
    )

    def heard(topic: Topic) -> None:
        if topic is Topic.MESSAGES:
            screens.messages_changed()
        elif topic is Topic.CALLBACKS:
            screens.callbacks_changed()

    async with asyncio.TaskGroup() as group:
        running = [group.create_task(work) for work in (screens.run(), Notices(database, heard).run())]
        yield AgentHouse(database, olts, screens, orders, ports, picture, books)
        for task in running:
            task.cancel()


OLT = (
    "INSERT INTO device (provider_id, name, driver, host, plain_community) "
    "VALUES (1, 'OLT-Садова', 'bdcom_epon', '::1', 'x')"
)
_USER = text(
    "INSERT INTO user_account (login, password_hash, name, role, agent_id, providers) "
    "VALUES (:login, :hash, :name, :role, :agent, :providers)"
)
_SUBSCRIBER = text(
    "INSERT INTO subscriber (provider_id, account, name, address, tariff, balance, currency, status, device_id, onu, "
    "note) VALUES (1, :account, :name, :address, '«Дім 300», 300 Мбіт/с', -35, 'UAH', :status, 1, :onu, :note) "
    "RETURNING id"
)
_PHONE = text("INSERT INTO subscriber_phone (subscriber_id, provider_id, number) VALUES (:subscriber, 1, :phone)")
