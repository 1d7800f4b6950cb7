"""What Asterisk counts of one leg's sound, as ``CHANNEL(rtcp,all)`` writes it. Pure.

Its names deceive (``res_rtp_asterisk.c``, ``ast_rtp_get_stat``): ``rxcount``, ``lp`` and ``txjitter`` are what Asterisk
received, lost and measured on its own side; ``txcount``, ``rlp`` and ``rxjitter`` are what it sent and what the far end
reported of that by RTCP. Jitter and round trip are seconds. ``lp`` moves with each RTCP report, every five seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from callcenter.calls.quality import Way
from callcenter.calls.rows import AGENT_LEG, SOUND, TRUNK_LEG, Row
from callcenter.words import LinkedId, UniqueId

_PAIR = re.compile(r"(rxcount|txcount|lp|rlp|rxjitter|txjitter|rtt)=([0-9]{1,12}(?:\.[0-9]{1,9})?)", re.ASCII)
_CODEC = re.compile(r"\(([a-z][a-z0-9]{1,19})(?:\|[a-z0-9|]{1,80})?\)", re.ASCII)
"""``CHANNEL(audionativeformat)``: what was agreed with the far end, ``(alaw)``; the first of several."""
_NEGATIVE = 1 << 23
"""A far end that counted packets twice reports a loss below nothing, in 24 bits."""
_UNITS_S = 1.0
"""A jitter from here on is no jitter: older Asterisks keep what was reported in units of the codec's clock."""


@dataclass(frozen=True, slots=True)
class LegHeard:
    """One leg of a call: what came from it, and what the far end says of what was sent to it."""

    received: Way
    sent: Way | None
    """``None`` where the far end has reported nothing: then nobody knows how it was heard there."""


@dataclass(frozen=True, slots=True)
class LegSound:
    """What the journal says of one leg when it ended; ``extension`` is empty for a leg of a provider's trunk."""

    leg: UniqueId
    linkedid: LinkedId
    extension: str
    heard: LegHeard
    codec: str
    at: datetime


def read_counts(text: str) -> LegHeard | None:
    """``ssrc=…;lp=0;rxjitter=0.000000;rxcount=153;…``; ``None`` where that is no such text."""
    found = {name: float(value) for name, value in _PAIR.findall(text)}
    if "rxcount" not in found or "txcount" not in found:
        return None
    rtt_ms = 1000 * found["rtt"] if 0 < found.get("rtt", 0) < 600 else None
    received = Way(int(found["rxcount"]), _lost(found.get("lp", 0)), _millis(found.get("txjitter", 0)), rtt_ms)
    if not (rtt_ms or found.get("rlp") or found.get("rxjitter")):
        return LegHeard(received, None)
    lost = _lost(found.get("rlp", 0))
    came = max(0, int(found["txcount"]) - lost)
    return LegHeard(received, Way(came, lost, _millis(found.get("rxjitter", 0)), rtt_ms))


def sounds(rows: Iterable[Row]) -> list[LegSound]:
    """Every leg of an agent or a trunk that ended in these rows, in their order."""
    found = (_sound(row) for row in rows if row.event == SOUND)
    return [each for each in found if each is not None]


def _sound(row: Row) -> LegSound | None:
    counts, _, formats = row.extra.get("extra", "").partition("~")
    heard, agent = read_counts(counts), AGENT_LEG.fullmatch(row.channel)
    if heard is None or (agent is None and not TRUNK_LEG.fullmatch(row.channel)):
        return None
    return LegSound(
        row.uniqueid,
        row.linkedid,
        "" if agent is None else agent[1],
        heard,
        codec[1] if (codec := _CODEC.fullmatch(formats)) else "",
        datetime.fromtimestamp(row.at, UTC),
    )


def _lost(count: float) -> int:
    return 0 if count >= _NEGATIVE else int(count)


def _millis(seconds: float) -> float | None:
    return None if seconds >= _UNITS_S else round(1000 * seconds, 3)
