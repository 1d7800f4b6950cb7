"""Writing the house down: providers, DIDs, trunks, queues and agents, one entry at a time, in the caller's transaction.

A change touches only what was written in the entry. What already belongs to another provider is never moved silently.
The transaction's scope must be every provider.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal, TypeAlias

from sqlalchemy import ColumnElement, Table, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.errors import RuleBroken
from callcenter.routing import tables
from callcenter.routing.entries import (
    AgentEntry,
    DidEntry,
    HolidayEntry,
    MemberEntry,
    PauseEntry,
    ProviderEntry,
    QueueEntry,
    ReasonEntry,
    TrunkEntry,
)
from callcenter.words import AgentId, ProviderId, QueueId

Change: TypeAlias = Literal["added", "changed", "same"]


async def provider_id(connection: AsyncConnection, slug: str) -> ProviderId:
    """The provider's number; raises ``RuleBroken`` when there is no such provider."""
    found = await connection.execute(select(tables.provider.c.id).where(tables.provider.c.slug == slug))
    number = found.scalar_one_or_none()
    if number is None:
        raise RuleBroken(f"there is no provider {slug} (see `callcenter provider list`)")
    return ProviderId(number)


async def thresholds_of(connection: AsyncConnection, provider: ProviderId) -> dict[str, float]:
    """Where this provider draws its lines, as far as it wrote them down."""
    found = await connection.execute(select(tables.provider.c.thresholds).where(tables.provider.c.id == provider))
    return dict(found.scalar_one())


async def slugs(connection: AsyncConnection) -> dict[ProviderId, str]:
    """What the providers of the transaction's scope are called, by number."""
    rows = await connection.execute(select(tables.provider.c.id, tables.provider.c.slug))
    return {ProviderId(number): slug for number, slug in rows}


async def put_provider(connection: AsyncConnection, entry: ProviderEntry) -> tuple[ProviderId, Change]:
    values = {name: value for name, value in entry.given.items() if name in tables.provider.c}
    change = await _put(connection, tables.provider, {"slug": entry.slug}, values)
    return await provider_id(connection, entry.slug), change


async def remove_provider(connection: AsyncConnection, slug: str) -> None:
    """Removes a provider that has no calls yet; the ledger of one that was served is never deleted by a command."""
    number = await provider_id(connection, slug)
    served = await connection.execute(_SERVED, {"provider": number})
    calls = served.scalar_one()
    if calls:
        raise RuleBroken(f"provider {slug} has {calls} calls in the ledger: remove its DIDs instead, the calls stay")
    await connection.execute(delete(tables.provider).where(tables.provider.c.id == number))


async def put_did(connection: AsyncConnection, owner: ProviderId, entry: DidEntry) -> Change:
    """A DID belongs to exactly one provider."""
    await _belongs(connection, tables.did, "number", entry.number, owner)
    return await _put(connection, tables.did, {"number": entry.number}, {**entry.given, "provider_id": owner})


async def remove_did(connection: AsyncConnection, number: str) -> None:
    done = await connection.execute(delete(tables.did).where(tables.did.c.number == number))
    if not done.rowcount:
        raise RuleBroken(f"there is no DID {number} (see `callcenter did list`)")


async def put_holiday(connection: AsyncConnection, owner: ProviderId, entry: HolidayEntry) -> Change:
    values = {name: value for name, value in entry.given.items() if name != "day"}
    return await _put(connection, tables.holiday, {"provider_id": owner, "day": entry.day}, values)


async def remove_holiday(connection: AsyncConnection, owner: ProviderId, day: date) -> None:
    of = tables.holiday.c
    done = await connection.execute(delete(tables.holiday).where(of.provider_id == owner, of.day == day))
    if not done.rowcount:
        raise RuleBroken(f"{day} is no holiday (see `callcenter provider holiday list`)")


