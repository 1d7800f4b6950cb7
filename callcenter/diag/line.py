"""Reads one ONU while its subscriber's phone is ringing: last known first, then live, within two seconds.

One request at a time goes to an OLT. A card waits for its reading as long as its budget; the request itself may take
longer, and what it brings late is kept as last known. A silent OLT is said to be silent, at once for the cards that
come next, and never makes a line "offline".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy.exc import DBAPIError

from callcenter.diag import readings
from callcenter.diag.devices import Device
from callcenter.diag.driver import OltDriver, Place
from callcenter.diag.drivers import DRIVERS, driver_of
from callcenter.diag.reading import OnuReading, OnuState
from callcenter.diag.snmp import LONGEST_ANSWER, Busy, Community, Nonsense, Snmp, SnmpTarget
from callcenter.diag.values import SnmpValue
from callcenter.errors import Refused, Unavailable
from callcenter.store import Database, Scope
from callcenter.words import Clock, Known, Missing, OnuAddress

log = logging.getLogger(__name__)

LineReading: TypeAlias = Known[OnuReading] | Missing

CARD_BUDGET = 2.0
"""Seconds a card waits for a live reading."""
QUIET = 5.0
"""Seconds for which cards are told at once that an OLT is silent, after it was."""
LISTING = 30.0
"""Seconds the list of an OLT's ONUs may take to be read."""
LIST_KEPT = 60.0
"""Seconds for which an ONU that is not in the OLT's list is believed to be absent."""
KEPT = {OnuState.ONLINE, OnuState.STARTING, OnuState.OFFLINE, OnuState.DISABLED}
"""States worth remembering: nonsense and wrong addresses do not replace the last known reading."""


@dataclass(slots=True)
class _Line:
    """What is known of one OLT between readings."""

    target: SnmpTarget
    driver: OltDriver
    places: dict[OnuAddress, Place] = field(default_factory=dict)
    listed_at: float = float("-inf")
    listing: asyncio.Lock = field(default_factory=asyncio.Lock)
    under_way: dict[OnuAddress, asyncio.Future[LineReading]] = field(default_factory=dict)
    quiet_till: float = float("-inf")
    ailing: bool = False

    def place(self, onu: OnuAddress) -> Place | None:
        return self.driver.place_of(onu) if self.driver.place_of else self.places.get(onu)


class _Moved(Exception):
    """The index is another ONU's now."""


