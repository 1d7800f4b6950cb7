"""The rendered configuration in a real Asterisk: what the dialplan does with a call, by itself, without our service."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web

from callcenter.ami.commands import Commands
from callcenter.ami.session import AmiAddress
from callcenter.calls.groups import fold_journal
from callcenter.calls.outcome import CallOutcome
from callcenter.calls.rows import Line, Row, read_rows
from callcenter.ivr import sound
from callcenter.ivr.prompts import make_waiting
from callcenter.ivr.question import QuestionPorts, make_app
from callcenter.pbx.render import music_folder, prompts_folder, waiting_queues
from callcenter.routing.hours import WeekHours
from callcenter.words import Did, Language, ProviderId
from lab.rtp import level
from lab.sip import CONTROLLED, Call, CallerId, Tone
from tests.live.lone_pbx import DID, SUBSCRIBER, Pbx, a_pbx, first_to_ring
from tests.pbx_house import COMMANDS_SECRET, NIGHT, VOLIA, VOLIA_DID, a_queue

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pbx() -> AsyncIterator[Pbx]:
    async with a_pbx() as pbx:
        yield pbx
        complaints = pbx.complaints()
        assert complaints == []


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def quiet(pbx: Pbx) -> AsyncIterator[None]:
    for extension in ("101", "102"):
        pbx.phone(extension).forget()
    yield
    await pbx.callers.hang_up_all()
    await pbx.phones.hang_up_all()


async def test_it_boots_without_a_complaint_marks_its_boot_and_keeps_its_journal(pbx: Pbx) -> None:
    assert pbx.complaints() == []
    assert (await pbx.asterisk.rx("cel show status")).startswith("CEL Logging: Enabled")
    boot = await pbx.row(lambda row: row[0] == "CC_BOOT")
    assert len(boot) == 12


async def test_with_our_service_down_or_mute_the_caller_still_reaches_an_agent(pbx: Pbx) -> None:
    async def waits() -> float:
        call = await pbx.dial()
        await call.answered()
        mine = (await pbx.row(lambda row: row[0] == "CHAN_START" and row[4] == DID))[7]
        ringing = await first_to_ring(pbx, "101", "102")
        asked = await pbx.row(lambda row: row[7] == mine and "question" in row[8])
        queued = await pbx.row(lambda row: row[7] == mine and '"queue"' in row[8])
        call.hangup()
        await ringing.ended()
        return float(queued[1]) - float(asked[1])

    assert await waits() < 0.9

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", pbx.settings.ivr.port)
    async with server:
        assert 0.9 < await waits() < 3


async def test_the_answer_of_our_service_sets_place_and_language(pbx: Pbx) -> None:
    async def owed(provider: ProviderId, number: str) -> bool:
        return (provider, number) == (VOLIA, f"+{SUBSCRIBER}")

    async def english(provider: ProviderId, number: str) -> Language | None:
        return "en"

    runner = web.AppRunner(make_app(QuestionPorts(pbx.book.provider_of, owed, english), pbx.settings.ivr.token))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", pbx.settings.ivr.port).start()
        call = await pbx.dial()
        await call.answered()
        await first_to_ring(pbx, "101", "102")
        channels = (await pbx.asterisk.rx("core show channels concise")).splitlines()
        trunk = next(line.split("!")[0] for line in channels if line.startswith("PJSIP/trunk-"))
        said = await pbx.asterisk.rx(f"core show channel {trunk}")
        assert "QUEUE_PRIO=5" in said
        assert "CALL_LANGUAGE=en" in said
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("answer", ['<html>"]) x</html>', "5|uk\n6|en", "999|uk", "5|uk);System(x", "5|de", "x" * 9000])
async def test_an_answer_that_makes_no_sense_changes_nothing(pbx: Pbx, answer: str) -> None:
    async def say(_request: web.Request) -> web.Response:
        return web.Response(text=answer)

    app = web.Application()
    app.router.add_get("/{path:.*}", say)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", pbx.settings.ivr.port).start()
        call = await pbx.dial()
        await call.answered()
        await first_to_ring(pbx, "101", "102")
        channels = (await pbx.asterisk.rx("core show channels concise")).splitlines()
        trunk = next(line.split("!")[0] for line in channels if line.startswith("PJSIP/trunk-"))
        said = await pbx.asterisk.rx(f"core show channel {trunk}")
        assert "QUEUE_PRIO" not in said
        assert "CALL_LANGUAGE=uk" in said
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "dialled",
    ["380449999999", "%24%7BSHELL(touch%20/tmp/x)%7D", "380441230001,1,x", "../../x", "s", "112", "volia-support"],
)
async def test_a_number_nobody_has_ends_with_its_name(pbx: Pbx, dialled: str) -> None:
    call = await pbx.dial(dialled)
    assert (await call.ended()).status == 404
    end = await pbx.row(lambda row: row[0] == "CC_END" and row[4] == unquote(dialled))
    assert '"unknown_did"' in end[8]


async def test_a_hostile_caller_cannot_leave_their_line_in_the_journal(pbx: Pbx, tmp_path: Path) -> None:
    trap = tmp_path / "was-here"
    for number, name in (
        ("%24%7BSHELL(id)%7D", f"${{SHELL(touch {trap})}}"),
        ("%27%20OR%201=1--%0d%0aX%7c%22%2c%29", "a|b|c\tCHAN_START|1"),
        ("500&PJSIP/x", f'";System(touch {trap})'),
        ("9" * 300, "Ж" * 200),
    ):
        call = await pbx.dial(DID, CallerId(number, name))
        await call.answered()
        call.hangup()
        await call.ended()
    assert all(len(row) == 12 for row in pbx.rows())
    assert "ivr-token" not in (pbx.settings.asterisk.log_dir / "messages").read_text("utf-8", "replace")
    assert not trap.exists()
    assert len(list(pbx.settings.asterisk.monitor_dir.glob("*"))) == len(
        list(pbx.settings.asterisk.monitor_dir.glob("pbx1-*.raw"))
    )


async def test_a_subscriber_sent_to_an_absent_agent_comes_back_to_their_queue(pbx: Pbx) -> None:
    call = await pbx.dial()
    await call.answered()
    ringing = await first_to_ring(pbx, "101", "102")
    ringing.answer()
    await asyncio.sleep(0.3)
    assert await ringing.blind_transfer(f"sip:103@{pbx.at}") == 200
    again = await first_to_ring(pbx, "101", "102")
    assert again is not ringing
    assert not call.is_ended


async def test_phones_cannot_dial_out_and_callers_cannot_transfer(pbx: Pbx) -> None:
    phone = pbx.phone("101")
    for dialled in ("0501234567", "380631112233", "boot", "s"):
        assert (await (await phone.dial(f"sip:{dialled}@{pbx.at}")).ended()).status == 404
    call = await pbx.dial()
    await call.answered()
    assert await call.blind_transfer(f"sip:101@{pbx.at}", timeout=5) == 603
    stranger = await pbx.phones.dial(f"sip:101@{pbx.at}", CallerId("nobody"))
    assert (await stranger.ended()).status == 401


async def test_an_agents_call_back_is_recorded_with_the_subscriber_on_the_left(pbx: Pbx) -> None:
    subscriber = pbx.callers.phone(SUBSCRIBER, CONTROLLED, tone=Tone(440))
    await _originate(pbx, SUBSCRIBER, "volia")
    agent = await first_to_ring(pbx, "101")
    agent.answer()
    ringing = await subscriber.rings()
    assert ringing.caller_number == VOLIA_DID
    ringing.answer()
    await asyncio.sleep(3.5)
    ringing.hangup()
    await agent.ended()
    out = await pbx.row(lambda row: row[0] == "CC_OUT")
    assert '"17~volia~+380631112233"' in out[8]
    kept = await pbx.row(lambda row: row[0] == "CC_RECORDING" and row[7] == out[7])
    left, right = await _two_files(pbx, kept[7], 16_000)
    assert level(left, 440) > 0.5 > level(left, 880)
    assert level(right, 880) > 0.5 > level(right, 440)


@pytest.mark.parametrize(("provider", "number"), [("evil", SUBSCRIBER), ("volia", "19005551234"), ("", SUBSCRIBER)])
async def test_a_call_back_to_elsewhere_or_for_nobody_is_not_dialled(pbx: Pbx, provider: str, number: str) -> None:
    await _originate(pbx, number, provider)
    agent = await first_to_ring(pbx, "101")
    agent.answer()
    assert (await agent.ended()).cause == 21


async def test_a_change_is_read_by_the_running_asterisk_while_people_talk(pbx: Pbx) -> None:
    await pbx.render(pbx.book)
    call = await pbx.dial()
    await call.answered()
    (await first_to_ring(pbx, "101", "102")).answer()
    third = Did("+380441230003")
    new_queue = a_queue(7, NIGHT, "night-sales", "102")
    first, second = pbx.book.providers
    opened = replace(second, hours=WeekHours())
    book = replace(
        pbx.book, dids={**pbx.book.dids, third: NIGHT}, queues=(*pbx.book.queues, new_queue), providers=(first, opened)
    )
    done = await pbx.render(book)
    assert set(done.changed) == {"extensions.conf", "musiconhold.conf", "queues.conf"}
    assert set(done.reloaded) == {"res_musiconhold.so", "app_queue.so", "pbx_config.so"}
    assert "night-sales" in await pbx.asterisk.rx("queue show")
    other = await pbx.dial("0441230003")
    await other.answered()
    assert not call.is_ended
    await pbx.render(pbx.book)
    assert "night-sales has 0 calls" not in await pbx.asterisk.rx("queue show")
    assert (await (await pbx.dial("0441230003")).ended()).status == 404


async def test_who_waits_may_keep_their_place_and_a_hidden_number_cannot(pbx: Pbx) -> None:
    """Whoever presses 1 is told so by Asterisk, without any service; the journal says what they asked."""
    call = await pbx.dial()
    await call.answered()
    await first_to_ring(pbx, "101", "102")
    mine = (await pbx.row(lambda row: row[0] == "CHAN_START" and row[4] == DID))[7]
    await call.press("1")
    asked = await pbx.row(lambda row: row[7] == mine and row[0] == "CC_END")
    assert "asked" in asked[8]
    await call.ended(15)
    await pbx.row(lambda row: row[7] == mine and row[0] == "CHAN_END")
    [told] = [each for each in fold_journal(_rows(pbx)) if each.id == mine]
    assert (told.outcome, told.queue) == (CallOutcome.ASKED_CALLBACK, "volia-support")
    hidden = await pbx.dial(caller=CallerId(SUBSCRIBER, anonymous=True))
    await hidden.answered()
    await first_to_ring(pbx, "101", "102")
    await hidden.press("1")
    await asyncio.sleep(1)
    assert not hidden.is_ended
    hidden.hangup()
    await hidden.ended()
    newest = (await pbx.row(lambda row: row[0] == "CHAN_START" and row[4] == DID))[7]
    await pbx.row(lambda row: row[7] == newest and row[0] == "CHAN_END")
    [told] = [each for each in fold_journal(_rows(pbx)) if each.id == newest]
    assert told.outcome is CallOutcome.LEFT_RINGING


async def test_an_agent_who_is_free_while_the_caller_is_told_of_the_key_is_connected_at_once(pbx: Pbx) -> None:
    """The longest announcement there could be: a minute of it, and still the phone rings in the midst of it."""
    folder = music_folder(pbx.settings)
    long = folder.parent / "told.wav"
    sound.write(long, 0.3 * np.sin(2 * np.pi * 1000 / sound.RATE * np.arange(60 * sound.RATE)))
    make_waiting([("volia-support", long, 1)], folder)
    async with pbx.commands() as commands:
        for extension in ("101", "102"):
            await commands.queue_pause(f"PJSIP/agent-{extension}", True, "break")
        await pbx.asterisk.rx("moh reload")
        call = await pbx.dial()
        await call.answered()
        async with asyncio.timeout(15):
            while not _hears(call, 1000):
                await asyncio.sleep(0.05)
        await commands.queue_pause("PJSIP/agent-102", False)
        agent = await first_to_ring(pbx, "102")
        assert _hears(call, 1000)
        agent.answer()
        await agent.answered()
        async with asyncio.timeout(10):
            while not _hears(call, 880):
                await asyncio.sleep(0.05)
        assert not _hears(call, 1000, 0.2)
        call.hangup()
        await agent.ended()
        await commands.queue_pause("PJSIP/agent-101", False)
    make_waiting(waiting_queues(pbx.book, prompts_folder(pbx.settings)), folder)
    await pbx.asterisk.rx("moh reload")


def _hears(call: Call, hertz: int, seconds: float = 0.5) -> bool:
    return call.audio is not None and call.audio.hears(hertz, seconds)


def _rows(pbx: Pbx) -> list[Row]:
    return read_rows(Line(0, raw) for raw in pbx.settings.asterisk.journal.read_bytes().split(b"\n"))[0]


async def test_signed_in_agents_stay_so_through_a_restart_that_nobody_watches(pbx: Pbx) -> None:
    """Callers are served when Asterisk restarts and our service is dead: it keeps the queues' members by itself."""
    async with pbx.commands() as commands:
        await commands.queue_pause("PJSIP/agent-102", True, "lunch")
    await asyncio.sleep(1.5)  # Asterisk writes its own database down once a second
    await pbx.asterisk.kill9()
    await pbx.asterisk.start()
    call = await pbx.dial()
    await call.answered()
    ringing = await first_to_ring(pbx, "101", "102")
    assert ringing in pbx.phone("101").calls
    assert "lunch" in await pbx.asterisk.rx("queue show volia-support")
    call.hangup()
    await ringing.ended()
    async with pbx.commands() as commands:
        await commands.queue_pause("PJSIP/agent-102", False)


