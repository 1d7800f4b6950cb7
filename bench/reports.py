"""How long reports take over a million calls: a day, a month, a year, each figure asked of the ledger itself.

    python -m bench.reports [--calls 1000000] [--runs 7]

Twelve providers, 45 agents and a year of calls with the hours of a real day are written by PostgreSQL itself into the
embedded server, with its normal settings: four calls in five are answered, with hold, wrap-up,
agents' states and reasons; the others are owed callbacks.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from callcenter.reports.periods import Days, Period, Today, today_in
from callcenter.reports.queries import By, Wanted, debts, totals, work
from callcenter.reports.reading import Asked, read_sheets
from callcenter.reports.rolling import Rolling
from callcenter.reports.sheets import Names, Part
from callcenter.routing.book import load_book
from callcenter.store import Database, Scope
from callcenter.store.database import async_url
from callcenter.store.embedded import Embedded
from callcenter.store.migrate import migrate

HOUSE = """
SELECT setseed(0.42);
INSERT INTO provider (slug, brand) SELECT 'isp-' || n, 'Провайдер ' || n FROM generate_series(1, 12) n;
INSERT INTO did (number, provider_id) SELECT '+38044100' || lpad(n::text, 4, '0'), n FROM generate_series(1, 12) n;
INSERT INTO agent (extension, name, sip_secret) SELECT (100 + n)::text, 'Агент ' || n, 'secret-secret'
    FROM generate_series(1, 45) n;
INSERT INTO queue (provider_id, name) SELECT n, 'isp-' || n FROM generate_series(1, 12) n
    UNION ALL SELECT n, 'isp-' || n || '-tech' FROM generate_series(1, 3) n;
INSERT INTO queue_agent (queue_id, agent_id, provider_id) SELECT q.id, a.id, q.provider_id FROM queue q, agent a
    WHERE (q.id + a.id) % 3 = 0
"""
CALLS = """
INSERT INTO call (id, provider_id, direction, did, dialled, number, callable, arrived_at, answered_at, queued_at,
    connected_at, ended_at, outcome, waited_s, talked_s, held_s, agents, rang, transfers, hangup_by, hangup_cause,
    recording, queue, settled)
SELECT 'pbx1-' || extract(epoch FROM at)::bigint || '.' || n, provider, 'in', did, did, number, true, at, at,
    at + interval '4 s',
    CASE WHEN outcome IN ('answered', 'cut_short') THEN at + make_interval(secs => 4 + wait) END,
    at + make_interval(secs => 4 + wait + talk), outcome, wait, talk, held,
    CASE WHEN outcome IN ('answered', 'cut_short') THEN
        CASE WHEN n % 40 = 0 THEN ARRAY[agent, other] ELSE ARRAY[agent] END ELSE '{}' END,
    CASE WHEN outcome IN ('answered', 'cut_short', 'left_ringing', 'queue_timeout') THEN
        CASE WHEN n % 7 = 0 THEN ARRAY[other, agent] ELSE ARRAY[agent] END ELSE '{}' END,
    CASE WHEN n % 40 = 0 AND outcome = 'answered' THEN 1 ELSE 0 END, 'caller', 16,
    CASE WHEN outcome = 'answered' THEN '/var/spool/asterisk/monitor/' || n || '.wav' END,
    CASE WHEN outcome IN ('left_before_answer', 'left_in_greeting', 'lines_full', 'closed') THEN ''
         WHEN provider <= 3 AND n % 4 = 0 THEN 'isp-' || provider || '-tech' ELSE 'isp-' || provider END,
    true
