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
    Line,
    LiveCall,
    LiveFact,
    Ring,
    RingEnded,
)
from callcenter.words import LinkedId, UniqueId

REMEMBERED_ENDED = 10_000

AGENT_ENDPOINT = "agent-"
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
    holds: UniqueId | None = None
    """Whom this agent has put on hold."""
    provider: str = ""
    """On whose behalf this agent's leg dials."""


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
    handed_on_by: set[UniqueId] = field(default_factory=set)

    def as_live_call(self, holders: tuple[str, ...]) -> LiveCall:
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
            held=bool(holders),
            holders=holders,
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
        back, channel.holds = channel.holds == call.uniqueid, None
        told = AgentUnheld if back else AgentAnswered
        facts: list[LiveFact] = [told(call.uniqueid, channel.agent)]
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
        facts += self._back_from_hold(leg.uniqueid, together)
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
        """The agent puts whom they talk with on hold, or takes them back; a transfer's stray Unhold is nothing."""
        channel = self.channels.get(leg)
        if channel is None or channel.agent is None:
            return []
        if held:
            other = channel.talks_on or self._subscriber_in(channel.bridge)
            return [] if other is None else self.hold_of(other, channel)
        if channel.holds is None or channel.holds not in self._together(channel.bridge):
            return []
        return self._unhold(channel)

    def hold_of(self, other: UniqueId, channel: Channel) -> list[LiveFact]:
        """This agent's leg has put that other leg on hold, and need share no bridge with it meanwhile."""
        if channel.agent is None or other not in self.channels or channel.holds == other:
            return []
        channel.holds = other
        return [AgentHeld(self._name_of_call(channel, other), channel.agent)]

    def let_go(self, leg: UniqueId) -> None:
        """The agent has handed on whom they had on hold."""
        if (channel := self.channels.get(leg)) is not None:
            channel.holds = None

    def holders(self) -> dict[UniqueId, tuple[str, ...]]:
        """Which agents have put a leg on hold."""
        found: dict[UniqueId, tuple[str, ...]] = {}
        for channel in self.channels.values():
            if channel.holds is not None and channel.agent is not None:
                found[channel.holds] = (*found.get(channel.holds, ()), channel.agent)
        return found

    def agent_leg(self, name: str) -> Channel | None:
        """The agent's leg that Asterisk calls so."""
        return next((each for each in self.channels.values() if each.agent and each.leg.channel == name), None)

    def is_alone(self, name: str) -> bool:
        """Whether the channel that Asterisk calls so is in a bridge with nobody else: it hears music there."""
        found = next((each for each in self.channels.values() if each.leg.channel == name), None)
        return found is not None and bool(found.bridge) and self.bridges.get(found.bridge) == {found.leg.uniqueid}

    def line_of(self, agent: str) -> Line | None:
        """The agent's part in a call that is talked in or held; a subscriber's call before one among colleagues."""
        found: Line | None = None
        for channel in self.channels.values():
            if channel.agent == agent and (line := self._line(channel, agent)) is not None:
                if line.other.channel.startswith(TRUNK_CHANNEL):
                    return line
                found = found or line
        return found

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
            for other in self.channels.values():
                if other.holds == uniqueid:
                    other.holds = None
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

    def _stop_talking(self, channel: Channel) -> None:
        if (call := self._call(channel.talks_on)) is not None:
            call.talking.pop(channel.leg.uniqueid, None)
        channel.talks_on = None

    def _line(self, channel: Channel, agent: str) -> Line | None:
        others = [self.channels[each] for each in self._together(channel.bridge) if each != channel.leg.uniqueid]
        colleagues = [each for each in others if each.agent not in {None, agent}]
        held = None if channel.holds is None else self.channels.get(channel.holds)
        if held is not None:
            asked = next(iter(colleagues), None) if held not in others else None
            rung = asked or next(iter(self._rung_by(others)), None)
            name = "" if rung is None else rung.agent or ""
            call = self._name_of_call(channel, held.leg.uniqueid)
            return Line(agent, call, self._whose(channel, call), channel.leg, held.leg, True, name, asked is not None)
        subscribers = [each for each in others if each.leg.channel.startswith(TRUNK_CHANNEL)]
        for other in (*subscribers, *colleagues):
            call = self._name_of_call(channel, other.leg.uniqueid)
            return Line(agent, call, self._whose(channel, call), channel.leg, other.leg, False)
        return None

    def _rung_by(self, legs: list[Channel]) -> Iterator[Channel]:
        """Phones that ring because a pair of Local halves dials them, one half of which is among these legs."""
        halves = {each.leg.uniqueid for leg in legs if (each := self._other_half(leg.leg.channel)) is not None}
        return self.dialled_from(halves)

    def _name_of_call(self, channel: Channel, other: UniqueId) -> UniqueId:
        return other if other in self.calls else channel.leg.uniqueid

    def _whose(self, channel: Channel, call: UniqueId) -> str:
        return self.calls[call].provider if call in self.calls else channel.provider

    def _subscriber_in(self, bridge: str) -> UniqueId | None:
        """The subscriber whom an agent has called: no call of ours begins with their leg."""
        legs = (self.channels[each].leg for each in self._together(bridge))
        return next((leg.uniqueid for leg in legs if leg.channel.startswith(TRUNK_CHANNEL)), None)

    def _back_from_hold(self, entered: UniqueId, together: list[UniqueId]) -> list[LiveFact]:
        """Who has been on hold and who put them there meet again; a caller's agent is told of by ``answer``."""
        facts: list[LiveFact] = []
        for member in together:
            channel = self.channels[member]
            other = channel.holds
            if other is not None and other in together and entered in {member, other} and other not in self.calls:
                facts += self._unhold(channel)
        return facts

    def _unhold(self, channel: Channel) -> list[LiveFact]:
        other, channel.holds = channel.holds, None
        if other is None or channel.agent is None:
            return []
        return [AgentUnheld(self._name_of_call(channel, other), channel.agent)]

    def _together(self, bridge: str) -> list[UniqueId]:
        """Everybody who hears this bridge, also behind pairs of Local halves, as transfers by DTMF make them."""
        if not bridge:
            return []
        seen = [bridge]
        together: list[UniqueId] = []
        for each in seen:
            for member in self.bridges.get(each, ()):
                together.append(member)
                name = self.channels[member].leg.channel
                half = self._other_half(name)
                if half is not None and half.bridge and half.bridge not in seen:
                    seen.append(half.bridge)
        return together

    def behind(self, half: Channel) -> Channel | None:
        """The agent's leg at the far end of a pair of Local halves."""
        other = self._other_half(half.leg.channel)
        met = [] if other is None else self._together(other.bridge)
        return next((leg for each in met if (leg := self.channels[each]).agent is not None), None)

    def _other_half(self, name: str) -> Channel | None:
        if not name.startswith("Local/"):
            return None
        other = name[:-1] + ("2" if name.endswith("1") else "1")
        return next((channel for channel in self.channels.values() if channel.leg.channel == other), None)
