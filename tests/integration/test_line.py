"""The subscriber's line, read live from simulated OLTs over real SNMP and kept in a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from callcenter.diag import history, line, readings
from callcenter.diag.devices import Device, device_by_id, devices
from callcenter.diag.driver import Place
from callcenter.diag.line import LineReader, LineReading
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState
from callcenter.diag.snmp import Snmp
from callcenter.diag.verdict import Cause, Level, Thresholds, judge
from callcenter.store import Database, Scope
from callcenter.words import Dbm, DeviceId, Known, Missing, OnuAddress, PonFamily, ProviderId
from lab.mibs import FAMILIES
from lab.olt import Fault, SimulatedOlt
from tests.keys import VAULT

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
NORMS = Thresholds()


class _Enough(Exception):
    """The test is over: what is still being read is dropped."""


@asynccontextmanager
async def reading_lines(database: Database) -> AsyncIterator[LineReader]:
    snmp = Snmp()
    snmp.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            yield LineReader(snmp, database, tasks, lambda: NOON)
            raise _Enough
    except* _Enough:
        pass
    finally:
        snmp.close()


async def registered(database: Database, simulated: SimulatedOlt, slug: str = "svitlo") -> Device:
    driver = simulated.driver
    async with database.scoped(Scope.all()) as connection:
        provider = await connection.execute(
            text(
                "INSERT INTO provider (slug, brand) VALUES (:slug, 'СвітлоНет') "
                "ON CONFLICT (slug) DO UPDATE SET slug = excluded.slug RETURNING id"
            ),
            {"slug": slug},
        )
        number = await connection.execute(
            text(
                "INSERT INTO device (provider_id, name, driver, host, port, plain_community) "
                "VALUES (:provider, :name, :driver, :host, :port, 'public') RETURNING id"
            ),
            {
                "provider": provider.scalar_one(),
                "name": simulated.name,
                "driver": driver,
                "host": simulated.host,
                "port": simulated.port,
            },
        )
        olt = await device_by_id(connection, VAULT, DeviceId(number.scalar_one()))
    assert olt is not None
    return olt


def value(reading: LineReading) -> OnuReading:
    assert isinstance(reading, Known), reading
    return reading.value


async def last_known_within(lines: LineReader, olt: Device, onu: str, seconds: float) -> Known[OnuReading]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not isinstance(found := await lines.last_known(olt, onu), Known):
        assert loop.time() < deadline, found
        await asyncio.sleep(0.02)
    return found


CHARACTERS = [
    (1, OnuState.ONLINE, Level.GOOD, Cause.GOOD),
    (2, OnuState.ONLINE, Level.WEAK, Cause.WEAK),
    (3, OnuState.ONLINE, Level.CRITICAL, Cause.CRITICAL),
    (4, OnuState.OFFLINE, Level.DARK, Cause.NO_POWER),
    (5, OnuState.OFFLINE, Level.DARK, Cause.NO_LIGHT),
    (6, OnuState.ONLINE, Level.WEAK, Cause.TOO_STRONG),
    (7, OnuState.ONLINE, Level.WEAK, Cause.ROUTER_OFF),
]


@pytest.mark.parametrize("family", ["epon", "gpon"])
async def test_each_kind_of_line_is_read_and_judged(database: Database, family: PonFamily) -> None:
    async with SimulatedOlt(family, "vezha") as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        for number, state, level, cause in CHARACTERS:
            onu = f"{family.upper()}0/1:{number}"
            found = await lines.read(olt, onu)
            assert (value(found).state, judge(value(found), NORMS).level) == (state, level), onu
            assert judge(value(found), NORMS).cause is cause, onu
        good = value(await lines.read(olt, f"{family}0/1:1"))
        assert good.onu_rx is not None
        assert -20.3 <= good.onu_rx <= -19.3
        real = simulated.onu(f"{family}0/1:1")
        assert good.distance_m == real.distance
        assert good.uptime_s == pytest.approx(simulated.plant.clock() - real.up_since, abs=2)
        assert good.uni_up is True
        dark = value(await lines.read(olt, f"{family}0/1:4"))
        assert (dark.onu_rx, dark.olt_rx, dark.last_down_reason) == (None, None, DownReason.POWER)


async def test_what_was_read_is_the_last_known_reading_of_its_provider_only(database: Database) -> None:
    async with SimulatedOlt("epon", "vezha") as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        assert await lines.last_known(olt, "EPON0/1:1") == Missing("line.missing.never-read", "vezha")
        live = await lines.read(olt, "epon0/1:1")
        kept = await last_known_within(lines, olt, "EPON0/1:1", 2)
        assert kept == live
        assert (kept.at, kept.source) == (NOON, "vezha")
        async with database.scoped(Scope.only([ProviderId(olt.provider + 1)])) as connection:
            assert await readings.last_known(connection, olt, "EPON0/1:1") is None
            assert await devices(connection, VAULT) == []


async def test_history_is_thin_but_keeps_every_change(database: Database) -> None:
    async with SimulatedOlt("epon", "vezha") as simulated:
        olt = await registered(database, simulated)
    onu = OnuAddress.parse("EPON0/1:1")

    def light(rx: float) -> OnuReading:
        return OnuReading(OnuState.ONLINE, onu_rx=Dbm(rx))

    dark = OnuReading(OnuState.OFFLINE, last_down_reason=DownReason.FIBRE)
    seen = [
        (0, light(-20)), (5, light(-20.2)), (10, light(-20.4)), (15, light(-20.6)), (20, dark), (25, dark),
        (30, light(-20.6)), (85, light(-20.6)), (95, light(-20.7)),
    ]  # fmt: skip
    kept = readings.Readings(database)
    for minute, reading in seen:
        await kept.keep(olt, {onu: reading}, NOON + timedelta(minutes=minute))
    async with database.scoped(Scope.only([olt.provider])) as connection:
        points = await history.light(connection, olt.id, onu, NOON, NOON + timedelta(days=1))
    assert [(point.at - NOON).seconds // 60 for point in points] == [0, 15, 20, 30, 95]
    assert [point.reason for point in points] == [None, None, DownReason.FIBRE, None, None]


async def test_what_was_stored_is_not_stored_again_by_the_next_service(database: Database) -> None:
    """A restart reads what there is, and goes on from there."""
    async with SimulatedOlt("epon", "vezha") as simulated:
        olt = await registered(database, simulated)
    onu, reading = OnuAddress.parse("EPON0/1:1"), OnuReading(OnuState.ONLINE, onu_rx=Dbm(-20), serial="abc")
    await readings.Readings(database).keep(olt, {onu: reading}, NOON)
    anew, later = readings.Readings(database), NOON + timedelta(minutes=5)
    await anew.keep(olt, {onu: OnuReading(OnuState.ONLINE, onu_rx=Dbm(-20.1))}, later)
    async with database.scoped(Scope.only([olt.provider])) as connection:
        there = await readings.last_known(connection, olt, str(onu))
        points = await history.light(connection, olt.id, onu, NOON, later)
    assert there is not None
    assert (there.at, len(points)) == (NOON, 1)
    here = await anew.last_known(olt, onu, later)
    assert here is not None
    assert (here.at, here.value.onu_rx, here.value.serial) == (later, -20.1, "abc")


async def test_a_late_reading_never_replaces_a_newer_one(database: Database) -> None:
    async with SimulatedOlt("epon", "vezha") as simulated:
        olt = await registered(database, simulated)
    onu, late = OnuAddress.parse("EPON0/1:1"), NOON - timedelta(seconds=3)
    await readings.Readings(database).keep(olt, {onu: OnuReading(OnuState.ONLINE)}, NOON)
    for kept in (readings.Readings(database), readings.Readings(database)):
        await kept.keep(olt, {onu: OnuReading(OnuState.OFFLINE)}, late)
    async with database.scoped(Scope.only([olt.provider])) as connection:
        found = await readings.last_known(connection, olt, str(onu))
    assert found is not None
    assert found.value.state is OnuState.ONLINE


NONSENSE = [fault for fault in Fault if fault not in {Fault.NOT_INCREASING}]


@pytest.mark.parametrize("fault", NONSENSE, ids=str)
async def test_an_olt_that_misbehaves_leaves_the_line_unknown_and_never_offline(
    database: Database, fault: Fault
) -> None:
    """Within the card's two seconds the agent is told; what was known before stays known."""
    async with SimulatedOlt("epon", "vezha") as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        await lines.read(olt, "EPON0/1:1")
        before = await last_known_within(lines, olt, "EPON0/1:1", 2)
        simulated.fault = fault
        began = asyncio.get_running_loop().time()
        found = await lines.read(olt, "EPON0/1:1")
        assert asyncio.get_running_loop().time() - began < line.CARD_BUDGET + 2
        verdict = judge(found.value if isinstance(found, Known) else found, NORMS)
        assert verdict.level is Level.UNKNOWN
        assert await lines.last_known(olt, "EPON0/1:1") == before


