"""An ONU's past in a real PostgreSQL: points, weeks, days, and what is deleted when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from callcenter.diag import history
from callcenter.diag.devices import Device
from callcenter.diag.history import LightDay, Rolling
from callcenter.diag.reading import DownReason, OnuReading, OnuState
from callcenter.diag.readings import store_points
from callcenter.store import Database, Scope
from callcenter.words import Dbm, OnuAddress, ProviderId
from lab.olt import SimulatedOlt
from tests.integration.test_line import registered

MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)
ONU, OTHER = OnuAddress.parse("GPON0/1:1"), OnuAddress.parse("GPON0/1:2")


def lit(rx: float, olt_rx: float | None = None) -> OnuReading:
    return OnuReading(OnuState.ONLINE, onu_rx=Dbm(rx), olt_rx=None if olt_rx is None else Dbm(olt_rx))


def dark(why: DownReason) -> OnuReading:
    return OnuReading(OnuState.OFFLINE, last_down_reason=why)


@pytest.fixture
async def olt(database: Database) -> Device:
    async with SimulatedOlt("gpon", "vezha", pons=1, onus_per_pon=2) as simulated:
        return await registered(database, simulated)


async def past(database: Database, olt: Device, onu: OnuAddress, points: list[tuple[float, OnuReading]]) -> None:
    """Points by hours since midnight."""
    async with database.scoped(Scope.only([olt.provider])) as connection:
        for hours, reading in points:
            await store_points(connection, olt, [(onu, reading)], MIDNIGHT + timedelta(hours=hours))


async def test_points_start_with_what_was_so_before(database: Database, olt: Device) -> None:
    await past(database, olt, ONU, [(1, lit(-20)), (2, lit(-21)), (3, dark(DownReason.FIBRE)), (9, lit(-21))])
    async with database.scoped(Scope.only([olt.provider])) as connection:
        found = await history.light(
            connection, olt.id, ONU, MIDNIGHT + timedelta(hours=2.5), MIDNIGHT + timedelta(hours=8)
        )
    assert [((point.at - MIDNIGHT).seconds / 3600, point.onu_rx) for point in found] == [(2.5, -21), (3, None)]
    assert (found[1].state, found[1].reason) == (OnuState.OFFLINE, DownReason.FIBRE)


async def test_a_week_is_its_medians_and_how_often_it_went_down(database: Database, olt: Device) -> None:
    down = dark(DownReason.POWER)
    await past(
        database, olt, ONU,
        [(-9 * 24, lit(-10)), (-150, lit(-20, -22)), (-140, down), (-139, down), (-130, lit(-21, -23)), (-5, lit(-22)),
         (-4, dark(DownReason.FIBRE)), (-3, lit(-25)), (-2, lit(-20.5))],
    )  # fmt: skip
    async with database.scoped(Scope.only([olt.provider])) as connection:
        week = await history.week_of(connection, olt.id, ONU, MIDNIGHT)
        assert await history.week_of(connection, olt.id, OTHER, MIDNIGHT) == history.Week()
    assert (week.median_rx, week.median_olt_rx, week.points) == (Dbm(-21), Dbm(-22.5), 5)
    assert (week.downs_24h, week.downs_7d) == (1, 2)
    assert week.last_downs == (
        (MIDNIGHT - timedelta(hours=4), DownReason.FIBRE),
        (MIDNIGHT - timedelta(hours=140), DownReason.POWER),
    )


async def test_days_are_summed_up_once_and_caught_up_with(database: Database, olt: Device) -> None:
    """A service that was down for days rolls all of them up; doing it again changes nothing."""
    await past(
        database, olt, ONU,
        [(-70, lit(-20)), (-60, lit(-22)), (-25, lit(-20)), (-1, lit(-20)), (1, dark(DownReason.FIBRE)), (2, lit(-24))],
    )  # fmt: skip
    now = [MIDNIGHT + timedelta(hours=3)]
    rolling = Rolling(database, lambda: now[0], keep_days=8, keep_sums_days=400)
    for _ in range(2):
        await rolling.once()
        async with database.scoped(Scope.only([olt.provider])) as connection:
            found = await history.days(connection, olt.id, ONU, date(2026, 3, 1), date(2026, 3, 31))
        assert found == [
            LightDay(date(2026, 3, 7), 2, Dbm(-22), Dbm(-21), Dbm(-20), None, 0),
            LightDay(date(2026, 3, 8), 1, Dbm(-20), Dbm(-20), Dbm(-20), None, 0),
            LightDay(date(2026, 3, 9), 1, Dbm(-20), Dbm(-20), Dbm(-20), None, 0),
            LightDay(date(2026, 3, 10), 2, Dbm(-24), Dbm(-24), Dbm(-24), None, 1),
        ]
    await past(database, olt, ONU, [(20, lit(-26))])
    now[0] += timedelta(days=3)
    await rolling.once()
    async with database.scoped(Scope.only([olt.provider])) as connection:
        today = (await history.days(connection, olt.id, ONU, date(2026, 3, 10), date(2026, 3, 31)))[0]
    assert (today.readings, today.rx_min, today.rx_avg, today.downs) == (3, Dbm(-26), Dbm(-25), 1)


async def test_what_is_older_than_promised_is_deleted_in_batches(
    database: Database, olt: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rolling, "BATCH", 3)
    await past(database, olt, ONU, [(-24.0 * day, lit(-20)) for day in range(20)])
    now = [MIDNIGHT + timedelta(hours=1)]
    rolling = Rolling(database, lambda: now[0], keep_days=8, keep_sums_days=12)
    await rolling.once()
    async with database.scoped(Scope.only([olt.provider])) as connection:
        points = await history.light(connection, olt.id, ONU, MIDNIGHT - timedelta(days=99), MIDNIGHT)
        days = await history.days(connection, olt.id, ONU, date(2026, 1, 1), date(2026, 3, 31))
    assert (len(points), len(days)) == (9, 13)
    await rolling.once()
    async with database.scoped(Scope.only([olt.provider])) as connection:
        assert len(await history.days(connection, olt.id, ONU, date(2026, 1, 1), date(2026, 3, 31))) == 13


async def test_another_providers_past_is_not_seen(database: Database, olt: Device) -> None:
    await past(database, olt, ONU, [(-5, lit(-20))])
    async with database.scoped(Scope.only([ProviderId(olt.provider + 1)])) as connection:
        assert await history.light(connection, olt.id, ONU, MIDNIGHT - timedelta(days=1), MIDNIGHT) == []
        assert await history.week_of(connection, olt.id, ONU, MIDNIGHT) == history.Week()
