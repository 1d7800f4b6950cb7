"""One login to Asterisk, for ever: connecting, logging in, reading the picture, live, draining, and again.

A dead peer is noticed by silence, not by hope; a refused login is said aloud and tried seldom; a gap of any kind is
followed by reading the whole picture again. panoramisk's Manager opens the connection; its own login, ping, reconnect
and re-sending of unanswered actions stay switched off.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from panoramisk import Manager

from callcenter.ami.actions import SYSTEM, PendingActions, Reply, Value, action_text
from callcenter.ami.frames import Event, FrameReader, Torn
from callcenter.ami.health import LinkCounters, LinkHealth, LinkState
from callcenter.ami.tape import Tape
from callcenter.ami.wire import QUEUE_LIMIT, Wire
from callcenter.errors import Misconfigured, Refused, Unavailable
from callcenter.words import Clock

log = logging.getLogger(__name__)
NOT_STARTED = "not started"

BATCH = 500
"""Frames taken in one go; then others get their turn."""
_CHANCE = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class AmiAddress:
    """Where Asterisk's manager listens, and as whom we log in. ``tls_ca``: its certificate's authority, for TLS."""

    host: str
    port: int
    username: str
    secret: str = field(repr=False)
    tls_ca: Path | None = None

    def tls(self) -> ssl.SSLContext | bool:
        """What the connection needs for TLS; raises ``Misconfigured`` when the file cannot be read."""
        if self.tls_ca is None:
            return False
        try:
            return ssl.create_default_context(cafile=str(self.tls_ca))
        except OSError as unreadable:
            raise Misconfigured(f"the AMI certificate authority {self.tls_ca}: {unreadable}") from unreadable


@dataclass(frozen=True, slots=True)
class Pace:
    """How long we wait for what, in seconds."""

    connect: float = 5.0
    reply: float = 5.0
    ping_after: float = 10.0
    dead_after: float = 20.0
    first_retry: float = 0.5
    longest_retry: float = 5.0
    refused_retry: float = 30.0
    resync_gap: float = 0.5


def retry_delay(pace: Pace, failures: int, *, refused: bool, chance: float) -> float:
    """After each failure we wait twice as long, and not all at the same moment.

    ``chance`` is between 0 and 1 and shortens the wait by up to a quarter. An absent Asterisk is tried every few
    seconds at least, since agents are blind until it is found again. A refused login is tried seldom: each try is a
    line in Asterisk's security log, and fail2ban reads it.
    """
    delay = pace.refused_retry
    if not refused:
        delay = min(pace.longest_retry, pace.first_retry * 2.0 ** min(failures - 1, 16))
    return delay * (1.0 - chance / 4.0)


class Listener(Protocol):
    """Whoever makes something of the events; every method but ``synchronise`` is quick and does no I/O."""

    async def synchronise(self, session: Session) -> int:
        """Reads the picture; returns how many of the events received so far it already tells."""

    def receive(self, event: Event) -> None:
        """One event, in order."""

    def torn(self, frame: Torn) -> None:
        """A frame that Asterisk cannot have meant, in its place among the events."""

    def outdated(self, event: Event) -> None:
        """An event that came before the picture was read, and is therefore part of it already."""

    def lost(self, why: str) -> None:
        """The link has gone; all events received before have been handed over."""


class _Connector(Manager):  # type: ignore[misc]  # panoramisk is untyped
    """panoramisk's Manager without its timers: it opens the connection and does nothing by itself afterwards."""

    def connection_made(self, f: Any) -> None:
        """The session awaits the connection itself, and its failure too."""

    def connection_lost(self, exc: Any) -> None:
        """The session watches the wire itself."""


