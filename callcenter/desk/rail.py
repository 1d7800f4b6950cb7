"""The quiet parts of the agent's page: state and queues on top, promised callbacks and own calls on the left.

They are read beside the card's way and never on it: a few times a second at most, and drawn only where they differ.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

from callcenter.desk.callback_rows import CallbackRow
from callcenter.desk.lookups import Lookups, OwnRow
from callcenter.desk.ports import AgentNow, QueueNow, Snapshot
from callcenter.desk.screen import Region, Screen
from callcenter.errors import CallCenterError
from callcenter.floor.messages import Message
from callcenter.routing.book import Book
from callcenter.store import Scope
from callcenter.words import Clock, Known, Maybe, Missing, Pending

log = logging.getLogger(__name__)

PICTURE_AT_MOST_EVERY = 0.25
"""Seconds between two looks at the present picture; the first waits too, so that a card goes out before it."""
TALLY_AT_MOST_EVERY = 1.0
"""Seconds between two counts of who waits: every call changes them, and on every agent's page."""
LISTS_AT_MOST_EVERY = 1.0
AT_LEAST_EVERY = 15.0
"""Seconds after which everything is looked at again, for promises become overdue without any event."""

LIST_LIMIT = 5.0

_BESIDE_STATUS = (Region.IDLE, Region.PHONE)

T = TypeVar("T")
Listed: TypeAlias = Maybe[tuple[T, ...]]


@dataclass(frozen=True, slots=True)
class Status:
    """What stands on top of one agent's page."""

    state: str
    reason: str
    since: datetime | None
    waiting: int = 0
    longest_since: datetime | None = None
    callbacks: int = 0
    """How many stand in the list, which ends somewhere."""
    overdue: int = 0
    until: datetime | None = None
    """The end of the wrap-up, or the limit of the pause."""
    asked: str = ""
    """Extension of the colleague who is asked while the caller waits."""

    @property
    def own(self) -> tuple[object, ...]:
        """What is the agent's own in it, and shown without delay."""
        return self.state, self.reason, self.since, self.until, self.asked


def status_of(agent: AgentNow | None, queues: Iterable[QueueNow], owed: Sequence[CallbackRow], now: datetime) -> Status:
    """The agent's state with how many callers wait in their queues, the longest since when, and what is owed."""
    mine = list(queues)
    return Status(
        state="offline" if agent is None else agent.state,
        reason="" if agent is None else agent.reason,
        since=None if agent is None else agent.since,
        waiting=sum(queue.waiting for queue in mine),
        longest_since=min((queue.longest_since for queue in mine if queue.longest_since), default=None),
        callbacks=len(owed),
        overdue=sum(row.callable and row.due_at < now for row in owed),
        until=None if agent is None else agent.until,
        asked="" if agent is None else agent.asked,
    )


