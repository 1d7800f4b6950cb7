"""What every OLT driver owes, checked on recorded walks: a new driver is found by itself and must bring its tape."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.diag.columns import narrowed
from callcenter.diag.detect import SYS_DESCR, SYS_OBJECT_ID, family_of, read_descr, read_object_id, roots
from callcenter.diag.driver import OltDriver, Place, Read, Rows, Under
from callcenter.diag.drivers import DRIVERS
from callcenter.diag.reading import LineDetails, OnuReading, OnuState
from callcenter.diag.values import NO_VALUE, Oid, SnmpValue
from callcenter.diag.verdict import Thresholds, judge
from callcenter.words import OnuAddress
from tests.shapes import known

TAPES = Path(__file__).parent.parent / "tapes" / "olt"
KINDS = {"good", "weak", "dark", "unknown"}
every_driver = pytest.mark.parametrize("driver", list(DRIVERS.values()), ids=lambda driver: driver.name)


def walk(driver: OltDriver) -> dict[Oid, SnmpValue]:
    """The recorded answers of one OLT."""
    rows: dict[Oid, SnmpValue] = {}
    for line in (TAPES / driver.name / "walk.snmprec").read_text().splitlines():
        oid, tag, value = line.split("|", 2)
        rows[_oid(oid)] = {"2": int, "4": str.encode, "4x": bytes.fromhex, "6": _oid}[tag](value)  # type: ignore[operator]
    return rows


def _oid(text: str) -> Oid:
    return tuple(int(arc) for arc in text.split("."))


def expected(driver: OltDriver) -> dict[str, Any]:
    return dict(json.loads((TAPES / driver.name / "expected.json").read_text()))


def listed(driver: OltDriver, rows: dict[Oid, SnmpValue]) -> dict[OnuAddress, Place]:
    """The OLT's ONUs as the driver makes them out of the recorded walk."""
    return driver.listing.places(
        {
            name: {oid[len(column) :]: value for oid, value in rows.items() if oid[: len(column)] == column}
            for name, column in driver.listing.columns.items()
        }
    )


def place_of(driver: OltDriver, rows: dict[Oid, SnmpValue], onu: OnuAddress) -> Place | None:
    return driver.place_of(onu) if driver.place_of else listed(driver, rows).get(onu)


def read(driver: OltDriver, rows: dict[Oid, SnmpValue], onu: OnuAddress) -> OnuReading:
    """What the line reader does, over a recorded walk instead of a network."""
    place = place_of(driver, rows, onu)
    if place is None:
        return OnuReading(OnuState.ABSENT)
    answers: dict[str, SnmpValue] = {}
    while asked := driver.questions(place, answers):
        answers |= {name: rows.get(oid, NO_VALUE) for name, oid in asked.items()}
    return driver.decode(answers)


def detailed(driver: OltDriver, rows: dict[Oid, SnmpValue], onu: OnuAddress) -> LineDetails:
    """What a full diagnosis does over SNMP: the card's answers, then the details' columns, then the walks."""
    place = place_of(driver, rows, onu)
    assert place is not None
    answers: dict[str, SnmpValue] = {}
    for reads in (driver.reads, tuple(part for part in driver.details if isinstance(part, Read))):
        while asked := driver.questions(place, answers, reads):
            answers |= {name: rows.get(oid, NO_VALUE) for name, oid in asked.items()}
    walked: dict[str, Rows] = {}
    for part in driver.details:
        if isinstance(part, Under) and (prefix := part.prefix_of(place, answers)) is not None:
            for name, column in part.columns.items():
                under = (*column, *prefix)
                found = sorted(oid for oid in rows if oid[: len(under)] == under)[: part.most]
                walked[name] = {oid[len(column) :]: rows[oid] for oid in found}
    return driver.decode_details(onu, place, answers, walked)


def every_onu() -> Iterator[Any]:
    for driver in DRIVERS.values():
        for title, facts in expected(driver).items():
            yield pytest.param(driver, title.split(": ")[1], facts, id=f"{driver.name}-{title}")


@every_driver
def test_a_driver_brings_a_tape_with_every_kind_of_line(driver: OltDriver) -> None:
    assert {title.split(":")[0] for title in expected(driver)} == KINDS