async def set_call_reasons(
    connection: AsyncConnection, owner: ProviderId, entries: Sequence[ReasonEntry], at: datetime
) -> Change:
    """Exactly these reasons, in this order, are the provider's; the others are retired and old calls keep them."""
    return await _set_reasons(connection, tables.call_reason, {"provider_id": owner}, entries, at)


async def set_pause_reasons(connection: AsyncConnection, entries: Sequence[PauseEntry], at: datetime) -> Change:
    """Exactly these reasons, in this order, are the house's; the others are retired and old pauses keep them."""
    return await _set_reasons(connection, tables.pause_reason, {}, entries, at)


async def put_trunk(connection: AsyncConnection, owner: ProviderId | None, entry: TrunkEntry) -> Change:
    """A trunk is one provider's, or everybody's (``None``)."""
    await _belongs(connection, tables.trunk, "name", entry.name, owner)
    values = {**entry.given, "hosts": list(entry.hosts), "provider_id": owner}
    return await _put(connection, tables.trunk, {"name": entry.name}, values)


async def remove_trunk(connection: AsyncConnection, name: str) -> None:
    done = await connection.execute(delete(tables.trunk).where(tables.trunk.c.name == name))
    if not done.rowcount:
        raise RuleBroken(f"there is no trunk {name} (see `callcenter trunk list`)")


async def put_queue(connection: AsyncConnection, owner: ProviderId, entry: QueueEntry) -> Change:
    """A queue and, when the entry names agents, exactly those agents in it."""
    await _belongs(connection, tables.queue, "name", entry.name, owner)
    values = {name: value for name, value in entry.given.items() if name != "agents"}
    change = await _put(connection, tables.queue, {"name": entry.name}, {**values, "provider_id": owner})
    if "agents" not in entry.model_fields_set:
        return change
    extensions = [member.extension for member in entry.agents]
    if len(set(extensions)) < len(extensions):
        raise RuleBroken(f"queue {entry.name}: an agent is named twice")
    left = await _keep_only(connection, entry.name, extensions)
    moved = [await join_queue(connection, entry.name, member) for member in entry.agents]
    return "changed" if change == "same" and (left or any(one != "same" for one in moved)) else change


async def remove_queue(connection: AsyncConnection, name: str) -> None:
    done = await connection.execute(delete(tables.queue).where(tables.queue.c.name == name))
    if not done.rowcount:
        raise RuleBroken(f"there is no queue {name} (see `callcenter queue list`)")


async def join_queue(connection: AsyncConnection, queue: str, member: MemberEntry) -> Change:
    """Puts an agent into a queue, or changes the agent's penalty there."""
    number, owner = await _queue(connection, queue)
    agent = await agent_id(connection, member.extension)
    key = {"queue_id": number, "agent_id": agent}
    return await _put(connection, tables.queue_agent, key, {"provider_id": owner, "penalty": member.penalty})


async def leave_queue(connection: AsyncConnection, queue: str, extension: str) -> None:
    number, _ = await _queue(connection, queue)
    agent = await agent_id(connection, extension)
    of = tables.queue_agent.c
    done = await connection.execute(delete(tables.queue_agent).where(of.queue_id == number, of.agent_id == agent))
    if not done.rowcount:
        raise RuleBroken(f"agent {extension} is not in queue {queue}")


async def agent_id(connection: AsyncConnection, extension: str) -> AgentId:
    """The agent's number; raises ``RuleBroken`` when nobody has this extension."""
    found = await connection.execute(select(tables.agent.c.id).where(tables.agent.c.extension == extension))
    number = found.scalar_one_or_none()
    if number is None:
        raise RuleBroken(f"there is no agent {extension} (see `callcenter agent list`)")
    return AgentId(number)


async def put_agent(connection: AsyncConnection, entry: AgentEntry) -> tuple[AgentId, Change]:
    """A new agent without a SIP secret gets a generated one; a present agent keeps theirs."""
    values = {name: value for name, value in entry.given.items() if name in tables.agent.c}
    if entry.sip_secret is None:
        values.pop("sip_secret", None)
    else:
        values["sip_secret"] = entry.sip_secret.get_secret_value()
    there = await connection.execute(select(tables.agent.c.id).where(tables.agent.c.extension == entry.extension))
    if there.scalar_one_or_none() is None:
        values.setdefault("sip_secret", secrets.token_urlsafe(18))
    change = await _put(connection, tables.agent, {"extension": entry.extension}, values)
    return await agent_id(connection, entry.extension), change


