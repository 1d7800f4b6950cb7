"""Changes on an ONU (restart, description, VLAN): planned and shown first, confirmed once, kept with before and after.

Nothing is written on a device that cannot be read, nor where the ONU is no longer the one that was planned for. Who may
is the caller's to check; who did is asked for here.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from callcenter.diag import change_rows
from callcenter.diag.change_rows import Change, ChangeState, Facts
from callcenter.diag.cli import Cli
from callcenter.diag.devices import Device
from callcenter.diag.driver import CliWrite, OltDriver, SnmpWrite, WriteKind
from callcenter.diag.drivers import DRIVERS, driver_of
from callcenter.diag.line import LineReader
from callcenter.diag.reading import Json, LineDetails, OnuState
from callcenter.diag.snmp import Snmp
from callcenter.diag.values import Oid
from callcenter.errors import CallCenterError, Misconfigured, Refused, RuleBroken, Unavailable
from callcenter.store import Database, Scope
from callcenter.words import Clock, Known, Missing, OnuAddress

HELD = timedelta(minutes=5)
"""A plan that nobody has confirmed by then is void: the line may have changed."""
MOST_PLANS = 1000
READING = 10.0
WRITING = 60.0
"""Seconds for reading the ONU, and for one change."""
THERE = frozenset({OnuState.ONLINE, OnuState.STARTING, OnuState.OFFLINE, OnuState.DISABLED})


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, exactly: ``commands`` as they would be given (a SET as ``set <OID> = <value>``)."""

    token: str
    device: Device
    onu: OnuAddress
    kind: WriteKind
    value: str
    commands: tuple[str, ...]
    before: Facts
    until: datetime