@pytest.mark.parametrize(("driver", "onu", "facts"), list(every_onu()))
def test_the_tape_is_read_as_expected(driver: OltDriver, onu: str, facts: dict[str, Any]) -> None:
    reading = read(driver, walk(driver), OnuAddress.parse(onu))
    nothing_else = {name: kept for name, kept in reading.as_json().items() if kept not in (None, "")}
    assert nothing_else == facts["reading"]
    assert judge(reading, Thresholds()).cause == facts["verdict"]


def every_detailed() -> Iterator[Any]:
    for driver in DRIVERS.values():
        for title, facts in expected(driver).items():
            if "details" in facts:
                yield pytest.param(driver, title.split(": ")[1], facts["details"], id=f"{driver.name}-{title}")


@pytest.mark.parametrize(("driver", "onu", "details"), list(every_detailed()))
def test_the_details_of_the_tape_are_read_as_expected(driver: OltDriver, onu: str, details: dict[str, Any]) -> None:
    assert known(detailed(driver, walk(driver), OnuAddress.parse(onu))) == details


@every_driver
def test_a_driver_with_details_brings_them_on_its_tape(driver: OltDriver) -> None:
    """Every column of the details is answered on the tape at least once: what was never recorded proves nothing."""
    assert bool(driver.details) == any("details" in facts for facts in expected(driver).values())
    rows = walk(driver)
    for part in driver.details:
        for name, column in part.columns.items():
            assert any(oid[: len(column)] == column for oid in rows), name


@every_driver
def test_a_live_card_is_one_or_two_requests(driver: OltDriver) -> None:
    rows = walk(driver)
    onu = OnuAddress.parse(next(title for title in expected(driver) if title.startswith("good")).split(": ")[1])
    place = place_of(driver, rows, onu)
    assert place is not None
    answers: dict[str, SnmpValue] = {}
    rounds = 0
    while asked := driver.questions(place, answers):
        assert len(asked) <= 20, "too much for one PDU of a small OLT"
        answers |= {name: rows.get(oid, NO_VALUE) for name, oid in asked.items()}
        rounds += 1
    assert rounds <= 2


@every_driver
def test_an_index_dealt_anew_shows_no_neighbours_line(driver: OltDriver) -> None:
    """A family that finds an ONU by a list must read in its first request whose index it is, and mind it."""
    if driver.place_of is not None or driver.derived:
        return
    rows = walk(driver)
    first, second, *_ = sorted(listed(driver, rows))
    asked = driver.questions(listed(driver, rows)[first], {})
    answers = {name: rows.get(oid, NO_VALUE) for name, oid in asked.items()}
    assert driver.is_still(first, answers)
    assert not driver.is_still(second, answers)


@every_driver
def test_every_onu_of_the_list_is_found_by_its_address(driver: OltDriver) -> None:
    rows = walk(driver)
    found = listed(driver, rows)
    assert found
    for onu, place in found.items():
        assert OnuAddress.parse(str(onu)) == onu
        assert driver.place_of is None or driver.place_of(onu) == place


@every_driver
def test_columns_have_names_of_their_own(driver: OltDriver) -> None:
    names = [name for part in driver.reads for name in part.columns]
    assert len(names) == len(set(names))


anything = st.one_of(
    st.just(NO_VALUE),
    st.integers(-(2**63), 2**64),
    st.sampled_from([-65535, 2147483647, 2147483648, 32767, 4294901761, 0, -1, 1, 2, 3]),
    st.binary(max_size=70),
    st.lists(st.integers(0, 2**32), max_size=5).map(tuple),
)


@every_driver
@given(data=st.data())
def test_no_answer_breaks_a_driver_or_invents_light(driver: OltDriver, data: st.DataObject) -> None:
    columns = [name for part in driver.reads for name in part.columns]
    answers = {name: data.draw(anything, label=name) for name in columns if data.draw(st.booleans())}
    reading = driver.decode(answers)
    for dbm in (reading.onu_rx, reading.onu_tx, reading.olt_rx):
        assert dbm is None or -40 < dbm < 15
    assert reading.distance_m is None or reading.distance_m > 0
    assert reading.uptime_s is None or reading.uptime_s >= 0
    judge(reading, Thresholds())
    assert OnuReading.from_json(json.loads(json.dumps(reading.as_json()))) == reading


