"""The ledger: what the journal says becomes calls and their duties, in one transaction with the place in the journal.

There is one way on: read lines after the place that is committed, tell the stories they touch, write everything and the
new place together. Whatever goes wrong in between, memory is thrown away and read again from the database, so that a
kill, a lost connection and a second ledger at work are one case.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls import quality_rows, tables
from callcenter.calls.adoption import Adoption, Refresh
from callcenter.calls.entry import Hook, LedgerEntry, TakePhoneCodes, run_hooks
from callcenter.calls.groups import Group, Groups
from callcenter.calls.journal import LONGEST_LINE, Chunk, Journal, Position
from callcenter.calls.owners import Owners
from callcenter.calls.phone_codes import PhoneCode, phone_codes
from callcenter.calls.record import CallRecord
from callcenter.calls.rows import Line, Row, SetAside, gone, read_rows
from callcenter.calls.rtcp import LegSound, sounds
from callcenter.calls.tables import CallRow
from callcenter.config import AsteriskSettings
from callcenter.errors import Unavailable
from callcenter.routing.book import Book
from callcenter.store import Database, Scope
from callcenter.store.alarms import raise_alarm
from callcenter.words import Clock, UniqueId

__all__ = ["Hook", "Ledger", "LedgerEntry", "LedgerHealth"]

log = logging.getLogger(__name__)

SOURCE: Final = "cel"
MOST_BYTES: Final = 1_000_000
"""Read for one transaction: a day's journal is caught up in steps that each are safe."""
IN_A_THREAD: Final = 65_536
"""More bytes than this are told beside the event loop: nothing slow between ring and screen."""
SHORTEST_POLL_S: Final = 0.02
LONGEST_POLL_S: Final = 0.1
LONGEST_WAIT_S: Final = 10.0
STANDBY_S: Final = 1.0
STALE_S: Final = 6 * 3600.0
"""A call of which nothing was written for so long is over, and its last rows are lost."""
SWEEP_S: Final = 60.0
_TRIES: Final = 3
_OF_A_ROW: Final = ("22", "23")
"""SQLSTATE classes that a row's own data can cause. No row is to blame for a missing column, right or lock."""

State = Literal["starting", "reading", "waiting", "standby", "stopped"]


@dataclass(frozen=True, slots=True)
class LedgerHealth:
    """``lag`` is bytes of the journal written and not committed; ``trouble`` is why, when it is not reading."""

    state: State
    lag: int
    rows: int
    """Rows committed since the start."""
    in_progress: int
    trouble: str
    committed_at: datetime | None

    @property
    def ok(self) -> bool:
        return self.state == "reading" and not self.trouble


@dataclass(slots=True)
class _Digest:
    """One chunk, told: everything its transaction writes."""

    chunk: Chunk
    rows: int = 0
    calls: list[CallRow] = field(default_factory=list)
    unknown: list[CallRecord] = field(default_factory=list)
    keep: list[Row] = field(default_factory=list)
    settled: list[UniqueId] = field(default_factory=list)
    aside: list[SetAside] = field(default_factory=list)
    codes: list[PhoneCode] = field(default_factory=list)
    sounds: list[LegSound] = field(default_factory=list)


class _SteppedAside(Exception):  # no error: another ledger is at work on the same journal
    """The committed place is not ours."""


