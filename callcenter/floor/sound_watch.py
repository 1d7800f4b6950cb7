"""How every talk is heard while it lasts, as Asterisk counts it: kept with the call, an alarm where one side is silent.

It asks one leg after the other every five seconds, over the commands' login: nothing on a card's way waits for it. What
a talk came to in the end is in the journal; here is what must be seen at once. Of several services the leader does it.

Silence is of two kinds. No packets come: something between the phone and Asterisk. Packets come with nothing in them,
from the beginning of the talk on: a microphone. The second is listened for (``TALK_DETECT``) until the first sound and
no longer; a page tells of its own microphone itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import text

from callcenter.ami.commands import Commands
from callcenter.ami.events import Leg
from callcenter.ami.facts import LegSpoke, Line, LiveFact
from callcenter.ami.live import LiveView
from callcenter.ami.picture import TRUNK_CHANNEL
from callcenter.calls import quality_rows
from callcenter.calls.quality import AGENT_NOT_HEARD, Way, alarm_subject, between
from callcenter.calls.quality_rows import Told
from callcenter.calls.rtcp import LegHeard, read_counts
from callcenter.errors import CallCenterError, Refused, RuleBroken
from callcenter.routing.book import Book, Provider
from callcenter.store import Database, Scope
from callcenter.store.alarms import clear_alarm, open_alarms, raise_alarm
from callcenter.words import Clock, ProviderId, UniqueId

log = logging.getLogger(__name__)

EVERY_S = 5.0
NO_AGENT, NO_CALLER = "no_sound_from_agent", "no_sound_from_caller"
"""Asterisk receives no packets: of an agent's phone, of a provider's callers."""
CALLER_NOT_HEARD = "caller_not_heard"
"""A caller's packets come, and nothing has been heard in them since the talk began."""
FIRST_WORD = 3
"""So many times as long as a silence may last, the first word may take: who has just been put through may listen."""
KEPT = timedelta(days=90)
FORGOTTEN_EVERY = timedelta(hours=1)


@dataclass(slots=True)
class _Before:
    """A leg as it was when it was last asked."""

    heard: LegHeard
    heard_at: datetime
    """When something had last come of it."""
    since: datetime
    """The beginning of the talk in which it has not spoken yet."""
    listened: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """One leg of a talk; ``extension`` is empty for the subscriber's."""

    leg: Leg
    extension: str
    call: UniqueId
    provider: Provider
    held: bool

    def alarm(self, of_agent: str, of_caller: str) -> tuple[str, str]:
        """Kind and subject of what is to be said of this side."""
        return of_agent if self.extension else of_caller, alarm_subject(self.extension, self.provider.slug)


@dataclass(slots=True)
class _Round:
    """What one look at all talks found."""

    told: list[Told] = field(default_factory=list)
    heard: set[tuple[str, str]] = field(default_factory=set)
    silent: dict[tuple[str, str], tuple[ProviderId, str]] = field(default_factory=dict)
    """Kind and subject of the alarm: whose, and what to say."""


