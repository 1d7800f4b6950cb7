"""How well calls were heard, as rows: one a leg, side and source, with its counts, its latest and its worst moment.

A page's phone tells of the agent's leg. Asterisk tells of every leg: of an agent's (``extension``) and of the trunk's
(``extension`` empty), so that between them it shows on which part of the way sound was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.quality import FEW_PACKETS, Heard, Way, mos, word
from callcenter.calls.rtcp import LegHeard, LegSound
from callcenter.words import ProviderId, UniqueId

Side = Literal["agent", "caller"]
"""Who is heard. On an agent's leg ``agent`` is what the phone sent and ``caller`` what it received; on a trunk's leg
``caller`` is what the provider's network sent and ``agent`` what it received."""
Source = Literal["browser", "asterisk"]


@dataclass(frozen=True, slots=True)
class Quality:
    """One side of a leg; ``mos`` is of all its counts, ``now_mos`` of the last seconds told, ``worst_mos`` of any."""

    call: str
    extension: str
    side: Side
    source: Source
    codec: str
    at: datetime
    packets: int
    lost: int
    jitter_ms: float | None
    rtt_ms: float | None
    mos: float | None
    now_mos: float | None
    worst_mos: float | None
    worst_at: datetime | None
    silent_s: float
    """For how long nothing had been heard of it when it was last told."""
    longest_silent_s: float

    @property
    def loss(self) -> float:
        return Way(self.packets, self.lost).loss

    @property
    def heard(self) -> Heard | None:
        return word(self.mos)

    @property
    def heard_now(self) -> Heard | None:
        return word(self.now_mos)

    @property
    def heard_worst(self) -> Heard | None:
        return word(self.worst_mos)


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of one side of a leg. ``last`` is what came since it was told before, ``None`` for nothing new.

    ``total`` are all counts since the beginning; ``None`` where only the newest are told: those are added up.
    """

    provider: ProviderId
    call: UniqueId
    leg: str
    extension: str
    side: Side
    source: Source
    codec: str
    at: datetime
    total: Way | None
    last: Way | None
    silent_s: float = 0.0


async def keep(connection: AsyncConnection, told: Iterable[Told]) -> None:
    """Adds to what is known of each side, in an order in which two writers do not wait for each other in a circle."""
    ordered = sorted(told, key=lambda each: (each.leg, each.side, each.source))
    if rows := [await _row(connection, each) for each in ordered]:
        await connection.execute(_KEEP, rows)


async def _row(connection: AsyncConnection, one: Told) -> dict[str, object]:
    key = {"leg": one.leg, "side": one.side, "source": one.source}
    total = one.total
    if total is None:
        before = (await connection.execute(_BEFORE, key)).one_or_none()
        packets, lost = (0, 0) if before is None else before
        last = one.last or Way(0, 0)
        total = Way(packets + last.packets, lost + last.lost, last.jitter_ms, last.rtt_ms)
    telling = one.last if one.last is not None and _is_telling(one.last) else None
    score = mos(total)
    worst = mos(telling) if telling is not None else score if _is_telling(total) else None
    return {
        **key, "provider": one.provider, "call": one.call, "extension": one.extension, "codec": one.codec,
        "at": one.at, "packets": total.packets, "lost": total.lost, "jitter": total.jitter_ms, "rtt": total.rtt_ms,
        "mos": score, "now": None if telling is None else mos(telling), "worst": worst, "silent": one.silent_s,
    }  # fmt: skip


def _is_telling(way: Way) -> bool:
    return way.packets + way.lost >= FEW_PACKETS


async def keep_ended(connection: AsyncConnection, ended: Sequence[LegSound]) -> None:
    """What the journal says of legs that are over, of calls in which somebody talked; each may come more than once."""
    if not ended:
        return
    rows = await connection.execute(_OWNERS, {"calls": sorted({str(each.linkedid) for each in ended})})
    owners = {call: ProviderId(provider) for call, provider in rows}
    told: list[Told] = []
    for each in ended:
        if (owner := owners.get(each.linkedid)) is not None:
            call = UniqueId(each.linkedid)
            for side, way in sides(each.extension, each.heard):
                told.append(
                    Told(owner, call, each.leg, each.extension, side, "asterisk", each.codec, each.at, way, None)
                )
    await keep(connection, told)


def sides(extension: str, heard: LegHeard) -> Iterator[tuple[Side, Way]]:
    """Both directions of a leg by who is heard; the one of which the far end tells nothing is left out."""
    own: Side = "agent" if extension else "caller"
    other: Side = "caller" if extension else "agent"
    yield own, heard.received
    if heard.sent is not None:
        yield other, heard.sent


async def of_call(connection: AsyncConnection, call: str) -> list[Quality]:
    """Each leg's two sides, in the order they came."""
    return [Quality(*row) for row in await connection.execute(_OF_CALL, {"call": call})]


