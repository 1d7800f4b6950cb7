"""Recorded AMI streams of a real Asterisk 22.10.1, and how they are played into the live view.

``NAME.ami`` holds the bytes as they came; ``NAME.facts.txt`` what they mean, read over by a person, a line a fact.
A tape of several connections is cut at Asterisk's greeting; lists in it are taken as the resync that they were.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from callcenter.ami.events import LIST_EVENTS, LIVE_EVENTS, AmiEvent, Tainted, parse
from callcenter.ami.frames import BANNER, Event, Frame, FrameReader
from callcenter.ami.live import LiveFact, LiveView, MemberChanged, PhoneStateChanged
from callcenter.ami.snapshot import read_snapshot

FOLDER = Path(__file__).parents[1] / "tapes" / "ami"
TAPES = sorted(path.stem for path in FOLDER.glob("*.ami"))
WANTED = LIVE_EVENTS | LIST_EVENTS
LOST_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def tape(name: str) -> bytes:
    return (FOLDER / f"{name}.ami").read_bytes()


def connections(raw: bytes) -> list[bytes]:
    """The streams of one tape: one, unless the link was lost in it."""
    first, *others = raw.split(BANNER)
    return [first, *(BANNER + other for other in others)] if first else [BANNER + other for other in others]


def frames(raw: bytes, cut: Callable[[bytes], Iterable[bytes]] | None = None) -> list[list[Frame]]:
    """The frames of each connection, with the bytes cut into pieces in whatever way."""
    read: list[list[Frame]] = []
    for stream in connections(raw):
        reader = FrameReader(WANTED)
        read.append([frame for piece in (cut or _whole)(stream) for frame in reader.feed(piece)])
    return read


def events(raw: bytes) -> list[AmiEvent]:
    """What a tape's events mean, without its lists."""
    meant = (parse(frame) for stream in frames(raw) for frame in stream if isinstance(frame, Event))
    return [event for event in meant if event is not None and not isinstance(event, Tainted)]


def play(view: LiveView, streams: list[list[Frame]], times: int = 1) -> list[LiveFact]:
    """Every fact that the view tells; each event is applied ``times`` times."""
    facts: list[LiveFact] = []
    for number, stream in enumerate(streams):
        if number:
            facts += view.lose_link(LOST_AT)
        for step in _steps(view, stream):
            for _ in range(times):
                facts += step()
    return facts


def _steps(view: LiveView, stream: list[Frame]) -> Iterator[Callable[[], list[LiveFact]]]:
    channels: list[Event] = []
    queues: list[Event] = []
    for frame in stream:
        if not isinstance(frame, Event):
            continue
        if frame.name in LIST_EVENTS:
            (channels if frame.name.startswith("CoreShow") else queues).append(frame)
            if frame.name == "QueueStatusComplete":
                snapshot = read_snapshot(channels, queues)
                channels, queues = [], []
                yield lambda snapshot=snapshot: view.resync(snapshot)  # type: ignore[misc]
            continue
        meaning = parse(frame)
        if meaning is not None and not isinstance(meaning, Tainted):
            yield lambda meaning=meaning: view.apply(meaning)  # type: ignore[misc]


def about_calls(facts: Iterable[LiveFact]) -> list[LiveFact]:
    return [fact for fact in facts if not isinstance(fact, MemberChanged | PhoneStateChanged)]


def line(fact: LiveFact) -> str:
    """A fact as its file has it."""
    fields = ((f.name, getattr(fact, f.name)) for f in dataclasses.fields(fact))
    shown = (f"{name}={value.isoformat() if isinstance(value, datetime) else value!r}" for name, value in fields)
    return " ".join([type(fact).__name__, *shown])


def expected(name: str) -> list[str]:
    return (FOLDER / f"{name}.facts.txt").read_text("utf-8").splitlines()


def _whole(stream: bytes) -> Iterable[bytes]:
    return (stream,)
