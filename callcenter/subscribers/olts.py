"""The OLTs a provider's contracts name: written down here, read over SNMP in ``diag``."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.errors import RuleBroken
from callcenter.words import OltId, ProviderId


@dataclass(frozen=True, slots=True)
class OltRow:
    """One OLT as the operator wrote it; ``driver`` is a file of ``diag/drivers``."""

    name: str
    driver: str
    host: str
    community: SecretStr
    port: int = 161


async def put_olt(connection: AsyncConnection, provider: ProviderId, olt: OltRow) -> OltId:
    """Adds the provider's OLT, or changes the one of this name."""
    found = await connection.execute(
        _PUT,
        {
            "provider": provider, "name": olt.name, "driver": olt.driver, "host": olt.host, "port": olt.port,
            "community": olt.community.get_secret_value(),
        },
    )  # fmt: skip
    return OltId(found.scalar_one())


async def remove_olt(connection: AsyncConnection, provider: ProviderId, name: str) -> None:
    """Removes an OLT; its subscribers stay, without a line to read."""
    done = await connection.execute(_REMOVE, {"provider": provider, "name": name})
    if not done.rowcount:
        raise RuleBroken(f"the provider has no OLT {name} (see `callcenter olt list`)")


async def olts_by_name(connection: AsyncConnection, provider: ProviderId) -> dict[str, OltId]:
    rows = await connection.execute(_NAMES, {"provider": provider})
    return {name: OltId(number) for name, number in rows}


_PUT = text(
    """
    INSERT INTO olt (provider_id, name, driver, host, port, community)
    VALUES (:provider, :name, :driver, :host, :port, :community)
    ON CONFLICT (provider_id, name) DO UPDATE
    SET driver = excluded.driver, host = excluded.host, port = excluded.port, community = excluded.community
    RETURNING id
    """
)
_REMOVE = text("DELETE FROM olt WHERE provider_id = :provider AND name = :name")
_NAMES = text("SELECT name, id FROM olt WHERE provider_id = :provider")
