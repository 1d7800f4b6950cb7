"""Who is at the other end: sign-in, sessions, API tokens, and the lock on a door that is knocked at too often."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.routing.book import Book
from callcenter.store import Database, Scope
from callcenter.store.credentials import (
    hash_password,
    is_outdated,
    new_token,
    password_matches,
    token_hash,
)
from callcenter.words import LANGUAGES, Clock, Language, ProviderId, UserId

FREE_TRIES = 5
LONGEST_LOCK = timedelta(minutes=15)
ADDRESS_FREE_TRIES = 20
"""An office may sit behind one address: it is given more tries than one account."""

Role = Literal["agent", "lead", "supervisor"]
"""A lead is an agent who may also lead a shift: decide about callbacks, hand over, see the board."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is known: a signed-in user, or a program with an API token."""

    name: str
    role: Role
    scope: Scope
    language: Language
    user: UserId | None
    token: int | None
    extension: str | None
    """The agent's extension; ``None`` for a supervisor without a phone and for a program."""
    csrf: str = field(default="", repr=False)
    session: bytes = field(default=b"", repr=False)
    """The hash of the session's key, as the database knows it."""

    @property
    def supervises_all(self) -> bool:
        """Only who sees every provider is shown what belongs to none: a torn journal row, an unknown DID."""
        return self.role == "supervisor" and self.scope.providers is None

    @property
    def leads(self) -> bool:
        """May lead a shift and decide what agents may not."""
        return self.role in {"lead", "supervisor"}

    @property
    def who(self) -> str:
        return f"{'user' if self.user is not None else 'token'}:{self.name}"


def lock_after(failures: int, free: int = FREE_TRIES) -> timedelta:
    """Five wrong tries shut the door for 30 seconds, each further one twice as long, up to 15 minutes."""
    if failures < free:
        return timedelta(0)
    doubled: int = 2 ** min(failures - free, 10)
    return min(LONGEST_LOCK, timedelta(seconds=30) * doubled)


def scope_of(role: Role, providers: list[int] | None, extension: str | None, book: Book) -> Scope:
    """An agent sees the providers in whose queues they are; a lead and a supervisor those they were given, or all."""
    if role == "agent" and extension is not None:
        return Scope.only(book.providers_of(extension))
    if providers is not None:
        return Scope.only(ProviderId(provider) for provider in providers)
    return Scope.only(()) if role == "agent" else Scope.all()


