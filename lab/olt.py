"""Simulated OLTs over real SNMP: ``python -m lab.olt --epon 127.0.0.1:16101 --gpon 127.0.0.1:16102``.

``SimulatedOlt`` is the same thing for tests: several hundred ONUs whose light drifts, lines that can be cut, ONUs that
can lose power, and every way a real OLT has been seen to misbehave. It counts what it is asked, and how many requests
it ever held unanswered at once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Self

from lab import traps
from lab.mibs import FAMILIES
from lab.mibs.family import Family
from lab.plant import Down, Onu, Plant, build_plant
from lab.snmp_agent import (
    GET,
    NO_ACCESS,
    RESPONSE,
    SET,
    TOO_BIG,
    Mib,
    NotSnmp,
    Oid,
    Request,
    Rows,
    Value,
    VarBind,
    encode,
    read_request,
    tlv,
    write_response,
)

Address = tuple[str, int]
SYS_DESCR: Oid = (1, 3, 6, 1, 2, 1, 1, 1, 0)
SYS_OBJECT_ID: Oid = (1, 3, 6, 1, 2, 1, 1, 2, 0)


class Fault(StrEnum):
    """How an OLT can misbehave; ``delay`` makes it slow on top."""

    SILENT = "silent"
    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    ECHO = "echo"
    WRONG_ID = "wrong-id"
    DEEP = "deep"
    FLOOD = "flood"
    TEXT = "text"
    NOT_INCREASING = "not-increasing"
    OTHER_OIDS = "other-oids"
    TOO_BIG = "too-big"
    NO_ROWS = "no-rows"


class SimulatedOlt(asyncio.DatagramProtocol):
    """One OLT on a UDP port of its own. Use as an async context; port 0 takes any free one.

    ``device`` is a family of ``lab/mibs``, which is named as its driver; ``epon`` and ``gpon`` mean BDCOM's.
    """

    def __init__(
        self,
        device: str | Family,
        name: str = "olt",
        address: Address = ("127.0.0.1", 0),
        *,
        pons: int = 8,
        onus_per_pon: int = 48,
        community: str = "public",
        clock: Callable[[], float] = time.monotonic,
        seed: int = 1,
        traps_to: Address | None = None,
        area: str = "",
    ) -> None:
        self.name = name
        if isinstance(device, str):
            device = FAMILIES[f"bdcom_{device}" if device in {"epon", "gpon"} else device]
        self.family = device
        self.driver = self.family.name
        self.plant: Plant = build_plant(self.family.family, pons, onus_per_pon, clock, seed, before=self.family.before)
        self.fault: Fault | None = None
        self.delay = 0.0
        """Seconds between a request and its answer."""
        self.most_binds = 64
        """A GET for more objects than this is answered with tooBig."""
        self.traps_to = traps_to
        """Who is told of what happens to its ONUs; ``None`` for nobody."""
        self.area = area
        self.write_community = ""
        """What a SET must bring; empty lets nobody write."""
        self.written: list[tuple[tuple[int, ...], int | bytes]] = []
        """What was set, in order. It changes nothing that is read."""
        self.requests = 0
        self.outstanding = 0
        self.peak_outstanding = 0
        self._community = community.encode()
        self._address = address
        self._dice = random.Random(seed)
        self._badge: Callable[[Rows], Rows] = lambda rows: rows
        self._mib = Mib(self._rows())
        self._transport: asyncio.DatagramTransport | None = None

    # --- running ---

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self._address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    @property
    def host(self) -> str:
        return self._address[0]

    @property
    def port(self) -> int:
        if self._transport is None:
            return self._address[1]
        return int(self._transport.get_extra_info("sockname")[1])

    # --- what happens to the lines ---

    def onu(self, address: str) -> Onu:
        return self.plant.onus[address.upper()]

    def cut(self, pon: str) -> None:
        """The fibre of a PON is cut: every ONU of it loses light at once."""
        for onu in self._of(pon):
            self._fails(onu, Down.FIBRE)

    def splice(self, pon: str) -> None:
        for onu in self._of(pon):
            self._returns(onu)

    def power_loss(self, address: str) -> None:
        self._fails(self.onu(address), Down.POWER)

    def fibre_loss(self, address: str) -> None:
        """The drop of one ONU is cut."""
        self._fails(self.onu(address), Down.FIBRE)

    def power_back(self, address: str) -> None:
        self._returns(self.onu(address))

    def blackout(self, pon: str | None = None, spread: float = 0.0, gasp: float = 1.0) -> None:
        """The houses of a PON, or of every PON, lose their power, each ONU within ``spread`` seconds.

        Of all ONUs the share ``gasp`` can still say so; of the others the OLT says that their light is gone.
        """
        for onu in list(self.plant.onus.values()) if pon is None else self._of(pon):
            why = Down.POWER if self._dice.random() < gasp else Down.FIBRE
            if spread:
                asyncio.get_running_loop().call_later(self._dice.uniform(0, spread), self._fails, onu, why)
            else:
                self._fails(onu, why)

    def _fails(self, onu: Onu, why: Down) -> None:
        if onu.down is None:
            onu.fails(why, self.plant.clock())
            self._tell(onu, up=False)

    def _returns(self, onu: Onu) -> None:
        if onu.down is not None:
            onu.returns(self.plant.clock())
            self._tell(onu, up=True)

    def _tell(self, onu: Onu, *, up: bool) -> None:
        """BDCOM tells of the ONU's interface with the standard's own traps; the others with their maker's."""
        if self.traps_to is None or self._transport is None:
            return
        if self.driver.startswith("bdcom"):
            kind, rows = traps.LINK_UP if up else traps.LINK_DOWN, traps.of_interface(onu.if_index, str(onu.address))
        else:
            told = b"ONU %s is %s" % (str(onu.address).encode(), b"up" if up else b"down")
            maker = self._mib.value((1, 3, 6, 1, 2, 1, 1, 2, 0))
            kind = (*(maker if isinstance(maker, tuple) else (1, 3, 6, 1, 4, 1)), 0, 2 if up else 1)
            rows = [((*kind, 1), told)]
        self._transport.sendto(traps.trap_v2(self._community, kind, rows), self.traps_to)

    def set_level(self, address: str, rx: float, olt_rx: float | None = None) -> None:
        onu = self.onu(address)
        onu.rx = rx
        onu.olt_rx = rx - 1.2 if olt_rx is None else olt_rx

    def renumber(self) -> None:
        """The OLT was restarted: the same ONUs stand under other ifIndexes."""
        indexes = [onu.if_index for onu in self.plant.onus.values()]
        for onu, index in zip(self.plant.onus.values(), [*indexes[1:], indexes[0]], strict=True):
            onu.if_index = index
        self._mib = Mib(self._rows())

    def forget(self, address: str) -> None:
        """The ONU was unbound from the OLT."""
        del self.plant.onus[address.upper()]
        self._mib = Mib(self._rows())

    def badge(self, description: str, object_id: Oid, moved: tuple[Oid, Oid] | None = None) -> None:
        """The same OLT sold under another name; ``moved`` is a subtree of it and where the badge has it."""

        def worn(rows: Rows) -> Rows:
            old, new = moved or ((), ())
            kept = {
                (*new, *oid[len(old) :]) if moved and oid[: len(old)] == old else oid: row for oid, row in rows.items()
            }
            return kept | {SYS_DESCR: description.encode, SYS_OBJECT_ID: lambda: object_id}

        self._badge = worn
        self._mib = Mib(self._rows())

    def _rows(self) -> Rows:
        return self._badge(self.family.rows(self.plant, self.name))

    def _of(self, pon: str) -> list[Onu]:
        return [onu for onu in self.plant.onus.values() if onu.address.pon == pon.upper()]

    # --- SNMP ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        pass

    def datagram_received(self, data: bytes, addr: Address) -> None:
        try:
            asked = read_request(data)
        except NotSnmp:
            return
        may_write = bool(self.write_community) and asked.community == self.write_community.encode()
        if asked.community != self._community and not may_write:
            return
        self.requests += 1
        self.outstanding += 1
        self.peak_outstanding = max(self.peak_outstanding, self.outstanding)
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._respond, data, asked, addr)
        else:
            self._respond(data, asked, addr)

    def _respond(self, data: bytes, asked: Request, addr: Address) -> None:
        if self._transport is None or self._hangs_on(asked):
            self.outstanding -= self.fault is Fault.SILENT
            return
        for datagram in self._answers(data, asked):
            self._transport.sendto(datagram, addr)
        self.outstanding -= 1

    def _hangs_on(self, asked: Request) -> bool:
        """A walk of the OLT-side levels hangs a real BDCOM EPON OLT, so it hangs this one: GET only."""
        walked = asked.kind != GET and any(
            oid[: len(table)] == table for table in self.family.hangs_when_walked for oid in asked.oids
        )
        return walked or self.fault is Fault.SILENT

    def _answers(self, data: bytes, asked: Request) -> list[bytes]:
        if asked.kind == GET and len(asked.oids) > self.most_binds:
            return [write_response(asked, [], status=TOO_BIG)]
        if asked.kind == SET:
            if not self.write_community or asked.community != self.write_community.encode():
                return [write_response(asked, [], status=NO_ACCESS, index=1)]
            pairs = list(zip(asked.oids, asked.values, strict=True))
            self.written += pairs if self.fault is None else []
            binds: list[VarBind] = [*pairs]
        else:
            binds = self._mib.answer(asked)
        match self.fault:
            case None | Fault.SILENT:
                return [write_response(asked, binds)]
            case Fault.GARBAGE:
                return [self._dice.randbytes(self._dice.randrange(1, 900))]
            case Fault.TRUNCATED:
                whole = write_response(asked, binds)
                return [whole[: self._dice.randrange(1, len(whole))]]
            case Fault.ECHO:
                return [data]
            case Fault.WRONG_ID:
                return [write_response(_with_id(asked, asked.request_id ^ 0x5A5A), binds)]
            case Fault.DEEP:
                return [_deep(5_000)]
            case Fault.FLOOD:
                stranger = write_response(_with_id(asked, 7), binds)
                return [*(self._dice.randbytes(300) for _ in range(1500)), *([stranger] * 1500)]
            case Fault.TEXT:
                return [write_response(asked, [(oid, _as_text(value)) for oid, value in binds])]
            case Fault.NOT_INCREASING:
                still = [(asked.oids[0], value) for _, value in binds] if asked.kind != GET else binds
                return [write_response(asked, still)]
            case Fault.OTHER_OIDS:
                return [write_response(asked, [((*oid, 9), value) for oid, value in binds])]
            case Fault.TOO_BIG:
                return [write_response(asked, [], status=TOO_BIG)]
            case Fault.NO_ROWS:
                return [write_response(asked, [])]


