"""Sweeps of simulated OLTs over real SNMP into a real PostgreSQL, and what people see of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from callcenter.diag import history
from callcenter.diag.devices import Device
from callcenter.diag.line import LineReader
from callcenter.diag.reading import DownReason, OnuState
from callcenter.diag.snmp import Snmp
from callcenter.diag.sweep import Sweeper, SweepFailed, Swept
from callcenter.diag.verdict import Thresholds
from callcenter.diag.worse import Worse
from callcenter.diag.worse_rows import WorseLine, WorseWatch, worse_lines
from callcenter.store import Database, Scope
from callcenter.store.alarms import open_alarms
from callcenter.words import Known, Missing, OnuAddress
from lab.mibs import FAMILIES
from lab.olt import Fault, SimulatedOlt
from tests.integration.test_line import registered
from tests.keys import VAULT

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


class _Enough(Exception):
    """The test is over."""


@dataclass
class House:
    """A sweeper with all that it needs, and a clock that the test turns."""

    database: Database
    lines: LineReader
    sweeper: Sweeper
    tasks: asyncio.TaskGroup
    now: list[datetime]
    swept: list[Swept] = field(default_factory=list)
    failed: list[SweepFailed] = field(default_factory=list)

    def later(self, **by: float) -> None:
        self.now[0] += timedelta(**by)

    async def until(self, fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not fact():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def sweeping(
    database: Database, every_s: float = 300, watch: bool = False, **thresholds: float
) -> AsyncIterator[House]:
    snmp = Snmp()
    snmp.start()
    now, swept, failed = [NOON], [], []

    async def on_swept(found: Swept) -> None:
        swept.append(found)

    async def on_failed(found: SweepFailed) -> None:
        failed.append(found)

    try:
        async with asyncio.TaskGroup() as tasks:
            lines = LineReader(snmp, database, tasks, lambda: now[0])
            norms = Thresholds.from_settings({name.replace("__", "."): dbm for name, dbm in thresholds.items()})
            watches = [WorseWatch(database, lambda: now[0], lambda provider: norms).swept] if watch else []
            sweeper = Sweeper(
                database, lines, VAULT, lambda: now[0], every_s=every_s, listeners=[on_swept, *watches],
                failed=[on_failed],
            )  # fmt: skip
            yield House(database, lines, sweeper, tasks, now, swept, failed)
            raise _Enough
    except* _Enough:
        pass
    finally:
        snmp.close()


async def count(database: Database, of: str) -> int:
    async with database.scoped(Scope.all()) as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {of}"))).scalar_one())


async def sweep(house: House, olt: Device) -> Swept:
    found = await house.sweeper.once(olt)
    assert isinstance(found, Swept), found
    return found


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_a_sweep_reads_every_onu_as_a_card_does(database: Database, family: str) -> None:
    """State, reason and levels of the whole OLT are those that the live card of each ONU shows."""
    async with SimulatedOlt(family, "vezha", pons=2, onus_per_pon=16) as simulated, sweeping(database) as house:
        olt = await registered(database, simulated)
        found = await sweep(house, olt)
        assert found.readings.keys() == {onu.address for onu in simulated.plant.onus.values()}
        assert simulated.peak_outstanding == 1
        for onu, swept in list(found.readings.items())[:8]:
            card = await house.lines.read(olt, str(onu))
            assert isinstance(card, Known), (onu, card)
            assert (swept.state, swept.last_down_reason) == (card.value.state, card.value.last_down_reason), onu
            if card.value.onu_rx is not None and swept.onu_rx is not None:
                assert swept.onu_rx == pytest.approx(card.value.onu_rx, abs=0.2), onu


async def test_what_did_not_change_is_not_written_again(database: Database) -> None:
    async with SimulatedOlt("gpon", "vezha", pons=2, onus_per_pon=32, clock=lambda: 1000.0) as simulated:
        olt = await registered(database, simulated)
        async with sweeping(database) as house:
            await sweep(house, olt)
            assert (await count(database, "onu_reading"), await count(database, "onu_history")) == (64, 64)
            house.later(minutes=5)
            simulated.set_level("GPON0/2:9", -25.0)
            simulated.power_loss("GPON0/2:10")
            found = await sweep(house, olt)
            assert await count(database, f"onu_reading WHERE at = '{house.now[0].isoformat()}'") == 2
            assert await count(database, "onu_history") == 66
            before = found.before[OnuAddress.parse("GPON0/2:10")]
            assert (before.value.state, before.at) == (OnuState.ONLINE, NOON)
            known = await house.lines.last_known(olt, "GPON0/2:1")
            assert isinstance(known, Known)
            assert known.at == house.now[0]  # in memory it is as new as the sweep


async def test_an_olt_that_does_not_answer_says_nothing_about_its_onus(database: Database) -> None:
    async with SimulatedOlt("gpon", "vezha", pons=2, onus_per_pon=8) as simulated, sweeping(database) as house:
        olt = await registered(database, simulated)
        await sweep(house, olt)
        before = dict(house.lines.readings.of(olt.id))
        for fault in (Fault.SILENT, Fault.TOO_BIG, Fault.NOT_INCREASING, Fault.NO_ROWS):
            simulated.fault = fault
            house.later(minutes=5)
            found = await house.sweeper.once(olt)
            assert isinstance(found, SweepFailed), fault
            assert found.why
        assert house.lines.readings.of(olt.id) == before
        assert [failed.device.name for failed in house.failed] == ["vezha"] * 4
        async with database.scoped(Scope.all()) as connection:
            row = (await connection.execute(text("SELECT swept_at, sweep_s, sweep_error FROM device"))).one()
        assert row.swept_at == NOON
        assert row.sweep_error
        assert await count(database, "onu_history") == 16


async def test_a_table_that_breaks_off_is_no_table(database: Database) -> None:
    """An OLT that falls silent in the middle of its list has not lost the rest of its ONUs."""
    async with SimulatedOlt("epon", "vezha", pons=4, onus_per_pon=32) as simulated, sweeping(database) as house:
        olt = await registered(database, simulated)
        await sweep(house, olt)
        asked = simulated.requests

        async def break_off() -> None:
            while simulated.requests < asked + 5:
                await asyncio.sleep(0)
            simulated.fault = Fault.TOO_BIG

        breaking = house.tasks.create_task(break_off())
        assert isinstance(await house.sweeper.once(olt), SweepFailed)
        assert breaking.done()
        assert all(known.value.state is not OnuState.ABSENT for known in house.lines.readings.of(olt.id).values())


async def test_an_onu_that_was_unbound_is_absent(database: Database) -> None:
    async with SimulatedOlt("epon", "vezha", pons=2, onus_per_pon=8) as simulated, sweeping(database) as house:
        olt = await registered(database, simulated)
        await sweep(house, olt)
        simulated.forget("EPON0/2:3")
        house.later(minutes=5)
        found = await sweep(house, olt)
        assert found.readings[OnuAddress.parse("EPON0/2:3")].state is OnuState.ABSENT
        assert sum(reading.state is OnuState.ABSENT for reading in found.readings.values()) == 1


async def test_indexes_dealt_anew_between_two_sweeps_mix_nobody_up(database: Database) -> None:
    async with SimulatedOlt("epon", "vezha", pons=2, onus_per_pon=8) as simulated, sweeping(database) as house:
        olt = await registered(database, simulated)
        simulated.set_level("EPON0/2:1", -15.0)
        simulated.power_loss("EPON0/2:5")
        await sweep(house, olt)
        simulated.renumber()
        found = await sweep(house, olt)
        rx = found.readings[OnuAddress.parse("EPON0/2:1")].onu_rx
        assert rx is not None
        assert round(rx) == -15
        dark = found.readings[OnuAddress.parse("EPON0/2:5")]
        assert (dark.state, dark.last_down_reason) == (OnuState.OFFLINE, DownReason.POWER)


async def test_a_card_gets_its_turn_while_its_olt_is_swept(database: Database) -> None:
    async with SimulatedOlt("gpon", "vezha", pons=4, onus_per_pon=64) as simulated, sweeping(database) as house:
        olt = await registered(database, simulated)
        await house.lines.learn([olt])
        simulated.delay = 0.01
        under_way = house.tasks.create_task(house.sweeper.once(olt))
        asked = simulated.requests
        await house.until(lambda: simulated.requests > asked + 3)
        asked = simulated.requests
        assert isinstance(await house.lines.read(olt, "GPON0/2:1"), Known)
        assert simulated.requests - asked <= 4
        assert not under_way.done()
        assert isinstance(await under_way, Swept)
        assert simulated.peak_outstanding == 1


async def test_all_olts_are_swept_in_turn_again_and_again_and_one_that_is_asked_for_early(database: Database) -> None:
    async with (
        SimulatedOlt("gpon", "one", pons=1, onus_per_pon=8) as one,
        SimulatedOlt("epon", "two", pons=1, onus_per_pon=8) as two,
        sweeping(database, every_s=0.5) as house,
    ):
        for each in (one, two):
            await registered(database, each)
        running = house.tasks.create_task(house.sweeper.run())

        def times(name: str) -> int:
            return sum(swept.device.name == name for swept in house.swept)

        await house.until(lambda: times("one") >= 3 and times("two") >= 3)
        running.cancel()
        assert (one.peak_outstanding, two.peak_outstanding) == (1, 1)


async def test_one_pon_is_looked_at_early(database: Database) -> None:
    """A trap or a call asks: only that PON is read, and only its ONUs are told of."""
    async with SimulatedOlt("gpon", "vezha", pons=4, onus_per_pon=16) as simulated, sweeping(database) as house:
        olt = await registered(database, simulated)
        await sweep(house, olt)
        simulated.cut("GPON0/2")
        asked = simulated.requests
        found = await house.lines.pon(olt, "GPON0/2")
        assert not isinstance(found, Missing)
        assert {reading.state for reading in found.values()} == {OnuState.OFFLINE}
        assert len(found) == 16
        assert simulated.requests - asked <= 4


async def test_a_trap_or_a_call_brings_the_next_look_forward(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callcenter.diag.sweep.LOOK_AFTER_S", 0.2)
    async with SimulatedOlt("gpon", "vezha", pons=4, onus_per_pon=16) as simulated, sweeping(database) as house:
        olt = await registered(database, simulated)
        running = house.tasks.create_task(house.sweeper.run())
        await house.until(lambda: len(house.swept) == 1)
        simulated.cut("GPON0/2")
        for _ in range(50):
            house.sweeper.look_now(olt, "gpon0/2")
        await house.until(lambda: len(house.swept) == 2)
        looked = house.swept[1]
        assert looked.pon == "GPON0/2"
        assert {onu.pon for onu in looked.readings} == {"GPON0/2"}
        assert {reading.state for reading in looked.readings.values()} == {OnuState.OFFLINE}
        assert looked.before[OnuAddress.parse("GPON0/2:1")].value.state is OnuState.ONLINE
        house.sweeper.look_now(olt)
        await house.until(lambda: len(house.swept) == 3)
        assert len(house.swept[2].readings) == 64
        running.cancel()


async def test_an_olt_that_stays_silent_is_an_alarm_until_it_answers(database: Database) -> None:
    async with SimulatedOlt("gpon", "vezha", pons=1, onus_per_pon=8) as simulated, sweeping(database) as house:
        olt = await registered(database, simulated)
        simulated.fault = Fault.TOO_BIG
        house.tasks.create_task(house.sweeper.run()).add_done_callback(lambda _: None)
        await house.until(lambda: bool(house.failed))
        kept = house.sweeper._olts[olt.id]
        for _ in range(2):
            await house.until(lambda: not kept.lock.locked())
            await house.sweeper.once(olt)
        async with database.scoped(Scope.all()) as connection:
            assert [alarm.kind for alarm in await open_alarms(connection)] == ["sweep_silent"]
        simulated.fault = None
        await sweep(house, olt)
        async with database.scoped(Scope.all()) as connection:
            assert await open_alarms(connection) == []


async def worse(database: Database, olt: Device) -> dict[tuple[str, Worse], WorseLine]:
    async with database.scoped(Scope.only([olt.provider])) as connection:
        return {(line.onu, line.kind): line for line in await worse_lines(connection)}


async def test_what_got_worse_is_judged_by_the_lines_of_its_class(database: Database) -> None:
    async with SimulatedOlt("gpon", "vezha", pons=1, onus_per_pon=12, clock=lambda: 1000.0) as simulated:
        olt = await registered(database, simulated)
        for onu in simulated.plant.onus.values():
            onu.rx, onu.olt_rx = -19.0, -20.0
        async with sweeping(database, watch=True, gpon__onu_rx_weak=-20.0, epon__onu_rx_weak=-15.0) as house:
            for _ in range(15):
                await sweep(house, olt)
                house.later(hours=1)
            simulated.set_level("GPON0/1:10", -20.5)
            await sweep(house, olt)
            weak = {onu for onu, kind in await worse(database, olt) if kind is Worse.WEAK}
            assert weak == {"GPON0/1:10"}


async def test_what_got_worse_is_listed_before_anyone_calls_and_leaves_the_list(database: Database) -> None:
    async with SimulatedOlt("gpon", "vezha", pons=2, onus_per_pon=16, clock=lambda: 1000.0) as simulated:
        olt = await registered(database, simulated)
        for onu in simulated.plant.onus.values():
            onu.rx, onu.olt_rx = -19.0, -20.0
        async with sweeping(database, watch=True) as house:
            for _ in range(15):
                await sweep(house, olt)
                house.later(hours=1)
            listed = {key for key, line in (await worse(database, olt)).items() if line.onu.startswith("GPON0/2")}
            assert listed == set()
            simulated.set_level("GPON0/2:1", -22.6)
            simulated.set_level("GPON0/2:2", -28.0)
            simulated.power_loss("GPON0/2:3")
            await sweep(house, olt)
            listed = {key for key in await worse(database, olt) if key[0].startswith("GPON0/2")}
            assert listed == {
                ("GPON0/2:1", Worse.DROPPED), ("GPON0/2:2", Worse.DROPPED), ("GPON0/2:2", Worse.CRITICAL),
            }  # fmt: skip
            house.later(minutes=61)
            await sweep(house, olt)
            assert ("GPON0/2:3", Worse.DARK) in await worse(database, olt)
            for number in (1, 2):
                simulated.set_level(f"GPON0/2:{number}", -19.0)
            simulated.power_back("GPON0/2:3")
            house.later(minutes=5)
            await sweep(house, olt)
            assert [key for key in await worse(database, olt) if key[0].startswith("GPON0/2")] == []
            async with database.scoped(Scope.only([olt.provider])) as connection:
                found = await history.week_of(connection, olt.id, OnuAddress.parse("GPON0/2:3"), house.now[0])
            assert (found.downs_24h, found.downs_7d, len(found.last_downs)) == (1, 1, 1)
            assert found.last_downs[0][1] is DownReason.POWER


async def test_a_line_that_is_dark_stays_dark_since_then_over_a_restart(database: Database) -> None:
    """Whoever leads next knows from the rows since when, and lists it once."""
    async with SimulatedOlt("gpon", "vezha", pons=2, onus_per_pon=8, clock=lambda: 1000.0) as simulated:
        olt = await registered(database, simulated)
        async with sweeping(database, watch=True) as house:
            await sweep(house, olt)
            house.later(minutes=5)
            simulated.power_loss("GPON0/2:3")
            await sweep(house, olt)
        async with sweeping(database, watch=True) as house:
            house.later(minutes=70)
            for _ in range(2):
                await sweep(house, olt)
                house.later(minutes=5)
            found = (await worse(database, olt))[("GPON0/2:3", Worse.DARK)]
            assert found.detail["dark_since"] == (NOON + timedelta(minutes=5)).isoformat()
            assert await count(database, "onu_worse WHERE onu = 'GPON0/2:3'") == 1
