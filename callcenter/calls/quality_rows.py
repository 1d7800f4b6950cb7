"""How well calls were heard, as rows: one a leg, side and source, the newest counts of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.quality import Heard, Way, mos, word
from callcenter.words import ProviderId, UniqueId

Side = Literal["agent", "caller"]
"""Who is heard: ``agent`` is what the agent's phone sent, ``caller`` what it received."""


@dataclass(frozen=True, slots=True)
class Quality:
    """One side of a talk as it was last told; ``silent_s`` is for how long nothing was heard of it then."""

    call: str
    extension: str
    side: Side
    source: str
    codec: str
    at: datetime
    packets: int
    lost: int
    jitter_ms: float | None
    rtt_ms: float | None
    mos: float | None
    silent_s: float

    @property
    def loss(self) -> float:
        return Way(self.packets, self.lost).loss

    @property
    def heard(self) -> Heard | None:
        return word(self.mos)


async def keep(
    connection: AsyncConnection,
    provider: ProviderId,
    call: UniqueId,
    extension: str,
    side: Side,
    way: Way,
    *,
    codec: str,
    silent_s: float,
    at: datetime,
) -> float | None:
    """The newest counts of one side take the place of those before; gives their score."""
    score = mos(way)
    await connection.execute(
        _KEEP,
        {
            "provider": provider, "call": call, "uniqueid": f"{call}/{extension}", "extension": extension, "side": side,
            "codec": codec, "at": at, "packets": way.packets, "lost": way.lost, "jitter": way.jitter_ms,
            "rtt": way.rtt_ms, "mos": score, "silent": silent_s,
        },
    )  # fmt: skip
    return score


async def of_call(connection: AsyncConnection, call: str) -> list[Quality]:
    """Each agent's two sides, in the order they talked."""
    return [Quality(*row) for row in await connection.execute(_OF_CALL, {"call": call})]


async def worst_since(connection: AsyncConnection, since: datetime, most: int) -> Sequence[Quality]:
    """The talks that were heard worst since then, worst first; those of which nothing came before all."""
    return [Quality(*row) for row in await connection.execute(_WORST, {"since": since, "most": most})]


_FIELDS = (
    "call_id, extension, side, source, codec, at, packets, lost, jitter_ms, rtt_ms, mos, silent_s FROM call_quality"
)
_KEEP = text(
    "INSERT INTO call_quality (provider_id, call_id, uniqueid, extension, side, source, codec, at, packets, lost, "
    "jitter_ms, rtt_ms, mos, silent_s) VALUES (:provider, :call, :uniqueid, :extension, :side, 'browser', :codec, :at, "
    ":packets, :lost, :jitter, :rtt, :mos, :silent) ON CONFLICT (uniqueid, side, source) DO UPDATE SET "
    "codec = excluded.codec, at = excluded.at, packets = excluded.packets, lost = excluded.lost, "
    "jitter_ms = excluded.jitter_ms, rtt_ms = excluded.rtt_ms, mos = excluded.mos, silent_s = excluded.silent_s"
)
_OF_CALL = text(f"SELECT {_FIELDS} WHERE call_id = :call ORDER BY id")
_WORST = text(f"SELECT {_FIELDS} WHERE at >= :since ORDER BY mos ASC NULLS FIRST, at DESC LIMIT :most")
