"""Which channels belong to one story: those that ever shared a linkedid or a bridge. Pure.

A group lives until its last channel is over; what is told of it then is final.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from callcenter.calls.record import CallRecord, MinTalk, a_second
from callcenter.calls.rows import BOOT, GONE, Row, gone
from callcenter.calls.story import fold, is_telling
from callcenter.words import UniqueId

BOOT_TAKES_S: Final = 60.0
"""Asterisk accepts calls some moments before it runs its start-up commands, never so long before."""
_SERIAL = re.compile(r"(?:.*-)?[0-9]+\.([0-9]+)", re.ASCII)


@dataclass(eq=False, slots=True)
class Group:
    """Channels whose stories touch, and all their rows so far."""

    rows: list[tuple[int, Row]] = field(default_factory=list)
    """With the number of their arrival."""
    keys: set[str] = field(default_factory=set)
    alive: dict[UniqueId, float] = field(default_factory=dict)
    """The channels that are not over, and when they were first seen."""
    told: dict[UniqueId, CallRecord] = field(default_factory=dict)
    """What was last told of it."""

    @property
    def settled(self) -> bool:
        return not self.alive

    @property
    def last_at(self) -> float:
        return max(row.at for _, row in self.rows)

    def tell(self, min_talk: MinTalk) -> tuple[CallRecord, ...]:
        return fold((row for _, row in self.rows), min_talk)


class Groups:
    """The groups that are not settled, found by any uniqueid, linkedid or bridge of theirs."""

    def __init__(self) -> None:
        self._of: dict[str, Group] = {}
        self._all: dict[int, Group] = {}
        self._touched: dict[int, Group] = {}
        self._count = 0
        self._last_sign_at = 0.0

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._all.values())

    @property
    def count(self) -> int:
        """How many rows were taken in so far."""
        return self._count

    def of(self, call: UniqueId) -> Group | None:
        return self._of.get(call)

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if row.event == BOOT:
                self._boot(row)
            else:
                if not row.channel.startswith("Local/"):
                    self._last_sign_at = row.at
                if is_telling(row):
                    self._add(row)

    def touched(self) -> list[Group]:
        """The groups that got rows since this was last asked; the settled ones are forgotten here."""
        found = list(self._touched.values())
        self._touched = {}
        for group in found:
            if group.settled:
                self._all.pop(id(group))
                for key in group.keys:
                    self._of.pop(key, None)
        return found

    def _add(self, row: Row) -> None:
        group = self._group_for(row)
        self._count += 1
        group.rows.append((self._count, row))
        if row.event in {"CHAN_END", GONE}:
            group.alive.pop(row.uniqueid, None)
        else:
            group.alive.setdefault(row.uniqueid, row.at)
        self._touched[id(group)] = group

    def _group_for(self, row: Row) -> Group:
        keys = [row.uniqueid] if row.event == GONE else [row.uniqueid, row.linkedid]
        bridge = row.extra.get("bridge_id")
        if bridge and row.event.startswith("BRIDGE_"):
            keys.append(bridge)  # type: ignore[arg-type]  # the three kinds of names never look alike
        found = {id(group): group for key in keys if (group := self._of.get(key)) is not None}
        if not found:
            group = Group()
            self._all[id(group)] = group
        else:
            group, *others = sorted(found.values(), key=lambda each: len(each.rows), reverse=True)
            for other in others:
                self._merge(group, other)
        for key in keys:
            if key not in group.keys:
                group.keys.add(key)
                self._of[key] = group
        return group

    def _merge(self, group: Group, other: Group) -> None:
        group.rows = sorted([*group.rows, *other.rows], key=lambda numbered: numbered[0])
        group.keys |= other.keys
        group.alive |= other.alive
        group.told |= other.told
        for key in other.keys:
            self._of[key] = group
        self._all.pop(id(other))
        if self._touched.pop(id(other), None) is not None:
            self._touched[id(group)] = group

    def _boot(self, boot: Row) -> None:
        """Whatever was alive when Asterisk died is over; when it ended nobody knows."""
        for group in list(self._all.values()):
            for uniqueid, since in list(group.alive.items()):
                if _died_before(boot, uniqueid, since):
                    self._add(gone(uniqueid, max(since, self._last_sign_at), seen=False))


def fold_journal(rows: Iterable[Row], min_talk: MinTalk = a_second) -> tuple[CallRecord, ...]:
    """Every call that a whole journal tells of, in order of arrival."""
    groups = Groups()
    told: list[CallRecord] = []
    for row in rows:
        groups.add([row])
        for group in groups.touched():
            if group.settled:
                told += group.tell(min_talk)
    told += [record for group in groups for record in group.tell(min_talk)]
    return tuple(sorted(told, key=lambda record: (record.arrived_at, record.id)))


def _died_before(boot: Row, uniqueid: UniqueId, since: float) -> bool:
    """A channel older than this boot died with the old Asterisk, unless the new one made it while it was booting.

    A fresh Asterisk counts its channels from zero: one of its own has a lower serial than the channel of the boot row.
    """
    if str(uniqueid) in {boot.uniqueid, boot.linkedid}:
        return False
    own, other = _SERIAL.fullmatch(boot.uniqueid), _SERIAL.fullmatch(uniqueid)
    if own is None or other is None:
        return True
    return not (int(other[1]) < int(own[1]) and 0 <= boot.at - since < BOOT_TAKES_S)
