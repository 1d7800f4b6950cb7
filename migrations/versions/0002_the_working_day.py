"""The working day: what agents do and since when, promises in working hours, shifts and their hand-over, the audit."""

from alembic import op

revision = "0002"
down_revision = "0001"

CHANGES = """
ALTER TABLE provider
    ADD callback_attempts integer NOT NULL DEFAULT 3 CHECK (callback_attempts BETWEEN 1 AND 20),
    ADD callback_every_min integer NOT NULL DEFAULT 15 CHECK (callback_every_min BETWEEN 1 AND 1440),
    ADD callback_talk_s real NOT NULL DEFAULT 5 CHECK (callback_talk_s >= 0),
    ADD service_level_s integer NOT NULL DEFAULT 20 CHECK (service_level_s BETWEEN 1 AND 600);
CREATE TABLE holiday (
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    day date NOT NULL,
    name text NOT NULL DEFAULT '',
    hours jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (provider_id, day)
);
CREATE TABLE call_reason (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    code text NOT NULL CHECK (code ~ '^[a-z][a-z0-9-]{0,29}$'),
    name_uk text NOT NULL CHECK (length(name_uk) BETWEEN 1 AND 80),
    name_en text NOT NULL DEFAULT '' CHECK (length(name_en) <= 80),
    sort integer NOT NULL DEFAULT 0,
    retired_at timestamptz,
    UNIQUE (provider_id, code)
);
CREATE TABLE pause_reason (
    code text PRIMARY KEY CHECK (code ~ '^[a-z][a-z0-9-]{0,29}$'),
    name_uk text NOT NULL CHECK (length(name_uk) BETWEEN 1 AND 80),
    name_en text NOT NULL DEFAULT '' CHECK (length(name_en) <= 80),
    limit_s integer CHECK (limit_s BETWEEN 60 AND 86400),
    sort integer NOT NULL DEFAULT 0,
    retired_at timestamptz
);
ALTER TABLE queue
    ADD keep_place boolean NOT NULL DEFAULT true,
    ADD keep_place_every_s integer NOT NULL DEFAULT 60 CHECK (keep_place_every_s BETWEEN 15 AND 600);
ALTER TABLE agent_duty ADD status text NOT NULL DEFAULT 'signed_out'
        CHECK (status IN ('signed_out', 'ready', 'paused', 'wrap_up'));
UPDATE agent_duty SET status = CASE WHEN paused THEN 'paused' ELSE 'ready' END;
ALTER TABLE agent_duty
    DROP paused,
    ADD until timestamptz,
    ADD call_id text NOT NULL DEFAULT '',
    ADD unanswered integer NOT NULL DEFAULT 0,
    ADD changed_by text NOT NULL DEFAULT '';
CREATE TABLE agent_state (
    agent_id bigint NOT NULL REFERENCES agent ON DELETE CASCADE,
    started_at timestamptz NOT NULL,
    state text NOT NULL,
    reason text NOT NULL DEFAULT '',
    call_id text NOT NULL DEFAULT '',
    ended_at timestamptz,
    PRIMARY KEY (agent_id, started_at)
);
CREATE UNIQUE INDEX agent_state_one_open ON agent_state (agent_id) WHERE ended_at IS NULL;
CREATE INDEX agent_state_started ON agent_state (started_at);
ALTER TABLE call
    ADD queue text NOT NULL DEFAULT '',
    ADD held_s real NOT NULL DEFAULT 0;
CREATE TABLE call_note (
    call_id text NOT NULL REFERENCES call ON DELETE CASCADE,
    agent text NOT NULL,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    reason text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 4000),
    at timestamptz NOT NULL,
    PRIMARY KEY (call_id, agent)
);
ALTER TABLE callback
    ADD rank_at timestamptz,
    ADD next_try_at timestamptz,
    ADD decision_since timestamptz,
    ADD kept_queue text,
    ADD kept_since timestamptz,
    ADD closed_by text NOT NULL DEFAULT '',
    ADD close_note text NOT NULL DEFAULT '' CHECK (length(close_note) <= 1000);
UPDATE callback SET rank_at = due_at;
UPDATE callback SET closed_by = substr(closed_reason, 10), closed_reason = 'no_number'
    WHERE closed_reason LIKE 'by_hand: %';
ALTER TABLE callback ALTER rank_at SET NOT NULL, ADD claimed_at timestamptz, ADD dialling_until timestamptz;
CREATE INDEX callback_rank ON callback (rank_at, id) WHERE closed_at IS NULL;
CREATE INDEX callback_taken ON callback (claimed_until) WHERE closed_at IS NULL AND claimed_by IS NOT NULL;
CREATE INDEX callback_oldest ON callback (opened_at, id) WHERE closed_at IS NULL;
CREATE INDEX callback_newest ON callback (last_missed_at, id) WHERE closed_at IS NULL;
CREATE INDEX callback_decision ON callback (decision_since) WHERE closed_at IS NULL AND decision_since IS NOT NULL;
CREATE INDEX callback_kept ON callback (kept_since, id) WHERE closed_at IS NULL AND kept_queue IS NOT NULL;
CREATE INDEX callback_number ON callback (provider_id, number, opened_at);
CREATE INDEX call_of_ours_open ON call (provider_id, number) WHERE direction = 'out' AND outcome IS NULL;
CREATE TABLE callback_act (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    callback_id bigint NOT NULL REFERENCES callback ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    at timestamptz NOT NULL,
    act text NOT NULL CHECK (act IN ('taken', 'calling', 'let_go', 'try_again', 'closed', 'place_lost')),
    who text NOT NULL,
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 1000)
);
CREATE INDEX callback_act_callback ON callback_act (callback_id, at);
CREATE TABLE dialling (
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    number text NOT NULL,
    agent text NOT NULL,
    at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (provider_id, number)
);
CREATE INDEX callback_opened ON callback (opened_at);
CREATE INDEX callback_closed ON callback (closed_at) WHERE closed_at IS NOT NULL;
ALTER TABLE callback_attempt
    ADD result text NOT NULL DEFAULT '',
    ADD said text NOT NULL DEFAULT '' CHECK (said IN ('', 'voicemail', 'wrong_number')),
    ADD said_by text NOT NULL DEFAULT '',
    ADD said_at timestamptz;
UPDATE callback_attempt SET result = CASE WHEN answered THEN 'answered' ELSE 'no_answer' END;
CREATE TABLE shift (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    lead_id bigint NOT NULL REFERENCES user_account,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    opened_by text NOT NULL,
    successor_id bigint REFERENCES user_account,
    offered_at timestamptz,
    closed_at timestamptz,
    closed_by text NOT NULL DEFAULT '',
    accepted_by text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 4000),
    before_id bigint REFERENCES shift,
    CHECK (ends_at > starts_at)
);
CREATE UNIQUE INDEX shift_one_open ON shift ((true)) WHERE closed_at IS NULL;
CREATE TABLE shift_agent (
    shift_id bigint NOT NULL REFERENCES shift ON DELETE CASCADE,
    agent_id bigint NOT NULL REFERENCES agent ON DELETE CASCADE,
    joined_at timestamptz NOT NULL,
    left_at timestamptz,
    PRIMARY KEY (shift_id, agent_id)
);
CREATE TABLE shift_document (
    shift_id bigint NOT NULL REFERENCES shift ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    document jsonb NOT NULL,
    PRIMARY KEY (shift_id, provider_id)
);
CREATE TABLE handover (
    shift_id bigint NOT NULL REFERENCES shift ON DELETE CASCADE,
    callback_id bigint NOT NULL REFERENCES callback ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    why text NOT NULL CHECK (length(why) BETWEEN 1 AND 1000),
    named_by text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (shift_id, callback_id)
);
CREATE TABLE audit_day (
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    day date NOT NULL,
    calls integer NOT NULL,
    misses integer NOT NULL,
    callbacks integer NOT NULL,
    difference integer NOT NULL,
    detail jsonb NOT NULL DEFAULT '[]',
    audited_at timestamptz NOT NULL,
    PRIMARY KEY (provider_id, day)
);
CREATE TABLE live_listening (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    call_id text NOT NULL,
    agent text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('listen', 'whisper', 'join')),
    who text NOT NULL,
    user_id bigint,
    token_id bigint,
    at timestamptz NOT NULL,
    address text NOT NULL DEFAULT ''
);
CREATE INDEX live_listening_at ON live_listening (at DESC);
CREATE INDEX live_listening_call ON live_listening (call_id);
CREATE TABLE agent_message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_id bigint NOT NULL REFERENCES agent ON DELETE CASCADE,
    sender text NOT NULL,
    body text NOT NULL CHECK (length(body) BETWEEN 1 AND 1000),
    at timestamptz NOT NULL,
    seen_at timestamptz
);
CREATE INDEX agent_message_unseen ON agent_message (agent_id, at) WHERE seen_at IS NULL;
CREATE INDEX agent_state_call ON agent_state (call_id) WHERE call_id <> '';
CREATE INDEX call_of_agent ON call USING gin ((agents || rang)) WITH (fastupdate = off);
CREATE TABLE report_day (
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    day date NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    rolled_at timestamptz NOT NULL,
    PRIMARY KEY (provider_id, day)
);
CREATE INDEX report_day_until ON report_day (provider_id, until);
CREATE TABLE report_cell (
    provider_id bigint NOT NULL,
    day date NOT NULL,
    reason text NOT NULL,
    queue text NOT NULL,
    direction text NOT NULL,
    outcome text NOT NULL,
    short boolean NOT NULL,
    calls integer NOT NULL,
    in_time integer NOT NULL,
    wait_ms bigint NOT NULL,
    longest_ms bigint NOT NULL,
    talk_ms bigint NOT NULL,
    held_ms bigint NOT NULL,
    wrap_ms bigint NOT NULL,
    transferred integer NOT NULL,
    numbered integer NOT NULL,
    repeats_day integer NOT NULL,
    repeats_week integer NOT NULL,
    FOREIGN KEY (provider_id, day) REFERENCES report_day ON DELETE CASCADE
);
CREATE INDEX report_cell_day ON report_cell (provider_id, day);
CREATE TABLE report_hour (
    provider_id bigint NOT NULL,
    day date NOT NULL,
    hour timestamptz NOT NULL,
    queue text NOT NULL,
    direction text NOT NULL,
    outcome text NOT NULL,
    short boolean NOT NULL,
    calls integer NOT NULL,
    in_time integer NOT NULL,
    wait_ms bigint NOT NULL,
    longest_ms bigint NOT NULL,
    talk_ms bigint NOT NULL,
    held_ms bigint NOT NULL,
    wrap_ms bigint NOT NULL,
    transferred integer NOT NULL,
    numbered integer NOT NULL,
    repeats_day integer NOT NULL,
    repeats_week integer NOT NULL,
    FOREIGN KEY (provider_id, day) REFERENCES report_day ON DELETE CASCADE
);
CREATE INDEX report_hour_day ON report_hour (provider_id, day);
CREATE TABLE report_agent (
    provider_id bigint NOT NULL,
    day date NOT NULL,
    queue text NOT NULL,
    agent text NOT NULL,
    taken integer NOT NULL,
    not_taken integer NOT NULL,
    talk_ms bigint NOT NULL,
    held_ms bigint NOT NULL,
    wrap_ms bigint NOT NULL,
    outgoing integer NOT NULL,
    out_reached integer NOT NULL,
    out_talk_ms bigint NOT NULL,
    busy_ms bigint NOT NULL,
    FOREIGN KEY (provider_id, day) REFERENCES report_day ON DELETE CASCADE
);
CREATE INDEX report_agent_day ON report_agent (provider_id, day);
ALTER TABLE user_account DROP CONSTRAINT user_account_role_check,
    ADD CONSTRAINT user_account_role_check CHECK (role IN ('agent', 'lead', 'supervisor'));
ALTER TABLE api_token DROP CONSTRAINT api_token_role_check,
    ADD CONSTRAINT api_token_role_check CHECK (role IN ('agent', 'lead', 'supervisor'));
"""

