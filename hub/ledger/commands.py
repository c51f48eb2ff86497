"""What people ask of a receiver's owner, and what the ledger says of the deliveries it is about.

Commands are inserted by anybody (`hub.ledger.jobs`) and carried out by the owner alone, in its own settlement. Only
those not done yet are looked for, so none that commits late is missed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.ledger import delivered
from hub.ledger.engine import Ledger
from hub.ledger.log import select_in
from hub.ledger.status import ARRIVED, DELIVERED, REASONS, UNREACHED, delivery_code
from hub.ledger.tables import command, ending, event, job, outcome, pending, receiver, relation

T = TypeVar("T")
STEERING = ("pause", "resume", "cancel")  # carried out whatever the job's status
_AMENDING = ("cancels", "corrects", "enriches", "contradicts")
_PART = 400
_SUPPRESSED = tuple(delivery_code("suppressed", reason) for reason in (None, *REASONS["suppressed"]))

# By the job's number alone: joined, PostgreSQL would rather sort all that is open than read it in order. And in the
# order of `command_open`, of a range of one receiver: by `no` alone, or in any order, PostgreSQL goes through all that
# was ever asked for until it meets what is open.
_STOPPED = sa.select(job.c.no).where(job.c.status != "running")
_TO_DO = (command.c.done_at.is_(None), sa.or_(command.c.kind.in_(STEERING), command.c.job.not_in(_STOPPED)))
_IN_ORDER = (command.c.receiver, command.c.no)


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do: `target` is the delivery's own job number, `args` are its job's."""

    no: int
    job: int
    kind: str
    pos: int
    target: int
    payload: bytes | None
    args: dict[str, Any]
    by: str
    reason: str


@dataclass(slots=True)
class Known:
    """What the ledger says of the deliveries some commands are about, at one receiver."""

    subjects: dict[int, str] = field(default_factory=dict)  # pos → resident
    ended: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)  # (pos, job) → status, no
    attempts: dict[tuple[int, int], int] = field(default_factory=dict)  # (pos, job) → the highest attempt
    overtaken: set[int] = field(default_factory=set)


def asked(ledger: Ledger) -> dict[int, int]:
    """Return how many commands each receiver's owner has to carry out."""
    query = sa.select(command.c.receiver, sa.func.count()).where(*_TO_DO, command.c.receiver > 0)
    with ledger.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query.group_by(command.c.receiver))}


def called(ledger: Ledger) -> set[int]:
    """Return the receivers whose owners have commands to carry out, without counting them."""
    mine = (*_TO_DO, command.c.receiver.between(receiver.c.no, receiver.c.no))
    first = sa.select(command.c.no).where(*mine).order_by(*_IN_ORDER).limit(1).scalar_subquery()
    with ledger.read() as connection:
        return set(connection.execute(sa.select(receiver.c.no).where(first.is_not(None))).scalars())


def next_of(ledger: Ledger, number: int, limit: int, kinds: Collection[str]) -> list[Command]:
    """Return the next commands to a receiver's owner, in the order they were given.

    Only of kinds that the owner knows: what a newer hub asks for waits for an owner that does.
    """
    mine = (*_TO_DO, command.c.receiver.between(number, number), command.c.kind.in_(kinds))
    columns = (command.c.no, command.c.job, command.c.kind, command.c.pos, command.c.target, command.c.payload)
    query = sa.select(*columns).where(*mine).order_by(*_IN_ORDER).limit(limit)
    with ledger.read() as connection:
        rows = connection.execute(query).all()
        whose = sa.select(job.c.no, job.c.args, job.c.by, job.c.reason).where(job.c.no.in_({of for _, of, *_ in rows}))
        jobs = {row.no: (orjson.loads(row.args), row.by, row.reason) for row in connection.execute(whose)}
    return [
        Command(no, of, kind, pos, target, bytes(payload) if payload is not None else None, *jobs[of])
        for no, of, kind, pos, target, payload in rows
    ]


