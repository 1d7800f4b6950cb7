"""The proof of completeness on a real PostgreSQL: nothing differs after any crash, and every damage has its name."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from callcenter.callbacks.audit_process import audit_due
from callcenter.callbacks.auditing import ALARM, Audited, audit, keep, lines_of
from callcenter.callbacks.auditor import Auditor
from callcenter.calls.audit import DayLine, Known
from callcenter.calls.retelling import journal_files
from callcenter.store import Database, Scope
from callcenter.store.embedded import Embedded
from callcenter.words import ProviderId
from tests.integration.ledger_house import House
from tests.unit.cel_rows import BEGIN, CALL_BACK, MISS, NAMES, TALK, nth_call, tape

DAY = date(2026, 11, 22)
TAPES: bytes = b"".join(sorted(map(tape, NAMES), key=lambda data: bytes(data).split(b"|")[1]))
STORY_DAY = datetime.fromtimestamp(BEGIN, UTC).date()
NUMBERS = [f"063111{n:04}" for n in range(40)]


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    return await House.build(database, tmp_path)


async def audited(house: House, day: date = DAY, **options: Any) -> Audited:
    files = options.pop("files", None) or journal_files(house.journal)
    return await audit(house.database, files, "UA", day, house.clock(), again_s=0, **options)


def line(found: Audited, slug: str = "skynet") -> DayLine:
    return next(line for each, line in found.lines.items() if each.slug == slug)


def kinds(found: Audited) -> Counter[str]:
    return Counter(str(each.kind) for line in found.lines.values() for each in line.differences)


async def change(postgres: Embedded, *statements: str) -> None:
    """Somebody with the owner's rights meddles."""
    owner = Database(postgres.superuser_url.replace("/postgres?", "/callcenter?"), pool_size=1)
    try:
        async with owner.engine.begin() as connection:
            await connection.execute(text("SET callcenter.scope = 'all'"))
            for statement in statements:
                assert (await connection.execute(text(statement))).rowcount != 0, statement
    finally:
        await owner.close()


async def a_day_of_calls(house: House, misses: int = 6, talks: int = 4) -> None:
    """Some are missed, some answered; one number is called back, and one gets through by itself."""
    await house.rows_in("UPDATE provider SET created_at = :at", at=datetime.fromtimestamp(BEGIN - 864_000, UTC))
    data = b""
    for n in range(misses):
        data += nth_call(n + 1, n * 20, MISS, number=NUMBERS[n])
    for n in range(talks):
        data += nth_call(50 + n, 200 + n * 20, TALK, number=NUMBERS[20 + n])
    data += nth_call(80, 400, TALK, number=NUMBERS[0])
    back = CALL_BACK.format(callback=2, number="%2B38" + NUMBERS[1])
    data += nth_call(90, 500, back, number="38" + NUMBERS[1], agents_own=True)
    house.write(data)
    await house.ledger().catch_up()


# ---- nothing differs


async def test_all_the_tapes_make_a_day_without_a_difference(house: House) -> None:
    house.write(TAPES)
    await house.ledger().catch_up()
    found = await audited(house)
    assert found.difference == 0, kinds(found)
    [(calls, misses)] = await house.rows(
        "SELECT count(*) FILTER (WHERE direction = 'in'), count(*) FILTER (WHERE direction = 'in' AND "
        "outcome <> 'answered') FROM call WHERE provider_id = 1 AND arrived_at < '2026-11-22 22:00Z'"
    )
    told = line(found)
    assert (told.calls, told.misses, told.callbacks) == (calls, misses, misses)
    assert misses > 20
    assert line(found, "nettown").calls == 0
    assert line(await audited(house, DAY - timedelta(days=1))).calls == 0


