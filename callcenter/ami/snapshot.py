"""The present picture as Asterisk lists it: channels, queue members, waiting callers. Pure.

A channel's list entry carries its bridge, so one list, read at one moment, also says who talks with whom.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from callcenter.ami.events import STATE_DOWN, STATE_RINGING, Leg, QueueMember, known, queue_member, read_leg
from callcenter.ami.frames import Event
from callcenter.words import UniqueId

OUTGOING = "(Outgoing Line)"
"""What Asterisk shows as the data of a channel that Dial or Queue made (seen on 22.10)."""
HOLD_BRIDGE = "hold-"
"""How the bridge of a caller on hold is named in our dialplan."""


@dataclass(frozen=True, slots=True)
class ShownChannel:
    leg: Leg
    state: str
    exten: str
    caller_num: str
    caller_name: str
    did: str
    provider: str
    application: str
    data: str
    bridge: str

    @property
    def is_dialled(self) -> bool:
        return self.data == OUTGOING

    @property
    def is_ringing(self) -> bool:
        return self.is_dialled and not self.bridge and self.state in (STATE_DOWN, STATE_RINGING)

    @property
    def queue(self) -> str:
        """The queue that the channel is in, waiting or talking; empty elsewhere."""
        return self.data.partition(",")[0] if self.application == "Queue" else ""

    @property
    def on_hold(self) -> bool:
        """In the bridge with music that our context ``hold`` puts a caller into."""
        return self.application == "BridgeWait" and self.data.startswith(HOLD_BRIDGE)

    @property
    def waits(self) -> bool:
        """An agent's leg whose caller is on hold; nothing else of ours waits so."""
        return self.application == "Wait" and not self.bridge


@dataclass(frozen=True, slots=True)
class QueueEntry:
    queue: str
    uniqueid: UniqueId
    position: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``whole`` is false when an entry could not be read: then nobody is gone just because they are not listed."""

    channels: tuple[ShownChannel, ...]
    members: tuple[QueueMember, ...]
    entries: tuple[QueueEntry, ...]
    whole: bool
    started: str = ""
    """When Asterisk started, in its own local time: another text than before means that it was restarted."""


def read_snapshot(channels: Iterable[Event], queues: Iterable[Event], started: str = "") -> Snapshot:
    """Puts the replies of CoreShowChannels and QueueStatus together; an entry that is torn makes it not whole."""
    shown: list[ShownChannel] = []
    members: list[QueueMember] = []
    entries: list[QueueEntry] = []
    expected = {"CoreShowChannelsComplete": -1, "QueueStatusComplete": -1}
    seen = {"CoreShowChannelsComplete": 0, "QueueStatusComplete": 0}
    for complete, listed in (("CoreShowChannelsComplete", channels), ("QueueStatusComplete", queues)):
        for event in listed:
            try:
                match event.name:
                    case "CoreShowChannel":
                        shown.append(_shown_channel(event))
                    case "QueueMember":
                        members.append(queue_member(event.headers))
                    case "QueueEntry":
                        entries.append(_queue_entry(event))
                    case "CoreShowChannelsComplete" | "QueueStatusComplete":
                        expected[complete] = int(event.headers["ListItems"])
                        continue
            except (KeyError, ValueError):
                continue
            seen[complete] += 1
    return Snapshot(tuple(shown), tuple(members), tuple(entries), seen == expected, started)


def _shown_channel(event: Event) -> ShownChannel:
    headers = event.headers
    return ShownChannel(
        leg=read_leg(headers),
        state=headers["ChannelState"],
        exten=headers["Exten"],
        caller_num=known(headers["CallerIDNum"]),
        caller_name=known(headers["CallerIDName"]),
        did=event.variable("DID"),
        provider=event.variable("PROVIDER"),
        application=headers["Application"],
        data=headers["ApplicationData"],
        bridge=headers["BridgeId"],
    )


def _queue_entry(event: Event) -> QueueEntry:
    headers = event.headers
    return QueueEntry(headers["Queue"], UniqueId(headers["Uniqueid"]), int(headers["Position"]))
