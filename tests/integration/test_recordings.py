"""Every conversation has its recording, or a human is told: on the real PostgreSQL, with real sound."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy
import pytest
import soundfile
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from callcenter.errors import Unavailable
from callcenter.recordings.audio import RATE
from callcenter.recordings.intake import Intake
from callcenter.recordings.store import Listener, list_recordings, log_listening, open_recording, recording_of
from callcenter.store import Database, Scope
from callcenter.store.alarms import Alarm, open_alarms
from callcenter.store.embedded import Embedded
from callcenter.words import ProviderId, UniqueId

SKYNET, LANET = ProviderId(1), ProviderId(2)
ENDED = datetime(2026, 7, 6, 21, 30, tzinfo=UTC)  # 00:30 of the next day in Kyiv


class Turned:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = ENDED + timedelta(seconds=2)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


class House:
    """A spool, a recordings' folder and the intake between them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.clock = database, Turned()
        self.monitor, self.folder = folder / "spool" / "monitor", folder / "recordings"
        self.monitor.mkdir(parents=True)
        self.intake = Intake(database, self.monitor, self.folder, self.clock)

    async def talked(self, call: str, seconds: float, *, outcome: str = "answered", settled: bool = True) -> None:
        """A call of the ledger that owes a recording."""
        values = {"call": call, "at": ENDED, "talked": seconds, "outcome": outcome, "settled": settled}
        async with self.database.scoped(Scope.all()) as connection:
            await connection.execute(
                text("""INSERT INTO call (id, provider_id, direction, dialled, number, callable, arrived_at, ended_at,
                        outcome, talked_s, settled)
                        VALUES (:call, 1, 'in', '1', '', false, :at, :at, :outcome, :talked, :settled)"""),
                values,
            )
            if outcome != "left_waiting":
                await connection.execute(
                    text("""INSERT INTO recording (call_id, provider_id, source, talked_s, expected_at)
                            VALUES (:call, 1, :call, :talked, :at)"""),
                    {"call": call, "talked": seconds, "at": ENDED},
                )

    def sound(self, call: str, seconds: float, *, age_s: float = 0) -> Path:
        raw = self.monitor / f"{call}.raw"
        wave = (numpy.sin(numpy.arange(int(RATE * seconds)) / 3) * 9000).astype("<i2")
        numpy.stack([wave, wave], axis=1).tofile(raw)
        written = self.clock.now.timestamp() - age_s
        os.utime(raw, (written, written))
        return raw

    async def rounds(self, count: int = 3) -> None:
        for _ in range(count):
            await self.intake.take_in()
            self.clock.turn(seconds=1)

    async def state(self, call: str) -> str:
        async with self.database.scoped(Scope.all()) as connection:
            found = await recording_of(connection, UniqueId(call))
        return "none" if found is None else f"{found.state} {found.note}".strip()

    async def alarms(self) -> list[Alarm]:
        async with self.database.scoped(Scope.all()) as connection:
            return await open_alarms(connection)


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with database.scoped(Scope.all()) as connection:
        await connection.execute(text("INSERT INTO provider (slug, brand) VALUES ('skynet', 'S'), ('lanet', 'L')"))
    house = House(database, tmp_path)
    yield house
    await house.intake.close()


async def test_a_conversation_is_taken_in_and_its_raw_file_goes(house: House) -> None:
    await house.talked("1.1", 3.0)
    raw = house.sound("1.1", 3.2)
    await house.rounds()
    assert await house.state("1.1") == "stored"
    assert not raw.exists()
    async with house.database.scoped(Scope.only([SKYNET])) as connection:
        [found] = await list_recordings(connection)
        playable = await open_recording(connection, found.id, house.folder)
    assert playable is not None
    assert playable.path == house.folder / "skynet/2026/07/07" / f"{found.id}.opus"
    assert soundfile.info(playable.path).frames == 25600
    assert await house.alarms() == []


async def test_another_provider_sees_no_recording_and_every_listening_leaves_a_trace(house: House) -> None:
    await house.talked("1.1", 1.0)
    house.sound("1.1", 1.0)
    await house.rounds()
    async with house.database.scoped(Scope.all()) as connection:
        [found] = await list_recordings(connection, state="stored")
    async with house.database.scoped(Scope.only([LANET])) as connection:
        assert await list_recordings(connection) == []
        assert await open_recording(connection, found.id, house.folder) is None
    async with house.database.scoped(Scope.only([SKYNET])) as connection:
        playable = await open_recording(connection, found.id, house.folder)
        assert playable is not None
        await log_listening(connection, playable, Listener("anna", "127.0.0.1", user=7), ENDED, "bytes=0-99")
    with pytest.raises(DBAPIError, match="permission denied"):
        async with house.database.scoped(Scope.all()) as connection:
            await connection.execute(text("DELETE FROM listening"))
    async with house.database.scoped(Scope.all()) as connection:
        trace = (await connection.execute(text("SELECT who, user_id, byte_range FROM listening"))).one()
    assert tuple(trace) == ("anna", 7, "bytes=0-99")


