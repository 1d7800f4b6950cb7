"""``make demo``: the lab, and callers that keep calling until Ctrl-C."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from lab.callers import Callers, spoil_lines
from lab.keeping import PLAN, standing, until_stopped
from lab.ports import Ports
from lab.standing import ROOT, AlreadyRuns, Site, tenure, where_to_look

DEMO = replace(PLAN, agent_count=4, answer_after=4.0)
_BESIDE = Site(*(ROOT / "var" / name for name in ("demo", "demo.env", "demo.lock", "demo.log")))


def demo(site: Site) -> int:
    """Takes the lab's place; where a lab runs already, stands beside it on ports of its own."""
    with ExitStack() as place:
        try:
            place.enter_context(tenure(site))
        except AlreadyRuns:
            site, ports = _BESIDE, Ports.free()
            place.enter_context(tenure(site))
        else:
            ports = Ports.fixed()
        code = until_stopped(lambda: _call(site, ports))
    print("stopped" if code == 0 else "stopped by an error")
    return code


async def _call(site: Site, ports: Ports) -> None:
    async with standing(site, DEMO, ports) as house:
        spoil_lines(house)
        print(where_to_look(house.facts(), site.env))
        print("Callers call now; Ctrl-C stops everything.\n", flush=True)
        await Callers(house, lambda line: print(line, flush=True)).run()
