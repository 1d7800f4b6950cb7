"""The proof of completeness: what the journal's files tell of a day, held against what the database kept. Pure.

Nothing here trusts the database: the calls were folded anew. What is known to differ without anything being lost is
told apart: calls that only a witness saw, ends that the journal never had, a provider's rule that was another then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from callcenter.calls.outcome import CallOutcome
from callcenter.calls.record import Direction
from callcenter.words import UniqueId


class Kind(StrEnum):
    """How the database can differ from the journal."""

    CALL_MISSING = "call_missing"
    """The journal tells of a call that the database does not have."""
    NOT_IN_JOURNAL = "not_in_journal"
    """The database has a call of the journal that no file of it tells."""
    NOT_OWNED = "not_owned"
    """A call on a provider's number is still nobody's."""
    OUTCOME_DIFFERS = "outcome_differs"
    NUMBER_DIFFERS = "number_differs"
    MISS_WITHOUT_CALLBACK = "miss_without_callback"
    OTHERS_CALLBACK = "others_callback"
    """A miss is counted in a callback of another number or provider."""
    OWED_WITHOUT_MISS = "owed_without_miss"
    """An answered call is counted as a miss."""
    MISSES_MISCOUNTED = "misses_miscounted"
    """A callback's number of misses is not that of the misses it has."""
    CLOSED_WITHOUT_PROOF = "closed_without_proof"
    TWO_FOR_ONE_NUMBER = "two_for_one_number"


class Known(StrEnum):
    """What differs, and is no difference."""

    IN_PROGRESS = "in_progress"
    WITNESSED = "witnessed"
    """Only AMI or queue_log saw the call: it has its callback all the same."""
    END_UNSEEN = "end_unseen"
    """A witness or the passing of hours ended it: the journal has no row of its end."""
    CORRECTED = "corrected"
    """Taken for missed until late rows proved that it was answered."""
    OTHER_RULE = "other_rule"
    """Owed a callback by the rule of then, answered by the rule of now."""
    BEFORE_JOURNAL = "before_journal"
    """Older than the oldest row that is kept."""


@dataclass(frozen=True, slots=True)
class Told:
    """A call as the journal's files tell it."""

    id: UniqueId
    provider: int | None
    """Whose the book says it is."""
    direction: Direction
    number: str
    arrived_at: datetime
    outcome: str | None
    """``None`` while it goes on."""
    missed: bool
    """It is over and owed a callback, if it is somebody's."""
    settled: bool = True
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Kept:
    """A call as the database has it."""

    id: UniqueId
    provider: int | None
    direction: Direction
    number: str
    arrived_at: datetime
    outcome: str | None
    source: str
    """``journal``, or the witness that alone saw it."""
    connected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """A miss as it is counted in a callback."""

    call: UniqueId
    callback: int
    outcome: str
    missed_at: datetime


@dataclass(frozen=True, slots=True)
class Owed:
    """A callback as the database has it."""

    id: int
    provider: int
    number: str
    opened_at: datetime
    misses: int
    """How many it says it has."""
    missed: int
    """How many it has."""
    closed_at: datetime | None = None
    reason: str | None = None
    closed_by_call: str | None = None
    closed_by: str = ""
    note: str = ""
    said: str = ""
    """What the agent heard in the call that closed it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it must be; ``what`` names it for a human, without the caller's number."""

    kind: Kind
    call: str = ""
    callback: int | None = None
    what: str = ""


@dataclass(frozen=True, slots=True)
class DayLine:
    """A provider's day: so many calls, so many misses, so many of them with their callback."""

    calls: int
    misses: int
    callbacks: int
    differences: tuple[Difference, ...] = ()
    known: Mapping[Known, int] = field(default_factory=dict)

    @property
    def difference(self) -> int:
        return len(self.differences)


GOT_THROUGH, CALLED_BACK, CORRECTED = "got_through", "called_back", "corrected"
PROVEN = (GOT_THROUGH, CALLED_BACK)


@dataclass(frozen=True, slots=True)
class Books:
    """Everything the database says that one day of one provider can be held against."""

    calls: Mapping[UniqueId, Kept]
    """The calls of the day, and those that closed its callbacks."""
    misses: Mapping[UniqueId, Counted]
    callbacks: Mapping[int, Owed]
    """Those that the day's misses are in, and all that are open or overlap them."""