async def test_killed_and_started_again_it_marks_the_boundary(pbx: Pbx) -> None:
    call = await pbx.dial()
    await call.answered()
    start = await pbx.row(lambda row: row[0] == "CHAN_START" and row[4] == DID)
    await pbx.asterisk.kill9()
    await pbx.asterisk.start()
    await pbx.row(lambda row: row[0] == "CC_BOOT" and float(row[1]) > float(start[1]))
    boots = [number for number, row in enumerate(pbx.rows()) if row[0] == "CC_BOOT"]
    mine = [number for number, row in enumerate(pbx.rows()) if row[7] == start[7]]
    assert boots[-1] > max(mine)
    assert not [row for row in pbx.rows() if row[7] == start[7] and row[0] == "HANGUP"]


async def test_a_newer_asterisks_way_to_record_keeps_both_voices_in_one_file() -> None:
    async with a_pbx(one_file=True) as newer:
        call = await newer.dial()
        await call.answered()
        ringing = await first_to_ring(newer, "101", "102")
        ringing.answer()
        await asyncio.sleep(2)
        call.hangup()
        await ringing.ended()
        kept = await newer.row(lambda row: row[0] == "CC_RECORDING")
        left, right = _stereo(await _written(newer.settings.asterisk.monitor_dir / f"{kept[7]}.raw", 32_000))
        assert level(left, 440) > 0.5 > level(left, 880)
        assert level(right, 880) > 0.5 > level(right, 440)


