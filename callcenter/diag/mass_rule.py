"""When many lines that are dark are one outage: the numbers, and how a provider draws its own.

The defaults are common engineering practice (equipment facts, 15.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite

from callcenter.errors import Misconfigured

LONGEST_S = 366 * 86_400.0
"""Seconds. No span of the rule can be longer: history is not kept for as long."""


@dataclass(frozen=True, slots=True)
class MassRule:
    """When many lines that are dark are one outage. Settings of a provider bear these names after ``mass_``."""

    least: int = 3
    """ONUs that must have gone dark together."""
    share: float = 0.5
    """Of those that were online before, as a fraction."""
    within_s: float = 120.0
    """Seconds that "together" means."""
    lookback_s: float = 900.0
    """Seconds before the outage within which an ONU must have been online to count among all."""
    silent_looks: int = 3
    """Failed looks in a row after which an OLT is said not to answer."""
    settle_s: float = 300.0
    """Seconds for which an outage that ended and comes back is the same one."""
    gap_s: float = 21_600.0
    """Seconds between two looks beyond which "between them" says nothing any more."""
    stale_s: float = 604_800.0
    """Seconds after which ONUs that stay dark are nobody's outage: they were taken away."""

    def __post_init__(self) -> None:
        wrong = []
        if self.least < 2:
            wrong.append("mass_least must be 2 or more: one line is never a mass outage")
        if not 0 < self.share <= 1:
            wrong.append("mass_share must be above 0 and at most 1")
        if self.silent_looks < 1:
            wrong.append("mass_silent_looks must be 1 or more")
        wrong += [
            f"mass_{name} must be seconds, none negative and at most {LONGEST_S:.0f}"
            for name in ("within_s", "lookback_s", "settle_s", "gap_s", "stale_s")
            if not 0 <= getattr(self, name) <= LONGEST_S
        ]
        if wrong:
            raise Misconfigured("; ".join(wrong))

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> MassRule:
        """The ``mass_*`` among a provider's settings over the defaults; others' are left alone.

        Raises ``Misconfigured`` naming every mistake.
        """
        whole = {"least", "silent_looks"}
        known = {f"mass_{each.name}": each.name for each in fields(cls)}
        given: dict[str, float] = {}
        wrong: list[str] = []
        for setting in sorted(name for name in settings if name.startswith("mass_")):
            name, value = known.get(setting), settings[setting]
            if name is None:
                wrong.append(f"{setting} is no setting of mass outages")
            elif not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
                wrong.append(f"{setting} must be a number, not {value!r}")
            elif name in whole and value != int(value):
                wrong.append(f"{setting} must be a whole number, not {value!r}")
            else:
                given[name] = int(value) if name in whole else float(value)
        if wrong:
            raise Misconfigured("; ".join(wrong))
        return cls(**given)  # type: ignore[arg-type]  # whole numbers were made whole above

    def as_settings(self) -> dict[str, float]:
        """Every number by its setting's name, in the order they are declared."""
        return {f"mass_{name}": value for name, value in asdict(self).items()}
