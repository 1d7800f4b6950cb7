"""C-Data FD11: the documented objects as switcher-core and Ubilling read them; light is linear, in 0.1 uW."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import Family, system
from lab.plant import Down, Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

ROOT: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 3, 4)


def _onu(plant: Plant, onu: Onu) -> Iterator[tuple[Oid, Callable[[], Value]]]:
    index = (1, onu.address.port, onu.address.onu)
    about, uni = (*ROOT, 1, 1), (*ROOT, 3, 1)
    reasons = {Down.POWER: b"dying-gasp", Down.FIBRE: b"losi", None: b"--"}

    def linear(level: float) -> int:
        light = plant.light(onu, level)
        return 0 if light is None else round(10 ** ((light + 40) / 10))

    yield (*about, 4, *index), lambda: onu.description.encode()
    yield (*about, 6, *index), lambda: b"V1.0.8"
    yield (*about, 7, *index), lambda: onu.mac
    yield (*about, 11, *index), lambda: 3 if onu.down is None else 2
    yield (*about, 13, *index), lambda: onu.distance if onu.down is None else 0
    yield (*about, 36, *index), lambda: linear(onu.rx)
    yield (*about, 37, *index), lambda: linear(onu.tx)
    yield (*about, 38, *index), lambda: round(onu.voltage * 10_000)
    yield (*about, 40, *index), lambda: round(onu.temperature * 256)
    yield (*about, 41, *index), lambda: b"CDTC"
    yield (*about, 45, *index), lambda: reasons[onu.last_down]
    yield (*uni, 3, *index, 1), lambda: 1 if onu.uni_up and onu.down is None else 2
    yield (*uni, 5, *index, 1), lambda: {10: 1, 100: 2, 1000: 3}[onu.uni_mbps]
    yield (*uni, 6, *index, 1), lambda: 1
    yield (*uni, 11, *index, 1), lambda: 1
    for entry, mac in enumerate(onu.behind, 1):
        yield (*ROOT, 10, 2, 1, 2, *index, 1, entry), lambda mac=mac: mac  # type: ignore[misc]


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, "FD1104", (1, 3, 6, 1, 4, 1, 34592))
    for port in range(1, len(plant.pons) + 1):
        table: Oid = (*ROOT[:-1], 3)
        rows |= {(*table, 1, 1, 3, 1, port): lambda: 3, (*table, 4, 5, 1, 4, port): lambda: 412}
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


FAMILY = Family("cdata_fd11", "epon", _rows)
