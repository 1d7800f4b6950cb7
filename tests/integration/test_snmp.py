"""The door to SNMP against a real agent over UDP, in every way an agent can misbehave."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from callcenter.diag.snmp import Busy, Community, NoAnswer, Nonsense, Snmp, SnmpTarget
from callcenter.diag.values import NO_VALUE
from callcenter.errors import Refused, Unavailable
from lab.olt import Fault, SimulatedOlt

SYS_DESCR = (1, 3, 6, 1, 2, 1, 1, 1, 0)
SYS_OBJECT_ID = (1, 3, 6, 1, 2, 1, 1, 2, 0)
IF_DESCR = (1, 3, 6, 1, 2, 1, 2, 2, 1, 2)
ONU_RX = (1, 3, 6, 1, 4, 1, 3320, 101, 10, 5, 1, 5)
BUDGET = 0.5
"""Seconds a request gets here, so that the tests are quick; the law is the same for two."""


@pytest.fixture
async def olt() -> AsyncIterator[SimulatedOlt]:
    async with SimulatedOlt("epon", "vezha", onus_per_pon=32) as running:
        yield running


@pytest.fixture
async def snmp() -> AsyncIterator[Snmp]:
    door = Snmp()
    door.start()
    yield door
    door.close()


def target(olt: SimulatedOlt, community: str = "public") -> SnmpTarget:
    return SnmpTarget(olt.name, olt.host, olt.port, Community(SecretStr(community)))


@asynccontextmanager
async def stall_under(seconds: float) -> AsyncIterator[None]:
    """Fails when one step of the event loop worked longer than that; what other processes take does not count."""
    worst, stop = 0.0, asyncio.Event()

    async def feel() -> None:
        nonlocal worst
        while not stop.is_set():
            before = time.thread_time()
            await asyncio.sleep(0.005)
            worst = max(worst, time.thread_time() - before)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feel())
        yield
        stop.set()
    assert worst < seconds, f"the loop stood still for {worst * 1000:.0f} ms"


async def test_every_kind_of_value_is_read(olt: SimulatedOlt, snmp: Snmp) -> None:
    index = olt.onu("EPON0/1:1").if_index
    got = await snmp.get(target(olt), [SYS_DESCR, SYS_OBJECT_ID, (*ONU_RX, index), (*ONU_RX, 9999)], BUDGET)
    assert isinstance(descr := got[SYS_DESCR], bytes)
    assert descr.startswith(b"BDCOM(tm) P3310C")
    assert got[SYS_OBJECT_ID] == (1, 3, 6, 1, 4, 1, 3320, 1, 294, 0)
    assert isinstance(rx := got[(*ONU_RX, index)], int)
    assert -203 <= rx <= -193
    assert got[(*ONU_RX, 9999)] is NO_VALUE


async def test_a_walk_gives_the_whole_table_and_no_more(olt: SimulatedOlt, snmp: Snmp) -> None:
    rows = await snmp.walk(target(olt), IF_DESCR, 5)
    names = set(rows.values())
    assert len(rows) == 4 + 8 + 8 * 32
    assert {b"EPON0/8", b"EPON0/8:32", b"GigaEthernet0/1"} <= names
    with pytest.raises(Unavailable, match="more than 100 rows"):
        await snmp.walk(target(olt), IF_DESCR, 5, most=100)


async def test_net_snmp_reads_the_same(olt: SimulatedOlt, snmp: Snmp) -> None:
    """The simulated OLT is real SNMP: a third implementation agrees with ours about it."""
    ours = await snmp.walk(target(olt), IF_DESCR, 5)
    walk = await asyncio.create_subprocess_exec(
        "snmpbulkwalk", "-v2c", "-c", "public", "-Onqv", f"{olt.host}:{olt.port}", ".1.3.6.1.2.1.2.2.1.2",
        stdout=subprocess.PIPE,
    )  # fmt: skip
    out, _ = await walk.communicate()
    theirs = [line.strip('"') for line in out.decode().splitlines()]
    assert theirs == [name.decode() for name in ours.values() if isinstance(name, bytes)]


async def test_a_question_too_big_for_the_device_is_asked_in_parts(olt: SimulatedOlt, snmp: Snmp) -> None:
    olt.most_binds = 5
    oids = [(*ONU_RX, olt.onu(f"EPON0/2:{n}").if_index) for n in range(1, 19)]
    got = await snmp.get(target(olt), oids, 2)
    assert got.keys() == set(oids)
    assert all(isinstance(value, int) for value in got.values())


MUTE = {Fault.SILENT, Fault.GARBAGE, Fault.TRUNCATED, Fault.ECHO, Fault.WRONG_ID, Fault.DEEP, Fault.FLOOD}
QUICK = {Fault.OTHER_OIDS: Nonsense, Fault.NO_ROWS: Nonsense, Fault.TOO_BIG: Refused}


@pytest.mark.parametrize("fault", sorted([*MUTE, *QUICK]), ids=str)
async def test_a_misbehaving_device_costs_its_budget_and_nothing_else(
    olt: SimulatedOlt, snmp: Snmp, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends in time with a clear error, holds nobody up, floods no log, and is read again once it behaves."""
    olt.fault = fault
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with stall_under(0.1):
        with pytest.raises(QUICK.get(fault, NoAnswer), match="vezha"):
            await snmp.get(target(olt), [SYS_DESCR, (*ONU_RX, 113)], BUDGET)
    assert loop.time() - began < BUDGET + 2
    assert sum(record.levelno >= logging.WARNING for record in caplog.records) <= 1
    assert "Traceback" not in caplog.text
    olt.fault = None
    assert await snmp.get(target(olt), [SYS_DESCR], 2)


