"""SIP over one UDP socket: transactions and their retransmissions (RFC 3261, section 17), nothing about calls."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace

from lab.sip_message import NotSip, SipMessage, response_to

T1 = 0.5
T2 = 4.0
LIFETIME = 64 * T1
_RECEIVE_BUFFER = 4 * 1024 * 1024

Address = tuple[str, int]
OnResponse = Callable[[SipMessage], None]
OnRequest = Callable[[SipMessage, Address], None]


@dataclass(slots=True)
class _Asked:
    """A request of ours; an INVITE is remembered after its end, as its final response may come again."""

    request: SipMessage
    address: Address
    on_response: OnResponse
    timer: asyncio.TimerHandle | None = None
    gap: float = T1
    waited: float = 0.0
    final: bool = False


@dataclass(slots=True)
class _Owed:
    """A final response to an INVITE, sent again until its ACK comes."""

    packet: bytes
    address: Address
    timer: asyncio.TimerHandle | None = None
    gap: float = T1
    waited: float = 0.0


class SipWire(asyncio.DatagramProtocol):
    """Sends requests until answered and answers each request once, however often it arrives."""

    def __init__(self, on_request: OnRequest) -> None:
        self.host = ""
        self.port = 0
        self.garbled = 0
        self.retransmitted = 0
        self._on_request = on_request
        self._transport: asyncio.DatagramTransport | None = None
        self._asked: dict[tuple[str, str], _Asked] = {}
        self._owed: dict[tuple[str, int], _Owed] = {}
        self._answered: dict[tuple[str, str, str], bytes | None] = {}
        self._loop = asyncio.get_running_loop()

    async def open(self, host: str, port: int) -> None:
        """Binds; port 0 takes a free one."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        sock.setblocking(False)
        try:
            sock.bind((host, port))
        except OSError:
            sock.close()
            raise
        self.host, self.port = sock.getsockname()
        self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, sock=sock)

    def close(self) -> None:
        timers = [each.timer for each in self._asked.values()] + [each.timer for each in self._owed.values()]
        for timer in timers:
            if timer is not None:
                timer.cancel()
        self._asked.clear()
        self._owed.clear()
        if self._transport is not None:
            self._transport.close()

    def error_received(self, exc: Exception) -> None:
        """A refused packet (its reader has died) is a lost packet: the retransmissions decide."""

    # ------------------------------------------------------------ asking

    def via(self) -> tuple[str, str]:
        """The Via of a new request: where its answer comes back to, and a name for its transaction."""
        branch = f"z9hG4bK{secrets.token_hex(10)}"
        return "Via", f"SIP/2.0/UDP {self.host}:{self.port};branch={branch};rport"

    def ask(self, request: SipMessage, address: Address, on_response: OnResponse) -> None:
        """Sends a request until it is answered; a peer that stays silent for 32 s answers 408."""
        asked = _Asked(request, address, on_response)
        self._asked[request.branch, request.method] = asked
        self._send(request.render(), address)
        asked.timer = self._loop.call_later(T1, self._ask_again, asked)

    def send(self, message: SipMessage, address: Address) -> None:
        """Sends once: an ACK, whose loss is mended by the response that comes again."""
        self._send(message.render(), address)

    def _ask_again(self, asked: _Asked) -> None:
        asked.waited += asked.gap
        if asked.waited >= LIFETIME:
            asked.final = True
            self._asked.pop((asked.request.branch, asked.request.method), None)
            asked.on_response(response_to(asked.request, 408, "Request Timeout"))
            return
        self.retransmitted += 1
        self._send(asked.request.render(), asked.address)
        longest = LIFETIME if asked.request.method == "INVITE" else T2
        asked.gap = min(asked.gap * 2, longest)
        asked.timer = self._loop.call_later(asked.gap, self._ask_again, asked)

    def _on_response(self, response: SipMessage) -> None:
        asked = self._asked.get((response.branch, response.method))
        if asked is None:
            return
        invite = response.method == "INVITE"
        if response.status < 200:
            if invite and asked.timer is not None:
                asked.timer.cancel()
            asked.on_response(response)
            return
        if invite and response.status >= 300:
            self._acknowledge(asked, response)
        first, asked.final = not asked.final, True
        if first:
            if asked.timer is not None:
                asked.timer.cancel()
            key = (asked.request.branch, asked.request.method)
            if invite:
                asked.timer = self._loop.call_later(LIFETIME, self._asked.pop, key, None)
            else:
                del self._asked[key]
        if first or (invite and response.status < 300):
            asked.on_response(response)

    def _acknowledge(self, asked: _Asked, refusal: SipMessage) -> None:
        kept = [(n, v) for n, v in asked.request.headers if n in ("Via", "From", "Call-ID", "Max-Forwards")]
        number = asked.request.cseq[0]
        ack = SipMessage(
            f"ACK {asked.request.uri} SIP/2.0",
            (*kept, ("To", refusal.first("To")), ("CSeq", f"{number} ACK")),
        )
        self._send(ack.render(), asked.address)

    # ------------------------------------------------------------ answering

    def answer(self, request: SipMessage, response: SipMessage, address: Address) -> None:
        """Answers a request; the final response to an INVITE is repeated until it is acknowledged."""
        packet = response.render()
        key = (request.branch, request.method, request.call_id)
        self._answered[key] = packet
        self._send(packet, address)
        if response.status < 200:
            return
        self._loop.call_later(LIFETIME, self._answered.pop, key, None)
        if request.method == "INVITE":
            owed = _Owed(packet, address)
            self._owed[request.call_id, request.cseq[0]] = owed
            owed.timer = self._loop.call_later(T1, self._answer_again, owed, (request.call_id, request.cseq[0]))

    def _answer_again(self, owed: _Owed, key: tuple[str, int]) -> None:
        owed.waited += owed.gap
        if owed.waited >= LIFETIME:
            self._owed.pop(key, None)
            return
        self.retransmitted += 1
        self._send(owed.packet, owed.address)
        owed.gap = min(owed.gap * 2, T2)
        owed.timer = self._loop.call_later(owed.gap, self._answer_again, owed, key)

    # ------------------------------------------------------------ the socket

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if len(data) <= 4:
            return  # the keep-alive of RFC 5626
        source = (str(addr[0]), int(addr[1]))
        try:
            message = SipMessage.parse(data)
            if message.is_request:
                self._on_arrival(message, source)
            else:
                self._on_response(message)
        except NotSip:
            self.garbled += 1

    def _on_arrival(self, request: SipMessage, source: Address) -> None:
        if request.method == "ACK":
            owed = self._owed.pop((request.call_id, request.cseq[0]), None)
            if owed is not None and owed.timer is not None:
                owed.timer.cancel()
            self._on_request(request, source)
            return
        key = (request.branch, request.method, request.call_id)
        if key in self._answered:
            packet = self._answered[key]
            if packet is not None:
                self._send(packet, source)
            return
        self._answered[key] = None
        self._on_request(_with_received(request, source), source)

    def _send(self, packet: bytes, address: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(packet, address)


def _with_received(request: SipMessage, source: Address) -> SipMessage:
    """A Via that asks for it (``rport``) is told where its request came from (RFC 3581)."""
    headers, done = [], False
    for name, value in request.headers:
        told = value
        if name == "Via" and not done:
            done = True
            if ";rport" in value and ";rport=" not in value:
                told = value.replace(";rport", f";rport={source[1]};received={source[0]}", 1)
        headers.append((name, told))
    return replace(request, headers=tuple(headers))
