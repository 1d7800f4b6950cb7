"""Mass outages end to end: simulated OLTs over real UDP, swept, trapped and asked while calls ring; real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from callcenter.diag import outages as watch
from callcenter.diag import sweep as sweeping
from callcenter.diag.devices import Device
from callcenter.diag.line import LineReader, LineReading
from callcenter.diag.mass_rule import MassRule
from callcenter.diag.outages import MassOutages, Outage
from callcenter.diag.reading import DownReason
from callcenter.diag.snmp import Snmp
from callcenter.diag.sweep import Sweeper, SweepFailed, Swept
from callcenter.diag.traps import Traps
from callcenter.store import Database, Scope
from callcenter.store.notices import Notices, Topic
from callcenter.words import Known, Missing, OnuAddress, ProviderId
from lab.mibs import FAMILIES
from lab.olt import Fault, SimulatedOlt
from lab.traps import LINK_DOWN, of_interface, trap_v2
from tests.integration.test_line import registered
from tests.keys import VAULT

TELLS = {"eltex_ltp": (DownReason.UNKNOWN, DownReason.UNKNOWN)}
"""What families that do not tell reasons apart say of lost light and of lost power: Eltex has none in its MIB."""
PON = "EPON0/2"
CALLER = OnuAddress.parse(f"{PON}:7")


class _Enough(Exception):
    """The test is over."""


class Clock:
    """Real time that can be turned ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Service:
    """One running service: it reads, watches and, where it leads, sweeps."""

    lines: LineReader
    outages: MassOutages
    sweeper: Sweeper
    told: list[Outage] = field(default_factory=list)
    running: asyncio.Task[None] | None = None

    async def sweep(self, device: Device) -> Swept | SweepFailed:
        return await self.sweeper.once(device)


@asynccontextmanager
async def serving(database: Database, clock: Clock, rule: MassRule | None = None) -> AsyncIterator[Service]:
    snmp = Snmp()
    snmp.start()
    told: list[Outage] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            lines = LineReader(snmp, database, tasks, clock)
            outages = MassOutages(
                database, clock, lambda provider: rule or MassRule(), neighbours=lines, on_change=told.append
            )
            sweeper = Sweeper(
                database, lines, VAULT, clock, listeners=[outages.swept], failed=[outages.sweep_failed]
            )  # fmt: skip
            running = tasks.create_task(outages.run())
            notices = Notices(database, lambda topic: outages.on_notice() if topic is Topic.LINES else None)
            tasks.create_task(notices.run())
            yield Service(lines, outages, sweeper, told, running)
            raise _Enough
    except* _Enough:
        pass
    finally:
        snmp.close()


async def until(fact: Callable[[], bool], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.01)


async def rows(database: Database) -> list[tuple[str, str, int, int, str, bool]]:
    async with database.scoped(Scope.all()) as connection:
        found = await connection.execute(
            text("SELECT scope, place, dark, total, source, ended_at IS NULL FROM line_outage ORDER BY id")
        )
        return [tuple(row) for row in found]


async def row_is(database: Database, *expected: tuple[str, str, int, int, str, bool]) -> None:
    async with asyncio.timeout(15):
        while await rows(database) != list(expected):
            await asyncio.sleep(0.02)


