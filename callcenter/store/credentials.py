"""Secrets at rest: passwords as Argon2id, random tokens kept only as SHA-256.

Hashing and checking a password take tens of milliseconds by design: call them in a thread from the event loop.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from callcenter.errors import RuleBroken

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
"""Argon2 reads every byte it is given: the limit keeps a megabyte of password from costing us."""

_HASHER = PasswordHasher()
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""No l, 1, o or 0: a generated password is read aloud and typed."""


def hash_password(password: str) -> str:
    """The Argon2id hash to keep; a password shorter than 10 or longer than 200 characters raises ``RuleBroken``."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise RuleBroken(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return _HASHER.hash(password)


def password_matches(password_hash: str | None, password: str) -> bool:
    """Says whether the password is the one; ``None`` (no such user) costs the same time and is never true."""
    known = password_hash is not None
    try:
        _HASHER.verify(password_hash if password_hash is not None else _nobody(), password[:LONGEST_PASSWORD])
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
    return known and len(password) <= LONGEST_PASSWORD


def is_outdated(password_hash: str) -> bool:
    """True when the hash was made with weaker settings than today's: hash again at the next sign-in."""
    return _HASHER.check_needs_rehash(password_hash)


@cache
def _nobody() -> str:
    return _HASHER.hash(secrets.token_urlsafe(24))


def new_password() -> str:
    """A password to hand over once: four groups of four letters, 80 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def new_token() -> str:
    """A key of 256 random bits for a session or an API token, safe in a header and a cookie."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What the database keeps of a token. A random 256-bit key needs no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
