"""What is known of one ONU from all the looks at it: lit or dark, since when, and why. Pure.

The moment an ONU went dark is only known to lie between two looks, unless the device itself or a trap told it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from callcenter.diag.reading import DownReason, OnuReading, OnuState

LATE = timedelta(minutes=15)
"""For this long looks may arrive in any order and still be told apart exactly."""


class Sight(StrEnum):
    """What one look says of an ONU, as far as outages go."""

    LIT = "lit"
    """Online or starting: the fibre and the power are there."""
    DARK = "dark"
    OUT = "out"
    """Switched off by the operator, or not on this OLT: no part of any outage."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one ONU. ``dark_at`` is the very moment it went dark, where the device or a trap told it."""

    at: datetime
    sight: Sight
    reason: DownReason = DownReason.UNKNOWN
    dark_at: datetime | None = None


def look_of(reading: OnuReading, at: datetime, dark_at: datetime | None = None) -> Look | None:
    """What a reading says; ``None`` where the OLT's answer does not tell."""
    match reading.state:
        case OnuState.ONLINE | OnuState.STARTING:
            return Look(at, Sight.LIT)
        case OnuState.OFFLINE if reading.last_down_reason is DownReason.ADMIN:
            return Look(at, Sight.OUT)
        case OnuState.OFFLINE:
            return Look(at, Sight.DARK, reading.last_down_reason or DownReason.UNKNOWN, dark_at)
        case OnuState.DISABLED | OnuState.ABSENT:
            return Look(at, Sight.OUT)
        case OnuState.UNKNOWN:
            return None


@dataclass(frozen=True, slots=True)
class Seen:
    """What all looks at one ONU come to, in whatever order and however often they arrived."""

    lit_at: datetime | None = None
    """When it was last seen online."""
    out_at: datetime | None = None
    darks: tuple[Look, ...] = ()
    """The dark looks since then, oldest first."""

    def after(self, look: Look) -> Seen:
        if look.sight is Sight.LIT and not self.darks:  # nearly all looks, of 50,000 ONUs every five minutes
            return Seen(_later(self.lit_at, look.at), self.out_at)
        lit_at = _later(self.lit_at, look.at if look.sight is Sight.LIT else None)
        out_at = _later(self.out_at, look.at if look.sight is Sight.OUT else None)
        known = {*self.darks, look} if look.sight is Sight.DARK else set(self.darks)
        end = _later(lit_at, out_at)
        darks = sorted((dark for dark in known if end is None or dark.at > end), key=_order)
        if darks and darks[-1].at - darks[0].at > LATE:
            darks = [darks[0], *(dark for dark in darks[1:] if darks[-1].at - dark.at <= LATE)]
        return Seen(lit_at, out_at, tuple(darks))

    @property
    def dark(self) -> bool:
        return bool(self.darks)

    @property
    def lit(self) -> bool:
        return self.lit_at is not None and not self.darks and (self.out_at is None or self.lit_at > self.out_at)

    @property
    def was_online_at(self) -> datetime | None:
        """When it was last seen online, before it went dark; ``None`` when nobody saw that."""
        return None if self.out_at is not None and (self.lit_at is None or self.lit_at <= self.out_at) else self.lit_at

    @property
    def exact(self) -> datetime | None:
        """The very moment it went dark. A device's clock may be wrong: what does not fit the looks is not believed."""
        first = self.darks[0] if self.darks else None
        if first is None or first.dark_at is None or first.dark_at > first.at:
            return None
        return None if self.lit_at is not None and first.dark_at <= self.lit_at else first.dark_at

    @property
    def since(self) -> datetime | None:
        """When it went dark: the very moment, else the first look that found it so."""
        return (self.exact or self.darks[0].at) if self.darks else None

    @property
    def reason(self) -> DownReason:
        """The newest that any look told: OLTs correct themselves once the dying gasp is read."""
        told = (dark.reason for dark in reversed(self.darks) if dark.reason is not DownReason.UNKNOWN)
        return next(told, DownReason.UNKNOWN)


NEVER_SEEN = Seen()


def seen_of(looks: Iterable[Look]) -> Seen:
    seen = NEVER_SEEN
    for look in looks:
        seen = seen.after(look)
    return seen


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one is not None and other is not None else one or other


def _order(look: Look) -> tuple[datetime, str, datetime]:
    return look.at, look.reason, look.dark_at or look.at
