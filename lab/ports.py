"""Which ports a lab listens on: those that `make lab` tells the world, or any that nobody has now."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace

DATAGRAMS = frozenset({"sip", "traps"})
NAMES = {
    "sip": "SIP",
    "pbx_ami": "AMI",
    "ami": "the wire to AMI",
    "ivr": "IVR",
    "web": "web",
    "page": "the pages",
    "traps": "traps",
}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each part listens on 127.0.0.1."""

    sip: int
    pbx_ami: int
    """Asterisk's own; the service is given ``ami``, a wire to it that can be cut."""
    ami: int
    ivr: int
    web: int
    page: int
    """Asterisk's HTTP server, which phones in agents' pages connect to."""
    traps: int
    """Where the OLTs' SNMP traps are heard."""

    @classmethod
    def fixed(cls) -> Ports:
        """The ports `make lab` tells the world."""
        return cls(sip=5160, pbx_ami=15039, ami=15038, ivr=18089, web=18080, page=18088, traps=16200)

    @classmethod
    def free(cls) -> Ports:
        """Any that nobody has now: a test beside a running lab disturbs neither."""
        with ExitStack() as held:
            found = []
            for each in fields(cls):
                probe = held.enter_context(socket.socket(socket.AF_INET, _kind(each.name)))
                probe.bind(("127.0.0.1", 0))
                found.append(int(probe.getsockname()[1]))
        return cls(*found)

    def taken(self) -> list[str]:
        """The parts whose port somebody else has."""
        return [each.name for each in fields(self) if not _is_free(each.name, getattr(self, each.name))]

    def instead(self, say: Callable[[str], None]) -> Ports:
        """The same, and for each port that somebody has another one, said aloud."""
        others, chosen = Ports.free(), self
        for name in self.taken():
            port = getattr(others, name)
            say(f"port {getattr(self, name)} for {NAMES[name]} is taken by another program: {port} is used instead")
            chosen = replace(chosen, **{name: port})
        return chosen


def _kind(name: str) -> socket.SocketKind:
    return socket.SOCK_DGRAM if name in DATAGRAMS else socket.SOCK_STREAM


def _is_free(name: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, _kind(name)) as probe:
        if name not in DATAGRAMS:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
