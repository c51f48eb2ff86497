"""Calls of systems are remembered as long as they could be repeated."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
phase = "pre"


def upgrade() -> None:
    """Add the calls that were taken."""
    op.create_table(
        "call",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("call_by_until", "call", ["until"], unique=False)