async def remove_agent(connection: AsyncConnection, extension: str) -> None:
    """Removes an agent with their sign-in and places in queues; the calls they answered stay."""
    number = await agent_id(connection, extension)
    await connection.execute(delete(tables.agent).where(tables.agent.c.id == number))


async def _put(
    connection: AsyncConnection, table: Table, key: Mapping[str, object], values: Mapping[str, object]
) -> Change:
    """Adds the row or changes the named columns of the one that is there."""
    where = [table.c[name] == value for name, value in key.items()]
    present = (await connection.execute(select(table).where(*where).with_for_update())).mappings().one_or_none()
    if present is None:
        await connection.execute(insert(table).values({**values, **key}))
        return "added"
    differing = {name: value for name, value in values.items() if present[name] != value}
    if not differing:
        return "same"
    await connection.execute(update(table).where(*where).values(differing))
    return "changed"


async def _set_reasons(
    connection: AsyncConnection, table: Table, whose: Mapping[str, object], entries: Sequence[ReasonEntry], at: datetime
) -> Change:
    codes = [entry.code for entry in entries]
    if len(set(codes)) < len(codes):
        raise RuleBroken(f"a reason is named twice: {next(code for code in codes if codes.count(code) > 1)}")
    changes = set()
    for sort, entry in enumerate(entries):
        values: dict[str, object] = {
            "name_uk": entry.uk, "name_en": entry.en or "", "sort": sort, "retired_at": None,
        }  # fmt: skip
        if isinstance(entry, PauseEntry):
            values["limit_s"] = None if entry.limit_min is None else entry.limit_min * 60
        changes.add(await _put(connection, table, {**whose, "code": entry.code}, values))
    of = table.c
    others: list[ColumnElement[bool]] = [of[name] == value for name, value in whose.items()]
    others += [of.code.not_in(codes), of.retired_at.is_(None)]
    retired = await connection.execute(update(table).where(*others).values(retired_at=at))
    return "changed" if retired.rowcount or changes - {"same"} else "same"


async def _belongs(connection: AsyncConnection, table: Table, key: str, value: str, owner: ProviderId | None) -> None:
    """Raises ``RuleBroken`` when the thing is another provider's: it is removed there first, by a human."""
    found = await connection.execute(
        select(table.c.provider_id, tables.provider.c.slug)
        .select_from(table.outerjoin(tables.provider, tables.provider.c.id == table.c.provider_id))
        .where(table.c[key] == value)
    )
    row = found.one_or_none()
    if row is not None and row.provider_id != owner:
        whose = f"provider {row.slug}" if row.slug else "everybody"
        raise RuleBroken(f"{table.name} {value} belongs to {whose}: remove it there first")


async def _queue(connection: AsyncConnection, name: str) -> tuple[QueueId, ProviderId]:
    found = await connection.execute(
        select(tables.queue.c.id, tables.queue.c.provider_id).where(tables.queue.c.name == name)
    )
    row = found.one_or_none()
    if row is None:
        raise RuleBroken(f"there is no queue {name} (see `callcenter queue list`)")
    return QueueId(row.id), ProviderId(row.provider_id)


async def _keep_only(connection: AsyncConnection, queue: str, extensions: list[str]) -> int:
    number, _ = await _queue(connection, queue)
    staying = select(tables.agent.c.id).where(tables.agent.c.extension.in_(extensions))
    of = tables.queue_agent.c
    done = await connection.execute(
        delete(tables.queue_agent).where(of.queue_id == number, of.agent_id.not_in(staying))
    )
    return done.rowcount


_SERVED = text("SELECT count(*) FROM call WHERE provider_id = :provider")
