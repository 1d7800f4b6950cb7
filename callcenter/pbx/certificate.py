"""Whether browsers will take the certificate of Asterisk's own WebSocket: a page cannot say why they do not."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from callcenter.config import PhoneSettings
from callcenter.errors import Misconfigured

SOON = timedelta(days=14)


def check_certificate(phone: PhoneSettings, now: datetime) -> list[str]:
    """What is to be said of ``phone.tls_cert`` though it works today; nothing where Asterisk speaks no TLS of its own.

    Raises ``Misconfigured`` where no browser would take it: absent, not PEM, not of this key, not of this name, over.
    """
    if phone.tls_cert is None or phone.tls_key is None:
        return []
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(phone.tls_cert, phone.tls_key, _no_passphrase)
        certificate = x509.load_pem_x509_certificate(phone.tls_cert.read_bytes())
    except ssl.SSLError as exc:
        why = "is not of the certificate" if exc.reason == "KEY_VALUES_MISMATCH" else f"or the certificate: {_why(exc)}"
        raise Misconfigured(f"phone.tls_key: {phone.tls_key} {why} ({phone.tls_cert})") from exc
    except ValueError as exc:
        raise Misconfigured(f"phone.tls_cert: {phone.tls_cert} is no certificate in PEM: {exc}") from exc
    except OSError as exc:
        which = "tls_key" if _is_readable(phone.tls_cert) else "tls_cert"
        raise Misconfigured(f"phone.{which}: {getattr(phone, which)} cannot be read: {exc.strerror}") from exc
    ends, host = certificate.not_valid_after_utc, urlsplit(phone.address).hostname or ""
    if certificate.not_valid_before_utc > now:
        raise Misconfigured(
            f"phone.tls_cert: {phone.tls_cert} is valid from {certificate.not_valid_before_utc:%Y-%m-%d}"
        )
    if ends <= now:
        raise Misconfigured(f"phone.tls_cert: {phone.tls_cert} has expired on {ends:%Y-%m-%d}")
    if not _covers(certificate, host):
        raise Misconfigured(f"phone.tls_cert: {phone.tls_cert} is not for {host}, which phone.address names")
    return [f"phone.tls_cert expires on {ends:%Y-%m-%d}: renew it, restart Asterisk"] if ends - now < SOON else []


def _no_passphrase() -> str:
    """Asterisk starts without anybody there to type one: a key that has one is of no use."""
    return ""


def _covers(certificate: x509.Certificate, host: str) -> bool:
    """As browsers do it: by subjectAltName alone, a wildcard for one label."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        wanted = {host.lower(), f"*.{host.lower().partition('.')[2]}"}
        return any(name.lower() in wanted for name in names.get_values_for_type(x509.DNSName))


def _is_readable(path: Path) -> bool:
    try:
        path.open("rb").close()
    except OSError:
        return False
    return True


def _why(exc: ssl.SSLError) -> str:
    return (exc.reason or str(exc)).replace("_", " ").lower()
