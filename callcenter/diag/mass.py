"""Which ONUs went dark together: a port, a whole OLT or a district, by fibre or by power. "It is not only you."

Pure rules over what was seen of each ONU (``sight``); the numbers are ``mass_rule``'s and each provider's to change.
ONUs went dark *together* when one short window can hold all their moments.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from callcenter.diag.mass_rule import MassRule
from callcenter.diag.reading import DownReason
from callcenter.diag.sight import Seen
from callcenter.words import DeviceId, OnuAddress

OutageScope: TypeAlias = Literal["pon", "olt", "area"]
SILENT = "silent"
"""The place of an outage that is not of ONUs: the OLT itself does not answer."""


@dataclass(frozen=True, slots=True, order=True)
class Dark:
    """One ONU of an outage, and what its OLT says why. An ONU that cannot gasp says fibre when it loses power."""

    device: DeviceId
    onu: OnuAddress
    reason: DownReason = DownReason.UNKNOWN


@dataclass(frozen=True, slots=True)
class MassOutage:
    """ONUs that went dark together, of ``total`` that were online before.

    ``place`` is the PON's name, the area's name, empty for every PON of an OLT, and ``SILENT`` for an OLT that does not
    answer: then nothing is known of its ONUs, and ``dark`` is empty. ``device`` is the first of an area's OLTs.
    """

    device: DeviceId
    scope: OutageScope
    place: str
    since: datetime
    dark: tuple[Dark, ...]
    total: int

    @property
    def key(self) -> tuple[DeviceId, OutageScope, str]:
        return self.device, self.scope, self.place

    @property
    def silent(self) -> bool:
        return self.scope == "olt" and self.place == SILENT

    @property
    def reasons(self) -> tuple[tuple[DownReason, int], ...]:
        """How many say what, most first. Of as many, power comes first: no fibre cut makes an ONU gasp."""
        counted = Counter(dark.reason for dark in self.dark)
        return tuple(sorted(counted.items(), key=lambda one: (-one[1], one[0] is not DownReason.POWER, one[0])))

    @property
    def reason(self) -> DownReason:
        """What most of those say that say anything."""
        told = (reason for reason, _ in self.reasons if reason is not DownReason.UNKNOWN)
        return next(told, DownReason.UNKNOWN)

    @property
    def mixed(self) -> bool:
        """Not all that say why say the same: the numbers have to be told beside the majority's word."""
        return len({reason for reason, _ in self.reasons} - {DownReason.UNKNOWN}) > 1

    @property
    def whole(self) -> bool:
        """Every ONU of the place that was online."""
        return 0 < self.total == len(self.dark)

    @property
    def trunk(self) -> bool:
        """Every ONU of one PON lost its light, and none its power: that looks like the fibre that all of them share."""
        return self.scope == "pon" and self.whole and self.reason is DownReason.FIBRE and not self.mixed

    def concerns(self, device: DeviceId, onu: OnuAddress) -> bool:
        """Whether this ONU's line is of the place: in an area, whether its port is touched at all."""
        match self.scope:
            case "pon":
                return device == self.device and onu.pon == self.place
            case "olt" if self.silent:
                return device == self.device
            case _:
                return any(dark.device == device and dark.onu.pon == onu.pon for dark in self.dark)


def find(
    now: datetime,
    device: DeviceId,
    seen: Mapping[OnuAddress, Seen],
    rule: MassRule,
    known: Iterable[MassOutage] = (),
) -> list[MassOutage]:
    """The outages of one OLT: of its PONs, or of the OLT where they went dark all together.

    ``known`` are those that were open before: they last until so many are back that it is beyond doubt.
    """
    known = [outage for outage in known if outage.device == device and outage.scope != "area" and not outage.silent]
    if not known and sum(one.dark for one in seen.values()) < rule.least:
        return []
    lines = _lines(now, device, seen, rule)
    pons: dict[str, list[_Line]] = defaultdict(list)
    for line in lines:
        pons[line.onu.pon].append(line)
    found: list[MassOutage] = []
    for pon, members in sorted(pons.items()):
        before = _known(known, (device, "pon", pon))
        if (outage := _place((device, "pon", pon), members, rule, before)) is not None:
            found.append(outage)
    before = _known(known, (device, "olt", ""))
    outage = _place((device, "olt", ""), lines, rule, before)
    if outage is not None and _all_over(outage, pons, rule, was_open=before is not None):
        found.append(outage)
    return broadest(found)


def find_area(
    now: datetime, area: str, seen: Mapping[DeviceId, Mapping[OnuAddress, Seen]], rule: MassRule,
    known: Iterable[MassOutage] = (),
) -> MassOutage | None:  # fmt: skip
    """The outage of a district: ONUs of two OLTs or more that went dark together."""
    if not area or len(seen) < 2:
        return None
    before = next((outage for outage in known if outage.scope == "area" and outage.place == area), None)
    lines = [line for device, onus in seen.items() for line in _lines(now, device, onus, rule)]
    key: tuple[DeviceId, OutageScope, str] = (before.device if before else min(seen), "area", area)
    outage = _place(key, lines, rule, before)
    if outage is None:
        return None
    touched = Counter(dark.device for dark in outage.dark)
    enough = [device for device, dark in touched.items() if before is not None or dark >= rule.least]
    return outage if len(enough) >= 2 else None


def silent_olt(
    device: DeviceId, failed: int, first_failed_at: datetime, total: int, rule: MassRule
) -> list[MassOutage]:
    """An OLT that did not answer several looks in a row is an outage of its own kind, and none of its ONUs'."""
    return [MassOutage(device, "olt", SILENT, first_failed_at, (), total)] if failed >= rule.silent_looks else []


