"""Full diagnoses in the web: those of a call as they were then, one ordered for a subscriber and read while it runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.desk.agent_words import AgentWords
from callcenter.desk.api import Ask, CallId, Gives, Id, Limit, Moment, Route, Takes, not_found
from callcenter.desk.call_rows import one_call
from callcenter.desk.guard import Explained
from callcenter.desk.pages import catalogue_of
from callcenter.diag import diagnosis_rows
from callcenter.diag.conclusion import Confidence, Lamp
from callcenter.diag.diagnosis_rows import KeptDiagnosis, kept_of
from callcenter.diag.examined import Concluded, StepName, StepState
from callcenter.diag.verdict import Cause, Level
from callcenter.errors import Unavailable
from callcenter.subscribers.directory import Subscriber, one_subscriber
from callcenter.words import Missing, SubscriberId, UniqueId

BROKEN_OFF = timedelta(minutes=15)
"""After so long one that did not end and is not under way here will not: the service was stopped in it."""
LOOKED_BACK = timedelta(days=90)

Standing: TypeAlias = Literal["running", "ended", "broken_off"]


class CallWanted(Takes):
    call: CallId


class SubscriberWanted(Takes):
    subscriber: Id


class OfSubscriber(SubscriberWanted):
    since: Moment | None = None
    """Without it: of the last 90 days."""
    limit: Limit = 20


class DiagnosisWanted(Takes):
    diagnosis: Id


class FactGiven(Gives):
    key: str
    said: str
    """In the reader's language; a fact that another version wrote is said by its key."""
    args: dict[str, str | int | float]


class StepGiven(Gives):
    name: StepName
    state: StepState
    took_ms: int | None
    facts: list[FactGiven]


class ConclusionGiven(Gives):
    """``args`` are what the sentences are filled with; levels are dBm."""

    at: datetime
    cause: Cause
    level: Level
    confidence: Confidence
    visit: bool
    stands_on: list[str]
    """The steps that it stands on."""
    args: dict[str, str | int | float]
    say: str
    advise: str


class AnswerGiven(Gives):
    """What the subscriber said of a lamp; ``lit`` is null for "I cannot tell"."""

    at: datetime
    lamp: Lamp
    lit: bool | None
    who: str


class DiagnosisGiven(Gives):
    id: Id
    provider: Id
    call: str | None
    subscriber: Id | None
    line: str
    """The ONU or the switch port that was looked at."""
    who: str
    started_at: datetime
    ended_at: datetime | None
    state: Standing
    ahead: Annotated[int, Field(ge=0)]
    """Diagnoses that have their turn before it."""
    conclusion: ConclusionGiven | None
    """What it came to; while it runs, only what nothing that is still asked can change."""
    before: list[ConclusionGiven]
    """What was concluded before the subscriber's later answers."""
    steps: list[StepGiven]
    answers: list[AnswerGiven]


class DiagnosesGiven(Gives):
    items: list[DiagnosisGiven]


async def api_of_call(ask: Ask, wanted: CallWanted) -> DiagnosesGiven:
    """Oldest first."""
    async with ask.ports.db.scoped(ask.scope) as conn:
        if await one_call(conn, wanted.call) is None:
            raise not_found()
        found = await diagnosis_rows.of_call(conn, UniqueId(wanted.call))
    return DiagnosesGiven(items=[_given(ask, one) for one in found])


async def api_of_subscriber(ask: Ask, wanted: OfSubscriber) -> DiagnosesGiven:
    """Newest first."""
    async with ask.ports.db.scoped(ask.scope) as conn:
        subscriber = await _subscriber(conn, wanted)
        since = wanted.since or ask.ports.clock() - LOOKED_BACK
        found = await diagnosis_rows.of_subscriber(conn, subscriber.id, since, wanted.limit)
    return DiagnosesGiven(items=[_given(ask, one) for one in found])


