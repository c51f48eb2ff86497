"""What a batch brought as one row, and a view of every delivery that has ended."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
phase = "pre"

_FOLDED = {
    "sqlite": (
        "SELECT d.receiver, d.first + m.value, 0, 96, d.at, d.no + m.key, d.batch "
        "FROM delivered AS d, json_each(d.members) AS m"
    ),
    "postgresql": (
        "SELECT d.receiver, d.first + m.value\\:\\:bigint, 0, 96\\:\\:smallint, d.at, d.no + m.place - 1, d.batch "
        "FROM delivered AS d "
        "CROSS JOIN LATERAL jsonb_array_elements_text(d.members\\:\\:jsonb) WITH ORDINALITY AS m(value, place)"
    ),
}


def upgrade() -> None:
    """Add the table and the view; nothing is written into the table while an older program may be at work."""
    op.create_table(
        "delivered",
        sa.Column("receiver", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("no", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "last"),
    )
    folded = _FOLDED[op.get_bind().dialect.name]
    op.execute(
        "CREATE VIEW ending(receiver, pos, job, status, at, no, batch) AS "
        f"SELECT receiver, pos, job, status, at, no, batch FROM outcome UNION ALL {folded}"
    )
