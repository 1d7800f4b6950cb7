"""The full diagnosis over real simulated OLTs: steps, conclusions, what is kept, what a failing device costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from callcenter.diag import diagnosis_rows
from callcenter.diag.cli import Cli
from callcenter.diag.conclusion import Confidence, Lamp
from callcenter.diag.devices import Device, device_by_name, put_device
from callcenter.diag.diagnosis import (
    AT_ONCE,
    MOST_WAITING,
    Diagnoses,
    Examined,
    Fact,
    LineAbout,
    Step,
    StepName,
    StepState,
)
from callcenter.diag.diagnosis_rows import KeptDiagnosis
from callcenter.diag.examined import steps_of
from callcenter.diag.inquiry import Inquiry
from callcenter.diag.line import LineReader
from callcenter.diag.outages import MassOutages
from callcenter.diag.ports import Ports
from callcenter.diag.reach import Reach
from callcenter.diag.reading import LineDetails
from callcenter.diag.snmp import Snmp
from callcenter.diag.sweep import Sweeper
from callcenter.diag.verdict import Cause
from callcenter.errors import RuleBroken
from callcenter.store import Database, Scope
from callcenter.words import DeviceId, Missing, ProviderId, UniqueId
from lab.cli_device import CliDevice
from lab.cli_device import Fault as CliFault
from lab.clis import SCRIPTS
from lab.olt import Fault, SimulatedOlt
from lab.plant import Onu
from lab.switch import SimulatedSwitch
from tests.integration.test_cli_door import device_of
from tests.integration.test_outages import Clock
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
    clock: Clock
    seen: list[Examined]
    changed: asyncio.Event

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
        async with asyncio.timeout(90):
            while True:
                now = self.diagnoses.one(number)
                assert now is not None
                if wanted(now):
                    return now
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def bench(
    database: Database,
    family: str = "bdcom_epon",
    cli: CliDevice | None = None,
    at_once: int = AT_ONCE,
    seeds: bool = True,
) -> AsyncIterator[Bench]:
    async with database.scoped(Scope.all()) as connection:
        if seeds:
            await connection.execute(text("INSERT INTO provider (slug, brand) VALUES ('svitlo', 'СвітлоНет')"))
    snmp, door, clock, seen, changed = Snmp(), Cli(), Clock(), [], asyncio.Event()
    snmp.start()

    def on_change(examined: Examined) -> None:
        seen.append(examined)
        changed.set()

    try:
        async with SimulatedOlt(family, "vezha", pons=2, onus_per_pon=12) as olt, asyncio.TaskGroup() as tasks:
            async with database.scoped(Scope.only([OURS])) as connection:
                given = Device(DeviceId(0), OURS, "vezha", family, olt.host, SecretStr("public"), olt.port)
                given = given if cli is None else replace(given, cli=device_of(cli).cli)
                await put_device(connection, VAULT, given)
                device = await device_by_name(connection, VAULT, OURS, "vezha")
            lines = LineReader(snmp, database, tasks, clock)
            outages = MassOutages(database, clock, neighbours=lines)
            tasks.create_task(outages.run())
            sweeper = Sweeper(database, lines, VAULT, clock, listeners=[outages.swept], failed=[outages.sweep_failed])
            diagnoses = Diagnoses(
                database, clock, tasks, lines=lines, outages=outages, pings=Reach(), cli=door, ports=Ports(snmp),
                on_change=on_change, at_once=at_once,
            )  # fmt: skip
            yield Bench(diagnoses, device, olt, database, sweeper, clock, seen, changed)
            raise _Enough
    except* _Enough:
        pass
    finally:
        door.close()
        snmp.close()


def states(examined: Examined) -> dict[StepName, StepState]:
    return {step.name: step.state for step in examined.steps}


async def rows_of(database: Database, provider: ProviderId, call: UniqueId = CALL) -> list[KeptDiagnosis]:
    async with database.scoped(Scope.only([provider])) as connection:
        return await diagnosis_rows.of_call(connection, call)


async def kept(house: Bench, many: int = 1, conclusions: int = 1) -> list[KeptDiagnosis]:
    """The rows, once so many of them are concluded so many times: the screen is told before the database."""
    async with asyncio.timeout(20):
        while True:
            found = await rows_of(house.database, OURS)
            if len(found) == many and all(len(each.concluded) >= conclusions for each in found):
                return found
            await asyncio.sleep(0.01)


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
        assert (row.who, row.call, row.line) == ("user:Олена", CALL, str(good.address))
        assert (row.steps, row.started_at, row.ended_at) == (found.steps, found.started_at, found.ended_at)
        assert row.conclusion == replace(found.conclusion, line=None)


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
        house.clock.ahead += timedelta(minutes=5)
        house.olt.cut(good.address.pon)
        found = await house.examine(good)
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.MASS_OUTAGE
        assert found.conclusion.visit is False
        assert found.step(StepName.MASS).facts[0].key == "diag.fact.outage"
        early = next(each for each in house.seen if each.conclusion is not None)
        assert early.conclusion == found.conclusion, "the agent need not wait for the pings"


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
        found = await house.diagnoses.answer(found.id, Lamp.POWER_LIT, False, "user:Ірина") or found
        assert found.conclusion is not None
        assert (found.conclusion.cause, found.conclusion.confidence) == (Cause.NO_POWER, Confidence.SURE)
        [row] = await kept(house, conclusions=2)
        assert [(each.lamp, each.lit, each.who) for each in row.answers] == [(Lamp.POWER_LIT, False, "user:Ірина")]
        assert [each.conclusion.cause for each in row.concluded] == [Cause.NO_LIGHT, Cause.NO_POWER]
        found = await house.diagnoses.answer(found.id, Lamp.POWER_LIT, None) or found
        assert found.lamps == {}
        [row] = await kept(house, conclusions=3)
        assert [each.conclusion.cause for each in row.concluded] == [Cause.NO_LIGHT, Cause.NO_POWER, Cause.NO_LIGHT]


async def test_a_lamp_that_is_told_meanwhile_is_concluded_from_at_the_end(database: Database) -> None:
    async with bench(database) as house:
        begun = await house.diagnoses.start(house.about(house.cast[4]), "user:Олена", CALL)
        await house.diagnoses.answer(begun.id, Lamp.LOS_RED, True)
        found = await house.until(begun.id, lambda now: now.ended_at is not None)
        assert found.conclusion is not None
        assert (found.conclusion.cause, found.conclusion.confidence) == (Cause.NO_LIGHT, Confidence.SURE)
        assert found.step(StepName.LAMPS).state is StepState.DONE
        assert await house.diagnoses.answer(10**6, Lamp.LOS_RED, True) is None


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
        last = await house.until(begun[-1].id, lambda now: now.ahead > 0)
        assert last.ahead == 200 - AT_ONCE
        for one in begun:
            found = await house.until(one.id, lambda now: now.ended_at is not None)
            assert found.conclusion is not None
            assert found.ahead == 0
        assert house.olt.peak_outstanding == 1
        assert len({each.id for each in house.seen if each.steps[0].state is StepState.RUNNING}) == 200
        async with asyncio.timeout(20), database.scoped(Scope.only([OURS])) as connection:
            while (await connection.execute(text("SELECT count(verdict) FROM diagnosis"))).scalar_one() < 200:
                await asyncio.sleep(0.01)


async def test_so_many_wait_that_the_next_is_refused(database: Database) -> None:
    async with bench(database, at_once=1) as house:
        house.olt.fault = Fault.SILENT
        about = replace(house.about(house.cast[0]), ip=None)
        for number in range(MOST_WAITING + 1):
            last = await house.diagnoses.start(about, "user:Олена", UniqueId(f"1773144000.{number}"))
        await house.until(last.id, lambda now: now.ahead == MOST_WAITING)
        with pytest.raises(RuleBroken, match="wait for their turn"):
            await house.diagnoses.start(about, "user:Олена")
        assert (await house.diagnoses.start(about, "user:Олена", UniqueId("1773144000.7"))).id == 8, "it waits already"


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


async def test_without_a_database_the_agent_still_has_a_diagnosis(database: Database) -> None:
    async with bench(database) as house:
        house.diagnoses._database = Database("postgresql://nobody@127.0.0.1:1/none")
        begun = await house.diagnoses.start(house.about(house.cast[0]), "user:Олена")
        found = await house.until(begun.id, lambda now: now.ended_at is not None)
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.GOOD
        away, house.diagnoses._database = house.diagnoses._database, database
        await away.close()
        await house.examine(house.cast[0])
        [late] = await kept(house)
        async with database.scoped(Scope.only([OURS])) as connection:
            first = await diagnosis_rows.one(connection, late.id - 1) or await diagnosis_rows.one(
                connection, late.id + 1
            )
        assert first is not None, "what could not be kept is kept with the next one"
        assert (first.call, first.started_at, first.conclusion) == (
            None, found.started_at, replace(found.conclusion, line=None),
        )  # fmt: skip


# --- the command line ---


async def test_the_command_line_tells_what_snmp_does_not(database: Database) -> None:
    """V-SOL tells MACs on its command line only, and the level at the OLT nowhere."""
    simulated = CliDevice(SCRIPTS["vsol_epon"], "telnet")
    async with simulated, bench(database, "vsol_epon", simulated) as house:
        simulated.model.onus.update(house.olt.plant.onus)
        good = house.cast[0]
        found = await house.examine(good, mac="64:ee:b7:ff:ff:ff")
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.OTHER_MAC
        assert found.conclusion.args["found"] == good.behind[0].hex(":")
        assert simulated.peak_sessions == 1
        assert not any("optical" in line or "opm" in line for line in simulated.commands), "SNMP told the levels"


async def test_what_a_missing_login_would_tell_is_said(database: Database) -> None:
    async with bench(database, "vsol_epon") as house:
        found = await house.examine(house.cast[0])
        assert "diag.fact.cli_would_tell" in {fact.key for fact in found.step(StepName.MAC).facts}


@pytest.mark.parametrize("wrong", ["password", "silent", "nonsense"])
async def test_a_command_line_that_fails_costs_its_step_alone(database: Database, wrong: str) -> None:
    simulated = CliDevice(SCRIPTS["vsol_epon"], "telnet")
    async with simulated, bench(database, "vsol_epon", simulated) as house:
        simulated.model.onus.update(house.olt.plant.onus)
        if wrong == "password":
            simulated.password = "another"
        else:
            simulated.fault = CliFault(wrong)
        found = await house.examine(house.cast[6])
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.ROUTER_OFF
        keys = {fact.key for step in found.steps for fact in step.facts}
        assert keys & {"diag.missing.refused", "diag.missing.no-answer", "line.missing.nonsense"}
        assert found.step(StepName.UNI).state is StepState.DONE
        assert found.step(StepName.ICMP).state is StepState.DONE
        told = [str(fact.args) for step in found.steps for fact in step.facts]
        assert not any("secret-of-the-line" in each for each in told)


# --- what else the house knows ---


async def test_light_that_fell_is_told_by_the_lines_own_week_and_its_neighbours(database: Database) -> None:
    async with bench(database) as house:
        good, others = house.cast[0], [onu for onu in house.olt.plant.onus.values() if onu.down is None]
        async with database.scoped(Scope.only([OURS])) as connection:
            for onu in others:
                await connection.execute(
                    text(
                        "INSERT INTO onu_history (device_id, provider_id, onu, at, state, onu_rx, olt_rx) "
                        "SELECT :device, 1, :onu, CAST(:at AS timestamptz) - n * interval '1 hour', 'online', "
                        ":rx, :olt_rx "
                        "FROM generate_series(1, 40) AS n"
                    ),
                    {"device": house.device.id, "onu": str(onu.address), "at": house.clock(),
                     "rx": onu.rx, "olt_rx": onu.olt_rx},
                )  # fmt: skip
        house.olt.set_level(str(good.address), good.rx - 4.0, good.olt_rx - 4.0)
        await house.sweeper.once(house.device)
        found = await house.examine(good)
        assert found.conclusion is not None
        assert (found.conclusion.cause, found.conclusion.visit) == (Cause.DROPPED, True)
        house.olt.set_level(str(good.address), -23.8, -21.2)
        found = await house.examine(good)
        assert found.conclusion is not None
        assert found.conclusion.cause is Cause.BENT
        house.olt.set_level(str(good.address), -23.8, -25.0)
        for onu in others:
            if onu is not good:
                house.olt.set_level(str(onu.address), onu.rx - 4.0, onu.olt_rx - 4.0)
        await house.sweeper.once(house.device)
        found = await house.examine(good)
        assert found.conclusion is not None
        assert (found.conclusion.cause, found.conclusion.visit) == (Cause.PON_DROPPED, False)


async def test_a_mistake_of_ours_costs_its_step_alone() -> None:
    about = LineAbout(OURS, Device(DeviceId(1), OURS, "vezha", "bdcom_epon", "127.0.0.1", SecretStr("public")))
    inquiry = Inquiry(Examined(1, about, None, "user:Олена", NOON, steps_of(about)), lambda examined: None)

    async def broken() -> LineDetails:
        raise KeyError("no such row")

    assert await inquiry.ask(StepName.MAC, broken()) == Missing("line.missing.failed", "vezha")
    assert inquiry.examined.step(StepName.MAC).state is StepState.FAILED
    assert inquiry.examined.step(StepName.ICMP).state is StepState.WAITING


async def test_what_devices_say_is_kept_whatever_it_is(database: Database) -> None:
    hostile = "a\x00b\ud800\x1b[31m'; DROP TABLE diagnosis; --"
    async with bench(database) as house:
        about = house.about(house.cast[0])
        told = Step(StepName.MAC, StepState.DONE, (Fact("diag.fact.log_line", {"line": hostile, "n": float("nan")}),))
        examined = Examined(1, about, CALL, "user:Олена", NOON, (told,))
        async with database.scoped(Scope.only([OURS])) as connection:
            examined = replace(examined, row=await diagnosis_rows.begin(connection, examined))
            await diagnosis_rows.save(connection, examined)
        [row] = await rows_of(database, OURS)
        assert row.steps[0].facts[0].args == {"line": hostile.replace("\x00", "").replace("\ud800", "?"), "n": "–"}


async def test_what_another_version_kept_is_understood_as_far_as_it_can_be(database: Database) -> None:
    async with bench(database), database.scoped(Scope.only([OURS])) as connection:
        await connection.execute(
            text(
                "INSERT INTO diagnosis "
                "(provider_id, call_id, line, started_at, ended_at, who, steps, answers, verdict) "
                "VALUES (1, :call, 'EPON0/1:1', :at, :at, 'user:1', "
                """'[{"name": "astrology", "state": "done", "facts": [], "took_ms": 1}]', '{"power_lit": true}', """
                """'{"cause": "weak", "level": "weak", "confidence": "likely", "args": {}, """
                """"stands_on": [], "visit": false}')"""
            ),
            {"call": CALL, "at": NOON},
        )
        [row] = await diagnosis_rows.of_call(connection, CALL)
    assert (row.steps, row.answers) == ((), ())
    assert row.conclusion is not None
    assert (row.conclusion.cause, row.concluded[0].at) == (Cause.WEAK, NOON)


async def test_one_provider_never_reads_anothers_diagnosis(database: Database) -> None:
    async with bench(database) as house:
        await house.examine(house.cast[0])
        assert await kept(house)
        assert await rows_of(database, ProviderId(2)) == []
