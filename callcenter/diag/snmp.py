"""The one door to SNMP: typed values, deadlines that hold, one outstanding request per device.

A card's GET, a write and everything in v3 go through pysnmp (``snmp_engine``); whole tables of v2c devices and the
GETs of a sweep through a codec and a socket of our own (``ber``, ``snmp_socket``), which take a fraction of its time
(ADR 0013). Both take turns at the same device.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from callcenter.diag import ber
from callcenter.diag.devices import Device, SnmpV3
from callcenter.diag.driver import Limits
from callcenter.diag.snmp_engine import LONGEST_ANSWER, Engines, Kind, no_answer_to, resolve
from callcenter.diag.snmp_socket import SnmpSocket, opened
from callcenter.diag.snmp_target import (
    Busy,
    Community,
    Credentials,
    NoAnswer,
    Nonsense,
    Row,
    SnmpTarget,
    Spoilt,
    TooBig,
    in_order,
)
from callcenter.diag.turns import Turns
from callcenter.diag.values import NO_VALUE, Oid, SnmpValue
from callcenter.errors import Refused, RuleBroken

__all__ = ["LONGEST_ANSWER", "Busy", "Community", "NoAnswer", "Nonsense", "Snmp", "SnmpTarget"]

MOST_ROWS = 20_000
MOST_OCTETS = 10_000_000
"""Of all answers to one walk: a table that is longer is none that we asked for."""
ASKED_AGAIN = 2
"""Times that a request of a walk is sent again, once the device has answered this walk at all: datagrams get lost."""
AGAIN_AFTER = 2.5
"""Seconds."""

T = TypeVar("T")


@dataclass(slots=True)
class _Peer:
    turns: Turns = field(default_factory=Turns)
    asked_at: float | None = None
    address: Any = None


class Snmp:
    """Asks devices over SNMP; belongs to one event loop."""

    def __init__(self) -> None:
        self._engines = Engines()
        self._peers: dict[tuple[str, int], _Peer] = {}

    @staticmethod
    def target(device: Device, limits: Limits | None = None) -> SnmpTarget:
        """How this device is asked: with its v3 user, else its community, within its driver's limits."""
        return SnmpTarget.of(device, limits)

    def start(self) -> None:
        """Loads pysnmp's own tables (some 60 ms of CPU: at start, not while a phone rings)."""
        self._engines.start()

    def close(self) -> None:
        self._engines.close()

    def silence(self, target: SnmpTarget) -> float:
        """Seconds for which the present request to this device has gone unanswered; 0 when none is under way."""
        asked_at = self._peer(target).asked_at
        return 0.0 if asked_at is None else asyncio.get_running_loop().time() - asked_at

    async def get(
        self, target: SnmpTarget, oids: Sequence[Oid], budget: float, *, vlan: int | None = None, urgent: bool = False
    ) -> dict[Oid, SnmpValue]:
        """The value of every OID asked for, ``NO_VALUE`` where the device has none; at most ``gets_at_once`` a request.

        ``budget`` is seconds, the waiting for this device's turn included; what is ``urgent`` has the next turn,
        before whoever has waited longer. Raises ``NoAnswer`` when the device is
        silent, ``Nonsense`` when it answers something else, ``Busy`` when its turn never came, ``Refused`` when it
        says no (a v3 user that it does not know, too).
        """
        target, deadline = target.in_vlan(vlan), _now() + budget
        answers: dict[Oid, SnmpValue] = {}
        for part in _parts(oids, target.limits.gets_at_once):
            async with self._turn(target, deadline - _now(), urgent=urgent) as peer:

                async def ask(some: list[Oid], peer: _Peer = peer) -> list[Row]:
                    return await self._pysnmp("get", target, target.credentials, peer, [(oid, None) for oid in some])

                answers |= await _get(target, part, ask)
        return answers

    async def get_all(self, target: SnmpTarget, oids: Sequence[Oid], budget: float) -> dict[Oid, SnmpValue]:
        """As ``get``, for the thousands of a sweep: others get their turn between its requests."""
        match target.credentials:
            case SnmpV3():
                deadline = _now() + budget
                answers: dict[Oid, SnmpValue] = {}
                for part in _parts(oids, target.limits.gets_at_once):
                    answers |= await self.get(target, part, deadline - _now())
                    await _leave(target)
                return answers
            case Community(secret):
                async with opened(target, secret.get_secret_value().encode()) as socket:
                    return await self._get_all(target, socket, oids, budget)

    async def walk(
        self,
        target: SnmpTarget,
        root: Oid,
        budget: float,
        most: int = MOST_ROWS,
        limits: Limits | None = None,
        *,
        vlan: int | None = None,
        cut: bool = False,
    ) -> dict[Oid, SnmpValue]:
        """Everything under ``root``, within ``budget`` seconds and at most ``most`` rows; errors as in ``get``.

        More rows than that are ``Nonsense``, or with ``cut`` left alone. Others get their turn between its requests.
        Not for tables that hang their device when walked.
        """
        target = (target if limits is None else replace(target, limits=limits)).in_vlan(vlan)
        match target.credentials:
            case SnmpV3():
                return await self._walk(target, root, budget, most, None, cut=cut)
            case Community(secret):
                async with opened(target, secret.get_secret_value().encode()) as socket:
                    return await self._walk(target, root, budget, most, socket, cut=cut)

    async def first(self, target: SnmpTarget, root: Oid, budget: float) -> Row | None:
        """The first row under ``root`` by one GETNEXT, ``None`` when there is none; errors as in ``get``."""
        async with self._turn(target, budget) as peer:
            try:
                rows = await self._pysnmp("next", target, target.credentials, peer, [(root, None)])
            except (TooBig, Spoilt):  # v1's way to say that the MIB ends; a row too big to send tells us no more
                return None
        return next((row for row in rows if row[0][: len(root)] == root and row[0] > root), None)

    async def column(self, target: SnmpTarget, root: Oid, budget: float, most: int = MOST_ROWS) -> dict[Oid, SnmpValue]:
        """As ``walk``, by index: the column's own OID is taken off."""
        cut = len(root)
        return {oid[cut:]: value for oid, value in (await self.walk(target, root, budget, most)).items()}

    async def set(self, target: SnmpTarget, values: Sequence[tuple[Oid, int | bytes]], budget: float) -> None:
        """Writes all of these or none. Raises ``RuleBroken`` for a device that has nothing to write with."""
        credentials = target.write
        if credentials is None:
            raise RuleBroken(f"{target.name} has no write community and no SNMPv3 user: nothing is written over SNMP")
        async with self._turn(target, budget) as peer:
            try:
                await self._pysnmp("set", target, credentials, peer, list(values))
            except (TooBig, Spoilt) as exc:
                raise Refused(target.name, "does not let this be written") from exc

    # --- turns ---

    def _peer(self, target: SnmpTarget) -> _Peer:
        return self._peers.setdefault((target.host, target.port), _Peer())

    @contextlib.asynccontextmanager
    async def _turn(
        self, target: SnmpTarget, budget: float, longest: float = LONGEST_ANSWER, *, urgent: bool = False
    ) -> AsyncIterator[_Peer]:
        """Waits until nobody else is asking this device, then holds the deadline, whatever pysnmp does."""
        peer, its_turn = self._peer(target), False
        try:
            async with asyncio.timeout(min(budget, longest)):
                await peer.turns.take(urgent=urgent)
                its_turn = True
                peer.asked_at = _now()
                try:
                    yield peer
                finally:
                    peer.asked_at = None
                    peer.turns.give()
        except TimeoutError as exc:
            if its_turn:
                peer.address = None  # it may have moved: ask the resolver again
                raise NoAnswer(target.name, f"did not answer in {max(min(budget, longest), 0):.1f} s") from exc
            raise Busy(target.name, f"was busy with other questions for {max(budget, 0):.1f} s") from exc

    # --- one request ---

    async def _pysnmp(
        self,
        kind: Kind,
        target: SnmpTarget,
        credentials: Credentials,
        peer: _Peer,
        binds: Sequence[tuple[Oid, int | bytes | None]],
        repetitions: int = 1,
    ) -> list[Row]:
        if peer.address is None:
            peer.address = await resolve(target)
        key = replace(credentials, context="") if isinstance(credentials, SnmpV3) else None
        return await self._engines.engine(key).ask(kind, target, credentials, peer.address, binds, repetitions)

    async def _get_all(
        self, target: SnmpTarget, socket: SnmpSocket, oids: Sequence[Oid], budget: float
    ) -> dict[Oid, SnmpValue]:
        deadline = _now() + budget
        answers: dict[Oid, SnmpValue] = {}

        async def ask(some: list[Oid]) -> list[Row]:
            async def once() -> list[Row]:
                read, _ = await socket.ask(ber.GET, some)
                no_answer_to(target, read.status, read.index, len(some))
                return list(read.rows)

            return await self._patiently(target, deadline, once, again=bool(answers))

        for part in _parts(oids, target.limits.gets_at_once):
            answers |= await _get(target, part, ask)
            await _leave(target)
        return answers

    async def _patiently(
        self, target: SnmpTarget, deadline: float, once: Callable[[], Awaitable[T]], *, again: bool
    ) -> T:
        """One request in a turn of its own, sent again when a device that has been answering misses one."""
        for left in range(ASKED_AGAIN if again else 0, -1, -1):
            if deadline <= _now():
                raise NoAnswer(target.name, "was not read to the end in time")
            try:
                async with self._turn(target, deadline - _now(), AGAIN_AFTER if left else LONGEST_ANSWER):
                    return await once()
            except NoAnswer:
                if not left or deadline <= _now():
                    raise
        raise AssertionError("a loop that ends by returning or raising")

    async def _walk(
        self, target: SnmpTarget, root: Oid, budget: float, most: int, socket: SnmpSocket | None, *, cut: bool
    ) -> dict[Oid, SnmpValue]:
        deadline = _now() + budget
        repetitions = target.limits.bulk_rows if target.limits.uses_bulk else 1
        found: dict[Oid, SnmpValue] = {}
        at, octets, under = root, 0, len(root)
        while True:

            async def once(at: Oid = at, repetitions: int = repetitions) -> tuple[Sequence[Row], int]:
                return await self._next_rows(target, at, repetitions, socket)

            try:
                rows, size = await self._patiently(target, deadline, once, again=bool(found))
            except TooBig:
                if repetitions == 1:
                    raise Refused(target.name, "cannot list its table") from None
                repetitions //= 2
                continue
            except Spoilt as exc:
                raise Refused(target.name, "cannot list its table") from exc
            if not rows:
                raise Nonsense(target.name, "answered with nothing")
            octets += size
            for oid, value in rows:
                if oid[:under] != root or (oid == at and value is NO_VALUE):  # the table's or the MIB's end
                    return found
                if oid <= at:
                    raise Nonsense(target.name, "repeats itself: its OIDs do not increase")
                found[oid] = value
                at = oid
            if cut and len(found) >= most:
                return found
            if len(found) > most or octets > max(MOST_OCTETS, 100 * most):
                raise Nonsense(target.name, f"has more than {most} rows under one table")
            await _leave(target)

    async def _next_rows(
        self, target: SnmpTarget, at: Oid, repetitions: int, socket: SnmpSocket | None
    ) -> tuple[Sequence[Row], int]:
        """What follows ``at``, and how many octets it took (not known of pysnmp's: 64 a row)."""
        bulk = target.limits.uses_bulk
        if socket is None:
            kind: Kind = "bulk" if bulk else "next"
            rows = await self._pysnmp(kind, target, target.credentials, self._peer(target), [(at, None)], repetitions)
            return rows, sum(64 + (len(value) if isinstance(value, bytes) else 0) for _, value in rows)
        read, size = await socket.ask(ber.GET_BULK if bulk else ber.GET_NEXT, [at], repetitions if bulk else 0)
        if not bulk and read.status == ber.NO_SUCH_NAME:  # how agents of v1's time say that the MIB ends
            return [(at, NO_VALUE)], size
        no_answer_to(target, read.status, read.index, max(1, read.index))
        return read.rows, size


