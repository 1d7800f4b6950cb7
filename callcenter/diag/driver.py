"""What a family of OLTs must tell us to be read: columns, indexes and pure decoders, one file a family.

The same columns and the same ``decode`` serve a card while the phone rings (GET of one ONU) and the sweep of the whole
OLT (a walk of each column): only the way of asking differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from callcenter.diag.dialect import Dialect
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState
from callcenter.diag.values import NO_VALUE, Answers, Oid, SnmpValue, number, text
from callcenter.words import OnuAddress, PonFamily

Rows: TypeAlias = Mapping[Oid, SnmpValue]
"""What stands under one column: by index (the column's own OID taken off)."""
Walked: TypeAlias = Mapping[str, Rows]
"""Walked columns, by the names the driver gave them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an ONU stands in the OLT's tables: its own index and that of its PON port."""

    onu: Oid
    pon: Oid | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """Columns that share an index. ``index_of`` gives ``None`` while an earlier answer it needs is missing."""

    columns: Mapping[str, Oid]
    index_of: Callable[[Place, Answers], Oid | None]
    walkable: bool = True
    """Whether a sweep may walk these columns; else it asks for each ONU with GET (BDCOM EPON's 101.108 hangs it)."""


@dataclass(frozen=True, slots=True)
class Under:
    """Columns with several rows for one ONU (MACs behind it, its LAN ports): walked under ``prefix_of``.

    A prefix of ``()`` walks the whole column; ``decode_details`` picks the ONU's rows.
    """

    columns: Mapping[str, Oid]
    prefix_of: Callable[[Place, Answers], Oid | None]
    most: int = 256
    """Rows after which the walk ends: a table that is asked for one ONU's rows is not the whole OLT's."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How the OLT names its ONUs: columns that are walked once and kept, and their rows read as addresses."""

    columns: Mapping[str, Oid]
    places: Callable[[Walked], dict[OnuAddress, Place]]


@dataclass(frozen=True, slots=True)
class Signs:
    """How a device of this family is known: by what it calls itself, else by a subtree that only this family has."""

    object_ids: tuple[Oid, ...] = ()
    """Beginnings of its sysObjectID."""
    describes: str = ""
    """A regular expression that its sysDescr must match too, without regard to case; empty for any."""
    roots: tuple[Oid, ...] = ()
    """Subtrees to ask with one GETNEXT where nothing else tells (an OEM's badge)."""
    others: tuple[Oid, ...] = ()
    """Beginnings of sysObjectIDs of the same maker's devices that are none of this family (switches, MDUs)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the family's small CPU bears."""

    bulk_rows: int = 20
    """Rows that a walk asks for at once."""
    gets_at_once: int = 20
    """Objects in one GET."""
    gap_s: float = 0.0
    """Seconds to leave between requests of a walk (GCOM EPON stops answering under a burst)."""
    uses_bulk: bool = True


@dataclass(frozen=True, slots=True)
class CliQuestion:
    """What is asked on the command line: the commands in order, and what the answer to each tells.

    ``commands`` may step into a mode and out again; ``parse`` gets the outputs of all of them, in their order, cleaned
    of echoes, pagers and escape codes. It must make something of any text at all.
    """

    about: str
    """What it tells, for progress and errors: ``optics``, ``state``, ``macs``, ``uni``, ``vlan``, ``log``."""
    commands: Callable[[OnuAddress, OnuReading], tuple[str, ...]]
    parse: Callable[[tuple[str, ...], OnuAddress], LineDetails]


WriteKind: TypeAlias = Literal["reboot", "describe", "vlan"]


@dataclass(frozen=True, slots=True)
class SnmpWrite:
    """One SET: ``index_of`` as in ``Read``; ``value`` makes the value of what the person asked for."""

    column: Oid
    index_of: Callable[[Place, Answers], Oid | None]
    value: Callable[[str], int | bytes]


@dataclass(frozen=True, slots=True)
class CliWrite:
    """Commands for the OLT's command line, the exact ones that are shown before anybody confirms them."""

    commands: Callable[[OnuAddress, str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Option:
    """Something the operator may set for a device of this family."""

    about: str
    default: str
    choices: tuple[str, ...] = ()
    """Every value allowed; empty for any whole number."""


@dataclass(frozen=True, slots=True)
class OltDriver:
    """A family of OLTs as a value: what to ask for one ONU, and what the answers mean."""

    name: str
    """The file's own name, which operators write as ``driver``."""
    title: str
    """For people: ``BDCOM EPON (P3310, P3608, P3616)``."""
    family: PonFamily
    signs: Signs
    listing: Listing
    reads: tuple[Read, ...]
    decode: Callable[[Answers], OnuReading]
    """Must make something of any answers at all: no device may break a card."""
    place_of: Callable[[OnuAddress], Place | None] | None = None
    """For families whose indexes follow from the address: no list is needed for a card."""
    derived: bool = False
    """Whether indexes follow from the address once the PON ports are listed: they are never dealt anew."""
    is_still: Callable[[OnuAddress, Answers], bool] = field(default=lambda onu, answers: True)
    """Whether the answers of the first request are this ONU's: indexes may have been dealt anew."""
    swept: frozenset[str] = frozenset({"status", "reason", "onu_rx", "olt_rx", "uni_link"})
    """Of the columns above, those a sweep reads."""
    details: tuple[Read | Under, ...] = ()
    """What a full diagnosis asks on top, over SNMP."""
    decode_details: Callable[[OnuAddress, Place, Answers, Walked], LineDetails] = field(
        default=lambda onu, place, answers, walked: LineDetails()
    )
    dialect: Dialect | None = None
    """How its command line is spoken; ``None`` where nothing is known of it."""
    questions_cli: tuple[CliQuestion, ...] = ()
    writes: Mapping[WriteKind, SnmpWrite | CliWrite] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    """Names of ``OnuReading``'s and ``LineDetails``'s fields that this family never tells: said so, not left blank."""
    limits: Limits = Limits()
    options: Mapping[str, Option] = field(default_factory=dict)
    with_options: Callable[[Mapping[str, str]], OltDriver] | None = None
    """The driver for a device whose options differ from the defaults."""
    badges: tuple[tuple[tuple[str, str], ...], ...] = ()
    """Options that badges and firmwares of this family are known to need, for a fingerprint to try (sorted pairs)."""

    def questions(self, place: Place, answers: Answers, reads: tuple[Read, ...] | None = None) -> dict[str, Oid]:
        """What to ask next: every column not answered yet whose index is known by now."""
        return {
            name: (*column, *index)
            for read in (self.reads if reads is None else reads)
            if not read.columns.keys() <= answers.keys() and (index := read.index_of(place, answers)) is not None
            for name, column in read.columns.items()
        }

    def set_up(self, options: Mapping[str, str]) -> OltDriver:
        """This driver with a device's options; raises ``ValueError`` that names the wrong one and what is allowed."""
        for name, value in options.items():
            known = self.options.get(name)
            if known is None:
                raise ValueError(
                    f"{self.name} has no option {name} (it has: {', '.join(sorted(self.options)) or 'none'})"
                )
            if known.choices and value not in known.choices:
                raise ValueError(f"option {name} is one of {', '.join(known.choices)}, not {value!r}")
            if not known.choices and not re.fullmatch(r"[0-9]{1,10}", value, re.ASCII):
                raise ValueError(f"option {name} is a whole number, not {value!r}")
        if self.with_options is None or not options:
            return self
        return self.with_options({name: option.default for name, option in self.options.items()} | dict(options))


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


def uni_up(answers: Answers, *, online: bool, codes: Mapping[int, bool] | None = None) -> bool | None:
    """The column ``uni_link``, 1 up and 2 down unless ``codes`` says otherwise; of an ONU that is away, the past."""
    link = number(answers, "uni_link")
    return (codes or {1: True, 2: False}).get(link) if online and link is not None else None


def make_and_model(answers: Answers) -> str:
    """The columns ``vendor`` and ``model``, as far as there are any."""
    return " ".join(filter(None, (text(answers, "vendor"), text(answers, "model"))))


NAME = "name"
"""The column that families with dealt indexes read along with the rest: it says whose index it is now."""

IF_DESCR: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 2)
IF_ALIAS: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 18)


def interface_name(raw: SnmpValue) -> str:
    """An interface's name as it is compared: firmwares differ in case and padding."""
    return raw.decode("ascii", "replace").strip(" \0").upper() if isinstance(raw, bytes) else ""


def _by_name(walked: Walked) -> dict[OnuAddress, Place]:
    names = {interface_name(name): index for index, name in walked.get(NAME, {}).items()}
    found: dict[OnuAddress, Place] = {}
    for name, index in names.items():
        if ":" not in name:
            continue
        try:
            address = OnuAddress.parse(name)
        except ValueError:
            continue
        found[address] = Place(index, names.get(address.pon))
    return found


INTERFACES = Listing({NAME: IF_DESCR}, _by_name)
"""ONUs that are interfaces of their OLT, named ``EPON0/2:48``."""


def is_named(onu: OnuAddress, answers: Answers) -> bool:
    """The interface still bears this ONU's name."""
    return interface_name(answers.get(NAME, NO_VALUE)) == str(onu)


def by_onu(place: Place, _: Answers) -> Oid | None:
    return place.onu


def by_first_uni(place: Place, _: Answers) -> Oid | None:
    return (*place.onu, 1)
