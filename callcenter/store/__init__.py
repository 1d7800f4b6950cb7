"""PostgreSQL: the engine, one transaction at a time, and the tenant scope each transaction runs in."""

from callcenter.store.database import Database
from callcenter.store.scope import Scope

__all__ = ["Database", "Scope"]
