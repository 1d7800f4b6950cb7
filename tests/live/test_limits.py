"""What Asterisk refuses before any dialplan runs is a missed call too."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from callcenter.app import HOOKS
from callcenter.calls.ledger import Ledger
from callcenter.routing.book import load_book
from callcenter.store import Database, Scope
from lab.sip import CallerId
from tests.live.lone_pbx import a_pbx
from tests.pbx_house import VOLIA_DID

pytestmark = [pytest.mark.live]


async def test_a_call_refused_for_lack_of_lines_is_in_the_ledger_and_owed_a_callback(database: Database) -> None:
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("INSERT INTO provider (slug, brand) VALUES ('volia', 'Воля')"))
        await connection.execute(
            text("INSERT INTO did (number, provider_id) SELECT :did, id FROM provider"), {"did": VOLIA_DID}
        )
    book = await load_book(database)
    async with a_pbx(max_calls=2) as small:
        ledger = Ledger(database, lambda: book, small.settings.asterisk, lambda: datetime.now(UTC), HOOKS)
        calls = [await small.dial() for _ in range(2)]
        for call in calls:
            await call.answered()
        third = await small.dial(caller=CallerId("380509998877"))
        assert (await third.ended()).status == 503
        gone = await small.row(lambda row: row[0] == "HANGUP" and row[2] == "380509998877")
        assert '"hangupcause":42' in gone[8]
        await small.row(lambda row: row[0] == "CHAN_END" and row[7] == gone[7])
        await ledger.catch_up()
    async with database.scoped(Scope.all()) as connection:
        kept = (await connection.execute(text("SELECT number, outcome FROM call WHERE settled"))).all()
        owed = (await connection.execute(text("SELECT number, misses FROM callback WHERE closed_at IS NULL"))).all()
    assert [tuple(row) for row in kept] == [("+380509998877", "refused")]
    assert [tuple(row) for row in owed] == [("+380509998877", 1)]
