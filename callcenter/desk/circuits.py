"""L2 circuits on pages and by the API: where one breaks, hop by hop; what would build it, exactly; what was done."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import StringConstraints, ValidationError

from callcenter.desk.api import Ask, Gives, Id, Nothing, Route, Takes, not_found
from callcenter.desk.guard import must_lead, why
from callcenter.desk.pages import PAGES, PORTS, visible_providers
from callcenter.desk.ports import DeskPorts, at_hand
from callcenter.desk.sessions import Visitor
from callcenter.diag import change_rows
from callcenter.diag.circuit_work import Built, Checked, checks, circuits, owner_of
from callcenter.diag.circuits import Circuit, Orders
from callcenter.errors import CallCenterError, RuleBroken
from callcenter.words import ProviderId

Shown = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""Names the commands that were shown: others are never given in their place."""


class CircuitWanted(Takes):
    circuit: Id


class BuildWanted(CircuitWanted):
    shown: Shown


class HopGiven(Gives):
    device: str
    port: str
    vlan: int
    tagged: bool


class CheckGiven(Gives):
    """``broken_at`` is the first hop, from 1, that breaks it; ``result`` has each hop's fault, empty where none is."""

    at: datetime
    who: str
    sound: bool
    broken_at: int | None
    result: list[dict[str, str | None]]


class CircuitGiven(Gives):
    id: Id
    provider: Id
    name: str
    vlan: int
    hops: list[HopGiven]
    last_check: CheckGiven | None


class CircuitsGiven(Gives):
    items: list[CircuitGiven]


class OrdersGiven(Gives):
    device: str
    commands: list[str]


class DryRunGiven(Gives):
    """The exact commands, device by device; nothing to do where there are none."""

    shown: str
    orders: list[OrdersGiven]


class BuiltGiven(Gives):
    """``why`` it failed, if it did; then everything was taken back, or ``rolled_back`` is false: look at it."""

    why: str
    rolled_back: bool
    sound: bool
    broken_at: int | None


async def one_of(ports: DeskPorts, visitor: Visitor, number: int) -> tuple[ProviderId, Circuit]:
    """The circuit and whose it is; 404 for another provider's."""
    async with ports.db.scoped(visitor.scope) as conn:
        owner = await owner_of(conn, number)
        found = [] if owner is None else [each for each in await circuits(conn, owner) if each.id == number]
    if owner is None or not found or not visitor.scope.holds(owner):
        raise not_found()
    return owner, found[0]


def sum_of(orders: tuple[Orders, ...]) -> str:
    """The same for the same commands on the same devices."""
    return hashlib.sha256(repr([(one.device, one.commands, one.undo) for one in orders]).encode()).hexdigest()


async def api_list(ask: Ask, _: Nothing) -> CircuitsGiven:
    providers = {provider.id: provider for provider in visible_providers(ask.ports.book(), ask.visitor)}
    async with ask.ports.db.scoped(ask.scope) as conn:
        last = {each.circuit: each for each in await checks(conn)}
        found = [(provider, one) for provider in providers for one in await circuits(conn, provider)]
    return CircuitsGiven(items=[_given(provider, one, last.get(one.id)) for provider, one in found])


async def api_check(ask: Ask, wanted: CircuitWanted) -> CheckGiven:
    """Looks at every hop now; the check is kept."""
    owner, circuit = await one_of(ask.ports, ask.visitor, wanted.circuit)
    await at_hand(ask.ports.circuits).check(owner, circuit, ask.visitor.who)
    async with ask.ports.db.scoped(ask.scope) as conn:
        newest = await checks(conn, circuit.id, 1)
    return CheckGiven.model_validate(newest[0])


async def api_dry_run(ask: Ask, wanted: CircuitWanted) -> DryRunGiven:
    owner, circuit = await one_of(ask.ports, ask.visitor, wanted.circuit)
    orders = await at_hand(ask.ports.circuits).dry_run(owner, circuit)
    told = [OrdersGiven(device=each.device_name, commands=list(each.commands)) for each in orders]
    return DryRunGiven(shown=sum_of(orders), orders=told)


async def api_build(ask: Ask, wanted: BuildWanted) -> BuiltGiven:
    """Gives the commands that were shown, checks, and takes all back when the circuit is not whole."""
    owner, circuit = await one_of(ask.ports, ask.visitor, wanted.circuit)
    built = await _built(ask.ports, ask.visitor, owner, circuit, wanted.shown)
    return BuiltGiven(
        why=built.why, rolled_back=built.rolled_back, sound=built.judged.sound, broken_at=built.judged.broken_at
    )


async def _built(ports: DeskPorts, visitor: Visitor, owner: ProviderId, circuit: Circuit, shown: str) -> Built:
    work = at_hand(ports.circuits)
    orders = await work.dry_run(owner, circuit)
    if sum_of(orders) != shown:
        raise RuleBroken("the devices changed since the commands were shown: look at them again", "circuit.changed")
    if not orders:
        raise RuleBroken("every hop is as it should be: there is nothing to do", "circuit.nothing_to_do")
    return await work.build(owner, circuit, orders, visitor.who)