@pytest.mark.parametrize("fault", [Fault.NOT_INCREASING, Fault.NO_ROWS, Fault.SILENT, Fault.TOO_BIG], ids=str)
async def test_a_walk_of_a_misbehaving_device_ends(olt: SimulatedOlt, snmp: Snmp, fault: Fault) -> None:
    olt.fault = fault
    with pytest.raises((Unavailable, Refused)):
        await snmp.walk(target(olt), IF_DESCR, BUDGET)


async def test_a_wrong_community_is_silence(olt: SimulatedOlt, snmp: Snmp) -> None:
    with pytest.raises(NoAnswer, match="did not answer"):
        await snmp.get(target(olt, community="privat"), [SYS_DESCR], BUDGET)
    assert "privat" not in repr(target(olt, community="privat"))


async def test_a_host_without_an_address_is_unavailable(snmp: Snmp) -> None:
    with pytest.raises(NoAnswer):
        await snmp.get(SnmpTarget("vezha", "olt.invalid", 161, Community(SecretStr("x"))), [SYS_DESCR], BUDGET)


async def test_never_more_than_one_request_is_outstanding(olt: SimulatedOlt, snmp: Snmp) -> None:
    """Twenty that ask at once take turns; the device never holds two of our requests."""
    olt.delay = 0.02
    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(snmp.get(target(olt), [SYS_DESCR], 4))
    assert olt.requests == 20
    assert olt.peak_outstanding == 1


async def test_waiting_for_a_turn_counts(olt: SimulatedOlt, snmp: Snmp) -> None:
    olt.delay = 0.4
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(snmp.get(target(olt), [SYS_DESCR], 2))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="busy"):
            await snmp.get(target(olt), [SYS_DESCR], 0.1)
    assert first.result()


async def test_one_silent_device_delays_no_other(olt: SimulatedOlt, snmp: Snmp) -> None:
    async with SimulatedOlt("gpon", "dim") as other:
        olt.fault = Fault.SILENT
        async with asyncio.TaskGroup() as tasks:
            stuck = tasks.create_task(_unavailable(snmp, target(olt)))
            await snmp.get(target(other), [SYS_DESCR], BUDGET)
            assert not stuck.done()
        assert stuck.result()


async def test_nobody_who_was_not_asked_is_listened_to(olt: SimulatedOlt, snmp: Snmp) -> None:
    """An answer from another address than the one asked is not even decoded."""
    olt.delay = 0.2
    async with SimulatedOlt("epon", "stranger") as stranger, asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(snmp.get(target(olt), [SYS_DESCR], 2))
        await asyncio.sleep(0.05)
        door = snmp._engines.engine(None).door
        assert door.transport is not None
        ours = door.transport.get_extra_info("socket").getsockname()[1]
        before = door.turned_away
        assert stranger._transport is not None
        for _ in range(50):
            stranger._transport.sendto(b"\x30\x10" + bytes(16), ("127.0.0.1", ours))
        got = await asked
        assert isinstance(got[SYS_DESCR], bytes)
        assert door.turned_away == before + 50


async def _unavailable(snmp: Snmp, who: SnmpTarget) -> bool:
    with pytest.raises(Unavailable):
        await snmp.get(who, [SYS_DESCR], BUDGET)
    return True


@pytest.fixture(autouse=True)
def _no_loop_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing may end up in the event loop's own error handler, the place where pysnmp's tracebacks land."""
    yield
    assert [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.ERROR] == []
