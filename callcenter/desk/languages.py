"""What users read, in Ukrainian and in English: the catalogues, and how each language writes times, money and numbers.

Messages are gettext catalogues in ``locale/``: every file named ``*uk.po`` or ``*en.po`` is read at start, so each part
of the interface may keep its own (``uk.po``, ``agent.uk.po``). A msgid is a key such as ``callbacks.title``.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.core import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal

from callcenter.errors import Misconfigured
from callcenter.words import LANGUAGES, Language

FOLDER = Path(__file__).parent / "locale"
_UKRAINIAN = re.compile(r"\+380([0-9]{2})([0-9]{3})([0-9]{2})([0-9]{2})", re.ASCII)
_NAMED = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class Catalogue:
    """Every sentence of the interface in one language."""

    language: Language
    messages: Mapping[str, tuple[str, ...]]
    """Plural forms by key; a message without plural has one form."""
    plural: Callable[[int], int]
    locale: Locale = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "locale", Locale.parse(self.language))

    def knows(self, key: str) -> bool:
        return key in self.messages

    def text(self, key: str, /, **values: object) -> str:
        """The sentence of this key with its ``%(name)s`` filled in; a key nobody wrote raises ``KeyError``."""
        return _fill(self.messages[key][0], values)

    def count(self, key: str, number: int, /, **values: object) -> str:
        """The sentence in the grammatical number that the language wants; ``%(n)s`` is the number."""
        forms = self.messages[key]
        return _fill(forms[min(self.plural(number), len(forms) - 1)], {"n": number, **values})

    def raw(self, key: str) -> str:
        """The sentence as gettext gives it, for Jinja2's i18n extension."""
        return self.messages[key][0]

    def raw_plural(self, key: str, _key: str, number: int) -> str:
        forms = self.messages[key]
        return forms[min(self.plural(number), len(forms) - 1)]

    def clock(self, at: datetime, zone: ZoneInfo) -> str:
        """``14:31`` on the provider's wall clock."""
        return format_time(at.astimezone(zone), "HH:mm", locale=self.locale)

    def seconds(self, at: datetime, zone: ZoneInfo) -> str:
        """``14:31:07`` on the provider's wall clock."""
        return format_time(at.astimezone(zone), "HH:mm:ss", locale=self.locale)

    def day(self, at: datetime, zone: ZoneInfo) -> str:
        """``22 листопада 2026 р.``"""
        return format_date(at.astimezone(zone), "long", locale=self.locale)

    def short_day(self, day: date) -> str:
        """A date of a calendar: ``22 лист.``"""
        return format_date(day, "d MMM", locale=self.locale)

    def whole_day(self, day: date) -> str:
        """The same with its year and weekday: ``нд, 22 лист. 2026``."""
        return format_date(day, "EEE, d MMM y", locale=self.locale)

    def month(self, day: date) -> str:
        """``лист. 2026``"""
        return format_date(day, "LLL y", locale=self.locale)

    def moment(self, at: datetime, zone: ZoneInfo, now: datetime) -> str:
        """Today it is a time, this year a day and a time, before that a date."""
        local, today = at.astimezone(zone), now.astimezone(zone)
        if local.date() == today.date():
            return self.clock(at, zone)
        if local.year == today.year:
            return format_datetime(local, "d MMM, HH:mm", locale=self.locale)
        return format_datetime(local, "dd.MM.yyyy HH:mm", locale=self.locale)

    def length(self, seconds: float | None) -> str:
        """How long something lasted: ``0:48``, ``4:12``, ``1:02:10``; unknown is a dash."""
        if seconds is None:
            return "–"
        whole = max(0, round(seconds))
        hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
        return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

    def left(self, due: datetime, now: datetime) -> str:
        """What is left of a promise, a broken one is negative: ``12 хв``, ``−4 хв``, ``2 год 5 хв``."""
        span = due - now
        minutes = int(abs(span).total_seconds() // 60)
        sign = "−" if span < timedelta(0) else ""
        if minutes >= 48 * 60:
            return sign + self.count("time.days", minutes // (24 * 60))
        if minutes >= 60:
            return sign + self.text("time.hours_minutes", hours=minutes // 60, minutes=minutes % 60)
        return sign + self.text("time.minutes", minutes=minutes)

    def ago(self, at: datetime, now: datetime) -> str:
        """How old a value is: ``щойно``, ``5 хв тому``."""
        if now - at < timedelta(minutes=1):
            return self.text("time.just_now")
        return self.text("time.ago", span=self.left(now, at))

    def number(self, value: float | Decimal, digits: int = 0) -> str:
        return format_decimal(value, format=f"#,##0.{'0' * digits}" if digits else "#,##0", locale=self.locale)

    def size(self, octets: int) -> str:
        """A file's size in the unit one reads: ``1,4 МБ``."""
        if octets < 1_000_000:
            return self.text("size.kb", size=self.number(octets / 1000))
        return self.text("size.mb", size=self.number(octets / 1_000_000, 1))

    def phone(self, number: str) -> str:
        """A number as people here read it: ``067 123 45 67``; without one, that it was hidden."""
        if not number:
            return self.text("caller.anonymous")
        if found := _UKRAINIAN.fullmatch(number):
            return "0{} {} {} {}".format(*found.groups())
        return number

    def money(self, amount: Decimal, currency: str) -> str:
        """``−35,00 ₴``; a code that is no currency is written as it is."""
        try:
            return format_currency(amount, currency, "#,##0.00\xa0¤", locale=self.locale).replace("-", "−")
        except ValueError:
            return f"{self.number(amount, 2)} {currency}"


def _fill(sentence: str, values: Mapping[str, Any]) -> str:
    """Only ``%(name)s`` means something, so that a lone per cent sign in a translation breaks nothing."""
    return _NAMED.sub(lambda found: str(values[found[1]]), sentence).replace("%%", "%")


def load_catalogues(folder: Path = FOLDER) -> dict[Language, Catalogue]:
    """Reads every catalogue; raises ``Misconfigured`` naming each key that one language lacks or has twice."""
    loaded = {language: _read(folder, language) for language in LANGUAGES}
    lacking = [
        f"{key}: not in {language}"
        for language in LANGUAGES
        for key in sorted(set().union(*(c.messages for c in loaded.values())) - set(loaded[language].messages))
    ]
    if lacking:
        raise Misconfigured("\n".join(lacking))
    return loaded


def _read(folder: Path, language: Language) -> Catalogue:
    messages: dict[str, tuple[str, ...]] = {}
    plural: Callable[[int], int] = gettext.c2py("n != 1")
    for file in sorted(folder.glob(f"*{language}.po")):
        with file.open("rb") as opened:
            catalog = read_po(opened, locale=language, abort_invalid=True)
        plural = gettext.c2py(catalog.plural_expr)
        for message in catalog:
            if not message.id:
                continue
            key = message.id if isinstance(message.id, str) else message.id[0]
            forms = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
            if key in messages or not forms or not all(forms):
                raise Misconfigured(f"{file.name}: {key} is there twice or has an empty translation")
            messages[key] = forms
    return Catalogue(language, messages, plural)


def language_asked(accept_language: str, default: Language = "uk") -> Language:
    """Of the languages a browser asks for, the first we speak; Russian-speaking browsers are answered in Ukrainian."""
    for part in accept_language.split(",")[:10]:
        wanted = part.partition(";")[0].strip().lower().partition("-")[0]
        for language in LANGUAGES:
            if wanted == language:
                return language
        if wanted == "ru":
            return "uk"
    return default