async def _originate(pbx: Pbx, number: str, provider: str) -> None:
    at = pbx.settings.asterisk
    address = AmiAddress("127.0.0.1", at.ami_port, pbx.settings.ami.commands_user, COMMANDS_SECRET)
    commands = Commands(address, clock=lambda: datetime.now(UTC))
    async with asyncio.TaskGroup() as group:
        link = group.create_task(commands.run())
        while not commands.health.is_live:
            await asyncio.sleep(0.02)
        await commands.originate(
            "PJSIP/agent-101",
            context="outbound",
            exten=number,
            caller_id=number,
            variables={"CALLBACK": "17", "PROVIDER": provider, "DIALFROM": VOLIA_DID},
            ring_for=timedelta(seconds=20),
        )
        link.cancel()


async def _written(path: Path, octets: int) -> Path:
    """The recording, once Asterisk has closed it: after the last leg's end it may still hold some of it back."""
    async with asyncio.timeout(30):
        while not path.exists() or path.stat().st_size < octets:
            await asyncio.sleep(0.05)
    return path


async def _two_files(pbx: Pbx, name: str, octets: int) -> tuple[list[int], list[int]]:
    """The caller and the agent of a recording."""
    folder = pbx.settings.asterisk.monitor_dir
    caller, agent = [await _written(folder / f"{name}-{side}.raw", octets) for side in ("caller", "agent")]
    return _mono(caller), _mono(agent)


def _mono(path: Path) -> list[int]:
    """The last second: the notice that the call is recorded is played before the talk."""
    raw = path.read_bytes()
    samples = [each[0] for each in struct.iter_unpack("<h", raw[: len(raw) // 2 * 2])]
    return samples[-8000:]


def _stereo(path: Path) -> tuple[list[int], list[int]]:
    raw = path.read_bytes()
    pairs = list(struct.iter_unpack("<hh", raw[: len(raw) // 4 * 4]))[-8000:]
    return [left for left, _ in pairs], [right for _, right in pairs]
