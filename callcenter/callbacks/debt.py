"""The debts to one number of one provider, told from all that happened with it. Pure.

Nothing here knows in which order the calls became known: the same calls make the same debts. A miss is paid by the
first conversation that began after it, misses that no conversation divides are one debt, and a call of ours that did
not reach the subscriber is an attempt to pay the debt that stood open then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Final, Literal

from callcenter.callbacks.duty import Result, Said, Terms
from callcenter.words import UniqueId

GOT_THROUGH: Final = "got_through"
CALLED_BACK: Final = "called_back"
ASKED: Final = "asked_callback"
"""The outcome of a caller who asked to be called back in their turn."""
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Missed:
    """One call that never reached a human."""

    at: datetime
    call: UniqueId
    outcome: str
    waited_s: float | None
    queue: str = ""
    queued_at: datetime | None = None

    def in_queue(self, queue: str) -> Missed:
        return replace(self, queue=queue)


@dataclass(frozen=True, slots=True, order=True)
class Tried:
    """One call of ours to the number that is over. ``said`` is what the agent heard, when it was not the subscriber."""

    at: datetime
    call: UniqueId
    agent: str
    result: Result
    talked_s: float
    connected_at: datetime | None
    meant: bool
    """It was placed from a callback, and not just dialled."""
    said: Said = ""
    said_at: datetime | None = None

    @property
    def reached(self) -> bool:
        """They talked long enough, and it was the subscriber: a voice mail or a stranger pays nothing."""
        return self.result == "answered" and self.connected_at is not None and not self.said


@dataclass(frozen=True, slots=True, order=True)
class Proof:
    """A conversation with the subscriber, from its beginning."""

    at: datetime
    call: UniqueId
    reason: Literal["got_through", "called_back"]


@dataclass(frozen=True, slots=True)
class Acts:
    """What people decided of this number."""

    try_again: tuple[datetime, ...] = ()
    place_lost: tuple[datetime, ...] = ()

    @classmethod
    def joined(cls, each: Iterable[Acts]) -> Acts:
        found = list(each)
        return cls(
            tuple(at for acts in found for at in acts.try_again), tuple(at for acts in found for at in acts.place_lost)
        )

    @property
    def tried_again_at(self) -> datetime | None:
        return max(self.try_again, default=None)


@dataclass(frozen=True, slots=True)
class Debt:
    """Misses that are owed one callback, what was tried to pay it, and what paid it."""

    missed: tuple[Missed, ...]
    tried: tuple[Tried, ...]
    paid: Proof | None

    @property
    def opened_at(self) -> datetime:
        return self.missed[0].at

    @property
    def last_missed_at(self) -> datetime:
        return self.missed[-1].at

    def next_try_at(self, terms: Terms, acts: Acts) -> datetime | None:
        """Calls back to one number are as far apart as the provider wants them; the lead may say: now."""
        vain = self._in_vain(acts)
        if self.paid is not None or not vain or self.decision_since(terms, acts) is not None:
            return None
        return vain[-1].at + terms.every

    def decision_since(self, terms: Terms, acts: Acts) -> datetime | None:
        """After so many attempts in vain, or when a stranger took the call, the shift lead decides how it goes on."""
        if self.paid is not None:
            return None
        vain = self._in_vain(acts)
        since = [vain[terms.attempts - 1].at] if len(vain) >= terms.attempts else []
        again = acts.tried_again_at
        since += [
            each.said_at
            for each in self.tried
            if each.said == "wrong_number" and each.said_at is not None and (again is None or each.said_at > again)
        ]
        return min(since, default=None)

    def kept(self, acts: Acts) -> tuple[str, datetime] | None:
        """Who asked to keep their place has it, from when they joined the queue, until somebody has tried to call."""
        if self.paid is not None:
            return None
        over = max((*(each.at for each in self.tried), *acts.place_lost), default=None)
        asked = [
            (each.queued_at, each.queue)
            for each in self.missed
            if each.outcome == ASKED and each.queue and each.queued_at is not None and (over is None or each.at > over)
        ]
        if not asked:
            return None
        since, queue = min(asked)
        return queue, since

    def _in_vain(self, acts: Acts) -> list[Tried]:
        again = acts.tried_again_at
        return [each for each in self.tried if not each.reached and (again is None or each.at >= again)]


def debts(missed: Iterable[Missed], talks: Iterable[Proof], tried: Iterable[Tried]) -> tuple[Debt, ...]:
    """Every miss is in exactly one debt; at most one debt is open, and it is the last one."""
    attempts = sorted(tried)
    reached = (
        Proof(each.connected_at, each.call, CALLED_BACK) for each in attempts if each.reached and each.connected_at
    )
    proofs = sorted({*talks, *reached})
    groups = [
        (paid, tuple(each)) for paid, each in groupby(sorted(missed), key=lambda miss: _first_after(proofs, miss.at))
    ]
    of_group: list[list[Tried]] = [[] for _ in groups]
    for attempt in attempts:
        found = _whose(groups, attempt)
        if found is not None:
            of_group[found].append(attempt)
    return tuple(Debt(each, tuple(own), paid) for (paid, each), own in zip(groups, of_group, strict=True))


def _first_after(proofs: Sequence[Proof], at: datetime) -> Proof | None:
    place = bisect_right(proofs, at, key=lambda proof: proof.at)
    return proofs[place] if place < len(proofs) else None


def _whose(groups: Sequence[tuple[Proof | None, tuple[Missed, ...]]], attempt: Tried) -> int | None:
    """An attempt is of the debt it paid, else of the one open then; one that came too late is of the last before."""
    before = None
    for place, (paid, missed) in enumerate(groups):
        if paid is not None and paid.call == attempt.call:
            return place
        if missed[0].at > attempt.at:
            break
        before = place
        if attempt.at < (_NEVER if paid is None else paid.at):
            return place
    return before if attempt.meant or attempt.said else None
