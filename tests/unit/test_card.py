"""A card's rules: who it is, what is said of the line, what the agent says first."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from callcenter.desk.card import NO_ONU, Card, Seat, Stage, card_on_top
from callcenter.desk.greeting import LONGEST, greeting_sentence, part_of_day
from callcenter.diag.verdict import Cause
from callcenter.routing.numbers import caller_number
from callcenter.words import Known, Missing, Pending, SubscriberId, UniqueId
from tests.unit.desk_story import GOOD_BEFORE, MARIIA, NEVER_READ, NOON, WEAK, provider, subscriber

CARD = Card(UniqueId("pbx1-1.1"), provider(), "+380441234567", caller_number(MARIIA), "", NOON)


def test_the_only_subscriber_with_this_phone_is_the_caller() -> None:
    card = CARD.with_subscribers([subscriber()], NOON)
    assert card.subscriber == subscriber()
    assert not card.is_choice


def test_several_subscribers_on_one_phone_are_a_choice_and_no_line_is_shown_before_it() -> None:
    card = CARD.with_subscribers([subscriber(1), subscriber(2)], NOON)
    assert card.is_choice
    assert card.subscriber is None
    assert card.with_line(WEAK).verdict is None
    chosen = card.with_choice(SubscriberId(2))
    assert chosen.subscriber == subscriber(2)
    assert chosen.line == Pending()


def test_nobody_without_this_phone_can_be_chosen() -> None:
    card = CARD.with_subscribers([subscriber(1), subscriber(2)], NOON)
    assert card.with_choice(SubscriberId(9)) is card


def test_choosing_again_forgets_the_line_of_the_one_before() -> None:
    card = CARD.with_subscribers([subscriber(1), subscriber(2)], NOON).with_choice(SubscriberId(1)).with_line(WEAK)
    assert card.with_choice(SubscriberId(2)).shown_line is None
    assert card.with_no_choice().is_choice
    assert card.with_no_choice().shown_line is None


def test_a_contract_without_an_onu_says_so_and_awaits_nothing() -> None:
    card = CARD.with_subscribers([subscriber(device=None)], NOON)
    assert card.line == NO_ONU
    assert card.with_history((), NOON).with_callback(None, NOON).is_complete


def test_a_card_is_complete_when_nothing_is_awaited() -> None:
    card = CARD.with_subscribers([subscriber()], NOON).with_history((), NOON).with_callback(None, NOON)
    assert not card.is_complete
    assert card.with_line(Missing("line.missing.timeout")).is_complete
    assert not CARD.is_complete


def test_an_anonymous_caller_is_a_complete_card_too() -> None:
    card = replace(CARD, caller=caller_number("anonymous"))
    assert card.with_subscribers((), NOON).with_history((), NOON).with_callback(None, NOON).is_complete


def test_an_old_reading_never_stands_in_for_the_present_one() -> None:
    card = CARD.with_subscribers([subscriber()], NOON).with_last_line(GOOD_BEFORE)
    assert card.verdict is None
    assert card.old_verdict is not None
    assert card.old_verdict.cause is Cause.GOOD
    silent = card.with_line(Missing("line.missing.timeout", "OLT-1"))
    assert silent.verdict is not None
    assert silent.verdict.cause is Cause.NO_READING
    assert silent.old_verdict is not None
    read = card.with_line(WEAK)
    assert read.verdict is not None
    assert read.verdict.cause is Cause.WEAK
    assert read.old_verdict is None


def test_reading_again_keeps_what_was_read_before_as_the_last_known() -> None:
    card = CARD.with_subscribers([subscriber()], NOON).with_line(WEAK).with_line_awaited()
    assert card.line == Pending()
    assert card.shown_line == WEAK
    assert card.with_last_line(GOOD_BEFORE).shown_line == WEAK  # the archive is older
    assert card.with_last_line(NEVER_READ).shown_line == WEAK


def test_a_provider_draws_its_own_lines() -> None:
    strict = replace(CARD, provider=provider(thresholds={"onu_rx_weak": -23.0, "onu_rx_critical": -26.0}))
    verdict = strict.with_subscribers([subscriber()], NOON).with_line(WEAK).verdict
    assert verdict is not None
    assert verdict.cause is Cause.CRITICAL


def test_a_class_of_onus_has_lines_of_its_own() -> None:
    own = replace(CARD, provider=provider(thresholds={"epon.onu_rx_critical": -26.0, "epon.onu_rx_weak": -23.0}))
    for onu, cause in (("EPON0/2:1", Cause.CRITICAL), ("GPON0/2:1", Cause.WEAK), ("no address", Cause.WEAK)):
        verdict = own.with_subscribers([subscriber(onu=onu)], NOON).with_line(WEAK).verdict
        assert verdict is not None
        assert verdict.cause is cause, onu


def test_thresholds_that_cannot_be_give_way_to_the_houses_and_are_said(caplog: pytest.LogCaptureFixture) -> None:
    for thresholds in ({"onu_rx_weak": -23.0, "onu_rx_critical": -6.0}, {"nonsense": 1.0}):
        wrong = replace(CARD, provider=provider(thresholds=thresholds))
        verdict = wrong.with_subscribers([subscriber()], NOON).with_line(WEAK).verdict
        assert verdict is not None
        assert verdict.cause is Cause.WEAK
        assert "lines are judged by the house's own thresholds" in caplog.text
        caplog.clear()


def test_after_the_call_nothing_is_awaited() -> None:
    ended = CARD.with_subscribers([subscriber()], NOON).at_the_end()
    assert ended.is_complete
    assert ended.line == Missing("card.call_over")
    assert isinstance(ended.subscribers, Known)


def test_whom_one_talks_with_stands_on_top_then_who_rings_then_what_ended() -> None:
    def seat(stage: Stage, second: int) -> Seat:
        return Seat(stage, NOON + timedelta(seconds=second))

    ended, rings, talks = (UniqueId(word) for word in ("ended", "rings", "talks"))
    seats = {ended: seat(Stage.AFTER_CALL, 9), rings: seat(Stage.RINGING, 5), talks: seat(Stage.TALKING, 1)}
    assert card_on_top(seats.items()) == talks
    del seats[talks]
    assert card_on_top(seats.items()) == rings
    assert card_on_top([(ended, seat(Stage.RINGING, 1)), (rings, seat(Stage.RINGING, 2))]) == rings
    assert card_on_top([]) is None


@pytest.mark.parametrize(
    ("hour", "said"), [(4, "Доброго ранку"), (11, "Доброго дня"), (17, "Доброго вечора"), (3, "Доброго вечора")]
)
def test_the_greeting_knows_the_time_of_day_at_the_provider(hour: int, said: str) -> None:
    at = datetime(2026, 7, 1, hour, tzinfo=ZoneInfo("Europe/Kyiv")).astimezone(ZoneInfo("America/New_York"))
    sentence = greeting_sentence(provider(), "uk", "Олена", at)
    assert sentence == f"{said}! Компанія «СвітлоНет», мене звати Олена. Чим можу допомогти?"


def test_a_provider_says_it_in_its_own_words() -> None:
    own = provider(greeting="{{ hello }}, {{ brand }} на зв’язку,\n{{ agent }}.")
    assert greeting_sentence(own, "uk", "Олена", NOON) == "Доброго дня, СвітлоНет на зв’язку, Олена."
    assert greeting_sentence(own, "en", "Olena", NOON) == "Good afternoon, СвітлоНет на зв’язку, Olena."


@pytest.mark.parametrize(
    "template",
    [
        "{{ nobody.knows }}",
        "{{ 1 / 0 }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ brand.__class__ }}",
        "{% for i in range(10**9) %}x{% endfor %}",
        "{{ 'x' * 10**12 }}",
        "{{ 10**10**10 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ brand.center(10000000000) }}",
        "{{ brand | center(10000000000) }}",
        "{{ brand",
        "{{ " + "(" * 240 + "1" + ")" * 240 + " }}",
        "   ",
    ],
)
def test_a_template_that_cannot_be_filled_gives_way_to_the_house(template: str) -> None:
    sentence = greeting_sentence(provider(greeting=template), "uk", "Олена", NOON)
    assert sentence.startswith("Доброго дня! Компанія «СвітлоНет»")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ 'Вітаю' if time_of_day == 'day' else hello }}, {{ brand | upper }}", "Вітаю, СВІТЛОНЕТ"),
        ("{{ {'uk': 'Слухаю', 'en': 'Hello'}[language] }}", "Слухаю"),
        ("{% if agent %}{{ agent ~ '!' }}{% endif %}", "Олена!"),
    ],
)
def test_a_sentence_may_choose(template: str, said: str) -> None:
    assert greeting_sentence(provider(greeting=template), "uk", "Олена", NOON) == said


def test_a_greeting_is_one_breath_long() -> None:
    assert len(greeting_sentence(provider(greeting="а" * 5000), "uk", "Олена", NOON)) == LONGEST


def test_calling_back_has_its_own_first_sentence() -> None:
    own = provider(greeting="{{ brand }} слухає")
    said = greeting_sentence(own, "uk", "Олена", NOON, calls_back=True)
    assert said == "Доброго дня! Компанія «СвітлоНет», мене звати Олена. Ви нам телефонували."


def test_a_caller_is_greeted_in_their_own_language() -> None:
    assert CARD.language == "uk"
    assert CARD.with_subscribers([subscriber(language="en")], NOON).language == "en"


def test_morning_begins_at_four() -> None:
    kyiv = ZoneInfo("Europe/Kyiv")
    assert [part_of_day(datetime(2026, 1, 1, hour, tzinfo=kyiv)) for hour in (3, 4, 10, 11, 16, 17)] == [
        "evening", "morning", "morning", "day", "day", "evening",
    ]  # fmt: skip