async def test_pages_of_recordings_neither_repeat_nor_skip(house: House) -> None:
    for serial in range(1, 8):
        await house.talked(f"1.{serial}", 1.0)
    async with house.database.scoped(Scope.all()) as connection:
        seen: list[UUID] = []
        page = await list_recordings(connection, provider=SKYNET, limit=3)
        while page:
            seen += [one.id for one in page]
            page = await list_recordings(connection, before=(page[-1].expected_at, page[-1].id), limit=3)
    assert len(seen) == len(set(seen)) == 7


async def test_an_answered_call_without_a_recording_raises_an_alarm_once(house: House) -> None:
    await house.talked("1.1", 60.0)
    await house.rounds()
    assert await house.state("1.1") == "expected"
    house.clock.turn(seconds=30)
    await house.rounds()
    assert await house.state("1.1") == "missing Asterisk wrote no file"
    [alarm] = await house.alarms()
    assert (alarm.kind, alarm.subject, alarm.provider, alarm.times) == ("recording_missing", "skynet", SKYNET, 1)
    assert alarm.detail == "call 1.1: Asterisk wrote no file"


async def test_a_call_cut_short_may_have_had_nothing_to_record(house: House) -> None:
    await house.talked("1.1", 0.3, outcome="cut_short")
    house.clock.turn(seconds=30)
    await house.rounds()
    assert await house.state("1.1") == "missing Asterisk wrote no file"
    assert await house.alarms() == []


async def test_a_recording_shorter_than_its_conversation_is_kept_and_shown_as_damaged(house: House) -> None:
    await house.talked("1.1", 8.0)
    house.sound("1.1", 5.0)
    await house.rounds()
    assert await house.state("1.1") == "damaged 5.0 s of 8.0 s were recorded"
    assert [alarm.kind for alarm in await house.alarms()] == ["recording_damaged"]
    async with house.database.scoped(Scope.all()) as connection:
        [found] = await list_recordings(connection)
        assert await open_recording(connection, found.id, house.folder) is not None


async def test_a_file_that_still_grows_is_left_alone(house: House) -> None:
    await house.talked("1.1", 3.0)
    for seconds in (1, 2, 3):
        house.sound("1.1", seconds)
        await house.rounds(1)
        assert await house.state("1.1") == "expected"
    await house.rounds(2)
    assert await house.state("1.1") == "stored"


async def test_a_call_in_progress_is_not_taken_but_one_whose_rows_never_came_is(house: House) -> None:
    await house.talked("1.1", 3.0, settled=False)
    house.sound("1.1", 3.0)
    await house.rounds()
    assert await house.state("1.1") == "expected"
    house.clock.turn(minutes=5)
    await house.rounds()
    assert await house.state("1.1") == "stored"


async def test_a_spool_that_is_not_there_says_nothing_about_its_recordings(house: House) -> None:
    await house.talked("1.1", 3.0)
    house.clock.turn(hours=1)
    house.monitor.parent.rename(house.monitor.parent.parent / "unmounted")
    with pytest.raises(Unavailable, match="is not there"):
        await house.rounds()
    assert await house.state("1.1") == "expected"
    assert [(alarm.kind, alarm.subject) for alarm in await house.alarms()] == [
        ("recordings_unreachable", "recordings spool")
    ]


async def test_a_raw_file_that_cannot_be_read_stops_no_other(house: House) -> None:
    for call in ("1.1", "1.2"):
        await house.talked(call, 3.0)
        house.sound(call, 3.0)
    locked = house.monitor / "1.1.raw"
    locked.chmod(0)
    if os.access(locked, os.R_OK):
        pytest.skip("root reads every file")
    with pytest.raises(Unavailable, match="Permission denied"):
        await house.rounds(5)
    assert (await house.state("1.1"), await house.state("1.2")) == ("expected", "stored")
    locked.chmod(0o600)
    await house.rounds(5)
    assert await house.state("1.1") == "stored"


async def test_a_folder_that_cannot_be_written_to_is_waited_for(house: House) -> None:
    await house.talked("1.1", 3.0)
    raw = house.sound("1.1", 3.0)
    house.folder.write_text("a file stands where the folder should")
    with pytest.raises(Unavailable, match="recordings folder"):
        await house.rounds(5)
    assert raw.exists()
    assert [alarm.subject for alarm in await house.alarms()] == ["recordings folder"]
    house.folder.unlink()
    await house.rounds(5)
    assert await house.state("1.1") == "stored"
    assert await house.alarms() == []


