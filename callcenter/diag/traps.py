"""Hears SNMP traps. A trap is a hint and never a truth: it makes us look at that OLT now, and the look decides.

So no trap can forge an outage, and a storm of them costs one look per OLT in a few seconds. Datagrams of strangers,
with another community or another user, cut off or too many, are counted and cost next to nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import TypeAlias, cast

from callcenter.diag.devices import Device
from callcenter.diag.trap_message import NotATrap, TrapMessage, read_trap
from callcenter.errors import Misconfigured
from callcenter.words import Clock, DeviceId

log = logging.getLogger(__name__)

Peer: TypeAlias = tuple[str, int]
Hint: TypeAlias = Callable[[Device, str | None, datetime], None]
"""Told of each burst of traps: the device, its PON where one is named, and when the first of them came."""

READ_AT_ONCE, READ_PER_S = 50, 20.0
"""Traps of one device that are read in full: so many at once, then so many a second; the rest are counted."""
ALL_AT_ONCE, ALL_PER_S = 400, 200.0
"""The same for all devices together: reading one takes up to a millisecond."""
LOOK_EVERY_S = 3.0
"""Seconds between two looks at one OLT, however many traps it sends."""
CALM_S = 60.0
"""The same for looks at a whole OLT of which only single traps come: lines go up and down all day."""
MANY = 5
"""So many traps between two looks are no single ones."""
AGAIN_S = 15.0
"""Seconds after a look at which the same is looked at once more: an OLT's tables follow its traps."""
MOST_PONS = 2
"""PONs of one OLT that are looked at one by one; of more, the whole OLT is."""
BIND_AGAIN_S = 30.0
RESOLVE_EVERY_S = 300.0
QUEUE_OCTETS = 1 << 20
"""What the kernel is asked to hold for us while we are busy."""
LARGEST = 65_507


@dataclass(slots=True)
class _Allowance:
    """How many more traps are read for now."""

    most: float
    per_s: float
    left: float = 0.0
    at: float = float("-inf")

    def has(self, now: float) -> bool:
        self.left = self.most if self.at == float("-inf") else min(self.most, self.left + (now - self.at) * self.per_s)
        self.at = now
        return self.left >= 1


@dataclass(slots=True)
class _Sender:
    """A device that may send traps."""

    device: Device
    allowance: _Allowance = field(default_factory=lambda: _Allowance(READ_AT_ONCE, READ_PER_S))


@dataclass(slots=True)
class _Pending:
    """What is to be looked at of one OLT: some PONs, or all of it (``None`` among them)."""

    device: Device
    first_at: datetime
    places: set[str | None] = field(default_factory=set)
    traps: int = 0
    """Since the last look."""
    looked_at: float = float("-inf")
    again: set[str | None] = field(default_factory=set)

    @property
    def wanted_at(self) -> float:
        """When the next look is due, by the event loop's clock; infinite where none is."""
        if self.places:
            single = None in self.places and self.traps < MANY
            return self.looked_at + (CALM_S if single else LOOK_EVERY_S)
        return self.looked_at + AGAIN_S if self.again else float("inf")

    def taken(self, now: float) -> list[str | None]:
        """What to look at now; a look that traps caused is followed by one more."""
        what, self.again = (self.places, set(self.places)) if self.places else (self.again, set())
        self.places, self.traps, self.looked_at = set(), 0, now
        pons = sorted(pon for pon in what if pon is not None)
        return [None] if None in what or len(pons) > MOST_PONS else [*pons]


