"""Which time a report is of: whole days on each provider's own calendar, today, or from one moment to another. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo

LONGEST_DAYS: Final = 366 * 5
"""No report is of more days."""


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days, both included, each from midnight to midnight where the provider is: 23, 24 or 25 hours."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError("a period does not end before it begins")
        if self.count > LONGEST_DAYS:
            raise ValueError(f"a period of at most {LONGEST_DAYS} days")

    @property
    def count(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(self.first + timedelta(days=n) for n in range(self.count))


@dataclass(frozen=True, slots=True)
class Today:
    """The day it is at this moment, where each provider is."""

    at: datetime
    """Aware."""


@dataclass(frozen=True, slots=True)
class Between:
    """From one moment until just before another, for every provider the same; a shift, say."""

    since: datetime
    until: datetime


Period: TypeAlias = Days | Today | Between

Preset = Literal[
    "today", "yesterday", "this_week", "last_week", "this_month", "last_month", "last_30_days", "this_year", "last_year"
]
PRESETS: Final[tuple[Preset, ...]] = get_args(Preset)


def days_of(preset: Preset, today: date) -> Days:
    """The days people mean by these words; a week begins on Monday, and what is not over ends today."""
    monday = today - timedelta(days=today.weekday())
    first_of_month = today.replace(day=1)
    match preset:
        case "today":
            return Days(today, today)
        case "yesterday":
            return Days(today - timedelta(days=1), today - timedelta(days=1))
        case "this_week":
            return Days(monday, today)
        case "last_week":
            return Days(monday - timedelta(days=7), monday - timedelta(days=1))
        case "this_month":
            return Days(first_of_month, today)
        case "last_month":
            last = first_of_month - timedelta(days=1)
            return Days(last.replace(day=1), last)
        case "last_30_days":
            return Days(today - timedelta(days=29), today)
        case "this_year":
            return Days(date(today.year, 1, 1), today)
        case "last_year":
            return Days(date(today.year - 1, 1, 1), date(today.year - 1, 12, 31))


def today_in(zone: ZoneInfo, at: datetime) -> date:
    """The day it is there."""
    return at.astimezone(zone).date()


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The moment a day begins there; UTC."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def hours_of(days: Days, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Each hour of these days as the moment it begins, in UTC: a day on which clocks are put back has 25."""
    at, until = midnight(days.first, zone), midnight(days.last + timedelta(days=1), zone)
    hours = []
    while at < until:
        hours.append(at)
        at += timedelta(hours=1)
    return tuple(hours)
