"""The families of simulated OLTs: a file here that exports ``FAMILY`` is found by itself."""

from __future__ import annotations

import importlib
import pkgutil

from lab.mibs.family import Family

FAMILIES: dict[str, Family] = {
    module.name: importlib.import_module(f"{__name__}.{module.name}").FAMILY
    for module in pkgutil.iter_modules(__path__)
    if module.name != "family"
}
