"""Ten thousand open callbacks beside a year of closed ones: what the page asks reads no whole table."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from callcenter.callbacks.queue import claim_number, claimed_by, open_callback_for, open_callbacks
from callcenter.desk.callback_rows import CallbackFilter, Sort, count_pressing, list_callbacks
from callcenter.store import Database, Scope
from callcenter.words import ProviderId
from tests.callback_house import NOON, OLENA, Callbacks, miss, out, talk

MANY = """
INSERT INTO call (id, provider_id, direction, dialled, number, callable, arrived_at, ended_at, outcome, settled)
SELECT 'old-' || n || '.1', 1, 'in', '', '+38067' || lpad((n % 9000)::text, 7, '0'), true,
    CAST(:at AS timestamptz) - n * interval '1 minute', CAST(:at AS timestamptz) - n * interval '1 minute',
    'left_waiting', true FROM generate_series(1, 60000) n;
INSERT INTO callback
    (provider_id, number, callable, opened_at, due_at, rank_at, last_missed_at, closed_at, closed_reason)
SELECT provider_id, number, true, arrived_at, arrived_at, arrived_at, arrived_at, arrived_at, 'got_through'
FROM call WHERE id LIKE 'old-%';
INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, last_missed_at, decision_since)
SELECT 1 + n % 2, '+38050' || lpad(n::text, 7, '0'), true, at, at + interval '8 hours', at + interval '8 hours', at,
    CASE WHEN n % 500 = 0 THEN at END
FROM (SELECT n, CAST(:at AS timestamptz) - n * interval '4 seconds' AS at FROM generate_series(1, 10000) n) AS made;
INSERT INTO callback_miss (call_id, callback_id, provider_id, missed_at, outcome)
SELECT 'old-' || row_number() OVER (ORDER BY id) || '.1', id, provider_id, opened_at, 'left_waiting'
FROM callback WHERE closed_at IS NULL
"""


@pytest.fixture
async def house(database: Database) -> Callbacks:
    house = await Callbacks.build(database)
    async with database.scoped(Scope.all()) as connection:
        for statement in MANY.split(";\n"):
            await connection.execute(text(statement), {"at": NOON} if ":at" in statement else {})
    return house


async def analysed(house: Callbacks, owner_url: str) -> None:
    owner = Database(owner_url.replace("/postgres?", "/callcenter?"), pool_size=1)
    async with owner.engine.connect() as connection:
        vacuum = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for table in ("call", "callback", "callback_miss", "callback_attempt", "callback_act", "dialling"):
            await vacuum.execute(text(f"VACUUM ANALYZE {table}"))
    await owner.close()


class Plans:
    """Every statement that is sent, explained: which tables were read whole, and how many rows were looked at."""

    def __init__(self, database: Database) -> None:
        self.sent: list[tuple[str, Any]] = []
        self._engine = database.engine.sync_engine

    def __enter__(self) -> Plans:
        event.listen(self._engine, "before_cursor_execute", self._keep)
        return self

    def __exit__(self, *_args: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._keep)

    def _keep(self, _conn: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "callback" in statement and "EXPLAIN" not in statement and "pg_" not in statement:
            self.sent.append((statement, parameters))

    async def whole_tables(self, database: Database) -> list[str]:
        """``statement: table`` for each table of any size that is read from end to end."""
        found = []
        async with database.scoped(Scope.all()) as connection:
            for statement, parameters in self.sent:
                rows = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
                plan = rows.scalar_one()
                for node in _nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]):
                    if node["Node Type"] == "Seq Scan" and node["Relation Name"] in {
                        "call",
                        "callback",
                        "callback_miss",
                    }:
                        found.append(f"{node['Relation Name']}: {' '.join(statement.split())[:90]}")
        return found


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for below in plan.get("Plans", ()) for node in _nodes(below))]


async def test_what_the_page_asks_reads_no_whole_table(house: Callbacks, postgres: Any) -> None:
    await analysed(house, postgres.superuser_url)
    sorts: tuple[Sort, ...] = ("rank", "oldest", "newest")
    now = NOON + timedelta(hours=4)
    with Plans(house.database) as plans:
        async with house.database.scoped(Scope.only([ProviderId(1), ProviderId(2)])) as connection:
            for sort in sorts:
                page = await list_callbacks(connection, CallbackFilter(), now, None, 101, sort)
                assert len(page) == 101
                further = await list_callbacks(connection, CallbackFilter(), now, _end(page[-1], sort), 101, sort)
                assert not {row.id for row in page[:-1]} & {row.id for row in further}
            for wanted in (
                CallbackFilter(provider=ProviderId(1)), CallbackFilter(overdue=True), CallbackFilter(decision=True),
                CallbackFilter(pressing=True), CallbackFilter(digits="50000012"), CallbackFilter(kind="left_waiting"),
            ):  # fmt: skip
                assert await list_callbacks(connection, wanted, now, None, 101)
            assert (await count_pressing(connection, None, now)).decision == 20
            assert len(await open_callbacks(connection)) == 200
            await open_callback_for(connection, ProviderId(1), OLENA)
            await claimed_by(connection, "101", now)
    assert len(plans.sent) > 12
    assert await plans.whole_tables(house.database) == []


async def test_what_the_hook_asks_reads_no_whole_table(house: Callbacks, postgres: Any) -> None:
    await house.tell(miss(NOON), out(NOON + timedelta(minutes=3)))
    await analysed(house, postgres.superuser_url)
    with Plans(house.database) as plans:
        await house.tell(miss(NOON + timedelta(minutes=9)), out(NOON + timedelta(minutes=20)))
        await house.tell(talk(NOON + timedelta(minutes=40)))
        async with house.database.scoped(Scope.all()) as connection:
            at = NOON + timedelta(hours=1)
            await claim_number(connection, house.provider().id, OLENA, "101", at, timedelta(seconds=45))
    assert len(plans.sent) > 10
    assert await plans.whole_tables(house.database) == []


def _end(row: Any, sort: Sort) -> Any:
    return {"rank": row.rank_at, "oldest": row.opened_at, "newest": row.last_missed_at}[sort], row.id
