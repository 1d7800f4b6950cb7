"""Mass outages as they are now: found from sweeps, traps and calls, kept in memory for the cards and in the database.

Only looks at OLTs make an outage; a trap or a call merely causes a look. The service that leads is told of every sweep
and keeps the rows; another one hears of a change by NOTIFY and reads them again. Each may look while a call rings.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from sqlalchemy.exc import DBAPIError

from callcenter.diag import outage_rows
from callcenter.diag.devices import Device
from callcenter.diag.mass import SILENT, MassOutage, OutageScope, broadest, find, find_area, silent_olt
from callcenter.diag.mass_rule import MassRule
from callcenter.diag.olt_memory import OltMemory
from callcenter.diag.outage_rows import Outage, OutageSource
from callcenter.diag.reading import OnuReading, OnuState
from callcenter.diag.sight import Seen
from callcenter.diag.sweep import SweepFailed, Swept
from callcenter.errors import Unavailable
from callcenter.store import Database, Scope
from callcenter.words import Clock, DeviceId, Known, Missing, OnuAddress, ProviderId

__all__ = ["MassOutages", "Neighbours", "Outage", "OutageSource"]

log = logging.getLogger(__name__)

Key: TypeAlias = tuple[DeviceId, OutageScope, str]

LOOK_BUDGET = 2.0
"""Seconds a card waits for a look at the neighbours while a phone rings."""
LOOK_LONGEST = 10.0
"""Seconds the look itself may take: what a slow OLT says late is told by ``on_change``."""
REMEMBER_S = 0.5
"""Seconds a look waits for what history knows."""
LOOKED = timedelta(seconds=3)
"""Calls from one port that ring within this time share one look."""
REMEMBERED = timedelta(hours=1)
"""How far back history is read for an OLT that was not looked at before."""
UNHEARD = timedelta(hours=1)
"""For so long a district's outage is kept on the word of its row, while not all its OLTs were looked at again."""
RETRY_S = 1.0
SILENCE = {"line.missing.timeout", "line.missing.silent"}
"""Why a card has no reading, where that says that its OLT did not answer."""


class Neighbours(Protocol):
    """What of ``LineReader`` is needed while a phone rings."""

    async def pon(self, olt: Device, pon: str, budget: float) -> Mapping[OnuAddress, OnuReading] | Missing: ...


