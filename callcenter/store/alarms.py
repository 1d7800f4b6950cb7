"""Alarms: what a human must see. One open row per kind and subject; repeats count up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.words import ProviderId


@dataclass(frozen=True, slots=True)
class Alarm:
    """One open or cleared alarm; ``kind`` is a key of the interface's catalogue, ``subject`` what it is about."""

    id: int
    provider: ProviderId | None
    kind: str
    subject: str
    detail: str
    raised_at: datetime
    last_at: datetime
    times: int


async def raise_alarm(
    connection: AsyncConnection,
    kind: str,
    subject: str,
    *,
    at: datetime,
    detail: str = "",
    provider: ProviderId | None = None,
) -> None:
    """Opens the alarm, or counts one more of it; the caller's transaction carries it."""
    await connection.execute(
        _RAISE, {"kind": kind, "subject": subject, "detail": detail, "provider": provider, "at": at}
    )


async def clear_alarm(connection: AsyncConnection, kind: str, subject: str, *, at: datetime, by: str) -> bool:
    """Clears the open alarm of this kind and subject; says whether there was one."""
    done = await connection.execute(_CLEAR, {"kind": kind, "subject": subject, "at": at, "by": by})
    return done.rowcount > 0


async def open_alarms(connection: AsyncConnection, limit: int = 200) -> list[Alarm]:
    """The open alarms of the transaction's scope, newest first."""
    rows = await connection.execute(_OPEN, {"limit": limit})
    return [Alarm(*row) for row in rows]


_RAISE = text(
    """
    INSERT INTO alarm (kind, subject, detail, provider_id, raised_at, last_at)
    VALUES (:kind, :subject, :detail, :provider, :at, :at)
    ON CONFLICT (kind, subject) WHERE cleared_at IS NULL
    DO UPDATE SET times = alarm.times + 1, last_at = excluded.last_at, detail = excluded.detail
    """
)
_CLEAR = text(
    "UPDATE alarm SET cleared_at = :at, cleared_by = :by "
    "WHERE kind = :kind AND subject = :subject AND cleared_at IS NULL"
)
_OPEN = text(
    "SELECT id, provider_id, kind, subject, detail, raised_at, last_at, times FROM alarm "
    "WHERE cleared_at IS NULL ORDER BY raised_at DESC LIMIT :limit"
)
