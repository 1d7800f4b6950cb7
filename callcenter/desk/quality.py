"""How well talks are heard: told by pages' phones, kept with the call, a list of the worst for who supervises."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from aiohttp import web
from pydantic import Field

from callcenter.calls import quality_rows
from callcenter.calls.quality import UNHEARD_S, Way
from callcenter.calls.quality_rows import Quality
from callcenter.desk.api import Ask, CallId, Gives, Limit, Route, Takes, not_found
from callcenter.desk.call_rows import one_call
from callcenter.desk.guard import must_lead
from callcenter.desk.pages import PAGES, PORTS, zone_of
from callcenter.store.alarms import clear_alarm, raise_alarm

UNHEARD = "agent_not_heard"
"""The alarm of an agent of whom nothing is heard in a talk."""
TALKING = "talking"
SHOWN, SHOWN_FOR = 100, timedelta(hours=24)

Count = Annotated[int, Field(ge=0, le=2**40)]
Millis = Annotated[float, Field(ge=0, le=600_000)] | None


class WayTold(Takes):
    packets: Count
    lost: Annotated[int, Field(ge=-(2**31), le=2**40)]
    """A receiver may count a packet twice: below nothing is nothing."""
    jitter_ms: Millis = None


class QualityWanted(Takes):
    """What a page's phone counts of its own talk, since the answer."""

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
    """``side`` is who is heard; ``loss`` a share of 1, ``mos`` by ITU-T G.107, ``heard`` its word."""

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
    heard: str | None
    silent_s: float


class QualitiesGiven(Gives):
    items: list[QualityGiven]


class WorstWanted(Takes):
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
    async with ask.ports.db.scoped(ask.scope) as conn:
        for side, told, silent in ways:
            way = Way(told.packets, max(0, told.lost), told.jitter_ms, wanted.rtt_ms)
            await quality_rows.keep(
                conn,
                agent.provider,
                agent.call,
                agent.extension,
                side,
                way,
                codec=wanted.codec,
                silent_s=silent,
                at=now,
            )
        if wanted.unheard_s >= UNHEARD_S and agent.state == TALKING:
            detail = f"nothing for {wanted.unheard_s:.0f} s in call {agent.call}"
            await raise_alarm(conn, UNHEARD, agent.extension, at=now, detail=detail, provider=agent.provider)
        elif wanted.heard:
            await clear_alarm(conn, UNHEARD, agent.extension, at=now, by="the agent is heard")


async def api_of_call(ask: Ask, wanted: QualityCallWanted) -> QualitiesGiven:
    async with ask.ports.db.scoped(ask.scope) as conn:
        if await one_call(conn, wanted.call) is None:
            raise not_found()
        found = await quality_rows.of_call(conn, wanted.call)
    return QualitiesGiven(items=[_given(each) for each in found])


async def api_worst(ask: Ask, wanted: WorstWanted) -> QualitiesGiven:
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await quality_rows.worst_since(conn, ask.ports.clock() - SHOWN_FOR, wanted.limit)
    return QualitiesGiven(items=[_given(each) for each in found])


def _given(each: Quality) -> QualityGiven:
    return QualityGiven.model_validate(each)


async def page(request: web.Request) -> web.StreamResponse:
    """The talks of the last day that were heard worst."""
    ports, visitor = request.app[PORTS], must_lead(request)
    async with ports.db.scoped(visitor.scope) as conn:
        found = await quality_rows.worst_since(conn, ports.clock() - SHOWN_FOR, SHOWN)
    return request.app[PAGES].page(
        request, "quality.html", worst=found, zone=zone_of(ports.book().providers),
        agents={agent.extension: agent.name for agent in ports.book().agents},
    )  # fmt: skip


API = (
    Route("POST", "/phone/quality", "tell_quality", "What my page's phone counts of my talk", QualityWanted, None, tell,
          tag="phone"),
    Route("GET", "/calls/{call}/quality", "call_quality", "How well a call was heard, each side", QualityCallWanted,
          QualitiesGiven, api_of_call, tag="calls"),
    Route("GET", "/quality", "worst_quality", "The talks of the last day that were heard worst", WorstWanted,
          QualitiesGiven, api_worst, role="lead", tag="calls"),
)  # fmt: skip
ROUTES = (web.get("/quality", page),)
