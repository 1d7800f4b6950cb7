"""GCOM GPON: the documented objects as Ubilling and ABillS read them; everything is text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import Family, system, written
from lab.plant import Down, Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

ROOT: Oid = (1, 3, 6, 1, 4, 1, 13464, 1, 14)


def _onu(plant: Plant, onu: Onu) -> Iterator[tuple[Oid, Callable[[], Value]]]:
    index = (0, onu.address.port, onu.address.onu)
    about, optics = (*ROOT, 2, 4, 1, 1, 1), (*ROOT, 2, 4, 1, 4, 1)
    reasons = {Down.POWER: b"3", Down.FIBRE: b"1", None: b""}
    yield (*about, 4, *index), lambda: onu.description.encode()
    yield (*about, 5, *index), lambda: b"EG8"
    yield (*about, 6, *index), lambda: 1 if onu.down is None else 0
    yield (*about, 7, *index), lambda: str(onu.distance).encode() if onu.down is None else b""
    yield (*about, 8, *index), lambda: b"XPON-" + onu.mac[2:].hex().encode()
    yield (*about, 9, *index), lambda: b"XPON"
    yield (*about, 12, *index), lambda: reasons[onu.last_down]
    yield (*optics, 4, *index), lambda: f"{onu.voltage:.2f}".encode()
    yield (*optics, 5, *index), lambda: written(plant, onu, onu.rx)
    yield (*optics, 6, *index), lambda: written(plant, onu, onu.tx)
    yield (*optics, 8, *index), lambda: f"{onu.temperature:.2f}".encode()
    yield (*optics, 11, *index), lambda: written(plant, onu, onu.olt_rx)
    yield (*about, 13, *index), lambda: _down_at(plant, onu)
    yield (*about, 14, *index), lambda: _lasted(int(plant.clock() - onu.up_since) if onu.down is None else 0)
    yield (*ROOT, 2, 4, 1, 2, 1, 7, *index), lambda: b"V5.0.1"
    yield (*ROOT, 2, 4, 2, 1, 1, 5, *index, 1), lambda: 0
    yield (*ROOT, 2, 4, 2, 1, 1, 6, *index, 1), lambda: b"Link up" if onu.uni_up and onu.down is None else b"Linkdown"


def _down_at(plant: Plant, onu: Onu) -> bytes:
    return b"-" if onu.down_since is None else f"{plant.wall(onu.down_since):%Y-%m-%d %H:%M:%S}".encode()


def _lasted(seconds: int) -> bytes:
    return f"{seconds // 86400}d{seconds // 3600 % 24}h{seconds // 60 % 60}m".encode()


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, "GCOM GPON", (1, 3, 6, 1, 4, 1, 13464, 1, 10, 7, 1))
    for port in range(1, len(plant.pons) + 1):
        rows[(*ROOT, 2, 3, 3, 1, 12, 0, port)] = lambda: b"45.5"
        rows[(*ROOT, 2, 3, 3, 1, 20, 0, port)] = lambda: b"4.31"
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


FAMILY = Family("gcom_gpon", "gpon", _rows)
