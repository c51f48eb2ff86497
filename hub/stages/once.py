"""Who has been told of a report already, when it comes again under the number of the resident it is about."""

from __future__ import annotations

import sqlalchemy as sa

from hub.ledger.log import EventLog
from hub.ledger.status import CANCELLED, DEAD, DIED, SUPERSEDED
from hub.ledger.tables import event, outcome
from hub.stages.entries import Item, unpack_plan
from hub.stages.rulebook import RuleBook

UNTOLD = frozenset({*DEAD, CANCELLED, DIED, SUPERSEDED})


def told_before(log: EventLog, book: RuleBook, pos: int) -> set[str]:
    """Return the receivers that were told of an event, or are still to be; those it never reached are left out."""
    with log.ledger.read() as connection:
        query = sa.select(event.c.plan, event.c.ruleset).where(event.c.pos == pos)
        row = connection.execute(query).first()
        ended = sa.select(outcome.c.receiver, outcome.c.status).where(outcome.c.pos == pos, outcome.c.job == 0)
        ends = {each.receiver: each.status for each in connection.execute(ended)}
    if row is None:
        return set()
    rules = book[row.ruleset]
    return {
        rules.ruleset.receivers[item.receiver]
        for item in unpack_plan(bytes(row.plan))
        if item.suppressed is None and ends.get(rules.numbers[item.receiver]) not in UNTOLD
    }


def covered(item: Item, event_id: str) -> Item:
    """Return a planned delivery as one that another has made needless."""
    return Item(item.receiver, item.rule, None, None, f"told by {event_id}", "covered")
