"""The process that is the lab: keeps every part running, writes where it is, obeys the control socket."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from callcenter.errors import CallCenterError, Unavailable
from lab.control import Control
from lab.house import House, Say
from lab.plan import Plan
from lab.ports import Ports
from lab.sip import Behaviour, Tone
from lab.standing import AlreadyRuns, Site, tenure, write_env

PLAN = Plan(agent_tone=Tone(880), caller_tone=Tone(440), site=True)
"""The lab's: every conversation is a caller's 440 Hz on the left and an agent's 880 Hz on the right."""
_RESTART_AFTER = 1.0
_LOOKED_AT = 0.25
_LEFTOVERS_END = 5.0


def run(site: Site, *, keep: bool) -> int:
    """``python -m lab run``: the lab in the foreground, until it is told to end."""
    try:
        with tenure(site):
            return until_stopped(lambda: _stand(site, keep=keep))
    except AlreadyRuns:
        print("another lab runs here", file=sys.stderr)
        return 1


async def _stand(site: Site, *, keep: bool) -> None:
    async with standing(site, PLAN, Ports.fixed(), keep=keep):
        await asyncio.Event().wait()


@asynccontextmanager
async def standing(
    site: Site, plan: Plan, ports: Ports, *, keep: bool = False, say: Say = print
) -> AsyncIterator[House]:
    """A house at its site while the block runs: found by ``lab.env`` and the control socket, its parts kept alive."""
    if await asyncio.to_thread(end_leftovers, site.folder):
        await _until(lambda: not ports.taken(), _LEFTOVERS_END)
    if not keep:
        shutil.rmtree(site.folder, ignore_errors=True)
    ports = ports.instead(say)
    async with House(site.folder, plan, ports, say=lambda line: say(f"  {line}"), keep=keep) as house:
        picks_up = Behaviour(answer_after=2, hangup_after=15)
        house.callers.anybody = house.callers.phone("subscriber", picks_up, tone=plan.caller_tone)
        control = Control(house)
        async with control.listening(site.control), asyncio.TaskGroup() as tasks:
            write_env(site.env, house.facts())
            kept = tasks.create_task(_keep_alive(house, control, site, say))
            try:
                yield house
            finally:
                kept.cancel()
                site.env.unlink(missing_ok=True)


async def _until(true: Callable[[], bool], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not true() and loop.time() < deadline:
        await asyncio.sleep(_LOOKED_AT)


async def _keep_alive(house: House, control: Control, site: Site, say: Say) -> None:
    """As systemd would: a part that ended by itself is started again after a second; one that was stopped is not."""
    parts: dict[str, tuple[Callable[[], int | None], Callable[[], Awaitable[None]]]] = {
        "asterisk": (lambda: house.asterisk.pid, house.asterisk.start),
        "service": (lambda: house.service.pid, house.service.start),
    }
    written = house.facts()
    while True:
        await asyncio.sleep(_LOOKED_AT)
        for name, (pid, start) in parts.items():
            if pid() is not None or name in control.resting:
                continue
            say(f"the {name} ended: it is started again")
            await asyncio.sleep(_RESTART_AFTER)
            if pid() is None and name not in control.resting:
                try:
                    await start()
                except CallCenterError as exc:
                    say(f"the {name} did not start: {exc}")
        try:
            facts = house.facts()
        except Unavailable:  # PostgreSQL was stopped by command: where it is does not change
            continue
        if facts != written:
            written = facts
            write_env(site.env, written)


def end_leftovers(folder: Path) -> bool:
    """A lab that was killed leaves its PostgreSQL: all else ends with it. Says whether there was one."""
    data = folder / "postgres"
    try:
        process = int((data / "postmaster.pid").read_text("ascii").split()[0])
        if Path(f"/proc/{process}/cwd").readlink() != data:
            return False
        os.kill(process, signal.SIGINT)  # to PostgreSQL: end at once, in order
    except (OSError, ValueError, IndexError):
        return False
    deadline = time.monotonic() + _LEFTOVERS_END
    while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
        time.sleep(_LOOKED_AT)
    return True


def until_stopped(work: Callable[[], Awaitable[None]]) -> int:
    """Runs it until it is done, or SIGTERM or Ctrl-C comes; everything is then stopped in order."""

    async def stoppable() -> None:
        task = asyncio.ensure_future(work())
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, task.cancel)
        await task

    try:
        asyncio.run(stoppable())
    except asyncio.CancelledError:
        return 0
    except BaseExceptionGroup as group:
        for each in _leaves(group):
            print(f"error: {each!s}", file=sys.stderr)
        return 1
    except CallCenterError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each
