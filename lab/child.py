"""Processes of the lab's own: none outlives the test or the lab that has started it."""

from __future__ import annotations

import asyncio
import shutil
import signal


def dies_with_its_starter() -> tuple[str, ...]:
    """A test or a lab that is killed leaves no process behind, where util-linux has ``setpriv``."""
    found = shutil.which("setpriv")
    return (found, "--pdeathsig", "TERM") if found else ()


async def end_child(
    process: asyncio.subprocess.Process | None, how: signal.Signals = signal.SIGTERM, within_s: float = 10.0
) -> None:
    """Ends it in order, and kills it if it has not ended in time; one that has ended already is let be."""
    if process is None or process.returncode is not None:
        return
    process.send_signal(how)
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
