"""Full extracts, and what waits for a person."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
phase = "pre"


def upgrade() -> None:
    """Add the tables of `mode: snapshot` and of `hub review`."""
    op.create_table(
        "extract",
        sa.Column("no", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("system", "source"),
    )
    op.create_table(
        "known_row",
        sa.Column("extract", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("mark", sa.LargeBinary(), nullable=False),
        sa.Column("plain", sa.LargeBinary(), nullable=False),
        sa.Column("as_of", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("flags", sa.SmallInteger(), nullable=False),
        sa.Column("shown", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("extract", "key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "review",
        sa.Column("no", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("standing", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("published_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("standing"),
    )
    due = sa.text("status = 'accepted' AND events > 0 AND published_at IS NULL")
    op.create_index("review_by_status", "review", ["status", "no"], unique=False)
    op.create_index("review_to_publish", "review", ["no"], unique=False, sqlite_where=due, postgresql_where=due)
