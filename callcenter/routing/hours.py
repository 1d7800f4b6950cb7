"""When a provider's lines are served, on the provider's own wall clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = 24 * 60
_SPAN = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Open from ``start`` until just before ``end``, in minutes since midnight; 24:00 is 1440."""

    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Span:
        """Reads ``08:00-22:00``; raises ``ValueError`` for anything else."""
        found = _SPAN.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is not a span such as 08:00-22:00")
        hours = [int(part) for part in found.groups()]
        span = cls(hours[0] * 60 + hours[1], hours[2] * 60 + hours[3])
        if span.end > MIDNIGHT or span.start >= span.end:
            raise ValueError(f"{text!r} does not end after it starts (over midnight: 22:00-24:00 and 00:00-06:00)")
        return span

    def __str__(self) -> str:
        return f"{self.start // 60:02}:{self.start % 60:02}-{self.end // 60:02}:{self.end % 60:02}"


@dataclass(frozen=True, slots=True)
class WeekHours:
    """The hours of a week; no hours at all means always open, a day not named is a day off."""

    days: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    """Spans by day (``mon`` … ``sun``), in order and apart."""

    @classmethod
    def parse(cls, value: Any) -> WeekHours:
        """Reads ``{"mon": ["08:00-22:00"], …}``; raises ``ValueError`` naming the first mistake."""
        if not isinstance(value, Mapping):
            raise ValueError('hours are written {"mon": ["08:00-22:00"], …}')  # noqa: TRY004 - the data is wrong, not the program
        days: dict[str, tuple[Span, ...]] = {}
        for day, texts in value.items():
            if day not in DAYS:
                raise ValueError(f"{day!r} is not a day ({', '.join(DAYS)})")
            if not isinstance(texts, (list, tuple)) or not all(isinstance(t, str) for t in texts):
                raise ValueError(f'{day}: hours are a list such as ["08:00-22:00"]')
            spans = tuple(sorted(Span.parse(text) for text in texts))
            for one, following in pairwise(spans):
                if following.start < one.end:
                    raise ValueError(f"{day}: {one} and {following} overlap")
            days[day] = spans
        return cls(days)

    def is_open(self, at: datetime, zone: ZoneInfo) -> bool:
        """Somebody answers at this moment, read on the provider's wall clock. ``at`` is aware."""
        if not self.days:
            return True
        local = at.astimezone(zone)
        minute = local.hour * 60 + local.minute
        return any(span.start <= minute < span.end for span in self.days.get(DAYS[local.weekday()], ()))

    def as_json(self) -> dict[str, list[str]]:
        return {day: [str(span) for span in self.days[day]] for day in DAYS if day in self.days}


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day unlike its weekday: other hours, or none at all."""

    day: date
    name: str
    spans: tuple[Span, ...] = ()

    @classmethod
    def parse(cls, day: str, name: str, hours: Any) -> Holiday:
        """Reads ``2026-08-24`` and ``["10:00-14:00"]``; raises ``ValueError`` for anything else."""
        return cls(date.fromisoformat(day), name, WeekHours.parse({"mon": hours}).days["mon"])


LONGEST_SEARCH_DAYS = 400
"""A provider who does not open within so many days opens never."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a provider is served: the hours of its week, its holidays, on its own wall clock, summer time and all."""

    week: WeekHours
    zone: ZoneInfo
    holidays: Mapping[date, Holiday] = field(default_factory=dict)

    def spans_on(self, day: date) -> tuple[Span, ...]:
        """The hours of this day of the provider's own calendar."""
        if day in self.holidays:
            return self.holidays[day].spans
        return self.week.days.get(DAYS[day.weekday()], ()) if self.week.days else (Span(0, MIDNIGHT),)

    def is_open(self, at: datetime) -> bool:
        """Somebody answers at this moment. ``at`` is aware."""
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return any(span.start <= minute < span.end for span in self.spans_on(local.date()))

    def after(self, at: datetime, within: timedelta) -> datetime:
        """The moment by which so much time has passed while the provider was open, counted from ``at``; UTC.

        A provider that never opens again is served by the plain clock: what is promised to it cannot wait for ever.
        """
        day = at.astimezone(self.zone).date()
        left = within
        for _ in range(LONGEST_SEARCH_DAYS):
            for opens, closes in self._open_on(day):
                start = max(opens, at)
                if start < closes and left <= closes - start:
                    return start + left
                left -= max(timedelta(), closes - start)
            day += timedelta(days=1)
        return at.astimezone(UTC) + within

    def _open_on(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """The day's hours as moments: a day on which the clocks are turned is an hour shorter or longer."""
        return tuple((self._moment(day, span.start), self._moment(day, span.end)) for span in self.spans_on(day))

    def _moment(self, day: date, minute: int) -> datetime:
        whole = day + timedelta(days=minute // MIDNIGHT)
        return datetime.combine(whole, time(minute % MIDNIGHT // 60, minute % 60), self.zone).astimezone(UTC)
