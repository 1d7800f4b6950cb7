"""What the figures of a report mean: counts that add up, and the shares and averages that are made of them. Pure.

Lengths are counted in whole milliseconds: sums are exact, so a page, a file and a wallboard show one value.
A share or an average of nothing is ``None``, which is shown as a dash, never as zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Final, Self

SERVED: Final = "answered"
OUT_OF_HOURS: Final = "closed"
LEFT: Final = ("left_before_answer", "left_in_greeting", "left_waiting", "left_ringing")
"""Who hung up by themselves: of these a very short one may be left out."""
_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


def is_short_abandon(outcome: str, waited_s: float | None, short_abandon_s: int) -> bool:
    """A caller who hung up sooner than the provider's limit is left out of the figures; the callback is owed anyway."""
    return outcome in LEFT and waited_s is not None and waited_s < short_abandon_s


def is_in_time(outcome: str, waited_s: float | None, service_level_s: int) -> bool:
    """A call counts for the service level when an agent took it within the provider's seconds from the queue."""
    return outcome == SERVED and waited_s is not None and waited_s <= service_level_s


def share(part: float, whole: float) -> float | None:
    """A part of a whole between 0 and 1; of nothing there is none."""
    return part / whole if whole else None


def average_s(total_ms: int, count: int) -> float | None:
    """The average length in seconds; of nothing there is none."""
    return total_ms / 1000 / count if count else None


@dataclass(frozen=True, slots=True)
class _Sum:
    """Counts of different things add up field by field."""

    def __add__(self, other: Self) -> Self:
        return type(self)(
            **{each.name: _joined(getattr(self, each.name), getattr(other, each.name)) for each in fields(self)}
        )

    @classmethod
    def of(cls, parts: Iterable[Self]) -> Self:
        """All of them together."""
        whole = cls()
        for part in parts:
            whole = whole + part
        return whole


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest of several lengths, in milliseconds."""

    ms: int = 0

    def __add__(self, other: Longest) -> Longest:
        return self if self.ms >= other.ms else other


def _joined(one: object, other: object) -> object:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: one.get(key, 0) + other.get(key, 0) for key in (*one, *(k for k in other if k not in one))}
    return one + other  # type: ignore[operator]  # two counts, or two Longest


@dataclass(frozen=True, slots=True)
class Tally(_Sum):
    """What was counted of calls that are over: the inbound ones of a provider, and those our agents made."""

    outcomes: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    """Inbound calls by how they ended, without the short abandons."""
    short: int = 0
    """Callers who hung up sooner than the provider's limit: in ``came``, and in nothing else."""
    in_time: int = 0
    wait_ms: int = 0
    """Waiting of the answered, from the queue (or from the arrival, where there was no queue) to the agent."""
    lost_wait_ms: int = 0
    """Waiting of the missed."""
    longest: Longest = field(default_factory=Longest)
    """The longest anybody waited, answered or not."""
    talk_ms: int = 0
    """Of the answered inbound calls, as are the next two."""
    held_ms: int = 0
    wrap_ms: int = 0
    transferred: int = 0
    """Answered calls that an agent handed on."""
    numbered: int = 0
    """Inbound calls whose number is known: only they can be told to repeat."""
    repeats_day: int = 0
    """Of them, those whose number had called the same provider in the 24 hours before."""
    repeats_week: int = 0
    """The same within seven days."""
    out: int = 0
    """Calls our agents made to subscribers."""
    out_reached: int = 0
    out_talk_ms: int = 0

    @property
    def came(self) -> int:
        """Every inbound call that is over."""
        return sum(self.outcomes.values()) + self.short

    @property
    def closed(self) -> int:
        """Calls outside the provider's hours: owed a callback, but offered to nobody."""
        return self.outcomes.get(OUT_OF_HOURS, 0)

    @property
    def offered(self) -> int:
        """Calls that came while the provider is served, without the short abandons."""
        return self.came - self.short - self.closed

    @property
    def answered(self) -> int:
        return self.outcomes.get(SERVED, 0)

    @property
    def missed(self) -> int:
        """Calls that were offered and reached no human."""
        return self.offered - self.answered

    @property
    def abandoned(self) -> int:
        """Callers who hung up by themselves before a human answered, without the short abandons."""
        return sum(self.outcomes.get(kind, 0) for kind in LEFT)

    @property
    def kinds(self) -> Mapping[str, int]:
        """The missed by kind, the most frequent first."""
        missed = (
            (kind, count) for kind, count in self.outcomes.items() if count and kind not in {SERVED, OUT_OF_HOURS}
        )
        return dict(sorted(missed, key=lambda each: (-each[1], each[0])))

    @property
    def service_level(self) -> float | None:
        """Of the calls offered, the share that an agent took within the provider's seconds from the queue."""
        return share(self.in_time, self.offered)

    @property
    def answered_share(self) -> float | None:
        """Of the calls offered, the share that reached a human."""
        return share(self.answered, self.offered)

    @property
    def abandonment(self) -> float | None:
        """Of the calls offered, the share whose caller hung up by themselves."""
        return share(self.abandoned, self.offered)

    @property
    def answer_s(self) -> float | None:
        """Average speed of answer (ASA): how long those who were answered waited, on average."""
        return average_s(self.wait_ms, self.answered)

    @property
    def patience_s(self) -> float | None:
        """How long those who were missed waited, on average."""
        return average_s(self.lost_wait_ms, self.missed)

    @property
    def longest_s(self) -> float | None:
        return self.longest.ms / 1000 if self.came else None

    @property
    def talk_s(self) -> float | None:
        """The average conversation of an answered call."""
        return average_s(self.talk_ms, self.answered)

    @property
    def handling_s(self) -> float | None:
        """Average handling time (AHT): talk, hold and wrap-up of an answered call."""
        return average_s(self.talk_ms + self.held_ms + self.wrap_ms, self.answered)

    @property
    def repeat_day(self) -> float | None:
        """Of the callers with a number, the share who had called the same provider in the 24 hours before."""
        return share(self.repeats_day, self.numbered)

    @property
    def repeat_week(self) -> float | None:
        """Of the callers with a number, the share who had called the same provider in the seven days before."""
        return share(self.repeats_week, self.numbered)

    @property
    def out_share(self) -> float | None:
        """Of the calls our agents made, the share that reached the subscriber."""
        return share(self.out_reached, self.out)


