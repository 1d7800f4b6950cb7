"""Whose call it is: the providers, their DIDs, queues and agents, as one frozen book read every few seconds."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.errors import Misconfigured, Unavailable
from callcenter.routing.hours import Calendar, Holiday, WeekHours
from callcenter.routing.numbers import did_of
from callcenter.store import Database, Scope
from callcenter.words import AgentId, Did, Language, ProviderId, QueueId

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 60.0
PhoneKind: TypeAlias = Literal["desk", "browser"]
"""A SIP phone of its own, or the agent's page."""


@dataclass(frozen=True, slots=True)
class Reason:
    """An entry of a list that agents choose from: why somebody called, why they take a pause."""

    code: str
    name_uk: str
    name_en: str = ""
    limit: timedelta | None = None
    """How long a pause for this reason may last."""

    def name(self, language: Language) -> str:
        return self.name_en if language == "en" and self.name_en else self.name_uk


@dataclass(frozen=True, slots=True)
class Provider:
    """An internet provider we answer for: the tenant."""

    id: ProviderId
    slug: str
    brand: str
    colour: str
    """``#rrggbb``."""
    language: Language
    timezone: ZoneInfo
    greeting: str
    """Jinja2 of the agent's sentence; empty is the house's own."""
    hours: WeekHours
    max_lines: int
    min_talk_s: float
    """A shorter meeting with an agent is a call cut short, in seconds."""
    short_abandon_s: int
    callback_within: timedelta
    """How much of its working time may pass before a missed caller is called back."""
    thresholds: Mapping[str, float]
    callback_attempts: int = 3
    """After so many calls back in vain the shift lead decides."""
    callback_every: timedelta = timedelta(minutes=15)
    """The least time between two calls back to one number."""
    callback_talk_s: float = 5.0
    """A call back that was talked for less has not reached the subscriber, in seconds."""
    service_level_s: int = 20
    """Callers answered within so many seconds are what the service level counts."""
    holidays: tuple[Holiday, ...] = ()
    agents_restart: bool = False
    """An agent may restart an ONU; who leads always may."""
    auto_answer: bool = False
    """Agents' phones answer its callers by themselves, after a tone and the provider's name."""
    reasons: tuple[Reason, ...] = ()
    """Why people call, as this provider wants it counted; empty is the house's own list."""

    @property
    def calendar(self) -> Calendar:
        """When it is served."""
        return Calendar(self.hours, self.timezone, {holiday.day: holiday for holiday in self.holidays})


@dataclass(frozen=True, slots=True)
class Member:
    extension: str
    penalty: int


@dataclass(frozen=True, slots=True)
class Queue:
    id: QueueId
    provider: ProviderId
    name: str
    strategy: str
    timeout_s: int
    ring_s: int
    wrapup_s: int
    max_waiting: int
    members: tuple[Member, ...]
    keep_place: bool = True
    """A caller who waits may press a key to be called back when it would be their turn."""
    keep_place_every_s: int = 60
    """How often they are told so."""

    @property
    def wrapup_guard_s(self) -> int:
        """For so long Asterisk itself rings nobody after a call; by then the floor has said who is in wrap-up.

        Where places are kept it is a second at least: somebody's turn may come before whoever is on the line.
        """
        return max(1 if self.keep_place else 0, min(self.wrapup_s, 5))


@dataclass(frozen=True, slots=True)
class Agent:
    id: AgentId
    extension: str
    name: str
    sip_secret: SecretStr
    contact: str | None
    """A fixed SIP contact of the phone; ``None`` lets it register."""
    phone: PhoneKind = "desk"
    auto_answer: bool = False
    """The phone answers every call by itself, after a tone and the provider's name."""


@dataclass(frozen=True, slots=True)
class Trunk:
    name: str
    provider: ProviderId | None
    hosts: tuple[str, ...]
    outbound_uri: str | None
    codecs: str


