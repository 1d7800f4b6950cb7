"""Every question of a family's command line over a real session, from the prompt to what it tells of the line."""

from __future__ import annotations

import pytest

from callcenter.diag.cli import Cli
from callcenter.diag.devices import Device
from callcenter.diag.driver import OltDriver
from callcenter.diag.drivers import DRIVERS
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState
from lab.cli_device import CliDevice
from lab.clis import SCRIPTS
from lab.plant import Onu
from tests.integration.test_cli_door import opened

pytestmark = pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")  # old devices know nothing else
FAMILIES = ("bdcom_epon", "bdcom_gpon", "gcom_epon", "gcom_gpon", "vsol_epon")
REASON = {"power": DownReason.POWER, "fibre": DownReason.FIBRE}


async def asked(driver: OltDriver, cli: Cli, device: Device, onu: Onu) -> dict[str, LineDetails]:
    """Each question of the driver, asked and read."""
    assert driver.dialect is not None
    reading = OnuReading(OnuState.ONLINE if onu.down is None else OnuState.OFFLINE, serial=onu.mac.hex(":"))
    told = {}
    for question in driver.questions_cli:
        said = await cli.ask(device, driver.dialect, question.commands(onu.address, reading), 20)
        told[question.about] = question.parse(said, onu.address)
    return told


def cast(simulated: CliDevice) -> tuple[Onu, ...]:
    return tuple(simulated.model.onus.values())[:8]


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
@pytest.mark.parametrize("family", FAMILIES)
async def test_every_question_is_answered_over_a_real_session(family: str, protocol: str) -> None:
    driver = DRIVERS[family]
    async with opened(family, protocol) as (simulated, cli, device):  # type: ignore[arg-type]
        good, _, _, no_power, no_light, _, router_off, _ = cast(simulated)
        told = await asked(driver, cli, device, good)
        assert told["optics"].onu_rx == pytest.approx(good.rx, abs=0.5)
        assert told["optics"].onu_tx == pytest.approx(good.tx, abs=0.5)
        if family in {"bdcom_epon", "bdcom_gpon", "gcom_gpon"}:
            assert told["optics"].olt_rx == pytest.approx(good.olt_rx, abs=0.5)
        assert told["optics"].temperature_c == pytest.approx(good.temperature, abs=0.6)
        assert [bytes.fromhex(row.mac.replace(":", "")) for row in told["macs"].macs or ()] == good.behind
        assert {row.vlan for row in told["macs"].macs or ()} == {good.vlan}
        if "uni" in told:
            assert [(uni.number, uni.up) for uni in told["uni"].unis] == [(1, True)]
            down = (await asked(driver, cli, device, router_off))["uni"]
            assert [(uni.number, uni.up) for uni in down.unis] == [(1, False)]
        if family != "gcom_epon":
            for onu in (no_power, no_light):
                past = await asked(driver, cli, device, onu)
                about = past["log"] if family == "gcom_gpon" else past["state"]
                assert onu.down_since is not None
                assert about.last_down_at is not None
                fell = simulated.model.wall(onu.down_since).replace(tzinfo=None, microsecond=0)
                assert about.last_down_at == fell
                if family != "gcom_gpon":
                    assert about.last_down_reason is REASON[onu.log[-1][1]]
                assert (past["optics"].onu_rx, past["optics"].onu_tx, past["optics"].olt_rx) == (None, None, None)
        if "log" in told:
            fallen = (await asked(driver, cli, device, no_light))["log"]
            assert [line.down for line in fallen.log or ()] == [DownReason.FIBRE]
            assert told["log"].log in ((), None)
        assert simulated.peak_sessions == 1
        assert not [command for command in simulated.commands if "reboot" in command]


@pytest.mark.parametrize("family", FAMILIES)
async def test_an_onu_that_is_not_there_tells_nothing(family: str) -> None:
    driver = DRIVERS[family]
    async with opened(family, "telnet") as (simulated, cli, device):
        nobody = cast(simulated)[0]
        simulated.model.onus.pop(str(nobody.address))
        for about, told in (await asked(driver, cli, device, nobody)).items():
            assert told.onu_rx is None, about
            assert not told.macs, about
            assert not told.log, about
            assert told.last_down_reason is None, about


def test_the_families_here_have_scripts() -> None:
    assert set(FAMILIES) <= SCRIPTS.keys()
