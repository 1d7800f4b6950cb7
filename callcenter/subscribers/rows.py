"""A billing's CSV read into subscribers: every line right, or every wrong line named. No database here."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from typing import TypeAlias

from callcenter.errors import Misconfigured
from callcenter.routing.numbers import to_e164
from callcenter.words import E164, DeviceId, OnuAddress

STATUSES = ("active", "debtor", "frozen", "closed")
COLUMNS = (
    "account", "name", "address", "tariff", "balance", "currency", "status", "paid_till", "language", "device",
    "onu", "port", "mac", "vlan", "ip", "note", "phones",
)  # fmt: skip
OLD_NAMES = {"olt": "device", "switch": "device"}
"""Headings that say the same: the device a line ends at is an OLT or a switch."""
LENGTHS = {"port": 60, "account": 40, "name": 200, "address": 300, "tariff": 100, "note": 2000, "currency": 3}
MOST_PHONES = 20
Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is done (``reading``, ``writing``), how much of it and of how much."""
_SEPARATORS = re.compile(r"[,;|/]")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A line of the file that cannot be taken, and why. Lines are counted as an editor counts them."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


@dataclass(frozen=True, slots=True)
class SubscriberRow:
    """One subscriber as the file has them. Only the columns of the file say anything."""

    account: str
    name: str = ""
    address: str = ""
    tariff: str = ""
    balance: Decimal | None = None
    currency: str = "UAH"
    status: str = "active"
    paid_till: date | None = None
    language: str | None = None
    device: DeviceId | None = None
    onu: str | None = None
    port: str | None = None
    mac: str | None = None
    vlan: int | None = None
    ip: str | None = None
    note: str = ""
    phones: tuple[E164, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that was read whole: its columns, its subscribers and its mistakes."""

    columns: tuple[str, ...]
    rows: tuple[SubscriberRow, ...]
    mistakes: tuple[Mistake, ...]


def decode(raw: bytes, encoding: str | None = None) -> str:
    """The file's text. UTF-8 with or without a mark is read; anything else must be named, and a guess is offered."""
    if encoding is not None:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError as exc:
            line = raw.count(b"\n", 0, exc.start) + 1
            raise Misconfigured(f"line {line}: byte 0x{raw[exc.start]:02x} is not {encoding}") from exc
        except LookupError as exc:
            raise Misconfigured(f"{encoding!r} is not an encoding (utf-8, cp1251)") from exc
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Misconfigured("the file is UTF-16: save it as UTF-8, or say --encoding utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        guess = "it looks like Windows-1251, say --encoding cp1251" if _is_cp1251(raw) else "say --encoding"
        raise Misconfigured(f"line {line}: byte 0x{raw[exc.start]:02x} is not UTF-8: {guess}") from exc


def _is_cp1251(raw: bytes) -> bool:
    """Most of its letters beyond ASCII are Cyrillic small letters when read so."""
    beyond = [byte for byte in raw[:100_000] if byte >= 0x80]
    return sum(byte >= 0xC0 or byte in b"\xb3\xb2\xbf\xaf\xba\xaa\xb4\xa5" for byte in beyond) > len(beyond) * 0.9


def read_sheet(
    written: str,
    devices: Mapping[str, DeviceId],
    country: str = "UA",
    progress: Progress = lambda stage, done, of: None,
) -> Sheet:
    """Reads a CSV with a heading, separated by semicolons or commas; raises ``Misconfigured`` for a wrong heading."""
    lines = csv.reader(io.StringIO(written, newline=""), delimiter=_delimiter(written), strict=True)
    try:
        heading = [OLD_NAMES.get(name, name) for name in (cell.strip().casefold() for cell in next(lines, []))]
    except csv.Error as exc:
        raise Misconfigured(f"line 1: {exc}") from exc
    _check_heading(heading)
    reader = _Reader(heading, devices, country)
    rows: list[SubscriberRow] = []
    total = written.count("\n")
    for line, cells in _lines(lines, reader.mistakes):
        row = reader.read(line, cells)
        if row is not None:
            rows.append(row)
        if line % 1000 == 0:
            progress("reading", line, total)
    return Sheet(tuple(heading), tuple(rows), tuple(reader.mistakes))


def _delimiter(written: str) -> str:
    first = written.split("\n", 1)[0]
    return ";" if first.count(";") >= first.count(",") else ","


def _check_heading(heading: list[str]) -> None:
    unknown = [repr(name) for name in heading if name not in COLUMNS]
    if unknown:
        raise Misconfigured(f"line 1: unknown columns {', '.join(unknown)} (known: {', '.join(COLUMNS)})")
    twice = sorted({name for name in heading if heading.count(name) > 1})
    if twice:
        raise Misconfigured(f"line 1: columns named twice: {', '.join(twice)}")
    if "account" not in heading:
        raise Misconfigured("line 1: the heading has no column 'account'")


def _lines(lines: Iterator[list[str]], mistakes: list[Mistake]) -> Iterator[tuple[int, list[str]]]:
    """Every line that is not empty, with the number of its first line."""
    end = 1
    while True:
        start = end + 1
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error as exc:
            mistakes.append(Mistake(start, f"{exc}: the rest of the file cannot be read"))
            return
        end = lines.line_num  # type: ignore[attr-defined]  # csv's reader has it
        if any(cell.strip() for cell in cells):
            yield start, cells


class _Reader:
    """Reads one line after another and remembers what was wrong."""

    def __init__(self, heading: list[str], devices: Mapping[str, DeviceId], country: str) -> None:
        self.mistakes: list[Mistake] = []
        self._heading = heading
        self._seen: dict[str, int] = {}
        self._convert: dict[str, Callable[[str], object]] = {
            "balance": _balance, "currency": _currency, "status": _status, "paid_till": _day, "language": _language,
            "device": lambda name: _device(name, devices), "onu": _onu, "port": _or_none, "mac": _mac,
            "vlan": _vlan, "ip": _ip, "phones": lambda text: _phones(text, country),
        }  # fmt: skip

    def read(self, line: int, cells: list[str]) -> SubscriberRow | None:
        if len(cells) != len(self._heading):
            self.mistakes.append(Mistake(line, f"{len(cells)} cells, the heading has {len(self._heading)}"))
            return None
        values: dict[str, object] = {}
        wrong: list[str] = []
        for name, cell in zip(self._heading, cells, strict=True):
            try:
                plain = _plain(cell, LENGTHS.get(name, 400))
                values[name] = self._convert[name](plain) if name in self._convert else plain
            except ValueError as exc:
                wrong.append(f"{name}: {exc}")
        account = str(values.get("account", ""))
        if not account and not any(each.startswith("account") for each in wrong):
            wrong.append("account: is empty")
        elif account in self._seen:
            wrong.append(f"account: {account!r} is on line {self._seen[account]} already")
        self._seen.setdefault(account, line)
        self.mistakes += [Mistake(line, each) for each in wrong]
        return None if wrong else SubscriberRow(**values)  # type: ignore[arg-type]  # by the heading's names


def _plain(cell: str, longest: int) -> str:
    """One line of text; a control character is a mistake of the export and not repaired silently."""
    text = " ".join(cell.split())
    bad = next((c for c in text if unicodedata.category(c) in {"Cc", "Cs"}), None)
    if bad is not None:
        raise ValueError(f"holds the control character {bad!r}")
    if len(text) > longest:
        raise ValueError(f"has {len(text)} characters, {longest} fit")
    return text


def _balance(text: str) -> Decimal | None:
    if not text:
        return None
    plain = text.replace(" ", "").replace("\u2212", "-")
    plain = plain.replace(",", ".") if plain.count(",") == 1 and "." not in plain else plain
    if not re.fullmatch(r"[+-]?[0-9]{1,10}(\.[0-9]{1,2})?", plain, re.ASCII):
        raise ValueError(f"{text!r} is not an amount such as -125.50")
    try:
        return Decimal(plain)
    except InvalidOperation as exc:
        raise ValueError(f"{text!r} is not an amount") from exc


def _currency(text: str) -> str:
    if text and not re.fullmatch(r"[A-Z]{3}", text, re.ASCII):
        raise ValueError(f"{text!r} is not a currency such as UAH")
    return text or "UAH"


def _status(text: str) -> str:
    status = text.casefold() or "active"
    if status not in STATUSES:
        raise ValueError(f"{text!r} is none of {', '.join(STATUSES)}")
    return status


def _day(text: str) -> date | None:
    if not text:
        return None
    for pattern in ("%Y-%m-%d", "%d.%m.%Y"):
        try:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise ValueError(f"{text!r} is not a day such as 2026-12-31")


def _language(text: str) -> str | None:
    language = text.casefold()
    if language not in {"", "uk", "en"}:
        raise ValueError(f"{text!r} is neither uk nor en")
    return language or None


def _device(name: str, devices: Mapping[str, DeviceId]) -> DeviceId | None:
    if name and name not in devices:
        raise ValueError(f"the provider has no device {name!r} (see `callcenter device list`)")
    return devices[name] if name else None


def _onu(text: str) -> str | None:
    return str(OnuAddress.parse(text)) if text else None


def _or_none(text: str) -> str | None:
    return text or None


def _mac(text: str) -> str | None:
    """Any of the usual spellings: ``aa:bb:cc:dd:ee:ff``, ``aabb.ccdd.eeff``, ``aabbcc-ddeeff``."""
    digits = re.sub(r"[:.\-]", "", text.casefold())
    if not text:
        return None
    if not re.fullmatch(r"[0-9a-f]{12}", digits, re.ASCII):
        raise ValueError(f"{text!r} is not a MAC address such as 64:ee:b7:01:02:03")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _vlan(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) or not 1 <= int(text) <= 4094:
        raise ValueError(f"{text!r} is not a VLAN (1 to 4094)")
    return int(text)


def _ip(text: str) -> str | None:
    return str(ip_address(text)) if text else None


def _phones(text: str, country: str) -> tuple[E164, ...]:
    numbers = [to_e164(part, country) for part in _SEPARATORS.split(text) if part.strip()]
    if len(numbers) > MOST_PHONES:
        raise ValueError(f"{len(numbers)} phones, {MOST_PHONES} fit")
    return tuple(dict.fromkeys(numbers))