def told_once(records: Iterable[Told]) -> dict[UniqueId, Told]:
    """Late rows of a settled call tell less than its whole story: that one stands."""
    found: dict[UniqueId, Told] = {}
    for each in records:
        before = found.get(each.id)
        if before is None or each.whole or not before.settled:
            found[each.id] = each
    return found


def hold_against(
    told: Mapping[UniqueId, Told],
    kept: Sequence[Kept],
    books: Books,
    tellable: Mapping[UniqueId, Told] | None = None,
    begins_at: datetime | None = None,
) -> DayLine:
    """Every call of the day is in the database as the journal tells it, and every miss has its one callback.

    ``told`` and ``kept`` are the calls of one provider and day; ``tellable`` is all that was folded, of other days too:
    the proof of a callback may be among it. ``begins_at`` is the oldest row that is kept.
    """
    tellable = told if tellable is None else tellable
    audit = _Audit(books, tellable)
    mine = {each.id: each for each in kept}
    for call in told.values():
        audit.told(call, mine.get(call.id) or books.calls.get(call.id))
    for row in kept:
        if row.id not in tellable:
            audit.untold(row, begins_at)
    for callback in sorted({books.misses[call].callback for call in (*told, *mine) if call in books.misses}):
        if callback in books.callbacks:
            audit.callback(books.callbacks[callback])
    audit.doubles({row.provider for row in kept})
    return audit.line()


