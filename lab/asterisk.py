"""One real Asterisk under our hands: start it, wait until it serves, ask it, break it, start it again.

What it is configured to do is not written here: the product renders that.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from callcenter.errors import Unavailable
from lab.asterisk_root import AsteriskBinary
from lab.child import dies_with_its_starter, end_child

# The usual 1,024 descriptors run out at some 60 recorded calls, and recordings then go missing silently.
_RAISE_LIMITS = 'ulimit -n "$(ulimit -Hn)"; exec "$@"'
_POLL = 0.05
_LOG_TAIL = 3_000


@dataclass(frozen=True, slots=True)
class AsteriskFolders:
    """Where one Asterisk keeps its things; ``etc`` is what the product renders, the rest is its own."""

    etc: Path
    run: Path
    log: Path
    spool: Path
    var: Path

    @classmethod
    def under(cls, root: Path, etc: Path | None = None) -> AsteriskFolders:
        """All folders below one; ``run`` stays short, a Unix socket's path has 108 characters at most."""
        return cls(etc or root / "etc", root / "run", root / "log", root / "spool", root / "lib")

    def make(self) -> None:
        """Makes what is missing; Asterisk refuses to start without them."""
        logs = [self.log / "cel-custom", self.log / "cdr-csv"]
        spools = [self.spool / "monitor", self.spool / "outgoing", self.spool / "tmp"]
        for each in (self.etc, self.run, self.var, *logs, *spools):
            each.mkdir(parents=True, exist_ok=True)


def asterisk_conf(binary: AsteriskBinary, folders: AsteriskFolders, options: Sequence[str] = ()) -> str:
    """The text of an ``asterisk.conf`` for these folders, with lines for its ``[options]``."""
    directories = {
        "astetcdir": folders.etc,
        "astmoddir": binary.moddir,
        "astvarlibdir": folders.var,
        "astdbdir": folders.var,
        "astkeydir": folders.var,
        "astdatadir": binary.datadir,
        "astagidir": folders.var / "agi-bin",
        "astspooldir": folders.spool,
        "astrundir": folders.run,
        "astlogdir": folders.log,
        "astsbindir": Path(binary.argv_prefix[-1]).parent,
    }
    lines = [f"{name} => {value}" for name, value in directories.items()]
    return "\n".join(["[directories]", *lines, "", "[options]", *options, ""])


class Asterisk:
    """One Asterisk process. It is started anew after `stop` or `kill9`, with the same configuration.

    Use it as ``async with``, or call `stop`: it is a child of this process and ends with it.
    """

    def __init__(self, binary: AsteriskBinary, conf: Path, *, output: Path) -> None:
        """``conf`` is the ``asterisk.conf``; ``output`` collects what Asterisk prints, all its starts."""
        self.binary = binary
        self.conf = conf
        self.output = output
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Asterisk:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self.running and self._process is not None else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, timeout: float = 30.0) -> None:
        """Starts it and returns when it is fully booted.

        Raises `Unavailable`, with the end of its output, if it exits or takes longer than ``timeout`` s.
        """
        if self.running:
            raise Unavailable("Asterisk", f"already runs as process {self.pid}")
        with self._open_output() as output:
            self._process = await asyncio.create_subprocess_exec(
                *dies_with_its_starter(),
                *("/bin/sh", "-c", _RAISE_LIMITS, "sh"),
                *(*self.binary.argv_prefix, "-C", str(self.conf), "-f", "-n"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in a terminal is for the lab, which then stops it in order
                env=_environment(),
            )
        try:
            async with asyncio.timeout(timeout):
                await self._booted(self._process)
        except TimeoutError:
            await self.kill9()
            raise Unavailable("Asterisk", f"not booted within {timeout:g} s\n{self._tail()}") from None
        except BaseException:
            await self.kill9()
            raise

    async def _booted(self, process: asyncio.subprocess.Process) -> None:
        while True:
            if process.returncode is not None:
                raise Unavailable("Asterisk", f"exited with {process.returncode} at start\n{self._tail()}")
            # Does not return before the boot has ended; without a control socket yet it fails at once.
            code, said = await self._remote("core waitfullybooted")
            if code == 0 and "fully booted" in said:
                return
            await asyncio.sleep(_POLL)

    async def rx(self, command: str, timeout: float = 10.0) -> str:
        """What a console command answers. Raises `Unavailable` if nobody does within ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                code, said = await self._remote(command)
        except TimeoutError:
            raise Unavailable("Asterisk", f"{command!r} was not answered within {timeout:g} s") from None
        if code != 0:
            raise Unavailable("Asterisk", f"{command!r}: {said.strip() or f'exit {code}'}")
        return said

    async def _remote(self, command: str) -> tuple[int, str]:
        console = await asyncio.create_subprocess_exec(
            *(*self.binary.argv_prefix, "-C", str(self.conf), "-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(),
        )
        try:
            said, _ = await console.communicate()
        except BaseException:
            if console.returncode is None:
                console.kill()
                await console.wait()
            raise
        return console.returncode or 0, said.decode("utf-8", "backslashreplace")

    async def stop(self, timeout: float = 10.0) -> None:
        """Ends it in order, calls hung up; kills it if it has not ended within ``timeout`` seconds."""
        await end_child(self._process, within_s=timeout)

    async def kill9(self) -> None:
        """Kills it as a power cut would its process: no goodbye, no end of call in its journal."""
        if self.running and self._process is not None:
            self._process.kill()
            await self._process.wait()

    def freeze(self) -> None:
        """Stops it from running without ending it, as a machine that hangs; `thaw` lets it go on."""
        if self.running and self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.running and self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def _open_output(self) -> IO[bytes]:
        self.output.parent.mkdir(parents=True, exist_ok=True)
        return self.output.open("ab")

    def _tail(self) -> str:
        with self.output.open("rb") as file:
            file.seek(max(0, self.output.stat().st_size - _LOG_TAIL))
            return file.read().decode("utf-8", "backslashreplace")


def _environment() -> dict[str, str]:
    """Asterisk looks up its host's own name: a resolver that does not know it may cost a second, not ten."""
    return {**os.environ, "LC_ALL": "C.UTF-8", "RES_OPTIONS": "timeout:1 attempts:1"}