@dataclass(frozen=True)
class Book:
    """Everything routing knows at one moment. Two books made of the same rows are equal."""

    providers: tuple[Provider, ...] = ()
    dids: Mapping[Did, ProviderId] = field(default_factory=dict)
    queues: tuple[Queue, ...] = ()
    agents: tuple[Agent, ...] = ()
    trunks: tuple[Trunk, ...] = ()
    country: str = "UA"
    pauses: tuple[Reason, ...] = ()
    """Why agents may take a pause; empty is the house's own list."""

    def provider(self, provider: ProviderId) -> Provider | None:
        return self._by_id.get(provider)

    def by_slug(self, slug: str) -> Provider | None:
        return self._by_slug.get(slug)

    def provider_of(self, dialled: str) -> tuple[Did, Provider] | None:
        """A DID belongs to exactly one provider; ``None`` is a number nobody of ours has."""
        did = did_of(dialled, self.country)
        if did is None or did not in self.dids:
            return None
        owner = self._by_id.get(self.dids[did])
        return None if owner is None else (did, owner)

    def first_did(self, provider: ProviderId) -> Did | None:
        """The number a provider's subscribers see when we call them back."""
        return min((did for did, owner in self.dids.items() if owner == provider), default=None)

    def queue_named(self, name: str) -> Queue | None:
        return self._queues.get(name)

    def agent(self, extension: str) -> Agent | None:
        return self._agents.get(extension)

    def trunk(self, name: str) -> Trunk | None:
        return next((trunk for trunk in self.trunks if trunk.name == name), None)

    def providers_of(self, extension: str) -> frozenset[ProviderId]:
        """An agent works for the providers in whose queues they are, and sees no other."""
        return frozenset(q.provider for q in self.queues if any(m.extension == extension for m in q.members))

    def queues_of(self, extension: str) -> tuple[Queue, ...]:
        return self._by_member.get(extension, ())

    @cached_property
    def _by_member(self) -> dict[str, tuple[Queue, ...]]:
        found: dict[str, tuple[Queue, ...]] = {}
        for queue in self.queues:
            for extension in {member.extension for member in queue.members}:
                found[extension] = (*found.get(extension, ()), queue)
        return found

    @cached_property
    def _by_id(self) -> dict[ProviderId, Provider]:
        return {provider.id: provider for provider in self.providers}

    @cached_property
    def _by_slug(self) -> dict[str, Provider]:
        return {provider.slug: provider for provider in self.providers}

    @cached_property
    def _queues(self) -> dict[str, Queue]:
        return {queue.name: queue for queue in self.queues}

    @cached_property
    def _agents(self) -> dict[str, Agent]:
        return {agent.extension: agent for agent in self.agents}


async def load_book(database: Database, country: str = "UA") -> Book:
    """Reads the whole book in one transaction; raises ``Misconfigured`` when a row cannot be what it says."""
    async with database.scoped(Scope.all()) as connection:
        return await read_book(connection, country)


async def read_book(connection: AsyncConnection, country: str = "UA") -> Book:
    """The book as this transaction sees it, in one statement and so of one moment; the scope must be every provider."""
    found = (await connection.execute(_BOOK)).scalar_one()
    rows: dict[str, list[dict[str, Any]]] = json.loads(found)
    holidays: dict[int, list[Holiday]] = {}
    for row in rows["holidays"]:
        holidays.setdefault(row["provider_id"], []).append(Holiday.parse(row["day"], row["name"], row["hours"]))
    reasons: dict[int, list[Reason]] = {}
    for row in rows["reasons"]:
        reasons.setdefault(row["provider_id"], []).append(_reason(row))
    members: dict[int, list[Member]] = {}
    for row in rows["members"]:
        members.setdefault(row["queue_id"], []).append(Member(row["extension"], row["penalty"]))
    return Book(
        providers=tuple(
            _provider(row, holidays.get(row["id"], ()), reasons.get(row["id"], ())) for row in rows["providers"]
        ),
        dids={Did(row["number"]): ProviderId(row["provider_id"]) for row in rows["dids"]},
        queues=tuple(_queue(row, members.get(row["id"], ())) for row in rows["queues"]),
        agents=tuple(_agent(row) for row in rows["agents"]),
        trunks=tuple(_trunk(row) for row in rows["trunks"]),
        country=country,
        pauses=tuple(_reason(row) for row in rows["pauses"]),
    )


def _reason(row: Mapping[str, Any]) -> Reason:
    limit = row.get("limit_s")
    return Reason(row["code"], row["name_uk"], row["name_en"], None if limit is None else timedelta(seconds=limit))


def _provider(row: Mapping[str, Any], holidays: Iterable[Holiday], reasons: Iterable[Reason]) -> Provider:
    try:
        return Provider(
            id=ProviderId(row["id"]),
            slug=row["slug"],
            brand=row["brand"],
            colour=row["colour"],
            language=row["language"],
            timezone=ZoneInfo(row["timezone"]),
            greeting=row["greeting"],
            hours=WeekHours.parse(row["hours"]),
            max_lines=row["max_lines"],
            min_talk_s=float(row["min_talk_s"]),
            short_abandon_s=row["short_abandon_s"],
            callback_within=timedelta(minutes=row["callback_within_min"]),
            thresholds={key: float(value) for key, value in row["thresholds"].items()},
            callback_attempts=row["callback_attempts"],
            callback_every=timedelta(minutes=row["callback_every_min"]),
            callback_talk_s=float(row["callback_talk_s"]),
            service_level_s=row["service_level_s"],
            auto_answer=row["auto_answer"],
            agents_restart=row["agents_restart"],
            holidays=tuple(holidays),
            reasons=tuple(reasons),
        )
    except (ValueError, TypeError, AttributeError, ZoneInfoNotFoundError) as exc:
        raise Misconfigured(f"provider {row['slug']}: {exc}") from exc


