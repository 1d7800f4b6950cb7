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

    Whoever is on the line and whoever kept their place stand in one line: each in turn has the first free agent of
    their queue. ``waiting`` is since when callers wait in each queue; ``free`` the agents of each queue who could take
    a call, in the order in which they are to be rung; ``ringing`` the agents whose phones ring for a place already.
    """
    taken, made = set(ringing), []
    line = [(since, 0, 0, queue) for queue, callers in waiting.items() for since in callers]
    line += [(place.since, 1, place.callback, place.queue) for place in places]
    for _, kept, callback, queue in sorted(line):
        agent = next((each for each in free.get(queue, ()) if each not in taken), None)
        if agent is None:
            continue
        taken.add(agent)
        if kept:
            made.append(Offer(callback, agent))
    return tuple(made)


def is_first_for(
    agent_queues: Collection[str], places: Iterable[KeptPlace], waiting: Mapping[str, Sequence[datetime]]
) -> KeptPlace | None:
    """The place an agent who has just become free is to call before any caller of their queues, if there is one."""
    mine = min(
        (each for each in places if each.queue in agent_queues),
        key=lambda each: (each.since, each.callback),
        default=None,
    )
    if mine is None or any(since < mine.since for queue in agent_queues for since in waiting.get(queue, ())):
        return None
    return mine
