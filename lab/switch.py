"""Simulated switches over real SNMP: ProCurve, Comware and Cisco IOS over one model of ports, VLANs and MACs.

The same object is the ``model`` of the family's command line (``lab/clis``): what is configured there is what SNMP
shows next, so that a circuit can be built through one and checked through the other. The OIDs are written out here
again, not imported from the drivers. What the families do differently is played: a ProCurve's FDB has numbers of its
own, a Comware's bridge ports are not its ifIndexes, a Cisco keeps the MACs of each VLAN behind a community of their own
(``public@100``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Literal, Self

from lab.snmp_agent import Mib, NotSnmp, Oid, Rows, Ticks, Value, read_request, write_response

Kind = Literal["hp_procurve", "hp_comware", "cisco_ios"]
MIB2: Oid = (1, 3, 6, 1, 2, 1)
DESCRIBES: dict[Kind, tuple[str, Oid]] = {
    "hp_procurve": ("ProCurve J9279A Switch 2510G-24, revision Y.11.35", (1, 3, 6, 1, 4, 1, 11, 2, 3, 7, 11, 78)),
    "hp_comware": ("HP Comware Platform Software, Software Version 5.20", (1, 3, 6, 1, 4, 1, 25506, 11, 1, 1)),
    "cisco_ios": ("Cisco IOS Software, C2960X Software", (1, 3, 6, 1, 4, 1, 9, 1, 1208)),
}


@dataclass(slots=True)
class Port:
    """One port; ``tagged`` and ``pvid`` are VLANs, ``macs`` by VLAN. A Cisco's ``tagged`` is the list of its trunk."""

    number: int
    mode: str = ""
    """``access``, ``trunk``, ``hybrid``, ``dynamic auto``; empty for what its VLANs make of it."""
    up: bool = True
    enabled: bool = True
    mbps: int = 1000
    duplex: int = 3
    in_errors: int = 0
    crc: int = 0
    changed: int = 100_000
    pvid: int = 100
    tagged: set[int] = field(default_factory=set)
    macs: dict[int, list[bytes]] = field(default_factory=dict)
    sfp: tuple[float, float] | None = None
    """Transmitted and received, dBm."""

    @property
    def is_trunk(self) -> bool:
        return self.mode == "trunk" if self.mode else bool(self.tagged)

    @property
    def untagged(self) -> set[int]:
        return {self.pvid} if self.pvid else set()