def _with_id(asked: Request, request_id: int) -> Request:
    return Request(
        asked.version,
        asked.community,
        asked.kind,
        request_id,
        asked.non_repeaters,
        asked.max_repetitions,
        asked.oids,
    )


def _as_text(value: Value) -> Value:
    return b"N/A" if isinstance(value, int) else value


def _deep(levels: int) -> bytes:
    """A message whose PDU is sequences in sequences, each length right: it exhausts a decoder that recurses."""
    body = b""
    for _ in range(levels):
        body = tlv(0x30, body)
    return tlv(0x30, encode(1) + encode(b"public") + tlv(RESPONSE, body))


# --- the command -----------------------------------------------------------------------------------------------------

USAGE = """One command a line: <olt>, or an area for blackout: cut PON | splice PON | power-loss ONU | power-back ONU
| set-level ONU DBM | blackout PON|all [SECONDS] | fault NAME | fault none | delay SECONDS | renumber | list"""


def obey(olts: dict[str, SimulatedOlt], line: str) -> str:
    """Carries out one line of the control port and says what was done, or how to ask."""
    try:
        name, command, *rest = line.split()
        if command == "blackout" and name not in olts:
            return _blackout([olt for olt in olts.values() if olt.area == name], rest)
        olt = olts[name]
        match command, rest:
            case "cut", [pon]:
                olt.cut(pon)
            case "splice", [pon]:
                olt.splice(pon)
            case "power-loss", [onu]:
                olt.power_loss(onu)
            case "power-back", [onu]:
                olt.power_back(onu)
            case "blackout", rest:
                return _blackout([olt], rest)
            case "set-level" | "level", [onu, level]:
                olt.set_level(onu, float(level))
            case "fault", [fault]:
                olt.fault = None if fault == "none" else Fault(fault)
            case "delay", [seconds]:
                olt.delay = float(seconds)
            case "renumber", []:
                olt.renumber()
            case "list", []:
                return "\n".join(
                    f"{onu.address} ifIndex {onu.if_index} rx {onu.rx} {onu.down or 'online'}"
                    for onu in olt.plant.onus.values()
                )
            case _:
                return USAGE
    except (ValueError, KeyError) as exc:
        return f"not understood ({exc}). {USAGE}"
    return "ok"


