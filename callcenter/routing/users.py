"""Who may sign in, and with which API tokens. Passwords and tokens are kept as hashes only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.errors import RuleBroken
from callcenter.store.credentials import token_hash
from callcenter.words import AgentId, ProviderId, UserId

Role: TypeAlias = Literal["agent", "lead", "supervisor"]


@dataclass(frozen=True, slots=True)
class User:
    """A sign-in. ``providers`` of a supervisor are whose data they see; ``None`` is every provider's."""

    id: UserId
    login: str
    name: str
    role: Role
    extension: str | None
    providers: tuple[str, ...] | None
    """Slugs."""
    disabled: bool


@dataclass(frozen=True, slots=True)
class Token:
    """An API token without its secret."""

    id: int
    name: str
    role: Role
    providers: tuple[str, ...] | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewUser:
    """A sign-in to make: an agent's (whose extension) or a supervisor's (of which providers)."""

    login: str
    name: str
    password_hash: str
    role: Role
    agent: AgentId | None = None
    providers: tuple[ProviderId, ...] | None = None


async def add_user(connection: AsyncConnection, user: NewUser) -> None:
    """Raises ``RuleBroken`` when the login is taken or the agent has a sign-in already."""
    taken = await connection.execute(_TAKEN, {"login": user.login, "agent": user.agent})
    row = taken.one_or_none()
    if row is not None:
        what = (
            f"login {user.login} is taken" if row.login == user.login else f"the agent signs in as {row.login} already"
        )
        raise RuleBroken(what)
    await connection.execute(
        _ADD,
        {
            "login": user.login, "name": user.name, "hash": user.password_hash, "role": user.role, "agent": user.agent,
            "providers": None if user.providers is None else list(user.providers),
        },
    )  # fmt: skip


async def list_users(connection: AsyncConnection) -> list[User]:
    rows = await connection.execute(_USERS)
    return [
        User(UserId(i), login, name, role, ext, _slugs(slugs), off) for i, login, name, role, ext, slugs, off in rows
    ]


async def set_password(connection: AsyncConnection, login: str, password_hash: str) -> None:
    """Gives a new password, opens a locked sign-in and ends its sessions."""
    done = await connection.execute(_PASSWORD, {"login": login, "hash": password_hash})
    _must_be_one(done.rowcount, login)
    await connection.execute(_END_SESSIONS, {"login": login})


async def remove_user(connection: AsyncConnection, login: str) -> None:
    done = await connection.execute(text("DELETE FROM user_account WHERE login = :login"), {"login": login})
    _must_be_one(done.rowcount, login)


async def add_token(
    connection: AsyncConnection,
    token: str,
    name: str,
    role: Role,
    providers: Iterable[ProviderId] | None,
    at: datetime,
) -> int:
    """Keeps the token's hash; its number is how it is revoked."""
    values = {
        "hash": token_hash(token), "name": name, "role": role, "at": at,
        "providers": None if providers is None else list(providers),
    }  # fmt: skip
    return int((await connection.execute(_ADD_TOKEN, values)).scalar_one())


async def list_tokens(connection: AsyncConnection) -> list[Token]:
    rows = await connection.execute(_TOKENS)
    return [Token(i, name, role, _slugs(slugs), *times) for i, name, role, slugs, *times in rows]


async def revoke_token(connection: AsyncConnection, token: int, at: datetime) -> None:
    done = await connection.execute(_REVOKE, {"id": token, "at": at})
    if not done.rowcount:
        raise RuleBroken(f"there is no token {token} in force (see `callcenter token list`)")


def _slugs(found: list[str] | None) -> tuple[str, ...] | None:
    return None if found is None else tuple(found)


def _must_be_one(count: int, login: str) -> None:
    if not count:
        raise RuleBroken(f"there is no sign-in {login} (see `callcenter user list`)")


_TAKEN = text(
    "SELECT login FROM user_account WHERE login = :login OR agent_id = CAST(:agent AS bigint) "
    "ORDER BY login = :login DESC LIMIT 1"
)
_ADD = text(
    """
    INSERT INTO user_account (login, name, password_hash, role, agent_id, providers)
    VALUES (:login, :name, :hash, :role, :agent, CAST(:providers AS bigint[]))
    """
)
_USERS = text(
    """
    SELECT u.id, u.login, u.name, u.role, a.extension,
        CASE WHEN u.providers IS NOT NULL THEN
            ARRAY(SELECT p.slug FROM provider p WHERE p.id = ANY(u.providers) ORDER BY p.slug) END,
        u.disabled_at IS NOT NULL
    FROM user_account u LEFT JOIN agent a ON a.id = u.agent_id ORDER BY u.login
    """
)
_PASSWORD = text(
    "UPDATE user_account SET password_hash = :hash, failures = 0, locked_until = NULL WHERE login = :login"
)
_END_SESSIONS = text("DELETE FROM session WHERE user_id = (SELECT id FROM user_account WHERE login = :login)")
_ADD_TOKEN = text(
    """
    INSERT INTO api_token (token_hash, name, role, providers, created_at)
    VALUES (:hash, :name, :role, CAST(:providers AS bigint[]), :at) RETURNING id
    """
)
_TOKENS = text(
    """
    SELECT t.id, t.name, t.role,
        CASE WHEN t.providers IS NOT NULL THEN
            ARRAY(SELECT p.slug FROM provider p WHERE p.id = ANY(t.providers) ORDER BY p.slug) END,
        t.created_at, t.last_used_at, t.revoked_at
    FROM api_token t ORDER BY t.id
    """
)
_REVOKE = text("UPDATE api_token SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL")