TENANT = (
    "holiday", "call_reason", "call_note", "shift_document", "handover", "audit_day", "live_listening", "callback_act",
    "dialling",
    "report_day", "report_cell", "report_hour", "report_agent",
)  # fmt: skip
APPEND_ONLY = ("live_listening",)
SHARED = ("pause_reason", "agent_state", "shift", "shift_agent", "agent_message")

_FORGET = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    scope text := current_setting('callcenter.scope', true);
BEGIN
    PERFORM set_config('callcenter.scope', 'all', true);
    IF EXISTS (SELECT FROM {told} WHERE {old}) THEN
        PERFORM pg_advisory_xact_lock_shared(hashtext('callcenter.reports'));
        {forget};
    END IF;
    PERFORM set_config('callcenter.scope', coalesce(scope, ''), true);
    RETURN NULL;
END
$$
"""
_OLD = "told.arrived_at < now() - interval '2 hours'"
_DAYS = """DELETE FROM report_day rolled USING {told} WHERE rolled.provider_id = told.provider_id
            AND rolled.until > told.arrived_at AND rolled.until <= told.arrived_at + interval '9 days'"""


def _forget(name: str, told: str, old: str = _OLD, forget: str = _DAYS) -> str:
    """Who writes a note of one provider, or a state of none, must take back what it cannot see."""
    return _FORGET.format(name=name, told=told, old=old, forget=forget.format(told=told))


_CALL, _BOTH, _OF_CALL = (
    "changed AS told",
    "(SELECT * FROM changed UNION ALL SELECT * FROM before) AS told",
    "(SELECT call.* FROM changed JOIN call ON call.id = changed.call_id) AS told",
)
CORRECTIONS = (
    _forget("reports_forget_call", _CALL),
    _forget("reports_forget_changed_call", _BOTH),
    _forget("reports_forget_of_call", _OF_CALL),
    _forget(
        "reports_forget_provider",
        "(SELECT NEW.id) AS told (id)",
        "true",
        "DELETE FROM report_day rolled USING {told} WHERE rolled.provider_id = told.id",
    ),
    """
    CREATE TRIGGER reports_forget AFTER UPDATE ON provider FOR EACH ROW
    WHEN ((OLD.timezone, OLD.service_level_s, OLD.short_abandon_s)
        IS DISTINCT FROM (NEW.timezone, NEW.service_level_s, NEW.short_abandon_s))
    EXECUTE FUNCTION reports_forget_provider()
    """,
    *(
        f"CREATE TRIGGER reports_forget_{when.lower()} AFTER {when} ON {table} REFERENCING {rows} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        for table, when, rows, function in (
            ("call", "INSERT", "NEW TABLE AS changed", "reports_forget_call"),
            ("call", "UPDATE", "OLD TABLE AS before NEW TABLE AS changed", "reports_forget_changed_call"),
            ("call", "DELETE", "OLD TABLE AS changed", "reports_forget_call"),
            *(
                (table, when, f"{row} TABLE AS changed", "reports_forget_of_call")
                for table in ("call_note", "agent_state")
                for when, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"))
            ),
        )
    ),
)
"""What changes in a day that was rolled up takes the roll back. A day is rolled three hours after its end at the
soonest, so what is younger than two hours is in none; a call counts for the repeats of the seven days after it."""

BACK = """
DROP FUNCTION reports_forget_call, reports_forget_changed_call, reports_forget_of_call, reports_forget_provider CASCADE;
DROP INDEX call_of_agent;
UPDATE user_account SET role = 'supervisor' WHERE role = 'lead';
UPDATE api_token SET role = 'supervisor' WHERE role = 'lead';
ALTER TABLE user_account DROP CONSTRAINT user_account_role_check,
    ADD CONSTRAINT user_account_role_check CHECK (role IN ('agent', 'supervisor'));
