"""Mass outages as rows: one open row per place, whoever found it first; and what history knows of an OLT's ONUs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.diag import tables
from callcenter.diag.mass import Dark, MassOutage, OutageScope
from callcenter.diag.reading import DownReason, OnuState
from callcenter.diag.sight import Look, Sight
from callcenter.store.notices import Topic, tell
from callcenter.words import DeviceId, OnuAddress, ProviderId

OutageSource: TypeAlias = Literal["sweep", "trap", "call"]
"""What made us look: never who said it, for only looks make an outage."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A mass outage with its place in the house: whose OLT, what it is called, when it was last confirmed."""

    provider: ProviderId
    device_name: str
    mass: MassOutage
    seen_at: datetime
    source: OutageSource
    ended_at: datetime | None = None
    id: int | None = field(default=None, compare=False)

    @property
    def key(self) -> tuple[DeviceId, OutageScope, str]:
        return self.mass.key

    @property
    def device(self) -> DeviceId:
        return self.mass.device

    @property
    def scope(self) -> OutageScope:
        return self.mass.scope

    @property
    def place(self) -> str:
        """The PON's or the area's name; empty for a whole OLT, ``silent`` for one that does not answer."""
        return self.mass.place

    @property
    def reason(self) -> DownReason:
        return self.mass.reason

    @property
    def reasons(self) -> tuple[tuple[DownReason, int], ...]:
        return self.mass.reasons

    @property
    def since(self) -> datetime:
        return self.mass.since

    @property
    def dark(self) -> int:
        return len(self.mass.dark)

    @property
    def total(self) -> int:
        return self.mass.total

    @property
    def silent(self) -> bool:
        return self.mass.silent

    def as_json(self) -> dict[str, Any]:
        """For the API, the command line and a diagnosis that keeps what was known."""
        return {
            "provider": self.provider, "device": self.device, "device_name": self.device_name, "scope": self.scope,
            "place": self.place, "silent": self.silent, "reason": self.reason.value,
            "reasons": {reason.value: many for reason, many in self.reasons}, "mixed": self.mass.mixed,
            "since": self.since.isoformat(), "seen_at": self.seen_at.isoformat(), "dark": self.dark,
            "total": self.total, "whole": self.mass.whole, "source": self.source,
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
        }  # fmt: skip

    def __str__(self) -> str:
        where = f"{self.device_name} {self.place}".strip() if self.scope != "area" else self.place
        what = "does not answer" if self.silent else f"{self.dark} of {self.total} dark, {self.reason.value}"
        return f"{self.scope} {where}: {what}, since {self.since:%Y-%m-%d %H:%M:%S} UTC"


async def all_open(connection: AsyncConnection) -> list[Outage]:
    """Every open outage of the transaction's scope."""
    return [_outage(row) for row in await connection.execute(_SELECT.where(_C.ended_at.is_(None)))]


async def since(
    connection: AsyncConnection, moment: datetime, most: int, provider: ProviderId | None = None
) -> list[Outage]:
    """The scope's outages that are open, and then those that were seen since then, newest first."""
    wanted = _SELECT.where(_C.ended_at.is_(None) | (_C.ended_at >= moment))
    if provider is not None:
        wanted = wanted.where(_C.provider_id == provider)
    order = (_C.ended_at.is_not(None), _C.since.desc(), _C.id.desc())
    rows = await connection.execute(wanted.order_by(*order).limit(most))
    return [_outage(row) for row in rows]


async def keep(connection: AsyncConnection, outage: Outage) -> int | None:
    """Writes the outage as it is now and tells the other services; gives its row's number.

    The open row of its place is one, whoever opened it: an outage that another service has ended stays ended, and a
    row opened twice keeps its first source and beginning.
    """
    values: dict[str, Any] = {
        "device_id": outage.device, "provider_id": outage.provider, "scope": outage.scope, "place": outage.place,
        "reason": outage.reason.value, "since": outage.since, "seen_at": outage.seen_at, "dark": outage.dark,
        "total": outage.total, "source": outage.source, "ended_at": outage.ended_at,
        "onus": [[dark.device, str(dark.onu), dark.reason.value] for dark in outage.mass.dark],
    }  # fmt: skip
    changes = ("reason", "seen_at", "dark", "total", "onus", "ended_at")
    number: int | None = None
    if outage.id is not None:
        other = (
            select(_OTHER.id)
            .where(*(_OTHER[name] == values[name] for name in ("device_id", "scope", "place")))
            .where(_OTHER.ended_at.is_(None), _OTHER.id != outage.id)
            .exists()
        )
        write = update(_T).where(_C.id == outage.id, ~other).values(since=outage.since, **_only(values, changes))
        number = (await connection.execute(write.returning(_C.id))).scalar_one_or_none()
    elif outage.ended_at is None:
        fresh = insert(_T).values(**values)
        write_open = fresh.on_conflict_do_update(
            index_elements=["device_id", "scope", "place"], index_where=_C.ended_at.is_(None),
            set_=_only(values, changes) | {"since": func.least(_C.since, fresh.excluded.since)},
        ).returning(_C.id)  # fmt: skip
        number = (await connection.execute(write_open)).scalar_one()
    else:
        at_place = (_C.device_id == outage.device, _C.scope == outage.scope, _C.place == outage.place)
        end = update(_T).where(*at_place, _C.ended_at.is_(None)).values(**_only(values, changes))
        number = (await connection.execute(end.returning(_C.id))).scalar_one_or_none()
        if number is None:
            number = (await connection.execute(insert(_T).values(**values).returning(_C.id))).scalar_one()
    await tell(connection, Topic.LINES)
    return number


async def past(
    connection: AsyncConnection, device: DeviceId, pon: str | None, moment: datetime
) -> list[tuple[OnuAddress, Look]]:
    """The looks at an OLT's ONUs, or at those of one PON, that history keeps since then."""
    c = tables.onu_history.c
    wanted = select(c.onu, c.at, c.state, c.reason).where(c.device_id == device, c.at >= moment)
    if pon is not None:
        wanted = wanted.where(c.onu.startswith(f"{pon}:", autoescape=True))
    found: list[tuple[OnuAddress, Look]] = []
    for onu, at, state, reason in await connection.execute(wanted):
        sight = _SIGHTS.get(state)
        if sight is not None and (address := _address(onu)) is not None:
            found.append((address, Look(at, sight, _reason(reason))))
    return found


_T = tables.line_outage
_C = _T.c
_OTHER = _T.alias("other").c
_SELECT = select(_T, tables.device.c.name.label("device_name")).join(tables.device, tables.device.c.id == _C.device_id)
_SIGHTS = {
    OnuState.ONLINE.value: Sight.LIT, OnuState.STARTING.value: Sight.LIT, OnuState.OFFLINE.value: Sight.DARK,
    OnuState.DISABLED.value: Sight.OUT,
}  # fmt: skip


def _only(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names}


def _reason(word: str) -> DownReason:
    return DownReason(word) if word in set(DownReason) else DownReason.UNKNOWN


def _address(text: object) -> OnuAddress | None:
    try:
        return OnuAddress.parse(str(text))
    except ValueError:
        return None


def _outage(row: Any) -> Outage:
    dark = tuple(
        sorted(
            Dark(DeviceId(device), address, _reason(reason))
            for device, onu, reason in row.onus
            if (address := _address(onu)) is not None
        )
    )
    mass = MassOutage(DeviceId(row.device_id), row.scope, row.place, row.since, dark, row.total)
    return Outage(ProviderId(row.provider_id), row.device_name, mass, row.seen_at, row.source, row.ended_at, id=row.id)
