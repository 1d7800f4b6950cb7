"""Simulated command lines, one file a family. A file here that exports ``SCRIPT`` is found by itself."""

from __future__ import annotations

import importlib
import pkgutil

from lab.clis.script import Script

SCRIPTS: dict[str, Script] = {}
for _module in pkgutil.iter_modules(__path__):
    _script = getattr(importlib.import_module(f"{__name__}.{_module.name}"), "SCRIPT", None)
    if isinstance(_script, Script):
        SCRIPTS[_script.name] = _script
