"""The calls as they stand now: events and snapshots in, facts out. Pure, and patient with whatever order comes.

A call is its caller's own leg, known by Uniqueid: Linkedids change in mid-call. A leg is an agent's when its endpoint
is ``agent-<extension>``. A call is opened by the caller's channel and ended by that channel's hangup; what queues say
about abandoning and completing ends nothing. An event applied twice, or told by a snapshot before, changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from callcenter.ami import events as ami
from callcenter.ami.events import MEMBER_REMOVED, STATE_RING, AmiEvent, Leg, QueueMember, when_made
from callcenter.ami.facts import (
    AgentAnswered,
    AgentDidNotAnswer,
    AgentHeld,
    AgentRang,
    AgentUnheld,
    CallArrived,
    CallEnded,
    CallerJoinedQueue,
    CallTransferred,
    DutyCodeDialled,
    LegSpoke,
    Line,
    LinkLost,
    LinkRestored,
    LiveCall,
    LiveFact,
    MemberChanged,
    PhoneContact,
    PhoneStateChanged,
    Ring,
    RingEnded,
)
from callcenter.ami.picture import AGENT_ENDPOINT, AGENT_INTERFACE, TRUNK_CHANNEL, Call, Picture, agent_of_channel
from callcenter.ami.snapshot import ShownChannel, Snapshot

__all__ = [
    "AgentAnswered",
    "AgentDidNotAnswer",
    "AgentHeld",
    "AgentRang",
    "AgentUnheld",
    "CallArrived",
    "CallEnded",
    "CallTransferred",
    "CallerJoinedQueue",
    "DutyCodeDialled",
    "LegSpoke",
    "Line",
    "LinkLost",
    "LinkRestored",
    "LiveCall",
    "LiveFact",
    "LiveView",
    "MemberChanged",
    "PhoneContact",
    "PhoneStateChanged",
    "Ring",
    "RingEnded",
]

NOT_ANSWERED = frozenset({"NOANSWER", "BUSY", "CONGESTION", "CHANUNAVAIL"})
"""DialStatus of a phone that rang out or refused; a loser's, and one whose caller left, is CANCEL (seen on 22.10)."""