def known(ledger: Ledger, receiver: int, positions: Collection[int], *, judged: bool = True) -> Known:
    """Return what the ledger says of a receiver's deliveries of some events; `judged`: also which are overtaken."""
    found = Known()
    wanted = sorted(set(positions))
    mine = f"WHERE receiver = {int(receiver)}"
    with ledger.read() as connection:

        def ask(query: str) -> list[Any]:
            return select_in(connection, ledger.sqlite, query, wanted)

        found.subjects = dict(ask("SELECT pos, subject FROM event WHERE pos"))
        for (_, pos), at in delivered.holding(connection, [receiver], wanted).items():
            found.ended[pos, 0] = DELIVERED, at.no
        for pos, number, status, no in ask(f"SELECT pos, job, status, no FROM outcome {mine} AND pos"):
            found.ended[pos, number] = status, no
        for pos, number, n in ask(f"SELECT pos, job, n FROM attempt {mine} AND kind <> '{UNREACHED}' AND pos"):
            found.attempts[pos, number] = max(n, found.attempts.get((pos, number), 0))
        for part in parts(wanted) if judged else ():
            found.overtaken |= overtaken(connection, receiver, part)
    return found


def overtaken(connection: Connection, receiver: int, positions: Sequence[int]) -> set[int]:
    """Return the events of which the receiver has taken a later one that says what holds now.

    That is a later event of the same type and resident, or one that cancels or corrects it; of a correction, the same
    goes for the event it is about.
    """
    pairs = {(row[0], row[1]) for query in _overtaking(positions) for row in connection.execute(query)}
    taken = _arrived(connection, receiver, {other for _, other in pairs})
    return {one for one, other in pairs if other in taken}


def _arrived(connection: Connection, receiver: int, positions: Collection[int]) -> set[int]:
    """Return the events that a receiver was told of."""
    together = delivered.holding(
        connection, [receiver], positions
    )  # first: one that is unfolded meanwhile is seen there
    query = f"SELECT pos FROM outcome WHERE receiver = {int(receiver)} AND status IN {ARRIVED} AND pos"
    rows = select_in(connection, connection.dialect.name == "sqlite", query, list(positions))
    return {pos for _, pos in together} | {row[0] for row in rows}


def _overtaking(positions: Sequence[int]) -> Iterable[sa.Select[Any]]:
    """Yield the questions for pairs of events: one of these, and another that may have overtaken it."""
    one, other = event.alias("one"), event.alias("other")
    later = sa.and_(other.c.subject == one.c.subject, other.c.pos > one.c.pos)
    yield (
        sa.select(one.c.pos, other.c.pos)
        .join(other, sa.and_(later, other.c.type == one.c.type))
        .where(one.c.pos.in_(positions), ~_amends(one.c.pos))
    )
    yield (
        sa.select(relation.c.target, other.c.pos)
        .join(other, other.c.pos == relation.c.pos)
        .where(relation.c.target.in_(positions), relation.c.kind.in_(_AMENDING))
    )
    about, first = relation.alias("about"), event.alias("first")
    amending = (
        sa.select(one.c.pos, other.c.pos)
        .select_from(one)
        .join(about, sa.and_(about.c.pos == one.c.pos, about.c.kind.in_(_AMENDING)))
        .join(first, first.c.pos == about.c.target)
    )
    yield amending.join(other, sa.and_(later, other.c.type == first.c.type)).where(one.c.pos.in_(positions))
    again = relation.alias("again")
    since = sa.and_(again.c.target == about.c.target, again.c.pos > one.c.pos, again.c.kind.in_(_AMENDING))
    yield amending.join(again, since).join(other, other.c.pos == again.c.pos).where(one.c.pos.in_(positions))


