"""Taking recordings in: every conversation owes one; what is not there, or is too short, a human sees.

A row is owed in the transaction of its call (``duty.expect``); the work here may be killed anywhere and done again: the
sound is written whole or not at all under the recording's own id, only then the row says ``stored``, and the raw file
goes last.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.errors import Refused, Unavailable
from callcenter.recordings.audio import DISK, FOLDER, SPOOL, Encoded
from callcenter.recordings.encoder import Encoder
from callcenter.recordings.leftovers import Leftovers
from callcenter.recordings.spool import Raw, Spool, remove
from callcenter.recordings.store import RecordingState
from callcenter.store import Database, Scope
from callcenter.store.alarms import clear_alarm, raise_alarm
from callcenter.words import Clock, ProviderId, UniqueId

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=30)
"""How long after the end of its call a raw file may still be on its way."""
UNSETTLED = timedelta(minutes=5)
"""A call whose last journal rows never came is taken as it is after this."""
STILL_S = 1.0
"""A file that has not grown for this long is closed: MixMonitor writes its buffer out as the channel hangs up."""
SWEEP = timedelta(seconds=60)
ALARMS = {DISK: "recordings_disk_full", FOLDER: "recordings_unreachable", SPOOL: "recordings_unreachable"}
TRIES = 3
TOLERANCE_S = 2.0
"""Asterisk writes a recording in blocks of about two seconds and loses the last one when it is killed."""
LONGEST_WAIT_S = 30.0
SILENCE = 50
"""A side whose loudest sample is below this (of 32767) has said nothing."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A recording that is expected of a call that is over."""

    id: UUID
    call: UniqueId
    provider: ProviderId
    slug: str
    zone: ZoneInfo
    source: str
    talked_s: float
    expected_at: datetime
    answered: bool

    @property
    def path(self) -> str:
        """Where it will lie below the recordings' folder: the provider, the provider's own day, the recording's id."""
        return f"{self.slug}/{self.expected_at.astimezone(self.zone):%Y/%m/%d}/{self.id}.opus"


def verdict(encoded: Encoded, talked_s: float) -> tuple[RecordingState, str]:
    """A recording shorter than its conversation by more than two seconds is damaged: kept, played, and shown as such.

    A side that says nothing at all is noted: one-way sound is a fault of the line, not of the recording.
    """
    heard = zip(("the caller", "the agent"), encoded.peaks, strict=True)
    notes = [f"nothing is heard of {side}" for side, peak in heard if peak < SILENCE]
    if encoded.seconds < talked_s - TOLERANCE_S:
        short = f"{encoded.seconds:.1f} s of {talked_s:.1f} s were recorded"
        return "damaged", "; ".join([short, *notes])
    return "stored", "; ".join(notes)


@dataclass(frozen=True, slots=True)
class IntakeHealth:
    """``waiting`` recordings are owed and not in yet; ``trouble`` is why none is taken now."""

    waiting: int
    taken: Mapping[str, int]
    trouble: str | None


