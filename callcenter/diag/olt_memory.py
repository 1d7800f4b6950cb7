"""What is remembered of one OLT and its ONUs between the looks at it. No I/O and no clock: moments are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from callcenter.diag.devices import Device
from callcenter.diag.mass import MassOutage
from callcenter.diag.reading import OnuReading, OnuState
from callcenter.diag.sight import NEVER_SEEN, Look, Seen, Sight, look_of
from callcenter.words import Known, OnuAddress

FAILS_APART = timedelta(seconds=5)
"""Failures closer together than this are one: fifty cards that wait for one silent OLT tell one thing."""
BURST = timedelta(seconds=120)
"""Traps that follow one another more closely belong to one event, which the first of them dates."""
MOMENT = timedelta(seconds=1)
FRESH = timedelta(minutes=1)


@dataclass(slots=True)
class OltMemory:
    """One OLT: what was seen of its ONUs, what traps hinted at, how often it failed to answer."""

    device: Device
    seen: dict[OnuAddress, Seen] = field(default_factory=dict)
    whole: bool = False
    """Whether this service has seen all of it: else nothing is concluded beyond the PONs it looked at."""
    remembered_at: datetime | None = None
    """When its past was last read from the database, or the OLT looked at."""
    found: list[MassOutage] | None = None
    """Its own outages as they were last judged; ``None`` when something was seen since."""
    failed: int = 0
    failed_at: datetime | None = None
    first_failed_at: datetime | None = None
    hints: dict[str | None, tuple[datetime, datetime]] = field(default_factory=dict)
    """By PON, or of the OLT: when the present burst of traps began, and its newest."""
    looked_at: dict[str, datetime] = field(default_factory=dict)
    """By PON: the last look at the neighbours of a caller."""

    @property
    def lit(self) -> int:
        """ONUs that are online."""
        return sum(one.lit for one in self.seen.values())

    def hinted(self, pon: str | None, at: datetime) -> None:
        """A trap came; without a PON it is of the whole OLT."""
        began, newest = self.hints.get(pon, (at, at))
        self.hints[pon] = (at, at) if at - newest > BURST else (began, max(newest, at))

    def before(self, onus: Mapping[OnuAddress, Known[OnuReading]]) -> None:
        """How the ONUs were before a sweep; what a card saw meanwhile is newer."""
        for onu, known in onus.items():
            if onu not in self.seen or known.value.state is OnuState.OFFLINE:  # a card may have seen it dark already
                self._see(onu, known.value, known.at)

    def take(self, readings: Mapping[OnuAddress, OnuReading], at: datetime) -> bool:
        """Takes in a look; says whether a trap dated any of it."""
        self.remembered_at, self.found = at, None
        return sum([self._see(onu, reading, at) for onu, reading in readings.items()]) > 0

    def needs_past(self, pon: str | None, now: datetime) -> bool:
        """Whether what history knows should be read: of a PON, when the OLT was not looked at lately."""
        return self.remembered_at is None or (pon is not None and now - self.remembered_at >= FRESH)

    def recall(self, past: Iterable[tuple[OnuAddress, Look]]) -> None:
        for onu, look in past:
            self.seen[onu] = self.seen.get(onu, NEVER_SEEN).after(look)

    def recall_outage(self, mass: MassOutage) -> None:
        """Of an outage that began unseen its row tells that these were online, and went dark."""
        for dark in mass.dark:
            if dark.device == self.device.id:
                seen = self.seen.get(dark.onu, NEVER_SEEN).after(Look(mass.since - MOMENT, Sight.LIT))
                self.seen[dark.onu] = seen.after(Look(mass.since, Sight.DARK, dark.reason))
                self.found = None

    def answered(self) -> None:
        self.failed, self.failed_at, self.first_failed_at = 0, None, None

    def fails(self, at: datetime) -> bool:
        """It did not answer; says whether that is one failure more, or still the last."""
        if self.failed_at is not None and at - self.failed_at < FAILS_APART:
            return False
        self.failed, self.failed_at, self.first_failed_at = self.failed + 1, at, self.first_failed_at or at
        return True

    def _see(self, onu: OnuAddress, reading: OnuReading, at: datetime) -> bool:
        """Takes in one look; says whether a trap dated it."""
        look, before = look_of(reading, at), self.seen.get(onu, NEVER_SEEN)
        if look is None:
            return False
        if look.sight is Sight.DARK and not before.dark and before.lit_at is not None:
            hints = (self.hints.get(onu.pon), self.hints.get(None))
            moments = [hint[0] for hint in hints if hint is not None and before.lit_at < hint[0] <= at]
            look = replace(look, dark_at=min(moments, default=None))
        self.seen[onu] = before.after(look)
        return look.dark_at is not None