class AddressLocks:
    """Wrong tries by address, of the last hour, for at most 10,000 addresses: forgotten at a restart."""

    def __init__(self, clock: Clock, most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._tries: OrderedDict[str, tuple[int, datetime]] = OrderedDict()

    def locked_for(self, address: str) -> timedelta:
        failures, last = self._tries.get(address, (0, self._clock()))
        return max(timedelta(0), last + lock_after(failures, ADDRESS_FREE_TRIES) - self._clock())

    def failed(self, address: str) -> None:
        failures, last = self._tries.pop(address, (0, self._clock()))
        if self._clock() - last > timedelta(hours=1):
            failures = 0
        self._tries[address] = (failures + 1, self._clock())
        while len(self._tries) > self._most:
            self._tries.popitem(last=False)

    def passed(self, address: str) -> None:
        self._tries.pop(address, None)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The key for the cookie: it is shown to the browser once and kept here only as a hash."""

    key: str = field(repr=False)
    expires_at: datetime
    role: Role
    language: Language


class Sessions:
    """Opens, finds and ends sessions. Raises ``Unavailable`` when the database is away."""

    def __init__(self, db: Database, clock: Clock, hours: int) -> None:
        self._db = db
        self._clock = clock
        self._hours = hours
        self._hashing = asyncio.Semaphore(2)
        self.addresses = AddressLocks(clock)

    async def sign_in(self, login: str, password: str, address: str) -> SignedIn | None:
        """A session for who knows the password; a wrong login, a wrong password and a locked account look the same."""
        now = self._clock()
        async with self._db.scoped(Scope.only(())) as conn:
            row = (await conn.execute(_ACCOUNT, {"login": login})).one_or_none()
        stored = None if row is None or row.disabled_at is not None else str(row.password_hash)
        async with self._hashing:
            fits = await asyncio.to_thread(password_matches, stored, password)
        locked = row is not None and row.locked_until is not None and row.locked_until > now
        if row is None or not fits or locked:
            self.addresses.failed(address)
            await self._failed(0 if row is None or locked else row.id, now)
            return None
        self.addresses.passed(address)
        return await self._open(row.id, str(row.password_hash), password, address, now)

    async def _failed(self, user: int, now: datetime) -> None:
        """Counts the wrong try; nobody's (0) costs the same round trip."""
        async with self._db.scoped(Scope.only(())) as conn:
            failures = (await conn.execute(_FAILED, {"id": user})).scalar_one_or_none() or 0
            await conn.execute(_LOCK, {"id": user, "until": now + lock_after(failures)})

    async def _open(self, user: int, stored: str, password: str, address: str, now: datetime) -> SignedIn | None:
        """None when another wrong try locked the account while this password was being checked."""
        fresh = stored
        if is_outdated(stored):
            async with self._hashing:
                fresh = await asyncio.to_thread(hash_password, password)
        key, expires = new_token(), now + timedelta(hours=self._hours)
        async with self._db.scoped(Scope.only(())) as conn:
            account = (
                await conn.execute(_PASSED, {"id": user, "was": stored, "fresh": fresh, "now": now})
            ).one_or_none()
            if account is None:
                return None
            await conn.execute(_SWEEP, {"now": now})
            await conn.execute(
                _OPEN,
                {"key": token_hash(key), "user": user, "csrf": new_token(), "now": now, "expires": expires,
                 "address": address},
            )  # fmt: skip
        return SignedIn(key, expires, account.role, account.language)

    async def find(self, key: str, book: Book) -> Visitor | None:
        """Whose session this key opens, read afresh: a signed-out, expired or disabled one is nobody's."""
        return await self.still(token_hash(key), book)

    async def still(self, session: bytes, book: Book) -> Visitor | None:
        """The same by the session's hash; long-lived sockets ask again and again."""
        async with self._db.scoped(Scope.only(())) as conn:
            row = (await conn.execute(_FIND, {"key": session, "now": self._clock()})).one_or_none()
            if row is None:
                return None
            if self._clock() - row.last_seen_at > timedelta(minutes=1):
                await conn.execute(_SEEN, {"key": session, "now": self._clock()})
        return Visitor(
            name=row.name,
            role=row.role,
            scope=scope_of(row.role, row.providers, row.extension, book),
            language=row.language,
            user=UserId(row.id),
            token=None,
            extension=row.extension,
            csrf=row.csrf,
            session=session,
        )

    async def end(self, session: bytes) -> None:
        async with self._db.scoped(Scope.only(())) as conn:
            await conn.execute(_END, {"key": session})

    async def find_token(self, token: str, book: Book) -> Visitor | None:
        """The program that holds this API token, unless it was revoked."""
        async with self._db.scoped(Scope.only(())) as conn:
            row = (await conn.execute(_TOKEN, {"hash": token_hash(token)})).one_or_none()
            if row is None:
                return None
            now = self._clock()
            if row.last_used_at is None or now - row.last_used_at > timedelta(minutes=1):
                await conn.execute(_TOKEN_USED, {"id": row.id, "now": now})
        scope = scope_of(row.role, row.providers, None, book)
        return Visitor(row.name, row.role, scope, "uk", None, row.id, None)

    async def speak(self, user: UserId, language: Language) -> None:
        async with self._db.scoped(Scope.only(())) as conn:
            await choose_language(conn, user, language)


async def choose_language(conn: AsyncConnection, user: UserId, language: Language) -> None:
    """The interface speaks this language to the user from now on, on every computer."""
    if language in LANGUAGES:
        await conn.execute(_LANGUAGE, {"id": user, "language": language})


_ACCOUNT = text("SELECT id, password_hash, locked_until, disabled_at FROM user_account WHERE login = :login")
_FAILED = text("UPDATE user_account SET failures = failures + 1 WHERE id = :id RETURNING failures")
_LOCK = text("UPDATE user_account SET locked_until = :until WHERE id = :id")
_PASSED = text(
    "UPDATE user_account SET failures = 0, locked_until = NULL, password_hash = :fresh "
    "WHERE id = :id AND password_hash = :was AND disabled_at IS NULL "
    "AND (locked_until IS NULL OR locked_until <= :now) "
    "RETURNING role, language"
)
_SWEEP = text("DELETE FROM session WHERE expires_at <= :now")
_OPEN = text(
    "INSERT INTO session (key_hash, user_id, csrf, created_at, last_seen_at, expires_at, address) "
    "VALUES (:key, :user, :csrf, :now, :now, :expires, :address)"
)
_FIND = text(
    """
    SELECT u.id, u.name, u.role, u.providers, u.language, a.extension, s.csrf, s.last_seen_at
    FROM session s JOIN user_account u ON u.id = s.user_id LEFT JOIN agent a ON a.id = u.agent_id
    WHERE s.key_hash = :key AND s.expires_at > :now AND u.disabled_at IS NULL
    """
)
_SEEN = text("UPDATE session SET last_seen_at = :now WHERE key_hash = :key")
_END = text("DELETE FROM session WHERE key_hash = :key")
_TOKEN = text(
    "SELECT id, name, role, providers, last_used_at FROM api_token WHERE token_hash = :hash AND revoked_at IS NULL"
)
_TOKEN_USED = text("UPDATE api_token SET last_used_at = :now WHERE id = :id")
_LANGUAGE = text("UPDATE user_account SET language = :language WHERE id = :id")
