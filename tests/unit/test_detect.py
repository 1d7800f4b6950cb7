"""What a device says of itself names its driver; switches and MDUs of the same makers name none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.diag.detect import family_of, is_no_olt, read_descr, read_object_id, roots
from callcenter.diag.drivers import ALL, DRIVERS

E = "1.3.6.1.4.1."
NAMED = [
    ("3320.1.294.0", "BDCOM(tm) P3310C Software, Version 10.1.0E Build 46022", "bdcom_epon"),
    ("3320.1.441.0", "BDCOM(tm) P3310D Software", "bdcom_epon"),
    ("3320.1.2010.0", "BDCOM(tm) P3612-2TE Software", "bdcom_epon"),
    ("3320.1.999.0", "BDCOM(tm) P3608B Software", "bdcom_epon"),
    ("3320.1.390.0", "BDCOM(tm) GP3600-16B Software, Version 10.3.0C", "bdcom_gpon"),
    ("3320.1.391.0", "BDCOM(tm) GP3600-08 Software", "bdcom_gpon"),
    ("3320.1.150.0", "BDCOM(tm) S2900-24T8GC Software", None),
    ("3320.1.150.0", "BDCOM(tm) S2500-B Software", None),
    ("13464.1.10.5", "GCOM EPON", "gcom_epon"),
    ("13464.1.10.5.1", "EPON", "gcom_epon"),
    ("13464.1.10.7.1", "G08", "gcom_gpon"),
    ("13464.1.3.26.8", "FS Switch", None),
    ("27514.1.1.1.39", "QTECH", None),
    ("34592", "FD1104", "cdata_fd11"),
    ("17409", "EasyPath Ethernet-PON", "cdata_fd12"),
    ("17409", "C-Data System Software Device Model: FD1608S-B1-NDA0", "cdata_fd16"),
    ("17409", "Підвал на Шевченка", None),
    ("37950.1.1.5.10.14.1", "V1600D8", "vsol_epon"),
    ("37950.1.1.5.10.14.1", "V1600G1", "vsol_gpon"),
    ("3902.1082.1001.320.2.1", "C320 Version V2.1.0 Software", "zte_c3xx"),
    ("3902.1082.1001.320.1.2", "C320 Version V1.2.5P3 Software", "zte_c3xx"),
    ("3902.1082.1001.300.2.1", "C300 Version V2.1.0", "zte_c3xx"),
    ("2011.2.248", "Huawei Integrated Access Software", "huawei_ma56xx"),
    ("2011.2.123", "Huawei Integrated Access Software", "huawei_ma56xx"),
    ("2011.2.185", "Huawei Integrated Access Software", None),
    ("35265.1.22", "LTP-8X", "eltex_ltp"),
    ("35265.1.22", "Linux AT-LTP8X", "eltex_ltp"),
    ("35265.1.83", "MES2324B", None),
    ("8072.3.2.10", "Linux olt 4.4.0 GPON EPON P3310 C320", None),
    ("", "", None),
]


@pytest.mark.parametrize(("object_id", "descr", "driver"), NAMED)
def test_what_devices_say_of_themselves(object_id: str, descr: str, driver: str | None) -> None:
    assert family_of(read_object_id(f".{E}{object_id}".encode()), descr) == driver


def test_a_switch_on_an_olts_software_and_an_mdu_are_known_for_what_they_are() -> None:
    assert is_no_olt((1, 3, 6, 1, 4, 1, 13464, 1, 3, 26, 8))
    assert is_no_olt((1, 3, 6, 1, 4, 1, 2011, 2, 185))
    assert not is_no_olt((1, 3, 6, 1, 4, 1, 13464, 1, 10, 5))
    assert not is_no_olt(())


def test_a_fingerprint_asks_each_table_once_and_every_badge() -> None:
    asked = roots()
    assert {root.driver for root in asked} == {name for name, driver in ALL.items() if driver.signs.roots}
    assert DRIVERS.keys() <= {root.driver for root in asked}
    assert len({root.root for root in asked}) == len(asked)
    badges = {dict(root.options).get("enterprise") for root in asked if root.driver == "gcom_epon"}
    assert badges == {None, "27514", "8888"}
    for first in asked:
        for later in asked[asked.index(first) + 1 :]:
            assert later.root[: len(first.root)] != first.root, "a wider table before a narrower one hides it"


def test_one_drivers_roots_are_its_own() -> None:
    found = roots("gcom_gpon")
    assert {root.driver for root in found} == {"gcom_gpon"}
    assert {dict(root.options).get("optics_table", "4") for root in found} == {"4", "9"}


@pytest.mark.parametrize(
    ("raw", "object_id"),
    [
        ((1, 3, 6), (1, 3, 6)),
        (b".1.3.6.1.4.1.17409", (1, 3, 6, 1, 4, 1, 17409)),
        (b'"1.3.6.1.4.1.17409"\0', (1, 3, 6, 1, 4, 1, 17409)),
        (b"C-Data", ()),
        (b"1..3", ()),
        (7, ()),
    ],
)
def test_an_object_id_may_come_as_text(raw: bytes, object_id: tuple[int, ...]) -> None:
    assert read_object_id(raw) == object_id


def test_a_description_is_one_printable_line() -> None:
    assert read_descr(b"BDCOM\r\n P3310C\x1b[31m\0 ") == "BDCOM P3310C [31m"
    assert read_descr("ОЛТ на Шевченка".encode()) == "ОЛТ на Шевченка"
    assert read_descr(5) == ""


@given(st.lists(st.integers(0, 2**32), max_size=20).map(tuple), st.text())
def test_nothing_a_device_says_breaks_detection(object_id: tuple[int, ...], descr: str) -> None:
    found = family_of(object_id, descr)
    assert found is None or found in ALL
