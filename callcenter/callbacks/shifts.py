"""Shifts in the database: one is open at a time; it is closed with nothing left, or handed over in one transaction."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks import shift_tables as tables
from callcenter.callbacks.shift import (
    Counts,
    Document,
    Left,
    Shift,
    ShiftRule,
    Worker,
    document,
    must_be_named,
    must_be_of,
    must_be_offered_to,
    must_be_paid,
    must_last,
)
from callcenter.store import Database, Scope
from callcenter.store.notices import Topic, tell
from callcenter.words import ProviderId, UserId

LONGEST_WHY: Final = 1000
LONGEST_NOTE: Final = 4000
_FASTER: Final = ("40001", "40P01")
"""SQLSTATE: what this transaction had read was changed by another before it could write."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the reports say of one provider's calls in a shift."""

    calls: Mapping[str, Any]
    hours: Sequence[Mapping[str, Any]]
    """Answered and missed by hour."""
    work: Mapping[str, Mapping[str, Any]]
    """By extension."""


FiguresOf = Callable[[AsyncConnection, ProviderId, datetime, datetime], Awaitable[Figures]]
"""Counts a provider's calls between two moments; the reports' own functions do, so that all pages agree."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who orders: a user, and whether they may in the lead's place."""

    user: UserId | None
    who: str
    supervises: bool = False


@asynccontextmanager
async def deciding(database: Database) -> AsyncIterator[AsyncConnection]:
    """A transaction that sees one moment of every provider: what is checked is what is written down.

    Raises ``RuleBroken`` when somebody else has decided meanwhile.
    """
    try:
        async with database.scoped(Scope.all(), snapshot=True) as connection:
            yield connection
    except DBAPIError as exc:
        if str(getattr(exc.orig, "sqlstate", "")) in _FASTER:
            raise ShiftRule("faster", "somebody else has just changed the shift: look again") from exc
        raise


# ---- what there is


async def current(connection: AsyncConnection) -> Shift | None:
    """The open shift."""
    found = (await connection.execute(tables.OPEN)).one_or_none()
    return None if found is None else Shift(*found)


async def one(connection: AsyncConnection, shift: int) -> Shift | None:
    found = (await connection.execute(tables.ONE, {"id": shift})).one_or_none()
    return None if found is None else Shift(*found)


async def newest(connection: AsyncConnection, limit: int = 50, before: int | None = None) -> list[Shift]:
    """Shifts, the newest first; ``before`` is the last one of the page before."""
    return [Shift(*row) for row in await connection.execute(tables.NEWEST, {"limit": limit, "before": before})]


async def lead_extension(connection: AsyncConnection) -> str | None:
    """The phone of who leads the open shift, for calls that agents hand up."""
    found = await current(connection)
    return None if found is None else found.lead_extension


async def counts(connection: AsyncConnection, shift: Shift, now: datetime) -> dict[ProviderId, Counts]:
    """What came to the shift and what became of it, by provider of the transaction's scope."""
    values = {"since": shift.opened_at, "until": shift.until(now)}
    return {
        ProviderId(row.provider_id): Counts(**{each.name: getattr(row, each.name) for each in fields(Counts)})
        for row in await connection.execute(tables.COUNTS, values)
    }


async def left(connection: AsyncConnection, shift: Shift) -> list[Left]:
    """The open callbacks of the transaction's scope, whom to call first on top, with why they are left."""
    return [Left(*row) for row in await connection.execute(tables.LEFT, {"shift": shift.id})]


async def workers(
    connection: AsyncConnection, shift: Shift, now: datetime, provider: ProviderId | None = None
) -> list[Worker]:
    """Who was signed in during the shift: they join by signing in and leave by signing out.

    With a provider, only who serves its queues or had a call of it.
    """
    values = {"since": shift.opened_at, "until": shift.until(now), "shift": shift.id}
    if not shift.is_open:
        found = await connection.execute(tables.WORKED, values)
    else:
        found = await connection.execute(tables.WORKING, values)
    everybody = [Worker(*row) for row in found]
    if provider is None:
        return everybody
    theirs = set((await connection.execute(tables.SERVES, {**values, "provider": provider})).scalars())
    return [each for each in everybody if each.extension in theirs]


