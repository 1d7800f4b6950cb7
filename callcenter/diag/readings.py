"""The last known reading of each ONU, in memory with its exact time and in the database, and a thin history of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.diag.devices import Device
from callcenter.diag.reading import OnuReading, OnuState
from callcenter.store import Database, Scope
from callcenter.words import DeviceId, Known, OnuAddress

KEPT = frozenset({OnuState.ONLINE, OnuState.STARTING, OnuState.OFFLINE, OnuState.DISABLED})
"""States worth remembering of one look: nonsense and wrong addresses do not replace the last known reading."""
STORED_AT_LEAST = timedelta(minutes=30)
"""An unchanged reading is stored again after this."""
POINT_AT_LEAST = timedelta(hours=1)
"""History has a point of each ONU at least so often."""
FRESH = timedelta(minutes=10)
"""A reading in memory that is younger is not compared with the database: no other service has much newer."""
RX_CHANGED, RX_POINT = 0.3, 0.5
"""dB from which a level counts as changed: for the last known reading, and for history."""


@dataclass(slots=True)
class _Stored:
    """What the database holds of one ONU: its last known reading, and the last point of its history."""

    at: datetime
    reading: OnuReading
    point_at: datetime | None = None
    point: OnuReading | None = None


@dataclass(slots=True)
class _OfDevice:
    now: dict[OnuAddress, Known[OnuReading]] = field(default_factory=dict)
    stored: dict[OnuAddress, _Stored] = field(default_factory=dict)
    loaded: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def is_changed(before: OnuReading, now: OnuReading, by: float) -> bool:
    """Another state, reason or LAN link, or a level that moved by so many dB."""
    if (before.state, before.last_down_reason, before.uni_up) != (now.state, now.last_down_reason, now.uni_up):
        return True
    return _moved(before.onu_rx, now.onu_rx, by) or _moved(before.olt_rx, now.olt_rx, by)


def _moved(before: float | None, now: float | None, by: float) -> bool:
    if before is None or now is None:
        return before is not now
    return abs(before - now) >= by - 1e-6


def completed(before: OnuReading, now: OnuReading) -> OnuReading:
    """What belongs to the ONU and its place, not to the moment, stays when this look did not ask for it."""
    return replace(
        now,
        distance_m=before.distance_m if now.distance_m is None else now.distance_m,
        model=now.model or before.model,
        serial=now.serial or before.serial,
    )


class Readings:
    """Last known readings; belongs to one event loop. A reading is in memory whether or not the database is there."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._devices: dict[DeviceId, _OfDevice] = {}

    def of(self, device: DeviceId) -> Mapping[OnuAddress, Known[OnuReading]]:
        """Every reading of this OLT that this service has made or loaded."""
        return self._of(device).now

    def forget(self, device: DeviceId) -> None:
        self._devices.pop(device, None)

    async def last_known(self, device: Device, onu: OnuAddress, now: datetime) -> Known[OnuReading] | None:
        """The newest reading, of this service or another; raises ``Unavailable`` where only the database knows."""
        here = self._of(device.id).now.get(onu)
        if here is not None and now - here.at < FRESH:
            return here
        async with self._database.scoped(Scope.only([device.provider])) as connection:
            there = await last_known(connection, device, str(onu))
        return max(filter(None, (here, there)), key=lambda known: known.at, default=None)

    async def load(self, device: Device) -> None:
        """What the database knows of this OLT, once."""
        ours = self._of(device.id)
        async with ours.lock:
            await self._load(device, ours)

    async def keep(self, device: Device, readings: Mapping[OnuAddress, OnuReading], at: datetime) -> None:
        """Remembers these, and stores what is new or due. Raises ``Unavailable``; memory has them all the same."""
        ours = self._of(device.id)
        for number, (onu, reading) in enumerate(readings.items()):
            before = ours.now.get(onu)
            if before is None or before.at <= at:
                ours.now[onu] = Known(reading if before is None else completed(before.value, reading), at, device.name)
            if number % 200 == 199:
                await asyncio.sleep(0)
        async with ours.lock:
            await self._load(device, ours)
            await self._store(device, ours, readings, at)

    def _of(self, device: DeviceId) -> _OfDevice:
        return self._devices.setdefault(device, _OfDevice())

    async def _load(self, device: Device, ours: _OfDevice) -> None:
        if ours.loaded:
            return
        async with self._database.scoped(Scope.only([device.provider])) as connection:
            rows = (await connection.execute(_LOAD, {"device": device.id})).all()
            points = (await connection.execute(_POINTS, {"device": device.id})).all()
        for number, (name, at, kept) in enumerate(rows):
            onu, reading = OnuAddress.parse(name), OnuReading.from_json(kept)
            ours.stored[onu] = _Stored(at, reading)
            here = ours.now.get(onu)
            if here is None or here.at < at:
                ours.now[onu] = Known(reading, at, device.name)
            else:
                ours.now[onu] = replace(here, value=completed(reading, here.value))
            if number % 100 == 99:
                await asyncio.sleep(0)
        for name, at, state, onu_rx, olt_rx, reason in points:
            kept = {"state": state, "onu_rx": onu_rx, "olt_rx": olt_rx, "last_down_reason": reason}
            if (stored := ours.stored.get(OnuAddress.parse(name))) is not None:
                stored.point_at, stored.point = at, OnuReading.from_json(kept)
        ours.loaded = True

    async def _store(
        self, device: Device, ours: _OfDevice, readings: Mapping[OnuAddress, OnuReading], at: datetime
    ) -> None:
        latest, points = [], []
        for number, onu in enumerate(readings):
            known = ours.now[onu]
            if known.at != at:
                continue
            kept = ours.stored.get(onu)
            if kept is None or at - kept.at >= STORED_AT_LEAST or is_changed(kept.reading, known.value, RX_CHANGED):
                latest.append((onu, known.value))
            if kept is None or kept.point is None or kept.point_at is None or _is_a_point(kept, known.value, at):
                points.append((onu, known.value))
            if number % 200 == 199:
                await asyncio.sleep(0)
        if not latest and not points:
            return
        async with self._database.scoped(Scope.only([device.provider])) as connection:
            await store_latest(connection, device, latest, at)
            await store_points(connection, device, points, at)
        for onu, reading in latest:
            past = ours.stored.get(onu)
            ours.stored[onu] = _Stored(at, reading, past.point_at if past else None, past.point if past else None)
        for onu, reading in points:
            ours.stored[onu].point_at, ours.stored[onu].point = at, reading