def _queue(row: Mapping[str, Any], members: Iterable[Member]) -> Queue:
    return Queue(
        id=QueueId(row["id"]),
        provider=ProviderId(row["provider_id"]),
        name=row["name"],
        strategy=row["strategy"],
        timeout_s=row["timeout_s"],
        ring_s=row["ring_s"],
        wrapup_s=row["wrapup_s"],
        max_waiting=row["max_waiting"],
        members=tuple(members),
        keep_place=row["keep_place"],
        keep_place_every_s=row["keep_place_every_s"],
    )


def _agent(row: Mapping[str, Any]) -> Agent:
    secret = SecretStr(row["sip_secret"])
    return Agent(
        AgentId(row["id"]), row["extension"], row["name"], secret, row["contact"], row["phone"], row["auto_answer"]
    )


def _trunk(row: Mapping[str, Any]) -> Trunk:
    owner = None if row["provider_id"] is None else ProviderId(row["provider_id"])
    return Trunk(row["name"], owner, tuple(row["hosts"]), row["outbound_uri"], row["codecs"])


class Shelf:
    """Holds the present book, read every ``every`` seconds, so that nothing live waits for the database."""

    def __init__(self, database: Database, country: str = "UA", every: float = 5.0) -> None:
        self._database = database
        self._country = country
        self._every = every
        self._book: Book | None = None
        self._trouble: str | None = None

    def book(self) -> Book:
        """The present book; raises ``Unavailable`` before the first one was read."""
        if self._book is None:
            raise Unavailable("routing", self._trouble or "the book is not read yet")
        return self._book

    @property
    def trouble(self) -> str | None:
        """Why the present book is an old one, if it is."""
        return self._trouble

    async def refresh(self) -> Book:
        """Reads the book now and returns it; raises ``Unavailable`` or ``Misconfigured`` and keeps the old one."""
        try:
            fresh = await load_book(self._database, self._country)
        except (Unavailable, Misconfigured) as exc:
            if self._trouble is None:
                log.warning("routing: the book is not read, the last one stays: %s", exc)
            self._trouble = str(exc)
            raise
        if self._trouble is not None:
            log.info("routing: the book is read again")
            self._trouble = None
        if fresh != self._book:
            self._book = fresh
        return self._book

    async def run(self) -> None:
        """Refreshes for ever; a database that is away, or a bad row, leaves the last book in place."""
        wait = self._every
        while True:
            try:
                await self.refresh()
                wait = self._every
            except (Unavailable, Misconfigured):  # kept in ``trouble`` and logged once
                wait = self._every
            except Exception as exc:  # the last book serves on: nothing here may end the service
                log.exception("routing: the book is not read, the last one stays")
                self._trouble = f"{type(exc).__name__}: {exc}"
                wait = min(wait * 2, LONGEST_WAIT_S)
            await asyncio.sleep(wait)


_BOOK = text(
    """
    SELECT jsonb_build_object(
        'providers', coalesce((SELECT jsonb_agg(to_jsonb(p) ORDER BY p.slug) FROM provider p), '[]'),
        'dids', coalesce((SELECT jsonb_agg(to_jsonb(d) ORDER BY d.number) FROM did d), '[]'),
        'queues', coalesce((SELECT jsonb_agg(to_jsonb(q) ORDER BY q.name) FROM queue q), '[]'),
        'members', coalesce((
            SELECT jsonb_agg(jsonb_build_object('queue_id', m.queue_id, 'extension', a.extension, 'penalty', m.penalty)
                             ORDER BY m.penalty, a.extension)
            FROM queue_agent m JOIN agent a ON a.id = m.agent_id), '[]'),
        'agents', coalesce((SELECT jsonb_agg(to_jsonb(a) ORDER BY a.extension) FROM agent a), '[]'),
        'trunks', coalesce((SELECT jsonb_agg(to_jsonb(t) ORDER BY t.name) FROM trunk t), '[]'),
        'holidays', coalesce((SELECT jsonb_agg(to_jsonb(h) ORDER BY h.day) FROM holiday h), '[]'),
        'reasons', coalesce((
            SELECT jsonb_agg(to_jsonb(r) ORDER BY r.sort, r.code) FROM call_reason r WHERE r.retired_at IS NULL), '[]'),
        'pauses', coalesce((
            SELECT jsonb_agg(to_jsonb(r) ORDER BY r.sort, r.code) FROM pause_reason r WHERE r.retired_at IS NULL), '[]')
    )::text
    """
)
