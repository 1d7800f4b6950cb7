"""A report as a sheet: columns and rows of values, the same ones on the page, in files, on the command line. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from callcenter.calls.outcome import CallOutcome
from callcenter.reports.measures import OUT_OF_HOURS, SERVED, Debts, Tally, Work
from callcenter.routing.book import Book
from callcenter.routing.reasons import call_reasons
from callcenter.words import Language, ProviderId


class Part(StrEnum):
    """What the rows of a sheet are."""

    ALL = "all"
    PROVIDER = "provider"
    QUEUE = "queue"
    AGENT = "agent"
    REASON = "reason"
    DAY = "day"
    HOUR = "hour"
    WEEK = "week"


Kind = Literal["text", "count", "share", "seconds", "day", "moment", "weekday", "clock"]
"""A share is between 0 and 1; a weekday is 0 for Monday; a clock is an hour, 0 to 23."""
Value: TypeAlias = str | int | float | date | datetime | None


@dataclass(frozen=True, slots=True)
class Column:
    """``name`` is the key of its title in the interface and its name in files for programs."""

    name: str
    kind: Kind


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figure(Generic[T]):
    """A number of a report: its column, and how it follows from what was counted."""

    name: str
    kind: Kind
    of: Callable[[T], int | float | None]

    @property
    def column(self) -> Column:
        return Column(self.name, self.kind)

    def value(self, counted: T) -> int | float | None:
        """Rounded once, here: a share to a hundredth of a per cent, a length to a tenth of a second."""
        value = self.of(counted)
        if value is None or self.kind == "count":
            return value
        return round(value, 4 if self.kind == "share" else 1)


KINDS: Final = tuple(
    outcome.value
    for outcome in CallOutcome
    if outcome.value not in {SERVED, OUT_OF_HOURS, CallOutcome.UNKNOWN_DID, CallOutcome.NO_ANSWER, CallOutcome.BUSY}
)
"""How a call can be missed; the rest are no misses of a provider's lines."""


def _of_kind(kind: str) -> Figure[Tally]:
    return Figure(kind, "count", lambda tally: tally.outcomes.get(kind, 0))


CALLS: Final[tuple[Figure[Tally], ...]] = (
    Figure("came", "count", lambda t: t.came),
    Figure("offered", "count", lambda t: t.offered),
    Figure("answered", "count", lambda t: t.answered),
    Figure("answered_share", "share", lambda t: t.answered_share),
    Figure("service_level", "share", lambda t: t.service_level),
    Figure("answer_s", "seconds", lambda t: t.answer_s),
    Figure("longest_s", "seconds", lambda t: t.longest_s),
    Figure("handling_s", "seconds", lambda t: t.handling_s),
    Figure("talk_s", "seconds", lambda t: t.talk_s),
    Figure("transferred", "count", lambda t: t.transferred),
    Figure("missed", "count", lambda t: t.missed),
    Figure("abandoned", "count", lambda t: t.abandoned),
    Figure("abandonment", "share", lambda t: t.abandonment),
    Figure("patience_s", "seconds", lambda t: t.patience_s),
    *(_of_kind(kind) for kind in KINDS),
    Figure("short", "count", lambda t: t.short),
    Figure("closed", "count", lambda t: t.closed),
    Figure("repeats_day", "count", lambda t: t.repeats_day),
    Figure("repeat_day", "share", lambda t: t.repeat_day),
    Figure("repeats_week", "count", lambda t: t.repeats_week),
    Figure("repeat_week", "share", lambda t: t.repeat_week),
    Figure("out", "count", lambda t: t.out),
    Figure("out_reached", "count", lambda t: t.out_reached),
    Figure("out_share", "share", lambda t: t.out_share),
)
DEBTS: Final[tuple[Figure[Debts], ...]] = (
    Figure("debts_opened", "count", lambda d: d.opened),
    Figure("debts_paid", "count", lambda d: d.paid),
    Figure("promise_kept", "share", lambda d: d.promise_kept),
    Figure("debts_named", "count", lambda d: d.named),
    Figure("pay_s", "seconds", lambda d: d.pay_s),
)
WORK: Final[tuple[Figure[Work], ...]] = (
    Figure("taken", "count", lambda w: w.taken),
    Figure("not_taken", "count", lambda w: w.not_taken),
    Figure("taken_share", "share", lambda w: w.taken_share),
    Figure("handling_s", "seconds", lambda w: w.handling_s),
    Figure("talk_s", "seconds", lambda w: w.talk_s),
    Figure("out", "count", lambda w: w.out),
    Figure("out_reached", "count", lambda w: w.out_reached),
    Figure("signed_in_s", "seconds", lambda w: w.signed_in_ms / 1000),
    Figure("busy_s", "seconds", lambda w: w.busy_ms / 1000),
    Figure("paused_s", "seconds", lambda w: w.paused_ms / 1000),
    Figure("occupancy", "share", lambda w: w.occupancy),
)
WITH_DEBTS: Final = frozenset({Part.ALL, Part.PROVIDER, Part.DAY})
"""A debt is a provider's, of a day: no queue, agent, reason or hour has one."""