class LiveView:
    """The present picture, and what each event changes in it."""

    def __init__(self, *, linked: bool | None = True) -> None:
        """``linked`` is ``None`` where nothing is known yet: then the first picture, or its failing, is a fact too."""
        self._now = Picture()
        self._members: dict[tuple[str, str], MemberChanged] = {}
        self._phones: dict[str, str] = {}
        self._contacts: dict[str, bool] = {}
        self._linked = linked

    def calls(self) -> tuple[LiveCall, ...]:
        """All live calls in the order in which we met them."""
        holders = self._now.holders()
        return tuple(call.as_live_call(holders.get(call.uniqueid, ())) for call in self._now.calls.values())

    def line_of(self, agent: str) -> Line | None:
        """The agent's part in a call that is talked in or on hold now."""
        return self._now.line_of(agent)

    def lines(self) -> tuple[Line, ...]:
        """Every agent's part in a call that is talked in or on hold now."""
        found = (self._now.line_of(agent) for agent in sorted(self.agents_on_a_line()))
        return tuple(line for line in found if line is not None)

    def is_alone(self, channel: str) -> bool:
        """Whether this channel waits in a bridge with nobody else, as a caller on hold does."""
        return self._now.is_alone(channel)

    def members(self) -> tuple[MemberChanged, ...]:
        """Every agent's place in every queue, as last told."""
        return tuple(self._members.values())

    def phones(self) -> dict[str, str]:
        """Each agent's phone state, as last told."""
        return dict(self._phones)

    def contacts(self) -> dict[str, bool]:
        """Whether a phone that registers is there, of those that anything was told of since the start."""
        return dict(self._contacts)

    def agents_on_a_line(self) -> frozenset[str]:
        """Agents whose phone rings, talks or dials, for whatever reason."""
        return frozenset(channel.agent for channel in self._now.channels.values() if channel.agent is not None)

    def legs_of(self, agent: str) -> list[str]:
        """Asterisk's names of every leg of this agent's phone that is alive."""
        return [channel.leg.channel for channel in self._now.channels.values() if channel.agent == agent]

    def is_empty(self) -> bool:
        """Whether no channel, bridge or call is left: true after the last hangup."""
        return not (self._now.channels or self._now.calls or self._now.bridges)

    def lose_link(self, since: datetime) -> list[LiveFact]:
        """The picture stays as it was, and screens say since when."""
        if self._linked is False:
            return []
        self._linked = False
        return [LinkLost(since)]

    def apply(self, event: AmiEvent) -> list[LiveFact]:
        """What this event changes."""
        match event:
            case QueueMember():
                return self._member(event)
            case ami.ContactStatus():
                return self._contact(event)
            case ami.Newchannel():
                return self._new_channel(event)
            case ami.BridgeEnter():
                return self._now.enter(event.leg, event.bridge)
            case ami.BridgeLeave():
                return self._now.leave(event.leg.uniqueid, event.bridge)
            case ami.Hangup():
                return self._now.end(event.leg.uniqueid)
            case ami.DialBegin():
                return self._dial_begins(event)
            case ami.DialEnd(status="ANSWER"):
                return []
            case ami.DialEnd():
                return self._now.end_ring(event.dest.uniqueid, unanswered=event.status in NOT_ANSWERED)
            case ami.QueueCallerJoin():
                return self._join(event)
            case ami.QueueCallerLeave():
                call = self._now.calls.get(event.leg.uniqueid)
                if call is not None and call.queue == event.queue:
                    call.position = None
                return []
            case ami.AgentCalled():
                call, facts = self._call_of(event)
                return facts if call is None else [*facts, *self._now.ring(call, event.dest)]
            case ami.AgentRingNoAnswer():
                return self._now.end_ring(event.dest.uniqueid, unanswered=True)
            case ami.AgentConnect():
                call = self._now.calls.get(event.leg.uniqueid)
                return [] if call is None else self._now.answer(call, event.dest)
            case ami.Hold():
                return self._now.hold(event.leg.uniqueid, held=True)
            case ami.Unhold():
                return self._now.hold(event.leg.uniqueid, held=False)
            case ami.TalkingStart():
                return [LegSpoke(event.leg.uniqueid)]
            case ami.BlindTransfer():
                return self._blind_transfer(event)
            case ami.AttendedTransfer():
                return self._attended_transfer(event)
            case ami.UserEvent(name="CallHeld", leg=Leg() as other):
                agent = self._now.agent_leg(event.headers.get("Leg", ""))
                return [] if agent is None else self._now.hold_of(other.uniqueid, agent)
            case ami.UserEvent(name="AgentDuty", headers=headers) if headers.get("Agent", "").isdigit():
                return [DutyCodeDialled(headers["Agent"])]
            case ami.UserEvent(name="CallOut", leg=Leg() as own):
                if (channel := self._now.channel(own)) is not None:
                    channel.provider = event.headers.get("Provider", "")
                return []
            case ami.FullyBooted() | ami.Shutdown() | ami.Reload() | ami.OriginateResponse() | ami.UserEvent():
                return []
            case _:
                assert_never(event)

    def resync(self, snapshot: Snapshot) -> list[LiveFact]:
        """Brings the picture to what Asterisk lists now; calls in progress go on, those no longer there have ended."""
        now = self._now
        facts: list[LiveFact] = [] if self._linked else [LinkRestored()]
        self._linked = True
        listed = {shown.leg.uniqueid for shown in snapshot.channels}
        if snapshot.whole:
            for uniqueid in [*now.channels, *now.calls]:
                if uniqueid not in listed:
                    facts += now.end(uniqueid)
        for shown in snapshot.channels:
            now.remember_again(shown.leg.uniqueid)
            if (channel := now.channel(shown.leg)) is not None and channel.agent is not None:
                channel.provider = channel.provider or shown.provider
            facts += self._open_listed(shown)
        for entry in snapshot.entries:
            if (call := now.calls.get(entry.uniqueid)) is not None:
                facts += _wait(call, entry.queue, entry.position)
        waiting = {entry.uniqueid for entry in snapshot.entries}
        for call in now.calls.values():
            if snapshot.whole and call.uniqueid not in waiting:
                call.position = None
        facts += self._connect_listed(snapshot)
        facts += self._members_listed(snapshot)
        return facts

    def _open_listed(self, shown: ShownChannel) -> list[LiveFact]:
        uniqueid = shown.leg.uniqueid
        call = self._now.calls.get(uniqueid)
        if call is not None:
            call.did, call.provider = shown.did or call.did, shown.provider or call.provider
            return []
        did = shown.did or shown.exten
        if not shown.leg.channel.startswith(TRUNK_CHANNEL) or shown.is_dialled or did in ("", "s"):
            return []
        return self._now.open(
            Call(
                uniqueid=uniqueid,
                did=did,
                provider=shown.provider,
                caller_num=shown.caller_num,
                caller_name=shown.caller_name,
                linkedid=shown.leg.linkedid,
                since=when_made(uniqueid),
                queue=shown.queue,
            )
        )

    def _connect_listed(self, snapshot: Snapshot) -> list[LiveFact]:
        now = self._now
        facts: list[LiveFact] = []
        for shown in snapshot.channels:
            channel = now.channels[shown.leg.uniqueid]
            if channel.bridge and channel.bridge != shown.bridge:
                facts += now.leave(shown.leg.uniqueid, channel.bridge)
        for shown in snapshot.channels:
            if shown.bridge:
                facts += now.enter(shown.leg, shown.bridge)
        by_linkedid = {call.linkedid: call for call in now.calls.values()}
        for shown in snapshot.channels:
            call = by_linkedid.get(shown.leg.linkedid)
            if shown.is_ringing and call is not None:
                facts += now.ring(call, shown.leg)
            elif not shown.is_ringing:
                facts += now.end_ring(shown.leg.uniqueid, unanswered=False)
        return facts + self._hold_listed(snapshot)

    def _hold_listed(self, snapshot: Snapshot) -> list[LiveFact]:
        """Who waits on hold by the page's button, and the agent's leg that waits with them."""
        waiting = {shown.leg.linkedid: shown.leg for shown in snapshot.channels if shown.waits}
        facts: list[LiveFact] = []
        for shown in (each for each in snapshot.channels if each.on_hold):
            agent = self._now.agent_leg(waiting[shown.leg.linkedid].channel) if shown.leg.linkedid in waiting else None
            if agent is not None:
                facts += self._now.hold_of(shown.leg.uniqueid, agent)
        return facts

    def _members_listed(self, snapshot: Snapshot) -> list[LiveFact]:
        facts: list[LiveFact] = []
        for member in snapshot.members:
            facts += self._member(member)
        if snapshot.whole:
            listed = {(member.queue, member.interface) for member in snapshot.members}
            for key, last in list(self._members.items()):
                if key not in listed:
                    self._no_member(key)
                    facts.append(replace(last, status=MEMBER_REMOVED))
        return facts

    def _no_member(self, key: tuple[str, str]) -> bool:
        """Of the phone of whoever is in no queue Asterisk tells nothing more: what it told last is soon a lie."""
        if self._members.pop(key, None) is None:
            return False
        if all(interface != key[1] for _, interface in self._members):
            self._phones.pop(key[1].removeprefix(AGENT_INTERFACE), None)
        return True

    def _member(self, member: QueueMember) -> list[LiveFact]:
        if not member.interface.startswith(AGENT_INTERFACE):
            return []
        agent = member.interface.removeprefix(AGENT_INTERFACE)
        key = (member.queue, member.interface)
        changed = MemberChanged(member.queue, agent, member.paused, member.status, member.reason, member.penalty)
        if member.status == MEMBER_REMOVED:
            return [changed] if self._no_member(key) else []
        facts: list[LiveFact] = []
        if self._members.get(key) != changed:
            self._members[key] = changed
            facts.append(changed)
        if self._phones.get(agent) != member.status:
            self._phones[agent] = member.status
            facts.append(PhoneStateChanged(agent, member.status))
        return facts

    def _contact(self, event: ami.ContactStatus) -> list[LiveFact]:
        agent = event.endpoint.removeprefix(AGENT_ENDPOINT)
        if agent == event.endpoint or self._contacts.get(agent) == event.there:
            return []
        self._contacts[agent] = event.there
        return [PhoneContact(agent, event.there)]

    def _new_channel(self, event: ami.Newchannel) -> list[LiveFact]:
        uniqueid = event.leg.uniqueid
        if uniqueid in self._now.channels or self._now.channel(event.leg) is None:
            return []
        if not event.leg.channel.startswith(TRUNK_CHANNEL) or event.state != STATE_RING:
            return []
        return self._now.open(
            Call(
                uniqueid=uniqueid,
                did=event.exten,
                provider=event.provider,
                caller_num=event.caller_num,
                caller_name=event.caller_name,
                linkedid=event.leg.linkedid,
                since=event.at,
            )
        )

    def _call_of(self, event: ami.QueueCallerJoin | ami.AgentCalled) -> tuple[Call | None, list[LiveFact]]:
        """The call of a caller in a queue; one whose arrival we could not read becomes known here."""
        call = self._now.calls.get(event.leg.uniqueid)
        if call is not None:
            call.did, call.provider = event.did or call.did, event.provider or call.provider
            return call, []
        if not event.leg.channel.startswith(TRUNK_CHANNEL) or not event.did:
            return None, []
        if self._now.channel(event.leg) is None:
            return None, []
        uniqueid = event.leg.uniqueid
        since = when_made(uniqueid)
        num, name, linkedid = event.caller_num, event.caller_name, event.leg.linkedid
        call = Call(uniqueid, event.did, event.provider, num, name, linkedid, since, queue=event.queue)
        return call, self._now.open(call)

    def _join(self, event: ami.QueueCallerJoin) -> list[LiveFact]:
        call, facts = self._call_of(event)
        return facts if call is None else [*facts, *_wait(call, event.queue, event.position)]

    def _dial_begins(self, event: ami.DialBegin) -> list[LiveFact]:
        """A phone that a caller's own channel dials rings for that caller; one that an agent dials, for the agent."""
        if event.leg is None:
            return []
        if (call := self._now.calls.get(event.leg.uniqueid)) is not None:
            return self._now.ring(call, event.dest)
        channel = self._now.channel(event.dest)
        if channel is not None and not channel.rang:
            channel.dialled_by = event.leg.uniqueid
        return []

    def _blind_transfer(self, event: ami.BlindTransfer) -> list[LiveFact]:
        call = self._now.calls.get(event.transferee.uniqueid) if event.transferee else None
        if call is None:
            call = self._now.call_of_agent(event.transferer.uniqueid)
        if call is None or event.transferer.uniqueid in call.handed_on_by:
            return []
        call.handed_on_by.add(event.transferer.uniqueid)
        self._now.let_go(event.transferer.uniqueid)
        return [CallTransferred(call.uniqueid, event.extension)]

    def _attended_transfer(self, event: ami.AttendedTransfer) -> list[LiveFact]:
        """The agent steps out of the middle: the caller meets whom the agent consulted, or the phone still ringing."""
        pair = (event.transferee, event.target)
        calls = [self._now.calls.get(leg.uniqueid) if leg else None for leg in pair]
        other = event.transferee if calls[1] is not None else event.target
        call = calls[1] or calls[0] or self._now.call_of_agent(event.first.uniqueid)
        if call is None or event.first.uniqueid in call.handed_on_by:
            return []
        call.handed_on_by.add(event.first.uniqueid)
        for leg in (event.first, event.second):
            self._now.let_go(leg.uniqueid)
        if other is not None:
            to = agent_of_channel(other.channel) or self._asked_through(other) or other.channel
            return [CallTransferred(call.uniqueid, to)]
        facts: list[LiveFact] = []
        for ringing in self._now.dialled_from({event.first.uniqueid, event.second.uniqueid}):
            ringing.dialled_by = None
            to = ringing.agent or ringing.leg.channel
            facts += [CallTransferred(call.uniqueid, to), *self._now.ring(call, ringing.leg)]
        return facts

    def _asked_through(self, half: Leg) -> str | None:
        """Asterisk's own transfers ask through a pair of Local halves: whoever is behind it has the caller now."""
        channel = self._now.channels.get(half.uniqueid)
        found = None if channel is None else self._now.behind(channel)
        return None if found is None else found.agent


def _wait(call: Call, queue: str, position: int) -> list[LiveFact]:
    joined = call.queue == queue and call.position is not None
    call.queue, call.position = queue, position
    return [] if joined else [CallerJoinedQueue(call.uniqueid, queue, position)]
