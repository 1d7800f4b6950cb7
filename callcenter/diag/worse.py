"""What of a line got worse before anyone called, against the ONU's own last week. Pure.

A level is compared with itself: DDM is right to some 3 dB, but repeats itself within half of one (facts: SFF-8472
classes; the 2 and 3 dB are field practice, nowhere a standard).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from callcenter.diag.reading import OnuReading, OnuState
from callcenter.diag.verdict import DEAFEST_OLT, Thresholds
from callcenter.words import Dbm


class Worse(StrEnum):
    """How a line got worse; the catalogue's keys are ``line.worse.*``."""

    DROPPED = "dropped"
    """Its light lost 2 dB or more against its own week."""
    WEAK = "weak"
    """It was good all week and is weak now."""
    CRITICAL = "critical"
    FLAPPING = "flapping"
    DARK = "dark"
    """Off for more than an hour, alone."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the last seven days of an ONU say: medians in dBm, and how often it went down."""

    median_rx: Dbm | None = None
    median_olt_rx: Dbm | None = None
    points: int = 0
    downs_24h: int = 0
    downs_7d: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """From when on it is worse, and how much better it must be to be well again (hysteresis)."""

    drop: float = 2.0
    drop_warns: float = 3.0
    back: float = 0.5
    """dB that a level must be inside the line again."""
    downs_24h: int = 2
    downs_7d: int = 3
    dark_after: timedelta = timedelta(hours=1)
    least_points: int = 12
    """Points of light that a week needs before a level is compared with it: half a day's."""


Detail: TypeAlias = dict[str, float | int | str]
"""What a person is shown of it, by name: levels in dBm, ``warns`` where it is not only for attention."""


def what_is_worse(
    now: OnuReading,
    past: Past,
    norms: Thresholds,
    open_kinds: Mapping[Worse, object] | frozenset[Worse],
    *,
    at: datetime,
    dark_since: datetime | None = None,
    in_outage: bool = False,
    rule: Rule | None = None,
) -> dict[Worse, Detail]:
    """Every way in which this line is worse now. What is open already stays until it is well again by ``rule.back``.

    An ONU that is off is dark and nothing else: its levels tell nothing, so what was open of them stays open. One that
    a mass outage explains is not worse by itself.
    """
    rule = rule or Rule()
    found: dict[Worse, Detail] = {}
    if now.state is OnuState.ONLINE:
        _levels(found, now, past, norms, open_kinds, rule)
    else:
        for kind in (Worse.DROPPED, Worse.WEAK, Worse.CRITICAL):
            if kind in open_kinds and now.state is OnuState.OFFLINE:
                found[kind] = {}
        dark = now.state is OnuState.OFFLINE and dark_since is not None and at - dark_since >= rule.dark_after
        if dark and dark_since is not None and not in_outage:
            found[Worse.DARK] = {"dark_since": dark_since.isoformat(), "reason": now.last_down_reason or ""}
    flaps = past.downs_24h >= rule.downs_24h or past.downs_7d >= rule.downs_7d
    calmer = past.downs_24h > 0 or past.downs_7d >= rule.downs_7d
    if (flaps and not in_outage) or (calmer and Worse.FLAPPING in open_kinds):
        found[Worse.FLAPPING] = {"downs_24h": past.downs_24h, "downs_7d": past.downs_7d}
    return found


def _levels(
    found: dict[Worse, Detail],
    now: OnuReading,
    past: Past,
    norms: Thresholds,
    open_kinds: Mapping[Worse, object] | frozenset[Worse],
    rule: Rule,
) -> None:
    comparable = past.points >= rule.least_points

    def line(kind: Worse, level: float) -> float:
        """Where the line is for this ONU: once crossed, half a dB further."""
        return level + rule.back if kind in open_kinds else level

    sides = [
        ("onu", now.onu_rx, past.median_rx, norms.onu_rx_weak, norms.onu_rx_critical),
        ("olt", now.olt_rx, past.median_olt_rx, norms.olt_rx_weak, norms.olt_rx_critical),
    ]
    for side, rx, median, weak, critical in sides:
        if rx is None or (side == "olt" and rx < DEAFEST_OLT):
            continue
        told: Detail = {"rx": rx, "side": side}
        was_good = was_no_worse = False
        if median is not None:
            told["median"] = round(median, 1)
        if comparable and median is not None:
            was_good, was_no_worse = median >= weak, median >= critical
            lost = median - rx
            least = rule.drop - (rule.back if Worse.DROPPED in open_kinds else 0)
            if lost >= least and Worse.DROPPED not in found:
                found[Worse.DROPPED] = told | {"drop": round(lost, 1), "warns": int(lost >= rule.drop_warns)}
        if rx < line(Worse.CRITICAL, critical) and (was_no_worse or Worse.CRITICAL in open_kinds):
            found.setdefault(Worse.CRITICAL, told)
        elif rx < line(Worse.WEAK, weak) and (was_good or Worse.WEAK in open_kinds):
            found.setdefault(Worse.WEAK, told)
    if Worse.CRITICAL in found:
        found.pop(Worse.WEAK, None)
