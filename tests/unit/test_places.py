"""Whose turn it is of those who kept their place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from callcenter.callbacks.places import KeptPlace, Offer, is_first_for, offers

NOON = datetime(2026, 11, 23, 10, tzinfo=UTC)


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def test_a_place_is_called_when_nobody_waits_longer() -> None:
    place = KeptPlace(7, "sky", at(5))
    assert offers([place], {}, {"sky": ["101"]}, ()) == (Offer(7, "101"),)
    assert offers([place], {"sky": [at(6)]}, {"sky": ["101"]}, ()) == (Offer(7, "101"),)
    assert offers([place], {"sky": [at(4)]}, {"sky": ["101"]}, ()) == ()
    assert offers([place], {"sky": [at(4)]}, {"sky": ["101", "102"]}, ()) == (Offer(7, "102"),)
    assert offers([place], {"net": [at(4)]}, {"net": ["101"]}, ()) == ()


def test_an_agent_whose_phone_rings_for_a_place_is_not_free() -> None:
    place = KeptPlace(7, "sky", at(5))
    assert offers([place], {}, {"sky": ["101"]}, {"101"}) == ()
    assert offers([place, KeptPlace(8, "sky", at(6))], {}, {"sky": ["101"]}, ()) == (Offer(7, "101"),)


def test_who_waits_longer_in_one_queue_keeps_the_agent_from_a_place_in_another() -> None:
    place = KeptPlace(7, "net", at(5))
    both = {"sky": ["101"], "net": ["101"]}
    assert offers([place], {"sky": [at(4)]}, both, ()) == ()
    assert offers([place], {"sky": [at(6)]}, both, ()) == (Offer(7, "101"),)
    assert offers([place], {"sky": [at(4)]}, {**both, "net": ["101", "102"]}, ()) == (Offer(7, "102"),)


def test_a_caller_of_the_same_moment_is_served_first() -> None:
    assert offers([KeptPlace(7, "sky", at(5))], {"sky": [at(5)]}, {"sky": ["101"]}, ()) == ()


def test_who_becomes_free_calls_the_oldest_of_their_queues_first() -> None:
    places = [KeptPlace(8, "net", at(6)), KeptPlace(7, "sky", at(5))]
    assert is_first_for({"sky", "net"}, places, {}) == places[1]
    assert is_first_for({"net"}, places, {}) == places[0]
    assert is_first_for({"sky", "net"}, places, {"net": [at(4)]}) is None
    assert is_first_for({"sky", "net"}, places, {"net": [at(5.5)]}) == places[1]
    assert is_first_for({"tv"}, places, {}) is None


QUEUES = st.sampled_from(["sky", "net"])
AGENTS = ["101", "102", "103", "104"]


@given(
    st.lists(st.tuples(QUEUES, st.integers(0, 20)), max_size=8),
    st.lists(st.tuples(QUEUES, st.integers(0, 20)), max_size=8),
    st.fixed_dictionaries({"sky": st.permutations(AGENTS), "net": st.lists(st.sampled_from(AGENTS), unique=True)}),
    st.sets(st.sampled_from(AGENTS)),
)
def test_never_more_places_ring_than_agents_are_free_and_none_jumps_the_line(
    kept: list[tuple[str, int]], lines: list[tuple[str, int]], free: dict[str, list[str]], ringing: set[str]
) -> None:
    """Pain 3: callbacks jump over people who wait, or flood agents."""
    places = [KeptPlace(number, queue, at(minute)) for number, (queue, minute) in enumerate(kept)]
    waiting: dict[str, list[datetime]] = {}
    for queue, minute in lines:
        waiting.setdefault(queue, []).append(at(minute))
    made = offers(places, waiting, free, ringing)
    agents = [offer.agent for offer in made]
    assert len(set(agents)) == len(agents)
    assert not set(agents) & ringing
    kept_at = {place.callback: place for place in places}
    for offer in made:
        place = kept_at[offer.callback]
        assert offer.agent in free[place.queue]
        older = sum(since < place.since for since in waiting.get(place.queue, ()))
        assert len([agent for agent in free[place.queue] if agent not in ringing]) > older
        passed = [each for each in places if each.queue == place.queue and each.since < place.since]
        assert {each.callback for each in passed} <= {each.callback for each in made}
