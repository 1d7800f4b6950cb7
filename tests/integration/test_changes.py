"""Changes on ONUs of simulated OLTs, over real SNMP and real command lines, kept in a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from callcenter.diag import change_rows
from callcenter.diag.change_rows import Change
from callcenter.diag.changes import HELD, Changes
from callcenter.diag.cli import Cli
from callcenter.diag.devices import CliLogin, Device, device_by_id, put_device
from callcenter.diag.driver import WriteKind
from callcenter.diag.line import LineReader
from callcenter.diag.snmp import Snmp
from callcenter.errors import Misconfigured, RuleBroken, Unavailable
from callcenter.store import Database, Scope
from callcenter.words import DeviceId, ProviderId
from lab.cli_device import CliDevice
from lab.cli_device import Fault as CliFault
from lab.clis import SCRIPTS
from lab.olt import Fault, SimulatedOlt
from tests.keys import VAULT

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
WHO = "agent:olena"
WRITE = "write-community-of-nobody"
BDCOM_RESET = (1, 3, 6, 1, 4, 1, 3320, 101, 10, 1, 1, 29)


class _Enough(Exception):
    """The test is over."""


@dataclass
class House:
    olt: SimulatedOlt
    shell: CliDevice
    device: Device
    database: Database
    changes: Changes
    now: datetime = NOON

    async def rows(self, provider: ProviderId | None = None) -> list[Change]:
        async with self.database.scoped(Scope.only([provider or self.device.provider])) as connection:
            return await change_rows.newest(connection)


@asynccontextmanager
async def house(database: Database, family: str) -> AsyncIterator[House]:
    snmp, cli = Snmp(), Cli()
    snmp.start()
    try:
        async with SimulatedOlt(family, "vezha", pons=2, onus_per_pon=8) as olt:
            olt.write_community = WRITE
            async with CliDevice(SCRIPTS[family], "telnet", model=olt.plant) as shell, asyncio.TaskGroup() as tasks:
                device = await registered(database, olt, shell)
                built: House
                lines = LineReader(snmp, database, tasks, lambda: built.now)
                built = House(olt, shell, device, database, Changes(database, lines, snmp, cli, lambda: built.now))
                yield built
                raise _Enough
    except* _Enough:
        pass
    finally:
        cli.close()
        snmp.close()


async def registered(database: Database, olt: SimulatedOlt, shell: CliDevice) -> Device:
    async with database.scoped(Scope.all()) as connection:
        made = await connection.execute(text("INSERT INTO provider (slug, brand) VALUES ('svitlo', 'С') RETURNING id"))
        provider = ProviderId(made.scalar_one())
        login = CliLogin("telnet", shell.user, SecretStr(shell.password), None, shell.port)
        number = await put_device(
            connection, VAULT,
            Device(
                DeviceId(0), provider, olt.name, olt.driver, olt.host, SecretStr("public"), olt.port,
                write_community=SecretStr(WRITE), cli=login,
            ),
        )  # fmt: skip
        device = await device_by_id(connection, VAULT, number)
    assert device is not None
    return device


async def test_a_reboot_is_planned_shown_and_done_once_by_a_set_with_the_write_community(database: Database) -> None:
    async with house(database, "bdcom_epon") as h:
        onu = h.olt.onu("EPON0/1:1")
        plan = await h.changes.plan(h.device, "epon0/1:1", "reboot")
        assert plan.commands == (f"set {'.'.join(map(str, (*BDCOM_RESET, onu.if_index)))} = 0",)
        assert h.olt.written == []
        assert await h.rows() == []
        change = await h.changes.carry_out(plan, WHO)
        assert h.olt.written == [((*BDCOM_RESET, onu.if_index), 0)]
        assert (change.state, change.who, change.before["state"]) == ("done", WHO, "online")
        assert await h.rows() == [change]
        with pytest.raises(RuleBroken, match="already"):
            await h.changes.carry_out(plan, WHO)
        assert len(h.olt.written) == 1


@pytest.mark.parametrize(
    ("family", "kind", "value", "name"),
    [("gcom_epon", "describe", "Street 5 flat 12", "description"), ("bdcom_epon", "vlan", "345", "vlan")],
)
async def test_commands_are_shown_exactly_and_their_effect_is_read_back(
    database: Database, family: str, kind: WriteKind, value: str, name: str
) -> None:
    async with house(database, family) as h:
        plan = await h.changes.plan(h.device, "EPON0/1:1", kind, value)
        assert not set(plan.commands) & set(h.shell.commands)
        change = await h.changes.carry_out(plan, WHO)
        assert (change.state, change.note) == ("done", "")
        given = [command for command in h.shell.commands if command in plan.commands]
        assert tuple(given) == plan.commands
        assert change.before[name] != change.after[name]
        assert str(change.after[name]).replace("_", " ") == value
        onu = h.olt.onu("EPON0/1:1")
        assert value in {str(onu.vlan), onu.description.replace("_", " ")}


@pytest.mark.parametrize("value", ["a\nreboot", "a; reboot", "a ?", "", "x" * 200, 'a" reboot "', "опис"])
async def test_a_description_can_never_be_another_command(database: Database, value: str) -> None:
    async with house(database, "gcom_epon") as h:
        with pytest.raises(RuleBroken):
            await h.changes.plan(h.device, "EPON0/1:1", "describe", value)
        assert h.shell.sessions == 0


@pytest.mark.parametrize("value", ["0", "4095", "12; reboot", "", "1\n2", "-1"])
async def test_a_vlan_is_a_vlan(database: Database, value: str) -> None:
    async with house(database, "bdcom_epon") as h:
        with pytest.raises(RuleBroken):
            await h.changes.plan(h.device, "EPON0/1:1", "vlan", value)


async def test_a_plan_waits_five_minutes(database: Database) -> None:
    async with house(database, "bdcom_epon") as h:
        plan = await h.changes.plan(h.device, "EPON0/1:1", "reboot")
        assert h.changes.planned(plan.token) == plan
        h.now = NOON + HELD + timedelta(seconds=1)
        with pytest.raises(RuleBroken, match="plan it again"):
            await h.changes.carry_out(plan, WHO)
        assert h.olt.written == []
        assert await h.rows() == []


async def test_two_who_confirm_at_once_make_one_change(database: Database) -> None:
    async with house(database, "bdcom_epon") as h:
        plan = await h.changes.plan(h.device, "EPON0/1:1", "reboot")
        ends = await asyncio.gather(*(h.changes.carry_out(plan, WHO) for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(each, Change) for each in ends) == 1
        assert len(h.olt.written) == 1


async def test_nobody_changes_anything_anonymously(database: Database) -> None:
    async with house(database, "bdcom_epon") as h:
        plan = await h.changes.plan(h.device, "EPON0/1:1", "reboot")
        with pytest.raises(RuleBroken, match="who"):
            await h.changes.carry_out(plan, "  ")
        assert h.olt.written == []


async def test_nothing_is_written_where_nothing_can_be_read(database: Database) -> None:
    async with house(database, "bdcom_epon") as h:
        plan = await h.changes.plan(h.device, "EPON0/1:1", "reboot")
        h.olt.fault = Fault.GARBAGE
        with pytest.raises(Unavailable, match="nothing is written"):
            await h.changes.plan(h.device, "EPON0/1:2", "reboot")
        change = await h.changes.carry_out(plan, WHO)
        assert (change.state, h.olt.written) == ("refused", [])
        assert "nothing was written" in change.note
        assert await h.rows() == [change]


async def test_an_onu_that_stands_elsewhere_by_now_is_not_written_to(database: Database) -> None:
    async with house(database, "bdcom_epon") as h:
        plan = await h.changes.plan(h.device, "EPON0/1:1", "reboot")
        h.olt.renumber()
        change = await h.changes.carry_out(plan, WHO)
        assert (change.state, h.olt.written) == ("refused", [])
        assert "anew" in change.note


async def test_another_onu_in_its_place_is_not_written_to(database: Database) -> None:
    async with house(database, "bdcom_epon") as h:
        plan = await h.changes.plan(h.device, "EPON0/1:1", "vlan", "345")
        h.olt.onu("EPON0/1:1").mac = b"\x1c\xef\x03\xff\xff\xff"
        change = await h.changes.carry_out(plan, WHO)
        assert change.state == "refused"
        assert "another ONU" in change.note
        assert not set(plan.commands) & set(h.shell.commands)


async def test_an_absent_onu_and_a_family_that_cannot_are_said_so(database: Database) -> None:
    async with house(database, "bdcom_epon") as h:
        with pytest.raises((RuleBroken, Unavailable)):
            await h.changes.plan(h.device, "EPON0/1:99", "reboot")
        with pytest.raises(RuleBroken):
            await h.changes.plan(h.device, "GPON0/1:1", "reboot")
        with pytest.raises(RuleBroken, match="no known way"):
            await h.changes.plan(replace(h.device, driver="cdata_fd11"), "EPON0/1:1", "vlan", "5")
        with pytest.raises(Misconfigured, match="write community"):
            await h.changes.plan(replace(h.device, write_community=None), "EPON0/1:1", "reboot")
        with pytest.raises(Misconfigured, match="command line"):
            await h.changes.plan(replace(h.device, cli=None), "EPON0/1:1", "vlan", "5")


async def test_a_wrong_write_community_fails_and_is_in_no_note(database: Database) -> None:
    async with house(database, "bdcom_epon") as h:
        device = replace(h.device, write_community=SecretStr("wrong-one-of-nobody"))
        change = await h.changes.carry_out(await h.changes.plan(device, "EPON0/1:1", "reboot"), WHO)
        assert (change.state, h.olt.written) == ("failed", [])
        assert "wrong-one" not in repr(change)


async def test_a_device_that_goes_silent_in_the_midst_leaves_an_honest_note(database: Database) -> None:
    async with house(database, "gcom_epon") as h:
        plan = await h.changes.plan(h.device, "EPON0/1:1", "describe", "flat 12")
        h.shell.fault = CliFault.DROP
        change = await h.changes.carry_out(plan, WHO)
        assert change.state == "failed"
        assert "not known" in change.note
        assert await h.rows() == [change]
        with pytest.raises(RuleBroken):
            await h.changes.carry_out(plan, WHO)


async def test_a_change_is_begun_in_the_books_before_the_device_hears_of_it(database: Database) -> None:
    async with house(database, "gcom_epon") as h:
        plan = await h.changes.plan(h.device, "EPON0/1:1", "describe", "flat 12")
        h.shell.fault = CliFault.NO_PROMPT
        going = asyncio.ensure_future(h.changes.carry_out(plan, WHO))
        async with asyncio.timeout(10):
            while not h.shell.commands:
                await asyncio.sleep(0.01)
        [row] = await h.rows()
        assert (row.state, row.who, row.commands) == ("begun", WHO, plan.commands)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert (await h.rows())[0].state == "begun"


async def test_changes_are_seen_by_their_own_provider_only(database: Database) -> None:
    async with house(database, "bdcom_epon") as h:
        await h.changes.carry_out(await h.changes.plan(h.device, "EPON0/1:1", "reboot"), WHO)
        assert await h.rows(ProviderId(h.device.provider + 1)) == []
        assert len(await h.rows()) == 1
