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
    """The end's MAC is seen up to the hop before, and not here."""
    WRONG_SIDE = "wrong-side"
    """The end's MAC comes from the other side: a loop, or another way."""
    LOSS = "loss"


LOSS_NOTICED = 0.01


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


def judge_circuit(circuit: Circuit, facts: Sequence[HopFacts], loss: float | None = None) -> CircuitJudged:
    """A circuit is whole when every hop is up and carries its VLAN as it should, its ends' MACs are seen on the sides
    where the ends are, and the far end loses no echoes (``loss``, a share of 1; ``None`` when it was not asked)."""
    judged = [judge_hop(hop, known) for hop, known in zip(circuit.hops, facts, strict=True)]
    groups = _by_device(circuit.hops)
    _judge_mac(judged, facts, circuit.mac_a, [(group[0], group[-1]) for group in groups])
    _judge_mac(judged, facts, circuit.mac_b, [(group[-1], group[0]) for group in reversed(groups)])
    if judged and loss is not None and loss >= LOSS_NOTICED and not any(each.fault for each in judged):
        judged[-1] = HopJudged(judged[-1].hop, Fault.LOSS, f"{loss * 100:.1f} %")
    return CircuitJudged(tuple(judged))


def _by_device(hops: Sequence[Hop]) -> list[list[int]]:
    """Numbers of the hops, those of one device that follow one another together."""
    groups: list[list[int]] = []
    for number, hop in enumerate(hops):
        if groups and hops[groups[-1][-1]].device == hop.device:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _judge_mac(judged: list[HopJudged], facts: Sequence[HopFacts], mac: str, ways: Sequence[tuple[int, int]]) -> None:
    """Follows an end's MAC along the devices: ``ways`` are the hops that face the end and that face away from it.

    Only the first device that lacks it is at fault: those behind it cannot know the MAC either.
    """
    for near, far in ways if mac else ():
        if _sees(facts[near], mac, judged[near].hop.vlan):
            continue
        if far != near and _sees(facts[far], mac, judged[far].hop.vlan):
            if judged[far].fault is None:
                judged[far] = HopJudged(judged[far].hop, Fault.WRONG_SIDE, mac)
            return
        port = facts[near].port
        if not isinstance(port, PortReading) or port.macs is None or judged[near].fault is not None:
            return  # it is not known, or known why
        judged[near] = HopJudged(judged[near].hop, Fault.NO_MAC, mac)
        return


def _sees(known: HopFacts, mac: str, vlan: int) -> bool:
    macs = known.port.macs if isinstance(known.port, PortReading) else None
    return any(row.mac == mac and row.vlan in (None, vlan) for row in macs or ())


def judge_hop(hop: Hop, known: HopFacts) -> HopJudged:
    port = known.port
    if isinstance(port, Missing):
        return HopJudged(hop, Fault.UNREADABLE, f"{port.reason} {port.about}".strip())
    if known.vlan_exists is False:
        return HopJudged(hop, Fault.NO_VLAN, str(hop.vlan))
    if port.tagged is None:
        return HopJudged(hop, Fault.UNREADABLE, f"{port.name} does not tell its VLANs")
    carried = hop.vlan in port.tagged
    untagged = port.pvid == hop.vlan
    if not carried and not untagged:
        told = ", ".join(str(each) for each in port.tagged) or "none"
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

    An access port that carries another VLAN is somebody's: it is never taken over (``RuleBroken``), no more than a port
    that would have to be set another way for it. A device that cannot be read is not told anything.
    """
    orders: list[Orders] = []
    made: set[DeviceId] = set()
    for hop, known in zip(circuit.hops, facts, strict=True):
        port = known.port
        if isinstance(port, Missing):
            raise RuleBroken(
                f"{hop.device_name} {hop.port} cannot be read now: nothing is built blindly",
                "circuit.blind",
                hop=f"{hop.device_name} {hop.port}",
            )
        fault = judge_hop(hop, known).fault
        if port.tagged is None:
            raise RuleBroken(
                f"{hop.device_name} {hop.port} does not tell its VLANs: nothing is built blindly",
                "circuit.blind",
                hop=f"{hop.device_name} {hop.port}",
            )
        if fault in {None, Fault.PORT_DOWN}:
            continue
        if hop.device not in builds:
            raise RuleBroken(
                f"{hop.device_name}: VLANs of this family are not configured from here",
                "circuit.no_way",
                hop=f"{hop.device_name} {hop.port}",
            )
        if fault is Fault.WRONG_TAGGING:
            raise RuleBroken(
                f"{hop.device_name} {hop.port} has VLAN {hop.vlan} the other way: change it by hand",
                "circuit.other_way",
                hop=f"{hop.device_name} {hop.port}",
            )
        if not hop.tagged and port.pvid not in {None, 1, hop.vlan}:
            raise RuleBroken(
                f"{hop.device_name} {hop.port} is untagged in VLAN {port.pvid}: it is somebody's",
                "circuit.somebodys",
                hop=f"{hop.device_name} {hop.port}",
            )
        if not hop.tagged and port.tagged:
            raise RuleBroken(
                f"{hop.device_name} {hop.port} is a trunk: it is not made an access port from here",
                "circuit.is_trunk",
                hop=f"{hop.device_name} {hop.port}",
            )
        if hop.tagged and port.mode == "access" and port.pvid not in {None, 1}:
            raise RuleBroken(
                f"{hop.device_name} {hop.port} is untagged in VLAN {port.pvid}: it is not made a trunk",
                "circuit.somebodys",
                hop=f"{hop.device_name} {hop.port}",
            )
        makes = known.vlan_exists is False and hop.device not in made
        if makes:
            made.add(hop.device)
        name = _vlan_name(circuit.name) if makes else ""
        order = VlanOrder(port.name or hop.port, hop.vlan, hop.tagged, name, port)
        build = builds[hop.device]
        orders.append(Orders(hop.device, hop.device_name, build.add(order), build.drop(order, makes)))
    return tuple(orders)


def _vlan_name(name: str) -> str:
    """Letters, digits and hyphens, as every family takes them."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)[:30].strip("-")


def rest_after(commands: Sequence[str], refused: int) -> tuple[str, ...]:
    """What can still be given when command number ``refused`` was not taken: all after the block that it stands in."""
    left = next((at for at in range(refused, len(commands)) if commands[at] in {"exit", "quit"}), len(commands))
    return tuple(commands[left + 1 :])


def as_before(before: Sequence[HopFacts], after: Sequence[HopFacts]) -> bool:
    """Whether every hop carries again what it carried. What cannot be read is not as before."""

    def carried(known: HopFacts) -> object:
        port = known.port
        return None if isinstance(port, Missing) else (port.pvid, port.tagged, port.mode, known.vlan_exists)

    return all(
        carried(was) is not None and carried(was) == carried(now) for was, now in zip(before, after, strict=True)
    )
