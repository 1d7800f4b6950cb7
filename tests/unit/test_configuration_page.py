"""The configuration reference is made from the settings and is what they are now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from callcenter.config import Settings

ROOT = Path(__file__).parents[2]


def test_the_reference_is_up_to_date() -> None:
    told = subprocess.run(
        [sys.executable, "scripts/configuration.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr


def test_the_reference_names_every_section() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    sections = {name for name, found in Settings.model_fields.items() if hasattr(found.annotation, "model_fields")}
    assert sections
    assert all(f"## `[{name}]`" in page for name in sections)
