"""The house: providers, subscribers, the ledger, callbacks, recordings, users, and the walls between providers."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE provider (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z][a-z0-9-]{0,29}$'),
    brand text NOT NULL CHECK (length(brand) BETWEEN 1 AND 60),
    colour text NOT NULL DEFAULT '#0b5fff' CHECK (colour ~ '^#[0-9a-f]{6}$'),
    language text NOT NULL DEFAULT 'uk' CHECK (language IN ('uk', 'en')),
    timezone text NOT NULL DEFAULT 'Europe/Kyiv',
    greeting text NOT NULL DEFAULT '',
    hours jsonb NOT NULL DEFAULT '{}',
    max_lines integer NOT NULL DEFAULT 30 CHECK (max_lines BETWEEN 1 AND 1000),
    min_talk_s real NOT NULL DEFAULT 1 CHECK (min_talk_s >= 0),
    short_abandon_s integer NOT NULL DEFAULT 5 CHECK (short_abandon_s >= 0),
    callback_within_min integer NOT NULL DEFAULT 30 CHECK (callback_within_min BETWEEN 1 AND 10080),
    thresholds jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE did (
    number text PRIMARY KEY CHECK (number ~ '^\\+[1-9][0-9]{6,14}$'),
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    note text NOT NULL DEFAULT ''
);
CREATE TABLE trunk (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,29}$'),
    provider_id bigint REFERENCES provider ON DELETE CASCADE,
    hosts text[] NOT NULL CHECK (cardinality(hosts) > 0),
    outbound_uri text,
    codecs text NOT NULL DEFAULT 'alaw,ulaw'
);
CREATE TABLE agent (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    extension text NOT NULL UNIQUE CHECK (extension ~ '^[0-9]{2,6}$'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    sip_secret text NOT NULL CHECK (length(sip_secret) >= 8),
    contact text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE agent_duty (
    agent_id bigint PRIMARY KEY REFERENCES agent ON DELETE CASCADE,
    paused boolean NOT NULL,
    reason text NOT NULL DEFAULT '',
    since timestamptz NOT NULL
);
CREATE TABLE queue (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9-]{0,39}$'),
    strategy text NOT NULL DEFAULT 'rrmemory'
        CHECK (strategy IN ('leastrecent', 'rrmemory', 'fewestcalls', 'ringall', 'linear', 'random', 'rrordered',
            'wrandom')),
    timeout_s integer NOT NULL DEFAULT 300 CHECK (timeout_s BETWEEN 5 AND 7200),
    ring_s integer NOT NULL DEFAULT 20 CHECK (ring_s BETWEEN 3 AND 120),
    wrapup_s integer NOT NULL DEFAULT 10 CHECK (wrapup_s BETWEEN 0 AND 600),
    max_waiting integer NOT NULL DEFAULT 50 CHECK (max_waiting BETWEEN 1 AND 1000)
);
CREATE TABLE queue_agent (
    queue_id bigint NOT NULL REFERENCES queue ON DELETE CASCADE,
    agent_id bigint NOT NULL REFERENCES agent ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    penalty integer NOT NULL DEFAULT 0 CHECK (penalty BETWEEN 0 AND 20),
    PRIMARY KEY (queue_id, agent_id)
);
CREATE TABLE olt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    name text NOT NULL,
    driver text NOT NULL,
    host text NOT NULL,
    port integer NOT NULL DEFAULT 161 CHECK (port BETWEEN 1 AND 65535),
    community text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (provider_id, name)
);
CREATE TABLE subscriber (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    account text NOT NULL CHECK (length(account) BETWEEN 1 AND 40),
    name text NOT NULL DEFAULT '',
    address text NOT NULL DEFAULT '',
    tariff text NOT NULL DEFAULT '',
    balance numeric(12, 2),
    currency text NOT NULL DEFAULT 'UAH',
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'debtor', 'frozen', 'closed')),
    paid_till date,
    language text CHECK (language IN ('uk', 'en')),
    olt_id bigint REFERENCES olt ON DELETE SET NULL,
    onu text,
    note text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (provider_id, account)
);
CREATE TABLE subscriber_phone (
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    number text NOT NULL,
    subscriber_id bigint NOT NULL REFERENCES subscriber ON DELETE CASCADE,
    PRIMARY KEY (provider_id, number, subscriber_id)
);
CREATE INDEX subscriber_phone_subscriber ON subscriber_phone (subscriber_id);
CREATE TABLE onu_reading (
    olt_id bigint NOT NULL REFERENCES olt ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    onu text NOT NULL,
    at timestamptz NOT NULL,
    reading jsonb NOT NULL,
    PRIMARY KEY (olt_id, onu)
);
CREATE TABLE onu_history (
    olt_id bigint NOT NULL REFERENCES olt ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    onu text NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL,
    onu_rx real,
    olt_rx real,
    PRIMARY KEY (olt_id, onu, at)
);
CREATE TABLE journal_position (
    source text PRIMARY KEY,
    path text NOT NULL,
    inode bigint NOT NULL,
    position bigint NOT NULL,
    fingerprint bytea NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE journal_open_row (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uniqueid text NOT NULL,
    line text NOT NULL
);
CREATE INDEX journal_open_row_uniqueid ON journal_open_row (uniqueid);
CREATE TABLE journal_set_aside (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    path text NOT NULL,
    position bigint NOT NULL,
    raw bytea NOT NULL,
    reason text NOT NULL,
    seen_at timestamptz NOT NULL,
    resolved_at timestamptz,
    resolved_by text
);
CREATE UNIQUE INDEX journal_set_aside_once ON journal_set_aside (source, position, sha256(raw));
CREATE TABLE call (
    id text PRIMARY KEY,
    provider_id bigint REFERENCES provider ON DELETE CASCADE,
    direction text NOT NULL CHECK (direction IN ('in', 'out')),
    did text,
    dialled text NOT NULL,
    number text NOT NULL,
    callable boolean NOT NULL,
    caller_name text NOT NULL DEFAULT '',
    arrived_at timestamptz NOT NULL,
    answered_at timestamptz,
    queued_at timestamptz,
    connected_at timestamptz,
    ended_at timestamptz,
    outcome text,
    waited_s real,
    talked_s real NOT NULL DEFAULT 0,
    agents text[] NOT NULL DEFAULT '{}',
    rang text[] NOT NULL DEFAULT '{}',
    transfers integer NOT NULL DEFAULT 0,
    hangup_by text NOT NULL DEFAULT '',
    hangup_cause integer,
    recording text,
    callback_id bigint,
    source text NOT NULL DEFAULT 'journal' CHECK (source IN ('journal', 'ami', 'queue_log')),
    settled boolean NOT NULL DEFAULT false
);
CREATE INDEX call_provider_arrived ON call (provider_id, arrived_at DESC);
CREATE INDEX call_provider_number ON call (provider_id, number, arrived_at DESC);
CREATE INDEX call_arrived ON call (arrived_at DESC, id DESC);
CREATE INDEX call_number ON call (number, arrived_at DESC);
CREATE INDEX call_open ON call (arrived_at) WHERE NOT settled;
CREATE TABLE call_segment (
    call_id text NOT NULL REFERENCES call ON DELETE CASCADE,
    seq integer NOT NULL,
    provider_id bigint REFERENCES provider ON DELETE CASCADE,
    kind text NOT NULL,
    agent text,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (call_id, seq)
);
CREATE TABLE callback (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    number text NOT NULL,
    callable boolean NOT NULL,
    opened_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    misses integer NOT NULL DEFAULT 1 CHECK (misses > 0),
    last_missed_at timestamptz NOT NULL,
    closed_at timestamptz,
    closed_reason text,
    closed_by_call text,
    claimed_by text,
    claimed_until timestamptz,
    CHECK ((closed_at IS NULL) = (closed_reason IS NULL))
);
CREATE UNIQUE INDEX callback_one_open ON callback (provider_id, number) WHERE closed_at IS NULL;
CREATE INDEX callback_due ON callback (due_at) WHERE closed_at IS NULL;
CREATE TABLE callback_miss (
    call_id text PRIMARY KEY REFERENCES call ON DELETE CASCADE,
    callback_id bigint NOT NULL REFERENCES callback ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    missed_at timestamptz NOT NULL,
    outcome text NOT NULL,
    waited_s real
);
CREATE INDEX callback_miss_callback ON callback_miss (callback_id);
CREATE TABLE callback_attempt (
    call_id text PRIMARY KEY REFERENCES call ON DELETE CASCADE,
    callback_id bigint NOT NULL REFERENCES callback ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    agent text NOT NULL,
    at timestamptz NOT NULL,
    answered boolean NOT NULL,
    talked_s real NOT NULL DEFAULT 0
);
CREATE INDEX callback_attempt_callback ON callback_attempt (callback_id);
CREATE TABLE recording (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    call_id text NOT NULL UNIQUE REFERENCES call ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'expected' CHECK (state IN ('expected', 'stored', 'missing', 'damaged')),
    source text NOT NULL DEFAULT '',
    path text,
    bytes bigint,
    sha256 text,
    duration_s real,
    talked_s real NOT NULL DEFAULT 0,
    expected_at timestamptz NOT NULL,
    stored_at timestamptz,
    note text NOT NULL DEFAULT ''
);
CREATE INDEX recording_newest ON recording (expected_at DESC, id DESC);
CREATE INDEX recording_expected ON recording (expected_at) WHERE state = 'expected';
CREATE TABLE user_account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login text NOT NULL UNIQUE CHECK (login ~ '^[a-z0-9][a-z0-9._-]{1,39}$'),
    password_hash text NOT NULL,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('agent', 'supervisor')),
    agent_id bigint UNIQUE REFERENCES agent ON DELETE CASCADE,
    providers bigint[],
    language text NOT NULL DEFAULT 'uk' CHECK (language IN ('uk', 'en')),
    failures integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (role <> 'agent' OR agent_id IS NOT NULL)
);
CREATE TABLE session (
    key_hash bytea PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES user_account ON DELETE CASCADE,
    csrf text NOT NULL,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    address text NOT NULL DEFAULT ''
);
CREATE TABLE api_token (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('agent', 'supervisor')),
    providers bigint[],
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE TABLE listening (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recording_id uuid NOT NULL,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    who text NOT NULL,
    user_id bigint,
    token_id bigint,
    at timestamptz NOT NULL,
    address text NOT NULL,
    byte_range text NOT NULL DEFAULT ''
);
CREATE INDEX listening_recording ON listening (recording_id, at DESC);
CREATE TABLE alarm (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint REFERENCES provider ON DELETE CASCADE,
    kind text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL DEFAULT '',
    raised_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    times integer NOT NULL DEFAULT 1,
    cleared_at timestamptz,
    cleared_by text
);
CREATE UNIQUE INDEX alarm_one_open ON alarm (kind, subject) WHERE cleared_at IS NULL;
"""

