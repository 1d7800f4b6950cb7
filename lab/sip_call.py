"""One leg of a call as its party lives it: dials or is rung, talks, holds, presses keys, transfers, hangs up."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeVar
from urllib.parse import quote

from callcenter.errors import Unavailable
from lab.rtp import RtpClock, RtpStream, Tone
from lab.sip_dialog import ALLOWED, Dialog, Parties, answer_to, cause_of
from lab.sip_message import (
    Credentials,
    NotSip,
    Session,
    SipMessage,
    mirrored,
    name_of,
    uri_of,
    user_of,
    with_to_tag,
)
from lab.sip_wire import Address, SipWire

_SOUND = ("Content-Type", "application/sdp")
_FRAGMENT = re.compile(rb"SIP/2\.0 (\d{3})")
_RELAYED_KEY = re.compile(rb"Signal\s*=\s*([0-9*#A-D])")

T = TypeVar("T")


class Line(Protocol):
    """What a call needs of the agent that carries it."""

    wire: SipWire
    clock: RtpClock
    silent_port: int

    def keep(self, call: Call) -> None: ...
    def drop(self, call: Call) -> None: ...


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a leg ended: by whom, with which SIP status (200 after talk) and Q.850 cause if the other side said one."""

    by: Literal["us", "them"]
    status: int
    cause: int | None = None


class CallFailed(Unavailable):
    """What was waited for cannot come any more: the call has ended."""

    def __init__(self, waited_for: str, end: CallEnd) -> None:
        super().__init__("call", f"ended by {end.by} with {end.status} before it was {waited_for}")
        self.end = end


