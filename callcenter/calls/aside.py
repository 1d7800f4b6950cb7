"""Pieces of a journal that could not be read or stored, for the humans who look at them. SQL only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class AsideRow:
    """One piece. ``position`` is the byte of its file at which it begins."""

    id: int
    source: str
    path: str
    position: int
    reason: str
    seen_at: datetime
    resolved_by: str | None
    raw: bytes

    @property
    def shown(self) -> str:
        r"""The bytes as text: those that are none are written as ``\xNN``."""
        return self.raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


async def aside_rows(
    connection: AsyncConnection,
    limit: int,
    *,
    newest_first: bool = False,
    also_resolved: bool = False,
    most_bytes: int = 65_536,
) -> list[AsideRow]:
    """Those that nobody has looked at, and on demand the others too, with the first bytes of each."""
    wanted = {"all": also_resolved, "limit": limit, "bytes": most_bytes}
    return [AsideRow(*row) for row in await connection.execute(_NEWEST if newest_first else _OLDEST, wanted)]


async def aside_count(connection: AsyncConnection) -> int:
    """How many wait for somebody to look."""
    return int((await connection.execute(_COUNT)).scalar_one())


async def resolve_aside(connection: AsyncConnection, row: int, *, by: str, at: datetime) -> bool:
    """Somebody has looked at it; it is kept. False when there is no such piece that waits."""
    return (await connection.execute(_RESOLVE, {"id": row, "by": by, "at": at})).rowcount > 0


_ROWS = (
    "SELECT id, source, path, position, reason, seen_at, resolved_by, substring(raw FROM 1 FOR :bytes) "
    "FROM journal_set_aside WHERE resolved_at IS NULL OR :all"
)
_OLDEST = text(f"{_ROWS} ORDER BY id LIMIT :limit")
_NEWEST = text(f"{_ROWS} ORDER BY seen_at DESC, id DESC LIMIT :limit")
_COUNT = text("SELECT count(*) FROM journal_set_aside WHERE resolved_at IS NULL")
_RESOLVE = text(
    "UPDATE journal_set_aside SET resolved_at = :at, resolved_by = :by WHERE id = :id AND resolved_at IS NULL"
)
