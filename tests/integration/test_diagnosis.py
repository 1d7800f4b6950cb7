"""The full diagnosis over real simulated OLTs: its steps, its conclusion, what is kept, what a failing device costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from callcenter.diag.conclusion import Confidence, Echoes, Lamp
from callcenter.diag.devices import Device, device_by_name, put_device
from callcenter.diag.diagnosis import Diagnoses, Examined, LineAbout, StepName, StepState
from callcenter.diag.line import LineReader
from callcenter.diag.outages import MassOutages
from callcenter.diag.ports import Ports
from callcenter.diag.reach import Reach
from callcenter.diag.snmp import Snmp
from callcenter.diag.sweep import Sweeper
from callcenter.diag.verdict import Cause
from callcenter.store import Database, Scope
from callcenter.words import DeviceId, Missing, ProviderId, UniqueId
from lab.olt import Fault, SimulatedOlt
from lab.plant import Onu
from lab.switch import SimulatedSwitch
from tests.keys import VAULT

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
OURS = ProviderId(1)
CALL = UniqueId("1773144000.7")


class _Enough(Exception):
    """The test is over."""


@dataclass
class Bench:
    """One provider with one OLT, and the diagnoses of its lines."""

    diagnoses: Diagnoses
    device: Device
    olt: SimulatedOlt
    database: Database
    sweeper: Sweeper
    changed: asyncio.Event
    now: datetime = NOON

    @property
    def cast(self) -> list[Onu]:
        """Good, weak, critical, without power, without light, too strong, router off, bad cable."""
        return list(self.olt.plant.onus.values())[:8]

    def about(self, onu: Onu, **contract: object) -> LineAbout:
        return replace(LineAbout(OURS, self.device, onu=str(onu.address), ip="127.0.0.1"), **contract)  # type: ignore[arg-type]

    async def examine(self, onu: Onu, **contract: object) -> Examined:
        """A diagnosis from its beginning to its end."""
        begun = await self.diagnoses.start(self.about(onu, **contract), "user:Олена", CALL)
        return await self.until(begun.id, lambda now: now.ended_at is not None)

    async def until(self, number: int, wanted: Callable[[Examined], bool]) -> Examined:
        async with asyncio.timeout(40):
            while True:
                now = self.diagnoses.one(number)
                assert now is not None
                if wanted(now):
                    return now
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def bench(database: Database, family: str = "bdcom_epon") -> AsyncIterator[Bench]:
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("INSERT INTO provider (slug, brand) VALUES ('svitlo', 'СвітлоНет')"))
    snmp, changed = Snmp(), asyncio.Event()
    snmp.start()
    running: list[Bench] = []

    def clock() -> datetime:
        return running[0].now if running else NOON

    try:
        async with SimulatedOlt(family, "vezha", pons=2, onus_per_pon=12) as olt, asyncio.TaskGroup() as tasks:
            async with database.scoped(Scope.only([OURS])) as connection:
                given = Device(DeviceId(0), OURS, "vezha", family, olt.host, SecretStr("public"), olt.port)
                await put_device(connection, VAULT, given)
                device = await device_by_name(connection, VAULT, OURS, "vezha")
            lines = LineReader(snmp, database, tasks, clock)
            outages = MassOutages(database, clock, neighbours=lines)
            tasks.create_task(outages.run())
            diagnoses = Diagnoses(
                database, clock, tasks, lines=lines,
                outages=outages, pings=Reach(), ports=Ports(snmp),
                on_change=lambda examined: changed.set(),
            )  # fmt: skip
            sweeper = Sweeper(database, lines, VAULT, clock)
            running.append(Bench(diagnoses, device, olt, database, sweeper, changed))
            yield running[0]
            raise _Enough
    except* _Enough:
        pass
    finally:
        snmp.close()


def states(examined: Examined) -> dict[StepName, StepState]:
    return {step.name: step.state for step in examined.steps}


async def kept(house: Bench) -> list[dict[str, object]]:
    async with house.database.scoped(Scope.only([OURS])) as connection:
        rows = await connection.execute(text("SELECT * FROM diagnosis ORDER BY id"))
        return [dict(row._mapping) for row in rows]


async def test_a_line_in_order_is_looked_at_from_end_to_end(database: Database) -> None:
    async with bench(database) as house:
        good = house.cast[0]
        found = await house.examine(good, mac=good.behind[0].hex(":"), vlan=good.vlan)
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.GOOD
        told = states(found)
        assert told[StepName.LAMPS] is StepState.WAITING
        for name in (
            StepName.OLT,
            StepName.MASS,
            StepName.STATE,
            StepName.LEVELS,
            StepName.UNI,
            StepName.MAC,
            StepName.LOG,
        ):
            assert told[name] is StepState.DONE, name
        assert any(step.took_ms is not None for step in found.steps)
        [row] = await kept(house)
        assert (row["who"], row["call_id"], row["line"]) == ("user:Олена", CALL, str(good.address))
        assert row["verdict"]["cause"] == "good"  # type: ignore[index]


@pytest.mark.parametrize(
    ("place", "cause"),
    [(1, Cause.WEAK), (2, Cause.CRITICAL), (3, Cause.NO_POWER), (4, Cause.NO_LIGHT), (5, Cause.TOO_STRONG),
     (6, Cause.ROUTER_OFF), (7, Cause.SLOW_CABLE)],
)  # fmt: skip
async def test_what_is_wrong_is_concluded(database: Database, place: int, cause: Cause) -> None:
    async with bench(database) as house:
        found = await house.examine(house.cast[place])
        assert found.conclusion is not None
        assert found.conclusion.cause is cause
        if cause in {Cause.NO_POWER, Cause.NO_LIGHT}:
            assert states(found)[StepName.LEVELS] is StepState.SKIPPED


async def test_a_dark_port_is_not_this_line_alone(database: Database) -> None:
    async with bench(database) as house:
        good = house.cast[0]
        await house.sweeper.once(house.device)
        house.now += timedelta(seconds=30)
        house.olt.cut(good.address.pon)
        found = await house.examine(good)
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.MASS_OUTAGE
        assert found.conclusion.visit is False


async def test_another_router_and_another_vlan_are_told(database: Database) -> None:
    async with bench(database, "gcom_epon") as house:
        good = house.cast[0]
        found = await house.examine(good, mac="64:ee:b7:ff:ff:ff", vlan=good.vlan)
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.OTHER_MAC
        found = await house.examine(good, mac=good.behind[0].hex(":"), vlan=999)
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.WRONG_VLAN


async def test_a_silent_olt_costs_its_steps_and_is_never_offline(database: Database) -> None:
    async with bench(database) as house:
        house.olt.fault = Fault.SILENT
        found = await house.examine(house.cast[0])
        assert found.conclusion is not None
        assert found.conclusion.cause in {Cause.NO_READING, Cause.OLT_SILENT}
        assert states(found)[StepName.OLT] is StepState.FAILED
        assert states(found)[StepName.ICMP] is StepState.DONE


async def test_an_olt_that_falls_silent_in_the_middle_ends_all_the_same(database: Database) -> None:
    async with bench(database) as house:
        begun = await house.diagnoses.start(house.about(house.cast[0]), "user:Олена")
        await house.until(begun.id, lambda now: states(now)[StepName.STATE] is StepState.DONE)
        house.olt.fault = Fault.SILENT
        found = await house.until(begun.id, lambda now: now.ended_at is not None)
        assert found.conclusion is not None
        assert found.conclusion.cause not in {Cause.NO_LIGHT, Cause.NO_POWER, Cause.OFF}


async def test_the_subscribers_lamps_conclude_anew_and_are_kept(database: Database) -> None:
    async with bench(database) as house:
        found = await house.examine(house.cast[4])
        assert found.conclusion is not None
        assert (found.conclusion.cause, found.conclusion.confidence) == (Cause.NO_LIGHT, Confidence.LIKELY)
        found = await house.diagnoses.answer(found.id, Lamp.POWER_LIT, False) or found
        assert found.conclusion is not None
        assert (found.conclusion.cause, found.conclusion.confidence) == (Cause.NO_POWER, Confidence.SURE)
        [row] = await kept(house)
        assert row["answers"] == {"power_lit": False}
        assert row["verdict"]["cause"] == "no-power"  # type: ignore[index]


async def test_a_second_press_goes_on_with_the_first_and_a_later_one_begins_anew(database: Database) -> None:
    async with bench(database) as house:
        about = house.about(house.cast[0])
        first = await house.diagnoses.start(about, "user:Олена", CALL)
        again = await house.diagnoses.start(about, "user:Олена", CALL)
        assert again.id == first.id
        await house.until(first.id, lambda now: now.ended_at is not None)
        assert (await house.diagnoses.start(about, "user:Олена", CALL)).id != first.id
        assert house.diagnoses.of_call(CALL) is not None


async def test_two_hundred_at_once_take_their_turns(database: Database) -> None:
    async with bench(database) as house:
        onus = list(house.olt.plant.onus.values())
        begun = [
            await house.diagnoses.start(
                replace(house.about(onus[number % len(onus)]), ip=None), "user:Олена", UniqueId(f"1773144000.{number}")
            )
            for number in range(200)
        ]
        for one in begun:
            found = await house.until(one.id, lambda now: now.ended_at is not None)
            assert found.conclusion is not None
        assert house.olt.peak_outstanding == 1
        assert len(await kept(house)) == 200


async def test_a_line_on_a_switch(database: Database) -> None:
    async with bench(database) as house, SimulatedSwitch("cisco_ios") as switch:
        device = Device(
            DeviceId(house.device.id), OURS, "sw", "cisco_ios", "127.0.0.1", SecretStr("public"), switch.port
        )
        about = LineAbout(OURS, device, port="Gi1/0/7", vlan=100, ip="127.0.0.1")
        switch.ports[7].macs = {100: [bytes.fromhex("64eeb7000001")]}
        begun = await house.diagnoses.start(about, "user:Олена")
        found = await house.until(begun.id, lambda now: now.ended_at is not None)
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.GOOD
        switch.ports[7].up = False
        begun = await house.diagnoses.start(about, "user:Олена")
        found = await house.until(begun.id, lambda now: now.ended_at is not None)
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.PORT_DOWN


async def test_pings_tell_their_loss_and_why_they_could_not_be_sent() -> None:
    reach = Reach()
    found = await reach.ping("127.0.0.1")
    assert isinstance(found, Echoes), found
    assert found.sent >= 50
    assert found.loss == 0
    assert await reach.ping("no address") == Missing("line.missing.no-address", "no address")
    assert await Reach(allowed=False).ping("127.0.0.1") == Missing("line.missing.ping-off")


async def test_without_a_database_the_agent_still_has_a_diagnosis(database: Database) -> None:
    async with bench(database) as house:
        house.diagnoses._database = Database("postgresql://nobody@127.0.0.1:1/none")
        begun = await house.diagnoses.start(house.about(house.cast[0]), "user:Олена")
        assert begun.id < 0
        found = await house.until(begun.id, lambda now: now.ended_at is not None)
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.GOOD
        await house.diagnoses._database.close()
