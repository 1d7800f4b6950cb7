"""What Asterisk's events mean, as typed values: only those that the live view needs, each with all it must have.

Pure: a frame in, a value out. An event without its mandatory headers is ``Tainted``, never half believed.
Names and headers are Asterisk's (20 to 22); what each carries was seen on recorded calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from callcenter.ami.frames import Event
from callcenter.words import LinkedId, UniqueId

_UNIQUEID = re.compile(r"(?:[\w.-]+-)?(\d{1,12})\.\d{1,10}", re.ASCII).fullmatch
STATE_DOWN = "0"
STATE_RING = "4"
"""A channel that came in from outside and has not been answered; a channel that we dial is born ``STATE_DOWN``."""
STATE_RINGING = "5"


class Leg(NamedTuple):
    """One channel as an event shows it. (A tuple: two are made for each event, and it is twice as fast to make.)"""

    uniqueid: UniqueId
    channel: str
    linkedid: LinkedId


@dataclass(frozen=True, slots=True)
class Newchannel:
    leg: Leg
    state: str
    exten: str
    caller_num: str
    caller_name: str
    provider: str
    at: datetime


@dataclass(frozen=True, slots=True)
class QueueCallerJoin:
    leg: Leg
    queue: str
    position: int
    did: str
    provider: str
    caller_num: str
    caller_name: str


@dataclass(frozen=True, slots=True)
class QueueCallerLeave:
    """The caller is no longer waiting: answered, gone, or the queue let go of them.

    QueueCallerAbandon and AgentComplete are not read: they come for callers who go on (a timeout, a transfer) too.
    """

    leg: Leg
    queue: str


@dataclass(frozen=True, slots=True)
class AgentCalled:
    leg: Leg
    dest: Leg
    queue: str
    did: str
    provider: str
    caller_num: str
    caller_name: str


@dataclass(frozen=True, slots=True)
class AgentRingNoAnswer:
    leg: Leg
    dest: Leg


@dataclass(frozen=True, slots=True)
class AgentConnect:
    """After a pickup ``dest`` is the leg that really answers, while MemberName is the member whose ring was taken."""

    leg: Leg
    dest: Leg


@dataclass(frozen=True, slots=True)
class DialBegin:
    leg: Leg | None
    dest: Leg


@dataclass(frozen=True, slots=True)
class DialEnd:
    leg: Leg | None
    dest: Leg
    status: str


@dataclass(frozen=True, slots=True)
class BridgeEnter:
    leg: Leg
    bridge: str


@dataclass(frozen=True, slots=True)
class BridgeLeave:
    leg: Leg
    bridge: str


@dataclass(frozen=True, slots=True)
class Hold:
    leg: Leg


@dataclass(frozen=True, slots=True)
class Unhold:
    leg: Leg


@dataclass(frozen=True, slots=True)
class TalkingStart:
    """Something was heard of a leg that is listened to (``TALK_DETECT``): louder than a silent line."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class BlindTransfer:
    transferer: Leg
    transferee: Leg | None
    bridge: str
    extension: str


@dataclass(frozen=True, slots=True)
class AttendedTransfer:
    """``target`` is absent when the transfer was completed while the other phone still rang."""

    first: Leg
    second: Leg
    transferee: Leg | None
    target: Leg | None


@dataclass(frozen=True, slots=True)
class Hangup:
    leg: Leg
    cause: int


@dataclass(frozen=True, slots=True)
class QueueMember:
    """A member of a queue as it is now, whichever event told; ``status`` is one of ``MEMBER_STATUS`` or removed."""

    queue: str
    interface: str
    paused: bool
    reason: str
    status: str
    penalty: int = 0


@dataclass(frozen=True, slots=True)
class ContactStatus:
    """A phone's registration: there and reachable, or not (removed, or silent when it was asked)."""

    endpoint: str
    there: bool


@dataclass(frozen=True, slots=True)
class FullyBooted:
    uptime: int


@dataclass(frozen=True, slots=True)
class Shutdown:
    restart: bool


@dataclass(frozen=True, slots=True)
class Reload:
    module: str


@dataclass(frozen=True, slots=True)
class OriginateResponse:
    """How an originate ended: reason 4 = answered, 3 = no answer, 5 = busy, 0 = no such extension or failed."""

    action_id: str
    answered: bool
    reason: int
    uniqueid: str


@dataclass(frozen=True, slots=True)
class UserEvent:
    """What our own dialplan says; ``leg`` is the channel that said it."""

    name: str
    leg: Leg | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Tainted:
    """An event of a kind that we know, without what it must have.

    ``cut``: what is missing stands behind the caller's own words, as when those words held line breaks. What follows
    such an event, up to its torn rest, may be of the caller's making too.
    """

    name: str
    why: str
    cut: bool = False


