"""One diagnosis while it is made: asks, times, and writes down what each step learned."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from callcenter.diag.conclusion import DEFINITE, Evidence, conclude
from callcenter.diag.examined import Examined, Fact, LineAbout, Step, StepName, StepState, missing_fact
from callcenter.diag.snmp_target import Busy, Nonsense
from callcenter.diag.verdict import Thresholds
from callcenter.errors import CallCenterError, Misconfigured, Refused, RuleBroken, Unavailable
from callcenter.words import Missing

log = logging.getLogger(__name__)

T = TypeVar("T")


class Inquiry:
    """One diagnosis under way. ``changed`` is told of each thing that is learned."""

    def __init__(self, examined: Examined, changed: Callable[[Examined], None]) -> None:
        self.examined = examined
        self._changed = changed
        self.saving = asyncio.Lock()
        """Held while it is written, so that it is one row and its newest state."""

    @property
    def about(self) -> LineAbout:
        return self.examined.about

    @property
    def evidence(self) -> Evidence:
        return self.examined.evidence

    async def ask(self, name: StepName, question: Awaitable[T | Missing]) -> T | Missing:
        """The answer, or why there is none, which the step then says. Never raises for a device or for our mistake."""
        began = asyncio.get_running_loop().time()
        step = self.examined.step(name)
        if step.state is StepState.WAITING:
            self._put(replace(step, state=StepState.RUNNING))
        device = self.about.device.name
        try:
            found = await question
        except CallCenterError as exc:
            log.info("diagnosis %d: %s: %s", self.examined.id, name, exc)
            found = _why(exc, device)
        except Exception:  # a driver's mistake, or ours, costs this step
            log.exception("diagnosis %d: %s failed", self.examined.id, name)
            found = Missing("line.missing.failed", device)
        step = self.examined.step(name)
        took = (step.took_ms or 0) + int((asyncio.get_running_loop().time() - began) * 1000)
        step = replace(step, took_ms=took)
        self._put(step.failed(missing_fact(found)) if isinstance(found, Missing) else step)
        return found

    def tell(self, name: StepName, *facts: Fact) -> None:
        """Evidence of a step."""
        self._put(self.examined.step(name).told(*facts))

    def fail(self, name: StepName, why: Fact) -> None:
        """A part of a step has no answer."""
        self._put(self.examined.step(name).failed(why))

    def learn(self, **known: object) -> None:
        """Fields of ``Evidence`` that are known now."""
        self.examined = replace(self.examined, evidence=replace(self.evidence, **known))  # type: ignore[arg-type]

    def conclude_early(self, norms: Thresholds) -> None:
        """Once the mass check is over: what is wrong, where nothing that is still asked can change it."""
        found = conclude(self.evidence, norms)
        if found.cause in DEFINITE and found != self.examined.conclusion:
            self.change(replace(self.examined, conclusion=found))

    def change(self, examined: Examined) -> None:
        self.examined = examined
        self._changed(examined)

    def _put(self, step: Step) -> None:
        self.change(self.examined.with_step(step))


def _why(exc: CallCenterError, device: str) -> Missing:
    match exc:
        case Busy():
            return Missing("line.missing.busy", device)
        case Nonsense():
            return Missing("line.missing.nonsense", device)
        case Refused() | RuleBroken():
            return Missing("diag.missing.refused", f"{device}: {exc.why if isinstance(exc, Refused) else exc}"[:200])
        case Misconfigured():
            return Missing("line.missing.no-cli", device)
        case Unavailable():
            return Missing("diag.missing.no-answer", device)
    return Missing("line.missing.failed", device)
