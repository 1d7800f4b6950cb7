"""Eltex LTP-8X: the documented objects of ELTEX-LTP8X; tables are indexed by the serial number."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import Family, system
from lab.plant import Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

ROOT: Oid = (1, 3, 6, 1, 4, 1, 35265, 1, 22, 3)


def _onu(plant: Plant, onu: Onu) -> Iterator[tuple[Oid, Callable[[], Value]]]:
    serial = b"ELTX" + onu.mac[2:]
    index = (1, *serial)
    about, uni = (*ROOT, 1, 1), (*ROOT, 2, 1)

    def scaled(level: float, per: int, dark: int) -> int:
        light = plant.light(onu, level)
        return dark if light is None else round(light * per)

    yield (*about, 2, *index), lambda: serial
    yield (*about, 3, *index), lambda: onu.address.port
    yield (*about, 4, *index), lambda: onu.address.onu
    yield (*about, 5, *index), lambda: 7 if onu.down is None else 8
    yield (*about, 10, *index), lambda: onu.distance if onu.down is None else 0
    yield (*about, 11, *index), lambda: scaled(onu.olt_rx, 10, 65535)
    yield (*about, 12, *index), lambda: b"NTP-RG"
    yield (*about, 13, *index), lambda: scaled(onu.tx, 1000, 0)
    yield (*about, 14, *index), lambda: scaled(onu.rx, 1000, 0)
    yield (*about, 15, *index), lambda: round(onu.temperature * 10)
    yield (*about, 17, *index), lambda: b"3.24.5"
    yield (*ROOT, 4, 1, 8, *index), lambda: onu.description.encode()
    yield (*uni, 5, *index, 1), lambda: 1 if onu.uni_up and onu.down is None else 2
    yield (*uni, 6, *index, 1), lambda: {10: 1, 100: 2, 1000: 3}[onu.uni_mbps]


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, "LTP-8X", (1, 3, 6, 1, 4, 1, 35265, 1, 22))
    for port in range(1, len(plant.pons) + 1):
        channel: Oid = (*ROOT[:-1], 2, 1, 1)
        rows |= {(*channel, 3, 1, port): lambda: 4, (*channel, 9, 1, port): lambda: 4710}
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


FAMILY = Family("eltex_ltp", "gpon", _rows)