@dataclass(frozen=True, slots=True)
class Debts(_Sum):
    """What became of missed calls: callbacks by when they were opened, and by when they were closed."""

    opened: int = 0
    paid: int = 0
    """Closed by proof: we reached them, or they got through."""
    in_promise: int = 0
    """Of the paid, those paid before they were due."""
    named: int = 0
    """Closed by a person with a reason and a name."""
    pay_ms: int = 0
    """From the first miss to the proof, of the paid."""

    @property
    def pay_s(self) -> float | None:
        """How long a caller waited to be talked to after the first miss, on average of the paid."""
        return average_s(self.pay_ms, self.paid)

    @property
    def promise_kept(self) -> float | None:
        """Of the paid, the share that was paid before it was due."""
        return share(self.in_promise, self.paid)


@dataclass(frozen=True, slots=True)
class Work(_Sum):
    """What an agent did for the providers one looks at."""

    taken: int = 0
    """Inbound calls the agent talked in, of those that were answered."""
    not_taken: int = 0
    """Inbound calls that rang at the agent's phone and in which they did not talk."""
    talk_ms: int = 0
    """Conversation in the calls taken: the agent's own part of a call that was handed on."""
    held_ms: int = 0
    """Hold in the calls taken; of a call that was handed on, with the agent who took it first."""
    wrap_ms: int = 0
    """Wrap-up after the calls taken."""
    out: int = 0
    out_reached: int = 0
    out_talk_ms: int = 0
    signed_in_ms: int = 0
    """Time from sign-in to sign-out, whatever the agent did in it."""
    busy_ms: int = 0
    """Of it: ringing, talking, on hold, and wrap-up of these providers' calls."""
    paused_ms: int = 0

    @property
    def handling_s(self) -> float | None:
        """Average handling time (AHT): talk, hold and wrap-up of a call taken."""
        return average_s(self.talk_ms + self.held_ms + self.wrap_ms, self.taken)

    @property
    def talk_s(self) -> float | None:
        return average_s(self.talk_ms, self.taken)

    @property
    def occupancy(self) -> float | None:
        """Of the time the agent was signed in, the share that calls took: ringing, talk, hold and wrap-up."""
        return share(self.busy_ms, self.signed_in_ms)

    @property
    def taken_share(self) -> float | None:
        """Of the calls that rang at the agent's phone, the share they took."""
        return share(self.taken, self.taken + self.not_taken)
