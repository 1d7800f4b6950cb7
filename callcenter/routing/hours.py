"""When a provider's lines are served, on the provider's own wall clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
