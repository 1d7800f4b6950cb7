"""How well a talk is heard: the E-model's own figures, and nothing that hostile counts could break."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.calls.quality import FAIR_MOS, GOOD_MOS, Heard, Way, mos, word

counts = st.integers(-(2**40), 2**40)
times = st.none() | st.floats(0, 600_000)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (Way(1000, 0, 1, 20), Heard.GOOD),
        (Way(990, 10, 5, 60), Heard.GOOD),
        (Way(960, 40, 20, 150), Heard.FAIR),
        (Way(850, 150, 30, 200), Heard.BAD),
        (Way(1000, 0, 10, 1200), Heard.BAD),
        (Way(0, 0), None),
        (Way(0, 500), None),
    ],
)
def test_what_is_said_of_a_talk(way: Way, said: Heard | None) -> None:
    assert word(mos(way)) is said


def test_a_line_without_fault_is_as_good_as_the_model_knows() -> None:
    assert mos(Way(10_000, 0, 0.0, 0.0)) == pytest.approx(4.39, abs=0.03)
    assert GOOD_MOS > FAIR_MOS


def test_a_receiver_that_counts_below_nothing_has_lost_nothing() -> None:
    assert Way(100, -3).loss == 0.0


@given(counts, counts, times, times)
def test_no_counts_make_a_score_that_cannot_be(
    packets: int, lost: int, jitter: float | None, rtt: float | None
) -> None:
    way = Way(packets, lost, jitter, rtt)
    score = mos(way)
    assert 0 <= way.loss <= 1 or packets < 0
    assert score is None or 1.0 <= score <= 4.5


@given(st.integers(1, 10_000), st.integers(0, 10_000), st.integers(1, 500))
def test_more_loss_is_never_heard_better(packets: int, lost: int, more: int) -> None:
    better, worse = mos(Way(packets, lost)), mos(Way(packets, lost + more))
    assert better is not None
    assert worse is not None
    assert worse <= better