FROM (
    SELECT n, at, provider, number, '+38044100' || lpad(provider::text, 4, '0') AS did, outcome, agent, other,
        round((CASE outcome WHEN 'answered' THEN 3 + 40 * w * w WHEN 'queue_timeout' THEN 300
            ELSE 1 + 60 * w END)::numeric, 3)::real AS wait,
        CASE outcome WHEN 'answered' THEN round((20 + 400 * t * t)::numeric, 3)::real WHEN 'cut_short' THEN 0.6::real
            ELSE 0 END AS talk,
        CASE WHEN outcome = 'answered' AND n % 9 = 0 THEN round((30 * t)::numeric, 3)::real ELSE 0 END AS held
    FROM (
        SELECT n, date_trunc('day', now(), 'Europe/Kyiv') - interval '365 days'
                + interval '1 day' * floor((n - 1) * 365.0 / :calls)
                + interval '1 s' * (25200 + 57600 * ((random() + random() + random()) / 3)) AS at,
            1 + floor(12 * random() * random())::int AS provider,
            CASE WHEN random() < 0.02 THEN '' ELSE
                '+38063' || lpad(floor(power(random(), 2) * :calls * 0.4)::text, 7, '0') END AS number,
            (101 + floor(45 * random())::int)::text AS agent, (101 + floor(45 * random())::int)::text AS other,
            CASE WHEN random() < 0.8 THEN 'answered' ELSE (ARRAY['left_waiting', 'left_waiting', 'left_ringing',
                'queue_timeout', 'left_in_greeting', 'left_before_answer', 'closed', 'lines_full', 'queue_empty',
                'cut_short'])[1 + floor(10 * random())::int] END AS outcome,
            random() AS w, random() AS t
        FROM generate_series(1, :calls) n
    ) drawn
) told ORDER BY at
"""
AFTER = """
INSERT INTO call_segment (call_id, seq, provider_id, kind, agent, started_at, ended_at)
SELECT id, s.seq, provider_id, s.kind, s.agent, s.began, s.ended FROM call, LATERAL (VALUES
    (0, 'greeting', NULL, arrived_at, queued_at), (1, 'waiting', NULL, queued_at, coalesce(connected_at, ended_at)),
    (2, 'talking', agents[1], connected_at, CASE WHEN cardinality(agents) > 1
        THEN connected_at + (ended_at - connected_at) / 2 ELSE ended_at END),
    (3, 'talking', agents[2], connected_at + (ended_at - connected_at) / 2, ended_at)
) AS s (seq, kind, agent, began, ended) WHERE s.kind <> 'talking' OR s.agent IS NOT NULL;
INSERT INTO call_note (call_id, agent, provider_id, reason, note, at)
SELECT id, agents[1], provider_id, (ARRAY['no-internet', 'slow', 'payment', 'tariff', 'other'])
    [1 + floor(5 * random())::int], '', ended_at FROM call WHERE outcome = 'answered' AND random() < 0.9;
INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, misses, last_missed_at, closed_at,
    closed_reason)
SELECT provider_id, number, true, max(ended_at), max(ended_at) + interval '30 min', max(ended_at), count(*),
    max(ended_at), max(ended_at) + interval '1 min' * (1 + 50 * random()),
    CASE WHEN random() < 0.9 THEN 'called_back' ELSE 'unreachable' END
FROM call WHERE outcome <> 'answered' AND number <> '' GROUP BY provider_id, number, arrived_at::date;
INSERT INTO call (id, provider_id, direction, dialled, number, callable, arrived_at, connected_at, ended_at, outcome,
    waited_s, talked_s, agents, callback_id, settled)
SELECT 'pbx1-' || extract(epoch FROM closed_at)::bigint || '.9' || id, provider_id, 'out', number, number, true,
    closed_at - interval '1 min', closed_at, closed_at, CASE WHEN closed_reason = 'called_back' THEN 'answered'
    ELSE 'no_answer' END, 9, CASE WHEN closed_reason = 'called_back' THEN 45 ELSE 0 END,
    ARRAY[(101 + id % 45)::text], id, true FROM callback;
INSERT INTO agent_state (agent_id, started_at, state, call_id, ended_at)
SELECT agent_id, at, state, call, lead(at) OVER (PARTITION BY agent_id ORDER BY at) FROM (
    SELECT DISTINCT ON (agent_id, at) * FROM (
        SELECT agent.id AS agent_id, s.at, s.state, CASE s.state WHEN 'ready' THEN '' ELSE call.id END AS call
        FROM call JOIN agent ON agent.extension = call.agents[1], LATERAL (VALUES
            (connected_at - interval '4 s', 'ringing'), (connected_at, 'talking'), (ended_at, 'wrap_up'),
            (ended_at + interval '9 s', 'ready')) AS s (at, state)
        WHERE outcome = 'answered' AND direction = 'in'
        UNION ALL
        SELECT agent.id, day + interval '23 hours', 'offline', '' FROM agent,
            generate_series(date_trunc('day', now(), 'Europe/Kyiv') - interval '365 days', now(), '1 day') AS day
    ) every ORDER BY agent_id, at, state
) told
"""


def superuser(server: Embedded) -> AsyncEngine:
    """Writes a million rows in one statement: no limit of the service's own stands in its way."""
    return create_async_engine(async_url(server.superuser_url.replace("/postgres?", "/callcenter?")))


async def fill(server: Embedded, calls: int) -> None:
    """A year of a call centre, the same at every run but for the draw of chance."""
    owner = superuser(server)
    try:
        async with owner.begin() as connection:
            for statement in (*HOUSE.split(";\n"), CALLS, *AFTER.split(";\n")):
                began = time.monotonic()
                filled = statement.replace(":calls", str(calls))
                await connection.exec_driver_sql(filled)
                print(f"  {time.monotonic() - began:6.1f} s  {' '.join(filled.split())[:70]}", flush=True)
        async with owner.connect() as connection:
            plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await plain.exec_driver_sql("VACUUM ANALYZE")
    finally:
        await owner.dispose()


