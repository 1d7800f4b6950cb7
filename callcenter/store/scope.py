"""Whose rows a transaction may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from callcenter.words import ProviderId


@dataclass(frozen=True, slots=True)
class Scope:
    """The providers whose rows a transaction sees and writes; PostgreSQL's row-level security enforces it."""

    providers: frozenset[ProviderId] | None
    """``None`` is every provider: the ledger's own work and a supervisor of the call centre."""

    @classmethod
    def all(cls) -> Scope:
        return cls(None)

    @classmethod
    def only(cls, providers: Iterable[ProviderId]) -> Scope:
        return cls(frozenset(providers))

    def holds(self, provider: ProviderId) -> bool:
        return self.providers is None or provider in self.providers

    @property
    def setting(self) -> str:
        """The value of ``callcenter.scope`` for this transaction."""
        return "all" if self.providers is None else ",".join(str(p) for p in sorted(self.providers))
