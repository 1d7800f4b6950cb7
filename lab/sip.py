"""Callers and phones that a test steers in mid-call: many on one UDP socket, with real SIP and, if wanted, sound.

    async with await SipAgent.open("127.0.0.1", 5071) as phones, await SipAgent.open("127.0.0.2") as callers:
        anna = phones.phone("a101", CONTROLLED, tone=Tone(880))
        call = await callers.dial("sip:380441234567@127.0.0.1:5160", CallerId("380631234567"), tone=Tone(440))
        ringing = await anna.rings()
        ringing.answer()
        await call.answered()
        call.hangup()
        await ringing.ended()

There is no proxy between a lab's phone and its Asterisk: Route and Record-Route are not looked at.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from callcenter.errors import Unavailable
from lab.rtp import RtpClock, Tone
from lab.sip_call import Call, CallEnd, CallFailed
from lab.sip_dialog import ALLOWED, Parties, answer_to
from lab.sip_message import CODECS, Credentials, SipMessage, address_of, uri_of, user_of, with_to_tag
from lab.sip_wire import Address, SipWire

__all__ = [
    "CONTROLLED",
    "NEVER_ANSWERS",
    "Behaviour",
    "Call",
    "CallEnd",
    "CallFailed",
    "CallerId",
    "Credentials",
    "Phone",
    "SipAgent",
    "Tone",
]
_CALLS_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a phone does by itself when it is rung; seconds, and None for what it never does."""

    answer_after: float | None = 0.2
    hangup_after: float | None = None
    """Counted from the answer."""
    reject_with: int | None = None
    reject_after: float = 0.0

    @classmethod
    def rejects(cls, status: int = 486, after: float = 0.0) -> Behaviour:
        return cls(answer_after=None, reject_with=status, reject_after=after)


NEVER_ANSWERS = Behaviour(answer_after=None)
CONTROLLED = NEVER_ANSWERS
"""The test answers: ``(await phone.rings()).answer()``."""


@dataclass(frozen=True, slots=True)
class CallerId:
    """Who a caller says to be. Nothing is checked: a hostile name is given as it is, in ``raw`` even unquoted."""

    number: str = "380501112233"
    name: str | bytes = ""
    anonymous: bool = False
    """As a phone with its number withheld: From is anonymous and ``Privacy: id`` is asked for."""
    asserted: str = ""
    """The number a trunk vouches for (P-Asserted-Identity), if another than ``number``."""
    raw: str | bytes = ""
    """The whole From header up to its tag, in place of number and name."""

    def from_header(self, host: str) -> str:
        if self.raw:
            return _text(self.raw)
        if self.anonymous:
            return '"Anonymous" <sip:anonymous@anonymous.invalid>'
        name = _text(self.name).replace("\\", "\\\\").replace('"', '\\"')
        return (f'"{name}" ' if name else "") + f"<sip:{self.number}@{host}>"

    def headers(self, host: str) -> list[tuple[str, str]]:
        asserted = self.asserted or (self.number if self.anonymous and self.number else "")
        told = [("P-Asserted-Identity", f"<sip:{asserted}@{host}>")] if asserted and self.asserted else []
        return [*told, ("Privacy", "id")] if self.anonymous else told


def _text(given: str | bytes) -> str:
    return given.decode("utf-8", "surrogateescape") if isinstance(given, bytes) else given


