"""Diagnoses as they were: begun, ended, answered to later, and the ones of a call or a subscriber."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.diag import tables
from callcenter.diag.conclusion import Conclusion, Confidence, Lamp
from callcenter.diag.examined import Answer, Concluded, Examined, Fact, Step, StepName, StepState
from callcenter.diag.verdict import Cause, Level
from callcenter.words import ProviderId, SubscriberId, UniqueId


@dataclass(frozen=True, slots=True)
class KeptDiagnosis:
    """A diagnosis as it was then. What this version does not understand of another's is left out."""

    id: int
    provider: ProviderId
    call: UniqueId | None
    subscriber: SubscriberId | None
    line: str
    """The ONU or the port that was looked at."""
    who: str
    started_at: datetime
    ended_at: datetime | None
    """``None`` for one that the service was stopped in."""
    steps: tuple[Step, ...]
    answers: tuple[Answer, ...]
    concluded: tuple[Concluded, ...]
    """Oldest first: what was concluded at its end, then after each later answer."""

    @property
    def conclusion(self) -> Conclusion | None:
        return self.concluded[-1].conclusion if self.concluded else None


def kept_of(examined: Examined, row: int) -> KeptDiagnosis:
    """The same of one that is under way: what is concluded early counts as concluded just now."""
    about, concluded = examined.about, examined.concluded
    if not concluded and examined.conclusion is not None:
        concluded = (Concluded(examined.started_at, examined.conclusion),)
    return KeptDiagnosis(
        row, about.provider, examined.call, about.subscriber, about.onu or about.port or "", examined.who,
        examined.started_at, examined.ended_at, examined.steps, examined.answers, concluded,
    )  # fmt: skip


async def begin(connection: AsyncConnection, examined: Examined) -> int:
    about = examined.about
    row = insert(tables.diagnosis).values(
        provider_id=about.provider, call_id=examined.call, subscriber_id=about.subscriber, device_id=about.device.id,
        line=about.onu or about.port or "", started_at=examined.started_at, who=examined.who, steps=[], answers={},
    )  # fmt: skip
    return int((await connection.execute(row.returning(tables.diagnosis.c.id))).scalar_one())


async def save(connection: AsyncConnection, examined: Examined) -> None:
    """What it found and what was concluded, with every conclusion before the last."""
    verdicts = [{"at": each.at.isoformat(), **_verdict_json(each.conclusion)} for each in examined.concluded]
    values = {
        "ended_at": examined.ended_at,
        "steps": [_step_json(step) for step in examined.steps],
        "answers": {"given": [_answer_json(each) for each in examined.answers]},
        "verdict": {**verdicts[-1], "before": verdicts[:-1]} if verdicts else None,
    }
    await connection.execute(update(tables.diagnosis).where(tables.diagnosis.c.id == examined.row).values(**values))


async def of_call(connection: AsyncConnection, call: UniqueId) -> list[KeptDiagnosis]:
    """Every diagnosis made in this call, oldest first, in the transaction's scope."""
    c = tables.diagnosis.c
    rows = await connection.execute(select(*c).where(c.call_id == call).order_by(c.started_at, c.id))
    return [_kept(row) for row in rows]


async def one(connection: AsyncConnection, number: int) -> KeptDiagnosis | None:
    """In the transaction's scope."""
    found = await connection.execute(select(*tables.diagnosis.c).where(tables.diagnosis.c.id == number))
    row = found.one_or_none()
    return None if row is None else _kept(row)


async def of_subscriber(
    connection: AsyncConnection, subscriber: SubscriberId, since: datetime, most: int = 20
) -> list[KeptDiagnosis]:
    """The newest diagnoses of this subscriber's line, newest first."""
    c = tables.diagnosis.c
    wanted = select(*c).where(c.subscriber_id == subscriber, c.started_at >= since)
    rows = await connection.execute(wanted.order_by(c.started_at.desc(), c.id.desc()).limit(most))
    return [_kept(row) for row in rows]


def _verdict_json(found: Conclusion) -> dict[str, Any]:
    return {
        "cause": found.cause, "level": found.level, "confidence": found.confidence, "args": _plain(found.args),
        "stands_on": list(found.stands_on), "visit": found.visit,
    }  # fmt: skip


def _plain(args: Mapping[str, str | int | float]) -> dict[str, Any]:
    """What devices said, without what no JSON of PostgreSQL holds: NUL, half a surrogate pair, not a number."""
    plain: dict[str, Any] = {}
    for name, value in args.items():
        if isinstance(value, str):
            plain[name] = value.replace("\x00", "").encode("utf-8", "replace").decode()
        else:
            plain[name] = value if math.isfinite(value) else "–"
    return plain


def _step_json(step: Step) -> dict[str, Any]:
    facts = [{"key": fact.key, "args": _plain(fact.args)} for fact in step.facts]
    return {"name": step.name, "state": step.state, "took_ms": step.took_ms, "facts": facts}


def _answer_json(answer: Answer) -> dict[str, Any]:
    return {"at": answer.at.isoformat(), "lamp": answer.lamp, "lit": answer.lit, "who": answer.who}


def _kept(row: Row[Any]) -> KeptDiagnosis:
    verdict, since = row.verdict or {}, (row.ended_at or row.started_at).isoformat()
    told = [{"at": since, **each} for each in [*verdict.get("before", ()), *([verdict] if verdict else [])]]
    return KeptDiagnosis(
        id=row.id,
        provider=ProviderId(row.provider_id),
        subscriber=None if row.subscriber_id is None else SubscriberId(row.subscriber_id),
        call=None if row.call_id is None else UniqueId(row.call_id),
        line=row.line,
        who=row.who,
        started_at=row.started_at,
        ended_at=row.ended_at,
        steps=tuple(step for each in row.steps if (step := _step(each)) is not None),
        answers=tuple(answer for each in row.answers.get("given", ()) if (answer := _answer(each)) is not None),
        concluded=tuple(found for each in told if (found := _concluded(each)) is not None),
    )


def _step(kept: Mapping[str, Any]) -> Step | None:
    if kept["name"] not in set(StepName) or kept["state"] not in set(StepState):
        return None
    facts = tuple(Fact(fact["key"], fact["args"]) for fact in kept["facts"])
    return Step(StepName(kept["name"]), StepState(kept["state"]), facts, kept["took_ms"])


def _answer(kept: Mapping[str, Any]) -> Answer | None:
    if kept["lamp"] not in set(Lamp):
        return None
    return Answer(datetime.fromisoformat(kept["at"]), Lamp(kept["lamp"]), kept["lit"], kept["who"])


def _concluded(kept: Mapping[str, Any]) -> Concluded | None:
    if kept["cause"] not in set(Cause):
        return None
    found = Conclusion(
        Cause(kept["cause"]), Level(kept["level"]), Confidence(kept["confidence"]), kept["args"],
        tuple(kept["stands_on"]), kept["visit"],
    )  # fmt: skip
    return Concluded(datetime.fromisoformat(kept["at"]), found)
