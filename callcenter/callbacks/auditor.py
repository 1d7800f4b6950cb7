"""Has the days audited: today every ten minutes, yesterday once it is over, by the service that leads."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from callcenter.store import Database
from callcenter.words import Clock

log = logging.getLogger(__name__)

EVERY_S: Final = 600.0
FIRST_AFTER_S: Final = 10.0
"""After a start the ledger catches up first: it has more to do than at any other time."""
RETRY_S: Final = 60.0
LONGEST_S: Final = 1800.0
"""An audit that takes longer is ended, and said to have failed."""


class Auditor:
    """Starts the audit's own process when it is time for it; waits, and does nothing else."""

    def __init__(
        self, database: Database, journal: Path, country: str, led: Callable[[], Awaitable[None]], clock: Clock,
        every_s: float = EVERY_S,
    ) -> None:  # fmt: skip
        self._database = database
        self._journal = journal
        self._country = country
        self._led = led
        self._clock = clock
        self._every_s = every_s
        self.trouble = ""
        """Why the last audit could not be made; empty when it could."""
        self.audited_at: datetime | None = None

    async def run(self) -> None:
        """For ever; an audit that fails is tried again in a minute."""
        await asyncio.sleep(FIRST_AFTER_S)
        while True:
            await self._led()
            try:
                self.trouble = await self.audit()
            except OSError as exc:
                self.trouble = str(exc)
            if self.trouble:
                log.warning("audit: %s", self.trouble)
            await asyncio.sleep(RETRY_S if self.trouble else self._every_s)

    async def audit(self) -> str:
        """One audit of what is due, in its own process; says what went wrong. Raises ``OSError`` if it cannot start."""
        now = self._clock()
        order = {
            "database": self._database.engine.url.render_as_string(hide_password=False),
            "journal": str(self._journal), "country": self._country, "now": now.isoformat(),
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "callcenter.callbacks.audit_process",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(LONGEST_S):
                said, _ = await process.communicate(json.dumps(order).encode())
        except TimeoutError:
            return f"not done in {LONGEST_S:.0f} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            answer = json.loads(said)
        except ValueError:
            return f"ended with {process.returncode}"
        if "trouble" in answer:
            return str(answer["trouble"])
        self.audited_at = now
        if answer["difference"]:
            log.error("audit: the database differs from the journal: %s", answer["difference"])
        return ""
