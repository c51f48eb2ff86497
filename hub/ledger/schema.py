"""The ledger's schema: created and upgraded by Alembic migrations that travel in the package."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hub.errors import ConfigurationError, Problem
from hub.ledger.engine import Ledger
from hub.ledger.revision import HEAD
from hub.ledger.tables import meta

if TYPE_CHECKING:
    from alembic.config import Config

_LEDGER_ID = "ledger-id"


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415 - slow to import, and needed only when something is to be done

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def revision(ledger: Ledger) -> str | None:
    """Return the revision the database is at, None when it is empty."""
    with ledger.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def revisions() -> list[str]:
    """Return every revision this program knows, the newest first."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def upgrade(ledger: Ledger) -> tuple[str | None, str]:
    """Bring the database to the newest revision; return `(before, now)`. Commands that start at once wait in turn."""
    before = revision(ledger)
    if before != HEAD:
        from alembic import command  # noqa: PLC0415

        with ledger.write() as connection:
            if not ledger.sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(728119)"))
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.execute(
                sa.text("INSERT INTO meta(key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING"),
                {"key": _LEDGER_ID, "value": str(uuid.uuid4())},
            )
    return before, HEAD


def ready(ledger: Ledger) -> str:
    """Return the ledger's id, creating an empty ledger's tables; raises ConfigurationError when it must be upgraded."""
    found = revision(ledger)
    if found is None:
        upgrade(ledger)
    elif found != HEAD:
        mend = (
            "run `hub db upgrade`" if found in revisions() else "this ledger was made by a newer hub: install that one"
        )
        raise ConfigurationError([Problem("HUB_LEDGER", f"the ledger is at revision {found}, not {HEAD}", mend)])
    with ledger.read() as connection:
        return str(connection.execute(sa.select(meta.c.value).where(meta.c.key == _LEDGER_ID)).scalar_one())
