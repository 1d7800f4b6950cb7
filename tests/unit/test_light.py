"""The picture of an ONU's light: what stands where, and what is not drawn because nobody knows it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from callcenter.desk.languages import load_catalogues
from callcenter.desk.light import BASE, LEFT, RIGHT, TOP, Span, high, picture
from callcenter.desk.line_rows import DayRow, LightRow

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
KYIV = ZoneInfo("Europe/Kyiv")
WORDS = load_catalogues()["uk"]
NORM = (-25.0, -8.0)


def row(hours_ago: float, rx: float | None, state: str = "online") -> LightRow:
    return LightRow(NOON - timedelta(hours=hours_ago), state, rx, None)


def drawn(*rows: LightRow, span: Span = Span.DAY, days: tuple[DayRow, ...] = ()):  # type: ignore[no-untyped-def]
    return picture(rows, days, span, NOON, NORM, KYIV, WORDS)


def test_light_is_a_line_from_the_first_reading_to_now() -> None:
    found = drawn(row(2, -20.0), row(1, -21.0), row(0.5, -20.5))
    [points] = found.lines
    xs = [float(point.split(",")[0]) for point in points.split()]
    assert xs == sorted(xs)
    assert xs[-1] == RIGHT
    assert (found.least, found.best, found.downs) == (-21.0, -20.0, 0)


def test_what_nobody_read_is_not_drawn_through() -> None:
    found = drawn(row(10, -20.0), row(9, -20.0), row(2, -24.0), row(1, -24.0))
    assert len(found.lines) == 2


def test_an_old_reading_does_not_reach_the_present() -> None:
    [points] = drawn(row(20, -20.0), row(18, -20.1)).lines
    assert float(points.split()[-1].split(",")[0]) < (LEFT + RIGHT) / 2


def test_dark_times_are_shown_and_counted_once() -> None:
    found = drawn(
        row(5, -20.0), row(4, None, "offline"), row(3.5, None, "offline"), row(3, -20.0), row(1, None, "offline")
    )
    assert len(found.dark) == 2
    assert found.downs == 2
    last, wide = found.dark[-1]
    assert last + wide == pytest.approx(RIGHT, abs=0.2)


def test_a_fall_before_the_picture_is_not_counted_in_it() -> None:
    assert drawn(row(30, -20.0), row(25, None, "offline"), row(1, -20.0)).downs == 0


def test_a_level_beyond_the_edges_stands_on_them() -> None:
    assert high(-60.0) == BASE
    assert high(5.0) == TOP
    assert high(-20.0) == pytest.approx((TOP + BASE) / 2, abs=0.1)


def test_a_quarter_is_bars_of_days() -> None:
    days = (DayRow(date(2026, 3, 1), -22.0, -21.0, -20.0, 3), DayRow(date(2026, 3, 2), None, None, None, 1))
    found = drawn(span=Span.QUARTER, days=days)
    assert len(found.bars) == 1
    assert found.downs == 4
    assert not found.lines


def test_nothing_read_is_an_empty_picture() -> None:
    for span in Span:
        assert drawn(span=span).empty


@pytest.mark.parametrize("span", list(Span))
def test_times_stand_inside_the_picture_also_when_the_clock_changes(span: Span) -> None:
    for until in (NOON, datetime(2026, 3, 29, 12, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC)):
        found = picture((), (), span, until, NORM, KYIV, WORDS)
        xs = [x for x, _ in found.times]
        assert xs == sorted(set(xs))
        assert xs
        assert all(LEFT <= x <= RIGHT for x in xs)
