"""New ledgers on SQLite: made one time a process, then copied (each table costs a sync); all have one ledger id."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from hub.ledger import schema
from hub.ledger.engine import Ledger


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        ledger = Ledger(f"sqlite:///{path}")
        schema.ready(ledger)
        ledger.close()  # the last connection takes the write-ahead log back into the file
        return path.read_bytes()


def blank_url(folder: Path) -> str:
    """Return the SQLAlchemy URL of a new ledger in a folder."""
    path = folder / "ledger.db"
    path.write_bytes(_template())
    return f"sqlite:///{path}"


def blank_ledger(folder: Path) -> Ledger:
    """Return a new ledger in a folder."""
    return Ledger(blank_url(folder))