class SimulatedSwitch(asyncio.DatagramProtocol):
    """One switch of 24 ports on a UDP port of its own. Use as an async context."""

    def __init__(self, kind: Kind, name: str = "switch", community: str = "public") -> None:
        self.kind: Kind = kind
        self.name = name
        self.ports = {number: Port(number) for number in range(1, 25)}
        self.vlans = {1: "default", 100: "internet", 200: "tv"}
        self.uptime = 5_000_000
        """Hundredths of a second."""
        self.now = datetime(2015, 10, 19, 18, 57, 38, tzinfo=UTC)
        """Its own wall clock."""
        self.log: list[tuple[datetime, int, bool]] = []
        """Its log: when which port went up or down."""
        self.saved = 0
        """How often the configuration was written to its memory."""
        self.most_vlans = 4094
        self.silent = False
        self.shift = 0
        """By how much its ifIndexes moved, as when a stack gets another member."""
        self.silent_below: Oid = ()
        """Says nothing to whoever asks for anything under this."""
        self._community = community
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            self._transport.close()

    def fall(self, number: int, ago_s: int, for_s: int = 3) -> None:
        """The port was down for a while; its log has it."""
        at = self.now - timedelta(seconds=ago_s)
        self.log += [(at, number, False), (at + timedelta(seconds=for_s), number, True)]
        self.ports[number].changed = self.uptime - (ago_s - for_s) * 100

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        pass

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            asked = read_request(data)
        except NotSnmp:
            return
        community, _, vlan = asked.community.decode("ascii", "replace").partition("@")
        if community != self._community or self.silent or (vlan and self.kind != "cisco_ios"):
            return
        if self.silent_below and any(oid[: len(self.silent_below)] == self.silent_below for oid in asked.oids):
            return
        if self._transport is not None:
            mib = Mib(self._rows(int(vlan) if vlan.isdigit() else None))
            self._transport.sendto(write_response(asked, mib.answer(asked)), addr)

    # --- what it shows ---

    def if_index(self, port: Port) -> int:
        first = {"hp_procurve": 0, "hp_comware": 163, "cisco_ios": 10100}[self.kind]
        return first + self.shift + port.number

    def names(self, port: Port) -> tuple[str, str]:
        """ifDescr and ifName."""
        number = port.number
        match self.kind:
            case "hp_procurve":
                return str(number), str(number)
            case "hp_comware":
                return f"GigabitEthernet1/0/{number}", f"GigabitEthernet1/0/{number}"
        return f"GigabitEthernet1/0/{number}", f"Gi1/0/{number}"

    def _rows(self, vlan: int | None) -> Rows:
        rows: dict[Oid, Callable[[], Value]] = {}

        def put(oid: Oid, value: Value) -> None:
            rows[oid] = lambda: value

        descr, object_id = DESCRIBES[self.kind]
        put((*MIB2, 1, 1, 0), descr.encode())
        put((*MIB2, 1, 2, 0), object_id)
        put((*MIB2, 1, 3, 0), Ticks(self.uptime))
        for port in self.ports.values():
            self._interface(put, port)
            if self.kind == "cisco_ios":
                self._cisco(put, port, vlan)
            else:
                self._bridge(put, port)
        if self.kind == "cisco_ios":
            for number in self.vlans:
                put((1, 3, 6, 1, 4, 1, 9, 9, 46, 1, 3, 1, 1, 2, 1, number), 1)
        else:
            for order, number in enumerate(sorted(self.vlans), 1):
                tagged = {p.number for p in self.ports.values() if number in p.tagged and number != p.pvid}
                untagged = {p.number for p in self.ports.values() if p.pvid == number}
                put((*MIB2, 17, 7, 1, 4, 3, 1, 2, number), _bitmap(tagged | untagged))
                put((*MIB2, 17, 7, 1, 4, 3, 1, 4, number), _bitmap(untagged))
                put((*MIB2, 17, 7, 1, 4, 2, 1, 3, 0, number), order)
        return rows

    def _interface(self, put: Callable[[Oid, Value], None], port: Port) -> None:
        index = self.if_index(port)
        descr, name = self.names(port)
        table, extended = (*MIB2, 2, 2, 1), (*MIB2, 31, 1, 1, 1)
        put((*table, 2, index), descr.encode())
        put((*table, 7, index), 1 if port.enabled else 2)
        put((*table, 8, index), 1 if port.up and port.enabled else 2)
        put((*table, 9, index), Ticks(port.changed))
        put((*table, 14, index), port.in_errors)
        put((*table, 20, index), 0)
        put((*extended, 1, index), name.encode())
        put((*extended, 15, index), port.mbps if port.up else 0)
        put((*extended, 18, index), b"uplink" if port.tagged else b"")
        put((*MIB2, 10, 7, 2, 1, 3, index), port.crc)
        put((*MIB2, 10, 7, 2, 1, 19, index), port.duplex)
        if port.sfp is not None and self.kind == "hp_procurve":
            sfp = (1, 3, 6, 1, 4, 1, 11, 2, 14, 11, 5, 1, 82, 1, 1, 1, 1)
            put((*sfp, 14, index), round(port.sfp[0] * 1000))
            put((*sfp, 15, index), round(port.sfp[1] * 1000))
        if self.kind == "hp_comware":
            type_ = {"access": 2, "hybrid": 3}.get(port.mode, 1 if port.is_trunk else 2)
            put((1, 3, 6, 1, 4, 1, 25506, 8, 35, 1, 1, 1, 5, index), type_)
        if port.sfp is not None and self.kind == "cisco_ios":
            for at, (words, level) in enumerate(zip(("Transmit", "Receive"), port.sfp, strict=True), 1000 + 2 * index):
                put((*MIB2, 47, 1, 1, 1, 1, 7, at), f"{name} {words} Power Sensor".encode())
                for arc, value in ((1, 14), (2, 9), (3, 1), (4, round(level * 10))):  # dBm, units, one digit
                    put((1, 3, 6, 1, 4, 1, 9, 9, 91, 1, 1, 1, 1, arc, at), value)
        if port.sfp is not None and self.kind == "hp_comware":
            put((1, 3, 6, 1, 4, 1, 25506, 2, 70, 1, 1, 1, 9, index), round(port.sfp[0] * 100))
            put((1, 3, 6, 1, 4, 1, 25506, 2, 70, 1, 1, 1, 12, index), round(port.sfp[1] * 100))

    def _bridge(self, put: Callable[[Oid, Value], None], port: Port) -> None:
        put((*MIB2, 17, 1, 4, 1, 2, port.number), self.if_index(port))
        put((*MIB2, 17, 7, 1, 4, 5, 1, 1, port.number), port.pvid)
        for vlan, macs in port.macs.items():
            fdb = sorted(self.vlans).index(vlan) + 1 if self.kind == "hp_procurve" else vlan
            for mac in macs:
                put((*MIB2, 17, 7, 1, 2, 2, 1, 2, fdb, *mac), port.number)

    def _cisco(self, put: Callable[[Oid, Value], None], port: Port, vlan: int | None) -> None:
        index = self.if_index(port)
        trunk = (1, 3, 6, 1, 4, 1, 9, 9, 46, 1, 6, 1, 1)
        if port.is_trunk:
            for arc, first in ((4, 0), (17, 1024), (18, 2048), (19, 3072)):
                within = {each - first + 1 for each in port.tagged | port.untagged if first <= each < first + 1024}
                put((*trunk, arc, index), _bitmap(within, 128))
            put((*trunk, 5, index), port.pvid)
        else:
            put((1, 3, 6, 1, 4, 1, 9, 9, 68, 1, 2, 2, 1, 2, index), port.pvid)
        put((*trunk, 13, index), {"access": 2, "dynamic auto": 4}.get(port.mode, 1 if port.is_trunk else 2))
        put((*trunk, 14, index), 1 if port.is_trunk and port.up else 2)
        if vlan is not None and (port.pvid == vlan or vlan in port.tagged):
            put((*MIB2, 17, 1, 4, 1, 2, port.number), index)
            for mac in port.macs.get(vlan, ()):
                put((*MIB2, 17, 4, 3, 1, 2, *mac), port.number)


def _bitmap(ports: set[int], octets: int = 8) -> bytes:
    out = bytearray(octets)
    for number in ports:
        out[(number - 1) // 8] |= 0x80 >> (number - 1) % 8
    return bytes(out)
