"""Who is calling: a provider's subscribers, found by phone, by account, or by what the caller says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.words import E164, DeviceId, Language, ProviderId, SubscriberId


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscriber as the provider's billing last told us. ``onu`` is where their line ends, such as ``EPON0/2:48``."""

    id: SubscriberId
    provider: ProviderId
    account: str
    name: str
    address: str
    tariff: str
    balance: Decimal | None
    currency: str
    status: str
    """``active``, ``debtor``, ``frozen`` or ``closed``."""
    paid_till: date | None
    language: Language | None
    device: DeviceId | None
    """The OLT or the switch that the line ends at."""
    onu: str | None
    note: str
    phones: tuple[E164, ...]
    port: str | None = None
    """Of a line on a switch: its port there, such as ``Gi1/0/5``."""
    mac: str | None = None
    """What the contract says is behind the line."""
    vlan: int | None = None
    ip: str | None = None
    """The CPE's address, for a ping."""


async def find_by_number(connection: AsyncConnection, provider: ProviderId, number: str) -> list[Subscriber]:
    """Everyone of this provider who has the phone: none, one, or a choice; who is served stands first.

    An anonymous caller (``''``) is nobody.
    """
    rows = await connection.execute(_BY_NUMBER, {"provider": provider, "number": number})
    return [_subscriber(row) for row in rows]


async def find_by_account(connection: AsyncConnection, provider: ProviderId, account: str) -> Subscriber | None:
    row = (await connection.execute(_BY_ACCOUNT, {"provider": provider, "account": account})).one_or_none()
    return None if row is None else _subscriber(row)


async def one_subscriber(connection: AsyncConnection, subscriber: SubscriberId) -> Subscriber | None:
    row = (await connection.execute(_BY_ID, {"id": subscriber})).one_or_none()
    return None if row is None else _subscriber(row)


async def search(
    connection: AsyncConnection, words: str, *, provider: ProviderId | None = None, limit: int = 50
) -> list[Subscriber]:
    """Those whose account, name or address holds every word, in the transaction's scope; by account."""
    patterns = [f"%{_literally(word)}%" for word in words.split()[:10]]
    values = {"provider": provider, "words": patterns, "limit": limit}
    return [_subscriber(row) for row in await connection.execute(_SEARCH, values)]


def _literally(word: str) -> str:
    """A percent sign or an underscore that is looked for is that sign."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _subscriber(row: Row[Any]) -> Subscriber:
    values = row._asdict()
    return Subscriber(**{**values, "phones": tuple(values["phones"])})


_SELECT = """
    SELECT s.id, s.provider_id AS provider, s.account, s.name, s.address, s.tariff, s.balance, s.currency, s.status,
        s.paid_till, s.language, s.device_id AS device, s.onu, s.note,
        s.port, s.mac, s.vlan, host(s.ip) AS ip,
        ARRAY(SELECT p.number FROM subscriber_phone p WHERE p.subscriber_id = s.id ORDER BY p.number) AS phones
    FROM subscriber s
"""
_BY_NUMBER = text(
    f"""{_SELECT} JOIN subscriber_phone f ON f.subscriber_id = s.id
    WHERE f.provider_id = :provider AND f.number = :number AND :number <> ''
    ORDER BY array_position(ARRAY['active', 'debtor', 'frozen', 'closed'], s.status), s.account
    """
)
_BY_ACCOUNT = text(f"{_SELECT} WHERE s.provider_id = :provider AND s.account = :account")
_BY_ID = text(f"{_SELECT} WHERE s.id = :id")
_SEARCH = text(
    f"""{_SELECT} WHERE (CAST(:provider AS bigint) IS NULL OR s.provider_id = :provider)
        AND concat_ws(' ', s.account, s.name, s.address) ILIKE ALL (CAST(:words AS text[]))
    ORDER BY s.account, s.id LIMIT :limit
    """
)
