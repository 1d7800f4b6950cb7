"""Lines that got worse, as rows: one open a line and kind, closed when it is well again; and the watch that keeps them.

The watch listens to sweeps. Weeks are read once an hour an OLT, so that a sweep costs the database nothing but what
changed.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.diag import history
from callcenter.diag.devices import Device
from callcenter.diag.reading import OnuState
from callcenter.diag.sweep import Swept
from callcenter.diag.verdict import Thresholds
from callcenter.diag.worse import Detail, Past, Worse, what_is_worse
from callcenter.errors import Unavailable
from callcenter.store import Database, Scope
from callcenter.words import Clock, DeviceId, OnuAddress, ProviderId

log = logging.getLogger(__name__)

WEEK_READ_EVERY = timedelta(hours=1)
SLICE = 200
"""ONUs that are judged at a stretch: some two milliseconds."""


@dataclass(frozen=True, slots=True)
class WorseLine:
    """One line that got worse, and whose it is."""

    device: DeviceId
    device_name: str
    provider: ProviderId
    onu: str
    kind: Worse
    since: datetime
    last_at: datetime
    detail: Mapping[str, object]
    ended_at: datetime | None
    account: str | None
    subscriber: str | None
    address: str | None


@dataclass(slots=True)
class _Week:
    read_at: datetime
    past: dict[OnuAddress, Past]
    dark_since: dict[OnuAddress, datetime]
    open: dict[OnuAddress, dict[Worse, Detail]] = field(default_factory=lambda: defaultdict(dict))


class WorseWatch:
    """Keeps the list of lines that got worse; its ``swept`` is a listener of the sweeper."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        norms_of: Callable[[ProviderId], Thresholds] = lambda provider: Thresholds(),
        in_outage: Callable[[DeviceId, OnuAddress], bool] = lambda device, onu: False,
    ) -> None:
        self._database = database
        self._clock = clock
        self._norms_of = norms_of
        self._in_outage = in_outage
        self._weeks: dict[DeviceId, _Week] = {}

    async def swept(self, swept: Swept) -> None:
        """Judges every ONU that was read, and writes what opened, changed and ended."""
        device = swept.device
        try:
            week = await self._week(device, swept.at)
            opened, ended = await self._judge(swept, week)
            if opened or ended:
                async with self._database.scoped(Scope.only([device.provider])) as connection:
                    await put(connection, device, opened, swept.at)
                    await end(connection, device, ended, swept.at)
        except (Unavailable, DBAPIError) as exc:
            self._weeks.pop(device.id, None)  # what is open is read anew
            log.warning("lines that got worse are not kept for now: %s", exc)

    async def _week(self, device: Device, at: datetime) -> _Week:
        week = self._weeks.get(device.id)
        if week is not None and at - week.read_at < WEEK_READ_EVERY:
            return week
        async with self._database.scoped(Scope.only([device.provider])) as connection:
            weeks = await history.weeks_of(connection, device.id, at)
            dark = (await connection.execute(_DARK_SINCE, {"device": device.id})).all()
            rows = (await connection.execute(_OPEN, {"device": device.id})).all()
        past = {onu: Past(w.median_rx, w.median_olt_rx, w.points, w.downs_24h, w.downs_7d) for onu, w in weeks.items()}
        week = _Week(at, past, {OnuAddress.parse(row.onu): row.at for row in dark})
        for row in rows:
            if row.kind in set(Worse):
                week.open[OnuAddress.parse(row.onu)][Worse(row.kind)] = row.detail
        self._weeks[device.id] = week
        return week

    async def _judge(
        self, swept: Swept, week: _Week
    ) -> tuple[list[tuple[OnuAddress, Worse, Detail]], list[tuple[OnuAddress, Worse]]]:
        norms = self._norms_of(swept.device.provider)
        opened: list[tuple[OnuAddress, Worse, Detail]] = []
        ended: list[tuple[OnuAddress, Worse]] = []
        nothing: dict[Worse, Detail] = {}
        for number, (onu, reading) in enumerate(swept.readings.items()):
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            if reading.state in {OnuState.UNKNOWN, OnuState.STARTING}:
                continue
            before = swept.before.get(onu)
            past = week.past.get(onu, Past())
            if reading.state is not OnuState.OFFLINE:
                week.dark_since.pop(onu, None)
            elif onu not in week.dark_since:
                week.dark_since[onu] = swept.at
                if before is not None and before.value.state in {OnuState.ONLINE, OnuState.STARTING}:
                    past = replace(past, downs_24h=past.downs_24h + 1, downs_7d=past.downs_7d + 1)
                    week.past[onu] = past
            was = week.open.get(onu, nothing)
            found = what_is_worse(
                reading, past, norms.of_line(onu, reading.model), was, at=swept.at, dark_since=week.dark_since.get(onu),
                in_outage=reading.state is OnuState.OFFLINE and self._in_outage(swept.device.id, onu),
            )  # fmt: skip
            if not found and not was:
                continue
            for kind, detail in found.items():
                if kind not in was or (detail and _differs(was[kind], detail)):
                    opened.append((onu, kind, detail))
            ended += [(onu, kind) for kind in was.keys() - found.keys()]
            week.open[onu] = {kind: detail or was.get(kind, {}) for kind, detail in found.items()}
        return opened, ended


