"""What a card asks for while its call is on the way: the questions, and who answers them in this house."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from callcenter.callbacks.queue import Callback, open_callback_for
from callcenter.calls.notes import CallNote, of_calls
from callcenter.desk.call_rows import CallFilter, CallRow, list_calls
from callcenter.desk.callback_rows import CallbackFilter, CallbackRow, list_callbacks
from callcenter.diag.conclusion import Lamp
from callcenter.diag.devices import Device, device_by_id
from callcenter.diag.diagnosis import Diagnoses, Examined, LineAbout
from callcenter.diag.line import LineReading
from callcenter.diag.outages import Outage
from callcenter.floor.messages import Message, unseen
from callcenter.store import Database, Scope
from callcenter.store.vault import Vault
from callcenter.subscribers.directory import Subscriber, find_by_number
from callcenter.words import Clock, DeviceId, Missing, OnuAddress, ProviderId, UniqueId

PAST_CALLS = 12
OPEN_CALLBACKS = 30
TAKEN_CALLBACKS = 200
OWN_CALLS = 8
DEVICE_KEPT = 5.0
"""Seconds for which a device's address is remembered: as long as the book of providers is."""


@dataclass(frozen=True, slots=True)
class OwnRow:
    """One of the agent's own calls, with what they wrote of it."""

    call: CallRow
    note: CallNote | None


@dataclass(frozen=True, slots=True)
class Lookups:
    """Each may take its time or raise ``Unavailable``: no card waits for it."""

    subscribers: Callable[[ProviderId, str], Awaitable[Sequence[Subscriber]]]
    last_known: Callable[[Subscriber], Awaitable[LineReading]]
    read_line: Callable[[Subscriber], Awaitable[LineReading]]
    history: Callable[[ProviderId, str], Awaitable[Sequence[CallRow]]]
    callback: Callable[[ProviderId, str], Awaitable[Callback | None]]
    open_callbacks: Callable[[Scope], Awaitable[Sequence[CallbackRow]]]
    """The callbacks of these providers, whom to call first on top."""
    taken_callbacks: Callable[[Scope], Awaitable[Sequence[CallbackRow]]]
    """Those that somebody has taken, wherever they stand in that list."""
    own_calls: Callable[[Scope, str], Awaitable[Sequence[OwnRow]]]
    """The agent's newest calls, by extension."""
    messages: Callable[[str], Awaitable[Sequence[Message]]]
    """What was written to an agent and they have not seen."""
    notes: Callable[[ProviderId, Sequence[UniqueId]], Awaitable[Mapping[UniqueId, tuple[CallNote, ...]]]]
    """What agents wrote of these calls."""
    outage: Callable[[Subscriber], Outage | None] = lambda subscriber: None
    """The mass outage their line is known to be of: at once, from memory."""
    diagnose: Callable[[Subscriber, UniqueId | None, str], Awaitable[Examined | Missing]] | None = None
    """Begins a full diagnosis of their line, for this call, by whom."""
    examined: Callable[[UniqueId], Examined | None] = lambda call: None
    """The newest diagnosis that was made in this call."""
    lamp: Callable[[int, Lamp, bool | None, str], Awaitable[object]] | None = None
    """What the subscriber sees on their ONU (``None``: cannot tell), for this diagnosis, and whom they told."""
    look_around: Callable[[Subscriber, LineReading], Awaitable[Outage | None]] | None = None
    """Whether the neighbours of a dark line are dark too; the card stands long before this is answered."""


class ReadsLines(Protocol):
    """What of ``diag.line.LineReader`` a card needs."""

    async def last_known(self, olt: Device, onu: str) -> LineReading: ...

    async def read(self, olt: Device, onu: str) -> LineReading: ...


class KnowsOutages(Protocol):
    """What of ``diag.outages.MassOutages`` a card needs."""

    def of(self, device: DeviceId, onu: OnuAddress) -> Outage | None: ...

    async def look(self, device: Device, onu: OnuAddress, reading: LineReading) -> Outage | None: ...


