"""Holds every settlement of a test to the state machine of deliveries."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from hub.ledger import states
from hub.ledger.desk import Desk, Settlement, members_of
from hub.ledger.status import delivery_words
from hub.ledger.tables import ending, pending, receiver

Key = tuple[int, int]


def watch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of what settlements from now on do that is not in the table; it grows as they do."""
    settle, found = Desk.settle, []

    def watched(desk: Desk, settlements: Sequence[Settlement]) -> set[int]:
        moves = [move for one in settlements for move in _moves(desk, one)]
        fenced = settle(desk, settlements)
        for start, to, number, key in moves:
            if number not in fenced and not states.may(start, to):
                found.append(f"receiver {number}, delivery {key}: {start} → {to}")
        return fenced

    monkeypatch.setattr(Desk, "settle", watched)
    return found


def _moves(desk: Desk, one: Settlement) -> list[tuple[str, str, int, Key]]:
    ends = [((pos, each.job), delivery_words(each.status)[0]) for each in one.finished for pos in each.positions] + [
        ((hold.pos, hold.job), delivery_words(hold.status)[0]) for hold in one.holds
    ]
    stood = _stood(desk, one.receiver, {key for key, _ in ends})
    moves = []
    for key, to in ends:
        start = stood.get(key, "planned")
        moves.append((start, to, one.receiver, key))
        stood[key] = to
    return [move for move in moves if move[0] != move[1]]


def _stood(desk: Desk, number: int, keys: set[Key]) -> dict[Key, str]:
    found: dict[Key, str] = {}
    with desk.ledger.read() as connection:
        for table in (ending, pending):  # what waits is newer than how it once ended
            rows = connection.execute(
                sa.select(table.c.pos, table.c.job, table.c.status).where(
                    table.c.receiver == number, table.c.pos.in_({pos for pos, _ in keys})
                )
            )
            found |= {(row.pos, row.job): delivery_words(row.status)[0] for row in rows}
        members = connection.execute(sa.select(receiver.c.intent_members).where(receiver.c.no == number)).scalar()
    if members is not None:
        for pos, job, *_ in members_of(members):
            found.setdefault((pos, job), "sending")
    return found
