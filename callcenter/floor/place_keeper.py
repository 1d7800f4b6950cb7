"""Calls back those who kept their place in line, when it is their turn: the leader's work alone.

The callback's own row guards each step: it is claimed before any phone rings, so that a service which has just lost the
lead rings nobody a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from callcenter.ami.facts import LiveFact, PhoneStateChanged
from callcenter.ami.live import LiveView
from callcenter.callbacks.decisions import lose_place
from callcenter.callbacks.places import KeptPlace, is_first_for, offers
from callcenter.callbacks.queue import release
from callcenter.errors import Refused, RuleBroken, Unavailable
from callcenter.floor.board import Snapshot
from callcenter.floor.states import PHONE_BUSY, AgentState
from callcenter.routing.book import Book
from callcenter.routing.numbers import caller_number
from callcenter.store import Database, Scope
from callcenter.words import Clock, UniqueId

log = logging.getLogger(__name__)

READ_AT_LEAST_EVERY = 5.0
LOOK_AT_MOST_EVERY = 0.2
RING_BEGINS_WITHIN = 3.0
"""Seconds after the order; a phone that does not ring by then does not ring at all."""
JOURNAL_WITHIN = 10.0
"""Seconds after the agent's call is over in which the journal says what became of it."""
RESTS_FOR = 30.0
"""For so many seconds an agent who did not pick up for a place is rung for none."""
BARRED_FOR = 2.0
"""Seconds until a place is tried again that may not be called just now."""
MOST_REFUSALS = 3
"""After so many agents who did not pick up, a kept place is a callback like any other."""
MOST_BARRED = 30
"""After so many tries that were not allowed, too: a minute."""

RingFor = Callable[[int, str, str], Awaitable[None]]
"""Rings this agent's phone for this callback, of this queue. Raises ``RuleBroken``, ``Refused``, ``Unavailable``."""


def _nothing(_extension: str) -> None:
    """Nobody is told."""


