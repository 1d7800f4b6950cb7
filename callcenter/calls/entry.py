"""A call with whose it is: what the ledger writes, and what it hands to those who owe something for a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.phone_codes import PhoneCode
from callcenter.calls.record import CallRecord
from callcenter.routing.book import Provider
from callcenter.routing.numbers import CallerNumber
from callcenter.words import Did


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A call of a provider of ours. ``number`` is the subscriber's, whoever called whom."""

    call: CallRecord
    provider: Provider
    number: CallerNumber
    did: Did | None


Hook = Callable[[AsyncConnection, LedgerEntry], Awaitable[None]]
"""Runs in the transaction that writes a call whose caller's leg is over. It may run again for the same call."""


TakePhoneCodes = Callable[[AsyncConnection, Sequence[PhoneCode]], Awaitable[None]]
"""What agents said of their duty by phone, in the transaction that moves the place in the journal: each once."""


@runtime_checkable
class HookOfMany(Protocol):
    """A hook that can do all calls of a transaction at once, in the order in which they ended."""

    async def __call__(self, connection: AsyncConnection, entry: LedgerEntry) -> None: ...

    async def of_many(self, connection: AsyncConnection, entries: Sequence[LedgerEntry]) -> None: ...


async def run_hooks(connection: AsyncConnection, hooks: Sequence[Hook], entries: Sequence[LedgerEntry]) -> None:
    """Does what these calls oblige us to."""
    for hook in hooks:
        if isinstance(hook, HookOfMany):
            await hook.of_many(connection, entries)
        else:
            for entry in entries:
                await hook(connection, entry)
