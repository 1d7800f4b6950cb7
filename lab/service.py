"""``callcenter serve`` under our hands: start it, wait until it is well, break it, start it again."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import aiohttp

from callcenter.errors import Unavailable
from lab.child import dies_with_its_starter, end_child

ROOT = Path(__file__).parents[1]


class Service:
    """``callcenter serve`` as a process of its own, so that it can be killed as a crash would kill it."""

    def __init__(self, settings_file: Path, environment: dict[str, str], output: Path, health_url: str) -> None:
        self._file = settings_file
        self._environment = environment
        self._output = output
        self._health_url = health_url
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self, *, ready: bool = True, timeout: float = 30.0) -> None:
        """Starts it; with ``ready`` returns when every part of it is well. Raises ``Unavailable`` when it runs."""
        if self.pid is not None:
            raise Unavailable("service", f"already runs as process {self.pid}")
        with self._output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *dies_with_its_starter(),
                *(sys.executable, "-m", "callcenter", "serve"),
                env=self._environment,
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if ready:
            await self.ready(timeout)

    async def ready(self, timeout: float = 30.0) -> None:
        """Returns when ``/healthz`` is well; raises ``Unavailable`` with what it says and the end of its log."""
        said = "nothing yet"
        try:
            async with asyncio.timeout(timeout), aiohttp.ClientSession() as http:
                while True:
                    if self.pid is None:
                        raise Unavailable("service", f"it ended\n{self.tail()}")
                    try:
                        async with http.get(self._health_url) as reply:
                            said = await reply.text()
                            if reply.status == 200:
                                return
                    except aiohttp.ClientError as exc:
                        said = str(exc)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise Unavailable("service", f"not well within {timeout:g} s: {said}\n{self.tail()}") from None

    async def kill9(self) -> None:
        """Ends it as a crash or a power cut would."""
        await end_child(self._process, signal.SIGKILL)

    async def stop(self) -> None:
        await end_child(self._process)

    def freeze(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def tail(self, length: int = 4_000) -> str:
        return self._output.read_text("utf-8", "backslashreplace")[-length:] if self._output.exists() else ""
