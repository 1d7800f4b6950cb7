"""Reads one ONU while its subscriber's phone is ringing: last known first, then live, within two seconds.

One request at a time goes to an OLT. A card waits for its reading as long as its budget; the request itself may take
longer, and what it brings late is kept as last known. A silent OLT is said to be silent, at once for the cards that
come next, and never makes a line "offline".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from sqlalchemy.exc import DBAPIError

from callcenter.diag.columns import STATE_COLUMNS
from callcenter.diag.devices import Device
from callcenter.diag.driver import OltDriver, Place, Read, Rows, Under
from callcenter.diag.drivers import DRIVERS, driver_of
from callcenter.diag.olt_sweep import MOST_ROWS, AllRead, read_all, read_some
from callcenter.diag.reading import LineDetails, OnuReading, OnuState
from callcenter.diag.readings import KEPT, Readings
from callcenter.diag.snmp import LONGEST_ANSWER, Busy, Nonsense, Snmp, SnmpTarget
from callcenter.diag.values import NO_VALUE, SnmpValue
from callcenter.errors import Misconfigured, Refused, Unavailable
from callcenter.store import Database
from callcenter.words import Clock, Known, Missing, OnuAddress

log = logging.getLogger(__name__)

T = TypeVar("T")
LineReading: TypeAlias = Known[OnuReading] | Missing

CARD_BUDGET = 2.0
"""Seconds a card waits for a live reading."""
QUIET = 5.0
"""Seconds for which cards are told at once that an OLT is silent, after it was."""
LISTING = 30.0
"""Seconds the list of an OLT's ONUs may take to be read."""
LIST_KEPT = 60.0
"""Seconds for which an ONU that is not in the OLT's list is believed to be absent."""
DETAILS = 15.0
"""Seconds that the details of a full diagnosis may take of one OLT."""


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
        self.readings = Readings(database)
        self._tasks = tasks
        self._clock = clock
        self._lines: dict[Device, _Line] = {}
        self._keeping = True

    async def last_known(self, olt: Device, onu: str) -> LineReading:
        """The newest reading we have of this ONU, with its time; raises ``Unavailable`` without a database."""
        address = _address(olt, onu)
        if isinstance(address, Missing):
            return address
        found = await self.readings.last_known(olt, address, self._clock())
        return Missing("line.missing.never-read", olt.name) if found is None else found

    async def read(self, olt: Device, onu: str, budget: float = CARD_BUDGET) -> LineReading:
        """The ONU as it is now, or why that is not known, within ``budget`` seconds. Never raises for a device.

        Cards that ask for the same ONU at once share one reading. A card's has the OLT's next turn: a diagnosis and a
        sweep can wait, a ringing phone cannot.
        """
        address = _address(olt, onu)
        if isinstance(address, Missing):
            return address
        line, now, urgent = self._line(olt), _now(), budget <= CARD_BUDGET
        if now < line.quiet_till:
            if not line.under_way:
                self._start(olt, line, address, urgent=urgent)
            return Missing("line.missing.silent", olt.name)
        reading = line.under_way.get(address) or self._start(olt, line, address, urgent=urgent)
        done, _ = await asyncio.wait({reading}, timeout=budget)
        if done:
            return reading.result()
        return self._not_in_time(olt, line, budget)

    async def place(self, olt: Device, onu: str) -> Place | Missing:
        """Where the ONU stands in the OLT's tables at this moment, proven by the device: for writes and details."""
        address = _address(olt, onu)
        if isinstance(address, Missing):
            return address
        found = await self._told(olt, self._present(olt, address))
        return Missing("line.missing.absent", olt.name) if found is None else found

    async def details(
        self, olt: Device, onu: str, reading: OnuReading, budget: float = DETAILS
    ) -> LineDetails | Missing:
        """What the family tells over SNMP on top of a reading. A part that the OLT refuses is left out, not guessed."""
        address = _address(olt, onu)
        if isinstance(address, Missing):
            return address
        if not self._line(olt).driver.details:
            return LineDetails()
        found = await self._told(olt, self._details(olt, address, budget))
        return Missing("line.missing.absent", olt.name) if found is None else found

    async def pon(
        self, olt: Device, pon: str, budget: float = CARD_BUDGET
    ) -> Mapping[OnuAddress, OnuReading] | Missing:
        """State and reason of every ONU of this PON, as the OLT tells them now; empty where it has none there."""
        if olt.driver_name not in DRIVERS:
            return Missing("line.missing.no-driver", olt.driver_name)
        return await self._told(olt, self._some(olt, pon, STATE_COLUMNS, budget))

    async def sweep(self, olt: Device, budget: float) -> AllRead:
        """Every ONU of the OLT. Raises ``Unavailable``, ``Refused`` and, for an unknown driver, ``Misconfigured``."""
        if olt.driver_name not in DRIVERS:
            raise Misconfigured(f"{olt.name} has an unknown driver {olt.driver_name!r}")
        line = self._line(olt)
        found = await read_all(self._snmp, line.target, line.driver, budget)
        line.places, line.listed_at = dict(found.places), _now()
        self._recovers(line)
        return found

    async def look(self, olt: Device, pon: str, budget: float) -> Mapping[OnuAddress, OnuReading]:
        """All that a sweep reads, of one PON; errors as in ``sweep``."""
        if olt.driver_name not in DRIVERS:
            raise Misconfigured(f"{olt.name} has an unknown driver {olt.driver_name!r}")
        return await self._some(olt, pon, self._line(olt).driver.swept, budget)

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

    def pon_at(self, olt: Device, if_index: int) -> str | None:
        """The PON that this ifIndex is, or that an ONU with it is on; ``None`` while that is not known."""
        line = self._lines.get(olt)
        for onu, place in line.places.items() if line is not None else ():
            if (if_index,) in (place.onu, place.pon):
                return onu.pon
        return None

    # --- one reading ---

    def _line(self, olt: Device) -> _Line:
        if olt not in self._lines:
            driver = driver_of(olt.driver_name, olt.options)
            self._lines = {kept: line for kept, line in self._lines.items() if kept.id != olt.id}  # it was changed
            self._lines[olt] = _Line(Snmp.target(olt, driver.limits), driver)
        return self._lines[olt]

    def _start(self, olt: Device, line: _Line, onu: OnuAddress, *, urgent: bool) -> asyncio.Future[LineReading]:
        answer: asyncio.Future[LineReading] = asyncio.get_running_loop().create_future()
        line.under_way[onu] = answer
        self._tasks.create_task(self._live(olt, line, onu, answer, urgent), name=f"read {olt.name} {onu}")
        return answer

    async def _live(
        self, olt: Device, line: _Line, onu: OnuAddress, answer: asyncio.Future[LineReading], urgent: bool
    ) -> None:
        try:
            reading = await self._reading(olt, line, onu, urgent)
        except asyncio.CancelledError:
            answer.cancel()
            raise
        finally:
            line.under_way.pop(onu, None)
        if not answer.done():
            answer.set_result(reading)
        if isinstance(reading, Known) and reading.value.state in KEPT:
            await self._keep(olt, onu, reading)

    async def _reading(self, olt: Device, line: _Line, onu: OnuAddress, urgent: bool) -> LineReading:
        try:
            reading = await self._ask(line, onu, urgent)
        except Busy:
            return Missing("line.missing.busy", olt.name)
        except Nonsense as exc:
            self._ails(line, exc.why, quiet=0)
            return Missing("line.missing.nonsense", olt.name)
        except Unavailable as exc:
            self._ails(line, exc.why, quiet=QUIET)
            return Missing("line.missing.timeout", olt.name)
        except (Refused, Misconfigured) as exc:
            self._ails(line, exc.why if isinstance(exc, Refused) else str(exc), quiet=0)
            return Missing("line.missing.refused", olt.name)
        except Exception:  # a driver's mistake costs this card its levels, not everybody the service
            log.exception("reading %s of OLT %s failed", onu, olt.name)
            return Missing("line.missing.failed", olt.name)
        self._recovers(line)
        return Known(reading, self._clock(), olt.name)

    async def _ask(self, line: _Line, onu: OnuAddress, urgent: bool) -> OnuReading:
        """Finds the ONU's index and reads it; once more where the OLT has dealt its indexes anew."""
        for _ in range(2):
            place = line.place(onu)
            if place is None:
                await self._list(line, newer_than=_now() - LIST_KEPT)
                place = line.place(onu)
            if place is None:
                return OnuReading(OnuState.ABSENT)
            try:
                answers = await self._answers(line, onu, place, urgent)
            except _Moved:
                await self._list(line, newer_than=_now())
                continue
            if all(value is NO_VALUE for value in answers.values()):  # gone, or never there: the OLT's list tells
                await self._list(line, newer_than=_now() - (0 if onu in line.places else LIST_KEPT))
                if onu not in line.places:
                    return OnuReading(OnuState.ABSENT)
            return line.driver.decode(answers)
        return OnuReading(OnuState.UNKNOWN)

    async def _told(self, olt: Device, asking: Coroutine[Any, Any, T]) -> T | Missing:
        """What went wrong with a device as a reason for people."""
        try:
            return await asking
        except Busy:
            return Missing("line.missing.busy", olt.name)
        except Nonsense:
            return Missing("line.missing.nonsense", olt.name)
        except Unavailable:
            return Missing("line.missing.timeout", olt.name)
        except (Refused, Misconfigured):
            return Missing("line.missing.refused", olt.name)
        except Exception:  # a driver's mistake, as in a reading
            log.exception("asking OLT %s failed", olt.name)
            return Missing("line.missing.failed", olt.name)

    async def _present(self, olt: Device, onu: OnuAddress) -> Place | None:
        line = self._line(olt)
        for _ in range(2):
            place = line.place(onu)
            if place is None or (line.driver.place_of and onu not in line.places):
                await self._list(line, newer_than=_now() - LIST_KEPT)
                place = line.place(onu) if onu in line.places else None
            if place is None:
                return None
            asked = line.driver.questions(place, {}, line.driver.reads[:1])
            got = await self._snmp.get(line.target, list(asked.values()), LONGEST_ANSWER)
            if line.driver.is_still(onu, {name: got[oid] for name, oid in asked.items()}):
                return place
            await self._list(line, newer_than=_now())
        return None

    async def _details(self, olt: Device, onu: OnuAddress, budget: float) -> LineDetails | None:
        deadline = _now() + budget
        place = await self._present(olt, onu)
        if place is None:
            return None
        line = self._line(olt)
        answers = await self._answers(line, onu, place)
        reads = tuple(part for part in line.driver.details if isinstance(part, Read))
        while asked := line.driver.questions(place, answers, reads):
            got = await self._snmp.get(line.target, list(asked.values()), deadline - _now())
            answers |= {name: got[oid] for name, oid in asked.items()}
        walked: dict[str, Rows] = {}
        for part in line.driver.details:
            if isinstance(part, Under) and (prefix := part.prefix_of(place, answers)) is not None:
                for name, column in part.columns.items():
                    try:
                        rows = await self._snmp.walk(
                            line.target, (*column, *prefix), deadline - _now(), part.most, cut=bool(prefix)
                        )
                    except (Nonsense, Refused) as exc:
                        log.info("details of %s: %s", onu, exc)
                        continue
                    walked[name] = {oid[len(column) :]: value for oid, value in rows.items()}
        return line.driver.decode_details(onu, place, answers, walked)

    async def _some(
        self, olt: Device, pon: str, wanted: frozenset[str], budget: float
    ) -> Mapping[OnuAddress, OnuReading]:
        deadline, line = _now() + budget, self._line(olt)
        if not line.places:
            await self._list(line, newer_than=_now() - LIST_KEPT)
        there = {onu: place for onu, place in line.places.items() if onu.pon == pon.upper()}
        return await read_some(self._snmp, line.target, line.driver, there, wanted, deadline - _now())

    async def _answers(self, line: _Line, onu: OnuAddress, place: Place, urgent: bool = False) -> dict[str, SnmpValue]:
        """All that the driver reads of one ONU: as many at once as can be, then what needed those answers."""
        answers: dict[str, SnmpValue] = {}
        while asked := line.driver.questions(place, answers):
            got = await self._snmp.get(line.target, list(asked.values()), LONGEST_ANSWER, urgent=urgent)
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
                name: await self._snmp.column(line.target, column, LISTING, MOST_ROWS)
                for name, column in listing.columns.items()
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
            await self.readings.keep(olt, {onu: reading.value}, reading.at)
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
