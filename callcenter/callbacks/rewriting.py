"""Which rows of the table the debts of a number are: what is told anew keeps its callback's id. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from callcenter.callbacks.debt import Acts, Debt, Missed
from callcenter.callbacks.duty import Terms, rank_at
from callcenter.words import UniqueId

CORRECTED: Final = "corrected"
ANSWERED: Final = "answered"
"""What a miss is called whose call proved to be answered: it stays in sight and is owed nothing."""

Key = tuple[int, str]
"""A provider and a number."""


@dataclass(frozen=True, slots=True)
class Row:
    """A callback as it is in its table."""

    id: int
    opened_at: datetime
    due_at: datetime
    misses: int
    last_missed_at: datetime
    rank_at: datetime
    next_try_at: datetime | None
    decision_since: datetime | None
    kept_queue: str | None
    kept_since: datetime | None
    closed_at: datetime | None
    closed_reason: str | None
    closed_by_call: str | None


@dataclass(slots=True)
class Placed:
    """A debt with the row it is written to; ``id`` of a new one is known when it is written."""

    id: int | None
    key: Key
    callable: bool
    values: dict[str, Any]
    changed: bool
    debt: Debt


@dataclass(slots=True)
class Rewritten:
    """Everything that must be written."""

    placed: list[Placed] = field(default_factory=list)
    moved: list[tuple[Placed, Missed]] = field(default_factory=list)
    """Misses that are new, or in another callback than before."""
    corrected: list[dict[str, Any]] = field(default_factory=list)
    """Callbacks of which no miss is left: each was answered after all."""
    gone: list[tuple[int, Placed]] = field(default_factory=list)
    """Callbacks all of whose misses are another's now."""
    untried: list[UniqueId] = field(default_factory=list)
    """Calls of ours that are no attempt to pay anything, whatever they were taken for before."""


class Plan:
    """Takes the debts of one number after the other, then says what is to be written."""

    def __init__(self) -> None:
        self._out = Rewritten()
        self._left: list[tuple[Row, Sequence[Missed]]] = []
        self._place_of: dict[UniqueId, Placed] = {}

    def take(
        self,
        key: Key,
        terms: Terms,
        callable_: bool,
        rows: Sequence[Row],
        missed: Mapping[int, Sequence[Missed]],
        acts: Acts,
        debts: Sequence[Debt],
        tried: Iterable[UniqueId],
    ) -> None:
        """``tried``: the calls of ours among which the debts' attempts were looked for."""
        own = {attempt.call for debt in debts for attempt in debt.tried}
        self._out.untried += [call for call in tried if call not in own]
        where = {miss.call: (row.id, miss) for row in rows for miss in missed.get(row.id, ())}
        free = {row.id: row for row in rows}
        for debt in sorted(debts, key=lambda each: (each.paid is not None, each.opened_at)):
            row = _row_for(debt, free, where)
            if row is not None:
                del free[row.id]
            values = _values(debt, terms, acts, row)
            changed = row is None or any(getattr(row, name) != value for name, value in values.items())
            placed = Placed(None if row is None else row.id, key, callable_, values, changed, debt)
            self._out.placed.append(placed)
            for miss in debt.missed:
                self._place_of[miss.call] = placed
                if row is None or where.get(miss.call) != (row.id, miss):
                    self._out.moved.append((placed, miss))
        self._left += [(row, missed.get(row.id, ())) for row in free.values()]

    def finished(self) -> Rewritten:
        """What is left over: a callback whose misses were all answered after all, or are another callback's now."""
        for row, missed in self._left:
            answered = [miss for miss in missed if miss.outcome == ANSWERED and miss.call not in self._place_of]
            if answered:
                last = max(answered)
                end = {"closed_at": last.at, "closed_reason": CORRECTED, "closed_by_call": last.call}
                if any(getattr(row, name) != value for name, value in end.items()):
                    self._out.corrected.append({"id": row.id, **end})
            elif missed:
                self._out.gone.append((row.id, self._place_of[missed[0].call]))
        return self._out


def _row_for(debt: Debt, free: Mapping[int, Row], where: Mapping[UniqueId, tuple[int, Missed]]) -> Row | None:
    """An open debt stays the open callback, a paid one the one this proof closed; else where most of its misses are."""
    for row in free.values():
        if debt.paid is None and row.closed_at is None:
            return row
        if debt.paid is not None and row.closed_by_call == debt.paid.call:
            return row
    held = Counter(where[miss.call][0] for miss in debt.missed if miss.call in where and where[miss.call][0] in free)
    if not held:
        return None
    return free[min(held, key=lambda row: (-held[row], row))]


def _values(debt: Debt, terms: Terms, acts: Acts, row: Row | None) -> dict[str, Any]:
    """The columns of a debt. A promise that was given stays as it was given, whatever the provider's rules are now."""
    same = row is not None and row.opened_at == debt.opened_at
    due_at = row.due_at if row is not None and same else terms.due_at(debt.opened_at)
    kept = debt.kept(acts)
    return {
        "opened_at": debt.opened_at, "due_at": due_at, "misses": len(debt.missed),
        "last_missed_at": debt.last_missed_at, "rank_at": rank_at(due_at, len(debt.missed)),
        "next_try_at": debt.next_try_at(terms, acts), "decision_since": debt.decision_since(terms, acts),
        "kept_queue": None if kept is None else kept[0], "kept_since": None if kept is None else kept[1],
        "closed_at": None if debt.paid is None else debt.paid.at,
        "closed_reason": None if debt.paid is None else debt.paid.reason,
        "closed_by_call": None if debt.paid is None else debt.paid.call,
    }  # fmt: skip
