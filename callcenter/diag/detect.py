"""What a device is: by the name it gives itself, else by a table that only one family has.

For a device whose driver is ``auto``: badges whose maker nobody names (AD-NET), and hands that did not look. The
fingerprint reads, and only reads: one GET, then at most one GETNEXT a root. Sources of signs are in the drivers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from callcenter.diag.driver import OltDriver, Signs
from callcenter.diag.drivers import ALL
from callcenter.diag.snmp_target import Row, SnmpTarget
from callcenter.diag.switch import SwitchDriver
from callcenter.diag.values import NO_VALUE, Oid, SnmpValue

Driver: TypeAlias = OltDriver | SwitchDriver
Options: TypeAlias = tuple[tuple[str, str], ...]

SYS_DESCR: Oid = (1, 3, 6, 1, 2, 1, 1, 1, 0)
SYS_OBJECT_ID: Oid = (1, 3, 6, 1, 2, 1, 1, 2, 0)
BUDGET = 5.0
"""Seconds for each question of a probe."""


class Asks(Protocol):
    """The door to SNMP, as far as a probe needs it."""

    async def get(self, target: SnmpTarget, oids: list[Oid], budget: float) -> Mapping[Oid, SnmpValue]: ...

    async def first(self, target: SnmpTarget, root: Oid, budget: float) -> Row | None: ...


@dataclass(frozen=True, slots=True)
class Root:
    """A subtree that only ``driver`` has, with the options under which it has it there."""

    root: Oid
    driver: str
    options: Options = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """What a device said of itself, and what it is taken for."""

    object_id: Oid
    """Its sysObjectID; ``()`` when it gave none."""
    descr: str
    driver: str | None
    """``None`` when nothing tells: the operator chooses, or asks the maker (docs/howto/ad-net.md)."""
    by: Literal["name", "root", ""]
    options: Options = ()
    """The driver's options that the device needs, where they are not the defaults: a badge's enterprise number."""
    answers: tuple[tuple[str, str], ...] = ()
    """Each root that was asked, and the OID that answered inside it; empty text where nothing did."""


def family_of(object_id: Oid, descr: str) -> str | None:
    """The driver of a device that calls itself so: the longest sysObjectID that fits, whose description fits too.

    A switch or an MDU of the same maker is not an OLT: it fits no family's signs, or another's better.
    """
    found = [
        (len(prefix), bool(driver.signs.describes), name)
        for name, driver in ALL.items()
        for prefix in driver.signs.object_ids
        if object_id[: len(prefix)] == prefix
        and _describes(driver.signs, descr)
        and not _other(driver.signs, object_id)
    ]
    best = max(found, default=None)
    # Two families that fit equally well tell nothing: then their tables do.
    return best[2] if best is not None and sum(each[:2] == best[:2] for each in found) == 1 else None


def is_no_olt(object_id: Oid) -> bool:
    """Whether it is known to be another kind of device, whose tables need not be asked."""
    return any(_other(driver.signs, object_id) for driver in ALL.values())


def roots(driver: str | None = None) -> tuple[Root, ...]:
    """What a fingerprint asks, in order: one driver's subtrees or all, each with its badges' options."""
    return tuple(_roots([ALL[driver]] if driver is not None else [ALL[name] for name in sorted(ALL)]))


def _roots(drivers: list[Driver]) -> Iterator[Root]:
    """Every family's first root, then every family's second: what tells more is asked first."""
    worn: list[tuple[Driver, Options]] = [(each, ()) for each in drivers]
    worn += [(each, options) for each in drivers if isinstance(each, OltDriver) for options in each.badges]
    tables = [(each.name, options, _signs(each, options).roots) for each, options in worn]
    for rank in range(max((len(found) for *_, found in tables), default=0)):
        yield from (Root(found[rank], name, options) for name, options, found in tables if rank < len(found))


def _signs(driver: Driver, options: Options) -> Signs:
    return driver.set_up(dict(options)).signs if isinstance(driver, OltDriver) and options else driver.signs


async def probe(snmp: Asks, target: SnmpTarget, budget: float = BUDGET) -> Probe:
    """Finds out what a device is. Raises as ``Snmp.get`` does when it does not answer at all.

    The name comes first. Where it tells nothing, or tells a family that has badges, the families' own tables are asked,
    one GETNEXT each, and the first that answers inside its subtree names driver and options.
    """
    named = await snmp.get(target, [SYS_OBJECT_ID, SYS_DESCR], budget)
    object_id = read_object_id(named.get(SYS_OBJECT_ID, NO_VALUE))
    descr = read_descr(named.get(SYS_DESCR, NO_VALUE))
    name = family_of(object_id, descr)
    driver = ALL.get(name) if name is not None else None
    if driver is not None and not (isinstance(driver, OltDriver) and driver.badges):
        return Probe(object_id, descr, name, "name")
    if driver is None and is_no_olt(object_id):
        return Probe(object_id, descr, None, "")
    asked: list[tuple[str, str]] = []
    for root in roots(name):
        row = await snmp.first(target, root.root, budget)
        asked.append((dotted(root.root), "" if row is None else dotted(row[0])))
        if row is not None:
            by: Literal["name", "root"] = "root" if name is None else "name"
            return Probe(object_id, descr, root.driver, by, root.options, tuple(asked))
    return Probe(object_id, descr, name, "" if name is None else "name", (), tuple(asked))


def read_object_id(raw: SnmpValue) -> Oid:
    """The sysObjectID; C-Data's is text with a leading dot (LibreNMS recording "cdata"). ``()`` for anything else."""
    if isinstance(raw, tuple):
        return raw
    words = raw.decode("ascii", "replace").strip(' "\0') if isinstance(raw, bytes) else ""
    return tuple(map(int, words.strip(".").split("."))) if re.fullmatch(r"\.?\d{1,10}(\.\d{1,10}){2,40}", words) else ()


def read_descr(raw: SnmpValue) -> str:
    """The sysDescr on one line, without quotes and what cannot be printed."""
    words = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in words).strip(' "').split())[:300]


def dotted(oid: Oid) -> str:
    return ".".join(map(str, oid))


def _describes(signs: Signs, descr: str) -> bool:
    return not signs.describes or re.search(signs.describes, descr, re.IGNORECASE) is not None


def _other(signs: Signs, object_id: Oid) -> bool:
    return any(object_id[: len(prefix)] == prefix for prefix in signs.others)
