"""What one live card costs: milliseconds and CPU of a reading, beside the device's own round trip.

``python -m bench.diag_card [--cards 300] [--json]``. The simulated OLTs run in a process of their own, so that the CPU
is the service's alone. "Bare" is a plain UDP exchange of the same questions: what the network and the device take
without us. "CPU with keeping" includes storing the reading in PostgreSQL, which comes after the card has it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text

from callcenter.diag.devices import Device, device_by_id
from callcenter.diag.drivers import DRIVERS
from callcenter.diag.line import LineReader
from callcenter.diag.snmp import Snmp, SnmpTarget
from callcenter.diag.values import Oid, SnmpValue
from callcenter.store import Database, Scope
from callcenter.store.embedded import Embedded
from callcenter.store.migrate import migrate
from callcenter.store.vault import Vault
from callcenter.words import DeviceId, Known, OnuAddress
from lab.mibs import FAMILIES
from lab.mibs.family import Family
from lab.snmp_agent import GET, encode, tlv

DELAYS = (0.0, 0.02, 0.1)
"""Seconds the device thinks over each request."""
EVERY = ("bdcom_epon", "bdcom_gpon")
"""Families that are measured with each of them; the others with the one in the middle."""

_VAULT = Vault(SecretStr(Fernet.generate_key().decode()))
"""Its own: nothing is sealed here for longer than a run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callcenter-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        postgres = Embedded(Path(folder) / "postgres")
        postgres.start()
        try:
            asyncio.run(migrate(postgres.owner_url))
            rows = asyncio.run(all_cases(postgres.url, args.cards))
        finally:
            postgres.stop()
    report(rows, as_json=args.json)


async def all_cases(url: str, cards: int) -> list[dict[str, Any]]:
    database = Database(url)
    simulator = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lab.olt", "--control", "127.0.0.1:0"),
        *(word for family in FAMILIES for word in ("--device", f"{family}=127.0.0.1:0")),
        stdout=asyncio.subprocess.PIPE,
    )
    assert simulator.stdout is not None
    rows = []
    try:
        said = [(await simulator.stdout.readline()).decode().split() for _ in range(len(FAMILIES) + 1)]
        ports = {words[0].rstrip(":"): int(words[2].rstrip(",").rpartition(":")[2]) for words in said[:-1]}
        _, control = await asyncio.open_connection("127.0.0.1", int(said[-1][1].rpartition(":")[2]))
        for name, family in FAMILIES.items():
            for delay in DELAYS if name in EVERY else DELAYS[1:2]:
                control.write(f"{name} delay {delay}\n".encode())
                await asyncio.sleep(0.1)
                count = max(20, int(cards / (1 + 90 * delay)))
                rows.append(await measure(database, family, ports[name], delay, count))
        control.close()
    finally:
        simulator.terminate()
        await simulator.wait()
        await database.close()
    return rows


def report(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows))
        return
    print("driver         device  cards  PDUs  bare ms  card p50 ms  p99 ms  ours ms  CPU ms  CPU with keeping ms")
    for row in rows:
        print(
            f"{row['driver']:<14} {row['device_ms']:>3.0f} ms {row['cards']:>6} {row['pdus']:>5} "
            f"{row['bare_ms']:>8.2f} {row['p50_ms']:>12.2f} {row['p99_ms']:>7.2f} "
            f"{row['ours_ms']:>8.2f} {row['cpu_ms']:>7.2f} "
            f"{row['cpu_kept_ms']:>20.2f}"
        )


class Listening(Snmp):
    """The door itself, and what it was asked for since ``asked`` was emptied: one list a request."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[Oid]] = []

    async def get(
        self, target: SnmpTarget, oids: Sequence[Oid], budget: float, *, vlan: int | None = None, urgent: bool = False
    ) -> dict[Oid, SnmpValue]:
        most = target.limits.gets_at_once
        self.asked += [list(oids[at : at + most]) for at in range(0, len(oids), most)]
        return await super().get(target, oids, budget, vlan=vlan, urgent=urgent)


async def measure(database: Database, family: Family, port: int, delay: float, cards: int) -> dict[str, Any]:
    olt = await registered(database, family.name, port)
    snmp = Listening()
    snmp.start()
    async with asyncio.TaskGroup() as tasks:
        lines = LineReader(snmp, database, tasks, lambda: datetime.now(UTC))
        await lines.learn([olt])

        async def card(number: int) -> None:
            pon, onu = divmod(number % 336, 48)
            found = await lines.read(olt, str(OnuAddress(family.family, (*family.before, pon + 2), onu + 1)))
            assert isinstance(found, Known), found

        await card(0)
        snmp.asked.clear()
        await card(0)
        asked = list(snmp.asked)
        pdus = [_pdu(each) for each in asked]
        bare = await _exchange(port, pdus, cards)
        target = SnmpTarget.of(olt, DRIVERS[family.name].limits)

        async def only_read(_: int) -> None:
            for each in asked:
                await snmp.get(target, each, 2)

        took, cpu_kept = await _timed(card, cards)
        _, cpu = await _timed(only_read, cards)
    snmp.close()
    p50 = statistics.median(took)
    return {
        "driver": family.name,
        "device_ms": delay * 1000,
        "cards": cards,
        "pdus": len(pdus),
        "bare_ms": bare,
        "p50_ms": p50,
        "p99_ms": statistics.quantiles(took, n=100)[98],
        "ours_ms": p50 - bare,
        "cpu_ms": cpu,
        "cpu_kept_ms": cpu_kept,
    }


async def registered(database: Database, driver: str, port: int) -> Device:
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("DELETE FROM provider"))
        provider = await connection.execute(
            text("INSERT INTO provider (slug, brand) VALUES ('bench', 'Bench') RETURNING id")
        )
        number = await connection.execute(
            text(
                "INSERT INTO device (provider_id, name, driver, host, port, plain_community) "
                "VALUES (:provider, 'bench', :driver, '127.0.0.1', :port, 'public') RETURNING id"
            ),
            {"provider": provider.scalar_one(), "driver": driver, "port": port},
        )
        olt = await device_by_id(connection, _VAULT, DeviceId(number.scalar_one()))
    assert olt is not None
    return olt


async def _timed(one: Callable[[int], Coroutine[Any, Any, None]], times: int) -> tuple[list[float], float]:
    for number in range(10):
        await one(number)
    took, cpu = [], time.process_time()
    for number in range(times):
        began = time.perf_counter()
        await one(number)
        took.append((time.perf_counter() - began) * 1000)
    return took, (time.process_time() - cpu) * 1000 / times


def _pdu(oids: list[Oid]) -> bytes:
    """The same request as a datagram, encoded once."""
    binds = b"".join(tlv(0x30, encode(oid) + b"\x05\x00") for oid in oids)
    pdu = tlv(GET, encode(1) + encode(0) + encode(0) + tlv(0x30, binds))
    return tlv(0x30, encode(1) + encode(b"public") + pdu)


class _Bare(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answered: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.answered.put_nowait(data)


async def _exchange(port: int, pdus: list[bytes], times: int) -> float:
    """Milliseconds the same questions take as bare datagrams, median."""
    transport, bare = await asyncio.get_running_loop().create_datagram_endpoint(_Bare, remote_addr=("127.0.0.1", port))

    async def card(_: int) -> None:
        for pdu in pdus:
            transport.sendto(pdu)
            await bare.answered.get()

    took, _ = await _timed(card, times)
    transport.close()
    return statistics.median(took)


if __name__ == "__main__":
    main()
