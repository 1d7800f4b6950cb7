"""Puts a rendered configuration in place: whole or not at all, the one before it kept, Asterisk told.

All files of one render lie in a folder of their own, ``callcenter.d/<generation>``; Asterisk reads them through the
link ``callcenter``, and one rename of that link is the whole change. In an Asterisk of our own the files' names in
``etc_dir`` are links into it; beside an existing PBX the operator's files include them (``INCLUDES``).
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from callcenter.config import AsteriskSettings
from callcenter.errors import CallCenterError, Misconfigured
from callcenter.pbx.dialplan import read_dialplan
from callcenter.pbx.modules import JOURNAL_WRITER, MODULES
from callcenter.pbx.syntax import check_files, parse
from callcenter.pbx.version import PbxVersion

log = logging.getLogger(__name__)

LINK = "callcenter"
GENERATIONS = "callcenter.d"
PREVIOUS = "callcenter.previous"
TOLD = "callcenter.told"
"""Names the generation that Asterisk has read; without it nobody knows, and it is told everything."""

RELOADS: tuple[tuple[str, str], ...] = (
    ("http.conf", "http"),
    ("pjsip.conf", "res_pjsip.so"),
    ("musiconhold.conf", "res_musiconhold.so"),
    ("queues.conf", "app_queue.so"),
    ("extensions.conf", "pbx_config.so"),
    ("features.conf", "features"),
    ("cel.conf", "cel"),
    ("cel_custom.conf", "cel_custom.so"),
    ("logger.conf", "logger"),
    ("manager.conf", "manager"),
)
"""What is told to read a changed file again, in this order: a queue's phones are there before the queue."""
AT_BOOT = ("asterisk.conf", "modules.conf", "rtp.conf", "cdr.conf", "cli.conf", "sorcery.conf")
"""Files that a running Asterisk does not read again (cli.conf does nothing but at boot)."""

INCLUDES = {
    "pjsip.conf": "",
    "extensions.conf": "",
    "queues.conf": "",
    "musiconhold.conf": "",
    "manager.conf": "general",
    "cel.conf": "general",
    "cel_custom.conf": "mappings",
    "cli.conf": "startup_commands",
}
"""The operator's files that include ours, and the section that must stand before the ``#include``."""

Reload = Callable[[str], Awaitable[None]]
"""Tells a running Asterisk to read one module's files again: ``ami.commands.Commands.reload``."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation did, and what is left for a human."""

    generation: str
    changed: tuple[str, ...]
    reloaded: tuple[str, ...]
    needs_restart: tuple[str, ...]
    """Changed files that only a restart of Asterisk reads."""
    operator: tuple[str, ...]
    """Lines the operator must still add to their own files."""


async def install(files: Mapping[str, str], settings: AsteriskSettings, reload: Reload | None) -> Installed:
    """Checks the files, puts them in place by one rename and has Asterisk read what it has not read yet.

    ``reload`` is ``None`` while Asterisk is not running: the next installation tells it everything. Raises
    ``Misconfigured`` before anything is touched; when a reload fails, the configuration before is put back, reloaded,
    and the failure (``Refused``, ``Unavailable``) raised.
    """
    check_rendered(files)
    _check_place(files, settings)
    _make_journal_folder(settings)
    with _alone(settings.etc_dir):
        before = _current(settings.etc_dir)
        changed = tuple(name for name in files if _text_of(before, name) != files[name])
        told = _target(settings.etc_dir, TOLD)
        unread = {*changed, *(name for name in files if _text_of(told, name) != files[name])}
        modules = tuple(module for name, module in RELOADS if name in unread)
        fresh = _write_generation(settings.etc_dir, files)
        _point(settings.etc_dir / LINK, fresh)
        if settings.own_whole:
            for name in files:
                _point(settings.etc_dir / name, Path(LINK) / name)
        await _tell(settings.etc_dir, fresh, before, modules, reload)
        if before is not None and before.name != fresh.name:
            _point(settings.etc_dir / PREVIOUS, before)
        _forget_old(settings.etc_dir)
    restart = tuple(name for name in changed if name in AT_BOOT and before is not None)
    operator = () if settings.own_whole else tuple(missing_includes(settings.etc_dir))
    return Installed(fresh.name, changed, modules if reload is not None else (), restart, operator)


