"""The composition root: builds every part, owns the one TaskGroup, and lists what each call obliges us to."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from callcenter.ami.commands import Commands
from callcenter.ami.facts import CallArrived, CallEnded, LiveFact
from callcenter.ami.health import LinkHealth
from callcenter.ami.link import LiveLink
from callcenter.ami.session import AmiAddress
from callcenter.ami.tape import Tape
from callcenter.callbacks.auditor import Auditor
from callcenter.callbacks.queue import one_callback, open_callback_for, pay_or_owe
from callcenter.calls.entry import LedgerEntry
from callcenter.calls.ledger import Ledger, LedgerHealth
from callcenter.calls.witness import Witness
from callcenter.config import Settings
from callcenter.desk.card import norms_of
from callcenter.desk.live import live_routes
from callcenter.desk.lookups import lookups_of
from callcenter.desk.ports import DeskPorts, Measure, Part, PartState
from callcenter.desk.screens import Screens
from callcenter.desk.server import make_app, served
from callcenter.desk.wallboard import wallboard_routes
from callcenter.desk.wallboard_feed import WallboardFeed
from callcenter.diag.mass_rule import MassRule
from callcenter.diag.outages import Outage
from callcenter.diag.verdict import Thresholds
from callcenter.diag.watch import LineWatch
from callcenter.errors import CallCenterError, Misconfigured, RuleBroken, Unavailable
from callcenter.floor.board import Board
from callcenter.floor.duty import DutyBook
from callcenter.floor.keeper import Keeper
from callcenter.floor.orders import Orders
from callcenter.floor.page_phones import PagePhones
from callcenter.floor.phone_codes import take_phone_codes
from callcenter.floor.place_keeper import PlaceKeeper
from callcenter.floor.relays import relays
from callcenter.floor.sound_watch import SoundWatch
from callcenter.floor.statelog import StateLog, open_states
from callcenter.ivr.question import QuestionPorts
from callcenter.ivr.question import make_app as make_question
from callcenter.recordings.duty import expect
from callcenter.recordings.intake import Intake
from callcenter.reports.rolling import Rolling
from callcenter.routing.book import Shelf
from callcenter.store import Database, Scope
from callcenter.store.leader import Leader
from callcenter.store.migrate import check_schema, migrate
from callcenter.store.notices import Notices, Topic
from callcenter.store.opening import Door, open_door
from callcenter.store.vault import open_vault
from callcenter.subscribers.directory import find_by_number
from callcenter.words import Language, ProviderId

log = logging.getLogger(__name__)
HOOKS = (pay_or_owe, expect)
"""What is done in the transaction that writes a call: its callback, then its recording."""
START_TRIES_S = (0.2, 0.5, 1.0, 2.0, 5.0)


def clock() -> datetime:
    """The present time: this is the edge that real time comes in by."""
    return datetime.now(UTC)  # noqa: TID251 - the service's one clock


class App:
    """The running service: one pump from AMI to the screens, one ledger from the journal to the database."""

    def __init__(self, settings: Settings, database: Database, tasks: asyncio.TaskGroup) -> None:
        self.settings = settings
        self.db = database
        self.tasks = tasks
        self.shelf = Shelf(database, settings.country)
        ami, asterisk = settings.ami, settings.asterisk
        self.link = LiveLink(
            AmiAddress(ami.host, ami.port, ami.events_user, ami.events_secret.get_secret_value(), ami.tls_cafile),
            self.on_fact,
            clock=clock,
            tape=Tape(ami.tape, clock) if ami.tape is not None else None,
        )
        self.commands = Commands(
            AmiAddress(ami.host, ami.port, ami.commands_user, ami.commands_secret.get_secret_value(), ami.tls_cafile),
            clock=clock,
        )
        self.leader = Leader(database)
        self.notices = Notices(database, self.on_notice)
        self.duties = DutyBook(database, self.on_duty)
        self.board = Board(self.link.view, self.shelf.book, self.duties.of, clock)
        self.states = StateLog(database, self.board.snapshot, lambda: self.leader.leads)
        self.rolling = Rolling(database, clock, lambda: self.leader.leads)
        self.keeper = Keeper(
            database, self.shelf.book, self.duties, self.commands, self.link.view, clock,
            leads=lambda: self.leader.leads, unanswered_rings=settings.agents.unanswered_rings,
            knows_journal=lambda: self.ledger.caught_up_at is not None,
        )  # fmt: skip
        self.orders = Orders(
            database, self.shelf.book, self.commands, self.link.view, settings.outbound, clock, self.follow_orders
        )
        self.phones = PagePhones(
            database, self.shelf.book, self.commands, self.link.view, self.orders, clock,
            good_for=timedelta(minutes=settings.phone.credential_minutes), leads=lambda: self.leader.leads,
        )  # fmt: skip
        self.sound = SoundWatch(
            database, self.shelf.book, self.commands, self.link.view, clock,
            unheard=timedelta(seconds=settings.phone.unheard_s), leads=lambda: self.leader.leads,
        )  # fmt: skip
        self.places = PlaceKeeper(
            database, self.shelf.book, self.link.view, self.board.snapshot, self.ring_for_place, clock,
            leads=lambda: self.leader.leads, not_picked_up=self.keeper.rang_in_vain,
        )  # fmt: skip
        self.keeper.before_ready = self.places.before_ready
        self.ledger = Ledger(
            database, self.shelf.book, asterisk, clock, HOOKS, self.on_committed, self.shelf.refresh, take_phone_codes
        )
        self.witness = Witness(
            database, self.shelf.book, asterisk.queue_log, self.ledger, clock, HOOKS, self.on_committed
        )
        recordings = settings.recordings
        self.auditor = Auditor(database, asterisk.journal, settings.country, self.leader.led, clock)
        self.intake = Intake(database, asterisk.monitor_dir, recordings.dir, clock, poll_s=recordings.poll_s)
        self.vault = open_vault(settings.data_dir, settings.vault.keys)
        self.watch = LineWatch(
            database,
            self.vault,
            settings.line,
            self.leader,
            tasks,
            clock,
            norms_of=self.norms,
            rule_of=self.mass_rule,
            on_outage=self.on_outage,
            on_diagnosis=lambda examined: self.screens.diagnosis_changed(examined),
        )
        self.lookups = lookups_of(
            database, self.watch.lines, self.vault, clock, self.watch.outages, self.watch.diagnoses
        )
        self.screens = Screens(
            self.lookups,
            self.shelf.book,
            self.board.snapshot,
            clock,
        )
        self.wallboard = WallboardFeed(database, self.shelf.book, self.board.snapshot, clock)
        self._told: set[Topic] = set()
        self._told_anew = asyncio.Event()

    # --- what happens, told on; nothing here waits for anything

    def on_fact(self, fact: LiveFact) -> None:
        """One fact of the live link, in order."""
        self.board.on_fact(fact)
        self.screens.on_fact(fact)
        self.wallboard.stir()
        match fact:
            case CallArrived():
                self.witness.saw(fact.call, fact.did, fact.caller_num, fact.at)
            case CallEnded():
                self.witness.ended(fact.call, clock())
            case _:
                pass
        self.keeper.on_fact(fact)
        self.places.on_fact(fact)
        self.phones.on_fact(fact)
        self.sound.on_fact(fact)

    def on_outage(self, outage: Outage) -> None:
        """Many lines went dark together, more of them, or they are back: every card of theirs says so."""
        self.screens.outages_changed()

    def on_calling_back(self, callback: int, provider: ProviderId, number: str, extension: str) -> None:
        """An agent's phone rings for a callback they chose: their card, and the time after the call."""
        self.keeper.calls_out(extension, f"callback-{callback}")
        self.screens.calling_back(callback, provider, number, extension)

    def on_dialling(self, provider: ProviderId, number: str, extension: str) -> None:
        """An agent's phone rings for a number they dialled."""
        self.keeper.calls_out(extension, f"dialled-{number}")
        self.screens.dialling(provider, number, extension)

    def on_notice(self, topic: Topic) -> None:
        """Some service changed this: it is read anew."""
        self._told.add(topic)
        self.wallboard.stale()
        self._told_anew.set()

    def on_duty(self) -> None:
        """An agent is on another duty than before."""
        self.keeper.stir()
        self.screens.rail.stir()
        self.wallboard.stir()

    def on_committed(self, entries: Sequence[LedgerEntry]) -> None:
        """Calls have been written: what pages show of them is old."""
        self.screens.calls_committed(entries)
        self.wallboard.stale()

    def on_web_change(self) -> None:
        """Somebody changed something on a page: what others show of it is old."""
        self.screens.callbacks_changed()
        self.wallboard.stale()

    # --- what Asterisk's question is answered from

    async def owes_callback(self, provider: ProviderId, number: str) -> bool:
        async with self.db.scoped(Scope.only([provider])) as connection:
            return await open_callback_for(connection, provider, number) is not None

    async def language_of(self, provider: ProviderId, number: str) -> Language | None:
        async with self.db.scoped(Scope.only([provider])) as connection:
            found = await find_by_number(connection, provider, number)
        return found[0].language if len(found) == 1 else None

    # --- work of its own

    async def hear(self) -> None:
        """Reads anew what notices say is old."""
        while True:
            await self._told_anew.wait()
            self._told_anew.clear()
            told, self._told = self._told, set()
            try:
                if Topic.BOOK in told:
                    await self.follow_book()
                if Topic.DUTY in told:
                    await self.duties.load()
            except (Unavailable, Misconfigured) as exc:
                log.warning("notices: read again in a second: %s", exc)
                await asyncio.sleep(1)
                self._told |= told
                self._told_anew.set()
            if Topic.LINES in told:
                self.watch.outages.on_notice()
            if Topic.CALLBACKS in told:
                self.screens.callbacks_changed()
                self.places.stir()
            if Topic.MESSAGES in told:
                self.screens.messages_changed()

    async def ring_for_place(self, callback: int, extension: str, queue: str) -> None:
        """A caller who kept their place is called back as any callback is, only that nobody had to choose it."""
        async with self.db.scoped(Scope.all()) as connection:
            found = await one_callback(connection, callback)
        if found is None:
            raise RuleBroken(f"callback {callback} is gone")
        await self.orders.call_back(callback, extension, ordered=False)
        self.keeper.calls_out(extension, f"callback-{callback}", queue)
        self.screens.calling_back(callback, found.provider, found.number, extension)

    async def follow_book(self) -> None:
        """Who serves which queue has changed."""
        await self.shelf.refresh()
        self.keeper.stir()

    async def follow_orders(self) -> None:
        """What was just ordered here is so at once, before any notice of it comes."""
        await self.duties.load()
        await self.shelf.refresh()
        self.keeper.stir()

    def norms(self, provider: ProviderId) -> Thresholds:
        """Where this provider draws its lines, as its cards are judged."""
        found = next((each for each in self.shelf.book().providers if each.id == provider), None)
        return Thresholds() if found is None else norms_of(found)

    def mass_rule(self, provider: ProviderId) -> MassRule:
        """How many lines make a mass outage at this provider; the house's own rule where what it wrote cannot be."""
        found = next((each for each in self.shelf.book().providers if each.id == provider), None)
        try:
            return MassRule.from_settings({} if found is None else found.thresholds)
        except Misconfigured as wrong:
            log.warning("mass outages are judged by the house's own rule: %s", wrong)
            return MassRule()

    # --- how it is

    def parts(self) -> Mapping[str, Part]:
        """Every part's health, with its reason."""
        ledger, intake, witness = self.ledger.health(), self.intake.health(), self.witness.health()
        return {
            "ami-events": _link_part(self.link.health),
            "ami-commands": _link_part(self.commands.health),
            "ledger": Part(
                _ledger_state(ledger),
                ledger.trouble or ("" if ledger.ok else ledger.state),
                ledger.committed_at,
                {"lag_bytes": ledger.lag, "rows": ledger.rows, "in_progress": ledger.in_progress},
            ),
            "witness": _part(witness.trouble, {"pending": witness.pending, "found": witness.found}),
            "recordings": _part(intake.trouble, {"waiting": intake.waiting, **intake.taken}),
            "routing": _part(self.shelf.trouble, {}),
            "audit": _part(self.auditor.trouble, {}),
            "lines": _part(self.watch.traps.fault, {"outages": len(self.watch.outages.open()), **self.watch.counts()}),
        }

    def measures(self) -> Sequence[Measure]:
        """The numbers of ``/metrics``."""
        ledger, intake, view = self.ledger.health(), self.intake.health(), self.link.view
        links = {health.name: health for health in (self.link.health, self.commands.health)}
        agents: dict[str, int] = {}
        for agent in self.board.snapshot().agents:
            agents[agent.state] = agents.get(agent.state, 0) + 1
        return (
            Measure("callcenter_live_calls", "Calls that Asterisk carries now.", "gauge", [({}, len(view.calls()))]),
            Measure(
                "callcenter_agents", "Agents by what they do now.", "gauge",
                [({"state": state}, count) for state, count in sorted(agents.items())],
            ),
            Measure("callcenter_journal_lag_bytes", "Journal written and not committed.", "gauge", [({}, ledger.lag)]),
            Measure("callcenter_journal_rows", "Journal rows committed since start.", "counter", [({}, ledger.rows)]),
            Measure(
                "callcenter_recordings_waiting", "Recordings owed and not taken in.", "gauge", [({}, intake.waiting)]
            ),
            Measure(
                "callcenter_ami_link", "1 while the link to Asterisk is live.", "gauge",
                [({"user": name}, float(health.is_live)) for name, health in links.items()],
            ),
            Measure(
                "callcenter_ami_events", "AMI events received.", "counter",
                [({"user": name}, health.counters["events"]) for name, health in links.items()],
            ),
            Measure(
                "callcenter_ami_torn_frames", "AMI frames that were not Asterisk's own or not whole.", "counter",
                [({"user": name}, health.counters["torn"]) for name, health in links.items()],
            ),
        )  # fmt: skip

    def relays(self, user: str) -> Sequence[Mapping[str, object]]:
        phone = self.settings.phone
        secret = phone.turn_secret.get_secret_value() if phone.turn_secret else ""
        return relays(phone.turn, secret, user, clock() + timedelta(minutes=phone.credential_minutes))

    def desk_ports(self) -> DeskPorts:
        return DeskPorts(
            db=self.db,
            book=self.shelf.book,
            clock=clock,
            web=self.settings.web,
            recordings_dir=self.settings.recordings.dir,
            telephony=self.orders,
            live=self.board.snapshot,
            phones=self.phones,
            phone=self.settings.phone,
            relays=self.relays,
            parts=self.parts,
            measures=self.measures,
            changed=self.on_web_change,
            calling=self.on_calling_back,
            dialling=self.on_dialling,
            noted=self.screens.noted,
            vault=self.vault,
            changes=self.watch.changes,
            circuits=self.watch.circuits,
            diagnoses=self.watch.diagnoses,
            diagnose=self.lookups.diagnose,
            country=self.settings.country,
        )

    # --- running

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything runs while the block does; the web is the last to come and the first to go."""
        await self.shelf.refresh()
        await self.duties.load()
        async with self.db.scoped(Scope.only(())) as connection:
            self.board.remember(await open_states(connection))
        for work in (
            self.shelf.run(),
            self.screens.run(),
            self.wallboard.run(),
            self.ledger.run(),
            self.witness.run(),
            self.leader.only_leading(self.intake.run),  # two would take in the same raw file
            self.auditor.run(),
            self.link.run(),
            self.commands.run(),
            self.leader.run(),
            self.notices.run(),
            self.keeper.run(),
            self.states.run(),
            self.rolling.run(),
            self.places.run(),
            self.phones.run(),
            self.sound.run(),
            self.hear(),
            *self.watch.works(),
        ):
            self.tasks.create_task(work)
        question = make_question(
            QuestionPorts(
                provider_of=lambda did: self.shelf.book().provider_of(did),
                owes_callback=self.owes_callback,
                language_of=self.language_of,
            ),
            self.settings.ivr.token,
            country=self.settings.country,
        )
        web, ivr = self.settings.web, self.settings.ivr
        pages = (*live_routes(self.screens), *wallboard_routes(self.wallboard))
        try:
            async with (
                served(question, ivr.host, ivr.port),
                served(make_app(self.desk_ports(), pages), web.host, web.port) as port,
            ):
                log.info("serving on http://%s:%d", web.host, port)
                try:
                    yield
                finally:
                    self.screens.close_pages()
                    self.wallboard.close_pages()
        finally:
            await self.intake.close()
            self.watch.close()


def _ledger_state(health: LedgerHealth) -> PartState:
    """Of two services on one journal one writes; the other one stands by, which is no failure of either."""
    if health.ok:
        return PartState.OK
    return PartState.DEGRADED if health.state == "standby" else PartState.DOWN


def _part(trouble: str | None, facts: Mapping[str, float | int | str]) -> Part:
    return Part(PartState.DEGRADED if trouble else PartState.OK, trouble or "", facts=facts)


def _link_part(health: LinkHealth) -> Part:
    """Without its link the service keeps the ledger, and agents see nothing new: that is down, and said so."""
    state = PartState.OK if health.is_live else PartState.DOWN
    return Part(state, "" if health.is_live else health.reason or str(health.state), health.since, health.counters)


async def _ready(door: Door, database: Database) -> None:
    """Waits for PostgreSQL to answer; an embedded one is brought to this version's schema."""
    for wait in (*START_TRIES_S, None):
        try:
            await database.ping()
            break
        except Unavailable as exc:
            if wait is None:
                raise
            log.warning("waiting for the database: %s", exc)
            await asyncio.sleep(wait)
    if door.embedded is not None:
        await migrate(door.owner())
    await check_schema(database)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Runs the service until ``stop`` is set. Raises ``Misconfigured`` or ``Unavailable`` when it cannot start."""
    door = await asyncio.to_thread(open_door, settings)
    database = door.database(settings.database.pool_size)
    try:
        await _ready(door, database)
        async with asyncio.TaskGroup() as tasks:
            app = App(settings, database, tasks)
            async with app.running():
                _let_be_what_stays()
                await stop.wait()
            raise _Stopped
    except* _Stopped:
        log.info("stopped")
    finally:
        await database.close()


RARELY = 1000
"""After how many collections of the younger objects the oldest are walked: minutes instead of seconds."""


def _let_be_what_stays() -> None:
    """Garbage collection must not stop a card on its way.

    A walk over all objects took 20 to 100 ms, every few seconds at ten calls a second: it was the longest step of the
    event loop by far. What was loaded at start is walked no more, and what is old rarely.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, RARELY)


class _Stopped(Exception):  # no error: the way out of the TaskGroup
    """Somebody asked the service to end."""


def serve(settings: Settings) -> None:
    """``callcenter serve``: until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    async def until_asked() -> None:
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        try:
            await run(settings, stop)
        except* (CallCenterError, OSError) as group:
            found: BaseException = group
            while isinstance(found, BaseExceptionGroup):
                found = found.exceptions[0]
            raise Misconfigured(str(found)) from group

    asyncio.run(until_asked())
