"""The SQL of the counts, in one place: what one call counts for, and the same of a day that was rolled up.

A cell is what a group of calls has in common (provider, queue, how they ended…) and its counts. Days that were rolled
up keep theirs in ``report_cell`` at two grains: the whole day by reason, and each hour without it.
"""

from __future__ import annotations

from typing import Final

COUNTS: Final = (
    "calls", "in_time", "wait_ms", "longest_ms", "talk_ms", "held_ms", "wrap_ms", "transferred", "numbered",
    "repeats_day", "repeats_week",
)  # fmt: skip
WORK: Final = (
    "taken", "not_taken", "talk_ms", "held_ms", "wrap_ms", "outgoing", "out_reached", "out_talk_ms",
    "busy_ms",
)  # fmt: skip
_LOOK_BACK: Final = "7 days"


def whole(counts: tuple[str, ...]) -> str:
    """Counts of many cells as one, whole numbers all."""
    return ", ".join(
        f"max({name})::bigint AS {name}" if name == "longest_ms" else f"sum({name})::bigint AS {name}"
        for name in counts
    )


def _ms(seconds: str) -> str:
    return f"round({seconds}::float8 * 1000)::bigint"


_LASTED: Final = "round(date_part('epoch', ended_at - started_at) * 1000)::bigint"
_STATES: Final = "agent_state.call_id = call.id AND agent_state.call_id <> '' AND ended_at IS NOT NULL"
_SHORT: Final = "(starts_with(call.outcome, 'left_') AND coalesce(call.waited_s < bound.short_abandon_s, false))"
_WRAP: Final = f"""coalesce((
    SELECT sum({_LASTED}) FROM agent_state WHERE {_STATES} AND state = 'wrap_up'), 0)::bigint"""  # noqa: S608
_REASON: Final = """coalesce((
    SELECT call_note.reason FROM call_note WHERE call_note.call_id = call.id AND call_note.reason <> ''
    ORDER BY call_note.at DESC, call_note.agent LIMIT 1), '')"""
_BEFORE: Final = f"""LEFT JOIN LATERAL (
    SELECT max(earlier.arrived_at) AS arrived_at FROM call earlier
    WHERE call.direction = 'in' AND call.number <> '' AND earlier.provider_id = call.provider_id
        AND earlier.number = call.number AND earlier.arrived_at < call.arrived_at
        AND earlier.arrived_at >= call.arrived_at - interval '{_LOOK_BACK}'
        AND earlier.direction = 'in' AND earlier.outcome IS NOT NULL
) AS before ON true"""  # noqa: S608
_CALLS: Final = """FROM {bound} AS bound CROSS JOIN LATERAL (
        SELECT * FROM call WHERE call.provider_id = bound.provider_id AND call.arrived_at >= bound.since
            AND call.arrived_at < bound.until AND call.outcome IS NOT NULL AND {where} OFFSET 0
    ) AS call"""
"""``OFFSET 0`` keeps it a look into the index for each stretch of time, however few rows the planner expects."""


def of_calls(bound: str, where: str = "true", *, in_full: bool = True, reason: bool = True) -> str:
    """A cell of each call in ``bound``: a table of providers with their settings and the stretch of time."""
    repeats = "(call.arrived_at - before.arrived_at < interval '{}')::int"
    never = "0"
    return f"""
    SELECT bound.provider_id, bound.timezone, (call.arrived_at AT TIME ZONE bound.timezone)::date AS day,
        date_trunc('hour', call.arrived_at, bound.timezone) AS hour, call.queue,
        {_REASON if reason else "''"} AS reason, call.direction, call.outcome, {_SHORT} AS short,
        1 AS calls,
        (call.outcome = 'answered' AND coalesce(call.waited_s <= bound.service_level_s, false))::int AS in_time,
        coalesce({_ms("call.waited_s")}, 0) AS wait_ms, coalesce({_ms("call.waited_s")}, 0) AS longest_ms,
        {_ms("call.talked_s")} AS talk_ms, {_ms("call.held_s")} AS held_ms, {_WRAP if in_full else never} AS wrap_ms,
        (call.transfers > 0)::int AS transferred,
        (call.direction = 'in' AND call.number <> '')::int AS numbered,
        {f"coalesce({repeats.format('24 hours')}, 0)" if in_full else never} AS repeats_day,
        {"(before.arrived_at IS NOT NULL)::int" if in_full else never} AS repeats_week
    {_CALLS.format(bound=bound, where=where)} {_BEFORE if in_full else ""}"""


def of_agents(bound: str, where: str = "true") -> str:
    """What each agent had of each call in ``bound``: they talked in it, or it rang and they did not."""
    taken = "call.direction = 'in' AND call.outcome = 'answered' AND who.place > 0"
    own = "call.direction = 'out' AND who.place = 1"
    return f"""
    SELECT bound.provider_id, (call.arrived_at AT TIME ZONE bound.timezone)::date AS day, call.queue, who.agent,
        ({taken})::int AS taken, (who.place = 0)::int AS not_taken,
        CASE WHEN NOT ({taken}) THEN 0 WHEN cardinality(call.agents) = 1 THEN {_ms("call.talked_s")}
            ELSE coalesce((SELECT sum({_LASTED}) FROM call_segment
                WHERE call_segment.call_id = call.id AND kind = 'talking' AND agent = who.agent), 0)::bigint
            END AS talk_ms,
        CASE WHEN {taken} AND who.place = 1 THEN {_ms("call.held_s")} ELSE 0 END AS held_ms,
        CASE WHEN {taken} THEN spent.wrap_ms ELSE 0 END AS wrap_ms,
        ({own})::int AS outgoing, ({own} AND call.outcome = 'answered')::int AS out_reached,
        CASE WHEN {own} AND call.outcome = 'answered' THEN {_ms("call.talked_s")} ELSE 0 END AS out_talk_ms,
        spent.busy_ms
    {_CALLS.format(bound=bound, where=where)}, LATERAL (
        SELECT agent, place FROM unnest(call.agents) WITH ORDINALITY AS talked (agent, place)
        UNION ALL
        SELECT DISTINCT rung, 0 FROM unnest(call.rang) AS rung WHERE call.direction = 'in' AND rung <> ALL (call.agents)
    ) AS who CROSS JOIN LATERAL (
        SELECT coalesce(sum({_LASTED}) FILTER (WHERE state = 'wrap_up'), 0)::bigint AS wrap_ms,
            coalesce(sum({_LASTED}), 0)::bigint AS busy_ms
        FROM agent_state JOIN agent ON agent.id = agent_state.agent_id
        WHERE {_STATES} AND state IN ('ringing', 'talking', 'on_hold', 'wrap_up') AND agent.extension = who.agent
    ) AS spent"""  # noqa: S608 - constants of this file and of ``queries``
