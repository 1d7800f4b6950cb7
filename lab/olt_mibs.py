"""How the ONUs of a simulated OLT look through SNMP: the documented objects of BDCOM EPON and BDCOM GPON.

The OIDs are written out here again, not imported from the drivers: what both sides took from one place would prove
nothing. Sources: the public templates of switcher-core, Ubilling and ABillS, and the MIBs NMS-EPON-* and NMS-GPON-MIB.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from callcenter.words import OnuAddress, PonFamily
from lab.snmp_agent import Oid, Rows, Ticks, Value

BDCOM: Oid = (1, 3, 6, 1, 4, 1, 3320)
IF_DESCR: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 2)
IF_OPER_STATUS: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 8)
SYSTEM: Oid = (1, 3, 6, 1, 2, 1, 1)
NO_VALUE = -65535


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
    uni_speed: int = 3
    """BDCOM's code: 1 is 10, 2 is 100, 3 is 1000 Mbit/s."""

    @property
    def serial(self) -> str:
        return f"BDCM:{self.mac[2:].hex().upper()}"

    def fails(self, why: Down, now: float) -> None:
        if self.down is None:
            self.down, self.last_down, self.down_since = why, why, now

    def returns(self, now: float) -> None:
        if self.down is not None:
            self.down, self.up_since = None, now


@dataclass(slots=True)
class Plant:
    """All PONs and ONUs of one OLT, and the slow drift of their light (0.4 dB over some ten minutes)."""

    family: PonFamily
    clock: Callable[[], float]
    onus: dict[str, Onu] = field(default_factory=dict)
    pons: dict[str, int] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def drifted(self, onu: Onu, level: float) -> int:
        """The level in tenths of a dBm, or the device's "no value" while the ONU is off."""
        if onu.down is not None:
            return NO_VALUE
        return round((level + 0.4 * math.sin(self.clock() / 600 * math.tau + onu.phase)) * 10)

    def stamp(self, moment: float) -> bytes:
        """DateAndTime, seven bytes, of a moment of the simulation's clock."""
        at = self.started + timedelta(seconds=moment - self.clock())
        return at.year.to_bytes(2, "big") + bytes((at.month, at.day, at.hour, at.minute, at.second))


def build_plant(family: PonFamily, pons: int, onus_per_pon: int, clock: Callable[[], float], seed: int) -> Plant:
    """A deterministic plant; the first eight ONUs of the first PON are the characters of the demo (see ``cast``)."""
    dice = random.Random(seed)
    first_pon, first_onu = (76, 113) if family == "epon" else (110, 1163)
    plant = Plant(family, clock)
    for port in range(1, pons + 1):
        pon_index = first_pon + port - 1
        plant.pons[f"{family.upper()}0/{port}"] = pon_index
        for number in range(1, onus_per_pon + 1):
            address = OnuAddress(family, 0, port, number)
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
            )
    cast(plant)
    return plant


def cast(plant: Plant) -> None:
    """Gives the first ONUs of the first PON their parts: good, weak, critical, without power, without light,
    too strong, router off, and a bad LAN cable."""
    now = plant.clock()
    first = [plant.onus.get(f"{plant.family.upper()}0/1:{number}") for number in range(1, 9)]
    if None in first:
        return
    good, weak, critical, no_power, no_light, strong, router_off, bad_cable = (onu for onu in first if onu)
    good.rx, good.olt_rx = -19.8, -21.0
    weak.rx, weak.olt_rx = -26.0, -25.4
    critical.rx, critical.olt_rx = -28.2, -28.9
    strong.rx, strong.olt_rx = -6.2, -9.0
    no_power.fails(Down.POWER, now - 1500)
    no_light.fails(Down.FIBRE, now - 5400)
    router_off.uni_up = False
    bad_cable.uni_speed = 1


