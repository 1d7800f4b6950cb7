"""Days that are over are rolled up, so that a year is read as fast as a day. Whatever changes them takes the roll back.

The roll is nothing but the same counts, kept: without it every figure is the same, only slower. Taking it back is done
by triggers of the tables it is made of (migration 0002), whoever writes to them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.errors import Unavailable
from callcenter.reports import cells
from callcenter.store import Database, Scope
from callcenter.words import Clock, ProviderId

log = logging.getLogger(__name__)

RIPE: Final = timedelta(hours=3)
"""A day is rolled up so long after its end: what comes later than this takes the roll back."""
EVERY_S: Final = 60.0
MOST_AT_ONCE: Final = 400
"""Days of one provider, or several, between two looks at whether this service still leads."""


class Rolling:
    """Rolls up the days of every provider that are over, the newest first, where this service leads."""

    def __init__(self, database: Database, clock: Clock, leads: Callable[[], bool], every: float = EVERY_S) -> None:
        self._database = database
        self._clock = clock
        self._leads = leads
        self._every = every

    async def run(self) -> None:
        """Looks for days to roll up for ever; ends by being cancelled. Without it reports are slower, not wrong."""
        while True:
            rolled = 0
            try:
                rolled = await self.step() if self._leads() else 0
            except Unavailable as exc:
                log.warning("reports: days are rolled up later: %s", exc)
            except Exception:
                log.exception("reports: a day could not be rolled up")
            await asyncio.sleep(0 if rolled == MOST_AT_ONCE else self._every)

    async def step(self) -> int:
        """Rolls up what is ripe, a day a transaction, and says how many days; raises ``Unavailable``."""
        async with self._database.scoped(Scope.all()) as connection:
            ripe = await ripe_days(connection, self._clock() - RIPE, MOST_AT_ONCE)
        rolled = 0
        for provider, day in ripe:
            async with self._database.scoped(Scope.all()) as connection:
                rolled += await roll_up(connection, provider, day, self._clock())
        return rolled


async def ripe_days(connection: AsyncConnection, over_by: datetime, most: int) -> list[tuple[ProviderId, date]]:
    """Days that ended before this moment and are not rolled up, from each provider's first call on, newest first."""
    rows = await connection.execute(_RIPE, {"over_by": over_by, "most": most})
    return [(ProviderId(provider), day) for provider, day in rows]


async def roll_up(connection: AsyncConnection, provider: ProviderId, day: date, now: datetime) -> bool:
    """Keeps the counts of one day of one provider; False when it is done already or is being corrected just now."""
    if not (await connection.execute(_LOCK)).scalar_one():
        return False
    values = {"provider": provider, "day": day, "now": now}
    if (await connection.execute(_DAY, values)).rowcount == 0:
        return False
    for statement in _KEEP:
        await connection.execute(statement, values)
    return True


_RIPE = text(
    """
    SELECT known.provider_id, each.day::date FROM (
        SELECT id AS provider_id, timezone,
            (SELECT min(arrived_at) FROM call WHERE call.provider_id = provider.id) AT TIME ZONE timezone AS began
        FROM provider
    ) AS known, LATERAL generate_series(date_trunc('day', known.began),
        (CAST(:over_by AS timestamptz) AT TIME ZONE timezone)::date - interval '1 day', interval '1 day') AS each (day)
    WHERE NOT EXISTS (
        SELECT FROM report_day WHERE report_day.provider_id = known.provider_id AND report_day.day = each.day::date)
    ORDER BY 2 DESC, 1 LIMIT :most
    """
)
_LOCK = text(
    "SELECT pg_try_advisory_xact_lock(hashtext('callcenter.reports')), "
    "set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)"
)
_DAY = text(
    """
    INSERT INTO report_day (provider_id, day, since, until, rolled_at)
    SELECT id, CAST(:day AS date), midnight.since, midnight.until, :now
    FROM provider, LATERAL (SELECT CAST(:day AS date)::timestamp AT TIME ZONE timezone AS since,
        (CAST(:day AS date) + 1)::timestamp AT TIME ZONE timezone AS until) AS midnight
    WHERE id = :provider AND midnight.until <= least(:now, now()) - interval '3 hours'
    ON CONFLICT DO NOTHING
    """
)
_BOUND: Final = """(
    SELECT provider_id, timezone, service_level_s, short_abandon_s, since, until
    FROM report_day JOIN provider ON provider.id = provider_id WHERE provider_id = :provider AND day = :day)"""


def _kept(table: str, keys: str, counts: tuple[str, ...], made: str) -> str:
    names = ", ".join(counts)
    return (
        f"INSERT INTO {table} (provider_id, day, {keys}, {names}) "  # noqa: S608 - constants of this file
        f"SELECT provider_id, CAST(:day AS date), {keys}, {cells.whole(counts)} FROM ({made}) AS cell "
        f"GROUP BY provider_id, {keys}"
    )


_KEEP = (
    text(_kept("report_cell", "queue, reason, direction, outcome, short", cells.COUNTS, cells.of_calls(_BOUND))),
    text(
        _kept("report_hour", "hour, queue, direction, outcome, short", cells.COUNTS,
              cells.of_calls(_BOUND, reason=False))
    ),
    text(_kept("report_agent", "queue, agent", cells.WORK, cells.of_agents(_BOUND))),
)  # fmt: skip
