"""The rules of a card: who it is, which line is shown, what is said first, and what stands on top."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callcenter.desk.card import Card, Seat, Stage, card_on_top
from callcenter.desk.greeting import LONGEST, greeting_sentence
from callcenter.diag.verdict import Cause, Level
from callcenter.routing.numbers import caller_number
from callcenter.words import Known, Missing, Pending, SubscriberId, UniqueId
from tests.screen_house import DID, DIMLINK, NOON, NOT_READ, NUMBER, SVITLONET, levels, past_call, subscriber

FRESH = Card(UniqueId("1.1"), SVITLONET, DID, caller_number(NUMBER), "", NOON)
KNOWN = FRESH.with_subscribers([subscriber()], NOON)


def test_the_only_subscriber_with_the_phone_is_the_caller() -> None:
    assert KNOWN.subscriber == subscriber()
    assert not KNOWN.is_choice


def test_several_subscribers_on_one_phone_are_a_choice_and_no_line_is_shown_before_it() -> None:
    card = FRESH.with_subscribers([subscriber(1), subscriber(2)], NOON)
    assert card.is_choice
    assert card.subscriber is None
    assert card.verdict is None
    chosen = card.with_choice(SubscriberId(2))
    assert chosen.subscriber == subscriber(2)
    assert chosen.with_no_choice().is_choice


def test_whoever_lacks_the_phone_cannot_be_chosen() -> None:
    card = FRESH.with_subscribers([subscriber(1), subscriber(2)], NOON)
    assert card.with_choice(SubscriberId(3)) is card
    assert FRESH.with_choice(SubscriberId(1)) is FRESH


def test_another_choice_forgets_the_line_of_the_one_before() -> None:
    card = FRESH.with_subscribers([subscriber(1), subscriber(2)], NOON).with_choice(SubscriberId(1))
    other = card.with_last_line(levels(-20)).with_line(levels(-21)).with_choice(SubscriberId(2))
    assert other.shown_line is None
    assert isinstance(other.line, Pending)


def test_nobody_is_somebody_too() -> None:
    """A number that no subscriber has, and a hidden one, are whole cards."""
    card = FRESH.with_subscribers([], NOON).with_history([], NOON).with_callback(None, NOON)
    assert card.subscriber is None
    assert card.is_complete


def test_a_subscriber_without_an_onu_waits_for_no_line() -> None:
    card = FRESH.with_subscribers([subscriber(onu=None)], NOON).with_history([], NOON).with_callback(None, NOON)
    assert card.line == Missing("card.no_onu")
    assert card.is_complete


def test_the_last_known_levels_stand_until_the_live_ones_are_there() -> None:
    yesterday = levels(-22.1, NOON - timedelta(days=1))
    waiting = KNOWN.with_last_line(yesterday)
    assert waiting.shown_line is yesterday
    assert not waiting.is_complete
    read = waiting.with_line(levels(-26.4))
    assert read.shown_line == levels(-26.4)
    assert read.verdict is not None
    assert (read.verdict.level, read.verdict.cause) == (Level.WEAK, Cause.WEAK)


def test_a_silent_olt_is_unknown_and_the_old_levels_are_said_to_be_old() -> None:
    card = KNOWN.with_last_line(levels(-22.1, NOON - timedelta(days=1))).with_line(NOT_READ)
    assert card.verdict is not None
    assert card.verdict.level is Level.UNKNOWN
    assert card.old_verdict is not None
    assert card.old_verdict.level is Level.GOOD


def test_of_two_old_readings_the_newer_one_is_kept() -> None:
    newer, older = levels(-20), levels(-25, NOON - timedelta(hours=1))
    assert KNOWN.with_last_line(newer).with_last_line(older).last_line is newer
    assert KNOWN.with_last_line(older).with_last_line(newer).last_line is newer
    assert KNOWN.with_last_line(older).with_last_line(Missing("card.no_archive")).last_line is older


def test_reading_again_keeps_what_was_read_in_sight() -> None:
    card = KNOWN.with_line(levels(-26.4)).with_line_awaited()
    assert isinstance(card.line, Pending)
    assert card.shown_line == levels(-26.4)


def test_the_providers_own_norms_judge() -> None:
    strict = replace(SVITLONET, thresholds={"onu_rx_weak": -20.0})
    card = replace(KNOWN, provider=strict).with_line(levels(-22.1))
    assert card.verdict is not None
    assert card.verdict.level is Level.WEAK


def test_the_present_call_is_no_part_of_its_own_past() -> None:
    card = FRESH.with_history([past_call("1.1"), past_call("0.9")], NOON)
    assert isinstance(card.history, Known)
    assert [call.id for call in card.history.value] == ["0.9"]


def test_after_the_end_nothing_is_awaited() -> None:
    assert FRESH.at_the_end().is_complete
    assert KNOWN.with_line(levels(-26.4)).at_the_end().shown_line == levels(-26.4)


def test_the_caller_is_greeted_in_their_own_language() -> None:
    assert FRESH.language == "uk"
    assert FRESH.with_subscribers([subscriber(language="en")], NOON).language == "en"


@pytest.mark.parametrize(
    ("stages", "on_top"),
    [
        ([], None),
        ([Stage.AFTER_CALL, Stage.RINGING], "1"),
        ([Stage.TALKING, Stage.RINGING, Stage.AFTER_CALL], "0"),
        ([Stage.RINGING, Stage.RINGING], "1"),
    ],
)
def test_who_talks_stands_over_who_rings_over_who_has_gone(stages: list[Stage], on_top: str | None) -> None:
    seats = [(UniqueId(str(i)), Seat(stage, NOON + timedelta(seconds=i))) for i, stage in enumerate(stages)]
    assert card_on_top(seats) == on_top
    assert card_on_top(reversed(seats)) == on_top


@pytest.mark.parametrize(
    ("hour", "hello"),
    [(1, "Доброго вечора"), (2, "Доброго ранку"), (9, "Доброго дня"), (15, "Доброго вечора")],
)
def test_the_sentence_wishes_the_providers_time_of_day(hour: int, hello: str) -> None:
    """Kyiv is two hours before UTC in November."""
    said = greeting_sentence(SVITLONET, "uk", "Олена", datetime(2026, 11, 22, hour, 0, tzinfo=UTC))
    assert said == f"{hello}! Компанія «СвітлоНет», мене звати Олена. Чим можу допомогти?"


def test_a_provider_says_it_in_their_own_words() -> None:
    own = replace(DIMLINK, greeting="{{ hello }}, {{ brand }}{% if language == 'en' %}, {{ agent }} here{% endif %}.")
    assert greeting_sentence(own, "en", "Olena", NOON) == "Good afternoon, Дім.Лінк, Olena here."


@pytest.mark.parametrize(
    "template",
    [
        "{{ brand",
        "{{ nobody.knows.this }}",
        "{{ 1 / 0 }}",
        "{{ brand.__class__.__mro__[1].__subclasses__() }}",
        "{{ range(1000000000) | list }}",
        "{% include '/etc/passwd' %}",
        "   ",
    ],
)
def test_a_template_that_cannot_be_filled_in_gives_way_to_the_houses_sentence(template: str) -> None:
    said = greeting_sentence(replace(SVITLONET, greeting=template), "uk", "Олена", NOON)
    assert said == "Доброго дня! Компанія «СвітлоНет», мене звати Олена. Чим можу допомогти?"


def test_nobody_has_to_read_a_book_aloud() -> None:
    assert len(greeting_sentence(replace(SVITLONET, greeting="слово " * 500), "uk", "Олена", NOON)) <= LONGEST
