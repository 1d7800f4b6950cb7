"""What the web is given by ``app.py``: everything its handlers may ask or order, and nothing more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from callcenter.calls.notes import CallNote
from callcenter.config import PhoneSettings, WebSettings
from callcenter.diag.changes import Changes
from callcenter.diag.circuit_work import Circuits
from callcenter.diag.diagnosis import Diagnoses, Examined
from callcenter.errors import Unavailable
from callcenter.floor.board import AgentNow as AgentNow
from callcenter.floor.board import QueueNow as QueueNow
from callcenter.floor.board import Snapshot as Snapshot
from callcenter.floor.page_phones import PhoneLogin
from callcenter.routing.book import Book
from callcenter.store import Database
from callcenter.store.vault import Vault
from callcenter.subscribers.directory import Subscriber
from callcenter.words import Clock, Missing, ProviderId, UniqueId


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


ListenMode = Literal["listen", "whisper", "join"]
"""A supervisor hears a call; hears it and is heard by the agent alone; is heard by both."""


class DutyOrders(Protocol):
    """What an agent's duty may be ordered to be. ``who`` gave the order: ``visitor.who``.

    Each raises ``RuleBroken`` with the reason in words. The database is told first: what Asterisk cannot be told now it
    is told as soon as the link is back, so a cut link makes no order fail.
    """

    async def sign_in(self, extension: str, who: str) -> None:
        """The agent begins to work: a member of each queue they serve."""

    async def sign_out(self, extension: str, who: str) -> None:
        """The agent is a member of no queue any more; a call in progress goes on."""

    async def pause(self, extension: str, *, reason: str, who: str) -> None:
        """The agent takes no calls, with a reason of the house's list (its code)."""

    async def ready(self, extension: str, who: str) -> None:
        """The agent takes calls again."""

    async def finish_wrap_up(self, extension: str, who: str) -> None:
        """The work after the call is done before its time."""

    async def prolong_wrap_up(self, extension: str, who: str, by_s: int = 60) -> None:
        """The work after the call needs so many seconds more."""

    async def serve(self, extension: str, queue_name: str, penalty: int | None, who: str) -> None:
        """The agent serves this queue from now on with this penalty; ``None`` takes them out of it."""


class PhoneOrders(Protocol):
    """What an agent orders of their own phone and call. All go by the live picture: one call at a time.

    Each raises ``RuleBroken`` in words (no call, no such colleague, a number that may not be dialled…), ``Unavailable``
    when the link is cut, and ``Refused`` when Asterisk says no. What came of an order is told by the live facts.
    """

    async def call_back(self, callback: int, extension: str) -> None:
        """Rings the agent's phone first, then dials the caller of this callback.

        Raises ``RuleBroken`` when the number may not be dialled or somebody else is already calling it.
        """

    async def dial(self, extension: str, provider: ProviderId, number: str, who: str) -> None:
        """Rings the agent's phone first, then dials the number under this provider's own DID, recorded."""

    async def call_colleague(self, extension: str, other: str) -> None:
        """Rings the agent's phone first, then the colleague's."""

    async def hold(self, extension: str) -> None:
        """Whom the agent talks with hears music, and the agent nothing; ten minutes at most."""

    async def unhold(self, extension: str) -> None:
        """The agent and who was on hold hear each other again."""

    async def answer(self, extension: str) -> None:
        """The phone on the agent's desk that rings is told to answer; not every phone knows how."""

    async def hang_up(self, extension: str) -> None:
        """The agent's part in the call ends; somebody on hold goes back to the head of the provider's queue."""

    async def transfer(self, extension: str, to: str) -> None:
        """Hands whom the agent talks with on, without asking: to a colleague's extension or a queue of the provider."""

    async def consult(self, extension: str, to: str) -> None:
        """Asks a colleague first: the caller hears music meanwhile, and is back when the colleague does not answer."""

    async def complete(self, extension: str) -> None:
        """The caller and the colleague who was asked talk on without the agent."""

    async def take_back(self, extension: str) -> None:
        """The colleague who was asked is let go, and the agent talks with the caller again."""

    async def echo(self, extension: str) -> None:
        """Rings the agent's phone; it hears itself then."""

    async def dtmf(self, extension: str, digits: str) -> None:
        """Whom the agent talks with hears these keys."""

    async def mute(self, extension: str, muted: bool) -> None:
        """Nobody hears the agent, or they are heard again."""

    async def listen(self, extension: str, agent: str, mode: ListenMode, *, call: UniqueId) -> None:
        """Rings the supervisor's phone; it hears what ``agent`` says and hears in this one call, till its end.

        ``call`` is the caller's Uniqueid as ``AgentNow.call`` has it: ``RuleBroken`` when the agent is in it no more.
        Whether the call may be heard by this visitor, and that the hearing is written down, is the caller's to see to.
        """


class PhonesInPages(Protocol):
    """Phones in agents' pages. Each raises ``RuleBroken`` for an agent whose phone is not in the page."""

    async def login(self, extension: str, session: bytes, tab: str, *, take_over: bool) -> PhoneLogin:
        """A fresh password for this tab; ``RuleBroken`` while another tab is the phone and is alive."""

    async def logout(self, extension: str, tab: str) -> None:
        """This tab is no phone any more."""

    async def session_ended(self, session: bytes) -> None:
        """Whoever signed in with it is no phone any more; what cannot be told now is told later."""

    async def leaving(self, extension: str, tab: str) -> None:
        """Whom the agent talks with hears music until the page is back."""

    async def back(self, extension: str, tab: str) -> bool:
        """The page is registered again; whether it is rung for a talk that waits."""


class Telephony(DutyOrders, PhoneOrders, Protocol):
    """Every order the web may give to the floor."""


T = TypeVar("T")


def at_hand(part: T | None) -> T:
    """A part that works with devices; raises ``Unavailable`` in a service that has none."""
    if part is None:
        raise Unavailable("devices", "this service reads no devices")
    return part


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
    phones: PhonesInPages
    parts: Callable[[], Mapping[str, Part]]
    """The health of every part but the database, which the web asks itself."""
    measures: Callable[[], Sequence[Measure]] = tuple
    changed: Callable[[], None] = lambda: None
    """Called after the web changed what live pages show."""
    calling: Callable[[int, ProviderId, str, str], None] = lambda _callback, _provider, _number, _extension: None
    """Called when an agent's phone was told to ring for a callback: whose, which number, by which extension."""
    dialling: Callable[[ProviderId, str, str], None] = lambda _provider, _number, _extension: None
    """Called when it was told to ring for a number that the agent dialled: whose, which number, which extension."""
    noted: Callable[[CallNote], None] = lambda _note: None
    """Called when an agent has written something of a call."""
    phone: PhoneSettings = field(default_factory=PhoneSettings)
    relays: Callable[[str], Sequence[Mapping[str, object]]] = lambda _user: ()
    """The TURN servers as ``RTCIceServer`` has them, with credentials of this user for a limited time."""
    diagnoses: Diagnoses | None = None
    """The full diagnoses under way here."""
    diagnose: Callable[[Subscriber, UniqueId | None, str], Awaitable[Examined | Missing]] | None = None
    """Begins one of their line: in which call, by whom."""
    vault: Vault | None = None
    """Opens the credentials of devices that are written to."""
    changes: Changes | None = None
    circuits: Circuits | None = None
    country: str = "UA"
