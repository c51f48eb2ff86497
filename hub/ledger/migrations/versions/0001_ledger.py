"""The first shape of the ledger."""

from alembic import op

from hub.ledger.tables import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    metadata.create_all(op.get_bind())
