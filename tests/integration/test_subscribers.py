"""Subscribers are taken in whole files and found by whoever calls, on the real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from callcenter.diag.devices import Device, put_device
from callcenter.errors import Misconfigured
from callcenter.store import Database, Scope
from callcenter.subscribers.directory import find_by_account, find_by_number, one_subscriber, search
from callcenter.subscribers.importing import BadFile, Imported, import_subscribers
from callcenter.words import DeviceId, ProviderId
from tests.keys import VAULT

SKYNET, LANET = ProviderId(1), ProviderId(2)


def clock() -> datetime:
    return datetime(2026, 7, 6, tzinfo=UTC)


@pytest.fixture
async def house(database: Database) -> Database:
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("INSERT INTO provider (slug, brand) VALUES ('skynet', 'S'), ('lanet', 'L')"))
        await put_device(
            connection, VAULT, Device(DeviceId(0), SKYNET, "OLT-1", "bdcom_epon", "192.0.2.1", SecretStr("public"))
        )
    return database


def written(folder: Path, body: str) -> Path:
    file = folder / "subscribers.csv"
    file.write_text(body, "utf-8")
    return file


async def test_a_file_is_taken_in_and_its_subscribers_are_found(house: Database, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "account;name;balance;phones;olt;onu;status\n"
        "100;Анна;-50,25;0631234567;OLT-1;EPON0/2:48;closed\n"
        "101;Богдан;;80631234567,0442000001;;;active\n",
    )
    assert await import_subscribers(house, SKYNET, file, clock) == Imported(added=2, updated=0, phones=3)
    async with house.scoped(Scope.only([SKYNET])) as connection:
        both = await find_by_number(connection, SKYNET, "+380631234567")
        assert [one.account for one in both] == ["101", "100"]
        assert (both[1].balance, both[1].onu, both[1].phones) == (
            Decimal("-50.25"),
            "EPON0/2:48",
            ("+380631234567",),
        )
        assert await find_by_number(connection, SKYNET, "") == []
        assert await one_subscriber(connection, both[0].id) == both[0]
        assert [one.account for one in await search(connection, "анн 10")] == ["100"]
        assert await search(connection, "%") == []
    async with house.scoped(Scope.only([LANET])) as connection:
        assert await find_by_number(connection, SKYNET, "+380631234567") == []
        assert await find_by_number(connection, LANET, "+380631234567") == []
        assert await search(connection, "") == []


async def test_a_second_file_changes_only_what_it_has(house: Database, tmp_path: Path) -> None:
    await import_subscribers(
        house, SKYNET, written(tmp_path, "account;name;phones\n1;Анна;0631234567\n2;Ігор;0631234568\n"), clock
    )
    second = written(tmp_path, "account;phones\n1;0631234569\n3;0631234570\n")
    assert await import_subscribers(house, SKYNET, second, clock) == Imported(added=1, updated=1, phones=2)
    async with house.scoped(Scope.only([SKYNET])) as connection:
        anna = await find_by_account(connection, SKYNET, "1")
        ihor = await find_by_account(connection, SKYNET, "2")
    assert anna is not None
    assert ihor is not None
    assert (anna.name, anna.phones, ihor.phones) == ("Анна", ("+380631234569",), ("+380631234568",))


async def test_a_file_with_one_bad_line_changes_nothing(house: Database, tmp_path: Path) -> None:
    file = written(tmp_path, "account;phones\n1;0631234567\n2;nonsense\n3;112\n")
    with pytest.raises(BadFile) as told:
        await import_subscribers(house, SKYNET, file, clock)
    assert [mistake.line for mistake in told.value.mistakes] == [3, 4]
    with pytest.raises(Misconfigured, match="No such file"):
        await import_subscribers(house, SKYNET, tmp_path / "none.csv", clock)
    async with house.scoped(Scope.all()) as connection:
        assert (await connection.execute(text("SELECT count(*) FROM subscriber"))).scalar_one() == 0


async def test_fifty_thousand_subscribers_are_taken_in_and_shown_on_the_way(house: Database, tmp_path: Path) -> None:
    body = "account;name;address;balance;phones\n" + "".join(
        f"{n};Абонент {n};вул. Січових, {n};{n % 900}.50;063{n:07},+38050{n:07}\n" for n in range(50_000)
    )
    steps: list[tuple[str, int, int]] = []
    done = await import_subscribers(
        house, SKYNET, written(tmp_path, body), clock, progress=lambda *step: steps.append(step)
    )
    assert done == Imported(added=50_000, updated=0, phones=100_000)
    assert {stage for stage, _, _ in steps} == {"reading", "writing"}
    assert steps[-1] == ("writing", 50_000, 50_000)
    assert len(steps) > 50
    async with house.scoped(Scope.only([SKYNET])) as connection:
        [found] = await find_by_number(connection, SKYNET, "+380630042000")
    assert found.account == "42000"
