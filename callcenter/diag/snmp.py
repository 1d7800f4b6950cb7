"""The one door to SNMP: typed values, deadlines that hold, one outstanding request per device, and a doorkeeper.

Only this file knows pysnmp. What pysnmp alone does not give (measured on 7.1.30): it takes datagrams from anybody, it
decodes everything it gets, hostile bytes end as tracebacks in the log, its timeouts are retried five times, and each
new timeout value leaves a row behind in its engine for good. Nothing but GET, GETNEXT's bulk form and never SET.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import warnings
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyasn1.type import univ
from pydantic import SecretStr

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pysnmp's own imports, not ours to mend
    from pysnmp.carrier.asyncio.dgram import udp
    from pysnmp.entity import config
    from pysnmp.entity.engine import SnmpEngine
    from pysnmp.error import PySnmpError
    from pysnmp.hlapi.v3arch.asyncio import (
        CommunityData,
        ContextData,
        UdpTransportTarget,
        bulk_cmd,
        get_cmd,
    )
    from pysnmp.proto import errind
    from pysnmp.proto.rfc1902 import ObjectName
    from pysnmp.proto.rfc1905 import unSpecified
    from pysnmp.smi.rfc1902 import ObjectIdentity, ObjectType

from callcenter.diag.values import NO_VALUE, Oid, SnmpValue
from callcenter.errors import Refused, Unavailable

log = logging.getLogger(__name__)


class NoAnswer(Unavailable):
    """The device was asked and said nothing in time. It tells nothing about the lines behind it."""


class Nonsense(Unavailable):
    """The device answered, but not what it was asked."""


class Busy(Unavailable):
    """The device was not even asked: others' requests to it took all the time there was."""


@dataclass(frozen=True, slots=True)
class Community:
    """SNMP v2c credentials. A v3 user will be another class beside this one."""

    secret: SecretStr


@dataclass(frozen=True, slots=True)
class SnmpTarget:
    """A device to ask: ``name`` is what people call it, for errors and logs."""

    name: str
    host: str
    port: int = 161
    credentials: Community = field(default_factory=lambda: Community(SecretStr("")))


LONGEST_ANSWER = 5.0
"""Seconds after which a request is forgotten, whatever budget is left."""
WORDS_PER_REQUEST = 16
"""Datagrams a device may send for one request before the doorkeeper stops listening to it."""
BULK_ROWS = 20
"""Rows a walk asks for at once: small-CPU OLTs answer 10 to 20 rows, not 100."""


class _Doorkeeper(udp.UdpAsyncioTransport):  # type: ignore[misc]  # pysnmp is untyped
    """pysnmp's socket, opened only to devices that were asked and only to what looks like a whole message."""

    def __init__(self) -> None:
        super().__init__()
        self.admitted: dict[tuple[str, int], int] = {}
        self.turned_away = 0
        self.unreadable = 0

    def datagram_received(self, datagram: bytes, transportAddress: tuple[str, int]) -> None:  # noqa: N803
        left = self.admitted.get(transportAddress, 0)
        if left <= 0 or not _is_whole_message(datagram):
            self.turned_away += 1
            return
        self.admitted[transportAddress] = left - 1
        self.loop.call_soon(self._hand_over, transportAddress, datagram)

    def _hand_over(self, address: tuple[str, int], datagram: bytes) -> None:
        receive = self._callback_function
        if receive is None:
            return
        try:
            receive(self, address, datagram)
        except Exception:  # pysnmp and pyasn1 raise anything at all on hostile bytes, RecursionError too
            self.unreadable += 1
            if self.unreadable.bit_count() == 1:  # the 1st, 2nd, 4th, 8th ...: a flood does not fill the log
                log.warning("an unreadable SNMP answer from %s (%d so far)", address[0], self.unreadable)


def _is_whole_message(datagram: bytes) -> bool:
    """A SEQUENCE whose length is the datagram's: what garbage and cut-off answers are not."""
    if len(datagram) < 16 or datagram[0] != 0x30:
        return False
    size = datagram[1]
    if size < 0x80:
        return len(datagram) == size + 2
    octets = size & 0x7F
    return octets <= 3 and len(datagram) == 2 + octets + int.from_bytes(datagram[2 : 2 + octets], "big")


