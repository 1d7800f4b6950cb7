"""The sentence an agent says first: the provider's own template, or the house's."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from jinja2 import TemplateError

from callcenter.routing.book import Provider
from callcenter.routing.sentence import sentence_template
from callcenter.words import Language

PartOfDay = Literal["morning", "day", "evening"]

HOUSE: dict[Language, str] = {
    "uk": "{{ hello }}! Компанія «{{ brand }}», мене звати {{ agent }}. Чим можу допомогти?",
    "en": "{{ hello }}! {{ brand }}, {{ agent }} speaking. How can I help you?",
}
HOUSE_BACK: dict[Language, str] = {
    "uk": "{{ hello }}! Компанія «{{ brand }}», мене звати {{ agent }}. Ви нам телефонували.",
    "en": "{{ hello }}! {{ agent }} from {{ brand }}. You called us.",
}
"""When we call back: what a provider wrote for arriving calls would not fit."""
HELLO: dict[Language, dict[PartOfDay, str]] = {
    "uk": {"morning": "Доброго ранку", "day": "Доброго дня", "evening": "Доброго вечора"},
    "en": {"morning": "Good morning", "day": "Good afternoon", "evening": "Good evening"},
}
LONGEST = 300
"""Characters: what is longer nobody says in one breath."""


def part_of_day(at: datetime) -> PartOfDay:
    """Morning from 4, day from 11, evening from 17 till the night is over, on the clock of ``at``."""
    if 4 <= at.hour < 11:
        return "morning"
    return "day" if 11 <= at.hour < 17 else "evening"


def greeting_sentence(
    provider: Provider, language: Language, agent: str, at: datetime, *, calls_back: bool = False
) -> str:
    """What the agent says first, at the provider's time of day.

    A provider's template knows ``brand``, ``agent``, ``hello`` (with the time of day), ``time_of_day`` and
    ``language``. One that cannot be filled in gives way to the house's sentence: a caller waits.
    """
    part = part_of_day(at.astimezone(provider.timezone))
    known = {
        "brand": provider.brand,
        "agent": agent,
        "hello": HELLO[language][part],
        "time_of_day": part,
        "language": language,
    }
    if calls_back:
        return _filled(HOUSE_BACK[language], known)
    own = _filled(provider.greeting, known) if provider.greeting else ""
    return own or _filled(HOUSE[language], known)


def _filled(source: str, known: dict[str, str]) -> str:
    try:
        said = sentence_template(source).render(known)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError):  # whatever an expression can break
        return ""
    return " ".join(said.split())[:LONGEST]
