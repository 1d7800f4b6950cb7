"""What the wallboard counts of today, read at one moment: calls by the reports' own SQL, callbacks, alarms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.claims import LONGEST_CALL
from callcenter.callbacks.duty import SOON
from callcenter.desk.wall import Counts, Owed
from callcenter.reports.measures import Tally
from callcenter.reports.periods import Today
from callcenter.reports.queries import By, Key, Wanted, totals
from callcenter.store.alarms import open_alarms
from callcenter.words import ProviderId

MOST_ALARMS = 200


async def read_counts(connection: AsyncConnection, now: datetime) -> Counts:
    """Today is each provider's own calendar day; everything is of the transaction's scope."""
    queues = await totals(connection, Wanted(Today(now), in_full=False), By.QUEUE)
    return Counts(
        at=now,
        providers=_by_provider(queues),
        queues={(key.provider, key.queue): tally for key, tally in queues.items() if key.provider and key.queue},
        owed=await _owed(connection, now),
        calling=await _calling(connection, now),
        alarms=tuple(await open_alarms(connection, MOST_ALARMS)),
    )


def _by_provider(queues: Mapping[Key, Tally]) -> dict[ProviderId, Tally]:
    """Calls that reached no queue are counted too: they are of the provider alone."""
    found: dict[ProviderId, Tally] = {}
    for key, tally in queues.items():
        if key.provider is not None:
            found[key.provider] = found.get(key.provider, Tally()) + tally
    return found


async def _owed(connection: AsyncConnection, now: datetime) -> dict[ProviderId, Owed]:
    rows = await connection.execute(_OWED, {"now": now, "soon": now + SOON})
    return {ProviderId(row.provider_id): Owed(*row[1:]) for row in rows}


async def _calling(connection: AsyncConnection, now: datetime) -> dict[str, ProviderId]:
    rows = await connection.execute(_CALLING, {"since": now - LONGEST_CALL})
    return {row.agent: ProviderId(row.provider_id) for row in rows}


_OWED = text(
    """
    SELECT provider_id, count(*) FILTER (WHERE callable),
        count(*) FILTER (WHERE callable AND due_at >= :now AND due_at < :soon),
        count(*) FILTER (WHERE callable AND due_at < :now), count(*) FILTER (WHERE decision_since IS NOT NULL),
        count(*) FILTER (WHERE NOT callable)
    FROM callback WHERE closed_at IS NULL GROUP BY provider_id
    """
)
_CALLING = text(
    """
    SELECT DISTINCT ON (agents[1]) agents[1] AS agent, provider_id FROM call
    WHERE direction = 'out' AND outcome IS NULL AND arrived_at > :since AND cardinality(agents) > 0
    ORDER BY agents[1], arrived_at DESC
    """
)
