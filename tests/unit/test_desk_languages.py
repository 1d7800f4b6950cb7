"""Every sentence of the interface exists in both languages, and none is there that nothing says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

import callcenter.desk
from callcenter.callbacks import duty, queue
from callcenter.calls.outcome import CallOutcome, HangupBy
from callcenter.calls.record import SegmentKind
from callcenter.desk.languages import Catalogue, language_asked, load_catalogues
from callcenter.errors import Misconfigured
from callcenter.recordings.store import RecordingState

DESK = Path(callcenter.desk.__file__).parent
ROOT = DESK.parent
KYIV = ZoneInfo("Europe/Kyiv")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WORDS = load_catalogues()
UK, EN = WORDS["uk"], WORDS["en"]

_KEY = re.compile(r"""["']([a-z]+(?:_[a-z]+)*(?:\.[a-z0-9_-]+)+)["']""")
_COMPOSED = re.compile(r"""["']([a-z_]+(?:\.[a-z0-9_]+)*[._])(?:["']\s*[~+]|\{)""")
_RAISED = re.compile(r"""raise_alarm\(\s*\w+,\s*["'](\w+)["']""")


def _families() -> dict[str, Iterable[str]]:
    """Keys that are put together from a word of the code, and the words that code can say."""
    closed = (queue.GOT_THROUGH, queue.CALLED_BACK, queue.CORRECTED, *duty.CLOSE_REASONS)
    return {
        "outcome": [*CallOutcome, "in_progress"],
        "segment": get_args(SegmentKind),
        "hangup": [who for who in get_args(HangupBy) if who],
        "recording": get_args(RecordingState),
        "source": ("journal", "ami", "queue_log"),
        "closed": closed,
        "urgency": list(duty.Urgency),
        "said": [word for word in get_args(duty.Said) if word],
        "act": get_args(duty.ActKind),
        "error": ("400", "401", "403", "404", "405", "409", "413", "415", "416", "429", "500", "502", "503", "other"),
    }


def _sources() -> list[str]:
    code = [file for room in ("diag", "floor", "callbacks") for file in (ROOT / room).rglob("*.py")]
    files = [*DESK.rglob("*.html"), *DESK.rglob("*.py"), *DESK.rglob("*.js"), *code]
    return [file.read_text("utf-8") for file in files if "vendor" not in file.parts]


def _said() -> set[str]:
    """Every key that a template or a line of code of the desk names."""
    return {key for source in _sources() for key in _KEY.findall(source)}


def _beginnings() -> tuple[str, ...]:
    """What keys begin with that are put together: ``"agent.idle." ~ state`` and ``f"agent.idle.{state}"``."""
    return tuple({beginning for source in _sources() for beginning in _COMPOSED.findall(source)})


def test_every_key_that_is_said_is_written() -> None:
    prefixes = {key.partition(".")[0] for key in UK.messages}
    files = {"agent.css", "agent.js", "icon.svg"}
    missing = {
        key
        for key in _said()
        if key.partition(".")[0] in prefixes
        and not UK.knows(key)
        and not key.endswith((".html", ".js", ".css", ".csv"))
    } - files
    assert not missing


def test_every_word_of_the_code_has_its_sentence() -> None:
    for family, words in _families().items():
        for word in words:
            assert UK.knows(f"{family}.{word}"), f"{family}.{word}"


def test_every_alarm_that_is_raised_has_its_sentence() -> None:
    raised = {kind for file in ROOT.rglob("*.py") for kind in _RAISED.findall(file.read_text("utf-8"))}
    assert {kind for kind in raised if not UK.knows(f"alarm.{kind}")} == set()


def test_nothing_is_written_that_is_never_said() -> None:
    said, families = _said(), _families()
    composed = {f"{family}.{word}" for family, words in families.items() for word in words}
    loose = tuple(b for b in _beginnings() if b.rstrip(".") not in families)
    unused = {
        key
        for key in UK.messages
        if key not in said | composed and not key.startswith(("alarm.", *loose)) and not key.endswith("_why")
    }
    assert not unused


def test_both_languages_fill_in_the_same_values() -> None:
    for key in UK.messages:
        ours, theirs = (set(re.findall(r"%\((\w+)\)s", " ".join(c.messages[key]))) for c in (UK, EN))
        assert ours - {"n"} == theirs - {"n"}, key


@pytest.mark.parametrize(
    ("number", "said"), [(1, "1 день"), (2, "2 дні"), (5, "5 днів"), (11, "11 днів"), (21, "21 день"), (104, "104 дні")]
)
def test_ukrainian_counts_in_three_forms(number: int, said: str) -> None:
    assert UK.count("time.days", number) == said


LEFT = [
    (timedelta(minutes=12, seconds=59), "12 хв", "12 min"),
    (timedelta(minutes=-4), "−4 хв", "−4 min"),
    (timedelta(seconds=-20), "−0 хв", "−0 min"),
    (timedelta(hours=2, minutes=5), "2 год 5 хв", "2 h 5 min"),
    (timedelta(days=3), "3 дні", "3 days"),
]


@pytest.mark.parametrize(("span", "uk", "en"), LEFT)
def test_what_is_left_of_a_promise(span: timedelta, uk: str, en: str) -> None:
    assert (UK.left(NOON + span, NOON), EN.left(NOON + span, NOON)) == (uk, en)


def test_a_moment_is_on_the_providers_wall_clock() -> None:
    assert UK.moment(NOON, KYIV, NOON) == "14:00"
    assert UK.moment(NOON - timedelta(days=1), KYIV, NOON) == "21 лист., 14:00"
    assert UK.moment(datetime(2025, 7, 1, 22, 30, tzinfo=UTC), KYIV, NOON) == "02.07.2025 01:30"


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "–"), (0, "0:00"), (48.4, "0:48"), (3730, "1:02:10"), (-1, "0:00")]
)
def test_how_long_something_lasted(seconds: float | None, said: str) -> None:
    assert UK.length(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [("+380671234567", "067 123 45 67"), ("", "без номера"), ("+48221234567", "+48221234567"), ("101", "101"),
     ("+380٦71234567", "+380٦71234567")],
)  # fmt: skip
def test_a_number_is_written_as_people_read_it(number: str, said: str) -> None:
    assert UK.phone(number) == said


