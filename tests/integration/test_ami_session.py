"""The live link against an Asterisk that cuts, stalls, refuses, forges and floods, over real TCP."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callcenter.ami import events as ami
from callcenter.ami.commands import Commands, CoreStatus
from callcenter.ami.facts import AgentRang, CallArrived, CallEnded, LinkLost, LinkRestored, LiveFact, RingEnded
from callcenter.ami.health import LinkState
from callcenter.ami.link import LiveLink
from callcenter.ami.session import AmiAddress, Pace, Session, retry_delay
from callcenter.ami.tape import Tape
from callcenter.errors import Misconfigured, Refused, RuleBroken, Unavailable
from tests.integration.ami_server import SECRET, ScriptedAsterisk, frame, scripted_asterisk, until

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
QUICK = Pace(
    connect=2.0,
    reply=0.3,
    ping_after=0.1,
    dead_after=0.4,
    first_retry=0.02,
    longest_retry=0.1,
    refused_retry=30.0,
    resync_gap=0.05,
)
CALL = "pbx1-1795380000.1"
CHANNEL = (
    "Channel: PJSIP/trunk-skynet-00000001",
    "ChannelState: 6",
    "CallerIDNum: 0501234567",
    "CallerIDName: Іван",
    "Exten: s",
    f"Uniqueid: {CALL}",
    f"Linkedid: {CALL}",
    "ChanVariable: DID=+380441110001",
    "ChanVariable: PROVIDER=skynet",
)
LISTED = frame(
    "Event: CoreShowChannel", "ActionID: ?", *CHANNEL, "Application: Queue", "ApplicationData: skynet,t", "BridgeId: "
)
HANGUP = frame("Event: Hangup", *CHANNEL, "Cause: 16")
RANG = frame(
    "Event: AgentCalled",
    *CHANNEL,
    "DestChannel: PJSIP/agent-101-00000002",
    "DestUniqueid: pbx1-1795380000.2",
    f"DestLinkedid: {CALL}",
    "Queue: skynet",
    "Interface: PJSIP/agent-101",
)
CUT_SHORT = frame("Event: Newchannel", "Channel: PJSIP/trunk-skynet-00000009", "CallerIDNum: 050")
ORIGINATED = frame("Event: OriginateResponse", "ActionID: cb-7", "Response: Success", "Reason: 4", "Uniqueid: 1.1")


class Screen:
    """Keeps what the link told."""

    def __init__(self) -> None:
        self.facts: list[LiveFact] = []
        self.events: list[ami.AmiEvent] = []

    def saw(self, *kinds: type[LiveFact]) -> list[LiveFact]:
        return [fact for fact in self.facts if isinstance(fact, kinds)]


def nobody(fact: LiveFact) -> None:
    """Nobody looks."""


def clock() -> datetime:
    return NOW


def address(asterisk: ScriptedAsterisk, secret: str = SECRET, **more: Path) -> AmiAddress:
    return AmiAddress("127.0.0.1", asterisk.port, "events", secret, **more)


@asynccontextmanager
async def running(link: LiveLink | Commands | Session) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(link.run())
        try:
            yield
        finally:
            task.cancel()


@asynccontextmanager
async def live(
    asterisk: ScriptedAsterisk, pace: Pace = QUICK, queue_limit: int = 50_000
) -> AsyncIterator[tuple[LiveLink, Screen]]:
    screen = Screen()
    link = LiveLink(
        address(asterisk),
        screen.facts.append,
        clock=clock,
        watch=screen.events.append,
        pace=pace,
        queue_limit=queue_limit,
    )
    async with running(link):
        await until(lambda: link.health.is_live)
        yield link, screen


# Coming up


async def test_a_call_in_progress_is_on_the_screen_as_soon_as_the_link_is() -> None:
    async with scripted_asterisk(channels=[LISTED]) as asterisk, live(asterisk) as (link, screen):
        assert [fact.call for fact in screen.facts if isinstance(fact, CallArrived)] == [CALL]
        assert link.view.calls()[0].caller_name == "Іван"
        assert link.asterisk_started == "2026-11-22 20:41:26"
        asterisk.say(RANG + HANGUP)
        await until(lambda: screen.saw(CallEnded))
        assert screen.saw(AgentRang)
        assert link.health.counters["connections"] == 1


@pytest.mark.parametrize("piece", [1, 3, 50])
async def test_an_asterisk_that_trickles_is_understood(piece: int) -> None:
    async with scripted_asterisk(channels=[LISTED], piece=piece) as asterisk, live(asterisk) as (link, _):
        assert link.view.calls()[0].caller_name == "Іван"
        assert link.health.counters["torn"] == 0


async def test_a_refused_login_is_said_clearly_and_tried_seldom() -> None:
    pace = Pace(first_retry=0.001, longest_retry=0.001, refused_retry=0.4)
    async with scripted_asterisk(secret="another") as asterisk:
        link = LiveLink(address(asterisk), nobody, clock=clock, pace=pace)
        async with running(link):
            await until(lambda: link.health.counters["logins_refused"] and link.health.reason)
            assert link.health.state is LinkState.CONNECTING
            assert link.health.reason == "login of events refused: Authentication failed"
            first = asyncio.get_running_loop().time()
            await until(lambda: asterisk.count("Login") == 2)
            assert asyncio.get_running_loop().time() - first > 0.25
    assert SECRET not in repr(address(asterisk))


async def test_a_link_ends_when_it_is_told_to_even_in_the_moment_in_which_it_fails() -> None:
    async with scripted_asterisk(secret="another") as asterisk:
        for turns in range(40):
            link = LiveLink(address(asterisk), nobody, clock=clock)
            logins = asterisk.count("Login")
            async with asyncio.timeout(5), running(link):
                while asterisk.count("Login") == logins:
                    await asyncio.sleep(0)
                for _ in range(turns):
                    await asyncio.sleep(0)


def test_a_refused_login_waits_half_a_minute_and_an_absent_asterisk_some_seconds_at_most() -> None:
    pace = Pace()
    delays = [retry_delay(pace, failures, refused=False, chance=0.0) for failures in (1, 2, 3, 4, 5, 60_000)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert retry_delay(pace, 1, refused=True, chance=0.0) == 30.0
    assert retry_delay(pace, 1, refused=False, chance=1.0) == 0.375


async def test_nobody_there_is_said_and_found_when_it_comes() -> None:
    async with scripted_asterisk() as asterisk:
        await asterisk.stop()
        link = LiveLink(address(asterisk), nobody, clock=clock, pace=QUICK)
        async with running(link):
            await until(lambda: "cannot connect" in link.health.reason)
            await asterisk.start()
            await until(lambda: link.health.is_live, deadline=2.0)


async def test_an_asterisk_that_accepts_and_says_nothing_is_left_again() -> None:
    async with scripted_asterisk(mute=True) as asterisk:
        link = LiveLink(address(asterisk), nobody, clock=clock, pace=QUICK)
        async with running(link):
            await until(lambda: asterisk.connections >= 2)
            asterisk.mute = False
            await until(lambda: link.health.is_live)


# Losing it


async def test_a_cut_link_is_told_and_calls_that_ended_meanwhile_end() -> None:
    async with scripted_asterisk(channels=[LISTED]) as asterisk, live(asterisk) as (link, screen):
        asterisk.channels = []
        asterisk.say(RANG)
        await until(lambda: screen.saw(AgentRang))
        asterisk.cut()
        await until(lambda: screen.saw(CallEnded))
        assert [type(fact) for fact in screen.facts][-4:] == [
            LinkLost,
            LinkRestored,
            RingEnded,
            CallEnded,
        ]
        assert link.view.is_empty()
        assert link.health.counters["connections"] == 2


async def test_what_came_before_the_cut_is_told_before_the_loss() -> None:
    async with scripted_asterisk(channels=[LISTED]) as asterisk, live(asterisk) as (_, screen):
        asterisk.say(RANG)
        await asterisk.stop()
        await until(lambda: screen.saw(LinkLost))
        kinds = [type(fact) for fact in screen.facts]
        assert AgentRang not in kinds or kinds.index(AgentRang) < kinds.index(LinkLost)


async def test_a_peer_that_fell_silent_is_noticed() -> None:
    async with scripted_asterisk() as asterisk, live(asterisk) as (link, screen):
        await until(lambda: asterisk.count("Ping") >= 2)
        assert not screen.saw(LinkLost)
        asterisk.mute = True
        await until(lambda: screen.saw(LinkLost), deadline=2.0)
        asterisk.mute = False
        await until(lambda: link.health.is_live)


async def test_a_list_cut_by_the_link_is_read_again() -> None:
    async with scripted_asterisk(channels=[LISTED], cut_lists=2) as asterisk, live(asterisk) as (link, _):
        assert asterisk.connections == 3
        assert len(link.view.calls()) == 1


async def test_nothing_is_ever_sent_twice() -> None:
    async with scripted_asterisk(silent_actions={"Originate"}) as asterisk:
        commands = Commands(address(asterisk), clock=clock, pace=QUICK)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(outcome(call_back(commands)))
                await until(lambda: asterisk.count("Originate") == 1)
                asterisk.cut()
            assert isinstance(asked.result(), Unavailable)
            await until(lambda: commands.health.counters["connections"] == 2)
            await commands.queue_pause("PJSIP/agent-101", True)
            assert asterisk.count("Originate") == 1
            assert commands.pending == 0


async def test_without_a_link_a_command_fails_at_once_and_says_why() -> None:
    async with scripted_asterisk() as asterisk:
        await asterisk.stop()
        commands = Commands(address(asterisk), clock=clock, pace=QUICK)
        async with running(commands):
            await until(lambda: "cannot connect" in commands.health.reason)
            with pytest.raises(Unavailable, match="cannot connect"):
                await commands.queue_pause("PJSIP/agent-101", True)


async def test_ten_thousand_unanswered_commands_leave_nothing_behind() -> None:
    async with scripted_asterisk(silent_actions={"QueuePause"}) as asterisk:
        session = Session(address(asterisk), None, clock=clock, pace=Pace(ping_after=30))
        async with running(session):
            await until(lambda: session.health.is_live)
            for _ in range(10):
                outcomes = await asyncio.gather(
                    *(outcome(session.send("QueuePause", {"Paused": "true"}, deadline=0.05)) for _ in range(1000))
                )
                assert all(isinstance(each, Unavailable) for each in outcomes)
            assert session.pending == 0
            await until(lambda: asterisk.count("QueuePause") == 10_000)
            late = [frame("Response: Success", f"ActionID: {each['ActionID']}") for each in asterisk.received[-100:]]
            asterisk.say(b"".join(late))
            await until(lambda: session.health.counters["unasked_replies"] == 100)
            assert (await session.send("Ping")).headers["Message"] == "done"


# Frames that Asterisk did not mean


async def test_a_torn_frame_is_kept_and_the_picture_read_again_over_the_same_link() -> None:
    async with scripted_asterisk() as asterisk, live(asterisk) as (link, screen):
        asterisk.channels = [LISTED]
        asterisk.say(b"CallerIDName: x\r\nUniqueid: 9.9\r\n\r\n")
        await until(lambda: screen.saw(CallArrived))
        assert link.health.counters["torn"] == 1
        assert [torn.why for torn in link.health.last_torn] == ["neither an event nor a response"]
        assert link.health.counters["connections"] == 1
        assert not screen.saw(LinkLost)


async def test_an_event_that_could_not_be_taken_in_costs_a_resync_and_neither_link_nor_service() -> None:
    facts: list[LiveFact] = []

    def stumbles(fact: LiveFact) -> None:
        if isinstance(fact, AgentRang):
            raise KeyError(fact.agent)
        facts.append(fact)

    async with scripted_asterisk(channels=[LISTED]) as asterisk:
        link = LiveLink(address(asterisk), stumbles, clock=clock, pace=QUICK)
        async with running(link):
            await until(lambda: link.health.is_live)
            before = link.health.counters["resyncs"]
            asterisk.say(RANG)
            await until(lambda: link.health.counters["resyncs"] > before)
            asterisk.say(HANGUP)
            await until(lambda: any(isinstance(fact, CallEnded) for fact in facts))
            assert (link.tainted, link.health.counters["connections"]) == (1, 1)


@pytest.mark.parametrize("gap", [0.0, 0.2])
async def test_a_forged_event_behind_a_torn_one_is_not_believed(gap: float) -> None:
    """A caller's number with line breaks cuts Asterisk's frame and makes one of its own: seen on Asterisk 22."""
    pace = Pace(resync_gap=gap)
    async with scripted_asterisk(channels=[LISTED]) as asterisk, live(asterisk, pace) as (link, screen):
        asterisk.say(CUT_SHORT + HANGUP + b"CallerIDName: x\r\n\r\n")
        await until(lambda: link.health.counters["resyncs"] >= 2)
        asterisk.say(RANG)
        await until(lambda: screen.saw(AgentRang))
        assert not screen.saw(CallEnded)
        assert link.tainted == 1


async def test_torn_frames_without_end_do_not_make_resyncs_without_end() -> None:
    async with scripted_asterisk() as asterisk, live(asterisk, pace=Pace()) as (link, screen):
        for _ in range(200):
            asterisk.say(CUT_SHORT + b"CallerIDName: x\r\n\r\n")
        asterisk.say(frame("Event: UserEvent", "UserEvent: Done"))
        await until(lambda: screen.events)
        assert asterisk.count("CoreShowChannels") <= 3
        assert link.health.is_live


async def test_a_list_with_a_torn_entry_ends_no_call_and_is_read_again() -> None:
    async with scripted_asterisk(channels=[LISTED]) as asterisk, live(asterisk) as (link, screen):
        asterisk.channels = [LISTED.replace(b"CallerIDName: ", b"CallerIDName: x\r\n\r\n")]
        asterisk.say(CUT_SHORT)
        await until(lambda: link.health.counters["resyncs"] >= 3)
        assert not screen.saw(CallEnded)
        asterisk.channels = []
        await until(lambda: screen.saw(CallEnded))


async def test_a_frame_without_an_end_costs_the_link_and_not_the_memory() -> None:
    async with scripted_asterisk() as asterisk, live(asterisk) as (link, screen):
        asterisk.say(b"x" * 1_000_000)
        await until(lambda: [type(fact) for fact in screen.facts] == [LinkRestored, LinkLost, LinkRestored])
        assert link.health.counters["connections"] == 2


async def test_a_flood_drops_the_link_and_no_single_event() -> None:
    async with scripted_asterisk() as asterisk, live(asterisk, queue_limit=1000) as (link, screen):
        asterisk.channels = [LISTED]
        asterisk.say(frame("Event: UserEvent", "UserEvent: X") * 50_000)
        await until(lambda: screen.saw(CallArrived))
        assert link.health.counters["overflows"] == 1
        assert [type(fact) for fact in screen.facts] == [LinkRestored, LinkLost, LinkRestored, CallArrived]


# What the picture holds, and what it does not


async def test_events_older_than_the_list_are_part_of_it() -> None:
    before = RANG + ORIGINATED
    async with scripted_asterisk(channels=[LISTED], before_list=before) as asterisk, live(asterisk) as (_, screen):
        await until(lambda: screen.events)
        assert screen.events == [ami.OriginateResponse("cb-7", True, 4, "1.1")]
        assert not screen.saw(AgentRang)


@pytest.mark.parametrize(
    "reason", [frame("Event: FullyBooted", "Uptime: 1"), frame("Event: Reload", "Module: app_queue", "Status: 0")]
)
async def test_what_changes_the_queues_is_followed_by_a_resync(reason: bytes) -> None:
    async with scripted_asterisk() as asterisk, live(asterisk) as (_, screen):
        asterisk.channels = [LISTED]
        asterisk.say(reason)
        await until(lambda: screen.saw(CallArrived))
        assert asterisk.connections == 1


async def test_a_picture_that_may_not_be_read_is_said_clearly() -> None:
    async with scripted_asterisk(silent_actions={"QueueStatus"}) as asterisk:
        pace = Pace(reply=0.1, first_retry=0.02, longest_retry=0.05)
        link = LiveLink(address(asterisk), nobody, clock=clock, pace=pace)
        refusal = "Message: Permission denied"
        async with running(link):
            await until(lambda: asterisk.count("QueueStatus"))
            asked = next(each for each in asterisk.received if each["Action"] == "QueueStatus")
            asterisk.say(frame("Response: Error", f"ActionID: {asked['ActionID']}", refusal))
            await until(lambda: "events cannot read the picture: Permission denied" in link.health.reason)


# Commands


async def call_back(commands: Commands) -> None:
    await commands.originate(
        "PJSIP/agent-101",
        context="outbound",
        exten="380501234567",
        caller_id="380441110001",
        variables={"CALLBACK": "7"},
    )


async def outcome(asked: object) -> BaseException | None:
    try:
        await asked  # type: ignore[misc]
    except (Unavailable, Refused, RuleBroken) as said:
        return said
    return None


async def test_commands_go_over_the_wire_as_asterisk_reads_them() -> None:
    async with scripted_asterisk() as asterisk:
        commands = Commands(address(asterisk), clock=clock, pace=QUICK)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            await commands.queue_pause("PJSIP/agent-101", True, "обід")
            await call_back(commands)
            await commands.hangup("PJSIP/agent-101-0000000b")
            await commands.reload("res_pjsip.so")
            assert await commands.core_status() == CoreStatus("2026-11-22 20:41:26", "", 2)
            with pytest.raises(Refused, match="Interface not found"):
                await commands.queue_pause("PJSIP/agent-404", False)
        login, pause, originate, hangup, reload = asterisk.received[:5]
        assert login["Events"] == "off"
        assert (pause["Interface"], pause["Paused"], pause["Reason"]) == ("PJSIP/agent-101", "true", "обід")
        assert originate | {"ActionID": ""} == {
            "Action": "Originate",
            "ActionID": "",
            "Channel": "PJSIP/agent-101",
            "Context": "outbound",
            "Exten": "380501234567",
            "Priority": "1",
            "CallerID": "380441110001",
            "Timeout": str(int(timedelta(seconds=30) / timedelta(milliseconds=1))),
            "Async": "true",
            "Variable": "CALLBACK=7",
        }
        assert (hangup["Channel"], hangup["Cause"], reload["Module"]) == (
            "PJSIP/agent-101-0000000b",
            "16",
            "res_pjsip.so",
        )


@pytest.mark.parametrize(
    "evil", ["x\r\nAction: Command\r\nCommand: core stop now", "x\ny", "x\0y", "x\u2028y", "x" * 1100]
)
async def test_no_value_can_become_a_second_action(evil: str) -> None:
    async with scripted_asterisk() as asterisk:
        commands = Commands(address(asterisk), clock=clock, pace=QUICK)
        async with running(commands):
            await until(lambda: commands.health.is_live)
            with pytest.raises(RuleBroken):
                await commands.queue_pause("PJSIP/agent-101", True, evil)
            for channel, exten, value in (
                (evil, "1", "7"),
                ("PJSIP/agent-101", evil, "7"),
                ("PJSIP/agent-101", "1", evil),
            ):
                with pytest.raises(RuleBroken):
                    await commands.originate(
                        channel, context="outbound", exten=exten, caller_id="1", variables={"CALLBACK": value}
                    )
            await commands.core_status()
            assert {each["Action"] for each in asterisk.received} <= {"Login", "CoreStatus", "Ping"}


@pytest.mark.parametrize("value", ["${SHELL(id)}", "a,b", "a&b", "a;b", 'a"b', "a b"])
async def test_no_variable_can_become_dialplan(value: str) -> None:
    async with scripted_asterisk() as asterisk:
        commands = Commands(address(asterisk), clock=clock, pace=QUICK)
        with pytest.raises(RuleBroken):
            await commands.originate(
                "PJSIP/agent-101", context="outbound", exten="1", caller_id="1", variables={"CALLBACK": value}
            )


# TLS, tape, end


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=pbx"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", *options, *names, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    return key, cert


async def test_tls_is_spoken_to_the_certificate_that_we_trust_and_to_no_other(certificate: tuple[Path, Path]) -> None:
    key, cert = certificate
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    async with scripted_asterisk(channels=[LISTED], tls=server) as asterisk:
        link = LiveLink(address(asterisk, tls_ca=cert), nobody, clock=clock, pace=QUICK)
        async with running(link):
            await until(lambda: link.health.is_live)
            assert len(link.view.calls()) == 1
        stranger = Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
        link = LiveLink(address(asterisk, tls_ca=stranger), nobody, clock=clock, pace=QUICK)
        async with running(link):
            await until(lambda: "certificate verify failed" in link.health.reason)


async def test_a_certificate_authority_that_cannot_be_read_is_a_mistake_of_the_operator(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        AmiAddress("127.0.0.1", 1, "events", SECRET, tls_ca=tmp_path / "missing.pem").tls()


async def test_a_tape_holds_every_byte_and_when_it_came(tmp_path: Path) -> None:
    path = tmp_path / "field-bug.ami"
    async with scripted_asterisk(channels=[LISTED]) as asterisk:
        link = LiveLink(address(asterisk), nobody, clock=clock, pace=QUICK, tape=Tape(path, clock))
        async with running(link):
            await until(lambda: link.health.is_live)
            received = link.health.counters["bytes_received"]
    assert len(path.read_bytes()) == received
    times = path.with_name("field-bug.ami.times").read_text().splitlines()
    assert times[0] == f"{NOW.timestamp():f} 0"


async def test_a_tape_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    async with scripted_asterisk(channels=[LISTED]) as asterisk:
        tape = Tape(tmp_path / "no such folder" / "x.ami", clock)
        link = LiveLink(address(asterisk), nobody, clock=clock, pace=QUICK, tape=tape)
        async with running(link):
            await until(lambda: link.health.is_live)


async def test_a_cancelled_link_leaves_nothing_open() -> None:
    async with scripted_asterisk() as asterisk:
        async with live(asterisk):
            assert asterisk.links == 1
        await until(lambda: asterisk.links == 0)
        assert asterisk.connections == 1
