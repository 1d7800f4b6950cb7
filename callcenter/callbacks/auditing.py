"""The audit of a day: the journal folded anew from its files, and held against calls, misses and callbacks.

The database is read at one moment together with the place that the ledger had committed to; the files are then read up
to that place. So calls in progress, and rows that are written and not committed yet, are no differences.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.duty import is_missed
from callcenter.calls.adoption import REMEMBERED
from callcenter.calls.audit import Books, Counted, DayLine, Kept, Known, Owed, Told, hold_against, told_once
from callcenter.calls.journal import Position
from callcenter.calls.ledger import SOURCE
from callcenter.calls.owners import Owners
from callcenter.calls.record import CallRecord
from callcenter.calls.retelling import Retold, retell
from callcenter.calls.tables import read_position
from callcenter.errors import RuleBroken
from callcenter.routing.book import Book, Provider, read_book
from callcenter.store import Database, Scope
from callcenter.store.alarms import clear_alarm, raise_alarm
from callcenter.store.notices import Topic, tell
from callcenter.words import ProviderId, UniqueId

ALARM: Final = "audit_difference"
AFTER_THE_DAY: Final = timedelta(hours=1)
"""A day is audited for good when so much time has passed since its end: by then its calls are over."""
LOOK_BACK_DAYS: Final = 7
"""Days that could not be audited in time, because nothing ran, are audited later."""
LOOK_AGAIN_S: Final = 2.0
"""A difference is looked at again after so long: a DID that became known, a witness, may have been at work."""
_MOST_KEPT: Final = 200


@dataclass(frozen=True, slots=True)
class ProviderDay:
    """A day of one provider, on its own wall clock; ``provider`` is ``None`` for calls of nobody."""

    provider: ProviderId | None
    slug: str
    day: date


@dataclass(slots=True)
class Audited:
    """The lines of one day, a provider each, and how far the journal was read for them."""

    day: date
    lines: dict[ProviderDay, DayLine] = field(default_factory=dict)
    retold: Retold = field(default_factory=Retold)

    @property
    def difference(self) -> int:
        return sum(line.difference for line in self.lines.values())


def span_of(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A day on a wall clock, an hour shorter or longer when the clocks are turned."""
    return datetime.combine(day, time(), zone), datetime.combine(day + timedelta(days=1), time(), zone)


def due_days(now: datetime, zone: ZoneInfo, since: datetime, done: Mapping[date, tuple[datetime, int]]) -> list[date]:
    """Today is audited again and again, each day before it once it is well over, and what differed until it does not.

    ``since`` is when the provider came to us; ``done`` has when each day was last audited, with its difference.
    """
    today = now.astimezone(zone).date()
    first = min(today, max(since.astimezone(zone).date(), today - timedelta(days=LOOK_BACK_DAYS)))
    due = []
    for back in range((today - first).days + 1):
        day = today - timedelta(days=back)
        final_at = span_of(day, zone)[1] + AFTER_THE_DAY
        at, difference = done.get(day, (None, 0))
        if day == today or at is None or difference or (at < final_at <= now) or (at < final_at - AFTER_THE_DAY):
            due.append(day)
    return due


async def audit(
    database: Database, journal: Sequence[Path], country: str, day: date, now: datetime,
    slugs: Sequence[str] | None = None, *, again_s: float = LOOK_AGAIN_S,
) -> Audited:  # fmt: skip
    """A day of these providers (all of them when ``None``), each on its own clock; a difference is looked at twice.

    Raises ``RuleBroken`` for a provider that is not there, ``Unavailable`` when the database or the files are not.
    """
    found = await _audit(database, journal, country, day, now, slugs)
    if found.difference and again_s:
        await asyncio.sleep(again_s)
        found = await _audit(database, journal, country, day, now, slugs)
    return found


