"""The lines in ``make demo ONCE=1``: a diagnosis to its end, a change on an ONU, a circuit that breaks and is built."""

from __future__ import annotations

import asyncio
from typing import Any

from lab.once_calls import DID, FAST, Scene
from lab.people import phone_of
from lab.promises import Broken, must, until
from lab.site import CIRCUIT, VLAN


class Lines(Scene):
    """Ordered over the API, as an engineer's program would; the devices are simulated, the doors to them are real."""

    async def run(self) -> None:
        books = self.books
        await asyncio.gather(
            books.check("a full diagnosis ends with one conclusion", self._diagnosis()),
            books.check("an ONU is restarted only after it was shown what is sent", self._restart()),
            books.check("a circuit says where it breaks, and is built as shown", self._circuit()),
        )

    async def _subscriber(self, did: str, place: int, which: int) -> dict[str, Any]:
        found = await self.house.api("GET", "/subscribers", params={"number": f"+38{phone_of(place, which)}"})
        for each in found["items"]:
            return dict(each)
        raise Broken(f"no subscriber of {did}")

    async def _diagnosis(self) -> str:
        someone = await self._subscriber(FAST, 3, 12)
        begun = await self.house.api("POST", f"/subscribers/{someone['id']}/diagnoses")

        async def ended() -> dict[str, Any] | None:
            told = await self.house.api("GET", f"/diagnoses/{begun['id']}")
            return dict(told) if told["state"] == "ended" else None

        told = await until(ended, 60, "the diagnosis ends")
        must(told["conclusion"] is not None, "it came to no conclusion")
        asked = sum(step["state"] == "done" for step in told["steps"])
        return f"«{told['conclusion']['say']}» after {asked} of {len(told['steps'])} steps"

    async def _restart(self) -> str:
        someone = await self._subscriber(DID, 0, 13)
        olt = self.house.olts["svitlo-epon"]
        at = f"/lines/{someone['device']}/changes"
        wanted = {"onu": someone["onu"], "kind": "reboot"}
        plan = await self.house.api("POST", f"{at}/plan", json=wanted)
        must(olt.written == [], "something was written before anybody confirmed")
        done = await self.house.api("POST", f"{at}/carry-out", json={"onu": someone["onu"], "token": plan["token"]})
        must(done["state"] == "done", f"{done['state']}: {done['note']}")
        must(len(olt.written) == 1, f"{len(olt.written)} writes instead of one")
        return f"{plan['commands'][0]}; before: {done['before']['state']}"

    async def _circuit(self) -> str:
        found = await self.house.api("GET", "/circuits")
        number = next(each["id"] for each in found["items"] if each["name"] == CIRCUIT)
        before = await self.house.api("POST", f"/circuits/{number}/check")
        must(not before["sound"], "it is whole before anybody built it")
        dry = await self.house.api("POST", f"/circuits/{number}/dry-run")
        switches = self.house.site.switches
        must(all(VLAN not in switch.vlans for switch in switches.values()), "a dry run changed a switch")
        built = await self.house.api("POST", f"/circuits/{number}/build", json={"shown": dry["shown"]})
        must(built["sound"], f"not whole after it was built: {built['why']}")
        must(all(VLAN in switch.vlans for switch in switches.values()), "the VLAN is not on both switches")
        fault = before["result"][before["broken_at"] - 1]["fault"]
        commands = sum(len(each["commands"]) for each in dry["orders"])
        return f"broke at hop {before['broken_at']} ({fault}), whole after {commands} commands over SSH"
