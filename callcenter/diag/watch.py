"""Everything that watches lines beside the calls, put together: sweeps, traps, mass outages, history.

One service of several leads: it sweeps, keeps the rows and rolls days up. Each hears traps and looks at neighbours
while a call rings; what one learns of mass outages the others hear of by NOTIFY.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from callcenter.config import LineSettings
from callcenter.diag.changes import Changes
from callcenter.diag.circuit_work import Circuits
from callcenter.diag.cli import Cli
from callcenter.diag.detect import probe
from callcenter.diag.devices import AUTO, Device, devices, write_detected
from callcenter.diag.diagnosis import Diagnoses, Examined
from callcenter.diag.history import Rolling
from callcenter.diag.line import LineReader
from callcenter.diag.mass_rule import MassRule
from callcenter.diag.outages import MassOutages, Outage
from callcenter.diag.ports import Ports
from callcenter.diag.reach import Reach
from callcenter.diag.snmp import Snmp
from callcenter.diag.sweep import Sweeper
from callcenter.diag.traps import Traps
from callcenter.diag.verdict import Thresholds
from callcenter.diag.worse_rows import WorseWatch
from callcenter.errors import CallCenterError
from callcenter.store import Database, Scope
from callcenter.store.leader import Leader
from callcenter.store.vault import Vault
from callcenter.words import Clock, ProviderId

log = logging.getLogger(__name__)

LEARN_EVERY_S = 60.0
"""Seconds after which a device that was written down meanwhile is known here."""
PROBE_EVERY_S = 600.0
"""Seconds until a device without a driver is asked again what it is."""


class LineWatch:
    """The parts, and the work they want done; ``on_outage`` is told what a card of that place should say anew."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        settings: LineSettings,
        leader: Leader,
        tasks: asyncio.TaskGroup,
        clock: Clock,
        *,
        norms_of: Callable[[ProviderId], Thresholds],
        rule_of: Callable[[ProviderId], MassRule],
        on_outage: Callable[[Outage], None],
        on_diagnosis: Callable[[Examined], None],
    ) -> None:
        self._database = database
        self._vault = vault
        self._leader = leader
        self._clock = clock
        self._probed: dict[Device, float] = {}
        self.snmp = Snmp()
        self.lines = LineReader(self.snmp, database, tasks, clock)
        self.outages = MassOutages(
            database, clock, rule_of, neighbours=self.lines, on_change=on_outage, look_again=self._look_again
        )
        self.worse = WorseWatch(database, clock, norms_of, lambda device, onu: self.outages.of(device, onu) is not None)
        self.sweeper = Sweeper(
            database, self.lines, vault, clock, every_s=settings.sweep_every_s, at_once=settings.sweep_at_once,
            listeners=(self.outages.swept, self.worse.swept), failed=(self.outages.sweep_failed,),
        )  # fmt: skip
        self.traps = Traps(settings.traps_bind, clock, self._hinted, pon_at=self.lines.pon_at)
        self.cli = Cli()
        self.ports = Ports(self.snmp, self.cli)
        self.changes = Changes(database, self.lines, self.snmp, self.cli, clock)
        self.circuits = Circuits(database, vault, self.ports, self.cli, clock, Reach(settings.ping))
        self.diagnoses = Diagnoses(
            database, clock, tasks, lines=self.lines, outages=self.outages, pings=Reach(settings.ping), cli=self.cli,
            ports=self.ports,
            norms_of=norms_of, on_change=on_diagnosis,
        )  # fmt: skip
        self.rolling = Rolling(database, clock, keep_days=settings.keep_days, keep_sums_days=settings.keep_sums_days)

    def works(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What is to run for as long as the service does."""
        self.snmp.start()
        yield self._learn()
        yield self.outages.run()
        yield self.traps.run()
        yield self._leader.only_leading(self.sweeper.run)
        yield self._leader.only_leading(self.rolling.run)

    def counts(self) -> dict[str, float | int | str]:
        """What sweeps and traps came to since the start."""
        return {**asdict(self.sweeper.counts), **{f"traps_{name}": n for name, n in self.traps.counts.items()}}

    def close(self) -> None:
        self.cli.close()
        self.snmp.close()

    def _look_again(self, device: Device) -> None:
        self.sweeper.look_now(device)

    def _hinted(self, device: Device, pon: str | None, at: datetime) -> None:
        """A trap is a hint: it dates what a look will find, and causes the look."""
        self.outages.hinted(device, pon, at)
        self.sweeper.look_now(device, pon)

    async def _learn(self) -> None:
        """Knows the devices: whose traps to hear, what an unknown one is, and each OLT's ONUs before the first card."""
        learned: frozenset[Device] = frozenset()
        while True:
            try:
                async with self._database.scoped(Scope.all()) as connection:
                    known = await devices(connection, self._vault)
                self.traps.know(known)
                for each in known:
                    if each.driver == AUTO and not each.detected:
                        await self._detect(each)
                await self.lines.learn(each for each in known if each not in learned)
                learned = frozenset(known)
            except CallCenterError as exc:
                log.warning("lines: the lists of ONUs are read with the first card instead: %s", exc)
            await asyncio.sleep(LEARN_EVERY_S)

    async def _detect(self, device: Device) -> None:
        """Asks a device what it is; one that does not tell is asked again later, and its cards say so meanwhile."""
        now = asyncio.get_running_loop().time()
        if now - self._probed.get(device, float("-inf")) < PROBE_EVERY_S:
            return
        self._probed[device] = now
        try:
            found = await probe(self.snmp, self.snmp.target(device))
        except CallCenterError as exc:
            log.warning("device %s does not tell what it is: %s", device.name, exc)
            return
        async with self._database.scoped(Scope.only([device.provider])) as connection:
            await write_detected(connection, device.id, found.driver or "", found.descr, self._clock(), found.options)
        log.warning("device %s is %s (%s)", device.name, found.driver or "of no family we know", found.descr[:80])
