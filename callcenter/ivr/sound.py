"""Sound as a telephone carries it: 8,000 Hz, one channel, 16 bit, at an even loudness."""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import soundfile

from callcenter.errors import Misconfigured

RATE = 8000
"""Samples per second of a telephone."""
LOUDNESS = 0.1
"""Root mean square of the voiced parts, full scale is 1: some -20 dBFS, as a telephone speaks."""
PEAK = 0.7
_SILENCE = 0.01
_MARGIN_S = 0.08
_TAPS = 32

Samples: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float64]]"
"""Mono, full scale is 1."""


def read(path: Path) -> tuple[Samples, int]:
    """Any recording a studio delivers, as ``decode``; raises ``Misconfigured`` naming the file."""
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as exc:
        raise Misconfigured(f"{path}: cannot be read: {exc}") from exc


def decode(recording: bytes, name: str) -> tuple[Samples, int]:
    """WAV, FLAC, Ogg or MP3, mixed to mono, and its rate in Hz.

    Raises ``Misconfigured`` with the name when it is no recording or an empty one.
    """
    try:
        samples, rate = soundfile.read(io.BytesIO(recording), dtype="float64", always_2d=True)
    except (RuntimeError, ValueError) as exc:
        raise Misconfigured(f"{name}: not a recording that can be read: {exc}") from exc
    if not len(samples):
        raise Misconfigured(f"{name}: the recording is empty")
    return np.asarray(samples.mean(axis=1), dtype=np.float64), int(rate)


def telephone(samples: Samples, rate: int) -> Samples:
    """The same speech for a telephone: resampled, without the silence around it, evenly loud."""
    return level(trim(resample(samples, rate)))


def resample(samples: Samples, rate: int) -> Samples:
    """Windowed-sinc resampling to ``RATE``; what a telephone cannot carry is cut off, not folded back."""
    if rate == RATE:
        return samples
    cutoff = min(1.0, RATE / rate)
    reach = int(np.ceil(_TAPS / cutoff))
    padded = np.concatenate([np.zeros(reach), samples, np.zeros(reach + 1)])
    count = max(1, int(len(samples) * RATE / rate))
    offsets = np.arange(-reach + 1, reach + 1)
    kernels, step, phases = _kernels(rate, reach, cutoff)
    result = np.empty(count)
    for start in range(0, count, 4096):
        wanted = np.arange(start, min(start + 4096, count)) * step
        around = padded[(wanted // phases)[:, None] + offsets[None, :] + reach]
        result[start : start + len(wanted)] = np.einsum("ij,ij->i", around, kernels[wanted % phases])
    return result


def _kernels(
    rate: int, reach: int, cutoff: float
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], int, int]:
    """The filter for each place a sample can have between two of the source; ``step / phases`` a sample is the way."""
    common = math.gcd(rate, RATE)
    step, phases = rate // common, RATE // common
    distance = np.arange(-reach + 1, reach + 1)[None, :] - (np.arange(phases) / phases)[:, None]
    window = np.cos(np.clip(distance / reach, -1, 1) * np.pi / 2) ** 2
    return np.sinc(distance * cutoff) * cutoff * window, step, phases


def trim(samples: Samples) -> Samples:
    """Without the silence before and after, but for a breath of 80 ms."""
    loud = np.flatnonzero(np.abs(samples) > _SILENCE * max(1e-9, float(np.abs(samples).max())) * 5)
    if not len(loud):
        return samples
    margin = int(_MARGIN_S * RATE)
    return samples[max(0, int(loud[0]) - margin) : int(loud[-1]) + 1 + margin]


def level(samples: Samples) -> Samples:
    """Evenly loud: the voiced parts at ``LOUDNESS``, no peak above ``PEAK``."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        return samples
    voiced = samples[np.abs(samples) > peak * _SILENCE]
    rms = float(np.sqrt(np.mean(np.square(voiced))))
    return samples * min(LOUDNESS / rms, PEAK / peak)


def one_after_another(songs: Sequence[Samples], seconds: int, words: Samples) -> Samples:
    """So many seconds of these songs, over and over, softly ended; then the words, with a breath around them."""
    music = np.concatenate(songs) if songs else np.zeros(RATE)
    length = seconds * RATE
    heard = np.resize(music, length)
    fade = min(RATE, length)
    heard[-fade:] = heard[-fade:] * np.linspace(1, 0, fade)
    breath = np.zeros(RATE // 2)
    return np.concatenate([heard, breath, words, breath])


def bell() -> Samples:
    """A short tone of two notes, before what is said into an agent's ear."""
    note = np.arange(int(0.12 * RATE)) / RATE
    swell = np.minimum(1, np.minimum(note, note[::-1]) / 0.01)
    return np.concatenate([LOUDNESS * swell * np.sin(2 * np.pi * hertz * note) for hertz in (660.0, 880.0)])


def write(path: Path, samples: Samples) -> None:
    """Writes a WAV that Asterisk plays as it is; a call that is playing the old one hears it to its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with wave.open(str(fresh), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    fresh.replace(path)


def quiet_music() -> Samples:
    """Half a minute of soft chords for those who wait: ours, so that nobody is owed for it."""
    chords = ((220.0, 277.18, 329.63), (246.94, 293.66, 369.99), (196.0, 246.94, 293.66), (220.0, 261.63, 329.63))
    bar = np.arange(int(1.9 * RATE)) / RATE
    bars = []
    for number in range(16):
        notes = chords[number % 4]
        tone = np.zeros(len(bar))
        for place, note in enumerate(notes):
            late = np.clip(bar - 0.22 * place, 0, None)
            swell = np.minimum(late / 0.06, 1) * np.exp(-late * 1.4)
            tone += swell * (np.sin(2 * np.pi * note * late) + 0.3 * np.sin(4 * np.pi * note * late))
        bars.append(tone * np.minimum(1, (bar[-1] - bar) / 0.05))
    song = np.concatenate(bars)
    return song / float(np.abs(song).max()) * 0.12
