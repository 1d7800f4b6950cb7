"""What a device may answer over SNMP, and how a number, a level, a text is read out of it without believing it.

Devices answer text where a number belongs, and odd numbers where there is no value: each reader gives ``None`` then,
never an exception and never an invented level.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Final, TypeAlias

from callcenter.words import Dbm

Oid: TypeAlias = tuple[int, ...]


class NoValue(Enum):
    """The device has no such object, no such instance, or nothing in it."""

    NO_VALUE = "no value"


NO_VALUE: Final = NoValue.NO_VALUE
SnmpValue: TypeAlias = int | bytes | Oid | NoValue
Answers: TypeAlias = Mapping[str, SnmpValue]
"""What was answered, by the names the driver gave its columns."""

DARKEST = -40.0
"""dBm; nothing an ONU or an OLT calls a level at or below this is light (no receiver of class B+ to C++ hears it)."""
BRIGHTEST = 15.0
"""dBm; no transmitter of an access network is brighter, so it is not a level."""


def number(answers: Answers, name: str) -> int | None:
    """A whole number, also one written as text; ``None`` for anything else."""
    match answers.get(name, NO_VALUE):
        case int(value):
            return value
        case bytes(text):
            digits = text.strip(b" \0")
            return int(digits) if digits.removeprefix(b"-").isdigit() and len(digits) < 16 else None
        case _:
            return None


def level(answers: Answers, name: str, *, per_dbm: int = 10) -> Dbm | None:
    """Optical power from an integer in tenths of a dBm (``per_dbm`` says otherwise).

    No light is no number: -65535 (BDCOM), 2147483647, 2147483648 and 32767 fall outside what light can be and give
    ``None``, also where a device sent them unsigned.
    """
    raw = number(answers, name)
    if raw is None:
        return None
    dbm = (raw - 2**32 if raw > 2**31 else raw) / per_dbm
    return Dbm(dbm) if DARKEST < dbm < BRIGHTEST else None


def text(answers: Answers, name: str) -> str:
    """Readable text, cut at 60 characters; empty where the device sent bytes that are none."""
    raw = answers.get(name, NO_VALUE)
    if not isinstance(raw, bytes):
        return ""
    try:
        words = raw.decode("utf-8").strip(" \0\r\n\t")
    except UnicodeDecodeError:
        return ""
    return words[:60] if words.isprintable() else ""


def octets(answers: Answers, name: str, size: int) -> bytes | None:
    """Exactly ``size`` bytes, such as a MAC address."""
    raw = answers.get(name, NO_VALUE)
    return raw if isinstance(raw, bytes) and len(raw) == size else None


def not_negative(value: int | None, *, zero_is_unknown: bool = False) -> int | None:
    """A distance or a time: below zero is nothing, and zero too where the device says "unknown" that way."""
    if value is None or value < 0 or value > 2**31 - 2 or (zero_is_unknown and value == 0):
        return None
    return value


_IN_BRACKETS = re.compile(r"\((-?[0-9]{1,3}(?:\.[0-9]{1,4})?)\s*dBm\)", re.IGNORECASE | re.ASCII)
_PLAIN = re.compile(r"\s*([+-]?[0-9]{1,3}(?:\.[0-9]{1,4})?)\s*(dBm)?\s*", re.IGNORECASE | re.ASCII)
_REAL = re.compile(r"\s*([+-]?[0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(\.?C|V|mA|uA|%|m)?\s*", re.ASCII)
_STAMP = re.compile(r"([0-9]{4})[-/.]([0-9]{2})[-/.]([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})", re.ASCII)


def light(dbm: float) -> Dbm | None:
    """The level, when it is one: no number outside what light can be."""
    return Dbm(dbm) if DARKEST < dbm < BRIGHTEST else None


def written_level(answers: Answers, name: str, *, received: bool = False) -> Dbm | None:
    """Optical power written as text: ``-19.46``, ``2.31 dBm`` or ``0.01 mW (-20.27 dBm)``, where the bracket counts.

    Milliwatts are never read: devices round them to 0.00. ``received`` mends SmartFiber's habit (ABillS, unverified) to
    write what was received without its sign: ``19.46 dBm``.
    """
    words = plain(answers, name)
    if (found := _IN_BRACKETS.search(words)) is not None:
        return light(float(found[1]))
    if (found := _PLAIN.fullmatch(words)) is None:
        return None
    dbm = float(found[1])
    return light(-dbm if received and found[2] and dbm > 0 else dbm)


def linear_level(answers: Answers, name: str) -> Dbm | None:
    """Optical power in tenths of a microwatt (C-Data FD11): ``10 * log10(raw) - 40`` dBm; 0 and 65535 are none."""
    raw = number(answers, name)
    if raw is None or not 0 < raw < 65535:
        return None
    return light(round(10 * math.log10(raw) - 40, 2))


def real(answers: Answers, name: str, per: float = 1.0, *, least: float = -60.0, most: float = 1000.0) -> float | None:
    """A temperature, a voltage, a current: a whole number over ``per``, or text such as ``30.67 C``; none outside."""
    raw = answers.get(name, NO_VALUE)
    if isinstance(raw, bytes) and (found := _REAL.fullmatch(plain(answers, name))) is not None:
        value = float(found[1]) / per
    elif isinstance(raw, int):
        value = (raw - 2**32 if raw > 2**31 else raw) / per
    else:
        return None
    return round(value, 3) if least <= value <= most else None


def plain(answers: Answers, name: str) -> str:
    """Text in ASCII as a device pads and terminates it; empty for anything else."""
    raw = answers.get(name, NO_VALUE)
    return raw.decode("ascii", "replace").strip(" \0\r\n\t")[:200] if isinstance(raw, bytes) else ""


def mac(answers: Answers, name: str) -> str:
    """``aa:bb:cc:dd:ee:ff`` from six bytes or from text in any of the usual spellings; empty for anything else."""
    raw = octets(answers, name, 6)
    if raw is not None:
        return raw.hex(":")
    digits = re.sub(r"[^0-9a-f]", "", plain(answers, name).casefold())
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2)) if len(digits) == 12 else ""


def gpon_serial(answers: Answers, name: str) -> str:
    """Four letters and eight hexadecimal digits (``FGXP15A2E80B``), from eight bytes or as it was written."""
    raw = octets(answers, name, 8)
    if raw is not None and raw[:4].isalnum() and not raw.isalnum():
        return raw[:4].decode("ascii", "replace") + raw[4:].hex().upper()
    return re.sub(r"[:-]", "", text(answers, name))


def moment(answers: Answers, name: str) -> datetime | None:
    """The device's own wall clock, without a zone: DateAndTime bytes, or text ``2026-07-15 14:06:12``."""
    raw = answers.get(name, NO_VALUE)
    if not isinstance(raw, bytes):
        return None
    try:
        if 7 <= len(raw) <= 11 and not raw.isdigit() and raw[0] in (7, 8):
            return datetime(int.from_bytes(raw[:2], "big"), *raw[2:7])  # noqa: DTZ001 - a device's wall clock
        found = _STAMP.search(raw.decode("ascii", "replace"))
        return None if found is None else datetime(*map(int, found.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return None