async def test_what_is_not_committed_yet_is_no_difference_and_after_a_kill_all_is_found(house: House) -> None:
    """A kill -9 is a ledger that is simply gone: at every point of its way, and after the next has caught up, zero."""
    house.write(TAPES)
    lines = TAPES.count(b"\n")
    counts = []
    for _ in range(12):
        ledger = house.ledger()
        for _ in range(3):
            ledger._most_lines = lines // 40
            await ledger.step()
        found = await audited(house)
        assert found.difference == 0, kinds(found)
        counts.append(line(found).calls)
    assert counts == sorted(counts)
    assert len(set(counts)) > 5, "it was looked at on the way"
    await house.ledger().catch_up()
    found = await audited(house)
    assert (found.difference, found.retold.ended) == (0, True)
    assert line(found).calls > counts[0]


async def test_rotated_and_packed_files_are_read_in_the_order_of_their_rows(house: House) -> None:
    whole = TAPES.splitlines(keepends=True)
    await a_ledger_that_rotates(house, whole)
    files = journal_files(house.journal)
    assert len(files) == 4
    for file in files:  # nothing hangs on a file's time of change
        os.utime(file, (1, 1))
    found = await audited(house)
    assert found.difference == 0, kinds(found)
    assert line(found).misses > 20
    scattered = [file.rename(file.with_name(f"{n}{file.suffix}")) for n, file in enumerate(files)]
    assert (await audited(house, files=scattered)).difference == 0