def _given(provider: ProviderId, circuit: Circuit, last: Checked | None) -> CircuitGiven:
    hops = [HopGiven(device=h.device_name, port=h.port, vlan=h.vlan, tagged=h.tagged) for h in circuit.hops]
    return CircuitGiven(
        id=circuit.id, provider=provider, name=circuit.name, vlan=circuit.vlan, hops=hops,
        last_check=None if last is None else CheckGiven.model_validate(last),
    )  # fmt: skip


# --- pages


async def page(request: web.Request) -> web.StreamResponse:
    """The circuits of the visitor's providers, and how each was when it was last looked at."""
    ports, visitor = request.app[PORTS], must_lead(request)
    providers = {provider.id: provider for provider in visible_providers(ports.book(), visitor)}
    async with ports.db.scoped(visitor.scope) as conn:
        last = {each.circuit: each for each in await checks(conn)}
        found = {provider: await circuits(conn, provider) for provider in providers}
    return request.app[PAGES].page(request, "circuits.html", providers=providers, circuits=found, last=last)


async def one(request: web.Request) -> web.StreamResponse:
    return await _page_of(request)


async def check_on_page(request: web.Request) -> web.StreamResponse:
    owner, circuit = await one_of(request.app[PORTS], visitor := must_lead(request), _number(request))
    try:
        await at_hand(request.app[PORTS].circuits).check(owner, circuit, visitor.who)
    except CallCenterError as exc:
        return await _page_of(request, trouble=why(request, exc))
    raise web.HTTPSeeOther(f"/circuits/{_number(request)}")


async def dry_run_on_page(request: web.Request) -> web.StreamResponse:
    """The same page with the exact commands, to be confirmed."""
    owner, circuit = await one_of(request.app[PORTS], must_lead(request), _number(request))
    try:
        orders = await at_hand(request.app[PORTS].circuits).dry_run(owner, circuit)
    except CallCenterError as exc:
        return await _page_of(request, trouble=why(request, exc))
    return await _page_of(request, orders=orders, shown=sum_of(orders))


async def build_on_page(request: web.Request) -> web.StreamResponse:
    visitor, fields = must_lead(request), await request.post()
    owner, circuit = await one_of(request.app[PORTS], visitor, _number(request))
    try:
        wanted = BuildWanted.model_validate({"circuit": _number(request), "shown": str(fields.get("shown", ""))})
        built = await _built(request.app[PORTS], visitor, owner, circuit, wanted.shown)
    except ValidationError:
        raise not_found() from None
    except CallCenterError as exc:
        return await _page_of(request, trouble=why(request, exc))
    if built.why:
        return await _page_of(request, trouble=built.why, left_over=not built.rolled_back)
    raise web.HTTPSeeOther(f"/circuits/{_number(request)}")


async def _page_of(request: web.Request, **more: Any) -> web.StreamResponse:
    ports, visitor = request.app[PORTS], must_lead(request)
    owner, circuit = await one_of(ports, visitor, _number(request))
    provider = ports.book().provider(owner)
    if provider is None:
        raise not_found()
    async with ports.db.scoped(visitor.scope) as conn:
        history = await checks(conn, circuit.id)
        changes = await change_rows.newest(conn, circuit=circuit.id, most=20)
    values = {"orders": None, "shown": "", "trouble": "", "left_over": False} | more
    return request.app[PAGES].page(
        request, "circuit.html", circuit=circuit, provider=provider, checks=history, changes=changes, **values
    )


def _number(request: web.Request) -> int:
    return int(request.match_info["circuit"])


API = (
    Route("GET", "/circuits", "list_circuits", "L2 circuits and their last checks", Nothing, CircuitsGiven, api_list,
          role="lead", tag="lines"),
    Route("POST", "/circuits/{circuit}/check", "check_circuit", "Look at every hop now", CircuitWanted, CheckGiven,
          api_check, role="lead", tag="lines"),
    Route("POST", "/circuits/{circuit}/dry-run", "dry_run_circuit", "The exact commands that would build or mend it",
          CircuitWanted, DryRunGiven, api_dry_run, role="lead", tag="lines"),
    Route("POST", "/circuits/{circuit}/build", "build_circuit", "Give the commands that were shown",
          BuildWanted, BuiltGiven, api_build, role="lead", tag="lines"),
)  # fmt: skip
_ONE = r"/circuits/{circuit:[1-9][0-9]{0,17}}"
ROUTES = (
    web.get("/circuits", page),
    web.get(_ONE, one),
    web.post(f"{_ONE}/check", check_on_page),
    web.post(f"{_ONE}/dry-run", dry_run_on_page),
    web.post(f"{_ONE}/build", build_on_page),
)
