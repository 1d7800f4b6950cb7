"""SIP messages, their digests and their session descriptions, as values. No socket here, no clock, no asyncio.

What comes off the wire is hostile until read: `SipMessage.parse` either gives a whole message or raises
`NotSip`. Text is UTF-8 with ``surrogateescape``, so that a caller may be given a name of any bytes whatever.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

MAX_MESSAGE = 65_535
_MAX_HEADERS = 200
_COMPACT = {
    "v": "Via",
    "f": "From",
    "t": "To",
    "i": "Call-ID",
    "m": "Contact",
    "l": "Content-Length",
    "c": "Content-Type",
    "r": "Refer-To",
    "b": "Referred-By",
    "s": "Subject",
    "k": "Supported",
    "o": "Event",
}
_REQUEST = re.compile(r"^([A-Z]+) (\S+) SIP/2\.0$")
_STATUS = re.compile(r"^SIP/2\.0 ([1-6][0-9][0-9]) ?(.*)$")
_NAME = re.compile(r"^[\w.!%*+`'~-]+[ \t]*$", re.ASCII)
_NUMBER = re.compile(r"^[0-9]{1,9}$")
_IPV4 = re.compile(r"^(?:[0-9]{1,3}\.){3}[0-9]{1,3}$")
_TAG = re.compile(r";\s*tag=([^;\s>]+)", re.IGNORECASE)
_BRANCH = re.compile(r";\s*branch=([^;,\s]+)", re.IGNORECASE)
_URI = re.compile(r"<([^>]*)>")
_QUOTED = re.compile(r'^\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)
_USER = re.compile(r"^sips?:(?:([^@;>]*)@)?([^;>?]*)", re.IGNORECASE)
_CSEQ = re.compile(r"^([0-9]{1,10})\s+([A-Z]+)$")
_DIGEST = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))')


class NotSip(ValueError):
    """These bytes are no SIP message; the text says why."""


@dataclass(frozen=True, slots=True)
class SipMessage:
    """A request (``start`` is ``INVITE sip:… SIP/2.0``) or a response (``SIP/2.0 180 Ringing``)."""

    start: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @classmethod
    def parse(cls, packet: bytes) -> SipMessage:
        """Reads one datagram. Raises `NotSip` for anything that lacks what every SIP message must have."""
        if len(packet) > MAX_MESSAGE:
            raise NotSip(f"{len(packet)} bytes")
        head, separator, body = packet.partition(b"\r\n\r\n")
        if not separator:
            raise NotSip("no end of headers")
        start, *lines = _unfold(head.decode("utf-8", "surrogateescape"))
        if _REQUEST.match(start) is None and _STATUS.match(start) is None:
            raise NotSip(f"start line {start[:80]!r}")
        if len(lines) > _MAX_HEADERS:
            raise NotSip(f"{len(lines)} headers")
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or _NAME.match(name) is None:
                raise NotSip(f"header {line[:80]!r}")
            headers.append((_COMPACT.get(name.strip().lower(), name.strip()), value.strip()))
        message = cls(start, tuple(headers), body)
        if _NUMBER.match(message.first("Content-Length")):
            message = replace(message, body=body[: int(message.first("Content-Length"))])
        if not message.call_id or not message.branch or _CSEQ.match(message.first("CSeq")) is None:
            raise NotSip("Call-ID, Via or CSeq is missing or torn")
        return message

    def render(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + self.body

    @property
    def is_request(self) -> bool:
        return not self.start.startswith("SIP/")

    @property
    def method(self) -> str:
        """The method asked for, or in a response the method answered."""
        return self.start.split(" ", 1)[0] if self.is_request else self.cseq[1]

    @property
    def uri(self) -> str:
        return self.start.split(" ")[1] if self.is_request else ""

    @property
    def status(self) -> int:
        """The status code of a response; 0 for a request."""
        found = _STATUS.match(self.start)
        return int(found[1]) if found else 0

    @property
    def cseq(self) -> tuple[int, str]:
        found = _CSEQ.match(self.first("CSeq"))
        return (int(found[1]), found[2]) if found else (0, "")

    @property
    def call_id(self) -> str:
        return self.first("Call-ID")

    @property
    def branch(self) -> str:
        """What names the transaction: the branch of the topmost Via."""
        found = _BRANCH.search(self.first("Via"))
        return found[1] if found else ""

    @property
    def from_tag(self) -> str:
        return tag_of(self.first("From"))

    @property
    def to_tag(self) -> str:
        return tag_of(self.first("To"))

    def first(self, name: str) -> str:
        """The first header of that name, or an empty text."""
        wanted = name.lower()
        return next((value for each, value in self.headers if each.lower() == wanted), "")

    def every(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value for each, value in self.headers if each.lower() == wanted]


def _unfold(head: str) -> list[str]:
    lines: list[str] = []
    for line in head.split("\r\n"):
        if line[:1] in (" ", "\t") and lines:
            lines[-1] += " " + line.strip()
        elif line or not lines:
            lines.append(line)
    return lines


def tag_of(party: str) -> str:
    found = _TAG.search(party[party.rfind(">") + 1 :])
    return found[1] if found else ""


def uri_of(party: str) -> str:
    """The address in a From, To or Contact: what is between the angle brackets, or all before the first ``;``."""
    found = _URI.search(party[_end_of_quotes(party) :])
    return found[1] if found else party.split(";", 1)[0].strip()


def name_of(party: str) -> str:
    """The display name in a From or To, without its quotes and escapes; empty where there is none."""
    quoted = _QUOTED.match(party)
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL)
    return party.split("<", 1)[0].strip() if "<" in party else ""


def _end_of_quotes(party: str) -> int:
    return party.rfind('"') + 1


def user_of(uri: str) -> str:
    """The user of ``sip:user@host``; empty where there is none."""
    found = _USER.match(uri)
    return (found[1] or "") if found else ""


def address_of(uri: str) -> tuple[str, int]:
    """Host and port a URI is reached at (5060 where none is said); a host by name, never looked up, is `NotSip`."""
    found = _USER.match(uri)
    host, _, port = (found[2] if found else "").partition(":")
    if not _IPV4.match(host) or (port and not _NUMBER.match(port)):
        raise NotSip(f"address {uri[:80]!r}")
    return host, int(port or 5060)


def response_to(request: SipMessage, status: int, reason: str, headers: Iterable[tuple[str, str]] = ()) -> SipMessage:
    """The bare response to a request; a To tag and a body are for the caller of this to add."""
    copied = [(n, v) for n, v in request.headers if n.lower() in ("via", "from", "to", "call-id", "cseq")]
    return SipMessage(f"SIP/2.0 {status} {reason}", (*copied, *headers))


def with_to_tag(response: SipMessage, tag: str) -> SipMessage:
    headers = tuple(
        (name, f"{value};tag={tag}" if name.lower() == "to" and not tag_of(value) else value)
        for name, value in response.headers
    )
    return replace(response, headers=headers)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a phone says it is when Asterisk asks."""

    user: str
    password: str

    def answer(self, challenge: SipMessage, method: str, uri: str, client_nonce: str) -> tuple[str, str]:
        """The header that answers a 401 or 407 (RFC 8760: MD5 or SHA-256). Raises `NotSip` if it offers neither."""
        name = "WWW-Authenticate" if challenge.status == 401 else "Proxy-Authenticate"
        for offered in challenge.every(name):
            asked = {k.lower(): quoted or bare for k, quoted, bare in _DIGEST.findall(offered)}
            algorithm = asked.get("algorithm", "MD5")
            digest = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}.get(algorithm.upper())
            if digest is None or "nonce" not in asked:
                continue
            realm, nonce = asked.get("realm", ""), asked["nonce"]

            def hashed(text: str, digest: type = digest) -> str:  # type: ignore[assignment]
                return str(digest(text.encode("utf-8", "surrogateescape")).hexdigest())

            secret, wanted = hashed(f"{self.user}:{realm}:{self.password}"), hashed(f"{method}:{uri}")
            fields = [f'username="{self.user}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{uri}"']
            if "auth" in asked.get("qop", "").split(","):
                fields.append(f'qop=auth, nc=00000001, cnonce="{client_nonce}"')
                fields.append(f'response="{hashed(f"{secret}:{nonce}:00000001:{client_nonce}:auth:{wanted}")}"')
            else:
                fields.append(f'response="{hashed(f"{secret}:{nonce}:{wanted}")}"')
            fields.append(f"algorithm={algorithm}")
            if "opaque" in asked:
                fields.append(f'opaque="{asked["opaque"]}"')
            answer = "Authorization" if challenge.status == 401 else "Proxy-Authorization"
            return answer, "Digest " + ", ".join(fields)
        raise NotSip("a challenge without a digest that is known here")


