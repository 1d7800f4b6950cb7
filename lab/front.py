"""TLS before the desk and Asterisk's WebSocket: a certificate of this run, a real nginx configured as the docs say."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from callcenter.errors import Unavailable
from lab.child import dies_with_its_starter, end_child

_LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
_BLOCK = re.compile(r"```nginx\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that nobody knows, for 127.0.0.1 or for these names, and its key: files in PEM."""

    cert: Path
    key: Path

    @classmethod
    def make(cls, folder: Path, *names: str, days: int = 2) -> Certificate:
        known: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "callcenter lab")])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(known or [_LOOPBACK]), critical=False)
            .sign(key, hashes.SHA256())
        )
        found = cls(folder / "front.crt", folder / "front.key")
        found.key.touch(0o600)
        found.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        found.cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return found


def told_by(*documents: Path) -> str:
    """Every block of nginx's configuration that these documents give to operators, in their order."""
    return "\n".join(block for document in documents for block in _BLOCK.findall(document.read_text("utf-8")))


class Nginx:
    """nginx on 127.0.0.1 with TLS; ``locations`` is what its server consists of. Use as an async context."""

    def __init__(self, folder: Path, port: int, certificate: Certificate, locations: str) -> None:
        self._folder, self._port = folder, port
        self._certificate, self._locations = certificate, locations
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Nginx:
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        if program is None:
            raise Unavailable("nginx", "no nginx here: sh scripts/bootstrap.sh installs it")
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = "\n".join(
            f"{each}_temp_path {self._folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        conf = self._folder / "nginx.conf"
        conf.write_text(
            f"daemon off;\nmaster_process off;\npid {self._folder}/nginx.pid;\nerror_log {self._folder}/error.log;\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{temporary}\nserver {{\nlisten 127.0.0.1:{self._port} ssl;\n"
            f"ssl_certificate {self._certificate.cert};\nssl_certificate_key {self._certificate.key};\n"
            f"{self._locations}\n}}\n}}\n",
            "utf-8",
        )
        with (self._folder / "output").open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *dies_with_its_starter(), program, "-c", str(conf), "-e", str(self._folder / "error.log"),
                stdout=output, stderr=output,
            )  # fmt: skip
        async with asyncio.timeout(20):
            while not await self._listens():
                if self._process.returncode is not None:
                    raise Unavailable("nginx", (self._folder / "output").read_text("utf-8", "replace")[-2000:])
                await asyncio.sleep(0.05)
        return self

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        return True

    async def __aexit__(self, *_exc: object) -> None:
        await end_child(self._process)
