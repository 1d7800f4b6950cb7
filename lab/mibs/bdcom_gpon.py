"""BDCOM GPON: the documented objects of NMS-GPON-MIB as switcher-core, Ubilling and ABillS read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.mibs.family import FDB, IF_ALIAS, IF_DESCR, IF_OPER_STATUS, Family, system, tenths
from lab.plant import Down, Onu, Plant
from lab.snmp_agent import Oid, Rows, Value

BDCOM: Oid = (1, 3, 6, 1, 4, 1, 3320)
Column = Iterator[tuple[Oid, Callable[[], Value]]]

NO_VALUE = -65535


def _rows(plant: Plant, name: str) -> Rows:
    rows = system(
        plant, name, f"BDCOM(tm) GP3600-16B Software, Version 10.3.0C Build 81190 ({name})", (*BDCOM, 1, 390, 0)
    )
    for uplink in range(1, 5):
        rows[(*IF_DESCR, uplink)] = lambda n=uplink: f"GigaEthernet0/{n}".encode()  # type: ignore[misc]
        rows[(*IF_OPER_STATUS, uplink)] = lambda: 1
    for pon, index in plant.pons.items():
        rows[(*IF_DESCR, index)] = lambda text=pon: text.encode()  # type: ignore[misc]
        rows[(*IF_OPER_STATUS, index)] = lambda: 1
        rows |= dict(_pon(plant, pon, index))
    for vlan in sorted({onu.vlan for onu in plant.onus.values()}):
        rows[(*BDCOM, 10, 6, 1, 1, 1, 3, vlan)] = lambda: 2
        rows[(*BDCOM, 10, 6, 1, 1, 1, 4, vlan)] = lambda tag=vlan: tag  # type: ignore[misc]
    for onu in plant.onus.values():
        rows |= dict(_onu(plant, onu))
    return rows


def _onu(plant: Plant, onu: Onu) -> Column:
    index = onu.if_index
    root = (*BDCOM, 10)
    reasons = {Down.POWER: 1, Down.FIBRE: 6, None: 0}
    yield (*IF_DESCR, index), lambda: str(onu.address).encode()
    yield (*IF_ALIAS, index), lambda: onu.description.encode()
    yield (*root, 3, 1, 1, 20, index), lambda: b"V1.0.1P1"
    yield (*root, 3, 1, 1, 22, index), lambda: 1
    yield (*root, 4, 1, 1, 3, index, 1), lambda: 1
    yield (*root, 4, 1, 1, 6, index, 1), lambda: onu.vlan
    yield (*root, 4, 2, 1, 36, index, 1), lambda: onu.uni_errors
    for mac in onu.behind:
        yield (*FDB, onu.vlan, *mac), lambda: onu.if_index
    yield (*IF_OPER_STATUS, index), lambda: 1 if onu.down is None else 2
    yield (*root, 2, 3, 1, 3, index), lambda: tenths(plant, onu, onu.olt_rx, NO_VALUE)
    yield (*root, 3, 1, 1, 2, index), lambda: b"BDCM"
    yield (*root, 3, 1, 1, 9, index), lambda: b"GP1501-4G"
    yield (*root, 3, 1, 1, 19, index), lambda: int(plant.clock() - onu.up_since) if onu.down is None else 0
    yield (*root, 3, 1, 1, 33, index), lambda: onu.distance * 10 if onu.down is None else 0
    yield (*root, 3, 1, 1, 35, index), lambda: reasons[onu.last_down]
    yield (*root, 3, 3, 1, 2, index), lambda: f"BDCM:{onu.mac[2:].hex().upper()}".encode()
    yield (*root, 3, 3, 1, 4, index), lambda: 3 if onu.down is None else 0
    yield (*root, 3, 4, 1, 2, index), lambda: tenths(plant, onu, onu.rx, NO_VALUE)
    yield (*root, 3, 4, 1, 3, index), lambda: tenths(plant, onu, onu.tx, NO_VALUE)
    yield (*root, 4, 1, 1, 4, index, 1), lambda: 1 if onu.uni_up and onu.down is None else 2


def _pon(plant: Plant, pon: str, index: int) -> Column:
    def many(online: bool) -> int:
        return sum((onu.down is None) is online for onu in plant.onus.values() if onu.address.pon == pon)

    yield (*BDCOM, 10, 2, 1, 1, 4, index), lambda: many(True)
    yield (*BDCOM, 10, 2, 1, 1, 5, index), lambda: many(False)
    yield (*BDCOM, 10, 2, 2, 1, 2, index), lambda: 50 * 256
    yield (*BDCOM, 10, 2, 2, 1, 3, index), lambda: 33_100
    yield (*BDCOM, 10, 2, 2, 1, 5, index), lambda: 38


FAMILY = Family("bdcom_gpon", "gpon", _rows)
