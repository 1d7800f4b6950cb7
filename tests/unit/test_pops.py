"""How the bench reckons a screen pop, for a figure that is wrong is worse than none."""

from __future__ import annotations

import pytest

from bench.crowd import Drawn
from bench.pops import Called, called, pops, summary


def event(agent: str, call: str, at: float) -> bytes:
    return (
        f"Event: AgentCalled\r\nTimestamp: {at:.6f}\r\nQueue: svitlonet\r\nInterface: PJSIP/agent-{agent}\r\n"
        f"Uniqueid: {call}\r\nDestUniqueid: lab-9.9\r\n\r\n"
    ).encode()


def test_an_event_has_left_when_the_piece_that_ends_it_has() -> None:
    raw = b"Event: Newchannel\r\nUniqueid: x\r\n\r\n" + event("101", "lab-1.1", 10.0)
    [found] = called([(10.001, raw[:60]), (10.002, raw[60:-1]), (10.003, raw[-1:])])
    assert found == Called("101", "lab-1.1", said_at=10.0, left_at=10.003)


def test_a_card_counts_from_the_event_before_it_and_is_complete_when_it_says_so() -> None:
    events = [Called("101", "c", 10.0, 10.001), Called("101", "c", 20.0, 20.001), Called("102", "d", 10.0, 10.001)]
    cards = [
        Drawn("101", "c", "ringing", False, 10.011),
        Drawn("101", "c", "ringing", True, 10.021),
        Drawn("101", "c", "ringing", True, 20.006),
    ]
    first, second, never = pops(events, cards, {"101", "102"})
    assert first.first == pytest.approx(0.010)
    assert first.complete == pytest.approx(0.020)
    assert second.first == second.complete
    assert second.complete == pytest.approx(0.005)
    assert never.complete is None


def test_a_card_that_never_came_is_the_longest_wait_of_all() -> None:
    events = [Called("101", "c", 10.0, 10.0), Called("102", "d", 10.0, 10.0)]
    found = summary(pops(events, [Drawn("101", "c", "ringing", True, 10.01)], {"101", "102"}))
    assert (found.count, found.never, found.longest, found.whole_at_once) == (2, 1, float("inf"), 0.5)
