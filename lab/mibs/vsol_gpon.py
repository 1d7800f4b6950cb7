"""V-SOL V1600G: the documented objects as switcher-core reads them; a LAN port is 0 when up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import Family, system, written
from lab.plant import Down, Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

ROOT: Oid = (1, 3, 6, 1, 4, 1, 37950, 1, 1, 6, 1, 1)


def _onu(plant: Plant, onu: Onu) -> Iterator[tuple[Oid, Callable[[], Value]]]:
    index = (onu.address.port, onu.address.onu)
    states = {Down.POWER: 4, Down.FIBRE: 1, None: 3}
    speeds = {10: 3, 100: 5, 1000: 7}
    yield (*ROOT, 1, 1, 5, *index), lambda: states[onu.down]
    yield (*ROOT, 2, 1, 5, *index), lambda: b"GPON" + onu.mac[2:].hex().upper().encode()
    yield (*ROOT, 3, 1, 3, *index), lambda: f"{onu.temperature:.2f}".encode()
    yield (*ROOT, 3, 1, 4, *index), lambda: f"{onu.voltage:.2f}".encode()
    yield (*ROOT, 3, 1, 5, *index), lambda: f"{onu.bias:.2f}".encode()
    yield (*ROOT, 3, 1, 6, *index), lambda: written(plant, onu, onu.tx)
    yield (*ROOT, 3, 1, 7, *index), lambda: written(plant, onu, onu.rx)
    yield (*ROOT, 4, 1, 3, *index), lambda: b"VSOL"
    yield (*ROOT, 4, 1, 14, *index), lambda: b"V2802"
    yield (*ROOT, 12, 1, 3, *index), lambda: onu.distance if onu.down is None else 0
    yield (*ROOT, 4, 1, 24, *index), lambda: onu.description.encode()
    yield (*ROOT, 4, 1, 25, *index), lambda: b"V2.1.6"
    yield (*ROOT, 8, 15, 1, 4, *index, 1), lambda: 0 if onu.uni_up and onu.down is None else 1
    yield (*ROOT, 8, 15, 1, 6, *index, 1), lambda: speeds[onu.uni_mbps]


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, "V1600G1", (1, 3, 6, 1, 4, 1, 37950, 1, 1, 5, 10, 14, 1))
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


FAMILY = Family("vsol_gpon", "gpon", _rows)