def kill(olt: SimulatedOlt, pon: str, many: int) -> None:
    """The fibre of the first ONUs of a PON is gone; with traps, where the OLT sends any."""
    for number in range(1, many + 1):
        olt.fibre_loss(f"{pon}:{number}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_43_of_48_are_found_by_the_sweep_and_end_when_they_are_back(database: Database, clock: Clock) -> None:
    async with SimulatedOlt("epon", "vezha", pons=3) as simulated, serving(database, clock) as service:
        olt = await registered(database, simulated)
        await service.sweep(olt)
        assert service.outages.open() == []
        kill(simulated, PON, 43)
        clock.ahead += timedelta(minutes=5)
        await service.sweep(olt)
        outage = service.outages.of(olt.id, CALLER)
        assert outage is not None
        assert (outage.scope, outage.place, outage.dark, outage.total) == ("pon", PON, 43, 48)
        assert (outage.reason, outage.device_name, outage.source) == (DownReason.FIBRE, "vezha", "sweep")
        assert service.outages.of(olt.id, OnuAddress.parse("EPON0/1:7")) is None
        assert [one.key for one in service.told] == [outage.key]
        await row_is(database, ("pon", PON, 43, 48, "sweep", True))
        simulated.splice(PON)
        clock.ahead += timedelta(minutes=5)
        await service.sweep(olt)
        assert service.outages.of(olt.id, CALLER) is None
        assert service.told[-1].ended_at is not None
        await row_is(database, ("pon", PON, 43, 48, "sweep", False))
        [past] = await service.outages.history(olt.provider, clock() - timedelta(hours=1))
        assert past.ended_at is not None
        assert await service.outages.history(ProviderId(olt.provider + 1), clock() - timedelta(hours=1)) == []


async def test_while_a_call_rings_the_neighbours_tell_that_it_is_not_only_the_caller(
    database: Database, clock: Clock
) -> None:
    async with SimulatedOlt("epon", "vezha", pons=3) as simulated, serving(database, clock) as service:
        olt = await registered(database, simulated)
        await service.sweep(olt)
        clock.ahead += timedelta(minutes=2)
        kill(simulated, PON, 43)
        reading = await service.lines.read(olt, str(CALLER))
        assert isinstance(reading, Known)
        asked = simulated.requests
        found = await asyncio.gather(*(service.outages.look(olt, CALLER, reading) for _ in range(50)))
        outage = found[0]
        assert outage is not None
        assert all(one == outage for one in found)
        assert (outage.dark, outage.total, outage.source) == (43, 48, "call")
        assert simulated.requests - asked < 30  # fifty callers, one look
        await row_is(database, ("pon", PON, 43, 48, "call", True))


async def test_what_a_slow_olt_says_of_the_neighbours_late_is_told_all_the_same(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LOOK_BUDGET", 0.1)
    async with SimulatedOlt("epon", "vezha", pons=3) as simulated, serving(database, clock) as service:
        olt = await registered(database, simulated)
        await service.sweep(olt)
        kill(simulated, PON, 43)
        reading = await service.lines.read(olt, str(CALLER))
        simulated.delay = 0.1
        assert await service.outages.look(olt, CALLER, reading) is None  # the card goes on without it
        await until(lambda: service.told != [])
        assert service.outages.of(olt.id, CALLER) == service.told[0]
        assert service.told[0].source == "call"


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_every_family_tells_of_its_neighbours_by_a_call_and_by_a_sweep(
    database: Database, clock: Clock, family: str
) -> None:
    async with SimulatedOlt(family, "vezha", pons=3) as simulated, serving(database, clock) as service:
        olt = await registered(database, simulated)
        await service.sweep(olt)
        _, called, swept = simulated.plant.pons
        kill(simulated, called, 43)
        caller = OnuAddress.parse(f"{called}:7")
        clock.ahead += timedelta(minutes=2)
        reading = await service.lines.read(olt, str(caller))
        outage = await service.outages.look(olt, caller, reading)
        assert outage is not None, reading
        assert (outage.place, outage.dark, outage.total, outage.source) == (called, 43, 48, "call")
        simulated.blackout(swept)
        clock.ahead += timedelta(minutes=3)
        await service.sweep(olt)
        reasons = {one.place: (one.dark, one.total, one.reason) for one in service.outages.open()}
        assert reasons.keys() == {called, swept}
        assert reasons[called][:2] == (43, 48)
        assert reasons[swept][:2] == (48, 48)
        assert (reasons[called][2], reasons[swept][2]) == TELLS.get(family, (DownReason.FIBRE, DownReason.POWER))


NONSENSE = [Fault.SILENT, Fault.TEXT, Fault.DEEP]


@pytest.mark.parametrize("fault", NONSENSE)
async def test_neighbours_that_cannot_be_read_make_no_outage_and_hold_no_card(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(watch, "LOOK_BUDGET", 0.5)
    async with SimulatedOlt("epon", "vezha", pons=3) as simulated, serving(database, clock) as service:
        olt = await registered(database, simulated)
        await service.sweep(olt)
        kill(simulated, PON, 43)
        reading = await service.lines.read(olt, str(CALLER))
        simulated.fault = fault
        async with asyncio.timeout(5):
            assert await service.outages.look(olt, CALLER, reading) is None
        assert service.outages.open() == []
        simulated.fault = None
        clock.ahead += timedelta(seconds=10)
        await asyncio.wait_for(_found_at_last(service, olt, reading), 20)


async def _found_at_last(service: Service, olt: Device, reading: LineReading) -> None:
    while await service.outages.look(olt, CALLER, reading) is None:
        await asyncio.sleep(0.05)


async def test_a_trap_makes_it_known_in_seconds(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "LOOK_AFTER_S", 0.2)
    async with AsyncExitStack() as stack:
        simulated = await stack.enter_async_context(SimulatedOlt("epon", "vezha", pons=3))
        service = await stack.enter_async_context(serving(database, clock))
        olt = await registered(database, simulated)
        swept = await stack.enter_async_context(sweeping_on(service, clock, olt))
        simulated.traps_to = swept.address
        kill(simulated, PON, 43)
        await until(lambda: service.outages.of(olt.id, CALLER) is not None)
        outage = service.outages.of(olt.id, CALLER)
        assert outage is not None
        assert (outage.dark, outage.total, outage.source) == (43, 48, "trap")
        assert clock() - outage.since < timedelta(seconds=15)


@asynccontextmanager
async def sweeping_on(service: Service, clock: Clock, *olts: Device) -> AsyncIterator[Traps]:
    """The sweeper runs and traps make it look; every OLT was swept once."""

    def hint(device: Device, pon: str | None, at: datetime) -> None:
        service.outages.hinted(device, pon, at)
        service.sweeper.look_now(device, pon)

    traps = Traps("127.0.0.1:0", clock, hint)
    traps.know(olts)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(service.sweeper.run()), tasks.create_task(traps.run())]
        await until(lambda: service.sweeper.counts.sweeps >= len(olts) and traps.address is not None)
        yield traps
        for each in running:
            each.cancel()


async def test_no_trap_can_forge_an_outage(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "LOOK_AFTER_S", 0.05)
    async with AsyncExitStack() as stack:
        simulated = await stack.enter_async_context(SimulatedOlt("epon", "vezha", pons=3))
        service = await stack.enter_async_context(serving(database, clock))
        olt = await registered(database, simulated)
        traps = await stack.enter_async_context(sweeping_on(service, clock, olt))
        sweeps = service.sweeper.counts.sweeps
        forger = SimulatedOlt("epon", "forger", pons=3, traps_to=traps.address)
        async with forger:
            for onu in forger.plant.onus.values():
                assert forger._transport is not None
                assert traps.address is not None
                forger._transport.sendto(
                    trap_v2(b"public", LINK_DOWN, of_interface(onu.if_index, str(onu.address))), traps.address
                )
            await until(lambda: service.sweeper.counts.sweeps > sweeps)  # it looked, and saw that all is well
        assert traps.counts["believed"] > 0
        assert service.outages.open() == []
        assert await rows(database) == []


async def test_a_storm_of_traps_costs_an_olt_few_looks(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "LOOK_AFTER_S", 1.0)
    async with AsyncExitStack() as stack:
        simulated = await stack.enter_async_context(SimulatedOlt("epon", "vezha", pons=3))
        service = await stack.enter_async_context(serving(database, clock))
        olt = await registered(database, simulated)
        traps = await stack.enter_async_context(sweeping_on(service, clock, olt))
        assert traps.address is not None
        simulated.traps_to = traps.address
        asked = simulated.requests
        assert simulated._transport is not None
        kill(simulated, PON, 43)
        one = trap_v2(b"public", LINK_DOWN, of_interface(7, "EPON0/1:1"))
        for sent in range(0, 10_000, 100):
            for _ in range(100):
                simulated._transport.sendto(one, traps.address)
            await until(lambda reached=sent: traps.counts.total() >= reached * 0.9)  # type: ignore[misc]
        assert traps.counts["over"] > 8_000
        await until(lambda: service.outages.of(olt.id, CALLER) is not None, 30)
        assert simulated.requests - asked < 400  # a sweep of this OLT is some eighty


async def test_power_that_comes_and_goes_is_one_outage(database: Database, clock: Clock) -> None:
    async with SimulatedOlt("epon", "vezha", pons=3) as simulated, serving(database, clock) as service:
        olt = await registered(database, simulated)
        await service.sweep(olt)
        begun = []
        for _ in range(3):
            simulated.blackout(PON)
            clock.ahead += timedelta(minutes=2)
            await service.sweep(olt)
            begun.append(service.outages.open()[0].since)
            await row_is(database, ("pon", PON, 48, 48, "sweep", True))
            simulated.splice(PON)
            clock.ahead += timedelta(minutes=2)
            await service.sweep(olt)
            await row_is(database, ("pon", PON, 48, 48, "sweep", False))
        assert len(set(begun)) == 1
        simulated.blackout(PON)
        clock.ahead += timedelta(minutes=6)
        await service.sweep(olt)  # so much later it is another one
        await row_is(database, ("pon", PON, 48, 48, "sweep", False), ("pon", PON, 48, 48, "sweep", True))


@pytest.mark.parametrize(("pon", "dark", "total"), [(PON, 43, 48), ("EPON0/1", 41, 46)])
async def test_an_outage_survives_a_restart_and_ends_afterwards(
    database: Database, clock: Clock, pon: str, dark: int, total: int
) -> None:
    """Two ONUs of the first port were dark long before: they are no part of it, after the restart neither."""
    async with SimulatedOlt("epon", "vezha", pons=3) as simulated:
        async with serving(database, clock) as service:
            olt = await registered(database, simulated)
            await service.sweep(olt)
            kill(simulated, pon, 43)
            clock.ahead += timedelta(minutes=5)
            await service.sweep(olt)
            since = service.outages.open()[0].since
            await row_is(database, ("pon", pon, dark, total, "sweep", True))
        async with serving(database, clock) as service:
            await until(lambda: service.outages.open() != [])
            clock.ahead += timedelta(hours=9)  # longer than history is asked for
            await service.sweep(olt)
            [outage] = service.outages.open()
            assert (outage.dark, outage.total, outage.since) == (dark, total, since)
            simulated.splice(pon)
            clock.ahead += timedelta(minutes=5)
            await service.sweep(olt)
            assert service.outages.open() == []
            await row_is(database, ("pon", pon, dark, total, "sweep", False))


async def test_a_service_that_starts_in_the_middle_finds_it_by_the_history(database: Database, clock: Clock) -> None:
    """The old service swept it bright, and fell before it looked again."""
    async with SimulatedOlt("epon", "vezha", pons=3) as simulated:
        async with serving(database, clock) as service:
            olt = await registered(database, simulated)
            await service.sweep(olt)
        kill(simulated, PON, 43)
        clock.ahead += timedelta(minutes=8)
        async with serving(database, clock) as service:
            await service.sweep(olt)
            [outage] = service.outages.open()
            assert (outage.dark, outage.total) == (43, 48)


async def test_the_other_service_shows_what_the_leader_found_and_the_leader_what_the_other_was_called_about(
    database: Database, clock: Clock
) -> None:
    async with (
        SimulatedOlt("epon", "vezha", pons=3) as simulated,
        serving(database, clock) as leader,
        serving(database, clock) as other,
    ):
        olt = await registered(database, simulated)
        await leader.sweep(olt)
        kill(simulated, PON, 43)
        clock.ahead += timedelta(minutes=5)
        await leader.sweep(olt)
        await until(lambda: other.outages.of(olt.id, CALLER) is not None)
        assert len(other.told) == 1
        second = OnuAddress.parse("EPON0/3:9")
        kill(simulated, second.pon, 48)
        clock.ahead += timedelta(minutes=2)
        reading = await other.lines.read(olt, str(second))
        assert isinstance(reading, Known)
        found = await other.outages.look(olt, second, reading)
        assert found is not None
        assert (found.place, found.dark, found.source) == ("EPON0/3", 48, "call")
        await until(lambda: leader.outages.of(olt.id, second) is not None)
        simulated.splice(PON)
        clock.ahead += timedelta(minutes=5)
        await leader.sweep(olt)
        await until(lambda: [one.place for one in other.outages.open()] == ["EPON0/3"])
        simulated.splice(second.pon)
        clock.ahead += timedelta(minutes=5)
        await other.sweep(olt)  # the other one leads from here on
        await until(lambda: leader.outages.open() == other.outages.open() == [])
        await row_is(database, ("pon", PON, 43, 48, "sweep", False), ("pon", "EPON0/3", 48, 48, "call", False))


async def test_an_olt_that_is_silent_is_its_own_kind_and_says_nothing_of_its_onus(
    database: Database, clock: Clock
) -> None:
    async with SimulatedOlt("epon", "vezha", pons=2) as simulated, serving(database, clock) as service:
        olt = await registered(database, simulated)
        await service.sweep(olt)
        for looked in range(1, 4):
            clock.ahead += timedelta(seconds=30)
            await service.outages.sweep_failed(SweepFailed(olt, clock(), "did not answer"))
            assert len(service.outages.open()) == (1 if looked >= 3 else 0)
        outage = service.outages.of(olt.id, CALLER)
        assert outage is not None
        assert (outage.silent, outage.scope, outage.dark, outage.total) == (True, "olt", 0, 94)
        await row_is(database, ("olt", "silent", 0, 94, "sweep", True))
        clock.ahead += timedelta(minutes=5)
        await service.sweep(olt)
        assert service.outages.open() == []
        await row_is(database, ("olt", "silent", 0, 94, "sweep", False))


async def test_cards_that_wait_for_a_silent_olt_tell_it_too(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SimulatedOlt("epon", "vezha", pons=2) as simulated, serving(database, clock) as service:
        olt = await registered(database, simulated)
        simulated.fault = Fault.SILENT
        reading = await service.lines.read(olt, str(CALLER), 0.2)
        assert isinstance(reading, Missing)
        for _ in range(50):  # fifty cards at one moment are one failure
            assert await service.outages.look(olt, CALLER, reading) is None
        for _ in range(2):
            clock.ahead += timedelta(seconds=10)
            outage = await service.outages.look(olt, CALLER, reading)
        assert outage is not None
        assert outage.silent


async def test_a_blackout_of_a_district_is_one_outage_over_its_olts(database: Database, clock: Clock) -> None:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(serving(database, clock))
        plants, olts = [], []
        for name in ("vezha", "bereh", "pole"):
            simulated = await stack.enter_async_context(SimulatedOlt("epon", name, pons=2, onus_per_pon=12))
            plants.append(simulated)
            olts.append(replace(await registered(database, simulated), area="Центр" if name != "pole" else ""))
        for olt in olts:
            await service.sweep(olt)
        for simulated in plants:
            simulated.blackout("EPON0/2", gasp=0.7)
        plants[0].blackout("EPON0/1")
        clock.ahead += timedelta(minutes=5)
        for olt in olts:
            await service.sweep(olt)
        found = {(one.scope, one.place or one.device_name): one for one in service.outages.open()}
        assert set(found) == {("area", "Центр"), ("pon", "EPON0/2")}
        area = found["area", "Центр"]
        assert area.reason is DownReason.POWER
        assert area.mass.mixed
        assert (area.dark, area.total) == (34, 44)
        assert service.outages.of(olts[1].id, CALLER) == area
        assert service.outages.of(olts[1].id, OnuAddress.parse("EPON0/1:7")) is None
        for simulated in plants:
            simulated.splice("EPON0/2")
        clock.ahead += timedelta(minutes=5)
        for olt in olts:
            await service.sweep(olt)
        assert [(one.scope, one.place, one.device_name) for one in service.outages.open()] == [
            ("pon", "EPON0/1", "vezha")
        ]


async def test_without_a_database_outages_are_known_and_kept_later(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RETRY_S", 0.05)
    away = Database("postgresql://nobody@127.0.0.1:1/none", wait_s=0.2)
    async with SimulatedOlt("epon", "vezha", pons=3) as simulated, serving(database, clock) as service:
        olt = await registered(database, simulated)
        outages = MassOutages(away, clock, neighbours=service.lines)
        swept = await service.sweep(olt)
        assert isinstance(swept, Swept)
        kill(simulated, PON, 43)
        clock.ahead += timedelta(minutes=5)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(outages.run())
            await outages.swept(swept)
            reading = await service.lines.read(olt, str(CALLER))
            assert await outages.look(olt, CALLER, reading) is not None
            outages._database = database
            await row_is(database, ("pon", PON, 43, 48, "call", True))
            running.cancel()
    await away.close()


async def test_an_outage_of_a_device_that_was_removed_is_forgotten(database: Database, clock: Clock) -> None:
    async with SimulatedOlt("epon", "vezha", pons=3) as simulated, serving(database, clock) as service:
        olt = await registered(database, simulated)
        await service.sweep(olt)
        kill(simulated, PON, 43)
        clock.ahead += timedelta(minutes=5)
        await service.sweep(olt)
        await row_is(database, ("pon", PON, 43, 48, "sweep", True))
        async with database.scoped(Scope.all()) as connection:
            await connection.execute(text("DELETE FROM device WHERE id = :id"), {"id": olt.id})
        service.outages.on_notice()
        await until(lambda: service.outages.open() == [])
        assert service.running is not None
        assert not service.running.done()
