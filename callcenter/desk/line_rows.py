"""Lines as pages and the API read them: how sweeps went, an ONU's light. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.words import DeviceId, ProviderId


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device and how its last sweep went; no credential is read here."""

    id: DeviceId
    name: str
    provider: ProviderId
    driver: str
    host: str
    area: str
    swept_at: datetime | None
    sweep_s: float | None
    sweep_error: str
    onus: int


@dataclass(frozen=True, slots=True)
class LightRow:
    """One reading of the history; levels in dBm."""

    at: datetime
    state: str
    onu_rx: float | None
    olt_rx: float | None


@dataclass(frozen=True, slots=True)
class DayRow:
    """The sum of a day: least, mean and best light in dBm, how often the ONU went down."""

    day: date
    rx_min: float | None
    rx_avg: float | None
    rx_max: float | None
    downs: int


async def device_rows(conn: AsyncConnection, provider: ProviderId | None) -> list[DeviceRow]:
    return [DeviceRow(**row._mapping) for row in await conn.execute(_DEVICES, {"provider": provider})]


async def device_of(conn: AsyncConnection, device: int) -> DeviceRow | None:
    found = (await conn.execute(_ONE_DEVICE, {"device": device})).one_or_none()
    return None if found is None else DeviceRow(**found._mapping)


async def light_of(conn: AsyncConnection, device: int, onu: str, since: datetime) -> list[LightRow]:
    """Readings since then and the one before them, oldest first."""
    return [LightRow(**r._mapping) for r in await conn.execute(_LIGHT, {"device": device, "onu": onu, "since": since})]


async def days_of(conn: AsyncConnection, device: int, onu: str, since: date) -> list[DayRow]:
    return [DayRow(**r._mapping) for r in await conn.execute(_DAYS, {"device": device, "onu": onu, "since": since})]


_SELECT_DEVICE = """
    SELECT d.id, d.name, d.provider_id AS provider,
        CASE WHEN d.driver = 'auto' THEN d.detected ELSE d.driver END AS driver,
        d.host, d.area, d.swept_at, d.sweep_s, d.sweep_error,
        (SELECT count(*) FROM onu_reading r WHERE r.device_id = d.id) AS onus
    FROM device d
"""
_DEVICES = text(
    f"""{_SELECT_DEVICE} WHERE (CAST(:provider AS bigint) IS NULL OR d.provider_id = :provider)
    ORDER BY d.sweep_error = '', d.provider_id, d.name LIMIT 1000"""
)
_ONE_DEVICE = text(f"{_SELECT_DEVICE} WHERE d.id = :device")
_LIGHT = text(
    """
    (SELECT at, state, onu_rx, olt_rx FROM onu_history
        WHERE device_id = :device AND onu = :onu AND at < :since ORDER BY at DESC LIMIT 1)
    UNION ALL
    (SELECT at, state, onu_rx, olt_rx FROM onu_history
        WHERE device_id = :device AND onu = :onu AND at >= :since ORDER BY at LIMIT 20000)
    ORDER BY at
    """
)
_DAYS = text(
    """
    SELECT day, rx_min, rx_avg, rx_max, downs FROM onu_day
    WHERE device_id = :device AND onu = :onu AND day >= :since ORDER BY day
    """
)
