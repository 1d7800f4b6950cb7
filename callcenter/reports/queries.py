"""The figures of a period, read from the ledger: the one place that counts calls, for reports and wallboard alike.

Everything is read in the transaction's scope. A day that was rolled up is read from its rolled rows, any other from the
calls themselves, in one statement and so of one moment; both are made by the same SQL (``cells``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.reports import cells
from callcenter.reports.measures import OUT_OF_HOURS, SERVED, Debts, Longest, Tally, Work
from callcenter.reports.periods import Between, Days, Period, Today
from callcenter.words import ProviderId


class By(StrEnum):
    """What the figures are told apart by."""

    ALL = "all"
    PROVIDER = "provider"
    QUEUE = "queue"
    REASON = "reason"
    DAY = "day"
    HOUR = "hour"
    """Each hour of the period, as the moment it begins."""
    WEEK = "week"
    """Hours of the week: seven days of 24 on the provider's wall clock."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which part of the whole a figure is of; what it was not told apart by is ``None``."""

    provider: ProviderId | None = None
    queue: str | None = None
    reason: str | None = None
    """The code of the reason; empty where no agent named one."""
    day: date | None = None
    hour: datetime | None = None
    weekday: int | None = None
    """Monday is 0."""
    clock: int | None = None
    """The hour on the wall clock, 0 to 23."""


