"""A provider's hours are read on the provider's own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from callcenter.routing.hours import WeekHours

KYIV = ZoneInfo("Europe/Kyiv")


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        (datetime(2026, 7, 6, 4, 59, tzinfo=UTC), False),  # Monday 07:59 in Kyiv, summer
        (datetime(2026, 7, 6, 5, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 6, 18, 59, tzinfo=UTC), True),
        (datetime(2026, 7, 6, 19, 0, tzinfo=UTC), False),
        (datetime(2026, 1, 5, 5, 0, tzinfo=UTC), False),  # Monday 07:00, winter
        (datetime(2026, 7, 11, 20, 59, tzinfo=UTC), True),  # Saturday 23:59
        (datetime(2026, 7, 11, 21, 0, tzinfo=UTC), False),  # Sunday 00:00, a day off
    ],
)
def test_a_provider_is_open_on_its_own_clock(at: datetime, is_open: bool) -> None:
    hours = WeekHours.parse({"mon": ["08:00-22:00"], "sat": ["00:00-02:00", "10:00-24:00"]})
    assert hours.is_open(at, KYIV) is is_open


def test_no_hours_is_always_open() -> None:
    assert WeekHours.parse({}).is_open(datetime(2026, 1, 1, 3, tzinfo=UTC), KYIV)


@pytest.mark.parametrize(
    "bad",
    [
        {"monday": ["08:00-22:00"]},
        {"mon": "08:00-22:00"},
        {"mon": ["8-22"]},
        {"mon": ["22:00-08:00"]},
        {"mon": ["08:00-24:01"]},
        {"mon": ["08:00-12:00", "11:00-13:00"]},
        {"mon": ["08:00-٢٢:00"]},
        {"mon": [8]},
        [],
        "always",
    ],
)
def test_a_mistake_in_the_hours_is_named(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        WeekHours.parse(bad)


def test_hours_are_written_back_as_they_were_read() -> None:
    written = {"mon": ["08:00-12:00", "13:00-24:00"], "sun": []}
    assert WeekHours.parse(written).as_json() == written
