"""Traps over real UDP, written by the lab's own codec: what makes a hint, and what makes nothing."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from callcenter.diag import traps
from callcenter.diag.devices import Device, SnmpV3
from callcenter.diag.trap_message import NotATrap, pon_in, read_trap
from callcenter.diag.traps import Traps, parse_bind
from callcenter.errors import Misconfigured
from callcenter.words import DeviceId, ProviderId
from lab import traps as sent
from lab.olt import SimulatedOlt, obey
from lab.plant import Down

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MAKER = (1, 3, 6, 1, 4, 1, 3320, 1)
OLT = Device(DeviceId(1), ProviderId(1), "vezha", "bdcom_epon", "127.0.0.1", SecretStr("hovorylnya"), port=16101)
ALIEN = replace(OLT, id=DeviceId(2), name="inshyi", host="192.0.2.7")
DOWN = sent.trap_v2(b"hovorylnya", sent.LINK_DOWN, sent.of_interface(113, "EPON0/2:1"))


class Heard:
    """What the receiver made of what it got."""

    def __init__(self) -> None:
        self.hints: list[tuple[str, str | None]] = []
        self.faults: list[str] = []
        self.changed = asyncio.Event()

    def hint(self, device: Device, pon: str | None, at: datetime) -> None:
        assert at == NOON
        self.hints.append((device.name, pon))
        self.changed.set()

    def fault(self, fault: str) -> None:
        self.faults.append(fault)
        self.changed.set()


@asynccontextmanager
async def receiving(*devices: Device, bind: str = "127.0.0.1:0") -> AsyncIterator[tuple[Traps, Heard]]:
    heard = Heard()
    receiver = Traps(bind, lambda: NOON, heard.hint, on_fault=heard.fault)
    receiver.know(devices or (OLT,))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(receiver.run())
        await until(lambda: receiver.address is not None or bool(receiver.fault))
        yield receiver, heard
        task.cancel()


async def until(fact: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.005)


def send(receiver: Traps, *datagrams: bytes) -> None:
    assert receiver.address is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for datagram in datagrams:
            out.sendto(datagram, receiver.address)


V1_DOWN = sent.trap_v1(b"hovorylnya", MAKER, 2, 0, sent.of_interface(113, "EPON0/2:1"), "10.0.0.1")
V1_MAKERS = sent.trap_v1(b"hovorylnya", MAKER, 6, 17, [((*MAKER, 1), b"ONU GPON0/1/7:3 dying gasp")], "10.0.0.1")
V2_MAKERS = sent.trap_v2(b"hovorylnya", (*MAKER, 0, 1), [((*MAKER, 1), b"interface epon 0/3:5 down")])
V2_NAMELESS = sent.trap_v2(b"hovorylnya", sent.LINK_DOWN, [((*sent.IF_INDEX, 9), 9)])


@pytest.mark.parametrize(
    ("what", "pon"),
    [(DOWN, "EPON0/2"), (V1_DOWN, "EPON0/2"), (V1_MAKERS, "GPON0/1/7"), (V2_MAKERS, "EPON0/3"), (V2_NAMELESS, None)],
)
async def test_a_trap_of_a_known_device_makes_us_look(what: bytes, pon: str | None) -> None:
    async with receiving() as (receiver, heard):
        send(receiver, what)
        await until(lambda: bool(heard.hints))
        assert heard.hints == [("vezha", pon)]
        assert receiver.counts == {"believed": 1}


async def test_an_inform_is_answered() -> None:
    inform = sent.trap_v2(b"hovorylnya", sent.LINK_DOWN, [], pdu=sent.INFORM, number=77)
    async with receiving() as (receiver, heard):
        assert receiver.address is not None
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(inform, receiver.address)
            async with asyncio.timeout(5):
                answer = await loop.sock_recv(out, 2000)
        assert answer[0] == 0x30
        assert b"\x02\x01\x4d" in answer  # its number
        assert b"\xa2" in answer  # a Response
        await until(lambda: bool(heard.hints))


async def test_of_v3_the_user_tells_whose_it_is() -> None:
    ours = replace(OLT, v3=SnmpV3("nagliad"))
    async with receiving(ours) as (receiver, heard):
        send(receiver, sent.trap_v3(b"chuzhyi"), sent.trap_v3(b"nagliad"))
        await until(lambda: bool(heard.hints))
        assert heard.hints == [("vezha", None)]
        assert receiver.counts == {"believed": 1, "community": 1}


FOREIGN = sent.trap_v2(b"public", sent.LINK_DOWN, sent.of_interface(113, "EPON0/2:1"))
NOT_ABOUT_LINES = sent.trap_v2(b"hovorylnya", (1, 3, 6, 1, 6, 3, 1, 1, 5, 5), [])
GET = b"\x30\x29\x02\x01\x01\x04\x0ahovorylnya" + b"\xa0\x18" + bytes(0x18)


@pytest.mark.parametrize(
    ("what", "counted"),
    [
        (FOREIGN, "community"),
        (NOT_ABOUT_LINES, "other"),
        (DOWN[:-3], "malformed"),
        (DOWN + b"\0", "malformed"),
        (b"", "malformed"),
        (b"\x30" * 400, "malformed"),
        (GET, "malformed"),
        (random.Random(1).randbytes(900), "malformed"),
        (b"\x30\x82\x07\xd0" + b"\x30\x80" * 1000, "malformed"),
    ],
)
async def test_what_is_no_trap_of_ours_is_counted_and_makes_nothing(what: bytes, counted: str) -> None:
    async with receiving() as (receiver, heard):
        send(receiver, what)
        await until(lambda: receiver.counts.total() == 1)
        assert receiver.counts == {counted: 1}
        send(receiver, DOWN)  # it still hears
        await until(lambda: bool(heard.hints))


async def test_strangers_are_counted_and_not_read() -> None:
    async with receiving(ALIEN) as (receiver, heard):
        send(receiver, *([DOWN] * 100))
        await until(lambda: receiver.counts["stranger"] == 100)
        assert heard.hints == []


async def test_a_storm_costs_one_look_at_once_and_one_in_a_few_seconds() -> None:
    async with receiving() as (receiver, heard):
        for sent_so_far in range(0, 10_000, 100):
            send(receiver, *([DOWN] * 100))
            await until(lambda reached=sent_so_far: receiver.counts.total() > reached * 0.9)  # type: ignore[misc]
        await until(lambda: bool(heard.hints))
        assert heard.hints[0] == ("vezha", "EPON0/2")
        assert len(heard.hints) <= 3
        assert receiver.counts["believed"] < 500
        assert receiver.counts["over"] > 8_000


async def test_two_devices_at_one_address_are_told_apart_by_community_and_port() -> None:
    other = replace(OLT, id=DeviceId(3), name="pole", community=SecretStr("inshe"), port=16102)
    same = replace(OLT, id=DeviceId(4), name="bereh", port=16103)
    async with receiving(OLT, other, same) as (receiver, heard):
        send(receiver, sent.trap_v2(b"inshe", sent.LINK_DOWN, []))
        await until(lambda: bool(heard.hints))
        assert heard.hints == [("pole", None)]
        send(receiver, DOWN)
        await until(lambda: len(heard.hints) == 3)
        assert set(heard.hints[1:]) == {("vezha", "EPON0/2"), ("bereh", "EPON0/2")}


async def test_after_the_last_trap_the_olt_is_looked_at_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traps, "AGAIN_S", 0.2)
    async with receiving() as (receiver, heard):
        send(receiver, DOWN)
        await until(lambda: len(heard.hints) == 2)
        assert heard.hints == [("vezha", "EPON0/2")] * 2


async def test_single_traps_of_an_olt_that_name_no_place_do_not_make_it_be_swept_all_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(traps, "LOOK_EVERY_S", 0.05)
    async with receiving() as (receiver, heard):
        send(receiver, V2_NAMELESS)
        await until(lambda: len(heard.hints) == 1)
        send(receiver, *[V2_NAMELESS] * (traps.MANY - 1))
        await until(lambda: receiver.counts["believed"] == traps.MANY)
        send(receiver, DOWN)  # the next one makes many
        await until(lambda: len(heard.hints) == 2)
        assert heard.hints == [("vezha", None)] * 2
        assert receiver.counts["believed"] == traps.MANY + 1


async def test_a_port_that_cannot_be_had_is_a_fault_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traps, "BIND_AGAIN_S", 0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with receiving(bind=f"127.0.0.1:{port}") as (receiver, heard):
            assert str(port) in receiver.fault
            assert heard.faults == [receiver.fault]
            taken.close()
            await until(lambda: receiver.address is not None)
            assert heard.faults[-1] == receiver.fault == ""


async def test_without_a_port_nothing_is_heard_and_nothing_is_wrong() -> None:
    receiver = Traps("", lambda: NOON, lambda device, pon, at: None)
    await receiver.run()
    assert (receiver.fault, receiver.address) == ("", None)


@pytest.mark.parametrize("wrong", ["162", "127.0.0.1:", "127.0.0.1:70000", "host:snmp"])
def test_a_wrong_address_is_said_at_the_start(wrong: str) -> None:
    with pytest.raises(Misconfigured, match="traps_bind"):
        Traps(wrong, lambda: NOON, lambda device, pon, at: None)


def test_addresses_of_ipv6_are_read() -> None:
    assert parse_bind("[::]:162") == ("::", 162)
    assert parse_bind("127.0.0.1:1162") == ("127.0.0.1", 1162)


def test_any_beginning_of_a_trap_is_no_trap() -> None:
    for whole in (DOWN, V1_MAKERS, sent.trap_v3(b"nagliad")):
        for end in range(len(whole)):
            with pytest.raises(NotATrap):
                read_trap(whole[:end])


@pytest.mark.parametrize(
    ("text", "pon"),
    [
        (b"Interface EPON0/2:14 changed state to down", "EPON0/2"),
        (b"gpon0/1/7", "GPON0/1/7"),
        (b"GPON 0/3:5,", "GPON0/3"),
        (b"XGPON0/3:5", None),
        (b"EPON0/2/3/4/5", None),
        (b"EPON", None),
        (b"", None),
    ],
)
def test_the_port_is_found_in_a_devices_own_words(text: bytes, pon: str | None) -> None:
    assert pon_in(text) == pon


@pytest.mark.parametrize("family", ["bdcom_epon", "bdcom_gpon"])
async def test_a_cut_port_of_the_lab_tells_at_once(family: str) -> None:
    async with receiving() as (receiver, heard):
        assert receiver.address is not None
        async with SimulatedOlt(family, "vezha", traps_to=receiver.address, community="hovorylnya") as olt:
            pon = next(iter(olt.plant.pons))
            olt.cut(pon)
            await until(lambda: bool(heard.hints))
            assert heard.hints[0] == ("vezha", pon)
            assert receiver.counts["believed"] >= 1


async def test_the_labs_commands_cut_splice_and_black_out_whole_districts() -> None:
    async with SimulatedOlt("epon", "vezha", area="tsentr") as one, SimulatedOlt("gpon", "bereh", area="tsentr") as two:
        olts = {"vezha": one, "bereh": two}

        def dark(olt: SimulatedOlt, pon: str) -> int:
            return sum(onu.down is not None for onu in olt.plant.onus.values() if onu.address.pon == pon)

        assert obey(olts, "vezha cut EPON0/2") == "ok"
        assert dark(one, "EPON0/2") == 48
        assert obey(olts, "vezha splice EPON0/2") == "ok"
        assert dark(one, "EPON0/2") == 0
        assert obey(olts, "vezha blackout EPON0/3 0.1") == "ok"
        await until(lambda: dark(one, "EPON0/3") == 48)
        assert {onu.down for onu in one.plant.onus.values() if onu.address.pon == "EPON0/3"} == {Down.POWER}
        assert obey(olts, "tsentr blackout all") == "ok"
        assert all(onu.down is not None for olt in olts.values() for onu in olt.plant.onus.values())
        for wrong in ("mars blackout all", "vezha blackout EPON0/1 soon", "vezha blackout a b c"):
            assert obey(olts, wrong).startswith("not understood"), wrong
