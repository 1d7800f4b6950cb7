"""Keeps the floor as duty says: Asterisk's queues follow the database, wrap-up begins and ends, rings are counted.

Of several services on one database the leader alone does it. What it is told by the live link it only notes; the work
is one loop of its own, so that no card waits for it. Each change of duty is made by the row's own rule, so a step that
is done twice changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from callcenter.ami.commands import Commands
from callcenter.ami.facts import (
    AgentAnswered,
    AgentDidNotAnswer,
    CallEnded,
    CallerJoinedQueue,
    DutyCodeDialled,
    LinkRestored,
    LiveFact,
    MemberChanged,
    PhoneStateChanged,
)
from callcenter.ami.live import LiveView
from callcenter.errors import Refused, RuleBroken, Unavailable
from callcenter.floor import duty
from callcenter.floor.calling import interface_of
from callcenter.floor.duty import DutyBook
from callcenter.floor.states import (
    PHONE_BUSY,
    Add,
    AgentStatus,
    Duty,
    Pause,
    Remove,
    Seat,
    Step,
    Weigh,
    extension_of,
    seats_wanted,
    steps_to,
    takes_calls,
)
from callcenter.routing.book import Book
from callcenter.store import Database, Scope
from callcenter.words import Clock, UniqueId

log = logging.getLogger(__name__)

AT_LEAST_EVERY = 5.0
"""Seconds after which all is looked at again, whatever was heard."""
JOURNAL_LOOKED_AT = 0.2
"""Seconds after which a service that has just started asks again whether the journal has been read."""
RETRY = 1.0
LOOK_AGAIN = 0.3
"""Seconds between two looks whether this service leads, has its link and has read the journal."""
SEEN_WITHIN = 2.0
"""Seconds in which what Asterisk was told shows in the live view; until then it is not told again."""
PLACE_RINGS_FOR = timedelta(seconds=40)
"""For so long an agent who is rung for a kept place is kept out of the queues, unless their phone is busy then."""

SAID_WITHIN = 3.0
"""Seconds in which what an agent said by phone, and Asterisk has done, becomes their duty by way of the journal."""
JOURNAL_WITHIN = 10.0
"""For so many seconds after the start the journal's orders are waited for before Asterisk is told anything."""

RINGS_WITHIN = 3.0
"""Seconds after an order in which the agent's phone begins to ring."""

BeforeReady = Callable[[str], Awaitable[bool]]


async def nothing_first(_extension: str) -> bool:
    return False


@dataclass(slots=True)
class _Talk:
    """What an agent's phone rings or talks for, until it is idle again."""

    call: str
    queue: str
    rung: bool = False
    talked: bool = False
    until: float = 0.0
    """The event loop's time by which a phone that was told to ring rings, if it does at all."""


