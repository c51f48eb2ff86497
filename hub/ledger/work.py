"""The work that robots fetch: leases on a receiver's deliveries, and how each ended.

    offered ──▶ leased ──▶ ended            completed, rejected, or withheld
    leased ──▶ offered                      its lease ran out, or it was given back, perhaps to be offered later

What is offered is `delivered` in the ledger and the first of its resident that is open at its receiver. The end of work
and the command to the receiver's owner are one transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.errors import NotFound
from hub.events.wire import source_of
from hub.ledger import jobs
from hub.ledger.engine import Ledger
from hub.ledger.jobs import Order
from hub.ledger.status import DELIVERED
from hub.ledger.tables import dedup, name, outcome, receiver, work

KEPT = 7 * 86_400_000  # milliseconds that ended work is remembered, so that its end can be said twice
_PUT = (
    "INSERT INTO work(receiver, pos, job, subject, since, due, lease, until, attempts, ended_at, result) "
    "VALUES (:receiver, :pos, :job, :subject, :now, 0, '', 0, 0, NULL, '') ON CONFLICT (receiver, pos, job) DO UPDATE "
    "SET since = excluded.since, due = 0, lease = '', until = 0, attempts = 0, ended_at = NULL, result = '' "
    "WHERE work.ended_at IS NOT NULL"
)


class LeaseLost(Exception):  # noqa: N818 - not an error of the hub: the caller is told
    """The lease is not the caller's: it ran out and another robot has the work, or it was given back."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing to put into a queue: the event by its source and id, the delivery's own job number, the resident."""

    source: str
    event_id: str
    job: int
    subject: str


@dataclass(frozen=True, slots=True)
class Leased:
    """Work that a robot has: its number, its delivery `(receiver, pos, job)`, and its lease until (milliseconds)."""

    no: int
    receiver: int
    pos: int
    job: int
    subject: str
    lease: str
    until: int
    attempts: int


def put(ledger: Ledger, number: int, offers: Sequence[Offer]) -> None:
    """Add what a receiver is handed; what is open already stays as it is, what had ended is offered again."""
    with ledger.write() as connection:
        now = ledger.now(connection)
        rows = []
        for offer in offers:
            query = sa.select(dedup.c.pos).join(name, name.c.no == dedup.c.source)
            mine = (dedup.c.id == offer.event_id, name.c.kind == "source", name.c.name == source_of(offer.source))
            pos = connection.execute(query.where(*mine)).scalar_one()
            rows.append({"receiver": number, "pos": pos, "job": offer.job, "subject": offer.subject, "now": now})
        connection.execute(sa.text(_PUT), rows)
        connection.execute(sa.delete(work).where(work.c.ended_at < now - KEPT))


def claim(ledger: Ledger, receivers: Collection[int], limit: int, seconds: dict[int, float]) -> list[Leased]:
    """Lease what is next at some receivers: of each resident the first that is open, if nobody has it.

    `seconds` says by receiver how long the lease lasts.
    """
    taken: list[Leased] = []
    with ledger.write() as connection:
        now = ledger.now(connection)
        for row in _heads(connection, receivers):
            if len(taken) == limit:
                break
            if row.status != DELIVERED or row.until > now or row.due > now:
                continue
            lease, until = secrets.token_urlsafe(12), now + int(seconds[row.receiver] * 1000)
            mine = (work.c.no == row.no, work.c.until == row.until, work.c.due == row.due, work.c.ended_at.is_(None))
            given = sa.update(work).where(*mine).values(lease=lease, until=until, attempts=row.attempts + 1)
            if connection.execute(given).rowcount == 1:  # on PostgreSQL another may have been quicker
                at = (row.no, row.receiver, row.pos, row.job, row.subject)
                taken.append(Leased(*at, lease, until, row.attempts + 1))
    return taken


def _heads(connection: Connection, receivers: Collection[int]) -> Iterator[Any]:
    """Yield each resident's first open work, in event order, with the status of its delivery (None: not settled)."""
    same = [work.c.receiver == outcome.c.receiver, work.c.pos == outcome.c.pos, work.c.job == outcome.c.job]
    query = (
        sa.select(work, outcome.c.status)
        .outerjoin(outcome, sa.and_(*same))
        .where(work.c.receiver.in_(receivers), work.c.ended_at.is_(None))
        .order_by(work.c.pos, work.c.job)
    )
    seen: set[tuple[int, str]] = set()
    for row in connection.execute(query):
        if (row.receiver, row.subject) not in seen:
            seen.add((row.receiver, row.subject))
            yield row


