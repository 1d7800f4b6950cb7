"""L2 circuits over two real switches: SNMP tells how they are, SSH changes them, and both are one device."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from callcenter.diag.circuit_work import Circuits, circuit_named, put_circuit
from callcenter.diag.circuits import Circuit, Fault, Hop
from callcenter.diag.cli import Cli
from callcenter.diag.devices import CliLogin, Device, put_device
from callcenter.diag.ports import Ports
from callcenter.diag.reading import PortReading
from callcenter.diag.snmp import Snmp
from callcenter.errors import RuleBroken
from callcenter.store import Database, Scope
from callcenter.words import DeviceId, Missing, ProviderId
from lab.cli_device import CliDevice
from lab.clis import cisco_ios
from lab.switch import SimulatedSwitch
from tests.keys import VAULT

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
OURS = ProviderId(1)
WHO = "user:Ірина"
TRUNK, ACCESS = 24, 5
CUSTOMER = bytes.fromhex("64eeb7000009")


class Site:
    """One switch with two ways in: its agent and its command line show the same ports and VLANs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.model = cisco_ios.new()
        self.agent = SimulatedSwitch("cisco_ios", name)
        self.shell = CliDevice(cisco_ios.SCRIPT, "ssh", name, model=self.model)
        self.agent.vlans = self.model.vlans
        for number, port in self.agent.ports.items():
            port.pvid = 1
            port.tagged = self.model.ports[f"GigabitEthernet1/0/{number}"].allowed

    def sees(self) -> None:
        """An access port's VLAN is a number and not a shared set: it is carried over."""
        for number, port in self.agent.ports.items():
            kept = self.model.ports[f"GigabitEthernet1/0/{number}"]
            port.pvid = 1 if kept.trunk else kept.access


class Watched(Ports):
    """Reads ports after what the command line changed is seen by the agent too."""

    def __init__(self, snmp: Snmp, sites: list[Site]) -> None:
        super().__init__(snmp)
        self._sites = sites

    async def read(self, device: Device, port: str, budget: float = 10.0, **asked: Any) -> PortReading | Missing:
        for site in self._sites:
            site.sees()
        return await super().read(device, port, budget, **asked)


@asynccontextmanager
async def two_sites(database: Database) -> AsyncIterator[tuple[Circuits, list[Site], Circuit]]:
    sites = [Site("sw-a"), Site("sw-b")]
    snmp, cli = Snmp(), Cli()
    snmp.start()
    async with AsyncExitStack() as stack:
        stack.callback(snmp.close)
        stack.callback(cli.close)
        async with database.scoped(Scope.all()) as connection:
            await connection.execute(text("INSERT INTO provider (slug, brand) VALUES ('svitlo', 'СвітлоНет')"))
        for site in sites:
            await stack.enter_async_context(site.agent)
            await stack.enter_async_context(site.shell)
            login = CliLogin(
                "ssh", site.shell.user, SecretStr(site.shell.password), None, site.shell.port, site.shell.host_key
            )
            device = Device(
                DeviceId(0), OURS, site.name, "cisco_ios", "127.0.0.1", SecretStr("public"), site.agent.port, cli=login
            )
            async with database.scoped(Scope.only([OURS])) as connection:
                await put_device(connection, VAULT, device)
        hops = (
            Hop(DeviceId(0), "sw-a", "Gi1/0/5", 300, tagged=False),
            Hop(DeviceId(0), "sw-a", "Gi1/0/24", 300, tagged=True),
            Hop(DeviceId(0), "sw-b", "Gi1/0/24", 300, tagged=True),
            Hop(DeviceId(0), "sw-b", "Gi1/0/5", 300, tagged=False),
        )
        async with database.scoped(Scope.only([OURS])) as connection:
            await put_circuit(connection, VAULT, OURS, Circuit("Школа 5", 300, hops))
            circuit = await circuit_named(connection, OURS, "Школа 5")
        yield Circuits(database, VAULT, Watched(snmp, sites), cli, lambda: NOON), sites, circuit


