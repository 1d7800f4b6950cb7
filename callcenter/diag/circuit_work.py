"""L2 circuits on their devices: checked hop by hop, built with the commands that were shown, taken back if it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.diag import tables
from callcenter.diag.circuits import (
    Builds,
    Circuit,
    CircuitJudged,
    Fault,
    Hop,
    HopFacts,
    Orders,
    as_before,
    judge_circuit,
    plan,
    rest_after,
)
from callcenter.diag.cli import Cli, CommandRefused
from callcenter.diag.conclusion import Echoes
from callcenter.diag.devices import Device, device_by_id, devices
from callcenter.diag.drivers import SWITCHES
from callcenter.diag.ports import Ports
from callcenter.errors import CallCenterError, RuleBroken
from callcenter.store import Database, Scope
from callcenter.store.vault import Vault
from callcenter.words import Clock, DeviceId, Missing, ProviderId

log = logging.getLogger(__name__)

READ_BUDGET, APPLY_BUDGET = 15.0, 60.0
NOT_BUILT = frozenset({Fault.PORT_DOWN, Fault.NO_MAC, Fault.WRONG_SIDE, Fault.LOSS})
"""What no command of a circuit mends: it is told, and takes nothing back."""


class Pings(Protocol):
    async def ping(self, address: str) -> Echoes | Missing: ...


@dataclass(frozen=True, slots=True)
class Built:
    """What became of a build: ``orders`` that were carried out, and the circuit as it is now."""

    orders: tuple[Orders, ...]
    judged: CircuitJudged
    rolled_back: bool = False
    why: str = ""


async def put_circuit(connection: AsyncConnection, vault: Vault, provider: ProviderId, circuit: Circuit) -> int:
    """Writes a circuit down, or the one of this name anew. Raises ``RuleBroken`` for a device that is not there."""
    if not circuit.hops:
        raise RuleBroken(f"circuit {circuit.name} has no hop")
    by_name = {each.name: each for each in await devices(connection, vault) if each.provider == provider}
    for hop in circuit.hops:
        if hop.device_name not in by_name:
            raise RuleBroken(f"circuit {circuit.name}: the provider has no device {hop.device_name}")
    c = tables.circuit.c
    await connection.execute(delete(tables.circuit).where(c.provider_id == provider, c.name == circuit.name))
    values = {
        "provider_id": provider, "name": circuit.name, "vlan": circuit.vlan, "mac_a": circuit.mac_a,
        "mac_b": circuit.mac_b, "ip_a": circuit.ip_a, "ip_b": circuit.ip_b, "note": circuit.note,
    }  # fmt: skip
    number = int((await connection.execute(insert(tables.circuit).values(**values).returning(c.id))).scalar_one())
    for seq, hop in enumerate(circuit.hops, 1):
        await connection.execute(
            insert(tables.circuit_hop).values(
                circuit_id=number, provider_id=provider, seq=seq, device_id=by_name[hop.device_name].id, port=hop.port,
                vlan=hop.vlan, tagged=hop.tagged,
            )
        )  # fmt: skip
    return number


async def circuits(connection: AsyncConnection, provider: ProviderId | None = None) -> list[Circuit]:
    """Every circuit of the transaction's scope, by name."""
    c, h, d = tables.circuit.c, tables.circuit_hop.c, tables.device.c
    wanted = select(c.id, c.name, c.vlan, c.mac_a, c.mac_b, c.ip_a, c.ip_b, c.note).order_by(c.name)
    rows = (await connection.execute(wanted if provider is None else wanted.where(c.provider_id == provider))).all()
    hops: dict[int, list[Hop]] = {row.id: [] for row in rows}
    joined = select(h.circuit_id, h.device_id, d.name, h.port, h.vlan, h.tagged).join(
        tables.device, d.id == h.device_id
    )
    for row in await connection.execute(joined.order_by(h.circuit_id, h.seq)):
        if row.circuit_id in hops:
            hops[row.circuit_id].append(Hop(DeviceId(row.device_id), row.name, row.port, row.vlan, row.tagged))
    return [
        Circuit(
            row.name, row.vlan, tuple(hops[row.id]), row.id, row.mac_a, row.mac_b,
            None if row.ip_a is None else str(row.ip_a), None if row.ip_b is None else str(row.ip_b), row.note,
        )
        for row in rows
    ]  # fmt: skip


