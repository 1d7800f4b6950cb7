"""How many AMI events a second one core takes: through wire and parse, and through the live view.

    python -m bench.ami_events [--repeats 5] [--events 60000]

One recorded stream of a real Asterisk (``tests/tapes/ami``, tapes of ordinary calls) is played again and again with new
Uniqueids each time, in pieces of 16 KiB, to each reader in turn, in this process on one core; CPU time, median of the
repeats. Beside ours: panoramisk 1.4 as it comes with one callback that does nothing, and a floor, the least that plain
Python must do to have every header of every event: cut the frames, decode them, split the lines into a dict.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol

from callcenter.ami.events import LIST_EVENTS, LIVE_EVENTS, Tainted, parse
from callcenter.ami.frames import Event, FrameReader
from callcenter.ami.live import LiveView

TAPES = Path(__file__).parents[1] / "tests" / "tapes" / "ami"
PIECE = 16 * 1024
FLOOR_TO_REACH = 0.7
PANORAMISK_TO_REACH = 2.5


def stream(events: int) -> tuple[list[bytes], int, int]:
    """The pieces of the stream, how many events and how many inbound calls are in it."""
    tapes = [path.read_bytes() for path in sorted(TAPES.glob("*.ami"))]
    ordinary = [raw for raw in tapes if raw.startswith(b"Event: ") and b"CallerIDNum: 050\r\n\r\n" not in raw]
    once = b"".join(ordinary)
    in_one = once.count(b"\r\n\r\n")
    whole = b"".join(
        re.sub(rb"pbx1-\d{4}", b"pbx1-%04d" % (1000 + number), once) for number in range(-(-events // in_one))
    )
    calls = sum(
        1 for raw in re.findall(rb"Event: Newchannel.*?\r\n\r\n", whole, re.DOTALL) if b"ChannelState: 4" in raw
    )
    return [whole[at : at + PIECE] for at in range(0, len(whole), PIECE)], whole.count(b"\r\n\r\n"), calls


def floor(pieces: list[bytes]) -> int:
    rest = b""
    count = 0
    for piece in pieces:
        *raws, rest = (rest + piece).split(b"\r\n\r\n")
        for raw in raws:
            event: dict[str, str] = {}
            for line in raw.decode().split("\r\n"):
                name, _, value = line.partition(": ")
                event[name] = value
            count += 1
    return count


def bare_panoramisk(pieces: list[bytes]) -> int:
    count = 0

    def callback(manager: Any, event: Any) -> None:
        nonlocal count
        count += 1

    manager = Manager()
    manager.register_event("*", callback)
    protocol = AMIProtocol()
    protocol.connection_made(None)
    protocol.factory, protocol.encoding, protocol.version = manager, "utf8", "11.0.0"
    for piece in pieces:
        protocol.data_received(piece)
    return count


def wire_every_event(pieces: list[bytes]) -> int:
    reader = FrameReader()
    count = 0
    for piece in pieces:
        count += len(reader.feed(piece))
    return count


def wire(pieces: list[bytes]) -> int:
    reader = FrameReader(LIVE_EVENTS | LIST_EVENTS)
    for piece in pieces:
        reader.feed(piece)
    return reader.frames


def wire_and_parse(pieces: list[bytes]) -> int:
    reader = FrameReader(LIVE_EVENTS | LIST_EVENTS)
    for piece in pieces:
        for frame in reader.feed(piece):
            if isinstance(frame, Event):
                parse(frame)
    return reader.frames


def live_view(pieces: list[bytes]) -> int:
    reader = FrameReader(LIVE_EVENTS | LIST_EVENTS)
    view = LiveView()
    facts = 0
    for piece in pieces:
        for frame in reader.feed(piece):
            if isinstance(frame, Event):
                meaning = parse(frame)
                if meaning is not None and not isinstance(meaning, Tainted):
                    facts += len(view.apply(meaning))
    if not view.is_empty() or not facts:
        raise SystemExit("the live view did not follow the stream: its figure would mean nothing")
    return reader.frames


READERS: list[tuple[str, Callable[[list[bytes]], int]]] = [
    ("floor: frames and dicts in plain Python", floor),
    ("panoramisk 1.4 as it comes", bare_panoramisk),
    ("wire, every event read", wire_every_event),
    ("wire, the events we use", wire),
    ("wire and parse to typed events", wire_and_parse),
    ("wire, parse and live view", live_view),
]


def measure(pieces: list[bytes], events: int, repeats: int) -> dict[str, float]:
    """Events a second of each reader; the readers take turns, so that a noisy moment hits them all."""
    speeds: dict[str, list[float]] = {name: [] for name, _ in READERS}
    for _ in range(repeats):
        for name, reader in READERS:
            began = time.process_time()
            count = reader(pieces)
            took = time.process_time() - began
            if count != events:
                raise SystemExit(f"{name}: {count} of {events} events")
            speeds[name].append(events / took)
    return {name: statistics.median(values) for name, values in speeds.items()}


def main() -> None:
    options = argparse.ArgumentParser(description="AMI events a second on one core")
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--events", type=int, default=60_000)
    chosen = options.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pieces, events, calls = stream(chosen.events)
    size = sum(map(len, pieces))
    print(f"{events} events, {size / 1e6:.1f} MB, {calls} inbound calls; median of {chosen.repeats}\n")
    speeds = measure(pieces, events, chosen.repeats)
    base, library = speeds[READERS[0][0]], speeds[READERS[1][0]]
    print("| reader | events/s | of the floor | of panoramisk |")
    print("|---|---:|---:|---:|")
    for name, speed in speeds.items():
        print(f"| {name} | {speed:,.0f} | {speed / base:.2f} | {speed / library:.2f} |")
    parsed = speeds["wire and parse to typed events"]
    live = speeds["wire, parse and live view"]
    print(f"\nThe live view keeps up with {live / (events / calls):,.0f} calls a second.")
    verdict = (
        "reached" if parsed / base >= FLOOR_TO_REACH and parsed / library >= PANORAMISK_TO_REACH else "NOT reached"
    )
    print(
        f"Wire and parse: {parsed / base:.2f} of the floor (to reach {FLOOR_TO_REACH}), "
        f"{parsed / library:.2f} times panoramisk (to reach {PANORAMISK_TO_REACH}): {verdict}."
    )


if __name__ == "__main__":
    main()
