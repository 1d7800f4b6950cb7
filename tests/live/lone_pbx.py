"""One Asterisk that knows nothing but what was rendered for it, its phones and its callers; no service of ours."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from callcenter.ami.commands import Commands
from callcenter.ami.session import AmiAddress
from callcenter.config import PhoneSettings, Settings
from callcenter.ivr.prompts import make_music, make_prompts, make_waiting
from callcenter.pbx.install import Installed, install
from callcenter.pbx.render import music_folder, prompts_folder, render, waiting_queues
from callcenter.pbx.version import PbxVersion
from callcenter.routing.book import Book
from callcenter.routing.hours import WeekHours
from lab.asterisk import Asterisk, AsteriskFolders
from lab.asterisk_root import asterisk_binary
from lab.sip import CONTROLLED, Call, CallerId, Credentials, Phone, SipAgent, Tone
from tests.live.ports import free_port
from tests.pbx_house import COMMANDS_SECRET, VOLIA_DID, a_book, settings_for

DID = VOLIA_DID.lstrip("+")
NIGHT_DID = "380441230002"
SUBSCRIBER = "380631112233"
NOISE = (
    "func_curl.c",
    "Could not create dialog",
    "Failed to create outgoing session",
    "CallerID Name",
    "transfer attempt blocked",
    "Session already DISCONNECTED",  # a caller hung up just when Asterisk had something to tell their phone
    "app_channelredirect.c: No such channel",  # both ends of a held talk hang up at once: the other was gone by then
    # Likewise: a leg that ends is sent on by the other's end while its last row (CC_SOUND) is being written.
    "An async goto just messed up our execution location",
    "Abnormal 'Gosub(sound,told,1)' exit",
)
"""What Asterisk rightly complains about when a test does it on purpose."""


@dataclass
class Pbx:
    """One Asterisk that knows nothing but what was rendered for it, its phones and its callers."""

    settings: Settings
    asterisk: Asterisk
    phones: SipAgent
    callers: SipAgent
    book: Book
    ringable: dict[str, Phone] = field(default_factory=dict)

    @property
    def at(self) -> str:
        return self.settings.asterisk.sip_bind

    def phone(self, extension: str) -> Phone:
        if extension in self.ringable:
            return self.ringable[extension]
        phone = self.ringable[extension] = self.phones.phone(f"agent-{extension}", CONTROLLED, tone=Tone(880))
        phone.credentials = Credentials(f"agent-{extension}", f"secret-{extension}-x")
        return phone

    async def dial(self, dialled: str = DID, caller: CallerId | None = None) -> Call:
        return await self.callers.dial(f"sip:{dialled}@{self.at}", caller or CallerId(SUBSCRIBER), tone=Tone(440))

    def rows(self) -> list[list[str]]:
        text = self.settings.asterisk.journal.read_text("utf-8")
        return [[unquote(column) for column in line.split("|")] for line in text.splitlines()]

    async def row(self, wanted: Callable[[list[str]], bool], within: float = 5.0) -> list[str]:
        async with asyncio.timeout(within):
            while True:
                if found := [row for row in self.rows() if wanted(row)]:
                    return found[-1]
                await asyncio.sleep(0.05)

    def complaints(self) -> list[str]:
        log = (self.settings.asterisk.log_dir / "messages").read_bytes().decode("utf-8", "backslashreplace")
        said = [line for line in log.splitlines() if "WARNING[" in line or "ERROR[" in line]
        return [line for line in said if not any(noise in line for noise in NOISE)]

    async def render(self, book: Book) -> Installed:
        """Renders and installs over the real AMI, as ``callcenter asterisk render --install`` does."""
        at = self.settings.asterisk
        files = render(book, self.settings, PbxVersion.parse(at.version))
        make_waiting(waiting_queues(book, prompts_folder(self.settings)), music_folder(self.settings))
        async with self.commands() as commands:
            return await install(files, at, commands.reload)

    async def sign_in(self) -> None:
        """Every agent begins to work, as the service does it over AMI."""
        async with self.commands() as commands:
            for queue in self.book.queues:
                for member in queue.members:
                    interface = f"PJSIP/agent-{member.extension}"
                    await commands.queue_add(queue.name, interface, member.extension, penalty=member.penalty)

    @asynccontextmanager
    async def commands(self) -> AsyncIterator[Commands]:
        """A login of its own that may act, live for as long as the block runs."""
        at = self.settings.asterisk
        address = AmiAddress("127.0.0.1", at.ami_port, self.settings.ami.commands_user, COMMANDS_SECRET)
        commands = Commands(address, clock=lambda: datetime.now(UTC))
        async with asyncio.TaskGroup() as group:
            link = group.create_task(commands.run())
            async with asyncio.timeout(15):
                while not commands.health.is_live:
                    await asyncio.sleep(0.02)
            yield commands
            link.cancel()


@asynccontextmanager
async def a_pbx(max_calls: int = 50, one_file: bool = False, page: PhoneSettings | None = None) -> AsyncIterator[Pbx]:
    """With ``page`` agent 103's phone is in the page; ``one_file`` records as newer Asterisks do."""
    binary = asterisk_binary()
    with tempfile.TemporaryDirectory(prefix="ccp", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        folders = AsteriskFolders.under(root)
        folders.make()
        settings = settings_for(
            root,
            version=binary.version,
            data_dir=binary.datadir,
            module_dir=binary.moddir,
            max_calls=max_calls,
            system_name="pbx1",
            sip_bind=f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
            ami_port=free_port(socket.SOCK_STREAM),
            ivr_port=free_port(socket.SOCK_STREAM),
        )
        if page is not None:
            settings = settings.model_copy(update={"phone": page})
        async with await SipAgent.open("127.0.0.1") as phones, await SipAgent.open("127.0.0.2") as callers:
            book = a_book(phones=f"127.0.0.1:{phones.port}", uplink=f"127.0.0.2:{callers.port}")
            first, second = book.providers
            closed = replace(second, hours=WeekHours.parse({"mon": []}))
            quick = tuple(replace(queue, ring_s=3, timeout_s=6) for queue in book.queues)
            book = replace(book, providers=(first, closed), queues=quick)
            if page is not None:
                book = replace(book, agents=(*book.agents[:2], replace(book.agents[2], phone="browser")))
            make_prompts(book.providers, prompts_folder(settings))
            make_music(music_folder(settings))
            make_waiting(waiting_queues(book, prompts_folder(settings)), music_folder(settings))
            files = render(book, settings, PbxVersion.parse(binary.version))
            if one_file:
                newer = render(book, settings, PbxVersion.parse("22.11.0"))
                files = {**files, "extensions.conf": newer["extensions.conf"]}
            await install(files, settings.asterisk, None)
            async with Asterisk(binary, folders.etc / "asterisk.conf", output=root / "output") as asterisk:
                pbx = Pbx(settings, asterisk, phones, callers, book)
                await pbx.sign_in()
                yield pbx


async def first_to_ring(pbx: Pbx, *extensions: str) -> Call:
    """The queue chooses; whoever rings first."""
    phones = [pbx.phone(extension) for extension in extensions]
    async with asyncio.timeout(15):
        while True:
            for phone in phones:
                if ringing := [call for call in phone.calls if not call.is_ended]:
                    return ringing[-1]
            await asyncio.sleep(0.02)


def seconds_of(pbx: Pbx, recording: str | None, side: str) -> float:
    """How much of a side (``caller``, ``agent``) Asterisk has written of a recording so far."""
    return (pbx.settings.asterisk.monitor_dir / f"{recording}-{side}.raw").stat().st_size / 16_000
