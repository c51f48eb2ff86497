"""A database's faults in the hub's words."""

from __future__ import annotations

from hub.errors import LedgerUnavailable


def unavailable(error: Exception) -> LedgerUnavailable:
    """Return the hub's error for a database that is away, locked or full."""
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    if "locked" in cause:
        mend = "another program holds the database; it is waited for"
    elif "full" in cause or "No space" in cause:
        mend = "make room on the disk"
    elif "no such table" in cause:
        mend = "run `hub db upgrade`"
    else:
        mend = "see that the database is up and HUB_LEDGER names it"
    return LedgerUnavailable(f"the ledger does not answer: {cause}", mend=mend, code="ledger")
