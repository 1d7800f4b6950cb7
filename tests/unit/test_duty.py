"""What a missed call obliges us to."""

from __future__ import annotations

import pytest

from callcenter.callbacks.duty import is_missed, is_owed_a_callback, is_talk
from callcenter.calls.groups import fold_journal
from callcenter.calls.outcome import CallOutcome
from tests.unit.cel_rows import CALL_BACK, MISS, TALK, nth_call, rows_of


@pytest.mark.parametrize("outcome", sorted(CallOutcome))
def test_whoever_never_reached_a_human_is_owed_a_callback(outcome: CallOutcome) -> None:
    assert is_owed_a_callback(outcome) == (outcome is not CallOutcome.ANSWERED)


def test_a_call_in_progress_is_not_missed_yet() -> None:
    assert not is_owed_a_callback(None)
    [call] = fold_journal(rows_of(nth_call(1, 0, MISS.split("5.0")[0], number="0631111111")))
    assert not is_missed(call)
    assert not is_talk(call)


def test_only_a_conversation_is_a_talk_and_only_an_inbound_call_can_be_missed() -> None:
    placed = CALL_BACK.format(callback=1, number="+380631111111")
    unanswered = "\n".join(line for line in placed.splitlines() if "BRIDGE" not in line)
    calls = [
        fold_journal(rows_of(nth_call(1, 0, table, number="0631111111", agents_own="CC_OUT" in table)))[0]
        for table in (MISS, TALK, placed, unanswered)
    ]
    assert [is_missed(call) for call in calls] == [True, False, False, False]
    assert [is_talk(call) for call in calls] == [False, True, False, False]