async def test_a_link_in_the_spool_is_refused(house: House, tmp_path: Path) -> None:
    await house.talked("1.1", 3.0)
    house.sound("1.2", 3.0).rename(tmp_path / "secret")
    (house.monitor / "1.1.raw").symlink_to(tmp_path / "secret")
    await house.rounds()
    assert await house.state("1.1") == "damaged not a regular file"
    assert [alarm.kind for alarm in await house.alarms()] == ["recording_damaged"]


async def test_a_file_that_comes_late_is_taken_in_after_all(house: House) -> None:
    await house.talked("1.1", 3.0)
    house.clock.turn(minutes=10)
    await house.rounds()
    assert await house.state("1.1") == "missing Asterisk wrote no file"
    house.sound("1.1", 3.0)
    house.clock.turn(minutes=2)
    await house.rounds(4)
    assert await house.state("1.1") == "stored"


async def test_killed_after_the_commit_the_raw_file_goes_later(house: House) -> None:
    await house.talked("1.1", 3.0)
    kept = house.sound("1.1", 3.0).read_bytes()
    await house.rounds()
    raw = house.sound("1.1", 3.0, age_s=0)
    raw.write_bytes(kept)
    house.sound("1.1", 3.0)
    house.clock.turn(minutes=2)
    await house.rounds(1)
    assert not raw.exists()
    assert await house.state("1.1") == "stored"


async def test_a_stored_file_that_vanished_is_made_again_while_its_raw_one_is_there(house: House) -> None:
    await house.talked("1.1", 3.0)
    house.sound("1.1", 3.0)
    await house.rounds()
    async with house.database.scoped(Scope.all()) as connection:
        [found] = await list_recordings(connection)
        playable = await open_recording(connection, found.id, house.folder)
        assert playable is not None
        playable.path.unlink()
        with pytest.raises(Unavailable, match="is gone"):
            await open_recording(connection, found.id, house.folder)
    house.sound("1.1", 3.0)
    house.clock.turn(minutes=2)
    await house.rounds(4)
    assert playable.path.stat().st_size == playable.bytes


async def test_sound_of_a_call_that_owes_none_is_kept_and_sound_of_no_call_is_reported(house: House) -> None:
    await house.talked("1.1", 0.0, outcome="left_waiting")
    house.sound("1.1", 2.0)
    house.sound("1.9", 2.0)
    house.clock.turn(hours=2)
    await house.rounds(4)
    house.clock.turn(hours=2)
    await house.rounds(1)
    assert await house.state("1.1") == "stored"
    [alarm] = await house.alarms()
    assert (alarm.kind, alarm.subject, alarm.times) == ("recording_orphan", "1.9.raw", 1)
    assert (house.monitor / "1.9.raw").exists()


@pytest.fixture
def small_disk(house: House) -> Iterator[Path]:
    house.folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1200k", "none", house.folder], check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield house.folder
    subprocess.run(["umount", "-l", house.folder], check=True)


async def test_a_full_disk_keeps_the_raw_file_until_there_is_room(house: House, small_disk: Path) -> None:
    await house.talked("1.1", 3.0)
    raw = house.sound("1.1", 3.0)
    (small_disk / "hog").write_bytes(b"\0" * 1_100_000)
    with pytest.raises(Unavailable, match="recordings disk"):
        await house.rounds()
    assert raw.exists()
    assert await house.state("1.1") == "expected"
    assert [alarm.kind for alarm in await house.alarms()] == ["recordings_disk_full"]
    (small_disk / "hog").unlink()
    await house.rounds()
    assert await house.state("1.1") == "stored"
    assert await house.alarms() == []


_TAKE_IN_FOR_EVER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from callcenter.recordings.intake import Intake
from callcenter.store import Database
url, monitor, folder = sys.argv[1:]
asyncio.run(Intake(Database(url), Path(monitor), Path(folder), lambda: datetime.now(UTC), poll_s=0.05).run())
"""


async def test_killed_while_it_encodes_it_starts_over_and_stores_once(house: House, postgres: Embedded) -> None:
    await house.talked("1.1", 240.0)
    house.sound("1.1", 240.0)
    parts = house.folder / ".parts"
    killed = subprocess.Popen([sys.executable, "-c", _TAKE_IN_FOR_EVER, postgres.url, house.monitor, house.folder])
    deadline = time.monotonic() + 20
    while not list(parts.glob("*.part")) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert list(parts.glob("*.part"))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert await house.state("1.1") == "expected"
    await house.rounds()
    assert await house.state("1.1") == "stored"
    assert len(list(house.folder.rglob("*.opus"))) == 1
    assert list(house.monitor.iterdir()) == []
