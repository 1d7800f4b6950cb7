"""Recordings as the pages and the API see them: found by their own id inside a scope, never by a file name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.errors import Unavailable
from callcenter.words import ProviderId, UniqueId

RecordingState: TypeAlias = Literal["expected", "stored", "missing", "damaged"]
MEDIA_TYPE = "audio/ogg; codecs=opus"


@dataclass(frozen=True, slots=True)
class Recording:
    """One conversation's recording. ``duration_s`` is the sound's, ``talked_s`` the conversation's, in seconds."""

    id: UUID
    call: UniqueId
    provider: ProviderId
    state: RecordingState
    bytes: int | None
    duration_s: float | None
    talked_s: float
    expected_at: datetime
    stored_at: datetime | None
    note: str
    playable: bool


@dataclass(frozen=True, slots=True)
class Playable:
    """A file to play: inside the recordings' folder, a regular file of the size that was stored."""

    recording: UUID
    call: UniqueId
    provider: ProviderId
    path: Path
    bytes: int
    sha256: str
    media_type: str = MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Listener:
    """Who listens: a user of the pages or an API token, and from which address."""

    who: str
    address: str
    user: int | None = None
    token: int | None = None


async def list_recordings(
    connection: AsyncConnection,
    *,
    provider: ProviderId | None = None,
    state: RecordingState | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Recording]:
    """The recordings of the transaction's scope, newest first; ``before`` is where the last page ended."""
    at, last = before if before is not None else (None, None)
    found = await connection.execute(
        _LIST, {"provider": provider, "state": state, "at": at, "last": last, "limit": limit}
    )
    return [Recording(*row) for row in found]


async def one_recording(connection: AsyncConnection, recording: UUID) -> Recording | None:
    row = (await connection.execute(_ONE, {"id": recording})).one_or_none()
    return None if row is None else Recording(*row)


async def recording_of(connection: AsyncConnection, call: UniqueId) -> Recording | None:
    """The recording of one call, in whatever state; ``None`` when nobody talked."""
    row = (await connection.execute(_OF_CALL, {"call": call})).one_or_none()
    return None if row is None else Recording(*row)


async def open_recording(connection: AsyncConnection, recording: UUID, root: Path) -> Playable | None:
    """The file of a recording of this scope; ``None`` when there is no such recording or nothing of it to play.

    Raises ``Unavailable`` when the file that was stored is gone, changed its size, or is not inside ``root``.
    """
    row = (await connection.execute(_FILE, {"id": recording})).one_or_none()
    if row is None:
        return None
    path = root / row.path
    trouble = await asyncio.to_thread(_trouble_with, path, root, row.bytes)
    if trouble is not None:
        raise Unavailable("recordings", f"the file of recording {recording} {trouble}")
    return Playable(recording, row.call_id, row.provider_id, path, row.bytes, row.sha256)


def _trouble_with(path: Path, root: Path, size: int) -> str | None:
    if path.is_symlink() or not path.resolve().is_relative_to(root.resolve()):
        return "is not a file of the recordings' folder"
    if not path.is_file():
        return "is gone"
    found = path.stat().st_size
    return None if found == size else f"has {found} bytes, {size} were stored"


async def log_listening(
    connection: AsyncConnection, playable: Playable, listener: Listener, at: datetime, byte_range: str = ""
) -> None:
    """Every listening leaves a trace that the service cannot change; commit it before the first byte leaves."""
    await connection.execute(
        _LISTENING,
        {
            "recording": playable.recording, "provider": playable.provider, "who": listener.who[:200],
            "user": listener.user, "token": listener.token, "at": at, "address": listener.address[:100],
            "range": byte_range[:100],
        },
    )  # fmt: skip


async def listenings_of(connection: AsyncConnection, call: str) -> list[tuple[str, datetime]]:
    """Who played this call's recording and when; a player that asks for it in parts is told once a minute."""
    rows = await connection.execute(_HEARD, {"call": call})
    return [(row.who, row.at) for row in rows]


_COLUMNS = (
    "id, call_id, provider_id, state, bytes, duration_s, talked_s, expected_at, stored_at, note, path IS NOT NULL"
)
_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM recording
    WHERE (CAST(:provider AS bigint) IS NULL OR provider_id = :provider)
      AND (CAST(:state AS text) IS NULL OR state = :state)
      AND (CAST(:at AS timestamptz) IS NULL OR (expected_at, id) < (:at, CAST(:last AS uuid)))
    ORDER BY expected_at DESC, id DESC LIMIT :limit
    """  # noqa: S608 - a constant of this file
)
_ONE = text(f"SELECT {_COLUMNS} FROM recording WHERE id = :id")  # noqa: S608 - a constant of this file
_OF_CALL = text(f"SELECT {_COLUMNS} FROM recording WHERE call_id = :call")  # noqa: S608 - a constant of this file
_FILE = text("SELECT call_id, provider_id, path, bytes, sha256 FROM recording WHERE id = :id AND path IS NOT NULL")
_HEARD = text(
    """
    SELECT who, min(at) AS at FROM listening
    WHERE recording_id IN (SELECT id FROM recording WHERE call_id = :call)
    GROUP BY who, date_trunc('minute', at) ORDER BY 2
    """
)
_LISTENING = text(
    """
    INSERT INTO listening (recording_id, provider_id, who, user_id, token_id, at, address, byte_range)
    VALUES (:recording, :provider, :who, :user, :token, :at, :address, :range)
    """
)
