"""Ports that stay free until what is to listen on them has started."""

from __future__ import annotations

import itertools
import os
import random
import socket

from lab.ports import Ports

FIRST, EACH = 20_100, 1_500
"""Above those where Asterisk sends sound, below those that systems hand out by themselves: an Asterisk takes seconds
to start, and by then another worker's telephone could have been given a port that was only asked for."""
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_NEXT = itertools.count(random.randrange(EACH))


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """One of this worker's own that nobody has now; each is given once before any comes again."""
    for _ in range(EACH):
        port = FIRST + _WORKER * EACH + next(_NEXT) % EACH
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("this worker has no free port")


def free_ports() -> Ports:
    """For a whole house."""
    return Ports(
        sip=free_port(socket.SOCK_DGRAM), pbx_ami=free_port(), ami=free_port(), ivr=free_port(), web=free_port(),
        page=free_port(), traps=free_port(socket.SOCK_DGRAM),
    )  # fmt: skip