@dataclass(slots=True)
class _Peer:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked_at: float | None = None
    address: Any = None


class Snmp:
    """Asks devices over SNMP v2c. One engine and one socket for all; belongs to one event loop."""

    def __init__(self) -> None:
        self._engine: Any = None
        self._door: _Doorkeeper | None = None
        self._peers: dict[tuple[str, int], _Peer] = {}

    def start(self) -> None:
        """Loads pysnmp's own tables (some 60 ms of CPU: at start, not while a phone rings)."""
        if self._engine is None:
            self._engine, self._door = SnmpEngine(), _Doorkeeper()
            config.add_transport(self._engine, udp.DOMAIN_NAME, self._door.open_client_mode())

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close_dispatcher()
            self._engine = self._door = None

    def silence(self, target: SnmpTarget) -> float:
        """Seconds for which the present request to this device has gone unanswered; 0 when none is under way."""
        asked_at = self._peer(target).asked_at
        return 0.0 if asked_at is None else asyncio.get_running_loop().time() - asked_at

    async def get(self, target: SnmpTarget, oids: Sequence[Oid], budget: float) -> dict[Oid, SnmpValue]:
        """The value of every OID asked for, ``NO_VALUE`` where the device has none.

        ``budget`` is seconds, the waiting for this device's turn included. Raises ``NoAnswer`` when the device is
        silent, ``Nonsense`` when it answers something else, ``Busy`` when its turn never came, ``Refused`` when it
        says no.
        """
        async with self._turn(target, budget) as peer:
            return await self._get(target, peer, list(oids))

    async def walk(self, target: SnmpTarget, root: Oid, budget: float, most: int = 20_000) -> dict[Oid, SnmpValue]:
        """Everything under ``root``, within ``budget`` seconds and at most ``most`` rows; errors as in ``get``.

        Others get their turn between its requests. Not for tables that hang their device when walked.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + budget
        found: dict[Oid, SnmpValue] = {}
        at = root
        while True:
            async with self._turn(target, deadline - loop.time()) as peer:
                try:
                    rows = await self._ask(target, peer, [at], bulk=True)
                except (_TooBig, _Spoilt) as exc:
                    raise Refused(target.name, "cannot list its table") from exc
            if not rows:
                raise Nonsense(target.name, "answered with nothing")
            for oid, value in rows:
                if oid[: len(root)] != root or (oid == at and value is NO_VALUE):  # the table's or the MIB's end
                    return found
                if oid <= at:
                    raise Nonsense(target.name, "repeats itself: its OIDs do not increase")
                found[oid] = value
                at = oid
                if len(found) > most:
                    raise Nonsense(target.name, f"has more than {most} rows under one table")

    # --- turns ---

    def _peer(self, target: SnmpTarget) -> _Peer:
        return self._peers.setdefault((target.host, target.port), _Peer())

    @contextlib.asynccontextmanager
    async def _turn(self, target: SnmpTarget, budget: float) -> AsyncIterator[_Peer]:
        """Waits until nobody else is asking this device, then holds the deadline, whatever pysnmp does."""
        peer, its_turn = self._peer(target), False
        try:
            async with asyncio.timeout(min(budget, LONGEST_ANSWER)), peer.lock:
                its_turn = True
                yield peer
        except TimeoutError as exc:
            if its_turn:
                peer.address = None  # it may have moved: ask the resolver again
                raise NoAnswer(target.name, f"did not answer in {budget:.1f} s") from exc
            raise Busy(target.name, f"was busy with other questions for {budget:.1f} s") from exc

    async def _get(self, target: SnmpTarget, peer: _Peer, oids: list[Oid]) -> dict[Oid, SnmpValue]:
        answers: dict[Oid, SnmpValue] = {}
        parts = [oids]
        while parts:
            part = parts.pop()
            try:
                rows = await self._ask(target, peer, part)
            except _TooBig:
                if len(part) == 1:
                    raise Refused(target.name, "says that one value is too big") from None
                half = len(part) // 2
                parts += [part[:half], part[half:]]
            except _Spoilt as spoilt:
                answers[part[spoilt.at]] = NO_VALUE
                rest = part[: spoilt.at] + part[spoilt.at + 1 :]
                parts += [rest] if rest else []
            else:
                if [oid for oid, _ in rows] != part:
                    raise Nonsense(target.name, "answered something else than it was asked")
                answers |= rows
        return answers

    # --- pysnmp ---

    async def _ask(
        self, target: SnmpTarget, peer: _Peer, oids: Iterable[Oid], *, bulk: bool = False
    ) -> list[tuple[Oid, SnmpValue]]:
        """One request, one answer. Raises ``_TooBig`` and ``_Spoilt`` beside the errors of ``get``."""
        self.start()
        if self._door is None:
            raise Unavailable(target.name, "SNMP is closed")
        if peer.address is None:
            peer.address = await _resolve(target)
        binds = [_Asked(oid) for oid in oids]
        who = (
            self._engine,
            CommunityData(target.credentials.secret.get_secret_value(), mpModel=1),  # noqa: S508  # all old OLTs speak
            peer.address,
            ContextData(),
        )
        where = peer.address.transport_address
        peer.asked_at = asyncio.get_running_loop().time()
        self._door.admitted[where] = WORDS_PER_REQUEST
        try:
            if bulk:
                reply = await bulk_cmd(*who, 0, BULK_ROWS, *binds, lookupMib=False)
            else:
                reply = await get_cmd(*who, *binds, lookupMib=False)
        except PySnmpError as exc:
            raise NoAnswer(target.name, f"could not be asked ({type(exc).__name__})") from exc
        finally:
            self._door.admitted.pop(where, None)
            peer.asked_at = None
        return _rows(target, *reply)


class _Asked(ObjectType):  # type: ignore[misc]  # pysnmp is untyped
    """An OID as it stands. pysnmp looks each one up in its MIBs otherwise, half of what a GET costs."""

    def __init__(self, oid: Oid) -> None:
        super().__init__(ObjectIdentity(oid))
        self._pair = ObjectName(oid), unSpecified

    def resolve_with_mib(self, *_: object, **__: object) -> _Asked:
        return self

    def __getitem__(self, at: int) -> Any:
        return self._pair[at]


class _TooBig(Exception):
    """The device cannot put its whole answer into one message."""


class _Spoilt(Exception):
    """One object made the device refuse the whole request."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


