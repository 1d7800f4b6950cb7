"""Which Asterisk we write for, and what it can do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from callcenter.errors import Misconfigured

_VERSION = re.compile(r"(?:certified[-/])?(\d+)\.(\d+)(?:[.-].*)?", re.ASCII)
OLDEST = 18


@dataclass(frozen=True, slots=True, order=True)
class PbxVersion:
    """An Asterisk release as far as its configuration differs: ``22.10.1`` is (22, 10)."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> PbxVersion:
        """Reads ``22.10.1`` or ``20.21.0-rc1``; raises ``Misconfigured`` for a version we do not write for."""
        found = _VERSION.fullmatch(text.strip())
        if found is None:
            raise Misconfigured(f"asterisk.version: {text!r} is not a version such as 22.10.1")
        version = cls(int(found[1]), int(found[2]))
        if version.major < OLDEST:
            raise Misconfigured(
                f"asterisk.version: Asterisk {text} is older than {OLDEST}, which is the oldest supported"
            )
        return version

    @property
    def records_stereo(self) -> bool:
        """Whether MixMonitor's option ``D`` (one interleaved file) can be trusted; before, two files.

        Until 20.21, 22.11 and 23.5 it kept the first sixth of every frame of a call in which somebody speaks Opus, half
        of one in G.722 (asterisk/asterisk#1779).
        """
        return self._has({20: 21, 22: 11, 23: 5})

    @property
    def filters_events_by_name(self) -> bool:
        """``eventfilter(action(exclude),name(X))`` came with 20.11, 21.6 and 22.1; before, a regular expression."""
        return self._has({20: 11, 21: 6, 22: 1})

    @property
    def writes_journal_by_cdrel(self) -> bool:
        """``cel_custom`` needs the module ``res_cdrel_custom`` since 20.19 and 22.9."""
        return self._has({20: 19, 22: 9})

    @property
    def prepares_queued_phones(self) -> bool:
        """Whether ``Queue`` surely has the option ``b``; a version without it would read the text in it as options."""
        return self._has({18: 26, 20: 10, 21: 5, 22: 0})

    def _has(self, since: dict[int, int]) -> bool:
        return self.major > max(since) or (self.major in since and self.minor >= since[self.major])

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"
