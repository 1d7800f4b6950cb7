"""How the agent's page puts a line into words: verdicts, norms and spans in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from babel.dates import format_date

from callcenter.desk.languages import Catalogue
from callcenter.desk.outage_words import OutageWords
from callcenter.diag.conclusion import Conclusion
from callcenter.diag.diagnosis import Fact
from callcenter.diag.outages import Outage
from callcenter.diag.verdict import Evidence, LineVerdict
from callcenter.floor.states import NO_ANSWER, PHONE
from callcenter.routing.book import Reason
from callcenter.words import Missing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AgentWords:
    """Sentences of the catalogue, filled with what was read."""

    fmt: Catalogue

    def say(self, verdict: LineVerdict) -> str:
        """What is wrong, in one sentence."""
        return self._filled(verdict.say, verdict)

    def advise(self, verdict: LineVerdict) -> str:
        """What the agent does next."""
        return self._filled(verdict.advise, verdict)

    def pause_reason(self, code: str, reasons: Iterable[Reason]) -> str:
        """A pause by the name of its reason; one that the house no longer has is shown by its code."""
        ours = {NO_ANSWER: "agent.no_answer", PHONE: "agent.by_phone"}.get(code)
        return self.fmt.text(ours) if ours else self.call_reason(code, reasons)

    def call_reason(self, code: str, reasons: Iterable[Reason]) -> str:
        """A reason by its name in the reader's language; a retired one by its code."""
        return next((reason.name(self.fmt.language) for reason in reasons if reason.code == code), code)

    def outage(self, outage: Outage, zone: ZoneInfo, now: datetime) -> str:
        """``Не тільки у вас: 43 з 48 ONU порту EPON0/1 без зв’язку з 14:02 (волокно).``"""
        return OutageWords(self.fmt).sentence(outage, self.when(outage.since, zone, now))

    def fact(self, fact: Fact) -> str:
        """One line of evidence."""
        return self.fmt.text(fact.key, **{"about": "", **self._numbers(fact.args)})

    def fact_then(self, fact: Fact) -> str:
        """A fact that was kept: what this version has no sentence for is said by its key."""
        return self._then(fact.key, self.fact, fact)

    def concluded_then(self, found: Conclusion) -> str:
        return self._then(found.cause, self.concluded, found)

    def do_next_then(self, found: Conclusion) -> str:
        return self._then("", self.do_next, found)

    def _then(self, otherwise: str, say: Callable[[T], str], kept: T) -> str:
        try:
            return say(kept)
        except KeyError:
            return otherwise

    def concluded(self, found: Conclusion) -> str:
        return self.fmt.text(found.say, **self._told(found))

    def do_next(self, found: Conclusion) -> str:
        return self.fmt.text(found.advise, **self._told(found))

    def _told(self, found: Conclusion) -> dict[str, object]:
        args = self._numbers(found.args)
        return {"about": "", "onu_rx": "–", "olt_rx": "–", **args, "word": args.get("word") or "–"}

    def _numbers(self, args: Mapping[str, str | int | float]) -> dict[str, object]:
        return {name: self.dbm(value) if isinstance(value, float) else value for name, value in args.items()}

    def missing(self, missing: Missing) -> str:
        """Why there is no value, and of what."""
        return self.fmt.text(missing.reason, about=missing.about)

    def dbm(self, value: float) -> str:
        return self.fmt.number(value, 1).replace("-", "−")

    def norm(self, evidence: Evidence) -> str:
        """``норма −25…−8``: where this level should be, in dBm."""
        low, high = (None if end is None else f"{end:g}".replace("-", "−") for end in evidence.norm)
        if low is not None and high is not None:
            return self.fmt.text("agent.norm_between", low=low, high=high)
        return self.fmt.text("agent.norm_from", low=low) if low is not None else ""

    def scale(self, evidence: Evidence) -> dict[str, float]:
        """Where the level and its norm lie on a scale from -34 to -2 dBm, in per cent of its length."""

        def place(dbm: float) -> float:
            return round(min(100.0, max(0.0, (dbm + 34) / 32 * 100)), 1)

        low, high = evidence.norm
        return {
            "at": place(evidence.value),
            "low": place(-34 if low is None else low),
            "high": place(-2 if high is None else high),
        }

    def speed(self, mbps: int) -> str:
        if mbps >= 1000:
            return self.fmt.text("agent.gbps", n=self.fmt.number(mbps / 1000, 0 if mbps % 1000 == 0 else 1))
        return self.fmt.text("agent.mbps", n=mbps)

    def span(self, seconds: float) -> str:
        """``8 хв``, ``2 год 11 хв``, ``3 дні``."""
        minutes = int(seconds // 60)
        if minutes >= 24 * 60:
            return self.fmt.count("time.days", minutes // (24 * 60))
        if minutes >= 60:
            return self.fmt.text("time.hours_minutes", hours=minutes // 60, minutes=minutes % 60)
        return self.fmt.text("time.minutes", minutes=minutes)

    def distance(self, metres: int) -> str:
        if metres >= 1000:
            return self.fmt.text("agent.km", n=self.fmt.number(metres / 1000, 1))
        return self.fmt.text("agent.m", n=metres)

    def day(self, day: date) -> str:
        return format_date(day, "d MMM", locale=self.fmt.locale)

    def when(self, at: datetime, zone: ZoneInfo, now: datetime) -> str:
        """As short as a narrow list needs: lately a time, before that a day."""
        lately = now - at < timedelta(hours=12)
        return self.fmt.clock(at, zone) if lately else self.day(at.astimezone(zone).date())

    def _filled(self, key: str, verdict: LineVerdict) -> str:
        args = {name: self.dbm(value) if isinstance(value, float) else value for name, value in verdict.args.items()}
        return self.fmt.text(key, **{"about": "", **args, "word": args.get("word") or "–"})
