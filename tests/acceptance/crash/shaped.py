"""The command `hub` under another lease or on a full disk: `python -m tests.acceptance.crash.shaped WORD...`.

`TEST_LEASE` is a lease's time in milliseconds. While the file `TEST_FULL` names is there, no SQLite database of this
process may grow: SQLite itself says then that it is full, as it does of a disk.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.pool import Pool

ENDLESS = 2**31 - 2  # pages


def shorten(milliseconds: int) -> None:
    """Let leases last so long."""
    from hub.ledger import desk

    desk.LEASE = milliseconds


def watch(full: Path) -> None:
    """Let databases grow or not, as the file says whenever a connection is taken up."""

    def checkout(connection: Any, _record: Any, _proxy: Any) -> None:
        if hasattr(connection, "enable_load_extension") or hasattr(connection, "iterdump"):  # of SQLite
            connection.execute(f"PRAGMA max_page_count = {1 if full.exists() else ENDLESS}")  # never below what it has

    sqlalchemy.event.listen(Pool, "checkout", checkout)


if __name__ == "__main__":
    if "TEST_LEASE" in os.environ:
        shorten(int(os.environ["TEST_LEASE"]))
    if "TEST_FULL" in os.environ:
        watch(Path(os.environ["TEST_FULL"]))
    from hub.cli.main import main

    main()
