"""Diagnoses as they were: begun, ended, and the ones of a call or a subscriber."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.diag import tables
from callcenter.words import SubscriberId, UniqueId

if TYPE_CHECKING:
    from callcenter.diag.diagnosis import Examined


async def begin(connection: AsyncConnection, examined: Examined) -> int:
    about = examined.about
    row = insert(tables.diagnosis).values(
        provider_id=about.provider, call_id=examined.call, subscriber_id=about.subscriber, device_id=about.device.id,
        line=about.onu or about.port or "", started_at=examined.started_at, who=examined.who, steps=[], answers={},
    )  # fmt: skip
    return int((await connection.execute(row.returning(tables.diagnosis.c.id))).scalar_one())


async def save(connection: AsyncConnection, examined: Examined) -> None:
    """What it found and what was concluded, as it is shown now."""
    found = examined.conclusion
    verdict: dict[str, Any] | None = None
    if found is not None:
        verdict = {
            "cause": found.cause, "level": found.level, "confidence": found.confidence, "args": dict(found.args),
            "stands_on": list(found.stands_on), "visit": found.visit,
        }  # fmt: skip
    steps = [
        {
            "name": step.name, "state": step.state, "took_ms": step.took_ms,
            "facts": [{"key": fact.key, "args": dict(fact.args)} for fact in step.facts],
        }
        for step in examined.steps
    ]  # fmt: skip
    answers = {str(lamp): lit for lamp, lit in examined.lamps.items()}
    values = {"ended_at": examined.ended_at, "steps": steps, "answers": answers, "verdict": verdict}
    await connection.execute(update(tables.diagnosis).where(tables.diagnosis.c.id == examined.id).values(**values))


async def of_call(connection: AsyncConnection, call: UniqueId) -> list[dict[str, Any]]:
    """Every diagnosis made in this call, oldest first, in the transaction's scope."""
    c = tables.diagnosis.c
    rows = await connection.execute(select(*c).where(c.call_id == call).order_by(c.started_at))
    return [dict(row._mapping) for row in rows]


async def of_subscriber(
    connection: AsyncConnection, subscriber: SubscriberId, since: datetime, most: int = 20
) -> list[dict[str, Any]]:
    """The newest diagnoses of this subscriber's line."""
    c = tables.diagnosis.c
    wanted = select(*c).where(c.subscriber_id == subscriber, c.started_at >= since)
    rows = await connection.execute(wanted.order_by(c.started_at.desc()).limit(most))
    return [dict(row._mapping) for row in rows]
