"""A database's faults in the hub's words."""

from __future__ import annotations

from hub.errors import LedgerUnavailable

_LIMIT = "54"  # PostgreSQL's class "Program Limit Exceeded"


def is_of_content(error: Exception) -> bool:
    """Say whether what was to be written is at fault, though the driver counts it among the server's troubles.

    PostgreSQL says so of a text that is too long for an index: waiting would never help.
    """
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return state is not None and state.startswith(_LIMIT)


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
