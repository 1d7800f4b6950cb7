"""The live link: one read-only login, the picture it keeps, and the facts it tells as they happen.

``publish`` is called in order from the one pump; it must be quick and may not await: slow work belongs to tasks of its
own. ``watch`` sees every typed event too, for those that need what no picture holds: how an originate ended, what our
dialplan says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from callcenter.ami.events import (
    LIST_EVENTS,
    LIVE_EVENTS,
    AmiEvent,
    FullyBooted,
    OriginateResponse,
    Reload,
    Tainted,
    UserEvent,
    parse,
)
from callcenter.ami.facts import LiveFact
from callcenter.ami.frames import Event, Torn
from callcenter.ami.health import LinkHealth
from callcenter.ami.live import LiveView
from callcenter.ami.session import AmiAddress, Pace, Session
from callcenter.ami.snapshot import read_snapshot
from callcenter.ami.tape import Tape
from callcenter.ami.wire import QUEUE_LIMIT
from callcenter.errors import Unavailable
from callcenter.words import Clock

log = logging.getLogger(__name__)

DOUBTED = 8
"""Events that are not believed behind one that was cut, unless its torn rest comes before: a caller's number and name
have no room for more."""
LIST_DEADLINE = 20.0
"""Seconds for a list of the picture: thousands of channels may be in it."""


def _ignore(event: AmiEvent) -> None:
    """Nobody watches."""


class LiveLink:
    """Keeps ``view`` true for as long as ``run`` runs."""

    def __init__(
        self,
        address: AmiAddress,
        publish: Callable[[LiveFact], None],
        *,
        clock: Clock,
        watch: Callable[[AmiEvent], None] = _ignore,
        pace: Pace | None = None,
        tape: Tape | None = None,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self.view = LiveView(linked=None)
        self.tainted = 0
        self._doubt = 0
        self.asterisk_started = ""
        """When Asterisk started, in its own local time; another text than before means that it was restarted."""
        self._publish = publish
        self._watch = watch
        self._clock = clock
        self._session = Session(
            address,
            self,
            clock=clock,
            wanted=LIVE_EVENTS | LIST_EVENTS,
            pace=pace,
            tape=tape,
            queue_limit=queue_limit,
        )

    @property
    def health(self) -> LinkHealth:
        """How the link is now."""
        return self._session.health

    async def run(self) -> None:
        """Keeps the link for ever; ends only by being cancelled."""
        await self._session.run()

    async def synchronise(self, session: Session) -> int:
        """Reads channels, queues and Asterisk's start; returns how many events came before the channels were listed."""
        channels = await session.send("CoreShowChannels", deadline=LIST_DEADLINE)
        queues = await session.send("QueueStatus", deadline=LIST_DEADLINE)
        status = await session.send("CoreStatus")
        started = f"{status.headers.get('CoreStartupDate', '')} {status.headers.get('CoreStartupTime', '')}".strip()
        snapshot = read_snapshot(channels.items, queues.items, started)
        if not snapshot.whole:
            session.want_resync("the list of channels could not be read as a whole")
        if self.asterisk_started and started != self.asterisk_started:
            log.warning("Asterisk was restarted: %s, before %s", started, self.asterisk_started)
        self.asterisk_started = started
        self._doubt = 0
        try:
            for fact in self.view.resync(snapshot):
                self._publish(fact)
        except Exception as exc:  # the link is made anew: nothing here may end the service
            log.exception("the live view could not take in the picture")
            raise Unavailable("ami", "its picture could not be taken in") from exc
        return channels.events_before

    def receive(self, event: Event) -> None:
        """One event, in order."""
        meaning = parse(event)
        if meaning is None:
            return
        if isinstance(meaning, Tainted):
            self.tainted += 1
            self._doubt = DOUBTED if meaning.cut else self._doubt
            self._session.want_resync(f"{meaning.name}: {meaning.why}")
            return
        if self._doubt:
            self._doubt -= 1
            return
        if isinstance(meaning, FullyBooted | Reload):
            self._session.want_resync(event.name)
        try:
            for fact in self.view.apply(meaning):
                self._publish(fact)
        except Exception:  # the pump serves every agent: one event nobody foresaw must not end it
            log.exception("the live view could not take in %s", event.name)
            self.tainted += 1
            self._session.want_resync(f"{event.name} could not be taken in")
        self._show(meaning)

    def torn(self, frame: Torn) -> None:
        """The rest of what was cut: what comes next is Asterisk's own again."""
        self._doubt = 0
        self._session.want_resync(f"a torn frame: {frame.why}")

    def outdated(self, event: Event) -> None:
        """The picture holds what this event told, unless it is of the kind that no picture holds."""
        meaning = parse(event)
        if isinstance(meaning, OriginateResponse | UserEvent):
            self._show(meaning)

    def _show(self, meaning: AmiEvent) -> None:
        try:
            self._watch(meaning)
        except Exception:  # as above: who watches is one of many
            log.exception("who watches could not take in %s", type(meaning).__name__)

    def lost(self, why: str) -> None:
        """Screens say since when they show the past."""
        since: datetime = self._clock()
        try:
            for fact in self.view.lose_link(since):
                self._publish(fact)
        except Exception:  # the link comes back with a whole picture
            log.exception("the loss of the link could not be taken in")
