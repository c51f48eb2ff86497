"""Who has died by what the ledger knows, and what a receiver was not told because of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from hub.ledger.commands import overtaken, parts, payloads
from hub.ledger.engine import Ledger
from hub.ledger.status import DIED
from hub.ledger.tables import event, name, outcome, pending, relation


class Buried(NamedTuple):
    """A delivery that ended untold; `payload` is what was to be sent in the place of what was planned."""

    pos: int
    job: int
    subject: str
    payload: bytes | None


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


def buried(ledger: Ledger, receiver: int, subjects: Collection[str]) -> list[Buried]:
    """Return what ended untold because residents had died, of events that stand and are not overtaken."""
    cancelled = sa.exists().where(relation.c.target == event.c.pos, relation.c.kind == "cancels")
    same = sa.and_(pending.c.pos == outcome.c.pos, pending.c.job == outcome.c.job)
    waits = sa.exists().where(pending.c.receiver == receiver, same)
    query = (
        sa.select(event.c.pos, event.c.subject, outcome.c.job)
        .join(outcome, sa.and_(outcome.c.pos == event.c.pos, outcome.c.receiver == receiver))
        .where(outcome.c.status == DIED, ~cancelled, ~waits)
    )
    found: list[Buried] = []
    with ledger.read() as connection:
        for part in parts(sorted(subjects)):
            rows = list(connection.execute(query.where(event.c.subject.in_(part))))
            positions = sorted({int(row.pos) for row in rows})
            late = overtaken(connection, receiver, positions) if positions else set()
            instead = payloads(connection, positions)
            found += [
                Buried(row.pos, row.job, row.subject, instead.get((receiver, row.pos, row.job)))
                for row in rows
                if row.pos not in late
            ]
    return sorted(found)
