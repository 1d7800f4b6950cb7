"""BDCOM EPON: the documented objects of NMS-EPON-* as switcher-core, Ubilling and ABillS read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import FDB, IF_ALIAS, IF_DESCR, IF_OPER_STATUS, Family, system, tenths
from lab.plant import Down, Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

BDCOM: Oid = (1, 3, 6, 1, 4, 1, 3320)
Column = Iterator[tuple[Oid, Callable[[], Value]]]

NO_VALUE = -65535


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(plant, name, f"BDCOM(tm) P3310C Software, Version 10.1.0E Build 46022 ({name})", (*BDCOM, 1, 294, 0))
    for uplink in range(1, 5):
        rows[(*IF_DESCR, uplink)] = lambda n=uplink: f"GigaEthernet0/{n}".encode()  # type: ignore[misc]
        rows[(*IF_OPER_STATUS, uplink)] = lambda: 1
    for pon, index in plant.pons.items():
        rows[(*IF_DESCR, index)] = lambda text=pon: text.encode()  # type: ignore[misc]
        rows[(*IF_OPER_STATUS, index)] = lambda: 1
        rows |= dict(_pon(plant, pon, index))
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


def _onu(plant: Plant, onu: Onu) -> Column:
    index = onu.if_index
    bound = (onu.pon_index, *onu.mac)
    onu_table, optics, uni, binding = (
        (*BDCOM, 101, 10, 1, 1),
        (*BDCOM, 101, 10, 5, 1),
        (*BDCOM, 101, 12, 1, 1),
        (*BDCOM, 101, 11, 1, 1),
    )
    reasons = {Down.POWER: 9, Down.FIBRE: 8, None: 0}
    yield (*IF_DESCR, index), lambda: str(onu.address).encode()
    yield (*IF_ALIAS, index), lambda: onu.description.encode()
    yield (*IF_OPER_STATUS, index), lambda: 1 if onu.down is None else 2
    yield (*onu_table, 1, index), lambda: b"BDCM"
    yield (*onu_table, 2, index), lambda: b"1501"
    yield (*onu_table, 3, index), lambda: onu.mac
    yield (*onu_table, 26, index), lambda: 3 if onu.down is None else 2
    yield (*onu_table, 27, index), lambda: onu.distance if onu.down is None else 0
    yield (*onu_table, 80, index), lambda: int(plant.clock() - onu.up_since) if onu.down is None else 0
    yield (*optics, 5, index), lambda: tenths(plant, onu, onu.rx, NO_VALUE)
    yield (*optics, 6, index), lambda: tenths(plant, onu, onu.tx, NO_VALUE)
    yield (*BDCOM, 101, 108, 1, 3, index), lambda: tenths(plant, onu, onu.olt_rx, NO_VALUE)
    yield (*uni, 8, index, 1), lambda: 1 if onu.uni_up and onu.down is None else 2
    yield (*uni, 10, index, 1), lambda: {10: 1, 100: 2, 1000: 3}[onu.uni_mbps]
    yield (*onu_table, 5, index), lambda: b"10.0.22A.554"
    yield (*optics, 2, index), lambda: round(onu.temperature * 256) if onu.down is None else NO_VALUE
    yield (*optics, 3, index), lambda: round(onu.voltage * 10_000) if onu.down is None else NO_VALUE
    yield (*optics, 4, index), lambda: round(onu.bias * 500) if onu.down is None else NO_VALUE
    yield (*uni, 3, index, 1), lambda: onu.vlan
    yield (*uni, 7, index, 1), lambda: 1
    yield (*uni, 9, index, 1), lambda: 1
    yield (*uni, 18, index, 1), lambda: 1
    yield (*BDCOM, 101, 12, 2, 1, 10, index, 1), lambda: onu.uni_errors
    for mac in onu.behind:
        yield (*FDB, onu.vlan, *mac), lambda: onu.if_index
    yield (*FDB, 4093, *onu.mac), lambda: onu.if_index
    yield (*binding, 9, *bound), lambda: plant.stamp(onu.up_since)
    yield (*binding, 6, *bound), lambda: 5 if onu.down is None else 2
    yield (*binding, 10, *bound), lambda: plant.stamp(onu.down_since) if onu.down_since is not None else b""
    yield (*binding, 11, *bound), lambda: reasons[onu.last_down]


def _pon(plant: Plant, pon: str, index: int) -> Column:
    def many(online: bool) -> int:
        return sum((onu.down is None) is online for onu in plant.onus.values() if onu.address.pon == pon)

    yield (*BDCOM, 101, 6, 1, 1, 21, index), lambda: many(True)
    yield (*BDCOM, 101, 6, 1, 1, 22, index), lambda: many(False)
    yield (*BDCOM, 101, 107, 1, 2, index), lambda: 1
    yield (*BDCOM, 101, 107, 1, 3, index), lambda: 48
    yield (*BDCOM, 101, 107, 1, 6, index), lambda: 45 * 256
    yield (*BDCOM, 101, 107, 1, 7, index), lambda: 32_900


FAMILY = Family("bdcom_epon", "epon", _rows, hangs_when_walked=((*BDCOM, 101, 108),))
