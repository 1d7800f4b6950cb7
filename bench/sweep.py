"""A sweep of many OLTs: seconds, CPU, memory and rows a second, beside ``snmpbulkwalk`` on the same agents.

``python -m bench.sweep [--olts 100] [--onus 500] [--delay 0.0] [--json]``. The simulated OLTs run in processes of their
own, so that CPU and memory are the service's alone; PostgreSQL is real and takes what a sweep stores. Cards are read
from OLTs that are being swept. Ratios are of one run: other work on the machine makes all of its figures worse.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text

from bench.diag_card import _VAULT
from callcenter.app import _let_be_what_stays
from callcenter.diag.devices import Device, devices
from callcenter.diag.drivers import DRIVERS
from callcenter.diag.line import LineReader
from callcenter.diag.snmp import Community, Snmp, SnmpTarget
from callcenter.diag.sweep import Sweeper, Swept
from callcenter.diag.worse_rows import WorseWatch
from callcenter.store import Database, Scope
from callcenter.store.embedded import Embedded
from callcenter.store.migrate import migrate
from callcenter.words import Known

PROCESSES = 4
AT_ONCE = 20
FAMILIES = ("bdcom_epon", "bdcom_gpon")
"""Half of the OLTs each: one with a column that may only be asked by GET, one that is walked whole."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--olts", type=int, default=100)
    parser.add_argument("--onus", type=int, default=500, help="of each OLT")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds an OLT thinks over each request")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callcenter-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        postgres = Embedded(Path(folder) / "postgres")
        postgres.start()
        try:
            asyncio.run(migrate(postgres.owner_url))
            found = asyncio.run(measure(postgres.url, args.olts, args.onus, args.delay))
        finally:
            postgres.stop()
    if args.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<60} {value:>12,.2f}" if isinstance(value, float) else f"{name:<60} {value:>12,}")


