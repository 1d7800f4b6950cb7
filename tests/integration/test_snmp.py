"""The door to SNMP against a real agent over UDP, in every way an agent can misbehave."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr

from callcenter.diag.devices import SnmpV3
from callcenter.diag.driver import Limits
from callcenter.diag.snmp import Busy, Community, NoAnswer, Nonsense, Snmp, SnmpTarget
from callcenter.diag.values import NO_VALUE
from callcenter.errors import Misconfigured, Refused, RuleBroken, Unavailable
from lab.olt import Fault, SimulatedOlt
from lab.snmp_agent import Mib, read_request, write_response
from lab.snmp_v3 import SnmpV3Agent

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


# --- whole tables ---


async def test_a_lost_datagram_ends_no_walk(snmp: Snmp) -> None:
    """Once a device has answered, what got lost is asked again; only one request is ever on its way."""
    async with SimulatedOlt("epon", "vezha", onus_per_pon=64) as olt:
        whole = await snmp.walk(target(olt), IF_DESCR, 5)
        asked = olt.requests

        async def lose_some() -> None:
            while olt.requests < asked + 4:
                await asyncio.sleep(0)
            olt.fault = Fault.SILENT
            while olt.requests < asked + 6:
                await asyncio.sleep(0.01)
            olt.fault = None

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(lose_some())
            assert await snmp.walk(target(olt), IF_DESCR, 20) == whole


async def test_all_at_once_reads_the_same_as_one_by_one(olt: SimulatedOlt, snmp: Snmp) -> None:
    oids = [(*ONU_RX, onu.if_index) for onu in olt.plant.onus.values()] + [(*ONU_RX, 9999)]
    asked = olt.requests
    found = await snmp.get_all(target(olt), oids, 5)
    assert olt.requests - asked == len(oids) // 20 + 1
    assert found.keys() == set(oids)
    assert found[(*ONU_RX, 9999)] is NO_VALUE
    assert all(isinstance(found[oid], int) for oid in oids[:-1])


@pytest.mark.parametrize("fault", sorted([*MUTE, *QUICK]), ids=str)
async def test_a_sweep_of_a_misbehaving_device_ends_too(
    olt: SimulatedOlt, snmp: Snmp, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    olt.fault = fault
    async with stall_under(0.1):
        with pytest.raises((Unavailable, Refused), match="vezha"):
            await snmp.get_all(target(olt), [SYS_DESCR], BUDGET)
        if fault is not Fault.OTHER_OIDS:  # OIDs that are longer by an arc make a table like any other
            with pytest.raises((Unavailable, Refused), match="vezha"):
                await snmp.walk(target(olt), IF_DESCR, BUDGET)
    assert "Traceback" not in caplog.text


async def test_a_table_without_an_end_is_left(snmp: Snmp) -> None:
    """Ten megabytes of table, or one that never ends, cost what we bear and no more."""
    async with _Endless() as endless:
        who = SnmpTarget("vezha", "127.0.0.1", endless.port, Community(SecretStr("public")))
        async with stall_under(0.1):
            with pytest.raises(Nonsense, match="more than 300 rows"):
                await snmp.walk(who, IF_DESCR, 20, most=300)
        assert endless.requests <= 300 / 20 + 1
        assert len(await snmp.walk(who, IF_DESCR, 20, most=300, cut=True)) == 300
        endless.value = b"x" * 20_000
        endless.repetitions = 3
        with pytest.raises(Nonsense):
            await snmp.walk(who, IF_DESCR, 20)
        assert endless.requests * 60_000 < 14_000_000


class _Endless(asyncio.DatagramProtocol):
    """A device whose table goes on for ever."""

    def __init__(self) -> None:
        self.value = b"GigaEthernet"
        self.repetitions: int | None = None
        self.requests = 0
        self.port = 0

    async def __aenter__(self) -> _Endless:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self.transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = read_request(data)
        self.requests += 1
        at = asked.oids[0][len(IF_DESCR) :] or (0,)
        count = self.repetitions or asked.max_repetitions
        rows = [((*IF_DESCR, at[0] + step), self.value) for step in range(1, count + 1)]
        self.transport.sendto(write_response(asked, list(rows)), addr)


async def test_a_small_cpu_is_asked_as_its_family_bears(olt: SimulatedOlt, snmp: Snmp) -> None:
    gentle = SnmpTarget(
        olt.name, olt.host, olt.port, Community(SecretStr("public")), None, Limits(bulk_rows=5, gets_at_once=3)
    )
    asked = olt.requests
    rows = await snmp.walk(gentle, IF_DESCR, 5)
    assert olt.requests - asked == len(rows) // 5 + 1
    asked = olt.requests
    await snmp.get(gentle, [(*ONU_RX, onu.if_index) for onu in list(olt.plant.onus.values())[:9]], 2)
    assert olt.requests - asked == 3
    asked = olt.requests
    one_by_one = replace(gentle, limits=Limits(uses_bulk=False))
    assert len(await snmp.walk(one_by_one, (*IF_DESCR[:-1], 2), 5)) == olt.requests - asked - 1


# --- v3, contexts, writing ---

USERS = {
    "none": SnmpV3("open"),
    "md5": SnmpV3("md5user", "md5", SecretStr("auth-secret")),
    "sha": SnmpV3("shauser", "sha", SecretStr("auth-secret")),
    "sha256": SnmpV3("sha256user", "sha256", SecretStr("auth-secret")),
    "md5-des": SnmpV3("desuser", "md5", SecretStr("auth-secret"), "des", SecretStr("priv-secret")),
    "sha-aes": SnmpV3("aesuser", "sha", SecretStr("auth-secret"), "aes", SecretStr("priv-secret")),
    "sha256-aes": SnmpV3("newuser", "sha256", SecretStr("auth-secret"), "aes", SecretStr("priv-secret")),
}
NOT_OURS = {
    "another name": SnmpV3("nobody"),
    "another secret": replace(USERS["sha-aes"], auth_secret=SecretStr("other-secret")),
    "another privacy": replace(USERS["sha-aes"], priv_secret=SecretStr("other-secret")),
    "less than it asks for": replace(USERS["sha-aes"], priv=""),
}


@pytest.fixture
async def v3() -> AsyncIterator[SnmpV3Agent]:
    tables = SimulatedOlt("epon", "vezha", pons=2, onus_per_pon=16)
    vlan = Mib({(*SYS_DESCR,): lambda: b"vlan 7"})
    async with SnmpV3Agent(tables._mib, USERS, write_community="writers", contexts={"vlan-7": vlan}) as running:
        yield running


def v3_target(agent: SnmpV3Agent, user: SnmpV3) -> SnmpTarget:
    return SnmpTarget("vezha", "127.0.0.1", agent.port, user, user)


@pytest.mark.parametrize("user", USERS.values(), ids=USERS.keys())
async def test_v3_reads_walks_and_writes(v3: SnmpV3Agent, snmp: Snmp, user: SnmpV3) -> None:
    who = v3_target(v3, user)
    descr = (await snmp.get(who, [SYS_DESCR], 3))[SYS_DESCR]
    assert isinstance(descr, bytes)
    assert descr.startswith(b"BDCOM(tm) P3310C")
    assert len(await snmp.walk(who, IF_DESCR, 10)) == 4 + 2 + 32
    assert len(await snmp.get_all(who, [SYS_DESCR, SYS_OBJECT_ID], 3)) == 2
    await snmp.set(who, [((*IF_DESCR, 1), b"uplink"), ((*ONU_RX, 1), -7)], 3)
    assert v3.written == [((*IF_DESCR, 1), b"uplink"), ((*ONU_RX, 1), -7)]


async def test_net_snmp_reads_the_v3_agent_too(v3: SnmpV3Agent) -> None:
    """Both ends of our own v3 tests are pysnmp: a third implementation vouches for the agent."""
    get = await asyncio.create_subprocess_exec(
        "snmpget", "-v3", "-u", "newuser", "-l", "authPriv", "-a", "SHA-256", "-A", "auth-secret", "-x", "AES",
        "-X", "priv-secret", "-Oqv", f"127.0.0.1:{v3.port}", ".1.3.6.1.2.1.1.1.0", stdout=subprocess.PIPE,
    )  # fmt: skip
    out, _ = await get.communicate()
    assert b"BDCOM(tm) P3310C" in out


@pytest.mark.parametrize("user", NOT_OURS.values(), ids=NOT_OURS.keys())
async def test_a_v3_user_that_is_not_let_in_is_told_why(v3: SnmpV3Agent, snmp: Snmp, user: SnmpV3) -> None:
    assert await snmp.get(v3_target(v3, USERS["sha-aes"]), [SYS_DESCR], 3)
    with pytest.raises((Refused, NoAnswer)) as told:
        await snmp.get(v3_target(v3, user), [SYS_DESCR], 1.5)
    assert "secret" not in str(told.value)
    assert await snmp.get(v3_target(v3, USERS["sha-aes"]), [SYS_DESCR], 3)


@pytest.mark.parametrize(
    "user", [SnmpV3("u", "sha", SecretStr("short")), SnmpV3("u", "sha1"), SnmpV3("u", "", priv="aes")], ids=str
)
async def test_a_v3_user_that_cannot_be_is_misconfigured(v3: SnmpV3Agent, snmp: Snmp, user: SnmpV3) -> None:
    with pytest.raises(Misconfigured, match="SNMPv3") as told:
        await snmp.get(v3_target(v3, user), [SYS_DESCR], 1)
    assert "short" not in str(told.value)


async def test_one_vlans_tables_are_a_context_or_a_community(v3: SnmpV3Agent, snmp: Snmp) -> None:
    who = v3_target(v3, USERS["sha-aes"])
    assert (await snmp.get(who, [SYS_DESCR], 3, vlan=7))[SYS_DESCR] == b"vlan 7"
    assert len(await snmp.walk(who, SYS_DESCR[:-1], 3, vlan=7)) == 1
    async with SimulatedOlt("epon", "vlans", community="public@7") as olt:
        assert await snmp.get(target(olt), [SYS_DESCR], 2, vlan=7)
        assert len(await snmp.walk(target(olt), SYS_DESCR[:-1], 2, vlan=7)) == 1


async def test_only_who_may_write_writes(olt: SimulatedOlt, snmp: Snmp) -> None:
    asked = olt.requests
    with pytest.raises(RuleBroken, match="no write community"):
        await snmp.set(target(olt), [((*IF_DESCR, 1), b"x")], 1)
    assert olt.requests == asked
    olt.write_community = "private"
    may = replace(target(olt), write=Community(SecretStr("private")))
    await snmp.set(may, [((*IF_DESCR, 1), "вежа".encode()), ((*ONU_RX, 1), -7)], 1)
    assert olt.written == [((*IF_DESCR, 1), "вежа".encode()), ((*ONU_RX, 1), -7)]
    with pytest.raises(Refused):
        await snmp.set(replace(may, write=Community(SecretStr("public"))), [((*IF_DESCR, 1), b"x")], 1)
    assert len(olt.written) == 2


async def _unavailable(snmp: Snmp, who: SnmpTarget) -> bool:
    with pytest.raises(Unavailable):
        await snmp.get(who, [SYS_DESCR], BUDGET)
    return True


@pytest.fixture(autouse=True)
def _no_loop_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing may end up in the event loop's own error handler, the place where pysnmp's tracebacks land."""
    yield
    assert [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.ERROR] == []
