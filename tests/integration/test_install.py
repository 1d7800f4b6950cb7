"""A configuration is put in place whole or not at all, and the one before it can come back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.config import AsteriskSettings
from callcenter.errors import Misconfigured, Refused
from callcenter.pbx.install import GENERATIONS, INCLUDES, LINK, PREVIOUS, RELOADS, TOLD, Installed, go_back, install
from callcenter.pbx.modules import JOURNAL_WRITER, MODULES
from callcenter.pbx.render import render
from callcenter.pbx.version import PbxVersion
from tests.pbx_house import a_book, settings_for


class Reloads:
    """Asterisk's end: keeps what it was told, and refuses what it is told to refuse."""

    def __init__(self, *refused: str) -> None:
        self.told: list[str] = []
        self.refused = refused

    async def __call__(self, module: str) -> None:
        self.told.append(module)
        if module in self.refused:
            raise Refused("Asterisk", f"no such module {module}")


class Place:
    """An etc_dir, and what Asterisk would read in it."""

    def __init__(self, root: Path, *, whole: bool = True) -> None:
        self.settings = settings_for(root, whole=whole)
        self.etc.mkdir(parents=True)

    @property
    def etc(self) -> Path:
        return self.settings.asterisk.etc_dir

    @property
    def asterisk(self) -> AsteriskSettings:
        return self.settings.asterisk

    def files(self, brand: str = "Воля", max_lines: int = 30) -> dict[str, str]:
        first, second = a_book().providers
        book = replace(a_book(), providers=(replace(first, brand=brand, max_lines=max_lines), second))
        return render(book, self.settings, PbxVersion.parse("22.10.1"))

    async def install(self, files: Mapping[str, str], reloads: Reloads | None = None) -> Installed:
        return await install(files, self.asterisk, reloads)

    def read(self) -> dict[str, str]:
        folder = self.etc if self.asterisk.own_whole else self.etc / LINK
        return {each.name: each.read_text("utf-8") for each in folder.glob("*.conf")}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_the_files_are_where_asterisk_looks_and_no_stranger_reads_their_secrets(place: Place) -> None:
    done = await place.install(place.files())
    assert place.read() == place.files()
    assert set(done.changed) == set(place.files())
    assert (done.reloaded, done.needs_restart, done.operator) == ((), (), ())
    for each in (place.etc / LINK).resolve().iterdir():
        assert each.stat().st_mode & 0o007 == 0


async def test_only_what_changed_is_read_again_phones_before_queues_before_the_dialplan(place: Place) -> None:
    await place.install(place.files(), Reloads())
    reloads = Reloads()
    done = await place.install(place.files(max_lines=7), reloads)
    assert done.changed == ("extensions.conf",)
    assert reloads.told == ["pbx_config.so"]
    again = Reloads()
    assert (await place.install(place.files(max_lines=7), again)).changed == ()
    assert again.told == []


async def test_what_only_a_restart_reads_is_said(place: Place) -> None:
    await place.install(place.files())
    files = place.files()
    files["asterisk.conf"] = files["asterisk.conf"].replace("maxcalls = 500", "maxcalls = 5")
    assert (await place.install(files, Reloads())).needs_restart == ("asterisk.conf",)


async def test_files_with_a_mistake_leave_everything_as_it_was(place: Place) -> None:
    await place.install(place.files())
    before, folders = place.read(), sorted((place.etc / GENERATIONS).iterdir())
    for name, line in (
        ("extensions.conf", "[from-trunk]\nexten => s,1,System(id)\n"),
        ("queues.conf", "[broken\n"),
        ("pjsip.conf", "[x]\ntype = endpoint\nauth = gone\n"),
        ("extensions.conf", "[one-more]\nexten => s,1,Queue(no-such-queue)\n"),
    ):
        files = place.files(max_lines=7)
        files[name] += line
        reloads = Reloads()
        with pytest.raises(Misconfigured):
            await place.install(files, reloads)
        assert reloads.told == []
        assert place.read() == before
        assert sorted((place.etc / GENERATIONS).iterdir()) == folders


@pytest.mark.parametrize("refused", ["res_pjsip.so", "app_queue.so", "pbx_config.so"])
async def test_when_asterisk_refuses_a_part_the_whole_goes_back(place: Place, refused: str) -> None:
    await place.install(place.files(), Reloads())
    before = place.read()
    book = a_book(queues=tuple(replace(q, ring_s=9) for q in a_book().queues), agents=a_book().agents[:2])
    reloads = Reloads(refused)
    with pytest.raises(Refused):
        await place.install(render(book, place.settings, PbxVersion.parse("22.10.1")), reloads)
    assert place.read() == before
    tried = [m for m in ("res_pjsip.so", "app_queue.so", "pbx_config.so") if m in reloads.told]
    assert reloads.told == [*tried, *tried]  # what had been told the new one is told the old one


