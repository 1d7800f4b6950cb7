"""What happened: a fold over the rows of one group of channels. Pure; the same rows always tell the same calls.

Which channels belong together says ``groups``. Channels are followed one by one, by uniqueid; a call is then what its
caller's channel lived through. Linkedids are not trusted for more than who rang for whom: Asterisk rewrites them in
mid-life (transfers, pickups).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from callcenter.calls.outcome import CallOutcome, HangupBy
from callcenter.calls.record import CallRecord, MinTalk, Segment, a_second
from callcenter.calls.rows import AGENT_LEG, END, GONE, OUT, QUEUE, RECORDING, STAGE, TRUNK_LEG, Row
from callcenter.calls.tale import HOLD, Leg, Tale
from callcenter.words import UniqueId

__all__ = ["CallOutcome", "CallRecord", "Segment", "fold", "is_telling"]

_LOCAL = re.compile(r"(Local/.+);([12])", re.ASCII | re.DOTALL)
_DIALLABLE = re.compile(r"\+?[0-9]{5,20}", re.ASCII)
_TELLING: Final = frozenset(
    {
        "CHAN_START", "CHAN_END", "HANGUP", "ANSWER", "BRIDGE_ENTER", "BRIDGE_EXIT", "BLINDTRANSFER",
        "ATTENDEDTRANSFER", STAGE, END, QUEUE, RECORDING, OUT, GONE,
    }
)  # fmt: skip


def is_telling(row: Row) -> bool:
    """Whether a row changes what is known of a call; prompts, keys and most applications do not."""
    return row.event in _TELLING or (row.event == "APP_START" and row.app == "Queue")


def fold(rows: Iterable[Row], min_talk: MinTalk = a_second) -> tuple[CallRecord, ...]:
    """One record for every inbound call and every call back that these rows of one group of channels tell of.

    Takes rows in the journal's order; any part of a journal is a story: of what began before it less is known.
    """
    scene = _Scene()
    for row in rows:
        scene.see(row)
    return scene.records(min_talk)


class _Scene:
    """Who is where at this moment of the fold."""

    def __init__(self) -> None:
        self._legs: dict[UniqueId, Leg] = {}
        self._tales: dict[UniqueId, Tale] = {}
        self._bridges: dict[str, set[UniqueId]] = {}
        self._halves: dict[str, dict[str, UniqueId]] = {}

    def records(self, min_talk: MinTalk) -> tuple[CallRecord, ...]:
        settled = all(leg.over for leg in self._legs.values())
        return tuple(tale.record(min_talk, settled=settled) for tale in self._tales.values())

    def see(self, row: Row) -> None:
        leg = self._leg(row)
        if leg is None:
            return
        at = row.at
        match row.event:
            case "CHAN_START":
                self._ring(leg, at)
            case "ANSWER":
                leg.answered_at = leg.answered_at if leg.answered_at is not None else at
                self._ring_over(leg, at)
            case "HANGUP":
                self._hangup(leg, row)
            case "CHAN_END":
                self._over(leg, at)
            case "BRIDGE_ENTER" | "BRIDGE_EXIT":
                self._bridge(leg, row)
            case "BLINDTRANSFER" | "ATTENDEDTRANSFER":
                self._transfer(row)
            case "CC_GONE":
                self._gone(leg, at, seen=row.extra.get("extra") == "seen")
            case _:
                self._note(leg, row)

    # ---- who there is

    def _leg(self, row: Row) -> Leg | None:
        leg = self._legs.get(row.uniqueid)
        if leg is None:
            if row.event in {GONE, "LINKEDID_END"}:
                return None
            whole = row.event == "CHAN_START"
            leg = Leg(
                row.uniqueid, row.channel, row.linkedid, row.at, row.at, row.exten, row.number, row.name, whole=whole
            )
            self._legs[row.uniqueid] = leg
            self._arrives(leg)
        if leg.presumed and row.event not in {GONE, "LINKEDID_END"}:
            leg.over = leg.presumed = False  # it lived on after all
        if row.event not in {GONE, "LINKEDID_END"}:
            leg.linkedid, leg.last_at = row.linkedid, row.at
            if not row.channel.endswith("<ZOMBIE>"):
                leg.name = row.channel
            half = _LOCAL.fullmatch(row.channel)
            if half is not None:
                self._halves.setdefault(half[1], {})[half[2]] = leg.id
        return leg

    def _arrives(self, leg: Leg) -> None:
        """An inbound call is a channel of a trunk that began by itself; those we dial carry another's linkedid."""
        trunk = TRUNK_LEG.fullmatch(leg.name)
        if trunk is not None and str(leg.id) == leg.linkedid:
            dialled = leg.exten if leg.whole or _DIALLABLE.fullmatch(leg.exten) else ""
            self._tales[leg.id] = Tale(leg, "in", trunk[1], dialled[:80], leg.number)

    # ---- phones that ring

    def _ring(self, leg: Leg, at: float) -> None:
        agent = AGENT_LEG.fullmatch(leg.name)
        if agent is not None and str(leg.id) != leg.linkedid:
            for tale in self._tales.values():
                if tale.direction == "in" and tale.leg.linkedid == leg.linkedid and not tale.leg.over:
                    tale.rings(leg.id, agent[1], at)

    def _ring_over(self, leg: Leg, at: float) -> None:
        for tale in self._tales.values():
            tale.ring_over(leg.id, at)

    # ---- talk

    def _bridge(self, leg: Leg, row: Row) -> None:
        bridge = row.extra.get("bridge_id", "")
        if not bridge:
            return
        inside = self._bridges.setdefault(bridge, set())
        if row.event == "BRIDGE_ENTER":
            inside.add(leg.id)
            if leg.id in self._tales:
                self._tales[leg.id].bridges.add(bridge)
        else:
            inside.discard(leg.id)
        self._look_round(row.at)
        if row.event == "BRIDGE_ENTER" and (agent := AGENT_LEG.fullmatch(leg.name)) is not None:
            self._asks(agent[1], row.at)

    def _asks(self, agent: str, at: float) -> None:
        """An agent who goes to ask somebody leaves the caller alone with music, in the bridge in which they talked."""
        for tale in self._tales.values():
            alone = any(inside == {tale.leg.id} for inside in self._bridges.values())
            if alone and tale.last_with == {agent}:
                tale.enters(HOLD, at)

    def _look_round(self, at: float) -> None:
        for tale in self._tales.values():
            if not tale.leg.over:
                tale.meets(self._people_with(tale), at)

    def _people_with(self, tale: Tale) -> frozenset[str]:
        """The agents in the same bridge as the caller, also through Local channels that join two bridges."""
        names = [self._legs[each].name for each in self._reached_from(tale.leg.id)]
        if tale.direction == "in":
            return frozenset(found[1] for name in names if (found := AGENT_LEG.fullmatch(name)))
        own = AGENT_LEG.fullmatch(tale.leg.name)
        return frozenset({own[1]}) if own and any(TRUNK_LEG.fullmatch(name) for name in names) else frozenset()

    def _reached_from(self, start: UniqueId) -> set[UniqueId]:
        reached, todo = {start}, [start]
        while todo:
            here = todo.pop()
            near = {other for inside in self._bridges.values() if here in inside for other in inside}
            half = _LOCAL.fullmatch(self._legs[here].name)
            if half is not None:
                near |= set(self._halves.get(half[1], {}).values())
            todo += near - reached
            reached |= near
        return reached - {start}

    def _transfer(self, row: Row) -> None:
        extra = row.extra
        named = {extra.get(key) for key in ("bridge_id", "bridge1_id", "bridge2_id")}
        for tale in self._tales.values():
            if extra.get("transferee_channel_uniqueid") == tale.leg.id or named & tale.bridges:
                tale.transfers += 1

    # ---- ends

    def _hangup(self, leg: Leg, row: Row) -> None:
        leg.ended_at = row.at
        cause = row.extra.get("hangupcause", "")
        leg.hangup_cause = int(cause) if cause.isascii() and cause.isdigit() and len(cause) < 5 else None
        leg.hangup_by = _hung_up_by(row.extra.get("hangupsource", ""))
        for tale in self._tales.values():
            if tale.direction == "out" and leg.id != tale.leg.id and TRUNK_LEG.fullmatch(leg.name):
                tale.other_cause = leg.hangup_cause
        self._out(leg, row.at)

    def _over(self, leg: Leg, at: float) -> None:
        leg.ended_at = leg.ended_at if leg.ended_at is not None else at
        self._out(leg, at)
        leg.over = True

    def _out(self, leg: Leg, at: float, *, unseen: bool = False) -> None:
        """The leg is in no bridge any more and rings nowhere."""
        self._ring_over(leg, at)
        if leg.id in self._tales:
            self._tales[leg.id].is_over(at, unseen=unseen)
        met = [inside for inside in self._bridges.values() if leg.id in inside]
        for inside in met:
            inside.discard(leg.id)
        if met:
            self._look_round(at)

    def _gone(self, leg: Leg, at: float, *, seen: bool) -> None:
        if leg.over or leg.ended_at is not None:
            leg.over = True
            return
        self._out(leg, at, unseen=True)
        leg.over = leg.presumed = True
        leg.ended_at = at if seen else None

    # ---- our own rows

    def _note(self, leg: Leg, row: Row) -> None:
        value = row.extra.get("extra", "")
        tale = self._tales.get(leg.id)
        agent = AGENT_LEG.fullmatch(leg.name) if row.event == OUT else None
        if tale is None and agent is not None:
            tale = self._tales[leg.id] = Tale(leg, "out", "", "", "", agents={agent[1]: None})
            tale.placed_for(value)
        if tale is None:
            return
        match row.event:
            case "CC_STAGE":
                tale.enters(value, row.at)
            case "APP_START" if row.app == "Queue":
                tale.queue = row.app_data.partition(",")[0][:40] or tale.queue
                tale.enters("queue", row.at)
            case "CC_QUEUE":
                tale.leaves_queue(value, row.at)
            case "CC_END":
                tale.end = value
            case "CC_RECORDING":
                tale.recording = value or None
            case _:
                pass


def _hung_up_by(source: str) -> HangupBy:
    if TRUNK_LEG.fullmatch(source):
        return "caller"
    return "agent" if AGENT_LEG.fullmatch(source) else "pbx"
