"""One file a device family. A file here that exports ``DRIVER`` is found by itself; nothing else lists it.

What two families of one maker share stands in a file that begins with ``_``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from callcenter.diag.driver import OltDriver
from callcenter.diag.switch import SwitchDriver


def _found() -> dict[str, OltDriver | SwitchDriver]:
    drivers: dict[str, OltDriver | SwitchDriver] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        driver = importlib.import_module(f"{__name__}.{module.name}").DRIVER
        if not isinstance(driver, OltDriver | SwitchDriver) or driver.name != module.name:
            raise TypeError(f"{module.name} must export DRIVER, an OltDriver or a SwitchDriver named {module.name!r}")
        drivers[driver.name] = driver
    return drivers


ALL: Mapping[str, OltDriver | SwitchDriver] = MappingProxyType(_found())
DRIVERS: Mapping[str, OltDriver] = MappingProxyType({n: d for n, d in ALL.items() if isinstance(d, OltDriver)})
SWITCHES: Mapping[str, SwitchDriver] = MappingProxyType({n: d for n, d in ALL.items() if isinstance(d, SwitchDriver)})


def driver_of(name: str, options: Iterable[tuple[str, str]] = ()) -> OltDriver:
    """The driver of an OLT with that device's options; raises ``KeyError`` when it is no OLT that we know."""
    return DRIVERS[name].set_up(dict(options))
