"""Where the bars and squares of a report's pictures stand, in the units of their drawing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil, log10
from zoneinfo import ZoneInfo

from callcenter.desk.languages import Catalogue
from callcenter.reports.sheets import KINDS, Sheet, Value

WIDTH = 1120
HEIGHT = 220
LEFT = 44
"""Room for the numbers of the axis."""
RIGHT = WIDTH - 18
"""Room for half of the last label."""
TOP = 10
BASE = HEIGHT - 26
MOST_BARS = 100
MOST_LABELS = 16
SHADES = 9


@dataclass(frozen=True, slots=True)
class Bar:
    """One column: answered from the ground up, missed on top of it."""

    x: float
    width: float
    answered_y: float
    answered_height: float
    missed_y: float
    missed_height: float
    label: str
    """Beneath it, or nothing where labels would touch."""
    said: str
    answered: int
    missed: int
    middle: float


@dataclass(frozen=True, slots=True)
class Columns:
    """A picture of how many calls were answered and missed, from left to right in time."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, int], ...]
    """Height and number of each line across."""
    grain: str
    """``hour``, ``day``, ``week`` or ``month``: what a bar is."""
    answered: int
    missed: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = BASE

    @property
    def empty(self) -> bool:
        return not (self.answered or self.missed)


def columns(sheet: Sheet, words: Catalogue, zone: ZoneInfo) -> Columns:
    """The picture of a sheet by hour or by day; so many days that bars would be hairs are joined to weeks or months."""
    points = [
        (row.title[0], int(sheet.value(row, "answered") or 0), int(sheet.value(row, "missed") or 0))
        for row in sheet.rows
    ]
    grain, joined = _joined(points)
    highest = max((answered + missed for _, answered, missed in joined), default=0)
    top = _round_up(highest)
    step = (RIGHT - LEFT) / max(1, len(joined))
    width = min(64.0, step * 0.72)
    every = ceil(len(joined) / MOST_LABELS)

    def high(count: int) -> float:
        return round((BASE - TOP) * count / top, 2)

    bars = []
    for place, (at, answered, missed) in enumerate(joined):
        middle = LEFT + step * (place + 0.5)
        said = _label(at, grain, words, zone)
        bars.append(
            Bar(
                round(middle - width / 2, 2), round(width, 2), round(BASE - high(answered), 2), high(answered),
                round(BASE - high(answered) - high(missed), 2), high(missed),
                said if place % every == 0 else "", said, answered, missed, round(middle, 2),
            )
        )  # fmt: skip
    ticks = tuple((round(BASE - high(top * part // 2), 2), top * part // 2) for part in range(3))
    return Columns(tuple(bars), ticks, grain, sum(p[1] for p in joined), sum(p[2] for p in joined))


Point = tuple[Value, int, int]


def _joined(points: Sequence[Point]) -> tuple[str, list[Point]]:
    days = [point for point in points if isinstance(point[0], date) and not isinstance(point[0], datetime)]
    if len(days) < len(points) or not days:
        return "hour", list(points)
    if len(days) <= MOST_BARS:
        return "day", days
    if len(days) <= MOST_BARS * 7:
        return "week", _summed((at - timedelta(days=at.weekday()), a, m) for at, a, m in days if isinstance(at, date))
    return "month", _summed((at.replace(day=1), a, m) for at, a, m in days if isinstance(at, date))


def _summed(points: Iterable[tuple[date, int, int]]) -> list[Point]:
    found: dict[date, tuple[int, int]] = {}
    for at, answered, missed in points:
        before = found.get(at, (0, 0))
        found[at] = (before[0] + answered, before[1] + missed)
    return [(at, *counts) for at, counts in found.items()]


def _label(at: Value, grain: str, words: Catalogue, zone: ZoneInfo) -> str:
    if isinstance(at, datetime):
        return words.clock(at, zone)
    if not isinstance(at, date):
        return ""
    return words.month(at) if grain == "month" else words.short_day(at)


def _round_up(highest: int) -> int:
    """The next even number that reads well, at least two."""
    if highest <= 2:
        return 2
    unit = 10 ** int(log10(highest))
    for factor in (1, 2, 3, 4, 5, 6, 8, 10):
        if unit * factor >= highest and unit * factor % 2 == 0:
            return int(unit * factor)
    return int(unit * 10)


@dataclass(frozen=True, slots=True)
class Square:
    """An hour of the week: how many calls were offered, and how dark it is (0 is none)."""

    weekday: int
    clock: int
    x: int
    y: int
    offered: int
    missed: int
    shade: int


@dataclass(frozen=True, slots=True)
class Week:
    """A picture of the hours of the week."""

    squares: tuple[Square, ...]
    most: int
    step: int = 44
    row: int = 46
    left: int = 44
    top: int = 22

    @property
    def width(self) -> int:
        return self.left + 24 * self.step

    @property
    def height(self) -> int:
        return self.top + 7 * self.row


def week(sheet: Sheet) -> Week:
    """When people call: the busiest hour of the week is the darkest."""
    counts = {
        (int(str(row.title[0])), int(str(row.title[1]))): (
            int(sheet.value(row, "offered") or 0), int(sheet.value(row, "missed") or 0),
        )
        for row in sheet.rows
    }  # fmt: skip
    most = max((offered for offered, _ in counts.values()), default=0)
    drawn = Week((), most)
    return Week(
        tuple(
            Square(day, hour, drawn.left + hour * drawn.step, drawn.top + day * drawn.row, offered, missed,
                   ceil(offered * SHADES / most) if most else 0)
            for (day, hour), (offered, missed) in sorted(counts.items())
        ),
        most,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """How many calls were missed in one way, and of how many missed."""

    name: str
    count: int
    share: float
    width: float


def kinds(sheet: Sheet) -> tuple[Kind, ...]:
    """The missed by kind, the most frequent first; kinds that did not happen are left out."""
    row = sheet.rows[0]
    found = sorted(((int(sheet.value(row, kind) or 0), kind) for kind in KINDS), key=lambda each: (-each[0], each[1]))
    whole, most = sum(count for count, _ in found), max((count for count, _ in found), default=0)
    return tuple(
        Kind(kind, count, round(count / whole, 4), round(200 * count / most, 1)) for count, kind in found if count
    )