class Rail:
    """Keeps what the quiet parts show, for every open page."""

    def __init__(
        self,
        lookups: Lookups,
        live: Callable[[], Snapshot],
        book: Callable[[], Book],
        clock: Clock,
        screens: Callable[[], Iterable[Screen]],
    ) -> None:
        self._lookups = lookups
        self._live = live
        self._book = book
        self._clock = clock
        self._screens = screens
        self._picture_stale = asyncio.Event()
        self._lists_stale = asyncio.Event()
        self._stale_agents: set[str] = set()
        self._owed: dict[Scope, Listed[CallbackRow]] = {}
        self._taken: dict[Scope, Listed[CallbackRow]] = {}
        self._calls: dict[tuple[Scope, str], Listed[OwnRow]] = {}
        self._messages: dict[str, tuple[Message, ...]] = {}
        self._messages_stale = True
        self._status: dict[Screen, Status] = {}
        self._counted_at = float("-inf")

    def status(self, screen: Screen) -> Status:
        """As it was when last looked at; a page just opened is looked up at once."""
        if screen not in self._status:
            self._status |= self._seen([screen])
        return self._status[screen]

    def owed(self, screen: Screen) -> Listed[CallbackRow]:
        """The callbacks of the providers this page may see, whom to call first on top."""
        return self._owed.get(screen.scope, Pending())

    def mine(self, screen: Screen) -> tuple[CallbackRow, ...]:
        """What this agent has taken to call back."""
        return _of_agent(self._taken.get(screen.scope), screen.extension)

    def calls(self, screen: Screen) -> Listed[OwnRow]:
        """The agent's own newest calls."""
        return self._calls.get((screen.scope, screen.extension), Pending())

    def messages(self, screen: Screen) -> tuple[Message, ...]:
        """What was written to this agent and they have not seen yet."""
        return self._messages.get(screen.extension, ())

    def stir(self) -> None:
        """Something happened on the phones."""
        self._picture_stale.set()

    def messages_changed(self) -> None:
        """Somebody wrote to an agent, or an agent has seen it."""
        self._messages_stale = True
        self._lists_stale.set()

    def lists_changed(self, agents: Iterable[str] = ()) -> None:
        """The callbacks changed, and the calls of these agents."""
        self._stale_agents.update(agents)
        self._lists_stale.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_picture())
            group.create_task(self._keep_lists())

    async def _keep_picture(self) -> None:
        while True:
            await _soon(self._picture_stale, AT_LEAST_EVERY)
            await asyncio.sleep(PICTURE_AT_MOST_EVERY)
            self._picture_stale.clear()
            await self._look()

    async def _keep_lists(self) -> None:
        while True:
            await _soon(self._lists_stale, AT_LEAST_EVERY)
            self._lists_stale.clear()
            await self._read_messages()
            await self._read()
            await self._look()
            await asyncio.sleep(LISTS_AT_MOST_EVERY)

    async def _look(self) -> None:
        """Has the status drawn for those for whom it differs, one page after another: a card never waits for many."""
        seen, before = self._seen(list(self._screens())), self._status
        self._status = seen
        counted = self._tally_is_due()
        for screen, status in list(seen.items()):
            old = before.get(screen)
            if old is None or status == old:
                continue
            if not counted and status.own == old.own:
                seen[screen] = old
                self._picture_stale.set()
                continue
            screen.note(Region.STATUS, *(_BESIDE_STATUS if status.own != old.own else ()))
            await asyncio.sleep(0)

    def _tally_is_due(self) -> bool:
        now = asyncio.get_running_loop().time()
        due = now >= self._counted_at + TALLY_AT_MOST_EVERY
        if due:
            self._counted_at = now
        return due

    def _seen(self, screens: Sequence[Screen]) -> dict[Screen, Status]:
        if not screens:
            return {}
        picture, book, now = self._live(), self._book(), self._clock()
        agents = {agent.extension: agent for agent in picture.agents}
        queues = {queue.name: queue for queue in picture.queues}
        seen: dict[Screen, Status] = {}
        for screen in screens:
            mine = [queues[queue.name] for queue in book.queues_of(screen.extension) if queue.name in queues]
            owed = self._owed.get(screen.scope)
            rows = owed.value if isinstance(owed, Known) else ()
            seen[screen] = status_of(agents.get(screen.extension), mine, rows, now)
        return seen

    async def _read(self) -> None:
        """Reads the lists of those who look; what cannot be read now stays as it was."""
        screens = list(self._screens())
        stale, self._stale_agents = self._stale_agents, set()
        owed: dict[Scope, Listed[CallbackRow]] = {}
        taken: dict[Scope, Listed[CallbackRow]] = {}
        calls: dict[tuple[Scope, str], Listed[OwnRow]] = {}
        for scope in {screen.scope for screen in screens}:
            owed[scope] = await self._list(self._lookups.open_callbacks(scope), self._owed.get(scope))
            taken[scope] = await self._list(self._lookups.taken_callbacks(scope), self._taken.get(scope))
        for scope, extension in {(screen.scope, screen.extension) for screen in screens}:
            before = self._calls.get((scope, extension))
            if isinstance(before, Known) and extension not in stale:
                calls[scope, extension] = before
            else:
                calls[scope, extension] = await self._list(self._lookups.own_calls(scope, extension), before)
        old_owed, self._owed = self._owed, owed
        old_taken, self._taken = self._taken, taken
        old_calls, self._calls = self._calls, calls
        for screen in list(self._screens()):
            key = (screen.scope, screen.extension)
            if _rows(old_owed.get(screen.scope)) != _rows(owed.get(screen.scope)):
                screen.note(Region.CALLBACKS)
            if _of_agent(old_taken.get(screen.scope), screen.extension) != self.mine(screen):
                screen.note(Region.MINE)
            if _rows(old_calls.get(key)) != _rows(calls.get(key)):
                screen.note(Region.CALLS)
            await asyncio.sleep(0)

    async def _read_messages(self) -> None:
        """Reads what is unseen when there is news, and for pages of agents who had none before."""
        open_now = {screen.extension for screen in self._screens()}
        anew, self._messages_stale = self._messages_stale, False
        before, self._messages = self._messages, {one: self._messages.get(one, ()) for one in open_now}
        for extension in open_now if anew else open_now - before.keys():
            found = await self._list(self._lookups.messages(extension), None)
            if isinstance(found, Known):
                self._messages[extension] = found.value
            else:
                self._messages_stale = True
        for screen in list(self._screens()):
            if self.messages(screen) != before.get(screen.extension, ()):
                screen.note(Region.MESSAGES)

    async def _list(self, question: Awaitable[Sequence[T]], before: Listed[T] | None) -> Listed[T]:
        try:
            async with asyncio.timeout(LIST_LIMIT):
                return Known(tuple(await question), self._clock(), "database")
        except (CallCenterError, TimeoutError) as exc:
            log.warning("a list of the agents' pages was not read: %s", exc or "no answer in time")
            return before if isinstance(before, Known) else Missing("card.no_ledger")


def _of_agent(taken: Listed[CallbackRow] | None, extension: str) -> tuple[CallbackRow, ...]:
    rows = taken.value if isinstance(taken, Known) else ()
    return tuple(row for row in rows if row.claimed_by == extension)


def _rows(listed: Listed[T] | None) -> object:
    """What of a list is drawn: not when it was read."""
    return listed.value if isinstance(listed, Known) else listed


async def _soon(event: asyncio.Event, at_latest: float) -> None:
    """Returns when the event is set, or after this many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(at_latest):
            await event.wait()
