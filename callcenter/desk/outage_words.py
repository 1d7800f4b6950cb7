"""How a mass outage is put into words: what is dark, since when, and why, no surer than it is known."""

from __future__ import annotations

from dataclasses import dataclass

from callcenter.desk.languages import Catalogue
from callcenter.diag.outage_rows import Outage
from callcenter.diag.reading import DownReason


@dataclass(frozen=True, slots=True)
class OutageWords:
    """Sentences of the catalogue about one outage."""

    fmt: Catalogue

    def sentence(self, outage: Outage, since: str) -> str:
        """``Не тільки у вас: 43 з 48 ONU порту EPON0/1 без зв’язку з 14:02 (волокно).``

        Every line of a port without light is told as what it looks like, the trunk; of an OLT that does not answer
        only that is known. Who said why differently is counted.
        """
        place = self.place(outage)
        if outage.silent and not outage.total:
            return self.fmt.text("line.outage.silent", device=outage.device_name, since=since)
        if outage.silent:
            return self.fmt.count("line.outage.silent_lines", outage.total, device=outage.device_name, since=since)
        if outage.mass.trunk:
            return self.fmt.count("line.outage.trunk", outage.dark, place=place, since=since)
        why = self.reasons(outage)
        if outage.mass.mixed:
            why = self.fmt.text("line.outage.mixed", reasons=why)
        if outage.mass.whole:
            return self.fmt.count(
                f"line.outage.whole_{outage.scope}", outage.dark, place=place, since=since, reason=why
            )
        told = {"dark": outage.dark, "total": outage.total, "place": place, "since": since, "reason": why}
        return self.fmt.text(f"line.outage.{outage.scope}", **told)

    def place(self, outage: Outage) -> str:
        """The port's or the district's name; the OLT's own where it is the OLT."""
        return outage.device_name if outage.scope == "olt" else outage.place

    def reasons(self, outage: Outage) -> str:
        """``волокно``; where some say otherwise, each with its number: ``живлення – 30, волокно – 13``."""
        if not outage.mass.mixed:
            return self.reason(outage.reason)
        each = (self.fmt.text("line.outage.of", reason=self.reason(why), n=many) for why, many in outage.reasons)
        return ", ".join(each)

    def reason(self, reason: DownReason) -> str:
        return self.fmt.text(f"line.reason.{reason}")

    def cause(self, outage: Outage) -> str:
        """Why, in a column of a list."""
        if outage.silent:
            return self.fmt.text("line.cause.silent")
        return self.fmt.text("line.cause.trunk") if outage.mass.trunk else self.reasons(outage)