async def test_the_next_card_is_told_at_once_and_the_reading_goes_on_behind(database: Database) -> None:
    async with SimulatedOlt("gpon", "vezha") as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        await lines.learn([olt])
        simulated.delay = 0.8
        assert await lines.read(olt, "GPON0/1:1", budget=0.3) == Missing("line.missing.timeout", "vezha")
        assert await lines.read(olt, "GPON0/1:2", budget=0.3) == Missing("line.missing.silent", "vezha")
        late = await last_known_within(lines, olt, "GPON0/1:1", 3)
        assert late.value.state is OnuState.ONLINE
        simulated.delay = 0
        assert value(await lines.read(olt, "GPON0/1:2")).state is OnuState.ONLINE
        assert simulated.peak_outstanding == 1


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.OTHER_OIDS, Fault.TOO_BIG], ids=str)
async def test_a_sick_olt_is_logged_once_when_it_goes_and_once_when_it_is_back(
    database: Database, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    async with SimulatedOlt("gpon", "vezha") as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        await lines.learn([olt])
        simulated.fault = fault
        for number in range(1, 11):
            await lines.read(olt, f"GPON0/1:{number}", budget=0.1)
        told = [record.getMessage() for record in caplog.records if record.name == line.__name__]
        assert len(told) == 1
        assert "OLT vezha is not read" in told[0]
        simulated.fault = None
        assert isinstance((await _read_again_within(lines, olt, 8)).value, OnuReading)
        told = [record.getMessage() for record in caplog.records if record.name == line.__name__]
        assert told[1:] == ["OLT vezha is read again"]


async def _read_again_within(lines: LineReader, olt: Device, seconds: float) -> Known[OnuReading]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not isinstance(found := await lines.read(olt, "GPON0/1:1"), Known):
        assert loop.time() < deadline, found
        await asyncio.sleep(0.05)
    return found


async def test_a_storm_of_calls_asks_an_olt_one_thing_at_a_time(database: Database) -> None:
    """Sixty cards at once, twenty of them for one ONU: one outstanding request, and the twenty share a reading."""
    async with SimulatedOlt("gpon", "vezha") as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        await lines.learn([olt])
        asked_before = simulated.requests
        simulated.delay = 0.01
        onus = ["GPON0/2:1"] * 20 + [f"GPON0/3:{number}" for number in range(1, 41)]
        found = await asyncio.gather(*(lines.read(olt, onu) for onu in onus))
        assert all(value(reading).state is OnuState.ONLINE for reading in found)
        assert simulated.peak_outstanding == 1
        assert simulated.requests - asked_before == 41


async def test_a_card_that_closes_takes_the_reading_from_nobody(database: Database) -> None:
    async with SimulatedOlt("gpon", "vezha") as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        await lines.learn([olt])
        simulated.delay = 0.1
        async with asyncio.TaskGroup() as cards:
            hung_up = cards.create_task(lines.read(olt, "GPON0/1:1"))
            stays = cards.create_task(lines.read(olt, "GPON0/1:1"))
            await asyncio.sleep(0.02)
            hung_up.cancel()
        assert value(stays.result()).state is OnuState.ONLINE


async def test_indexes_dealt_anew_never_show_a_neighbours_line(database: Database) -> None:
    async with SimulatedOlt("epon", "vezha") as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        simulated.set_level("EPON0/4:1", -15.0)
        simulated.set_level("EPON0/4:2", -24.0)
        first = value(await lines.read(olt, "EPON0/4:1")).onu_rx
        simulated.renumber()
        again = value(await lines.read(olt, "EPON0/4:1")).onu_rx
        assert first is not None
        assert again is not None
        assert (round(first), round(again)) == (-15, -15)


async def test_an_onu_the_olt_does_not_have_is_absent_and_costs_one_listing(database: Database) -> None:
    async with SimulatedOlt("epon", "vezha") as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        await lines.learn([olt])
        asked = simulated.requests
        for _ in range(5):
            found = await lines.read(olt, "EPON0/7:64")
            assert value(found).state is OnuState.ABSENT
        assert simulated.requests == asked
        assert judge(value(found), NORMS).cause is Cause.ABSENT
        assert isinstance(await lines.last_known(olt, "EPON0/7:64"), Missing)


async def test_a_contract_with_a_wrong_address_or_driver_says_so(database: Database) -> None:
    async with SimulatedOlt("epon", "vezha") as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        assert await lines.read(olt, "порт 5") == Missing("line.missing.bad-address", "порт 5")
        assert await lines.read(olt, "GPON0/1:1") == Missing("line.missing.bad-address", "GPON0/1:1")
        foreign = replace(olt, driver="huawei", community=SecretStr("x"))
        assert await lines.read(foreign, "EPON0/1:1") == Missing("line.missing.no-driver", "huawei")


async def test_a_cut_fibre_and_a_power_cut_are_told_apart(database: Database) -> None:
    async with SimulatedOlt("gpon", "vezha") as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        simulated.cut("GPON0/5")
        simulated.power_loss("GPON0/6:3")
        assert judge(value(await lines.read(olt, "GPON0/5:9")), NORMS).cause is Cause.NO_LIGHT
        assert judge(value(await lines.read(olt, "GPON0/6:3")), NORMS).cause is Cause.NO_POWER
        simulated.splice("GPON0/5")
        back = value(await lines.read(olt, "GPON0/5:9"))
        assert judge(back, NORMS).cause is Cause.GOOD
        assert back.last_down_reason is DownReason.FIBRE


async def test_without_a_database_the_line_is_still_read(database: Database) -> None:
    async with SimulatedOlt("gpon", "vezha") as simulated:
        olt = await registered(database, simulated)
        away = Database("postgresql://nobody@127.0.0.1:1/nowhere")
        async with reading_lines(away) as lines:
            assert value(await lines.read(olt, "GPON0/1:1")).state is OnuState.ONLINE
        await away.close()


# --- what a diagnosis asks on top ---


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_every_family_tells_its_details_or_leaves_them_out(database: Database, family: str) -> None:
    async with SimulatedOlt(family, "vezha", pons=2, onus_per_pon=12) as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        onu = next(iter(simulated.plant.onus.values()))
        reading = value(await lines.read(olt, str(onu.address)))
        found = await lines.details(olt, str(onu.address), reading)
        assert isinstance(found, LineDetails), found
        asked = simulated.requests
        assert isinstance(await lines.place(olt, str(onu.address)), Place)
        assert simulated.requests - asked <= 3
        if found.macs is not None:
            assert {row.mac for row in found.macs} <= {mac.hex(":") for mac in onu.behind}, found.macs


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_an_onu_that_no_family_has_is_absent_and_has_no_place(database: Database, family: str) -> None:
    """Also where its index follows from its address: the OLT answers that it knows no such thing."""
    async with SimulatedOlt(family, "vezha", pons=2, onus_per_pon=12) as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        last = list(simulated.plant.onus.values())[-1].address
        nobody = str(OnuAddress(last.family, last.path, last.onu + 7))
        assert value(await lines.read(olt, nobody)).state is OnuState.ABSENT
        assert await lines.place(olt, nobody) == Missing("line.missing.absent", "vezha")
        asked = simulated.requests
        assert value(await lines.read(olt, nobody)).state is OnuState.ABSENT
        assert simulated.requests - asked <= 2  # the list is not walked again for it


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_a_place_is_proven_by_the_device(database: Database, family: str) -> None:
    """A write never goes to a neighbour whose index the ONU had before."""
    async with SimulatedOlt(family, "vezha", pons=2, onus_per_pon=12) as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        onu = list(simulated.plant.onus.values())[3].address
        before = await lines.place(olt, str(onu))
        simulated.renumber()
        after = await lines.place(olt, str(onu))
        assert isinstance(after, Place)
        fresh = (await lines.sweep(olt, 20)).places[onu]
        assert after == fresh
        assert isinstance(before, Place)


async def test_neighbours_are_read_in_a_few_requests_while_a_call_rings(database: Database) -> None:
    async with SimulatedOlt("epon", "vezha", pons=4, onus_per_pon=48) as simulated, reading_lines(database) as lines:
        olt = await registered(database, simulated)
        await lines.learn([olt])
        simulated.cut("EPON0/2")
        simulated.splice("EPON0/3")
        asked = simulated.requests
        found = await lines.pon(olt, "EPON0/2")
        assert not isinstance(found, Missing)
        assert {(reading.state, reading.last_down_reason) for reading in found.values()} == {
            (OnuState.OFFLINE, DownReason.FIBRE)
        }
        assert len(found) == 48
        assert simulated.requests - asked <= 12
        assert await lines.pon(olt, "EPON0/77") == {}
        simulated.fault = Fault.SILENT
        assert await lines.pon(olt, "EPON0/2", budget=0.3) == Missing("line.missing.timeout", "vezha")
        assert await lines.place(olt, "EPON0/2:1") == Missing("line.missing.timeout", "vezha")
