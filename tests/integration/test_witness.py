"""Witnesses on a real PostgreSQL: a caller the journal does not know is owed a callback too, and that is said."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from callcenter.callbacks.queue import pay_or_owe
from callcenter.calls.witness import Witness
from callcenter.store import Database
from callcenter.words import UniqueId
from tests.integration.ledger_house import House
from tests.unit.cel_rows import BEGIN, MISS, TALK, nth_call

NUMBER = "0631111111"
CALL = UniqueId("pbx1-1795000000.101")
"""The caller's channel in ``nth_call(1, ...)``."""
DID = "+380441110001"


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(BEGIN + seconds, UTC)


class Watch:
    """A ledger and its witness, at a time that the test turns."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ledger = house.ledger()
        self.witness = self.fresh()
        self.turn_to(0)

    def fresh(self) -> Witness:
        return Witness(
            self.house.database, lambda: self.house.book, self.house.asterisk.queue_log, self.ledger, self.house.clock,
            (pay_or_owe,), self.house.committed.extend,
        )  # fmt: skip

    def turn_to(self, seconds: float) -> None:
        self.house.clock.now = moment(seconds)

    def queue_log(self, *lines: str) -> None:
        with self.house.asterisk.queue_log.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)

    async def at(self, seconds: float) -> None:
        self.turn_to(seconds)
        await self.ledger.catch_up()
        await self.witness.step()
        await self.ledger.catch_up()

    async def calls(self) -> list[tuple[str, str, str | None]]:
        return await self.house.rows("SELECT id, source, outcome FROM call ORDER BY id")

    async def alarms(self) -> list[tuple[str, str]]:
        return await self.house.rows("SELECT kind, subject FROM alarm ORDER BY id")

    async def open_callbacks(self) -> list[tuple[str, int]]:
        return await self.house.rows("SELECT number, misses FROM callback WHERE closed_at IS NULL")


@pytest.fixture
async def watch(database: Database, tmp_path: Path) -> Watch:
    return Watch(await House.build(database, tmp_path))


async def test_a_call_only_the_live_link_saw_is_a_callback_and_an_alarm(watch: Watch) -> None:
    watch.witness.saw(CALL, DID, NUMBER, moment(0))
    await watch.at(4)
    watch.witness.ended(CALL, moment(5))
    await watch.at(14)
    assert await watch.calls() == []
    await watch.at(16)
    assert await watch.calls() == [(CALL, "ami", "lost")]
    assert await watch.open_callbacks() == [("+380631111111", 1)]
    assert await watch.alarms() == [("journal_gap", CALL)]
    assert [entry.call.id for entry in watch.house.committed] == [CALL]
    assert watch.witness.health().pending == 0
    await watch.at(30)
    assert await watch.open_callbacks() == [("+380631111111", 1)]


async def test_a_call_the_journal_knows_is_nobodys_news(watch: Watch) -> None:
    watch.witness.saw(CALL, DID, NUMBER, moment(0))
    watch.house.write(nth_call(1, 0, TALK, number=NUMBER))
    watch.witness.ended(CALL, moment(8))
    await watch.at(60)
    assert await watch.calls() == [(CALL, "journal", "answered")]
    assert await watch.alarms() == []
    assert watch.witness.health().pending == 0


async def test_while_the_ledger_is_behind_nobody_is_judged(watch: Watch) -> None:
    """PostgreSQL was away, or a day is being caught up: the journal has not had its say."""
    watch.witness.saw(CALL, DID, NUMBER, moment(0))
    watch.witness.ended(CALL, moment(5))
    watch.turn_to(3600)
    await watch.witness.step()
    assert await watch.calls() == []
    assert watch.witness.health().pending == 1


async def test_when_the_journal_tells_it_after_all_its_word_stands(watch: Watch) -> None:
    watch.witness.saw(CALL, DID, NUMBER, moment(0))
    watch.witness.ended(CALL, moment(8))
    await watch.at(60)
    assert await watch.calls() == [(CALL, "ami", "lost")]
    watch.house.write(nth_call(1, 0, TALK, number=NUMBER))
    await watch.at(70)
    assert await watch.calls() == [(CALL, "journal", "answered")]
    assert await watch.open_callbacks() == []
    assert await watch.house.rows("SELECT closed_reason FROM callback") == [("corrected",)]
    assert ("outcome_corrected", CALL) in await watch.alarms()


async def test_a_call_whose_end_was_never_written_is_over_when_the_live_link_says_so(watch: Watch) -> None:
    watch.witness.saw(CALL, DID, NUMBER, moment(0))
    watch.house.write(nth_call(1, 0, MISS.split("5.0")[0], number=NUMBER))
    watch.witness.ended(CALL, moment(5))
    await watch.at(16)
    assert await watch.calls() == [(CALL, "journal", "lost")]
    assert await watch.open_callbacks() == [("+380631111111", 1)]
    assert await watch.alarms() == [("journal_gap", CALL)]
    assert await watch.house.rows("SELECT ended_at, settled FROM call") == [(moment(5), True)]
    assert await watch.house.rows("SELECT * FROM journal_open_row") == []


async def test_a_caller_only_the_queue_log_knows_is_owed_by_the_queues_provider(watch: Watch) -> None:
    await watch.at(0)
    watch.queue_log(
        f"{int(BEGIN)}|{CALL}|skynet|NONE|ENTERQUEUE||{NUMBER}|1", f"{int(BEGIN) + 5}|{CALL}|skynet|NONE|ABANDON|1|1|5"
    )
    await watch.at(14)
    assert await watch.calls() == []
    await watch.at(16)
    assert await watch.calls() == [(CALL, "queue_log", "lost")]
    assert await watch.open_callbacks() == [("+380631111111", 1)]


async def test_leaving_a_queue_is_not_the_end_of_a_call(watch: Watch) -> None:
    """Redirected or transferred, the caller may talk elsewhere: the queue_log says ABANDON."""
    await watch.at(0)
    watch.witness.saw(CALL, DID, NUMBER, moment(0))
    watch.house.write(nth_call(1, 0, TALK.split("8.0")[0], number=NUMBER))
    watch.queue_log(
        f"{int(BEGIN)}|{CALL}|skynet|NONE|ENTERQUEUE||{NUMBER}|1", f"{int(BEGIN) + 2}|{CALL}|skynet|NONE|ABANDON|1|1|5"
    )
    await watch.at(600)
    assert await watch.calls() == [(CALL, "journal", None)]
    assert await watch.alarms() == []
    watch.witness.ended(CALL, moment(601))
    await watch.at(620)
    assert await watch.calls() == [(CALL, "journal", "answered")]
    assert await watch.alarms() == [("journal_gap", CALL)]


async def test_who_waited_when_asterisk_was_restarted_is_judged_then(watch: Watch) -> None:
    await watch.at(0)
    watch.queue_log(f"{int(BEGIN)}|{CALL}|skynet|NONE|ENTERQUEUE||{NUMBER}|1")
    await watch.at(60)
    assert await watch.calls() == []
    watch.queue_log(f"{int(BEGIN) + 70}|NONE|NONE|NONE|QUEUESTART|")
    await watch.at(90)
    assert await watch.calls() == [(CALL, "queue_log", "lost")]


async def test_an_old_queue_log_is_no_witness_of_calls_we_never_followed(watch: Watch) -> None:
    watch.queue_log(
        f"{int(BEGIN)}|{CALL}|skynet|NONE|ENTERQUEUE||{NUMBER}|1", f"{int(BEGIN) + 5}|{CALL}|skynet|NONE|ABANDON|1|1|5"
    )
    await watch.at(60)
    await watch.at(90)
    assert await watch.calls() == []


async def test_what_was_not_judged_when_we_died_is_read_again(watch: Watch) -> None:
    await watch.at(0)
    watch.queue_log(f"{int(BEGIN)}|{CALL}|skynet|NONE|ENTERQUEUE||{NUMBER}|1")
    await watch.at(3)
    watch.queue_log(f"{int(BEGIN) + 5}|{CALL}|skynet|NONE|ABANDON|1|1|5")
    await watch.at(6)
    watch.witness = watch.fresh()
    await watch.at(60)
    assert await watch.calls() == [(CALL, "queue_log", "lost")]
    watch.witness = watch.fresh()
    await watch.at(90)
    assert await watch.open_callbacks() == [("+380631111111", 1)]


async def test_an_unknown_did_of_a_witness_is_an_alarm_without_a_callback(watch: Watch) -> None:
    watch.witness.saw(CALL, "+380449999999", NUMBER, moment(0))
    watch.witness.ended(CALL, moment(5))
    await watch.at(60)
    assert await watch.calls() == [(CALL, "ami", "lost")]
    assert await watch.open_callbacks() == []
    assert await watch.alarms() == [("journal_gap", CALL)]


async def test_a_call_whose_first_row_is_torn_is_its_providers_by_what_the_live_link_saw(watch: Watch) -> None:
    watch.witness.saw(CALL, DID, NUMBER, moment(0))
    told = nth_call(1, 0, MISS, number=NUMBER).splitlines(keepends=True)
    watch.house.write(b"".join(row for row in told if not (row.startswith(b"CHAN_START") and b"trunk-" in row)))
    watch.witness.ended(CALL, moment(8))
    await watch.at(60)
    await watch.at(62)
    assert await watch.house.rows("SELECT id, provider_id FROM call") == [(CALL, 1)]
    assert await watch.open_callbacks() == [("+380631111111", 1)]


async def test_a_call_whose_first_row_is_torn_is_its_providers_by_its_queue(watch: Watch) -> None:
    await watch.at(0)
    first, rest = nth_call(1, 0, MISS, number=NUMBER).split(b"\n", 1)
    watch.house.write(first[:40] + rest)
    watch.queue_log(
        f"{int(BEGIN)}|{CALL}|skynet|NONE|ENTERQUEUE||{NUMBER}|1", f"{int(BEGIN) + 5}|{CALL}|skynet|NONE|ABANDON|1|1|5"
    )
    await watch.at(60)
    await watch.at(62)
    assert await watch.house.rows("SELECT id, provider_id FROM call") == [(CALL, 1)]
    assert await watch.open_callbacks() == [("+380631111111", 1)]


async def test_a_call_without_its_first_row_and_its_end_is_its_providers_too(watch: Watch) -> None:
    """What the witness said was dialled is not unlearned when the call is told once more, as ended."""
    watch.witness.saw(CALL, DID, NUMBER, moment(0))
    told = nth_call(1, 0, MISS, number=NUMBER).splitlines(keepends=True)
    torn = ("CHAN_START", "HANGUP", "CHAN_END", "LINKEDID_END")
    watch.house.write(b"".join(row for row in told if not (row.decode().startswith(torn) and b"trunk-" in row)))
    watch.witness.ended(CALL, moment(8))
    await watch.at(60)
    watch.ledger.look_for_owners()  # as once a minute
    await watch.at(120)
    assert await watch.house.rows("SELECT id, provider_id FROM call") == [(CALL, 1)]
    assert await watch.open_callbacks() == [("+380631111111", 1)]