async def _get(
    target: SnmpTarget, oids: list[Oid], ask: Callable[[list[Oid]], Awaitable[list[Row]]]
) -> dict[Oid, SnmpValue]:
    """A GET whose device cannot answer all of it at once is asked in parts; an object that it chokes on is left out."""
    answers: dict[Oid, SnmpValue] = {}
    parts = [oids]
    while parts:
        part = parts.pop()
        try:
            rows = await ask(part)
        except TooBig:
            if len(part) == 1:
                raise Refused(target.name, "says that one value is too big") from None
            half = len(part) // 2
            parts += [part[:half], part[half:]]
        except Spoilt as spoilt:
            answers[part[spoilt.at]] = NO_VALUE
            rest = part[: spoilt.at] + part[spoilt.at + 1 :]
            parts += [rest] if rest else []
        else:
            in_order(target, part, rows)
            answers |= rows
    return answers


def _parts(oids: Sequence[Oid], size: int) -> list[list[Oid]]:
    return [list(oids[at : at + size]) for at in range(0, len(oids), size)]


async def _leave(target: SnmpTarget) -> None:
    """Time for the device's small CPU, as its family needs."""
    if target.limits.gap_s:
        await asyncio.sleep(target.limits.gap_s)


def _now() -> float:
    return asyncio.get_running_loop().time()
