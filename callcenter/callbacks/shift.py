"""A shift: who leads it, what it inherited and paid, what it may leave and to whom. Pure.

A callback is on the board of every shift in which it was open, whoever was on duty when its caller was missed and
however long ago: inherited when it was opened before the shift, new when it was opened in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from callcenter.errors import RuleBroken
from callcenter.words import ProviderId, UserId

SHORTEST: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(hours=24)
NAMES: Final = (("day", 8, 20), ("night", 20, 8))
"""What a shift is called when nobody says otherwise, and the hours it is meant for."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A stretch of work with one lead. There is one open shift at a time, or none."""

    id: int
    name: str
    lead: UserId
    lead_name: str
    lead_extension: str | None
    starts_at: datetime
    ends_at: datetime
    """When it is meant to end; it ends when it is closed or accepted, however late."""
    opened_at: datetime
    opened_by: str
    successor: UserId | None = None
    """Whom it is offered to."""
    successor_name: str | None = None
    offered_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""
    accepted_by: str = ""
    note: str = ""
    before: int | None = None
    """The shift it took over from."""

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    def is_late(self, now: datetime) -> bool:
        """It should have been closed or handed over by now."""
        return self.is_open and now > self.ends_at

    def until(self, now: datetime) -> datetime:
        return self.closed_at or now


@dataclass(frozen=True, slots=True)
class Counts:
    """What came to a shift and what became of it: ``inherited + new == done + left``."""

    inherited: int = 0
    """Open when the shift opened, whenever their callers were missed."""
    new: int = 0
    inherited_left: int = 0
    """Of the inherited, those that are open still."""
    called_back: int = 0
    got_through: int = 0
    named: int = 0
    """Ended by a person with a reason and a name."""
    corrected: int = 0
    """Proved to have been answered."""
    late: int = 0
    """Of the done, those that were done after their promise."""
    left: int = 0
    overdue: int = 0
    """Of the left, those whose promise is over."""
    hidden: int = 0
    """Of the left, callers without a number: counted, not callable."""
    misses: int = 0
    """Calls that were missed in the shift: more than callbacks, for a caller may try again."""

    @property
    def done(self) -> int:
        return self.called_back + self.got_through + self.named + self.corrected

    @property
    def new_done(self) -> int:
        """Of the new, those that are done."""
        return self.done - (self.inherited - self.inherited_left)

    @property
    def callable(self) -> int:
        """Of the left, those that can be called."""
        return self.left - self.hidden

    def __add__(self, other: Self) -> Self:
        return type(self)(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody who worked in the shift: when they came and went, what they did for one provider."""

    extension: str
    name: str
    joined_at: datetime
    left_at: datetime | None
    """``None`` while they are signed in."""


@dataclass(frozen=True, slots=True)
class Left:
    """A callback that a shift leaves to the next; ``why`` is empty until somebody has named it."""

    callback: int
    provider: ProviderId
    number: str
    opened_at: datetime
    due_at: datetime
    misses: int
    attempts: int
    why: str = ""
    named_by: str = ""


class ShiftRule(RuleBroken):
    """A rule of shifts is broken: ``key`` and ``values`` say which, for whoever tells it in another language."""

    def __init__(self, key: str, said: str, **values: object) -> None:
        super().__init__(said.format(**values))
        self.key = key
        self.values = values


def must_last(starts_at: datetime, ends_at: datetime) -> None:
    """A shift lasts a quarter of an hour to a day. Raises ``RuleBroken``."""
    if not SHORTEST <= ends_at - starts_at <= LONGEST:
        raise ShiftRule("length", "a shift lasts from 15 minutes to 24 hours")


def must_be_paid(left: int) -> None:
    """A shift closes by itself only with nothing open: what is left is handed over. Raises ``RuleBroken``."""
    if left:
        raise ShiftRule("open", "{n} callbacks are open: name each and hand them over to the next lead", n=left)


def must_be_named(left: Sequence[Left]) -> None:
    """Each callback that is left is named with why, also one that came in since. Raises ``RuleBroken``."""
    unnamed = [each for each in left if not each.why]
    if unnamed:
        raise ShiftRule(
            "unnamed", "{n} of {all} callbacks are not named: say why each is left", n=len(unnamed), all=len(left)
        )


def must_be_offered_to(shift: Shift, user: UserId) -> None:
    """Only whom it is offered to accepts a shift. Raises ``RuleBroken``."""
    if shift.successor is None:
        raise ShiftRule("not_offered", "the shift is offered to nobody")
    if shift.successor != user:
        raise ShiftRule("offered_to", "the shift is offered to {name}", name=shift.successor_name)


def must_be_of(shift: Shift, user: UserId | None, *, supervises: bool) -> None:
    """A shift is closed and handed over by its lead; a supervisor may when the lead is gone. Raises ``RuleBroken``."""
    if shift.lead != user and not supervises:
        raise ShiftRule("led_by", "the shift is led by {name}", name=shift.lead_name)


def next_span(now: datetime, zone: ZoneInfo, lasts: Sequence[tuple[str, int, int]] = NAMES) -> tuple[str, datetime]:
    """What a shift that opens now is called, and when it ends, unless somebody says otherwise.

    Who opens in the last half of an hour of a shift opens the next one.
    """
    local = (now + timedelta(minutes=30)).astimezone(zone)
    for name, begins, ends in lasts:
        begun = local.replace(hour=begins, minute=0, second=0, microsecond=0)
        if begun > local:
            begun -= timedelta(days=1)
        over = begun.replace(hour=ends)
        over = over if over > begun else over + timedelta(days=1)
        if local < over:
            return name, over
    raise ValueError("the shifts leave hours out")


def hours_of(since: datetime, until: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Each hour of the wall clock that the shift touches, as the moment it begins."""
    local = since.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    first = local.astimezone(since.tzinfo)
    return tuple(first + timedelta(hours=n) for n in range(int((until - first) / timedelta(hours=1)) + 1)
                 if first + timedelta(hours=n) < until)  # fmt: skip


Document = Mapping[str, Any]
"""What a closed shift says of one provider, as it is kept: plain values, times as ISO 8601."""


def document(
    counts: Counts,
    left: Sequence[Left],
    workers: Sequence[Mapping[str, Any]],
    hours: Sequence[Mapping[str, Any]],
    calls: Mapping[str, Any],
) -> Document:
    """The provider's part of a closed shift: it never changes again, whatever becomes known later."""
    return {
        "counts": {each.name: getattr(counts, each.name) for each in fields(counts)} | {"done": counts.done},
        "calls": dict(calls),
        "hours": [dict(hour) for hour in hours],
        "workers": [dict(worker) for worker in workers],
        "left": [
            {
                "callback": each.callback, "number": each.number, "opened_at": each.opened_at.isoformat(),
                "due_at": each.due_at.isoformat(), "misses": each.misses, "attempts": each.attempts,
                "why": each.why, "named_by": each.named_by,
            }
            for each in left
        ],
    }  # fmt: skip


def counts_in(kept: Document) -> Counts:
    """The counts of a document, also of an older one that lacks some."""
    given = kept.get("counts", {})
    return Counts(**{each.name: int(given.get(each.name, 0)) for each in fields(Counts)})
