"""How figures, moments, MACs and rows are read out of what a command line said, without believing it. Pure.

Outputs were cleaned before: no echoes, pagers, escape codes. Every reader gives ``None`` or nothing for what it does
not know, never an exception, whatever the text is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from callcenter.diag.reading import DownReason
from callcenter.diag.values import light
from callcenter.words import Dbm, OnuAddress

MOST = 400_000
"""Characters of an output that are looked at: no answer about one line is longer."""
LONGEST_LINE = 500

_DECIMAL = re.compile(r"[+-]?[0-9]{1,9}(?:\.[0-9]{1,6})?(?![0-9.:/-])", re.ASCII)
_BRACKET = re.compile(r"\(\s*([+-]?[0-9]{1,3}(?:\.[0-9]{1,4})?)\s*dBm\s*\)", re.IGNORECASE | re.ASCII)
_MOMENT = re.compile(
    r"(?<![0-9])([0-9]{4}|[0-9]{2})[-/.]([0-9]{2})[-/.]([0-9]{2})[ T.]{1,3}([0-9]{2}):([0-9]{2}):([0-9]{2})(?![0-9])",
    re.ASCII,
)
_MAC = re.compile(
    r"(?<![0-9a-f:.-])((?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}|(?:[0-9a-f]{4}[.:-]){2}[0-9a-f]{4}|[0-9a-f]{6}-[0-9a-f]{6})"
    r"(?![0-9a-f:.-])",
    re.IGNORECASE | re.ASCII,
)
_KEY = re.compile(r"\s*([^:]{1,60}?)\s*:\s*(.*?)\s*")

REASONS: Final = {
    DownReason.POWER: ("power-off", "power off", "poweroff", "dying-gasp", "dying gasp", "dyinggasp", "power down"),
    DownReason.FIBRE: ("wire-down", "wire down", "los", "losi", "pon-los"),
    DownReason.DEGRADED: (
        "mpcp-down", "oam-down", "omcc-down", "lcdg", "lofi", "sfi", "loai", "loami", "loki",
    ),
    DownReason.RESET: ("ont-reset", "ont reset", "reset", "reboot", "firmware-download", "re-register"),
    DownReason.ADMIN: (
        "illegal-mac", "llid-admin-down", "admin-down", "authfail", "blacklist", "deactive", "deactivated",
        "password-mismatch",
    ),
}  # fmt: skip
"""Families' words for why an ONU went down, in small letters, ``_`` written ``-``."""
_BY_WORD: Final = {word: reason for reason, words in REASONS.items() for word in words}


def lines(*outputs: str) -> Iterator[str]:
    """The lines of the outputs, blank ones left out, without what stands around them."""
    for output in outputs:
        for line in output[:MOST].splitlines():
            if stripped := line[:LONGEST_LINE].strip():
                yield stripped


def fields(*outputs: str) -> dict[str, str]:
    """``Key : value`` lines; keys in small letters. The first of two alike counts."""
    found: dict[str, str] = {}
    for line in lines(*outputs):
        if (pair := _KEY.fullmatch(line)) is not None:
            found.setdefault(pair[1].casefold(), pair[2])
    return found


def figure(words: str | None, least: float, most: float) -> float | None:
    """The number that the words begin with (``38.25 C``), if it lies within."""
    found = _DECIMAL.match(words.strip()) if words else None
    value = float(found[0]) if found is not None else None
    return value if value is not None and least <= value <= most else None


def level(words: str | None) -> Dbm | None:
    """Optical power: what stands in brackets as dBm, else the number the words begin with; no light is none."""
    if words and (found := _BRACKET.search(words)) is not None:
        return light(float(found[1]))
    value = figure(words, -1000, 1000)
    return None if value is None else light(value)


def temperature(words: str | None) -> float | None:
    return figure(words, -60, 150)


def voltage(words: str | None) -> float | None:
    return figure(words, 0, 15)


def bias(words: str | None) -> float | None:
    return figure(words, 0, 200)


