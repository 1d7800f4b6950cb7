"""A billing's file becomes subscribers: all of it or nothing, with every bad line named."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.errors import Misconfigured
from callcenter.store import Database, Scope
from callcenter.subscribers.rows import Mistake, Progress, Sheet, SubscriberRow, decode, read_sheet
from callcenter.words import Clock, DeviceId, ProviderId

BATCH = 2_000
LARGEST_FILE = 200 * 1024 * 1024


class BadFile(Misconfigured):
    """A file with mistakes; none of it was taken."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class Imported:
    """What one file did: subscribers that are new, and subscribers that were there and are as the file says now."""

    added: int
    updated: int
    phones: int


async def import_subscribers(
    database: Database,
    provider: ProviderId,
    file: Path,
    clock: Clock,
    *,
    encoding: str | None = None,
    country: str = "UA",
    progress: Progress = lambda stage, done, of: None,
) -> Imported:
    """Takes a CSV in, by account: new subscribers are added, known ones become what the file says, others stay.

    Columns the file does not have are left alone. Raises ``BadFile`` with every mistake, ``Misconfigured`` for a file
    that cannot be read at all; then nothing was changed.
    """
    written = decode(await asyncio.to_thread(_read, file), encoding)
    async with database.scoped(Scope.only([provider])) as connection:
        rows = await connection.execute(_DEVICES, {"provider": provider})
        devices = {name: DeviceId(number) for name, number in rows}
    sheet = await asyncio.to_thread(read_sheet, written, devices, country, progress)
    if sheet.mistakes:
        raise BadFile(sheet.mistakes)
    async with database.scoped(Scope.only([provider])) as connection:
        return await _write(connection, provider, sheet, clock, progress)


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise Misconfigured(f"{file}: larger than {LARGEST_FILE // 2**20} MiB, divide it")
        return file.read_bytes()
    except OSError as exc:
        raise Misconfigured(f"{file}: {exc.strerror}") from exc


async def _write(
    connection: AsyncConnection, provider: ProviderId, sheet: Sheet, clock: Clock, progress: Progress
) -> Imported:
    statement, added, phones = _upsert(sheet.columns), 0, 0
    for start in range(0, len(sheet.rows), BATCH):
        rows = sheet.rows[start : start + BATCH]
        values = {name: [getattr(row, name) for row in rows] for name in _ARRAYS if name in sheet.columns}
        found = await connection.execute(statement, {"provider": provider, "at": clock(), **values})
        ids: dict[str, int] = {}
        for number, account, is_new in found:
            ids[account] = number
            added += is_new
        if "phones" in sheet.columns:
            phones += await _write_phones(connection, provider, rows, ids)
        progress("writing", start + len(rows), len(sheet.rows))
    return Imported(added, len(sheet.rows) - added, phones)


async def _write_phones(
    connection: AsyncConnection, provider: ProviderId, rows: Sequence[SubscriberRow], ids: dict[str, int]
) -> int:
    """A subscriber has exactly the phones of the file."""
    await connection.execute(_DROP_PHONES, {"ids": list(ids.values())})
    pairs = [(number, ids[row.account]) for row in rows for number in row.phones]
    numbers, owners = [number for number, _ in pairs], [owner for _, owner in pairs]
    await connection.execute(_ADD_PHONES, {"provider": provider, "numbers": numbers, "ids": owners})
    return len(pairs)


_DEVICES = text("SELECT name, id FROM device WHERE provider_id = :provider")
_ARRAYS = {
    "account": ("account", "text"), "name": ("name", "text"), "address": ("address", "text"),
    "tariff": ("tariff", "text"), "balance": ("balance", "numeric"), "currency": ("currency", "text"),
    "status": ("status", "text"), "paid_till": ("paid_till", "date"), "language": ("language", "text"),
    "device": ("device_id", "bigint"), "onu": ("onu", "text"), "port": ("port", "text"), "mac": ("mac", "text"),
    "vlan": ("vlan", "integer"), "ip": ("ip", "inet"), "note": ("note", "text"),
}  # fmt: skip
"""The file's columns: which column of the table each is, and of what type."""


def _upsert(columns: Sequence[str]) -> TextClause:
    """The statement for just the columns a file has; their names come from the table above and from nowhere else."""
    used = [(name, *_ARRAYS[name]) for name in _ARRAYS if name in columns]
    names = ", ".join(column for _, column, _ in used)
    arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, _, kind in used)
    changes = ", ".join(f"{column} = excluded.{column}" for _, column, _ in used)
    return text(
        f"""
        INSERT INTO subscriber (provider_id, updated_at, {names})
        SELECT :provider, CAST(:at AS timestamptz), line.* FROM unnest({arrays}) AS line
        ON CONFLICT (provider_id, account) DO UPDATE SET updated_at = excluded.updated_at, {changes}
        RETURNING id, account, xmax = 0
        """  # noqa: S608 - names of the table above
    )


_DROP_PHONES = text("DELETE FROM subscriber_phone WHERE subscriber_id = ANY(CAST(:ids AS bigint[]))")
_ADD_PHONES = text(
    """
    INSERT INTO subscriber_phone (provider_id, number, subscriber_id)
    SELECT :provider, line.number, line.id
    FROM unnest(CAST(:numbers AS text[]), CAST(:ids AS bigint[])) AS line(number, id)
    """
)
