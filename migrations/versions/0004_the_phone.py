"""The phone in the page: which phone an agent has, whose page holds it, how calls were heard; who restarts ONUs."""

from alembic import op

revision = "0004"
down_revision = "0003"

CHANGES = """
ALTER TABLE agent
    ADD phone text NOT NULL DEFAULT 'desk' CHECK (phone IN ('desk', 'browser')),
    ADD auto_answer boolean NOT NULL DEFAULT false,
    ADD CHECK (phone = 'desk' OR contact IS NULL);
ALTER TABLE provider
    ADD auto_answer boolean NOT NULL DEFAULT false,
    ADD agents_restart boolean NOT NULL DEFAULT false;
CREATE TABLE phone_login (
    agent_id bigint PRIMARY KEY REFERENCES agent ON DELETE CASCADE,
    extension text NOT NULL,
    session bytea NOT NULL,
    tab text NOT NULL CHECK (tab ~ '^[A-Za-z0-9_-]{8,64}$'),
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE TABLE call_quality (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider ON DELETE CASCADE,
    call_id text,
    uniqueid text NOT NULL,
    extension text NOT NULL DEFAULT '',
    side text NOT NULL CHECK (side IN ('agent', 'caller')),
    source text NOT NULL CHECK (source IN ('browser', 'asterisk')),
    codec text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    packets bigint NOT NULL DEFAULT 0,
    lost bigint NOT NULL DEFAULT 0,
    jitter_ms real,
    rtt_ms real,
    mos real,
    silent_s real NOT NULL DEFAULT 0,
    UNIQUE (uniqueid, side, source)
);
CREATE INDEX call_quality_call ON call_quality (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX call_quality_at ON call_quality (provider_id, at DESC);
"""

BACK = """
DROP TABLE call_quality;
DROP TABLE phone_login;
ALTER TABLE provider DROP auto_answer, DROP agents_restart;
ALTER TABLE agent DROP CONSTRAINT IF EXISTS agent_check, DROP auto_answer, DROP phone;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _each(CHANGES)
    op.execute("ALTER TABLE call_quality ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE call_quality FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY scope ON call_quality USING (in_scope(provider_id)) WITH CHECK (in_scope(provider_id))")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON call_quality, phone_login TO callcenter_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _each(BACK)


def _each(statements: str) -> None:
    for statement in statements.split(";\n"):
        if statement.strip():
            op.execute(statement)
