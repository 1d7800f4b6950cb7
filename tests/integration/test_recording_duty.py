"""A conversation owes a recording in the transaction of its call, once, whatever is told again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from callcenter.calls.entry import LedgerEntry
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import CallRecord
from callcenter.recordings.duty import expect, owes_a_recording
from callcenter.recordings.store import recording_of
from callcenter.routing.book import load_book
from callcenter.routing.numbers import caller_number
from callcenter.store import Database, Scope
from callcenter.words import UniqueId

AT = datetime(2026, 7, 6, 12, 0, tzinfo=UTC)
ANSWERED = CallRecord(
    id=UniqueId("pbx1-1.1"), direction="in", dialled="380442000001", number_raw="0631234567", caller_name="",
    trunk="sbc",
    arrived_at=AT, answered_at=AT, queued_at=AT, connected_at=AT + timedelta(seconds=9),
    ended_at=AT + timedelta(seconds=69), outcome=CallOutcome.ANSWERED, waited_s=9.0, talked_s=60.0, agents=("101",),
    rang=("101",), transfers=0, segments=(), hangup_by="caller", hangup_cause=16, recording="pbx1-1.1",
    callback_id=None, provider_slug=None, ended=True, settled=True, whole=True, last_at=AT + timedelta(seconds=69),
)  # fmt: skip


@pytest.fixture
async def entry(database: Database) -> LedgerEntry:
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("INSERT INTO provider (slug, brand) VALUES ('skynet', 'S')"))
        await connection.execute(
            text("""INSERT INTO call (id, provider_id, direction, dialled, number, callable, arrived_at)
                    VALUES ('pbx1-1.1', 1, 'in', '1', '', false, now())""")
        )
    provider = (await load_book(database)).providers[0]
    return LedgerEntry(ANSWERED, provider, caller_number("0631234567"), None)


async def told(database: Database, entry: LedgerEntry, **changes: object) -> tuple[str, float, datetime] | None:
    """What is owed after the ledger told the call, so changed."""
    async with database.scoped(Scope.only([entry.provider.id])) as connection:
        await expect(connection, replace(entry, call=replace(entry.call, **changes)))  # type: ignore[arg-type]
    async with database.scoped(Scope.all()) as connection:
        found = await recording_of(connection, entry.call.id)
    return None if found is None else (found.state, found.talked_s, found.expected_at)


async def test_an_answered_call_owes_one_recording_however_often_it_is_told(
    database: Database, entry: LedgerEntry
) -> None:
    assert await told(database, entry) == ("expected", 60.0, AT + timedelta(seconds=69))
    assert await told(database, entry) == ("expected", 60.0, AT + timedelta(seconds=69))
    later = AT + timedelta(seconds=80)
    assert await told(database, entry, talked_s=71.0, ended_at=later) == ("expected", 71.0, later)


async def test_a_call_that_turns_out_missed_owes_none(database: Database, entry: LedgerEntry) -> None:
    await told(database, entry)
    assert await told(database, entry, outcome=CallOutcome.LEFT_RINGING, talked_s=0.0) is None


async def test_a_call_whose_end_nobody_saw_is_dated_by_its_last_row(database: Database, entry: LedgerEntry) -> None:
    owed = await told(database, entry, ended_at=None, last_at=AT + timedelta(seconds=40))
    assert owed == ("expected", 60.0, AT + timedelta(seconds=40))


async def test_a_recording_that_is_in_is_never_asked_for_again(database: Database, entry: LedgerEntry) -> None:
    await told(database, entry)
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("UPDATE recording SET state = 'stored'"))
    assert await told(database, entry, talked_s=99.0) == ("stored", 60.0, AT + timedelta(seconds=69))
    assert await told(database, entry, outcome=CallOutcome.LEFT_RINGING) == ("stored", 60.0, AT + timedelta(seconds=69))


@pytest.mark.parametrize("outcome", list(CallOutcome))
def test_only_conversations_owe_a_recording(outcome: CallOutcome) -> None:
    owed = owes_a_recording(replace(ANSWERED, outcome=outcome))
    assert owed is (outcome in {CallOutcome.ANSWERED, CallOutcome.CUT_SHORT})
    assert not owes_a_recording(replace(ANSWERED, outcome=outcome, ended=False))