ALL: Final = Key()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls: of this period, and of this provider, queue and agent where they are given."""

    period: Period
    provider: ProviderId | None = None
    queue: str | None = None
    agent: str | None = None
    """Calls that this extension talked in or that rang there."""
    in_full: bool = field(default=True, kw_only=True)
    """False leaves repeats and wrap-up at zero: what a wallboard asks every second."""


async def totals(connection: AsyncConnection, wanted: Wanted, by: By = By.ALL) -> dict[Key, Tally]:
    """What was counted of the calls that are over, told apart ``by``; a part without calls is left out.

    ``By.ALL`` always has its one row. A call belongs to the day and the hour in which it arrived. A call's reason is
    the last one that an agent wrote of it. Of one provider only, hours and days are those of its zone; of several, each
    call is counted on its own provider's clock.
    """
    await connection.execute(_PLANS)
    rows = await connection.execute(_statement(wanted, by), _values(wanted))
    found: dict[Key, _Counter] = {ALL: _Counter()} if by is By.ALL else {}
    for row in rows:
        key = _key(by, row)
        found.setdefault(key, _Counter()).add(row)
    return {key: counter.tally() for key, counter in sorted(found.items(), key=lambda each: _order(each[0]))}


async def debts(connection: AsyncConnection, wanted: Wanted, by: By = By.ALL) -> dict[Key, Debts]:
    """What became of missed calls, by provider or day; queue and agent are not asked, a debt is the provider's.

    A callback is opened in the day of its first miss, and closed in the day it was closed. One that was opened by
    mistake, and corrected, is not counted.
    """
    return debts_by(by, await debts_by_day(connection, wanted))


DebtsByDay = Mapping[tuple[ProviderId, date], Debts]


async def debts_by_day(connection: AsyncConnection, wanted: Wanted) -> DebtsByDay:
    """The same of each day of each provider: what all the other ways to tell them apart are made of."""
    await connection.execute(_PLANS)
    span = await _span(connection, wanted)
    if span is None:
        return {}
    rows = await connection.execute(_debts_statement(wanted), {**_values(wanted), **span})
    return {
        (ProviderId(row.provider_id), row.day): Debts(row.opened, row.paid, row.in_promise, row.named, row.pay_ms)
        for row in rows
    }


def debts_by(by: By, days: DebtsByDay) -> dict[Key, Debts]:
    """Days of providers, told together. Raises ``ValueError`` for what debts are not told apart by."""
    if by not in {By.ALL, By.PROVIDER, By.DAY}:
        raise ValueError(f"debts are not told apart by {by}")
    found = {ALL: Debts()} if by is By.ALL else {}
    for (provider, day), each in days.items():
        key = Key(provider=provider) if by is By.PROVIDER else Key(day=day) if by is By.DAY else ALL
        found[key] = found.get(key, Debts()) + each
    return dict(sorted(found.items(), key=lambda each: _order(each[0])))


async def work(connection: AsyncConnection, wanted: Wanted, now: datetime) -> dict[str, Work]:
    """What each agent did, by extension; only agents who had a call or were signed in are told of.

    Calls, and the time they took, are those of the transaction's scope: what an agent did for others is not told. The
    time signed in is that of agents who serve a provider of this scope, from the first midnight of the period to its
    last; ``now`` ends what still goes on.
    """
    await connection.execute(_PLANS)
    found: dict[str, Work] = {}
    for row in await connection.execute(_work_statement(wanted), _values(wanted)):
        found[row.agent] = Work(
            taken=row.taken, not_taken=row.not_taken, talk_ms=row.talk_ms, held_ms=row.held_ms, wrap_ms=row.wrap_ms,
            out=row.outgoing, out_reached=row.out_reached, out_talk_ms=row.out_talk_ms, busy_ms=row.busy_ms,
        )  # fmt: skip
    span = await _span(connection, wanted)
    if span is not None:
        for row in await connection.execute(_duty_statement(wanted), {**_values(wanted), **span, "now": now}):
            spent = Work(signed_in_ms=row.signed_in_ms, paused_ms=row.paused_ms)
            found[row.agent] = found.get(row.agent, Work()) + spent
    return dict(sorted(found.items()))


async def _span(connection: AsyncConnection, wanted: Wanted) -> dict[str, datetime] | None:
    """The period from its first midnight anywhere to its last; as values, for then the planner knows how much it is."""
    found = (await connection.execute(text(f"WITH {_bound(wanted)} {_SPAN}"), _values(wanted))).one()
    return None if found.since is None else {"begin": found.since, "end": found.until}


@dataclass(slots=True)
class _Counter:
    """A tally while it is counted."""

    outcomes: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)
    longest_ms: int = 0

    def add(self, row: Any) -> None:
        if row.direction == "out":
            self._sum(out=row.calls)
            if row.outcome == SERVED:
                self._sum(out_reached=row.calls, out_talk_ms=row.talk_ms)
            return
        self._sum(numbered=row.numbered, repeats_day=row.repeats_day, repeats_week=row.repeats_week)
        if row.short:
            self._sum(short=row.calls)
            return
        self.outcomes[row.outcome] = self.outcomes.get(row.outcome, 0) + row.calls
        if row.outcome == OUT_OF_HOURS:
            return
        self.longest_ms = max(self.longest_ms, row.longest_ms)
        if row.outcome != SERVED:
            self._sum(lost_wait_ms=row.wait_ms)
            return
        self._sum(
            in_time=row.in_time, wait_ms=row.wait_ms, talk_ms=row.talk_ms, held_ms=row.held_ms, wrap_ms=row.wrap_ms,
            transferred=row.transferred,
        )  # fmt: skip

    def _sum(self, **counts: int) -> None:
        for name, count in counts.items():
            self.sums[name] = self.sums.get(name, 0) + count

    def tally(self) -> Tally:
        return Tally(outcomes=self.outcomes, longest=Longest(self.longest_ms), **self.sums)


def _key(by: By, row: Any) -> Key:
    match by:
        case By.ALL:
            return ALL
        case By.PROVIDER:
            return Key(provider=ProviderId(row.provider_id))
        case By.QUEUE:
            return Key(provider=ProviderId(row.provider_id), queue=row.queue)
        case By.REASON:
            return Key(provider=ProviderId(row.provider_id), reason=row.reason)
        case By.DAY:
            return Key(day=row.day)
        case By.HOUR:
            return Key(hour=row.hour)
        case By.WEEK:
            return Key(weekday=row.weekday, clock=row.clock)


def _order(key: Key) -> tuple[Any, ...]:
    """Keys of one kind in their natural order."""
    values = (key.provider, key.queue, key.reason, key.day, key.hour, key.weekday, key.clock)
    return tuple(value for value in values if value is not None)


def _values(wanted: Wanted) -> dict[str, Any]:
    given: dict[str, Any] = {"provider": wanted.provider, "queue": wanted.queue, "agent": wanted.agent}
    match wanted.period:
        case Days(first, last):
            given |= {"first": first, "last": last}
        case Today(at):
            given |= {"at": at}
        case Between(since, until):
            given |= {"since": since, "until": until}
    return {name: value for name, value in given.items() if value is not None}


_PLANS = text(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('work_mem', '64MB', true), "
    "set_config('jit', 'off', true)"
)
"""A day and a year want different plans, and their sums some memory; compiling them takes longer than reading."""
_SETTINGS: Final = "id AS provider_id, timezone, service_level_s, short_abandon_s"
_WHEN: Final[dict[type[Period], str]] = {
    Days: "CAST(:first AS date)::timestamp AT TIME ZONE timezone AS since, "
    "(CAST(:last AS date) + 1)::timestamp AT TIME ZONE timezone AS until",
    Today: "date_trunc('day', CAST(:at AS timestamptz), timezone) AS since, "
    "(date_trunc('day', CAST(:at AS timestamptz) AT TIME ZONE timezone) + interval '1 day') AT TIME ZONE timezone "
    "AS until",
    Between: "CAST(:since AS timestamptz) AS since, CAST(:until AS timestamptz) AS until",
}
_KEYS: Final = {
    By.ALL: (),
    By.PROVIDER: ("provider_id",),
    By.QUEUE: ("provider_id", "queue"),
    By.REASON: ("provider_id", "reason"),
    By.DAY: ("day",),
    By.HOUR: ("hour",),
    By.WEEK: ("weekday", "clock"),
}
_CLOCK: Final = (
    "(extract(isodow FROM hour AT TIME ZONE timezone) - 1)::int AS weekday, "
    "extract(hour FROM hour AT TIME ZONE timezone)::int AS clock"
)


def _bound(wanted: Wanted) -> str:
    """The period as each provider's own stretch of time, with the settings its calls are counted by."""
    one = " WHERE id = :provider" if wanted.provider is not None else ""
    return f"bound AS MATERIALIZED (SELECT {_SETTINGS}, {_WHEN[type(wanted.period)]} FROM provider{one})"  # noqa: S608