async def a_ledger_that_rotates(house: House, whole: list[bytes]) -> None:
    """A quarter after the other; the old ones are renamed, the oldest are packed."""
    ledger = house.ledger()
    for quarter in range(4):
        cut = [len(whole) * quarter // 4, len(whole) * (quarter + 1) // 4]
        house.write(b"".join(whole[slice(*cut)]))
        await ledger.catch_up()
        if quarter < 3:
            house.journal.rename(house.journal.with_name(f"{house.journal.name}.{9 - quarter}"))
    for name in (".9", ".8"):
        file = house.journal.with_name(house.journal.name + name)
        file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()


async def test_weeks_of_journal_before_and_after_the_day_are_not_told(house: House) -> None:
    before = b"".join(nth_call(n + 1000, -86400 * (n % 20 + 3), MISS, number=NUMBERS[n]) for n in range(40))
    after = b"".join(nth_call(n + 2000, 86400 * (n % 20 + 3), MISS, number=NUMBERS[n]) for n in range(40))

    def by_time(data: bytes) -> bytes:
        return b"".join(sorted(data.splitlines(keepends=True), key=lambda row: float(bytes(row).split(b"|")[1])))

    house.write(by_time(before))
    await a_day_of_calls(house)
    house.write(by_time(after))
    await house.ledger().catch_up()
    found = await audited(house, STORY_DAY)
    assert found.difference == 0, kinds(found)
    assert (line(found).calls, line(found).misses) == (11, 6)
    assert found.retold.rows < 200


async def test_a_provider_has_days_of_its_own(house: House, postgres: Embedded) -> None:
    """12:26 on the 18th in London is already the 19th in Auckland."""
    await a_day_of_calls(house)
    assert date(2026, 11, 18) == STORY_DAY
    await change(postgres, "UPDATE provider SET timezone = 'Pacific/Auckland' WHERE slug = 'skynet'")
    assert line(await audited(house, STORY_DAY)).calls == 0
    found = await audited(house, STORY_DAY + timedelta(days=1))
    assert (line(found).calls, found.difference) == (11, 0)


# ---- every damage has its name


DAMAGE = {
    "call_missing": ["DELETE FROM call WHERE id = (SELECT min(id) FROM call WHERE outcome = 'answered')"],
    "miss_without_callback": ["DELETE FROM callback_miss WHERE call_id = (SELECT min(call_id) FROM callback_miss)"],
    "outcome_differs": [
        "UPDATE call SET outcome = 'closed' WHERE id = (SELECT min(id) FROM call WHERE outcome = 'left_waiting')"
    ],
    "number_differs": [
        ("UPDATE call SET number = '+380990000000' WHERE id = (SELECT max(id) FROM call WHERE outcome = 'answered' AND "
        "direction = 'in' AND id NOT IN (SELECT closed_by_call FROM callback WHERE closed_at IS NOT NULL))")
    ],
    "not_in_journal": [
        ("INSERT INTO call (id, provider_id, direction, dialled, number, callable, arrived_at, outcome, settled) "
        "SELECT 'pbx1-1.1', provider_id, 'in', dialled, '+380630000000', true, arrived_at, 'answered', true FROM call "
        "WHERE direction = 'in' ORDER BY id LIMIT 1")
    ],
    "not_owned": [
        "UPDATE call SET provider_id = NULL WHERE id = (SELECT min(id) FROM call WHERE outcome = 'answered')",
    ],
    "others_callback": ["UPDATE callback SET number = '+380990000000' WHERE id = 3"],
    "misses_miscounted": ["UPDATE callback SET misses = 7 WHERE id = 3"],
    "owed_without_miss": [
        ("INSERT INTO callback_miss (call_id, callback_id, provider_id, missed_at, outcome) SELECT id, 3, provider_id, "
        "arrived_at, 'left_waiting' FROM call WHERE outcome = 'answered' AND direction = 'in' ORDER BY id LIMIT 1"),
        "UPDATE callback SET misses = 2 WHERE id = 3",
    ],
    "closed_without_proof": ["UPDATE callback SET closed_at = now(), closed_reason = 'unreachable' WHERE id = 3"],
    "two_for_one_number": [
        "DROP INDEX callback_one_open",
        ("INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, misses, last_missed_at) "
        "SELECT provider_id, number, callable, opened_at, due_at, rank_at, misses, last_missed_at FROM callback "
        "WHERE id = 3"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
async def test_every_damage_is_named(house: House, postgres: Embedded, kind: str) -> None:
    await a_day_of_calls(house)
    assert (await audited(house, STORY_DAY)).difference == 0
    try:
        await change(postgres, *DAMAGE[kind])
        found = await audited(house, STORY_DAY)
    finally:
        if kind == "two_for_one_number":
            await change(postgres, "DELETE FROM callback")
            await change(postgres, "CREATE UNIQUE INDEX callback_one_open ON callback (provider_id, number) "
                         "WHERE closed_at IS NULL")  # fmt: skip
    assert kinds(found) == {kind: 1}, found.lines
    assert line(found).difference == 1


async def test_a_deleted_callback_is_missed_by_each_of_its_misses(house: House, postgres: Embedded) -> None:
    house.write(b"".join(nth_call(n, n * 30, MISS, number=NUMBERS[0]) for n in range(1, 4)))
    await house.ledger().catch_up()
    await change(postgres, "DELETE FROM callback")
    found = await audited(house, STORY_DAY)
    assert kinds(found) == {"miss_without_callback": 3}
    assert (line(found).misses, line(found).callbacks) == (3, 0)


PROOFS = {
    "a call that was missed": "UPDATE callback SET closed_by_call = (SELECT call_id FROM callback_miss WHERE "
    "callback_id = 3) WHERE id = 1",
    "a call of another number": "UPDATE callback SET closed_by_call = (SELECT id FROM call WHERE outcome = 'answered' "
    "AND direction = 'in' AND number <> callback.number LIMIT 1) WHERE id = 1",
    "a call that is not there": "UPDATE callback SET closed_by_call = 'pbx1-9.9' WHERE id = 1",
    "the other direction": "UPDATE callback SET closed_reason = 'called_back' WHERE id = 1",
    "a voice mail": "UPDATE callback_attempt SET said = 'voicemail' WHERE callback_id = 2",
    "no name": "UPDATE callback SET closed_reason = 'not_wanted' WHERE id = 1",
    "a correction that was none": "UPDATE callback SET closed_reason = 'corrected' WHERE id = 1",
}


@pytest.mark.parametrize("forged", PROOFS)
async def test_no_callback_ends_without_proof(house: House, postgres: Embedded, forged: str) -> None:
    await a_day_of_calls(house)
    assert await house.rows("SELECT id, closed_reason FROM callback WHERE closed_at IS NOT NULL ORDER BY id") == [
        (1, "got_through"), (2, "called_back"),
    ]  # fmt: skip
    await change(postgres, PROOFS[forged])
    assert kinds(await audited(house, STORY_DAY)) == {"closed_without_proof": 1}


async def test_a_conversation_pays_only_what_was_missed_before(house: House, postgres: Embedded) -> None:
    house.write(nth_call(1, 0, TALK, number=NUMBERS[0]) + nth_call(2, 60, MISS, number=NUMBERS[0]))
    await house.ledger().catch_up()
    await change(postgres, "UPDATE callback SET closed_at = now(), closed_reason = 'got_through', "
                 "closed_by_call = (SELECT id FROM call WHERE outcome = 'answered')")  # fmt: skip
    assert kinds(await audited(house, STORY_DAY)) == {"closed_without_proof": 1}


# ---- what differs, and is no difference


async def test_a_person_may_end_a_callback_with_a_name_and_a_note(house: House, postgres: Embedded) -> None:
    await a_day_of_calls(house)
    await change(postgres, "UPDATE callback SET closed_at = now(), closed_reason = 'not_wanted', closed_by = "
                 "'user:Ірина', close_note = 'просив не дзвонити' WHERE id = 3")  # fmt: skip
    assert (await audited(house, STORY_DAY)).difference == 0


async def test_a_call_that_only_a_witness_saw_is_told_apart(house: House, postgres: Embedded) -> None:
    """With its callback it is no difference; without one it is."""
    await a_day_of_calls(house)
    await change(
        postgres,
        "INSERT INTO call (id, provider_id, direction, dialled, number, callable, arrived_at, outcome, source, "
        "settled) SELECT 'pbx1-7.7', provider_id, 'in', dialled, '+380630000000', true, arrived_at, 'lost', 'ami', "
        "true FROM call WHERE direction = 'in' ORDER BY id LIMIT 1",
    )
    found = await audited(house, STORY_DAY)
    assert kinds(found) == {"miss_without_callback": 1}
    assert line(found).known[Known.WITNESSED] == 1
    await change(
        postgres,
        "INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, misses, last_missed_at) "
        "SELECT provider_id, number, callable, arrived_at, arrived_at, arrived_at, 1, arrived_at FROM call "
        "WHERE id = 'pbx1-7.7'",
        "INSERT INTO callback_miss (call_id, callback_id, provider_id, missed_at, outcome) SELECT 'pbx1-7.7', max(id), "
        "1, max(opened_at), 'lost' FROM callback WHERE number = '+380630000000'",
    )
    found = await audited(house, STORY_DAY)
    assert (found.difference, line(found).calls, line(found).misses) == (0, 12, 7)


async def test_a_row_that_was_set_aside_is_not_told(house: House) -> None:
    """The ledger told its calls without it, and a human sees it: the audit knows."""
    data = nth_call(1, 0, TALK, number=NUMBERS[0])
    house.write(data)
    answer = next(row for row in data.split(b"\n") if row.startswith(b"BRIDGE_ENTER"))
    await house.rows_in("INSERT INTO journal_set_aside (source, path, position, raw, reason, seen_at) "
                        "VALUES ('cel', 'x', :position, :raw, 'refused', :now)",
                        position=data.index(answer), raw=answer, now=house.clock())  # fmt: skip
    await house.ledger().catch_up()
    found = await audited(house, STORY_DAY)
    assert found.retold.skipped == 1
    assert kinds(found)["outcome_differs"] == 1, "this ledger did take the row"


async def test_the_end_that_only_a_witness_saw_is_told_apart(house: House) -> None:
    house.write(b"\n".join(nth_call(1, 0, MISS, number=NUMBERS[0]).split(b"\n")[:3]) + b"\n")
    ledger = house.ledger()
    await ledger.catch_up()
    [(call,)] = await house.rows("SELECT id FROM call")
    found = await audited(house, STORY_DAY)
    assert (line(found).known, found.difference) == ({Known.IN_PROGRESS: 1}, 0)
    ledger.presume_ended(call, datetime.fromtimestamp(BEGIN + 60, UTC))
    await ledger.step()
    found = await audited(house, STORY_DAY)
    assert (line(found).known, found.difference, line(found).misses) == ({Known.END_UNSEEN: 1}, 0, 1)


async def test_what_is_older_than_every_file_is_said_and_not_kept(house: House) -> None:
    await a_day_of_calls(house)
    house.journal.unlink()
    house.write(nth_call(500, 86400 * 5, MISS, number=NUMBERS[0]))
    found = await audited(house, STORY_DAY)
    assert (line(found).calls, line(found).known) == (0, {Known.BEFORE_JOURNAL: 12})
    async with house.database.scoped(Scope.all()) as connection:
        await keep(connection, found, house.clock())
        assert [each.provider for each in await lines_of(connection)] == [2]


async def test_a_nobodys_call_that_became_a_providers_is_its_providers(house: House) -> None:
    house.write(nth_call(1, 0, MISS, number=NUMBERS[0]).replace(b"380441110001", b"380445556677"))
    ledger = house.ledger()
    await ledger.catch_up()
    assert (await audited(house, STORY_DAY)).difference == 0
    assert line(await audited(house, STORY_DAY)).calls == 0
    await house.rows_in("INSERT INTO did (number, provider_id) VALUES ('+380445556677', 1)")
    found = await audited(house, STORY_DAY)
    assert kinds(found) == {"not_owned": 1}


# ---- the daily line, and its alarm


async def test_a_difference_is_an_alarm_until_it_is_gone(house: House) -> None:
    await a_day_of_calls(house)
    [gone] = await house.rows("SELECT * FROM callback_miss ORDER BY call_id LIMIT 1")
    await house.rows_in("DELETE FROM callback_miss WHERE call_id = :call", call=gone[0])
    house.clock.now = datetime.fromtimestamp(BEGIN, UTC) + timedelta(hours=2)
    assert await audit_due(house.database, house.journal, "UA", house.clock()) == 1
    alarms = await house.rows("SELECT kind, subject, provider_id, detail FROM alarm WHERE cleared_at IS NULL")
    assert alarms == [(ALARM, f"skynet {STORY_DAY}", 1, f"1 miss_without_callback ({gone[0]})")]
    async with house.database.scoped(Scope.only([ProviderId(1)])) as connection:
        kept, *others = await lines_of(connection)
    assert {each.provider for each in others} <= {1}
    assert (kept.calls, kept.misses, kept.callbacks, kept.difference) == (11, 6, 5, 1)
    assert kept.detail["differences"][0]["call"] == gone[0]
    await house.rows_in(
        "INSERT INTO callback_miss VALUES (:a, :b, :c, :d, :e, :f)", **dict(zip("abcdef", gone, strict=True))
    )
    assert await audit_due(house.database, house.journal, "UA", house.clock()) == 0
    assert await house.rows("SELECT kind FROM alarm WHERE cleared_at IS NULL") == []
    async with house.database.scoped(Scope.only([ProviderId(2)])) as connection:
        assert {each.provider for each in await lines_of(connection)} == {2}


async def test_the_audit_runs_in_a_process_of_its_own(house: House) -> None:
    await a_day_of_calls(house)
    house.clock.now = datetime.fromtimestamp(BEGIN, UTC) + timedelta(hours=2)

    async def led() -> None: ...

    auditor = Auditor(house.database, house.journal, "UA", led, house.clock)
    assert await auditor.audit() == ""
    [(calls, misses, callbacks, difference, detail)] = await house.rows(
        "SELECT calls, misses, callbacks, difference, detail::text FROM audit_day WHERE provider_id = 1 AND day = :day",
        day=STORY_DAY,
    )
    assert (calls, misses, callbacks, difference, json.loads(detail)["differences"]) == (11, 6, 6, 0, [])
