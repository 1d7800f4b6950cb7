"""Whether an address answers ICMP, how much is lost on the way, and how evenly it comes back.

Only this file knows icmplib. Without root it needs ``net.ipv4.ping_group_range`` to hold our group, else CAP_NET_RAW;
where the system allows neither, that is said, and the rest of a diagnosis goes on.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging

from icmplib import ICMPLibError, SocketPermissionError, async_ping

from callcenter.diag.conclusion import Echoes
from callcenter.words import Missing

log = logging.getLogger(__name__)

ALIVE = 3
"""Probes that tell whether anything answers at all."""
PROBES = 60
"""Probes of a verdict: one lost of 60 is 1.7 per cent, and less than that cannot be seen."""
PACE = 0.03
"""Seconds between two probes of an address: faster, and a CPE that limits its answers looks like a bad line."""
STREAMS = 3
"""Probes under way at once, so that what never comes back does not make the others wait."""
TIMEOUT = 0.8
AT_ONCE = 40
"""Addresses that are pinged at the same time; the next wait their turn."""


class Reach:
    """Pings; one for the service, so that many diagnoses do not flood the network."""

    def __init__(self, allowed: bool = True) -> None:
        self._allowed = allowed
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._raw: bool | None = None
        """Whether the system wants a raw socket; found out with the first ping."""

    async def ping(self, address: str, probes: int = PROBES) -> Echoes | Missing:
        """What came back of so many probes; only ``ALIVE`` are sent to who answers none of them. Never raises.

        ``Missing`` where no probe could be sent: pings that are off or not allowed, no address of one host, no route.
        """
        if not self._allowed:
            return Missing("line.missing.ping-off")
        if not _is_one_host(address):
            return Missing("line.missing.no-address", address)
        async with self._turns:
            try:
                first = await self._probe(address, ALIVE)
                parts = [first]
                if not first.silent and first.sent and probes > ALIVE:
                    each = [len(range(stream, probes - ALIVE, STREAMS)) for stream in range(STREAMS)]
                    streams = (self._stream(address, count, number) for number, count in enumerate(each) if count)
                    parts += await asyncio.gather(*streams)
            except SocketPermissionError:
                return Missing("line.missing.ping-refused")
            except (ICMPLibError, OSError) as exc:
                log.info("%s could not be pinged: %s", address, exc)
                return Missing("line.missing.no-address", address)
        return _sum(parts) if any(part.sent for part in parts) else Missing("line.missing.no-route", address)

    async def _stream(self, address: str, count: int, number: int) -> Echoes:
        await asyncio.sleep(number * PACE)
        return await self._probe(address, count)

    async def _probe(self, address: str, count: int) -> Echoes:
        if self._raw is None:
            try:
                found = await self._sent(address, count, raw=False)
            except SocketPermissionError:
                found = await self._sent(address, count, raw=True)
                self._raw = True
            else:
                self._raw = False
            return found
        return await self._sent(address, count, raw=self._raw)

    async def _sent(self, address: str, count: int, *, raw: bool) -> Echoes:
        host = await async_ping(address, count=count, interval=PACE * STREAMS, timeout=TIMEOUT, privileged=raw)
        return Echoes(host.packets_sent, host.packets_received, host.avg_rtt, host.jitter)


def _is_one_host(address: str) -> bool:
    """A contract may hold anything; a ping goes to one host, never to many or to "this one"."""
    try:
        host = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (host.is_multicast or host.is_unspecified or host == ipaddress.ip_address("255.255.255.255"))


def _sum(parts: list[Echoes]) -> Echoes:
    sent, received = sum(each.sent for each in parts), sum(each.received for each in parts)
    heard = [each for each in parts if each.received]
    average = sum(each.average_ms * each.received for each in heard) / received if received else 0.0
    jitter = sum(each.jitter_ms * each.received for each in heard) / received if received else 0.0
    return Echoes(sent, received, round(average, 2), round(jitter, 2))