async def test_the_configuration_before_comes_back_on_request_and_older_ones_are_forgotten(place: Place) -> None:
    for lines in (5, 6, 7):
        await place.install(place.files(max_lines=lines))
    assert len(list((place.etc / GENERATIONS).iterdir())) == 2
    reloads = Reloads()
    await go_back(place.asterisk, reloads)
    assert place.read() == place.files(max_lines=6)
    assert "pbx_config.so" in reloads.told
    await go_back(place.asterisk, None)
    assert place.read() == place.files(max_lines=7)


EVERYTHING = [module for _, module in RELOADS]


async def test_what_asterisk_was_not_told_of_it_is_told_the_next_time(place: Place) -> None:
    """Put in place while Asterisk could not be reached, a configuration would else never be read."""
    await place.install(place.files(max_lines=5), Reloads())
    await place.install(place.files(max_lines=7))
    reloads = Reloads()
    done = await place.install(place.files(max_lines=7), reloads)
    assert (done.changed, done.reloaded) == ((), tuple(EVERYTHING))
    assert reloads.told == EVERYTHING
    again = Reloads()
    await place.install(place.files(max_lines=7), again)
    assert again.told == []


async def test_back_to_what_asterisk_read_before_it_was_down_is_told_too(place: Place) -> None:
    """Meanwhile it may have started with the one between."""
    await place.install(place.files(max_lines=5), Reloads())
    await place.install(place.files(max_lines=7))
    reloads = Reloads()
    await place.install(place.files(max_lines=5), reloads)
    assert reloads.told == EVERYTHING


async def test_an_installation_that_died_while_it_told_asterisk_is_told_again_whole(place: Place) -> None:
    await place.install(place.files(max_lines=5), Reloads())

    async def dies(_module: str) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await install(place.files(max_lines=7), place.asterisk, dies)
    reloads = Reloads()
    await place.install(place.files(max_lines=7), reloads)
    assert reloads.told == EVERYTHING


class Refusal(Reloads):
    """Asterisk refuses a module once, and takes the configuration before again."""

    async def __call__(self, module: str) -> None:
        try:
            await super().__call__(module)
        except Refused:
            self.refused = ()
            raise


async def test_after_a_refusal_that_was_put_right_asterisk_has_read_what_is_in_place(place: Place) -> None:
    await place.install(place.files(max_lines=5), Reloads())
    with pytest.raises(Refused):
        await place.install(place.files(max_lines=7), Refusal("pbx_config.so"))
    reloads = Reloads()
    await place.install(place.files(max_lines=5), reloads)
    assert reloads.told == []


async def test_after_a_refusal_that_could_not_be_put_right_asterisk_is_told_everything(place: Place) -> None:
    await place.install(place.files(max_lines=5), Reloads())
    with pytest.raises(Refused):
        await place.install(place.files(max_lines=7), Reloads("pbx_config.so"))
    reloads = Reloads()
    await place.install(place.files(max_lines=5), reloads)
    assert reloads.told == EVERYTHING


@pytest.mark.parametrize("refused", ["res_pjsip.so", "app_queue.so", "manager"])
async def test_going_back_that_asterisk_refuses_leaves_the_links_as_they_were(place: Place, refused: str) -> None:
    for lines in (5, 7):
        await place.install(place.files(max_lines=lines), Reloads())
    links = {name: (place.etc / name).readlink() for name in (LINK, PREVIOUS, TOLD)}
    reloads = Refusal(refused)
    with pytest.raises(Refused):
        await go_back(place.asterisk, reloads)
    assert {name: (place.etc / name).readlink() for name in (LINK, PREVIOUS, TOLD)} == links
    tried = EVERYTHING[: EVERYTHING.index(refused) + 1]
    assert reloads.told == [*tried, *tried]
    await go_back(place.asterisk, Reloads())
    assert place.read() == place.files(max_lines=5)
    assert (place.etc / PREVIOUS).readlink() == links[LINK]


async def test_without_one_before_there_is_nothing_to_go_back_to(place: Place) -> None:
    await place.install(place.files())
    with pytest.raises(Misconfigured, match="no configuration before"):
        await go_back(place.asterisk, None)


async def test_a_file_that_is_not_ours_is_never_written_over(place: Place) -> None:
    (place.etc / "pjsip.conf").write_text("[mine]\ntype = endpoint\n")
    with pytest.raises(Misconfigured, match=r"pjsip\.conf: is not ours"):
        await place.install(place.files())
    assert (place.etc / "pjsip.conf").read_text() == "[mine]\ntype = endpoint\n"
    assert not (place.etc / LINK).exists()


async def test_a_tampered_generation_is_written_anew(place: Place) -> None:
    done = await place.install(place.files())
    (place.etc / GENERATIONS / done.generation / "queues.conf").write_text("[evil]\n")
    await place.install(place.files())
    assert place.read() == place.files()