@dataclass(slots=True)
class _Rung:
    """An agent's phone was told to ring for a place; times are the event loop's."""

    agent: str
    at: float
    rang: bool = False
    picked_up: bool = False
    unsure: bool = False
    """Nobody knows whether Asterisk took the order: the link was cut."""
    idle_since: float | None = None


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
        not_picked_up: Callable[[str], None] = _nothing,
    ) -> None:
        self._database = database
        self._book = book
        self._view = view
        self._live = live
        self._ring = ring
        self._clock = clock
        self._leads = leads
        self._not_picked_up = not_picked_up
        self._stirred = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._stale = True
        self._read_at = 0.0
        self._places: tuple[KeptPlace, ...] = ()
        self._numbers: dict[int, str] = {}
        self._held: set[int] = set()
        """Places that somebody has, or is calling, without us."""
        self._rung: dict[int, _Rung] = {}
        self._refusals: dict[int, int] = {}
        self._resting: dict[str, float] = {}
        self._barred: dict[int, tuple[int, float]] = {}
        """By callback: how often it could not be called, and until when it is not tried again."""
        self._queued: dict[UniqueId, datetime] = {}

    def on_fact(self, fact: LiveFact) -> None:
        """Something happened on the phones: somebody may be free, or nobody may wait any more."""
        if isinstance(fact, PhoneStateChanged):
            for rung in self._rung.values():
                if rung.agent == fact.agent:
                    rung.rang |= fact.status == "ringing"
                    rung.picked_up |= fact.status in PHONE_BUSY
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
        async with self._one_at_a_time:
            if not await self._has_places():
                return
            await self._look_at_the_rung()
            for offer in offers(self._open(), await self._waiting(), self._free(), self._ringing()):
                await self._offer(offer.callback, offer.agent)

    async def before_ready(self, extension: str) -> bool:
        """Whether an agent who is about to be free calls a kept place first; their phone is told to ring then."""
        async with self._one_at_a_time:
            if not await self._has_places() or extension in self._ringing():
                return False
            queues = {queue.name for queue in self._book().queues_of(extension)}
            place = is_first_for(queues, self._open(), await self._waiting())
            return place is not None and await self._offer(place.callback, extension)

    # ---- what there is

    async def _has_places(self) -> bool:
        if not self._leads():
            self._places, self._stale = (), True
            self._rung.clear()
            return False
        now = asyncio.get_running_loop().time()
        if self._stale or now >= self._read_at + READ_AT_LEAST_EVERY:
            self._stale = False
            await self._read()
            self._read_at = now
        return bool(self._places or self._rung)

    async def _read(self) -> None:
        async with self._database.scoped(Scope.all()) as connection:
            rows = (await connection.execute(_PLACES, {"now": self._clock()})).all()
        self._places = tuple(KeptPlace(row.id, row.kept_queue, row.kept_since) for row in rows)
        self._numbers = {row.id: row.number for row in rows}
        self._held = {row.id for row in rows if row.held}
        self._refusals = {place: count for place, count in self._refusals.items() if place in self._numbers}
        self._barred = {place: barred for place, barred in self._barred.items() if place in self._numbers}

    def _open(self) -> list[KeptPlace]:
        """The places that may be called now; whoever has called again themselves is on the line already."""
        now, calling = asyncio.get_running_loop().time(), self._on_the_line()
        return [
            place
            for place in self._places
            if place.callback not in self._rung
            and place.callback not in self._held
            and self._barred.get(place.callback, (0, 0.0))[1] <= now
            and self._numbers[place.callback] not in calling
        ]

    def _on_the_line(self) -> set[str]:
        country = self._book().country
        return {caller_number(call.caller_num, country).number for call in self._view.calls()}

    async def _waiting(self) -> Mapping[str, Sequence[datetime]]:
        """Since when callers wait; of one whom the journal does not tell of yet, since they arrived."""
        waiting = [call for call in self._view.calls() if call.position is not None]
        unknown = [call.call for call in waiting if call.call not in self._queued]
        self._queued = {call.call: self._queued[call.call] for call in waiting if call.call in self._queued}
        if unknown:
            async with self._database.scoped(Scope.all()) as connection:
                rows = await connection.execute(_JOINED, {"calls": unknown})
                self._queued |= {UniqueId(row.id): row.queued_at for row in rows}
        found: dict[str, list[datetime]] = {}
        for call in waiting:
            found.setdefault(call.queue, []).append(self._queued.get(call.call, call.since))
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
        """Agents who are rung for a place, or did not pick up for one a moment ago."""
        now = asyncio.get_running_loop().time()
        self._resting = {agent: until for agent, until in self._resting.items() if until > now}
        return {rung.agent for rung in self._rung.values()} | set(self._resting)

    # ---- what is done

    async def _offer(self, callback: int, agent: str) -> bool:
        queue = next(place.queue for place in self._places if place.callback == callback)
        rung = self._rung[callback] = _Rung(agent, asyncio.get_running_loop().time())
        try:
            await self._ring(callback, agent, queue)
        except RuleBroken as exc:
            del self._rung[callback]
            await self._is_barred(callback, str(exc))
            return False
        except Refused as exc:
            log.info("kept place: the phone of agent %s is not rung for callback %d: %s", agent, callback, exc)
            await self._refuse(callback, rung)
            return False
        except Unavailable:
            rung.unsure = True
            raise
        return True

    async def _look_at_the_rung(self) -> None:
        """A phone that rang for a place and is idle again was not picked up, or its call is the journal's to tell."""
        now, busy = asyncio.get_running_loop().time(), self._view.agents_on_a_line()
        for callback, rung in list(self._rung.items()):
            if rung.agent in busy:
                rung.rang, rung.idle_since = True, None
                continue
            rung.idle_since = now if rung.idle_since is None else rung.idle_since
            if rung.picked_up:
                if callback not in self._numbers or now > rung.idle_since + JOURNAL_WITHIN:
                    del self._rung[callback]
            elif rung.rang or now > rung.at + RING_BEGINS_WITHIN:
                await self._release(callback, rung.agent)
                if rung.unsure and not rung.rang:  # Asterisk did not hear of it: that is nobody's refusal
                    self._rung.pop(callback, None)
                    self._stale = True
                    continue
                self._not_picked_up(rung.agent)
                await self._refuse(callback, rung)

    async def _release(self, callback: int, agent: str) -> None:
        async with self._database.scoped(Scope.all()) as connection:
            await release(connection, callback, agent)
        self._held.discard(callback)

    async def _refuse(self, callback: int, rung: _Rung) -> None:
        """The next agent is rung; after a few who did not pick up the place is given up."""
        self._rung.pop(callback, None)
        self._stale = True
        self._resting[rung.agent] = asyncio.get_running_loop().time() + RESTS_FOR
        count = self._refusals[callback] = self._refusals.get(callback, 0) + 1
        if count >= MOST_REFUSALS:
            await self._give_up(callback, f"{count} agents did not pick up")

    async def _is_barred(self, callback: int, why: str) -> None:
        count = self._barred.get(callback, (0, 0.0))[0] + 1
        self._barred[callback] = count, asyncio.get_running_loop().time() + BARRED_FOR
        self._stale = True
        if count >= MOST_BARRED:
            await self._give_up(callback, why)

    async def _give_up(self, callback: int, why: str) -> None:
        log.warning("kept place: callback %d is an ordinary one now: %s", callback, why)
        async with self._database.scoped(Scope.all()) as connection:
            with contextlib.suppress(RuleBroken):  # it was paid meanwhile
                await lose_place(connection, callback, self._clock(), why)
        self._places = tuple(place for place in self._places if place.callback != callback)


_PLACES = text(
    """
    SELECT id, number, kept_queue, kept_since, coalesce(claimed_until > :now, false) AS held
    FROM callback WHERE closed_at IS NULL AND kept_queue IS NOT NULL AND callable AND decision_since IS NULL
        AND (next_try_at IS NULL OR next_try_at <= :now)
    ORDER BY kept_since, id
    """
)
_JOINED = text("SELECT id, queued_at FROM call WHERE id = ANY(CAST(:calls AS text[])) AND queued_at IS NOT NULL")
