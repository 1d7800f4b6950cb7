"""What callers hear: one file per provider, language and prompt. A studio's recording replaces the spoken one.

The sentences are here, in both languages; where the files lie is the dialplan's business and is handed in.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

import numpy as np

from callcenter.errors import Misconfigured
from callcenter.ivr import sound
from callcenter.routing.book import Provider
from callcenter.words import LANGUAGES, Language

STUDIO_FORMATS = (".wav", ".flac", ".ogg", ".mp3")
_RECIPE = "1"
"""Changed when the same words would be made into another sound."""


class Prompt(StrEnum):
    """What is said to a caller; the value is the file's name."""

    GREETING = "greeting"
    RECORDED = "recorded"
    CLOSED = "closed"
    NOBODY = "nobody"
    KEEP_PLACE = "keep-place"
    PLACE_KEPT = "place-kept"
    WHISPER = "whisper"
    """For the agent's ear alone, when their phone has answered by itself."""


SENTENCES: Mapping[tuple[Prompt, Language], str] = {
    (Prompt.GREETING, "uk"): "Вітаємо! Ви зателефонували до компанії {brand}.",
    (Prompt.GREETING, "en"): "Welcome to {brand}.",
    (Prompt.RECORDED, "uk"): "Розмова записується.",
    (Prompt.RECORDED, "en"): "This call is recorded.",
    (Prompt.CLOSED, "uk"): (
        "Ви зателефонували до компанії {brand}. Зараз ми не працюємо. "
        "Ваш дзвінок збережено, і ми зателефонуємо вам у робочий час."
    ),
    (Prompt.CLOSED, "en"): (
        "You have reached {brand}. We are closed now. Your call is noted, and we will call you back in working hours."
    ),
    (Prompt.NOBODY, "uk"): (
        "На жаль, зараз усі оператори зайняті. Ваш дзвінок збережено, і ми вам зателефонуємо. Дякуємо!"
    ),
    (Prompt.NOBODY, "en"): (
        "Unfortunately all our agents are busy. Your call is noted, and we will call you back. Thank you."
    ),
    (Prompt.KEEP_PLACE, "uk"): (
        "Щоб не чекати на лінії, натисніть один. Ваше місце в черзі збережеться, і ми вам зателефонуємо."
    ),
    (Prompt.KEEP_PLACE, "en"): (
        "If you would rather not wait on the line, press one. You keep your place, and we will call you back."
    ),
    (Prompt.WHISPER, "uk"): "{brand}.",
    (Prompt.WHISPER, "en"): "{brand}.",
    (Prompt.PLACE_KEPT, "uk"): "Ваше місце в черзі збережено. Ми зателефонуємо вам, коли настане ваша черга.",
    (Prompt.PLACE_KEPT, "en"): "Your place in the queue is kept. We will call you when it is your turn.",
}


def sentence(prompt: Prompt, language: Language, brand: str) -> str:
    """A caller hears the brand of their own provider, never ours."""
    return SENTENCES[prompt, language].format(brand=brand)


Speak = Callable[[str, Language], tuple[sound.Samples, int]]
"""Turns a sentence into sound and its rate in Hz; raises ``Misconfigured`` when it cannot."""


@dataclass(frozen=True, slots=True)
class MadePrompt:
    """One file that callers hear, and whether a studio or a machine speaks it."""

    path: Path
    voice: Literal["studio", "spoken"]
    fresh: bool
    """False when the file was there already, made of the same words."""


def make_prompts(
    providers: Iterable[Provider], folder: Path, studio: Path | None = None, speak: Speak | None = None
) -> list[MadePrompt]:
    """Makes ``<folder>/<slug>/<language>/<prompt>.wav`` for every provider, in both languages.

    A recording at ``<studio>/<slug>/<language>/<prompt>`` (WAV, FLAC, Ogg or MP3, any rate) replaces the spoken one.
    Raises ``Misconfigured`` with every prompt that could not be made; the others are made all the same.
    """
    voice = speak or espeak
    made: list[MadePrompt] = []
    trouble: list[str] = []
    for provider in providers:
        for language in LANGUAGES:
            for prompt in Prompt:
                path = folder / provider.slug / language / f"{prompt}.wav"
                try:
                    recorded = _studio_file(studio, provider.slug, language, prompt)
                    words = sentence(prompt, language, provider.brand)
                    made.append(
                        _make(
                            path, recorded, words, language, _after_bell(voice) if prompt is Prompt.WHISPER else voice
                        )
                    )
                except Misconfigured as exc:
                    trouble.append(f"prompt {prompt} of {provider.slug} ({language}): {exc}")
    if trouble:
        raise Misconfigured("\n".join(trouble))
    return made


