"""How fast the ledger reads: rows a second, a day of 20,000 calls caught up, and how soon a missed call is a callback.

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from callcenter.calls.entry import LedgerEntry
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


async def one_by_one(url: str, folder: Path, calls: int) -> list[float]:
    """Seconds from the row of a caller's hang-up in the journal to the commit of its callback, call by call."""
    database = Database(url)
    took: list[float] = []
    try:
        house = await House.build(database, folder)
        ended = asyncio.Event()

        def committed(entries: Sequence[LedgerEntry]) -> None:
            if any(entry.call.ended for entry in entries):
                ended.set()

        ledger = house.ledger(expect, committed=committed)
        missed = Tape.read("abandoned_while_ringing")
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(ledger.run())
            for number in range(calls):
                rows = missed.call(number, FIRST + number * 60).encode("ascii")
                before, _, after = rows.rpartition(b"APP_END")
                house.write(before)
                await asyncio.sleep(0.15 + (number % 10) / 100)  # the ledger has gone back to its slowest look
                ended.clear()
                began = time.perf_counter()
                house.write(b"APP_END" + after)
                await ended.wait()
                took.append(time.perf_counter() - began)
            reading.cancel()
        [(owed,)] = await house.rows("SELECT sum(misses) FROM callback")
        if owed != calls:
            raise SystemExit(f"{owed} callbacks for {calls} missed calls")
        return sorted(took)
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
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            asyncio.run(emptied(server))
            live = Path(folder) / "live"
            live.mkdir()
            waits = asyncio.run(one_by_one(server.url, live, 300))
        finally:
            server.stop()
    print("| journal | |\n|---|---:|")
    print(f"| parsed and told, rows/s | {alone:,.0f} |")
    print(f"| told and committed, rows/s | {rows / took:,.0f} |")
    print(f"| a day of {calls:,} calls ({rows:,} rows, {len(data) / 1e6:.0f} MB) caught up in, s | {took:.1f} |")
    print(f"| hang-up in the journal to callback committed, p50 / p99, ms | {ms(waits, 0.5)} / {ms(waits, 0.99)} |")
    print(f"| peak memory of the process, the journal itself included, MB | {peak:.0f} |")


def ms(sorted_s: list[float], share: float) -> str:
    return f"{sorted_s[int(len(sorted_s) * share)] * 1000:.0f}"


async def emptied(server: Embedded) -> None:
    """Takes everything out of the database again."""
    owner = Database(server.superuser_url.replace("/postgres?", "/callcenter?"), pool_size=2)
    async with owner.engine.begin() as connection:
        await connection.execute(text("TRUNCATE provider, agent, journal_position, journal_open_row, alarm CASCADE"))
    await owner.close()


if __name__ == "__main__":
    main()
