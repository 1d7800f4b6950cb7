"""Pings over the system's real ICMP: the loopback, and a network of our own where echoes can be lost or refused."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callcenter.diag.conclusion import Echoes
from callcenter.diag.reach import ALIVE, PROBES, Reach
from callcenter.words import Missing

ROOT = Path(__file__).parents[2]
LOSSY = ROOT / "lab" / "lossy_echo.py"


def may_ping() -> bool:
    found = asyncio.run(Reach().ping("127.0.0.1", ALIVE))
    return not isinstance(found, Missing)


def has_networks() -> bool:
    """Whether we may make a network namespace: root on Linux, as in CI."""
    made = shutil.which("unshare") and subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0
    return bool(made) and may_ping()


pings = pytest.mark.skipif(not may_ping(), reason="this system allows no ICMP: ping_group_range or CAP_NET_RAW")
namespaces = pytest.mark.skipif(not has_networks(), reason="a network namespace of our own needs root on Linux")


def alone(address: str, *, lose: int = 0, close: bool = False, drop: str = "") -> dict[str, Any]:
    """A ping in a network of its own, by a process of its own; every ``lose``-th echo is lost there."""
    asked = [sys.executable, str(LOSSY), address, str(lose), "close" if close else "open"]
    command = ["unshare", "-n", *([] if not drop else ["setpriv", *drop.split(), "--"]), *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, env={**os.environ})
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pings
@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8"])
async def test_who_answers_every_probe_loses_nothing(address: str) -> None:
    found = await Reach().ping(address)
    assert isinstance(found, Echoes)
    assert (found.sent, found.received, found.loss) == (PROBES, PROBES, 0.0)
    assert found.average_ms > 0


@pings
async def test_is_it_alive_takes_three_probes() -> None:
    found = await Reach().ping("127.0.0.1", ALIVE)
    assert isinstance(found, Echoes)
    assert (found.sent, found.received) == (ALIVE, ALIVE)


@pings
async def test_many_addresses_are_pinged_at_once() -> None:
    reach = Reach()
    found = await asyncio.gather(*(reach.ping(f"127.0.1.{number}", 6) for number in range(1, 101)))
    assert all(isinstance(each, Echoes) and not each.silent for each in found)  # a busy machine is late for some


@pytest.mark.parametrize(
    "address", ["", "cpe.example", "224.0.0.1", "255.255.255.255", "0.0.0.0", "::", "ff02::1", "10.0.0.300", "-c1"]
)
async def test_only_one_host_is_pinged(address: str) -> None:
    assert await Reach().ping(address) == Missing("line.missing.no-address", address)


async def test_pings_that_are_switched_off_say_so() -> None:
    assert await Reach(allowed=False).ping("127.0.0.1") == Missing("line.missing.ping-off")


@namespaces
def test_lost_echoes_are_counted() -> None:
    told = alone("127.0.0.9", lose=10)
    assert told["sent"] == PROBES
    assert told["sent"] - told["received"] == PROBES // 10


@namespaces
def test_who_answers_nothing_is_silent_after_three_probes() -> None:
    told = alone("127.0.0.9", lose=1)
    assert (told["sent"], told["received"]) == (ALIVE, 0)


@namespaces
def test_no_route_is_no_loss() -> None:
    assert alone("192.0.2.1")["missing"] == "line.missing.no-route"


@namespaces
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv takes the right away")
def test_a_system_that_allows_no_pings_is_told_what_to_do() -> None:
    """Neither our group in ``ping_group_range`` nor CAP_NET_RAW."""
    told = alone("127.0.0.1", close=True, drop="--reuid 65534 --regid 65534 --clear-groups --bounding-set=-all")
    assert told["missing"] == "line.missing.ping-refused"
