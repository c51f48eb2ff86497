"""The work queue of robots."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
phase = "pre"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "work",
        sa.Column("no", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("receiver", sa.Integer(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.Column("job", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("receiver", "pos", "job"),
    )
    undone = sa.text("ended_at IS NULL")
    op.create_index("work_open", "work", ["receiver", "pos", "job"], sqlite_where=undone, postgresql_where=undone)
