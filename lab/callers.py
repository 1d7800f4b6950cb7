"""Callers that keep calling, as subscribers do: most are served, some give up on the way, some come back."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from callcenter.errors import CallCenterError
from lab.house import House
from lab.people import Person, people
from lab.plan import LabProvider, Plan
from lab.sip import Call, CallerId, CallFailed

Say = Callable[[str], None]
_BETWEEN = (4.0, 12.0)
_COMES_BACK_AFTER = 20.0
_PATIENCE = 45.0
_LOOKED_AT = 0.3
WEAK, CRITICAL, NO_POWER = 7, 8, 9
"""The subscribers of every provider whose lines are bad on purpose, by their place in the file."""


class Leaves(Enum):
    """When a caller hangs up."""

    AFTER_TALK = "after the talk"
    IN_GREETING = "in the greeting"
    WHILE_RINGING = "while a phone rings"


@dataclass(frozen=True, slots=True)
class Visit:
    """One caller and what they are going to do."""

    brand: str
    did: str
    caller: CallerId
    who: str
    leaves: Leaves = Leaves.AFTER_TALK
    talk_s: float = 15.0


def visits(plan: Plan, dice: random.Random) -> Iterator[Visit]:
    """A believable mix without end; every ten visits hold every kind."""
    directory = {
        provider.slug: list(
            people(number, plan.subscribers_of(provider), plan.olt_of(provider.slug), plan.onus_of(provider.slug))
        )
        for number, provider in enumerate(plan.providers)
    }
    while True:
        kinds: list[tuple[int | None, Leaves]] = [
            *((each, Leaves.AFTER_TALK) for each in (WEAK, CRITICAL, NO_POWER)),
            *((dice.randrange(10, plan.subscribers), Leaves.AFTER_TALK) for _ in range(4)),
            (dice.randrange(10, plan.subscribers), Leaves.IN_GREETING),
            (dice.randrange(10, plan.subscribers), Leaves.WHILE_RINGING),
            (None, Leaves.AFTER_TALK),
        ]
        dice.shuffle(kinds)
        for person, leaves in kinds:
            provider = dice.choice(plan.providers)
            talk = dice.uniform(8, 25)
            if person is None:
                yield replace(_stranger(provider, dice), talk_s=talk)
            else:
                yield _subscriber(provider, directory[provider.slug][person], person, leaves, talk, dice)


def _subscriber(
    provider: LabProvider, person: Person, place: int, leaves: Leaves, talk: float, dice: random.Random
) -> Visit:
    trouble = {WEAK: ", weak signal", CRITICAL: ", critical signal", NO_POWER: ", no power"}.get(place, "")
    caller = CallerId(f"38{person.phone}")
    return Visit(provider.brand, dice.choice(provider.dids), caller, person.name + trouble, leaves, talk)


def _stranger(provider: LabProvider, dice: random.Random) -> Visit:
    did = dice.choice(provider.dids)
    if dice.random() < 0.3:
        return Visit(provider.brand, did, CallerId("", anonymous=True), "number withheld")
    return Visit(provider.brand, did, CallerId(f"38050{dice.randrange(10**7):07d}"), "unknown number")


def spoil_lines(house: House) -> None:
    """Gives every provider its subscribers with bad lines."""
    for provider in house.plan.providers:
        olt, onus = house.olts[provider.olt], house.plan.onus_of(provider.slug)
        olt.set_level(onus[WEAK], -26.2)
        olt.set_level(onus[CRITICAL], -28.6)
        olt.power_loss(onus[NO_POWER])


class Callers:
    """Lives the visits one after the other and says of each how it ended, as the product's own books tell it."""

    def __init__(self, house: House, say: Say, seed: int = 1) -> None:
        self._house = house
        self._say = say
        self._dice = random.Random(seed)
        self._coming_back: deque[tuple[float, Visit]] = deque()

    async def run(self) -> None:
        """Calls until it is cancelled."""
        loop = asyncio.get_running_loop()
        ahead = visits(self._house.plan, self._dice)
        async with asyncio.TaskGroup() as calling:
            while True:
                back = self._coming_back and self._coming_back[0][0] < loop.time()
                visit = self._coming_back.popleft()[1] if back else next(ahead)
                calling.create_task(self._visit(visit))
                await asyncio.sleep(self._dice.uniform(*_BETWEEN))

    async def _visit(self, visit: Visit) -> None:
        began = datetime.now(UTC)
        try:
            call = await self._house.dial(visit.did, visit.caller)
            try:
                await self._live(call, visit, began)
            finally:
                call.hangup()
            ended = await self._book_entry(visit, began, lambda entry: entry["settled"])
        except (CallCenterError, TimeoutError) as exc:
            self._say(_line(began, visit, f"no entry in the books: {exc}"))
            return
        self._say(_line(began, visit, _told(ended)))
        if ended["outcome"].startswith("left_") and visit.caller.number:
            again = replace(visit, leaves=Leaves.AFTER_TALK, who=f"{visit.who.split(',')[0]} again", talk_s=10)
            self._coming_back.append((asyncio.get_running_loop().time() + _COMES_BACK_AFTER, again))

    async def _live(self, call: Call, visit: Visit, began: datetime) -> None:
        try:
            await call.answered()
            if visit.leaves is Leaves.IN_GREETING:
                await asyncio.sleep(2)
            elif visit.leaves is Leaves.WHILE_RINGING:
                await self._book_entry(visit, began, lambda entry: entry["queued_at"] is not None)
                await asyncio.sleep(1.5)
            else:
                await self._book_entry(visit, began, lambda entry: entry["connected_at"] is not None, call)
                await call.ended(visit.talk_s)
        except (CallFailed, TimeoutError):
            return

    async def _book_entry(
        self, visit: Visit, began: datetime, wanted: Callable[[dict[str, Any]], bool], while_up: Call | None = None
    ) -> dict[str, Any]:
        """The call of this visit once the ledger says what is waited for. Raises ``TimeoutError``."""
        async with asyncio.timeout(_PATIENCE):
            while while_up is None or not while_up.is_ended:
                for entry in (await self._house.api("GET", "/calls", params={"limit": "30"}))["items"]:
                    ours = entry["number"].removeprefix("+") == visit.caller.number and entry["direction"] == "in"
                    if ours and datetime.fromisoformat(entry["arrived_at"]) >= began and wanted(entry):
                        return dict(entry)
                await asyncio.sleep(_LOOKED_AT)
        raise TimeoutError("the call ended before")


def _line(began: datetime, visit: Visit, what: str) -> str:
    number = f"+{visit.caller.number}" if visit.caller.number else "-"
    return f"{began.astimezone():%H:%M:%S}  {visit.brand:<12} {number:<14} {visit.who:<42} {what}"


def _told(entry: dict[str, Any]) -> str:
    """The ledger's entry in words."""
    if entry["outcome"] == "answered":
        return f"answered by {', '.join(entry['agents'])}, talked {entry['talked_s']:.0f} s"
    owed = " -> callback" if entry["provider"] is not None else ""
    return f"{str(entry['outcome']).replace('_', ' ')}{owed}"
