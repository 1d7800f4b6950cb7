"""The small shared words of the field: identifiers, units, and absence as a value.

Nothing here knows a library, a clock or a socket. A word that is not in ``docs/glossary.md`` is not used in code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, NewType, TypeAlias, TypeVar

ProviderId = NewType("ProviderId", int)
QueueId = NewType("QueueId", int)
AgentId = NewType("AgentId", int)
UserId = NewType("UserId", int)
SubscriberId = NewType("SubscriberId", int)
OltId = NewType("OltId", int)

UniqueId = NewType("UniqueId", str)
"""Asterisk's name of one channel, ``[systemname-]epoch.serial``. A call is named by its caller's channel."""
LinkedId = NewType("LinkedId", str)
"""Asterisk's name of channels that belong together; it changes in mid-call when calls meet in a bridge."""
E164 = NewType("E164", str)
"""A phone number with its plus: ``+380631234567``."""
Did = NewType("Did", str)
"""A number of a provider that subscribers dial, in E.164 with its plus."""
Dbm = NewType("Dbm", float)
"""Optical power in dBm."""

Language: TypeAlias = Literal["uk", "en"]
LANGUAGES: tuple[Language, ...] = ("uk", "en")

Clock: TypeAlias = Callable[[], datetime]
"""Gives the present time, aware, in UTC. Tests turn their own."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pending:
    """Asked for, not answered yet."""


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """A value, when it was true (aware UTC) and who said so."""

    value: T
    at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no value, and this is why: a message key of the interface, with what it is about."""

    reason: str
    about: str = ""


Maybe: TypeAlias = Pending | Known[T] | Missing

PonFamily: TypeAlias = Literal["epon", "gpon"]
_ONU = re.compile(r"^\s*(?P<family>[EeGg])PON(?P<slot>\d+)/(?P<port>\d+):(?P<onu>\d+)\s*$", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class OnuAddress:
    """Where an ONU sits on its OLT: ``EPON0/2:48`` is slot 0, PON port 2, ONU 48 (BDCOM's ifDescr)."""

    family: PonFamily
    slot: int
    port: int
    onu: int

    @classmethod
    def parse(cls, text: str) -> OnuAddress:
        """Reads ``EPON0/2:48`` or ``gpon0/8:5``; raises ``ValueError`` for anything else."""
        found = _ONU.match(text)
        if found is None:
            raise ValueError(f"{text!r} is not an ONU address such as EPON0/2:48")
        family: PonFamily = "epon" if found["family"] in "Ee" else "gpon"
        return cls(family, int(found["slot"]), int(found["port"]), int(found["onu"]))

    @property
    def pon(self) -> str:
        return f"{self.family.upper()}{self.slot}/{self.port}"

    def __str__(self) -> str:
        return f"{self.pon}:{self.onu}"
