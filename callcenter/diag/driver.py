"""What a device family must tell us to be read: a table of columns and pure decoders, one file a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from callcenter.diag.reading import DownReason, OnuReading, OnuState
from callcenter.diag.values import Answers, Oid, SnmpValue, number, text
from callcenter.words import OnuAddress, PonFamily

Names: TypeAlias = Mapping[str, int]
"""The OLT's own names of its interfaces, in capitals, and their present ifIndexes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an ONU stands in the OLT's tables: its own index and that of its PON port."""

    onu: int
    pon: int | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """Columns that share an index. ``index_of`` gives ``None`` while an earlier answer it needs is missing."""

    columns: Mapping[str, Oid]
    index_of: Callable[[Place, Answers], Oid | None]


@dataclass(frozen=True, slots=True)
class OltDriver:
    """A device family as a value: what to GET for one ONU, and what the answers mean. It never writes."""

    name: str
    family: PonFamily
    names: Oid
    """The column whose rows name the interfaces; it is walked once and kept."""
    index_of: Callable[[OnuAddress, Names], Place | None]
    reads: tuple[Read, ...]
    decode: Callable[[Answers], OnuReading]
    """Must make something of any answers at all: no device may break a card."""

    def questions(self, place: Place, answers: Answers) -> dict[str, Oid]:
        """What to ask next: every column not answered yet whose index is known by now."""
        return {
            name: (*column, *index)
            for read in self.reads
            if not read.columns.keys() <= answers.keys() and (index := read.index_of(place, answers)) is not None
            for name, column in read.columns.items()
        }


States: TypeAlias = Mapping[int, OnuState]
Reasons: TypeAlias = Mapping[int, tuple[DownReason | None, str]]
"""A device's codes, what they mean, and its own word for it."""


def state_of(answers: Answers, states: States) -> OnuState:
    """The column ``status``; a code that the family's table lacks means nothing."""
    status = number(answers, "status")
    return OnuState.UNKNOWN if status is None else states.get(status, OnuState.UNKNOWN)


def reason_of(answers: Answers, reasons: Reasons) -> tuple[DownReason | None, str]:
    """The column ``reason``; a code that the table lacks is shown and concludes nothing."""
    code = number(answers, "reason")
    return (None, "") if code is None else reasons.get(code, (DownReason.UNKNOWN, f"code {code}"))


def uni_up(answers: Answers, *, online: bool) -> bool | None:
    """The column ``uni_link``, 1 up and 2 down; of an ONU that is away it tells the past."""
    link = number(answers, "uni_link")
    return {1: True, 2: False}.get(link) if online and link is not None else None


def make_and_model(answers: Answers) -> str:
    """The columns ``vendor`` and ``model``, as far as there are any."""
    return " ".join(filter(None, (text(answers, "vendor"), text(answers, "model"))))


NAME = "name"
"""The column each driver reads along with the rest: the ONU's name, to notice that indexes were dealt anew."""

IF_DESCR: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 2)


def interface_name(raw: SnmpValue) -> str:
    """An interface's name as it is compared: firmwares differ in case and padding."""
    return raw.decode("ascii", "replace").strip(" \0").upper() if isinstance(raw, bytes) else ""


def place_by_name(onu: OnuAddress, names: Names) -> Place | None:
    """An ONU that is an interface of its OLT, found by the name of that interface (``EPON0/2:48``)."""
    index = names.get(str(onu))
    return None if index is None else Place(index, names.get(onu.pon))


def by_onu(place: Place, _: Answers) -> Oid | None:
    return (place.onu,)


def by_first_uni(place: Place, _: Answers) -> Oid | None:
    return (place.onu, 1)
