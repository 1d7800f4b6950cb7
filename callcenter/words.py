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
DeviceId = NewType("DeviceId", int)

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
_ONU = re.compile(
    r"^\s*(?P<family>[EG])PON\s?(?P<path>\d{1,5}(?:/\d{1,5}){1,2}):(?P<onu>\d{1,5})\s*$", re.IGNORECASE | re.ASCII
)


@dataclass(frozen=True, slots=True, order=True)
class OnuAddress:
    """Where an ONU sits on its OLT: ``EPON0/2:48`` is slot 0, PON port 2, ONU 48; ``GPON0/1/7:3`` has a frame first.

    The numbers are those the device's own command line shows. Families that number from a frame or a shelf (Huawei
    0/1/7, ZTE 1/1/1, C-Data 0/0/1) have three before the colon, the others two.
    """

    family: PonFamily
    path: tuple[int, ...]
    onu: int

    @classmethod
    def parse(cls, text: str) -> OnuAddress:
        """Reads ``EPON0/2:48``, ``gpon0/8:5`` or ``GPON0/1/7:3``; raises ``ValueError`` for anything else."""
        found = _ONU.match(text)
        if found is None:
            raise ValueError(f"{text!r} is not an ONU address such as EPON0/2:48 or GPON0/1/7:3")
        family: PonFamily = "epon" if found["family"] in "Ee" else "gpon"
        return cls(family, tuple(int(part) for part in found["path"].split("/")), int(found["onu"]))

    @property
    def slot(self) -> int:
        return self.path[-2]

    @property
    def port(self) -> int:
        return self.path[-1]

    @property
    def pon(self) -> str:
        """The PON port's name: ``EPON0/2``."""
        return f"{self.family.upper()}{'/'.join(map(str, self.path))}"

    def __str__(self) -> str:
        return f"{self.pon}:{self.onu}"