ALTER TABLE api_token DROP CONSTRAINT api_token_role_check,
    ADD CONSTRAINT api_token_role_check CHECK (role IN ('agent', 'supervisor'));
ALTER TABLE callback_attempt DROP result, DROP said, DROP said_by, DROP said_at;
DROP INDEX callback_opened;
DROP INDEX callback_closed;
DROP INDEX callback_taken;
DROP INDEX callback_oldest;
DROP INDEX call_of_ours_open;
DROP INDEX callback_newest;
DROP INDEX callback_number;
ALTER TABLE callback DROP rank_at, DROP next_try_at, DROP decision_since, DROP kept_queue, DROP kept_since,
    DROP closed_by, DROP close_note, DROP claimed_at, DROP dialling_until;
ALTER TABLE call DROP queue, DROP held_s;
ALTER TABLE agent_duty ADD paused boolean NOT NULL DEFAULT false;
UPDATE agent_duty SET paused = (status = 'paused');
ALTER TABLE agent_duty ALTER paused DROP DEFAULT,
    DROP status, DROP until, DROP call_id, DROP unanswered, DROP changed_by;
ALTER TABLE queue DROP keep_place, DROP keep_place_every_s;
ALTER TABLE provider DROP callback_attempts, DROP callback_every_min, DROP callback_talk_s, DROP service_level_s;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _each(CHANGES)
    for statement in CORRECTIONS:
        op.execute(statement)
    for table in TENANT:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY scope ON {table} USING (in_scope(provider_id)) WITH CHECK (in_scope(provider_id))")
        rights = "SELECT, INSERT" if table in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
        op.execute(f"GRANT {rights} ON {table} TO callcenter_app")
    for table in SHARED:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO callcenter_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in reversed((*TENANT, *SHARED)):
        op.execute(f"DROP TABLE {table} CASCADE")
    _each(BACK)


def _each(statements: str) -> None:
    for statement in statements.split(";\n"):
        if statement.strip():
            op.execute(statement)