@every_driver
@given(data=st.data())
def test_no_answer_breaks_the_details(driver: OltDriver, data: st.DataObject) -> None:
    rows = walk(driver)
    onu = OnuAddress.parse(data.draw(st.sampled_from(sorted(expected(driver)))).split(": ")[1])
    place = place_of(driver, rows, onu) or Place((1,), (1,))
    columns = [name for part in (*driver.reads, *driver.details) if isinstance(part, Read) for name in part.columns]
    answers = {name: data.draw(anything, label=name) for name in columns if data.draw(st.booleans())}
    index = st.one_of(
        st.just(place.onu),
        st.lists(st.integers(0, 2**32), max_size=8).map(lambda tail: (*place.onu, *tail)),
        st.lists(st.integers(0, 300), max_size=9).map(tuple),
    )
    walked = {
        name: data.draw(st.dictionaries(index, anything, max_size=3), label=name)
        for part in driver.details
        if isinstance(part, Under)
        for name in part.columns
        if data.draw(st.booleans())
    }
    for reads in (driver.reads, tuple(part for part in driver.details if isinstance(part, Read))):
        driver.questions(place, answers, reads)
    for part in driver.details:
        if isinstance(part, Under):
            part.prefix_of(place, answers)
    told = driver.decode_details(onu, place, answers, walked)
    assert told.pon is None or told.pon.tx is None or -40 < told.pon.tx < 15
    for row in told.macs or ():
        assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", row.mac)
        assert row.vlan is None or 1 <= row.vlan <= 4094
    for uni in told.unis:
        assert uni.vlan is None or 1 <= uni.vlan <= 4094
        assert uni.errors is None or uni.errors >= 0
    json.dumps(known(told))


@every_driver
def test_the_sweeps_way_gives_the_cards_reading(driver: OltDriver) -> None:
    """Walked columns, put together by index, and a GET of one ONU tell the same of what a sweep reads."""
    rows = walk(driver)
    reads = narrowed(driver, driver.swept)
    assert {name for part in reads for name in part.columns} >= driver.swept & {
        name for part in driver.reads for name in part.columns
    }
    tables = {
        name: {oid[len(column) :]: value for oid, value in rows.items() if oid[: len(column)] == column}
        for part in reads
        for name, column in part.columns.items()
    }
    for onu, place in listed(driver, rows).items():
        answers: dict[str, SnmpValue] = {}
        for _ in range(len(reads) + 1):
            for part in reads:
                if (index := part.index_of(place, answers)) is not None:
                    answers |= {name: tables[name].get(index, NO_VALUE) for name in part.columns}
        swept, card = driver.decode(answers), read(driver, rows, onu)
        for name in ("state", "onu_rx", "olt_rx", "last_down_reason", "last_down_word", "uni_up"):
            assert getattr(swept, name) == getattr(card, name), (str(onu), name)


@every_driver
def test_a_device_is_detected_by_its_tape(driver: OltDriver) -> None:
    rows = walk(driver)
    assert family_of(read_object_id(rows[SYS_OBJECT_ID]), read_descr(rows[SYS_DESCR])) == driver.name
    asked = roots()
    answering = [root for root in asked if any(oid[: len(root.root)] == root.root for oid in rows)]
    assert answering
    assert answering[0].driver == driver.name, "under a strange badge another family's table answers first"


@every_driver
def test_what_a_family_never_tells_it_never_tells(driver: OltDriver) -> None:
    """Fields named absent exist, and no tape tells them: absence is said, and said truly.

    A card's fields are the card's, whatever a diagnosis learns on top (Huawei's slow column of the ONT's transmitter).
    """
    of_card, of_details = OnuReading.__dataclass_fields__.keys(), LineDetails.__dataclass_fields__.keys()
    assert driver.absent <= of_card | of_details
    told = [facts.get("details", {}) for facts in expected(driver).values()]
    told += [json.loads(path.read_text())["details"] for path in (TAPES.parent / "cli" / driver.name).glob("*.json")]
    for facts in expected(driver).values():
        assert not driver.absent & facts["reading"].keys()
    for details in told:
        assert not (driver.absent - of_card) & details.keys()


@every_driver
def test_a_cut_off_answer_is_never_an_offline_line(driver: OltDriver) -> None:
    """Any beginning of the answers, down to none: the less is known, the less is said."""
    rows = walk(driver)
    good = next(title for title in expected(driver) if title.startswith("good")).split(": ")[1]
    keep = list(rows.items())
    for size in range(len(keep)):
        reading = read(driver, dict(keep[:size]), OnuAddress.parse(good))
        assert reading.state in {OnuState.ONLINE, OnuState.UNKNOWN, OnuState.ABSENT}