async def _resolve(target: SnmpTarget) -> Any:
    # One fixed timeout and no retries: every other pair would stay in the engine's tables for ever.
    try:
        address = await UdpTransportTarget.create((target.host, target.port), timeout=LONGEST_ANSWER, retries=0)
    except (PySnmpError, UnicodeError, OSError) as exc:
        raise NoAnswer(target.name, "its address is not known") from exc
    return address


def _rows(target: SnmpTarget, indication: Any, status: Any, index: Any, binds: Any) -> list[tuple[Oid, SnmpValue]]:
    if indication:
        if isinstance(indication, errind.RequestTimedOut):
            raise NoAnswer(target.name, f"did not answer in {LONGEST_ANSWER:.0f} s")
        raise Nonsense(target.name, f"gave an answer that is not SNMP ({type(indication).__name__})")
    match int(status):
        case 0:
            return [(tuple(bind[0]), _value(bind[1])) for bind in binds]
        case 1:
            raise _TooBig
        case 2 | 5 if 0 < int(index) <= len(binds):
            raise _Spoilt(int(index) - 1)
        case code:
            raise Refused(target.name, f"refused the question (SNMP error {code})")


def _value(raw: Any) -> SnmpValue:
    match raw:
        case univ.Null():  # noSuchObject, noSuchInstance and endOfMibView are Nulls here
            return NO_VALUE
        case univ.OctetString():
            return bytes(raw)
        case univ.ObjectIdentifier():
            return tuple(raw)
        case univ.Integer():
            return int(raw)
        case _:
            return NO_VALUE
