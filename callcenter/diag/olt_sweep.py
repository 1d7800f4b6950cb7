"""All ONUs of one OLT, read by walking its columns; or some of them, by GET. The driver decodes both.

Nothing here holds the event loop for longer than a slice of ONUs takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from callcenter.diag.columns import Kept, narrowed, placed, questions
from callcenter.diag.driver import OltDriver, Place, Rows
from callcenter.diag.reading import OnuReading, OnuState
from callcenter.diag.snmp import Nonsense, Snmp, SnmpTarget
from callcenter.diag.values import Oid
from callcenter.words import OnuAddress

MOST_ROWS = 100_000
"""Rows of one column of the largest chassis."""
SLICE = 100
"""ONUs that are worked on at a stretch: some two milliseconds."""


@dataclass(frozen=True, slots=True)
class AllRead:
    """What a sweep of one OLT found: where its ONUs stand now and how each of them is; how many rows it took."""

    places: Mapping[OnuAddress, Place]
    readings: Mapping[OnuAddress, OnuReading]
    rows: int


async def read_all(snmp: Snmp, target: SnmpTarget, driver: OltDriver, budget: float) -> AllRead:
    """Every ONU of the OLT within ``budget`` seconds. Raises ``Unavailable`` and ``Refused``, and gives no half of it.

    The list of ONUs is read first, since indexes may have been dealt anew. Columns that may not be walked are asked for
    ONUs that are online only: what is off has no level.
    """
    deadline = _now() + budget
    known: dict[Oid, Rows] = {}

    async def column(oid: Oid) -> Rows:
        if oid not in known:
            known[oid] = await snmp.column(target, oid, deadline - _now(), MOST_ROWS)
        return known[oid]

    walked = {name: await column(oid) for name, oid in driver.listing.columns.items()}
    if not any(walked.values()):
        raise Nonsense(target.name, "listed nothing at all")
    places = driver.listing.places(walked)
    answers: Kept = {onu: {} for onu in places}
    asked = 0
    for read in narrowed(driver, driver.swept):
        if read.walkable:
            rows = {name: await column(oid) for name, oid in read.columns.items()}
            for part in _slices(places):
                placed(read, part, rows, answers)
                await asyncio.sleep(0)
        else:
            lit = {onu: place for onu, place in places.items() if driver.decode(answers[onu]).state is OnuState.ONLINE}
            await asyncio.sleep(0)
            whose = questions(read, lit, answers)
            asked += len(whose)
            for oid, value in (await snmp.get_all(target, list(whose), deadline - _now())).items():
                onu, name = whose[oid]
                answers[onu][name] = value
    return AllRead(places, await _decoded(driver, answers), asked + sum(map(len, known.values())))


async def read_some(
    snmp: Snmp,
    target: SnmpTarget,
    driver: OltDriver,
    places: Mapping[OnuAddress, Place],
    wanted: frozenset[str],
    budget: float,
) -> dict[OnuAddress, OnuReading]:
    """These ONUs by GET, the wanted columns only. One whose index is another's by now is left out."""
    deadline = _now() + budget
    answers: Kept = {onu: {} for onu in places}
    for read in narrowed(driver, wanted, proving=True):
        whose = questions(read, places, answers)
        for oid, value in (await snmp.get_all(target, list(whose), deadline - _now())).items():
            onu, name = whose[oid]
            answers[onu][name] = value
    return await _decoded(driver, {onu: got for onu, got in answers.items() if driver.is_still(onu, got)})


async def _decoded(driver: OltDriver, answers: Kept) -> dict[OnuAddress, OnuReading]:
    out = {}
    for number, (onu, got) in enumerate(answers.items()):
        out[onu] = driver.decode(got)
        if number % SLICE == SLICE - 1:
            await asyncio.sleep(0)
    return out


def _slices(places: Mapping[OnuAddress, Place]) -> list[dict[OnuAddress, Place]]:
    items = list(places.items())
    return [dict(items[at : at + SLICE]) for at in range(0, len(items), SLICE)]


def _now() -> float:
    return asyncio.get_running_loop().time()
