"""What a receiver that fetches has on offer, and what its system says of it.

What a system says becomes commands to the receiver's owner in one transaction; the owner alone ends deliveries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from hub.ledger import jobs
from hub.ledger.acknowledgements import by_key as ended_by_key
from hub.ledger.engine import Ledger
from hub.ledger.jobs import Order
from hub.ledger.status import SENDING
from hub.ledger.tables import command, pending


@dataclass(frozen=True, slots=True)
class Offer:
    """A delivery on offer: its place in the feed, which it is, and what is sent instead of what was planned."""

    no: int
    pos: int
    job: int
    subject: str
    payload: bytes | None


def offers(ledger: Ledger, receiver: int, after: int = 0, limit: int | None = None) -> list[Offer]:
    """Return what is on offer behind a place of the feed, in order."""
    query = (
        sa.select(pending.c.no, pending.c.pos, pending.c.job, pending.c.subject, pending.c.payload)
        .where(pending.c.receiver == receiver, pending.c.status == SENDING, pending.c.no > after)
        .order_by(pending.c.no)
        .limit(limit)
    )
    with ledger.read() as connection:
        return [
            Offer(*row[:4], bytes(row.payload) if row.payload is not None else None)
            for row in connection.execute(query)
        ]


def ended(ledger: Ledger, receiver: int, keys: Collection[str]) -> set[str]:
    """Return those of some delivery keys whose delivery has ended."""
    return set(ended_by_key(ledger, receiver, keys))


def order(ledger: Ledger, orders: Iterable[Order], *, by: str, what: str) -> int | None:
    """Give commands to owners and return the job's number, None when there are none."""
    given = list(orders)
    if not given:
        return None
    with ledger.write() as connection:
        at, totals = ledger.now(connection), {"deliveries": len(given)}
        return jobs.enter(connection, "acknowledge", {"feed": by}, given, by=by, reason=what, totals=totals, at=at)


def carried_out(ledger: Ledger, job: int) -> bool:
    """Say whether all commands of a job are carried out."""
    left = sa.exists().where(command.c.job == job, command.c.done_at.is_(None))
    with ledger.read() as connection:
        return not connection.execute(sa.select(left)).scalar_one()


def asked_again(ledger: Ledger, receiver: int) -> set[tuple[int, int]]:
    """Return what the owner was asked to look at again and has not yet."""
    query = sa.select(command.c.pos, command.c.target).where(
        command.c.receiver == receiver, command.c.kind == "reconsider", command.c.done_at.is_(None)
    )
    with ledger.read() as connection:
        return {(row.pos, row.target) for row in connection.execute(query)}