class Ledger:
    """Follows the journal for ever. Give it hooks that say what a call obliges us to; it knows none itself."""

    def __init__(
        self,
        database: Database,
        book: Callable[[], Book],
        asterisk: AsteriskSettings,
        clock: Clock,
        hooks: Sequence[Hook] = (),
        committed: Callable[[Sequence[LedgerEntry]], None] = lambda _entries: None,
        refresh_book: Refresh | None = None,
        take_phone_codes: TakePhoneCodes | None = None,
    ) -> None:
        self._database = database
        self._book = book
        self._journal = Journal(asterisk.journal)
        self._clock = clock
        self._hooks = tuple(hooks)
        self._committed = committed
        self._take_phone_codes = take_phone_codes
        self._adoption = Adoption(database, book, refresh_book, clock, hooks)
        self._groups: Groups | None = None
        self._place: Position | None = None
        self._most_lines: int | None = None
        self._tries = 0
        self._owners: Owners | None = None
        self._presumed: dict[UniqueId, float] = {}
        self._state: State = "starting"
        self._trouble = ""
        self._lag = 0
        self._rows = 0
        self._committed_at: datetime | None = None
        self._caught_up_at: datetime | None = None

    # ---- what others ask

    def health(self) -> LedgerHealth:
        in_progress = 0 if self._groups is None else len(self._groups)
        return LedgerHealth(self._state, self._lag, self._rows, in_progress, self._trouble, self._committed_at)

    @property
    def caught_up_at(self) -> datetime | None:
        """When all that was written was last seen to be committed: a witness is not believed about what came later."""
        return self._caught_up_at

    def look_for_owners(self) -> None:
        """Calls of nobody may have become somebody's: they are looked at with the next step."""
        self._adoption.look_again()

    def presume_ended(self, call: UniqueId, at: datetime) -> None:
        """A witness saw this call end and the journal never says so: at the next step it is over."""
        self._presumed[call] = at.timestamp()

    # ---- the loop

    async def run(self) -> None:
        """Reads on for ever; PostgreSQL or the journal away means waiting with growing delay, never losing."""
        wait = SHORTEST_POLL_S
        swept_at = self._clock()
        try:
            while True:
                try:
                    moved = await self.step()
                    if (self._clock() - swept_at).total_seconds() > SWEEP_S:
                        swept_at = self._clock()
                        await self._sweep()
                except Unavailable as exc:
                    wait = min(LONGEST_WAIT_S, max(wait, LONGEST_POLL_S) * 2)
                    self._is_away(exc)
                except _SteppedAside:
                    wait, self._state = STANDBY_S, "standby"
                    self._groups = None
                else:
                    wait = SHORTEST_POLL_S if moved else min(LONGEST_POLL_S, max(wait, SHORTEST_POLL_S) * 1.25)
                    self._is_back()
                await asyncio.sleep(0 if self._lag and self._state == "reading" and moved else wait)
        finally:
            self._state = "stopped"

    async def step(self) -> bool:
        """Commits the next lines, if there are any; says whether there were. Raises ``Unavailable``."""
        with _no_rows_fault():
            return await self._step()

    async def _step(self) -> bool:
        if adopted := await self._adoption.step():
            self._committed(adopted)
        if self._groups is None:
            await self._remember()
        asked_at = self._clock()
        chunk = self._journal.read(self._place, MOST_BYTES, self._most_lines)
        if self._presumed and await self._settle_presumed(chunk.lag):
            return True
        if chunk.after is None:
            self._lag = chunk.lag
            self._trouble = "" if chunk.there else f"{chunk.path}: Asterisk has written no journal yet"
            self._caught_up_at = asked_at if chunk.lag < LONGEST_LINE else self._caught_up_at
            return False
        try:
            entries = await self._take(chunk, {})
        except (Unavailable, _SteppedAside):
            self._groups = None
            raise
        except Exception as exc:  # what one row can spoil ends with that row set aside, in sight
            self._groups = None
            await self._spoiled(chunk, exc)
            return True
        self._tries, self._trouble, self._lag = 0, "", chunk.lag
        if entries:
            self._committed(entries)
        return chunk.after is not None

    async def _settle_presumed(self, lag: int) -> bool:
        """Writes the ends that witnesses saw, in their own transaction: no row is to blame for what fails there."""
        presumed = dict(self._presumed)
        try:
            entries = await self._take(Chunk(str(self._journal.path), (), None, lag), presumed)
        except (Unavailable, _SteppedAside):
            self._groups = None
            raise
        except Exception as exc:
            self._groups = None
            if isinstance(exc, DBAPIError) and not _is_of_a_row(exc):
                raise
            log.exception("ledger: the end of calls %s cannot be written", ", ".join(sorted(presumed)))
            await self._give_up(presumed, exc)
            return True
        if entries:
            self._committed(entries)
        return False

    async def _give_up(self, presumed: dict[UniqueId, float], exc: Exception) -> None:
        """What cannot be settled stays open in sight: an alarm says so, and the journal is read on."""
        async with self._database.scoped(Scope.all()) as connection:
            detail = f"the end of {', '.join(sorted(presumed)[:5])} cannot be written: {_first_line(exc)}"
            await raise_alarm(connection, "journal_gap", "presumed", at=self._clock(), detail=detail)
        for call in presumed:
            self._presumed.pop(call, None)

    async def catch_up(self) -> None:
        """Steps until everything written so far is committed."""
        while await self.step():
            pass

    async def _remember(self) -> None:
        """What is committed is all we know."""
        async with self._database.scoped(Scope.all()) as connection:
            self._place = await tables.read_position(connection, SOURCE)
            lines = await tables.open_rows(connection)
        rows, _ = read_rows(Line(0, line.encode("ascii", "replace")) for line in lines)
        groups = Groups()
        groups.add(rows)
        groups.touched()
        self._groups = groups

    # ---- one transaction

    async def _take(self, chunk: Chunk, presumed: dict[UniqueId, float]) -> list[LedgerEntry]:
        """Writes what these lines tell, and returns the calls they touched."""
        size = sum(len(line.raw) for line in chunk.lines)
        tell = self._digest
        digest = await asyncio.to_thread(tell, chunk, presumed) if size > IN_A_THREAD else tell(chunk, presumed)
        async with self._database.scoped(Scope.all()) as connection:
            place = await tables.lock_position(connection, SOURCE)
            if not _is_same(place, self._place):
                raise _SteppedAside
            written = await tables.write_calls(connection, digest.calls)
            entries = self._entries(digest, written)
            now = self._clock()
            await tables.keep_open(connection, digest.keep, digest.settled)
            await tables.set_aside(connection, SOURCE, chunk.path, digest.aside, now)
            await self._say(connection, digest, now)
            await run_hooks(connection, self._hooks, [entry for entry in entries if entry.call.ended])
            await quality_rows.keep_ended(connection, digest.sounds)
            if digest.codes and self._take_phone_codes is not None:
                await self._take_phone_codes(connection, digest.codes)
            if chunk.after is not None:
                await tables.move_position(connection, SOURCE, chunk.after, digest.rows, now)
        self._place = chunk.after or self._place
        self._rows += digest.rows
        self._committed_at = now
        self._most_lines = None if self._most_lines is None else _wider(self._most_lines)
        if digest.unknown:
            self._adoption.want()
        for call in presumed:
            self._presumed.pop(call, None)
        return entries

    def _entries(self, digest: _Digest, written: dict[UniqueId, tables.Owner]) -> list[LedgerEntry]:
        """The calls that were written and are somebody's, as they ended."""
        book, entries = self._book(), []
        for row in digest.calls:
            if row.call.id not in written:
                continue
            provider_id, did = written[row.call.id]
            provider = book.provider(provider_id)
            if provider is None:
                raise Unavailable("book", f"does not know the provider of call {row.call.id} yet")
            entries.append(LedgerEntry(row.call, provider, row.number, did))
        digest.unknown = [call for call in digest.unknown if call.id not in written]
        return sorted(entries, key=lambda entry: entry.call.missed_at)

    def _digest(self, chunk: Chunk, presumed: dict[UniqueId, float]) -> _Digest:
        """Rows in, everything to write out. Touches nothing but the groups in memory."""
        groups = self._groups
        if groups is None:
            raise Unavailable("ledger", "is not started")
        digest = _Digest(chunk)
        before = groups.count
        rows, digest.aside = read_rows(chunk.lines)
        digest.rows = len(rows)
        digest.codes = phone_codes(rows)
        digest.sounds = sounds(rows)
        groups.add(rows)
        groups.add(gone(call, at, seen=True) for call, at in presumed.items() if groups.of(call) is not None)
        owners = self._owners_in(self._book())
        for group in groups.touched():
            self._digest_group(digest, group, before, owners)
        return digest

    def _owners_in(self, book: Book) -> Owners:
        if self._owners is None or self._owners.book is not book:
            self._owners = Owners(book)
        return self._owners

    def _digest_group(self, digest: _Digest, group: Group, before: int, owners: Owners) -> None:
        if group.settled:
            if any(count <= before for count, _ in group.rows):
                digest.settled += {row.uniqueid for _, row in group.rows}
        else:
            digest.keep += [row for count, row in group.rows if count > before]
        for call in group.tell(owners.min_talk):
            if group.told.get(call.id) == call:
                continue
            group.told[call.id] = call
            number = owners.number_of(call.number_raw)
            did, provider = owners.of(call.direction, call.dialled, call.provider_slug)
            digest.calls.append(CallRow(call, None if provider is None else provider.id, number, did))
            if provider is None and call.ended and call.direction == "in":
                digest.unknown.append(call)

    async def _say(self, connection: AsyncConnection, digest: _Digest, now: datetime) -> None:
        """What a human must see of these lines."""
        if digest.chunk.gap:
            log.warning("ledger: %s", digest.chunk.gap)
            await raise_alarm(connection, "journal_gap", digest.chunk.path, at=now, detail=digest.chunk.gap)
        if digest.aside:
            first = digest.aside[0]
            detail = f"{len(digest.aside)} pieces set aside, the first at {first.position}: {first.reason}"
            log.warning("ledger: %s: %s", digest.chunk.path, detail)
            await raise_alarm(connection, "journal_set_aside", digest.chunk.path, at=now, detail=detail)
        for call in digest.unknown:
            if call.settled:
                detail = f"call {call.id} on trunk {call.trunk}"
                await raise_alarm(connection, "unknown_did", call.dialled or "?", at=call.missed_at, detail=detail)

    # ---- what goes wrong

    async def _spoiled(self, chunk: Chunk, exc: Exception) -> None:
        """Halves the lines until the one that PostgreSQL, or a hook, refuses stands alone; that one is set aside.

        An error that no row can cause is raised instead: whoever waits loses nothing.
        """
        self._trouble = f"{type(exc).__name__}: {_first_line(exc)}"
        count = len(chunk.lines)
        if count > 1:
            self._most_lines = count // 2
        if isinstance(exc, DBAPIError) and not _is_of_a_row(exc):
            raise exc
        if count > 1:
            return
        self._tries += 1
        if self._tries < _TRIES and not isinstance(exc, DBAPIError):
            await asyncio.sleep(LONGEST_POLL_S * self._tries)
            return
        log.error("ledger: a row at %s of %s is set aside", chunk.lines[0].position if count else "-", chunk.path)
        async with self._database.scoped(Scope.all()) as connection:
            place = await tables.lock_position(connection, SOURCE)
            now = self._clock()
            await raise_alarm(connection, "journal_set_aside", chunk.path, at=now, detail=self._trouble)
            if not _is_same(place, self._place) or chunk.after is None:
                return
            items = [SetAside(line.position, line.raw, self._trouble) for line in chunk.lines]
            await tables.set_aside(connection, SOURCE, chunk.path, items, now)
            await tables.move_position(connection, SOURCE, chunk.after, 0, now)
        self._tries = 0
        self._trouble = ""

    async def _sweep(self) -> None:
        """Calls of which nothing was written for hours are over: their last rows are lost, and that is said."""
        self._adoption.look_again()
        if self._groups is None or self._lag:
            return
        limit = self._clock().timestamp() - STALE_S
        stale = [channel for group in self._groups if group.last_at < limit for channel in group.alive]
        if stale:
            with _no_rows_fault():
                await self._presume_stale(stale, limit)

    async def _presume_stale(self, stale: list[UniqueId], limit: float) -> None:
        async with self._database.scoped(Scope.all()) as connection:
            detail = f"the end of {len(stale)} channels was never written: {', '.join(sorted(stale)[:5])}"
            await raise_alarm(connection, "journal_gap", SOURCE, at=self._clock(), detail=detail)
        self._presumed |= dict.fromkeys(stale, limit)
        await self.step()

    def _is_away(self, exc: Unavailable) -> None:
        if self._state != "waiting":
            log.warning("ledger: waits: %s", exc)
        self._state, self._trouble = "waiting", str(exc)

    def _is_back(self) -> None:
        if self._state == "waiting":
            log.info("ledger: reads on")
            self._trouble = ""
        self._state = "reading"


def _is_same(one: Position | None, other: Position | None) -> bool:
    return one is other if one is None or other is None else one.is_same_place(other)


def _wider(lines: int) -> int | None:
    return lines * 2 if lines < 10_000 else None


def _is_of_a_row(exc: DBAPIError) -> bool:
    return str(getattr(exc.orig, "sqlstate", "") or "").startswith(_OF_A_ROW)


@contextmanager
def _no_rows_fault() -> Iterator[None]:
    """What PostgreSQL refuses and no row is to blame for is waited out, like its being away."""
    try:
        yield
    except DBAPIError as exc:
        raise Unavailable("database", _first_line(exc)) from exc


def _first_line(exc: Exception) -> str:
    found = exc.orig if isinstance(exc, DBAPIError) and exc.orig is not None else exc
    return (str(found).strip().splitlines() or [""])[0][:300]