class LineReader:
    """Reads lines; belongs to one event loop, and its work to the task group it is given."""

    def __init__(self, snmp: Snmp, database: Database, tasks: asyncio.TaskGroup, clock: Clock) -> None:
        self._snmp = snmp
        self._database = database
        self._tasks = tasks
        self._clock = clock
        self._lines: dict[Device, _Line] = {}
        self._keeping = True

    async def last_known(self, olt: Device, onu: str) -> LineReading:
        """The newest reading we have of this ONU, with its time; raises ``Unavailable`` without a database."""
        address = _address(olt, onu)
        if isinstance(address, Missing):
            return address
        async with self._database.scoped(Scope.only([olt.provider])) as connection:
            found = await readings.last_known(connection, olt, str(address))
        return Missing("line.missing.never-read", olt.name) if found is None else found

    async def read(self, olt: Device, onu: str, budget: float = CARD_BUDGET) -> LineReading:
        """The ONU as it is now, or why that is not known, within ``budget`` seconds. Never raises for a device.

        Cards that ask for the same ONU at once share one reading.
        """
        address = _address(olt, onu)
        if isinstance(address, Missing):
            return address
        line, now = self._line(olt), _now()
        if now < line.quiet_till:
            if not line.under_way:
                self._start(olt, line, address)
            return Missing("line.missing.silent", olt.name)
        reading = line.under_way.get(address) or self._start(olt, line, address)
        done, _ = await asyncio.wait({reading}, timeout=budget)
        if done:
            return reading.result()
        return self._not_in_time(olt, line, budget)

    async def learn(self, olts: Iterable[Device]) -> None:
        """Reads the ONU lists of these OLTs beforehand, one after another, so that the first card need not wait."""
        for olt in olts:
            if olt.driver_name not in DRIVERS:
                log.warning("OLT %s has an unknown driver %r", olt.name, olt.driver_name)
                continue
            try:
                await self._list(self._line(olt), newer_than=float("-inf"))
            except (Unavailable, Refused) as exc:
                log.warning("the ONU list was not read: %s", exc)

    # --- one reading ---

    def _line(self, olt: Device) -> _Line:
        if olt not in self._lines:
            target = SnmpTarget(olt.name, olt.host, olt.port, Community(olt.community))
            self._lines[olt] = _Line(target, driver_of(olt.driver_name, olt.options))
        return self._lines[olt]

    def _start(self, olt: Device, line: _Line, onu: OnuAddress) -> asyncio.Future[LineReading]:
        answer: asyncio.Future[LineReading] = asyncio.get_running_loop().create_future()
        line.under_way[onu] = answer
        self._tasks.create_task(self._live(olt, line, onu, answer), name=f"read {olt.name} {onu}")
        return answer

    async def _live(self, olt: Device, line: _Line, onu: OnuAddress, answer: asyncio.Future[LineReading]) -> None:
        try:
            reading = await self._reading(olt, line, onu)
        except asyncio.CancelledError:
            answer.cancel()
            raise
        finally:
            line.under_way.pop(onu, None)
        if not answer.done():
            answer.set_result(reading)
        if isinstance(reading, Known) and reading.value.state in KEPT:
            await self._keep(olt, onu, reading)

    async def _reading(self, olt: Device, line: _Line, onu: OnuAddress) -> LineReading:
        try:
            reading = await self._ask(line, onu)
        except Busy:
            return Missing("line.missing.busy", olt.name)
        except Nonsense as exc:
            self._ails(line, exc.why, quiet=0)
            return Missing("line.missing.nonsense", olt.name)
        except Unavailable as exc:
            self._ails(line, exc.why, quiet=QUIET)
            return Missing("line.missing.timeout", olt.name)
        except Refused as exc:
            self._ails(line, exc.why, quiet=0)
            return Missing("line.missing.refused", olt.name)
        except Exception:  # a driver's mistake costs this card its levels, not everybody the service
            log.exception("reading %s of OLT %s failed", onu, olt.name)
            return Missing("line.missing.failed", olt.name)
        self._recovers(line)
        return Known(reading, self._clock(), olt.name)

    async def _ask(self, line: _Line, onu: OnuAddress) -> OnuReading:
        """Finds the ONU's index and reads it; once more where the OLT has dealt its indexes anew."""
        for _ in range(2):
            place = line.place(onu)
            if place is None:
                await self._list(line, newer_than=_now() - LIST_KEPT)
                place = line.place(onu)
            if place is None:
                return OnuReading(OnuState.ABSENT)
            try:
                return line.driver.decode(await self._answers(line, onu, place))
            except _Moved:
                await self._list(line, newer_than=_now())
        return OnuReading(OnuState.UNKNOWN)

    async def _answers(self, line: _Line, onu: OnuAddress, place: Place) -> dict[str, SnmpValue]:
        """All that the driver reads of one ONU: as many at once as can be, then what needed those answers."""
        answers: dict[str, SnmpValue] = {}
        while asked := line.driver.questions(place, answers):
            got = await self._snmp.get(line.target, list(asked.values()), LONGEST_ANSWER)
            answers |= {name: got[oid] for name, oid in asked.items()}
            if not line.driver.is_still(onu, answers):
                raise _Moved
        return answers

    async def _list(self, line: _Line, *, newer_than: float) -> None:
        async with line.listing:
            if line.listed_at > newer_than:
                return
            listing = line.driver.listing
            walked = {
                name: {oid[len(column) :]: value for oid, value in rows.items()}
                for name, column in listing.columns.items()
                if (rows := await self._snmp.walk(line.target, column, LISTING)) is not None
            }
            places = listing.places(walked)
            if not any(walked.values()):
                raise Nonsense(line.target.name, "listed nothing at all")
            line.places, line.listed_at = places, _now()

    # --- OLTs that are not well ---

    def _not_in_time(self, olt: Device, line: _Line, budget: float) -> Missing:
        """The card has waited long enough; the reading goes on without it."""
        if self._snmp.silence(line.target) >= budget / 2:
            self._ails(line, f"did not answer in {budget:.1f} s", quiet=QUIET)
            return Missing("line.missing.timeout", olt.name)
        if line.listing.locked():
            return Missing("line.missing.listing", olt.name)
        return Missing("line.missing.busy", olt.name)

    def _ails(self, line: _Line, why: str, *, quiet: float) -> None:
        """Says so once, however many cards ask, until the OLT is read again."""
        line.quiet_till = _now() + quiet
        if not line.ailing:
            line.ailing = True
            log.warning("OLT %s is not read: it %s", line.target.name, why)

    def _recovers(self, line: _Line) -> None:
        line.quiet_till = float("-inf")
        if line.ailing:
            line.ailing = False
            log.warning("OLT %s is read again", line.target.name)

    # --- keeping ---

    async def _keep(self, olt: Device, onu: OnuAddress, reading: Known[OnuReading]) -> None:
        try:
            async with self._database.scoped(Scope.only([olt.provider])) as connection:
                await readings.store(connection, olt, str(onu), reading.value, reading.at)
        except (Unavailable, DBAPIError) as exc:  # the card has its reading; the next one stores again
            if self._keeping:
                log.warning("readings are not kept for now: %s", exc)
            self._keeping = False
        else:
            self._keeping = True


def _now() -> float:
    return asyncio.get_running_loop().time()


def _address(olt: Device, onu: str) -> OnuAddress | Missing:
    driver = DRIVERS.get(olt.driver_name)
    if driver is None:
        return Missing("line.missing.no-driver", olt.driver_name)
    try:
        address = OnuAddress.parse(onu)
    except ValueError:
        return Missing("line.missing.bad-address", onu)
    return address if address.family == driver.family else Missing("line.missing.bad-address", onu)