_TEXTS: Final[Mapping[Part, tuple[Column, ...]]] = {
    Part.ALL: (),
    Part.PROVIDER: (Column("provider", "text"), Column("brand", "text")),
    Part.QUEUE: (Column("provider", "text"), Column("brand", "text"), Column("queue", "text")),
    Part.AGENT: (Column("extension", "text"), Column("agent", "text")),
    Part.REASON: (
        Column("provider", "text"), Column("brand", "text"), Column("reason", "text"), Column("reason_name", "text"),
    ),
    Part.DAY: (Column("day", "day"),),
    Part.HOUR: (Column("hour", "moment"),),
    Part.WEEK: (Column("weekday", "weekday"), Column("clock", "clock")),
}  # fmt: skip


def titles_of(part: Part) -> tuple[Column, ...]:
    """The columns that say what a row is of."""
    return _TEXTS[part]


@dataclass(frozen=True, slots=True)
class Row:
    """``title`` says of what it is, ``values`` are its figures; both in the order of the sheet's columns."""

    title: tuple[Value, ...]
    values: tuple[int | float | None, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of a report."""

    part: Part
    titles: tuple[Column, ...]
    figures: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row | None = None
    """All rows together, where they add up to something."""

    @property
    def columns(self) -> tuple[Column, ...]:
        return (*self.titles, *self.figures)

    def value(self, row: Row, name: str) -> int | float | None:
        """A figure of a row by its name; raises ``KeyError`` for one this sheet has not."""
        for column, value in zip(self.figures, row.values, strict=True):
            if column.name == name:
                return value
        raise KeyError(name)

    def records(self) -> list[dict[str, Value]]:
        """Each row as values by column, for programs."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, (*row.title, *row.values), strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Names:
    """How the parts of a report are called."""

    providers: Mapping[ProviderId, tuple[str, str]] = field(default_factory=dict)
    """Slug and brand."""
    agents: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[tuple[ProviderId, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, book: Book, language: Language) -> Names:
        return cls(
            {provider.id: (provider.slug, provider.brand) for provider in book.providers},
            {agent.extension: agent.name for agent in book.agents},
            {
                (provider.id, reason.code): reason.name(language)
                for provider in book.providers
                for reason in call_reasons(provider)
            },
        )

    def provider(self, provider: ProviderId | None) -> tuple[str, str]:
        return ("", "") if provider is None else self.providers.get(provider, (str(provider), str(provider)))


def figures_of(
    calls: Tally | None = None, debts: Debts | None = None, work: Work | None = None
) -> tuple[int | float | None, ...]:
    """The figures of what was counted, in the order of their columns."""
    values: list[int | float | None] = []
    if calls is not None:
        values += [figure.value(calls) for figure in CALLS]
    if debts is not None:
        values += [figure.value(debts) for figure in DEBTS]
    if work is not None:
        values += [figure.value(work) for figure in WORK]
    return tuple(values)


_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_text(value: str) -> str:
    """A name that a spreadsheet would take for a formula stays a name: it gets an apostrophe in front."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def csv_lines(sheet: Sheet) -> Iterator[str]:
    """The sheet as CSV (RFC 4180), a line at a time: names of columns, points for commas, times with their offset."""
    yield _line(column.name for column in sheet.columns)
    for row in sheet.rows:
        yield _line(_plain(value) for value in (*row.title, *row.values))


def _plain(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return as_text(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(list(cells))
    return out.getvalue()


def file_name(provider: str | None, first: date, last: date, part: Part, suffix: str) -> str:
    """``report-svitlo-2026-11-01_2026-11-30-by-day.csv``."""
    whose = f"-{provider}" if provider else ""
    return f"report{whose}-{first:%Y-%m-%d}_{last:%Y-%m-%d}-by-{part.value}.{suffix}"