@dataclass(frozen=True, slots=True)
class _Steps:
    """What to give to the device: objects to set, or commands."""

    sets: tuple[tuple[Oid, int | bytes], ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        return self.commands or tuple(
            f"set {'.'.join(map(str, oid))} = {value.decode('utf-8', 'replace') if isinstance(value, bytes) else value}"
            for oid, value in self.sets
        )


class Changes:
    """Plans and carries out; belongs to one event loop."""

    def __init__(self, database: Database, lines: LineReader, snmp: Snmp, cli: Cli, clock: Clock) -> None:
        self._database = database
        self._lines = lines
        self._snmp = snmp
        self._cli = cli
        self._clock = clock
        self._plans: dict[str, Plan] = {}
        self._locks: dict[int, asyncio.Lock] = {}

    async def plan(self, device: Device, onu: str, kind: WriteKind, value: str = "") -> Plan:
        """What would be done. Reads the ONU, writes nothing.

        Raises ``RuleBroken`` for what cannot be done there or is no such value, ``Unavailable`` when the ONU cannot be
        read, ``Misconfigured`` without the credentials that writing needs.
        """
        driver = _driver(device)
        address = _address(driver, onu)
        steps = await self._steps(device, driver, address, kind, value)
        before = await self._facts(device, driver, address, kind)
        now = self._clock()
        self._plans = {token: kept for token, kept in self._plans.items() if kept.until > now}
        if len(self._plans) >= MOST_PLANS:
            raise RuleBroken("too many changes wait for their confirmation", "change.too_many")
        plan = Plan(secrets.token_urlsafe(16), device, address, kind, value, steps.words, before, now + HELD)
        self._plans[plan.token] = plan
        return plan

    def planned(self, token: str) -> Plan:
        """The plan that waits for its confirmation; raises ``RuleBroken`` when it is void or was carried out."""
        plan = self._plans.get(token)
        if plan is None or plan.until <= self._clock():
            self._plans.pop(token, None)
            raise RuleBroken("this change was carried out already, or it waited too long: plan it again", "change.void")
        return plan

    async def carry_out(self, plan: Plan, who: str) -> Change:
        """Does what was planned, once, and tells how it ended; every end but success is in the note too.

        Raises ``RuleBroken`` for a plan that is void. What the device says is no exception: see ``Change.state``.
        """
        if not who.strip():
            raise RuleBroken("a change is made by somebody: say who")
        plan = self.planned(plan.token)
        del self._plans[plan.token]
        device, at = plan.device, self._clock()
        scope = Scope.only([device.provider])
        async with self._locks.setdefault(device.id, asyncio.Lock()):
            async with self._database.scoped(scope) as connection:
                number = await change_rows.begin(
                    connection, device.provider, device=device.name, place=str(plan.onu), kind=plan.kind,
                    commands=plan.commands, who=who, at=at,
                )  # fmt: skip
            change = await self._carried_out(
                Change(number, device.name, str(plan.onu), plan.kind, at, who, plan.commands, {}, {}, "begun"), plan
            )
            async with self._database.scoped(scope) as connection:
                await change_rows.end(connection, number, change.state, change.before, change.after, change.note)
        return change

    async def _carried_out(self, change: Change, plan: Plan) -> Change:
        device, driver = plan.device, _driver(plan.device)
        try:
            before = await self._facts(device, driver, plan.onu, plan.kind)
            steps = await self._steps(device, driver, plan.onu, plan.kind, plan.value)
        except CallCenterError as exc:
            return replace(change, state="refused", note=f"nothing was written: {exc}")
        change = replace(change, before=before)
        if before.get("serial") != plan.before.get("serial"):
            return replace(change, state="refused", note="nothing was written: another ONU is there by now")
        if steps.words != plan.commands:
            return replace(change, state="refused", note="nothing was written: the OLT has numbered its ONUs anew")
        try:
            await self._write(device, driver, steps)
        except Unavailable as exc:
            change = replace(change, state="failed", note=f"it is not known whether it was carried out: {exc}")
        except (Refused, RuleBroken, Misconfigured) as exc:
            change = replace(change, state="failed", note=str(exc))
        else:
            change = replace(change, state="done")
        try:
            after = await self._facts(device, driver, plan.onu, plan.kind)
        except CallCenterError as exc:
            note = f"the line could not be read afterwards: {exc}"
            return replace(change, note="; ".join(filter(None, (change.note, note))))
        if change.state != "done":
            return replace(change, after=after)
        state, note = _proven(plan, after)
        return replace(change, after=after, state=state, note=note)

    # --- reading and writing ---

    async def _steps(self, device: Device, driver: OltDriver, onu: OnuAddress, kind: WriteKind, value: str) -> _Steps:
        write = driver.writes.get(kind)
        try:
            match write:
                case None:
                    raise RuleBroken(f"{driver.title} has no known way to do this: {kind}", "change.no_way")
                case CliWrite():
                    if device.cli is None or driver.dialect is None:
                        raise Misconfigured(f"{device.name} has no command line login: nothing can be written there")
                    return _Steps(commands=write.commands(onu, value))
                case SnmpWrite():
                    wanted = write.value(value)
        except ValueError as exc:
            raise RuleBroken(str(exc), "change.no_value") from exc
        if Snmp.target(device, driver.limits).write is None:
            raise Misconfigured(
                f"{device.name} has no write community and no SNMPv3 user: nothing can be written there"
            )
        place = await self._lines.place(device, str(onu))
        if isinstance(place, Missing):
            raise _unreadable(device, place)
        index = write.index_of(place, {})
        if index is None:
            raise RuleBroken(f"{driver.title} does not tell where to write this: {kind}", "change.no_way")
        return _Steps(sets=(((*write.column, *index), wanted),))

    async def _write(self, device: Device, driver: OltDriver, steps: _Steps) -> None:
        if steps.sets:
            await self._snmp.set(Snmp.target(device, driver.limits), steps.sets, WRITING)
        elif driver.dialect is not None:
            await self._cli.apply(device, driver.dialect, steps.commands, WRITING)

    async def _facts(self, device: Device, driver: OltDriver, onu: OnuAddress, kind: WriteKind) -> Facts:
        """What is known of the ONU now. Raises ``Unavailable`` when it cannot be read, ``RuleBroken`` for no ONU."""
        reading = await self._lines.read(device, str(onu), READING)
        if not isinstance(reading, Known):
            raise _unreadable(device, reading)
        if reading.value.state not in THERE:
            raise RuleBroken(
                f"{device.name} has no ONU {onu} that can be read: {reading.value.state.value}", "change.no_onu"
            )
        found = await self._lines.details(device, str(onu), reading.value, READING)
        details = LineDetails() if isinstance(found, Missing) else found
        if kind == "vlan" and driver.dialect is not None and device.cli is not None:
            for question in driver.questions_cli:
                if question.about in {"uni", "vlan"}:
                    asked = question.commands(onu, reading.value)
                    told = await self._cli.ask(device, driver.dialect, asked, READING)
                    details = question.parse(told, onu).filled_by(details)
        facts: dict[str, Json] = {
            "state": reading.value.state.value,
            "serial": reading.value.serial,
            "description": details.description or None,
            "vlan": details.unis[0].vlan if details.unis and details.unis[0].vlan is not None else details.vlan,
        }
        return facts


def _proven(plan: Plan, after: Facts) -> tuple[ChangeState, str]:
    """Whether what was written is there; what the family does not tell proves nothing either way."""
    if plan.kind == "reboot":
        return "done", ""
    name, wanted = ("description", plan.value.strip()) if plan.kind == "describe" else ("vlan", plan.value.strip())
    now = after.get(name)
    if now is None:
        return "done", "the device accepted it; it does not tell what is set now"
    if str(now) == wanted or (plan.kind == "describe" and str(now) == "_".join(wanted.split())):
        return "done", ""
    return "failed", f"the device accepted it, but {now!r} is set now"


def _driver(device: Device) -> OltDriver:
    if device.driver_name not in DRIVERS:
        raise RuleBroken(f"{device.name} is no OLT that we know ({device.driver_name})", "change.no_way")
    return driver_of(device.driver_name, device.options)


def _address(driver: OltDriver, onu: str) -> OnuAddress:
    try:
        address = OnuAddress.parse(onu)
    except ValueError as exc:
        raise RuleBroken(str(exc), "change.no_onu") from exc
    if address.family != driver.family:
        raise RuleBroken(f"{onu} is no address on {driver.title}", "change.no_onu")
    return address


class Unreadable(Unavailable):
    """The ONU cannot be read now, so nothing is written; ``missing`` is why."""

    def __init__(self, device: Device, missing: Missing) -> None:
        super().__init__(device.name, f"cannot be read ({missing.reason}), so nothing is written")
        self.missing = missing


def _unreadable(device: Device, why: object) -> Unavailable:
    return Unreadable(device, why if isinstance(why, Missing) else Missing("line.missing.never-read", device.name))
