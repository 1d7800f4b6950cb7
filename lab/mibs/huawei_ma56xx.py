"""Huawei MA5608T: the documented objects of HUAWEI-XPON; 2147483647 is no value."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import Family, system
from lab.plant import Down, Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

ROOT: Oid = (1, 3, 6, 1, 4, 1, 2011, 6, 128, 1, 1, 2)
NO_VALUE = 2147483647


def _onu(plant: Plant, onu: Onu) -> Iterator[tuple[Oid, Callable[[], Value]]]:
    index = (4194304000 + onu.address.slot * 8192 + onu.address.port * 256, onu.address.onu)
    causes = {Down.POWER: 13, Down.FIBRE: 1, None: -1}

    def stamp(moment: float | None) -> bytes:
        return bytes(8) if moment is None else plant.stamp(moment) + bytes(1)

    def hundredths(level: float, offset: int = 0) -> int:
        light = plant.light(onu, level)
        return NO_VALUE if light is None else round(light * 100) + offset

    def fallen(row: int) -> tuple[float | None, int]:
        falls = [(at, 13 if what == Down.POWER else 1) for at, what in onu.log if what in set(Down)]
        return falls[-row] if row <= len(falls) else (None, 255)

    yield (*ROOT, 43, 1, 3, *index), lambda: b"HWTC" + onu.mac[2:]
    yield (*ROOT, 43, 1, 9, *index), lambda: onu.description.encode()
    yield (*ROOT, 45, 1, 4, *index), lambda: b"HG8245H"
    yield (*ROOT, 46, 1, 15, *index), lambda: 1 if onu.down is None else 2
    yield (*ROOT, 46, 1, 20, *index), lambda: onu.distance if onu.down is None else -1
    yield (*ROOT, 46, 1, 22, *index), lambda: plant.stamp(onu.up_since) + bytes(1)
    yield (*ROOT, 45, 1, 5, *index), lambda: b"V3R017C10S110"
    yield (*ROOT, 46, 1, 23, *index), lambda: stamp(onu.down_since)
    yield (*ROOT, 46, 1, 24, *index), lambda: causes[onu.last_down]
    yield (*ROOT, 51, 1, 1, *index), lambda: round(onu.temperature)
    yield (*ROOT, 51, 1, 2, *index), lambda: round(onu.bias)
    yield (*ROOT, 51, 1, 3, *index), lambda: hundredths(onu.tx)
    yield (*ROOT, 51, 1, 4, *index), lambda: hundredths(onu.rx)
    yield (*ROOT, 51, 1, 5, *index), lambda: round(onu.voltage * 1000)
    yield (*ROOT, 51, 1, 6, *index), lambda: hundredths(onu.olt_rx, 10_000)
    yield (*ROOT, 62, 1, 4, *index, 1), lambda: {10: 1, 100: 2, 1000: 3}[onu.uni_mbps]
    yield (*ROOT, 62, 1, 3, *index, 1), lambda: 2
    yield (*ROOT, 62, 1, 5, *index, 1), lambda: 1
    for row in range(1, 11):
        yield (*ROOT, 101, 1, 7, *index, row), lambda row=row: stamp(fallen(row)[0])  # type: ignore[misc]
        yield (*ROOT, 101, 1, 8, *index, row), lambda row=row: fallen(row)[1]  # type: ignore[misc]
    yield (*ROOT, 62, 1, 7, *index, 1), lambda: onu.vlan
    yield (*ROOT, 62, 1, 22, *index, 1), lambda: 1 if onu.uni_up and onu.down is None else 2


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, "Huawei Integrated Access Software", (1, 3, 6, 1, 4, 1, 2011, 2, 248))
    for place in {(4194304000 + onu.address.slot * 8192 + onu.address.port * 256,) for onu in plant.onus.values()}:
        rows |= {
            (*ROOT, 23, 1, 1, *place): lambda: 41, (*ROOT, 23, 1, 4, *place): lambda: 711,
            (*ROOT, 23, 1, 2, *place): lambda: 322, (*ROOT, 23, 1, 5, *place): lambda: NO_VALUE,
        }  # fmt: skip
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


FAMILY = Family("huawei_ma56xx", "gpon", _rows, before=(0, 1))
