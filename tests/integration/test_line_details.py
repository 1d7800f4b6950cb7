"""What a full diagnosis learns over SNMP on top of the card, from every simulated family, as its plant has it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from callcenter.diag.drivers import DRIVERS
from callcenter.diag.reading import LineDetails, OnuReading
from callcenter.store import Database
from callcenter.words import Missing
from tests.integration.test_line_families import reading, value

FAMILIES = ("bdcom_epon", "bdcom_gpon", "gcom_epon", "gcom_gpon", "vsol_epon", "vsol_gpon")
BY_VLAN = ("bdcom_epon", "bdcom_gpon", "gcom_epon", "vsol_epon")
"""Families that tell a LAN port's VLAN over SNMP."""
BY_MAC = ("bdcom_epon", "bdcom_gpon", "gcom_epon")
"""Families that tell the MACs behind an ONU over SNMP."""
SECOND = timedelta(seconds=2)


def told(found: LineDetails | Missing | None) -> LineDetails:
    assert isinstance(found, LineDetails), found
    return found


@pytest.mark.parametrize("family", FAMILIES)
async def test_the_whole_line_is_told(database: Database, family: str) -> None:
    async with reading(database, family) as (lines, device, olt):
        good, _, _, no_power, _, _, router_off, _ = list(olt.plant.onus.values())[:8]
        good.description, good.uni_errors = "flat 7", 17
        card: OnuReading = value(await lines.read(device, str(good.address)))
        details = told(await lines.details(device, str(good.address), card, 10.0))
        assert details.description == "flat 7"
        assert details.firmware
        assert [(uni.number, uni.up) for uni in details.unis] == [(1, True)]
        if family in BY_VLAN:
            assert details.unis[0].vlan == good.vlan
        if "temperature_c" not in DRIVERS[family].absent and family != "bdcom_gpon":
            assert details.temperature_c == pytest.approx(good.temperature, abs=0.1)
            assert details.voltage_v == pytest.approx(good.voltage, abs=0.01)
        if family in BY_MAC:
            assert [bytes.fromhex(row.mac.replace(":", "")) for row in details.macs or ()] == good.behind
            quiet = value(await lines.read(device, str(router_off.address)))
            assert told(await lines.details(device, str(router_off.address), quiet, 10.0)).macs == ()
        if family.startswith("bdcom"):
            assert details.unis[0].errors == 17
            assert details.pon is not None
            assert (details.pon.onus, details.pon.online) == (12, 10)
        dark = value(await lines.read(device, str(no_power.address)))
        past = told(await lines.details(device, str(no_power.address), dark, 10.0))
        assert (past.temperature_c, past.voltage_v, past.bias_ma) == (None, None, None)
        if family in {"bdcom_epon", "gcom_gpon", "vsol_epon"}:
            assert no_power.down_since is not None
            fell = olt.plant.wall(no_power.down_since).replace(tzinfo=None)
            assert past.last_down_at is not None
            assert abs(past.last_down_at - fell) <= SECOND
        assert olt.peak_outstanding == 1
