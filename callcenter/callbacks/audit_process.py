"""Audits what is due in a process of its own, with the lowest priority: nothing live waits for it.

The service starts it with the database's address on its standard input, never on its command line.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from callcenter.callbacks.auditing import audit, due, keep
from callcenter.calls.retelling import journal_files
from callcenter.errors import CallCenterError
from callcenter.store import Database, Scope

log = logging.getLogger(__name__)


async def audit_due(database: Database, journal: Path, country: str, now: datetime) -> int:
    """Audits each day that is due and keeps its lines; gives the sum of their differences."""
    async with database.scoped(Scope.all()) as connection:
        wanted = await due(connection, now)
    difference = 0
    for day, slugs in wanted:
        found = await audit(database, journal_files(journal), country, day, now, slugs)
        async with database.scoped(Scope.all()) as connection:
            await keep(connection, found, now)
        difference += found.difference
    return difference


async def _work(order: dict[str, Any]) -> int:
    database = Database(order["database"], pool_size=2)
    try:
        now = datetime.fromisoformat(order["now"])
        return await audit_due(database, Path(order["journal"]), order["country"], now)
    finally:
        await database.close()


def main() -> int:
    """Reads its order, works, and answers with a line of JSON; 1 when the database or the files are not there."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(19)
    try:
        difference = asyncio.run(_work(json.loads(sys.stdin.buffer.read())))
    except CallCenterError as exc:
        return _answer(1, trouble=str(exc))
    return _answer(0, difference=difference)


def _answer(code: int, **said: object) -> int:
    sys.stdout.write(json.dumps(said) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
