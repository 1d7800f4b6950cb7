"""What a screen pop cost: agents called in the AMI stream, cards on their pages, and the time between. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from bench.crowd import Drawn

_FRAME = re.compile(rb"Event: AgentCalled\r\n(?:[^\r\n]+\r\n)+\r\n")
_FIELD = re.compile(rb"^(Timestamp|Interface|Uniqueid): ([^\r]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Called:
    """An agent's phone is about to ring. ``said_at``: Asterisk's own stamp; ``left_at``: its bytes passed the tap."""

    agent: str
    call: str
    said_at: float
    left_at: float


@dataclass(frozen=True, slots=True)
class Pop:
    """Seconds from the event to the first card and to the complete one; ``None``: it never stood there."""

    agent: str
    first: float | None
    complete: float | None
    complete_said: float | None
    """As ``complete``, counted from Asterisk's own stamp."""


def called(stream: Sequence[tuple[float, bytes]]) -> list[Called]:
    """Every AgentCalled of the stream; its time is when the piece that ends it came."""
    whole = b"".join(piece for _, piece in stream)
    ends = list(accumulate(len(piece) for _, piece in stream))
    found = []
    for frame in _FRAME.finditer(whole):
        fields = dict(_FIELD.findall(frame[0]))
        left_at = stream[bisect_right(ends, frame.end() - 1)][0]
        agent = fields[b"Interface"].decode().rpartition("-")[2]
        found.append(Called(agent, fields[b"Uniqueid"].decode(), float(fields[b"Timestamp"]), left_at))
    return found


def pops(events: Iterable[Called], cards: Iterable[Drawn], agents: set[str]) -> list[Pop]:
    """For each time one of these agents was called: the cards that came after it, until they were called again."""
    ringing: dict[tuple[str, str], list[Drawn]] = defaultdict(list)
    for card in cards:
        ringing[card.agent, card.call].append(card)
    calls: dict[tuple[str, str], list[Called]] = defaultdict(list)
    for event in events:
        if event.agent in agents:
            calls[event.agent, event.call].append(event)
    out = []
    for key, events_of in calls.items():
        starts = [event.said_at for event in events_of] + [float("inf")]
        for event, until in zip(events_of, starts[1:], strict=True):
            came = sorted((c for c in ringing[key] if event.said_at <= c.at < until), key=lambda card: card.at)
            first = next(iter(came), None)
            whole = next((card for card in came if card.complete), None)
            out.append(
                Pop(
                    event.agent,
                    None if first is None else first.at - event.left_at,
                    None if whole is None else whole.at - event.left_at,
                    None if whole is None else whole.at - event.said_at,
                )
            )
    return out


@dataclass(frozen=True, slots=True)
class Summary:
    """Milliseconds; a pop that never came counts as the longest."""

    count: int
    p50: float
    p95: float
    p99: float
    longest: float
    p99_said: float
    never: int
    whole_at_once: float
    """Share of cards that were complete in their first frame."""


def summary(found: Sequence[Pop]) -> Summary:
    never = sum(pop.complete is None for pop in found)
    took = sorted(float("inf") if pop.complete is None else pop.complete * 1000 for pop in found)
    said = sorted(float("inf") if pop.complete_said is None else pop.complete_said * 1000 for pop in found)
    at_once = sum(pop.complete is not None and pop.complete == pop.first for pop in found)
    return Summary(
        count=len(found),
        p50=share(took, 0.5),
        p95=share(took, 0.95),
        p99=share(took, 0.99),
        longest=took[-1],
        p99_said=share(said, 0.99),
        never=never,
        whole_at_once=at_once / len(found),
    )


def share(ordered: Sequence[float], part: float) -> float:
    """The value that this part of all does not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
