"""Which card stands on which agent's screens: live facts in, regions to be drawn out.

``on_fact`` is called by the live link's pump: it waits for nothing and raises nothing. Look-ups begin when a call
arrives, in tasks that belong to the call, so that the card is whole by the time a phone rings.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from callcenter.ami.facts import (
    AgentAnswered,
    AgentDidNotAnswer,
    AgentHeld,
    AgentRang,
    AgentUnheld,
    CallArrived,
    CallEnded,
    CallerJoinedQueue,
    CallTransferred,
    DutyCodeDialled,
    LegSpoke,
    LinkLost,
    LinkRestored,
    LiveFact,
    MemberChanged,
    PhoneContact,
    PhoneStateChanged,
    RingEnded,
)
from callcenter.calls.entry import LedgerEntry
from callcenter.calls.notes import CallNote
from callcenter.desk.card import Card, OwnCall, Seat, Stage, card_on_top
from callcenter.desk.finding import Finding, ShownCall
from callcenter.desk.lookups import Lookups
from callcenter.desk.ports import Snapshot
from callcenter.desk.rail import Rail
from callcenter.desk.screen import Region, Screen
from callcenter.diag.conclusion import Lamp
from callcenter.diag.diagnosis import Examined
from callcenter.routing.book import Book
from callcenter.routing.numbers import caller_number
from callcenter.store import Scope
from callcenter.words import Clock, Known, Maybe, Missing, Pending, ProviderId, SubscriberId, UniqueId

log = logging.getLogger(__name__)

IDLE_PHONE = {"not_inuse", "unavailable", "invalid", "unknown"}
WRITING = {Stage.TALKING, Stage.CALLING, Stage.AFTER_CALL}
"""When an agent writes of a call: from the talk on."""
PICKED_UP_WITHIN = timedelta(minutes=2)
"""A call of ours that the ledger tells of is the one on the card if it began no earlier than this before it."""


class Screens:
    """Everything that agents' pages show of the present; one for the service."""

    def __init__(self, lookups: Lookups, book: Callable[[], Book], live: Callable[[], Snapshot], clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._finding = Finding(lookups, clock, self._card_changed, self._note_changed)
        self._calls: dict[UniqueId, ShownCall] = {}
        self._strangers: dict[UniqueId, CallArrived] = {}
        self._seats: dict[str, dict[UniqueId, Seat]] = {}
        self._screens: dict[str, set[Screen]] = {}
        self._beside: dict[str, dict[Region, object]] = {}
        """By agent: what stands beside the card on their screens, as last drawn."""
        self.lost_since: datetime | None = None
        """Since when the live link is cut, if it is: what is shown is as it was then."""
        self.rail = Rail(lookups, live, book, clock, self._every_screen)

    # --- what pages ask ---

    @contextmanager
    def opened(self, extension: str, scope: Scope) -> Iterator[Screen]:
        """A page of this agent while it is open; it is to be drawn whole first."""
        screen = Screen(extension, scope)
        self._screens.setdefault(extension, set()).add(screen)
        self.rail.lists_changed()
        self._want_note(extension, anew=True)
        try:
            yield screen
        finally:
            remaining = self._screens[extension]
            remaining.discard(screen)
            if not remaining:
                del self._screens[extension]

    def shown(self, extension: str) -> tuple[Card, Seat] | None:
        """The card that stands on this agent's screens."""
        seats = self._seats.get(extension, {})
        call = card_on_top(seats.items())
        return None if call is None else (self._calls[call].card, seats[call])

    def note_of(self, extension: str) -> Maybe[CallNote | None]:
        """What this agent has written of the call on their screens; the form opens when it is known."""
        call = card_on_top(self._seats.get(extension, {}).items())
        return Pending() if call is None else self._calls[call].notes.get(extension, Pending())

    def noted(self, note: CallNote) -> None:
        """The agent wrote something down: their other pages show it too."""
        for call in self._seats.get(note.agent, {}):
            if self._calls[call].card.ledger_call == note.call:
                self._calls[call].notes[note.agent] = Known(note, note.at, "notes")
                self._note_changed(note.agent)
        self.rail.lists_changed([note.agent])

    def choose(self, extension: str, call: UniqueId, subscriber: SubscriberId | None) -> None:
        """The agent says which of several subscribers calls (``None`` asks again); their line is read then."""
        if (held := self._held_by(extension, call)) is None:
            return
        before = held.card
        held.card = before.with_no_choice() if subscriber is None else before.with_choice(subscriber)
        if held.card is not before:
            self._card_changed(call)
            if held.card.subscriber is not None:
                self._finding.start(held, self._finding.line)

    def read_again(self, extension: str, call: UniqueId) -> None:
        """The agent wants to know how the line is now; what could not be looked up is looked up again too."""
        if (held := self._held_by(extension, call)) is None or held.tasks:
            return
        if isinstance(held.card.subscribers, Missing):
            self._finding.start(held, self._finding.subscribers)
        elif held.card.subscriber is not None:
            self._finding.start(held, self._finding.line)
        if isinstance(held.card.history, Missing) or isinstance(held.card.callback, Missing):
            self._finding.start(held, self._finding.past)

    def diagnose(self, extension: str, call: UniqueId, who: str) -> None:
        """The agent wants the whole line looked at, while they talk on."""
        if (held := self._held_by(extension, call)) is not None and held.card.subscriber is not None:
            self._finding.start(held, self._finding.diagnosis, who)

    def lamp(self, extension: str, call: UniqueId, lamp: Lamp, lit: bool | None, who: str) -> None:
        """The subscriber says what their ONU shows."""
        if (held := self._held_by(extension, call)) is not None:
            self._finding.start(held, self._finding.lamp, lamp, lit, who)

    def examined(self, extension: str) -> Examined | None:
        """The diagnosis of the call on this agent's screens."""
        call = card_on_top(self._seats.get(extension, {}).items())
        return None if call is None else self._finding.examined(self._calls[call])

    def diagnosis_changed(self, examined: Examined) -> None:
        """A step of it is over, or it is concluded."""
        for agent, seats in self._seats.items():
            for call in seats:
                card = self._calls[call].card
                if examined.call in {card.call, card.ledger_call}:
                    for screen in self._screens.get(agent, ()):
                        screen.note(Region.DIAGNOSIS)

    def dismiss(self, extension: str, call: UniqueId) -> None:
        """The agent has done with a call that is over."""
        seat = self._seats.get(extension, {}).get(call)
        if seat is not None and seat.stage in {Stage.AFTER_CALL, Stage.CALLING}:
            self._leave(extension, call, seat)

    # --- what happens ---

    def on_fact(self, fact: LiveFact) -> None:
        """One fact of the live link, in order."""
        try:
            self._take_in(fact)
        except Exception:  # one fact must not stop the others: the pump serves every agent
            log.exception("screens could not take in %s", type(fact).__name__)
        self.rail.stir()

    def calls_committed(self, entries: Sequence[LedgerEntry]) -> None:
        """The ledger wrote these calls: lists that show them are read again, and so is a card's own past."""
        for entry in entries:
            if (held := self._calls.get(entry.call.id)) is not None and held.over:
                self._finding.start(held, self._finding.past)
            if entry.call.direction == "out":
                self._own_call_committed(entry)
            self.rail.lists_changed((*entry.call.agents, *entry.call.rang))

    def outages_changed(self) -> None:
        """A mass outage began, grew or ended: the cards of its lines say so."""
        for held in list(self._calls.values()):
            if not held.over:
                self._finding.outages_changed(held)

    def callbacks_changed(self) -> None:
        """Somebody was added to those who are owed a call, or taken off."""
        self.rail.lists_changed()

    def messages_changed(self) -> None:
        """Somebody wrote to an agent, or an agent has seen it."""
        self.rail.messages_changed()

    def calling_back(self, callback: int, provider: ProviderId, number: str, extension: str) -> None:
        """The agent's own phone is about to ring, and then this number's: the card of whom they call is shown."""
        self._makes_call(UniqueId(f"callback-{callback}"), OwnCall(callback), provider, number, extension)

    def dialling(self, provider: ProviderId, number: str, extension: str) -> None:
        """The agent's own phone is about to ring, and then a number they dialled by hand."""
        self._makes_call(UniqueId(f"dial-{extension}"), OwnCall(None), provider, number, extension)

    def _makes_call(self, call: UniqueId, own: OwnCall, provider: ProviderId, number: str, extension: str) -> None:
        book = self._book()
        owner = book.provider(provider)
        if owner is None:
            return
        for agent, seat in self._seats_at(call):
            self._leave(agent, call, seat)
        did, callee = book.first_did(provider) or "", caller_number(number, book.country)
        held = self._calls[call] = ShownCall(Card(call, owner, did, callee, "", self._clock(), own=own))
        self._finding.look_up(held)
        self._sit(call, extension, Stage.CALLING)

    async def run(self) -> None:
        """Does the look-ups until it is cancelled; open pages are then told to come back."""
        try:
            async with asyncio.TaskGroup() as group:
                self._finding.group = group
                for held in self._calls.values():
                    self._finding.look_up(held)
                group.create_task(self.rail.run(), name="desk rail")
        finally:
            self._finding.group = None
            self.close_pages()

    def close_pages(self) -> None:
        """The web stops: open pages are told to come back, so that it need not wait for them."""
        for screen in self._every_screen():
            screen.close()

    def _take_in(self, fact: LiveFact) -> None:
        match fact:
            case CallArrived():
                self._arrived(fact)
            case AgentRang():
                if (stranger := self._strangers.get(fact.call)) is not None:
                    self._arrived(stranger)
                self._sit(fact.call, fact.agent, Stage.RINGING)
            case AgentAnswered():
                self._answered(fact.call, fact.agent)
            case AgentDidNotAnswer() | RingEnded():
                self._ring_ended(fact.call, fact.agent)
            case AgentHeld() | AgentUnheld():
                self._hold(fact.call, fact.agent, held=isinstance(fact, AgentHeld))
            case CallTransferred():
                for agent, seat in self._seats_at(fact.call):
                    if seat.stage is Stage.TALKING and agent != fact.to:
                        self._step_back(agent, fact.call)
            case PhoneStateChanged():
                self._phone_changed(fact)
            case CallEnded():
                self._ended(fact.call)
            case LinkLost() | LinkRestored():
                self.lost_since = fact.since if isinstance(fact, LinkLost) else None
                for screen in self._every_screen():
                    screen.note(Region.LINK)
            case CallerJoinedQueue() | MemberChanged() | PhoneContact() | DutyCodeDialled() | LegSpoke():
                pass  # the rail shows what comes of these
            case _:
                assert_never(fact)

    def _arrived(self, fact: CallArrived) -> None:
        owner = self._book().provider_of(fact.did)
        if fact.call in self._calls:
            return
        if owner is None:  # perhaps its DID is newer than the book: by the time a phone rings the book knows it
            self._strangers[fact.call] = fact
            return
        self._strangers.pop(fact.call, None)
        did, provider = owner
        number = caller_number(fact.caller_num, self._book().country)
        held = ShownCall(Card(fact.call, provider, did, number, fact.caller_name, fact.at))
        self._calls[fact.call] = held
        self._finding.look_up(held)

    def _sit(self, call: UniqueId, agent: str, stage: Stage) -> None:
        if call not in self._calls:
            return
        seats = self._seats.setdefault(agent, {})
        for other, seat in list(seats.items()):
            if seat.stage in {Stage.AFTER_CALL, Stage.CALLING} and other != call:
                self._leave(agent, other, seat)
        if (seat_here := seats.get(call)) is None or seat_here.stage is not stage:
            self._seats.setdefault(agent, {})[call] = Seat(stage, self._clock())
            self._seat_changed(agent)

    def _answered(self, call: UniqueId, agent: str) -> None:
        """Whoever answers first has the call: it rings for nobody else, even if we are not told so of each phone."""
        before = self._seats.get(agent, {}).get(call)
        self._sit(call, agent, Stage.TALKING)
        self._hold(call, agent, held=False)  # a page that comes back to its talk does so on another leg
        if before is None or before.stage is not Stage.TALKING:
            for other, _ in self._seats_at(call):
                if other != agent:
                    self._ring_ended(call, other)

    def _ring_ended(self, call: UniqueId, agent: str) -> None:
        seat = self._seats.get(agent, {}).get(call)
        if seat is not None and seat.stage is Stage.RINGING:
            self._stand_up(agent, call)

    def _hold(self, call: UniqueId, agent: str, *, held: bool) -> None:
        seat = self._seats.get(agent, {}).get(call)
        if seat is not None and seat.held is not held:
            self._seats[agent][call] = replace(seat, held=held)
            self._seat_changed(agent)

    def _phone_changed(self, fact: PhoneStateChanged) -> None:
        """An agent whose phone is idle talks with nobody, whatever we were told of the call."""
        if fact.status not in IDLE_PHONE:
            return
        for call, seat in list(self._seats.get(fact.agent, {}).items()):
            if seat.stage is Stage.CALLING:
                self._over(call)
            if seat.stage in {Stage.TALKING, Stage.CALLING}:
                self._step_back(fact.agent, call)

    def _ended(self, call: UniqueId) -> None:
        """The card closes everywhere but with the agent who talked, and what was still looked for is let be."""
        self._over(call)
        self._strangers.pop(call, None)
        for agent, seat in self._seats_at(call):
            if seat.stage is Stage.RINGING:
                self._stand_up(agent, call)
            else:
                self._step_back(agent, call)
        self._forget_if_done(call)

    def _over(self, call: UniqueId) -> None:
        if (held := self._calls.get(call)) is not None:
            held.over = True
            held.let_be()
            held.card = held.card.at_the_end()

    def _step_back(self, agent: str, call: UniqueId) -> None:
        if self._seats[agent][call].stage is not Stage.AFTER_CALL:
            self._seats[agent][call] = Seat(Stage.AFTER_CALL, self._clock())
            self._seat_changed(agent)

    def _leave(self, agent: str, call: UniqueId, seat: Seat) -> None:
        """The agent looks at something else now; a call of theirs alone is over with that."""
        if seat.stage is Stage.CALLING:
            self._over(call)
        self._stand_up(agent, call)

    def _stand_up(self, agent: str, call: UniqueId) -> None:
        seats = self._seats[agent]
        del seats[call]
        if not seats:
            del self._seats[agent]
        self._seat_changed(agent)
        self._forget_if_done(call)

    def _forget_if_done(self, call: UniqueId) -> None:
        held = self._calls.get(call)
        if held is not None and held.over and not self._seats_at(call):
            held.let_be()
            del self._calls[call]

    def _seats_at(self, call: UniqueId) -> list[tuple[str, Seat]]:
        return [(agent, seats[call]) for agent, seats in self._seats.items() if call in seats]

    def _held_by(self, extension: str, call: UniqueId) -> ShownCall | None:
        return self._calls.get(call) if call in self._seats.get(extension, {}) else None

    def _every_screen(self) -> list[Screen]:
        return [screen for screens in self._screens.values() for screen in screens]

    def _seat_changed(self, agent: str) -> None:
        """The card is drawn again; what stands beside it only where that is another now."""
        self._want_note(agent)
        beside, before = self._beside_card(agent), self._beside.pop(agent, {})
        if any(value is not None for value in beside.values()):
            self._beside[agent] = beside
        others = [region for region, value in beside.items() if value != before.get(region)]
        for screen in self._screens.get(agent, ()):
            screen.note(Region.CARD, *others)

    def _beside_card(self, agent: str) -> dict[Region, object]:
        shown = self.shown(agent)
        if shown is None:
            return {Region.PAST: None, Region.NOTE: None, Region.PHONE: None, Region.DIAGNOSIS: None}
        card, seat = shown
        writes = seat.stage in WRITING
        return {
            Region.PAST: (card.call, card.history, card.past_notes),
            Region.NOTE: (card.call, card.ledger_call, card.own, seat.stage) if writes else None,
            Region.PHONE: (card.call, seat.stage, seat.held) if writes else None,
            Region.DIAGNOSIS: (card.call, card.chosen) if writes else None,
        }

    def _card_changed(self, call: UniqueId) -> None:
        for agent, _ in self._seats_at(call):
            self._seat_changed(agent)

    def _note_changed(self, agent: str) -> None:
        for screen in self._screens.get(agent, ()):
            screen.note(Region.NOTE)

    def _want_note(self, agent: str, *, anew: bool = False) -> None:
        """What the agent wrote before a page was opened or the service began is asked for, once they may write."""
        shown = self.shown(agent)
        if shown is None or shown[1].stage not in WRITING or shown[0].ledger_call is None:
            return
        held = self._calls[shown[0].call]
        if agent not in held.notes or (anew and not isinstance(held.notes[agent], Pending)):
            held.notes.setdefault(agent, Pending())
            self._finding.start(held, self._finding.note, agent)

    def _own_call_committed(self, entry: LedgerEntry) -> None:
        """The ledger tells of a call that an agent makes: now it has its name, and in the end its outcome."""
        call = entry.call
        for agent in call.agents:
            for seat in list(self._seats.get(agent, {})):
                held = self._calls[seat]
                card = held.card
                if card.own is None or (card.provider.id, card.caller) != (entry.provider.id, entry.number):
                    continue
                if call.arrived_at >= card.arrived_at - PICKED_UP_WITHIN:
                    held.card = card.with_own(call.id, None if call.outcome is None else call.outcome.value)
                    self._seat_changed(agent)