class Phone:
    """One phone of an agent: rings, does what its `Behaviour` says, or what the test tells it."""

    def __init__(
        self, agent: SipAgent, user: str, behaviour: Behaviour, password: str | None, tone: Tone | None
    ) -> None:
        self.user = user
        self.behaviour = behaviour
        """May be changed at any time; a call that rings already keeps to the old one."""
        self.tone = tone
        self.rung = 0
        """How many times it has been rung."""
        self.calls: deque[Call] = deque(maxlen=_CALLS_KEPT)
        self.credentials = Credentials(user, password) if password is not None else None
        self._agent = agent
        self._not_taken: asyncio.Queue[Call] = asyncio.Queue()
        self._registration = (f"{secrets.token_hex(8)}@lab", secrets.token_hex(6))
        self._registered = 0

    @property
    def uri(self) -> str:
        """Where it is reached: a static contact of a PJSIP aor."""
        return f"sip:{self.user}@{self._agent.host}:{self._agent.port}"

    async def rings(self, timeout: float = 30.0) -> Call:
        """The next call that rings here, each given once; what has ended meanwhile is in ``calls`` only.

        Raises ``TimeoutError``.
        """
        async with asyncio.timeout(timeout):
            while (call := await self._not_taken.get()).is_ended:
                pass
            return call

    def forget(self) -> None:
        """As if it had never been rung: what rang and was not taken is dropped."""
        self.rung = 0
        while not self._not_taken.empty():
            self._not_taken.get_nowait()

    async def dial(self, uri: str, *, headers: Iterable[tuple[str, str]] = ()) -> Call:
        """Calls from this phone, with its password if Asterisk asks."""
        return await self._agent.dial(
            uri, CallerId(self.user), tone=self.tone, credentials=self.credentials, headers=headers
        )

    async def register(self, registrar: str, expires: int = 3_600) -> None:
        """Tells the registrar where this phone is (``expires`` 0: is no more). Raises `Unavailable`."""
        response = await self._register(registrar, expires, None)
        if response.status in (401, 407) and self.credentials is not None:
            proof = self.credentials.answer(response, "REGISTER", registrar, secrets.token_hex(8))
            response = await self._register(registrar, expires, proof)
        if response.status != 200:
            raise Unavailable(f"registrar for {self.user}", f"answered {response.status}")

    async def _register(self, registrar: str, expires: int, proof: tuple[str, str] | None) -> SipMessage:
        self._registered += 1
        wire, (call_id, tag) = self._agent.wire, self._registration
        host = address_of(registrar)[0]
        headers = (
            wire.via(),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{self.user}@{host}>;tag={tag}"),
            ("To", f"<sip:{self.user}@{host}>"),
            ("Call-ID", call_id),
            ("CSeq", f"{self._registered} REGISTER"),
            ("Contact", f"<{self.uri}>"),
            ("Expires", str(expires)),
            *([proof] if proof else []),
        )
        answer: asyncio.Future[SipMessage] = asyncio.get_running_loop().create_future()

        def on_response(response: SipMessage) -> None:
            if response.status >= 200 and not answer.done():
                answer.set_result(response)

        request = SipMessage(f"REGISTER {registrar} SIP/2.0", headers)
        wire.ask(request, address_of(registrar), on_response)
        return await answer

    def on_invite(self, call: Call) -> None:
        """It is rung."""
        loop, does = asyncio.get_running_loop(), self.behaviour
        self.rung += 1
        self.calls.append(call)
        self._not_taken.put_nowait(call)
        if does.reject_with is not None and does.reject_after <= 0:
            call.reject(does.reject_with)
            return
        call.ring()
        if does.reject_with is not None:
            loop.call_later(does.reject_after, call.reject, does.reject_with)
        elif does.answer_after is not None:
            loop.call_later(does.answer_after, self._pick_up, call, does.hangup_after)

    def _pick_up(self, call: Call, hangup_after: float | None) -> None:
        call.answer()
        if hangup_after is not None and call.is_answered:
            asyncio.get_running_loop().call_later(hangup_after, call.hangup)


