"""What counts as worse before anyone called, case by case; levels in dBm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from callcenter.diag.reading import DownReason, OnuReading, OnuState
from callcenter.diag.verdict import Thresholds
from callcenter.diag.worse import Past, Worse, what_is_worse
from callcenter.words import Dbm

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
NORMS = Thresholds()
NONE: frozenset[Worse] = frozenset()


def lit(rx: float | None = None, olt_rx: float | None = None) -> OnuReading:
    return OnuReading(
        OnuState.ONLINE,
        onu_rx=None if rx is None else Dbm(rx),
        olt_rx=None if olt_rx is None else Dbm(olt_rx),
    )


def week(rx: float | None = None, olt_rx: float | None = None, points: int = 168) -> Past:
    return Past(None if rx is None else Dbm(rx), None if olt_rx is None else Dbm(olt_rx), points)


CASES = [
    ("as ever", lit(-20.3), week(-20.0), NONE, NONE),
    ("lost almost 2 dB", lit(-21.9), week(-20.0), NONE, NONE),
    ("lost 2 dB", lit(-22.0), week(-20.0), NONE, {Worse.DROPPED}),
    ("lost 2 dB towards the OLT only", lit(-20.0, -23.5), week(-20.0, -21.0), NONE, {Worse.DROPPED}),
    ("gained", lit(-15.0), week(-20.0), NONE, NONE),
    ("too young to compare", lit(-24.0), week(-20.0, points=11), NONE, NONE),
    ("never seen before", lit(-28.0), Past(), NONE, NONE),
    ("newly weak", lit(-25.1), week(-24.0), NONE, {Worse.WEAK}),
    ("weak all week", lit(-25.9), week(-25.8), NONE, NONE),
    ("newly critical", lit(-27.1), week(-26.0), NONE, {Worse.CRITICAL}),
    ("fell from good to critical", lit(-28.0), week(-20.0), NONE, {Worse.DROPPED, Worse.CRITICAL}),
    ("weak at the OLT", lit(-20.0, -26.4), week(-20.0, -25.0), NONE, {Worse.WEAK}),
    ("no receiver hears this", lit(-20.0, -34.0), week(-20.0, -22.0), NONE, NONE),
    ("a drop stays till half a dB inside", lit(-21.6), week(-20.0), {Worse.DROPPED}, {Worse.DROPPED}),
    ("a drop is over", lit(-21.4), week(-20.0), {Worse.DROPPED}, NONE),
    ("weak stays till half a dB inside", lit(-24.7), week(-24.0), {Worse.WEAK}, {Worse.WEAK}),
    ("weak is over", lit(-24.4), week(-24.0), {Worse.WEAK}, NONE),
    ("critical got weak", lit(-26.2), week(-24.0), {Worse.CRITICAL}, {Worse.WEAK, Worse.DROPPED}),
    ("what is off tells no level", OnuReading(OnuState.OFFLINE), week(-20.0), {Worse.DROPPED}, {Worse.DROPPED}),
    ("what is gone from the OLT is over", OnuReading(OnuState.ABSENT), week(-20.0), {Worse.DROPPED}, NONE),
    ("fell twice in a day", lit(-20.0), Past(Dbm(-20), None, 99, 2, 2), NONE, {Worse.FLAPPING}),
    ("fell three times in a week", lit(-20.0), Past(Dbm(-20), None, 99, 0, 3), NONE, {Worse.FLAPPING}),
    ("fell once", lit(-20.0), Past(Dbm(-20), None, 99, 1, 1), NONE, NONE),
    ("it still falls", lit(-20), Past(Dbm(-20), None, 99, 1, 2), {Worse.FLAPPING}, {Worse.FLAPPING}),
    ("a calm day ends it", lit(-20), Past(Dbm(-20), None, 99, 0, 2), {Worse.FLAPPING}, NONE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("now", "past", "is_open", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_what_is_worse(now: OnuReading, past: Past, is_open: set[Worse], expected: set[Worse]) -> None:
    assert what_is_worse(now, past, NORMS, frozenset(is_open), at=NOON).keys() == set(expected)


def test_three_db_warn_and_two_are_for_attention() -> None:
    """Section 15.2 of the facts: from 2 dB attention, from 3 dB a warning, since half of the light is gone."""
    attention = what_is_worse(lit(-22.5), week(-20.0), NORMS, NONE, at=NOON)[Worse.DROPPED]
    warning = what_is_worse(lit(-23.0), week(-20.0), NORMS, NONE, at=NOON)[Worse.DROPPED]
    assert (attention["warns"], warning["warns"]) == (0, 1)
    assert warning == {"rx": -23.0, "median": -20.0, "drop": 3.0, "side": "onu", "warns": 1}


def test_a_line_is_dark_after_an_hour_alone() -> None:
    off = OnuReading(OnuState.OFFLINE, last_down_reason=DownReason.FIBRE)
    since = NOON - timedelta(hours=1)
    assert what_is_worse(off, Past(), NORMS, NONE, at=NOON, dark_since=since + timedelta(seconds=1)) == {}
    found = what_is_worse(off, Past(), NORMS, NONE, at=NOON, dark_since=since)
    assert found == {Worse.DARK: {"dark_since": since.isoformat(), "reason": "fibre"}}
    assert what_is_worse(off, Past(), NORMS, NONE, at=NOON, dark_since=since, in_outage=True) == {}
