"""A provider's OLTs: what is asked, where, and with which driver."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.diag import tables
from callcenter.words import OltId, ProviderId


@dataclass(frozen=True, slots=True)
class Olt:
    """One OLT of a provider: ``driver`` names its family's file in ``diag/drivers``."""

    id: OltId
    provider: ProviderId
    name: str
    driver: str
    host: str
    community: SecretStr
    port: int = 161


async def olts(connection: AsyncConnection) -> list[Olt]:
    """Every OLT of the transaction's scope."""
    rows = await connection.execute(_SELECT.order_by(tables.olt.c.provider_id, tables.olt.c.name))
    return [_olt(*row) for row in rows]


async def olt_by_id(connection: AsyncConnection, olt: OltId) -> Olt | None:
    row = (await connection.execute(_SELECT.where(tables.olt.c.id == olt))).one_or_none()
    return None if row is None else _olt(*row)


_SELECT = select(
    tables.olt.c.id,
    tables.olt.c.provider_id,
    tables.olt.c.name,
    tables.olt.c.driver,
    tables.olt.c.host,
    tables.olt.c.community,
    tables.olt.c.port,
)


def _olt(number: int, provider: int, name: str, driver: str, host: str, community: str, port: int) -> Olt:
    return Olt(OltId(number), ProviderId(provider), name, driver, host, SecretStr(community), port)
