"""Reads a report: which sheet is made of which counts, with the days and hours in which nothing happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.reports.measures import Debts, Tally, Work
from callcenter.reports.periods import Days, hours_of, today_in
from callcenter.reports.queries import ALL, By, Key, Wanted, debts_by, debts_by_day, totals, work
from callcenter.reports.sheets import (
    CALLS,
    DEBTS,
    WITH_DEBTS,
    WORK,
    Names,
    Part,
    Row,
    Sheet,
    Value,
    figures_of,
    titles_of,
)

_BY: Final[Mapping[Part, By]] = {
    Part.ALL: By.ALL, Part.PROVIDER: By.PROVIDER, Part.QUEUE: By.QUEUE, Part.REASON: By.REASON, Part.DAY: By.DAY,
    Part.HOUR: By.HOUR, Part.WEEK: By.WEEK,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A report somebody asked for. Days are those of each provider's own calendar; hours are shown in ``zone``."""

    wanted: Wanted
    days: Days
    zone: ZoneInfo
    names: Names
    now: datetime

    @property
    def over(self) -> Days | None:
        """The days that have begun: the coming ones of a period are not shown as empty."""
        last = min(self.days.last, today_in(self.zone, self.now))
        return None if last < self.days.first else Days(self.days.first, last)

    @property
    def tells_debts(self) -> bool:
        return self.wanted.queue is None and self.wanted.agent is None


async def read_sheet(connection: AsyncConnection, asked: Asked, part: Part) -> Sheet:
    """One sheet of a report, within the transaction's scope."""
    return (await read_sheets(connection, asked, (part,)))[part]


async def read_sheets(connection: AsyncConnection, asked: Asked, parts: Iterable[Part]) -> dict[Part, Sheet]:
    """Several sheets of one report; of one moment, if the transaction is a snapshot."""
    wanted = frozenset(parts)
    days = await debts_by_day(connection, asked.wanted) if wanted & WITH_DEBTS and asked.tells_debts else None
    sheets: dict[Part, Sheet] = {}
    for part in sorted(wanted):
        if part is Part.AGENT:
            sheets[part] = _of_work(await work(connection, asked.wanted, asked.now), asked.names)
            continue
        owed = None if days is None or part not in WITH_DEBTS else debts_by(_BY[part], days)
        sheets[part] = _of_calls(part, asked, await totals(connection, asked.wanted, _BY[part]), owed)
    return sheets


def _of_calls(part: Part, asked: Asked, tallies: Mapping[Key, Tally], owed: Mapping[Key, Debts] | None) -> Sheet:
    keys = sorted({*tallies, *(owed or {}), *_expected(part, asked)}, key=_order)
    rows = tuple(
        Row(
            _title(part, key, asked),
            figures_of(tallies.get(key, Tally()), None if owed is None else owed.get(key, Debts())),
        )
        for key in keys
    )
    whole = figures_of(Tally.of(tallies.values()), None if owed is None else Debts.of(owed.values()))
    figures = tuple(figure.column for figure in CALLS) + (
        () if owed is None else tuple(figure.column for figure in DEBTS)
    )
    titles = titles_of(part)
    total = Row((None,) * len(titles), whole) if part is not Part.ALL else None
    return Sheet(part, titles, figures, rows, total)


def _of_work(found: Mapping[str, Work], names: Names) -> Sheet:
    titles = titles_of(Part.AGENT)
    rows = tuple(
        Row((extension, names.agents.get(extension, extension)), figures_of(work=each))
        for extension, each in found.items()
    )
    whole = Row((None,) * len(titles), figures_of(work=Work.of(found.values())))
    return Sheet(Part.AGENT, titles, tuple(figure.column for figure in WORK), rows, whole)


def _expected(part: Part, asked: Asked) -> Iterable[Key]:
    """The rows that are there even when nothing happened in them."""
    if part is Part.ALL:
        return (ALL,)
    if part is Part.WEEK:
        return (Key(weekday=day, clock=hour) for day in range(7) for hour in range(24))
    if asked.over is None or part not in {Part.DAY, Part.HOUR}:
        return ()
    if part is Part.DAY:
        return (Key(day=day) for day in asked.over.days)
    return (Key(hour=hour) for hour in hours_of(asked.over, asked.zone))


def _order(key: Key) -> tuple[str | int, ...]:
    values = (key.provider, key.queue, key.reason, key.day, key.hour, key.weekday, key.clock)
    return tuple(each.isoformat() if isinstance(each, date | datetime) else each for each in values if each is not None)


def _title(part: Part, key: Key, asked: Asked) -> tuple[Value, ...]:
    slug, brand = asked.names.provider(key.provider)
    match part:
        case Part.PROVIDER:
            return (slug, brand)
        case Part.QUEUE:
            return (slug, brand, key.queue)
        case Part.REASON if key.provider is not None and key.reason is not None:
            return (slug, brand, key.reason, asked.names.reasons.get((key.provider, key.reason), key.reason))
        case Part.DAY:
            return (key.day,)
        case Part.HOUR if key.hour is not None:
            return (key.hour.astimezone(asked.zone),)
        case Part.WEEK:
            return (key.weekday, key.clock)
        case _:
            return ()