def _amends(pos: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    mine = relation.alias("mine")
    return sa.exists().where(mine.c.pos == pos, mine.c.kind.in_(_AMENDING))


def arrived_since(
    ledger: Ledger, receiver: int, since: int, *, after: int = -1, limit: int | None = None
) -> list[tuple[int, int, bytes | None]]:
    """Return `(pos, job, payload)` of what a receiver took since a moment (milliseconds), once an event, in order.

    Of what comes behind a position, up to `limit`.
    """
    query = (
        sa.select(outcome.c.pos, sa.func.max(outcome.c.job))
        .where(outcome.c.receiver == receiver, outcome.c.at >= since, outcome.c.status.in_(ARRIVED))
        .where(outcome.c.pos > after)
        .group_by(outcome.c.pos)
        .order_by(outcome.c.pos)
        .limit(limit)
    )
    found: list[tuple[int, int, bytes | None]] = []
    with ledger.read() as connection:
        jobs = dict.fromkeys(delivered.since(connection, receiver, since, after=after, limit=limit), 0)
        jobs.update((row[0], row[1]) for row in connection.execute(query))
        for part in parts(sorted(jobs.items())[:limit]):
            instead = payloads(connection, [pos for pos, _ in part])
            found += [(pos, job, instead.get((receiver, pos, job))) for pos, job in part]
    return found


def count_arrived_since(ledger: Ledger, receiver: int, since: int) -> int:
    """Return how many events a receiver was told of since a moment (milliseconds)."""
    query = sa.select(sa.func.count(ending.c.pos.distinct())).where(
        ending.c.receiver == receiver, ending.c.at >= since, ending.c.status.in_(ARRIVED)
    )
    with ledger.read() as connection:
        return int(connection.execute(query).scalar_one())


def open_of(ledger: Ledger, number: int, receiver: int) -> list[int]:
    """Return a job's commands to a receiver that are not carried out."""
    query = sa.select(command.c.no).where(
        command.c.job == number, command.c.receiver == receiver, command.c.done_at.is_(None)
    )
    with ledger.read() as connection:
        return list(connection.execute(query).scalars())


def tried_again(ledger: Ledger, number: int, receiver: int) -> set[tuple[int, int]]:
    """Return `(pos, job)` of what a job tries again at a receiver though it had ended."""
    same = sa.and_(
        outcome.c.receiver == pending.c.receiver, outcome.c.pos == pending.c.pos, outcome.c.job == pending.c.job
    )
    query = (
        sa.select(pending.c.pos, pending.c.job)
        .join(outcome, same)
        .where(pending.c.receiver == receiver, pending.c.put_by == number)
    )
    with ledger.read() as connection:
        return {(row[0], row[1]) for row in connection.execute(query)}


def payloads(connection: Connection, positions: Sequence[int]) -> dict[tuple[int, int, int], bytes]:
    """Return what was sent in the place of what was planned, by `(receiver, pos, job)`: the last that was asked for."""
    query = (
        sa.select(command.c.receiver, command.c.pos, command.c.job, command.c.kind, command.c.target, command.c.payload)
        .where(command.c.pos.in_(positions), command.c.payload.is_not(None), command.c.result == "queued")
        .order_by(command.c.no)
    )
    return {
        (row.receiver, row.pos, row.target if row.kind == "retry" else row.job): bytes(row.payload)
        for row in connection.execute(query)
    }


def newcomers(ledger: Ledger, positions: Sequence[int]) -> list[tuple[int, bytes]]:
    """Return `(pos, payload)` of what jobs have told receivers that no event's plan names."""
    query = (
        "SELECT no, pos, payload FROM command "
        "WHERE kind = 'resend' AND result = 'queued' AND payload IS NOT NULL AND pos"
    )
    with ledger.read() as connection:
        rows = sorted(select_in(connection, ledger.sqlite, query, list(positions)), key=lambda row: row[0])
    return [(row[1], bytes(row[2])) for row in rows]


def heard(ledger: Ledger, receivers: Collection[int], positions: Sequence[int]) -> set[tuple[int, int]]:
    """Return `(receiver, pos)` of what has ended at these receivers or waits there, but for what was suppressed."""
    found: set[tuple[int, int]] = set()
    with ledger.read() as connection:
        for number in sorted(receivers):
            ended = f"SELECT pos FROM outcome WHERE receiver = {number} AND status NOT IN {_SUPPRESSED} AND pos"
            found |= delivered.holding(connection, [number], positions).keys()
            waits = f"SELECT pos FROM pending WHERE receiver = {number} AND pos"
            for query in (ended, waits):
                rows = select_in(connection, ledger.sqlite, query, list(positions))
                found |= {(number, row[0]) for row in rows}
    return found


def parts(values: Sequence[T], size: int = _PART) -> Iterable[Sequence[T]]:
    """Cut into pieces; by default such that every database takes one as a list."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