@dataclass(slots=True)
class _Kept:
    """What the database says at one moment."""

    book: Book
    since: datetime
    until: datetime
    providers: tuple[Provider, ...]
    place: Position | None = None
    calls: dict[UniqueId, Kept] = field(default_factory=dict)
    books: Books = field(default_factory=lambda: Books({}, {}, {}))
    aside: frozenset[tuple[int, bytes]] = frozenset()


async def _audit(
    database: Database, journal: Sequence[Path], country: str, day: date, now: datetime, slugs: Sequence[str] | None
) -> Audited:
    kept = await _read(database, country, day, slugs)
    owners = Owners(kept.book)
    records: list[Told] = []

    def take(call: CallRecord) -> None:
        number = owners.number_of(call.number_raw).number
        _, provider = owners.of(call.direction, call.dialled, call.provider_slug)
        row = kept.calls.get(call.id)
        if row is not None and row.provider is None and row.arrived_at < now - REMEMBERED:
            provider = None  # nobody's calls are nobody's for good after that time
        records.append(
            Told(
                call.id, None if provider is None else provider.id, call.direction, number, call.arrived_at,
                None if call.outcome is None else str(call.outcome), is_missed(call), call.settled, call.whole,
            )
        )  # fmt: skip

    retold = await asyncio.to_thread(
        retell, journal, kept.since, kept.until, owners.min_talk, take, place=kept.place, aside=kept.aside
    )
    return Audited(day, _lines(day, kept, told_once(records), retold), retold)


def _lines(day: date, kept: _Kept, told: dict[UniqueId, Told], retold: Retold) -> dict[ProviderDay, DayLine]:
    """Each provider's line, and one for nobody's calls if there is anything to say of them."""
    of_provider: dict[int | None, dict[UniqueId, Told]] = defaultdict(dict)
    rows: dict[int | None, list[Kept]] = defaultdict(list)
    for call in told.values():
        row = kept.calls.get(call.id)
        of_provider[call.provider if row is None or row.provider is None else row.provider][call.id] = call
    for row in kept.calls.values():
        rows[row.provider].append(row)
    found = {}
    for provider in kept.providers:
        since, until = span_of(day, provider.timezone)
        mine = {each.id: each for each in of_provider[provider.id].values() if since <= each.arrived_at < until}
        own = [each for each in rows[provider.id] if since <= each.arrived_at < until]
        line = hold_against(mine, own, kept.books, told, retold.begins_at)
        found[ProviderDay(provider.id, provider.slug, day)] = line
    nobodys = hold_against(of_provider[None], rows[None], Books(kept.calls, {}, {}), told, retold.begins_at)
    if nobodys.differences:
        found[ProviderDay(None, "", day)] = nobodys
    return found


async def _read(database: Database, country: str, day: date, slugs: Sequence[str] | None) -> _Kept:
    async with database.scoped(Scope.all(), snapshot=True) as connection:
        book = await read_book(connection, country)
        if slugs is not None and (strange := [slug for slug in slugs if book.by_slug(slug) is None]):
            raise RuleBroken(f"there is no provider {', '.join(strange)}")
        chosen = tuple(each for each in book.providers if slugs is None or each.slug in slugs)
        spans = [span_of(day, provider.timezone) for provider in chosen]
        if not spans:
            raise RuleBroken("there is no provider yet: nothing to audit")
        window = {"since": min(since for since, _ in spans), "until": max(until for _, until in spans)}
        kept = _Kept(book, window["since"], window["until"], chosen)
        kept.place = await read_position(connection, SOURCE)
        kept.calls = {UniqueId(row.id): Kept(*row) for row in await connection.execute(_CALLS, window)}
        misses = [Counted(*row) for row in await connection.execute(_MISSES, window)]
        owed = {row.id: Owed(*row) for row in await connection.execute(_CALLBACKS, window)}
        proofs = [each.closed_by_call for each in owed.values() if each.closed_by_call]
        others = await connection.execute(_PROOFS, {"calls": proofs})
        calls = {**{UniqueId(row.id): Kept(*row) for row in others}, **kept.calls}
        kept.books = Books(calls, {miss.call: miss for miss in misses}, owed)
        kept.aside = frozenset((place, bytes(raw)) for place, raw in await connection.execute(_ASIDE, window))
        return kept


