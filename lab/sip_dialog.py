"""What every request within one call carries, and how its answer is waited for: a SIP dialog (RFC 3261, section 12)."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lab.sip_message import Credentials, NotSip, SipMessage, address_of, response_to, uri_of
from lab.sip_wire import Address, SipWire

ALLOWED = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, REFER, NOTIFY"
_REASONS = {
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    404: "Not Found",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    501: "Not Implemented",
    603: "Decline",
}
_CAUSE = re.compile(r"Q\.850\s*;\s*cause=([0-9]{1,3})", re.IGNORECASE)
_SENT_AGAIN = frozenset({"Via", "From", "To", "Call-ID", "Max-Forwards"})

Headers = Iterable[tuple[str, str]]
OnAccepted = Callable[[SipMessage], None]


def answer_to(request: SipMessage, status: int, headers: Headers = ()) -> SipMessage:
    """A response with the words that belong to its status."""
    return response_to(request, status, _REASONS.get(status, "Refused"), headers)


def cause_of(message: SipMessage) -> int | None:
    """The Q.850 cause that a BYE, CANCEL or refusal gives (RFC 3326), if it gives one."""
    found = next((_CAUSE.search(each) for each in message.every("Reason")), None)
    return int(found[1]) if found is not None else None


@dataclass(frozen=True, slots=True)
class Parties:
    """Both ends of a dialog as its headers name them: ``ours`` with our tag, ``theirs`` with theirs once known."""

    call_id: str
    ours: str
    theirs: str
    our_tag: str
    contact: str


class Dialog:
    """The requests of one call, numbered, answered, and asked once more with a password if that is wanted."""

    def __init__(
        self, wire: SipWire, parties: Parties, target: str, address: Address, credentials: Credentials | None
    ) -> None:
        self.wire = wire
        self.parties = parties
        self.target = target
        """The URI that requests go to: the other side's Contact, once it has said one."""
        self.address = address
        self.credentials = credentials
        self._number = 0

    @property
    def their_tag(self) -> str:
        found = re.search(r";\s*tag=([^;\s>]+)", self.parties.theirs)
        return found[1] if found else ""

    def follow(self, message: SipMessage) -> None:
        """Later requests go where the other side's Contact says, and carry its tag."""
        contact = uri_of(message.first("Contact"))
        if contact:
            self.address, self.target = address_of(contact), contact
        if not message.is_request and message.to_tag:
            self.parties = replace(self.parties, theirs=message.first("To"))

    def request(self, method: str, headers: Headers = (), body: bytes = b"") -> SipMessage:
        """The next request, not sent yet."""
        self._number += 1
        return self._numbered(f"{self._number} {method}", headers, body)

    def _numbered(self, cseq: str, headers: Headers = (), body: bytes = b"") -> SipMessage:
        dialog = (
            self.wire.via(),
            ("Max-Forwards", "70"),
            ("From", self.parties.ours),
            ("To", self.parties.theirs),
            ("Call-ID", self.parties.call_id),
            ("CSeq", cseq),
            ("Contact", self.parties.contact),
            ("Allow", ALLOWED),
            ("User-Agent", "lab"),
        )
        return SipMessage(f"{cseq.split()[1]} {self.target} SIP/2.0", (*dialog, *headers), body)

    def ask(
        self, method: str, headers: Headers = (), body: bytes = b"", on_accepted: OnAccepted = lambda _: None
    ) -> asyncio.Future[SipMessage]:
        """Sends a request; the future holds its final response. An INVITE that is accepted is acknowledged."""
        answer: asyncio.Future[SipMessage] = asyncio.get_running_loop().create_future()
        kept = list(headers)

        def send(request: SipMessage, proven: bool) -> None:
            self.wire.ask(request, self.address, lambda response: settle(request, response, proven))

        def settle(request: SipMessage, response: SipMessage, proven: bool) -> None:
            if response.status in (401, 407) and self.credentials is not None and not proven:
                send(self.request(method, [*kept, self.proof(response, method)], body), proven=True)
                return
            if method == "INVITE" and 200 <= response.status < 300:
                self.follow(response)
                self.acknowledge(request)
            if response.status >= 200 and not answer.done():
                if response.status < 300:
                    on_accepted(response)
                answer.set_result(response)

        send(self.request(method, kept, body), proven=False)
        return answer

    def proof(self, challenge: SipMessage, method: str) -> tuple[str, str]:
        """The header that answers a challenge. Raises `NotSip` where this side has no password."""
        if self.credentials is None:
            raise NotSip("challenged without credentials")
        return self.credentials.answer(challenge, method, self.target, secrets.token_hex(8))

    def acknowledge(self, invite: SipMessage) -> None:
        """The ACK of an INVITE that was accepted."""
        self.wire.send(self._numbered(f"{invite.cseq[0]} ACK"), self.address)

    def cancel(self, invite: SipMessage) -> None:
        """Takes an INVITE back. The other side must have answered something before (RFC 3261, 9.1)."""
        kept = [(name, value) for name, value in invite.headers if name in _SENT_AGAIN]
        cancel = SipMessage(f"CANCEL {invite.uri} SIP/2.0", (*kept, ("CSeq", f"{invite.cseq[0]} CANCEL")))
        self.wire.ask(cancel, self.address, lambda _response: None)
