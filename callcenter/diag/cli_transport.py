"""scrapli's transports as the door uses them: SSH whose host key is known before a password is sent, and Telnet.

scrapli compares host keys after it has signed in, which gives the password to whoever answers (read in its code,
2025.1.30): the key is handed to asyncssh instead, which ends the connection before.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import asyncssh
from scrapli.exceptions import ScrapliConnectionError, ScrapliConnectionNotOpened, ScrapliException
from scrapli.transport.base import AsyncTransport, BaseTransportArgs
from scrapli.transport.plugins.asyncssh.transport import AsyncsshTransport
from scrapli.transport.plugins.asyncssh.transport import PluginTransportArgs as SshArgs
from scrapli.transport.plugins.asynctelnet.transport import AsynctelnetTransport
from scrapli.transport.plugins.asynctelnet.transport import PluginTransportArgs as TelnetArgs

from callcenter.diag.devices import CliLogin, Device
from callcenter.diag.snmp_target import NoAnswer
from callcenter.diag.telnet import TelnetStream
from callcenter.errors import Misconfigured, Refused

logging.getLogger("scrapli").setLevel(logging.CRITICAL + 1)  # every failure is raised and told in our words
logging.getLogger("asyncssh").setLevel(logging.WARNING)

PORTS = {"ssh": 22, "telnet": 23}
WIDTH = 511
"""Columns of the terminal: wide, so that rows are not wrapped."""
PIECE = 65536
PORTION = 16384
"""Octets of the socket's own buffer, which the kernel doubles."""
NEVER = 86400.0
"""Seconds: scrapli's own limits are out of the way, ours holds around everything."""

OLD_KEX = "diffie-hellman-group14-sha1,diffie-hellman-group1-sha1,diffie-hellman-group-exchange-sha1"
OLD_CIPHERS = "aes256-cbc,aes192-cbc,aes128-cbc,3des-cbc"
OLD_MACS = "hmac-sha1,hmac-sha1-96,hmac-md5"


class HostKeyUnknown(Refused):
    """SSH is not spoken with a device whose key nobody has compared yet."""


class HostKeyChanged(Refused):
    """The device shows another key than the one that was trusted: nothing was sent to it."""


class TelnetTransport(AsynctelnetTransport):
    """scrapli's Telnet with a reader that knows all of Telnet's orders."""

    def __init__(self, base: BaseTransportArgs) -> None:
        super().__init__(base, TelnetArgs())
        self._telnet = TelnetStream()

    async def read(self) -> bytes:
        while True:
            if self.stdout is None or self.stdin is None:
                raise ScrapliConnectionNotOpened
            raw = await self.stdout.read(PIECE)
            if not raw:
                raise ScrapliConnectionError("the device closed the connection")
            text, answer = self._telnet.feed(raw)
            if answer:
                self.stdin.write(answer)
            if text:
                return text


def login_of(device: Device) -> CliLogin:
    """Raises ``Misconfigured`` for a device whose command line we have no way into."""
    if device.cli is None:
        raise Misconfigured(f"{device.name} has no command line login (see `callcenter device add --help`)")
    return device.cli


def port_of(login: CliLogin) -> int:
    return login.port or PORTS[login.protocol]


async def opened(device: Device, *, old_ssh: bool) -> AsyncTransport:
    """A connection on which the device speaks next. The caller holds the time limit.

    Raises ``NoAnswer``, ``Refused`` (wrong password, host key) and ``Misconfigured``.
    """
    login = login_of(device)
    base = BaseTransportArgs({}, device.host, port_of(login), timeout_socket=NEVER, timeout_transport=0)
    if login.protocol == "telnet":
        telnet = TelnetTransport(base)
        try:
            await telnet.open()
        except (ScrapliException, OSError) as exc:
            raise NoAnswer(device.name, _why(exc, "does not take Telnet connections")) from exc
        return telnet
    if not login.host_key:
        key = await shown_key(device, old_ssh=old_ssh)
        raise HostKeyUnknown(
            device.name,
            f"its SSH host key is not trusted yet. It shows {fingerprint(key)}: compare it with the device's own, "
            f"then run `callcenter device trust {device.name}`",
        )
    base.transport_options = {"asyncssh": _options(device, login, old_ssh=old_ssh)}
    ssh = AsyncsshTransport(base, SshArgs(login.user, login.password.get_secret_value(), auth_strict_key=False))
    try:
        await ssh.open()
    except BaseException as exc:
        ssh.close()
        await _explained(device, login, exc, old_ssh=old_ssh)
        raise
    if ssh.stdin is not None and ssh.session is not None:
        _sip(ssh.session.get_extra_info("socket"))
        ssh.stdin.channel.change_terminal_size(WIDTH, 24)  # type: ignore[attr-defined]
    return ssh


