"""What each figure of a report means, computed by hand; periods on the provider's calendar; what files may hold."""

from __future__ import annotations

import zipfile
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from callcenter.calls.outcome import CallOutcome
from callcenter.desk import report_charts as charts
from callcenter.desk.languages import load_catalogues
from callcenter.desk.reports import title_of
from callcenter.reports.measures import Debts, Longest, Tally, Work, is_in_time, is_short_abandon
from callcenter.reports.periods import PRESETS, Days, Preset, days_of, hours_of
from callcenter.reports.sheets import (
    CALLS,
    DEBTS,
    KINDS,
    WORK,
    Column,
    Part,
    Row,
    Sheet,
    as_text,
    csv_lines,
    figures_of,
    file_name,
    titles_of,
)
from callcenter.reports.workbook import write_workbook

KYIV = ZoneInfo("Europe/Kyiv")
DAY = Tally(
    outcomes={"answered": 6, "left_waiting": 2, "left_ringing": 1, "queue_timeout": 1, "closed": 4},
    short=3,
    in_time=4,
    wait_ms=90_000,
    lost_wait_ms=200_000,
    longest=Longest(120_000),
    talk_ms=600_000,
    held_ms=60_000,
    wrap_ms=120_000,
    transferred=1,
    numbered=16,
    repeats_day=2,
    repeats_week=4,
    out=5,
    out_reached=3,
    out_talk_ms=90_000,
)


def test_calls_are_told_apart_by_who_could_have_been_answered() -> None:
    """17 came: 4 in closed hours and 3 who hung up at once were offered to nobody; 6 of the other 10 were answered."""
    assert (DAY.came, DAY.closed, DAY.short, DAY.offered) == (17, 4, 3, 10)
    assert (DAY.answered, DAY.missed, DAY.abandoned) == (6, 4, 3)
    assert list(DAY.kinds.items()) == [("left_waiting", 2), ("left_ringing", 1), ("queue_timeout", 1)]


def test_the_service_level_is_of_the_calls_offered() -> None:
    assert DAY.service_level == 4 / 10
    assert DAY.answered_share == 6 / 10
    assert DAY.abandonment == 3 / 10


def test_lengths_are_averages_of_those_they_are_about() -> None:
    assert DAY.answer_s == 15  # 90 s over 6 answered
    assert DAY.patience_s == 50  # 200 s over 4 missed
    assert DAY.talk_s == 100
    assert DAY.handling_s == 130  # talk 600, hold 60, wrap-up 120, over 6
    assert DAY.longest_s == 120


def test_repeats_are_of_callers_whose_number_is_known() -> None:
    assert DAY.repeat_day == 2 / 16
    assert DAY.repeat_week == 4 / 16


def test_of_nothing_there_is_no_share() -> None:
    nothing = Tally()
    assert (nothing.came, nothing.missed) == (0, 0)
    assert nothing.service_level is None
    assert nothing.answer_s is None
    assert nothing.handling_s is None
    assert nothing.longest_s is None
    assert nothing.repeat_day is None
    assert Work().occupancy is None
    assert Debts().pay_s is None


def test_only_who_hung_up_by_themselves_can_be_a_short_abandon() -> None:
    assert is_short_abandon("left_waiting", 4.9, 5)
    assert not is_short_abandon("left_waiting", 5.0, 5)
    assert not is_short_abandon("queue_full", 0.1, 5)
    assert not is_short_abandon("left_in_greeting", None, 5)


def test_in_time_is_answered_within_the_seconds_and_the_last_one_counts() -> None:
    assert is_in_time("answered", 20.0, 20)
    assert not is_in_time("answered", 20.1, 20)
    assert not is_in_time("cut_short", 3.0, 20)


def test_parts_add_up_to_the_whole() -> None:
    half = Tally(outcomes={"answered": 1, "lost": 1}, longest=Longest(130_000), wait_ms=10_000, in_time=1)
    both = DAY + half
    assert both.outcomes == {
        "answered": 7,
        "left_waiting": 2,
        "left_ringing": 1,
        "queue_timeout": 1,
        "closed": 4,
        "lost": 1,
    }
    assert (both.offered, both.in_time, both.longest_s) == (12, 5, 130)
    assert Tally.of([]) == Tally()
    assert Tally.of([DAY, half]) == both == half + DAY


def test_what_an_agent_did() -> None:
    """8 of 10 rings taken; an hour signed in, of which 42 minutes went into calls."""
    did = Work(
        taken=8, not_taken=2, talk_ms=1_600_000, held_ms=80_000, wrap_ms=160_000, signed_in_ms=3_600_000,
        busy_ms=2_520_000, paused_ms=300_000,
    )  # fmt: skip
    assert did.taken_share == 0.8
    assert did.talk_s == 200
    assert did.handling_s == 230
    assert did.occupancy == 0.7


def test_what_became_of_the_missed() -> None:
    paid = Debts(opened=10, paid=4, in_promise=3, named=1, pay_ms=4 * 600_000)
    assert paid.pay_s == 600
    assert paid.promise_kept == 0.75