async def test_two_installations_at_once_do_not_mix(place: Place) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow(module: str) -> None:
        reached.set()
        await go_on.wait()

    await place.install(place.files())
    async with asyncio.TaskGroup() as group:
        group.create_task(install(place.files(max_lines=7), place.asterisk, slow))
        await reached.wait()
        with pytest.raises(Misconfigured, match="another installation is under way"):
            await place.install(place.files(max_lines=8))
        go_on.set()
    assert place.read() == place.files(max_lines=7)


async def test_a_version_that_does_not_fit_the_modules_on_the_disk_is_refused(place: Place) -> None:
    """With the wrong one Asterisk would keep no journal, and say so only in its log."""
    modules = place.asterisk.module_dir
    modules.mkdir()
    for name in MODULES:
        (modules / f"{name}.so").touch()
    with pytest.raises(Misconfigured, match=r"asterisk\.version: 22\.10\.1 does not fit"):
        await place.install(place.files())
    (modules / f"{JOURNAL_WRITER}.so").touch()
    await place.install(place.files())
    (modules / "app_queue.so").unlink()
    with pytest.raises(Misconfigured, match="lacks app_queue"):
        await place.install(place.files(max_lines=7))


async def test_beside_an_existing_pbx_the_operators_files_stay_and_the_lines_to_add_are_named(tmp_path: Path) -> None:
    place = Place(tmp_path, whole=False)
    (place.etc / "extensions.conf").write_text(
        '[general]\n[mine]\nexten => 1,1,NoOp()\n; #include "callcenter/extensions.conf"\n'
    )
    (place.etc / "cel.conf").write_text('#include "callcenter/cel.conf"\n[general]\n')
    done = await place.install(place.files())
    assert place.read() == place.files()
    assert [line.partition(":")[0].rpartition("/")[2] for line in done.operator] == list(INCLUDES)
    assert any(
        line.endswith('the section [general] must stand before #include "callcenter/cel.conf"')
        for line in done.operator
    )
    for name, section in INCLUDES.items():
        (place.etc / name).write_text(f'[{section or "theirs"}]\n#include "callcenter/{name}"\n')
    assert (await place.install(place.files())).operator == ()


async def test_beside_an_existing_pbx_a_context_of_the_same_name_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path, whole=False)
    (place.etc / "extensions.conf").write_text("[from-trunk]\nexten => _X.,1,NoOp()\n")
    with pytest.raises(Misconfigured, match=r"has a context \[from-trunk\] of its own"):
        await place.install(place.files())


SWITCHER = """
import asyncio, sys
from pathlib import Path
from tests.integration.test_install import Place
place = Place.__new__(Place)
from tests.pbx_house import settings_for
place.settings = settings_for(Path(sys.argv[1]))
async def switch():
    print("switching", flush=True)
    while True:
        for lines in (5, 6):
            await place.install(place.files(max_lines=lines))
asyncio.run(switch())
"""


async def test_killed_at_any_moment_the_configuration_is_one_of_the_two_and_whole(place: Place) -> None:
    wanted = (place.files(max_lines=5), place.files(max_lines=6))
    await place.install(wanted[0])
    for moment in (0.0, 0.013, 0.029, 0.051):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            SWITCHER,
            str(place.etc.parent),
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"switching\n"
        seen = set()
        for _ in range(200):
            seen.add(_read_at_once(place.etc / LINK))
        await asyncio.sleep(moment)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert place.read() in wanted
        assert seen <= {_as_key(each) for each in wanted}
    await place.install(wanted[1])
    assert place.read() == wanted[1]


def _read_at_once(link: Path) -> frozenset[tuple[str, str]]:
    """All files of the folder that the link names at this moment, unless it is being forgotten meanwhile."""
    while True:
        folder = link.resolve()
        try:
            return _as_key({name: (folder / name).read_text("utf-8") for name in os.listdir(folder)})
        except FileNotFoundError:
            continue


def _as_key(files: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(files.items())


async def test_the_journals_folder_is_made_for_asterisk(place: Place) -> None:
    """Without it Asterisk writes no journal at all, and tells only its own log."""
    place.asterisk.log_dir.mkdir(parents=True)
    await place.install(place.files())
    assert place.asterisk.journal.parent.is_dir()
    assert place.asterisk.journal.parent.stat().st_uid == place.asterisk.log_dir.stat().st_uid


async def test_a_journals_folder_that_cannot_be_made_is_refused_before_anything_is_touched(place: Place) -> None:
    place.asterisk.log_dir.mkdir(parents=True)
    place.asterisk.journal.parent.write_text("in the way")
    with pytest.raises(Misconfigured, match="would write no journal"):
        await place.install(place.files())
    assert place.read() == {}
