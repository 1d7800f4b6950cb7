"""What a simulated family is: a name, and the rows of its SNMP agent over a plant of ONUs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from callcenter.words import PonFamily
from lab.plant import Onu, Plant
from lab.snmp_agent import Oid, Rows, Ticks, Value

SYSTEM: Oid = (1, 3, 6, 1, 2, 1, 1)
IF_DESCR: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 2)
IF_OPER_STATUS: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 8)

IF_ALIAS: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 18)
FDB: Oid = (1, 3, 6, 1, 2, 1, 17, 7, 1, 2, 2, 1, 2)
"""The bridge table: VLAN and MAC in the index, the port's number the value."""


@dataclass(frozen=True)
class Family:
    """``name`` is that of the driver under test; ``before`` the numbers before the port's in an ONU's address."""

    name: str
    family: PonFamily
    rows: Callable[[Plant, str], Rows]
    before: tuple[int, ...] = (0,)
    hangs_when_walked: tuple[Oid, ...] = field(default=())
    """Tables whose walk makes the real device silent, so this one too."""


def system(plant: Plant, name: str, description: str, object_id: Oid) -> dict[Oid, Callable[[], Value]]:
    """The system group: description, object id, uptime, name."""
    born = plant.clock()
    return {
        (*SYSTEM, 1, 0): lambda: description.encode(),
        (*SYSTEM, 2, 0): lambda: object_id,
        (*SYSTEM, 3, 0): lambda: Ticks(int((plant.clock() - born) * 100)),
        (*SYSTEM, 5, 0): lambda: name.encode(),
    }


def tenths(plant: Plant, onu: Onu, level: float, dark: int) -> int:
    """The level as a whole number of tenths of a dBm; ``dark`` is what the family says of an ONU that is off."""
    light = plant.light(onu, level)
    return dark if light is None else round(light * 10)


def written(plant: Plant, onu: Onu, level: float) -> bytes:
    """The level as text in dBm, as GCOM and V-SOL write it; empty of an ONU that is off."""
    light = plant.light(onu, level)
    return b"" if light is None else f"{light:.2f}".encode()
