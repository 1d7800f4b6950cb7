"""How a link to Asterisk is, for ``/healthz``, ``/metrics`` and people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callcenter.ami.frames import Torn


class LinkState(StrEnum):
    CONNECTING = "connecting"
    LOGGING_IN = "logging in"
    SYNCING = "syncing"
    LIVE = "live"
    DRAINING = "draining"


@dataclass(slots=True)
class LinkCounters:
    connections: int = 0
    logins_refused: int = 0
    events: int = 0
    skipped: int = 0
    torn: int = 0
    resyncs: int = 0
    overflows: int = 0
    unasked_replies: int = 0
    bytes_received: int = 0


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """How the link is, in words for people: ``reason`` says why it is not live, ``since`` since when it is or is not.

    While it is live, ``reason`` says why the picture is being read again.
    """

    name: str
    state: LinkState
    reason: str
    since: datetime
    counters: Mapping[str, int]
    last_torn: tuple[Torn, ...] = ()

    @property
    def is_live(self) -> bool:
        return self.state is LinkState.LIVE