def _blackout(olts: list[SimulatedOlt], rest: list[str]) -> str:
    pon, seconds = (*rest, *["all", "0"][len(rest) :])
    if not olts:
        raise KeyError("no such OLT or area")
    for olt in olts:
        olt.blackout(None if pon == "all" else pon, spread=float(seconds))
    return "ok"


async def _control(olts: dict[str, SimulatedOlt], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while line := await reader.readline():
            writer.write(obey(olts, line.decode("utf-8", "replace")).encode() + b"\n")
            await writer.drain()
    writer.close()


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def _device(text: str) -> tuple[str, Address]:
    family, _, address = text.partition("=")
    if family not in FAMILIES:
        raise argparse.ArgumentTypeError(f"{family!r} is none of {', '.join(sorted(FAMILIES))}")
    return family, _address(address)


async def serve(args: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as running:
        olts: dict[str, SimulatedOlt] = {}
        wanted = [(family, address) for family in ("epon", "gpon") for address in getattr(args, family)]
        for family, address in [*wanted, *args.device]:
            name = family if family not in olts else f"{family}{len(olts)}"
            olt = SimulatedOlt(family, name, address, pons=args.pons, onus_per_pon=args.onus, community=args.community,
                traps_to=args.traps, area=args.area,
            )  # fmt: skip
            olts[name] = await running.enter_async_context(olt)
            print(f"{name}: snmp {olt.host}:{olt.port}, {len(olt.plant.onus)} ONUs", flush=True)
        if args.control:
            host, port = args.control
            server = await asyncio.start_server(lambda r, w: _control(olts, r, w), host, port)
            running.push_async_callback(server.wait_closed)
            running.callback(server.close)
            print(f"control: {host}:{server.sockets[0].getsockname()[1]}", flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.olt", description=__doc__, epilog=USAGE)
    parser.add_argument("--epon", type=_address, action="append", default=[], metavar="HOST:PORT")
    parser.add_argument("--gpon", type=_address, action="append", default=[], metavar="HOST:PORT")
    parser.add_argument(
        "--device", type=_device, action="append", default=[], metavar="FAMILY=HOST:PORT", help="a family of lab/mibs"
    )
    parser.add_argument("--control", type=_address, metavar="HOST:PORT", help="a line protocol to cut fibres and so on")
    parser.add_argument("--community", default=os.environ.get("LAB_SNMP_COMMUNITY", "public"))
    parser.add_argument("--traps", type=_address, metavar="HOST:PORT", help="who is told of what happens to the ONUs")
    parser.add_argument("--area", default="", help="the district of these OLTs, for blackout")
    parser.add_argument("--pons", type=int, default=8)
    parser.add_argument("--onus", type=int, default=48, help="ONUs per PON")
    args = parser.parse_args()
    if not args.epon and not args.gpon and not args.device:
        parser.error("name at least one --epon, --gpon or --device address")
    asyncio.run(serve(args))


if __name__ == "__main__":
    main()
