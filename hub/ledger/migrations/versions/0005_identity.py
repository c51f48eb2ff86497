"""Who a report is about: the systems' own numbers, the identity queue; bytes that a text cannot give back."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
phase = "pre"


def upgrade() -> None:
    """Add the tables, and the index of warnings nobody has been told of."""
    warned = sa.text("alerted_at IS NULL AND kind = 'warning'")
    op.create_index(
        "attempt_to_be_warned", "attempt", ["receiver", "pos"], sqlite_where=warned, postgresql_where=warned
    )
    op.create_table(
        "local_id",
        sa.Column("no", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("system", "number"),
    )
    op.create_index("local_id_by_subject", "local_id", ["subject", "system"])
    op.create_table(
        "identity",
        sa.Column("no", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("status", "system", "source", "place", "event_id", "type", "reason", "given", "found")
        ),
        sa.Column("checked", sa.Text(), nullable=False),
        sa.Column("provisional", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("links", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("system", "event_id"),
    )
    op.create_index("identity_by_status", "identity", ["status", "no"])
    op.create_index("identity_by_subject", "identity", ["subject"])
    op.create_table(
        "identity_deed",
        sa.Column("no", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("what", "subject", "event_id", "by", "reason")),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("no"),
    )
    op.create_index("identity_deed_by_entry", "identity_deed", ["entry", "no"])
    undone = sa.text("done_at IS NULL")
    op.create_index("identity_deed_open", "identity_deed", ["no"], sqlite_where=undone, postgresql_where=undone)
    op.create_table(
        "source_bytes",
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("system", "event_id"),
        sqlite_with_rowid=False,
    )