class SipAgent:
    """One UDP socket that is any number of phones, and that places calls. Open it with `open`, end it with `close`."""

    def __init__(self) -> None:
        self.wire = SipWire(self._on_request)
        self.clock = RtpClock()
        self.calls: set[Call] = set()
        """Those that have not ended."""
        self._by_dialog: dict[tuple[str, str], Call] = {}
        self._by_branch: dict[str, Call] = {}
        self._phones: dict[str, Phone] = {}
        self.anybody: Phone | None = None
        """Rings for every number that is no phone of its own; without it such a call gets 404."""
        # Calls without sound offer this port; it is never read, what is sent there costs nothing.
        self._unread = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.silent_port = 0

    @classmethod
    async def open(cls, host: str = "127.0.0.1", port: int = 0) -> SipAgent:
        """Raises ``OSError`` if the address is taken."""
        agent = cls()
        try:
            await agent.wire.open(host, port)
            agent._unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            agent._unread.bind((host, 0))
        except OSError:
            agent.close()
            raise
        agent.silent_port = agent._unread.getsockname()[1]
        return agent

    @property
    def host(self) -> str:
        return self.wire.host

    @property
    def port(self) -> int:
        return self.wire.port

    async def __aenter__(self) -> SipAgent:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.hang_up_all()
        self.close()

    async def hang_up_all(self, timeout: float = 2.0) -> None:
        """Ends every call and gives each the time for its goodbye."""
        calls = list(self.calls)
        for call in calls:
            call.hangup()
        pending = [each._ended for each in calls]
        if pending:
            await asyncio.wait(pending, timeout=timeout)

    def close(self) -> None:
        for call in list(self.calls):
            call.vanish()
        self.wire.close()
        self._unread.close()

    def phone(
        self,
        user: str,
        behaviour: Behaviour = CONTROLLED,
        *,
        password: str | None = None,
        tone: Tone | None = None,
    ) -> Phone:
        """A phone that is rung when the request is for ``user``; with a tone its calls have sound."""
        self._phones[user] = Phone(self, user, behaviour, password, tone)
        return self._phones[user]

    async def dial(
        self,
        uri: str,
        caller: CallerId = CallerId(),
        *,
        tone: Tone | None = None,
        credentials: Credentials | None = None,
        headers: Iterable[tuple[str, str]] = (),
        codecs: Iterable[str] = ("alaw", "ulaw"),
    ) -> Call:
        """Calls ``sip:380441234567@127.0.0.1:5160``; returns when the other side has said anything at all.

        A call that is refused is returned as well: its `Call.answered` raises. A side that says nothing for
        five seconds is not waited for any longer here. ``headers`` go on the INVITE as they are.
        """
        tag = secrets.token_hex(6)
        parties = Parties(
            call_id=f"{secrets.token_hex(10)}@lab",
            ours=f"{caller.from_header(self.host)};tag={tag}",
            theirs=f"<{uri}>",
            our_tag=tag,
            contact=f"<sip:{user_of(uri_of(caller.from_header(self.host))) or 'lab'}@{self.host}:{self.port}>",
        )
        payloads = tuple(CODECS[each] for each in codecs)
        call = Call(self, parties, uri, address_of(uri), tone=tone, credentials=credentials, payloads=payloads)
        call.dial([*caller.headers(self.host), *headers])
        try:
            await call.taken(timeout=5.0)
        except (TimeoutError, CallFailed):
            return call
        return call

    # ------------------------------------------------------------ what a call needs of us

    def keep(self, call: Call) -> None:
        self.calls.add(call)
        self._by_dialog[call.call_id, call.our_tag] = call
        if call.incoming:
            self._by_branch[call.invite.branch] = call

    def drop(self, call: Call) -> None:
        self.calls.discard(call)
        self._by_dialog.pop((call.call_id, call.our_tag), None)
        if call.incoming:
            self._by_branch.pop(call.invite.branch, None)

    def _on_request(self, request: SipMessage, source: Address) -> None:
        call = self._by_dialog.get((request.call_id, request.to_tag))
        if call is None and request.method == "CANCEL":
            call = self._by_branch.get(request.branch)
        if call is not None:
            call.on_request(request, source)
        elif request.method == "INVITE" and not request.to_tag:
            self._on_invite(request, source)
        elif request.method == "OPTIONS":
            self.wire.answer(request, answer_to(request, 200, [("Allow", ALLOWED)]), source)
        elif request.method in ("NOTIFY", "MESSAGE"):
            self.wire.answer(request, answer_to(request, 200), source)
        elif request.method != "ACK":
            gone = answer_to(request, 481)
            self.wire.answer(request, gone, source)

    def _on_invite(self, request: SipMessage, source: Address) -> None:
        phone = self._phones.get(user_of(request.uri)) or self.anybody
        tag = secrets.token_hex(6)
        if phone is None:
            self.wire.answer(request, with_to_tag(answer_to(request, 404), tag), source)
            return
        target = uri_of(request.first("Contact")) or uri_of(request.first("From"))
        parties = Parties(
            call_id=request.call_id,
            ours=f"{request.first('To')};tag={tag}",
            theirs=request.first("From"),
            our_tag=tag,
            contact=f"<{phone.uri}>",
        )
        credentials = phone.credentials
        phone.on_invite(Call(self, parties, target, source, incoming=request, tone=phone.tone, credentials=credentials))
