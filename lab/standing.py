"""The one lab of this folder: started in the background, found again, told about, stopped.

Only the standard library: a second ``make lab`` answers at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_POLL = 0.1
_FIRST_START = 900.0
"""Seconds; the first start of all fetches an Asterisk."""
_STOPPING = 40.0


class AlreadyRuns(Exception):
    """Somebody holds the lab's place."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a lab keeps its things, and what it is found by."""

    folder: Path = ROOT / "var" / "lab"
    env: Path = ROOT / "var" / "lab.env"
    lock: Path = ROOT / "var" / "lab.lock"
    log: Path = ROOT / "var" / "lab.log"

    @property
    def control(self) -> Path:
        """The socket that commands go to."""
        return self.folder / "control"


def holder(site: Site) -> int | None:
    """The process that is the lab now; nothing once it ended, however it ended."""
    try:
        file = site.lock.open("r+", encoding="ascii")
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read().strip() or 0)
    return None


@contextmanager
def tenure(site: Site) -> Iterator[None]:
    """Is the lab while the block runs; raises ``AlreadyRuns`` if another is. The kernel ends it with the process."""
    site.lock.parent.mkdir(parents=True, exist_ok=True)
    with site.lock.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRuns from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            site.env.unlink(missing_ok=True)
            file.truncate(0)


def write_env(file: Path, facts: Mapping[str, str]) -> None:
    """Whoever reads the file sees all of it or the one before; a shell can source it."""
    fresh = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.writelines(f"{name}={shlex.quote(value)}\n" for name, value in facts.items())
    fresh.replace(file)


def read_env(file: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in file.read_text("utf-8").splitlines())
    return {name: "".join(shlex.split(value)) for name, _, value in pairs if name}


# --- the commands ---


def up(site: Site, *, keep: bool) -> int:
    """Starts the lab unless it runs, says how far it is, and where to look; 1 if it could not be started."""
    running = holder(site)
    if running is not None:
        print(f"the lab runs already (process {running})")
        return _wait(site, None)
    site.env.unlink(missing_ok=True)
    site.log.parent.mkdir(parents=True, exist_ok=True)
    with site.log.open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "lab", "run", *(["--keep"] if keep else [])],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        return _wait(site, keeper)
    except KeyboardInterrupt:
        print("stopping")
        keeper.terminate()
        keeper.wait(_STOPPING)
        return 130


def _wait(site: Site, keeper: subprocess.Popen[bytes] | None) -> int:
    """Until the lab is ready, shows what it says of itself on the way."""
    deadline, said = time.monotonic() + _FIRST_START, 0
    while not site.env.exists():
        ended = keeper.poll() is not None if keeper is not None else holder(site) is None
        said = _show_log(site.log, said)
        if ended:
            print(f"the lab did not start; its whole log is {site.log}", file=sys.stderr)
            return 1
        if time.monotonic() > deadline:
            print(f"the lab is not ready after {_FIRST_START:.0f} s; see {site.log}", file=sys.stderr)
            return 1
        time.sleep(_POLL)
    print(where_to_look(read_env(site.env), site.env))
    return 0


def _show_log(log: Path, since: int) -> int:
    with log.open("rb") as file:
        file.seek(since)
        fresh = file.read()
    whole = fresh[: fresh.rfind(b"\n") + 1]
    sys.stdout.write(whole.decode("utf-8", "backslashreplace"))
    sys.stdout.flush()
    return since + len(whole)


def down(site: Site) -> int:
    """Stops the lab in order; it is gone when this returns."""
    running = holder(site)
    if running is None:
        site.env.unlink(missing_ok=True)
        print("no lab runs here")
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(running, signal.SIGTERM)
    deadline = time.monotonic() + _STOPPING
    while holder(site) is not None:
        if time.monotonic() > deadline:
            print(f"process {running} does not end: killing it", file=sys.stderr)
            with contextlib.suppress(ProcessLookupError):
                os.kill(running, signal.SIGKILL)
            deadline += _STOPPING
        time.sleep(_POLL)
    site.env.unlink(missing_ok=True)
    print("the lab is stopped")
    return 0


def ask(site: Site, words: list[str]) -> int:
    """Says one line to the running lab and shows what it answers; 1 unless that ends with ``ok``."""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(site.control))
        except (FileNotFoundError, ConnectionRefusedError):
            print("no lab runs here: start it with `make lab`", file=sys.stderr)
            return 1
        line.sendall(shlex.join(words).encode() + b"\n")
        last = ""
        with line.makefile("r", encoding="utf-8", errors="backslashreplace") as said:
            for last in map(str.rstrip, said):
                if last != "ok":
                    print(last, file=sys.stderr if last.startswith("error") else sys.stdout, flush=True)
    return 0 if last == "ok" else 1


def where_to_look(facts: Mapping[str, str], env: Path) -> str:
    """What a human wants to know of a lab that runs."""
    did = facts["LAB_DIDS"].split(",")[0]
    sip = facts["LAB_SIP"]
    providers = "\n".join(
        f"    {brand:<14} {numbers.replace('/', '  ')}"
        for brand, _, numbers in (each.partition("=") for each in facts["LAB_PROVIDERS"].split(","))
    )
    agents = ", ".join(facts["LAB_AGENT_EXTENSIONS"].split(",")[1:])
    return f"""
  agent's page   {facts["LAB_URL"]}/agent
    sign in      {facts["LAB_AGENT"]}  {facts["LAB_AGENT_PASSWORD"]}   (also {agents}: passwords in LAB_PASSWORDS)
  supervisor     {facts["LAB_URL"]}
    sign in      {facts["LAB_SUPERVISOR"]}  {facts["LAB_SUPERVISOR_PASSWORD"]}
  API            {facts["LAB_URL"]}/api/docs   token {facts["LAB_API_TOKEN"]}
  numbers to dial
{providers}
  a call         .venv/bin/python -m lab call {did} {facts["LAB_CALLER"]} 15
    from SIPp    sipp -sn uac -i 127.0.0.2 -mi 127.0.0.2 -s {did} -m 1 -d 15000 {sip}
  break things   .venv/bin/python -m lab olt svitlo-epon cut EPON0/1   (python -m lab -h says what else)
  all of it      {env}
"""