def _is_a_point(kept: _Stored, now: OnuReading, at: datetime) -> bool:
    assert kept.point is not None
    assert kept.point_at is not None
    before = replace(kept.point, uni_up=now.uni_up)  # history has no LAN link
    return at - kept.point_at >= POINT_AT_LEAST or is_changed(before, now, RX_POINT)


async def last_known(connection: AsyncConnection, device: Device, onu: str) -> Known[OnuReading] | None:
    """What the database knows; its time is up to half an hour older than the newest look."""
    row = (await connection.execute(_ONE, {"device": device.id, "onu": onu})).one_or_none()
    return None if row is None else Known(OnuReading.from_json(row.reading), row.at, device.name)


async def store_latest(
    connection: AsyncConnection, device: Device, readings: Iterable[tuple[OnuAddress, OnuReading]], at: datetime
) -> None:
    """Keeps these as last known; a newer reading stays."""
    rows = list(readings)
    for part in (rows[start : start + 500] for start in range(0, len(rows), 500)):
        given = {
            "device": device.id, "provider": device.provider, "at": at, "onus": [str(onu) for onu, _ in part],
            "readings": [json.dumps(reading.as_json()) for _, reading in part],
        }  # fmt: skip
        await connection.execute(_STORE, given)


async def store_points(
    connection: AsyncConnection, device: Device, readings: Iterable[tuple[OnuAddress, OnuReading]], at: datetime
) -> None:
    """Adds a point of history for each."""
    rows = list(readings)
    for part in (rows[start : start + 500] for start in range(0, len(rows), 500)):
        given = {
            "device": device.id, "provider": device.provider, "at": at, "onus": [str(onu) for onu, _ in part],
            "states": [reading.state.value for _, reading in part], "rx": [reading.onu_rx for _, reading in part],
            "olt_rx": [reading.olt_rx for _, reading in part],
            "reasons": [reading.last_down_reason or "" for _, reading in part],
        }  # fmt: skip
        await connection.execute(_STORE_POINTS, given)


_LOAD = text("SELECT onu, at, reading FROM onu_reading WHERE device_id = :device")
_POINTS = text(
    """
    SELECT DISTINCT ON (onu) onu, at, state, onu_rx, olt_rx, reason FROM onu_history
    WHERE device_id = :device AND at > (SELECT max(at) FROM onu_reading WHERE device_id = :device) - interval '2 hours'
    ORDER BY onu, at DESC
    """
)
_ONE = text("SELECT at, reading FROM onu_reading WHERE device_id = :device AND onu = :onu")
_STORE = text(
    """
    INSERT INTO onu_reading (device_id, provider_id, onu, at, reading)
    SELECT :device, :provider, onu, :at, reading::jsonb
    FROM unnest(CAST(:onus AS text[]), CAST(:readings AS text[])) AS given (onu, reading)
    ON CONFLICT (device_id, onu) DO UPDATE SET at = excluded.at, reading = excluded.reading
        WHERE onu_reading.at <= excluded.at
    """
)
_STORE_POINTS = text(
    """
    INSERT INTO onu_history (device_id, provider_id, onu, at, state, onu_rx, olt_rx, reason)
    SELECT :device, :provider, onu, :at, state, rx, olt_rx, reason
    FROM unnest(CAST(:onus AS text[]), CAST(:states AS text[]), CAST(:rx AS real[]), CAST(:olt_rx AS real[]),
        CAST(:reasons AS text[])) AS given (onu, state, rx, olt_rx, reason)
    ON CONFLICT DO NOTHING
    """
)
