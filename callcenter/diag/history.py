"""An ONU's past: points of light and state, sums of days, the week that today is compared with.

Points are kept for ``keep_days``, sums of days (in UTC) for ``keep_sums_days``; the sum of a day is made anew until the
day is over, so that making it twice changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.diag.reading import DownReason, OnuState
from callcenter.errors import Unavailable
from callcenter.store import Database, Scope
from callcenter.words import Clock, Dbm, DeviceId, OnuAddress, ProviderId

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LightPoint:
    """One look that was worth keeping, levels in dBm. Until the next point nothing changed by half a dB."""

    at: datetime
    state: OnuState
    onu_rx: Dbm | None = None
    olt_rx: Dbm | None = None
    reason: DownReason | None = None


@dataclass(frozen=True, slots=True)
class LightDay:
    """A day in UTC: how many points, ONU rx at its worst, mean and best, mean OLT rx, how often it went down."""

    day: date
    readings: int
    rx_min: Dbm | None
    rx_avg: Dbm | None
    rx_max: Dbm | None
    olt_rx_avg: Dbm | None
    downs: int


@dataclass(frozen=True, slots=True)
class Week:
    """The seven days before a moment: medians in dBm over points of light, and how often the ONU went down."""

    median_rx: Dbm | None = None
    median_olt_rx: Dbm | None = None
    points: int = 0
    downs_24h: int = 0
    downs_7d: int = 0
    last_downs: tuple[tuple[datetime, DownReason | None], ...] = field(default=())
    """The newest ten, newest first."""


async def light(
    connection: AsyncConnection, device: DeviceId, onu: OnuAddress, since: datetime, until: datetime
) -> list[LightPoint]:
    """Points of that time, oldest first; the last one before it stands at its beginning, for the line to start."""
    rows = await connection.execute(_LIGHT, {"device": device, "onu": str(onu), "since": since, "until": until})
    return [_point(row) for row in rows]


async def days(
    connection: AsyncConnection, device: DeviceId, onu: OnuAddress, since: date, until: date
) -> list[LightDay]:
    """The sums of these days, the last one included, oldest first. Today's is as old as the last roll-up."""
    rows = await connection.execute(_DAYS, {"device": device, "onu": str(onu), "since": since, "until": until})
    return [LightDay(*row) for row in rows]


async def week_of(connection: AsyncConnection, device: DeviceId, onu: OnuAddress, at: datetime) -> Week:
    """The ONU's own last seven days, which a level of today is compared with."""
    found = await weeks_of(connection, device, at, [onu])
    return found.get(onu, Week())


async def weeks_of(
    connection: AsyncConnection, device: DeviceId, at: datetime, onus: Iterable[OnuAddress] | None = None
) -> dict[OnuAddress, Week]:
    """The same of these ONUs of an OLT, or of all that have a past."""
    given = {"device": device, "at": at, "onus": None if onus is None else [str(onu) for onu in onus]}
    out: dict[OnuAddress, Week] = {}
    for number, row in enumerate(await connection.execute(_WEEKS, given)):
        downs = tuple((moment, _reason(why)) for moment, why in zip(row.down_at or (), row.down_why or (), strict=True))
        out[OnuAddress.parse(row.onu)] = Week(
            row.median_rx, row.median_olt_rx, row.points, row.downs_24h, row.downs_7d, downs[:10]
        )
        if number % 100 == 99:
            await asyncio.sleep(0)
    return out


class Rolling:
    """Sums days up and deletes what is older than promised; one service of several does it."""

    BATCH = 20_000
    """Rows deleted in one transaction."""

    def __init__(
        self, database: Database, clock: Clock, *, keep_days: int, keep_sums_days: int, every_s: float = 3600
    ) -> None:
        self._database = database
        self._clock = clock
        self._keep_days = keep_days
        self._keep_sums_days = keep_sums_days
        self._every_s = every_s

    async def run(self) -> None:
        """Every hour, for ever; what was missed while nobody ran is caught up with."""
        while True:
            try:
                await self.once()
            except Unavailable as exc:
                log.warning("history is rolled up later: %s", exc)
            await asyncio.sleep(self._every_s)

    async def once(self) -> None:
        """Rolls up every day that has points and is not done, device by device, then deletes what is too old."""
        today = self._clock().date()
        async with self._database.scoped(Scope.all()) as connection:
            known = [(DeviceId(row.id), ProviderId(row.provider_id)) for row in await connection.execute(_DEVICES)]
        for device, provider in known:
            await self._roll(device, provider, today)
        for provider in sorted({provider for _, provider in known}):
            gone = [(_DELETE_POINTS, today - timedelta(days=self._keep_days))]
            gone += [(_DELETE_DAYS, today - timedelta(days=self._keep_sums_days))]
            for statement, before in gone:
                while True:
                    async with self._database.scoped(Scope.only([provider])) as connection:
                        done = await connection.execute(statement, {"before": before, "most": self.BATCH})
                    if done.rowcount < self.BATCH:
                        break

    async def _roll(self, device: DeviceId, provider: ProviderId, today: date) -> None:
        async with self._database.scoped(Scope.only([provider])) as connection:
            first, done = (await connection.execute(_REACH, {"device": device})).one()
        if first is None:
            return
        day = max(first, done or first)  # the last one that was rolled up may not have been over then
        while day <= today:
            async with self._database.scoped(Scope.only([provider])) as connection:
                given = {"device": device, "provider": provider, "day": day, "next": day + timedelta(days=1)}
                await connection.execute(_ROLL, given)
            day += timedelta(days=1)