def lookups_of(
    db: Database,
    reader: ReadsLines,
    vault: Vault,
    clock: Clock,
    outages: KnowsOutages | None = None,
    diagnoses: Diagnoses | None = None,
) -> Lookups:
    """The house's own: every question is asked in the scope of the one provider it is about."""

    known: dict[DeviceId, tuple[Device, float]] = {}

    async def subscribers(provider: ProviderId, number: str) -> Sequence[Subscriber]:
        async with db.scoped(Scope.only([provider])) as conn:
            return await find_by_number(conn, provider, number)

    async def device_of(subscriber: Subscriber) -> Device | Missing:
        if subscriber.device is None or (subscriber.onu is None and subscriber.port is None):
            return Missing("card.no_onu")
        kept, now = known.get(subscriber.device), asyncio.get_running_loop().time()
        if kept is not None and now - kept[1] < DEVICE_KEPT and kept[0].provider == subscriber.provider:
            return kept[0]
        async with db.scoped(Scope.only([subscriber.provider])) as conn:
            found = await device_by_id(conn, vault, subscriber.device)
        if found is None:
            return Missing("card.no_onu")
        known[found.id] = found, now
        return found

    async def last_known(subscriber: Subscriber) -> LineReading:
        olt = await device_of(subscriber)
        return olt if isinstance(olt, Missing) else await reader.last_known(olt, subscriber.onu or "")

    async def read_line(subscriber: Subscriber) -> LineReading:
        olt = await device_of(subscriber)
        return olt if isinstance(olt, Missing) else await reader.read(olt, subscriber.onu or "")

    def outage(subscriber: Subscriber) -> Outage | None:
        onu = _onu(subscriber)
        return (
            None if outages is None or onu is None or subscriber.device is None else outages.of(subscriber.device, onu)
        )

    async def look_around(subscriber: Subscriber, reading: LineReading) -> Outage | None:
        device, onu = await device_of(subscriber), _onu(subscriber)
        if outages is None or onu is None or isinstance(device, Missing):
            return None
        return await outages.look(device, onu, reading)

    async def diagnose(subscriber: Subscriber, call: UniqueId | None, who: str) -> Examined | Missing:
        device = await device_of(subscriber)
        if diagnoses is None or isinstance(device, Missing):
            return Missing("card.no_onu")
        about = LineAbout(
            subscriber.provider, device, subscriber.id, subscriber.onu, subscriber.port,
            subscriber.mac, subscriber.vlan, subscriber.ip,
        )  # fmt: skip
        return await diagnoses.start(about, who, call)

    async def history(provider: ProviderId, number: str) -> Sequence[CallRow]:
        async with db.scoped(Scope.only([provider])) as conn:
            return await list_calls(conn, CallFilter(provider=provider, number=number), None, PAST_CALLS)

    async def callback(provider: ProviderId, number: str) -> Callback | None:
        async with db.scoped(Scope.only([provider])) as conn:
            return await open_callback_for(conn, provider, number)

    async def open_callbacks(scope: Scope) -> Sequence[CallbackRow]:
        async with db.scoped(scope) as conn:
            return await list_callbacks(conn, CallbackFilter(), clock(), None, OPEN_CALLBACKS)

    async def taken_callbacks(scope: Scope) -> Sequence[CallbackRow]:
        async with db.scoped(scope) as conn:
            return await list_callbacks(conn, CallbackFilter(taken=True), clock(), None, TAKEN_CALLBACKS)

    async def own_calls(scope: Scope, extension: str) -> Sequence[OwnRow]:
        async with db.scoped(scope) as conn:
            calls = await list_calls(conn, CallFilter(agent=extension), None, OWN_CALLS)
            written = await of_calls(conn, [call.id for call in calls])
        mine = {call: note for call, notes in written.items() for note in notes if note.agent == extension}
        return [OwnRow(call, mine.get(call.id)) for call in calls]

    async def messages(extension: str) -> Sequence[Message]:
        async with db.scoped(Scope.only(())) as conn:
            return await unseen(conn, extension)

    async def notes(provider: ProviderId, calls: Sequence[UniqueId]) -> Mapping[UniqueId, tuple[CallNote, ...]]:
        async with db.scoped(Scope.only([provider])) as conn:
            return await of_calls(conn, calls)

    return Lookups(
        subscribers, last_known, read_line, history, callback, open_callbacks, taken_callbacks, own_calls, messages,
        notes, outage,
        None if diagnoses is None else diagnose, diagnoses.of_call if diagnoses else lambda call: None,
        None if diagnoses is None else diagnoses.answer, look_around if outages is not None else None,
    )  # fmt: skip


def _onu(subscriber: Subscriber) -> OnuAddress | None:
    try:
        return OnuAddress.parse(subscriber.onu or "")
    except ValueError:
        return None
