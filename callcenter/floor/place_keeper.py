"""Calls back those who kept their place in line, when it is their turn: the leader's work alone.

The callback's own row guards each step: it is claimed before any phone rings, so that a service which has just lost the
lead rings nobody a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text

from callcenter.ami.facts import LiveFact
from callcenter.ami.live import LiveView
from callcenter.callbacks.decisions import lose_place
from callcenter.callbacks.places import KeptPlace, is_first_for, offers
from callcenter.errors import Refused, RuleBroken, Unavailable
from callcenter.floor.board import Snapshot
from callcenter.floor.states import AgentState
from callcenter.routing.book import Book
from callcenter.store import Database, Scope
from callcenter.words import Clock

log = logging.getLogger(__name__)

READ_AT_LEAST_EVERY = 5.0
LOOK_AT_MOST_EVERY = 0.2
RINGS_FOR_S = 45.0
MOST_REFUSALS = 3
"""After so many agents who did not pick up, a kept place is a callback like any other."""

RingFor = Callable[[int, str, str], Awaitable[None]]
"""Rings this agent's phone for this callback, of this queue. Raises ``RuleBroken``, ``Refused``, ``Unavailable``."""


class PlaceKeeper:
    """One for the service; ``on_fact`` and ``stir`` are quick."""

    def __init__(
        self,
        database: Database,
        book: Callable[[], Book],
        view: LiveView,
        live: Callable[[], Snapshot],
        ring: RingFor,
        clock: Clock,
        *,
        leads: Callable[[], bool],
    ) -> None:
        self._database = database
        self._book = book
        self._view = view
        self._live = live
        self._ring = ring
        self._clock = clock
        self._leads = leads
        self._stirred = asyncio.Event()
        self._stale = True
        self._read_at = 0.0
        self._places: tuple[KeptPlace, ...] = ()
        self._rung: dict[int, tuple[str, float]] = {}
        """By callback: whose phone rings for it, until when."""
        self._refusals: dict[int, list[str]] = {}

    def on_fact(self, _fact: LiveFact) -> None:
        """Something happened on the phones: somebody may be free, or nobody may wait any more."""
        if self._places:
            self._stirred.set()

    def stir(self) -> None:
        """Callbacks have changed."""
        self._stale = True
        self._stirred.set()

    async def run(self) -> None:
        """Ends only by being cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0 if self._places else READ_AT_LEAST_EVERY):
                    await self._stirred.wait()
            self._stirred.clear()
            try:
                await self.step()
            except Unavailable as exc:
                log.warning("kept places: tried again: %s", exc)
            except Exception:  # one place nobody foresaw must not end the others' turns
                log.exception("kept places: a step failed")
            await asyncio.sleep(LOOK_AT_MOST_EVERY)

    async def step(self) -> None:
        """Rings whose turn it is. Raises ``Unavailable``."""
        if not self._leads():
            self._places = ()
            return
        await self._read()
        if not self._places:
            return
        await self._let_go()
        for offer in offers(self._open(), self._waiting(), self._free(), self._ringing()):
            await self._offer(offer.callback, offer.agent)

    async def before_ready(self, extension: str) -> bool:
        """Whether an agent who is about to be free calls a kept place first; their phone is told to ring then."""
        if not self._leads():
            return False
        await self._read()
        queues = {queue.name for queue in self._book().queues_of(extension)}
        declined = {callback for callback, agents in self._refusals.items() if extension in agents}
        mine = [place for place in self._open() if place.callback not in declined]
        place = is_first_for(queues, mine, self._waiting())
        return place is not None and await self._offer(place.callback, extension)

    # ----

    async def _read(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._stale and now < self._read_at + READ_AT_LEAST_EVERY:
            return
        self._stale = False
        async with self._database.scoped(Scope.all()) as connection:
            rows = await connection.execute(_PLACES, {"now": self._clock()})
            self._places = tuple(KeptPlace(callback, queue, since) for callback, queue, since in rows)
        self._read_at = now
        there = {place.callback for place in self._places}
        self._refusals = {callback: agents for callback, agents in self._refusals.items() if callback in there}

    def _open(self) -> list[KeptPlace]:
        return [place for place in self._places if place.callback not in self._rung]

    def _waiting(self) -> Mapping[str, Sequence[datetime]]:
        """Since when callers wait, counted from their arrival: so a kept place never jumps over one of them."""
        found: dict[str, list[datetime]] = {}
        for call in self._view.calls():
            if call.position is not None:
                found.setdefault(call.queue, []).append(call.since)
        return found

    def _free(self) -> Mapping[str, Sequence[str]]:
        picture = self._live()
        if not picture.linked:
            return {}
        ready = sorted(
            (each for each in picture.agents if each.state == AgentState.READY),
            key=lambda each: (each.since or self._clock(), each.extension),
        )
        found: dict[str, list[str]] = {}
        for agent in ready:
            for queue in self._book().queues_of(agent.extension):
                found.setdefault(queue.name, []).append(agent.extension)
        return found

    def _ringing(self) -> set[str]:
        refused = {agent for agents in self._refusals.values() for agent in agents[-1:]}
        return {agent for agent, _ in self._rung.values()} | refused

    async def _let_go(self) -> None:
        """A phone that rang for a place and is idle again, with the place still open, was not picked up."""
        now, busy = asyncio.get_running_loop().time(), self._view.agents_on_a_line()
        open_now = {place.callback for place in self._places}
        for callback, (agent, until) in list(self._rung.items()):
            if callback not in open_now:
                del self._rung[callback]
            elif agent not in busy and now > until - RINGS_FOR_S + 3:
                del self._rung[callback]
                self._refusals.setdefault(callback, []).append(agent)
                if len(self._refusals[callback]) >= MOST_REFUSALS:
                    await self._give_up(callback)

    async def _give_up(self, callback: int) -> None:
        log.warning(
            "kept place: callback %d rang %d agents in vain and is an ordinary one now", callback, MOST_REFUSALS
        )
        async with self._database.scoped(Scope.all()) as connection:
            with contextlib.suppress(RuleBroken):  # it was paid meanwhile
                await lose_place(connection, callback, self._clock())
        self._places = tuple(place for place in self._places if place.callback != callback)

    async def _offer(self, callback: int, agent: str) -> bool:
        queue = next(place.queue for place in self._places if place.callback == callback)
        self._rung[callback] = (agent, asyncio.get_running_loop().time() + RINGS_FOR_S)
        try:
            await self._ring(callback, agent, queue)
        except (RuleBroken, Refused) as exc:
            log.info("kept place: callback %d is not rung for %s: %s", callback, agent, exc)
            del self._rung[callback]
            self._refusals.setdefault(callback, []).append(agent)
            return False
        return True


_PLACES = text(
    "SELECT id, kept_queue, kept_since FROM callback WHERE closed_at IS NULL AND kept_queue IS NOT NULL AND callable "
    "AND decision_since IS NULL AND (next_try_at IS NULL OR next_try_at <= :now) ORDER BY kept_since, id"
)
