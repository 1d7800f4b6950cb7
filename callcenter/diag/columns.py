"""Which of a driver's columns a sweep or a look at one PON reads, and how answers find their ONUs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from callcenter.diag.driver import OltDriver, Place, Read, Rows
from callcenter.diag.values import NO_VALUE, Answers, Oid, SnmpValue
from callcenter.words import OnuAddress

Kept = dict[OnuAddress, dict[str, SnmpValue]]
"""Answers by ONU and by the driver's names of its columns."""

STATE_COLUMNS = frozenset({"status", "reason"})
"""What a mass check reads of each ONU."""


class _Looks(Mapping[str, SnmpValue]):
    """Answers that hold nothing and remember what was looked for."""

    def __init__(self) -> None:
        self.looked: set[str] = set()

    def __getitem__(self, name: str) -> SnmpValue:
        self.looked.add(name)
        return NO_VALUE

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def looked_for(rule: Callable[[Answers], object]) -> set[str]:
    """The columns without which this rule cannot tell."""
    looks = _Looks()
    rule(looks)
    return looks.looked


def narrowed(driver: OltDriver, wanted: frozenset[str], *, proving: bool = False) -> tuple[Read, ...]:
    """The driver's reads with the wanted columns only, and those that the index of a wanted one is made of.

    With ``proving`` also those that prove the index to be this ONU's still.
    """
    somewhere = Place((1,), (1,))
    needed = set(wanted)
    if proving:
        nobody = OnuAddress(driver.family, (0, 1), 1)
        needed |= looked_for(lambda looks: driver.is_still(nobody, looks))
    for read in reversed(driver.reads):
        if needed & read.columns.keys():
            needed |= looked_for(lambda looks, read=read: read.index_of(somewhere, looks))  # type: ignore[misc]
    out = []
    for read in driver.reads:
        columns = {name: oid for name, oid in read.columns.items() if name in needed}
        if columns:
            out.append(Read(columns, read.index_of, read.walkable))
    return tuple(out)


def placed(read: Read, places: Mapping[OnuAddress, Place], rows: Mapping[str, Rows], into: Kept) -> None:
    """Puts walked rows to their ONUs; an ONU without a row has no value there."""
    for onu, place in places.items():
        answers = into[onu]
        index = read.index_of(place, answers)
        for name, column in rows.items():
            answers[name] = NO_VALUE if index is None else column.get(index, NO_VALUE)


def questions(read: Read, places: Mapping[OnuAddress, Place], answers: Kept) -> dict[Oid, tuple[OnuAddress, str]]:
    """What to GET of these ONUs, and whose answer each will be."""
    return {
        (*column, *index): (onu, name)
        for onu, place in places.items()
        if (index := read.index_of(place, answers[onu])) is not None
        for name, column in read.columns.items()
    }