class Call:
    """One leg. What it waits for is awaited (`answered`, `ended`); what it does is done at once (`hangup`)."""

    def __init__(
        self,
        line: Line,
        parties: Parties,
        target: str,
        address: Address,
        *,
        incoming: SipMessage | None = None,
        tone: Tone | None = None,
        credentials: Credentials | None = None,
        payloads: tuple[int, ...] = (8, 0),
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._line = line
        self.dialog = Dialog(line.wire, parties, target, address, credentials)
        self._invite = incoming
        self._payloads = payloads
        self._version = 0
        self._direction = "sendrecv"
        self._asked_invite: SipMessage | None = None
        self._cancelled = False
        self._taken: asyncio.Future[None] = loop.create_future()
        self._ringing: asyncio.Future[None] = loop.create_future()
        self._answered: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[CallEnd] = loop.create_future()
        self._transferred: asyncio.Future[int] | None = None
        self.incoming = incoming is not None
        self.digits = ""
        self.statuses: list[int] = []
        """Every status of the first INVITE, in order, our own included: what the caller's phone would show."""
        self.ringing_at: float | None = None
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        """Moments of the event loop's clock, in seconds."""
        self.knows_talk = True
        """The phone answers when it is told to by ``NOTIFY`` with ``Event: talk``."""
        self.audio: RtpStream | None = RtpStream(line.wire.host, line.clock, tone) if tone is not None else None
        line.keep(self)
        if incoming is not None:
            self._hear(incoming)

    # ------------------------------------------------------------ what a test asks

    @property
    def call_id(self) -> str:
        return self.dialog.parties.call_id

    @property
    def our_tag(self) -> str:
        return self.dialog.parties.our_tag

    @property
    def is_answered(self) -> bool:
        return self._answered.done()

    @property
    def is_ended(self) -> bool:
        return self._ended.done()

    @property
    def invite(self) -> SipMessage:
        """The INVITE that began it, theirs or ours."""
        begun = self._invite or self._asked_invite
        if begun is None:
            raise NotSip("no INVITE yet")
        return begun

    @property
    def caller_number(self) -> str:
        """Who calls, as the phone's display would say."""
        return user_of(uri_of(self.invite.first("From")))

    @property
    def caller_name(self) -> str:
        return name_of(self.invite.first("From"))

    async def taken(self, timeout: float = 10.0) -> None:
        """Until the other side has answered anything at all, 100 Trying included."""
        await self._wait(self._taken, "taken", timeout)

    async def ringing(self, timeout: float = 30.0) -> None:
        """Until it rings at the other side (180 or 183)."""
        await self._wait(self._ringing, "ringing", timeout)

    async def answered(self, timeout: float = 30.0) -> None:
        """Until it is answered. Raises `CallFailed` if it ends first, ``TimeoutError`` after ``timeout`` s."""
        await self._wait(self._answered, "answered", timeout)

    async def ended(self, timeout: float = 60.0) -> CallEnd:
        """Until it has ended, and how. Raises ``TimeoutError`` after ``timeout`` seconds."""
        done, _ = await asyncio.wait({self._ended}, timeout=timeout)
        if not done:
            raise TimeoutError(f"call {self.call_id} has not ended within {timeout:g} s: {self.statuses}")
        return self._ended.result()

    async def _wait(self, wanted: asyncio.Future[None], name: str, timeout: float) -> None:
        await self._wait_or_end(wanted, timeout)
        if wanted.done():
            return
        if self._ended.done():
            raise CallFailed(name, self._ended.result())
        raise TimeoutError(f"call {self.call_id} was not {name} within {timeout:g} s: {self.statuses}")

    async def _wait_or_end(self, wanted: asyncio.Future[T], timeout: float) -> None:
        first: set[asyncio.Future[T] | asyncio.Future[CallEnd]] = {wanted, self._ended}
        await asyncio.wait(first, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)

    # ------------------------------------------------------------ what a party does

    def dial(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Sends the INVITE."""
        self._asked_invite = self.dialog.request("INVITE", [*headers, _SOUND], self._offer())
        self._line.wire.ask(self._asked_invite, self.dialog.address, self._on_invite_response)

    def ring(self, status: int = 180) -> None:
        self._reply(status)

    def answer(self) -> None:
        """Picks up. Does nothing if it has ended or is answered already."""
        if self._invite is None or self.is_answered or self.is_ended:
            return
        if self._invite.body and Session.parse(self._invite.body) is None:
            self.reject(488)
            return
        self._reply(200, [_SOUND], self._offer())
        self._is_answered()

    def reject(self, status: int = 486) -> None:
        """Refuses while it rings: 486 busy, 603 declined, 480 not there."""
        if self._invite is not None and not self.is_answered and not self.is_ended:
            self._reply(status)
            self._end(CallEnd("us", status))

    def hangup(self) -> None:
        """Ends it as a phone would: BYE after the answer, CANCEL before, a refusal while it rings here."""
        if self.is_ended:
            return
        if self.is_answered:
            self.dialog.ask("BYE")
            self._end(CallEnd("us", 200))
        elif self._invite is not None:
            self.reject(603)
        else:
            self._cancel()

    def vanish(self) -> None:
        """Is gone without a word, as a phone whose battery died; nothing is sent."""
        if not self.is_ended:
            self._end(CallEnd("us", 0))

    def _cancel(self) -> None:
        self._cancelled = True
        if self._asked_invite is not None and self._taken.done():
            self.dialog.cancel(self._asked_invite)  # else `_on_invite_response` comes here again

    async def hold(self) -> None:
        """Puts the other side on hold. Raises `CallFailed` or `Unavailable` if it does not agree."""
        await self._renegotiate("sendonly")

    async def resume(self) -> None:
        await self._renegotiate("sendrecv")

    async def _renegotiate(self, direction: str) -> None:
        self._direction = direction
        if self.audio is not None:
            self.audio.muted = direction != "sendrecv"
        response = await self.dialog.ask("INVITE", [_SOUND], self._offer(), self._hear)
        if response.status >= 300:
            raise Unavailable("call", f"{direction} was refused with {response.status}")

    async def press(self, digits: str, how: Literal["rfc4733", "info"] = "rfc4733") -> None:
        """Presses keys, and returns when they have gone out; RFC 4733 needs a call with sound."""
        if how == "rfc4733":
            if self.audio is None:
                raise ValueError("keys as RFC 4733 need a call with sound: give it a Tone")
            self.audio.press(digits)
            while self.audio.keys_left and not self.is_ended:
                await asyncio.sleep(0.02)
            return
        for digit in digits:
            body = f"Signal={digit}\r\nDuration=160\r\n".encode()
            response = await self.dialog.ask("INFO", [("Content-Type", "application/dtmf-relay")], body)
            if response.status >= 300:
                raise Unavailable("call", f"key {digit} was refused with {response.status}")

    async def blind_transfer(self, uri: str, timeout: float = 30.0) -> int:
        """Hands the other side over to ``uri`` and hangs up; gives the status the transfer ended with."""
        return await self._refer(f"<{uri}>", timeout)

    async def attended_transfer(self, consultation: Call, timeout: float = 30.0) -> int:
        """Joins the other side with whom ``consultation`` talks to, and leaves; gives the status."""
        other = consultation.dialog
        replaces = f"{consultation.call_id};to-tag={other.their_tag};from-tag={consultation.our_tag}"
        return await self._refer(f"<{other.target}?Replaces={quote(replaces, safe='')}>", timeout)

    async def _refer(self, refer_to: str, timeout: float) -> int:
        self._transferred = self._loop.create_future()
        headers = [("Refer-To", refer_to), ("Referred-By", f"<{uri_of(self.dialog.parties.ours)}>")]
        response = await self.dialog.ask("REFER", headers)
        if response.status >= 300:
            return response.status
        await self._wait_or_end(self._transferred, timeout)
        status = self._transferred.result() if self._transferred.done() else response.status
        if status < 300:
            self.hangup()
        return status

    # ------------------------------------------------------------ answers to our INVITE

    def _on_invite_response(self, response: SipMessage) -> None:
        if not self._taken.done():
            self._taken.set_result(None)
            if self._cancelled:
                self._cancel()
        challenged = response.status in (401, 407) and response.status not in self.statuses
        if challenged and self.dialog.credentials is not None:
            self.statuses.append(response.status)
            first = self.invite
            kept = [(n, v) for n, v in first.headers if n in _CARRIED_OVER]
            proof = self.dialog.proof(response, "INVITE")
            self._asked_invite = self.dialog.request("INVITE", [*kept, proof], first.body)
            self._line.wire.ask(self._asked_invite, self.dialog.address, self._on_invite_response)
            return
        self.statuses.append(response.status)
        if response.status in (180, 183):
            self._rings()
            self._hear(response)
        elif 200 <= response.status < 300:
            self._on_answer(response)
        elif response.status >= 300:
            self._end(CallEnd("us" if self._cancelled else "them", response.status, cause_of(response)))

    def _on_answer(self, response: SipMessage) -> None:
        self.dialog.follow(response)
        self.dialog.acknowledge(self.invite)
        if self.is_answered or self.is_ended:
            return
        self._hear(response)
        self._is_answered()
        if self._cancelled:  # the answer crossed our CANCEL
            self.hangup()

    # ------------------------------------------------------------ requests of theirs

    def on_request(self, request: SipMessage, source: Address) -> None:
        """A request within this call."""
        if self.is_ended and request.method != "ACK":
            self._respond(request, source, 481)
            return
        obey = _OBEYED.get(request.method)
        if obey is None:
            self._respond(request, source, 501)
        else:
            obey(self, request, source)

    def _on_bye(self, request: SipMessage, source: Address) -> None:
        self._respond(request, source, 200)
        self._end(CallEnd("them", 200, cause_of(request)))

    def _on_cancel(self, request: SipMessage, source: Address) -> None:
        self._respond(request, source, 200)
        if not self.is_answered:
            self._reply(487)
            self._end(CallEnd("them", 487, cause_of(request)))

    def _on_reinvite(self, request: SipMessage, source: Address) -> None:
        offered = Session.parse(request.body)
        self.dialog.follow(request)
        self._hear(request)
        if offered is not None:
            self._direction = mirrored(offered.direction)
        response = answer_to(request, 200, [("Contact", self.dialog.parties.contact), _SOUND])
        self._line.wire.answer(request, replace(response, body=self._offer()), source)

    def _on_info(self, request: SipMessage, source: Address) -> None:
        key = _RELAYED_KEY.search(request.body)
        if key is not None:
            self.digits += key[1].decode()
        self._respond(request, source, 200)

    def _on_notify(self, request: SipMessage, source: Address) -> None:
        if request.first("Event") == "talk":
            self._respond(request, source, 200 if self.knows_talk else 489)
            if self.knows_talk and not self.is_answered:
                self.answer()
            return
        self._respond(request, source, 200)
        said = _FRAGMENT.search(request.body)
        final = int(said[1]) if said is not None else 0
        if final >= 200 and self._transferred is not None and not self._transferred.done():
            self._transferred.set_result(final)

    def _on_ack(self, request: SipMessage, _source: Address) -> None:
        self._hear(request)

    def _on_options(self, request: SipMessage, source: Address) -> None:
        self._respond(request, source, 200)

    def _respond(self, request: SipMessage, source: Address, status: int) -> None:
        self._line.wire.answer(request, answer_to(request, status), source)

    def _reply(self, status: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> None:
        """Answers the INVITE that began this call."""
        bare = answer_to(self.invite, status)
        told = (("Contact", self.dialog.parties.contact), ("Allow", ALLOWED), *headers)
        response = with_to_tag(replace(bare, headers=(*bare.headers, *told), body=body), self.our_tag)
        self.statuses.append(status)
        if status in (180, 183):
            self._rings()
        self._line.wire.answer(self.invite, response, self.dialog.address)

    # ------------------------------------------------------------ sound and state

    def _offer(self) -> bytes:
        self._version += 1
        port = self.audio.port if self.audio is not None else self._line.silent_port
        offered = Session.parse(self._invite.body) if self._invite is not None else None
        payloads, dtmf = self._payloads, 101
        if offered is not None:
            payloads = tuple(each for each in offered.payloads if each in self._payloads)[:1] or (offered.payloads[0],)
            dtmf = offered.dtmf_payload or 101
        return Session(self._line.wire.host, port, payloads, self._direction, dtmf).render(self._version)

    def _hear(self, message: SipMessage) -> None:
        """Takes the other side's sound description from a message that carries one."""
        theirs = Session.parse(message.body) if message.body else None
        if theirs is None or self.audio is None:
            return
        payload = next((each for each in theirs.payloads if each in self._payloads), theirs.payloads[0])
        self.audio.talk_to(theirs.host, theirs.port, payload, theirs.dtmf_payload)

    def _rings(self) -> None:
        if not self._ringing.done():
            self.ringing_at = self._loop.time()
            self._ringing.set_result(None)

    def _is_answered(self) -> None:
        self.answered_at = self._loop.time()
        self._answered.set_result(None)

    def _end(self, end: CallEnd) -> None:
        if self._ended.done():
            return
        self.ended_at = self._loop.time()
        self._ended.set_result(end)
        if self.audio is not None:
            self.audio.close()
        self._line.drop(self)


_CARRIED_OVER = frozenset({"Content-Type", "P-Asserted-Identity", "Privacy", "Diversion", "Remote-Party-ID"})
_OBEYED: dict[str, Callable[[Call, SipMessage, Address], None]] = {
    "BYE": Call._on_bye,
    "CANCEL": Call._on_cancel,
    "INVITE": Call._on_reinvite,
    "INFO": Call._on_info,
    "NOTIFY": Call._on_notify,
    "ACK": Call._on_ack,
    "OPTIONS": Call._on_options,
}
