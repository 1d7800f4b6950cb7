"""Numbers, levels and texts are read out of what devices answer; what is no value becomes none."""

from __future__ import annotations

from pathlib import Path

import pytest

from callcenter.diag.drivers import DRIVERS
from callcenter.diag.values import NO_VALUE, Answers, SnmpValue, level, not_negative, number, octets, text

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


def documented() -> list[tuple[str, str, int, float | None]]:
    rows = [line.split("\t") for line in DOCUMENTED.read_text().splitlines() if not line.startswith("#")]
    return [
        (family.replace("-", "_"), oid, int(raw), None if says == "NONE" else float(says.removesuffix(" dBm")))
        for family, oid, raw, says, *_ in rows
    ]


@pytest.mark.parametrize(("family", "oid", "raw", "dbm"), documented())
def test_values_quoted_in_public_documents_are_read_as_documented(
    family: str, oid: str, raw: int, dbm: float | None
) -> None:
    driver = DRIVERS[family]
    columns = {name: column for part in driver.reads for name, column in part.columns.items()}
    [name] = [name for name, column in columns.items() if oid.rpartition(".")[0] == ".".join(map(str, column))]
    assert getattr(driver.decode({name: raw}), name) == dbm
