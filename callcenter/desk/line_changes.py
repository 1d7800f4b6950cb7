"""Changes on an ONU from its page: planned and shown exactly, confirmed, done once, kept with before and after.

Who leads may restart an ONU, describe it and set its VLAN; an agent may restart one where the provider lets agents.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from aiohttp import web
from pydantic import StringConstraints, ValidationError

from callcenter.desk.api import Ask, Gives, Id, Route, Takes, not_found
from callcenter.desk.guard import Explained, why
from callcenter.desk.line_rows import DeviceRow, device_of
from callcenter.desk.pages import PORTS, catalogue_of, visitor_of
from callcenter.desk.ports import DeskPorts, at_hand
from callcenter.desk.sessions import Visitor
from callcenter.diag import change_rows
from callcenter.diag.changes import Plan, Unreadable
from callcenter.diag.devices import Device, device_by_id
from callcenter.diag.driver import WriteKind
from callcenter.diag.drivers import DRIVERS
from callcenter.errors import CallCenterError
from callcenter.words import DeviceId, OnuAddress, ProviderId

KINDS: tuple[WriteKind, ...] = ("reboot", "describe", "vlan")
Onu = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,5}[0-9/:]{3,30}$")]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{10,64}$")]


class ChangesWanted(Takes):
    device: Id
    onu: Annotated[str, StringConstraints(max_length=40)] = ""
    """One ONU's; every one's of the device without it."""


class OnuWanted(Takes):
    device: Id
    onu: Onu


class PlanWanted(OnuWanted):
    kind: WriteKind
    value: Annotated[str, StringConstraints(max_length=64, strip_whitespace=True)] = ""
    """The new description, the new VLAN; nothing for a restart."""


class PlanGiven(Gives):
    """What would be done, exactly as it would be given to the device; good until ``until``, once."""

    token: str
    kind: str
    value: str
    commands: list[str]
    before: dict[str, Any]
    until: datetime


class CarryOutWanted(OnuWanted):
    token: Token


class ChangeGiven(Gives):
    """``state``: begun, done, refused (nothing was written), failed, rolled_back."""

    id: int
    place: str
    kind: str
    at: datetime
    who: str
    commands: list[str]
    before: dict[str, Any]
    after: dict[str, Any]
    state: str
    note: str


class ChangesGiven(Gives):
    items: list[ChangeGiven]


def may_change(visitor: Visitor, kind: str, provider: ProviderId, ports: DeskPorts) -> bool:
    """Whether this visitor may do this to an ONU of this provider; what nobody allowed is not allowed."""
    if not visitor.scope.holds(provider):
        return False
    if visitor.leads:
        return True
    found = ports.book().provider(provider)
    return kind == "reboot" and found is not None and found.agents_restart


def offered(visitor: Visitor, device: DeviceRow, ports: DeskPorts) -> tuple[WriteKind, ...]:
    """What this visitor may do there and the family can."""
    if device.driver not in DRIVERS:
        return ()
    writes = DRIVERS[device.driver].writes
    return tuple(kind for kind in KINDS if kind in writes and may_change(visitor, kind, device.provider, ports))


async def device_for(ports: DeskPorts, visitor: Visitor, number: int) -> Device:
    """The device with its credentials; 404 for another provider's."""
    async with ports.db.scoped(visitor.scope) as conn:
        if await device_of(conn, number) is None:
            raise not_found()
        found = await device_by_id(conn, at_hand(ports.vault), DeviceId(number))
    if found is None:
        raise not_found()
    return found


async def api_list(ask: Ask, wanted: ChangesWanted) -> ChangesGiven:
    device = await device_for(ask.ports, ask.visitor, wanted.device)
    async with ask.ports.db.scoped(ask.scope) as conn:
        rows = await change_rows.newest(conn, device.name, wanted.onu, provider=device.provider)
    return ChangesGiven(items=[ChangeGiven.model_validate(row) for row in rows])


async def api_plan(ask: Ask, wanted: PlanWanted) -> PlanGiven:
    return _given(await plan(ask, wanted))


