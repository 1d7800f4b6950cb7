"""GCOM EPON: the documented objects as switcher-core, Ubilling and ABillS read them; levels are text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import Family, system, written
from lab.plant import Down, Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

ROOT: Oid = (1, 3, 6, 1, 4, 1, 13464, 1, 13)


def _onu(plant: Plant, onu: Onu) -> Iterator[tuple[Oid, Callable[[], Value]]]:
    index = (0, onu.address.port, onu.address.onu)
    about, optics = (*ROOT, 3, 1, 1), (*ROOT, 3, 3, 1)
    reasons = {Down.POWER: 3, Down.FIBRE: 1, None: 0}
    yield (*about, 4, *index), lambda: 1 if onu.down is None else 0
    yield (*about, 5, *index), lambda: onu.description.encode()
    yield (*about, 7, *index), lambda: b"GCOM"
    yield (*about, 8, *index), lambda: b"EG1"
    yield (*about, 9, *index), lambda: onu.mac
    yield (*about, 18, *index), lambda: onu.distance if onu.down is None else 0
    yield (*about, 19, *index), lambda: f"{plant.wall(onu.up_since):%Y-%m-%d %H:%M:%S}".encode()
    yield (*about, 23, *index), lambda: reasons[onu.last_down]
    yield (*optics, 4, *index), lambda: f"{onu.temperature:.2f}".encode()
    yield (*optics, 5, *index), lambda: f"{onu.voltage:.2f}".encode()
    yield (*optics, 6, *index), lambda: f"{onu.bias:.2f}".encode()
    yield (*optics, 7, *index), lambda: written(plant, onu, onu.tx)
    yield (*optics, 8, *index), lambda: written(plant, onu, onu.rx)
    yield (*ROOT, 4, 1, 1, 6, *index, 1), lambda: 1 if onu.uni_up and onu.down is None else 0
    yield (*about, 10, *index), lambda: b"1.3-220719"
    yield (*ROOT, 4, 1, 1, 5, *index, 1), lambda: 2
    yield (*ROOT, 4, 2, 1, 1, 8, *index, 1), lambda: onu.vlan
    yield (*ROOT, 4, 2, 1, 1, 9, *index, 1), lambda: 1
    yield (*ROOT, 3, 2, 1, 7, *index), lambda: onu.vlan
    for number, mac in enumerate(onu.behind, 1):
        yield (*ROOT, 3, 16, 1, 5, *index, number), lambda mac=mac: mac  # type: ignore[misc]
        yield (*ROOT, 3, 16, 1, 7, *index, number), lambda: onu.vlan


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, "GCOM EPON", (1, 3, 6, 1, 4, 1, 13464, 1, 10, 5))
    for port in range(1, len(plant.pons) + 1):
        rows[(*ROOT, 2, 2, 1, 3, 0, port)] = lambda: b"42.10"
        rows[(*ROOT, 2, 2, 1, 4, 0, port)] = lambda: b"3.27"
        rows[(*ROOT, 2, 2, 1, 6, 0, port)] = lambda: b"4.80"
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


FAMILY = Family("gcom_epon", "epon", _rows)
