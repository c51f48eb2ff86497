"""Who has died by what the ledger knows, and what a receiver was not told because of it."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from hub.ledger.commands import overtaken, parts
from hub.ledger.engine import Ledger
from hub.ledger.status import DIED
from hub.ledger.tables import event, name, outcome, pending, relation


def dead(ledger: Ledger, subjects: Collection[str]) -> dict[str, int]:
    """Return those who have died, with the position of the first report that stands and is no mere echo."""
    type_ = sa.select(name.c.no).where(name.c.kind == "type", name.c.name == "resident.died").scalar_subquery()
    cancelled = sa.exists().where(relation.c.target == event.c.pos, relation.c.kind == "cancels")
    echo = sa.exists().where(relation.c.pos == event.c.pos, relation.c.kind == "echoes")
    query = (
        sa.select(event.c.subject, sa.func.min(event.c.pos))
        .where(event.c.type == type_, ~cancelled, ~echo)
        .group_by(event.c.subject)
    )
    found: dict[str, int] = {}
    with ledger.read() as connection:
        for part in parts(sorted(subjects)):
            found.update((row[0], row[1]) for row in connection.execute(query.where(event.c.subject.in_(part))))
    return found


def buried(ledger: Ledger, receiver: int, subjects: Collection[str]) -> list[int]:
    """Return the events of residents that ended untold because they had died, and that stand and are not overtaken."""
    cancelled = sa.exists().where(relation.c.target == event.c.pos, relation.c.kind == "cancels")
    waits = sa.exists().where(pending.c.receiver == receiver, pending.c.pos == event.c.pos, pending.c.job == 0)
    query = (
        sa.select(event.c.pos)
        .join(outcome, sa.and_(outcome.c.pos == event.c.pos, outcome.c.receiver == receiver, outcome.c.job == 0))
        .where(outcome.c.status == DIED, ~cancelled, ~waits)
    )
    found: list[int] = []
    with ledger.read() as connection:
        for part in parts(sorted(subjects)):
            positions = [int(row[0]) for row in connection.execute(query.where(event.c.subject.in_(part)))]
            late = overtaken(connection, receiver, positions) if positions else set()
            found += [pos for pos in positions if pos not in late]
    return sorted(found)
