"""How fast the ledger reads: rows a second told and committed, and a day of 20,000 calls caught up after an outage.

    python -m bench.journal [--calls 20000]

The journal is made of rows that a real Asterisk 22 wrote (``tests/tapes/cel``), each call with channels, times and a
number of its own; PostgreSQL is the embedded one, on disk, with its normal durability. The hooks are the real ones.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callcenter.calls.groups import fold_journal
from callcenter.calls.rows import Line, read_rows
from callcenter.recordings.duty import expect
from callcenter.store import Database
from callcenter.store.embedded import Embedded
from callcenter.store.migrate import migrate
from tests.integration.ledger_house import House

TAPES = Path(__file__).parents[1] / "tests" / "tapes" / "cel"
MIX = (
    "answered", "answered", "answered", "answered", "ring_no_answer_then_another", "abandoned_while_ringing",
    "abandoned_in_greeting", "queue_timeout", "blind_transfer", "closed_hours",
)  # fmt: skip
"""Tapes in the proportion of a day."""
A_DAY_S = 86_400.0
FIRST = 1_795_000_000.0


@dataclass(frozen=True, slots=True)
class Tape:
    """A recorded call whose channels, numbers and times are blanks to fill."""

    text: str
    first_at: float
    ids: tuple[str, ...]
    times: tuple[str, ...]

    @classmethod
    def read(cls, name: str) -> Tape:
        text = (TAPES / f"{name}.journal").read_text("ascii")
        columns = [line.split("|") for line in text.splitlines()]
        ids = sorted({line[7] for line in columns}, key=len, reverse=True)
        times = sorted({line[1] for line in columns})
        return cls(text, float(times[0]), tuple(ids), tuple(times))

    def call(self, number: int, at: float) -> str:
        text = self.text.replace("0631234567", f"063{number:07d}")
        for serial, channel in enumerate(self.ids):
            text = text.replace(channel, f"pbx1-{int(at)}.{number * 20 + serial}")
        for when in self.times:
            text = text.replace(when, f"{at + float(when) - self.first_at:.6f}")
        for each in _bridges(text):
            text = text.replace(each, f"{each[:-8]}{number:08x}")
        return text


def _bridges(text: str) -> set[str]:
    return {part.partition("%22")[0] for part in text.split("bridge_id%22%3A%22")[1:]}


def day(calls: int) -> Iterator[str]:
    tapes = [Tape.read(name) for name in MIX]
    for number in range(calls):
        yield tapes[number % len(tapes)].call(number, FIRST + number * A_DAY_S / calls)


def told(data: bytes) -> float:
    """Rows a second through parsing and the fold alone."""
    lines = [Line(0, raw) for raw in data.split(b"\n")[:-1]]
    began = time.perf_counter()
    rows, aside = read_rows(lines)
    calls = fold_journal(rows)
    took = time.perf_counter() - began
    if aside or not calls:
        raise SystemExit(f"{len(aside)} rows were set aside, {len(calls)} calls told")
    return len(rows) / took


async def caught_up(url: str, folder: Path, data: bytes, calls: int) -> tuple[float, int]:
    """Seconds until a whole journal is committed, and its rows."""
    database = Database(url)
    try:
        house = await House.build(database, folder)
        house.write(data)
        ledger = house.ledger(expect)
        began = time.perf_counter()
        await ledger.catch_up()
        took = time.perf_counter() - began
        [(known, missed)] = await house.rows(
            "SELECT count(*), count(*) FILTER (WHERE outcome <> 'answered') FROM call WHERE settled"
        )
        [(owed,)] = await house.rows("SELECT count(*) FROM callback_miss")
        if known != calls or owed != missed:
            raise SystemExit(f"{known} calls of {calls} are settled; {missed} missed, {owed} owed")
        return took, ledger.health().rows
    finally:
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=20_000)
    calls = parser.parse_args().calls
    data = "".join(day(calls)).encode("ascii")
    alone = told(data[: data.rindex(b"\n", 0, min(len(data), 10_000_000)) + 1])
    with tempfile.TemporaryDirectory(prefix="callcenter-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Embedded(Path(folder) / "postgres")
        server.start()
        try:
            asyncio.run(migrate(server.owner_url))
            took, rows = asyncio.run(caught_up(server.url, Path(folder), data, calls))
        finally:
            server.stop()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("| journal | |\n|---|---:|")
    print(f"| parsed and told, rows/s | {alone:,.0f} |")
    print(f"| told and committed, rows/s | {rows / took:,.0f} |")
    print(f"| a day of {calls:,} calls ({rows:,} rows, {len(data) / 1e6:.0f} MB) caught up in, s | {took:.1f} |")
    print(f"| peak memory of the process, the journal itself included, MB | {peak:.0f} |")


if __name__ == "__main__":
    main()