def test_money_has_its_sign_and_its_currency() -> None:
    assert UK.money(Decimal("-1035.5"), "UAH") == "−1 035,50 ₴".replace(" ", "\xa0")
    assert UK.money(Decimal("10"), "XYZ") == "10,00\xa0XYZ"


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("en-US,en;q=0.9,uk;q=0.8", "en"),
        ("ru,en;q=0.5", "uk"),
        ("de,uk", "uk"),
        ("", "uk"),
        ("de", "uk"),
        (",;q=", "uk"),
    ],
)
def test_a_browser_is_answered_in_a_language_it_asks_for(asked: str, answered: str) -> None:
    assert language_asked(asked) == answered


def _po(folder: Path, name: str, *messages: tuple[str, str]) -> None:
    body = "".join(f'msgid "{key}"\nmsgstr "{said}"\n\n' for key, said in messages)
    (folder / name).write_text(f'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n{body}', "utf-8")


def test_a_sentence_that_one_language_lacks_stops_the_start(tmp_path: Path) -> None:
    _po(tmp_path, "uk.po", ("a.b", "є"))
    _po(tmp_path, "en.po", ("a.c", "is"))
    with pytest.raises(Misconfigured, match=r"a\.c: not in uk\na\.b: not in en"):
        load_catalogues(tmp_path)
    _po(tmp_path, "en.po", ("a.b", ""))
    with pytest.raises(Misconfigured, match="empty"):
        load_catalogues(tmp_path)


def test_a_per_cent_sign_in_a_sentence_is_a_per_cent_sign() -> None:
    words = Catalogue("uk", {"a.b": ("100% за %(n)s с",)}, lambda n: 0)
    assert words.text("a.b", n="<20>") == "100% за <20> с"
