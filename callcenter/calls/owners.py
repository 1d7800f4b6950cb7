"""Whose calls are whose, by one book; looked up once for each number, as a day of calls names the same ones."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from callcenter.calls.record import Begun, Direction
from callcenter.routing.book import Book, Provider
from callcenter.routing.numbers import CallerNumber, caller_number
from callcenter.words import Did

_DIALLED_KEPT: Final = 10_000


class Owners:
    """Whose calls are whose, by one book."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._dialled: dict[str, tuple[Did, Provider] | None] = {}

    def of(self, direction: Direction, dialled: str, slug: str | None) -> tuple[Did | None, Provider | None]:
        if direction == "out":
            return None, self.book.by_slug(slug or "")
        if dialled not in self._dialled:
            if len(self._dialled) > _DIALLED_KEPT:
                self._dialled.clear()
            self._dialled[dialled] = self.book.provider_of(dialled)
        return self._dialled[dialled] or (None, None)

    def min_talk(self, begun: Begun) -> float:
        _, provider = self.of(begun.direction, begun.dialled, begun.provider_slug)
        return 1.0 if provider is None else provider.min_talk_s

    def number_of(self, raw: str) -> CallerNumber:
        """The subscriber's number as it is written everywhere."""
        return _number(raw, self.book.country)


@lru_cache(maxsize=10_000)
def _number(raw: str, country: str) -> CallerNumber:
    return caller_number(raw, country)
