"""`hub morning`: what needs a person now."""

from __future__ import annotations

from hub.cli import output
from hub.cli.codes import listed
from hub.cli.session import Session
from hub.cli.words import word

KINDS = {
    "dead": "morning.dead",
    "unknown": "morning.unknown",
    "held": "morning.held",
    "stands-still": "morning.stands-still",
    "source": "morning.source",
    "quarantine": "morning.quarantine",
    "batch": "morning.batch",
    "review": "morning.review",
    "waiting": "morning.waiting",
    "reported": "morning.reported",
}
BY_CODE = frozenset({"dead", "unknown", "held", "quarantine", "review"})  # kinds whose `why` is codes


def morning(session: Session) -> int:
    """Tell what needs a person now; exit 1 when there is anything."""
    from hub.stages.morning import morning as found_in

    with session.ledger() as ledger:
        items = found_in(ledger)
    headers = ("since", "what", "where", "count", "why", "do")
    session.answer(
        {"items": items, "next": None},
        lambda: (
            output.listing(
                [word(f"column.{name}") for name in headers],
                [
                    (
                        item["since"],
                        word(KINDS[item["kind"]]),
                        ".".join(filter(None, (item["system"], item["name"]))),
                        item["count"],
                        listed(item["why"]) if item["kind"] in BY_CODE else item["why"],
                        item["do"],
                    )
                    for item in items
                ],
                None,
            )
            if items
            else output.line(word("morning.nothing"))
        ),
    )
    return 1 if items else 0
