"""L2 circuits over two real switches: SNMP tells how they are, SSH changes them, and both are one device."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from callcenter.diag.circuit_work import Circuits, circuit_named, put_circuit
from callcenter.diag.circuits import Circuit, Fault, Hop
from callcenter.diag.cli import Cli
from callcenter.diag.devices import CliLogin, Device, put_device
from callcenter.diag.ports import Ports
from callcenter.diag.snmp import Snmp
from callcenter.errors import RuleBroken
from callcenter.store import Database, Scope
from callcenter.words import DeviceId, ProviderId
from lab.cli_device import CliDevice
from lab.cli_device import Fault as CliFault
from lab.clis import SCRIPTS
from lab.clis.script import Answer, Place
from lab.switch import Kind, SimulatedSwitch
from tests.keys import VAULT

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
OURS = ProviderId(1)
WHO = "user:Ірина"
TRUNK, ACCESS = 24, 5
NAMES: dict[str, tuple[str, str]] = {
    "hp_procurve": ("5", "24"), "hp_comware": ("GE1/0/5", "GE1/0/24"), "cisco_ios": ("Gi1/0/5", "Gi1/0/24"),
}  # fmt: skip
REFUSAL = "% Invalid input detected at '^' marker.\nInvalid input: no"
Protocol: TypeAlias = Literal["ssh", "telnet"]
Answers: TypeAlias = Callable[[Place, str], Answer]


class Site:
    """One switch with two ways in: what its command line configures, its agent shows."""

    def __init__(self, family: Kind, name: str, protocol: Protocol, answer: Callable[[Answers], Answers]) -> None:
        self.family = family
        script = SCRIPTS[family]
        self.switch: SimulatedSwitch = script.model()
        self.switch.name = name
        self.shell = CliDevice(replace(script, answer=answer(script.answer)), protocol, name, model=self.switch)

    @property
    def device(self) -> Device:
        shell = self.shell
        login = CliLogin(shell.protocol, shell.user, SecretStr(shell.password), None, shell.port, shell.host_key)
        return Device(
            DeviceId(0), OURS, self.switch.name, self.family, "127.0.0.1", SecretStr("public"), self.switch.port,
            cli=login,
        )  # fmt: skip


def honest(answer: Answers) -> Answers:
    return answer


def refusing(begins: str) -> Callable[[Answers], Answers]:
    """The switch knows no command that begins so."""
    return lambda answer: lambda place, line: REFUSAL if line.startswith(begins) else answer(place, line)


def ignoring(begins: str) -> Callable[[Answers], Answers]:
    """The switch takes the command and does nothing."""
    return lambda answer: lambda place, line: "" if line.startswith(begins) else answer(place, line)


@asynccontextmanager
async def two_sites(
    database: Database, family: Kind = "cisco_ios", protocol: Protocol = "ssh",
    second: Callable[[Answers], Answers] = honest, *, seeds: bool = True,
) -> AsyncIterator[tuple[Circuits, list[Site], Circuit]]:  # fmt: skip
    sites = [Site(family, "sw-a", protocol, honest), Site(family, "sw-b", protocol, second)]
    snmp, cli = Snmp(), Cli()
    snmp.start()
    async with AsyncExitStack() as stack:
        stack.callback(snmp.close)
        stack.callback(cli.close)
        if seeds:
            async with database.scoped(Scope.all()) as connection:
                await connection.execute(text("INSERT INTO provider (slug, brand) VALUES ('svitlo', 'СвітлоНет')"))
        for site in sites:
            await stack.enter_async_context(site.switch)
            await stack.enter_async_context(site.shell)
            async with database.scoped(Scope.only([OURS])) as connection:
                await put_device(connection, VAULT, site.device)
        access, trunk = NAMES[family]
        hops = (
            Hop(DeviceId(0), "sw-a", access, 300, tagged=False),
            Hop(DeviceId(0), "sw-a", trunk, 300, tagged=True),
            Hop(DeviceId(0), "sw-b", trunk, 300, tagged=True),
            Hop(DeviceId(0), "sw-b", access, 300, tagged=False),
        )
        async with database.scoped(Scope.only([OURS])) as connection:
            await put_circuit(connection, VAULT, OURS, Circuit("Школа 5", 300, hops))
            circuit = await circuit_named(connection, OURS, "Школа 5")
        yield Circuits(database, VAULT, Ports(snmp, cli), cli, lambda: NOON), sites, circuit


def carried(site: Site) -> object:
    """All that a circuit could have changed."""
    switch = site.switch
    return dict(switch.vlans), {n: (port.mode, port.pvid, set(port.tagged)) for n, port in switch.ports.items()}


@pytest.mark.parametrize(
    ("family", "protocol"), [("cisco_ios", "ssh"), ("hp_procurve", "ssh"), ("hp_comware", "telnet")]
)
async def test_a_circuit_that_is_not_there_is_built_as_it_was_shown(
    database: Database, family: Kind, protocol: Protocol
) -> None:
    async with two_sites(database, family, protocol) as (work, sites, circuit):
        before = [carried(site) for site in sites]
        assert (await work.check(OURS, circuit, WHO)).broken_at == 1
        shown = await work.dry_run(OURS, circuit)
        assert [each.device_name for each in shown] == ["sw-a", "sw-a", "sw-b", "sw-b"]
        assert "vlan 300" in shown[0].commands
        assert [carried(site) for site in sites] == before
        built = await work.build(OURS, circuit, shown, WHO)
        assert built.judged.sound, built
        for site in sites:
            assert 300 in site.switch.vlans
            assert (site.switch.ports[TRUNK].tagged, site.switch.ports[TRUNK].pvid) == ({10, 20, 300}, 1)
            assert (site.switch.ports[ACCESS].tagged, site.switch.ports[ACCESS].pvid) == (set(), 300)
            assert site.switch.saved == 2
        assert await work.dry_run(OURS, circuit) == ()
        async with database.scoped(Scope.only([OURS])) as connection:
            [change] = (await connection.execute(text("SELECT who, state, before FROM device_change"))).all()
        assert (change.who, change.state) == (WHO, "done")
        assert change.before[f"sw-a {NAMES[family][1]}"]["tagged"] == [10, 20]


JOINS = {"hp_procurve": "untagged 5", "hp_comware": "port access vlan", "cisco_ios": "switchport access vlan"}
every_family = pytest.mark.parametrize("family", list(JOINS))


@every_family
async def test_a_refused_command_takes_everything_back_on_both_switches(database: Database, family: Kind) -> None:
    async with two_sites(database, family, second=refusing(JOINS[family])) as (work, sites, circuit):
        before = [carried(site) for site in sites]
        built = await work.build(OURS, circuit, await work.dry_run(OURS, circuit), WHO)
        assert JOINS[family] in built.why
        assert not built.judged.sound
        assert (built.rolled_back, [carried(site) for site in sites]) == (True, before)
        async with database.scoped(Scope.only([OURS])) as connection:
            states = (await connection.execute(text("SELECT state FROM device_change"))).scalars().all()
        assert states == ["rolled_back"]


@every_family
async def test_a_command_that_was_taken_and_did_nothing_is_noticed(database: Database, family: Kind) -> None:
    async with two_sites(database, family, second=ignoring(JOINS[family])) as (work, sites, circuit):
        before = [carried(site) for site in sites]
        built = await work.build(OURS, circuit, await work.dry_run(OURS, circuit), WHO)
        assert "hop 4" in built.why
        assert (built.rolled_back, [carried(site) for site in sites]) == (True, before)


@every_family
async def test_a_switch_that_takes_no_more_vlans_says_so(database: Database, family: Kind) -> None:
    async with two_sites(database, family) as (work, sites, circuit):
        sites[1].switch.most_vlans = len(sites[1].switch.vlans)
        before = [carried(site) for site in sites]
        built = await work.build(OURS, circuit, await work.dry_run(OURS, circuit), WHO)
        assert "sw-b" in built.why
        assert "vlan 300" in built.why
        assert (built.rolled_back, [carried(site) for site in sites]) == (True, before)


async def test_what_could_not_be_taken_back_is_said(database: Database) -> None:
    def stubborn(answer: Answers) -> Answers:
        """No access port, and no VLAN that was made goes away."""
        return refusing("switchport access vlan")(refusing("no vlan")(answer))

    async with two_sites(database, second=stubborn) as (work, sites, circuit):
        built = await work.build(OURS, circuit, await work.dry_run(OURS, circuit), WHO)
        assert not built.rolled_back
        assert 300 in sites[1].switch.vlans
        assert 300 not in sites[0].switch.vlans
        async with database.scoped(Scope.only([OURS])) as connection:
            states = (await connection.execute(text("SELECT state FROM device_change"))).scalars().all()
        assert states == ["failed"]


async def test_a_session_that_breaks_off_takes_the_other_switch_back(database: Database) -> None:
    async with two_sites(database) as (work, sites, circuit):
        shown, before = await work.dry_run(OURS, circuit), [carried(site) for site in sites]
        sites[1].shell.fault = CliFault.DROP
        built = await work.build(OURS, circuit, shown, WHO)
        assert built.why
        assert (built.rolled_back, [carried(site) for site in sites]) == (True, before)


async def test_what_changed_since_is_not_built_over(database: Database) -> None:
    async with two_sites(database) as (work, sites, circuit):
        shown = await work.dry_run(OURS, circuit)
        sites[1].switch.ports.pop(ACCESS)
        with pytest.raises(RuleBroken):
            await work.build(OURS, circuit, shown, WHO)
        assert 300 not in sites[0].switch.vlans


async def test_commands_that_were_not_shown_are_not_sent(database: Database) -> None:
    async with two_sites(database) as (work, sites, circuit):
        shown = await work.dry_run(OURS, circuit)
        sites[0].switch.vlans[300] = "somebody"
        with pytest.raises(RuleBroken, match="changed since"):
            await work.build(OURS, circuit, shown, WHO)
        assert sites[0].shell.commands == []


@every_family
async def test_somebodys_access_port_is_never_taken_over(database: Database, family: Kind) -> None:
    async with two_sites(database, family) as (work, sites, circuit):
        sites[1].switch.ports[ACCESS].pvid = 20
        with pytest.raises(RuleBroken, match="somebody's"):
            await work.dry_run(OURS, circuit)


async def test_where_it_breaks_is_named(database: Database) -> None:
    async with two_sites(database) as (work, sites, circuit):
        await work.build(OURS, circuit, await work.dry_run(OURS, circuit), WHO)
        sites[1].switch.ports[TRUNK].up = False
        judged = await work.check(OURS, circuit, WHO)
        assert (judged.broken_at, judged.hops[2].fault) == (3, Fault.PORT_DOWN)
        sites[1].switch.ports[TRUNK].up = True
        sites[1].switch.ports[TRUNK].tagged.discard(300)
        judged = await work.check(OURS, circuit, WHO)
        assert (judged.broken_at, judged.hops[2].fault) == (3, Fault.NOT_A_MEMBER)
        sites[1].switch.silent = True
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
