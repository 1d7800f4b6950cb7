"""Changes made on devices as rows: one is begun before anything is written and ended after; none is ever deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.diag import tables
from callcenter.diag.reading import Json
from callcenter.words import ProviderId

ChangeState: TypeAlias = Literal["begun", "done", "refused", "rolled_back", "failed"]
"""``begun`` long ago means that the service stopped in the middle: a person has to look at the device."""
Facts: TypeAlias = Mapping[str, Json]
"""What was read of the place: state, serial, description, VLAN."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change on a device: ``place`` is the ONU or port, ``who`` whoever confirmed it, ``commands`` in words."""

    id: int
    device: str
    place: str
    kind: str
    at: datetime
    who: str
    commands: tuple[str, ...]
    before: Facts
    after: Facts
    state: ChangeState
    note: str = ""


async def begin(
    connection: AsyncConnection,
    provider: ProviderId,
    *,
    device: str,
    place: str,
    kind: str,
    commands: Sequence[str],
    who: str,
    at: datetime,
    circuit: int | None = None,
) -> int:
    """Its number. To be committed before the first byte goes to the device."""
    values = {
        "provider_id": provider, "device": device, "place": place, "kind": kind, "circuit_id": circuit, "at": at,
        "who": who, "commands": list(commands), "before": {}, "after": {}, "state": "begun",
    }  # fmt: skip
    put = insert(tables.device_change).values(**values).returning(tables.device_change.c.id)
    return int((await connection.execute(put)).scalar_one())


async def end(
    connection: AsyncConnection, change: int, state: ChangeState, before: Facts, after: Facts, note: str = ""
) -> None:
    c = tables.device_change.c
    values = {"state": state, "before": dict(before), "after": dict(after), "note": note[:1000]}
    await connection.execute(update(tables.device_change).where(c.id == change).values(**values))


async def newest(
    connection: AsyncConnection,
    device: str = "",
    place: str = "",
    most: int = 100,
    *,
    circuit: int | None = None,
    provider: ProviderId | None = None,
) -> list[Change]:
    """The newest changes of the transaction's scope, of one device, place or circuit where one is named.

    A device's name is its provider's own: with ``device`` goes ``provider``.
    """
    c = tables.device_change.c
    asked = select(tables.device_change).order_by(c.at.desc(), c.id.desc()).limit(most)
    if device:
        asked = asked.where(c.device == device)
    if provider is not None:
        asked = asked.where(c.provider_id == provider)
    if circuit is not None:
        asked = asked.where(c.circuit_id == circuit)
    if place:
        asked = asked.where(c.place == place)
    return [
        Change(
            row.id, row.device, row.place, row.kind, row.at, row.who, tuple(map(str, row.commands)), row.before,
            row.after, row.state, row.note,
        )
        for row in await connection.execute(asked)
    ]  # fmt: skip