# ---- what is kept of it


async def due(connection: AsyncConnection, now: datetime) -> list[tuple[date, list[str]]]:
    """The days that are to be audited now, with their providers, the newest first."""
    done: dict[int, dict[date, tuple[datetime, int]]] = defaultdict(dict)
    for provider, day, at, difference in await connection.execute(_DONE, {"since": now - timedelta(days=10)}):
        done[provider][day] = (at, difference)
    wanted: dict[date, list[str]] = defaultdict(list)
    for provider, slug, zone, since in await connection.execute(_PROVIDERS):
        for day in due_days(now, ZoneInfo(zone), since, done[provider]):
            wanted[day].append(slug)
    return sorted(wanted.items(), reverse=True)


async def keep(connection: AsyncConnection, found: Audited, now: datetime) -> None:
    """Writes the lines; a difference is an alarm until it is gone.

    Of a day whose calls are older than every file nothing can be said, and nothing is written.
    """
    changed = False
    for each, line in found.lines.items():
        subject = f"{each.slug or 'nobody'} {each.day}"
        if line.difference:
            await raise_alarm(connection, ALARM, subject, at=now, detail=in_words(line), provider=each.provider)
        else:
            await clear_alarm(connection, ALARM, subject, at=now, by="audit")
        out_of_reach = not line.calls and line.known.get(Known.BEFORE_JOURNAL, 0)
        if each.provider is None or out_of_reach:
            continue
        values = {
            "provider": each.provider, "day": each.day, "calls": line.calls, "misses": line.misses,
            "callbacks": line.callbacks, "difference": line.difference, "detail": json.dumps(_detail(line)),
            "now": now,
        }  # fmt: skip
        changed |= bool((await connection.execute(_CHANGED, values)).scalar_one())
        await connection.execute(_KEEP, values)
    if changed:
        await tell(connection, Topic.SHIFT)


def in_words(line: DayLine) -> str:
    """``2 call_missing (pbx1-1.1, pbx1-2.1), 1 two_for_one_number``."""
    calls: dict[str, list[str]] = defaultdict(list)
    counted = Counter(each.kind for each in line.differences)
    for each in line.differences:
        calls[each.kind].append(each.call or f"callback {each.callback}")
    return ", ".join(f"{count} {kind} ({', '.join(calls[kind][:3])})" for kind, count in counted.most_common())


def _detail(line: DayLine) -> dict[str, Any]:
    return {
        "differences": [
            {"kind": each.kind, "call": each.call, "callback": each.callback, "what": each.what}
            for each in line.differences[:_MOST_KEPT]
        ],
        "known": {str(kind): count for kind, count in line.known.items()},
    }


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A provider's day as it was last audited."""

    provider: ProviderId
    day: date
    calls: int
    misses: int
    callbacks: int
    difference: int
    detail: Mapping[str, Any]
    audited_at: datetime


async def lines_of(
    connection: AsyncConnection, limit: int = 31, provider: ProviderId | None = None, before: date | None = None
) -> list[KeptLine]:
    """The lines of the transaction's scope, newest day first."""
    values = {"limit": limit, "provider": provider, "before": before}
    return [_line(row) for row in await connection.execute(_LINES, values)]


async def today_of(
    connection: AsyncConnection, providers: Mapping[ProviderId, ZoneInfo], now: datetime
) -> list[KeptLine]:
    """The present day's line of each of these providers that has one."""
    days = [now.astimezone(zone).date() for zone in providers.values()]
    found = await connection.execute(_TODAY, {"providers": list(providers), "days": days})
    return [_line(row) for row in found]