async def circuit_named(connection: AsyncConnection, provider: ProviderId, name: str) -> Circuit:
    found = next((each for each in await circuits(connection, provider) if each.name == name), None)
    if found is None:
        raise RuleBroken(f"the provider has no circuit {name} (see `callcenter circuit list`)")
    return found


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of a circuit as it was then: ``result`` has device, port, fault and detail of each hop."""

    circuit: int
    at: datetime
    who: str
    sound: bool
    broken_at: int | None
    result: Sequence[Mapping[str, str | None]]


async def checks(connection: AsyncConnection, circuit: int | None = None, most: int = 20) -> list[Checked]:
    """The newest checks of one circuit; without one the newest of each of the transaction's scope."""
    c = tables.circuit_check.c
    asked = select(c.circuit_id, c.at, c.who, c.sound, c.broken_at, c.result)
    if circuit is None:
        asked = asked.ext(distinct_on(c.circuit_id)).order_by(c.circuit_id, c.at.desc(), c.id.desc())
    else:
        asked = asked.where(c.circuit_id == circuit).order_by(c.at.desc(), c.id.desc()).limit(most)
    return [Checked(*row) for row in await connection.execute(asked)]


async def owner_of(connection: AsyncConnection, circuit: int) -> ProviderId | None:
    """Whose circuit it is; ``None`` for one that is not in the transaction's scope."""
    found = await connection.execute(select(tables.circuit.c.provider_id).where(tables.circuit.c.id == circuit))
    number = found.scalar_one_or_none()
    return None if number is None else ProviderId(number)


