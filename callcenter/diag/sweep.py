"""Every ONU of every provider, read every few minutes within what each OLT bears; who listens is told what was found.

Only the leading service sweeps. An OLT that does not answer says nothing about its ONUs: nothing of them changes, it is
told as ``SweepFailed`` and tried again, later each time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from callcenter.diag import tables
from callcenter.diag.devices import Device, devices
from callcenter.diag.drivers import DRIVERS
from callcenter.diag.line import LineReader
from callcenter.diag.reading import OnuReading, OnuState
from callcenter.diag.readings import KEPT
from callcenter.errors import CallCenterError, Unavailable
from callcenter.store import Database, Scope
from callcenter.store.alarms import clear_alarm, raise_alarm
from callcenter.store.vault import Vault
from callcenter.words import Clock, DeviceId, Known, OnuAddress

log = logging.getLogger(__name__)

LOOK_AFTER_S = 10.0
"""An OLT is looked at early no sooner than this after it was read."""
MOST_LATER = 4
"""A silent OLT is tried again after up to so many times the interval."""
SLOW, SILENT = "sweep_slow", "sweep_silent"
"""Alarms: a sweep takes longer than its interval; an OLT has not answered for three sweeps."""


@dataclass(frozen=True, slots=True)
class Swept:
    """An OLT was swept: every ONU as it is now, and as it was known before. ``pon`` when only that one was read."""

    device: Device
    at: datetime
    readings: Mapping[OnuAddress, OnuReading]
    before: Mapping[OnuAddress, Known[OnuReading]]
    pon: str | None = None


@dataclass(frozen=True, slots=True)
class SweepFailed:
    """An OLT could not be swept; it tells nothing about its ONUs."""

    device: Device
    at: datetime
    why: str


SweptListener = Callable[[Swept], Awaitable[None]]
FailedListener = Callable[[SweepFailed], Awaitable[None]]


@dataclass(slots=True)
class _Olt:
    device: Device
    due: float
    """By the event loop's clock."""
    failures: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    read_at: float = float("-inf")
    pons_asked: set[str] = field(default_factory=set)
    early: bool = False


@dataclass(slots=True)
class SweepCounts:
    """What sweeps have done since start, for ``/metrics``."""

    sweeps: int = 0
    failures: int = 0
    rows: int = 0
    onus: int = 0
    longest_s: float = 0.0


