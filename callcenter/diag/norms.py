"""Everything a provider may set of its lines, checked and shown as one: the levels' norms and the mass rule."""

from __future__ import annotations

from collections.abc import Mapping

from callcenter.diag.mass_rule import MassRule
from callcenter.diag.verdict import Thresholds
from callcenter.errors import Misconfigured


def norms_in_force(settings: Mapping[str, object]) -> dict[str, float]:
    """Every norm by its name, the provider's own over the house's; raises ``Misconfigured`` naming every mistake."""
    norms: dict[str, float] = {}
    wrong: list[str] = []
    for kind in (Thresholds, MassRule):
        try:
            norms |= kind.from_settings(settings).as_settings()
        except Misconfigured as mistake:
            wrong.append(str(mistake))
    if wrong:
        raise Misconfigured("; ".join(wrong))
    return norms