async def plan(ask: Ask, wanted: PlanWanted) -> Plan:
    """What would be done; reads the ONU and writes nothing. 403 for what this visitor may not do."""
    device = await device_for(ask.ports, ask.visitor, wanted.device)
    if not may_change(ask.visitor, wanted.kind, device.provider, ask.ports):
        raise Explained(403, catalogue_of(ask.request).text("change.not_yours"))
    return await at_hand(ask.ports.changes).plan(device, wanted.onu, wanted.kind, wanted.value)


async def carry_out(ask: Ask, wanted: CarryOutWanted) -> ChangeGiven:
    """Does what was planned and shown, once. A plan of another device, ONU or provider is void here."""
    device = await device_for(ask.ports, ask.visitor, wanted.device)
    changes = at_hand(ask.ports.changes)
    planned = changes.planned(wanted.token)
    if planned.device.id != device.id or str(planned.onu) != wanted.onu:
        raise not_found()
    if not may_change(ask.visitor, planned.kind, device.provider, ask.ports):
        raise Explained(403, catalogue_of(ask.request).text("change.not_yours"))
    return ChangeGiven.model_validate(await changes.carry_out(planned, ask.visitor.who))


def _given(planned: Plan) -> PlanGiven:
    return PlanGiven(
        token=planned.token, kind=planned.kind, value=planned.value, commands=list(planned.commands),
        before=dict(planned.before), until=planned.until,
    )  # fmt: skip


# --- the same by forms of the line's page


async def on_page(ports: DeskPorts, visitor: Visitor, device: DeviceRow, onu: str) -> dict[str, Any]:
    """What the page of a line shows of changes: what may be done here, and what was."""
    async with ports.db.scoped(visitor.scope) as conn:
        rows = await change_rows.newest(conn, device.name, onu, most=20, provider=device.provider)
    return {"kinds": offered(visitor, device, ports), "changes": rows}


async def planned_by_form(request: web.Request) -> tuple[Plan | None, str]:
    """What a form asks for, planned; or why it cannot be, in words for the page."""
    visitor, fields = visitor_of(request), await request.post()
    given = {name: str(fields.get(name, "")) for name in ("onu", "kind", "value")}
    try:
        wanted = PlanWanted.model_validate({"device": int(request.match_info["device"]), **given})
        return await plan(Ask(request, request.app[PORTS], visitor), wanted), ""
    except ValidationError:
        return None, catalogue_of(request).text("change.no_value")
    except CallCenterError as exc:
        return None, _why(request, exc)


def _why(request: web.Request, exc: CallCenterError) -> str:
    """As ``guard.why``, and in words what keeps an ONU from being read."""
    if isinstance(exc, Unreadable):
        words = catalogue_of(request)
        return f"{exc.system}: {words.text(exc.missing.reason, about=exc.missing.about)}"
    return why(request, exc)


async def carry_out_by_form(request: web.Request) -> str:
    """Does what the form confirms; gives why it was not done, or goes back to the line's page."""
    visitor, fields = visitor_of(request), await request.post()
    onu = str(fields.get("onu", ""))
    try:
        OnuAddress.parse(onu)
        wanted = CarryOutWanted.model_validate(
            {"device": int(request.match_info["device"]), "onu": onu, "token": str(fields.get("token", ""))}
        )
    except ValueError:
        raise not_found() from None
    try:
        await carry_out(Ask(request, request.app[PORTS], visitor), wanted)
    except CallCenterError as exc:
        return _why(request, exc)
    raise web.HTTPSeeOther(f"/lines/{request.match_info['device']}?onu={quote(onu, safe='/:')}#changes")


API = (
    Route("GET", "/lines/{device}/changes", "list_line_changes", "What was changed on an ONU, newest first",
          ChangesWanted, ChangesGiven, api_list, tag="lines"),
    Route("POST", "/lines/{device}/changes/plan", "plan_line_change", "What a change would do; nothing is done",
          PlanWanted, PlanGiven, api_plan, tag="lines"),
    Route("POST", "/lines/{device}/changes/carry-out", "carry_out_line_change", "Do what was planned, once",
          CarryOutWanted, ChangeGiven, carry_out, tag="lines"),
)  # fmt: skip
