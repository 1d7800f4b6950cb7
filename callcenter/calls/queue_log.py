"""Asterisk's ``queue_log``, read for one purpose: to notice callers of whom the CEL journal does not know. Pure.

It is written apart from the journal and names callers by the same uniqueid. It is no proof: what a caller sends as
their number stands in it as it came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from callcenter.words import UniqueId

STARTED: Final = "QUEUESTART"
ENTERED: Final = "ENTERQUEUE"
LEFT: Final = frozenset(
    {
        "ABANDON", "COMPLETEAGENT", "COMPLETECALLER", "EXITEMPTY", "EXITWITHKEY", "EXITWITHTIMEOUT",
        "ATTENDEDTRANSFER", "BLINDTRANSFER", "TRANSFER", "SYSCOMPAT", "WITHDRAW",
    }
)  # fmt: skip
"""After one of these the caller is in that queue no more."""
_A_DAY_S: Final = 86_400
_CALL = re.compile(r"(?:[A-Za-z0-9]{1,40}-)?([0-9]{9,11})\.[0-9]{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class QueueRow:
    """Who did what in which queue; ``at`` in seconds since 1970."""

    at: int
    call: UniqueId
    queue: str
    verb: str
    number: str


def queue_row(raw: bytes) -> QueueRow | None:
    """The row, if it is one about a caller that can be; anything else is of no use to a witness."""
    columns = raw.decode("utf-8", "replace").split("|")
    if len(columns) < 5 or not (columns[0].isascii() and columns[0].isdigit() and len(columns[0]) <= 11):
        return None
    at, call, queue, _member, verb = columns[:5]
    if verb == STARTED:
        return QueueRow(int(at), UniqueId(""), "", STARTED, "")
    found = _CALL.fullmatch(call)
    if found is None or abs(int(found[1]) - int(at)) > _A_DAY_S or verb not in LEFT | {ENTERED}:
        return None
    number = "|".join(columns[6:-1]) if verb == ENTERED else ""
    return QueueRow(int(at), UniqueId(call), queue, verb, number)
