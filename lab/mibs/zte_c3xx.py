"""ZTE C320: the documented objects of tree 1012; the ONU's level is a signed number of 0.002 dB from -30 dBm.

``NEW`` is a C600 as switcher-core reads it: tree 1082 by ifIndex, phases that count from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import Family, system
from lab.plant import Down, Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

ZTE: Oid = (1, 3, 6, 1, 4, 1, 3902)
IF_NAME: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)


def _onu(plant: Plant, onu: Onu) -> Iterator[tuple[Oid, Callable[[], Value]]]:
    pon = 0x10000000 + (onu.address.slot << 16) + (onu.address.port << 8)
    index = (pon, onu.address.onu)
    state, about = (*ZTE, 1012, 3, 28, 2, 1), (*ZTE, 1012, 3, 28, 1, 1)
    optics, uni = (*ZTE, 1012, 3, 50, 12, 1, 1), (*ZTE, 1012, 3, 50, 14, 1, 1)
    phases = {Down.POWER: 4, Down.FIBRE: 1, None: 3}
    reasons = {Down.POWER: 9, Down.FIBRE: 2, None: 1}

    def fine(level: float) -> int:
        light = plant.light(onu, level)
        return 65535 if light is None else round((light + 30) / 0.002) % 65536

    def at_olt() -> int:
        light = plant.light(onu, onu.olt_rx)
        return -80000 if light is None else round(light * 1000)

    yield (*state, 4, *index), lambda: phases[onu.down]
    yield (*state, 5, *index), lambda: plant.stamp(onu.up_since) + bytes(1)
    yield (*state, 6, *index), lambda: went_down(plant, onu)
    yield (*state, 7, *index), lambda: reasons[onu.last_down]
    yield (*about, 3, *index), lambda: onu.description.encode()
    yield (*about, 5, *index), lambda: b"ZTEG" + onu.mac[2:]
    yield (*ZTE, 1015, 1010, 11, 2, 1, 2, *index), at_olt
    yield (*ZTE, 1012, 3, 11, 4, 1, 2, *index), lambda: onu.distance if onu.down is None else 0
    yield (*ZTE, 1012, 3, 50, 11, 2, 1, 1, *index), lambda: b"ZTEG"
    yield (*ZTE, 1012, 3, 50, 11, 2, 1, 9, *index), lambda: b"F660"
    yield (*optics, 10, *index, 1), lambda: fine(onu.rx)
    yield (*optics, 14, *index, 1), lambda: fine(onu.tx)
    yield (*optics, 17, *index, 1), lambda: round(onu.voltage * 50)
    yield (*optics, 19, *index, 1), lambda: round(onu.temperature * 256)
    yield (*ZTE, 1082, 500, 20, 2, 1, 2, 1, 2, *index), lambda: b"V6.0.10P3N12"
    yield (*uni, 5, *index, 1), lambda: 1
    yield (*uni, 6, *index, 1), lambda: 1 if onu.uni_up and onu.down is None else 2
    yield (*uni, 7, *index, 1), lambda: {10: 3, 100: 5, 1000: 6}[onu.uni_mbps]


def went_down(plant: Plant, onu: Onu) -> bytes:
    return b"" if onu.down_since is None else plant.stamp(onu.down_since) + bytes(1)


def _new_onu(plant: Plant, onu: Onu) -> Iterator[tuple[Oid, Callable[[], Value]]]:
    root: Oid = (*ZTE, 1082, 500)
    index = (285278464 + onu.address.slot * 256 + onu.address.port, onu.address.onu)
    state, about, remote = (*root, 10, 2, 3, 8, 1), (*root, 10, 2, 3, 3, 1), (*root, 20, 2, 1, 2, 1)
    optics, uni = (*root, 20, 2, 2, 2, 1), (*root, 20, 2, 3, 2, 1)
    phases = {Down.POWER: 5, Down.FIBRE: 2, None: 4}
    reasons = {Down.POWER: 9, Down.FIBRE: 2, None: 1}

    def fine(level: float) -> int:
        light = plant.light(onu, level)
        return 65535 if light is None else round((light + 30) / 0.002) % 65536

    def at_olt() -> int:
        light = plant.light(onu, onu.olt_rx)
        return -80000 if light is None else round(light * 1000)

    yield (*state, 4, *index), lambda: phases[onu.down]
    yield (*state, 5, *index), lambda: plant.stamp(onu.up_since) + bytes(1)
    yield (*state, 6, *index), lambda: went_down(plant, onu)
    yield (*state, 7, *index), lambda: reasons[onu.last_down]
    yield (*about, 3, *index), lambda: onu.description.encode()
    yield (*about, 6, *index), lambda: b"ZTEG" + onu.mac[2:]
    yield (*remote, 1, *index), lambda: b"ZTEG"
    yield (*remote, 2, *index), lambda: b"V9.0.10P2N1"
    yield (*remote, 8, *index), lambda: b"F670L"
    yield (*root, 1, 2, 4, 2, 1, 2, *index), at_olt
    yield (*root, 10, 2, 3, 10, 1, 2, *index), lambda: onu.distance if onu.down is None else 0
    yield (*optics, 10, *index, 1), lambda: fine(onu.rx)
    yield (*optics, 14, *index, 1), lambda: fine(onu.tx)
    yield (*optics, 17, *index, 1), lambda: round(onu.voltage * 50)
    yield (*optics, 19, *index, 1), lambda: round(onu.temperature * 256)
    yield (*uni, 5, *index, 1), lambda: 1
    yield (*uni, 6, *index, 1), lambda: 1 if onu.uni_up and onu.down is None else 2
    yield (*uni, 7, *index, 1), lambda: {10: 3, 100: 5, 1000: 6}[onu.uni_mbps]


def _new_rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, "C600 Version V1.2.2", (*ZTE, 1082, 1001, 600, 2, 1))
    for onu in plant.onus.values():
        _, slot, port = onu.address.path
        rows[(*IF_NAME, 285278464 + slot * 256 + port)] = lambda at=(slot, port): f"gpon_olt-1/{at[0]}/{at[1]}".encode()  # type: ignore[misc]
        rows |= dict(_new_onu(plant, onu))
    return rows


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, "C320 Version V2.1.0", (1, 3, 6, 1, 4, 1, 3902, 1082, 1001, 320, 2, 1))
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


FAMILY = Family("zte_c3xx", "gpon", _rows, before=(1, 1))
NEW = Family("zte_c3xx", "gpon", _new_rows, before=(1, 1))
