"""What a shift is called, how long it lasts, what must be said before it ends; and which days are to be audited."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.callbacks.auditing import due_days, span_of
from callcenter.callbacks.shift import (
    Counts,
    Left,
    Shift,
    ShiftRule,
    counts_in,
    document,
    hours_of,
    must_be_named,
    must_be_of,
    must_be_offered_to,
    must_be_paid,
    must_last,
    next_span,
)
from callcenter.words import ProviderId, UserId

KYIV = ZoneInfo("Europe/Kyiv")
MORNING = datetime(2026, 11, 20, 8, 0, tzinfo=KYIV)
IRYNA, SOFIIA = UserId(1), UserId(2)


def a_shift(**changes: object) -> Shift:
    values = {
        "id": 1, "name": "День", "lead": IRYNA, "lead_name": "Ірина", "lead_extension": None, "starts_at": MORNING,
        "ends_at": MORNING + timedelta(hours=12), "opened_at": MORNING, "opened_by": "user:Ірина",
    }  # fmt: skip
    return Shift(**(values | changes))  # type: ignore[arg-type]  # one dictionary of different values


def a_left(callback: int, why: str = "") -> Left:
    return Left(callback, ProviderId(1), "+380631111111", MORNING, MORNING, 1, 0, why)


@pytest.mark.parametrize(
    ("clock", "name", "ends"),
    [
        ("08:00", "day", "20 20:00"), ("07:30", "day", "20 20:00"), ("07:29", "night", "20 08:00"),
        ("19:29", "day", "20 20:00"), ("19:30", "night", "21 08:00"), ("23:59", "night", "21 08:00"),
        ("00:10", "night", "20 08:00"),
    ],
)  # fmt: skip
def test_a_shift_that_opens_now_is_meant_for_the_hours_to_come(clock: str, name: str, ends: str) -> None:
    hour, minute = map(int, clock.split(":"))
    called, until = next_span(MORNING.replace(hour=hour, minute=minute).astimezone(UTC), KYIV)
    assert (called, f"{until.astimezone(KYIV):%d %H:%M}") == (name, ends)


@given(st.integers(0, 365 * 24 * 60))
def test_at_every_minute_of_the_year_a_shift_may_open(minute: int) -> None:
    """The night on which clocks are turned is an hour shorter or longer."""
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    _, until = next_span(now, KYIV)
    assert timedelta(minutes=29) < until - now <= timedelta(hours=13, minutes=30)


@pytest.mark.parametrize("hours", [0, 0.2, -3, 24.1])
def test_a_shift_lasts_a_quarter_of_an_hour_to_a_day(hours: float) -> None:
    must_last(MORNING, MORNING + timedelta(hours=12))
    with pytest.raises(ShiftRule, match="15 minutes"):
        must_last(MORNING, MORNING + timedelta(hours=hours))


def test_nothing_is_left_without_a_name() -> None:
    must_be_paid(0)
    must_be_named([a_left(1, "не відповідає")])
    with pytest.raises(ShiftRule) as one:
        must_be_paid(3)
    with pytest.raises(ShiftRule) as other:
        must_be_named([a_left(1, "не відповідає"), a_left(2)])
    assert (one.value.key, one.value.values) == ("open", {"n": 3})
    assert (other.value.key, other.value.values) == ("unnamed", {"n": 1, "all": 2})


def test_who_may_do_what() -> None:
    shift = a_shift()
    must_be_of(shift, IRYNA, supervises=False)
    must_be_of(shift, None, supervises=True)
    for who in (SOFIIA, None):
        with pytest.raises(ShiftRule, match="led by Ірина"):
            must_be_of(shift, who, supervises=False)
    with pytest.raises(ShiftRule, match="offered to nobody"):
        must_be_offered_to(shift, SOFIIA)
    offered = a_shift(successor=SOFIIA, successor_name="Софія")
    must_be_offered_to(offered, SOFIIA)
    with pytest.raises(ShiftRule, match="offered to Софія"):
        must_be_offered_to(offered, IRYNA)


def test_a_shift_that_goes_on_beyond_its_end_is_late_until_it_is_closed() -> None:
    evening = MORNING + timedelta(hours=12, minutes=1)
    assert a_shift().is_late(evening)
    assert not a_shift().is_late(MORNING)
    assert not a_shift(closed_at=evening).is_late(evening + timedelta(hours=1))


def test_the_hours_of_a_shift_are_those_of_the_wall_clock() -> None:
    since = MORNING.replace(minute=20).astimezone(UTC)
    assert [f"{each.astimezone(KYIV):%H}" for each in hours_of(since, since + timedelta(hours=2), KYIV)] == [
        "08", "09", "10",
    ]  # fmt: skip
    assert len(hours_of(MORNING, MORNING + timedelta(hours=12), KYIV)) == 12
    night = datetime(2026, 10, 24, 20, 0, tzinfo=KYIV)
    spring = datetime(2026, 3, 28, 20, 0, tzinfo=KYIV)
    for began, long in ((night, 13), (spring, 11)):
        over = (began + timedelta(hours=12)).replace(tzinfo=KYIV)
        hours = hours_of(began.astimezone(UTC), over.astimezone(UTC), KYIV)
        assert len(hours) == len(set(hours)) == long


counts = st.builds(Counts, **{each.name: st.integers(0, 1000) for each in fields(Counts)})


@given(counts, counts)
def test_counts_add_up_and_are_read_again_as_they_were_written(one: Counts, other: Counts) -> None:
    both = one + other
    assert both.done == one.done + other.done
    assert counts_in(document(both, [], [], [], {})) == both


# ---- which days are audited

NOON = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TODAY = date(2026, 11, 22)
LONG_AGO = NOON - timedelta(days=100)


def day(back: int) -> date:
    return TODAY - timedelta(days=back)


def final(back: int) -> datetime:
    return span_of(day(back), KYIV)[1] + timedelta(hours=1)


def test_at_first_a_week_is_audited_and_then_today_again_and_again() -> None:
    assert due_days(NOON, KYIV, LONG_AGO, {}) == [day(back) for back in range(8)]
    done = {day(back): (final(back), 0) for back in range(1, 8)} | {TODAY: (NOON - timedelta(minutes=10), 0)}
    assert due_days(NOON, KYIV, LONG_AGO, done) == [TODAY]


def test_a_day_is_audited_for_good_when_it_is_well_over() -> None:
    done = {day(back): (final(back), 0) for back in range(2, 8)}
    midnight = span_of(TODAY, KYIV)[0]
    before, after = (midnight - timedelta(minutes=5), 0), (midnight + timedelta(minutes=5), 0)
    late = timedelta(minutes=10)
    assert due_days(midnight + late, KYIV, LONG_AGO, done | {day(1): before}) == [TODAY, day(1)]
    assert due_days(midnight + late, KYIV, LONG_AGO, done | {day(1): after}) == [TODAY]
    assert due_days(midnight + timedelta(hours=1), KYIV, LONG_AGO, done | {day(1): after}) == [TODAY, day(1)]
    assert due_days(NOON, KYIV, LONG_AGO, done | {day(1): (final(1), 0)}) == [TODAY]


def test_what_differed_is_audited_until_it_does_not() -> None:
    done = {day(back): (final(back), 0) for back in range(1, 8)} | {day(3): (final(3), 2)}
    assert due_days(NOON, KYIV, LONG_AGO, done) == [TODAY, day(3)]


def test_days_before_a_provider_came_are_not_audited() -> None:
    assert due_days(NOON, KYIV, NOON - timedelta(days=2), {}) == [TODAY, day(1), day(2)]
    assert due_days(NOON, KYIV, NOON + timedelta(days=2), {}) == [TODAY]


def test_a_day_on_which_clocks_are_turned_is_an_hour_shorter_or_longer() -> None:
    for turned, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (TODAY, 24)):
        since, until = span_of(turned, KYIV)
        assert until.astimezone(UTC) - since.astimezone(UTC) == timedelta(hours=hours)
