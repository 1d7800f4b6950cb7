"""The rows of Asterisk's CEL journal: bytes of a file become rows, or are set aside with a reason.

One row is one line of twelve columns (``asterisk-conf/cel_custom.conf.j2``). Whatever a caller can choose is
URI-encoded by Asterisk, so neither ``|`` nor a line break in a row is ever a caller's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote

from callcenter.words import LinkedId, UniqueId

COLUMNS: Final = 12

AGENT_LEG: Final = re.compile(r"PJSIP/agent-([0-9]{2,6})-[0-9a-f]{8}", re.ASCII)
"""An agent's channel; its extension."""
TRUNK_LEG: Final = re.compile(r"PJSIP/trunk-([a-z][a-z0-9-]*)-[0-9a-f]{8}", re.ASCII)
"""A channel of a provider's trunk; the trunk's name."""

STAGE: Final = "CC_STAGE"
END: Final = "CC_END"
QUEUE: Final = "CC_QUEUE"
RECORDING: Final = "CC_RECORDING"
OUT: Final = "CC_OUT"
BOOT: Final = "CC_BOOT"
DUTY: Final = "CC_DUTY"
"""No call's: what an agent said of their duty by dialling a code."""
SOUND: Final = "CC_SOUND"
"""What the RTP and RTCP of one leg counted, at its end."""
GONE: Final = "CC_GONE"
"""Not Asterisk's: the ledger's own note that a channel is over although its last rows never came."""
OURS: Final = (STAGE, END, QUEUE, RECORDING, OUT, BOOT, DUTY, SOUND, GONE)
"""Rows of our own dialplan (``CELGenUserEvent``), and ``CC_GONE``."""

_ASTERISKS: Final = (
    "CHAN_START", "CHAN_END", "HANGUP", "ANSWER", "APP_START", "APP_END", "BRIDGE_ENTER", "BRIDGE_EXIT",
    "BRIDGE_UPDATE", "PARK_START", "PARK_END", "BLINDTRANSFER", "ATTENDEDTRANSFER", "PICKUP", "FORWARD", "LINKEDID_END",
    "LOCAL_OPTIMIZE_BEGIN", "LOCAL_OPTIMIZE", "STREAM_BEGIN", "STREAM_END", "DTMF", "USER_DEFINED",
)  # fmt: skip
_WITH_EXTRA: Final = frozenset({"HANGUP", "BRIDGE_ENTER", "BRIDGE_EXIT", "BLINDTRANSFER", "ATTENDEDTRANSFER", *OURS})
_EVENT = re.compile(r"[A-Z][A-Z0-9_]{1,40}", re.ASCII)
_TIME = re.compile(r"[12][0-9]{9}\.[0-9]{1,6}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_.\-]{1,150}", re.ASCII)
_BEGINNING = re.compile(
    "(?:" + "|".join(sorted((*_ASTERISKS, *OURS), key=len, reverse=True)) + r")\|[12][0-9]{9}\.[0-9]{1,6}\|"
)
_NOTHING: Final[Mapping[str, str]] = {}


class Row(NamedTuple):
    """One thing that happened on one channel."""

    event: str
    at: float
    """Seconds since 1970, UTC."""
    number: str
    name: str
    exten: str
    channel: str
    """Asterisk's name of the channel at that moment: ``PJSIP/agent-101-0000002a``."""
    linkedid: LinkedId
    uniqueid: UniqueId
    extra: Mapping[str, str]
    app: str
    text: str
    """The line as it was read."""
    app_data: str = ""
    """What ``Queue`` was called with; of no other application."""


class Line(NamedTuple):
    """A whole line of the journal, without its line break, and where it begins in its file."""

    position: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class SetAside:
    """Bytes that are no row: kept for a human, with the reason and the place in the file."""

    position: int
    raw: bytes
    reason: str


def read_rows(lines: Iterable[Line]) -> tuple[list[Row], list[SetAside]]:
    """Every whole row is read, also one that a full disk glued to the torn end of another; the rest is set aside."""
    rows: list[Row] = []
    aside: list[SetAside] = []
    for line in lines:
        row = _row(line.raw)
        if isinstance(row, Row):
            rows.append(row)
        elif line.raw.strip():
            _take_apart(line, row, rows, aside)
    return rows, aside


def _take_apart(line: Line, reason: str, rows: list[Row], aside: list[SetAside]) -> None:
    """Cuts a spoiled line at every beginning of a row that can be seen in it."""
    text = line.raw.decode("latin-1")  # a byte a character: positions stay true
    cuts = [found.start() for found in _BEGINNING.finditer(text)]
    if not cuts or (cuts == [0]):
        aside.append(SetAside(line.position, line.raw, reason))
        return
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        piece = line.raw[start:end]
        if not piece.strip(b"\0 \r"):
            continue
        row = _row(piece.rstrip(b"\0\r"))
        if isinstance(row, Row):
            rows.append(row)
        else:
            aside.append(SetAside(line.position + start, piece, row))


def _row(raw: bytes) -> Row | str:
    """The row, or why it is none."""
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        return "bytes that Asterisk would have encoded"
    if "\0" in text:
        return "NUL bytes"
    columns = text.split("|")
    if len(columns) != COLUMNS:
        return f"{len(columns)} columns instead of {COLUMNS}"
    event, at, number, name, exten, channel, linkedid, uniqueid, extra, app, app_data, _peer = columns
    if not _EVENT.fullmatch(event):
        return "no name of an event"
    if not _TIME.fullmatch(at):
        return "no time in seconds and microseconds"
    if not (_ID.fullmatch(linkedid) and _ID.fullmatch(uniqueid)):
        return "no name of a channel"
    return Row(
        event=event,
        at=float(at),
        number=plain(number),
        name=plain(name),
        exten=plain(exten),
        channel=plain(channel),
        linkedid=LinkedId(linkedid),
        uniqueid=UniqueId(uniqueid),
        extra=_extra(extra) if event in _WITH_EXTRA and extra else _NOTHING,
        app=app,
        app_data=plain(app_data) if app == "Queue" else "",
        text=text,
    )


def plain(encoded: str) -> str:
    """What was URI-encoded, as text PostgreSQL can hold: no NUL, no half characters, controls made visible."""
    if "%" not in encoded:
        return encoded
    decoded = unquote(encoded, errors="replace")
    if decoded.isprintable():
        return decoded
    return "".join(c if c.isprintable() else "\ufffd" for c in decoded)


def _extra(encoded: str) -> Mapping[str, str]:
    try:
        found = json.loads(unquote(encoded, errors="replace"))
    except (ValueError, RecursionError):
        return _NOTHING
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else _NOTHING


def gone(uniqueid: UniqueId, at: float, *, seen: bool) -> Row:
    """The ledger's note that a channel is over: ``seen`` to end at that time, or that time was the last sign of it."""
    text = f"{GONE}|{at:.6f}||||gone|{uniqueid}|{uniqueid}|%7B%22extra%22%3A%22{'seen' if seen else ''}%22%7D|||"
    row = _row(text.encode("ascii"))
    if not isinstance(row, Row):
        raise ValueError(f"{uniqueid!r}: {row}")  # noqa: TRY004  # it is the value that is wrong
    return row
