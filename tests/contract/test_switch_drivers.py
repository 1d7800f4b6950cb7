"""What every switch driver owes, checked on tapes: ports by any spelling, their state, VLANs, light and MACs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callcenter.diag.cli_text import checked
from callcenter.diag.detect import SYS_DESCR, SYS_OBJECT_ID, family_of, read_descr, read_object_id
from callcenter.diag.driver import Rows
from callcenter.diag.drivers import SWITCHES
from callcenter.diag.drivers._bridge import is_named, place_named
from callcenter.diag.reading import MacRow, PortReading
from callcenter.diag.switch import PortPlace, SwitchDriver, VlanOrder
from callcenter.diag.values import NO_VALUE, Oid, SnmpValue
from callcenter.errors import RuleBroken
from tests.shapes import known

TAPES = Path(__file__).parent.parent / "tapes" / "switch"
Walk = dict[Oid, SnmpValue]
every_driver = pytest.mark.parametrize("driver", list(SWITCHES.values()), ids=lambda driver: driver.name)


def _oid(text: str) -> Oid:
    return tuple(int(arc) for arc in text.split("."))


def walk(driver: SwitchDriver, vlan: int | None = None) -> Walk:
    """What the switch answers; of one VLAN where it keeps them apart."""
    path = TAPES / driver.name / ("walk.snmprec" if vlan is None else f"walk@{vlan}.snmprec")
    rows: Walk = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        oid, tag, value = line.split("|", 2)
        match tag:
            case "4":
                rows[_oid(oid)] = value.encode()
            case "4x":
                rows[_oid(oid)] = bytes.fromhex(value)
            case "6":
                rows[_oid(oid)] = _oid(value)
            case _:
                rows[_oid(oid)] = int(value)
    return rows


def under(rows: Walk, column: Oid) -> Rows:
    return {oid[len(column) :]: value for oid, value in rows.items() if oid[: len(column)] == column}


def expected(driver: SwitchDriver) -> dict[str, Any]:
    return dict(json.loads((TAPES / driver.name / "expected.json").read_text()))


def places(driver: SwitchDriver, rows: Walk) -> dict[str, PortPlace]:
    return driver.ports.places({name: under(rows, column) for name, column in driver.ports.columns.items()})


def answers_of(driver: SwitchDriver, rows: Walk, place: PortPlace) -> dict[str, SnmpValue]:
    asked = {name: (*column, place.if_index) for name, column in driver.reads.items()}
    asked |= {name: (*column, place.bridge_port or 0) for name, column in driver.bridge_reads.items()}
    for name, (sensor, column) in driver.sensor_reads.items():
        if sensor in place.sensors:
            asked[name] = (*column, place.sensors[sensor])
    return {name: rows.get(oid, NO_VALUE) for name, oid in (asked | dict(driver.scalars)).items()}


def read(driver: SwitchDriver, rows: Walk, place: PortPlace) -> PortReading:
    walked = {name: under(rows, column) for name, column in driver.vlan_columns.items()}
    return driver.decode(place, answers_of(driver, rows, place), walked)


def macs(driver: SwitchDriver, rows: Walk, reading: PortReading) -> tuple[MacRow, ...]:
    listed = places(driver, rows).values()
    if not driver.fdb.per_vlan:
        names = {place.bridge_port: place.name for place in listed if place.bridge_port is not None}
        found = driver.fdb.decode({name: under(rows, each) for name, each in driver.fdb.columns.items()}, names)
        return tuple(row for row in found if row.port == reading.name)
    told: list[MacRow] = []
    by_index = {place.if_index: place.name for place in listed}
    for vlan in sorted({each for each in (reading.pvid, *(reading.tagged or ())) if each}):
        tables = {name: under(walk(driver, vlan), each) for name, each in driver.fdb.columns.items()}
        names = {
            index[0]: by_index[port]
            for index, port in tables["bridge"].items()
            if isinstance(port, int) and port in by_index
        }
        told += [replace(row, vlan=vlan) for row in driver.fdb.decode(tables, names) if row.port == reading.name]
    return tuple(told)


def every_port() -> Iterator[Any]:
    for driver in SWITCHES.values():
        for port, told in expected(driver).items():
            yield pytest.param(driver, port, told, id=f"{driver.name}-{port}")


@pytest.mark.parametrize(("driver", "port", "told"), list(every_port()))
def test_the_tape_is_read_as_expected(driver: SwitchDriver, port: str, told: dict[str, Any]) -> None:
    rows = walk(driver)
    place = place_named(places(driver, rows), port)
    assert place is not None
    assert is_named(place, answers_of(driver, rows, place))
    reading = read(driver, rows, place)
    assert {name: each for name, each in known(replace(reading, macs=macs(driver, rows, reading))).items()
            if name != "absent"} == told  # fmt: skip


@every_driver
def test_a_driver_brings_a_tape_with_every_kind_of_port(driver: SwitchDriver) -> None:
    told = list(expected(driver).values())
    assert any(each["up"] and each["tagged"] == [] for each in told), "an access port"
    assert any(each["tagged"] for each in told), "a trunk"
    assert any(not each["up"] for each in told), "a port that is down"
    assert any("sfp_rx" in each for each in told), "a port with light"
    assert any(each["macs"] for each in told), "somebody behind a port"
    rows = walk(driver)
    sensors = {column for _, column in driver.sensor_reads.values()}
    for column in {*driver.reads.values(), *driver.bridge_reads.values(), *driver.vlan_columns.values(), *sensors}:
        assert under(rows, column), column


@every_driver
def test_a_switch_is_detected_by_its_tape(driver: SwitchDriver) -> None:
    rows = walk(driver)
    assert family_of(read_object_id(rows[SYS_OBJECT_ID]), read_descr(rows[SYS_DESCR])) == driver.name


@every_driver
def test_what_a_family_never_tells_it_never_tells(driver: SwitchDriver) -> None:
    assert driver.absent <= PortReading.__dataclass_fields__.keys()
    told = set().union(*(each.keys() for each in expected(driver).values()))
    for path in (TAPES.parent / "cli" / driver.name).glob("*.json"):
        told |= json.loads(path.read_text())["details"].keys()
    assert not driver.absent & told
    silent = set(PortReading.__dataclass_fields__) - told - {"name", "absent", "mode", "allowed"}
    assert silent <= driver.absent, "a field that no tape tells is either absent, and said so, or not proven"


@every_driver
def test_another_ports_index_is_not_taken_for_this_one(driver: SwitchDriver) -> None:
    rows = walk(driver)
    first, second, *_ = sorted(set(places(driver, rows).values()), key=lambda place: place.if_index)
    assert is_named(first, answers_of(driver, rows, first))
    assert not is_named(first, answers_of(driver, rows, second))


@every_driver
def test_a_cut_off_answer_says_less_and_nothing_else(driver: SwitchDriver) -> None:
    rows = walk(driver)
    keep = list(rows.items())
    port = next(iter(expected(driver)))
    place = place_named(places(driver, rows), port)
    assert place is not None
    whole = read(driver, rows, place)
    for size in range(0, len(keep), 3):
        told = read(driver, dict(keep[:size]), place)
        for name in ("up", "enabled", "mbps", "in_errors", "crc_errors", "changed_s", "sfp_rx", "sfp_tx"):
            assert getattr(told, name) in (None, getattr(whole, name)), name
        assert set(told.tagged or ()) <= set(whole.tagged or ())


anything = st.one_of(
    st.just(NO_VALUE),
    st.integers(-(2**63), 2**64),
    st.sampled_from([-65535, 2147483647, 2147483648, 32767, 4294967295, 0, -1, 1, 2, 3, 14]),
    st.binary(max_size=140),
    st.lists(st.integers(0, 2**32), max_size=9).map(tuple),
)


@every_driver
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_answer_breaks_a_driver_or_invents_anything(driver: SwitchDriver, data: st.DataObject) -> None:
    columns = [*driver.reads, *driver.bridge_reads, *driver.scalars, *driver.sensor_reads]
    answers = {name: data.draw(anything, label=name) for name in columns if data.draw(st.booleans())}
    index = st.one_of(
        st.lists(st.integers(0, 300), max_size=8).map(tuple), st.lists(st.integers(0, 2**32), max_size=8).map(tuple)
    )
    tables = {**driver.vlan_columns, **driver.fdb.columns, **driver.ports.columns}
    walked = {name: data.draw(st.dictionaries(index, anything, max_size=4), label=name) for name in tables}
    for name, place in driver.ports.places(walked).items():
        assert place_named({name: place}, name) is place
        is_named(place, answers)
    told = driver.decode(PortPlace(5, 5, "5"), answers, walked)
    for dbm in (told.sfp_rx, told.sfp_tx):
        assert dbm is None or -40 < dbm < 15
    assert told.pvid is None or 1 <= told.pvid <= 4094
    assert told.changed_s is None or told.changed_s >= 0
    for row in driver.fdb.decode(walked, {1: "1", 5: "5"}):
        assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", row.mac)
    json.dumps(known(told))


# --- orders ---

PORTS = [
    None,
    PortReading("5", pvid=1, tagged=(), mode="access"),
    PortReading("5", pvid=77, tagged=(), mode="access"),
    PortReading("5", pvid=1, tagged=(10,), mode="trunk", allowed="1,10"),
    PortReading("5", pvid=1, tagged=(10,), mode="hybrid"),
    PortReading("5", pvid=1, tagged=(), mode="dynamic auto"),
    PortReading("5", pvid=None, tagged=(10,)),
]
HARM = (
    r"^(no )?switchport trunk allowed vlan (?!add 300$|remove 300$)", r"vlan all", r"^(no|undo) vlan (?!300$)",
    r"default", r"^reload|^reboot|^erase|^boot", r"shutdown", r"\bto\b",
)  # fmt: skip


@every_driver
@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize("was", PORTS, ids=lambda was: "unknown" if was is None else f"{was.mode} {was.pvid}")
def test_an_order_touches_its_vlan_and_its_port_only(
    driver: SwitchDriver, was: PortReading | None, tagged: bool
) -> None:
    assert driver.add_vlan is not None
    assert driver.drop_vlan is not None
    assert driver.dialect is not None
    order = VlanOrder("5", 300, tagged, "street-7", was)
    try:
        given = driver.add_vlan(order)
    except RuleBroken:
        assert driver.name != "hp_procurve", "its ports have no mode that would have to change"
        assert was is None or was.mode != ("trunk" if tagged else "access"), "it is set as it has to be"
        return
    for commands in (given, driver.drop_vlan(order, True), driver.drop_vlan(order, False)):
        for command in commands:
            assert checked(driver.dialect, command) == command
            assert not any(re.search(harm, command) for harm in HARM), command
            numbers = set(re.findall(r"\b\d+\b", command)) - {"300", "5", "7"}
            assert numbers <= {str(was.pvid) if was else "1", "1"}, command
        depth = sum(bool(re.match(r"vlan |interface ", each)) for each in commands)
        assert sum(each in {"exit", "quit"} for each in commands) == depth, commands
    assert not any(re.match(r"(no|undo) vlan", each) for each in driver.drop_vlan(order, False))


FORBIDDEN = {
    "cisco_ios": (
        "switchport trunk allowed vlan 300", "switchport trunk allowed vlan none", "no switchport trunk allowed vlan",
        "sw tr al vl 300", "do switchport trunk allowed vlan 300", "reload", "default interface Gi1/0/5", "no vlan 1",
        "switchport trunk allowed vlan except 300", "erase startup-config",
    ),
    "hp_comware": ("reboot", "undo vlan all", "port trunk permit vlan all", "port trunk permit vlan 2 to 4094"),
    "hp_procurve": ("reload", "boot system flash primary", "erase startup-config", "no vlan 1"),
}  # fmt: skip


@every_driver
def test_what_would_cut_others_off_is_never_sent(driver: SwitchDriver) -> None:
    assert driver.dialect is not None
    for command in FORBIDDEN[driver.name]:
        with pytest.raises(RuleBroken):
            checked(driver.dialect, command)
