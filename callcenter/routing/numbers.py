"""Phone numbers become E.164 once, here. What is no phone number stays what it is: kept, shown, never dialled."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from callcenter.words import E164, Did

LONGEST = 40
_ANONYMOUS = frozenset(
    {"anonymous", "restricted", "unavailable", "unknown", "private", "withheld", "asterisk", "none", "null"}
)
_PUNCTUATION = re.compile(r"[ ().\-/]")
_DIALLABLE = re.compile(r"\+?[0-9]{5,18}", re.ASCII)
_UNSAFE = re.compile(r"[\"'`$\\{}<>|&%,!]")
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class CallerNumber:
    """Who called: E.164 when it can be called back, else what the network sent; ``''`` is anonymous."""

    number: str
    callable: bool

    @property
    def anonymous(self) -> bool:
        return not self.number


ANONYMOUS = CallerNumber("", callable=False)


def caller_number(raw: str, country: str = "UA") -> CallerNumber:
    """063…, 38063…, +38 (063)… and 8063… are one subscriber; a hidden number is a caller too, without a number.

    Never raises, whatever the caller sent: digits of other scripts, controls and quotes end as text nobody dials.
    Applied to its own result it changes nothing.
    """
    shown = _printable(raw)
    if _is_anonymous(shown):
        return ANONYMOUS
    found = _e164(shown, country)
    if found is not None:
        return CallerNumber(found, callable=True)
    plain = _PUNCTUATION.sub("", shown)
    return CallerNumber(plain if re.fullmatch(r"\+?[0-9]+", plain, re.ASCII) else shown, callable=False)


def to_e164(raw: str, country: str = "UA") -> E164:
    """The number in E.164 with its plus; raises ``ValueError`` for what cannot be dialled."""
    shown = _printable(raw)
    found = _e164(shown, country)
    if found is None:
        raise ValueError(f"{shown!r} is not a phone number (write +380XXXXXXXXX or 0XXXXXXXXX)")
    return found


def did_of(dialled: str, country: str = "UA") -> Did | None:
    """The DID that was dialled, however the trunk writes it; ``None`` when it is no phone number."""
    found = _e164(_printable(dialled), country)
    return None if found is None else Did(found)


def _printable(raw: str) -> str:
    """One short line without controls, bidi marks or characters that mean something to a shell or a dialplan."""
    number = raw[:400].partition(";")[0]  # RFC 3966 parameters: +380631234567;npdi
    kept = "".join(" " if c.isspace() else c for c in number if c.isspace() or not _is_unprintable(c))
    return _UNSAFE.sub("?", " ".join(kept.split()))[:LONGEST].strip()


def _is_unprintable(character: str) -> bool:
    return unicodedata.category(character) in _UNPRINTABLE


def _is_anonymous(shown: str) -> bool:
    return shown.strip("? ").casefold() in _ANONYMOUS or not any(c.isalnum() for c in shown)


def _e164(shown: str, country: str) -> E164 | None:
    """A number of a known range; a number of an unknown range passes if it was written with its country code.

    New ranges are opened more often than libraries are updated, and such a caller must be callable back.
    """
    plain = _PUNCTUATION.sub("", shown)
    if not _DIALLABLE.fullmatch(plain):
        return None
    code = str(phonenumbers.country_code_for_region(country))
    possible: E164 | None = None
    for text in _ways_to_read(plain, country):
        try:
            number = phonenumbers.parse(text, country)
        except NumberParseException:
            continue
        written = E164(phonenumbers.format_number(number, PhoneNumberFormat.E164))
        if phonenumbers.is_valid_number(number):
            return written
        fits = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
        if possible is None and fits and text.startswith(("+", code)):
            possible = written
    return possible


def _ways_to_read(plain: str, country: str) -> Iterator[str]:
    yield plain
    if country == "UA" and plain.startswith("810") and len(plain) > 11:
        yield "+" + plain[3:]  # 8~10: the old way out of the country
    elif country == "UA" and plain.startswith("80") and len(plain) == 11:
        yield plain[1:]  # 8~0XX: the old long-distance prefix
    if not plain.startswith(("+", "0")) and len(plain) >= 11:
        yield "+" + plain  # a foreign number of a trunk that sends no plus
