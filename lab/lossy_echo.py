"""A host that loses echoes, in a network namespace of its own: ``unshare -n python lab/lossy_echo.py 127.0.0.9 10``.

The kernel is told to answer no ICMP echo there, and this process answers all but every tenth. It then pings the
address as a diagnosis does and prints what came back as JSON. Only for a namespace: it changes the kernel.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from callcenter.diag.reach import Reach
from callcenter.words import Missing

ECHO, REPLY = 8, 0


def checksum(packet: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet[: len(packet) // 2 * 2]))
    total += packet[-1] << 8 if len(packet) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class LossyHost:
    """Answers echo requests to ``address`` itself, all but every ``lose``-th."""

    def __init__(self, address: str, lose: int) -> None:
        self._lose = lose
        self._heard = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.bind((address, 0))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._hears)

    def _hears(self) -> None:
        packet, sender = self._socket.recvfrom(2048)
        message = packet[(packet[0] & 15) * 4 :]
        if message[0] != ECHO:
            return
        self._heard += 1
        if self._heard % self._lose == 0:
            return
        answer = bytes((REPLY, 0, 0, 0)) + message[4:]
        self._socket.sendto(answer[:2] + struct.pack("!H", checksum(answer)) + answer[4:], sender)


async def pinged(address: str, lose: int) -> dict[str, object]:
    host = LossyHost(address, lose) if lose else None
    found = await Reach().ping(address)
    del host
    return {"missing": found.reason} if isinstance(found, Missing) else asdict(found)


def main() -> None:
    address, lose, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "open"
    if kind == "open":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        if lose:
            Path("/proc/sys/net/ipv4/icmp_echo_ignore_all").write_text("1")
    print(json.dumps(asyncio.run(pinged(address, lose))))


if __name__ == "__main__":
    main()
