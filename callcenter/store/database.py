"""The one engine and the one way into a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from callcenter.errors import Unavailable
from callcenter.store.scope import Scope

metadata = MetaData()
"""Every slice declares its tables on this; a test holds them against the migrations."""


class Database:
    """PostgreSQL as the service sees it: transactions with a scope, and ``Unavailable`` when it is away."""

    def __init__(self, url: str, *, pool_size: int = 10, wait_s: float = 5.0) -> None:
        self.engine: AsyncEngine = create_async_engine(
            async_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=wait_s,
            connect_args={
                "timeout": 5,
                "command_timeout": 30,
                "server_settings": {"application_name": "callcenter"},
            },
        )

    @asynccontextmanager
    async def scoped(self, scope: Scope, *, snapshot: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction that sees the scope's providers only; commits at the end, rolls back on any exception.

        With ``snapshot`` all its statements see one moment (REPEATABLE READ).
        Raises ``Unavailable("database", ...)`` when PostgreSQL does not answer or goes away before the commit.
        """
        try:
            async with self.engine.connect() as connection:
                if snapshot:
                    await connection.execution_options(isolation_level="REPEATABLE READ")
                async with connection.begin():
                    await connection.execute(_SET_SCOPE, {"scope": scope.setting})
                    yield connection
        except (OperationalError, InterfaceError) as exc:
            raise Unavailable("database", _why(exc)) from exc
        except NoFreeConnection as exc:
            raise Unavailable("database", "every connection is in use") from exc
        except DBAPIError as exc:
            if exc.connection_invalidated or _is_away(exc):
                raise Unavailable("database", _why(exc)) from exc
            raise
        except (OSError, TimeoutError) as exc:
            raise Unavailable("database", f"{type(exc).__name__}: {exc}") from exc

    async def ping(self) -> None:
        """Raises ``Unavailable`` unless PostgreSQL answers."""
        async with self.scoped(Scope.only(())) as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()


_SET_SCOPE = text("SELECT set_config('callcenter.scope', :scope, true)")
_AWAY = ("57P", "08", "53", "25006")
"""SQLSTATE: shut down, connection lost, out of resources (disk full too), a primary that became read-only."""


def _is_away(exc: DBAPIError) -> bool:
    state = str(getattr(exc.orig, "sqlstate", None) or getattr(exc.orig, "pgcode", None) or "")
    return state.startswith(_AWAY)


def _why(exc: DBAPIError) -> str:
    return (
        str(exc.orig).strip().splitlines()[0] if exc.orig is not None and str(exc.orig).strip() else type(exc).__name__
    )


def async_url(url: str) -> str:
    """``postgresql://`` and ``postgres://`` as asyncpg's dialect name."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+asyncpg://{rest}" if scheme in {"postgresql", "postgres"} else url
