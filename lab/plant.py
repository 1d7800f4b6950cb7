"""The ONUs of a simulated OLT, whatever its family: their light that drifts, what can happen to them, what is behind.

How they look through SNMP is in ``lab/mibs``, one file a family. The OIDs are written out there again, not imported
from the drivers: what both sides took from one place would prove nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from callcenter.words import OnuAddress, PonFamily


class Down(StrEnum):
    """Why an ONU of the simulation is off."""

    POWER = "power"
    FIBRE = "fibre"


@dataclass(slots=True)
class Onu:
    """One ONU with its line. Levels in dBm, distance in metres, times in seconds of the simulation's clock."""

    address: OnuAddress
    if_index: int
    pon_index: int
    mac: bytes
    rx: float
    tx: float
    olt_rx: float
    distance: int
    up_since: float
    phase: float
    down: Down | None = None
    down_since: float | None = None
    last_down: Down | None = None
    uni_up: bool = True
    uni_mbps: int = 1000
    uni_errors: int = 0
    vlan: int = 100
    behind: list[bytes] = field(default_factory=list)
    """The MACs of the subscriber's router and what is behind it."""
    temperature: float = 41.5
    voltage: float = 3.28
    bias: float = 12.4
    log: list[tuple[float, str]] = field(default_factory=list)
    """When (of the simulation's clock) it went down (``power``, ``fibre``) and came back (``up``), oldest first."""
    description: str = ""

    @property
    def vendor_serial(self) -> bytes:
        """Four letters and four bytes, as GPON serials are."""
        return b"BDCM" + self.mac[2:]

    def fails(self, why: Down, now: float) -> None:
        if self.down is None:
            self.down, self.last_down, self.down_since = why, why, now
            self.log.append((now, why.value))

    def returns(self, now: float) -> None:
        if self.down is not None:
            self.down, self.up_since = None, now
            self.log.append((now, "up"))


@dataclass(slots=True)
class Plant:
    """All PONs and ONUs of one OLT, and the slow drift of their light (0.4 dB over some ten minutes)."""

    family: PonFamily
    clock: Callable[[], float]
    onus: dict[str, Onu] = field(default_factory=dict)
    pons: dict[str, int] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def light(self, onu: Onu, level: float) -> float | None:
        """The level in dBm as it is now, ``None`` while the ONU is off."""
        if onu.down is not None:
            return None
        return level + 0.4 * math.sin(self.clock() / 600 * math.tau + onu.phase)

    def wall(self, moment: float) -> datetime:
        """The OLT's own wall clock at a moment of the simulation's clock."""
        return self.started + timedelta(seconds=moment - self.clock())

    def stamp(self, moment: float) -> bytes:
        """DateAndTime, seven bytes, of a moment of the simulation's clock."""
        at = self.wall(moment)
        return at.year.to_bytes(2, "big") + bytes((at.month, at.day, at.hour, at.minute, at.second))


def build_plant(
    family: PonFamily,
    pons: int,
    onus_per_pon: int,
    clock: Callable[[], float],
    seed: int,
    before: tuple[int, ...] = (0,),
) -> Plant:
    """A deterministic plant whose PONs are ``before`` and their port's number, from 1.

    The first eight ONUs of the first PON are the characters of the demo (see ``cast``)."""
    dice = random.Random(seed)
    first_pon, first_onu = (76, 113) if family == "epon" else (110, 1163)
    plant = Plant(family, clock)
    for port in range(1, pons + 1):
        pon_index = first_pon + port - 1
        plant.pons[OnuAddress(family, (*before, port), 0).pon] = pon_index
        for number in range(1, onus_per_pon + 1):
            address = OnuAddress(family, (*before, port), number)
            rx = round(dice.gauss(-20.5, 1.6), 1)
            plant.onus[str(address)] = Onu(
                address=address,
                if_index=first_onu + len(plant.onus),
                pon_index=pon_index,
                mac=bytes((0x1C, 0xEF, 0x03, port, number, dice.randrange(256))),
                rx=max(rx, -24.0),
                tx=round(dice.gauss(2.3, 0.3), 1),
                olt_rx=round(max(rx, -24.0) - 1.2, 1),
                distance=dice.randrange(120, 4800),
                up_since=clock() - dice.randrange(3600, 40 * 86400),
                phase=dice.random() * math.tau,
                vlan=100 + port,
                behind=[bytes((0x64, 0xEE, 0xB7, port, number >> 8, number & 0xFF))],
            )
    cast(plant)
    return plant


def cast(plant: Plant) -> None:
    """Gives the first ONUs of the first PON their parts: good, weak, critical, without power, without light,
    too strong, router off, and a bad LAN cable."""
    now = plant.clock()
    first = [onu for onu in plant.onus.values() if onu.pon_index == min(plant.pons.values(), default=0)]
    if len(first) < 8:
        return
    good, weak, critical, no_power, no_light, strong, router_off, bad_cable = first[:8]
    good.rx, good.olt_rx = -19.8, -21.0
    weak.rx, weak.olt_rx = -26.0, -25.4
    critical.rx, critical.olt_rx = -28.2, -28.9
    strong.rx, strong.olt_rx = -6.2, -9.0
    no_power.fails(Down.POWER, now - 1500)
    no_light.fails(Down.FIBRE, now - 5400)
    router_off.uni_up = False
    bad_cable.uni_mbps = 10
    router_off.behind.clear()
