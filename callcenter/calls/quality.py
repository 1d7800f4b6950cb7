"""How well a talk is heard, from what both ends count: loss, jitter, round trip. Pure.

The mean opinion score is the E-model's (ITU-T G.107) with its defaults: R = 93.2 less what delay and loss take. Loss is
weighed as for a codec that hides it (Bpl 25.1, G.711 with concealment, ITU-T G.113 appendix I; a browser conceals too).
Words follow G.107 annex B: R of 80 and more satisfies, below 70 many are dissatisfied.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

R_DEFAULT, BPL = 93.2, 25.1
CODEC_MS = 40.0
"""Packets of 20 ms and the decoder's own buffer."""
GOOD_MOS, FAIR_MOS = 4.03, 3.60
"""MOS of R 80 and R 70."""
FEW_PACKETS = 50
"""A second of sound: fewer packets say nothing about a talk."""


AGENT_NOT_HEARD = "agent_not_heard"
"""The alarm of a microphone that gives nothing: a page tells of its own, Asterisk listens to phones on desks."""


def alarm_subject(extension: str, slug: str) -> str:
    """An agent in one provider's calls (``101/svitlo``), or without an extension that provider's callers.

    Whose the call is belongs to it: what one provider sees of an agent is not another's.
    """
    return f"{extension}/{slug}" if extension else slug


class Heard(StrEnum):
    GOOD = "good"
    FAIR = "fair"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Way:
    """One direction of a talk: counts since its beginning; times in milliseconds, ``None`` unknown."""

    packets: int
    lost: int
    jitter_ms: float | None = None
    rtt_ms: float | None = None

    @property
    def loss(self) -> float:
        """The share of packets that did not come, 0 to 1."""
        sent = self.packets + self.lost
        return self.lost / sent if sent > 0 and self.lost > 0 else 0.0


def between(earlier: Way, now: Way) -> Way:
    """What came since then; counts that went back began anew, as on a leg whose address has changed."""
    if now.packets < earlier.packets:
        return now
    return Way(now.packets - earlier.packets, max(0, now.lost - earlier.lost), now.jitter_ms, now.rtt_ms)


def mos(way: Way) -> float | None:
    """1.0 to 4.4; ``None`` where no packet came: there is nothing to judge."""
    if way.packets <= 0:
        return None
    delay = (way.rtt_ms or 0.0) / 2 + 2 * (way.jitter_ms or 0.0) + CODEC_MS
    by_delay = 0.024 * delay + (0.11 * (delay - 177.3) if delay > 177.3 else 0.0)
    percent = 100 * way.loss
    by_loss = 95 * percent / (percent + BPL)
    r = max(0.0, min(100.0, R_DEFAULT - by_delay - by_loss))
    return round(max(1.0, min(4.5, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)), 2)


def word(score: float | None) -> Heard | None:
    """What to say of a score."""
    if score is None:
        return None
    return Heard.GOOD if score >= GOOD_MOS else Heard.FAIR if score >= FAIR_MOS else Heard.BAD
