"""Raw files that no owed recording is waiting for: leftovers of a crash, late comers, and sound nobody can place."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.recordings.spool import Raw, Spool, remove
from callcenter.store import Database, Scope
from callcenter.store.alarms import raise_alarm
from callcenter.words import Clock

log = logging.getLogger(__name__)

AGED = timedelta(seconds=60)
"""A younger file may belong to a call whose rows are being read."""
LOST = timedelta(hours=1)
"""By then the journal knows every call: a file without one is reported."""
ABANDONED_PART = timedelta(hours=1)


class Leftovers:
    """Looks through the whole spool now and then; nothing with sound in it is ever deleted unstored."""

    def __init__(self, database: Database, spool: Spool, folder: Path, clock: Clock) -> None:
        self._database = database
        self._spool = spool
        self._folder = folder
        self._clock = clock
        self._reported: set[str] = set()

    async def sweep(self) -> None:
        """One look; raises ``Unavailable`` when the spool or the database is away."""
        now = self._clock()
        await asyncio.to_thread(self._drop_parts, (now - ABANDONED_PART).timestamp())
        raws = await asyncio.to_thread(self._spool.all)
        aged = [raw for raw in raws if raw.modified <= (now - AGED).timestamp()]
        self._reported &= {raw.call for raw in raws}
        if not aged:
            return
        async with self._database.scoped(Scope.all()) as connection:
            found = await connection.execute(_CALLS, {"calls": [raw.call for raw in aged]})
            calls: dict[str, Row[Any]] = {row.call_id: row for row in found}
            done_with = [raw for raw in aged if await self._place(connection, raw, calls.get(raw.call))]
        for raw in done_with:
            await asyncio.to_thread(remove, raw)

    async def _place(self, connection: AsyncConnection, raw: Raw, call: Row[Any] | None) -> bool:
        """Says whether the raw file may go."""
        if not raw.regular or call is None or call.provider_id is None:
            await self._report(connection, raw)
            return False
        if not call.settled or call.state in {"expected", "damaged"}:
            return False
        if raw.bytes == 0:
            return True
        if call.state == "stored":
            if await asyncio.to_thread(self._is_stored, call.path, call.bytes):
                return True
            log.warning("recordings: the stored file of call %s is gone, taking its raw file again", raw.call)
        await connection.execute(
            _OWE_AGAIN,
            {"call": raw.call, "provider": call.provider_id, "talked": call.talked_s, "at": call.over_at},
        )
        return False

    async def _report(self, connection: AsyncConnection, raw: Raw) -> None:
        """A file that belongs to no call of ours for an hour is reported once and left alone."""
        old = raw.modified <= (self._clock() - LOST).timestamp()
        if raw.call in self._reported or not (old or not raw.regular):
            return
        self._reported.add(raw.call)
        what = f"{raw.bytes} bytes belong to no call of a provider" if raw.regular else "not a regular file"
        name = raw.paths[0].name
        await raise_alarm(connection, "recording_orphan", name, at=self._clock(), detail=what)

    def _is_stored(self, path: str, size: int) -> bool:
        file = self._folder / path
        return file.is_file() and file.stat().st_size == size

    def _drop_parts(self, before: float) -> None:
        """Halves left by an encoder that was killed; the recording itself was written anew."""
        for part in sorted((self._folder / ".parts").glob("*.part")):
            if part.stat().st_mtime < before:
                part.unlink(missing_ok=True)


_CALLS = text(
    """
    SELECT c.id AS call_id, c.provider_id, c.settled, c.talked_s, coalesce(c.ended_at, c.arrived_at) AS over_at,
        r.state, r.path, r.bytes
    FROM call c LEFT JOIN recording r ON r.call_id = c.id
    WHERE c.id = ANY(CAST(:calls AS text[]))
    """
)
_OWE_AGAIN = text(
    """
    INSERT INTO recording (call_id, provider_id, source, talked_s, expected_at)
    VALUES (:call, :provider, :call, :talked, :at)
    ON CONFLICT (call_id) DO UPDATE SET state = 'expected', source = excluded.source
    WHERE recording.state IN ('missing', 'stored')
    """
)
