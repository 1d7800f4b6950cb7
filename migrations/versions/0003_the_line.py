"""The line: devices of every kind, what a sweep learns of them, diagnoses, mass outages, circuits, changes made."""

from alembic import op

revision = "0003"
down_revision = "0002"

CHANGES = """
ALTER TABLE olt RENAME TO device;
ALTER TABLE device
    ALTER community DROP NOT NULL,
    ADD secrets bytea,
    ADD options jsonb NOT NULL DEFAULT '{}',
    ADD detected text NOT NULL DEFAULT '',
    ADD described text NOT NULL DEFAULT '',
    ADD probed_at timestamptz,
    ADD cli_protocol text NOT NULL DEFAULT '' CHECK (cli_protocol IN ('', 'ssh', 'telnet')),
    ADD cli_port integer CHECK (cli_port BETWEEN 1 AND 65535),
    ADD host_key text NOT NULL DEFAULT '',
    ADD area text NOT NULL DEFAULT '' CHECK (length(area) <= 100),
    ADD site_ip text NOT NULL DEFAULT '',
    ADD swept_at timestamptz,
    ADD sweep_s real,
    ADD sweep_error text NOT NULL DEFAULT '';
ALTER TABLE device RENAME community TO plain_community;
ALTER TABLE subscriber RENAME olt_id TO device_id;
ALTER TABLE subscriber
    ADD port text,
    ADD mac text CHECK (mac ~ '^[0-9a-f]{2}(:[0-9a-f]{2}){5}$'),
    ADD vlan integer CHECK (vlan BETWEEN 1 AND 4094),
    ADD ip inet;
CREATE INDEX subscriber_line ON subscriber (device_id, onu) WHERE device_id IS NOT NULL;
ALTER TABLE onu_reading RENAME olt_id TO device_id;
ALTER TABLE onu_history RENAME olt_id TO device_id;
ALTER TABLE onu_history ADD reason text NOT NULL DEFAULT '';
CREATE INDEX onu_history_at ON onu_history (at);
CREATE TABLE onu_day (
    device_id bigint NOT NULL REFERENCES device ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    onu text NOT NULL,
    day date NOT NULL,
    readings integer NOT NULL,
    rx_min real,
    rx_avg real,
    rx_max real,
    olt_rx_avg real,
    downs integer NOT NULL DEFAULT 0,
    PRIMARY KEY (device_id, onu, day)
);
CREATE INDEX onu_day_day ON onu_day (day);
CREATE TABLE onu_worse (
    device_id bigint NOT NULL REFERENCES device ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    onu text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('dropped', 'weak', 'critical', 'flapping', 'dark')),
    since timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    ended_at timestamptz,
    seen_by text NOT NULL DEFAULT '',
    PRIMARY KEY (device_id, onu, kind, since)
);
CREATE UNIQUE INDEX onu_worse_one_open ON onu_worse (device_id, onu, kind) WHERE ended_at IS NULL;
CREATE INDEX onu_worse_open ON onu_worse (provider_id, last_at DESC) WHERE ended_at IS NULL;
CREATE TABLE line_outage (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL REFERENCES device ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    scope text NOT NULL CHECK (scope IN ('pon', 'olt', 'area')),
    place text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    dark integer NOT NULL,
    total integer NOT NULL,
    source text NOT NULL CHECK (source IN ('sweep', 'trap', 'call')),
    onus jsonb NOT NULL DEFAULT '[]',
    ended_at timestamptz
);
CREATE UNIQUE INDEX line_outage_one_open ON line_outage (device_id, scope, place) WHERE ended_at IS NULL;
CREATE INDEX line_outage_newest ON line_outage (provider_id, since DESC);
CREATE TABLE diagnosis (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    call_id text,
    subscriber_id bigint REFERENCES subscriber ON DELETE SET NULL,
    device_id bigint REFERENCES device ON DELETE SET NULL,
    line text NOT NULL DEFAULT '',
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    who text NOT NULL,
    steps jsonb NOT NULL DEFAULT '[]',
    answers jsonb NOT NULL DEFAULT '{}',
    verdict jsonb
);
CREATE INDEX diagnosis_call ON diagnosis (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX diagnosis_subscriber ON diagnosis (subscriber_id, started_at DESC);
CREATE INDEX diagnosis_newest ON diagnosis (provider_id, started_at DESC);
CREATE TABLE circuit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    vlan integer NOT NULL CHECK (vlan BETWEEN 1 AND 4094),
    mac_a text NOT NULL DEFAULT '',
    mac_b text NOT NULL DEFAULT '',
    ip_a inet,
    ip_b inet,
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 1000),
    UNIQUE (provider_id, name)
);
CREATE TABLE circuit_hop (
    circuit_id bigint NOT NULL REFERENCES circuit ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    seq integer NOT NULL CHECK (seq BETWEEN 1 AND 64),
    device_id bigint NOT NULL REFERENCES device,
    port text NOT NULL CHECK (length(port) BETWEEN 1 AND 60),
    vlan integer NOT NULL CHECK (vlan BETWEEN 1 AND 4094),
    tagged boolean NOT NULL,
    PRIMARY KEY (circuit_id, seq)
);
CREATE TABLE circuit_check (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    circuit_id bigint NOT NULL REFERENCES circuit ON DELETE CASCADE,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    at timestamptz NOT NULL,
    who text NOT NULL,
    sound boolean NOT NULL,
    broken_at integer,
    result jsonb NOT NULL
);
CREATE INDEX circuit_check_newest ON circuit_check (circuit_id, at DESC);
CREATE TABLE device_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    device text NOT NULL,
    place text NOT NULL,
    kind text NOT NULL,
    circuit_id bigint REFERENCES circuit ON DELETE SET NULL,
    at timestamptz NOT NULL,
    who text NOT NULL,
    commands jsonb NOT NULL DEFAULT '[]',
    before jsonb NOT NULL DEFAULT '{}',
    after jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL CHECK (state IN ('begun', 'done', 'refused', 'rolled_back', 'failed')),
    note text NOT NULL DEFAULT ''
);
CREATE INDEX device_change_newest ON device_change (provider_id, at DESC);
"""