def _after_bell(speak: Speak) -> Speak:
    def both(text: str, language: Language) -> tuple[sound.Samples, int]:
        spoken, rate = speak(text, language)
        return np.concatenate([sound.bell(), sound.telephone(spoken, rate)]), sound.RATE

    return both


def make_music(folder: Path, studio: Path | None = None) -> list[Path]:
    """Fills the folder of music on hold: what lies in ``<studio>/music``, else quiet chords of our own."""
    folder.mkdir(parents=True, exist_ok=True)
    theirs = sorted((studio / "music").glob("*")) if studio is not None else []
    wanted = {f"{file.stem}.wav": file for file in theirs if file.suffix.lower() in STUDIO_FORMATS}
    kept = set(wanted) or {"quiet.wav"}
    for old in folder.glob("*.wav"):
        if old.name not in kept:
            old.unlink()
    for name, file in wanted.items():
        samples, rate = sound.read(file)
        sound.write(folder / name, sound.level(sound.resample(samples, rate)))
    if not wanted and not (folder / "quiet.wav").exists():
        sound.write(folder / "quiet.wav", sound.quiet_music())
    return sorted(folder.glob("*.wav"))


def make_waiting(queues: Iterable[tuple[str, Path, int]], music: Path) -> list[Path]:
    """Fills each queue's own folder of music on hold: so many seconds of music, then that one may keep one's place.

    A queue is its name, the sound file that says so, and the seconds. It is part of the music on purpose: what a queue
    itself announces keeps a caller from a free agent for as long as it speaks.
    """
    made = []
    for name, said, every_s in queues:
        songs = [sound.resample(*sound.read(song)) for song in sorted(music.glob("*.wav"))]
        words, rate = sound.read(said)
        path = music / name / "waiting.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        sound.write(path, sound.one_after_another(songs, every_s, sound.resample(words, rate)))
        made.append(path)
    return made


def espeak(text: str, language: Language) -> tuple[sound.Samples, int]:
    """Speaks with espeak-ng: understandable, not beautiful; for the lab and until the studio delivers."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise Misconfigured("neither a studio recording nor the program espeak-ng to speak it is there")
    voice = {"uk": "uk", "en": "en-gb"}[language]
    try:
        done = subprocess.run(
            [program, "-v", voice, "-s", "155", "--stdin", "--stdout"],
            input=text.encode(),
            capture_output=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise Misconfigured(f"espeak-ng could not speak it: {exc}") from exc
    return sound.decode(done.stdout, "what espeak-ng said")


def _make(path: Path, recorded: Path | None, text: str, language: Language, speak: Speak) -> MadePrompt:
    source = recorded.read_bytes() if recorded is not None else f"{language}\0{text}".encode()
    key = hashlib.sha256(_RECIPE.encode() + source).hexdigest()
    mark = path.with_name(f".{path.stem}.made")
    voice: Literal["studio", "spoken"] = "spoken" if recorded is None else "studio"
    if path.exists() and mark.exists() and mark.read_text("utf-8") == key:
        return MadePrompt(path, voice, fresh=False)
    samples, rate = speak(text, language) if recorded is None else sound.read(recorded)
    sound.write(path, sound.telephone(samples, rate))
    mark.write_text(key, "utf-8")
    return MadePrompt(path, voice, fresh=True)


def _studio_file(studio: Path | None, slug: str, language: Language, prompt: Prompt) -> Path | None:
    if studio is None:
        return None
    files = [studio / slug / language / f"{prompt}{suffix}" for suffix in STUDIO_FORMATS]
    found = [file for file in files if file.is_file()]
    if len(found) > 1:
        raise Misconfigured(f"{', '.join(map(str, found))}: which of them is the prompt?")
    return found[0] if found else None