async def documents(connection: AsyncConnection, shift: int) -> dict[ProviderId, Document]:
    """A closed shift's documents, of the providers of the transaction's scope."""
    found = await connection.execute(tables.DOCUMENTS, {"shift": shift})
    return {ProviderId(provider): json.loads(kept) for provider, kept in found}


async def who_may_lead(connection: AsyncConnection) -> list[tuple[UserId, str]]:
    """Everybody who may lead a shift, by name."""
    return [(UserId(user), name) for user, name in await connection.execute(tables.LEADS)]


# ---- what is ordered


async def open_shift(
    connection: AsyncConnection, name: str, lead: UserId, ends_at: datetime, by: Actor, at: datetime
) -> int:
    """The shift begins; whatever is owed by now is inherited. Raises ``RuleBroken``, also while another one is open."""
    await connection.execute(tables.LOCK)
    found = await current(connection)
    if found is not None:
        raise ShiftRule("is_open", "a shift is open already, led by {name}", name=found.lead_name)
    return await _begin(connection, name, lead, ends_at, by, at, None)


async def name_left(connection: AsyncConnection, callbacks: Sequence[int], why: str, by: Actor, at: datetime) -> int:
    """Says why these callbacks are left to the next shift; those that are closed by now need no reason.

    Gives how many were named. Raises ``RuleBroken``.
    """
    shift = await _locked(connection)
    if shift.successor is None or shift.successor != by.user:
        must_be_of(shift, by.user, supervises=by.supervises)
    if not why.strip():
        raise ShiftRule("why", "say why the callbacks are left")
    values = {
        "shift": shift.id, "ids": list(callbacks), "why": why.strip()[:LONGEST_WHY], "who": by.who, "at": at
    }  # fmt: skip
    done = await connection.execute(tables.NAME, values)
    await tell(connection, Topic.SHIFT)
    return int(done.rowcount)


async def offer(connection: AsyncConnection, successor: UserId, note: str, by: Actor, at: datetime) -> None:
    """The shift is offered to the next lead, each callback that is left being named. Raises ``RuleBroken``."""
    shift = await _locked(connection)
    must_be_of(shift, by.user, supervises=by.supervises)
    if successor == shift.lead:
        raise ShiftRule("oneself", "a shift is handed over to somebody else")
    await _must_lead(connection, successor)
    must_be_named(await left(connection, shift))
    values = {"id": shift.id, "successor": successor, "note": note.strip()[:LONGEST_NOTE], "at": at}
    await connection.execute(tables.OFFER, values)
    await tell(connection, Topic.SHIFT)


async def withdraw(connection: AsyncConnection, by: Actor) -> None:
    """The shift is offered to nobody any more. Raises ``RuleBroken``."""
    shift = await _locked(connection)
    must_be_of(shift, by.user, supervises=by.supervises)
    await connection.execute(tables.WITHDRAW, {"id": shift.id})
    await tell(connection, Topic.SHIFT)


async def accept(
    connection: AsyncConnection, name: str, ends_at: datetime, by: Actor, at: datetime, figures: FiguresOf
) -> int:
    """The next lead takes over: the old shift is closed and the new one opened, or neither.

    Whatever came in since the callbacks were named is asked for first. Needs ``deciding``. Raises ``RuleBroken``.
    """
    shift = await _locked(connection)
    if by.user is None:
        raise ShiftRule("person", "a shift is accepted by a person")
    must_be_offered_to(shift, by.user)
    open_ones = await left(connection, shift)
    must_be_named(open_ones)
    await _freeze(connection, shift, open_ones, at, figures)
    await connection.execute(tables.CLOSE, {"id": shift.id, "at": at, "who": by.who, "accepted": by.who})
    return await _begin(connection, name, by.user, ends_at, by, at, shift.id)