def _line(row: Any) -> KeptLine:
    return KeptLine(
        row.provider_id, row.day, row.calls, row.misses, row.callbacks, row.difference, json.loads(row.detail),
        row.audited_at,
    )  # fmt: skip


_COLUMNS: Final = "id, provider_id, direction, number, arrived_at, outcome, source, connected_at"
_CALLS = text(f"SELECT {_COLUMNS} FROM call WHERE arrived_at >= :since AND arrived_at < :until")  # noqa: S608
_PROOFS = text(f"SELECT {_COLUMNS} FROM call WHERE id = ANY(CAST(:calls AS text[]))")  # noqa: S608
_MISSES = text(
    """
    SELECT miss.call_id, miss.callback_id, miss.outcome, miss.missed_at
    FROM call JOIN callback_miss miss ON miss.call_id = call.id
    WHERE call.arrived_at >= :since AND call.arrived_at < :until
    """
)
_CALLBACKS = text(
    """
    WITH concerned AS (
        SELECT DISTINCT owed.provider_id, owed.number
        FROM call JOIN callback_miss miss ON miss.call_id = call.id JOIN callback owed ON owed.id = miss.callback_id
        WHERE call.arrived_at >= :since AND call.arrived_at < :until
    )
    SELECT owed.id, owed.provider_id, owed.number, owed.opened_at, owed.misses,
        (SELECT count(*) FROM callback_miss WHERE callback_id = owed.id AND outcome <> 'answered'),
        owed.closed_at, owed.closed_reason, owed.closed_by_call, owed.closed_by, owed.close_note,
        coalesce((SELECT said FROM callback_attempt WHERE call_id = owed.closed_by_call), '')
    FROM concerned JOIN callback owed USING (provider_id, number)
    WHERE owed.closed_at IS NULL OR owed.closed_at >= CAST(:since AS timestamptz) - interval '1 day'
    """
)
_ASIDE = text(
    "SELECT position, raw FROM journal_set_aside "
    "WHERE source = 'cel' AND seen_at >= :since AND octet_length(raw) < 65536"
)
_PROVIDERS = text("SELECT id, slug, timezone, created_at FROM provider ORDER BY slug")
_DONE = text("SELECT provider_id, day, audited_at, difference FROM audit_day WHERE audited_at >= :since")
_CHANGED = text(
    """
    SELECT NOT EXISTS (SELECT FROM audit_day WHERE provider_id = :provider AND day = :day AND calls = :calls
        AND misses = :misses AND callbacks = :callbacks AND difference = :difference)
    """
)
_KEEP = text(
    """
    INSERT INTO audit_day (provider_id, day, calls, misses, callbacks, difference, detail, audited_at)
    VALUES (:provider, :day, :calls, :misses, :callbacks, :difference, CAST(:detail AS jsonb), :now)
    ON CONFLICT (provider_id, day) DO UPDATE SET calls = excluded.calls, misses = excluded.misses,
        callbacks = excluded.callbacks, difference = excluded.difference, detail = excluded.detail,
        audited_at = excluded.audited_at
    """
)
_SHOWN: Final = "provider_id, day, calls, misses, callbacks, difference, detail::text AS detail, audited_at"
_LINES = text(
    f"""
    SELECT {_SHOWN} FROM audit_day
    WHERE (CAST(:provider AS bigint) IS NULL OR provider_id = :provider)
        AND (CAST(:before AS date) IS NULL OR day < :before)
    ORDER BY day DESC, provider_id LIMIT :limit
    """  # noqa: S608
)
_TODAY = text(
    f"""
    SELECT {_SHOWN} FROM unnest(CAST(:providers AS bigint[]), CAST(:days AS date[])) AS asked (provider, today)
    JOIN audit_day ON provider_id = asked.provider AND day = asked.today ORDER BY provider_id
    """  # noqa: S608
)
