"""What was promised and what happened: one line each, in a table at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from callcenter.errors import CallCenterError
from lab.house import House

T = TypeVar("T")
_POLL = 0.1


class Broken(CallCenterError):
    """A promise was not kept; the message says what happened instead."""


@dataclass(frozen=True, slots=True)
class Promise:
    what: str
    happened: str
    kept: bool


def table(promises: list[Promise]) -> str:
    """The promises in the order they were made, each with what happened."""
    wide = max((len(each.what) for each in promises), default=0)
    lines = [f"  {'ok' if each.kept else 'NO':<4}{each.what:<{wide}}   {each.happened}" for each in promises]
    return "\n".join(lines)


@dataclass
class Books:
    """What the product says of the calls, asked over its API as any other program would."""

    house: House
    kept: dict[str, Promise] = field(default_factory=dict)

    async def check(self, what: str, work: Awaitable[str]) -> None:
        """One promise; the work gives what happened, or raises. No promise stops another."""
        began = time.monotonic()
        try:
            self.kept[what] = Promise(what, await work, kept=True)
        except (CallCenterError, TimeoutError, OSError) as exc:
            said = " ".join(f"{type(exc).__name__}: {exc}".split())[:300]
            self.kept[what] = Promise(what, f"{said} ({time.monotonic() - began:.1f} s)", kept=False)

    async def calls(self, number: str) -> list[dict[str, Any]]:
        """The inbound calls from a number, oldest first."""
        found = await self.house.api("GET", "/calls", params={"number": number, "limit": "50", "direction": "in"})
        return list(reversed(found["items"]))

    async def call(
        self, number: str, wanted: Callable[[dict[str, Any]], bool], what: str, within: float = 25.0
    ) -> dict[str, Any]:
        """The newest call from a number once it is as wanted."""

        async def ask() -> dict[str, Any] | None:
            calls = await self.calls(number)
            return calls[-1] if calls and wanted(calls[-1]) else None

        return await until(ask, within, what)

    async def talking(self, number: str) -> dict[str, Any]:
        return await self.call(number, lambda call: call["connected_at"] is not None, f"{number} talks with an agent")

    async def over(self, number: str, outcome: str) -> dict[str, Any]:
        """The newest call from a number once it is settled; its outcome must be this one."""
        call = await self.call(number, lambda call: bool(call["settled"]), f"the call of {number} is settled")
        must(call["outcome"] == outcome, f"{number}: {call['outcome']} instead of {outcome}")
        return call

    async def owed(self, number: str) -> list[dict[str, Any]]:
        found = await self.house.api("GET", "/callbacks", params={"limit": "200"})
        return [each for each in found["items"] if each["number"] == number]

    async def owed_once(self, number: str, misses: int = 1) -> dict[str, Any]:
        """Exactly one open callback for the number, with so many misses."""

        async def ask() -> list[dict[str, Any]]:
            return [each for each in await self.owed(number) if each["misses"] >= misses]

        await until(ask, 15.0, f"a callback for {number or 'the hidden number'}")
        found = await self.owed(number)
        must(len(found) == 1, f"{len(found)} callbacks for {number}")
        must(found[0]["misses"] == misses, f"{found[0]['misses']} misses of {number} instead of {misses}")
        return found[0]

    async def recording(self, call: str) -> dict[str, Any]:
        """The recording of a call once it is taken in."""

        async def ask() -> dict[str, Any] | None:
            items = (await self.house.api("GET", "/recordings"))["items"]
            found = next((each for each in items if each["call"] == call), None)
            return found if found is not None and found["state"] != "expected" else None

        return await until(ask, 20.0, f"the recording of {call}")


def must(true: bool, otherwise: str) -> None:
    if not true:
        raise Broken(otherwise)


async def until(ask: Callable[[], Awaitable[T | None]], within: float, what: str) -> T:
    """The first answer that is not empty. Raises ``Broken`` when none comes within so many seconds."""
    try:
        async with asyncio.timeout(within):
            while not (answer := await ask()):
                await asyncio.sleep(_POLL)
            return answer
    except TimeoutError:
        raise Broken(f"not within {within:g} s: {what}") from None