async def test_a_circuit_that_is_not_there_is_built_as_it_was_shown(database: Database) -> None:
    async with two_sites(database) as (work, sites, circuit):
        assert (await work.check(OURS, circuit, WHO)).broken_at == 1
        shown = await work.dry_run(OURS, circuit)
        assert [each.device_name for each in shown] == ["sw-a", "sw-a", "sw-b", "sw-b"]
        assert "vlan 300" in shown[0].commands
        assert "switchport trunk allowed vlan add 300" in shown[1].commands
        assert 300 not in sites[0].model.vlans
        built = await work.build(OURS, circuit, shown, WHO)
        assert built.judged.sound, built
        for site in sites:
            assert site.model.ports["GigabitEthernet1/0/24"].allowed == {10, 20, 300}
            assert site.model.ports["GigabitEthernet1/0/5"].access == 300
        assert await work.dry_run(OURS, circuit) == ()
        async with database.scoped(Scope.only([OURS])) as connection:
            [change] = (await connection.execute(text("SELECT who, state, before FROM device_change"))).all()
        assert (change.who, change.state) == (WHO, "done")
        assert change.before["sw-a Gi1/0/24"]["tagged"] == [10, 20]


async def test_what_fails_in_the_middle_is_taken_back_everywhere(database: Database) -> None:
    async with two_sites(database) as (work, sites, circuit):
        shown = await work.dry_run(OURS, circuit)
        del sites[1].model.ports["GigabitEthernet1/0/5"]
        sites[1].agent.ports.pop(5)
        with pytest.raises(RuleBroken):
            await work.build(OURS, circuit, shown, WHO)
        assert 300 not in sites[0].model.vlans


async def test_a_refused_command_rolls_back_the_other_switch(database: Database) -> None:
    async with two_sites(database) as (work, sites, circuit):
        shown = await work.dry_run(OURS, circuit)
        kept = sites[1].model.ports.pop("GigabitEthernet1/0/5")  # the command line refuses it, the agent still shows it
        sites[1].model.ports["GigabitEthernet1/0/55"] = kept
        sites[1].sees = lambda: None  # type: ignore[method-assign]
        built = await work.build(OURS, circuit, shown, WHO)
        assert built.why
        assert not built.judged.sound
        assert 300 not in sites[0].model.vlans
        assert sites[0].model.ports["GigabitEthernet1/0/24"].allowed == {10, 20}
        assert sites[0].model.ports["GigabitEthernet1/0/5"].access == 1
        async with database.scoped(Scope.only([OURS])) as connection:
            states = (await connection.execute(text("SELECT state FROM device_change"))).scalars().all()
        assert states == ["rolled_back"]
        assert built.rolled_back
        assert 300 not in sites[1].model.vlans  # its port was refused, and its VLAN is taken back all the same


async def test_commands_that_were_not_shown_are_not_sent(database: Database) -> None:
    async with two_sites(database) as (work, sites, circuit):
        shown = await work.dry_run(OURS, circuit)
        sites[0].model.vlans[300] = "somebody"
        with pytest.raises(RuleBroken, match="changed since"):
            await work.build(OURS, circuit, shown, WHO)
        assert sites[0].shell.commands == []


async def test_somebodys_access_port_is_never_taken_over(database: Database) -> None:
    async with two_sites(database) as (work, sites, circuit):
        sites[1].model.ports["GigabitEthernet1/0/5"].access = 20
        with pytest.raises(RuleBroken, match="somebody's"):
            await work.dry_run(OURS, circuit)


async def test_where_it_breaks_is_named(database: Database) -> None:
    async with two_sites(database) as (work, sites, circuit):
        await work.build(OURS, circuit, await work.dry_run(OURS, circuit), WHO)
        sites[1].agent.ports[TRUNK].up = False
        judged = await work.check(OURS, circuit, WHO)
        assert (judged.broken_at, judged.hops[2].fault) == (3, Fault.PORT_DOWN)
        sites[1].agent.ports[TRUNK].up = True
        sites[1].model.ports["GigabitEthernet1/0/24"].allowed.discard(300)
        judged = await work.check(OURS, circuit, WHO)
        assert (judged.broken_at, judged.hops[2].fault) == (3, Fault.NOT_A_MEMBER)
        sites[1].agent.silent = True
        judged = await work.check(OURS, circuit, WHO)
        assert (judged.broken_at, judged.hops[2].fault) == (3, Fault.UNREADABLE)


async def test_another_providers_devices_are_no_hops(database: Database) -> None:
    async with two_sites(database):
        async with database.scoped(Scope.all()) as connection:
            await connection.execute(text("INSERT INTO provider (slug, brand) VALUES ('dim', 'Дім')"))
        hops = (Hop(DeviceId(0), "sw-a", "Gi1/0/5", 300, tagged=False),)
        async with database.scoped(Scope.only([ProviderId(2)])) as connection:
            with pytest.raises(RuleBroken, match="no device sw-a"):
                await put_circuit(connection, VAULT, ProviderId(2), Circuit("чуже", 300, hops))
