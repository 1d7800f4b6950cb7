"""The last known reading of each ONU, and a thin history of its light."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.diag import tables
from callcenter.diag.devices import Device
from callcenter.diag.reading import OnuReading
from callcenter.words import Known

THINNED_TO = timedelta(minutes=10)
"""History keeps at most one row of an ONU in this time, unless its state changed."""


async def last_known(connection: AsyncConnection, olt: Device, onu: str) -> Known[OnuReading] | None:
    kept = tables.onu_reading.c
    row = (
        await connection.execute(select(kept.at, kept.reading).where(kept.device_id == olt.id, kept.onu == onu))
    ).one_or_none()
    return None if row is None else Known(OnuReading.from_json(row.reading), row.at, olt.name)


async def store(connection: AsyncConnection, olt: Device, onu: str, reading: OnuReading, at: datetime) -> None:
    """Keeps the reading as the last known one (a newer one stays) and, thinned, as history."""
    fresh = insert(tables.onu_reading).values(
        device_id=olt.id, provider_id=olt.provider, onu=onu, at=at, reading=reading.as_json()
    )
    await connection.execute(
        fresh.on_conflict_do_update(
            index_elements=["device_id", "onu"],
            set_={"at": fresh.excluded.at, "reading": fresh.excluded.reading},
            where=tables.onu_reading.c.at <= fresh.excluded.at,
        )
    )
    past = tables.onu_history.c
    recent = (
        select(literal(1))
        .where(
            past.device_id == olt.id,
            past.onu == onu,
            past.at > at - THINNED_TO,
            past.state == reading.state.value,
        )
        .exists()
    )
    columns = ("device_id", "provider_id", "onu", "at", "state", "onu_rx", "olt_rx")
    values = (olt.id, olt.provider, onu, at, reading.state.value, reading.onu_rx, reading.olt_rx)
    row = select(*(literal(value, past[name].type).label(name) for name, value in zip(columns, values, strict=True)))
    await connection.execute(
        insert(tables.onu_history).from_select(columns, row.where(~recent)).on_conflict_do_nothing()
    )


async def history(
    connection: AsyncConnection, olt: Device, onu: str, since: datetime
) -> list[tuple[datetime, str, float | None]]:
    """When, in which state and with what ONU rx (dBm) the ONU was seen since then, oldest first."""
    past = tables.onu_history.c
    rows = await connection.execute(
        select(past.at, past.state, past.onu_rx)
        .where(past.device_id == olt.id, past.onu == onu, past.at >= since)
        .order_by(past.at)
    )
    return [(at, state, rx) for at, state, rx in rows]
