"""Shifts in the API: the open one with its counts, those before it, and what is ordered of one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks import shifts
from callcenter.callbacks.shift import Counts, Left, Shift, ShiftRule, Worker
from callcenter.callbacks.shifts import Actor, deciding
from callcenter.desk.api import Ask, Gives, Id, Limit, Moment, Nothing, Route, Takes, not_found
from callcenter.desk.guard import Explained
from callcenter.desk.live_state import visible_extensions
from callcenter.desk.pages import catalogue_of, visible_providers
from callcenter.desk.shift_figures import figures
from callcenter.errors import RuleBroken
from callcenter.store import Scope
from callcenter.words import ProviderId, UserId

Name = Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]
Why = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]
Note = Annotated[str, StringConstraints(max_length=4000, strip_whitespace=True)]


class ShiftGiven(Gives):
    """A shift: who leads it and since when; nobody's numbers."""

    id: Id
    name: str
    lead: Id
    lead_name: str
    starts_at: datetime
    ends_at: datetime
    opened_at: datetime
    opened_by: str
    successor: Id | None
    successor_name: str | None
    offered_at: datetime | None
    closed_at: datetime | None
    closed_by: str
    accepted_by: str
    note: str
    before: Id | None
    """The shift it took over from."""


class CountsGiven(Gives):
    """What came to the shift and what became of it: ``inherited + new`` is ``done + left``."""

    provider: Id
    inherited: int
    new: int
    done: int
    left: int
    called_back: int
    got_through: int
    named: int
    corrected: int
    late: int
    inherited_left: int
    overdue: int
    hidden: int
    misses: int


class WorkerGiven(Gives):
    extension: str
    name: str
    joined_at: datetime
    left_at: datetime | None


class LeftGiven(Gives):
    """A callback that is open, and why it is left to the next shift when somebody has said so."""

    callback: Id
    provider: Id
    number: str
    opened_at: datetime
    due_at: datetime
    misses: int
    attempts: int
    why: str
    named_by: str


class OpenShiftGiven(Gives):
    """The open shift as the visitor may see it; ``shift`` is null when none is."""

    shift: ShiftGiven | None
    providers: list[CountsGiven]
    workers: list[WorkerGiven]
    left: list[LeftGiven]


class ShiftsGiven(Gives):
    items: list[ShiftGiven]


class DocumentGiven(Gives):
    """A closed shift of one provider, as it was frozen."""

    provider: Id
    document: dict[str, Any]


class ClosedShiftGiven(Gives):
    shift: ShiftGiven
    documents: list[DocumentGiven]


class ShiftMade(Gives):
    id: Id


class ShiftsWanted(Takes):
    before: Id | None = None
    limit: Limit = 50


class ShiftWanted(Takes):
    shift: Id


class OpenWanted(Takes):
    name: Name
    ends_at: Moment
    lead: Id | None = None
    """Who leads it; oneself if not said."""


class NameWanted(Takes):
    callbacks: Annotated[list[Id], Field(min_length=1, max_length=20_000)]
    why: Why


class OfferWanted(Takes):
    to: Id
    note: Note = ""


class AcceptWanted(Takes):
    name: Name
    ends_at: Moment


class TakeOverWanted(Takes):
    lead: Id | None = None
    """Who leads it from now on; oneself if not said."""


@asynccontextmanager
async def in_words(ask: Ask) -> AsyncIterator[None]:
    """A rule that is broken is said in the reader's language."""
    try:
        yield
    except ShiftRule as exc:
        raise RuleBroken(catalogue_of(ask.request).text(f"shift.rule.{exc.key}", **exc.values)) from exc


def actor(ask: Ask) -> Actor:
    """Who orders. A shift is of the whole call centre: only who sees every provider orders it; else 403."""
    if ask.visitor.scope.providers is not None:
        raise Explained(403, catalogue_of(ask.request).text("shift.not_yours"))
    return Actor(ask.visitor.user, ask.visitor.who, ask.visitor.supervises_all)


def oneself(ask: Ask, chosen: int | None) -> UserId:
    if chosen is not None:
        return UserId(chosen)
    if ask.visitor.user is None:
        raise Explained(422, catalogue_of(ask.request).text("shift.rule.person"))
    return ask.visitor.user


def workers_in_sight(ask: Ask, everybody: list[Worker]) -> list[Worker]:
    seen = visible_extensions(ask.ports.book(), ask.visitor)
    return [each for each in everybody if each.extension in seen]


async def api_current(ask: Ask, _: Nothing) -> OpenShiftGiven:
    now = ask.ports.clock()
    async with ask.ports.db.scoped(ask.scope) as conn:
        shift = await shifts.current(conn)
        if shift is None:
            return OpenShiftGiven(shift=None, providers=[], workers=[], left=[])
        counted = await shifts.counts(conn, shift, now)
        left = await shifts.left(conn, shift)
        workers = workers_in_sight(ask, await shifts.workers(conn, shift, now))
    return OpenShiftGiven(
        shift=ShiftGiven.model_validate(shift),
        providers=[
            CountsGiven(provider=provider.id, **_counted(counted.get(provider.id, Counts())))
            for provider in visible_providers(ask.ports.book(), ask.visitor)
        ],
        workers=[WorkerGiven.model_validate(each) for each in workers],
        left=[LeftGiven.model_validate(each) for each in left],
    )


def _counted(counts: Counts) -> dict[str, int]:
    return {**asdict(counts), "done": counts.done}


