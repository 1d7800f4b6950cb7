"""The certificate of Asterisk's own WebSocket: what browsers would refuse is said before anything is put in place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callcenter.config import PhoneSettings
from callcenter.errors import Misconfigured
from callcenter.pbx.certificate import check_certificate
from lab.front import Certificate


def now() -> datetime:
    return datetime.now(UTC)


def phone(cert: Path, key: Path, host: str = "127.0.0.1") -> PhoneSettings:
    return PhoneSettings(address=f"wss://{host}:8089/ws", tls_cert=cert, tls_key=key)


@pytest.fixture
def made(tmp_path: Path) -> Certificate:
    return Certificate.make(tmp_path)


def test_a_good_one_is_good_and_says_when_it_ends(made: Certificate, tmp_path: Path) -> None:
    assert check_certificate(PhoneSettings(), now()) == []
    [warning] = check_certificate(phone(made.cert, made.key), now())
    assert "expires on" in warning
    (tmp_path / "l").mkdir()
    long = Certificate.make(tmp_path / "l", days=60)
    assert check_certificate(phone(long.cert, long.key), now()) == []


def test_a_name_is_covered_as_browsers_see_it(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    wide = Certificate.make(tmp_path / "w", "*.example.org", "example.net")
    for host in ("pbx.example.org", "PBX.example.org", "example.net"):
        check_certificate(phone(wide.cert, wide.key, host), now())
    for host in ("example.org", "a.b.example.org", "pbx.example.net", "127.0.0.1"):
        with pytest.raises(Misconfigured, match=f"not for {host.lower()}"):
            check_certificate(phone(wide.cert, wide.key, host), now())


def test_what_no_browser_takes_is_refused_with_its_reason(made: Certificate, tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    other = Certificate.make(tmp_path / "o")
    torn = tmp_path / "torn.crt"
    torn.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    empty = tmp_path / "empty"
    empty.touch()
    for cert, key, why in (
        (made.cert, other.key, "is not of the certificate"),
        (tmp_path / "absent", made.key, r"tls_cert: .*absent cannot be read"),
        (made.cert, tmp_path / "absent", r"tls_key: .*absent cannot be read"),
        (torn, made.key, r"torn\.crt"),
        (empty, made.key, "empty"),
        (made.cert, empty, "empty"),
        (made.key, made.key, "front"),
    ):
        with pytest.raises(Misconfigured, match=why):
            check_certificate(phone(cert, key), now())
    with pytest.raises(Misconfigured, match="is valid from"):
        check_certificate(phone(made.cert, made.key), now() - timedelta(days=30))
    with pytest.raises(Misconfigured, match="has expired on"):
        check_certificate(phone(made.cert, made.key), now() + timedelta(days=3))
