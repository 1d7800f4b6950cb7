"""No transaction sees another provider's rows, whatever its query forgets."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from callcenter.store import Database, Scope
from callcenter.store.embedded import Embedded
from callcenter.words import ProviderId


async def _two_providers(database: Database) -> tuple[ProviderId, ProviderId]:
    async with database.scoped(Scope.all()) as connection:
        rows = await connection.execute(
            text("INSERT INTO provider (slug, brand) VALUES ('svitlo', 'СвітлоНет'), ('dim', 'Дім.Лінк') RETURNING id")
        )
        first, second = (ProviderId(row[0]) for row in rows)
        await connection.execute(
            text("INSERT INTO did (number, provider_id) VALUES ('+380441234567', :a), ('+380447654321', :b)"),
            {"a": first, "b": second},
        )
    return first, second


async def test_every_table_with_a_provider_is_under_forced_row_level_security(database: Database) -> None:
    async with database.scoped(Scope.all()) as connection:
        bare = await connection.execute(
            text(
                "SELECT c.relname FROM pg_class c "
                "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'provider_id' "
                "WHERE c.relkind = 'r' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"
            )
        )
        assert bare.all() == []
        ours = await connection.execute(text("SELECT tablename FROM pg_tables WHERE tableowner = current_user"))
        assert ours.all() == [], "the service owns a table: row-level security would not bind it"


async def test_a_scope_holds_where_the_query_forgets_it(database: Database) -> None:
    first, second = await _two_providers(database)
    async with database.scoped(Scope.only([first])) as connection:
        assert (await connection.execute(text("SELECT number FROM did"))).scalars().all() == ["+380441234567"]
        assert (await connection.execute(text("SELECT id FROM provider"))).scalars().all() == [first]
        changed = await connection.execute(text("UPDATE did SET note = 'mine' WHERE provider_id = :p"), {"p": second})
        assert changed.rowcount == 0
    with pytest.raises(DBAPIError, match="row-level security"):
        async with database.scoped(Scope.only([first])) as connection:
            await connection.execute(
                text("INSERT INTO did (number, provider_id) VALUES ('+380440000000', :p)"), {"p": second}
            )


async def test_a_scope_does_not_outlive_its_transaction(postgres: Embedded, database: Database) -> None:
    await _two_providers(database)
    one = Database(postgres.url, pool_size=2)
    try:
        for _ in range(5):
            async with one.scoped(Scope.all()) as connection:
                assert len((await connection.execute(text("SELECT 1 FROM did"))).all()) == 2
            async with one.engine.begin() as connection:
                assert (await connection.execute(text("SELECT 1 FROM did"))).all() == []
    finally:
        await one.close()


async def test_the_trace_of_a_listening_cannot_be_changed(database: Database) -> None:
    first, _ = await _two_providers(database)
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(
            text(
                "INSERT INTO listening (recording_id, provider_id, who, at, address) "
                "VALUES (gen_random_uuid(), :p, 'iryna', now(), '127.0.0.1')"
            ),
            {"p": first},
        )
    for statement in ("DELETE FROM listening", "UPDATE listening SET who = 'nobody'"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.scoped(Scope.all()) as connection:
                await connection.execute(text(statement))
