"""What a device may answer over SNMP, and how a number, a level, a text is read out of it without believing it.

Devices answer text where a number belongs, and odd numbers where there is no value: each reader gives ``None`` then,
never an exception and never an invented level.
"""

from __future__ import annotations

from collections.abc import Mapping
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
