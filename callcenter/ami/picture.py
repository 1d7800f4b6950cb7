"""The state behind the live view: calls, channels and bridges, with the few moves that change them. Pure.

Each move says what it changed, and made twice it changes nothing the second time. A channel that has hung up is
remembered for a while, so that an event that comes late does not bring it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from callcenter.ami.events import Leg
from callcenter.ami.facts import (
    AgentAnswered,
    AgentDidNotAnswer,
    AgentHeld,
    AgentRang,
    AgentUnheld,
    CallArrived,
    CallEnded,
    LiveCall,
    LiveFact,
    Ring,
    RingEnded,
)
from callcenter.words import LinkedId, UniqueId

REMEMBERED_ENDED = 10_000

AGENT_INTERFACE = "PJSIP/agent-"
TRUNK_CHANNEL = "PJSIP/trunk-"
_agent_channel = re.compile(r"PJSIP/agent-(.+)-[0-9a-f]{8,}", re.ASCII).fullmatch


def agent_of_channel(channel: str) -> str | None:
    """The extension whose phone this channel is: ``PJSIP/agent-101-0000000b`` is 101's."""
    found = _agent_channel(channel)
    return None if found is None else found[1]


@dataclass(slots=True)
class Channel:
    leg: Leg
    agent: str | None
    bridge: str = ""
    dialled_by: UniqueId | None = None
    rang: bool = False
    rings_for: UniqueId | None = None
    talks_on: UniqueId | None = None


@dataclass(slots=True)
class Call:
    uniqueid: UniqueId
    did: str
    provider: str
    caller_num: str
    caller_name: str
    linkedid: LinkedId
    since: datetime
    queue: str = ""
    position: int | None = None
    ringing: dict[UniqueId, str] = field(default_factory=dict)
    talking: dict[UniqueId, str] = field(default_factory=dict)
    holding: set[UniqueId] = field(default_factory=set)
    handed_on_by: set[UniqueId] = field(default_factory=set)

    def as_live_call(self) -> LiveCall:
        return LiveCall(
            call=self.uniqueid,
            did=self.did,
            provider=self.provider,
            caller_num=self.caller_num,
            caller_name=self.caller_name,
            linkedid=self.linkedid,
            since=self.since,
            queue=self.queue,
            position=self.position,
            ringing=tuple(Ring(agent, leg) for leg, agent in self.ringing.items()),
            talking=tuple(dict.fromkeys(self.talking.values())),
            held=bool(self.holding),
        )