def _differs(was: Detail, now: Detail) -> bool:
    """By more than a level's own noise."""
    rx, rx_now = was.get("rx"), now.get("rx")
    if isinstance(rx, int | float) and isinstance(rx_now, int | float):
        return abs(rx - rx_now) >= 0.5 or was.get("warns") != now.get("warns")
    return was != now


async def put(
    connection: AsyncConnection, device: Device, lines: Iterable[tuple[OnuAddress, Worse, Detail]], at: datetime
) -> None:
    """Opens these, or brings the detail of open ones up to date."""
    rows = list(lines)
    if rows:
        given = {
            "device": device.id, "provider": device.provider, "at": at, "onus": [str(onu) for onu, _, _ in rows],
            "kinds": [kind.value for _, kind, _ in rows], "details": [json.dumps(detail) for _, _, detail in rows],
        }  # fmt: skip
        await connection.execute(_PUT, given)


async def end(
    connection: AsyncConnection, device: Device, lines: Iterable[tuple[OnuAddress, Worse]], at: datetime
) -> None:
    """These are well again."""
    rows = list(lines)
    if rows:
        given = {
            "device": device.id, "at": at, "onus": [str(onu) for onu, _ in rows],
            "kinds": [kind.value for _, kind in rows],
        }  # fmt: skip
        await connection.execute(_END, given)


async def worse_lines(
    connection: AsyncConnection,
    *,
    provider: ProviderId | None = None,
    kind: Worse | None = None,
    ended: bool = False,
    newest_first: bool = True,
    before: tuple[datetime, DeviceId, str, str] | None = None,
    most: int = 100,
) -> list[WorseLine]:
    """Lines of the transaction's scope that got worse, newest or worst first (the lowest level, then the darkest).

    ``before`` pages through the newest-first list: the ``since``, device, ONU and kind of the last line shown.
    """
    given = {
        "provider": provider, "kind": kind, "ended": ended, "most": most, "newest": newest_first,
        "since": None if before is None else before[0], "device": None if before is None else before[1],
        "onu": None if before is None else before[2], "of_kind": None if before is None else before[3],
    }  # fmt: skip
    rows = await connection.execute(_LIST, given)
    return [
        WorseLine(
            DeviceId(row.device_id), row.device_name, ProviderId(row.provider_id), row.onu, Worse(row.kind), row.since,
            row.last_at, row.detail,
            row.ended_at, row.account, row.subscriber, row.address,
        )
        for row in rows
    ]  # fmt: skip


_DARK_SINCE = text(
    """
    SELECT onu, at FROM (
        SELECT now.onu, (
            SELECT min(dark.at) FROM onu_history dark
            WHERE dark.device_id = now.device_id AND dark.onu = now.onu AND dark.state = 'offline'
                AND dark.at > coalesce((
                    SELECT max(lit.at) FROM onu_history lit
                    WHERE lit.device_id = now.device_id AND lit.onu = now.onu AND lit.state <> 'offline'
                ), '-infinity')
        ) AS at
        FROM onu_reading now WHERE now.device_id = :device AND now.reading ->> 'state' = 'offline'
    ) AS darkened WHERE at IS NOT NULL
    """
)
_OPEN = text("SELECT onu, kind, detail FROM onu_worse WHERE device_id = :device AND ended_at IS NULL")
_PUT = text(
    """
    INSERT INTO onu_worse (device_id, provider_id, onu, kind, since, last_at, detail)
    SELECT :device, :provider, onu, kind, :at, :at, detail::jsonb
    FROM unnest(CAST(:onus AS text[]), CAST(:kinds AS text[]), CAST(:details AS text[])) AS given (onu, kind, detail)
    ON CONFLICT (device_id, onu, kind) WHERE ended_at IS NULL
        DO UPDATE SET last_at = excluded.last_at, detail = excluded.detail
    """
)
_END = text(
    """
    UPDATE onu_worse SET ended_at = :at, last_at = :at
    FROM unnest(CAST(:onus AS text[]), CAST(:kinds AS text[])) AS given (onu, kind)
    WHERE onu_worse.device_id = :device AND onu_worse.onu = given.onu AND onu_worse.kind = given.kind
        AND ended_at IS NULL
    """
)
_LIST = text(
    """
    SELECT w.device_id, d.name AS device_name, w.provider_id, w.onu, w.kind, w.since, w.last_at, w.detail, w.ended_at,
        s.account, s.name AS subscriber, s.address
    FROM onu_worse w JOIN device d ON d.id = w.device_id
    LEFT JOIN LATERAL (
        SELECT account, name, address FROM subscriber WHERE device_id = w.device_id AND onu = w.onu
        ORDER BY status = 'closed', id LIMIT 1
    ) s ON true
    WHERE (w.ended_at IS NOT NULL) = :ended AND (CAST(:provider AS bigint) IS NULL OR w.provider_id = :provider)
        AND (CAST(:kind AS text) IS NULL OR w.kind = :kind)
        AND (CAST(:since AS timestamptz) IS NULL
            OR (w.since, w.device_id, w.onu, w.kind) < (:since, CAST(:device AS bigint), CAST(:onu AS text),
                CAST(:of_kind AS text)))
    ORDER BY CASE WHEN NOT :newest THEN CAST(w.detail ->> 'rx' AS real) END NULLS LAST, w.since DESC,
        w.device_id DESC, w.onu DESC, w.kind DESC
    LIMIT :most
    """
)
