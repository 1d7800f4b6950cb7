"""Asterisk 22 without root and without a container: Debian's packages unpacked into a folder.

Debian stable ships no Asterisk, its suite ``sid`` does. ``apt-get`` with folders of its own fetches the
package and everything it needs, its libc included; it is then started with that libc's own loader. Nothing of
the host changes. Only the standard library is used: this runs before the virtual environment is complete.

Settings, all optional: ``LAB_ASTERISK`` (``debian``, or ``host`` for the Asterisk in PATH),
``LAB_DEBIAN_MIRROR`` (else that of the host's own apt sources), ``LAB_DEBIAN_SUITE`` (else ``sid``).
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from callcenter.errors import Unavailable

PACKAGES = ("asterisk", "asterisk-core-sounds-en-gsm")
NEEDED_MODULES = ("chan_pjsip", "app_queue", "app_mixmonitor", "cel_custom", "func_curl", "res_agi")
OLDEST_SUPPORTED = 18
DEFAULT_FOLDER = Path("var/asterisk-root")
_APT_TIMEOUT = 600.0
_ARCHIVE_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_APT_TEMPLATE = Path("/usr/share/python-apt/templates/Debian.info")
_CODENAME = re.compile(r"^VERSION_CODENAME=\"?([a-z]+)", re.MULTILINE)
_SID_TEMPLATE = re.compile(r"^Suite: sid\n(?:(?!Suite:).*\n)*?BaseURI: (\S+)", re.MULTILINE)

Say = Callable[[str], None]


class NoAsterisk(Unavailable):
    """No Asterisk could be had; the message names what to do about it."""

    def __init__(self, why: str) -> None:
        super().__init__("Asterisk", why)


@dataclass(frozen=True, slots=True)
class AsteriskBinary:
    """How to start one Asterisk: what to put before its arguments, and where its parts lie."""

    argv_prefix: tuple[str, ...]
    moddir: Path
    datadir: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".", 1)[0])


def asterisk_binary(
    into: Path = DEFAULT_FOLDER,
    *,
    settings: Mapping[str, str] | None = None,
    refresh: bool = False,
    say: Say = lambda _line: None,
) -> AsteriskBinary:
    """Gives an Asterisk that can be started, fetching it first if the folder holds none.

    A second call costs a millisecond and no network. Raises `NoAsterisk`.
    """
    chosen = os.environ if settings is None else settings
    wanted = chosen.get("LAB_ASTERISK", "debian")
    if wanted == "host":
        return host_asterisk()
    if wanted != "debian":
        raise NoAsterisk(f"LAB_ASTERISK={wanted!r} is neither 'debian' nor 'host'")
    folder = into.absolute()
    if not refresh and (known := _known_root(folder)) is not None:
        return known
    with _only_one_at_a_time(folder):
        if refresh or (known := _known_root(folder)) is None:
            known = _fetch(folder, chosen, say)
    return known


# ------------------------------------------------------------ the host's own


def host_asterisk() -> AsteriskBinary:
    """Describes the Asterisk in PATH, if it is one that this product supports."""
    found = shutil.which("asterisk", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise NoAsterisk("LAB_ASTERISK=host, but there is no asterisk in PATH: install it or unset LAB_ASTERISK")
    version = _version_of((found,))
    if int(version.split(".", 1)[0]) < OLDEST_SUPPORTED:
        raise NoAsterisk(
            f"{found} is Asterisk {version}, older than {OLDEST_SUPPORTED}: unset LAB_ASTERISK to fetch one"
        )
    prefix = Path(found).resolve().parents[1]
    modules = [*prefix.glob("lib/*/asterisk/modules"), *prefix.glob("lib*/asterisk/modules")]
    moddir = next((each for each in modules if (each / "chan_pjsip.so").exists()), None)
    if moddir is None:
        raise NoAsterisk(f"{found}: its module chan_pjsip was not found under {prefix}/lib")
    shares = (prefix / "share/asterisk", Path("/var/lib/asterisk"))
    datadir = next((each for each in shares if (each / "sounds").is_dir()), shares[0])
    return AsteriskBinary((found,), moddir, datadir, version)


# ------------------------------------------------------------ the folder as it is


def _known_root(folder: Path) -> AsteriskBinary | None:
    """The root fetched earlier, or nothing: only a root that was proven to start is ever recorded here."""
    record = folder / "current" / "asterisk-root.json"
    try:
        kept = json.loads(record.read_text(encoding="utf-8"))
        return _describe(record.parent.resolve(strict=True), str(kept["version"]))
    except (OSError, ValueError, KeyError, TypeError, NoAsterisk):
        return None


def _describe(root: Path, version: str | None = None) -> AsteriskBinary:
    """Finds loader, libraries and modules of a root by looking: every processor names them its own way."""
    program = root / "usr/sbin/asterisk"
    loader = root / "usr" / interpreter_of(program).lstrip("/")
    libraries = next((each.parent for each in sorted(root.glob("usr/lib/*/libc.so.6"))), None)
    moddir = next((each.parent for each in sorted(root.glob("usr/lib/*/asterisk/modules/chan_pjsip.so"))), None)
    if not loader.exists() or libraries is None or moddir is None:
        raise NoAsterisk(f"{root} lacks the loader, libc or modules of Asterisk")
    prefix = (str(loader), "--library-path", str(libraries), str(program))
    return AsteriskBinary(prefix, moddir, root / "usr/share/asterisk", version or _version_of(prefix))


def interpreter_of(program: Path) -> str:
    """The loader a program asks for (its ELF header PT_INTERP), such as ``/lib64/ld-linux-x86-64.so.2``."""
    with program.open("rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF":
            raise NoAsterisk(f"{program} is not a program")
        wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
        table = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", head, 32 if wide else 28)[0]
        size, count = struct.unpack_from(f"{order}HH", head, 54 if wide else 42)
        for position in range(count):
            file.seek(table + position * size)
            entry = file.read(size)
            if struct.unpack_from(f"{order}I", entry)[0] != 3:  # 3 is PT_INTERP
                continue
            where, length = (
                (struct.unpack_from(f"{order}Q", entry, 8)[0], struct.unpack_from(f"{order}Q", entry, 32)[0])
                if wide
                else (
                    struct.unpack_from(f"{order}I", entry, 4)[0],
                    struct.unpack_from(f"{order}I", entry, 16)[0],
                )
            )
            file.seek(where)
            return file.read(length).rstrip(b"\0").decode("ascii")
    raise NoAsterisk(f"{program} names no loader")


def _version_of(prefix: tuple[str, ...]) -> str:
    try:
        said = subprocess.run([*prefix, "-V"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        raise NoAsterisk(f"{prefix[-1]} does not start: {exc}") from exc
    found = re.search(r"(\d+\.\d+(?:\.\d+)?)", said)
    if found is None:
        raise NoAsterisk(f"{prefix[-1]} -V said {said!r}, which holds no version")
    return found[1]


# ------------------------------------------------------------ fetching it


def _fetch(folder: Path, settings: Mapping[str, str], say: Say) -> AsteriskBinary:
    """Downloads, unpacks, proves that it starts, and only then puts it in place under one rename."""
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise NoAsterisk(
                f"{tool} is missing, which is what fetches it: on a system that is not of Debian's family "
                "install Asterisk 18 or newer yourself and set LAB_ASTERISK=host"
            )
    suite = settings.get("LAB_DEBIAN_SUITE", "sid")
    mirror = settings.get("LAB_DEBIAN_MIRROR") or debian_mirror()
    apt = _Apt.prepare(folder / "apt", mirror, suite)
    say(f"asterisk: reading the package lists of Debian {suite}")
    apt.run("update")
    planned = apt.plan()
    key = hashlib.sha256("\n".join(f"{name} {version}" for name, version in sorted(planned)).encode()).hexdigest()
    root = folder / f"root-{key[:12]}"
    if not (root / "asterisk-root.json").exists():
        say(f"asterisk: downloading {len(planned)} packages (about 100 MB)")
        apt.run("--download-only", "install", *PACKAGES)
        say("asterisk: unpacking them")
        _build(root, apt.archives(planned))
    _point(folder / "current", root)
    shutil.rmtree(apt.folder / "archives", ignore_errors=True)
    for old in folder.glob("root-*"):
        if old != root:
            shutil.rmtree(old, ignore_errors=True)
    binary = _describe(root)
    say(f"asterisk: {binary.version} is ready in {folder}")
    return binary


def _build(root: Path, archives: list[Path]) -> None:
    with tempfile.TemporaryDirectory(prefix=".building-", dir=root.parent) as temporary:
        half = Path(temporary) / "root"
        half.mkdir()
        for archive in archives:
            _check(
                ["dpkg", "-x", str(archive), str(half)],
                f"{archive.name} could not be unpacked: is the disk full?",
            )
        binary = _describe(half)
        lacking = [each for each in NEEDED_MODULES if not (binary.moddir / f"{each}.so").exists()]
        if lacking:
            raise NoAsterisk(f"this Asterisk {binary.version} lacks the modules {', '.join(lacking)}")
        sounds = half / "usr/share/asterisk/sounds"
        english = next(sounds.glob("en_*"), None)
        if english is not None and not (sounds / "en").exists():
            (sounds / "en").symlink_to(english.name)  # what the package's install script does, which unpacking skips
        kept = {"version": binary.version, "packages": [each.name for each in archives]}
        (half / "asterisk-root.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")
        if root.exists():
            shutil.rmtree(root)
        half.rename(root)


def _point(link: Path, target: Path) -> None:
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.name)
    fresh.replace(link)


@contextmanager
def _only_one_at_a_time(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as exc:
        raise NoAsterisk(f"{folder} cannot be used for Asterisk: {exc}") from exc


def debian_mirror() -> str:
    """The Debian mirror this host already trusts: of its own apt sources, else of its python-apt's template.

    Raises `NoAsterisk`, naming the setting, when neither does (Ubuntu without python-apt-common).
    """
    codename = _codename()
    form = "$(ORIGIN)|$(RELEASE)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)"
    listed = _check(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"], "apt-get indextargets failed"
    )
    debian_host = "ID=debian" in _os_release().splitlines()
    for line in listed.splitlines():
        origin, release, name, component, uri = (line.split("|") + [""] * 5)[:5]
        ours = origin == "Debian" or (debian_host and origin in ("", "$(ORIGIN)"))
        if ours and component == "main" and codename in (release, name):
            return uri
    if _APT_TEMPLATE.exists():
        template = _SID_TEMPLATE.search(_APT_TEMPLATE.read_text(encoding="utf-8"))
        if template is not None:
            return template[1]
    raise NoAsterisk(
        "no Debian mirror is known here: set LAB_DEBIAN_MIRROR to one (its address up to and with /debian), "
        "or install asterisk and set LAB_ASTERISK=host"
    )


def _os_release() -> str:
    try:
        return Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""


def _codename() -> str:
    found = _CODENAME.search(_os_release())
    return found[1] if found else "sid"


@dataclass(frozen=True, slots=True)
class _Apt:
    """``apt-get`` that knows none of the host's packages: an empty status file makes it fetch them all."""

    folder: Path
    options: tuple[str, ...]

    @classmethod
    def prepare(cls, folder: Path, mirror: str, suite: str) -> _Apt:
        if not _ARCHIVE_KEYS.exists():
            raise NoAsterisk(
                f"{_ARCHIVE_KEYS} is missing, without which Debian's packages cannot be verified: "
                "install the package debian-archive-keyring"
            )
        for name in ("lists/partial", "archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(
            f"deb [signed-by={_ARCHIVE_KEYS}] {mirror} {suite} main\n", encoding="utf-8"
        )
        where = {
            "Dir::Etc::SourceList": folder / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State": folder,
            "Dir::State::Lists": folder / "lists",
            "Dir::State::Status": folder / "status",
            "Dir::Cache": folder,
            "Dir::Cache::Archives": folder / "archives",
            "Debug::NoLocking": "1",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            "APT::Update::Error-Mode": "any",
            "APT::Keep-Downloaded-Packages": "true",
            "APT::Update::Post-Invoke": "",
            "DPkg::Post-Invoke": "",
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        return cls(folder, tuple(part for key, value in where.items() for part in ("-o", f"{key}={value}")))

    def run(self, *arguments: str) -> None:
        _check(
            ["apt-get", "-qq", "-y", *self.options, *arguments],
            f"apt-get {arguments[0]} failed. Is the network there, and is the mirror a Debian one? "
            "(LAB_DEBIAN_MIRROR names another, LAB_ASTERISK=host uses an installed Asterisk)",
        )

    def plan(self) -> frozenset[tuple[str, str]]:
        """Name and version of every package that Asterisk needs, as the lists stand now."""
        simulated = _check(["apt-get", "-qq", *self.options, "-s", "install", *PACKAGES], "apt-get could not plan")
        return frozenset(re.findall(r"^Inst (\S+) \((\S+)", simulated, re.MULTILINE))

    def archives(self, planned: frozenset[tuple[str, str]]) -> list[Path]:
        """The files of this very plan: what a broken run left of other versions is not among them."""
        found = []
        for archive in sorted((self.folder / "archives").glob("*.deb")):
            name, version, _architecture = archive.name.split("_", 2)
            if (name, version.replace("%3a", ":")) in planned:
                found.append(archive)
        if not planned or len(found) != len(planned):
            raise NoAsterisk(f"{len(found)} of {len(planned)} packages of Asterisk are here: run this again")
        return found


def _check(command: list[str], failed: str) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=_APT_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise NoAsterisk(f"{failed} ({exc})") from exc
    if done.returncode:
        raise NoAsterisk(f"{failed}\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def main() -> int:
    """Fetches Asterisk and says where it is, or exits 1 with the reason."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.asterisk_root", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--into", type=Path, default=DEFAULT_FOLDER, metavar="FOLDER")
    parser.add_argument("--refresh", action="store_true", help="look for newer packages even if a root is there")
    parser.add_argument("--quiet", action="store_true", help="say nothing if a root is there already")
    chosen = parser.parse_args()
    try:
        binary = asterisk_binary(chosen.into, refresh=chosen.refresh, say=lambda line: print(line, flush=True))
    except NoAsterisk as exc:
        print(f"asterisk: {exc}", file=sys.stderr)
        return 1
    if not chosen.quiet:
        print(f"asterisk {binary.version}: {' '.join(binary.argv_prefix)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
