"""How calls were heard: the latest and the worst moment beside the whole, and the longest silence."""

from alembic import op

revision = "0005"
down_revision = "0004"

ADD = """
ALTER TABLE call_quality ADD now_mos real, ADD worst_mos real, ADD worst_at timestamptz,
    ADD longest_silent_s real NOT NULL DEFAULT 0
"""
FILL = "UPDATE call_quality SET worst_mos = mos, worst_at = at, longest_silent_s = silent_s"
DROP = "ALTER TABLE call_quality DROP now_mos, DROP worst_mos, DROP worst_at, DROP longest_silent_s"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(ADD)
    op.execute(FILL)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DROP)
