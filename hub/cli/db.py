"""`hub db`: the ledger's database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import output
from hub.cli.session import Session
from hub.cli.words import word

if TYPE_CHECKING:
    from hub.ledger.engine import Ledger


TEXTS = {
    "empty": "db.empty",
    "current": "db.current",
    "pre-open": "db.pre-open",
    "post-open": "db.post-open",
    "ahead": "db.ahead",
    "too-new": "db.too-new",
}


def upgrade(
    session: Session,
    pre: Annotated[bool, typer.Option("--pre", help=word("option.pre"))] = False,
    post: Annotated[bool, typer.Option("--post", help=word("option.post"))] = False,
) -> None:
    """Bring the ledger to this program's revision, or by the part of the way that older processes live with."""
    from hub.errors import UsageError
    from hub.ledger import schema

    if pre and post:
        raise UsageError("`--pre` and `--post` are two steps", mend="one of them, or neither for both at once")
    with _opened(session) as ledger:
        before, now = schema.upgrade(ledger, "pre" if pre else "post" if post else "all")
        due = schema.due(now)

    def for_people() -> None:
        if before == now:
            output.line(word("db.nothing", now=now) if pre or post else word("db.current", now=now))
        else:
            output.line(word("db.upgraded", before=before or word("db.empty"), now=now))
        if due["pre"]:  # behind a `post` step: several versions at once
            output.line(word("db.behind", now=now))
        elif due["post"]:
            output.line(word("db.post-open", now=now))

    session.answer({"before": before, "now": now, **due}, for_people)


def status(session: Session) -> int:
    """Show the ledger's revision; exit 1 when a step is due, 2 when this program cannot work with it."""
    from hub.ledger import schema
    from hub.ledger.revision import HEAD, NEEDS, state_of

    with _opened(session) as ledger:
        found, oldest = schema.found(ledger)
        due = schema.due(found)
        backend = ledger.engine.dialect.name
    state = state_of(found, oldest)
    answer: dict[str, Any] = {
        "backend": backend,
        "revision": found,
        "head": HEAD,
        "current": state == "current",
        "state": state,
    }
    answer |= {"needs": NEEDS, "oldest_program": oldest, **due}
    text = word(TEXTS[state], now=found or word("db.empty"), head=HEAD)
    session.answer(answer, lambda: output.line(text))
    return {"current": 0, "ahead": 0, "too-new": 2}.get(state, 1)


@contextlib.contextmanager
def _opened(session: Session) -> Iterator[Ledger]:
    """Give the ledger as it is, whatever its revision."""
    from hub.ledger.engine import Ledger

    ledger = Ledger(session.city().ledger_url)
    try:
        yield ledger
    finally:
        ledger.close()
