"""What callers hear is made once, in both languages, and a studio's recording wins."""

from __future__ import annotations

import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from callcenter.errors import Misconfigured
from callcenter.ivr import sound
from callcenter.ivr.prompts import SENTENCES, Prompt, espeak, make_music, make_prompts, sentence
from callcenter.words import LANGUAGES, Language
from tests.pbx_house import a_book

PROVIDERS = a_book().providers


def beep(text: str, language: Language) -> tuple[sound.Samples, int]:
    """A voice for tests: as long as the sentence, at a rate of its own."""
    time = np.arange(len(text) * 400) / 22050
    return np.asarray(np.sin(2 * np.pi * (440 if language == "uk" else 660) * time)), 22050


def mute(text: str, language: Language) -> tuple[sound.Samples, int]:
    raise Misconfigured(f"no voice for {language}")


def test_every_prompt_has_its_words_in_both_languages_and_the_greeting_names_the_brand() -> None:
    assert set(SENTENCES) == {(prompt, language) for prompt in Prompt for language in LANGUAGES}
    for language in LANGUAGES:
        assert "Ніч-Нет" in sentence(Prompt.GREETING, language, "Ніч-Нет")


def test_prompts_are_made_for_every_provider_in_telephone_sound(tmp_path: Path) -> None:
    made = make_prompts(PROVIDERS, tmp_path, speak=beep)
    assert len(made) == 2 * 2 * len(Prompt)
    for each in made:
        with wave.open(str(each.path)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
            assert file.getnframes() > 0
    assert (tmp_path / "volia/uk/greeting.wav").is_file()
    assert not list(tmp_path.rglob("*.new"))


def test_the_same_words_are_not_spoken_twice_and_a_new_brand_is(tmp_path: Path) -> None:
    make_prompts(PROVIDERS, tmp_path, speak=beep)
    assert not any(each.fresh for each in make_prompts(PROVIDERS, tmp_path, speak=mute))
    renamed = [type(p)(**{**{f: getattr(p, f) for f in p.__slots__}, "brand": p.brand + "2"}) for p in PROVIDERS]
    fresh = [each.path.stem for each in make_prompts(renamed, tmp_path, speak=beep) if each.fresh]
    assert set(fresh) == {"greeting", "closed", "whisper"}


def test_a_studio_recording_of_any_rate_replaces_the_spoken_prompt(tmp_path: Path) -> None:
    studio = tmp_path / "studio/volia/uk"
    studio.mkdir(parents=True)
    time = np.arange(44100 * 2) / 44100
    stereo = np.stack([np.sin(2 * np.pi * 1000 * time), np.zeros(len(time))], axis=1) * 0.1
    soundfile.write(studio / "greeting.flac", stereo, 44100)
    made = make_prompts(PROVIDERS, tmp_path / "sounds", tmp_path / "studio", speak=beep)
    voices = {each.path.relative_to(tmp_path / "sounds").as_posix(): each.voice for each in made}
    assert [path for path, voice in voices.items() if voice == "studio"] == ["volia/uk/greeting.wav"]
    heard, rate = sound.read(tmp_path / "sounds/volia/uk/greeting.wav")
    assert rate == 8000
    assert len(heard) == pytest.approx(16000, abs=200)
    tones = np.abs(np.fft.rfft(heard))
    assert np.fft.rfftfreq(len(heard), 1 / 8000)[tones.argmax()] == pytest.approx(1000, abs=2)
    assert np.abs(heard).max() > 0.1  # brought to the loudness of the others


def test_every_prompt_that_cannot_be_made_is_named_and_the_others_are_made(tmp_path: Path) -> None:
    studio = tmp_path / "studio/volia/uk"
    studio.mkdir(parents=True)
    (studio / "closed.wav").write_bytes(b"no sound at all")
    (studio / "nobody.wav").write_bytes(b"x")
    (studio / "nobody.flac").write_bytes(b"x")
    with pytest.raises(Misconfigured) as caught:
        make_prompts(PROVIDERS, tmp_path / "sounds", tmp_path / "studio", speak=beep)
    assert str(caught.value).count("\n") == 1
    assert "prompt closed of volia (uk)" in str(caught.value)
    assert "which of them is the prompt" in str(caught.value)
    assert (tmp_path / "sounds/volia/uk/greeting.wav").is_file()


def test_without_a_voice_and_a_studio_the_prompt_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"prompt greeting of volia \(uk\): no voice"):
        make_prompts(PROVIDERS[:1], tmp_path, speak=mute)


def test_resampling_keeps_a_tone_and_cuts_off_what_a_telephone_cannot_carry() -> None:
    time = np.arange(44100) / 44100
    both = np.sin(2 * np.pi * 1000 * time) + np.sin(2 * np.pi * 6000 * time)
    heard = sound.resample(both, 44100)
    assert len(heard) == 8000
    tones, hertz = np.abs(np.fft.rfft(heard[400:7600])), np.fft.rfftfreq(7200, 1 / 8000)
    folded = tones[np.abs(hertz - 2000) < 50].max()
    assert 20 * np.log10(folded / tones.max()) < -60


def test_silence_around_the_words_is_cut_and_pure_silence_does_no_harm() -> None:
    speech = np.concatenate([np.zeros(8000), np.full(800, 0.5), np.zeros(8000)])
    assert len(sound.telephone(speech, 8000)) == 800 + 2 * 640
    assert not sound.telephone(np.zeros(100), 8000).any()


def test_music_is_ours_until_the_studio_brings_some(tmp_path: Path) -> None:
    assert [file.name for file in make_music(tmp_path / "music")] == ["quiet.wav"]
    theirs = tmp_path / "studio/music"
    theirs.mkdir(parents=True)
    soundfile.write(theirs / "song.ogg", np.sin(np.arange(16000) / 5) * 0.3, 16000)
    assert [file.name for file in make_music(tmp_path / "music", tmp_path / "studio")] == ["song.wav"]
    assert [file.name for file in make_music(tmp_path / "music")] == ["quiet.wav"]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_espeak_speaks_ukrainian_and_english_briefly() -> None:
    for language in LANGUAGES:
        words, rate = espeak(sentence(Prompt.GREETING, language, "Воля"), language)
        notice, _ = espeak(sentence(Prompt.RECORDED, language, "Воля"), language)
        length = len(sound.telephone(words, rate)) + len(sound.telephone(notice, rate))
        assert 1.5 < length / sound.RATE < 4.5
