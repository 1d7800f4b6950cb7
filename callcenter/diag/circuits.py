"""L2 circuits: a path of ports in VLANs, judged hop by hop, and the exact commands that build it. Pure rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from callcenter.diag.reading import PortReading
from callcenter.diag.switch import VlanOrder
from callcenter.errors import RuleBroken
from callcenter.words import DeviceId, Missing


@dataclass(frozen=True, slots=True)
class Hop:
    """One port on the way: which VLAN it carries, tagged or not."""

    device: DeviceId
    device_name: str
    port: str
    vlan: int
    tagged: bool


@dataclass(frozen=True, slots=True)
class Circuit:
    """A circuit of a provider, from its A end to its B end; MACs where they are known."""

    name: str
    vlan: int
    hops: tuple[Hop, ...]
    id: int = 0
    mac_a: str = ""
    mac_b: str = ""
    ip_a: str | None = None
    ip_b: str | None = None
    note: str = ""


class Fault(StrEnum):
    """Why a hop breaks the circuit."""

    UNREADABLE = "unreadable"
    NO_VLAN = "no-vlan"
    PORT_DOWN = "port-down"
    NOT_A_MEMBER = "not-a-member"
    WRONG_TAGGING = "wrong-tagging"
    NO_MAC = "no-mac"


@dataclass(frozen=True, slots=True)
class HopFacts:
    """What was read of a hop; ``None`` is not known."""

    port: PortReading | Missing
    vlan_exists: bool | None = None


@dataclass(frozen=True, slots=True)
class HopJudged:
    hop: Hop
    fault: Fault | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CircuitJudged:
    """Every hop, and the first that breaks the circuit (from 1)."""

    hops: tuple[HopJudged, ...]

    @property
    def sound(self) -> bool:
        return not any(each.fault for each in self.hops)

    @property
    def broken_at(self) -> int | None:
        return next((number for number, each in enumerate(self.hops, 1) if each.fault), None)


def judge_circuit(circuit: Circuit, facts: Sequence[HopFacts]) -> CircuitJudged:
    """A circuit is whole when every hop is up and carries its VLAN as it should, and its ends' MACs are seen."""
    judged = [judge_hop(hop, known) for hop, known in zip(circuit.hops, facts, strict=True)]
    for at, mac in ((0, circuit.mac_a), (len(judged) - 1, circuit.mac_b)):
        port = facts[at].port if facts else None
        if mac and isinstance(port, PortReading) and port.macs is not None and judged[at].fault is None:
            vlan = circuit.hops[at].vlan
            if not any(row.mac == mac and row.vlan in (None, vlan) for row in port.macs):
                judged[at] = HopJudged(circuit.hops[at], Fault.NO_MAC, mac)
    return CircuitJudged(tuple(judged))


def judge_hop(hop: Hop, known: HopFacts) -> HopJudged:
    port = known.port
    if isinstance(port, Missing):
        return HopJudged(hop, Fault.UNREADABLE, f"{port.reason} {port.about}".strip())
    if known.vlan_exists is False:
        return HopJudged(hop, Fault.NO_VLAN, str(hop.vlan))
    carried = hop.vlan in (port.tagged or ())
    untagged = port.pvid == hop.vlan
    if not carried and not untagged:
        told = ", ".join(str(each) for each in port.tagged or ()) or "none"
        return HopJudged(hop, Fault.NOT_A_MEMBER, f"untagged {port.pvid}, tagged {told}")
    if carried is not hop.tagged and untagged is hop.tagged:
        return HopJudged(hop, Fault.WRONG_TAGGING, "tagged" if carried else "untagged")
    if port.up is False:
        return HopJudged(hop, Fault.PORT_DOWN, port.name)
    return HopJudged(hop, None)


@dataclass(frozen=True, slots=True)
class Orders:
    """What one device is told, and what takes it back, each exactly as it is sent."""

    device: DeviceId
    device_name: str
    commands: tuple[str, ...]
    undo: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Builds:
    """How a family puts a VLAN on a port and takes it off; of ``SwitchDriver``."""

    add: Callable[[VlanOrder], tuple[str, ...]]
    drop: Callable[[VlanOrder, bool], tuple[str, ...]]


def plan(circuit: Circuit, facts: Sequence[HopFacts], builds: Mapping[DeviceId, Builds]) -> tuple[Orders, ...]:
    """The commands for every hop that is not as it should be, device by device, in the order of the path.

    An access port that carries another VLAN is somebody's: it is never taken over (``RuleBroken``). A device that
    cannot be read is not told anything.
    """
    orders: list[Orders] = []
    made: set[DeviceId] = set()
    for hop, known in zip(circuit.hops, facts, strict=True):
        port = known.port
        if isinstance(port, Missing):
            raise RuleBroken(f"{hop.device_name} {hop.port} cannot be read now: nothing is built blindly")
        fault = judge_hop(hop, known).fault
        if fault in {None, Fault.PORT_DOWN}:
            continue
        if hop.device not in builds:
            raise RuleBroken(f"{hop.device_name}: VLANs of this family are not configured from here")
        if not hop.tagged and port.pvid not in {None, 1, hop.vlan}:
            raise RuleBroken(f"{hop.device_name} {hop.port} is untagged in VLAN {port.pvid}: it is somebody's")
        if not hop.tagged and port.tagged:
            raise RuleBroken(f"{hop.device_name} {hop.port} is a trunk: it is not made an access port from here")
        if hop.tagged and not port.tagged and port.pvid not in {None, 1}:
            raise RuleBroken(f"{hop.device_name} {hop.port} is untagged in VLAN {port.pvid}: it is not made a trunk")
        makes = known.vlan_exists is False and hop.device not in made
        if makes:
            made.add(hop.device)
        order = VlanOrder(hop.port, hop.vlan, hop.tagged, _vlan_name(circuit.name) if makes else "")
        build = builds[hop.device]
        orders.append(Orders(hop.device, hop.device_name, build.add(order), build.drop(order, makes)))
    return tuple(orders)


def _vlan_name(name: str) -> str:
    """Letters, digits and hyphens, as every family takes them."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)[:30].strip("-")
