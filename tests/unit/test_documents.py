"""What the documents tell an operator to write is what the program reads, and what it says is explained there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from callcenter.calls.outcome import CallOutcome
from callcenter.config import load
from callcenter.routing.entries import HouseFile
from callcenter.subscribers.rows import COLUMNS, read_sheet
from callcenter.words import DeviceId

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


def examples(language: str) -> list[str]:
    """The README's blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_the_settings_of_the_readme_are_settings(tmp_path: Path) -> None:
    settings, _ = examples("toml")
    (secrets,) = examples("sh")
    (tmp_path / "callcenter.toml").write_text(settings, "utf-8")
    environment = dict(line.split("=", 1) for line in secrets.splitlines())
    assert load(tmp_path / "callcenter.toml", environment).web.trust_forwarded


def test_the_house_of_the_readme_is_a_house() -> None:
    _, written = examples("toml")
    house = HouseFile.model_validate(tomllib.loads(written))
    (provider,) = house.provider
    members = {member.extension for queue in provider.queue for member in queue.agents}
    assert members == {agent.extension for agent in house.agent}


def test_the_subscribers_of_the_readme_can_be_taken_in() -> None:
    (written,) = examples("csv")
    sheet = read_sheet(written, {"olt-sadova": DeviceId(1)})
    assert sheet.mistakes == ()
    assert [row.phones for row in sheet.rows] == [("+380671234567", "+380442000100"), ("+380501112233",)]
    assert all(f"`{name}`" in README for name in COLUMNS)


def alarm_kinds() -> Iterator[str]:
    """Every kind of alarm that some part raises: beside ``raise_alarm`` or ``_alarm``, or in ``ALARMS``."""
    for source in (ROOT / "callcenter").rglob("*.py"):
        code = source.read_text("utf-8")
        yield from re.findall(r"_alarm\(\s*connection,\s*\"([a-z_]+)\"", code)
        for table in re.findall(r"^ALARMS = \{(.*?)\}", code, re.MULTILINE):
            yield from re.findall(r"\"([a-z_]+)\"", table)


def test_every_alarm_is_explained() -> None:
    kinds = set(alarm_kinds())
    assert {"journal_gap", "recording_missing", "recordings_disk_full"} <= kinds
    assert {kind for kind in kinds if f"| `{kind}` |" not in OPERATIONS} == set()


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = []
    for page in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_the_glossary_has_every_outcome() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    assert {outcome.value for outcome in CallOutcome if f"`{outcome}`" not in glossary} == set()