@pytest.mark.parametrize(
    ("preset", "first", "last"),
    [
        ("today", (2026, 11, 22), (2026, 11, 22)),
        ("yesterday", (2026, 11, 21), (2026, 11, 21)),
        ("this_week", (2026, 11, 16), (2026, 11, 22)),
        ("last_week", (2026, 11, 9), (2026, 11, 15)),
        ("this_month", (2026, 11, 1), (2026, 11, 22)),
        ("last_month", (2026, 10, 1), (2026, 10, 31)),
        ("last_30_days", (2026, 10, 24), (2026, 11, 22)),
        ("this_year", (2026, 1, 1), (2026, 11, 22)),
        ("last_year", (2025, 1, 1), (2025, 12, 31)),
    ],
)
def test_the_days_people_mean(preset: Preset, first: tuple[int, int, int], last: tuple[int, int, int]) -> None:
    assert days_of(preset, date(2026, 11, 22)) == Days(date(*first), date(*last))


def test_every_preset_is_tried_above() -> None:
    assert len(PRESETS) == 9


@pytest.mark.parametrize(("day", "hours"), [((2026, 10, 25), 25), ((2026, 3, 29), 23), ((2026, 11, 22), 24)])
def test_a_day_has_as_many_hours_as_the_clocks_make_it(day: tuple[int, int, int], hours: int) -> None:
    found = hours_of(Days(date(*day), date(*day)), KYIV)
    assert len(found) == hours
    assert len({at.astimezone(UTC) for at in found}) == hours
    assert found[-1] + timedelta(hours=1) == datetime(*day, tzinfo=KYIV) + timedelta(days=1)


def test_a_period_ends_after_it_begins_and_is_not_endless() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        Days(date(2026, 2, 2), date(2026, 2, 1))
    with pytest.raises(ValueError, match="at most"):
        Days(date(2000, 1, 1), date(2026, 1, 1))


@pytest.mark.parametrize("name", ["=1+1", "+380", "-2", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_name_in_a_file_is_never_a_formula(name: str) -> None:
    sheet = Sheet(Part.AGENT, titles_of(Part.AGENT), (Column("taken", "count"),), (Row(("101", name), (3,)),))
    line = "".join(csv_lines(sheet)).partition("\r\n")[2]
    assert line.startswith(("101,'", "101,\"'"))
    assert as_text("Олена") == "Олена"


def test_a_name_in_a_workbook_is_text_whatever_it_looks_like() -> None:
    names = ('=HYPERLINK("http://evil")', "http://evil", "+380", "{=1}")
    rows = tuple(Row(("101", name), (3,)) for name in names)
    sheet = Sheet(Part.AGENT, titles_of(Part.AGENT), (Column("taken", "count"),), rows)
    with write_workbook(sheet, ("=A1", "b", "c"), (), "days", "report") as file, zipfile.ZipFile(file) as book:
        page = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in page
    assert "hyperlink " not in page
    assert page.count("<is>") == 3 + 2 * len(names)
    assert page.count("<v>3</v>") == len(names)


def test_a_file_says_what_it_is_of() -> None:
    days = (date(2026, 11, 1), date(2026, 11, 30))
    assert file_name("svitlo", *days, Part.DAY, "csv") == "report-svitlo-2026-11-01_2026-11-30-by-day.csv"
    assert file_name(None, *days, Part.AGENT, "xlsx") == "report-2026-11-01_2026-11-30-by-agent.xlsx"


def test_every_column_has_its_title_and_says_how_it_is_counted_in_both_languages() -> None:
    figures = {figure.name for group in (CALLS, DEBTS, WORK) for figure in group}
    columns = [Column(name, "count") for name in figures] + [column for part in Part for column in titles_of(part)]
    for words in load_catalogues().values():
        for column in columns:
            assert title_of(words, column)
        for name in figures - set(KINDS):
            assert words.knows(f"why.{name}"), name


def test_every_way_to_miss_a_call_has_its_column() -> None:
    """What is no miss of a provider's: answered, out of hours, nobody's number, and how calls of ours end."""
    assert set(KINDS) == set(CallOutcome) - {"answered", "closed", "unknown_did", "no_answer", "busy"}


def _by_day(count: int) -> Sheet:
    rows = tuple(
        Row((date(2025, 1, 1) + timedelta(days=n),), figures_of(Tally(outcomes={"answered": 2, "lost": 1})))
        for n in range(count)
    )
    return Sheet(Part.DAY, titles_of(Part.DAY), tuple(figure.column for figure in CALLS), rows)


@pytest.mark.parametrize(("days", "grain"), [(31, "day"), (365, "week"), (1000, "month")])
def test_a_long_period_is_drawn_in_weeks_or_months_and_loses_no_call(days: int, grain: str) -> None:
    drawn = charts.columns(_by_day(days), load_catalogues()["uk"], KYIV)
    assert drawn.grain == grain
    assert len(drawn.bars) <= charts.MOST_BARS
    assert sum(bar.answered for bar in drawn.bars) == drawn.answered == 2 * days
    assert sum(bar.missed for bar in drawn.bars) == drawn.missed == days


def test_bars_stand_in_their_picture_missed_above_answered() -> None:
    for bar in charts.columns(_by_day(31), load_catalogues()["uk"], KYIV).bars:
        assert bar.x >= charts.LEFT
        assert bar.x + bar.width <= charts.WIDTH
        assert charts.TOP <= bar.missed_y < bar.answered_y < charts.BASE
        assert round(bar.missed_y + bar.missed_height, 1) == round(bar.answered_y, 1)