class Sweeper:
    """Sweeps all OLTs in turn; belongs to one event loop."""

    def __init__(
        self,
        database: Database,
        lines: LineReader,
        vault: Vault,
        clock: Clock,
        *,
        every_s: float = 300,
        at_once: int = 20,
        listeners: Iterable[SweptListener] = (),
        failed: Iterable[FailedListener] = (),
    ) -> None:
        self._database = database
        self._lines = lines
        self._vault = vault
        self._clock = clock
        self._every_s = every_s
        self._at_once = asyncio.Semaphore(at_once)
        self._listeners = tuple(listeners)
        self._failed = tuple(failed)
        self._olts: dict[DeviceId, _Olt] = {}
        self._stirred = asyncio.Event()
        self.counts = SweepCounts()

    def look_now(self, device: Device, pon: str | None = None) -> None:
        """Asks for an early look at this OLT, or one PON of it: a trap came, a subscriber calls. Waits for nothing.

        Nothing happens where this service does not sweep, or looked some seconds ago and will look again soon.
        """
        olt = self._olts.get(device.id)
        if olt is None:
            return
        if pon is None:
            olt.early = True
        else:
            olt.pons_asked.add(pon.upper())
        self._stirred.set()

    async def run(self) -> None:
        """Sweeps for as long as it is let: to be run by the service that leads."""
        try:
            async with asyncio.TaskGroup() as sweeps:
                await self._go(sweeps)
        finally:
            self._olts.clear()

    async def once(self, device: Device) -> Swept | SweepFailed:
        """Sweeps this OLT now, stores what was found and tells the listeners."""
        olt = self._olts.get(device.id) or _Olt(device, 0.0)
        async with olt.lock:
            return await self._sweep(olt)

    # --- when

    async def _go(self, sweeps: asyncio.TaskGroup) -> None:
        read_again = float("-inf")
        while True:
            if _now() >= read_again:
                read_again = _now() + min(60.0, self._every_s)
                await self._learn_devices()
            self._stirred.clear()
            soonest = read_again
            for olt in self._olts.values():
                if olt.lock.locked():
                    continue
                wanted = olt.due
                if olt.early or olt.pons_asked:
                    wanted = min(wanted, olt.read_at + LOOK_AFTER_S)
                if wanted <= _now():
                    await olt.lock.acquire()  # free: nobody else runs between the question and this
                    sweeps.create_task(self._one(olt), name=f"sweep {olt.device.name}")
                else:
                    soonest = min(soonest, wanted)
            try:
                async with asyncio.timeout(max(0.0, soonest - _now())):
                    await self._stirred.wait()
            except TimeoutError:
                pass

    async def _learn_devices(self) -> None:
        """Every OLT that has a driver; a new one gets its own moment of the interval."""
        try:
            async with self._database.scoped(Scope.all()) as connection:
                found = [each for each in await devices(connection, self._vault) if each.driver_name in DRIVERS]
        except (CallCenterError, DBAPIError) as exc:
            log.warning("sweep: the list of devices is read again later: %s", exc)
            return
        for gone in self._olts.keys() - {each.id for each in found}:
            del self._olts[gone]
            self._lines.readings.forget(gone)
        new = [each for each in found if each.id not in self._olts]
        for number, device in enumerate(new):
            self._olts[device.id] = _Olt(device, _now() + self._every_s * number / len(new))
        for device in found:
            self._olts[device.id].device = device

    async def _one(self, olt: _Olt) -> None:
        """One sweep, or one look at the PONs that were asked for; the lock is held already."""
        try:
            async with self._at_once:
                pons, whole = sorted(olt.pons_asked), olt.early or olt.due <= _now()
                olt.pons_asked.clear()
                if whole or not pons:
                    olt.early = False
                    began = _now()
                    done = await self._sweep(olt)
                    later = self._every_s
                    if isinstance(done, SweepFailed):
                        later *= min(MOST_LATER, 2 ** (olt.failures - 1))
                    olt.due = max(began + later, _now() + 1)
                else:
                    for pon in pons:
                        await self._look(olt, pon)
        except Exception:  # a mistake of ours or a driver's costs this sweep, not the others
            log.exception("sweep of %s failed", olt.device.name)
            olt.due = _now() + self._every_s
        finally:
            olt.read_at = _now()
            olt.lock.release()
            self._stirred.set()

    # --- one OLT

    async def _sweep(self, olt: _Olt) -> Swept | SweepFailed:
        device, began = olt.device, _now()
        try:
            found = await self._lines.sweep(device, 2 * self._every_s)
        except CallCenterError as exc:
            olt.failures += 1
            self.counts.failures += 1
            why = exc.why if isinstance(exc, Unavailable) else str(exc)
            if olt.failures == 1:
                log.warning("OLT %s is not swept: it %s", device.name, why)
            failed = SweepFailed(device, self._clock(), why)
            await self._note(device, failed.at, None, why, olt.failures)
            for told in self._failed:
                await told(failed)
            return failed
        took, at = _now() - began, self._clock()
        if olt.failures:
            log.warning("OLT %s is swept again", device.name)
        olt.failures = 0
        self.counts.sweeps += 1
        self.counts.rows += found.rows
        self.counts.onus += len(found.readings)
        self.counts.longest_s = max(self.counts.longest_s, took)
        swept = await self._keep(device, at, found.readings, gone=True)
        await self._note(device, at, took, "", 0)
        await self._tell(swept)
        return swept

    async def _look(self, olt: _Olt, pon: str) -> None:
        try:
            found = await self._lines.look(olt.device, pon, min(30.0, self._every_s))
        except CallCenterError as exc:
            log.info("%s of %s was not looked at: %s", pon, olt.device.name, exc)
            return
        await self._tell(await self._keep(olt.device, self._clock(), found, pon=pon))

    async def _keep(
        self,
        device: Device,
        at: datetime,
        found: Mapping[OnuAddress, OnuReading],
        *,
        gone: bool = False,
        pon: str | None = None,
    ) -> Swept:
        """Stores what is worth it. An ONU that is listed no more is absent; one that tells nothing stays as it was."""
        try:
            await self._lines.readings.load(device)
        except (Unavailable, DBAPIError) as exc:
            log.warning("sweep: nothing is known from before: %s", exc)
        before = dict(self._lines.readings.of(device.id))
        now = {onu: reading for onu, reading in found.items() if reading.state in KEPT}
        if gone:
            now |= {onu: OnuReading(OnuState.ABSENT) for onu in before.keys() - found.keys()}
        try:
            await self._lines.readings.keep(device, now, at)
        except (Unavailable, DBAPIError) as exc:
            log.warning("sweep: the readings of %s are not stored: %s", device.name, exc)
        return Swept(device, at, now, before, pon)

    async def _note(self, device: Device, at: datetime, took: float | None, why: str, failures: int) -> None:
        """What people see of the sweep itself: when, how long, and an alarm for what must not stay so."""
        row = tables.device.c
        values = {"sweep_error": why[:300]} if took is None else {"swept_at": at, "sweep_s": took, "sweep_error": ""}
        subject = f"{device.name} ({device.id})"
        try:
            async with self._database.scoped(Scope.only([device.provider])) as connection:
                await connection.execute(update(tables.device).where(row.id == device.id).values(**values))
                if took is None and failures == 3:
                    await raise_alarm(connection, SILENT, subject, at=at, detail=why, provider=device.provider)
                if took is not None:
                    await clear_alarm(connection, SILENT, subject, at=at, by="sweep")
                    if took > self._every_s:
                        detail = f"{took:.0f} s of {self._every_s:.0f} s"
                        await raise_alarm(connection, SLOW, subject, at=at, detail=detail, provider=device.provider)
                    else:
                        await clear_alarm(connection, SLOW, subject, at=at, by="sweep")
        except (Unavailable, DBAPIError) as exc:
            log.warning("sweep: what became of %s is not stored: %s", device.name, exc)

    async def _tell(self, swept: Swept) -> None:
        for told in self._listeners:
            try:
                await told(swept)
            except Exception:  # one listener's mistake must not end the sweeps
                log.exception("sweep: a listener failed for %s", swept.device.name)


def _now() -> float:
    return asyncio.get_running_loop().time()