async def close(connection: AsyncConnection, by: Actor, at: datetime, figures: FiguresOf) -> int:
    """The shift ends with nothing open. Needs ``deciding``. Raises ``RuleBroken`` when anything is."""
    shift = await _locked(connection)
    must_be_of(shift, by.user, supervises=by.supervises)
    open_ones = await left(connection, shift)
    must_be_paid(len(open_ones))
    await _freeze(connection, shift, open_ones, at, figures)
    await connection.execute(tables.CLOSE, {"id": shift.id, "at": at, "who": by.who, "accepted": ""})
    await tell(connection, Topic.SHIFT)
    return shift.id


async def take_over(connection: AsyncConnection, lead: UserId, by: Actor, at: datetime) -> None:
    """The lead is gone: a supervisor leads the shift on, or has somebody lead it. Raises ``RuleBroken``."""
    shift = await _locked(connection)
    if not by.supervises:
        raise ShiftRule("supervisor", "a supervisor takes a shift over")
    if lead == shift.lead:
        raise ShiftRule("led_by", "the shift is led by {name}", name=shift.lead_name)
    await _must_lead(connection, lead)
    values = {"id": shift.id, "lead": lead, "note": f"{at:%F %H:%M} UTC: {shift.lead_name} → {by.who}"}
    await connection.execute(tables.TAKE_OVER, values)
    await tell(connection, Topic.SHIFT)


async def _begin(
    connection: AsyncConnection, name: str, lead: UserId, ends_at: datetime, by: Actor, at: datetime,
    before: int | None,
) -> int:  # fmt: skip
    must_last(at, ends_at)
    if not name.strip():
        raise ShiftRule("name", "a shift has a name")
    await _must_lead(connection, lead)
    values = {"name": name.strip()[:80], "lead": lead, "ends": ends_at, "at": at, "who": by.who, "before": before}
    begun = (await connection.execute(tables.BEGIN, values)).scalar_one()
    await tell(connection, Topic.SHIFT)
    return int(begun)


async def _locked(connection: AsyncConnection) -> Shift:
    """The open shift; nobody else changes it until this transaction ends."""
    await connection.execute(tables.LOCK)
    await connection.execute(tables.LOCK_OPEN)
    found = await current(connection)
    if found is None:
        raise ShiftRule("none", "no shift is open")
    return found


async def _must_lead(connection: AsyncConnection, user: UserId) -> None:
    """A shift has the callbacks of every provider on its board: its lead sees them all."""
    found = (await connection.execute(tables.LEAD, {"user": user})).one_or_none()
    if found is None:
        raise ShiftRule("nobody", "there is no such user")
    if found.role not in {"lead", "supervisor"} or found.providers is not None:
        raise ShiftRule("may_not_lead", "{name} may not lead a shift: a lead sees every provider", name=found.name)


async def _freeze(
    connection: AsyncConnection, shift: Shift, open_ones: Sequence[Left], at: datetime, figures: FiguresOf
) -> None:
    """Writes down who worked, and what the shift says of each provider."""
    await connection.execute(tables.FORGET_WORKERS, {"shift": shift.id})
    await connection.execute(tables.KEEP_WORKERS, {"since": shift.opened_at, "until": at, "shift": shift.id})
    counted = await counts(connection, shift, at)
    for (provider,) in (await connection.execute(tables.PROVIDERS)).all():
        told = await figures(connection, ProviderId(provider), shift.opened_at, at)
        theirs = [
            {
                "extension": each.extension, "name": each.name, "joined_at": each.joined_at.isoformat(),
                "left_at": (each.left_at or at).isoformat(), **told.work.get(each.extension, {}),
            }
            for each in await workers(connection, shift, at, ProviderId(provider))
        ]  # fmt: skip
        kept = document(
            counted.get(ProviderId(provider), Counts()), [each for each in open_ones if each.provider == provider],
            theirs, told.hours, told.calls,
        )  # fmt: skip
        await connection.execute(tables.KEEP, {"shift": shift.id, "provider": provider, "kept": json.dumps(kept)})


def zone_in(kept: Document, otherwise: ZoneInfo) -> ZoneInfo:
    """The wall clock that a document was written on."""
    return ZoneInfo(kept["calls"]["zone"]) if kept.get("calls", {}).get("zone") else otherwise
