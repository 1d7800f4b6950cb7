"""``callcenter device probe``: what a device is, found out by the operator's command from a real SNMP agent."""

from __future__ import annotations

import asyncio
import json

from lab.olt import SimulatedOlt
from tests.integration.test_cli import Operator, house, operator

__all__ = ["house", "operator"]  # fixtures
E = (1, 3, 6, 1, 4, 1)


async def test_an_adnet_badge_is_found_out_and_read_by_what_was_found(house: Operator) -> None:
    async with SimulatedOlt("gcom_epon", "adnet", pons=1, onus_per_pon=8) as olt:
        olt.badge("AD-NET OLT", (*E, 27514, 9), moved=((*E, 13464), (*E, 27514)))

        def types(*arguments: str, stdin: str | None = None) -> str:
            return str(house.types(*arguments, stdin=stdin).stdout)

        add = ("device", "add", "skynet", "adnet", "--driver", "auto", "--host", olt.host, "--port", str(olt.port))
        await asyncio.to_thread(types, *add, "--community-stdin", stdin="public\n")
        found = json.loads(await asyncio.to_thread(types, "device", "probe", "skynet", "adnet", "--json"))
        assert (found["driver"], found["by"], found["options"]) == ("gcom_epon", "root", {"enterprise": "27514"})
        assert found["describes_itself"] == "AD-NET OLT"
        listed = json.loads(await asyncio.to_thread(types, "device", "list", "--json"))
        assert [each["detected"] for each in listed if each["name"] == "adnet"] == ["gcom_epon"]
        line = json.loads(await asyncio.to_thread(types, "diag", "onu", "skynet", "adnet", "EPON0/1:1", "--json"))
        assert (line["driver"], line["level"]) == ("gcom_epon", "good")
        for of, level in (("gpon", "good"), ("epon", "critical")):  # a class's own lines judge that class alone
            own = (f"{of}.onu_rx_weak=-14", "--threshold", f"{of}.onu_rx_critical=-15")
            await asyncio.to_thread(types, "provider", "set", "skynet", "--threshold", *own)
            line = json.loads(await asyncio.to_thread(types, "diag", "onu", "skynet", "adnet", "EPON0/1:1", "--json"))
            assert line["level"] == level, of
        swept = json.loads(await asyncio.to_thread(types, "diag", "sweep", "skynet", "adnet", "--json"))
        assert "good" not in swept["levels"]
        assert "public" not in await asyncio.to_thread(types, "device", "probe", "skynet", "adnet")
