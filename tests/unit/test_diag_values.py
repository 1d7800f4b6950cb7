"""Numbers, levels and texts are read out of what devices answer; what is no value becomes none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from callcenter.diag.drivers import DRIVERS
from callcenter.diag.reading import OnuState
from callcenter.diag.values import (
    NO_VALUE,
    Answers,
    Oid,
    SnmpValue,
    gpon_serial,
    level,
    linear_level,
    mac,
    moment,
    not_negative,
    number,
    octets,
    real,
    text,
    written_level,
)

DOCUMENTED = Path(__file__).parent.parent / "tapes" / "olt" / "documented-values.tsv"


@pytest.mark.parametrize(
    ("raw", "dbm"),
    [
        (-226, -22.6),
        (17, 1.7),
        (-340, -34.0),
        (0, 0.0),
        (b"-226", -22.6),
        (2**32 - 226, -22.6),
        (-65535, None),
        (2**32 - 65535, None),
        (2147483647, None),
        (2147483648, None),
        (32767, None),
        (-400, None),
        (-401, None),
        (150, None),
        (b"N/A", None),
        (b"", None),
        (b"--5", None),
        (b"\xff\xfe", None),
        ((1, 3, 6), None),
        (NO_VALUE, None),
    ],
)
def test_a_level_is_light_or_nothing(raw: SnmpValue, dbm: float | None) -> None:
    assert level({"rx": raw}, "rx") == dbm


def test_what_was_not_answered_is_not_known() -> None:
    nothing: Answers = {}
    assert level(nothing, "rx") is None
    assert number(nothing, "rx") is None
    assert text(nothing, "rx") == ""
    assert octets(nothing, "mac", 6) is None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b" BDCM \0", "BDCM"),
        ("ОНУ".encode(), "ОНУ"),
        (b"\x1c\xef\x03\xaa\x01\x13", ""),
        (b"a\x1b[31mb", ""),
        (b"x" * 500, "x" * 60),
        (7, ""),
    ],
)
def test_text_is_readable_or_nothing(raw: SnmpValue, words: str) -> None:
    assert text({"model": raw}, "model") == words


def test_a_mac_has_six_bytes() -> None:
    assert octets({"mac": bytes(6)}, "mac", 6) == bytes(6)
    assert octets({"mac": b"1c:ef:03:aa:01:13"}, "mac", 6) is None


@pytest.mark.parametrize(("raw", "metres"), [(3454, 3454), (0, None), (-1, None), (2147483647, None), (None, None)])
def test_a_distance_is_positive_or_unknown(raw: int | None, metres: int | None) -> None:
    assert not_negative(raw, zero_is_unknown=True) == metres


def at(*parts: int) -> datetime:
    """A device's wall clock has no zone."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


FAMILIES = {
    "bdcom-epon": "bdcom_epon",
    "cdata-gpon": "cdata_fd16",
    "huawei-gpon": "huawei_ma56xx",
    "vsol-epon": "vsol_epon",
}
"""Documents' names of families whose ONU levels are quoted. PON ports and switches are checked on their tapes."""


def documented() -> Iterator[tuple[str, Oid, SnmpValue, float | None]]:
    rows = [line.split("\t") for line in DOCUMENTED.read_text().splitlines() if not line.startswith("#")]
    for family, oid, raw, says, *_ in rows:
        if family in FAMILIES:
            arcs = tuple(int(arc) for arc in oid.split(".") if arc.isdigit())
            value: SnmpValue = int(raw) if raw.lstrip("-").isdigit() else raw.encode()
            yield FAMILIES[family], arcs, value, None if says == "NONE" else float(says.removesuffix(" dBm"))


@pytest.mark.parametrize(("family", "oid", "raw", "dbm"), list(documented()))
def test_values_quoted_in_public_documents_are_read_as_documented(
    family: str, oid: Oid, raw: SnmpValue, dbm: float | None
) -> None:
    """The quoted answer in the column that the driver reads, of an ONU that is online, comes out as it was printed."""
    driver = DRIVERS[family]
    columns = {name: column for part in driver.reads for name, column in part.columns.items()}
    names = [name for name, column in columns.items() if oid[: len(column)] == column]
    [told] = {field for field in ("onu_rx", "onu_tx", "olt_rx") for name in names if name.startswith(field)}
    online = next(code for code in range(10) if driver.decode({"status": code}).state is OnuState.ONLINE)
    assert getattr(driver.decode({"status": online} | dict.fromkeys(names, raw)), told) == dbm


