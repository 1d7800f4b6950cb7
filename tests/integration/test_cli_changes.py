"""``callcenter device change``: an operator restarts and describes an ONU of a real SNMP agent and command line."""

from __future__ import annotations

import asyncio

import pytest

from lab.cli_device import CliDevice
from lab.clis import SCRIPTS
from lab.olt import SimulatedOlt
from tests.integration.test_cli import Operator, house, operator

pytestmark = pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")  # old devices know nothing else
__all__ = ["house", "operator"]  # fixtures
ONU = "EPON0/1:1"


async def test_what_would_be_given_is_shown_and_given_only_when_it_is_confirmed(house: Operator) -> None:
    async with (
        SimulatedOlt("gcom_epon", "vezha", pons=1, onus_per_pon=8) as olt,
        CliDevice(SCRIPTS["gcom_epon"], "ssh", model=olt.plant) as shell,
    ):

        async def types(*arguments: str, stdin: str | None = None, code: int = 0) -> str:
            done = await asyncio.to_thread(house.types, *arguments, stdin=stdin, ends=code)
            return str(done.stdout) + str(done.stderr)

        add = ("device", "add", "skynet", "vezha", "--driver", "gcom_epon", "--host", olt.host)
        await types(*add, "--port", str(olt.port), "--community-stdin", stdin="public\n")
        way = ("device", "login", "skynet", "vezha", "--user", shell.user, "--port", str(shell.port))
        await types(*way, "--password-stdin", stdin=f"{shell.password}\n")
        await types("device", "trust", "skynet", "vezha", "--yes")
        change = ("device", "change", "skynet", "vezha", ONU)
        said = await types(*change, "--description", "Flat 12", stdin="n\n")
        assert "Flat" in said
        assert "nothing was done" in said
        assert olt.onu(ONU).description != "Flat_12"
        said = await types(*change, "--description", "Flat 12", "--yes")
        assert "done" in said
        assert olt.onu(ONU).description.replace("_", " ") == "Flat 12"
        assert shell.password not in said


async def test_one_thing_at_a_time_and_nothing_that_cannot_be(house: Operator) -> None:
    change = ("device", "change", "skynet", "nowhere", ONU)
    for given, said in (
        ((), "say one of --restart"),
        (("--restart", "--vlan", "5"), "say one of --restart"),
        (("--restart",), "no device nowhere"),
    ):
        done = await asyncio.to_thread(house.types, *change, *given, ends=1)
        assert said in done.stderr
