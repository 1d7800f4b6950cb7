"""What no driver may ever ask for: columns that hold subscribers' passwords, by GET or by a walk that meets them."""

from __future__ import annotations

import pytest

from callcenter.diag.driver import OltDriver, SnmpWrite
from callcenter.diag.drivers import DRIVERS
from callcenter.diag.values import Oid

SECRET: dict[str, Oid] = {
    "C-Data FD16, WAN user and password": (1, 3, 6, 1, 4, 1, 17409, 2, 8, 4, 3, 1),
    "C-Data, password of an ONU that waits": (1, 3, 6, 1, 4, 1, 17409, 2, 8, 4, 7, 1, 4),
    "Huawei, password of an ONT": (1, 3, 6, 1, 4, 1, 2011, 6, 128, 1, 1, 2, 43, 1, 4),
    "ZTE, password of an ONU that waits": (1, 3, 6, 1, 4, 1, 3902, 1012, 3, 13, 3, 1, 5),
}


def variants() -> list[OltDriver]:
    """Every driver with every one of its options."""
    found = list(DRIVERS.values())
    for driver in DRIVERS.values():
        for name, option in driver.options.items():
            found += [driver.set_up({name: choice}) for choice in option.choices or (option.default,)]
        found += [driver.set_up(dict(badge)) for badge in driver.badges]
    return found


def asked(driver: OltDriver) -> set[Oid]:
    """Every subtree it asks, walks or writes, and every one its fingerprint looks at."""
    columns = {column for part in (*driver.reads, *driver.details) for column in part.columns.values()}
    columns |= set(driver.listing.columns.values()) | set(driver.signs.roots)
    return columns | {write.column for write in driver.writes.values() if isinstance(write, SnmpWrite)}


@pytest.mark.parametrize("secret", SECRET.values(), ids=SECRET.keys())
def test_no_driver_reads_subscribers_passwords(secret: Oid) -> None:
    """Neither the column nor anything under it, and no walk of a table that holds it."""
    for driver in variants():
        columns = {column for part in (*driver.reads, *driver.details) for column in part.columns.values()}
        walked = columns | set(driver.listing.columns.values())
        for column in asked(driver):
            assert column[: len(secret)] != secret, (driver.name, column)
        for column in walked:
            assert secret[: len(column)] != column, (driver.name, column)
