"""Calls on a number that was nobody's when they were told: once the book knows the DID, they are its provider's."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text

from callcenter.calls.entry import Hook, LedgerEntry, run_hooks
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord
from callcenter.errors import Misconfigured, Unavailable
from callcenter.routing.book import Book, Provider
from callcenter.routing.numbers import CallerNumber
from callcenter.store import Database, Scope
from callcenter.store.alarms import clear_alarm
from callcenter.words import Clock, Did, UniqueId

log = logging.getLogger(__name__)

REMEMBERED: Final = timedelta(days=7)
"""Older calls of nobody stay nobody's: whoever has the number now may not be whom their callers meant."""
REFRESH_EVERY: Final = timedelta(seconds=1)

Refresh = Callable[[], Awaitable[Book]]


class Adoption:
    """Looks through nobody's calls whenever the book's DIDs change, and after each new call of nobody."""

    def __init__(
        self,
        database: Database,
        book: Callable[[], Book],
        refresh: Refresh | None,
        clock: Clock,
        hooks: Sequence[Hook],
    ) -> None:
        self._database = database
        self._book = book
        self._refresh = refresh
        self._clock = clock
        self._hooks = tuple(hooks)
        self._looked_with: Book | None = None
        self._wanted = False
        self._refreshed_at: datetime | None = None

    def want(self) -> None:
        """There is a call of nobody: perhaps its DID is newer than the book."""
        self._wanted = True

    def look_again(self) -> None:
        """Whatever the book says, nobody's calls are looked through at the next step."""
        self._looked_with = None

    async def step(self) -> list[LedgerEntry]:
        """Gives calls to the providers they have by now, with what is owed for them; returns those calls.

        Raises ``Unavailable``. What a hook cannot take stays nobody's, with its alarm, and is tried again.
        """
        await self._read_the_book()
        book, before = self._book(), self._looked_with
        if book is before:
            return []
        if before is not None and book.dids == before.dids:
            self._looked_with = book
            return []
        try:
            adopted = await self._adopt(book)
        except Unavailable:
            raise
        except Exception:  # the journal must be read on; these calls keep their alarm
            log.exception("ledger: calls whose DID is known by now could not be given to their provider")
            adopted = []
        self._looked_with = book
        return adopted

    async def _read_the_book(self) -> None:
        """The book is read at once rather than with its next turn, but not for every wrong number that is dialled."""
        if not self._wanted:
            return
        now = self._clock()
        if self._refreshed_at is not None and timedelta(0) <= now - self._refreshed_at < REFRESH_EVERY:
            return
        self._refreshed_at, self._wanted = now, False
        if self._refresh is not None:
            with contextlib.suppress(Unavailable, Misconfigured):  # the shelf says so, and keeps the book it has
                await self._refresh()

    async def _adopt(self, book: Book) -> list[LedgerEntry]:
        now = self._clock()
        since = {"since": now - REMEMBERED}
        async with self._database.scoped(Scope.all()) as connection:
            dialled = (await connection.execute(_DIALLED, since)).scalars()
            owners = {each: owner for each in dialled if (owner := book.provider_of(each)) is not None}
            if not owners:
                return []
            found = (await connection.execute(_CALLS, since | {"dialled": list(owners)})).mappings().all()
            if not found:
                return []
            entries = sorted(
                (_entry(row, *owners[row["dialled"]]) for row in found), key=lambda entry: entry.call.missed_at
            )
            await connection.execute(_OWN, [_owned(entry) for entry in entries])
            await connection.execute(_OWN_SEGMENTS, [_owned(entry) for entry in entries])
            await run_hooks(connection, self._hooks, entries)
            for each in owners:
                await clear_alarm(connection, "unknown_did", each, at=now, by="ledger")
        log.info("ledger: %d calls on %s have their provider now", len(entries), ", ".join(sorted(owners)))
        return entries


def _entry(row: Any, did: Did, provider: Provider) -> LedgerEntry:
    outcome = CallOutcome(row["outcome"])
    if outcome is CallOutcome.ANSWERED and row["talked_s"] < provider.min_talk_s:
        outcome = CallOutcome.CUT_SHORT
    call = CallRecord(
        id=UniqueId(row["id"]), direction="in", dialled=row["dialled"], number_raw=row["number"],
        caller_name=row["caller_name"], trunk="", arrived_at=row["arrived_at"], answered_at=row["answered_at"],
        queued_at=row["queued_at"], connected_at=row["connected_at"], ended_at=row["ended_at"], outcome=outcome,
        waited_s=row["waited_s"], talked_s=row["talked_s"], agents=tuple(row["agents"]), rang=tuple(row["rang"]),
        transfers=row["transfers"], segments=(), hangup_by=row["hangup_by"], hangup_cause=row["hangup_cause"],
        recording=row["recording"], callback_id=None, provider_slug=None, ended=True, settled=True, whole=True,
        last_at=row["ended_at"] or row["last_at"],
    )  # fmt: skip
    return LedgerEntry(call, provider, CallerNumber(row["number"], row["callable"]), did)


def _owned(entry: LedgerEntry) -> dict[str, Any]:
    return {"call": entry.call.id, "provider": entry.provider.id, "did": entry.did, "outcome": entry.call.outcome}


_NOBODYS: Final = "provider_id IS NULL AND direction = 'in' AND settled AND outcome IS NOT NULL AND arrived_at > :since"
_DIALLED = text(f"SELECT DISTINCT dialled FROM call WHERE {_NOBODYS}")  # noqa: S608  # a constant of ours
_CALLS = text(
    f"""
    SELECT call.*, greatest(arrived_at, answered_at, queued_at, connected_at,
        (SELECT max(coalesce(ended_at, started_at)) FROM call_segment WHERE call_id = call.id)) AS last_at
    FROM call WHERE {_NOBODYS} AND dialled = ANY(CAST(:dialled AS text[])) ORDER BY arrived_at, id FOR UPDATE OF call
    """  # noqa: S608  # a constant of ours
)
_OWN = text("UPDATE call SET provider_id = :provider, did = :did, outcome = :outcome WHERE id = :call")
_OWN_SEGMENTS = text("UPDATE call_segment SET provider_id = :provider WHERE call_id = :call")
