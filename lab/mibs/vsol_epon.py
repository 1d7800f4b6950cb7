"""V-SOL V1600D: the documented objects as switcher-core and a public recording have them; levels in brackets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import Family, system
from lab.plant import Down, Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

ROOT: Oid = (1, 3, 6, 1, 4, 1, 37950, 1, 1, 5)


def _onu(plant: Plant, onu: Onu) -> Iterator[tuple[Oid, Callable[[], Value]]]:
    index = (onu.address.port, onu.address.onu)
    about, optics = (*ROOT, 12, 1, 29, 1), (*ROOT, 12, 2, 1, 8, 1)

    def bracketed(level: float) -> bytes:
        light = plant.light(onu, level)
        return b"" if light is None else f"{10 ** (light / 10):.2f} mW ({light:.2f} dBm)".encode()

    yield (*about, 4, *index), lambda: 1 if onu.down is None else 0
    yield (*about, 5, *index), lambda: onu.mac.hex(":").encode()
    yield (*about, 6, *index), lambda: b"HG323"
    yield (*about, 15, *index), lambda: 1 if onu.last_down is Down.POWER else 0
    yield (*about, 17, *index), lambda: onu.distance if onu.down is None else 0
    yield (*about, 18, *index), lambda: f"{plant.wall(onu.up_since):%Y/%m/%d %H:%M:%S}".encode()
    yield (*optics, 3, *index), lambda: f"{onu.temperature:.2f} C".encode()
    yield (*optics, 4, *index), lambda: f"{onu.voltage:.2f} V".encode()
    yield (*optics, 5, *index), lambda: f"{onu.bias:.2f} mA".encode()
    yield (*optics, 6, *index), lambda: bracketed(onu.tx)
    yield (*optics, 7, *index), lambda: bracketed(onu.rx)
    yield (*about, 19, *index), lambda: _down_at(plant, onu)
    yield (*about, 20, *index), lambda: _lasted(int(plant.clock() - onu.up_since) if onu.down is None else 0)
    yield (*ROOT, 12, 1, 25, 1, 9, *index), lambda: onu.description.encode()
    yield (*ROOT, 12, 2, 1, 2, 1, 7, *index), lambda: b"V1.8.3"
    yield (*ROOT, 12, 5, 1, 10, 1, 4, *index, 1), lambda: 1
    yield (*ROOT, 12, 5, 1, 10, 1, 5, *index, 1), lambda: onu.vlan
    yield (*ROOT, 12, 5, 1, 13, 1, 5, *index, 1), lambda: 1
    yield (*ROOT, 12, 5, 1, 13, 1, 4, *index, 1), lambda: 1 if onu.uni_up and onu.down is None else 2


def _down_at(plant: Plant, onu: Onu) -> bytes:
    return b"N/A" if onu.down_since is None else f"{plant.wall(onu.down_since):%Y/%m/%d %H:%M:%S}".encode()


def _lasted(seconds: int) -> bytes:
    return f"{seconds // 86400} {seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}".encode()


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, "V1600D", (1, 3, 6, 1, 4, 1, 37950, 1, 1, 5, 10, 14, 1))
    for port in range(1, len(plant.pons) + 1):
        rows[(*ROOT, 10, 13, 1, 1, 2, port)] = lambda: b"27.84 .C"
        rows[(*ROOT, 10, 13, 1, 1, 3, port)] = lambda: b"3.28 V"
        rows[(*ROOT, 10, 13, 1, 1, 4, port)] = lambda: b"12.10 mA"
        rows[(*ROOT, 10, 13, 1, 1, 5, port)] = lambda: b"6.56 dbm"
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


FAMILY = Family("vsol_epon", "epon", _rows)
