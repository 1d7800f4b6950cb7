"""Which PostgreSQL the settings mean: the operator's own, or the embedded one in the data folder."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from callcenter.config import Settings
from callcenter.errors import Misconfigured, Unavailable
from callcenter.store.database import Database
from callcenter.store.embedded import Embedded


@dataclass(frozen=True, slots=True)
class Door:
    """How the service gets in, and how the owner of the tables does (``None``: the settings do not say)."""

    service_url: SecretStr
    owner_url: SecretStr | None
    embedded: Embedded | None
    """Running, when it is the embedded one; it is left running for others who use it."""

    def database(self, pool_size: int = 10) -> Database:
        return Database(self.service_url.get_secret_value(), pool_size=pool_size)

    def owner(self) -> str:
        """The owner's address; raises ``Misconfigured`` when the settings do not give it."""
        if self.owner_url is None:
            raise Misconfigured(
                "database.owner_url is not set: migrations run as the role that owns the tables "
                "(CALLCENTER_DATABASE__OWNER_URL)"
            )
        return self.owner_url.get_secret_value()


def open_door(settings: Settings) -> Door:
    """Starts the embedded PostgreSQL when no ``database.url`` is set. Blocks for some tenths of a second then."""
    if settings.database.url is not None:
        return Door(settings.database.url, settings.database.owner_url, None)
    embedded = Embedded(settings.data_dir.resolve() / "postgres")
    try:
        embedded.start()
    except (OSError, RuntimeError) as exc:
        raise Unavailable("database", f"the embedded PostgreSQL in {embedded.folder} does not start: {exc}") from exc
    return Door(SecretStr(embedded.url), SecretStr(embedded.owner_url), embedded)
