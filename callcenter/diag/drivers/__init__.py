"""One file a device family. A file here that exports ``DRIVER`` is found by itself; nothing else lists it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from callcenter.diag.driver import OltDriver


def _found() -> dict[str, OltDriver]:
    drivers: dict[str, OltDriver] = {}
    for module in pkgutil.iter_modules(__path__):
        driver = importlib.import_module(f"{__name__}.{module.name}").DRIVER
        if not isinstance(driver, OltDriver) or driver.name != module.name:
            raise TypeError(f"{module.name} must export DRIVER, an OltDriver named {module.name!r}")
        drivers[driver.name] = driver
    return drivers


DRIVERS: Mapping[str, OltDriver] = MappingProxyType(_found())
