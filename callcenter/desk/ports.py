"""What the web is given by ``app.py``: everything its handlers may ask or order, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

from callcenter.config import WebSettings
from callcenter.routing.book import Book
from callcenter.store import Database
from callcenter.words import Clock, ProviderId, UniqueId


class PartState(StrEnum):
    """How a part of the service is: it works, it works with something missing, it does not work."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the service as ``/healthz`` shows it."""

    state: PartState
    reason: str = ""
    since: datetime | None = None
    facts: Mapping[str, float | int | str] = field(default_factory=dict)
    """Whatever else the part knows of itself, such as the journal's lag in bytes."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of ``/metrics``: a name with its unit at the end, and its samples by label values."""

    name: str
    help: str
    kind: Literal["counter", "gauge"]
    samples: Sequence[tuple[Mapping[str, str], float]]


@dataclass(frozen=True, slots=True)
class AgentNow:
    """An agent as AMI shows them at this moment."""

    extension: str
    state: str
    """``offline``, ``ready``, ``ringing``, ``talking``, ``wrap_up`` or ``paused``."""
    since: datetime | None
    reason: str = ""
    provider: ProviderId | None = None
    """Whose call it is, when there is one."""
    call: UniqueId | None = None


@dataclass(frozen=True, slots=True)
class QueueNow:
    """A provider's queue at this moment."""

    name: str
    waiting: int
    longest_since: datetime | None
    """When the caller who waits longest joined."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The present picture; ``linked`` is False while the link to the PBX is cut and the picture is old."""

    linked: bool
    since: datetime | None
    agents: tuple[AgentNow, ...] = ()
    queues: tuple[QueueNow, ...] = ()


class Telephony(Protocol):
    """The orders the web may give to the PBX.

    Each raises ``Unavailable`` when the link is cut and ``Refused`` when the PBX says no.
    """

    async def pause(self, extension: str, *, paused: bool, reason: str) -> None:
        """Takes the agent out of every queue, or puts them back."""

    async def call_back(self, callback: int, extension: str) -> None:
        """Rings the agent's phone first, then dials the caller of this callback.

        Raises ``RuleBroken`` when the number may not be dialled or somebody else is already calling it.
        """


@dataclass(frozen=True)
class DeskPorts:
    """Everything the handlers need."""

    db: Database
    book: Callable[[], Book]
    clock: Clock
    web: WebSettings
    recordings_dir: Path
    telephony: Telephony
    live: Callable[[], Snapshot]
    parts: Callable[[], Mapping[str, Part]]
    """The health of every part but the database, which the web asks itself."""
    measures: Callable[[], Sequence[Measure]] = tuple
    changed: Callable[[], None] = lambda: None
    """Called after the web changed what live pages show."""
    calling: Callable[[int, ProviderId, str, str], None] = lambda _callback, _provider, _number, _extension: None
    """Called when an agent's phone was told to ring for a callback: whose, which number, by which extension."""
    country: str = "UA"