AmiEvent: TypeAlias = (
    Newchannel
    | QueueCallerJoin
    | QueueCallerLeave
    | AgentCalled
    | AgentRingNoAnswer
    | AgentConnect
    | DialBegin
    | DialEnd
    | BridgeEnter
    | BridgeLeave
    | Hold
    | Unhold
    | TalkingStart
    | BlindTransfer
    | AttendedTransfer
    | Hangup
    | QueueMember
    | ContactStatus
    | FullyBooted
    | Shutdown
    | Reload
    | OriginateResponse
    | UserEvent
)

MEMBER_STATUS = {
    "0": "unknown",
    "1": "not_inuse",
    "2": "inuse",
    "3": "busy",
    "4": "invalid",
    "5": "unavailable",
    "6": "ringing",
    "7": "ringinuse",
    "8": "onhold",
}
"""Asterisk's device states, as the numbers that queue members carry."""
MEMBER_REMOVED = "removed"


def parse(event: Event) -> AmiEvent | Tainted | None:
    """The meaning of one event; ``None`` for one that nobody here needs."""
    reader = _READERS.get(event.name)
    if reader is None:
        return None
    try:
        return reader(event)
    except KeyError as missing:
        header = str(missing.args[0])
        return Tainted(event.name, f"no {header}", cut=header.endswith("Uniqueid"))
    except ValueError as wrong:
        return Tainted(event.name, str(wrong))


def known(text: str) -> str:
    """A text of a caller, with Asterisk's own placeholder for "nothing" taken away."""
    return "" if text == "<unknown>" else text


def when_made(uniqueid: str) -> datetime:
    """The second in which Asterisk made a channel; raises ``ValueError`` for what is no Uniqueid."""
    found = _UNIQUEID(uniqueid)
    if found is None:
        raise ValueError(f"{uniqueid[:80]!r} is not a Uniqueid")
    return datetime.fromtimestamp(int(found[1]), UTC)


@lru_cache(4096)
def _is_uniqueid(text: str) -> bool:
    return _UNIQUEID(text) is not None


_LEG_HEADERS = {
    prefix: (f"{prefix}Uniqueid", f"{prefix}Channel", f"{prefix}Linkedid")
    for prefix in ("", "Dest", "Transferer", "Transferee", "OrigTransferer", "SecondTransferer", "TransferTarget")
}


def read_leg(headers: Mapping[str, str], prefix: str = "") -> Leg:
    """The channel that an event shows under a prefix; raises ``KeyError`` or ``ValueError`` if it is not whole."""
    uniqueid, channel, linkedid = _LEG_HEADERS[prefix]
    named = headers[uniqueid]
    if not _is_uniqueid(named):
        raise ValueError(f"{uniqueid} is {named[:80]!r}")
    return Leg(UniqueId(named), headers[channel], LinkedId(headers[linkedid]))


def _leg_if_any(headers: Mapping[str, str], prefix: str = "") -> Leg | None:
    return read_leg(headers, prefix) if f"{prefix}Uniqueid" in headers else None


def _newchannel(event: Event) -> Newchannel:
    headers = event.headers
    leg = read_leg(headers)
    stamp = headers.get("Timestamp")
    return Newchannel(
        leg=leg,
        state=headers["ChannelState"],
        exten=headers["Exten"],
        caller_num=known(headers["CallerIDNum"]),
        caller_name=known(headers["CallerIDName"]),
        provider=event.variable("PROVIDER"),
        at=when_made(leg.uniqueid) if stamp is None else _moment(stamp),
    )


def _moment(stamp: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(stamp), UTC)
    except (OverflowError, OSError) as impossible:
        raise ValueError(f"Timestamp is {stamp[:80]!r}") from impossible


def _queue_caller_join(event: Event) -> QueueCallerJoin:
    headers = event.headers
    return QueueCallerJoin(
        leg=read_leg(headers),
        queue=headers["Queue"],
        position=int(headers["Position"]),
        did=event.variable("DID"),
        provider=event.variable("PROVIDER"),
        caller_num=known(headers["CallerIDNum"]),
        caller_name=known(headers["CallerIDName"]),
    )


def _agent_called(event: Event) -> AgentCalled:
    headers = event.headers
    return AgentCalled(
        leg=read_leg(headers),
        dest=read_leg(headers, "Dest"),
        queue=headers["Queue"],
        did=event.variable("DID"),
        provider=event.variable("PROVIDER"),
        caller_num=known(headers["CallerIDNum"]),
        caller_name=known(headers["CallerIDName"]),
    )


