"""A real relay (coturn) on loopback, with a secret of its own: what agents outside speak through."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
from pathlib import Path

from callcenter.errors import Unavailable
from lab.child import dies_with_its_starter, end_child
from lab.house import House

SECRET = "CALLCENTER_PHONE__TURN_SECRET"


class Relay:
    """coturn on 127.0.0.1; use as an async context. ``said`` is what it has written of its sessions."""

    def __init__(self, folder: Path, port: int, secret: str) -> None:
        self._folder, self.port, self._secret = folder, port, secret
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"turn:127.0.0.1:{self.port}?transport=udp"

    @property
    def said(self) -> str:
        file = self._folder / "relay.log"
        return file.read_text("utf-8", "backslashreplace") if file.exists() else ""

    async def __aenter__(self) -> Relay:
        program = shutil.which("turnserver")
        if program is None:
            raise Unavailable("coturn", "no turnserver here: sh scripts/bootstrap.sh installs it")
        conf = self._folder / "relay.conf"
        conf.touch(0o600)
        conf.write_text(
            f"listening-ip=127.0.0.1\nrelay-ip={own_address()}\nlistening-port={self.port}\n"
            f"use-auth-secret\nstatic-auth-secret={self._secret}\nrealm=callcenter\n"
            "allow-loopback-peers\nno-cli\nno-tls\nno-dtls\nno-tcp\nverbose\nsimple-log\n"
            f"log-file={self._folder}/relay.log\npidfile={self._folder}/relay.pid\nuserdb={self._folder}/relay.db\n",
            "utf-8",
        )
        output = (self._folder / "relay.output").open("wb")
        with output:
            self._process = await asyncio.create_subprocess_exec(
                *dies_with_its_starter(), program, "-c", str(conf), stdout=output, stderr=output
            )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await end_child(self._process)


def own_address() -> str:
    """This machine's address as Asterisk offers it for sound: from loopback its answers would come from elsewhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


class HouseWithRelay(House):
    """A house whose agents are given a relay and no other way; ``relay_port`` must be set before it is opened."""

    relay_port = 0

    def _write_settings(self) -> None:
        self.secrets.setdefault(SECRET, secrets.token_urlsafe(24))
        super()._write_settings()
        written = self.settings_file.read_text("utf-8")
        turn = f'turn = ["turn:127.0.0.1:{self.relay_port}?transport=udp"]\nrelay_only = true'
        self.settings_file.write_text(written.replace("[phone]\n", f"[phone]\n{turn}\n"), "utf-8")