async def go_back(settings: AsteriskSettings, reload: Reload | None) -> str:
    """Puts the configuration before the present one back; gives its name. Raises ``Misconfigured`` if there is none.

    When a reload fails, the present one stays, and the failure (``Refused``, ``Unavailable``) is raised.
    """
    with _alone(settings.etc_dir):
        now, before = _current(settings.etc_dir), _target(settings.etc_dir, PREVIOUS)
        if now is None or before is None:
            raise Misconfigured(f"{settings.etc_dir}: there is no configuration before this one")
        _point(settings.etc_dir / LINK, before)
        await _tell(settings.etc_dir, before, now, tuple(module for _, module in RELOADS), reload)
        _point(settings.etc_dir / PREVIOUS, now)
        return before.name


def check_rendered(files: Mapping[str, str]) -> None:
    """Reads the files as Asterisk will; raises ``Misconfigured`` with everything it would stumble over."""
    parsed = check_files(files)
    dialplan = read_dialplan(parsed["extensions.conf"])
    queues = {section.name for section in parsed["queues.conf"]}
    absent = sorted(dialplan.queues - queues)
    if absent:
        raise Misconfigured(f"extensions.conf: the queues {', '.join(absent)} are not in queues.conf")


def missing_includes(etc_dir: Path) -> Iterator[str]:
    """What the operator of an existing PBX must still add, a line a file."""
    for name, section in INCLUDES.items():
        line = f'#include "{LINK}/{name}"'
        theirs = etc_dir / name
        text = theirs.read_text("utf-8", "replace") if theirs.exists() else ""
        live = "\n".join(each.split(";")[0] for each in text.splitlines())
        if f"{LINK}/{name}" not in live:
            yield f"{theirs}: add {line}" + (f" below the section [{section}]" if section else "")
        elif section and f"[{section}]" not in live.partition(f"{LINK}/{name}")[0]:
            yield f"{theirs}: the section [{section}] must stand before {line}"


def _check_place(files: Mapping[str, str], settings: AsteriskSettings) -> None:
    trouble = []
    etc = settings.etc_dir
    if not etc.is_dir():
        trouble.append(f"asterisk.etc_dir: {etc} is not there")
    elif not os.access(etc, os.W_OK | os.X_OK):
        trouble.append(f"asterisk.etc_dir: {etc} cannot be written to")
    strangers = [etc / name for name in files if (etc / name).exists() and not (etc / name).is_symlink()]
    if settings.own_whole:
        trouble.extend(
            f"{file}: is not ours; move it away, or set asterisk.own_whole = false to stay beside it"
            for file in strangers
        )
    if not settings.own_whole and (theirs := etc / "extensions.conf").exists():
        trouble.extend(_context_clashes(theirs, files["extensions.conf"]))
    trouble.extend(_module_mistakes(files, settings))
    if trouble:
        raise Misconfigured("\n".join(trouble))


def _context_clashes(theirs: Path, ours: str) -> Iterator[str]:
    """Asterisk would silently mix two contexts of one name."""
    names = {section.name for section in parse("extensions.conf", ours)}
    for raw in theirs.read_text("utf-8", "replace").splitlines():
        name = raw.strip().partition("]")[0].removeprefix("[")
        if raw.strip().startswith("[") and name in names:
            yield f"{theirs}: has a context [{name}] of its own; rename it"


def _module_mistakes(files: Mapping[str, str], settings: AsteriskSettings) -> Iterator[str]:
    """A wrong ``asterisk.version`` would leave the journal unwritten: the modules on the disk tell."""
    folder = settings.module_dir
    if not folder.is_dir():
        return  # a PBX on another machine
    version = PbxVersion.parse(settings.version)
    has_writer = (folder / f"{JOURNAL_WRITER}.so").exists()
    if has_writer != version.writes_journal_by_cdrel:
        yield f"asterisk.version: {settings.version} does not fit the modules in {folder} ({JOURNAL_WRITER})"
    loaded = re.findall(r"^load = (\w+)\.so$", files.get("modules.conf", ""), re.MULTILINE) or MODULES
    absent = [name for name in loaded if not (folder / f"{name}.so").exists()]
    if absent:
        yield f"asterisk.module_dir: {folder} lacks {', '.join(absent)}"


