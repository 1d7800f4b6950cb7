"""Subscribers in the API: whose phone this is, or who lives there."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Self

from pydantic import model_validator

from callcenter.desk.api import Ask, Gives, Id, Limit, Route, Takes, Text
from callcenter.desk.pages import visible_providers
from callcenter.routing.numbers import caller_number
from callcenter.subscribers.directory import Subscriber, find_by_number, search
from callcenter.words import Language, ProviderId


class SubscribersWanted(Takes):
    """By ``number``, however it is written, or by ``words`` of the account, the name and the address."""

    number: Text | None = None
    words: Text | None = None
    provider: Id | None = None
    limit: Limit = 50

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.number is None) == (self.words is None):
            raise ValueError("give number or words")
        return self


class SubscriberGiven(Gives):
    id: Id
    provider: Id
    account: str
    name: str
    address: str
    tariff: str
    balance: Decimal | None
    currency: str
    status: str
    paid_till: date | None
    language: Language | None
    device: Id | None
    """The OLT or switch that the line ends at."""
    onu: str | None
    port: str | None
    mac: str | None
    vlan: int | None
    ip: str | None
    note: str
    phones: list[str]


class SubscribersGiven(Gives):
    items: list[SubscriberGiven]


async def find(ask: Ask, wanted: SubscribersWanted) -> SubscribersGiven:
    """One phone may belong to several subscribers, and to subscribers of several providers."""
    async with ask.ports.db.scoped(ask.scope) as conn:
        found: list[Subscriber] = []
        if wanted.words is not None:
            provider = None if wanted.provider is None else ProviderId(wanted.provider)
            found = await search(conn, wanted.words, provider=provider, limit=wanted.limit)
        elif wanted.number is not None:
            number = caller_number(wanted.number, ask.ports.country).number
            for provider_seen in visible_providers(ask.ports.book(), ask.visitor):
                if wanted.provider in {None, provider_seen.id}:
                    found += await find_by_number(conn, provider_seen.id, number)
    return SubscribersGiven(items=[SubscriberGiven.model_validate(one) for one in found[: wanted.limit]])


API = (
    Route("GET", "/subscribers", "find_subscribers", "Subscribers by phone or by words", SubscribersWanted,
          SubscribersGiven, find, tag="subscribers"),
)  # fmt: skip
