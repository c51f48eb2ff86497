"""Ledgers on SQLite that have their tables at once: made one time a process, then copied; each table costs a sync."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from hub.ledger.engine import Ledger
from hub.ledger.tables import metadata


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        ledger = Ledger(f"sqlite:///{path}")
        metadata.create_all(ledger.engine)
        ledger.close()  # the last connection takes the write-ahead log back into the file
        return path.read_bytes()


def blank_ledger(folder: Path) -> Ledger:
    """Return a new ledger in a folder, its tables there and empty."""
    path = folder / "ledger.db"
    path.write_bytes(_template())
    return Ledger(f"sqlite:///{path}")