class SoundWatch:
    """Watches every talk; ``run`` does it for ever."""

    def __init__(
        self,
        database: Database,
        book: Callable[[], Book],
        commands: Commands,
        view: LiveView,
        clock: Clock,
        *,
        unheard: timedelta,
        leads: Callable[[], bool],
        every_s: float = EVERY_S,
    ) -> None:
        self._database = database
        self._book = book
        self._commands = commands
        self._view = view
        self._clock = clock
        self._unheard = unheard
        self._leads = leads
        self._every_s = every_s
        self._before: dict[UniqueId, _Before] = {}
        self._raised: set[tuple[str, str]] = set()
        self._spoke: set[UniqueId] = set()
        self._forgot_at: datetime | None = None

    def on_fact(self, fact: LiveFact) -> None:
        """Something was heard of a leg."""
        if isinstance(fact, LegSpoke):
            self._spoke.add(fact.leg)

    async def run(self) -> None:
        """A link or a database that is away costs the looks until it is back."""
        while True:
            await asyncio.sleep(self._every_s)
            if not self._leads():
                self._before.clear()
                self._spoke.clear()
                continue
            try:
                await self.look()
                await self._forget_old()
            except CallCenterError as exc:
                log.info("sound: not looked at: %s", exc)
            except Exception:  # calls are served though nobody looks how they are heard: nothing here ends the service
                log.exception("sound: a look failed")

    async def look(self) -> None:
        """Asks every leg that is talked on once, and writes down what was found. Raises ``Unavailable``."""
        found = _Round()
        book, known = self._book(), set()
        for line in self._view.lines():
            provider = book.by_slug(line.provider)
            if provider is None:
                continue  # colleagues among themselves: no call of anybody's
            for part in _parts(line, provider):
                known.add(part.leg.uniqueid)
                with contextlib.suppress(Refused, RuleBroken):  # it has hung up meanwhile, or its name tells so
                    await self._ask(found, part)
        self._before = {leg: before for leg, before in self._before.items() if leg in known}
        self._spoke &= known
        await self._write(found)

    async def _ask(self, found: _Round, part: _Part) -> None:
        heard = read_counts(await self._commands.rtcp(part.leg.channel))
        if heard is None:
            return
        now, before = self._clock(), self._before.get(part.leg.uniqueid)
        came = before is None or part.held or heard.received.packets != before.heard.received.packets
        heard_at = now if before is None or came else before.heard_at
        since = now if before is None or part.held else before.since
        present = _Before(heard, heard_at, since, before is not None and before.listened)
        self._before[part.leg.uniqueid] = present
        silent, alarm = now - heard_at, part.alarm(NO_AGENT, NO_CALLER)
        if silent >= self._unheard:
            detail = f"no packets for {silent.total_seconds():.0f} s in call {part.call}"
            found.silent[alarm] = (part.provider.id, detail)
        elif before is not None and came and not part.held:
            found.heard.add(alarm)
        for side, way, last in _sides(part.extension, heard, None if before is None else before.heard):
            own = side == ("agent" if part.extension else "caller")
            found.told.append(
                Told(
                    part.provider.id, part.call, part.leg.uniqueid, part.extension, side, "asterisk", "", now, way,
                    last, silent.total_seconds() if own else 0.0,
                )
            )  # fmt: skip
        if not (part.extension and self._is_page(part.extension)):
            await self._listen(found, part, present, packets_come=silent < self._unheard)

    async def _listen(self, found: _Round, part: _Part, now: _Before, *, packets_come: bool) -> None:
        """Waits for the first sound of a leg, and says when it takes too long."""
        alarm, waited = part.alarm(AGENT_NOT_HEARD, CALLER_NOT_HEARD), self._clock() - now.since
        spoke = part.leg.uniqueid in self._spoke
        if spoke == now.listened:
            await self._commands.listen_for_voice(part.leg.channel, not spoke)
            now.listened = not spoke
        if spoke:
            found.heard.add(alarm)
        elif packets_come and waited >= FIRST_WORD * self._unheard:
            found.silent[alarm] = (
                part.provider.id, f"not a word for {waited.total_seconds():.0f} s in call {part.call}",
            )  # fmt: skip

    def _is_page(self, extension: str) -> bool:
        agent = self._book().agent(extension)
        return agent is not None and agent.phone == "browser"

    async def _write(self, found: _Round) -> None:
        if not (found.told or found.silent):
            return
        now = self._clock()
        async with self._database.scoped(Scope.all()) as connection:
            await quality_rows.keep(connection, found.told)
            there = {(alarm.kind, alarm.subject) for alarm in await open_alarms(connection)}
            for key, (provider, detail) in found.silent.items():
                if key not in self._raised or key not in there:  # who clears an alarm has not mended its cause
                    log.warning("sound: %s %s: %s", *key, detail)
                    await raise_alarm(connection, *key, at=now, detail=detail, provider=provider)
            for key in (there & found.heard) - found.silent.keys():
                await clear_alarm(connection, *key, at=now, by="heard again")
        self._raised = set(found.silent)

    async def _forget_old(self) -> None:
        now = self._clock()
        if self._forgot_at is not None and now - self._forgot_at < FORGOTTEN_EVERY:
            return
        async with self._database.scoped(Scope.all()) as connection:
            await connection.execute(_FORGET, {"before": now - KEPT})
        self._forgot_at = now


def _parts(line: Line, provider: Provider) -> Iterator[_Part]:
    """The agent's and the subscriber's; what stands between them is not asked."""
    yield _Part(line.leg, line.agent, line.call, provider, line.held)
    if line.other.channel.startswith(TRUNK_CHANNEL):
        yield _Part(line.other, "", line.call, provider, line.held)


def _sides(
    extension: str, heard: LegHeard, before: LegHeard | None
) -> Iterator[tuple[quality_rows.Side, Way, Way | None]]:
    """Both directions of a leg: all of it, and what has come since it was asked before."""
    earlier = {} if before is None else dict(quality_rows.sides(extension, before))
    for side, way in quality_rows.sides(extension, heard):
        yield side, way, between(earlier[side], way) if side in earlier else None


_FORGET = text("DELETE FROM call_quality WHERE id IN (SELECT id FROM call_quality WHERE at < :before LIMIT 50000)")