async def shown_key(device: Device, *, old_ssh: bool) -> str:
    """The SSH host key that the device shows now, ``ssh-ed25519 AAAA...``. No password is sent."""
    login = login_of(device)
    if login.protocol != "ssh":
        raise Misconfigured(f"{device.name} is asked over Telnet, which has no host key")
    try:
        options = asyncssh.SSHClientConnectionOptions(
            config=None, client_keys=None, **(_algorithms() if old_ssh else {})
        )
        key = await asyncssh.get_server_host_key(device.host, port_of(login), config=None, options=options)
    except (asyncssh.Error, OSError) as exc:
        raise NoAnswer(device.name, _why(exc, "shows no SSH host key")) from exc
    if key is None:
        raise NoAnswer(device.name, "shows no SSH host key")
    return " ".join(key.export_public_key("openssh").decode("ascii", "replace").split()[:2])


def fingerprint(host_key: str) -> str:
    """``SHA256:...`` of a key as it is stored; raises ``Misconfigured`` for what is none."""
    return str(_key(host_key, "the device").get_fingerprint())


def _sip(opened_socket: Any) -> None:
    """Takes what a device sends in small portions: asyncssh goes through a whole one without a pause.

    Measured with 1.8 MB in small packets: 0.3-0.9 s in which nothing else runs without this, some 0.1 s with it.
    """
    if opened_socket is not None:
        opened_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PORTION)


def _key(host_key: str, name: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(host_key)
    except (asyncssh.KeyImportError, ValueError) as exc:
        raise Misconfigured(f"the host key stored for {name} cannot be read: trust the device again") from exc


def _algorithms() -> dict[str, Any]:
    """asyncssh's own choice and the old ones after it."""
    return {
        "kex_algs": f"+{OLD_KEX}",
        "encryption_algs": f"+{OLD_CIPHERS}",
        "mac_algs": f"+{OLD_MACS}",
        "server_host_key_algs": "+ssh-rsa,ssh-dss",
    }


def _options(device: Device, login: CliLogin, *, old_ssh: bool) -> dict[str, Any]:
    key = _key(login.host_key, device.name)
    algorithms = _algorithms() if old_ssh else {}
    return algorithms | {
        "known_hosts": ([key], [], []),
        "config": None,
        "client_keys": None,
        "preferred_auth": ("none", "keyboard-interactive", "password"),
        "login_timeout": 0,
        "server_host_key_algs": [name.decode() for name in key.sig_algorithms if old_ssh or name != b"ssh-rsa"],
        "client_version": "callcenter",
    }


async def _explained(device: Device, login: CliLogin, exc: BaseException, *, old_ssh: bool) -> None:
    """Raises what a failed SSH connection means in our words; returns for what is none of SSH's failures."""
    match exc:
        case asyncio.CancelledError():
            return
        case asyncssh.HostKeyNotVerifiable() | asyncssh.KeyExchangeFailed():
            now = fingerprint(await shown_key(device, old_ssh=old_ssh))
            if (trusted := fingerprint(login.host_key)) != now:
                raise HostKeyChanged(
                    device.name,
                    f"its SSH host key has changed, nothing was sent to it. Trusted is {trusted}, it shows {now}. "
                    "Somebody may stand in between: find out why, then trust the device again",
                ) from exc
            raise NoAnswer(device.name, _why(exc, "cannot agree on SSH's algorithms")) from exc
        case ScrapliException() if "auth" in str(exc):
            raise Refused(device.name, "refuses the user name or password of its command line") from exc
        case ScrapliException() | asyncssh.Error() | OSError():
            raise NoAnswer(device.name, _why(exc, "does not take SSH connections")) from exc
        case _:
            return


def _why(exc: BaseException, what: str) -> str:
    return f"{what} ({type(exc).__name__})"