def mib_of(plant: Plant, name: str) -> Rows:
    rows: dict[Oid, Callable[[], Value]] = {}
    if plant.family == "epon":
        descr, object_id = f"BDCOM(tm) P3310C Software, Version 10.1.0E Build 46022 ({name})", 294
        columns = _epon
    else:
        descr, object_id = f"BDCOM(tm) GP3600-16B Software, Version 10.3.0C Build 81190 ({name})", 390
        columns = _gpon
    rows[(*SYSTEM, 1, 0)] = lambda: descr.encode()
    rows[(*SYSTEM, 2, 0)] = lambda: (*BDCOM, 1, object_id, 0)
    born = plant.clock()
    rows[(*SYSTEM, 3, 0)] = lambda: Ticks(int((plant.clock() - born) * 100))
    rows[(*SYSTEM, 5, 0)] = lambda: name.encode()
    for uplink in range(1, 5):
        rows[(*IF_DESCR, uplink)] = lambda n=uplink: f"GigaEthernet0/{n}".encode()  # type: ignore[misc]
        rows[(*IF_OPER_STATUS, uplink)] = lambda: 1
    for pon, index in plant.pons.items():
        rows[(*IF_DESCR, index)] = lambda text=pon: text.encode()  # type: ignore[misc]
        rows[(*IF_OPER_STATUS, index)] = lambda: 1
    for onu in plant.onus.values():
        rows |= dict(columns(plant, onu))
    return rows


Column = Iterator[tuple[Oid, Callable[[], Value]]]


def _epon(plant: Plant, onu: Onu) -> Column:
    index = onu.if_index
    bound = (onu.pon_index, *onu.mac)
    onu_table, optics, uni, binding = (
        (*BDCOM, 101, 10, 1, 1),
        (*BDCOM, 101, 10, 5, 1),
        (*BDCOM, 101, 12, 1, 1),
        (*BDCOM, 101, 11, 1, 1),
    )
    reasons = {Down.POWER: 9, Down.FIBRE: 8, None: 0}
    yield (*IF_DESCR, index), lambda: str(onu.address).encode()
    yield (*IF_OPER_STATUS, index), lambda: 1 if onu.down is None else 2
    yield (*onu_table, 1, index), lambda: b"BDCM"
    yield (*onu_table, 2, index), lambda: b"1501"
    yield (*onu_table, 3, index), lambda: onu.mac
    yield (*onu_table, 26, index), lambda: 3 if onu.down is None else 2
    yield (*onu_table, 27, index), lambda: onu.distance if onu.down is None else 0
    yield (*onu_table, 80, index), lambda: int(plant.clock() - onu.up_since) if onu.down is None else 0
    yield (*optics, 5, index), lambda: plant.drifted(onu, onu.rx)
    yield (*optics, 6, index), lambda: plant.drifted(onu, onu.tx)
    yield (*BDCOM, 101, 108, 1, 3, index), lambda: plant.drifted(onu, onu.olt_rx)
    yield (*uni, 8, index, 1), lambda: 1 if onu.uni_up and onu.down is None else 2
    yield (*uni, 10, index, 1), lambda: onu.uni_speed
    yield (*binding, 6, *bound), lambda: 5 if onu.down is None else 2
    yield (*binding, 10, *bound), lambda: plant.stamp(onu.down_since) if onu.down_since is not None else b""
    yield (*binding, 11, *bound), lambda: reasons[onu.last_down]


def _gpon(plant: Plant, onu: Onu) -> Column:
    index = onu.if_index
    root = (*BDCOM, 10)
    reasons = {Down.POWER: 1, Down.FIBRE: 6, None: 0}
    yield (*IF_DESCR, index), lambda: str(onu.address).encode()
    yield (*IF_OPER_STATUS, index), lambda: 1 if onu.down is None else 2
    yield (*root, 2, 3, 1, 3, index), lambda: plant.drifted(onu, onu.olt_rx)
    yield (*root, 3, 1, 1, 2, index), lambda: b"BDCM"
    yield (*root, 3, 1, 1, 9, index), lambda: b"GP1501-4G"
    yield (*root, 3, 1, 1, 19, index), lambda: int(plant.clock() - onu.up_since) if onu.down is None else 0
    yield (*root, 3, 1, 1, 33, index), lambda: onu.distance * 10 if onu.down is None else 0
    yield (*root, 3, 1, 1, 35, index), lambda: reasons[onu.last_down]
    yield (*root, 3, 3, 1, 2, index), lambda: onu.serial.encode()
    yield (*root, 3, 3, 1, 4, index), lambda: 3 if onu.down is None else 0
    yield (*root, 3, 4, 1, 2, index), lambda: plant.drifted(onu, onu.rx)
    yield (*root, 3, 4, 1, 3, index), lambda: plant.drifted(onu, onu.tx)
    yield (*root, 4, 1, 1, 4, index, 1), lambda: 1 if onu.uni_up and onu.down is None else 2
