"""What stands beside the OLTs: their command lines, two switches of the first provider, and a circuit over them.

The switches' command line and SNMP are one device each, so that what is built through one is seen by the other.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pydantic import SecretStr

from callcenter.diag.circuit_work import put_circuit
from callcenter.diag.circuits import Circuit, Hop
from callcenter.diag.devices import CliLogin, Device, devices, put_device
from callcenter.routing.register import provider_id
from callcenter.store import Scope
from callcenter.store.vault import open_vault
from callcenter.words import DeviceId
from lab.cli_device import CliDevice
from lab.clis import SCRIPTS
from lab.switch import SimulatedSwitch

if TYPE_CHECKING:
    from lab.house import House

SWITCH, VLAN = "cisco_ios", 300
WRITE = "lab-write"
ACCESS, TRUNK = "Gi1/0/5", "Gi1/0/24"
CIRCUIT = "Школа 5"


@dataclass
class LabSite:
    """The simulated command lines by the device's name, and the switches."""

    shells: dict[str, CliDevice] = field(default_factory=dict)
    switches: dict[str, SimulatedSwitch] = field(default_factory=dict)

    async def open(self, house: House, stack: AsyncExitStack) -> None:
        """Starts everything and writes it down as `callcenter device` and `callcenter circuit` would."""
        for name in ("sw-a", "sw-b"):
            switch: SimulatedSwitch = SCRIPTS[SWITCH].model()
            switch.name = name
            self.switches[name] = await stack.enter_async_context(switch)
            await self._shell(stack, name, SWITCH, switch)
        for name, olt in house.olts.items():
            if olt.driver in SCRIPTS:
                olt.write_community = WRITE
                await self._shell(stack, name, olt.driver, olt.plant)
        await self._write_down(house)

    async def _shell(self, stack: AsyncExitStack, name: str, family: str, model: object) -> None:
        shell = CliDevice(SCRIPTS[family], "ssh", name, model=model)
        self.shells[name] = await stack.enter_async_context(shell)

    async def _write_down(self, house: House) -> None:
        settings = house.settings
        vault = await asyncio.to_thread(open_vault, settings.data_dir, settings.vault.keys)
        async with house.db.scoped(Scope.all()) as connection:
            owner = await provider_id(connection, house.plan.providers[0].slug)
            for known in await devices(connection, vault):
                if known.name in self.shells:
                    written = replace(known, cli=self._login(known.name), write_community=SecretStr(WRITE))
                    await put_device(connection, vault, written)
            for name, switch in self.switches.items():
                new = Device(
                    DeviceId(0), owner, name, SWITCH, "127.0.0.1", SecretStr("public"), switch.port,
                    cli=self._login(name),
                )  # fmt: skip
                await put_device(connection, vault, new)
            hops = tuple(
                Hop(DeviceId(0), name, port, VLAN, tagged=port == TRUNK)
                for name, ports in (("sw-a", (ACCESS, TRUNK)), ("sw-b", (TRUNK, ACCESS)))
                for port in ports
            )
            await put_circuit(connection, vault, owner, Circuit(CIRCUIT, VLAN, hops))

    def _login(self, name: str) -> CliLogin:
        shell = self.shells[name]
        return CliLogin("ssh", shell.user, SecretStr(shell.password), None, shell.port, shell.host_key)
