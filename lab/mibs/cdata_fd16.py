"""C-Data FD16: the documented objects as two public walk descriptions have them; PON and ONU are in the name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import Family, system
from lab.plant import Down, Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

ROOT: Oid = (1, 3, 6, 1, 4, 1, 17409, 2, 8)
CDATA: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 5, 1, 1, 2)
OLT_RX: Oid = (1, 3, 6, 1, 4, 1, 17409, 2, 3, 3, 6, 1, 2)


def _onu(plant: Plant, onu: Onu) -> Iterator[tuple[Oid, Callable[[], Value]]]:
    index = 0x480000 + onu.if_index
    about, optics = (*ROOT, 4, 1, 1), (*ROOT, 4, 4, 1)
    reasons = {Down.POWER: b"dying-gasp", Down.FIBRE: b"LOS", None: b"--"}
    frame, slot, port = onu.address.path

    def fell(moment: float) -> bytes:
        return f"{plant.wall(moment):%Y-%m-%d %H:%M:%S}".encode()

    def hundredths(level: float, dark: int) -> int:
        light = plant.light(onu, level)
        return dark if light is None else round(light * 100)

    yield (
        (*about, 2, index),
        lambda: f"gpon {frame}/{slot}/{port} onu {onu.address.onu} {onu.description}".encode() + bytes(4),
    )
    yield (*about, 3, index), lambda: b"CDTC" + onu.mac[2:]
    yield (*about, 5, index), lambda: b"CDTC"
    yield (*about, 6, index), lambda: b"FD702"
    yield (*about, 7, index), lambda: 1 if onu.down is None else 2
    yield (*about, 9, index), lambda: onu.distance if onu.down is None else 0
    yield (*about, 13, index), lambda: int(plant.clock() - onu.up_since) if onu.down is None else 0
    yield (*about, 102, index), lambda: b"--" if onu.down_since is None else fell(onu.down_since)
    yield (*about, 103, index), lambda: reasons[onu.last_down]
    yield (*optics, 4, index, 0, 0), lambda: hundredths(onu.rx, -1)
    yield (*optics, 5, index, 0, 0), lambda: hundredths(onu.tx, -3000)
    yield (*ROOT, 4, 2, 1, 6, index), lambda: b"V2.1.7"
    yield (*optics, 6, index, 0, 0), lambda: round(onu.bias * 100)
    yield (*optics, 7, index, 0, 0), lambda: round(onu.voltage * 100_000)
    yield (*optics, 8, index, 0, 0), lambda: round(onu.temperature * 100)
    yield (*OLT_RX, index), lambda: hundredths(onu.olt_rx, 0)
    yield (*ROOT, 5, 1, 1, 4, index, 0, 1), lambda: 1
    yield (*CDATA, 19, 1, 1, 2, index, 0, 1), lambda: onu.vlan
    yield (*ROOT, 5, 1, 1, 5, index, 0, 1), lambda: 1 if onu.uni_up and onu.down is None else 2


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, "C-Data System Software Device Model: FD1608S-B1-NDA0", (1, 3, 6, 1, 4, 1, 17409))
    for port in range(1, len(plant.pons) + 1):
        place = (1, 0, 0x140000 + port)
        rows |= {(*CDATA, 17, 2, 1, 1, *place): lambda: b"47.12", (*CDATA, 17, 2, 1, 4, *place): lambda: b"4.53"}
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


FAMILY = Family("cdata_fd16", "gpon", _rows, before=(0, 0))
