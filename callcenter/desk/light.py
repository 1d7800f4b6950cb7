"""The picture of one ONU's light: where its line, its dark times and its norm stand in the drawing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias
from zoneinfo import ZoneInfo

from callcenter.desk.languages import Catalogue
from callcenter.desk.line_rows import DayRow, LightRow

Across: TypeAlias = Callable[[datetime], float]
"""Where a moment stands from left to right."""

WIDTH, HEIGHT = 720, 200
LEFT, RIGHT, TOP, BASE = 40, 712, 8, 172
STRONGEST, WEAKEST = -6.0, -34.0
"""dBm at the upper and the lower edge."""
GAP = timedelta(hours=3)
"""Without a reading for so long the line is not drawn through: nobody knows."""


class Span(StrEnum):
    """How far back the picture goes."""

    DAY = "24h"
    WEEK = "7d"
    QUARTER = "90d"

    @property
    def length(self) -> timedelta:
        return {Span.DAY: timedelta(hours=24), Span.WEEK: timedelta(days=7), Span.QUARTER: timedelta(days=90)}[self]


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything a template draws; coordinates in the drawing's units."""

    lines: tuple[str, ...]
    """Points of each unbroken stretch, as SVG's ``polyline`` takes them."""
    dark: tuple[tuple[float, float], ...]
    """Left edge and width of each time the ONU was known to be off."""
    bars: tuple[tuple[float, float, float], ...]
    """Of days: x, upper and lower edge of what the light moved in."""
    levels: tuple[tuple[float, int], ...]
    """Height and dBm of each line across."""
    times: tuple[tuple[float, str], ...]
    """Place and words beneath."""
    norm: tuple[float, float]
    """Upper edge and height of the provider's norm."""
    least: float | None
    best: float | None
    downs: int

    @property
    def empty(self) -> bool:
        return not (self.lines or self.dark or self.bars)


def high(dbm: float) -> float:
    """The height of a level; what is beyond the edges stands on them."""
    kept = max(WEAKEST, min(STRONGEST, dbm))
    return round(TOP + (STRONGEST - kept) / (STRONGEST - WEAKEST) * (BASE - TOP), 1)


def picture(
    readings: Sequence[LightRow], days: Sequence[DayRow], span: Span, until: datetime, norm: tuple[float, float],
    zone: ZoneInfo, words: Catalogue,
) -> Picture:  # fmt: skip
    """Readings one by one for a day or a week, sums of days for a quarter. ``norm``: weakest and strongest good dBm."""
    since = until - span.length

    def across(at: datetime) -> float:
        part = (at - since) / span.length
        return round(LEFT + max(0.0, min(1.0, part)) * (RIGHT - LEFT), 1)

    levels = tuple((high(dbm), dbm) for dbm in range(-30, -6, 5))
    edges = (high(norm[1]), high(norm[0]) - high(norm[1]))
    times = _times(span, since, until, zone, words, across)
    if span is Span.QUARTER:
        bars = tuple(
            (across(_noon(each, zone)), high(each.rx_max), max(2.0, high(each.rx_min) - high(each.rx_max)))
            for each in days
            if each.rx_min is not None and each.rx_max is not None
        )
        lights = [v for each in days for v in (each.rx_min, each.rx_max) if v is not None]
        return Picture(
            (), (), bars, levels, times, edges, min(lights, default=None), max(lights, default=None),
            sum(each.downs for each in days),
        )  # fmt: skip
    lights = [each.onu_rx for each in readings if each.onu_rx is not None and each.at >= since]
    return Picture(
        tuple(_stretches(readings, until, across)), tuple(_dark(readings, until, across)), (), levels, times, edges,
        min(lights, default=None), max(lights, default=None), _downs(readings, since),
    )  # fmt: skip


def _noon(each: DayRow, zone: ZoneInfo) -> datetime:
    return datetime(each.day.year, each.day.month, each.day.day, 12, tzinfo=zone)


def _stretches(readings: Sequence[LightRow], until: datetime, across: Across) -> list[str]:
    """Light is kept when it changes: between two rows it was as in the earlier one."""
    out: list[str] = []
    points: list[str] = []
    last: LightRow | None = None
    for each in readings:
        if each.onu_rx is None or (last is not None and each.at - last.at > GAP):
            if len(points) > 1:
                out.append(" ".join(points))
            points = []
        if each.onu_rx is not None:
            points.append(f"{across(each.at)},{high(each.onu_rx)}")
        last = each
    if last is not None and last.onu_rx is not None and until - last.at <= GAP:
        points.append(f"{across(until)},{high(last.onu_rx)}")
    if len(points) > 1:
        out.append(" ".join(points))
    return out


def _dark(readings: Sequence[LightRow], until: datetime, across: Across) -> list[tuple[float, float]]:
    out: list[tuple[float, float]] = []
    began: datetime | None = None
    for each in readings:
        off = each.state in {"offline", "disabled"}
        if off and began is None:
            began = each.at
        elif not off and began is not None:
            out.append((across(began), max(1.0, round(across(each.at) - across(began), 1))))
            began = None
    if began is not None:
        out.append((across(began), max(1.0, round(across(until) - across(began), 1))))
    return out


def _downs(readings: Sequence[LightRow], since: datetime) -> int:
    return sum(was.state == "online" and now.state == "offline" and now.at >= since for was, now in pairwise(readings))


def _times(
    span: Span, since: datetime, until: datetime, zone: ZoneInfo, words: Catalogue, across: Across
) -> tuple[tuple[float, str], ...]:
    """Every four hours of a day, every day of a week, every two weeks of a quarter; in the provider's zone."""
    step = {Span.DAY: timedelta(hours=4), Span.WEEK: timedelta(days=1), Span.QUARTER: timedelta(days=14)}[span]
    local = since.astimezone(zone)
    at = local.replace(hour=local.hour - local.hour % 4 if span is Span.DAY else 0, minute=0, second=0, microsecond=0)
    out: list[tuple[float, str]] = []
    while at <= until:
        if at >= since:
            said = words.clock(at, zone) if span is Span.DAY else f"{at.day:02d}.{at.month:02d}"
            out.append((across(at), said))
        at += step
    return tuple(out)
