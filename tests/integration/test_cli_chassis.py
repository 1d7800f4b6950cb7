"""C-Data, ZTE and Huawei on their command lines, over real SSH and Telnet: each question, and each write."""

from __future__ import annotations

import pytest

from callcenter.diag.cli import Cli, CommandRefused
from callcenter.diag.devices import Device
from callcenter.diag.driver import CliWrite, OltDriver
from callcenter.diag.drivers import DRIVERS
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState
from lab.cli_device import CliDevice
from lab.plant import Down, Onu
from tests.integration.test_cli_door import opened

FAMILIES = ("cdata_fd12", "cdata_fd16", "zte_c3xx", "huawei_ma56xx")
REASON = {Down.POWER: DownReason.POWER, Down.FIBRE: DownReason.FIBRE}
every_family = pytest.mark.parametrize("family", FAMILIES)


async def asked(driver: OltDriver, cli: Cli, device: Device, onu: Onu) -> dict[str, LineDetails]:
    assert driver.dialect is not None
    reading = OnuReading(OnuState.ONLINE if onu.down is None else OnuState.OFFLINE)
    told = {}
    for question in driver.questions_cli:
        said = await cli.ask(device, driver.dialect, question.commands(onu.address, reading), 20)
        told[question.about] = question.parse(said, onu.address)
    return told


def cast(simulated: CliDevice) -> list[Onu]:
    return list(simulated.model.onus.values())[:8]


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
@every_family
async def test_a_good_line_is_told_whole(family: str, protocol: str) -> None:
    driver = DRIVERS[family]
    async with opened(family, protocol) as (simulated, cli, device):  # type: ignore[arg-type]
        good, *_ = cast(simulated)
        good.description = "flat-1"
        told = await asked(driver, cli, device, good)
        assert told["optics"].onu_rx == pytest.approx(good.rx, abs=0.5)
        assert told["optics"].onu_tx == pytest.approx(good.tx, abs=0.5)
        assert told["optics"].olt_rx == pytest.approx(good.olt_rx, abs=0.5)
        assert told["state"].description == "flat-1"
        assert (told["state"].last_down_at, told["state"].last_down_reason) == (None, None)
        assert told["state"].registered_at == simulated.model.wall(good.up_since).replace(tzinfo=None, microsecond=0)
        [uni] = told["uni"].unis
        assert (uni.number, uni.up, uni.mbps, uni.full_duplex) == (1, True, 1000, True)
        assert [bytes.fromhex(row.mac.replace(":", "")) for row in told["macs"].macs or ()] == good.behind
        assert {row.vlan for row in told["macs"].macs or ()} == {good.vlan}
        if "vlan" in told:
            assert told["vlan"].vlan == good.vlan
        history = told["state"].log if family == "zte_c3xx" else told["log"].log
        assert history == ()
        assert simulated.peak_sessions == 1
        assert not [command for command in simulated.commands if "reboot" in command]


@every_family
async def test_a_dark_line_tells_when_and_why(family: str) -> None:
    driver = DRIVERS[family]
    async with opened(family, "telnet") as (simulated, cli, device):
        _, _, _, no_power, no_light, _, router_off, _ = cast(simulated)
        for onu in (no_power, no_light):
            told = await asked(driver, cli, device, onu)
            optics = told["optics"]
            assert (optics.onu_rx, optics.onu_tx, optics.olt_rx) == (None, None, None)
            assert onu.down_since is not None
            assert onu.down is not None
            fell = simulated.model.wall(onu.down_since).replace(tzinfo=None, microsecond=0)
            assert (told["state"].last_down_at, told["state"].last_down_reason) == (fell, REASON[onu.down])
            history = told["state"].log if family == "zte_c3xx" else told["log"].log
            assert [(line.at, line.down) for line in history or ()] == [(fell, REASON[onu.down])]
            assert not [uni for uni in told["uni"].unis if uni.up]
        told = await asked(driver, cli, device, router_off)
        assert [(uni.number, uni.up) for uni in told["uni"].unis] == [(1, False)]
        assert told["macs"].macs == ()


@every_family
async def test_an_ont_that_is_not_there_tells_nothing(family: str) -> None:
    driver = DRIVERS[family]
    async with opened(family, "telnet") as (simulated, cli, device):
        nobody = cast(simulated)[0]
        del simulated.model.onus[str(nobody.address)]
        for about, told in (await asked(driver, cli, device, nobody)).items():
            assert told.onu_rx is None, about
            assert not told.macs, about
            assert not told.unis, about
            assert not told.log, about
            assert (told.vlan, told.last_down_reason) == (None, None), about


@every_family
async def test_what_is_written_is_there_afterwards(family: str) -> None:
    driver = DRIVERS[family]
    assert driver.dialect is not None
    async with opened(family, "telnet") as (simulated, cli, device):
        onu, *_ = cast(simulated)
        for kind, words in (("describe", "Sadova 12"), ("vlan", "215"), ("reboot", "")):
            write = driver.writes.get(kind)  # type: ignore[call-overload]
            if isinstance(write, CliWrite):
                await cli.apply(device, driver.dialect, write.commands(onu.address, words), 20)
        if isinstance(driver.writes.get("describe"), CliWrite):
            assert onu.description == "Sadova_12"
        if isinstance(driver.writes.get("vlan"), CliWrite):
            assert onu.vlan == 215
        if isinstance(driver.writes.get("reboot"), CliWrite):
            assert onu.log[-1][1] == "reset"


@pytest.mark.parametrize("family", ["cdata_fd16", "zte_c3xx", "huawei_ma56xx"])
async def test_a_refused_write_says_where(family: str) -> None:
    driver = DRIVERS[family]
    write = driver.writes["describe"]
    assert driver.dialect is not None
    assert isinstance(write, CliWrite)
    async with opened(family, "telnet") as (simulated, cli, device):
        nobody = cast(simulated)[0]
        del simulated.model.onus[str(nobody.address)]
        with pytest.raises(CommandRefused):
            await cli.apply(device, driver.dialect, write.commands(nobody.address, "flat"), 20)