Read = Callable[[AsyncConnection], Awaitable[object]]
KYIV = ZoneInfo("Europe/Kyiv")
PAGE = (Part.ALL, Part.DAY, Part.WEEK, Part.PROVIDER, Part.QUEUE, Part.AGENT, Part.REASON)
"""What one page of reports reads, in one transaction."""


def _reads(period: Period, asked: Asked, **narrow: str) -> dict[str, Read]:
    wanted = Wanted(period, **narrow)  # type: ignore[arg-type]
    now = asked.now

    return {
        "in sum": lambda connection: totals(connection, wanted),
        "by queue": lambda connection: totals(connection, wanted, By.QUEUE),
        "by reason": lambda connection: totals(connection, wanted, By.REASON),
        "by day": lambda connection: totals(connection, wanted, By.DAY),
        "by hour": lambda connection: totals(connection, wanted, By.HOUR),
        "hours of the week": lambda connection: totals(connection, wanted, By.WEEK),
        "agents": lambda connection: work(connection, wanted, now),
        "callbacks": lambda connection: debts(connection, wanted, By.DAY),
        "the whole page": lambda connection: read_sheets(connection, asked, PAGE),
    }


async def measured(database: Database, read: Read, runs: int) -> float:
    """The median of several readings, in seconds; the first, which warms up, is not counted."""
    took = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        async with database.scoped(Scope.all(), snapshot=True) as connection:
            await read(connection)
        took.append(time.perf_counter() - began)
    return sorted(took[1:])[runs // 2]


async def told(server: Embedded, calls: int, runs: int) -> None:
    database, owner = Database(server.url), superuser(server)
    now = datetime.now(UTC)
    try:
        last = today_in(KYIV, now) - timedelta(days=1)
        spans = {"day": 1, "month": 30, "year": 365}
        names = Names.of(await load_book(database), "uk")
        days = {name: Days(last - timedelta(days=count - 1), last) for name, count in spans.items()}
        asked = {name: Asked(Wanted(each), each, KYIV, names, now) for name, each in days.items()}
        day = await measured(database, lambda c: totals(c, Wanted(Today(now - timedelta(days=1)), in_full=False)), runs)
        fresh = await measured(database, lambda c: totals(c, Wanted(days["day"])), runs)
        month = await measured(database, lambda c: totals(c, Wanted(days["month"])), max(1, runs // 3))
        began, rolled = time.monotonic(), 0
        rolling = Rolling(database, lambda: now, lambda: True)
        while found := await rolling.step():
            rolled += found
        took = time.monotonic() - began
        async with owner.connect() as connection:
            plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await plain.exec_driver_sql("VACUUM ANALYZE report_day, report_cell, report_hour, report_agent")
        print(f"| reports over {calls:,} calls of a year, p50 ms | day | month | year |\n|---|---:|---:|---:|")
        reads = {name: _reads(days[name], asked[name]) for name in spans}
        for what in reads["day"]:
            cells = [await measured(database, reads[name][what], runs) for name in spans]
            print(f"| {what} | " + " | ".join(f"{each * 1000:,.0f}" for each in cells) + " |", flush=True)
        own = {name: Wanted(days[name], agent="105") for name in spans}
        cells = [await measured(database, lambda c, w=own[name]: totals(c, w), runs) for name in spans]  # type: ignore[misc]
        print("| one agent's own, in sum | " + " | ".join(f"{each * 1000:,.0f}" for each in cells) + " |")
        print(f"\n| | |\n|---|---:|\n| the wallboard's day, p50 ms | {day * 1000:.1f} |")
        print(f"| a day that is not rolled up, every figure, ms | {fresh * 1000:,.0f} |")
        print(f"| a month that is not rolled up, every figure, ms | {month * 1000:,.0f} |")
        print(f"| {rolled:,} days of providers rolled up in, s (ms a day) | {took:.0f} ({took / rolled * 1000:.1f}) |")
        async with owner.connect() as connection:
            for name, size in await connection.execute(_SIZES):
                print(f"| {name}, MB | {size / 1e6:.0f} |")
    finally:
        await database.close()
        await owner.dispose()


_SIZES = text(
    """
    SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relname IN ('call', 'call_of_agent',
        'call_provider_arrived', 'call_provider_number', 'agent_state', 'agent_state_call', 'report_cell',
        'report_hour', 'report_agent') ORDER BY relname
    """
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callcenter-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Embedded(Path(folder) / "postgres")
        server.start()
        try:
            asyncio.run(migrate(server.owner_url))
            asyncio.run(fill(server, given.calls))
            asyncio.run(told(server, given.calls, given.runs))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