class Picture:
    """Who is on the line now. Every method is one move and returns the facts it makes true."""

    def __init__(self) -> None:
        self.channels: dict[UniqueId, Channel] = {}
        self.calls: dict[UniqueId, Call] = {}
        self.bridges: dict[str, set[UniqueId]] = {}
        self._ended: dict[UniqueId, None] = {}

    def channel(self, leg: Leg) -> Channel | None:
        """The channel of a leg, made known if it was not; ``None`` when it has hung up already."""
        found = self.channels.get(leg.uniqueid)
        if found is None:
            if leg.uniqueid in self._ended:
                return None
            found = self.channels[leg.uniqueid] = Channel(leg, agent_of_channel(leg.channel))
        return found

    def remember_again(self, uniqueid: UniqueId) -> None:
        """A list shows this channel: whoever said that it had hung up was wrong."""
        self._ended.pop(uniqueid, None)

    def open(self, call: Call) -> list[LiveFact]:
        """A subscriber is on the line."""
        self.calls[call.uniqueid] = call
        return [CallArrived(call.uniqueid, call.did, call.caller_num, call.caller_name, call.linkedid, call.since)]

    def ring(self, call: Call, leg: Leg) -> list[LiveFact]:
        """An agent's phone rings for a call; each phone's channel rings once in its life."""
        channel = self.channel(leg)
        if channel is None or channel.agent is None or channel.rang or channel.talks_on is not None:
            return []
        channel.rang = True
        channel.rings_for = call.uniqueid
        call.ringing[leg.uniqueid] = channel.agent
        return [AgentRang(call.uniqueid, channel.agent, leg.uniqueid)]

    def end_ring(self, leg: UniqueId, *, unanswered: bool) -> list[LiveFact]:
        """The phone is silent again: the agent did not answer, or did not have to."""
        channel = self.channels.get(leg)
        if channel is None:
            return []
        channel.dialled_by = None
        call, channel.rings_for = self._call(channel.rings_for), None
        if call is None or (agent := call.ringing.pop(leg, None)) is None:
            return []
        return [AgentDidNotAnswer(call.uniqueid, agent) if unanswered else RingEnded(call.uniqueid, agent)]

    def answer(self, call: Call, leg: Leg) -> list[LiveFact]:
        """An agent talks with the caller, and the other phones stop ringing for this call."""
        channel = self.channel(leg)
        if channel is None or channel.agent is None or leg.uniqueid in call.talking:
            return []
        if (old := self._call(channel.rings_for)) is not None:
            old.ringing.pop(leg.uniqueid, None)
        channel.rang = True
        channel.rings_for = channel.dialled_by = None
        self._stop_talking(channel)
        channel.talks_on = call.uniqueid
        call.talking[leg.uniqueid] = channel.agent
        call.position = None
        facts: list[LiveFact] = [AgentAnswered(call.uniqueid, channel.agent)]
        for other in list(call.ringing):
            facts += self.end_ring(other, unanswered=False)
        return facts

    def enter(self, leg: Leg, bridge: str) -> list[LiveFact]:
        """A channel joins a bridge: agents in it, or joined to it through Local halves, talk with its callers."""
        channel = self.channel(leg)
        if channel is None or channel.bridge == bridge:
            return []
        facts = self.leave(leg.uniqueid, channel.bridge) if channel.bridge else []
        channel.bridge = bridge
        self.bridges.setdefault(bridge, set()).add(leg.uniqueid)
        together = self._together(bridge)
        for call in [self.calls[member] for member in together if member in self.calls]:
            for member in together:
                if (other := self.channels.get(member)) is not None and other.agent is not None:
                    facts += self.answer(call, other.leg)
        return facts

    def leave(self, leg: UniqueId, bridge: str) -> list[LiveFact]:
        """A channel leaves its bridge; leaving says nothing about why, so it is no fact by itself."""
        channel = self.channels.get(leg)
        if channel is None or not bridge or channel.bridge != bridge:
            return []
        channel.bridge = ""
        members = self.bridges[bridge]
        members.discard(leg)
        if not members:
            del self.bridges[bridge]
        self._stop_talking(channel)
        if (call := self.calls.get(leg)) is not None:
            self._stop_all_talk(call)
        return []

    def hold(self, leg: UniqueId, *, held: bool) -> list[LiveFact]:
        """The agent puts the caller on hold, or takes them back; a transfer's stray Unhold is nothing."""
        channel = self.channels.get(leg)
        call = None if channel is None else self._call(channel.talks_on)
        if channel is None or call is None or channel.agent is None or (leg in call.holding) is held:
            return []
        if held:
            call.holding.add(leg)
            return [AgentHeld(call.uniqueid, channel.agent)]
        call.holding.discard(leg)
        return [AgentUnheld(call.uniqueid, channel.agent)]

    def end(self, uniqueid: UniqueId) -> list[LiveFact]:
        """A channel hung up; when it was the caller's, the call has ended."""
        facts = self.end_ring(uniqueid, unanswered=False)
        call = self.calls.get(uniqueid)
        if call is not None:
            for leg in list(call.ringing):
                facts += self.end_ring(leg, unanswered=False)
            self._stop_all_talk(call)
            del self.calls[uniqueid]
            facts.append(CallEnded(uniqueid))
        if (channel := self.channels.get(uniqueid)) is not None:
            self.leave(uniqueid, channel.bridge)
            self._stop_talking(channel)
            del self.channels[uniqueid]
        self._ended[uniqueid] = None
        if len(self._ended) > REMEMBERED_ENDED:
            del self._ended[next(iter(self._ended))]
        return facts

    def dialled_from(self, sources: set[UniqueId]) -> Iterator[Channel]:
        """Phones that ring because one of these channels dials them."""
        for channel in list(self.channels.values()):
            if channel.dialled_by in sources:
                yield channel

    def call_of_agent(self, leg: UniqueId) -> Call | None:
        """The call that an agent's leg talks on."""
        channel = self.channels.get(leg)
        return None if channel is None else self._call(channel.talks_on)

    def _call(self, uniqueid: UniqueId | None) -> Call | None:
        return None if uniqueid is None else self.calls.get(uniqueid)

    def _stop_all_talk(self, call: Call) -> None:
        """Whoever talks with this caller does so no more; a leg that nobody knows any more is forgotten with it."""
        for leg in list(call.talking):
            if (channel := self.channels.get(leg)) is not None:
                self._stop_talking(channel)
            call.talking.pop(leg, None)
            call.holding.discard(leg)

    def _stop_talking(self, channel: Channel) -> None:
        if (call := self._call(channel.talks_on)) is not None:
            call.talking.pop(channel.leg.uniqueid, None)
            call.holding.discard(channel.leg.uniqueid)
        channel.talks_on = None

    def _together(self, bridge: str) -> list[UniqueId]:
        """Everybody who hears this bridge, also behind pairs of Local halves, as transfers by DTMF make them."""
        seen = [bridge]
        together: list[UniqueId] = []
        for each in seen:
            for member in self.bridges.get(each, ()):
                together.append(member)
                name = self.channels[member].leg.channel
                if name.startswith("Local/"):
                    far = self._bridge_of_half(name)
                    if far and far not in seen:
                        seen.append(far)
        return together

    def _bridge_of_half(self, name: str) -> str:
        other = name[:-1] + ("2" if name.endswith("1") else "1")
        for channel in self.channels.values():
            if channel.leg.channel == other:
                return channel.bridge
        return ""
