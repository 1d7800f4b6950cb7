"""Shifts, who worked in them, what they left and what they say for good. SQL only."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

LOCK = text("SELECT pg_advisory_xact_lock(hashtext('callcenter.shift'))")
LOCK_OPEN = text("SELECT id FROM shift WHERE closed_at IS NULL FOR UPDATE")
_SELECT: Final = """
    SELECT shift.id, shift.name, shift.lead_id, lead.name, agent.extension, shift.starts_at, shift.ends_at,
        shift.opened_at, shift.opened_by, shift.successor_id, successor.name, shift.offered_at, shift.closed_at,
        shift.closed_by, shift.accepted_by, shift.note, shift.before_id
    FROM shift JOIN user_account lead ON lead.id = shift.lead_id
    LEFT JOIN agent ON agent.id = lead.agent_id
    LEFT JOIN user_account successor ON successor.id = shift.successor_id
"""
OPEN = text(f"{_SELECT} WHERE shift.closed_at IS NULL")
ONE = text(f"{_SELECT} WHERE shift.id = :id")
NEWEST = text(
    f"{_SELECT} WHERE CAST(:before AS bigint) IS NULL OR shift.id < :before ORDER BY shift.id DESC LIMIT :limit"
)
COUNTS = text(
    """
    WITH concerned AS (
        SELECT owed.*, opened_at < :since AS before, coalesce(closed_at < :until, false) AS over FROM callback owed
        WHERE opened_at < :until AND (closed_at IS NULL OR closed_at >= :since)
    ), missed AS (
        SELECT concerned.provider_id, count(*) AS misses
        FROM concerned JOIN callback_miss miss ON miss.callback_id = concerned.id
        WHERE miss.outcome <> 'answered' AND miss.missed_at >= :since AND miss.missed_at < :until
        GROUP BY concerned.provider_id
    )
    SELECT provider_id, count(*) FILTER (WHERE before) AS inherited, count(*) FILTER (WHERE NOT before) AS new,
        count(*) FILTER (WHERE before AND NOT over) AS inherited_left,
        count(*) FILTER (WHERE over AND closed_reason = 'called_back') AS called_back,
        count(*) FILTER (WHERE over AND closed_reason = 'got_through') AS got_through,
        count(*) FILTER (WHERE over AND closed_reason NOT IN ('called_back', 'got_through', 'corrected')) AS named,
        count(*) FILTER (WHERE over AND closed_reason = 'corrected') AS corrected,
        count(*) FILTER (WHERE over AND closed_reason <> 'corrected' AND closed_at > due_at) AS late,
        count(*) FILTER (WHERE NOT over) AS left,
        count(*) FILTER (WHERE NOT over AND callable AND due_at < :until) AS overdue,
        count(*) FILTER (WHERE NOT over AND NOT callable) AS hidden,
        coalesce((SELECT misses FROM missed WHERE missed.provider_id = concerned.provider_id), 0) AS misses
    FROM concerned GROUP BY provider_id
    """
)
LEFT = text(
    """
    SELECT owed.id, owed.provider_id, owed.number, owed.opened_at, owed.due_at, owed.misses,
        (SELECT count(*) FROM callback_attempt WHERE callback_id = owed.id),
        coalesce(handover.why, ''), coalesce(handover.named_by, '')
    FROM callback owed LEFT JOIN handover ON handover.callback_id = owed.id AND handover.shift_id = :shift
    WHERE owed.closed_at IS NULL ORDER BY owed.rank_at, owed.id
    """
)
NAME = text(
    """
    INSERT INTO handover (shift_id, callback_id, provider_id, why, named_by, at)
    SELECT :shift, id, provider_id, :why, :who, :at FROM callback
    WHERE id = ANY(CAST(:ids AS bigint[])) AND closed_at IS NULL
    ON CONFLICT (shift_id, callback_id) DO UPDATE SET why = excluded.why, named_by = excluded.named_by, at = excluded.at
    """
)
OFFER = text("UPDATE shift SET successor_id = :successor, offered_at = :at, note = :note WHERE id = :id")
WITHDRAW = text("UPDATE shift SET successor_id = NULL, offered_at = NULL WHERE id = :id")
TAKE_OVER = text(
    "UPDATE shift SET lead_id = :lead, successor_id = NULL, offered_at = NULL, "
    "note = left(concat_ws(E'\\n', nullif(note, ''), CAST(:note AS text)), 4000) WHERE id = :id"
)
CLOSE = text("UPDATE shift SET closed_at = :at, closed_by = :who, accepted_by = :accepted WHERE id = :id")
BEGIN = text(
    "INSERT INTO shift (name, lead_id, starts_at, ends_at, opened_at, opened_by, before_id) "
    "VALUES (:name, :lead, :at, :ends, :at, :who, :before) RETURNING id"
)
LEAD = text("SELECT name, role, providers FROM user_account WHERE id = :user AND disabled_at IS NULL")
LEADS = text(
    "SELECT id, name FROM user_account WHERE role IN ('lead', 'supervisor') AND providers IS NULL "
    "AND disabled_at IS NULL ORDER BY name, id"
)
PROVIDERS = text("SELECT id FROM provider ORDER BY id")
_PRESENT: Final = """
    SELECT agent_id, min(joined_at) AS joined_at,
        CASE WHEN bool_or(left_at IS NULL) THEN NULL ELSE max(left_at) END AS left_at
    FROM (
        SELECT agent_id, greatest(started_at, :since) AS joined_at,
            CASE WHEN ended_at < :until THEN ended_at END AS left_at
        FROM agent_state
        WHERE state <> 'offline' AND started_at < :until AND (ended_at IS NULL OR ended_at > :since)
        UNION ALL
        SELECT agent_id, greatest(since, :since), NULL FROM agent_duty WHERE status <> 'signed_out' AND since < :until
    ) AS seen GROUP BY agent_id
"""
WORKING = text(
    f"""
    SELECT agent.extension, agent.name, joined_at, left_at
    FROM ({_PRESENT}) AS present JOIN agent ON agent.id = agent_id ORDER BY agent.extension
    """  # noqa: S608
)
WORKED = text(
    "SELECT agent.extension, agent.name, joined_at, left_at FROM shift_agent JOIN agent ON agent.id = agent_id "
    "WHERE shift_id = :shift ORDER BY agent.extension"
)
FORGET_WORKERS = text("DELETE FROM shift_agent WHERE shift_id = :shift")
KEEP_WORKERS = text(
    f"""
    INSERT INTO shift_agent (shift_id, agent_id, joined_at, left_at)
    SELECT :shift, agent_id, joined_at, left_at FROM ({_PRESENT}) AS present
    """  # noqa: S608
)
SERVES = text(
    """
    SELECT DISTINCT extension FROM (
        SELECT agent.extension FROM queue_agent JOIN agent ON agent.id = queue_agent.agent_id
        WHERE queue_agent.provider_id = :provider
        UNION ALL
        SELECT unnest(agents) FROM call
        WHERE provider_id = :provider AND arrived_at >= :since AND arrived_at < :until
    ) AS theirs
    """
)
DOCUMENTS = text("SELECT provider_id, document::text FROM shift_document WHERE shift_id = :shift ORDER BY provider_id")
KEEP = text(
    "INSERT INTO shift_document (shift_id, provider_id, document) VALUES (:shift, :provider, CAST(:kept AS jsonb))"
)
