"""C-Data FD12: the documented objects as switcher-core reads them; indexes begin with the PON's ifIndex."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import IF_DESCR, Family, system
from lab.plant import Down, Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

ROOT: Oid = (1, 3, 6, 1, 4, 1, 17409, 2, 3)
LEARNED: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 3, 100, 13, 1, 1, 5)
MODULE: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 3, 100, 2, 2, 1)
REASON: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 3, 100, 12, 3, 1, 1)


def pon_index(port: int) -> int:
    """``pon0/0/1`` has ifIndex 16780544 in a public recording: the port's number counts 12 others before."""
    return 1 << 24 | (port + 12) << 8


def _onu(plant: Plant, onu: Onu) -> Iterator[tuple[Oid, Callable[[], Value]]]:
    index = pon_index(onu.address.port) + onu.address.onu
    about, optics = (*ROOT, 4, 1, 1), (*ROOT, 4, 2, 1)
    reasons = {Down.POWER: b"dying-gasp", Down.FIBRE: b"losi", None: b""}

    def hundredths(level: float, dark: int) -> int:
        light = plant.light(onu, level)
        return dark if light is None else round(light * 100)

    yield (*about, 2, index), lambda: onu.description.encode()
    yield (*about, 7, index), lambda: onu.mac
    yield (*about, 8, index), lambda: 1 if onu.down is None else 2
    yield (*about, 13, index), lambda: b"V2.1"
    yield (*about, 15, index), lambda: onu.distance if onu.down is None else 0
    yield (*about, 18, index), lambda: int(plant.clock() - onu.up_since) if onu.down is None else 0
    yield (*about, 25, index), lambda: b"CDTC"
    yield (*about, 26, index), lambda: b"FD512"
    yield (*optics, 4, index, 0, 0), lambda: hundredths(onu.rx, -1)
    yield (*optics, 5, index, 0, 0), lambda: hundredths(onu.tx, -3000)
    yield (*optics, 6, index, 0, 0), lambda: round(onu.bias * 100)
    yield (*optics, 7, index, 0, 0), lambda: round(onu.voltage * 100_000)
    yield (*optics, 8, index, 0, 0), lambda: round(onu.temperature * 100)
    yield (*ROOT, 3, 6, 1, 2, index), lambda: hundredths(onu.olt_rx, 0)
    yield (*REASON, 7, index), lambda: reasons[onu.last_down]
    yield (*ROOT, 5, 1, 1, 5, index, 0, 1), lambda: 1 if onu.uni_up and onu.down is None else 2
    yield (*ROOT, 5, 1, 1, 4, index, 0, 1), lambda: 1
    yield (*ROOT, 7, 3, 1, 1, 7, index, 0, 1), lambda: onu.vlan
    yield (*ROOT, 7, 3, 1, 1, 8, index, 0, 1), lambda: 2
    for entry, mac in enumerate(onu.behind, 1):
        yield (*LEARNED, index, 0, 1, entry), lambda mac=mac: mac  # type: ignore[misc]


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, "EasyPath Ethernet-PON FD1208S", (1, 3, 6, 1, 4, 1, 17409))
    for number in range(1, len(plant.pons) + 1):
        place = (1, 0, number + 12)
        rows |= {(*ROOT, 3, 1, 1, 5, *place): lambda: 1, (*MODULE, 7, *place): lambda: 455}
        rows[(*IF_DESCR, pon_index(number))] = lambda n=number: f"pon0/0/{n}".encode()  # type: ignore[misc]
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


FAMILY = Family("cdata_fd12", "epon", _rows, before=(0, 0))