async def told_since(connection: AsyncConnection, since: datetime) -> list[Quality]:
    """What was told of since then, of talks that go on: by agent, the trunks' legs after all."""
    return [Quality(*row) for row in await connection.execute(_NOW, {"since": since})]


async def worst_since(
    connection: AsyncConnection, since: datetime, most: int, extension: str | None = None
) -> Sequence[Quality]:
    """The sides that were heard worst since then, worst first; those of which nothing came before all.

    ``extension`` are one agent's only; empty for the trunks' legs.
    """
    values = {"since": since, "most": most, "extension": extension}
    return [Quality(*row) for row in await connection.execute(_WORST, values)]


_FIELDS = (
    "call_id, extension, side, source, codec, at, packets, lost, jitter_ms, rtt_ms, mos, now_mos, worst_mos, worst_at, "
    "silent_s, longest_silent_s FROM call_quality"
)
_BEFORE = text(
    "SELECT packets, lost FROM call_quality WHERE uniqueid = :leg AND side = :side AND source = :source FOR UPDATE"
)
_KEEP = text(
    """
    INSERT INTO call_quality AS q (provider_id, call_id, uniqueid, extension, side, source, codec, at, packets, lost,
        jitter_ms, rtt_ms, mos, now_mos, worst_mos, worst_at, silent_s, longest_silent_s)
    VALUES (:provider, :call, :leg, :extension, :side, :source, :codec, :at, :packets, :lost, :jitter, :rtt, :mos, :now,
        :worst, :at, :silent, :silent)
    ON CONFLICT (uniqueid, side, source) DO UPDATE SET
        codec = COALESCE(NULLIF(excluded.codec, ''), q.codec), at = excluded.at,
        packets = GREATEST(q.packets, excluded.packets), lost = GREATEST(q.lost, excluded.lost),
        jitter_ms = excluded.jitter_ms, rtt_ms = excluded.rtt_ms, mos = excluded.mos, now_mos = excluded.now_mos,
        worst_mos = LEAST(q.worst_mos, excluded.worst_mos),
        worst_at = CASE WHEN q.worst_mos IS NULL OR excluded.worst_mos < q.worst_mos
                        THEN excluded.at ELSE q.worst_at END,
        silent_s = excluded.silent_s, longest_silent_s = GREATEST(q.longest_silent_s, excluded.silent_s)
    """
)
_OWNERS = text(
    "SELECT id, provider_id FROM call WHERE id = ANY(:calls) AND provider_id IS NOT NULL AND connected_at IS NOT NULL"
)
_OF_CALL = text(f"SELECT {_FIELDS} WHERE call_id = :call ORDER BY id")
_GOES_ON = "NOT EXISTS (SELECT 1 FROM call c WHERE c.id = call_id AND c.ended_at IS NOT NULL)"
_NOW = text(f"SELECT {_FIELDS} WHERE at >= :since AND {_GOES_ON} ORDER BY extension = '', extension, call_id, id")
_WORST = text(
    f"SELECT {_FIELDS} WHERE at >= :since AND (CAST(:extension AS text) IS NULL OR extension = :extension) "
    "ORDER BY COALESCE(worst_mos, CASE WHEN packets = 0 THEN 0 ELSE 5 END), at DESC LIMIT :most"
)
