"""The debts to one number, told from all its calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from callcenter.callbacks.debt import CALLED_BACK, GOT_THROUGH, Acts, Debt, Missed, Proof, Tried, debts
from callcenter.callbacks.duty import Result, Said, Terms, rank_at, result_of
from callcenter.routing.hours import Calendar, WeekHours
from callcenter.routing.numbers import caller_number
from callcenter.words import UniqueId
from tests.callback_house import OLENA

NOON = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
TERMS = Terms(Calendar(WeekHours(), ZoneInfo("Europe/Kyiv")), timedelta(minutes=30), 2,
              timedelta(minutes=15), 5.0)  # fmt: skip


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def missed(minute: float, outcome: str = "left_waiting", queue: str = "") -> Missed:
    return Missed(at(minute), UniqueId(f"m-{minute}.1"), outcome, 4.0, queue, at(minute) - timedelta(minutes=1))


def tried(
    minute: float, result: Result = "no_answer", *, meant: bool = True, said: Said = "", said_at: float = 0
) -> Tried:
    connected = at(minute + 0.5) if result in {"answered", "cut_short"} else None
    return Tried(at(minute), UniqueId(f"t-{minute}.1"), "101", result, 20.0, connected, meant, said, at(said_at))


def through(minute: float) -> Proof:
    return Proof(at(minute), UniqueId(f"p-{minute}.1"), GOT_THROUGH)


def shape(found: tuple[Debt, ...]) -> list[tuple[int, int, str | None]]:
    return [(len(each.missed), len(each.tried), None if each.paid is None else each.paid.reason) for each in found]


def test_a_conversation_pays_every_miss_before_it_and_none_after() -> None:
    found = debts([missed(0), missed(5), missed(20)], [through(10)], [])
    assert shape(found) == [(2, 0, GOT_THROUGH), (1, 0, None)]


def test_a_conversation_that_began_at_the_very_moment_of_a_miss_does_not_pay_it() -> None:
    assert shape(debts([missed(10)], [through(10)], [])) == [(1, 0, None)]


def test_our_own_answered_call_is_an_attempt_of_what_it_paid_even_when_it_began_before_the_miss() -> None:
    found = debts([missed(10.2)], [], [tried(10, "answered")])
    assert shape(found) == [(1, 1, CALLED_BACK)]


def test_a_call_that_came_too_late_belongs_to_the_debt_it_was_meant_for_and_a_plain_one_to_none() -> None:
    calls = [missed(0)], [through(10)]
    assert shape(debts(*calls, [tried(12)])) == [(1, 1, GOT_THROUGH)]
    assert shape(debts(*calls, [tried(12, meant=False)])) == [(1, 0, GOT_THROUGH)]
    assert shape(debts(*calls, [tried(12, meant=False, said="voicemail")])) == [(1, 1, GOT_THROUGH)]
    assert shape(debts([missed(20)], [], [tried(12)])) == [(1, 0, None)], "nothing was owed yet"


def test_after_the_last_attempt_in_vain_the_lead_decides_and_trying_again_begins_anew() -> None:
    [debt] = debts([missed(0)], [], [tried(5), tried(20)])
    assert (debt.next_try_at(TERMS, Acts()), debt.decision_since(TERMS, Acts())) == (None, at(20))
    again = Acts(try_again=(at(30),))
    assert (debt.next_try_at(TERMS, again), debt.decision_since(TERMS, again)) == (None, None)
    [debt] = debts([missed(0)], [], [tried(5), tried(20), tried(30)])
    assert (debt.next_try_at(TERMS, again), debt.decision_since(TERMS, again)) == (at(45), None)


def test_a_stranger_at_the_other_end_is_the_leads_to_decide_until_they_did() -> None:
    [debt] = debts([missed(0)], [], [tried(5, "answered", said="wrong_number", said_at=7)])
    assert debt.decision_since(TERMS, Acts()) == at(7)
    assert debt.decision_since(TERMS, Acts(try_again=(at(8),))) is None


def test_a_kept_place_is_the_earliest_asked_for_until_somebody_has_called_or_it_was_given_up() -> None:
    asked = [missed(3, "asked_callback", "sky"), missed(9, "asked_callback", "sky"), missed(0)]
    [debt] = debts(asked, [], [])
    assert debt.kept(Acts()) == ("sky", at(2))
    assert debt.kept(Acts(place_lost=(at(4),))) == ("sky", at(8))
    [debt] = debts(asked, [], [tried(10)])
    assert debt.kept(Acts()) is None
    [debt] = debts(asked, [through(11)], [])
    assert debt.kept(Acts()) is None


def test_a_repeated_miss_is_worth_five_minutes() -> None:
    assert [rank_at(NOON, misses) for misses in (1, 2, 13)] == [at(0), at(-5), at(-60)]


def test_the_journal_and_not_a_click_says_what_came_of_an_attempt() -> None:
    said = [
        result_of(outcome, talked, 5.0)
        for outcome, talked in (
            ("answered", 5.0), ("answered", 4.9), ("cut_short", 0.4), ("busy", 0), ("no_answer", 0), ("failed", 0),
            ("lost", 0),
        )
    ]  # fmt: skip
    assert said == ["answered", "cut_short", "cut_short", "busy", "no_answer", "failed", "failed"]


def test_whatever_the_format_it_is_one_number() -> None:
    """Pain 12: a debt is found by the number, however the network or an agent wrote it."""
    written = ("0631111111", "380631111111", "+38 (063) 111-11-11", "80631111111", "8 063 111 11 11")
    assert {caller_number(each).number for each in written} == {OLENA}
