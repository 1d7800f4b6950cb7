"""How well talks are heard: told by pages' phones and by Asterisk, kept with the call, shown to who supervises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Annotated
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import Field

from callcenter.calls import quality_rows
from callcenter.calls.quality import AGENT_NOT_HEARD, Way, alarm_subject
from callcenter.calls.quality_rows import Quality, Told
from callcenter.desk.api import Ask, CallId, Gives, Limit, Nothing, Route, Takes, not_found, query_of
from callcenter.desk.call_rows import one_call
from callcenter.desk.csv_file import csv_file
from callcenter.desk.guard import must_lead
from callcenter.desk.languages import Catalogue
from callcenter.desk.pages import PAGES, PORTS, catalogue_of, zone_of
from callcenter.reports.sheets import as_text
from callcenter.store.alarms import clear_alarm, raise_alarm

TALKING = "talking"
SHOWN, SHOWN_FOR = 100, timedelta(hours=24)
NOW_FOR = timedelta(seconds=20)
"""A talk of which something was told so lately goes on."""
ROWS_OF_A_FILE = 20_000

Count = Annotated[int, Field(ge=0, le=2**31)]
Millis = Annotated[float, Field(ge=0, le=600_000)] | None


class WayTold(Takes):
    packets: Count
    lost: Annotated[int, Field(ge=-(2**31), le=2**31)]
    """A receiver may count a packet twice: below nothing is nothing."""
    jitter_ms: Millis = None


class QualityWanted(Takes):
    """What a page's phone has counted of its own talk since it told of it last."""

    codec: Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,20}$")] = ""
    sent: WayTold
    received: WayTold
    rtt_ms: Millis = None
    heard: bool = False
    """Something came from the microphone since the last time this was told."""
    unheard_s: Annotated[float, Field(ge=0, le=86_400)] = 0
    """For how long the microphone has given nothing though it is not muted."""
    silent_s: Annotated[float, Field(ge=0, le=86_400)] = 0
    """For how long nothing has come of the other side."""


class QualityCallWanted(Takes):
    call: CallId


class QualityGiven(Gives):
    """``side`` is who is heard, ``extension`` whose leg counted (empty: the provider's trunk), ``source`` who counted.

    ``loss`` is a share of 1, ``mos`` by ITU-T G.107 of all of it, ``now_mos`` of the last seconds, ``worst_mos`` of the
    worst that were told; ``heard`` is the word for ``mos``.
    """

    call: str
    extension: str
    side: str
    source: str
    codec: str
    at: datetime
    packets: int
    lost: int
    loss: float
    jitter_ms: float | None
    rtt_ms: float | None
    mos: float | None
    now_mos: float | None
    worst_mos: float | None
    worst_at: datetime | None
    heard: str | None
    silent_s: float
    longest_silent_s: float


class QualitiesGiven(Gives):
    items: list[QualityGiven]


class WorstAsked(Takes):
    extension: Annotated[str, Field(pattern=r"^([0-9]{2,6}|trunk)?$")] = ""
    """One agent's legs, or those of the providers' trunks (``trunk``)."""

    @property
    def leg(self) -> str | None:
        return None if not self.extension else "" if self.extension == "trunk" else self.extension


class WorstWanted(WorstAsked):
    limit: Limit = SHOWN


async def tell(ask: Ask, wanted: QualityWanted) -> None:
    """Kept with the call that this agent talks in now; without one it is nobody's."""
    now = ask.ports.clock()
    agent = next((each for each in ask.ports.live().agents if each.extension == ask.visitor.extension), None)
    if agent is None or not ask.visitor.session:
        raise not_found()
    if agent.call is None or agent.provider is None or not ask.scope.holds(agent.provider):
        return
    ways: tuple[tuple[quality_rows.Side, WayTold, float], ...] = (
        ("agent", wanted.sent, wanted.unheard_s), ("caller", wanted.received, wanted.silent_s),
    )  # fmt: skip
    told = [
        Told(
            agent.provider, agent.call, f"{agent.call}/{agent.extension}", agent.extension, side, "browser",
            wanted.codec, now, None, Way(way.packets, max(0, way.lost), way.jitter_ms, wanted.rtt_ms), silent,
        )
        for side, way, silent in ways
    ]  # fmt: skip
    provider = ask.ports.book().provider(agent.provider)
    subject = alarm_subject(agent.extension, "" if provider is None else provider.slug)
    async with ask.ports.db.scoped(ask.scope) as conn:
        await quality_rows.keep(conn, told)
        if wanted.unheard_s >= ask.ports.phone.unheard_s and agent.state == TALKING:
            detail = f"nothing for {wanted.unheard_s:.0f} s in call {agent.call}"
            await raise_alarm(conn, AGENT_NOT_HEARD, subject, at=now, detail=detail, provider=agent.provider)
        elif wanted.heard:
            await clear_alarm(conn, AGENT_NOT_HEARD, subject, at=now, by="the agent is heard")


