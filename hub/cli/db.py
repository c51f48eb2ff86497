"""`hub db`: the ledger's database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.cli import output
from hub.cli.session import Session
from hub.cli.words import word

if TYPE_CHECKING:
    from hub.ledger.engine import Ledger


def upgrade(session: Session) -> None:
    """Bring the ledger to this program's revision."""
    from hub.ledger import schema

    with _opened(session) as ledger:
        before, now = schema.upgrade(ledger)

    def for_people() -> None:
        if before == now:
            output.line(word("db.current", now=now))
        else:
            output.line(word("db.upgraded", before=before or word("db.empty"), now=now))

    session.answer({"before": before, "now": now}, for_people)


def status(session: Session) -> int:
    """Show the ledger's revision; exit 1 when it is not the newest."""
    from hub.ledger import schema
    from hub.ledger.revision import HEAD

    with _opened(session) as ledger:
        found = schema.revision(ledger)
        backend = ledger.engine.dialect.name
    current = found == HEAD
    answer = {"backend": backend, "revision": found, "head": HEAD, "current": current}
    text = word("db.current" if current else "db.old", now=found or word("db.empty"), head=HEAD)
    session.answer(answer, lambda: output.line(text))
    return 0 if current else 1


@contextlib.contextmanager
def _opened(session: Session) -> Iterator[Ledger]:
    """Give the ledger as it is, whatever its revision."""
    from hub.ledger.engine import Ledger

    ledger = Ledger(session.city().ledger_url)
    try:
        yield ledger
    finally:
        ledger.close()