class Keeper:
    """One for the service; ``on_fact`` is quick and raises nothing."""

    def __init__(
        self,
        database: Database,
        book: Callable[[], Book],
        duties: DutyBook,
        commands: Commands,
        view: LiveView,
        clock: Clock,
        *,
        leads: Callable[[], bool],
        unanswered_rings: int,
        before_ready: BeforeReady = nothing_first,
        knows_journal: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._book = book
        self._duties = duties
        self._commands = commands
        self._view = view
        self._clock = clock
        self._leads = leads
        self._unanswered_rings = unanswered_rings
        self.before_ready = before_ready
        self._knows_journal = knows_journal
        self._begins_at: float | None = None
        self._by_phone: dict[str, tuple[Duty, float]] = {}
        self._stirred = asyncio.Event()
        self._queues: dict[UniqueId, str] = {}
        self._talks: dict[str, _Talk] = {}
        self._heard: list[Callable[[], Awaitable[None]]] = []
        self._first_rung: dict[str, float] = {}
        self._refused: set[Step] = set()
        self._told: dict[Step, float] = {}

    # ---- what happens

    def stir(self) -> None:
        """Duty or the book changed: Asterisk is to follow."""
        self._refused.clear()
        self._stirred.set()

    def calls_out(self, extension: str, call: str, queue: str = "") -> None:
        """This agent's phone was told to ring for a call of ours; work after it is theirs as after any call."""
        self._talks[extension] = _Talk(call, queue, until=asyncio.get_running_loop().time() + RINGS_WITHIN)

    def rang_in_vain(self, extension: str) -> None:
        """This agent's phone rang for a call of ours and nobody picked up: it counts as any call does."""
        self._note(lambda: self._unanswered(extension))

    def on_fact(self, fact: LiveFact) -> None:
        """One fact of the live link, in order."""
        match fact:
            case CallerJoinedQueue():
                self._queues[fact.call] = fact.queue
            case CallEnded():
                self._queues.pop(fact.call, None)
                self._stirred.set()
            case AgentAnswered():
                self._talks[fact.agent] = _Talk(fact.call, self._queues.get(fact.call, ""), talked=True)
                self._note(lambda agent=fact.agent: self._answered(agent))  # type: ignore[misc]
            case AgentDidNotAnswer():
                self._note(lambda agent=fact.agent: self._unanswered(agent))  # type: ignore[misc]
            case PhoneStateChanged():
                if (talk := self._talks.get(fact.agent)) is not None:
                    talk.rung |= fact.status == "ringing"
                    talk.talked |= fact.status in PHONE_BUSY
                self._stirred.set()
            case DutyCodeDialled():
                until = asyncio.get_running_loop().time() + SAID_WITHIN
                self._by_phone[fact.agent] = self._duties.of(fact.agent), until
            case LinkRestored():
                self._refused.clear()
                self._stirred.set()
            case MemberChanged():
                self._stirred.set()
            case _:
                pass

    def _see_own_calls(self) -> None:
        """Calls of agents' own making for a provider, whichever service ordered them."""
        for agent in self._view.agents_on_a_line():
            line = None if agent in self._talks else self._view.line_of(agent)
            if line is not None and line.provider and line.call == line.leg.uniqueid:
                self._talks[agent] = _Talk(line.call, "", talked=True)

    def _note(self, work: Callable[[], Awaitable[None]]) -> None:
        self._heard.append(work)
        self._stirred.set()

    # ---- the loop

    async def run(self) -> None:
        """Ends only by being cancelled; what fails is tried again."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_due()):
                    await self._stirred.wait()
            self._stirred.clear()
            try:
                await self.step()
            except Unavailable as exc:
                log.warning("floor: tried again in a second: %s", exc)
                await asyncio.sleep(RETRY)
                self._stirred.set()
            except Exception:  # one agent nobody foresaw must not end the others' work
                log.exception("floor: a step failed")
                await asyncio.sleep(RETRY)

    def _until_due(self) -> float:
        """Seconds to the next end of a wrap-up or of a pause's limit; to the next look, while it may not begin."""
        if not (self._leads() and self._commands.health.is_live and self._may_begin()):
            return LOOK_AGAIN
        now = self._clock()
        ends = [
            (each.until - now).total_seconds()
            for each in self._duties.all().values()
            if each.until is not None and each.status is AgentStatus.WRAP_UP
        ]
        waits_for_journal = self._leads() and not self._knows_journal()
        return min([JOURNAL_LOOKED_AT if waits_for_journal else AT_LEAST_EVERY, *(max(0.02, end) for end in ends)])

    async def step(self) -> None:
        """Everything that is due now. Raises ``Unavailable``."""
        self._see_own_calls()
        if not self._leads():
            self._heard.clear()
            busy, now = self._view.agents_on_a_line(), asyncio.get_running_loop().time()
            self._talks = {each: talk for each, talk in self._talks.items() if each in busy or talk.until > now}
            return
        while self._heard:
            await self._heard[0]()
            self._heard.pop(0)
        await self._wrap_up_who_hung_up()
        if self._may_begin():
            await self._end_what_is_over()
        await self._bring_in_line()

    async def _answered(self, extension: str) -> None:
        if self._duties.of(extension).unanswered:
            async with self._database.scoped(Scope.only(())) as connection:
                await duty.answered(connection, extension)
            await self._duties.load()

    async def _unanswered(self, extension: str) -> None:
        async with self._database.scoped(Scope.all()) as connection:
            try:
                paused = await duty.rang_unanswered(connection, extension, self._clock(), self._unanswered_rings)
            except RuleBroken:  # an agent who was removed while the phone rang
                return
        if paused:
            log.warning("agent %s did not answer %d calls in a row and is paused", extension, self._unanswered_rings)
        await self._duties.load()

    async def _wrap_up_who_hung_up(self) -> None:
        """An agent whose call is over has the time after it; whose phone still carries one has not."""
        busy, now = self._view.agents_on_a_line(), asyncio.get_running_loop().time()
        for extension, talk in list(self._talks.items()):
            not_yet = not (talk.rung or talk.talked) and max(self._first_rung.get(extension, 0.0), talk.until) > now
            if extension in busy or not_yet:
                continue
            if not talk.talked:
                self._is_done_with(extension, talk)
                continue
            span = timedelta(seconds=self._wrap_up_of(extension, talk.queue))
            async with self._database.scoped(Scope.only(())) as connection:
                begun = False
                with contextlib.suppress(RuleBroken):
                    begun = await duty.wrap_up(connection, extension, self._clock(), talk.call, span)
            self._is_done_with(extension, talk)
            await self._duties.load()
            if not begun and self._duties.of(extension).status is AgentStatus.READY:
                await self._first(extension)

    def _is_done_with(self, extension: str, talk: _Talk) -> None:
        """Only what is written is forgotten; a call that came meanwhile is another one."""
        if self._talks.get(extension) is talk:
            del self._talks[extension]
        self._first_rung.pop(extension, None)

    def _wrap_up_of(self, extension: str, queue: str) -> int:
        book = self._book()
        found = book.queue_named(queue)
        if found is not None:
            return found.wrapup_s
        return max((each.wrapup_s for each in book.queues_of(extension)), default=0)

    async def _end_what_is_over(self) -> None:
        now = self._clock()
        over = [each for each in self._duties.all().values() if each.until is not None and each.until <= now]
        for each in over:
            async with self._database.scoped(Scope.all()) as connection:
                if each.status is AgentStatus.WRAP_UP:
                    await duty.finish(connection, each.extension, now, "service", due_only=True)
                else:
                    await duty.over_limit(connection, each.extension, now)
        if over:
            await self._duties.load()

    # ---- Asterisk

    async def _bring_in_line(self) -> None:
        if not self._commands.health.is_live or not self._may_begin():
            return
        steps = self.steps()
        if ready := {extension_of(step) for step in steps if takes_calls(step)}:
            for extension in sorted(ready):
                await self._first(extension)
            steps = self.steps()
        now = asyncio.get_running_loop().time()
        self._told = {step: at for step, at in self._told.items() if at + SEEN_WITHIN > now}
        for step in steps:
            if step in self._refused or step in self._told:
                continue
            self._told[step] = now
            try:
                await self._do(step)
            except Refused as exc:
                self._refused.add(step)
                log.warning("floor: Asterisk refuses %s: %s", step, exc.why)

    async def _first(self, extension: str) -> None:
        """Somebody's kept place may come before whoever waits in the queues of an agent who is about to be free."""
        if await self.before_ready(extension):
            now = asyncio.get_running_loop().time()
            self._first_rung[extension] = now + PLACE_RINGS_FOR.total_seconds()

    def _may_begin(self) -> bool:
        """What was said by phone while the service was away is read first: nobody who went home is signed in again."""
        now = asyncio.get_running_loop().time()
        if self._begins_at is None:
            self._begins_at = now + JOURNAL_WITHIN
        if self._knows_journal() or now >= self._begins_at:
            self._begins_at = now
            return True
        return False

    def steps(self) -> list[Step]:
        """What Asterisk is to be told now."""
        book, now = self._book(), asyncio.get_running_loop().time()
        self._by_phone = {
            agent: (before, until)
            for agent, (before, until) in self._by_phone.items()
            if until > now and self._duties.of(agent) == before
        }
        self._first_rung = {agent: until for agent, until in self._first_rung.items() if until > now}
        wanted = seats_wanted(
            self._duties.all(),
            ((queue.name, member.extension, member.penalty) for queue in book.queues for member in queue.members),
        )
        there = {
            (each.queue, each.agent): Seat(each.queue, each.agent, each.penalty, each.paused, each.reason)
            for each in self._view.members()
            if each.status != "removed"
        }
        steps = steps_to(wanted, there, (queue.name for queue in book.queues), not_yet=self._first_rung)
        return [step for step in steps if extension_of(step) not in self._by_phone]

    async def _do(self, step: Step) -> None:
        match step:
            case Add(seat):
                await self._commands.queue_add(
                    seat.queue, interface_of(seat.extension), seat.extension, penalty=seat.penalty, paused=seat.paused
                )
                if seat.paused and seat.reason:
                    await self._commands.queue_pause(interface_of(seat.extension), True, seat.reason, seat.queue)
            case Remove():
                await self._commands.queue_remove(step.queue, interface_of(step.extension))
            case Pause():
                await self._commands.queue_pause(interface_of(step.extension), step.paused, step.reason, step.queue)
            case Weigh():
                await self._commands.queue_penalty(interface_of(step.extension), step.penalty, step.queue)