async def api_of_call(ask: Ask, wanted: QualityCallWanted) -> QualitiesGiven:
    async with ask.ports.db.scoped(ask.scope) as conn:
        if await one_call(conn, wanted.call) is None:
            raise not_found()
        found = await quality_rows.of_call(conn, wanted.call)
    return _given(found)


async def api_worst(ask: Ask, wanted: WorstWanted) -> QualitiesGiven:
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await quality_rows.worst_since(conn, ask.ports.clock() - SHOWN_FOR, wanted.limit, wanted.leg)
    return _given(found)


async def api_now(ask: Ask, _: Nothing) -> QualitiesGiven:
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await quality_rows.told_since(conn, ask.ports.clock() - NOW_FOR)
    return _given(found)


def _given(found: Iterable[Quality]) -> QualitiesGiven:
    return QualitiesGiven(items=[QualityGiven.model_validate(each) for each in found])


@dataclass(frozen=True, slots=True)
class TalkNow:
    """One talk that goes on, with what every leg of it tells."""

    call: str
    extension: str
    sides: tuple[Quality, ...]


def talks_now(found: Iterable[Quality]) -> list[TalkNow]:
    """By call: agents' legs and the trunk's beside each other; whose agent it is says the first of them."""
    by_call = sorted(found, key=lambda each: (each.call, not each.extension, each.extension, each.side, each.source))
    talks = [(call, tuple(sides)) for call, sides in groupby(by_call, key=lambda each: each.call)]
    return sorted(
        (TalkNow(call, sides[0].extension, sides) for call, sides in talks),
        key=lambda talk: (min(each.now_mos or 5.0 for each in talk.sides), talk.extension),
    )


async def page(request: web.Request) -> web.StreamResponse:
    """The talks that go on, and those of the last day that were heard worst."""
    ports, visitor, asked = request.app[PORTS], must_lead(request), query_of(request, WorstAsked)
    now = ports.clock()
    async with ports.db.scoped(visitor.scope) as conn:
        live = await quality_rows.told_since(conn, now - NOW_FOR)
        found = await quality_rows.worst_since(conn, now - SHOWN_FOR, SHOWN, asked.leg)
    return request.app[PAGES].page(
        request, "quality.html", talks=talks_now(live), worst=found, zone=zone_of(ports.book().providers),
        agents={agent.extension: agent.name for agent in ports.book().agents}, chosen=asked.extension,
        silent_s=ports.phone.unheard_s,
    )  # fmt: skip


COLUMNS = (
    "at", "call", "leg", "side", "source", "codec", "packets", "lost", "loss", "jitter", "rtt", "mos", "worst",
    "worst_at", "silent",
)  # fmt: skip


async def file(request: web.Request) -> web.StreamResponse:
    """The same list as a table for a spreadsheet, times in the zone of whoever's it is, with their offset."""
    ports, visitor, asked = request.app[PORTS], must_lead(request), query_of(request, WorstAsked)
    words, zone = catalogue_of(request), zone_of(ports.book().providers)
    async with ports.db.scoped(visitor.scope) as conn:
        found = await quality_rows.worst_since(conn, ports.clock() - SHOWN_FOR, ROWS_OF_A_FILE, asked.leg)
    return csv_file("quality.csv", _lines(found, words, zone))


def _lines(found: Iterable[Quality], words: Catalogue, zone: ZoneInfo) -> Iterator[Iterable[object]]:
    yield [words.text(f"quality.column.{name}") for name in COLUMNS]
    for each in found:
        at, worst_at = (
            moment and moment.astimezone(zone).isoformat(timespec="seconds") for moment in (each.at, each.worst_at)
        )
        yield (
            at, each.call, each.extension, words.text(f"quality.side.{each.side}"),
            words.text(f"quality.source.{each.source}"), as_text(each.codec), each.packets, each.lost,
            round(each.loss, 4), each.jitter_ms, each.rtt_ms, each.mos, each.worst_mos, worst_at,
            each.longest_silent_s,
        )  # fmt: skip


API = (
    Route("POST", "/phone/quality", "tell_quality", "What my page's phone has counted of my talk", QualityWanted, None,
          tell, tag="phone"),
    Route("GET", "/calls/{call}/quality", "call_quality", "How well a call was heard, each leg and side",
          QualityCallWanted, QualitiesGiven, api_of_call, tag="calls"),
    Route("GET", "/quality", "worst_quality", "The talks of the last day that were heard worst", WorstWanted,
          QualitiesGiven, api_worst, role="lead", tag="calls"),
    Route("GET", "/quality/now", "quality_now", "How well the talks that go on are heard", Nothing,
          QualitiesGiven, api_now, role="lead", tag="calls"),
)  # fmt: skip
ROUTES = (web.get("/quality", page), web.get("/quality.csv", file))