def test_every_quoted_family_is_known() -> None:
    quoted = {line.split("\t")[0] for line in DOCUMENTED.read_text().splitlines() if not line.startswith("#")}
    assert quoted == FAMILIES.keys() | {"huawei-olt", "procurve", "comware"}


@pytest.mark.parametrize(
    ("raw", "dbm"),
    [
        (b"-19.46", -19.46),
        (b" 2.31 dBm ", 2.31),
        (b"0.01 mW (-20.27 dBm)", -20.27),
        (b"0.00 mW (-28.24 dBm)", -28.24),
        (b"1.445 mW (3.00 dBm)", 3.0),
        (b"6.56 dbm\0", 6.56),
        (b"0.03 mW", None),
        (b"Offline", None),
        (b"-", None),
        (b"", None),
        (b"-40.00", None),
        (b"-99.99 dBm", None),
        (b"15.00", None),
        (b"nan", None),
        (b"1e2", None),
        (b"-19,46", None),
        (b"-19.46 -20", None),
        ("٣".encode(), None),
        (-1946, None),
        (NO_VALUE, None),
    ],
)
def test_a_written_level_is_in_dbm_whatever_the_milliwatts_say(raw: SnmpValue, dbm: float | None) -> None:
    assert written_level({"rx": raw}, "rx") == dbm


@pytest.mark.parametrize(
    ("raw", "dbm"), [(b"19.46 dBm", -19.46), (b"-19.46 dBm", -19.46), (b"2.31", 2.31), (b"0.00 dBm", 0.0)]
)
def test_smartfibers_received_level_has_lost_its_sign(raw: bytes, dbm: float) -> None:
    assert written_level({"rx": raw}, "rx", received=True) == dbm


@pytest.mark.parametrize(
    ("raw", "dbm"), [(100, -20.0), (10_000, 0.0), (16, -27.96), (0, None), (65535, None), (-5, None), (1, None)]
)
def test_a_linear_level_is_in_tenths_of_a_microwatt(raw: int, dbm: float | None) -> None:
    assert linear_level({"rx": raw}, "rx") == dbm


@pytest.mark.parametrize(
    ("raw", "per", "value"),
    [
        (8000, 256, 31.25),
        (2**32 - 2560, 256, -10.0),
        (b"30.67 C", 1, 30.67),
        (b"27.84 .C", 1, 27.84),
        (b"3.27 V", 1, 3.27),
        (b"11.65 mA", 1, 11.65),
        (-65535, 256, None),
        (2147483647, 256, None),
        (b"hot", 1, None),
        (NO_VALUE, 1, None),
    ],
)
def test_a_temperature_or_a_voltage_is_plausible_or_nothing(raw: SnmpValue, per: float, value: float | None) -> None:
    assert real({"it": raw}, "it", per) == value


@pytest.mark.parametrize(
    ("raw", "when"),
    [
        (bytes.fromhex("07ea070f0e060c"), at(2026, 7, 15, 14, 6, 12)),
        (bytes.fromhex("07ea070f0e060c002b0300"), at(2026, 7, 15, 14, 6, 12)),
        (b"2026-07-15 14:06:12", at(2026, 7, 15, 14, 6, 12)),
        (b"2026/06/01 08:08:13", at(2026, 6, 1, 8, 8, 13)),
        (bytes.fromhex("07ea02301f3c3c"), None),
        (bytes(7), None),
        (b"-", None),
        (b"", None),
        (b"2026-02-30 10:00:00", None),
        (7, None),
    ],
)
def test_a_moment_is_the_devices_own_clock(raw: SnmpValue, when: datetime | None) -> None:
    assert moment({"at": raw}, "at") == when


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (bytes.fromhex("1cef03aa0408"), "1c:ef:03:aa:04:08"),
        (b"1C-EF-03-AA-04-08", "1c:ef:03:aa:04:08"),
        (b"1cef.03aa.0408", "1c:ef:03:aa:04:08"),
        (b"1cef03aa04", ""),
        (b"n/a", ""),
        (5, ""),
    ],
)
def test_a_mac_is_spelt_one_way(raw: SnmpValue, kept: str) -> None:
    assert mac({"mac": raw}, "mac") == kept


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b"HWTC" + bytes.fromhex("9e6dd900"), "HWTC9E6DD900"),
        (b"HWTC:9E6DD9D4", "HWTC9E6DD9D4"),
        (b"XPON-0c8aaa68", "XPON0c8aaa68"),
        (bytes(8), ""),
        (7, ""),
    ],
)
def test_a_serial_is_four_letters_and_eight_digits(raw: SnmpValue, kept: str) -> None:
    assert gpon_serial({"serial": raw}, "serial") == kept