class MassOutages:
    """Every outage that is open. ``of`` answers from memory; ``run`` keeps memory and database the same."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        rule_of: Callable[[ProviderId], MassRule] = lambda provider: MassRule(),
        *,
        neighbours: Neighbours | None = None,
        on_change: Callable[[Outage], None] = lambda outage: None,
        look_again: Callable[[Device], object] = lambda device: None,
    ) -> None:
        """``on_change`` is told each outage that opened, changed or ended; ``look_again`` asks for an early sweep."""
        self._database = database
        self._clock = clock
        self._rule_of = rule_of
        self._neighbours = neighbours
        self._on_change = on_change
        self._look_again = look_again
        self._olts: dict[DeviceId, OltMemory] = {}
        self._looking: dict[tuple[DeviceId, str], asyncio.Task[None]] = {}
        self._open: dict[Key, Outage] = {}
        self._ended: dict[Key, Outage] = {}
        self._unsaved: dict[Key, Outage] = {}
        self._stale = True
        self._wake = asyncio.Event()
        self._keeps = True
        self._tasks: asyncio.TaskGroup | None = None

    # --- what is asked of it ---

    def of(self, device: DeviceId, onu: OnuAddress) -> Outage | None:
        """The widest open outage that this ONU's line is of; at once, whatever the ONU itself does."""
        of_it = [outage for outage in self._open.values() if outage.mass.concerns(device, onu)]
        return min(of_it, key=lambda one: _WIDEST.index(one.scope), default=None)

    def open(self, providers: Iterable[ProviderId] | None = None) -> list[Outage]:
        """Every open outage of these providers, newest first."""
        wanted = None if providers is None else set(providers)
        found = [one for one in self._open.values() if wanted is None or one.provider in wanted]
        return sorted(found, key=lambda one: one.since, reverse=True)

    async def history(self, provider: ProviderId, since: datetime, most: int = 500) -> list[Outage]:
        """A provider's outages, open and ended, that were seen since then, newest first."""
        async with self._database.scoped(Scope.only([provider])) as connection:
            return await outage_rows.since(connection, since, most)

    # --- what it hears ---

    async def swept(self, swept: Swept) -> None:
        """A listener of the sweeper: an OLT, or a PON of it, was looked at."""
        olt = self._olt(swept.device)
        await self._remember(olt)
        olt.before(swept.before)
        self._answered(olt, swept.at)
        by_trap = olt.take(swept.readings, swept.at)
        olt.whole = olt.whole or swept.pon is None
        self._judge(olt, swept.at, "trap" if by_trap else "sweep", None if olt.whole else swept.pon)

    async def sweep_failed(self, failed: SweepFailed) -> None:
        """A listener of the sweeper: an OLT did not answer. That says nothing of its ONUs."""
        self._fails(self._olt(failed.device), failed.at, "sweep")

    def hinted(self, device: Device, pon: str | None, at: datetime) -> None:
        """A trap came. It dates what a look then finds, and makes nothing by itself."""
        self._olt(device).hinted(pon, at)

    async def look(self, device: Device, onu: OnuAddress, reading: Known[OnuReading] | Missing) -> Outage | None:
        """While a call rings and the caller's ONU is dark: are its neighbours too? Within two seconds.

        Calls of one port share a look. It needs ``run``; without it, what is known is told.
        """
        olt = self._olt(device)
        if isinstance(reading, Missing):
            if reading.reason in SILENCE:
                self._fails(olt, self._clock(), "call")
            return self.of(device.id, onu)
        if olt.failed:
            self._answered(olt, reading.at)
        if reading.value.state is not OnuState.OFFLINE or self._neighbours is None:
            return self.of(device.id, onu)
        asked = (device.id, onu.pon)
        looking = self._looking.get(asked)
        if looking is None and self._tasks is not None:
            looking = self._tasks.create_task(self._look_at(olt, onu.pon, self._neighbours), name=f"look at {onu.pon}")
            self._looking[asked] = looking
        if looking is not None:
            await asyncio.wait({looking}, timeout=LOOK_BUDGET)
        return self.of(device.id, onu)

    async def _look_at(self, olt: OltMemory, pon: str, neighbours: Neighbours) -> None:
        try:
            last = olt.looked_at.get(pon)
            if last is not None and self._clock() - last < LOOKED:
                return
            await self._remember(olt, pon)
            readings = await neighbours.pon(olt.device, pon, LOOK_LONGEST)
            at = self._clock()
            if not isinstance(readings, Missing):
                olt.looked_at[pon] = at
                self._answered(olt, at)
                by_trap = olt.take(readings, at)
                self._judge(olt, at, "trap" if by_trap else "call", pon)
            elif readings.reason in SILENCE:
                self._fails(olt, at, "call")
        except Exception:  # a mistake of a driver or ours costs this look, not the watch
            log.exception("OLT %s: the neighbours on %s were not looked at", olt.device.name, pon)
        finally:
            self._looking.pop((olt.device.id, pon), None)

    def on_notice(self) -> None:
        """Another service changed an outage."""
        self._stale = True
        self._wake.set()

    # --- memory ---

    def _olt(self, device: Device) -> OltMemory:
        olt = self._olts.get(device.id)
        if olt is None:
            olt = self._olts[device.id] = OltMemory(device)
            for outage in self._open.values():
                olt.recall_outage(outage.mass)
        olt.device = device
        return olt

    async def _remember(self, olt: OltMemory, pon: str | None = None) -> None:
        """Reads what history knows of the OLT's ONUs, where this service has not looked at it lately."""
        now = self._clock()
        if not olt.needs_past(pon, now):
            return
        try:
            async with (
                asyncio.timeout(REMEMBER_S),
                self._database.scoped(Scope.only([olt.device.provider])) as connection,
            ):
                past = await outage_rows.past(connection, olt.device.id, pon, now - REMEMBERED)
        except (Unavailable, DBAPIError, TimeoutError) as exc:
            log.warning("OLT %s: its past is not known for now (%s)", olt.device.name, type(exc).__name__)
            return
        olt.recall(past)
        if pon is None:
            olt.remembered_at = now

    def _answered(self, olt: OltMemory, at: datetime) -> None:
        olt.answered()
        for key in [key for key, outage in self._open.items() if key[0] == olt.device.id and outage.mass.silent]:
            self._end(key, at)

    def _fails(self, olt: OltMemory, at: datetime, source: OutageSource) -> None:
        if not olt.fails(at):
            return
        rule = self._rule_of(olt.device.provider)
        found = silent_olt(olt.device.id, olt.failed, olt.first_failed_at or at, olt.lit, rule)
        for mass in found:
            self._found(mass, at, source, rule)
        if not found:
            self._look_again(olt.device)

    # --- judging ---

    def _judge(self, olt: OltMemory, at: datetime, source: OutageSource, pon: str | None) -> None:
        """Finds the outages of this OLT, and of its district where it is concerned, and ends what is over.

        With ``pon``, of that one only: the others were not looked at.
        """
        rule = self._rule_of(olt.device.provider)
        if pon is not None:
            self._judge_pon(olt, at, source, rule, pon)
            return
        here = olt.device.id
        known = [outage.mass for outage in self._open.values()]
        olt.found = find(at, here, olt.seen, rule, known)
        found, concerned = [*olt.found], {here}
        areas = [one for one in self._open.values() if one.scope == "area" and one.place == olt.device.area]
        areas = [one for one in areas if one.provider == olt.device.provider]
        district = self._district(olt.device)
        if not all({dark.device for dark in one.mass.dark} <= district.keys() for one in areas):
            # Since the service began not every OLT of the district was looked at again: it stays as it was.
            unheard = [one.mass for one in areas if at - one.seen_at < UNHEARD]
            kept = {mass.key: mass for mass in broadest([*found, *unheard]) if mass not in unheard}
            over = {one.key for one in areas if one.mass not in unheard}
        else:
            if areas or found:
                masses = [one.mass for one in areas]
                able = {each: seen for each, seen in district.items() if areas or not self._olts[each].failed}
                area = find_area(at, olt.device.area, able, rule, masses)
                if area is not None or areas:
                    concerned = {here, *district}
                    found += [area] if area is not None else []
                    for each in sorted(concerned - {here}):
                        other = self._olts[each]
                        other.found = find(at, each, other.seen, rule, known) if other.found is None else other.found
                        found += other.found
            kept = {mass.key: mass for mass in broadest(found)}
            over = {one.key for one in areas}
        over |= {key for key in self._open if key[0] in concerned and key[1] != "area" and key[2] != SILENT}
        for key in over - kept.keys():
            self._end(key, at)
        for mass in kept.values():
            self._found(mass, at, source, rule)

    def _judge_pon(self, olt: OltMemory, at: datetime, source: OutageSource, rule: MassRule, pon: str) -> None:
        known = [outage.mass for outage in self._open.values()]
        seen = {onu: one for onu, one in olt.seen.items() if onu.pon == pon}
        wider = [mass for mass in known if mass.scope != "pon"]
        mine = [mass for mass in known if mass.key == (olt.device.id, "pon", pon)]
        found = find(at, olt.device.id, seen, rule, mine)
        kept = [mass for mass in broadest([*found, *wider]) if mass.scope == "pon"]
        for mass in mine:
            if mass.key not in {one.key for one in kept}:
                self._end(mass.key, at)
        for mass in kept:
            self._found(mass, at, source, rule)

    def _district(self, device: Device) -> dict[DeviceId, dict[OnuAddress, Seen]]:
        """The OLTs of this one's area, itself among them; none where it has no area."""
        same = (device.provider, device.area)
        olts = [olt for olt in self._olts.values() if device.area and (olt.device.provider, olt.device.area) == same]
        return {olt.device.id: olt.seen for olt in olts}

    def _found(self, mass: MassOutage, at: datetime, source: OutageSource, rule: MassRule) -> None:
        before = self._open.get(mass.key)
        if before is not None:
            outage = replace(before, mass=mass, seen_at=max(at, before.seen_at))
        elif (again := self._again(mass, at, rule)) is not None:
            outage = again
        else:
            device = self._olts[mass.device].device
            outage = Outage(device.provider, device.name, mass, at, source)
        self._open[mass.key] = outage
        self._keep(outage)
        if before is None or before.mass != mass:
            log.log(logging.WARNING if before is None else logging.INFO, "mass outage: %s", outage)
            self._tell(outage)

    def _again(self, mass: MassOutage, at: datetime, rule: MassRule) -> Outage | None:
        """The outage that ended here a moment ago, where this is the same one that comes back."""
        ended = self._ended.pop(mass.key, None)
        if ended is None or ended.ended_at is None or at - ended.ended_at > timedelta(seconds=rule.settle_s):
            return None
        return replace(ended, mass=replace(mass, since=min(mass.since, ended.since)), seen_at=at, ended_at=None)

    def _end(self, key: Key, at: datetime) -> None:
        outage = replace(self._open.pop(key), ended_at=at)
        self._ended[key] = outage
        log.warning("mass outage is over: %s", outage)
        self._keep(outage)
        self._tell(outage)

    def _tell(self, outage: Outage) -> None:
        try:
            self._on_change(outage)
        except Exception:  # one listener's mistake must not end the watch over everybody's lines
            log.exception("a change of %s could not be taken in", outage)

    def _keep(self, outage: Outage) -> None:
        self._unsaved[outage.key] = outage
        self._wake.set()

    # --- the database ---

    async def run(self) -> None:
        """Keeps rows and looks going for ever; without a database it tries again each second, and memory goes on."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._keep_rows()
        finally:
            self._tasks = None

    async def _keep_rows(self) -> None:
        while True:
            self._wake.clear()
            try:
                if self._stale:
                    self._stale = False
                    await self._load()
                await self._save()
                self._keeps = True
            except (Unavailable, DBAPIError) as exc:
                if self._keeps:
                    log.warning("mass outages are not kept for now: %s", exc)
                self._keeps, self._stale = False, True
                await asyncio.sleep(RETRY_S)
            else:
                await self._wake.wait()

    async def _load(self) -> None:
        async with self._database.scoped(Scope.all()) as connection:
            rows = {outage.key: outage for outage in await outage_rows.all_open(connection)}
        for key, row in rows.items():
            for olt in self._olts.values():
                olt.recall_outage(row.mass)
            mine = self._open.get(key)
            if key in self._unsaved:
                if mine is not None:
                    merged = replace(mine, id=row.id, source=row.source)
                    self._open[key] = self._unsaved[key] = replace(
                        merged, mass=replace(merged.mass, since=min(row.since, mine.since))
                    )
            elif mine is None or row.seen_at >= mine.seen_at:
                self._open[key] = row
                if mine is None or mine.mass != row.mass:
                    self._tell(row)
        for key in [key for key in self._open if key not in rows and key not in self._unsaved]:
            gone = replace(self._open.pop(key), ended_at=self._clock())
            self._ended[key] = gone
            self._tell(gone)

    async def _save(self) -> None:
        while self._unsaved:
            key, outage = next(iter(self._unsaved.items()))
            try:
                async with self._database.scoped(Scope.only([outage.provider])) as connection:
                    kept = await outage_rows.keep(connection, outage)
            except DBAPIError as exc:
                log.warning("%s is not kept: its device is there no more (%s)", outage, type(exc.orig).__name__)
                self._unsaved.pop(key, None)
                continue
            if kept is None and outage.ended_at is None:  # another service has opened it anew: its row is the one
                self._unsaved[key] = replace(self._unsaved.get(key, outage), id=None)
                continue
            if self._unsaved.get(key) is outage:
                del self._unsaved[key]
            for known in (self._open, self._ended):
                if (mine := known.get(key)) is not None and mine.id is None:
                    known[key] = replace(mine, id=kept)


_WIDEST: tuple[OutageScope, ...] = ("area", "olt", "pon")
