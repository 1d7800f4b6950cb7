"""Keeps every open wallboard up to the present: the picture and the counts are taken once for all of them.

What happens on the phones is looked at twice a second at most; what the ledger, the callbacks and the alarms count is
read once a second at most, when something of it is said to be old, and every few seconds in any case. With no board
open nothing is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from callcenter.desk.socket import Slots
from callcenter.desk.wall import EVERY_REGION, Counts, Wall, regions_changed, wall_of
from callcenter.desk.wall_counts import read_counts
from callcenter.errors import CallCenterError
from callcenter.floor.board import Snapshot
from callcenter.routing.book import Book
from callcenter.store import Database, Scope
from callcenter.words import Clock, ProviderId

log = logging.getLogger(__name__)

LOOK_AT_MOST_EVERY = 0.5
LOOK_AT_LEAST_EVERY = 5.0
"""Seconds after which the board is looked at whatever was heard: a pause runs over its limit without any event."""
COUNT_AT_MOST_EVERY = 1.0
COUNT_AT_LEAST_EVERY = 5.0
READ_WITHIN = 10.0


class OpenBoard(Slots[str]):
    """One open page, with what it has not been shown yet."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(EVERY_REGION)
        self.scope = scope


class WallboardFeed:
    """One for the service."""

    def __init__(
        self, database: Database, book: Callable[[], Book], live: Callable[[], Snapshot], clock: Clock
    ) -> None:
        self._database = database
        self._book = book
        self._live = live
        self._clock = clock
        self._boards: set[OpenBoard] = set()
        self._walls: dict[Scope, Wall] = {}
        self._counts = Counts()
        self._counted_for: Scope | None = None
        self._busy_at: dict[ProviderId, datetime] = {}
        self._moved = asyncio.Event()
        self._stale = asyncio.Event()
        self._some_open = asyncio.Event()
        self.reads = 0
        """How often the counts were read since the start."""

    # ---- what happens; quick, and raises nothing

    def stir(self) -> None:
        """Something happened on the phones, or to an agent's duty."""
        self._moved.set()

    def stale(self) -> None:
        """A call, a callback, an alarm was written: the counts are old."""
        self._stale.set()

    # ---- the pages

    @contextlib.contextmanager
    def opened(self, scope: Scope) -> Iterator[OpenBoard]:
        """A page is open while the block runs."""
        board = OpenBoard(scope)
        if not self._boards:
            self._walls.clear()  # nobody kept them up to the present
        self._boards.add(board)
        if self._counted_for is None or not _covers(self._counted_for, scope):
            self._stale.set()
        self._some_open.set()
        try:
            yield board
        finally:
            self._boards.discard(board)
            if not self._boards:
                self._some_open.clear()

    def wall(self, scope: Scope) -> Wall:
        """The board as it was when last looked at; one just opened is looked at now."""
        if scope not in self._walls:
            self._walls[scope] = self._seen(scope)
        return self._walls[scope]

    def is_shown(self, scope: Scope) -> bool:
        """Whether anybody who sees this has a board open."""
        return any(board.scope == scope for board in self._boards)

    def close_pages(self) -> None:
        """The service stops: open pages are told to come back."""
        for board in list(self._boards):
            board.close()

    # ---- the work

    async def run(self) -> None:
        """Until it is cancelled; open pages are then told to come back."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_looking(), name="wallboard picture")
                group.create_task(self._keep_counting(), name="wallboard counts")
        finally:
            self.close_pages()

    async def _keep_looking(self) -> None:
        while True:
            await self._some_open.wait()
            await _soon(self._moved, LOOK_AT_LEAST_EVERY)
            self._moved.clear()
            self._look()
            await asyncio.sleep(LOOK_AT_MOST_EVERY)

    async def _keep_counting(self) -> None:
        while True:
            await self._some_open.wait()
            await _soon(self._stale, COUNT_AT_LEAST_EVERY)
            self._stale.clear()
            await self._count()
            await asyncio.sleep(COUNT_AT_MOST_EVERY)

    async def _count(self) -> None:
        """Reads what all open pages together may see; what cannot be read now stays as it was, with its time."""
        scope = _together(board.scope for board in self._boards)
        now = self._clock()
        try:
            async with asyncio.timeout(READ_WITHIN), self._database.scoped(scope) as connection:
                self._counts = await read_counts(connection, now)
        except (CallCenterError, TimeoutError) as exc:
            log.warning("the wallboard's counts were not read: %s", exc or "no answer in time")
            self._counts = replace(self._counts, failed=True)
            self._moved.set()
            return
        self.reads += 1
        self._counted_for = scope
        self._moved.set()

    def _look(self) -> None:
        """Has drawn what differs, for those who see it."""
        scopes = {board.scope for board in self._boards}
        before, self._walls = self._walls, {scope: self._walls[scope] for scope in scopes if scope in self._walls}
        for scope in scopes:
            after = self._seen(scope)
            changed = regions_changed(before.get(scope), after)
            if not changed:
                continue
            self._walls[scope] = after
            for board in self._boards:
                if board.scope == scope:
                    board.note(*changed)

    def _seen(self, scope: Scope) -> Wall:
        now, book, picture = self._clock(), self._book(), self._live()
        self._remember_busy(book, picture, now)
        counts = self._counts if self._counted_for is not None and _covers(self._counted_for, scope) else Counts()
        return wall_of(book, picture, counts, scope, now, self._busy_at)

    def _remember_busy(self, book: Book, picture: Snapshot, now: datetime) -> None:
        waiting = {queue.name for queue in picture.queues if queue.waiting}
        busy = {provider for provider, lines in picture.lines.items() if lines}
        busy |= {queue.provider for queue in book.queues if queue.name in waiting}
        self._busy_at |= dict.fromkeys(busy, now)


def _together(scopes: Iterable[Scope]) -> Scope:
    """What several readers may see in all."""
    seen: set[ProviderId] = set()
    for scope in scopes:
        if scope.providers is None:
            return Scope.all()
        seen |= scope.providers
    return Scope.only(seen)


def _covers(wide: Scope, scope: Scope) -> bool:
    return wide.providers is None or (scope.providers is not None and scope.providers <= wide.providers)


async def _soon(event: asyncio.Event, at_latest: float) -> None:
    """Returns when the event is set, or after this many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(at_latest):
            await event.wait()
