"""A connected UDP socket to one device for the length of a walk: the kernel lets nobody else's datagrams in."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from typing import cast

from callcenter.diag import ber
from callcenter.diag.snmp_target import NoAnswer, SnmpTarget
from callcenter.diag.values import Oid

WORDS_PER_REQUEST = 16
"""Datagrams a device may send for one request before it is not listened to any more."""


class SnmpSocket(asyncio.DatagramProtocol):
    """One question at a time; what is no answer to it is counted and forgotten."""

    def __init__(self, target: SnmpTarget, community: bytes) -> None:
        self._target = target
        self._community = community
        self._transport: asyncio.DatagramTransport | None = None
        self._request_id = random.randrange(1, 2**30)  # noqa: S311 - against late answers, not against spies
        self._answer: asyncio.Future[tuple[ber.Answer, int]] | None = None
        self._words = 0
        self.turned_away = 0

    async def ask(self, kind: int, oids: Sequence[Oid], repetitions: int = 0) -> tuple[ber.Answer, int]:
        """The answer and its size in octets. Waits for ever: the caller holds the deadline."""
        if self._transport is None or self._transport.is_closing():
            raise NoAnswer(self._target.name, "could not be asked (the socket is closed)")
        self._request_id = self._request_id % (2**31 - 1) + 1
        self._answer = asyncio.get_running_loop().create_future()
        self._words = WORDS_PER_REQUEST
        self._transport.sendto(ber.request(kind, self._community, self._request_id, oids, repetitions))
        try:
            return await self._answer
        finally:
            self._answer = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self._answer is None or self._answer.done() or self._words <= 0:
            self.turned_away += 1
            return
        self._words -= 1
        try:
            read = ber.answer(data, self._request_id)
        except ber.NotAnAnswer:
            self.turned_away += 1
            return
        self._answer.set_result((read, len(data)))

    def error_received(self, exc: Exception) -> None:
        """The host said that nobody listens there."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswer(self._target.name, f"could not be asked ({type(exc).__name__})"))


@contextlib.asynccontextmanager
async def opened(target: SnmpTarget, community: bytes) -> AsyncIterator[SnmpSocket]:
    """Raises ``NoAnswer`` where the device has no address."""
    try:
        transport, socket = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: SnmpSocket(target, community), remote_addr=(target.host, target.port)
        )
    except (OSError, UnicodeError) as exc:
        raise NoAnswer(target.name, "its address is not known") from exc
    try:
        yield socket
    finally:
        transport.close()
