"""What is shown of an agent, and what Asterisk is told of their places: rules without a PBX."""

from __future__ import annotations

import itertools

import pytest

from callcenter.floor.states import (
    Add,
    AgentState,
    AgentStatus,
    Duty,
    OnCall,
    Pause,
    Remove,
    Seat,
    Weigh,
    seats_wanted,
    shown,
    steps_to,
)

READY = Duty("101", AgentStatus.READY)
LUNCH = Duty("101", AgentStatus.PAUSED, "lunch")
AFTER = Duty("101", AgentStatus.WRAP_UP)
HOME = Duty("101")

CASES = [
    (HOME, "", OnCall.NOTHING, "offline"),
    (HOME, "not_inuse", OnCall.NOTHING, "offline"),
    (HOME, "unavailable", OnCall.NOTHING, "offline"),
    (READY, "not_inuse", OnCall.NOTHING, "ready"),
    (READY, "", OnCall.NOTHING, "ready"),
    (READY, "unavailable", OnCall.NOTHING, "unreachable"),
    (READY, "invalid", OnCall.NOTHING, "unreachable"),
    (LUNCH, "not_inuse", OnCall.NOTHING, "paused"),
    (LUNCH, "unavailable", OnCall.NOTHING, "unreachable"),
    (AFTER, "not_inuse", OnCall.NOTHING, "wrap_up"),
    (AFTER, "unknown", OnCall.NOTHING, "unreachable"),
    (READY, "inuse", OnCall.NOTHING, "talking"),
    (LUNCH, "inuse", OnCall.TALKING, "talking"),
    (HOME, "inuse", OnCall.TALKING, "talking"),
    (READY, "ringing", OnCall.RINGING, "ringing"),
    (READY, "inuse", OnCall.ON_HOLD, "on_hold"),
    (READY, "unavailable", OnCall.TALKING, "talking"),
]


@pytest.mark.parametrize(("duty", "phone", "call", "state"), CASES)
def test_what_is_shown_follows_from_duty_phone_and_call(duty: Duty, phone: str, call: OnCall, state: str) -> None:
    """Pain 13: a dead phone is never "ready", and a pause keeps its reason whatever the phone does."""
    assert shown(duty, phone, call) == state


def test_every_combination_shows_something_and_a_gone_phone_never_shows_ready() -> None:
    phones = ("", "not_inuse", "unavailable", "invalid", "unknown", "inuse", "ringing", "onhold")
    for status, phone, call in itertools.product(AgentStatus, phones, OnCall):
        state = shown(Duty("101", status), phone, call)
        assert state in AgentState
        if phone in {"unavailable", "invalid", "unknown"}:
            assert state is not AgentState.READY


SERVING = [("sky", "101", 0), ("sky", "102", 1), ("net", "101", 5)]


def test_who_is_signed_in_sits_in_each_queue_they_serve() -> None:
    duties = {"101": READY, "102": Duty("102")}
    assert set(seats_wanted(duties, SERVING).values()) == {Seat("sky", "101", 0, False), Seat("net", "101", 5, False)}
    assert seats_wanted({"101": LUNCH}, SERVING)["sky", "101"] == Seat("sky", "101", 0, True, "lunch")
    assert seats_wanted({"101": AFTER}, SERVING)["net", "101"] == Seat("net", "101", 5, True, "wrap_up")


def there(*seats: Seat) -> dict[tuple[str, str], Seat]:
    return {(seat.queue, seat.extension): seat for seat in seats}


def test_asterisk_is_told_what_differs_and_nothing_else() -> None:
    wanted = seats_wanted({"101": READY}, SERVING)
    assert steps_to(wanted, wanted, ["sky", "net"]) == []
    assert steps_to(wanted, {}, ["sky", "net"]) == [
        Add(Seat("sky", "101", 0, False)),
        Add(Seat("net", "101", 5, False)),
    ]
    old = there(Seat("sky", "101", 0, True, "lunch"), Seat("net", "101", 7, False), Seat("sky", "103", 0, False))
    assert steps_to(wanted, old, ["sky", "net"]) == [
        Remove("sky", "103"), Pause("sky", "101", False, ""), Weigh("net", "101", 5),
    ]  # fmt: skip


def test_another_pbxs_queues_are_let_be() -> None:
    assert steps_to({}, there(Seat("theirs", "101", 0, False)), ["sky"]) == []


def test_a_pause_with_another_reason_is_told_again() -> None:
    wanted = seats_wanted({"101": LUNCH}, SERVING[:1])
    assert steps_to(wanted, there(Seat("sky", "101", 0, True, "wrap_up")), ["sky"]) == [
        Pause("sky", "101", True, "lunch")
    ]


def test_who_is_rung_for_a_kept_place_first_stays_out_of_the_queue_until_then() -> None:
    wanted = seats_wanted({"101": READY}, SERVING[:1])
    after = there(Seat("sky", "101", 0, True, "wrap_up"))
    assert steps_to(wanted, after, ["sky"], not_yet=["101"]) == []
    assert steps_to(wanted, after, ["sky"]) == [Pause("sky", "101", False, "")]
    assert steps_to(wanted, {}, ["sky"], not_yet=["101"]) == [Add(Seat("sky", "101", 0, True, ""))]