TENANT = (
    "did", "trunk", "queue", "queue_agent", "olt", "subscriber", "subscriber_phone", "onu_reading", "onu_history",
    "call", "call_segment", "callback", "callback_miss", "callback_attempt", "recording", "listening", "alarm",
)  # fmt: skip
APPEND_ONLY = ("listening",)
SHARED = (
    "agent", "agent_duty", "journal_position", "journal_open_row", "journal_set_aside", "user_account", "session",
    "api_token",
)  # fmt: skip


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(
        """
        CREATE FUNCTION in_scope(provider bigint) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
            SELECT current_setting('callcenter.scope', true) = 'all'
                OR provider::text = ANY (string_to_array(current_setting('callcenter.scope', true), ','))
        $$
        """
    )
    for table in ("provider", *TENANT):
        column = "id" if table == "provider" else "provider_id"
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY scope ON {table} USING (in_scope({column})) WITH CHECK (in_scope({column}))")
        rights = "SELECT, INSERT" if table in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
        op.execute(f"GRANT {rights} ON {table} TO callcenter_app")
    for table in SHARED:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO callcenter_app")
    op.execute("GRANT SELECT ON alembic_version TO callcenter_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in reversed(("provider", "agent", *TENANT, *SHARED)):
        op.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
    op.execute("DROP FUNCTION in_scope(bigint)")
