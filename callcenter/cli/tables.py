"""Lists as a human reads them, or as JSON for a program."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

import click
from pydantic import SecretStr

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")


def show(rows: Sequence[Mapping[str, Any]], as_json: bool, empty: str = "none") -> None:
    """Prints a list with aligned columns, or as a JSON array of objects."""
    if as_json:
        click.echo(json.dumps([dict(row) for row in rows], default=_plain, ensure_ascii=False, indent=2))
        return
    if not rows:
        click.echo(empty, err=True)
        return
    heading = list(rows[0])
    cells = [[_cell(row[name]) for name in heading] for row in rows]
    widths = [max(_width(row[i]) for row in [heading, *cells]) for i in range(len(heading))]
    for line in [[name.upper() for name in heading], *cells]:
        click.echo("  ".join(_pad(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show_json(value: Mapping[str, Any]) -> None:
    """Prints one JSON object."""
    click.echo(json.dumps(dict(value), default=_plain, ensure_ascii=False, indent=2))


def show_one(row: Mapping[str, Any], as_json: bool) -> None:
    """Prints one thing, a property a line."""
    if as_json:
        click.echo(json.dumps(dict(row), default=_plain, ensure_ascii=False, indent=2))
        return
    width = max(len(name) for name in row)
    for name, value in row.items():
        click.echo(f"{name.ljust(width)}  {_cell(value)}".rstrip())


def as_row(value: Any) -> dict[str, Any]:
    """A frozen dataclass as a row."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} is no dataclass")


def _cell(value: Any) -> str:
    """One line without characters that a terminal would obey: names come from callers and from billing."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S%z}"
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_cell(each)}" for key, each in value.items()) or "-"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(_cell(each) for each in value) or "-"
    return "".join(c if c.isprintable() else "?" for c in str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return "***"
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