TENANT = (
    "onu_day", "onu_worse", "line_outage", "diagnosis", "circuit", "circuit_hop", "circuit_check", "device_change",
)  # fmt: skip
"""A change made on a device is never deleted, and only its end is written later."""
KEPT = ("device_change",)

BACK = """
ALTER TABLE onu_history DROP reason;
DROP INDEX onu_history_at;
ALTER TABLE onu_history RENAME device_id TO olt_id;
ALTER TABLE onu_reading RENAME device_id TO olt_id;
DROP INDEX subscriber_line;
ALTER TABLE subscriber DROP port, DROP mac, DROP vlan, DROP ip;
ALTER TABLE subscriber RENAME device_id TO olt_id;
UPDATE device SET plain_community = '' WHERE plain_community IS NULL;
ALTER TABLE device
    ALTER plain_community SET NOT NULL,
    DROP secrets, DROP options, DROP detected, DROP described, DROP probed_at, DROP cli_protocol, DROP cli_port,
    DROP host_key, DROP area, DROP site_ip, DROP swept_at, DROP sweep_s, DROP sweep_error;
ALTER TABLE device RENAME plain_community TO community;
ALTER TABLE device RENAME TO olt;
"""
"""A sealed community is not opened on the way back: it has to be given again (`callcenter olt add`)."""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _each(CHANGES)
    for table in TENANT:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY scope ON {table} USING (in_scope(provider_id)) WITH CHECK (in_scope(provider_id))")
        rights = "SELECT, INSERT, UPDATE" if table in KEPT else "SELECT, INSERT, UPDATE, DELETE"
        op.execute(f"GRANT {rights} ON {table} TO callcenter_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in reversed(TENANT):
        op.execute(f"DROP TABLE {table} CASCADE")
    _each(BACK)


def _each(statements: str) -> None:
    for statement in statements.split(";\n"):
        if statement.strip():
            op.execute(statement)