def find(ledger: Ledger, receivers: Collection[int], number: int) -> Leased:
    """Return work of these receivers by its number, whoever has it; raises NotFound."""
    with ledger.read() as connection:
        return _leased(_row(connection, receivers, number))


def extend(ledger: Ledger, receivers: Collection[int], number: int, lease: str | None, seconds: float) -> int:
    """Let a lease last from now and return until when (milliseconds). Raises NotFound and LeaseLost."""
    with ledger.write() as connection:
        row = _held(connection, receivers, number, lease)
        until = ledger.now(connection) + int(seconds * 1000)
        _change(connection, row, until=until)
    return until


def end(
    ledger: Ledger, receivers: Collection[int], number: int, lease: str | None, result: str, order: str, note: str = ""
) -> None:
    """End work and tell the receiver's owner what becomes of its delivery: `accept`, `refuse` or `withhold`.

    Saying the same end twice with the same lease changes nothing. Raises NotFound and LeaseLost.
    """
    with ledger.write() as connection:
        row = _row(connection, receivers, number)
        if row.ended_at is not None and row.result == result and lease in (None, row.lease):
            return
        row = _held(connection, receivers, number, lease)
        now = ledger.now(connection)
        _change(connection, row, ended_at=now, until=0, result=result)
        _tell(connection, row, order, note, now)


def give_back(
    ledger: Ledger, receivers: Collection[int], number: int, lease: str | None, seconds: float, note: str | None
) -> None:
    """Offer work again after some seconds; a `note` is kept with its delivery as a failed attempt.

    Without one it was never handed out, and does not count as fetched. Raises NotFound and LeaseLost.
    """
    with ledger.write() as connection:
        row = _held(connection, receivers, number, lease)
        now = ledger.now(connection)
        _change(connection, row, due=now + int(seconds * 1000), until=0, attempts=row.attempts - (note is None))
        if note is not None:
            _tell(connection, row, "stumble", note, now)


def _row(connection: Connection, receivers: Collection[int], number: int) -> Any:
    row = connection.execute(sa.select(work).where(work.c.no == number, work.c.receiver.in_(receivers))).first()
    if row is None:
        raise NotFound(f"there is no job {number}", mend="claim one")
    return row


def _held(connection: Connection, receivers: Collection[int], number: int, lease: str | None) -> Any:
    """Return work that the caller has: by its lease, or, without one, by being the only one who speaks for it."""
    row = _row(connection, receivers, number)
    if row.ended_at is not None or not row.until or lease not in (None, row.lease):
        raise LeaseLost
    return row


def _change(connection: Connection, row: Any, **values: Any) -> None:
    mine = (work.c.no == row.no, work.c.lease == row.lease, work.c.until == row.until, work.c.ended_at.is_(None))
    if connection.execute(sa.update(work).where(*mine).values(values)).rowcount != 1:
        raise LeaseLost


def _tell(connection: Connection, row: Any, order: str, note: str, now: int) -> None:
    """Enter a command to the receiver's owner, who alone changes its deliveries."""
    key = connection.execute(sa.select(receiver.c.key).where(receiver.c.no == row.receiver)).scalar_one()
    told = Order(row.receiver, order, row.pos, row.job, note.encode() or None)
    args, by = {"work": row.no, "receiver": key}, {"by": key.partition(".")[0], "reason": ""}
    jobs.enter(connection, "work", args, [told], **by, totals={"deliveries": 1}, at=now)


def _leased(row: Any) -> Leased:
    return Leased(row.no, row.receiver, row.pos, row.job, row.subject, row.lease, row.until, row.attempts)
