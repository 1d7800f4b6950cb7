"""Which Chromium the tests drive, and how quiet it is kept."""

from __future__ import annotations

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--no-first-run")  # fmt: skip


def chromium_path() -> str | None:
    """The machine's own; ``None`` for the one that Playwright brought."""
    return next(filter(None, map(shutil.which, NAMES)), None)
