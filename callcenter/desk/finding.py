"""Finding out what a card shows: the questions of one call, asked in tasks that belong to it.

Whatever is answered makes a new card, and ``changed`` is told of it. A question that fails or does not come back is a
``Missing`` on the card: no card waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from callcenter.calls.notes import CallNote
from callcenter.desk.card import Card
from callcenter.desk.lookups import Lookups
from callcenter.diag.conclusion import Lamp
from callcenter.diag.diagnosis import Examined
from callcenter.diag.line import LineReading
from callcenter.errors import CallCenterError
from callcenter.subscribers.directory import Subscriber
from callcenter.words import Clock, Known, Maybe, Missing, Pending, UniqueId

log = logging.getLogger(__name__)

LOOKUP_LIMIT = 5.0
"""Seconds after which a card says that a look-up did not answer. (A line's reading has its own, shorter one.)"""

T = TypeVar("T")


@dataclass(slots=True)
class ShownCall:
    """A call somebody may be shown, and the look-ups that belong to it."""

    card: Card
    over: bool = False
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    notes: dict[str, Maybe[CallNote | None]] = field(default_factory=dict)
    """What each agent has written of it so far, by extension."""

    def let_be(self) -> None:
        """What is still looked for is not needed any more."""
        for task in self.tasks:
            task.cancel()
        self.notes = {agent: note for agent, note in self.notes.items() if not isinstance(note, Pending)}


class Finding:
    """Asks for one call at a time; ``changed`` and ``noted`` are called in the event loop."""

    def __init__(
        self,
        lookups: Lookups,
        clock: Clock,
        changed: Callable[[UniqueId], None],
        note_changed: Callable[[str], None],
    ) -> None:
        self._lookups = lookups
        self._clock = clock
        self._changed = changed
        self._note_changed = note_changed
        self.group: asyncio.TaskGroup | None = None
        """While the service runs: what is asked before waits for it."""

    def start(self, held: ShownCall, work: Callable[..., Coroutine[Any, Any, None]], *about: object) -> None:
        """Asks in a task of the call."""
        if self.group is not None:
            task = self.group.create_task(work(held, *about), name=f"{work.__name__} {held.card.call}")
            held.tasks.add(task)
            task.add_done_callback(held.tasks.discard)

    def look_up(self, held: ShownCall) -> None:
        """Everything a new card shows."""
        self.start(held, self.subscribers)
        self.start(held, self.past)

    async def subscribers(self, held: ShownCall) -> None:
        """Who has this phone, and the line of the only one who does."""
        card = held.card
        found = await self._answer(self._lookups.subscribers(card.provider.id, card.caller.number), "card.no_directory")
        held.card = held.card.with_subscribers(found, self._clock())
        self._changed(card.call)
        if held.card.subscriber is not None:
            await self.line(held)

    async def line(self, held: ShownCall) -> None:
        """The last known levels first, then this moment's; an answer for somebody not chosen any more is dropped."""
        subscriber = held.card.subscriber
        if subscriber is None or subscriber.device is None or subscriber.onu is None:
            return

        async def last() -> None:
            found = await self._answer(self._lookups.last_known(subscriber), "card.no_archive")
            if held.card.chosen == subscriber.id:
                held.card = held.card.with_last_line(found)
                self._changed(held.card.call)

        async def now() -> None:
            found = await self._answer(self._lookups.read_line(subscriber), "card.no_reader")
            if held.card.chosen == subscriber.id:
                held.card = held.card.with_line(found)
                self._changed(held.card.call)
                await self.neighbours(held, subscriber, found)

        held.card = held.card.with_line_awaited().with_outage(self._lookups.outage(subscriber))
        self._changed(held.card.call)
        async with asyncio.TaskGroup() as both:
            both.create_task(last())
            both.create_task(now())

    async def neighbours(self, held: ShownCall, subscriber: Subscriber, reading: LineReading) -> None:
        """Is it the whole port? Asked once the card has its line; nothing waits for it."""
        if self._lookups.look_around is None:
            return
        found = await self._answer(self._lookups.look_around(subscriber, reading), "card.no_reader")
        if held.card.chosen == subscriber.id and not isinstance(found, Missing) and found != held.card.outage:
            held.card = held.card.with_outage(found)
            self._changed(held.card.call)

    async def diagnosis(self, held: ShownCall, who: str) -> None:
        """A full diagnosis is begun; it goes on by itself, and tells its steps to the screens."""
        subscriber, call = held.card.subscriber, held.card.ledger_call or held.card.call
        if self._lookups.diagnose is None or subscriber is None:
            return
        await self._answer(self._lookups.diagnose(subscriber, call, who), "card.no_reader")

    def examined(self, held: ShownCall) -> Examined | None:
        """The diagnosis of this call, as it stands now."""
        return self._lookups.examined(held.card.ledger_call or held.card.call)

    async def lamp(self, held: ShownCall, lamp: Lamp, lit: bool | None, who: str) -> None:
        """The subscriber says what their ONU shows."""
        if self._lookups.lamp is not None and (examined := self.examined(held)) is not None:
            await self._answer(self._lookups.lamp(examined.id, lamp, lit, who), "card.no_reader")

    def outages_changed(self, held: ShownCall) -> None:
        """A mass outage began, grew or ended somewhere."""
        if (subscriber := held.card.subscriber) is None:
            return
        card = held.card.with_outage(self._lookups.outage(subscriber))
        if card is not held.card:
            held.card = card
            self._changed(card.call)

    async def past(self, held: ShownCall) -> None:
        """The calls before, and what is owed; what agents wrote of those calls comes after them."""
        provider, number = held.card.provider.id, held.card.caller.number
        if not number:  # hidden numbers are many callers: their calls are nobody's history
            held.card = held.card.with_history((), self._clock()).with_callback(None, self._clock())
        else:
            calls = await self._answer(self._lookups.history(provider, number), "card.no_ledger")
            found = await self._answer(self._lookups.callback(provider, number), "card.no_ledger")
            held.card = held.card.with_history(calls, self._clock()).with_callback(found, self._clock())
        self._changed(held.card.call)
        if isinstance(held.card.history, Known) and held.card.history.value:
            calls_before = [call.id for call in held.card.history.value]
            notes = await self._answer(self._lookups.notes(provider, calls_before), "card.no_ledger")
            if not isinstance(notes, Missing) and notes != held.card.past_notes:
                held.card = held.card.with_past_notes(notes)
                self._changed(held.card.call)

    async def note(self, held: ShownCall, agent: str) -> None:
        """What this agent wrote of the call before their page was opened anew."""
        if held.card.ledger_call is None:
            return
        asked = self._lookups.notes(held.card.provider.id, [held.card.ledger_call])
        found = await self._answer(asked, "card.no_ledger")
        if isinstance(found, Missing):
            held.notes[agent] = found
        else:
            mine = [note for notes in found.values() for note in notes if note.agent == agent]
            held.notes[agent] = Known(mine[0] if mine else None, self._clock(), "notes")
        self._note_changed(agent)

    async def _answer(self, question: Awaitable[T], otherwise: str) -> T | Missing:
        """What was answered, or why there is no answer: a card never waits for one that does not come."""
        try:
            async with asyncio.timeout(LOOKUP_LIMIT):
                return await question
        except (CallCenterError, TimeoutError) as exc:
            log.warning("%s: %s", otherwise, exc or "no answer in time")
        except Exception:  # one look-up must not end the others: the card says that it failed, the log says how
            log.exception("a look-up failed: %s", otherwise)
        return Missing(otherwise)
