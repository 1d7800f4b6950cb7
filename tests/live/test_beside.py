"""Beside an existing PBX: the operator's own files include ours, as ``docs/howto/beside-an-existing-pbx.md`` says."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from callcenter.ami.commands import Commands
from callcenter.ami.session import AmiAddress
from callcenter.ivr.prompts import make_music, make_prompts, make_waiting
from callcenter.pbx.install import INCLUDES, install
from callcenter.pbx.render import music_folder, prompts_folder, render, waiting_queues
from callcenter.pbx.version import PbxVersion
from lab.asterisk import Asterisk, AsteriskFolders, asterisk_conf
from lab.asterisk_root import AsteriskBinary, asterisk_binary
from lab.sip import Behaviour, CallerId, Credentials, SipAgent
from tests.live.lone_pbx import DID
from tests.live.ports import free_port
from tests.pbx_house import COMMANDS_SECRET, a_book, settings_for

pytestmark = pytest.mark.live

HOWTO = Path(__file__).parents[2] / "docs/howto/beside-an-existing-pbx.md"


def operators_files(sip: str, ami_port: int, modules: str) -> dict[str, str]:
    """An Asterisk as an operator might have it, before ours comes beside it."""
    return {
        "modules.conf": modules,
        "pjsip.conf": f"[transport]\ntype = transport\nprotocol = udp\nbind = {sip}\n",
        "extensions.conf": "[general]\nstatic = yes\n\n[theirs]\nexten => 100,1,Hangup()\n",
        "queues.conf": "[general]\nautofill = yes\n\n[their-queue]\nstrategy = ringall\n",
        "musiconhold.conf": "[default]\nmode = files\ndirectory = /nowhere\n",
        "manager.conf": f"[general]\nenabled = yes\nport = {ami_port}\nbindaddr = 127.0.0.1\n",
        "cel.conf": "[general]\nenable = yes\napps = park\nevents = LINKEDID_END\n",
        "cel_custom.conf": "[mappings]\nMaster.csv => ${CSV_QUOTE(${eventtype})}\n",
        "cli.conf": "[startup_commands]\n",
    }


async def test_a_call_goes_our_way_and_the_operators_own_files_stay_theirs() -> None:
    binary = asterisk_binary()
    with tempfile.TemporaryDirectory(prefix="ccb", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        folders = AsteriskFolders.under(root)
        folders.make()
        sip, ami_port = f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}", free_port(socket.SOCK_STREAM)
        places: dict[str, Any] = {"version": binary.version, "data_dir": binary.datadir, "module_dir": binary.moddir}
        settings = settings_for(root, whole=False, sip_bind=sip, ami_port=ami_port, **places)
        version = PbxVersion.parse(binary.version)
        modules = render(a_book(), settings_for(root, **places), version)["modules.conf"]
        theirs = operators_files(sip, ami_port, modules)
        (folders.etc / "asterisk.conf").write_text(asterisk_conf(binary, folders, ["systemname = theirs"]))
        for name, text in theirs.items():
            (folders.etc / name).write_text(text)
        async with await SipAgent.open("127.0.0.1") as phones, await SipAgent.open("127.0.0.2") as callers:
            book = a_book(phones=f"127.0.0.1:{phones.port}", uplink=f"127.0.0.2:{callers.port}")
            make_prompts(book.providers, prompts_folder(settings))
            make_music(music_folder(settings))
            make_waiting(waiting_queues(book, prompts_folder(settings)), music_folder(settings))
            done = await install(render(book, settings, version), settings.asterisk, None)
            assert len(done.operator) == len(INCLUDES)
            for name in INCLUDES:
                with (folders.etc / name).open("a") as file:
                    file.write(f'\n#include "callcenter/{name}"\n')
            assert (await install(render(book, settings, version), settings.asterisk, None)).operator == ()
            for name, text in theirs.items():
                assert (folders.etc / name).read_text().startswith(text)
            async with Asterisk(binary, folders.etc / "asterisk.conf", output=root / "output") as asterisk:
                for extension in ("101", "102"):
                    phone = phones.phone(f"agent-{extension}", Behaviour(answer_after=0.1))
                    phone.credentials = Credentials(f"agent-{extension}", f"secret-{extension}-x")
                    said = await phone.dial(f"sip:*47@{sip}")  # no service is there: they sign in by phone
                    assert (await said.ended(15)).cause == 16
                call = await callers.dial(f"sip:{DID}@{sip}", CallerId("380631112233"))
                await call.answered()
                await _journal_says(settings.asterisk.journal, "BRIDGE_ENTER")
                call.hangup()
                await call.ended()
                rows = settings.asterisk.journal.read_text()
                assert "CC_BOOT|" in rows
                assert all(line.count("|") == 11 for line in rows.splitlines())
                assert "their-queue" in await asterisk.rx("queue show")
                assert "volia-support" in await asterisk.rx("queue show")
                await _logs_in(AmiAddress("127.0.0.1", ami_port, "callcenter-commands", COMMANDS_SECRET))


def test_the_howto_names_every_file_that_includes_ours() -> None:
    text = HOWTO.read_text("utf-8")
    for name in INCLUDES:
        assert f'#include "callcenter/{name}"' in text


async def test_the_manager_speaks_tls_when_it_has_a_certificate() -> None:
    binary = asterisk_binary()
    with tempfile.TemporaryDirectory(prefix="cct", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        folders = AsteriskFolders.under(root)
        folders.make()
        certificate = root / "ami.pem"
        _make_certificate(certificate)
        port = free_port(socket.SOCK_STREAM)
        settings = settings_for(
            root,
            version=binary.version,
            data_dir=binary.datadir,
            module_dir=binary.moddir,
            sip_bind=f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
            ami_port=port,
            ami_tls_cert=certificate,
        )
        await install(render(a_book(), settings, PbxVersion.parse(binary.version)), settings.asterisk, None)
        async with _running(binary, folders, root):
            await _logs_in(AmiAddress("127.0.0.1", port, "callcenter-commands", COMMANDS_SECRET, certificate))


def _running(binary: AsteriskBinary, folders: AsteriskFolders, root: Path) -> Asterisk:
    return Asterisk(binary, folders.etc / "asterisk.conf", output=root / "output")


def _make_certificate(path: Path) -> None:
    """A certificate and its key in one file, as Asterisk wants them."""
    key, cert = path.with_suffix(".key"), path.with_suffix(".crt")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(cert.read_text() + key.read_text())


async def _logs_in(address: AmiAddress) -> None:
    commands = Commands(address, clock=lambda: datetime.now(UTC))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        link = group.create_task(commands.run())
        while not commands.health.is_live:
            await asyncio.sleep(0.02)
        await commands.reload("app_queue.so")
        link.cancel()


async def _journal_says(journal: Path, event: str) -> None:
    async with asyncio.timeout(15):
        while not journal.exists() or f"\n{event}|" not in journal.read_text():
            await asyncio.sleep(0.05)