class Intake:
    """Takes in what MixMonitor wrote, one recording after another, oldest first."""

    def __init__(
        self, database: Database, monitor_dir: Path, folder: Path, clock: Clock, *, poll_s: float = 1.0
    ) -> None:
        self._database = database
        self._spool = Spool(monitor_dir)
        self._folder = folder
        self._clock = clock
        self._poll_s = poll_s
        self._encoder = Encoder()
        self._leftovers = Leftovers(database, self._spool, folder, clock)
        self._sizes: dict[UUID, tuple[int, datetime]] = {}
        self._tries: Counter[UUID] = Counter()
        self._taken: Counter[str] = Counter()
        self._waiting = 0
        self._trouble: str | None = None
        self._was_away = frozenset(ALARMS)
        self._swept_at: datetime | None = None

    def health(self) -> IntakeHealth:
        return IntakeHealth(self._waiting, dict(self._taken), self._trouble)

    async def run(self) -> None:
        """Takes in for ever; what is away (database, spool, a full disk) is waited for, with the raw files kept."""
        wait = self._poll_s
        try:
            while True:
                try:
                    await self.take_in()
                    if self._trouble is not None:
                        log.info("recordings: taken in again")
                    self._trouble, wait = None, self._poll_s
                except Unavailable as exc:
                    if self._trouble is None:
                        log.warning("recordings: waiting: %s", exc)
                    self._trouble, wait = str(exc), min(wait * 2, LONGEST_WAIT_S)
                except Exception as exc:  # calls are served without recordings: nothing here may end the service
                    log.exception("recordings: failed, and tries again")
                    self._trouble, wait = f"{type(exc).__name__}: {exc}", min(wait * 2, LONGEST_WAIT_S)
                await asyncio.sleep(wait)
        finally:
            await self.close()

    async def close(self) -> None:
        await self._encoder.close()

    async def take_in(self) -> int:
        """One round over what is owed; says how many recordings reached an end state.

        Raises ``Unavailable`` when the database, the spool or the recordings' folder is away; the last two with an
        alarm. A raw file that cannot be read stops no other.
        """
        try:
            return await self._round()
        except Unavailable as exc:
            if exc.system in ALARMS:
                await self._say_it_is_away(exc)
            raise

    async def _round(self) -> int:
        now = self._clock()
        async with self._database.scoped(Scope.all()) as connection:
            rows = await connection.execute(_OWED, {"late": now - UNSETTLED})
            owed = [_owed(row._mapping) for row in rows]
        self._waiting = len(owed)
        self._forget_but({one.id for one in owed})
        done, unreadable = 0, None
        for one in owed:
            try:
                done += await self._take(one)
            except Unavailable as exc:
                if exc.system != SPOOL:
                    raise
                unreadable = exc
        if self._swept_at is None or now - self._swept_at >= SWEEP:
            await self._leftovers.sweep()
            self._swept_at = now
        self._waiting = len(owed) - done
        if unreadable is not None:
            raise unreadable
        return done

    def _forget_but(self, owed: set[UUID]) -> None:
        for gone in self._sizes.keys() - owed:
            del self._sizes[gone]
        for gone in self._tries.keys() - owed:
            del self._tries[gone]

    async def _take(self, owed: Owed) -> bool:
        raw = await asyncio.to_thread(self._spool.find, owed.source)
        if raw is None or (raw.regular and raw.bytes == 0):
            return await self._give_up_after_grace(owed, raw)
        if not raw.regular:
            return await self._refuse(owed, "not a regular file")
        if not self._is_still(owed.id, raw.bytes):
            return False
        try:
            encoded = await self._encoder.encode(raw.paths, self._folder / owed.path, self._folder / ".parts")
        except Refused as exc:
            self._tries[owed.id] += 1
            return self._tries[owed.id] >= TRIES and await self._refuse(owed, exc.why)
        await self._store(owed, encoded)
        await asyncio.to_thread(remove, raw)
        return True

    def _is_still(self, recording: UUID, size: int) -> bool:
        """The file has not grown since a look at least a second ago."""
        now = self._clock()
        seen = self._sizes.get(recording)
        if seen is None or seen[0] != size:
            self._sizes[recording] = (size, now)
            return False
        return (now - seen[1]).total_seconds() >= STILL_S

    async def _give_up_after_grace(self, owed: Owed, raw: Raw | None) -> bool:
        """An answered call without a recording raises an alarm; one cut short may have had nothing to record."""
        if self._clock() - owed.expected_at < GRACE:
            return False
        why = "Asterisk wrote no file" if raw is None else "the file is empty"
        async with self._database.scoped(Scope.all()) as connection:
            if await self._settle(connection, owed, "missing", note=why) and owed.answered:
                await self._alarm(connection, "recording_missing", owed, why)
        if raw is not None:
            await asyncio.to_thread(remove, raw)
        return True

    async def _refuse(self, owed: Owed, why: str) -> bool:
        """A file that cannot be made into a recording stays where it is, and a human is told."""
        async with self._database.scoped(Scope.all()) as connection:
            if await self._settle(connection, owed, "damaged", note=why):
                await self._alarm(connection, "recording_damaged", owed, why)
        return True

    async def _store(self, owed: Owed, encoded: Encoded) -> None:
        state, note = verdict(encoded, owed.talked_s)
        async with self._database.scoped(Scope.all()) as connection:
            settled = await self._settle(connection, owed, state, note=note, encoded=encoded)
            if settled and state == "damaged":
                await self._alarm(connection, "recording_damaged", owed, note)
            for system in self._was_away:
                await clear_alarm(connection, ALARMS[system], system, at=self._clock(), by="callcenter")
        self._was_away = frozenset()

    async def _settle(
        self, connection: AsyncConnection, owed: Owed, state: str, *, note: str, encoded: Encoded | None = None
    ) -> bool:
        """Writes the end state unless another round did; what is counted and alarmed, is so once."""
        done = await connection.execute(
            _SETTLE,
            {
                "id": owed.id, "state": state, "note": note, "at": self._clock(),
                "path": owed.path if encoded else None, "bytes": encoded.bytes if encoded else None,
                "sha256": encoded.sha256 if encoded else None, "duration": encoded.seconds if encoded else None,
            },
        )  # fmt: skip
        self._taken[state] += done.rowcount
        return done.rowcount > 0

    async def _alarm(self, connection: AsyncConnection, kind: str, owed: Owed, why: str) -> None:
        detail = f"call {owed.call}: {why}"
        at, provider = self._clock(), owed.provider
        await raise_alarm(connection, kind, owed.slug, at=at, detail=detail, provider=provider)
        log.warning("%s: %s: %s", kind, owed.slug, detail)

    async def _say_it_is_away(self, exc: Unavailable) -> None:
        self._was_away |= {exc.system}
        async with self._database.scoped(Scope.all()) as connection:
            await raise_alarm(connection, ALARMS[exc.system], exc.system, at=self._clock(), detail=exc.why)


def _owed(row: Mapping[str, Any] | Any) -> Owed:
    return Owed(
        row["id"], UniqueId(row["call_id"]), ProviderId(row["provider_id"]), row["slug"], ZoneInfo(row["timezone"]),
        row["source"], row["talked_s"], row["expected_at"], row["outcome"] == "answered",
    )  # fmt: skip


_OWED = text(
    """
    SELECT r.id, r.call_id, r.provider_id, p.slug, p.timezone, r.source, r.talked_s, r.expected_at, c.outcome
    FROM recording r JOIN call c ON c.id = r.call_id JOIN provider p ON p.id = r.provider_id
    WHERE r.state = 'expected' AND (c.settled OR r.expected_at < :late)
    ORDER BY r.expected_at, r.id LIMIT 500
    """
)
_SETTLE = text(
    """
    UPDATE recording SET state = :state, note = :note, stored_at = :at, path = :path, bytes = :bytes, sha256 = :sha256,
        duration_s = :duration
    WHERE id = :id AND state = 'expected'
    """
)
