"""How often a port went down in the last day, out of its switch's own log and by its switch's own clock. Pure.

The switch's clock is asked beside its log: it may be years away from ours, and log lines often bear no year.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from callcenter.diag.reading import DownReason, LogLine, PortReading

DAY = timedelta(days=1)
MOST_LINES = 50
"""Lines of the log that are kept, the newest."""
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_TIME = r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.:][0-9]+)?"
_STAMP = re.compile(rf"([A-Z][a-z]{{2}})\s+([0-9]{{1,2}})(?:\s+([0-9]{{4}}))?\s+{_TIME}(?:\s+([0-9]{{4}}))?", re.ASCII)
_SLASHED = re.compile(rf"([0-9]{{2}})/([0-9]{{2}})/([0-9]{{2}}|[0-9]{{4}})\s+{_TIME}", re.ASCII)
_CLOCK = re.compile(rf"{_TIME}\s+\S+\s+[A-Z][a-z]{{2}}\s+(?:([A-Z][a-z]{{2}})\s+([0-9]{{1,2}})\s+([0-9]{{4}})"
                    r"|([0-9]{2})/([0-9]{2})/([0-9]{4}))", re.ASCII)  # fmt: skip


def at(year: int, month: int | str, day: int, *time: int) -> datetime | None:
    """A moment on the device's clock; ``None`` for one that no calendar has."""
    number = _MONTHS.get(month.casefold()) if isinstance(month, str) else month
    try:
        return None if number is None else datetime(year, number, day, *time)  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return None


def clock(words: str) -> datetime | None:
    """``*18:57:38.347 UTC Mon Oct 19 2015`` (IOS), ``19:35:31 UTC Sat 01/08/2011`` (Comware)."""
    found = _CLOCK.search(words)
    if found is None:
        return stamp(words, None)
    hour, minute, second, name, day, year, month, month_day, other_year = found.groups()
    time = (int(hour), int(minute), int(second))
    if name is not None:
        return at(int(year), name, int(day), *time)
    return at(int(other_year), int(month), int(month_day), *time)


def stamp(words: str, now: datetime | None) -> datetime | None:
    """``Oct 19 18:57:38.347``, the year before or after it or, where it bears none, the last such day before ``now``;
    ``05/18/13 17:13:31``, the month first."""
    if (slashed := _SLASHED.search(words)) is not None:
        month, day, written, *clock_time = map(int, slashed.groups())
        return at(written if written > 99 else 2000 + written, month, day, *clock_time)
    if (found := _STAMP.search(words)) is None:
        return None
    name, number, before, hour, minute, second, after = found.groups()
    own = before or after
    year = int(own) if own else now.year if now is not None else None
    if year is None:
        return None
    time = (int(hour), int(minute), int(second))
    moment = at(year, name, int(number), *time)
    if own is None and now is not None and moment is not None and moment > now + DAY:
        return at(year - 1, name, int(number), *time)
    return moment


def told(name: str, lines: Iterable[str], now: datetime | None, went: Callable[[str], str]) -> PortReading:
    """The port's log lines and its flaps. ``went`` names what a line says went down (``link``, ``line``), or is empty.

    One fall is often two lines, of the link and of the line protocol: the kind with most falls counts. Without the
    device's clock it is not known which of them were within a day.
    """
    kept = [LogLine(line, stamp(line, now), DownReason.UNKNOWN if went(line) else None) for line in lines]
    flaps = None
    if now is not None and all(each.at is not None for each in kept if each.down):
        falls = [went(each.text) for each in kept if each.down and each.at is not None and now - DAY <= each.at]
        flaps = max((falls.count(kind) for kind in set(falls)), default=0)
    if any(later.at < before.at for before, later in itertools.pairwise(kept) if later.at and before.at):
        kept = [each for _, each in sorted(enumerate(kept), key=lambda pair: (pair[1].at or datetime.min, -pair[0]))]  # noqa: DTZ901
    return replace(PortReading(name), log=tuple(kept[-MOST_LINES:]), flaps=flaps)


def speaks_of(name: str, line: str) -> bool:
    """Whether this port's name stands in the line, and no longer name does."""
    return re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w/])", line, re.IGNORECASE | re.ASCII) is not None