def _rolls(wanted: Wanted) -> bool:
    """Rolled days know no agent's calls apart, and no moment within a day."""
    return isinstance(wanted.period, Days) and wanted.agent is None and wanted.in_full


_FRESH: Final = """, fresh AS MATERIALIZED (
    SELECT provider_id, timezone, service_level_s, short_abandon_s, each.day::timestamp AT TIME ZONE timezone AS since,
        (each.day + 1)::timestamp AT TIME ZONE timezone AS until
    FROM bound, LATERAL (SELECT day::date FROM generate_series(CAST(:first AS date)::timestamp,
        CAST(:last AS date)::timestamp, interval '1 day') AS day) AS each
    WHERE NOT EXISTS (SELECT FROM report_day rolled
        WHERE rolled.provider_id = bound.provider_id AND rolled.day = each.day))"""
"""The days that are not rolled up: the calls of these are counted one by one."""


def _conditions(wanted: Wanted) -> str:
    given = ["true"]
    if wanted.queue is not None:
        given.append("call.queue = :queue")
    if wanted.agent is not None:
        given.append("(call.agents || call.rang) @> ARRAY[CAST(:agent AS text)]")
    return " AND ".join(given)


def _rolled(wanted: Wanted, table: str, columns: str) -> str:
    """What is kept of the days that are rolled up."""
    one = " AND told.queue = :queue" if wanted.queue is not None else ""
    return (
        f" UNION ALL SELECT {columns} FROM bound JOIN {table} told ON told.provider_id = bound.provider_id "  # noqa: S608
        f"WHERE told.day BETWEEN :first AND :last{one}"
    )


def _statement(wanted: Wanted, by: By) -> TextClause:
    rolls = _rolls(wanted)
    live = cells.of_calls(
        "fresh" if rolls else "bound", _conditions(wanted), in_full=wanted.in_full, reason=by is By.REASON
    )
    table, hour, reason = (
        ("report_hour", "hour", "''") if by in {By.HOUR, By.WEEK} else ("report_cell", "NULL", "reason")
    )
    columns = f"bound.provider_id, timezone, day, {hour}, queue, {reason}, direction, outcome, short"
    rolled = _rolled(wanted, table, ", ".join((columns, *cells.COUNTS))) if rolls else ""
    groups = ", ".join((*_KEYS[by], "direction", "outcome", "short"))
    return text(
        f"""
        WITH {_bound(wanted)}{_FRESH if rolls else ""}, cell AS ({live} {rolled})
        SELECT {groups}, {cells.whole(cells.COUNTS)}
        FROM (SELECT cell.*, {_CLOCK} FROM cell) AS cell GROUP BY {groups}
        """  # noqa: S608 - what is put into these statements are constants, every value is a parameter
    )