def whole(words: str | None, least: int = 0, most: int = 2**31) -> int | None:
    if not words or not re.fullmatch(r"[0-9]{1,10}", words, re.ASCII):
        return None
    return int(words) if least <= int(words) <= most else None


def vlan(words: str | None) -> int | None:
    return whole(words, 1, 4094)


def moment(words: str) -> datetime | None:
    """The first moment in the words, the device's own wall clock: ``2026-07-15 14:06:12``, ``26/07/29 06:09:43``."""
    return next(iter(moments(words)), None)


def moments(words: str) -> list[datetime]:
    return [at for found in _MOMENT.finditer(words) if (at := _at(found)) is not None]


def _at(found: re.Match[str]) -> datetime | None:
    year, *rest = map(int, found.groups())
    try:
        return datetime(year if year > 99 else 2000 + year, *rest)  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return None


def mac(words: str) -> str:
    """The first MAC in the words, whatever its spelling, as ``aa:bb:cc:dd:ee:ff``; empty when there is none."""
    found = _MAC.search(words)
    if found is None:
        return ""
    digits = re.sub(r"[^0-9a-f]", "", found[0].casefold())
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def reason(word: str) -> DownReason:
    """What a family's word means; a word that no family is known for concludes nothing."""
    return _BY_WORD.get(" ".join(word.casefold().replace("_", "-").rstrip(".").split()), DownReason.UNKNOWN)


def is_about(onu: OnuAddress, line: str) -> bool:
    """Whether the line speaks of this ONU: its name stands in it, and no longer name does."""
    return re.search(rf"(?<![\w/]){re.escape(str(onu))}(?!\d)", line, re.IGNORECASE | re.ASCII) is not None


def row_of(name: str, *outputs: str) -> str:
    """The row that begins with this name, with what a narrow terminal wrapped; empty without one.

    A row ends where a line begins like another row's name: ``EPON0/1:6``, ``0/4/7``, ``Total``, dashes.
    """
    begins = re.compile(rf"{re.escape(name)}(?![0-9/:])", re.IGNORECASE | re.ASCII)
    another = re.compile(r"([EG]PON ?)?[0-9]+/[0-9]+[/:]|total|-{3}|interface ", re.IGNORECASE | re.ASCII)
    found: list[str] = []
    for line in lines(*outputs):
        if found and (another.match(line) or len(found) > 3):
            break
        if found or begins.match(line):
            found.append(line)
    return " ".join(found)


def has_table(heading: str, *outputs: str) -> bool:
    """Whether a list was shown at all, be it empty: its heading or its total stands there, and no refusal.

    What a device says instead ("Invalid input", "The required ONT is offline") is not an empty list.
    """
    shown = list(lines(*outputs))
    return any(re.search(heading, line, re.IGNORECASE) for line in shown) and not is_refusal(*outputs)


def is_refusal(*outputs: str) -> bool:
    """Whether the device said no instead of an answer."""
    return any(re.match(r"%|error\s?:|unknown command|invalid", line, re.IGNORECASE) for line in lines(*outputs))


# --- what a person asks to be written ---


def description(words: str, most: int = 60) -> str:
    """A description as devices bear it; raises ``ValueError`` for what would be another command or is too long.

    No question mark (it asks for help on every command line here), no separators of commands, no quotes.
    """
    stripped = words.strip()
    if not stripped or len(stripped) > most:
        raise ValueError(f"a description is 1 to {most} characters long")
    if not stripped.isascii() or not stripped.isprintable() or set(stripped) & set("?!;|\"'`\\"):
        raise ValueError("a description is made of latin letters, digits and plain signs")
    return stripped


def one_word(words: str, most: int = 60) -> str:
    """A description for command lines that take a single word: blanks become ``_``."""
    return "_".join(description(words, most).split())


def vlan_asked(words: str) -> int:
    """The VLAN somebody asks for; raises ``ValueError`` when it is no VLAN."""
    number = vlan(words.strip())
    if number is None:
        raise ValueError(f"a VLAN is a number from 1 to 4094, not {words[:20]!r}")
    return number