def _blind_transfer(event: Event) -> BlindTransfer | None:
    headers = event.headers
    if headers["Result"] != "Success":
        return None
    return BlindTransfer(
        transferer=read_leg(headers, "Transferer"),
        transferee=_leg_if_any(headers, "Transferee"),
        bridge=headers.get("BridgeUniqueid", ""),
        extension=headers["Extension"],
    )


def _attended_transfer(event: Event) -> AttendedTransfer | None:
    headers = event.headers
    if headers["Result"] != "Success":
        return None
    return AttendedTransfer(
        first=read_leg(headers, "OrigTransferer"),
        second=read_leg(headers, "SecondTransferer"),
        transferee=_leg_if_any(headers, "Transferee"),
        target=_leg_if_any(headers, "TransferTarget"),
    )


def queue_member(headers: Mapping[str, str]) -> QueueMember:
    """A member as QueueMemberStatus and its kin show it, and the list of QueueStatus, which says Location."""
    interface = headers["Location"] if "Location" in headers else headers["Interface"]
    return QueueMember(
        queue=headers["Queue"],
        interface=headers.get("StateInterface") or interface,
        paused=headers["Paused"] == "1",
        reason=headers.get("PausedReason", ""),
        status=MEMBER_STATUS.get(headers["Status"], "unknown"),
        penalty=int(headers.get("Penalty") or 0),
    )


def _member_removed(event: Event) -> QueueMember:
    gone = queue_member(event.headers)
    return QueueMember(gone.queue, gone.interface, gone.paused, gone.reason, MEMBER_REMOVED, gone.penalty)


def _originate_response(event: Event) -> OriginateResponse:
    headers = event.headers
    return OriginateResponse(
        action_id=headers.get("ActionID", ""),
        answered=headers["Response"] == "Success",
        reason=int(headers["Reason"]),
        uniqueid=headers["Uniqueid"],
    )


_READERS: dict[str, Callable[[Event], AmiEvent | None]] = {
    "Newchannel": _newchannel,
    "QueueCallerJoin": _queue_caller_join,
    "QueueCallerLeave": lambda e: QueueCallerLeave(read_leg(e.headers), e.headers["Queue"]),
    "AgentCalled": _agent_called,
    "AgentRingNoAnswer": lambda e: AgentRingNoAnswer(read_leg(e.headers), read_leg(e.headers, "Dest")),
    "AgentConnect": lambda e: AgentConnect(read_leg(e.headers), read_leg(e.headers, "Dest")),
    "DialBegin": lambda e: DialBegin(_leg_if_any(e.headers), read_leg(e.headers, "Dest")),
    "DialEnd": lambda e: DialEnd(_leg_if_any(e.headers), read_leg(e.headers, "Dest"), e.headers["DialStatus"]),
    "BridgeEnter": lambda e: BridgeEnter(read_leg(e.headers), e.headers["BridgeUniqueid"]),
    "BridgeLeave": lambda e: BridgeLeave(read_leg(e.headers), e.headers["BridgeUniqueid"]),
    "Hold": lambda e: Hold(read_leg(e.headers)),
    "Unhold": lambda e: Unhold(read_leg(e.headers)),
    "ChannelTalkingStart": lambda e: TalkingStart(read_leg(e.headers)),
    "BlindTransfer": _blind_transfer,
    "AttendedTransfer": _attended_transfer,
    "Hangup": lambda e: Hangup(read_leg(e.headers), int(e.headers["Cause"])),
    "QueueMemberStatus": lambda e: queue_member(e.headers),
    "QueueMemberPause": lambda e: queue_member(e.headers),
    "QueueMemberAdded": lambda e: queue_member(e.headers),
    "QueueMemberPenalty": lambda e: queue_member(e.headers),
    "QueueMemberRemoved": _member_removed,
    "ContactStatus": lambda e: ContactStatus(
        e.headers["EndpointName"], e.headers["ContactStatus"] not in {"Removed", "Unreachable"}
    ),
    "FullyBooted": lambda e: FullyBooted(int(e.headers.get("Uptime", "0"))),
    "Shutdown": lambda e: Shutdown(e.headers["Restart"] == "True"),
    "Reload": lambda e: Reload(e.headers["Module"]),
    "OriginateResponse": _originate_response,
    "UserEvent": lambda e: UserEvent(e.headers["UserEvent"], _leg_if_any(e.headers), e.headers),
}

LIVE_EVENTS = frozenset(_READERS)
"""Names of the events that ``parse`` reads: the rest need not be read at all, nor sent (manager.conf eventfilter)."""
LIST_EVENTS = frozenset(
    {
        "CoreShowChannel",
        "CoreShowChannelsComplete",
        "QueueParams",
        "QueueMember",
        "QueueEntry",
        "QueueStatusComplete",
    }
)
"""Names of the events that carry the lists of a resync."""
