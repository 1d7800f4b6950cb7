"""Witnesses: the live link and the ``queue_log`` notice inbound calls that the journal does not know, or never ends.

A full disk tears rows of the journal without a word. A caller whose rows are gone is owed a callback all the same, and
the difference is an alarm. Witnesses decide nothing else: as soon as the journal tells of a call, its word stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls import tables
from callcenter.calls.entry import Hook, LedgerEntry, run_hooks
from callcenter.calls.journal import Journal, Position
from callcenter.calls.ledger import SOURCE, Ledger
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.queue_log import ENTERED, STARTED, queue_row
from callcenter.calls.record import CallRecord
from callcenter.calls.tables import CallRow, Source
from callcenter.errors import Unavailable
from callcenter.routing.book import Book, Provider
from callcenter.routing.numbers import caller_number
from callcenter.store import Database, Scope
from callcenter.store.alarms import raise_alarm
from callcenter.words import Clock, Did, UniqueId

log = logging.getLogger(__name__)

QUEUE_LOG: Final = "queue_log"
GRACE: Final = timedelta(seconds=10)
"""How long after a call's end the journal may still be silent about it."""
FORGOTTEN: Final = timedelta(hours=6)
"""A call whose end no witness saw is judged after this."""
MOST_BYTES: Final = 1_000_000
POLL_S: Final = 1.0
LONGEST_WAIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a witness knows of one inbound call."""

    call: UniqueId
    source: Source
    seen_at: datetime
    number: str
    did: str = ""
    queue: str = ""
    over_at: datetime | None = None
    surely_over: bool = False
    """The live link saw its end, or Asterisk was restarted; a caller who left a queue may talk on elsewhere."""
    place: Position | None = None
    """From where the ``queue_log`` must be read again if we die before this is judged."""


@dataclass(frozen=True, slots=True)
class WitnessHealth:
    """``pending`` calls were seen and are not judged yet; ``found`` were missing from the journal since the start."""

    pending: int
    found: int
    trouble: str


class Witness:
    """Keeps what was seen until the journal has had its time to tell the same, then looks for what it did not tell."""

    def __init__(
        self,
        database: Database,
        book: Callable[[], Book],
        queue_log: Path,
        ledger: Ledger,
        clock: Clock,
        hooks: Sequence[Hook] = (),
        committed: Callable[[Sequence[LedgerEntry]], None] = lambda _entries: None,
    ) -> None:
        self._database = database
        self._book = book
        self._log = Journal(queue_log)
        self._ledger = ledger
        self._clock = clock
        self._hooks = tuple(hooks)
        self._committed = committed
        self._seen: dict[UniqueId, Sighting] = {}
        self._place: Position | None = None
        self._kept: Position | None = None
        self._found = 0
        self._trouble = ""

    # ---- what the live link tells; never waits, never raises

    def saw(self, call: UniqueId, did: str, number: str, at: datetime) -> None:
        """The live link saw a call arrive."""
        known = self._seen.get(call)
        fresh = Sighting(call, "ami", at, number, did=did)
        self._seen[call] = fresh if known is None else replace(known, source="ami", did=did, number=number)

    def ended(self, call: UniqueId, at: datetime) -> None:
        """The live link saw it end."""
        known = self._seen.get(call)
        if known is not None:
            self._seen[call] = replace(known, over_at=at, surely_over=True)

    def health(self) -> WitnessHealth:
        return WitnessHealth(len(self._seen), self._found, self._trouble)

    # ---- the loop

    async def run(self) -> None:
        """Looks once a second, for ever; a database that is away, or a mistake of ours, only delays it."""
        wait = POLL_S
        while True:
            try:
                await self.step()
            except Unavailable as exc:
                if not self._trouble:
                    log.warning("witness: waits: %s", exc)
                self._trouble = str(exc)
                wait = min(LONGEST_WAIT_S, wait * 2)
            except Exception as exc:  # calls are served without a witness: nothing it does may end the service
                log.exception("witness: failed, and tries again")
                self._trouble = f"{type(exc).__name__}: {exc}"
                wait = min(LONGEST_WAIT_S, wait * 2)
            else:
                self._trouble, wait = "", POLL_S
            await asyncio.sleep(wait)

    async def step(self) -> None:
        """Reads what is new in the ``queue_log`` and judges what is due. Raises ``Unavailable``."""
        if self._place is None:
            await self._begin()
        self._read_log()
        due = self._due()
        if due:
            await self._say_whose(due)
            await self._judge(due)
        await self._keep_place()

    async def _begin(self) -> None:
        """On the very first start the past is not ours: an old ``queue_log`` is full of calls nobody followed."""
        async with self._database.scoped(Scope.all()) as connection:
            self._place = self._kept = await tables.read_position(connection, QUEUE_LOG)
        if self._place is None:
            self._place = self._log.end()

    def _read_log(self) -> None:
        while True:
            place = self._place
            chunk = self._log.read(place, MOST_BYTES)
            if chunk.after is None:
                return
            for line in chunk.lines:
                self._hear(line.raw, place)
            self._place = chunk.after

    def _hear(self, raw: bytes, place: Position | None) -> None:
        row = queue_row(raw)
        if row is None:
            return
        at = datetime.fromtimestamp(row.at, UTC)
        if row.verb == STARTED:
            for sighting in list(self._seen.values()):
                if not sighting.surely_over and sighting.seen_at < at:
                    self._seen[sighting.call] = replace(sighting, over_at=at, surely_over=True)
            return
        known = self._seen.get(row.call)
        if row.verb == ENTERED:
            fresh = Sighting(row.call, "queue_log", at, row.number, queue=row.queue, place=place)
            if known is not None:  # a second queue, or a call the live link saw: it is not over
                fresh = replace(known, queue=row.queue, over_at=None, place=known.place or place)
            self._seen[row.call] = fresh
        elif known is not None and not known.surely_over:
            self._seen[row.call] = replace(known, over_at=at)

    def _due(self) -> list[Sighting]:
        """What the journal has had its time for, and whose time it has been read past."""
        now, told = self._clock(), self._ledger.caught_up_at
        if told is None:
            return []
        due = []
        for sighting in self._seen.values():
            over = sighting.over_at or (sighting.seen_at + FORGOTTEN)
            if over + GRACE <= min(now, told):
                due.append(sighting)
        return due

    async def _judge(self, due: list[Sighting]) -> None:
        async with self._database.scoped(Scope.all()) as connection:
            known = await tables.known_calls(connection, [sighting.call for sighting in due])
            if all(known.get(sighting.call) for sighting in due):
                self._forget(due, known)
                return
            await tables.lock_position(connection, SOURCE)  # the ledger does not write them at this moment
            known = await tables.known_calls(connection, [sighting.call for sighting in due])
            missing = [sighting for sighting in due if sighting.call not in known]
            entries = await self._write(connection, missing)
            endless = [each for each in due if each.surely_over and known.get(each.call) is False]
            for sighting in [*missing, *endless]:
                what = "its rows are missing" if sighting in missing else "its end is missing"
                detail = f"call {sighting.call}, seen by {sighting.source} at {sighting.seen_at:%F %T} UTC: {what}"
                log.error("witness: %s", detail)
                await raise_alarm(connection, "journal_gap", sighting.call, at=self._clock(), detail=detail)
        self._forget(due, known)
        self._found += len(missing) + len(endless)
        for sighting in endless:
            self._ledger.presume_ended(sighting.call, sighting.over_at or self._clock())
        if entries:
            self._committed(entries)

    async def _say_whose(self, due: list[Sighting]) -> None:
        """A call whose first row is torn does not know what was dialled: a witness does, and the ledger adopts it."""
        book = self._book()
        dialled: dict[UniqueId, Did] = {}
        for sighting in due:
            did, provider = _owner(sighting, book)
            if did := did or (None if provider is None else book.first_did(provider.id)):
                dialled[sighting.call] = did
        async with self._database.scoped(Scope.all()) as connection:
            named = await tables.name_dialled(connection, dialled)
        if named:
            self._ledger.look_for_owners()

    def _forget(self, judged: list[Sighting], known: dict[UniqueId, bool]) -> None:
        """What is judged is done with, but a call that the live link follows and that has only left its queue."""
        for sighting in judged:
            if self._seen.get(sighting.call) is not sighting:
                continue  # more was seen meanwhile
            if (
                sighting.source == "ami"
                and sighting.over_at
                and not sighting.surely_over
                and known.get(sighting.call) is False
            ):
                self._seen[sighting.call] = replace(sighting, over_at=None, place=None)
            else:
                del self._seen[sighting.call]

    async def _write(self, connection: AsyncConnection, missing: list[Sighting]) -> list[LedgerEntry]:
        """A call that only a witness knows is a lost one: written, and owed for, like any other."""
        book = self._book()
        rows = []
        entries = []
        for sighting in missing:
            did, provider = _owner(sighting, book)
            number = caller_number(sighting.number, book.country)
            call = _lost(sighting)
            rows.append(CallRow(call, None if provider is None else provider.id, number, did, sighting.source))
            if provider is not None:
                entries.append(LedgerEntry(call, provider, number, did))
        owned = await tables.write_calls(connection, rows)
        entries = [entry for entry in entries if entry.call.id in owned]
        await run_hooks(connection, self._hooks, entries)
        return entries

    async def _keep_place(self) -> None:
        """What is not judged yet is read again after a restart."""
        waiting = [each.place for each in self._seen.values() if each.place is not None]
        place = waiting[0] if waiting else self._place
        if place is None or (self._kept is not None and place.is_same_place(self._kept)):
            return
        async with self._database.scoped(Scope.all()) as connection:
            await tables.move_position(connection, QUEUE_LOG, place, 0, self._clock())
        self._kept = place


def _owner(sighting: Sighting, book: Book) -> tuple[Did | None, Provider | None]:
    found = book.provider_of(sighting.did) if sighting.did else None
    if found is not None:
        return found
    queue = book.queue_named(sighting.queue) if sighting.queue else None
    return None, None if queue is None else book.provider(queue.provider)


def _lost(sighting: Sighting) -> CallRecord:
    over_at = sighting.over_at or sighting.seen_at
    return CallRecord(
        id=sighting.call, direction="in", dialled=sighting.did, number_raw=sighting.number, caller_name="", trunk="",
        arrived_at=sighting.seen_at, answered_at=None, queued_at=None, connected_at=None, ended_at=over_at,
        outcome=CallOutcome.LOST, waited_s=max(0.0, (over_at - sighting.seen_at).total_seconds()), talked_s=0.0,
        agents=(), rang=(), transfers=0, segments=(), hangup_by="", hangup_cause=None, recording=None, callback_id=None,
        provider_slug=None, ended=True, settled=True, whole=True, last_at=over_at,
    )  # fmt: skip
