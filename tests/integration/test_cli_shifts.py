"""The commands of shifts and of the audit, run as an operator runs them, over a journal in a folder."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from callcenter.callbacks.queue import pay_or_owe
from callcenter.calls.ledger import Ledger
from callcenter.cli.place import Place
from callcenter.routing.book import load_book
from callcenter.store import Database, Scope
from callcenter.store.embedded import Embedded
from tests.integration.test_cli import SETTINGS, Operator
from tests.unit.cel_rows import BEGIN, MISS, TALK, nth_call

DAY = f"{datetime.fromtimestamp(BEGIN, UTC).date()}"
ONE, TWO = "0631111111", "0632222222"


@pytest.fixture
def house(database: Database, postgres: Embedded, tmp_path: Path) -> Operator:
    """Two misses and a conversation, told by the ledger; two who may lead and one who may not."""
    config = tmp_path / "callcenter.toml"
    config.write_text(SETTINGS.format(folder=tmp_path, url=postgres.url, owner=postgres.owner_url))
    operator = Operator(config)
    operator.types("provider", "add", "skynet", "--brand", "SkyNet")
    operator.types("did", "add", "skynet", "+380441110001")
    operator.types("user", "add", "iryna", "--name", "Ірина", "--role", "lead")
    operator.types("user", "add", "sofiia", "--name", "Софія", "--role", "supervisor")
    operator.types("user", "add", "petro", "--name", "Петро", "--role", "lead", "--provider", "skynet")
    journal = tmp_path / "log" / "cel-custom" / "callcenter.journal"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(
        nth_call(1, 0, MISS, number=ONE) + nth_call(2, 30, MISS, number=TWO) + nth_call(3, 60, TALK, number=TWO)
    )
    asyncio.run(_told(operator, postgres))
    return operator


async def _told(operator: Operator, postgres: Embedded) -> None:
    database = Database(postgres.url, pool_size=2)
    book, asterisk = await load_book(database), Place(operator.config).settings.asterisk
    await Ledger(database, lambda: book, asterisk, lambda: datetime.now(UTC), (pay_or_owe,)).catch_up()
    await database.close()


async def _write(postgres: Embedded, statement: str) -> None:
    database = Database(postgres.url, pool_size=2)
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text(statement))
    await database.close()


def test_a_day_is_audited_from_the_files(house: Operator, postgres: Embedded) -> None:
    found = house.json("callbacks", "audit", "--day", DAY)
    assert [(row["calls"], row["misses"], row["callbacks"], row["difference"]) for row in found["providers"]] == [
        (3, 2, 2, 0)
    ]
    assert found["journal"]["torn"] == 0
    assert "difference 0" in house.types("callbacks", "audit", "--day", DAY, "--provider", "skynet").output
    asyncio.run(_write(postgres, "DELETE FROM callback WHERE closed_at IS NULL"))
    wrong = house.types("callbacks", "audit", "--day", DAY, ends=1)
    assert "miss_without_callback" in wrong.output
    assert "difference 1" in wrong.output
    told = json.loads(house.types("callbacks", "audit", "--day", DAY, "--json", ends=1).stdout)
    assert [each["kind"] for each in told["differences"]] == ["miss_without_callback"]


def test_files_may_be_named_and_what_no_file_reaches_is_said(house: Operator, tmp_path: Path) -> None:
    journal = tmp_path / "log" / "cel-custom" / "callcenter.journal"
    aside = tmp_path / "yesterday.journal"
    journal.rename(aside)
    gone = house.types("callbacks", "audit", "--day", DAY, ends=1)
    assert f"{DAY} cannot be audited: there is no journal" in gone.output
    assert "difference 0" in house.types("callbacks", "audit", "--day", DAY, "--journal", str(aside)).output
    assert "there is no provider nobody" in house.types(
        "callbacks", "audit", "--day", DAY, "--provider", "nobody", "--journal", str(aside), ends=1
    ).output  # fmt: skip


def test_a_shift_by_commands(house: Operator) -> None:
    house.types("shift", "show", ends=1)
    assert "a lead sees every provider" in house.types("shift", "open", "--by", "petro", ends=1).output
    assert "is open" in house.types("shift", "open", "--by", "iryna", "--name", "День", "--hours", "8").output
    assert "already" in house.types("shift", "open", "--by", "sofiia", ends=1).output
    shown = house.json("shift", "show")
    assert [(row["inherited"], row["left"]) for row in shown["providers"]] == [(1, 1)]
    assert "1 callbacks are open" in house.types("shift", "close", "--by", "iryna", ends=1).output
    assert "not named" in house.types("shift", "hand-over", "--by", "iryna", "--to", "sofiia", ends=1).output
    named = house.types("shift", "hand-over", "--by", "iryna", "--to", "sofiia", "--why", "не відповідає")
    assert "1 callbacks were named now" in named.output
    assert "offered to Софія" in house.types("shift", "accept", "--by", "iryna", ends=1).output
    house.types("shift", "accept", "--by", "sofiia", "--name", "Ніч", "--hours", "8")
    night, day = house.json("shift", "list")
    assert [(each["name"], each["lead"], each["inherited"], each["left"]) for each in (day, night)] == [
        ("День", "Ірина", 1, 1), ("Ніч", "Софія", 1, 1),
    ]  # fmt: skip
    closed = house.json("shift", "show", str(day["id"]))
    assert [(each["why"], each["named_by"]) for each in closed["left"]] == [("не відповідає", "user:Ірина")]
    assert "не відповідає" in house.types("shift", "show", str(day["id"])).output
    house.types("shift", "take-over", "--by", "sofiia", "--lead", "iryna")
    assert house.json("shift", "show")["lead_name"] == "Ірина"
