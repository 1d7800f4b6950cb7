"""The full diagnosis of one subscriber's line: step by step, each with its evidence, while the agent talks on.

A device that fails costs its step and says why; the others go on. What was found is concluded by ``conclusion`` and
kept as it was then, with the call it was made in. Answers of the subscriber may come at any time, also afterwards: they
are concluded from anew, and added to what was said before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.exc import DBAPIError

from callcenter.diag import diagnosis_rows
from callcenter.diag.conclusion import Evidence, Lamp, conclude
from callcenter.diag.examination import AsksCli, Examination, KnowsOutages, Pings, ReadsLines, ReadsPorts
from callcenter.diag.examined import (
    Answer,
    Concluded,
    Examined,
    Fact,
    LineAbout,
    Step,
    StepName,
    StepState,
    lamp_facts,
    steps_of,
)
from callcenter.diag.inquiry import Inquiry
from callcenter.diag.verdict import Thresholds
from callcenter.errors import RuleBroken, Unavailable
from callcenter.store import Database, Scope
from callcenter.words import Clock, ProviderId, UniqueId

__all__ = ["Answer", "Diagnoses", "Examined", "Fact", "LineAbout", "Step", "StepName", "StepState"]

log = logging.getLogger(__name__)

AT_ONCE = 20
"""Diagnoses under way at the same time; the next wait their turn, so that a storm of them disturbs no card."""
MOST_WAITING = 300
"""More do not wait for their turn: they are refused."""
LONGEST = 120.0
"""Seconds after which a diagnosis is concluded from what it has, whatever is still awaited."""
KEPT = 500
"""Diagnoses that are kept in memory; older ones are in the database."""


class Diagnoses:
    """Every diagnosis that is under way or was lately; one for the service."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        *,
        lines: ReadsLines,
        outages: KnowsOutages,
        pings: Pings,
        cli: AsksCli | None = None,
        ports: ReadsPorts | None = None,
        norms_of: Callable[[ProviderId], Thresholds] = lambda provider: Thresholds(),
        on_change: Callable[[Examined], None] = lambda examined: None,
        at_once: int = AT_ONCE,
        longest: float = LONGEST,
    ) -> None:
        self._database, self._clock, self._tasks = database, clock, tasks
        self._examination = Examination(
            database, clock, lines=lines, outages=outages, pings=pings, cli=cli, ports=ports, norms_of=norms_of
        )
        self._norms_of = norms_of
        self._on_change = on_change
        self._longest = longest
        self._turns = asyncio.Semaphore(at_once)
        self._waiting: list[int] = []
        self._inquiries: dict[int, Inquiry] = {}
        self._of_call: dict[UniqueId, int] = {}
        self._unkept: dict[int, Inquiry] = {}
        self._begun = 0

    # --- what is asked of it ---

    def one(self, number: int) -> Examined | None:
        inquiry = self._inquiries.get(number)
        return None if inquiry is None else inquiry.examined

    def of_call(self, call: UniqueId) -> Examined | None:
        """The newest one that was made in this call, while it is in memory."""
        return self.one(self._of_call.get(call, 0))

    def of_row(self, row: int) -> Examined | None:
        """The one that is kept there, while it is in memory: it may be further than its row."""
        return next((each.examined for each in self._inquiries.values() if each.examined.row == row), None)

    async def start(self, about: LineAbout, who: str, call: UniqueId | None = None) -> Examined:
        """Begins; ``on_change`` tells what is learned. One under way for the same line and call goes on instead.

        Raises ``RuleBroken`` where so many wait that nobody would see this one end.
        """
        for running in self._inquiries.values():
            now = running.examined
            if now.ended_at is None and now.call == call and now.about == about:
                return now
        if len(self._waiting) >= MOST_WAITING:
            raise RuleBroken(f"{MOST_WAITING} diagnoses wait for their turn already", "diag.too_many", n=MOST_WAITING)
        self._begun += 1
        evidence = Evidence(mac=about.mac, vlan=about.vlan)
        examined = Examined(self._begun, about, call, who, self._clock(), steps_of(about), evidence=evidence)
        self._inquiries[examined.id] = Inquiry(examined, self._on_change)
        if call is not None:
            self._of_call[call] = examined.id
        self._forget_old()
        self._tasks.create_task(self._run(self._inquiries[examined.id]), name=f"diagnosis {examined.id}")
        return examined

    async def booked(self, number: int) -> int:
        """The row that keeps it, from its beginning on. Raises ``Unavailable`` without a database."""
        return await self._booked(self._inquiries[number])

    async def answer(self, number: int, lamp: Lamp, lit: bool | None, who: str = "") -> Examined | None:
        """What the subscriber sees on their ONU (``None``: cannot tell); concluded anew when the rest is known."""
        inquiry = self._inquiries.get(number)
        if inquiry is None:
            return None
        given = Answer(self._clock(), lamp, lit, who)
        examined = replace(inquiry.examined, answers=(*inquiry.examined.answers, given))
        examined = replace(examined, evidence=replace(examined.evidence, lamps=examined.lamps))
        state = StepState.DONE if examined.lamps else StepState.WAITING
        examined = examined.with_step(Step(StepName.LAMPS, state, lamp_facts(examined.lamps)))
        if examined.ended_at is None:
            inquiry.change(examined)
            return inquiry.examined
        inquiry.change(self._concluded(examined))
        await self._save(inquiry)
        return inquiry.examined

    # --- one diagnosis ---

    async def _run(self, inquiry: Inquiry) -> None:
        await self._turn(inquiry)
        try:
            async with asyncio.timeout(self._longest):
                await self._examination.examine(inquiry)
        except* TimeoutError:
            log.warning("diagnosis %d took too long: it is concluded from what is known", inquiry.examined.id)
        except* Exception:  # a mistake of ours costs this diagnosis, not the service
            log.exception("diagnosis %d failed", inquiry.examined.id)
        finally:
            self._turns.release()
        examined = inquiry.examined
        for step in examined.steps:
            if step.state is StepState.RUNNING:
                examined = examined.with_step(step.failed(Fact("diag.fact.no_time")))
            elif step.state is StepState.WAITING and step.name is not StepName.LAMPS:
                examined = examined.with_step(replace(step, state=StepState.SKIPPED))
        inquiry.change(self._concluded(replace(examined, ended_at=self._clock())))
        await self._save(inquiry)

    def _concluded(self, examined: Examined) -> Examined:
        """Concluded from all that is known by now; another entry only where it differs from the last."""
        found = conclude(examined.evidence, self._norms_of(examined.about.provider).of_line(examined.about.onu))
        if not examined.concluded or examined.concluded[-1].conclusion != found:
            examined = replace(examined, concluded=(*examined.concluded, Concluded(self._clock(), found)))
        return replace(examined, conclusion=found)

    async def _turn(self, inquiry: Inquiry) -> None:
        """Waits for its turn, and shows how many are ahead."""
        if self._turns.locked():
            self._waiting.append(inquiry.examined.id)
            inquiry.change(replace(inquiry.examined, ahead=len(self._waiting)))
        try:
            await self._turns.acquire()
        finally:
            if inquiry.examined.id in self._waiting:
                self._waiting.remove(inquiry.examined.id)
        if inquiry.examined.ahead:
            inquiry.change(replace(inquiry.examined, ahead=0))
        for place, number in enumerate(self._waiting, 1):
            waits = self._inquiries[number]
            waits.examined = replace(waits.examined, ahead=place)
            if place <= 3 or place % 10 == 0:  # far behind, not every step of the queue is worth a frame
                waits.change(waits.examined)

    def _forget_old(self) -> None:
        if len(self._inquiries) <= KEPT:
            return
        over = [number for number, each in self._inquiries.items() if each.examined.ended_at is not None]
        for old in over[: KEPT // 10]:
            call = self._inquiries.pop(old).examined.call
            if call is not None and self._of_call.get(call) == old:
                del self._of_call[call]

    # --- keeping ---

    async def _save(self, inquiry: Inquiry) -> None:
        """Keeps it as it stands, at its end and after each later answer; with it what could not be kept before."""
        self._unkept[inquiry.examined.id] = inquiry
        for number, each in list(self._unkept.items()):
            try:
                await self._booked(each)
                scope = Scope.only([each.about.provider])
                async with each.saving, self._database.scoped(scope) as connection:
                    await diagnosis_rows.save(connection, each.examined)
            except Unavailable as exc:
                log.warning("%d diagnoses are not kept for now: %s", len(self._unkept), exc)
                if len(self._unkept) > KEPT:
                    self._unkept.pop(next(iter(self._unkept)))
                return
            except DBAPIError:  # this one cannot be kept, now or later: a provider or a subscriber that is gone
                log.exception("diagnosis %d is not kept", number)
            self._unkept.pop(number, None)

    async def _booked(self, inquiry: Inquiry) -> int:
        async with inquiry.saving:
            if inquiry.examined.row is not None:
                return inquiry.examined.row
            async with self._database.scoped(Scope.only([inquiry.about.provider])) as connection:
                row = await diagnosis_rows.begin(connection, inquiry.examined)
            inquiry.examined = replace(inquiry.examined, row=row)
            return row