def _make_journal_folder(settings: AsteriskSettings) -> None:
    """Without this folder Asterisk writes no journal and says so in its log only; it belongs to whom the logs do."""
    folder = settings.journal.parent
    if folder.is_dir() or not settings.log_dir.is_dir():
        return  # a PBX on another machine, or one that makes its folders when it first starts
    try:
        folder.mkdir(mode=0o750)
        logs = settings.log_dir.stat()
        if os.geteuid() == 0:
            os.chown(folder, logs.st_uid, logs.st_gid)
    except OSError as exc:
        raise Misconfigured(
            f"{folder} is not there and cannot be made ({exc.strerror}): Asterisk would write no journal. "
            f"Make it, and give it to the user Asterisk runs as"
        ) from exc


async def _tell(
    etc_dir: Path, fresh: Path, before: Path | None, modules: tuple[str, ...], reload: Reload | None
) -> None:
    """Has Asterisk read ``fresh``, which the link names already; if it will not, the link is turned back.

    The mark is gone for as long as Asterisk may have read a part: whoever dies here leaves nothing believed.
    """
    mark = etc_dir / TOLD
    told = _target(etc_dir, TOLD)
    if modules or told != fresh:
        mark.unlink(missing_ok=True)
    if reload is None:
        return
    done: list[str] = []
    try:
        for module in modules:
            done.append(module)
            await reload(module)
    except CallCenterError as exc:
        log.error("asterisk refused the configuration %s at %s, it is taken back: %s", fresh.name, done[-1], exc)
        if before is None:
            (etc_dir / LINK).unlink()
        else:
            _point(etc_dir / LINK, before)
            if await _reload_what_can_be(done, reload) and told == before:
                _point(mark, before)
        raise
    _point(mark, fresh)


async def _reload_what_can_be(modules: list[str], reload: Reload) -> bool:
    """Says whether Asterisk took every one."""
    all_taken = True
    for module in modules:
        try:
            await reload(module)
        except CallCenterError as exc:
            log.error("asterisk: %s could not be told to read the configuration before: %s", module, exc)
            all_taken = False
    return all_taken


def _write_generation(etc_dir: Path, files: Mapping[str, str]) -> Path:
    """A folder named by its content, complete on the disk before anything points to it."""
    content = hashlib.sha256("".join(f"{name}\0{text}\0" for name, text in sorted(files.items())).encode())
    folder = etc_dir / GENERATIONS / content.hexdigest()[:16]
    if all(_text_of(folder, name) == text for name, text in files.items()):
        return folder
    half = folder.with_name(f".{folder.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True, mode=0o750)
    for name, text in files.items():
        with (half / name).open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o640)
    for each in (half.parent, half, *half.iterdir()):
        _give_to_group_of(etc_dir, each)
    if folder.exists():
        shutil.rmtree(folder)
    half.rename(folder)
    return folder


def _give_to_group_of(etc_dir: Path, path: Path) -> None:
    """Asterisk's user reads our files by the group that its folder has."""
    group = etc_dir.stat().st_gid
    if path.stat().st_gid != group:
        try:
            os.chown(path, -1, group)
        except PermissionError as exc:
            raise Misconfigured(
                f"{path}: cannot be given to the group {group} of {etc_dir}: make this user a member of it"
            ) from exc


def _point(link: Path, target: Path) -> None:
    """Makes a link, or turns it, in one step."""
    fresh = link.with_name(f".{link.name}.fresh")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target if not target.is_absolute() else os.path.relpath(target, link.parent))
    fresh.replace(link)


def _current(etc_dir: Path) -> Path | None:
    return _target(etc_dir, LINK)


def _target(etc_dir: Path, name: str) -> Path | None:
    link = etc_dir / name
    if not link.is_symlink():
        if link.exists():
            raise Misconfigured(f"{link}: is not a link of ours; move it away")
        return None
    folder = etc_dir / link.readlink()
    return folder if folder.is_dir() else None


def _text_of(folder: Path | None, name: str) -> str | None:
    if folder is None or not (folder / name).is_file():
        return None
    return (folder / name).read_text("utf-8")


def _forget_old(etc_dir: Path) -> None:
    kept = {each.name for name in (LINK, PREVIOUS, TOLD) if (each := _target(etc_dir, name)) is not None}
    for folder in (etc_dir / GENERATIONS).iterdir():
        if folder.name not in kept:
            shutil.rmtree(folder)


@contextmanager
def _alone(etc_dir: Path) -> Iterator[None]:
    with (etc_dir / ".callcenter.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(f"{etc_dir}: another installation is under way") from None
        yield
