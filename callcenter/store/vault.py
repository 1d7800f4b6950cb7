"""Secrets that must be read again, sealed at rest: communities and logins of devices (Fernet: AES-128-CBC and HMAC).

The key is ``vault.keys`` of the settings, or a file beside the data that is made once and readable by nobody else.
Whoever has the database without the key has no credential of any device.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from callcenter.errors import Misconfigured

KEY_FILE = "vault.key"


class Vault:
    """Seals and opens small records. The first key seals, every key opens: so keys are changed."""

    def __init__(self, keys: SecretStr) -> None:
        """``keys``: Fernet keys (32 bytes in URL-safe base64), separated by commas. Raises ``Misconfigured``."""
        try:
            self._keys = MultiFernet([Fernet(key.strip()) for key in keys.get_secret_value().split(",")])
        except ValueError as exc:
            raise Misconfigured("vault.keys: a key is 32 bytes in URL-safe base64, several are separated by ,") from exc

    def seal(self, record: Mapping[str, str]) -> bytes:
        return self._keys.encrypt(json.dumps(dict(record)).encode())

    def open(self, sealed: bytes) -> dict[str, str]:
        """The record; raises ``Misconfigured`` when no key of ours sealed it."""
        try:
            return dict(json.loads(self._keys.decrypt(sealed)))
        except InvalidToken as exc:
            raise Misconfigured(
                "a device's credentials were sealed with another key: put that key back into vault.keys (or the file "
                f"{KEY_FILE}), or give the credentials again with `callcenter device secrets`"
            ) from exc


def open_vault(data_dir: Path, keys: SecretStr | None) -> Vault:
    """The house's vault; without ``keys`` in the settings, by the key file, which is made when there is none."""
    if keys is not None:
        return Vault(keys)
    file = data_dir / KEY_FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        try:
            opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(opened, "wb") as new:
                new.write(Fernet.generate_key())
        return Vault(SecretStr(file.read_text("ascii")))
    except OSError as exc:
        raise Misconfigured(f"{file}: {exc.strerror} (the key to the devices' credentials)") from exc
