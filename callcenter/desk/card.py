"""What an agent sees of a call: whose it is, what to say, who calls, and what is wrong with their line. Pure rules.

A card is a value. What is still being looked up is ``Pending``, what cannot be known is ``Missing`` with its reason,
and each answer makes a new card.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from callcenter.callbacks.queue import Callback
from callcenter.calls.notes import CallNote
from callcenter.desk.call_rows import CallRow
from callcenter.diag.outages import Outage
from callcenter.diag.reading import OnuReading
from callcenter.diag.verdict import LineVerdict, Thresholds, judge
from callcenter.errors import Misconfigured
from callcenter.routing.book import Provider
from callcenter.routing.numbers import CallerNumber
from callcenter.subscribers.directory import Subscriber
from callcenter.words import Known, Language, Maybe, Missing, Pending, SubscriberId, UniqueId

log = logging.getLogger(__name__)

PENDING = Pending()
NO_ONU = Missing("card.no_onu")
"""The contract names no ONU, so there is nothing to read."""


class Stage(StrEnum):
    """Where an agent stands with a call."""

    RINGING = "ringing"
    TALKING = "talking"
    CALLING = "calling"
    """The agent calls a subscriber back."""
    AFTER_CALL = "after_call"


@dataclass(frozen=True, slots=True)
class Seat:
    """An agent's place in one call, and since when."""

    stage: Stage
    since: datetime
    held: bool = False


@dataclass(frozen=True, slots=True)
class OwnCall:
    """A call that we made, as far as the ledger knows it."""

    callback: int | None
    """The callback that is to be paid with it."""
    id: UniqueId | None = None
    """The call's name in the ledger, which is known a moment after the phone was picked up."""
    outcome: str | None = None
    """How it ended, once the journal says so."""

    @property
    def was_taken(self) -> bool:
        """Something picked up: a person, or a voice mail as only the agent can tell."""
        return self.outcome in {"answered", "cut_short"}

    @property
    def is_in_vain(self) -> bool:
        """It is over and nobody was reached."""
        return self.outcome is not None and self.outcome != "answered"


