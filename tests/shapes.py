"""Readings as plain JSON, with what is not known left out: as the expected files of tapes are written."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any


def known(value: Any) -> Any:
    """Only what is known: ``None``, empty texts and ports that nobody listed go; ``macs`` and ``log`` may be empty."""
    if is_dataclass(value):
        told = {each.name: known(getattr(value, each.name)) for each in fields(value)}
        return {
            name: each
            for name, each in told.items()
            if each is not None and each != "" and (name, each) != ("unis", [])
        }
    if isinstance(value, tuple | list):
        return [known(each) for each in value]
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value.value if isinstance(value, Enum) else value