def _point(row: Any) -> LightPoint:
    state = OnuState(row.state) if row.state in set(OnuState) else OnuState.UNKNOWN
    return LightPoint(row.at, state, row.onu_rx, row.olt_rx, _reason(row.reason))


def _reason(word: str) -> DownReason | None:
    return DownReason(word) if word in set(DownReason) else None


_LIGHT = text(
    """
    (SELECT CAST(:since AS timestamptz) AS at, state, onu_rx, olt_rx, reason FROM onu_history
     WHERE device_id = :device AND onu = :onu AND at < :since AND at > CAST(:since AS timestamptz) - interval '3 hours'
     ORDER BY onu_history.at DESC LIMIT 1)
    UNION ALL
    (SELECT at, state, onu_rx, olt_rx, reason FROM onu_history
     WHERE device_id = :device AND onu = :onu AND at >= :since AND at <= :until)
    ORDER BY at
    """
)
_DAYS = text(
    """
    SELECT day, readings, rx_min, rx_avg, rx_max, olt_rx_avg, downs FROM onu_day
    WHERE device_id = :device AND onu = :onu AND day BETWEEN :since AND :until ORDER BY day
    """
)
_WEEKS = text(
    """
    WITH past AS (
        SELECT onu, at, state, onu_rx, olt_rx, reason,
            state = 'offline' AND lag(state) OVER (PARTITION BY onu ORDER BY at) IN ('online', 'starting') AS went_down
        FROM onu_history
        WHERE device_id = :device AND at > CAST(:at AS timestamptz) - interval '7 days' AND at <= :at
            AND (CAST(:onus AS text[]) IS NULL OR onu = ANY (CAST(:onus AS text[])))
    )
    SELECT onu,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY onu_rx) AS median_rx,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY olt_rx) AS median_olt_rx,
        count(onu_rx) AS points,
        count(*) FILTER (WHERE went_down AND at > CAST(:at AS timestamptz) - interval '24 hours') AS downs_24h,
        count(*) FILTER (WHERE went_down) AS downs_7d,
        array_agg(at ORDER BY at DESC) FILTER (WHERE went_down) AS down_at,
        array_agg(reason ORDER BY at DESC) FILTER (WHERE went_down) AS down_why
    FROM past GROUP BY onu
    """
)
_DEVICES = text("SELECT id, provider_id FROM device ORDER BY id")
_REACH = text(
    """
    SELECT CAST((SELECT min(at) FROM onu_history WHERE device_id = :device) AT TIME ZONE 'UTC' AS date),
        (SELECT max(day) FROM onu_day WHERE device_id = :device)
    """
)
_ROLL = text(
    """
    INSERT INTO onu_day (device_id, provider_id, onu, day, readings, rx_min, rx_avg, rx_max, olt_rx_avg, downs)
    SELECT :device, :provider, onu, CAST(:day AS date), count(*) FILTER (WHERE of_day), min(onu_rx), avg(onu_rx),
        max(onu_rx), avg(olt_rx), count(*) FILTER (WHERE went_down)
    FROM (
        SELECT onu, of_day AND state = 'offline' AND before IN ('online', 'starting') AS went_down, of_day,
            CASE WHEN of_day THEN onu_rx END AS onu_rx, CASE WHEN of_day THEN olt_rx END AS olt_rx
        FROM (
            SELECT onu, state, onu_rx, olt_rx,
                at >= CAST(:day AS date) AT TIME ZONE 'UTC' AS of_day,
                lag(state) OVER (PARTITION BY onu ORDER BY at) AS before
            FROM onu_history
            WHERE device_id = :device AND at >= (CAST(:day AS date) - interval '3 hours') AT TIME ZONE 'UTC'
                AND at < CAST(:next AS date) AT TIME ZONE 'UTC'
        ) AS points
    ) AS points
    GROUP BY onu HAVING count(*) FILTER (WHERE of_day) > 0
    ON CONFLICT (device_id, onu, day) DO UPDATE SET readings = excluded.readings, rx_min = excluded.rx_min,
        rx_avg = excluded.rx_avg, rx_max = excluded.rx_max, olt_rx_avg = excluded.olt_rx_avg, downs = excluded.downs
    """
)
_DELETE_POINTS = text(
    """
    DELETE FROM onu_history WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM onu_history WHERE at < CAST(:before AS date) AT TIME ZONE 'UTC' LIMIT :most))
    """
)
_DELETE_DAYS = text(
    """
    DELETE FROM onu_day WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM onu_day WHERE day < CAST(:before AS date) LIMIT :most))
    """
)
