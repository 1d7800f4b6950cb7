"""What a shift's calls come to: counted by the reports' own functions, so that board, document and reports agree."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.shift import hours_of
from callcenter.callbacks.shifts import Figures
from callcenter.reports.measures import Tally
from callcenter.reports.periods import Between
from callcenter.reports.queries import By, Key, Wanted, totals, work
from callcenter.words import ProviderId


async def figures(connection: AsyncConnection, provider: ProviderId, since: datetime, until: datetime) -> Figures:
    """One provider's calls between two moments: in sum, by each hour of its wall clock, by each agent."""
    zone, level_s = (await connection.execute(_PROVIDER, {"provider": provider})).one()
    wanted = Wanted(Between(since, until), provider=provider, in_full=False)
    whole = (await totals(connection, wanted))[Key()]
    by_hour = {key.hour: tally for key, tally in (await totals(connection, wanted, By.HOUR)).items()}
    did = await work(connection, wanted, until)
    return Figures(
        calls={"zone": zone, "service_level_s": level_s, **counted(whole)},
        hours=[
            {"hour": hour.isoformat(), **_of_hour(by_hour.get(hour, Tally()))}
            for hour in hours_of(since, until, ZoneInfo(zone))
        ],
        work={
            extension: {
                "taken": each.taken, "not_taken": each.not_taken, "out": each.out, "out_reached": each.out_reached,
                "talk_s": (each.talk_ms + each.out_talk_ms) / 1000,
            }
            for extension, each in did.items()
        },
    )  # fmt: skip


def counted(tally: Tally) -> dict[str, Any]:
    """The sums that a shift tells; shares of nothing are ``None``."""
    return {
        "came": tally.came, "offered": tally.offered, "answered": tally.answered, "in_time": tally.in_time,
        "missed": tally.missed, "closed": tally.closed, "short": tally.short,
        "service_level": tally.service_level, "answer_s": tally.answer_s, "kinds": dict(tally.kinds),
    }  # fmt: skip


def _of_hour(tally: Tally) -> dict[str, int]:
    return {
        "answered": tally.answered, "in_time": tally.in_time, "missed": tally.missed, "closed": tally.closed,
        "short": tally.short,
    }  # fmt: skip


_PROVIDER = text("SELECT timezone, service_level_s FROM provider WHERE id = :provider")
