"""What a family of switches must tell us: a port's state, its VLANs, its MACs; and how a VLAN is put on a port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import Limits, Signs, Walked
from callcenter.diag.reading import MacRow, PortReading
from callcenter.diag.values import Answers, Oid


@dataclass(frozen=True, slots=True)
class PortPlace:
    """A port in the switch's tables: its ifIndex, and its number among bridge ports where that is another."""

    if_index: int
    bridge_port: int | None = None
    name: str = ""
    sensors: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Indexes of its optics in the tables of sensors, where a family keeps them apart: ``rx``, ``tx``."""


@dataclass(frozen=True, slots=True)
class PortMap:
    """How ports are found: columns walked once and kept, read as names (every spelling a person may write)."""

    columns: Mapping[str, Oid]
    places: Callable[[Walked], dict[str, PortPlace]]


@dataclass(frozen=True, slots=True)
class Fdb:
    """The MAC table: columns to walk, whether once per VLAN (``community@VLAN``), and the pure decoder.

    ``prefix_of`` narrows the walk to one VLAN where the index begins with it; ``decode`` gives every row whose port it
    knows.
    """

    columns: Mapping[str, Oid]
    decode: Callable[[Walked, Mapping[int, str]], tuple[MacRow, ...]]
    """Rows and the names of the bridge ports by number."""
    per_vlan: bool = False


@dataclass(frozen=True, slots=True)
class PortQuestion:
    """What is asked on a switch's command line about one port, as ``driver.CliQuestion`` for ONUs.

    ``commands`` and ``parse`` get the port's name as the switch spells it in its tables.
    """

    about: str
    """``log``, ``macs`` or ``optics``; the last two are asked only when SNMP did not tell."""
    commands: Callable[[str], tuple[str, ...]]
    parse: Callable[[tuple[str, ...], str], PortReading]


@dataclass(frozen=True, slots=True)
class VlanOrder:
    """A VLAN that is to be on a port, or to be taken off it; ``port`` as the switch spells it."""

    port: str
    vlan: int
    tagged: bool
    name: str = ""
    was: PortReading | None = None
    """The port before the order: what it already does is not ordered, and taking back restores it."""

    @property
    def mode(self) -> str:
        return "" if self.was is None else self.was.mode


@dataclass(frozen=True, slots=True)
class SwitchDriver:
    """A family of switches as a value."""

    name: str
    title: str
    signs: Signs
    ports: PortMap
    reads: Mapping[str, Oid]
    """Columns asked with the port's ifIndex."""
    bridge_reads: Mapping[str, Oid]
    """Columns asked with the port's bridge number."""
    scalars: Mapping[str, Oid]
    """Whole objects (with their ``.0``) the decoder needs, such as sysUpTime."""
    vlan_columns: Mapping[str, Oid]
    """Columns walked for VLAN membership: bitmaps by VLAN."""
    decode: Callable[[PortPlace, Answers, Walked], PortReading]
    """Must make something of any answers at all."""
    fdb: Fdb
    dialect: Dialect | None = None
    questions_cli: tuple[PortQuestion, ...] = ()
    add_vlan: Callable[[VlanOrder], tuple[str, ...]] | None = None
    """Commands inside the configuration mode that make the VLAN and put it on the port.

    Raises ``RuleBroken`` where the port is set in a way that would have to be changed for it.
    """
    drop_vlan: Callable[[VlanOrder, bool], tuple[str, ...]] | None = None
    """Commands that undo ``add_vlan`` of the same order; the flag says whether the VLAN was made by it and goes too."""
    sensor_reads: Mapping[str, tuple[str, Oid]] = field(default_factory=dict)
    """Columns asked with the index of one of the place's ``sensors``: by name, which sensor and the column."""
    limits: Limits = field(default_factory=Limits)
    absent: frozenset[str] = frozenset()