class _Audit:
    """Goes through one day and takes down what differs."""

    def __init__(self, books: Books, tellable: Mapping[UniqueId, Told]) -> None:
        self._books = books
        self._tellable = tellable
        self._found: list[Difference] = []
        self._known: Counter[Known] = Counter()
        self._calls = self._misses = self._held = 0

    def line(self) -> DayLine:
        return DayLine(self._calls, self._misses, self._held, tuple(self._found), dict(self._known))

    def told(self, call: Told, row: Kept | None) -> None:
        inbound = call.direction == "in"
        self._calls += inbound and call.outcome is not None
        if row is None:
            self._misses += call.missed
            what = f"{call.outcome or 'in progress'}, arrived {call.arrived_at:%F %T} UTC"
            self._say(Kind.CALL_MISSING, call.id, what)
            return
        if call.outcome is None:
            self._unended(row)
            return
        if row.provider is None and call.provider is not None:
            self._say(Kind.NOT_OWNED, call.id, "its number is a provider's")
        if row.number != call.number:
            self._say(Kind.NUMBER_DIFFERS, call.id, "the caller's number is another in the journal")
        missed = call.missed
        if row.outcome != call.outcome:
            if _was_another_rule(row.outcome, call.outcome):
                self._known[Known.OTHER_RULE] += 1
                missed = inbound
            else:
                self._say(Kind.OUTCOME_DIFFERS, call.id, f"{row.outcome or 'in progress'}, told {call.outcome}")
        self._duty(call.id, row, missed=missed)

    def _unended(self, row: Kept) -> None:
        """The journal has no end of it yet; the database may have one that a witness saw."""
        if row.outcome is None:
            self._known[Known.IN_PROGRESS] += 1
            return
        self._known[Known.END_UNSEEN] += 1
        self._calls += row.direction == "in"
        self._duty(row.id, row, missed=_owed(row))

    def untold(self, row: Kept, begins_at: datetime | None) -> None:
        if row.source != "journal":
            self._known[Known.WITNESSED] += 1
        elif begins_at is None or row.arrived_at < begins_at:
            self._known[Known.BEFORE_JOURNAL] += 1
            return
        else:
            self._say(Kind.NOT_IN_JOURNAL, row.id, f"{row.outcome}, arrived {row.arrived_at:%F %T} UTC")
        self._calls += row.direction == "in" and row.outcome is not None
        self._duty(row.id, row, missed=_owed(row))

    def _duty(self, call: UniqueId, row: Kept, *, missed: bool) -> None:
        """A miss is in a callback of its own number, an answered call in none."""
        missed = missed and row.provider is not None
        self._misses += missed
        miss = self._books.misses.get(call)
        if not missed:
            if miss is not None and miss.outcome == CallOutcome.ANSWERED:
                self._known[Known.CORRECTED] += 1
            elif miss is not None:
                self._say(Kind.OWED_WITHOUT_MISS, call, f"answered, and counted as {miss.outcome}", miss.callback)
            return
        if miss is None:
            self._say(Kind.MISS_WITHOUT_CALLBACK, call, str(row.outcome))
            return
        if miss.outcome == CallOutcome.ANSWERED:
            self._say(Kind.MISS_WITHOUT_CALLBACK, call, f"{row.outcome}, and counted as answered", miss.callback)
            return
        owed = self._books.callbacks.get(miss.callback)
        if owed is None:
            self._say(Kind.MISS_WITHOUT_CALLBACK, call, f"{row.outcome}: there is no callback", miss.callback)
            return
        self._held += 1
        if (owed.provider, owed.number) != (row.provider, row.number):
            self._say(Kind.OTHERS_CALLBACK, call, "its callback is another number's or provider's", owed.id)
        self._paid_after(miss, owed)

    def _paid_after(self, miss: Counted, owed: Owed) -> None:
        """A conversation pays only what was missed before it."""
        proof = self._books.calls.get(UniqueId(owed.closed_by_call or ""))
        if owed.reason not in PROVEN or proof is None or proof.connected_at is None:
            return
        if proof.connected_at <= miss.missed_at:
            self._say(Kind.CLOSED_WITHOUT_PROOF, miss.call, f"call {proof.id} was talked before this miss", owed.id)

    def callback(self, owed: Owed) -> None:
        if not owed.closed_by and owed.reason != CORRECTED and owed.misses != owed.missed:
            self._say(Kind.MISSES_MISCOUNTED, "", f"says {owed.misses}, has {owed.missed}", owed.id)
        if owed.closed_at is not None and (why := self._unproven(owed)):
            self._say(Kind.CLOSED_WITHOUT_PROOF, owed.closed_by_call or "", why, owed.id)

    def _unproven(self, owed: Owed) -> str:
        """What its end lacks; nothing for one that a conversation, or a person with a name and a note, has closed."""
        if owed.reason == CORRECTED:
            return "" if not owed.missed else f"corrected, and {owed.missed} of its calls were missed"
        if owed.reason not in PROVEN:
            named = owed.closed_by and (owed.note or owed.reason == "no_number")
            return "" if named else f"{owed.reason}, without a name or a note"
        proof = self._books.calls.get(UniqueId(owed.closed_by_call or ""))
        if proof is None:
            return f"{owed.reason} by a call that is not there"
        told = self._tellable.get(proof.id)
        outcome = proof.outcome if told is None or told.outcome is None else told.outcome
        if outcome != CallOutcome.ANSWERED or proof.outcome != CallOutcome.ANSWERED:
            return f"{owed.reason} by a call that was {outcome}"
        if (proof.provider, proof.number) != (owed.provider, owed.number):
            return f"{owed.reason} by a call with another number or provider"
        if proof.direction != ("in" if owed.reason == GOT_THROUGH else "out"):
            return f"{owed.reason} by a call of the other direction"
        return f"{owed.reason}, and the agent heard: {owed.said}" if owed.said else ""

    def doubles(self, providers: Collection[int | None]) -> None:
        """At any moment a number has one callback at most, whatever people have closed beside it."""
        of_number: dict[tuple[int, str], list[Owed]] = defaultdict(list)
        for owed in self._books.callbacks.values():
            if owed.provider in providers and not owed.closed_by and owed.reason != CORRECTED:
                of_number[owed.provider, owed.number].append(owed)
        for several in of_number.values():
            for one, following in pairwise(sorted(several, key=lambda owed: (owed.opened_at, owed.id))):
                if one.closed_at is None or one.closed_at > following.opened_at:
                    self._say(Kind.TWO_FOR_ONE_NUMBER, "", f"beside callback {one.id}", following.id)

    def _say(self, kind: Kind, call: str, what: str, callback: int | None = None) -> None:
        self._found.append(Difference(kind, call, callback, what))


def _owed(row: Kept) -> bool:
    return row.direction == "in" and row.outcome is not None and row.outcome != CallOutcome.ANSWERED


def _was_another_rule(kept: str | None, told: str | None) -> bool:
    """A talk that was too short by the provider's minimum of then; its caller has a callback, so nothing is lost."""
    return kept == CallOutcome.CUT_SHORT and told == CallOutcome.ANSWERED
