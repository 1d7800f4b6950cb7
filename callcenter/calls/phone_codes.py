"""What agents said of their duty by dialling a code on their phone, as the journal has it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from callcenter.calls.rows import DUTY, Row

_SAID = re.compile(r"(?P<order>pause|ready|in|out)~(?P<extension>[0-9]{1,20})", re.ASCII)


@dataclass(frozen=True, slots=True)
class PhoneCode:
    """One code that an agent dialled and Asterisk has followed already."""

    extension: str
    order: str
    """``pause``, ``ready``, ``in`` or ``out``."""
    at: datetime


def phone_codes(rows: Iterable[Row]) -> list[PhoneCode]:
    """In the order in which they were dialled."""
    said = ((row, _SAID.fullmatch(row.extra.get("extra", ""))) for row in rows if row.event == DUTY)
    found = [PhoneCode(m["extension"], m["order"], datetime.fromtimestamp(row.at, UTC)) for row, m in said if m]
    return sorted(found, key=lambda code: code.at)