@dataclass(frozen=True, slots=True)
class Card:
    """One call with everything that was found out about its caller so far."""

    call: UniqueId
    provider: Provider
    did: str
    caller: CallerNumber
    network_name: str
    """What the caller's network calls them: a hint, and nothing that was checked."""
    arrived_at: datetime
    subscribers: Maybe[tuple[Subscriber, ...]] = PENDING
    chosen: SubscriberId | None = None
    last_line: Maybe[OnuReading] = PENDING
    line: Maybe[OnuReading] = PENDING
    outage: Outage | None = None
    """The mass outage that the line is of, as far as it is known by now."""
    history: Maybe[tuple[CallRow, ...]] = PENDING
    callback: Maybe[Callback | None] = PENDING
    past_notes: Mapping[UniqueId, tuple[CallNote, ...]] = field(default_factory=dict)
    """What was written of the calls before; it comes after them and nothing waits for it."""
    own: OwnCall | None = None
    """Of a call that we made."""

    @property
    def ledger_call(self) -> UniqueId | None:
        """Under which name the ledger keeps this call; not known yet of one that we are just making."""
        return self.call if self.own is None else self.own.id

    @property
    def candidates(self) -> tuple[Subscriber, ...]:
        """Everyone who has this phone."""
        return self.subscribers.value if isinstance(self.subscribers, Known) else ()

    @property
    def subscriber(self) -> Subscriber | None:
        """Who it is: the only one with this phone, or whom the agent chose."""
        return next((one for one in self.candidates if one.id == self.chosen), None)

    @property
    def is_choice(self) -> bool:
        """Several subscribers share this phone and the agent has not said yet who it is."""
        return len(self.candidates) > 1 and self.subscriber is None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is awaited any more."""
        whole = not any(isinstance(part, Pending) for part in (self.subscribers, self.history, self.callback))
        return whole and (self.subscriber is None or not isinstance(self.line, Pending))

    @property
    def language(self) -> Language:
        """The caller is greeted in their own language, else in their provider's."""
        subscriber = self.subscriber
        return (subscriber.language if subscriber else None) or self.provider.language

    @property
    def shown_line(self) -> Known[OnuReading] | None:
        """The newest levels there are: this moment's, else the last known ones."""
        for reading in (self.line, self.last_line):
            if isinstance(reading, Known):
                return reading
        return None

    @property
    def verdict(self) -> LineVerdict | None:
        """What is wrong with the line at this moment; nothing while it is being read.

        An old reading never stands in for the present one, neither awaited nor failed: it is ``old_verdict``.
        """
        if self.subscriber is None or isinstance(self.line, Pending):
            return None
        return judge(self.line.value if isinstance(self.line, Known) else self.line, self.norms)

    @property
    def old_verdict(self) -> LineVerdict | None:
        """What the last known reading meant, for as long as this moment's is not there: shown with its age."""
        known = self.shown_line
        return None if known is None or isinstance(self.line, Known) else judge(known.value, self.norms)

    @property
    def norms(self) -> Thresholds:
        """Where this provider draws its lines for ONUs of this kind; the house's own where what it wrote cannot be."""
        return norms_of(self.provider).of_line(self.subscriber.onu if self.subscriber else None)

    def with_subscribers(self, found: Sequence[Subscriber] | Missing, at: datetime) -> Card:
        """The only subscriber with this phone is the caller; several are a choice."""
        if isinstance(found, Missing):
            return replace(self, subscribers=found)
        card = replace(self, subscribers=Known(tuple(found), at, "directory"))
        return card.with_choice(found[0].id) if len(found) == 1 else card

    def with_choice(self, subscriber: SubscriberId) -> Card:
        """The agent says who it is, and the line of that one is looked up; whoever lacks this phone is no choice."""
        one = next((one for one in self.candidates if one.id == subscriber), None)
        if one is None or one.id == self.chosen:
            return self
        unread = NO_ONU if one.device is None or one.onu is None else PENDING
        return replace(self, chosen=one.id, line=unread, last_line=unread, outage=None)

    def with_no_choice(self) -> Card:
        """Back to the question who of several it is."""
        if len(self.candidates) < 2:
            return self
        return replace(self, chosen=None, line=PENDING, last_line=PENDING, outage=None)

    def with_line_awaited(self) -> Card:
        """The line is being read again; what was read before is the last known now."""
        return replace(self, line=PENDING, last_line=self.shown_line or PENDING)

    def with_last_line(self, reading: Maybe[OnuReading]) -> Card:
        """Of two old readings the newer one is kept."""
        kept = self.last_line
        if isinstance(kept, Known) and not (isinstance(reading, Known) and reading.at > kept.at):
            return self
        return replace(self, last_line=reading)

    def with_line(self, reading: Maybe[OnuReading]) -> Card:
        return replace(self, line=reading)

    def with_outage(self, outage: Outage | None) -> Card:
        return self if outage == self.outage else replace(self, outage=outage)

    def with_history(self, calls: Iterable[CallRow] | Missing, at: datetime) -> Card:
        """What was before: the present call is not part of it."""
        if isinstance(calls, Missing):
            return replace(self, history=calls)
        return replace(self, history=Known(tuple(one for one in calls if one.id != self.call), at, "ledger"))

    def with_callback(self, found: Callback | Missing | None, at: datetime) -> Card:
        return replace(self, callback=found if isinstance(found, Missing) else Known(found, at, "callbacks"))

    def with_past_notes(self, notes: Mapping[UniqueId, tuple[CallNote, ...]]) -> Card:
        return replace(self, past_notes=notes)

    def with_own(self, call: UniqueId, outcome: str | None) -> Card:
        """The ledger knows the call we make; of several tries the newest."""
        if self.own is None:
            return self
        return replace(self, own=replace(self.own, id=call, outcome=outcome))

    def at_the_end(self) -> Card:
        """The call is over: nothing is awaited for it any more."""
        ended = Missing("card.call_over")
        return replace(
            self,
            subscribers=ended if isinstance(self.subscribers, Pending) else self.subscribers,
            line=ended if isinstance(self.line, Pending) else self.line,
            last_line=ended if isinstance(self.last_line, Pending) else self.last_line,
            history=ended if isinstance(self.history, Pending) else self.history,
            callback=ended if isinstance(self.callback, Pending) else self.callback,
        )


def norms_of(provider: Provider) -> Thresholds:
    """Where a provider draws its lines; the house's own where what it wrote cannot be."""
    return _norms(provider.slug, tuple(sorted(provider.thresholds.items())))


@lru_cache(maxsize=1000)
def _norms(slug: str, settings: tuple[tuple[str, float], ...]) -> Thresholds:
    try:
        return Thresholds.from_settings(dict(settings))
    except Misconfigured as wrong:
        log.warning("provider %s: %s; lines are judged by the house's own thresholds", slug, wrong)
        return Thresholds()


def card_on_top(seats: Iterable[tuple[UniqueId, Seat]]) -> UniqueId | None:
    """Whom the agent talks with stands on top, then who rings, whom they call, what just ended; the latest of each."""
    order = (Stage.AFTER_CALL, Stage.CALLING, Stage.RINGING, Stage.TALKING)
    ranked = sorted(seats, key=lambda placed: (order.index(placed[1].stage), placed[1].since))
    return ranked[-1][0] if ranked else None