class Traps:
    """The receiver. ``run`` hears for ever; a port that cannot be had is ``fault``, and stops nothing else."""

    def __init__(
        self,
        bind: str,
        clock: Clock,
        hint: Hint,
        *,
        pon_at: Callable[[Device, int], str | None] = lambda device, if_index: None,
        on_fault: Callable[[str], None] = lambda fault: None,
    ) -> None:
        """``bind`` is ``host:port``, empty for none. ``pon_at`` names the PON of an ifIndex, where that is known.

        ``on_fault`` is told why the port cannot be had, and the empty text once it can.
        """
        self._bind = parse_bind(bind) if bind else None
        self._clock = clock
        self._hint = hint
        self._pon_at = pon_at
        self._on_fault = on_fault
        self._devices: tuple[Device, ...] = ()
        self._senders: dict[str, list[_Sender]] = {}
        self._allowance = _Allowance(ALL_AT_ONCE, ALL_PER_S)
        self._resolved = asyncio.Event()
        self._pending: dict[DeviceId, _Pending] = {}
        self._wake = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None
        self.fault = ""
        """Why no traps are heard; empty while they are, and where none are to be."""
        self.counts: Counter[str] = Counter()
        """Datagrams by what became of them: believed, stranger, community, malformed, over, other."""

    @property
    def address(self) -> Peer | None:
        """Where traps are heard now."""
        return None if self._transport is None else self._transport.get_extra_info("sockname")[:2]

    def know(self, devices: Iterable[Device]) -> None:
        """The devices whose traps are hints; again after each change of them."""
        known = tuple(devices)
        if known != self._devices:
            self._devices = known
            self._senders = _by_address((device, _literal(device.host)) for device in known)
            self._resolved.set()

    async def run(self) -> None:
        if self._bind is None:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._resolve(), name="traps: addresses of devices")
            tasks.create_task(self._look(), name="traps: hints")
            while True:
                await self._hear(*self._bind)
                await asyncio.sleep(BIND_AGAIN_S)

    # --- the port ---

    async def _hear(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[None] = loop.create_future()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Port(self, lost), local_addr=(host, port))
        except OSError as exc:
            self._faulty(f"SNMP traps are not heard: {host}:{port} cannot be had ({exc.strerror or exc})")
            return
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE_OCTETS)
        self._transport = transport
        self._faulty("")
        log.info("SNMP traps are heard on %s:%d", *(self.address or (host, port)))
        try:
            await lost
        except OSError as exc:
            self._faulty(f"SNMP traps are not heard: {host}:{port} was lost ({exc.strerror or exc})")
        finally:
            self._transport = None
            transport.close()

    def _faulty(self, fault: str) -> None:
        if fault != self.fault:
            self.fault = fault
            if fault:
                log.error("%s", fault)
            self._on_fault(fault)

    def received(self, datagram: bytes, sender: Peer) -> None:
        """One datagram: everything that is dear is done for few of them."""
        known = self._senders.get(sender[0].removeprefix("::ffff:"))
        if known is None:
            self.counts["stranger"] += 1
            return
        if not _is_whole(datagram):
            self.counts["malformed"] += 1
            return
        now = asyncio.get_running_loop().time()
        own = known[0].allowance
        if not own.has(now) or not self._allowance.has(now):
            self.counts["over"] += 1
            for one in known:  # the burst goes on: what is looked at already is looked at as a whole
                if (pending := self._pending.get(one.device.id)) is not None and pending.places:
                    pending.places.add(None)
                    pending.traps += 1
            return
        own.left -= 1
        self._allowance.left -= 1
        try:
            trap = read_trap(datagram)
        except NotATrap:
            self.counts["malformed"] += 1
            return
        if not trap.about_lines:
            self.counts["other"] += 1
            return
        believed = [one for one in known if _is_its(trap, one.device)]
        exact = [one for one in believed if one.device.port == sender[1]]
        for one in exact or believed:
            self._hinted(one.device, trap)
        self.counts["believed" if believed else "community"] += 1
        if believed and trap.reply is not None and self._transport is not None:
            self._transport.sendto(trap.reply, sender)

    # --- hints ---

    def _hinted(self, device: Device, trap: TrapMessage) -> None:
        pending = self._pending.get(device.id)
        if pending is None:
            pending = self._pending[device.id] = _Pending(device, self._clock())
        elif not pending.places:
            pending.first_at = self._clock()
        pending.places.add(trap.pon or (self._pon_at(device, trap.if_index) if trap.if_index is not None else None))
        pending.traps += 1
        self._wake.set()

    async def _look(self) -> None:
        """A look at once, one now and then while traps go on, one more when they are over."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            now = loop.time()
            for number, pending in list(self._pending.items()):
                if now >= pending.wanted_at:
                    for place in pending.taken(now):
                        self._say(pending, place)
                elif pending.wanted_at == float("inf") and now >= pending.looked_at + CALM_S:
                    del self._pending[number]
            soonest = min((pending.wanted_at for pending in self._pending.values()), default=float("inf"))
            try:
                async with asyncio.timeout_at(None if soonest == float("inf") else soonest):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _say(self, pending: _Pending, pon: str | None) -> None:
        try:
            self._hint(pending.device, pon, pending.first_at)
        except Exception:  # whoever takes hints in badly ends no hearing of them
            log.exception("a trap of %s could not be taken in", pending.device.name)

    # --- who may send ---

    async def _resolve(self) -> None:
        """Keeps the devices' addresses, for those that are written as names too."""
        loop = asyncio.get_running_loop()
        while True:
            self._resolved.clear()
            devices, found = self._devices, list[tuple[Device, Iterable[str]]]()
            for device in devices:
                try:
                    infos = await loop.getaddrinfo(device.host, None, type=socket.SOCK_DGRAM)
                except (OSError, UnicodeError):
                    log.warning("device %s: its address is not known, so its traps are not either", device.name)
                    continue
                found.append((device, {str(info[4][0]) for info in infos}))
            if devices is self._devices:
                self._senders = _by_address(found)
            try:
                async with asyncio.timeout(RESOLVE_EVERY_S):
                    await self._resolved.wait()
            except TimeoutError:
                continue


class _Port(asyncio.DatagramProtocol):
    def __init__(self, traps: Traps, lost: asyncio.Future[None]) -> None:
        self._traps = traps
        self._lost = lost

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._traps.received(data, cast("Peer", addr))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_exception(exc or OSError("it was closed"))


def _literal(host: str) -> tuple[str, ...]:
    """The address that is written as one, known without asking: nothing such a device sends is ever a stranger's."""
    try:
        return (str(ip_address(host)),)
    except ValueError:
        return ()


def _by_address(found: Iterable[tuple[Device, Iterable[str]]]) -> dict[str, list[_Sender]]:
    senders: dict[str, list[_Sender]] = defaultdict(list)
    for device, addresses in found:
        for address in addresses:
            senders[address].append(_Sender(device))
    return dict(senders)


def parse_bind(text: str) -> Peer:
    """``host:port`` or ``[::]:port``; raises ``Misconfigured``."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise Misconfigured(f"line.traps_bind must be host:port, not {text!r}")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - a receiver of traps hears everywhere, filtered


def _is_its(trap: TrapMessage, device: Device) -> bool:
    """Whether the trap names what this device is asked with: its community, or its v3 user."""
    if trap.version == 3:
        return device.v3 is not None and hmac.compare_digest(trap.user, device.v3.user.encode())
    community = device.community.get_secret_value().encode()
    return bool(community) and hmac.compare_digest(trap.community, community)


def _is_whole(datagram: bytes) -> bool:
    """A SEQUENCE whose length is the datagram's: what garbage and cut-off traps are not."""
    if not 16 <= len(datagram) <= LARGEST or datagram[0] != 0x30:
        return False
    size = datagram[1]
    if size < 0x80:
        return len(datagram) == size + 2
    octets = size & 0x7F
    return 1 <= octets <= 3 and len(datagram) == 2 + octets + int.from_bytes(datagram[2 : 2 + octets], "big")