# RTP payload types: G.711 mu-law and A-law are static, telephone-event is dynamic.
CODECS = {"ulaw": 0, "alaw": 8}
_RTPMAP = {0: "PCMU/8000", 8: "PCMA/8000"}
DTMF_PAYLOAD = 101


@dataclass(frozen=True, slots=True)
class Session:
    """What one side of a call offers or answers about its sound (the part of SDP that a phone needs)."""

    host: str
    port: int
    payloads: tuple[int, ...]
    direction: str = "sendrecv"
    dtmf_payload: int | None = DTMF_PAYLOAD

    @classmethod
    def parse(cls, body: bytes) -> Session | None:
        """Reads the audio part; None where there is none that a G.711 phone could take part in."""
        host, port, direction = "", 0, "sendrecv"
        dtmf: int | None = None
        numbers: list[int] = []
        for line in body.decode("utf-8", "backslashreplace").splitlines():
            if line.startswith("c=IN IP4 "):
                host = line[9:].split("/")[0].strip()
            elif line.startswith("m=audio ") and not numbers:
                fields = line.split()
                port = int(fields[1]) if len(fields) > 1 and _NUMBER.match(fields[1]) else 0
                numbers = [int(each) for each in fields[3:] if _NUMBER.match(each)]
            elif line in ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"):
                direction = line[2:]
            elif (found := re.match(r"a=rtpmap:([0-9]{1,3}) telephone-event/8000", line)) is not None:
                dtmf = int(found[1])
        payloads = tuple(each for each in numbers if each in _RTPMAP)
        return cls(host, port, payloads, direction, dtmf) if _IPV4.match(host) and payloads else None

    def render(self, version: int) -> bytes:
        numbers = [*self.payloads, *([self.dtmf_payload] if self.dtmf_payload is not None else [])]
        lines = [
            "v=0",
            f"o=lab 1 {version} IN IP4 {self.host}",
            "s=lab",
            f"c=IN IP4 {self.host}",
            "t=0 0",
            f"m=audio {self.port} RTP/AVP {' '.join(map(str, numbers))}",
            *(f"a=rtpmap:{each} {_RTPMAP[each]}" for each in self.payloads),
        ]
        if self.dtmf_payload is not None:
            lines += [f"a=rtpmap:{self.dtmf_payload} telephone-event/8000", f"a=fmtp:{self.dtmf_payload} 0-16"]
        return "\r\n".join([*lines, "a=ptime:20", f"a={self.direction}", ""]).encode()


def mirrored(direction: str) -> str:
    """What to answer to a direction that was offered: who may only send is only heard."""
    return {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}.get(direction, "sendrecv")
