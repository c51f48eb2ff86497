"""The ledger's schema: created and upgraded by Alembic migrations that travel in the package."""

from __future__ import annotations

import uuid
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from hub.errors import ConfigurationError, Problem
from hub.ledger.engine import Ledger
from hub.ledger.tables import meta

_LEDGER_ID = "ledger-id"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def revision(ledger: Ledger) -> str | None:
    """Return the revision the database is at, None when it is empty."""
    with ledger.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """Return the newest revision this program knows."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def upgrade(ledger: Ledger) -> tuple[str | None, str]:
    """Bring the database to the newest revision; return `(before, now)`. Commands starting at once wait for one another."""
    before = revision(ledger)
    if before != head():
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
    return before, head()


def ready(ledger: Ledger) -> str:
    """Return the ledger's id, creating an empty ledger's tables; raises ConfigurationError when it must be upgraded."""
    found = revision(ledger)
    if found is None:
        upgrade(ledger)
    elif found != head():
        script = ScriptDirectory.from_config(_config())
        known = {each.revision for each in script.walk_revisions()}
        mend = "run `hub db upgrade`" if found in known else "this ledger was made by a newer hub: install that one"
        raise ConfigurationError([Problem("HUB_LEDGER", f"the ledger is at revision {found}, not {head()}", mend)])
    with ledger.read() as connection:
        return str(connection.execute(sa.select(meta.c.value).where(meta.c.key == _LEDGER_ID)).scalar_one())