async def api_list(ask: Ask, wanted: ShiftsWanted) -> ShiftsGiven:
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await shifts.newest(conn, wanted.limit, wanted.before)
    return ShiftsGiven(items=[ShiftGiven.model_validate(each) for each in found])


async def closed(ask: Ask, shift: int) -> tuple[Shift, dict[ProviderId, Any]]:
    """A closed shift with its documents; 404 for an open one, and where the visitor has no provider in it."""
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await shifts.one(conn, shift)
        kept = dict(await shifts.documents(conn, shift))
    if found is None or found.is_open or not kept:
        raise not_found()
    return found, kept


async def api_one(ask: Ask, wanted: ShiftWanted) -> ClosedShiftGiven:
    found, kept = await closed(ask, wanted.shift)
    return ClosedShiftGiven(
        shift=ShiftGiven.model_validate(found),
        documents=[DocumentGiven(provider=provider, document=document) for provider, document in kept.items()],
    )


async def open_one(ask: Ask, wanted: OpenWanted) -> ShiftMade:
    """The shift begins; whatever is owed by now is inherited."""
    by, lead, at = actor(ask), oneself(ask, wanted.lead), ask.ports.clock()
    async with in_words(ask), ask.ports.db.scoped(Scope.all()) as conn:
        return ShiftMade(id=await shifts.open_shift(conn, wanted.name, lead, wanted.ends_at, by, at))


async def name_left(ask: Ask, wanted: NameWanted) -> None:
    """Says why these callbacks are left to the next shift, the same for all of them."""
    by, at = actor(ask), ask.ports.clock()
    async with in_words(ask), ask.ports.db.scoped(Scope.all()) as conn:
        await shifts.name_left(conn, wanted.callbacks, wanted.why, by, at)


async def offer(ask: Ask, wanted: OfferWanted) -> None:
    """Offers the shift to the next lead; each callback that is open is named by then."""
    by, at = actor(ask), ask.ports.clock()
    async with in_words(ask), ask.ports.db.scoped(Scope.all()) as conn:
        await shifts.offer(conn, UserId(wanted.to), wanted.note, by, at)


async def withdraw(ask: Ask, _: Nothing) -> None:
    by = actor(ask)
    async with in_words(ask), ask.ports.db.scoped(Scope.all()) as conn:
        await shifts.withdraw(conn, by)


async def accept(ask: Ask, wanted: AcceptWanted) -> ShiftMade:
    """Closes the shift that was offered and opens the next one, led by who accepts: both or neither."""
    by, at = actor(ask), ask.ports.clock()
    async with in_words(ask), deciding(ask.ports.db) as conn:
        return ShiftMade(id=await shifts.accept(conn, wanted.name, wanted.ends_at, by, at, figures))


async def close(ask: Ask, _: Nothing) -> ShiftMade:
    """Ends the shift, with nothing open."""
    by, at = actor(ask), ask.ports.clock()
    async with in_words(ask), deciding(ask.ports.db) as conn:
        return ShiftMade(id=await shifts.close(conn, by, at, figures))


async def take_over(ask: Ask, wanted: TakeOverWanted) -> None:
    """The lead is gone: a supervisor leads on, or somebody they name."""
    by, lead, at = actor(ask), oneself(ask, wanted.lead), ask.ports.clock()
    async with in_words(ask), ask.ports.db.scoped(Scope.all()) as conn:
        await shifts.take_over(conn, lead, by, at)


async def hand_over_of(conn: AsyncConnection, shift: Shift) -> tuple[list[Left], list[tuple[UserId, str]]]:
    """What is left, and to whom the shift may be offered."""
    return await shifts.left(conn, shift), [
        (user, name) for user, name in await shifts.who_may_lead(conn) if user != shift.lead
    ]


API = (
    Route("GET", "/shift", "get_open_shift", "The open shift: what came, what was paid, what is left", Nothing,
          OpenShiftGiven, api_current, role="lead", tag="shifts"),
    Route("GET", "/shifts", "list_shifts", "Shifts, newest first", ShiftsWanted, ShiftsGiven, api_list, role="lead",
          tag="shifts"),
    Route("GET", "/shifts/{shift}", "get_closed_shift", "A closed shift: its document of each provider", ShiftWanted,
          ClosedShiftGiven, api_one, role="lead", tag="shifts"),
    Route("POST", "/shift/open", "open_shift", "Begin a shift", OpenWanted, ShiftMade, open_one, role="lead",
          tag="shifts"),
    Route("POST", "/shift/name", "name_left_callbacks", "Say why callbacks are left to the next shift", NameWanted,
          None, name_left, role="lead", tag="shifts"),
    Route("POST", "/shift/offer", "offer_shift", "Offer the shift to the next lead", OfferWanted, None, offer,
          role="lead", tag="shifts"),
    Route("POST", "/shift/withdraw", "withdraw_shift", "Offer the shift to nobody", Nothing, None, withdraw,
          role="lead", tag="shifts"),
    Route("POST", "/shift/accept", "accept_shift", "Take over the shift that is offered to you", AcceptWanted,
          ShiftMade, accept, role="lead", tag="shifts"),
    Route("POST", "/shift/close", "close_shift", "End the shift with nothing left", Nothing, ShiftMade, close,
          role="lead", tag="shifts"),
    Route("POST", "/shift/take-over", "take_shift_over", "Lead on when the lead is gone", TakeOverWanted, None,
          take_over, role="supervisor", tag="shifts"),
)  # fmt: skip