def _work_statement(wanted: Wanted) -> TextClause:
    rolls = _rolls(wanted)
    live = cells.of_agents("fresh" if rolls else "bound", _conditions(wanted))
    columns = ", ".join(("bound.provider_id", "day", "queue", "agent", *cells.WORK))
    rolled = _rolled(wanted, "report_agent", columns) if rolls else ""
    own = "WHERE agent = :agent" if wanted.agent is not None else ""
    return text(
        f"""
        WITH {_bound(wanted)}{_FRESH if rolls else ""}, part AS ({live} {rolled})
        SELECT agent, {cells.whole(cells.WORK)} FROM part {own} GROUP BY agent
        """  # noqa: S608
    )


_SPAN: Final = "SELECT min(since) AS since, max(until) AS until FROM bound"


def _duty_statement(wanted: Wanted) -> TextClause:
    served = " AND queue_agent.provider_id = :provider" if wanted.provider is not None else ""
    seen = f"EXISTS (SELECT FROM queue_agent WHERE queue_agent.agent_id = agent.id{served})"
    if wanted.provider is None:
        seen = f"(current_setting('callcenter.scope', true) = 'all' OR {seen})"
    own = " AND agent.extension = :agent" if wanted.agent is not None else ""
    begin, end, now = (f"CAST(:{name} AS timestamptz)" for name in ("begin", "end", "now"))
    ms = f"round(date_part('epoch', least(coalesce(ended_at, {now}), {end}) - {{}}) * 1000)::bigint"
    return text(
        f"""
        WITH spent AS (
            SELECT agent_id, state = 'paused' AS paused, sum(greatest({ms.format("started_at")}, 0)) AS ms
            FROM agent_state
            WHERE started_at >= {begin} AND started_at < {end} AND state <> 'offline' GROUP BY 1, 2
            UNION ALL
            SELECT agent.id, told.state = 'paused', greatest({ms.format(begin)}, 0) FROM agent CROSS JOIN LATERAL (
                SELECT state, ended_at FROM agent_state
                WHERE agent_state.agent_id = agent.id AND started_at < {begin} ORDER BY started_at DESC LIMIT 1
            ) AS told WHERE told.state <> 'offline'
        )
        SELECT agent.extension AS agent, sum(ms)::bigint AS signed_in_ms,
            coalesce(sum(ms) FILTER (WHERE paused), 0)::bigint AS paused_ms
        FROM spent JOIN agent ON agent.id = spent.agent_id
        WHERE ms > 0 AND {seen}{own} GROUP BY agent.extension
        """  # noqa: S608
    )


def _debts_statement(wanted: Wanted) -> TextClause:
    begin, end = "CAST(:begin AS timestamptz)", "CAST(:end AS timestamptz)"

    def of(column: str, counts: str) -> str:
        return f"""
            SELECT bound.provider_id, (debt.{column} AT TIME ZONE timezone)::date AS day, {counts}
            FROM callback debt JOIN bound ON bound.provider_id = debt.provider_id
                AND debt.{column} >= bound.since AND debt.{column} < bound.until
            WHERE debt.{column} >= {begin} AND debt.{column} < {end}
                AND debt.closed_reason IS DISTINCT FROM 'corrected'
            GROUP BY 1, 2"""  # noqa: S608

    paid = "closed_reason IN ('got_through', 'called_back')"
    lasted = "round(date_part('epoch', closed_at - opened_at) * 1000)::bigint"
    opened = of("opened_at", "count(*) AS opened, 0 AS paid, 0 AS in_promise, 0 AS named, 0 AS pay_ms")
    closed = of(
        "closed_at",
        f"0, count(*) FILTER (WHERE {paid}), count(*) FILTER (WHERE {paid} AND closed_at <= due_at), "
        f"count(*) FILTER (WHERE NOT {paid}), coalesce(sum({lasted}) FILTER (WHERE {paid}), 0)::bigint",
    )
    return text(
        f"""
        WITH {_bound(wanted)}, event AS ({opened} UNION ALL {closed})
        SELECT provider_id, day, sum(opened)::bigint AS opened, sum(paid)::bigint AS paid,
            sum(in_promise)::bigint AS in_promise, sum(named)::bigint AS named, sum(pay_ms)::bigint AS pay_ms
        FROM event GROUP BY provider_id, day
        """  # noqa: S608
    )