@contextlib.asynccontextmanager
async def simulated(olts: int, onus: int, delay: float) -> AsyncIterator[list[tuple[str, int]]]:
    """OLTs in processes of their own, by driver and port."""
    found: list[tuple[str, int]] = []
    running = []
    pons = 8
    try:
        for part in range(PROCESSES):
            mine = [FAMILIES[number % 2] for number in range(part, olts, PROCESSES)]
            wanted = [word for family in mine for word in ("--device", f"{family}=127.0.0.1:0")]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "lab.olt", *wanted, "--pons", str(pons), "--onus", str(-(-onus // pons)),
                "--control", "127.0.0.1:0", stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            running.append(process)
            assert process.stdout is not None
            names = []
            for family in mine:
                words = (await process.stdout.readline()).decode().split()
                names.append(words[0].rstrip(":"))
                found.append((family, int(words[2].rstrip(",").rpartition(":")[2])))
            control = (await process.stdout.readline()).decode().rpartition(":")[2]
            if delay:
                reader, writer = await asyncio.open_connection("127.0.0.1", int(control))
                for name in names:
                    writer.write(f"{name} delay {delay}\n".encode())
                    assert await reader.readline() == b"ok\n"
                writer.close()
        yield found
    finally:
        for process in running:
            process.terminate()
            await process.wait()


async def register(database: Database, found: list[tuple[str, int]]) -> list[Device]:
    async with database.scoped(Scope.all()) as connection:
        provider = (
            await connection.execute(text("INSERT INTO provider (slug, brand) VALUES ('bench', 'Bench') RETURNING id"))
        ).scalar_one()
        for number, (driver, port) in enumerate(found):
            await connection.execute(
                text(
                    "INSERT INTO device (provider_id, name, driver, host, port, plain_community) "
                    "VALUES (:provider, :name, :driver, '127.0.0.1', :port, 'public')"
                ),
                {"provider": provider, "name": f"olt{number:03}", "driver": driver, "port": port},
            )
        return await devices(connection, _VAULT)


async def measure(url: str, olts: int, onus: int, delay: float) -> dict[str, float | int]:
    database = Database(url)
    try:
        async with simulated(olts, onus, delay) as found:
            return await _measure(database, await register(database, found))
    finally:
        await database.close()


async def _measure(database: Database, known: list[Device]) -> dict[str, float | int]:
    out: dict[str, float | int] = {}
    snmp = Snmp()
    snmp.start()
    _let_be_what_stays()  # as the service does
    out["memory before, MB"] = _memory()
    async with asyncio.TaskGroup() as tasks:
        lines = LineReader(snmp, database, tasks, lambda: datetime.now(UTC))
        watch = WorseWatch(database, lambda: datetime.now(UTC))
        sweeper = Sweeper(database, lines, _VAULT, lambda: datetime.now(UTC), listeners=[watch.swept])
        for which in ("first", "second"):
            stall = tasks.create_task(_stalls())
            began, cpu = time.perf_counter(), time.process_time()
            rows = sweeper.counts.rows
            await _sweep_all(sweeper, known)
            took, used = time.perf_counter() - began, time.process_time() - cpu
            stall.cancel()
            out[f"{which} sweep of all, s"] = took
            out[f"{which} sweep, CPU s of ours"] = used
            out[f"{which} sweep, rows"] = sweeper.counts.rows - rows
            out[f"{which} sweep, rows/s"] = (sweeper.counts.rows - rows) / took
            out[f"{which} sweep, rows per CPU s"] = (sweeper.counts.rows - rows) / used
        out["ONUs"] = sweeper.counts.onus // 2
        out["OLTs that failed"] = sweeper.counts.failures
        out["longest turn of the loop in the second sweep, CPU ms"] = _worst[-1] * 1000
        out["memory after, peak MB"] = _memory()
        for name, olts, at_once in (("nothing else", 0, 0), ("3 OLTs and its own", 4, 4), ("20 OLTs", 100, AT_ONCE)):
            sweeps = tasks.create_task(_sweep_all(sweeper, known[:olts], at_once or 1))
            await asyncio.sleep(0.2)
            took_ms = await _cards(lines, known[0], 60)
            await sweeps
            out[f"card while swept: {name}, p50 ms"] = statistics.median(took_ms)
            out[f"card while swept: {name}, max ms"] = max(took_ms)
    out |= await _walks(snmp, known)
    snmp.close()
    return out


_worst: list[float] = []


async def _stalls() -> None:
    """The longest turn of the event loop: the CPU time of all that was ready at once, of twenty OLTs here."""
    _worst.append(0.0)
    while True:
        before = time.thread_time()
        await asyncio.sleep(0)
        _worst[-1] = max(_worst[-1], time.thread_time() - before)
        await asyncio.sleep(0.001)


async def _sweep_all(sweeper: Sweeper, known: list[Device], at_once: int = AT_ONCE) -> None:
    gate = asyncio.Semaphore(at_once)

    async def one(device: Device) -> None:
        async with gate:
            assert isinstance(await sweeper.once(device), Swept)

    async with asyncio.TaskGroup() as group:
        for device in known:
            group.create_task(one(device))


async def _cards(lines: LineReader, olt: Device, times: int) -> list[float]:
    took = []
    for number in range(times):
        began = time.perf_counter()
        found = await lines.read(olt, f"{DRIVERS[olt.driver].family.upper()}0/2:{number % 40 + 1}")
        assert isinstance(found, Known), found
        took.append((time.perf_counter() - began) * 1000)
    return took


async def _walks(snmp: Snmp, known: list[Device]) -> dict[str, float | int]:
    """The columns of a sweep as bare walks, of one OLT after another: ours, ``snmpbulkwalk``'s, and pysnmp's share."""
    some = known[: min(10, len(known))]
    columns = {
        device.id: [
            oid for read in DRIVERS[device.driver].reads if read.walkable
            for name, oid in read.columns.items() if name in DRIVERS[device.driver].swept
        ]
        for device in some
    }  # fmt: skip
    out: dict[str, float | int] = {}
    rows, began, cpu = 0, time.perf_counter(), time.process_time()
    for device in some:
        target = SnmpTarget(device.name, device.host, device.port, Community(SecretStr("public")))
        for oid in columns[device.id]:
            rows += len(await snmp.walk(target, oid, 60))
    took = time.perf_counter() - began
    out["walks of ours, rows/s"] = rows / took
    out["walks of ours, rows per CPU s"] = rows / (time.process_time() - cpu)
    theirs, began, cpu = 0, time.perf_counter(), _children()
    for device in some:
        for oid in columns[device.id]:
            dotted = "." + ".".join(map(str, oid))
            process = await asyncio.create_subprocess_exec(
                "snmpbulkwalk", "-v2c", "-c", "public", "-Cr20", "-Onq", f"127.0.0.1:{device.port}", dotted,
                stdout=subprocess.PIPE,
            )  # fmt: skip
            said, _ = await process.communicate()
            theirs += said.count(b"\n") - said.count(b"No more variables left")
    out["snmpbulkwalk, rows/s"] = theirs / (time.perf_counter() - began)
    out["snmpbulkwalk, rows per CPU s"] = theirs / (_children() - cpu)
    assert theirs == rows, (theirs, rows)
    peer = snmp._peer(SnmpTarget(some[0].name, some[0].host, some[0].port))
    target = SnmpTarget(some[0].name, some[0].host, some[0].port, Community(SecretStr("public")))
    slow, began, cpu = 0, time.perf_counter(), time.process_time()
    at = oid = columns[some[0].id][0]
    while at[: len(oid)] == oid:
        got: list[Any] = await snmp._pysnmp("bulk", target, target.credentials, peer, [(at, None)], 20)
        slow += len(got)
        at = got[-1][0]
    out["pysnmp, rows/s"] = slow / (time.perf_counter() - began)
    out["pysnmp, rows per CPU s"] = slow / (time.process_time() - cpu)
    return out


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _children() -> float:
    used = os.times()
    return used.children_user + used.children_system


if __name__ == "__main__":
    main()
