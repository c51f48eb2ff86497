"""Which ledgers this program works with, by the revision of their tables.

A migration is a `pre` step, which only adds and runs while older processes go on, or a `post` step, which takes away
what no process needs any more. So two versions run side by side between the one and the other:

    older program   ledger 0001 ──pre──▶ 0002                 it knows no 0002; the ledger says that it may go on
    newer program                        0002 ──post──▶ 0003  it needs 0002 (NEEDS), and makes 0003 (HEAD)

The ledger itself says the oldest program that may work with it: the revision of its last `post` step.
"""

from __future__ import annotations

from typing import Final, Literal

HEAD: Final = "0007"  # the newest revision under migrations/; a test holds it to that
NEEDS: Final = "0006"  # the oldest ledger this program works with: what the newest `pre` step makes
OLDEST: Final = "oldest-program"  # the key in `meta` of the oldest program's HEAD

State = Literal["empty", "current", "pre-open", "post-open", "ahead", "too-new"]


def state_of(found: str | None, oldest: str | None) -> State:
    """Return how a ledger stands to this program, by its revision and the oldest program that it allows.

    Revisions are four digits, and grow. This program works with a ledger that is `current`, `post-open` or `ahead`.
    """
    if found is None:
        return "empty"
    if found == HEAD:
        return "current"
    if found < NEEDS:
        return "pre-open"
    if found < HEAD:
        return "post-open"
    return "ahead" if oldest is not None and oldest <= HEAD else "too-new"


def fits(found: str | None, oldest: str | None) -> bool:
    """Tell whether this program works with a ledger."""
    return state_of(found, oldest) in ("current", "post-open", "ahead")