async def api_one(ask: Ask, wanted: DiagnosisWanted) -> DiagnosisGiven:
    """As it stands now, while it is under way."""
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await diagnosis_rows.one(conn, wanted.diagnosis)
    if found is None:
        raise not_found()
    return _given(ask, found)


async def api_order(ask: Ask, wanted: SubscriberWanted) -> DiagnosisGiven:
    """One that is under way for this line already goes on instead; its steps are read by its id."""
    ports = ask.ports
    async with ports.db.scoped(ask.scope) as conn:
        subscriber = await _subscriber(conn, wanted)
    if ports.diagnoses is None or ports.diagnose is None:
        raise Unavailable("lines", "nobody reads them here")
    begun = await ports.diagnose(subscriber, None, ask.visitor.who)
    if isinstance(begun, Missing):
        raise Explained(409, catalogue_of(ask.request).text(begun.reason, about=begun.about))
    row = await ports.diagnoses.booked(begun.id)
    return _given(ask, kept_of(ports.diagnoses.one(begun.id) or begun, row))


async def _subscriber(connection: AsyncConnection, wanted: SubscriberWanted) -> Subscriber:
    found = await one_subscriber(connection, SubscriberId(wanted.subscriber))
    if found is None:
        raise not_found()
    return found


def _given(ask: Ask, kept: KeptDiagnosis) -> DiagnosisGiven:
    words = AgentWords(catalogue_of(ask.request))
    now = ask.ports.diagnoses.of_row(kept.id) if ask.ports.diagnoses is not None else None
    if now is not None and now.about.provider == kept.provider:
        kept = kept_of(now, kept.id)
    concluded = [_concluded(words, each) for each in kept.concluded]
    return DiagnosisGiven(
        id=kept.id, provider=kept.provider, call=kept.call, subscriber=kept.subscriber, line=kept.line, who=kept.who,
        started_at=kept.started_at, ended_at=kept.ended_at,
        state=standing(kept, now is not None, ask.ports.clock()), ahead=0 if now is None else now.ahead,
        conclusion=concluded[-1] if concluded else None, before=concluded[:-1],
        steps=[
            StepGiven(
                name=step.name, state=step.state, took_ms=step.took_ms,
                facts=[FactGiven(key=one.key, said=words.fact_then(one), args=dict(one.args)) for one in step.facts],
            )
            for step in kept.steps
        ],
        answers=[AnswerGiven.model_validate(answer) for answer in kept.answers],
    )  # fmt: skip


def standing(kept: KeptDiagnosis, under_way: bool, now: datetime) -> Standing:
    """One that never ended and is under way nowhere was broken off."""
    if kept.ended_at is not None:
        return "ended"
    return "running" if under_way or now - kept.started_at < BROKEN_OFF else "broken_off"


def _concluded(words: AgentWords, each: Concluded) -> ConclusionGiven:
    found = each.conclusion
    return ConclusionGiven(
        at=each.at, cause=found.cause, level=found.level, confidence=found.confidence, visit=found.visit,
        stands_on=list(found.stands_on), args=dict(found.args), say=words.concluded_then(found),
        advise=words.do_next_then(found),
    )  # fmt: skip


API = (
    Route("GET", "/calls/{call}/diagnoses", "list_call_diagnoses", "The diagnoses made in a call, as they were then",
          CallWanted, DiagnosesGiven, api_of_call, tag="lines"),
    Route("GET", "/subscribers/{subscriber}/diagnoses", "list_subscriber_diagnoses",
          "The newest diagnoses of a subscriber's line", OfSubscriber, DiagnosesGiven, api_of_subscriber, tag="lines"),
    Route("POST", "/subscribers/{subscriber}/diagnoses", "order_diagnosis",
          "Begin a full diagnosis of a subscriber's line", SubscriberWanted, DiagnosisGiven, api_order, tag="lines"),
    Route("GET", "/diagnoses/{diagnosis}", "get_diagnosis", "One diagnosis, while it runs and afterwards",
          DiagnosisWanted, DiagnosisGiven, api_one, tag="lines"),
)  # fmt: skip