class Session:
    """One login that ``run`` keeps alive; ``send`` asks over it while it is there."""

    def __init__(
        self,
        address: AmiAddress,
        listener: Listener | None,
        *,
        clock: Clock,
        wanted: frozenset[str] = frozenset(),
        pace: Pace | None = None,
        tape: Tape | None = None,
        queue_limit: int = QUEUE_LIMIT,
        chance: Callable[[], float] = _CHANCE.random,
    ) -> None:
        self._address = address
        self._listener = listener
        self._clock = clock
        self._wanted = wanted
        self._pace = pace or Pace()
        self._tape = tape
        self._queue_limit = queue_limit
        self._chance = chance
        self._pending = PendingActions()
        self._wire: Wire | None = None
        self._state = LinkState.CONNECTING
        self._reason = NOT_STARTED
        self._since = clock()
        self._counters = LinkCounters()
        self._torn: tuple[Torn, ...] = ()
        self._told = ""
        self._handed = 0
        self._resync_wanted = ""
        self._resynced_at = 0.0

    @property
    def name(self) -> str:
        return self._address.username

    @property
    def health(self) -> LinkHealth:
        """How the link is now."""
        wire, sums = self._wire, self._counters
        counters = {name: getattr(sums, name) for name in LinkCounters.__slots__}
        if wire is not None:
            for name, value in _wire_counts(wire).items():
                counters[name] += value
        torn = self._torn if wire is None else (*self._torn, *wire.kept_torn)[-50:]
        return LinkHealth(self.name, self._state, self._reason, self._since, counters, torn)

    @property
    def pending(self) -> int:
        """Actions that wait for an answer now."""
        return len(self._pending)

    def want_resync(self, why: str) -> None:
        """The picture may be wrong: it is read again soon, over the same link, and at most twice a second."""
        if not self._resync_wanted:
            self._resync_wanted = why

    async def send(
        self, name: str, headers: Mapping[str, Value] | None = None, *, deadline: float = 0.0, action_id: str = ""
    ) -> Reply:
        """Asks once and waits for the answer, five seconds unless told otherwise.

        ``action_id`` is for whoever must know it beforehand: each may be used once.

        Raises ``Unavailable`` without a link, answer or whole list, ``Refused`` when Asterisk says no, ``RuleBroken``
        for a value that may not go over the wire. An action whose answer is lost may have been carried out.
        """
        if self._state not in (LinkState.SYNCING, LinkState.LIVE):
            raise Unavailable(SYSTEM, self._reason or f"the link is {self._state}")
        return await self._ask(name, headers or {}, deadline or self._pace.reply, action_id)

    async def run(self) -> None:
        """Keeps the link for ever; ends only by being cancelled."""
        failures = 0
        try:
            while True:
                refused = False
                connected_before = self._counters.resyncs
                try:
                    await self._one_life()
                except* Unavailable as group:
                    self._went(_first(group))
                except* Refused as group:
                    refused = True
                    self._went(_first(group))
                _leave_when_cancelled()
                failures = 1 if self._counters.resyncs > connected_before else failures + 1
                delay = retry_delay(self._pace, failures, refused=refused, chance=self._chance())
                await asyncio.sleep(delay)
        finally:
            if self._tape is not None:
                self._tape.close()

    async def _one_life(self) -> None:
        """From the first packet to the last event; leaves by ``Unavailable`` or ``Refused``, bare or in a group."""
        wire = await self._connect()
        self._wire, self._handed = wire, 0
        was_live = False
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._until_ended(wire))
                self._become(LinkState.LOGGING_IN)
                await self._log_in()
                self._counters.connections += 1
                await self._synchronise(wire)
                was_live = True
                self._told = ""
                log.info("AMI %s: live", self.name)
                group.create_task(self._keep_alive(wire))
                await self._pump(wire)
        finally:
            wire.abort("we closed the link")
            self._pending.fail(wire.fault)
            self._sum_up(wire)
            self._become(LinkState.DRAINING, wire.fault)
            while was_live and wire.queue and not wire.overflowed:
                self._hand_over(wire.queue.popleft())

    async def _connect(self) -> Wire:
        self._become(LinkState.CONNECTING, self._reason)
        wires: list[Wire] = []

        def protocol() -> Wire:
            wires.append(
                Wire(FrameReader(self._wanted), self._answered, tape=self._tape, queue_limit=self._queue_limit)
            )
            return wires[-1]

        connector = _Connector(
            host=self._address.host,
            port=self._address.port,
            ssl=self._address.tls(),
            protocol_factory=protocol,
            loop=asyncio.get_running_loop(),
        )
        try:
            async with asyncio.timeout(self._pace.connect):
                transport, _ = await connector.connect()
        except TimeoutError as silence:
            raise Unavailable(SYSTEM, f"no connection in {self._pace.connect:g} s") from silence
        except OSError as failure:
            raise Unavailable(SYSTEM, f"cannot connect: {failure}") from failure
        _notice_dead_peer(transport, self._pace.dead_after)
        return wires[-1]

    async def _log_in(self) -> None:
        events = "off" if self._listener is None else "on"
        who = {"Username": self._address.username, "Secret": self._address.secret, "Events": events}
        try:
            await self._ask("Login", who, self._pace.reply)
        except Refused as no:
            self._counters.logins_refused += 1
            raise Refused(SYSTEM, f"login of {self.name} refused: {no.why}") from no

    async def _synchronise(self, wire: Wire) -> None:
        """Reads the picture; events that came before it are part of it, those that came since are handed over next."""
        first = self._state is not LinkState.LIVE
        self._become(LinkState.SYNCING if first else LinkState.LIVE, self._resync_wanted)
        self._resync_wanted = ""
        if self._listener is not None:
            try:
                known = await self._listener.synchronise(self)
            except Refused as no:  # no right to it, or an Asterisk that is still loading its modules (seen)
                raise Unavailable(SYSTEM, f"{self.name} cannot read the picture: {no.why}") from no
            while wire.queue and self._handed < known:
                self._handed += 1
                old = wire.queue.popleft()
                if isinstance(old, Event):
                    self._listener.outdated(old)
        self._counters.resyncs += 1
        self._resynced_at = asyncio.get_running_loop().time()
        self._become(LinkState.LIVE)

    async def _pump(self, wire: Wire) -> None:
        """Hands events over in order, and reads the picture again when something says that it may be wrong."""
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(min(BATCH, len(wire.queue))):
                self._hand_over(wire.queue.popleft())
                if self._resync_wanted:
                    break
            due = self._resynced_at + self._pace.resync_gap
            if self._resync_wanted and loop.time() >= due:
                await self._synchronise(wire)
            elif wire.queue:
                await asyncio.sleep(0)
            else:
                wire.wake.clear()
                try:
                    async with asyncio.timeout_at(due if self._resync_wanted else None):
                        await wire.wake.wait()
                except TimeoutError:
                    continue

    def _hand_over(self, frame: Event | Torn) -> None:
        self._handed += 1
        if self._listener is None:
            return
        if isinstance(frame, Torn):
            self._listener.torn(frame)
        else:
            self._listener.receive(frame)

    async def _keep_alive(self, wire: Wire) -> None:
        """Asks a silent peer whether it is there, and lets go of one that stays silent."""
        loop = asyncio.get_running_loop()
        seen, heard_at = wire.received, loop.time()
        while True:
            await asyncio.sleep(max(0.01, heard_at + self._pace.ping_after - loop.time()))
            if wire.received != seen:
                seen, heard_at = wire.received, loop.time()
                continue
            try:
                await self._ask("Ping", {}, self._pace.reply)
            except Unavailable:
                if wire.received == seen and loop.time() >= heard_at + self._pace.dead_after:
                    wire.abort(f"Asterisk has been silent for {self._pace.dead_after:g} s")
                    return

    async def _until_ended(self, wire: Wire) -> None:
        await wire.ended.wait()
        raise Unavailable(SYSTEM, wire.fault)

    async def _ask(self, name: str, headers: Mapping[str, Value], deadline: float, action_id: str = "") -> Reply:
        wire = self._wire
        if wire is None or wire.fault:
            raise Unavailable(SYSTEM, "no link" if wire is None else wire.fault)
        action_id = action_id or uuid.uuid4().hex
        text = action_text(name, headers, action_id)
        return await self._pending.wait(action_id, lambda: wire.transmit(text), deadline)

    def _answered(self, frame: Any) -> bool:
        wire = self._wire
        return self._pending.answer(frame, 0 if wire is None else wire.queued)

    def _become(self, state: LinkState, reason: str = "") -> None:
        if (state is LinkState.LIVE) is not (self._state is LinkState.LIVE):
            self._since = self._clock()
        self._state, self._reason = state, reason

    def _went(self, failure: Unavailable | Refused) -> None:
        """Said once when the link goes and once for each new reason; not each second while it stays away."""
        if failure.why != self._told:
            log.warning("AMI %s: %s", self.name, failure.why)
            self._told = failure.why
        self._become(LinkState.CONNECTING, failure.why)
        if self._listener is not None:
            self._listener.lost(failure.why)

    def _sum_up(self, wire: Wire) -> None:
        for name, value in _wire_counts(wire).items():
            setattr(self._counters, name, getattr(self._counters, name) + value)
        self._torn = (*self._torn, *wire.kept_torn)[-50:]
        self._wire = None


def _wire_counts(wire: Wire) -> dict[str, int]:
    return {
        "events": wire.queued,
        "skipped": wire.reader.skipped,
        "torn": wire.torn,
        "overflows": int(wire.overflowed),
        "unasked_replies": wire.unasked,
        "bytes_received": wire.received,
    }


def _leave_when_cancelled() -> None:
    """A TaskGroup that fails in the moment in which we are cancelled tells of the failure only (Python 3.11, 3.12)."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _first(group: BaseExceptionGroup[Any]) -> Any:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _notice_dead_peer(transport: Any, seconds: float) -> None:
    """The kernel, too, gives up on a peer that acknowledges nothing (Linux)."""
    link = transport.get_extra_info("socket")
    if link is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