def broadest(outages: Iterable[MassOutage]) -> list[MassOutage]:
    """Of outages that are one, the widest only: a port's within its OLT's, an OLT's within its district's."""
    rank: dict[OutageScope, int] = {"area": 0, "olt": 1, "pon": 2}
    kept: list[MassOutage] = []
    wider: list[tuple[int, set[Dark]]] = []
    for outage in sorted(outages, key=lambda one: (rank[one.scope], one.device, one.place)):
        lines, here = set(outage.dark), rank[outage.scope]
        if not any(len(lines & others) * 2 > len(lines) for there, others in wider if there < here):
            kept.append(outage)
            wider.append((here, lines))
    return kept


def _known(known: Iterable[MassOutage], key: tuple[DeviceId, OutageScope, str]) -> MassOutage | None:
    return next((outage for outage in known if outage.key == key), None)


@dataclass(frozen=True, slots=True)
class _Line:
    """What counts of one ONU."""

    device: DeviceId
    onu: OnuAddress
    lit: bool
    span: tuple[datetime, datetime] | None
    """Between which moments it went dark, where it is dark and somebody saw it online before."""
    since: datetime | None
    reason: DownReason


def _lines(now: datetime, device: DeviceId, seen: Mapping[OnuAddress, Seen], rule: MassRule) -> list[_Line]:
    stale, gap = now - timedelta(seconds=rule.stale_s), timedelta(seconds=rule.gap_s)
    lines = []
    for onu, one in seen.items():
        if not one.darks:
            if one.lit:
                lines.append(_Line(device, onu, True, None, None, DownReason.UNKNOWN))
            continue
        exact, online = one.exact, one.was_online_at
        since = exact or one.darks[0].at
        span = (exact, exact) if exact else (online, since) if online and since - online <= gap else None
        if span is not None and since > stale:
            lines.append(_Line(device, onu, False, span, since, one.reason))
    return lines


def _place(
    key: tuple[DeviceId, OutageScope, str], lines: Sequence[_Line], rule: MassRule, before: MassOutage | None
) -> MassOutage | None:
    """The outage of one place, found anew or still going on."""
    lasting = None if before is None else _lasts(before, lines, rule)
    fresh = _begins(key, lines, rule)
    if fresh is not None:  # what went dark after it began is of it at once, not only at the next look
        fresh = _lasts(fresh, lines, rule) or fresh
    if lasting is None or fresh is None:
        return lasting or fresh
    if fresh.since <= lasting.since or len(fresh.dark) <= len(lasting.dark):
        return lasting
    return replace(fresh, since=lasting.since, total=max(lasting.total, fresh.total))


def _begins(key: tuple[DeviceId, OutageScope, str], lines: Sequence[_Line], rule: MassRule) -> MassOutage | None:
    lit = sum(1 for line in lines if line.lit)
    width, lookback = timedelta(seconds=rule.within_s), timedelta(seconds=rule.lookback_s)
    for start, held in _windows(lines, rule):
        if held < rule.share * (lit + held):
            continue
        total = lit + sum(1 for line in lines if line.since and line.since >= start - lookback)
        if held >= rule.share * total:
            together = [line for line in lines if line.span and line.span[0] <= start + width and line.span[1] >= start]
            return MassOutage(*key, start, _sorted(together), total)
    return None


def _lasts(before: MassOutage, lines: Sequence[_Line], rule: MassRule) -> MassOutage | None:
    """An outage lasts while half of what began it is left: a few lines that come and go neither end nor renew it."""
    earliest = before.since - timedelta(seconds=rule.within_s)
    still = [line for line in lines if line.since is not None and line.since >= earliest]
    total = max(before.total, len(still))
    if len(still) < max(2, rule.least - 1) or len(still) * 2 < rule.share * total:
        return None
    return replace(before, dark=_sorted(still), total=total)


def _sorted(lines: Iterable[_Line]) -> tuple[Dark, ...]:
    by_place = sorted(lines, key=lambda line: (line.device, line.onu.family, line.onu.path, line.onu.onu))
    return tuple(Dark(line.device, line.onu, line.reason) for line in by_place)


def _windows(lines: Iterable[_Line], rule: MassRule) -> list[tuple[datetime, int]]:
    """Where a window of ``within_s`` may begin and how many moments it can hold: the fullest first, then the latest."""
    spans = [line.span for line in lines if line.span]
    firsts, lasts = sorted(span[0] for span in spans), sorted(span[1] for span in spans)
    width = timedelta(seconds=rule.within_s)
    held = {last: bisect_right(firsts, last + width) - bisect_left(lasts, last) for last in set(lasts)}
    return sorted(
        ((at, many) for at, many in held.items() if many >= rule.least), key=lambda one: (one[1], one[0]), reverse=True
    )


def _all_over(outage: MassOutage, pons: Mapping[str, Sequence[_Line]], rule: MassRule, *, was_open: bool) -> bool:
    """Every PON that has enough ONUs to tell is dark by the rule; of an outage known before, half of them still."""
    hit = Counter(dark.onu.pon for dark in outage.dark)
    total = Counter(hit)
    for pon, members in pons.items():
        total[pon] += sum(1 for line in members if line.lit)
    counted = [pon for pon, many in total.items() if many >= rule.least] or [pon for pon, many in total.items() if many]
    if len(counted) < 2:
        return False
    if was_open:
        return sum(1 for pon in counted if hit[pon] * 2 >= rule.share * total[pon]) * 2 >= len(counted)
    return all(hit[pon] >= rule.share * total[pon] for pon in counted)
