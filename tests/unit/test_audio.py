"""What MixMonitor wrote is what is heard: the caller left, the agent right, to the frame."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import soundfile
from numpy.typing import NDArray

from callcenter.errors import Refused
from callcenter.recordings.audio import RATE, encode
from callcenter.recordings.encoder import Encoder
from callcenter.recordings.intake import verdict
from callcenter.recordings.spool import Spool


def tone(hertz: float, seconds: float) -> NDArray[numpy.int16]:
    return (numpy.sin(2 * numpy.pi * hertz * numpy.arange(int(RATE * seconds)) / RATE) * 9000).astype("<i2")


def loudest(samples: NDArray[numpy.int16]) -> float:
    """The strongest frequency, in hertz."""
    spectrum = numpy.abs(numpy.fft.rfft(samples))
    return float(numpy.argmax(spectrum) * RATE / len(samples))


def hear(path: Path) -> tuple[int, float, float]:
    sound, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert rate == RATE
    return len(sound), loudest(sound[:, 0]), loudest(sound[:, 1])


def test_the_caller_is_left_and_the_agent_right(tmp_path: Path) -> None:
    raw = tmp_path / "1700000000.1.raw"
    numpy.stack([tone(440, 3.3), tone(1000, 3.3)], axis=1).tofile(raw)
    encoded = encode([raw], tmp_path / "a" / "b.opus", tmp_path / "parts")
    frames, left, right = hear(tmp_path / "a" / "b.opus")
    assert (frames, encoded.seconds) == (26400, 3.3)
    assert left == pytest.approx(440, abs=2)
    assert right == pytest.approx(1000, abs=2)
    assert encoded.bytes == (tmp_path / "a" / "b.opus").stat().st_size
    assert list((tmp_path / "parts").iterdir()) == []


def test_two_mono_files_of_an_older_asterisk_are_one_recording(tmp_path: Path) -> None:
    caller, agent = tmp_path / "1.1-caller.raw", tmp_path / "1.1-agent.raw"
    tone(440, 2.5).tofile(caller)
    tone(1000, 2.0).tofile(agent)
    encoded = encode([caller, agent], tmp_path / "b.opus", tmp_path / "parts")
    frames, left, right = hear(tmp_path / "b.opus")
    assert (frames, encoded.seconds) == (20000, 2.5)
    assert left == pytest.approx(440, abs=2)
    assert right == pytest.approx(1000, abs=2)


def test_half_a_frame_at_the_end_of_a_killed_asterisk_is_dropped(tmp_path: Path) -> None:
    raw = tmp_path / "1.1.raw"
    raw.write_bytes(numpy.stack([tone(440, 1), tone(440, 1)], axis=1).tobytes() + b"\x01\x02\x03")
    assert encode([raw], tmp_path / "b.opus", tmp_path / "parts").seconds == 1.0


def test_a_link_in_the_spool_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\0" * 64000)
    (tmp_path / "1.1.raw").symlink_to(tmp_path / "secret")
    with pytest.raises(Refused, match="symbolic links"):
        encode([tmp_path / "1.1.raw"], tmp_path / "b.opus", tmp_path / "parts")
    found = Spool(tmp_path).find("1.1")
    assert found is not None
    assert not found.regular


@pytest.mark.parametrize("name", ["../1.1", "1.1/../../etc", "1.1\n", "1.1.raw", "", "١.١", "a b-1.1", "1.1\x00"])
def test_only_a_uniqueid_names_a_file(tmp_path: Path, name: str) -> None:
    assert Spool(tmp_path).find(name) is None


def test_the_spool_shows_each_call_once(tmp_path: Path) -> None:
    monitor = tmp_path / "monitor"
    assert Spool(monitor).all() == []
    monitor.mkdir()
    for name in ("pbx1-1700000000.1.raw", "1700000000.2-caller.raw", "1700000000.2-agent.raw", "notes.txt"):
        (monitor / name).write_bytes(b"1234")
    found = {raw.call: (len(raw.paths), raw.bytes) for raw in Spool(monitor).all()}
    assert found == {"pbx1-1700000000.1": (1, 4), "1700000000.2": (2, 8)}


async def test_the_encoder_lives_on_after_a_bad_file(tmp_path: Path) -> None:
    good, empty = tmp_path / "1.1.raw", tmp_path / "1.2.raw"
    numpy.stack([tone(440, 1), tone(0, 1)], axis=1).tofile(good)
    empty.touch()
    encoder = Encoder()
    try:
        with pytest.raises(Refused, match="empty"):
            await encoder.encode([empty], tmp_path / "2.opus", tmp_path / "parts")
        encoded = await encoder.encode([good], tmp_path / "1.opus", tmp_path / "parts")
        assert encoded.seconds == 1.0
        assert verdict(encoded, 1.0) == ("stored", "nothing is heard of the agent")
        assert verdict(encoded, 3.1) == ("damaged", "1.0 s of 3.1 s were recorded; nothing is heard of the agent")
    finally:
        await encoder.close()


async def test_a_file_the_encoder_hangs_over_is_refused_and_the_next_is_not(tmp_path: Path) -> None:
    long, short = tmp_path / "1.1.raw", tmp_path / "1.2.raw"
    numpy.zeros((RATE * 600, 2), dtype="<i2").tofile(long)
    numpy.stack([tone(440, 1), tone(440, 1)], axis=1).tofile(short)
    hasty, patient = Encoder(limit_s=0.05), Encoder()
    try:
        with pytest.raises(Refused, match=r"hung for 0\.05 s"):
            await hasty.encode([long], tmp_path / "1.opus", tmp_path / "parts")
        assert (await patient.encode([short], tmp_path / "2.opus", tmp_path / "parts")).seconds == 1.0
    finally:
        await hasty.close()
        await patient.close()