class Circuits:
    """Checks and builds; ``who`` is written down with everything that is done."""

    def __init__(
        self, database: Database, vault: Vault, ports: Ports, cli: Cli, clock: Clock, pings: Pings | None = None
    ) -> None:
        self._database, self._vault, self._ports, self._cli, self._clock = database, vault, ports, cli, clock
        self._pings = pings
        self._building = asyncio.Lock()

    async def check(self, provider: ProviderId, circuit: Circuit, who: str) -> CircuitJudged:
        """Reads every hop and says where it breaks; the check is kept."""
        facts, loss = await asyncio.gather(self.facts(provider, circuit), self._loss(circuit))
        judged = judge_circuit(circuit, facts, loss)
        result = [
            {"device": each.hop.device_name, "port": each.hop.port, "fault": each.fault, "detail": each.detail}
            for each in judged.hops
        ]
        async with self._database.scoped(Scope.only([provider])) as connection:
            await connection.execute(
                insert(tables.circuit_check).values(
                    circuit_id=circuit.id, provider_id=provider, at=self._clock(), who=who, sound=judged.sound,
                    broken_at=judged.broken_at, result=result,
                )
            )  # fmt: skip
        return judged

    async def _loss(self, circuit: Circuit) -> float | None:
        """The echoes that the B end loses; one that answers none may be closed to them, which tells nothing."""
        if self._pings is None or circuit.ip_b is None:
            return None
        found = await self._pings.ping(circuit.ip_b)
        return None if isinstance(found, Missing) or found.silent else found.loss

    async def facts(self, provider: ProviderId, circuit: Circuit) -> list[HopFacts]:
        """What is read of each hop now; hops of one device one after another, devices side by side."""
        by_id = await self._devices(provider, circuit)

        async def one(hop: Hop) -> HopFacts:
            device = by_id.get(hop.device)
            if device is None or device.driver_name not in SWITCHES:
                return HopFacts(Missing("line.missing.no-driver", hop.device_name))
            port = await self._ports.read(device, hop.port, READ_BUDGET, vlan=hop.vlan, with_log=False)
            if isinstance(port, Missing):
                return HopFacts(port)
            try:
                return HopFacts(port, await self._ports.vlan(device, hop.vlan, READ_BUDGET))
            except CallCenterError:
                return HopFacts(port)

        return list(await asyncio.gather(*(one(hop) for hop in circuit.hops)))

    async def dry_run(self, provider: ProviderId, circuit: Circuit) -> tuple[Orders, ...]:
        """The exact commands that would build the circuit, for a person to confirm. Nothing is sent."""
        by_id = await self._devices(provider, circuit)
        return plan(circuit, await self.facts(provider, circuit), _builds(by_id))

    async def build(self, provider: ProviderId, circuit: Circuit, confirmed: Sequence[Orders], who: str) -> Built:
        """Gives the commands that were confirmed, checks the circuit, and takes everything back when it is not whole.

        Raises ``RuleBroken`` when the devices changed since, so that other commands would be needed now.
        """
        async with self._building:
            return await self._build(provider, circuit, confirmed, who)

    async def _build(self, provider: ProviderId, circuit: Circuit, confirmed: Sequence[Orders], who: str) -> Built:
        by_id = await self._devices(provider, circuit)
        before = await self.facts(provider, circuit)
        if plan(circuit, before, _builds(by_id)) != tuple(confirmed):
            raise RuleBroken("the devices changed since the commands were shown: look at them again", "circuit.changed")
        change = await self._begin(provider, circuit, confirmed, before, who)
        done: list[Orders] = []
        why = ""
        try:
            for orders in confirmed:
                device = by_id[orders.device]
                dialect = SWITCHES[device.driver_name].dialect
                if dialect is None:
                    raise RuleBroken(f"{device.name}: nothing is known of its command line")
                done.append(orders)  # from here on it may have been carried out in part
                await self._cli.apply(device, dialect, orders.commands, APPLY_BUDGET)
        except CallCenterError as exc:
            why = str(exc)
        judged = await self.check(provider, circuit, who)
        faults = [each for each in judged.hops if each.fault and each.fault not in NOT_BUILT]
        if not why and not faults:
            await self._end(provider, change, "done", judged, "")
            return Built(tuple(done), judged)
        why = why or f"hop {judged.broken_at} is not as it should be after the commands"
        await self._roll_back(by_id, done)
        taken_back = as_before(before, await self.facts(provider, circuit))
        after = await self.check(provider, circuit, who)
        await self._end(provider, change, "rolled_back" if taken_back else "failed", after, why)
        return Built(tuple(done), after, rolled_back=taken_back, why=why)

    async def _roll_back(self, by_id: dict[DeviceId, Device], done: Sequence[Orders]) -> None:
        """Takes back in reverse order; what is refused keeps nothing else from being taken back."""
        for orders in reversed(done):
            device = by_id[orders.device]
            dialect = SWITCHES[device.driver_name].dialect
            left = orders.undo
            while left and dialect is not None:
                try:
                    await self._cli.apply(device, dialect, left, APPLY_BUDGET)
                    break
                except CommandRefused as exc:
                    log.warning("%s: a change could not be taken back: %s", device.name, exc)
                    left = rest_after(left, exc.at)
                except CallCenterError as exc:
                    log.warning("%s: a change could not be taken back: %s", device.name, exc)
                    break

    async def _devices(self, provider: ProviderId, circuit: Circuit) -> dict[DeviceId, Device]:
        async with self._database.scoped(Scope.only([provider])) as connection:
            found = {hop.device: await device_by_id(connection, self._vault, hop.device) for hop in circuit.hops}
        return {number: device for number, device in found.items() if device is not None}

    async def _begin(
        self, provider: ProviderId, circuit: Circuit, orders: Sequence[Orders], facts: Sequence[HopFacts], who: str
    ) -> int:
        """Written down before anything is sent: what is begun can be seen even when we die in the middle."""
        before = {f"{hop.device_name} {hop.port}": _vlans(each) for hop, each in zip(circuit.hops, facts, strict=True)}
        row = insert(tables.device_change).values(
            provider_id=provider, device=", ".join(dict.fromkeys(each.device_name for each in orders)) or "-",
            place=circuit.name, kind="circuit", circuit_id=circuit.id, at=self._clock(), who=who,
            commands=[asdict(each) for each in orders], before=before, after={}, state="begun", note="",
        )  # fmt: skip
        async with self._database.scoped(Scope.only([provider])) as connection:
            return int((await connection.execute(row.returning(tables.device_change.c.id))).scalar_one())

    async def _end(self, provider: ProviderId, change: int, state: str, judged: CircuitJudged, note: str) -> None:
        after = {f"{each.hop.device_name} {each.hop.port}": each.fault or "as it should be" for each in judged.hops}
        c = tables.device_change.c
        async with self._database.scoped(Scope.only([provider])) as connection:
            await connection.execute(
                tables.device_change.update().where(c.id == change).values(state=state, after=after, note=note[:1000])
            )


def _builds(by_id: dict[DeviceId, Device]) -> dict[DeviceId, Builds]:
    out: dict[DeviceId, Builds] = {}
    for number, device in by_id.items():
        driver = SWITCHES.get(device.driver_name)
        if driver is not None and driver.add_vlan is not None and driver.drop_vlan is not None:
            out[number] = Builds(driver.add_vlan, driver.drop_vlan)
    return out


def _vlans(known: HopFacts) -> dict[str, object]:
    if isinstance(known.port, Missing):
        return {"missing": known.port.reason}
    return {"untagged": known.port.pvid, "tagged": list(known.port.tagged or ()), "vlan_exists": known.vlan_exists}
