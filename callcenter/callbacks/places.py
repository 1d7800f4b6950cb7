"""Who is called back now of those who kept their place in line. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class KeptPlace:
    """A caller who hung up and kept their place: since when they wait, in which queue."""

    callback: int
    queue: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """This agent's phone is to ring for this place."""

    callback: int
    agent: str


def offers(
    places: Iterable[KeptPlace],
    waiting: Mapping[str, Sequence[datetime]],
    free: Mapping[str, Sequence[str]],
    ringing: Collection[str],
) -> tuple[Offer, ...]:
    """A place is called back when nobody in its queue waits longer; never more places ring than agents are free.

    ``waiting`` is since when callers wait in each queue; ``free`` the agents of each queue who could take a call, in
    the order in which they are to be rung; ``ringing`` the agents whose phones ring for a place already.
    """
    taken, made = set(ringing), []
    for place in sorted(places, key=lambda each: (each.since, each.callback)):
        before = sum(since < place.since for since in waiting.get(place.queue, ()))
        agents = [agent for agent in free.get(place.queue, ()) if agent not in taken]
        if len(agents) > before:
            agent = agents[before]
            taken.add(agent)
            made.append(Offer(place.callback, agent))
    return tuple(made)


def is_first_for(
    agent_queues: Collection[str], places: Iterable[KeptPlace], waiting: Mapping[str, Sequence[datetime]]
) -> KeptPlace | None:
    """The place an agent who has just become free is to call before any caller of their queues, if there is one."""
    mine = sorted((each for each in places if each.queue in agent_queues), key=lambda each: (each.since, each.callback))
    for place in mine:
        if all(since >= place.since for queue in agent_queues for since in waiting.get(queue, ())):
            return place
    return None
