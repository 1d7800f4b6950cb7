"""The door to command lines over real SSH and Telnet: every oddity, every fault, no secret to a stranger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Literal

import pytest
from pydantic import SecretStr

from callcenter.diag import cli as door
from callcenter.diag import cli_session
from callcenter.diag.cli import Busy, Cli, CommandRefused, Dropped, HostKeyChanged, HostKeyUnknown, NoAnswer, Nonsense
from callcenter.diag.devices import CliLogin, Device
from callcenter.diag.dialect import Dialect
from callcenter.diag.drivers import DRIVERS
from callcenter.errors import CallCenterError, Misconfigured, Refused, RuleBroken, Unavailable
from callcenter.words import DeviceId, ProviderId
from lab.cli_device import LOG_LINE, CliDevice, Fault
from lab.clis import SCRIPTS

pytestmark = pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")  # old devices know nothing else

Protocol = Literal["ssh", "telnet"]
SECRET = "secret-of-the-line"
CISCO = Dialect(
    "cisco_ios", r"[\w.-]+(\([\w/-]+\))?[>#]\s?", "#", unpage=("terminal length 0", "terminal width 0"),
    errors=(r"^% ?\S.*", r"Command rejected.*"), save="write memory",
)  # fmt: skip
PAGED = replace(CISCO, unpage=())


def dialect_of(family: str) -> Dialect:
    found = DRIVERS[family].dialect if family in DRIVERS else CISCO
    assert found is not None
    return found


def device_of(simulated: CliDevice, **login: object) -> Device:
    given = {"protocol": simulated.protocol, "user": simulated.user, "password": SecretStr(simulated.password),
             "port": simulated.port, "host_key": simulated.host_key} | login  # fmt: skip
    enable = SecretStr(simulated.enable_password) if simulated.enable_password else None
    return Device(
        DeviceId(1),
        ProviderId(1),
        "vezha",
        "x",
        simulated.host,
        cli=CliLogin(**({"enable": enable} | given)),  # type: ignore[arg-type]
    )


@asynccontextmanager
async def opened(
    family: str, protocol: Protocol = "ssh", kept: float = 15.0, **about: object
) -> AsyncIterator[tuple[CliDevice, Cli, Device]]:
    simulated = CliDevice(SCRIPTS[family], protocol, **about)  # type: ignore[arg-type]
    async with simulated:
        cli = Cli(kept=kept)
        try:
            yield simulated, cli, device_of(simulated)
        finally:
            cli.close()


async def fact(what: object, *, within: float = 10.0) -> None:
    """Waits for something to be so."""
    assert callable(what)
    async with asyncio.timeout(within):
        while not what():
            await asyncio.sleep(0.01)


LISTS = {
    "bdcom_epon": ("show epon onu-information", 66, "EPON0/2:32"),
    "gcom_epon": ("show onu-status", 65, "0/2/32"),
    "cisco_ios": ("show vlan brief", 10, "20   guests"),
}


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
@pytest.mark.parametrize("family", list(LISTS))
async def test_a_long_answer_comes_whole_through_logins_and_pagers(family: str, protocol: Protocol) -> None:
    command, rows, last = LISTS[family]
    async with opened(family, protocol) as (simulated, cli, device):
        [told] = await cli.ask(device, dialect_of(family), [command], 20)
        lines = told.splitlines()
        assert len(lines) == rows
        assert lines[-1].startswith(last)
        assert "ore--" not in told
        assert "press ENTER" not in told
        assert simulated.secrets_seen == [SECRET]


async def test_a_pager_that_cannot_be_switched_off_is_turned_page_by_page() -> None:
    async with opened("gcom_epon") as (simulated, cli, device):
        [told] = await cli.ask(device, dialect_of("gcom_epon"), ["show onu-status"], 20)
        assert simulated.keys == [" ", " "]
        assert all(line.startswith("0/") for line in told.splitlines()[1:])


async def test_modes_are_entered_and_left_and_the_session_is_used_again() -> None:
    async with opened("gcom_epon") as (simulated, cli, device):
        into = ["configure terminal", "onu 0/1/1", "show onu-opm-diagnosis", "exit", "exit"]
        told = await cli.ask(device, dialect_of("gcom_epon"), into, 20)
        assert "RX Power(Input)" in told[2]
        await cli.ask(device, dialect_of("gcom_epon"), ["show mac-address-table onu 0/1/1"], 20)
        assert simulated.sessions == 1


async def test_what_follows_a_refused_command_is_not_sent_and_the_mode_is_nobody_elses() -> None:
    async with opened("gcom_epon") as (simulated, cli, device):
        asked = ["configure terminal", "onu 0/9/9", "show onu-opm-diagnosis"]
        told = await cli.ask(device, dialect_of("gcom_epon"), asked, 20)
        assert "% Invalid parameter" in told[1]
        assert told[2] == ""
        assert "show onu-opm-diagnosis" not in simulated.commands
        await cli.ask(device, dialect_of("gcom_epon"), ["show onu-status"], 20)
        assert simulated.sessions == 2


async def test_a_refused_show_keeps_nobody_from_the_next_one() -> None:
    async with opened("bdcom_epon", "telnet") as (simulated, cli, device):
        asked = ["show nothing", "show mac address-table interface EPON0/1:1"]
        told = await cli.ask(device, dialect_of("bdcom_epon"), asked, 20)
        assert "% Unknown command" in told[0]
        assert "epon0/1:1" in told[1]
        await cli.ask(device, dialect_of("bdcom_epon"), asked[1:], 20)
        assert simulated.sessions == 1


async def test_a_mode_that_was_left_open_is_not_the_next_callers() -> None:
    async with opened("gcom_epon") as (simulated, cli, device):
        await cli.ask(device, dialect_of("gcom_epon"), ["configure terminal", "onu 0/1/1"], 20)
        [told] = await cli.ask(device, dialect_of("gcom_epon"), ["show onu-opm-diagnosis"], 20)
        assert "% Unrecognized" in told
        assert simulated.sessions == 2


async def test_reboot_never_reaches_a_gcom_olt_by_any_way() -> None:
    async with opened("gcom_epon") as (simulated, cli, device):
        gcom = dialect_of("gcom_epon")
        for command in ("reboot", " REBOOT", "reboot ?", "show onu-status\nreboot", "show onu-status\rreboot\ry"):
            with pytest.raises(RuleBroken):
                await cli.ask(device, gcom, ["show onu-status", command], 20)
            with pytest.raises(RuleBroken):
                await cli.apply(device, gcom, [command, "y"], 20)
        assert simulated.sessions == 0
        await cli.ask(device, gcom, ["show onu-status"], 20)
        assert not any("reboot" in command for command in simulated.commands)


# --- host keys ---


async def test_an_unknown_host_key_is_refused_with_its_fingerprint_and_no_password_is_sent() -> None:
    async with opened("cisco_ios") as (simulated, cli, device):
        with pytest.raises(HostKeyUnknown) as refused:
            await cli.ask(device_of(simulated, host_key=""), CISCO, ["show vlan brief"], 10)
        assert door.fingerprint(simulated.host_key) in str(refused.value)
        assert "callcenter device trust vezha" in str(refused.value)
        assert simulated.secrets_seen == []
        assert await cli.host_key(device) == simulated.host_key


@pytest.mark.parametrize("family", ["cisco_ios", "gcom_epon"])
async def test_a_changed_host_key_is_refused_loudly_before_any_password(family: str) -> None:
    async with opened(family) as (simulated, cli, device):
        before = simulated.host_key
        await simulated.rekey()
        with pytest.raises(HostKeyChanged) as refused:
            await cli.ask(device, dialect_of(family), ["show vlan brief"], 10)
        for key in (before, simulated.host_key):
            assert door.fingerprint(key) in str(refused.value)
        assert simulated.secrets_seen == []
        assert simulated.sessions == 0


async def test_a_key_of_another_kind_is_a_changed_key_too() -> None:
    async with opened("gcom_epon") as (old, cli, _), opened("cisco_ios") as (modern, _, device):
        assert device.cli is not None
        asked = replace(device, cli=replace(device.cli, host_key=old.host_key))
        with pytest.raises(HostKeyChanged):
            await cli.ask(asked, CISCO, ["show vlan brief"], 10)
        assert modern.secrets_seen == []


async def test_a_spoilt_host_key_is_a_mistake_of_ours() -> None:
    async with opened("cisco_ios") as (simulated, cli, _):
        with pytest.raises(Misconfigured):
            await cli.ask(device_of(simulated, host_key="ssh-ed25519 ???"), CISCO, ["show vlan brief"], 10)


async def test_old_algorithms_are_spoken_only_with_families_that_need_them() -> None:
    async with opened("gcom_epon") as (simulated, cli, device):
        modern = replace(dialect_of("gcom_epon"), old_ssh=False)
        with pytest.raises(CallCenterError):
            await cli.ask(device, modern, ["show onu-status"], 10)
        assert simulated.sessions == 0


# --- logins ---


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
@pytest.mark.parametrize("family", ["bdcom_epon", "gcom_epon"])
async def test_a_wrong_password_is_refused_at_once_and_is_in_no_message(
    family: str, protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(family, protocol) as (simulated, cli, _):
        wrong = device_of(simulated, password=SecretStr("hunter2-of-nobody"))
        with pytest.raises(Refused, match="password") as refused:
            await cli.ask(wrong, dialect_of(family), ["show version"], 20)
        assert simulated.commands == []
        assert len(simulated.secrets_seen) <= 2
        assert "hunter2" not in f"{refused.value!r}{caplog.text}{wrong!r}"


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_enable_asks_for_its_own_password(protocol: Protocol) -> None:
    async with opened("cisco_ios", protocol, enable_password="enable-it") as (simulated, cli, device):
        [told] = await cli.ask(device, CISCO, ["show vlan brief"], 10)
        assert "guests" in told
        assert simulated.secrets_seen == [SECRET, "enable-it"]
        wrong = device_of(simulated, enable=SecretStr("not-it"))
        with pytest.raises(Refused, match="enable"):
            await cli.ask(wrong, CISCO, ["show vlan brief"], 10)


async def test_a_greeting_that_waits_for_a_key_gets_one_and_escapes_before_prompts_are_nothing() -> None:
    script = replace(
        SCRIPTS["cisco_ios"], greet="Press any key to continue", before_prompt="\x00\x1b[1;24r\x1b[24;1H\x1b[2K",
        login_twice=True, banner="###### Warning>\nNo entry #\n",
    )  # fmt: skip
    greeted = replace(CISCO, greets={r"Press any key to continue\s*$": "\r"})
    async with CliDevice(script) as simulated:
        cli = Cli()
        told = await cli.ask(device_of(simulated), greeted, ["show vlan brief"], 10)
        assert told[0].splitlines()[-1].startswith("20   guests")
        cli.close()


async def test_a_device_without_a_login_is_our_mistake() -> None:
    device = Device(DeviceId(1), ProviderId(1), "vezha", "x", "127.0.0.1")
    with pytest.raises(Misconfigured, match="vezha"):
        await Cli().ask(device, CISCO, ["show vlan brief"], 1)


# --- turns ---


async def test_one_session_a_device_however_many_ask() -> None:
    async with opened("bdcom_epon", "telnet", delay=0.02) as (simulated, cli, device):
        bdcom = dialect_of("bdcom_epon")
        asked = [cli.ask(device, bdcom, [f"show mac address-table interface EPON0/1:{n}"], 20) for n in range(1, 25)]
        told = await asyncio.gather(*asked)
        assert simulated.peak_sessions == 1
        assert all(f"epon0/1:{number}" in each[0] or number == 7 for number, each in enumerate(told, start=1))


async def test_who_waits_too_long_for_the_turn_is_told_that_it_was_busy() -> None:
    async with opened("cisco_ios", "telnet", fault=Fault.NO_PROMPT) as (simulated, cli, device):
        first = asyncio.ensure_future(cli.ask(device, CISCO, ["show vlan brief"], 3))
        await fact(lambda: simulated.sessions)
        with pytest.raises(Busy):
            await cli.ask(device, CISCO, ["show vlan brief"], 0.2)
        with pytest.raises(NoAnswer):
            await first


async def test_a_session_is_closed_some_seconds_after_the_last_question() -> None:
    async with opened("cisco_ios", "telnet", kept=0.05) as (simulated, cli, device):
        await cli.ask(device, CISCO, ["show vlan brief"], 10)
        await fact(lambda: simulated.open_sessions == 0)
        await cli.ask(device, CISCO, ["show vlan brief"], 10)
        assert simulated.sessions == 2


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_a_session_that_the_device_ended_meanwhile_is_opened_again(protocol: Protocol) -> None:
    async with opened("cisco_ios", protocol) as (simulated, cli, device):
        await cli.ask(device, CISCO, ["show vlan brief"], 10)
        simulated.hang_up()
        [told] = await cli.ask(device, CISCO, ["show vlan brief"], 10)
        assert "guests" in told
        assert simulated.sessions == 2


async def test_whoever_gives_up_leaves_no_session_behind() -> None:
    async with opened("cisco_ios", fault=Fault.NO_PROMPT) as (simulated, cli, device):
        asking = asyncio.ensure_future(cli.ask(device, CISCO, ["show vlan brief"], 60))
        await fact(lambda: simulated.commands)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await fact(lambda: simulated.open_sessions == 0)
        simulated.fault = None
        assert "guests" in (await cli.ask(device, CISCO, ["show vlan brief"], 10))[0]


# --- devices that are not well ---


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.SILENT, NoAnswer), (Fault.NONSENSE, NoAnswer), (Fault.MID_LINE, NoAnswer), (Fault.NO_PROMPT, NoAnswer),
        (Fault.DROP, Dropped), (Fault.FLOOD, Nonsense), (Fault.ENDLESS_PAGER, Nonsense),
    ],
)  # fmt: skip
async def test_every_fault_is_a_clear_reason_and_nothing_hangs(
    protocol: Protocol, fault: Fault, error: type[CallCenterError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_session, "MOST_PAGES", 50)
    monkeypatch.setattr(cli_session, "MOST_OCTETS", 1_000_000 if protocol == "telnet" else 100_000)
    budget = 20 if error is Nonsense else 2
    async with opened("cisco_ios", protocol) as (simulated, cli, device):
        await cli.ask(device, PAGED, ["show vlan brief"], 10)
        simulated.fault = fault
        with pytest.raises(error) as failed:
            await cli.ask(device, PAGED, ["show vlan brief"], budget)
        assert isinstance(failed.value, Unavailable)
        assert len(str(failed.value)) < 300
        simulated.fault = None
        await fact(lambda: simulated.open_sessions == 0)
        assert "guests" in (await cli.ask(device, PAGED, ["show vlan brief"], 10))[0]


async def test_a_silent_device_is_a_clear_reason_from_the_first_byte() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    async with server:
        for protocol in ("ssh", "telnet"):
            login = CliLogin(protocol, "noc", SecretStr(SECRET), None, port, "")
            device = Device(DeviceId(1), ProviderId(1), "vezha", "x", "127.0.0.1", cli=login)
            with pytest.raises(NoAnswer):
                await Cli().ask(device, CISCO, ["show vlan brief"], 0.5)
    with pytest.raises(NoAnswer):
        await Cli().ask(device, CISCO, ["show vlan brief"], 5)


async def test_a_device_that_never_stops_asking_back_is_left() -> None:
    async with opened("gcom_epon", "telnet", fault=Fault.ENDLESS_QUESTIONS) as (_, cli, device):
        with pytest.raises(Nonsense, match="asking back"):
            await cli.ask(device, dialect_of("gcom_epon"), ["configure terminal", "onu 0/1/1", "onu-reboot"], 20)


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_escape_sequences_between_the_letters_change_no_letter(protocol: Protocol) -> None:
    async with opened("cisco_ios", protocol) as (simulated, cli, device):
        [plain] = await cli.ask(device, CISCO, ["show vlan brief"], 10)
        simulated.fault = Fault.ESCAPES
        [told] = await cli.ask(device, CISCO, ["show vlan brief"], 10)
        assert told == plain


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_log_lines_that_break_in_end_no_answer_early_and_hide_no_prompt(protocol: Protocol) -> None:
    async with opened("cisco_ios", protocol) as (simulated, cli, device):
        plain = await cli.ask(device, CISCO, ["show vlan brief", "show running-config interface Gi1/0/24"], 10)
        simulated.fault = Fault.LOG_LINES
        told = await cli.ask(device, CISCO, ["show vlan brief", "show running-config interface Gi1/0/24"], 20)
        for before, now in zip(plain, told, strict=True):
            assert [line for line in now.splitlines() if line != LOG_LINE] == before.splitlines()


async def test_a_log_line_after_the_pager_hides_it_from_nobody() -> None:
    async with opened("gcom_epon", "telnet") as (simulated, cli, device):
        plain = await cli.ask(device, dialect_of("gcom_epon"), ["show onu-status"], 20)
        simulated.fault = Fault.LOG_AT_PAGER
        told = await cli.ask(device, dialect_of("gcom_epon"), ["show onu-status"], 20)
        kept = [line for line in told[0].splitlines() if line and line != LOG_LINE]
        assert kept == plain[0].splitlines()
        assert simulated.keys == [" "] * 4


@pytest.mark.parametrize("changed", [{"echoes": False}, {"width": 7}, {"newline": "\n\r"}, {"newline": "\r\r\n"}])
async def test_a_device_may_echo_nothing_or_wrap_what_it_echoes(changed: dict[str, object]) -> None:
    async with opened("cisco_ios", "telnet") as (_, cli, device):
        plain = await cli.ask(device, CISCO, ["show vlan brief", "show running-config interface Gi1/0/24"], 20)
    async with CliDevice(replace(SCRIPTS["cisco_ios"], **changed), "telnet") as simulated:  # type: ignore[arg-type]
        odd = Cli()
        asked = ["show vlan brief", "show running-config interface Gi1/0/24"]
        assert await odd.ask(device_of(simulated), CISCO, asked, 20) == plain
        odd.close()


async def test_what_was_printed_while_nobody_asked_is_no_answer() -> None:
    async with opened("cisco_ios", "telnet", delay=0.0) as (simulated, cli, device):
        plain = await cli.ask(device, CISCO, ["show vlan brief"], 10)
        await simulated.interrupt(f"\n{LOG_LINE}\nOLT#")
        simulated.delay = 1.5
        assert await cli.ask(device, CISCO, ["show vlan brief"], 10) == plain


@pytest.mark.parametrize("hostile", ["a\b" * 300_000, "\x1b[31ma\x1b[0m" * 60_000])
async def test_a_long_answer_lets_others_have_their_turn(hostile: str) -> None:
    script = replace(
        SCRIPTS["cisco_ios"],
        answer=lambda place, line: hostile if line == "show all" else SCRIPTS["cisco_ios"].answer(place, line),
    )
    async with CliDevice(script, "telnet") as simulated:
        cli, turns = Cli(), 0
        asking = asyncio.ensure_future(cli.ask(device_of(simulated), CISCO, ["show all"], 60))
        await fact(lambda: "show all" in simulated.commands)
        while not asking.done():
            turns += 1
            await asyncio.sleep(0)
        cli.close()
        await asking
        assert turns > len(hostile) / 8192, "it was looked at in one go"


# --- changes ---


async def test_commands_are_given_in_the_configuration_mode_and_saved() -> None:
    async with opened("cisco_ios") as (simulated, cli, device):
        given = ["vlan 300", "name street", "interface Gi1/0/24", "switchport trunk allowed vlan add 300"]
        await cli.apply(device, CISCO, given, 10)
        port = simulated.model.ports[24]
        assert (simulated.model.vlans[300], 300 in port.tagged, simulated.model.saved) == ("street", True, 1)
        told = await cli.ask(device, CISCO, ["show vlan brief", "show running-config interface Gi1/0/24"], 10)
        assert "300  street" in told[0]
        assert "10,20,300" in told[1]


async def test_the_first_refused_command_ends_the_change_and_is_named() -> None:
    async with opened("cisco_ios", "telnet") as (simulated, cli, device):
        given = ["vlan 301", "interface Gi1/0/1", "switchport trunk allowed vlan add 301", "no vlan 10"]
        with pytest.raises(CommandRefused) as refused:
            await cli.apply(device, CISCO, given, 10)
        assert (refused.value.at, refused.value.command) == (2, given[2])
        assert "not a trunk" in refused.value.said
        assert "no vlan 10" not in simulated.commands
        assert simulated.model.saved == 0


async def test_a_question_of_the_device_is_answered_by_the_command_that_follows_else_with_no() -> None:
    async with opened("gcom_epon") as (simulated, cli, device):
        gcom = dialect_of("gcom_epon")
        onu = simulated.model.onus["EPON0/1:1"]
        await cli.apply(device, gcom, ["onu 0/1/1", "onu-reboot"], 10)
        assert onu.log == []
        await cli.apply(device, gcom, ["onu 0/1/1", "onu-reboot", "y"], 10)
        assert onu.log == [(0.0, "reset")]
        with pytest.raises(CommandRefused):
            await cli.apply(device, gcom, ["onu 0/1/1", "y"], 10)


async def test_a_change_that_could_not_be_saved_says_that_it_was_carried_out() -> None:
    async with opened("cisco_ios") as (simulated, cli, device):
        with pytest.raises(CommandRefused) as refused:
            await cli.apply(device, replace(CISCO, save="write nowhere"), ["vlan 300"], 10)
        assert refused.value.at == 1
        assert 300 in simulated.model.vlans
