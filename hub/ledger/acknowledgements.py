"""The deliveries that a system may answer for: what was delivered and is not confirmed, and what was before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from hub.errors import NotFound, UsageError
from hub.ledger.commands import parts
from hub.ledger.engine import Ledger
from hub.ledger.status import UNANSWERED
from hub.ledger.tables import ending, receiver
from hub.ledger.views import Views

Delivered = tuple[int, int]
"""A delivery of one receiver: `(pos, job)`."""


@dataclass(frozen=True, slots=True)
class Silent:
    """What an answer is silent about may be: one batch, or those up to one, or what was delivered before a moment.

    `before` is in milliseconds.
    """

    batch: int | None = None
    upto: int | None = None
    before: int | None = None

    @property
    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return what is asked of an outcome."""
        found: list[sa.ColumnElement[bool]] = []
        if self.batch is not None:
            found.append(ending.c.batch == self.batch)
        if self.upto is not None:
            found.append(ending.c.batch <= self.upto)
        if self.before is not None:
            found.append(ending.c.at < self.before)
        return found


def unanswered(ledger: Ledger, number: int, about: Silent) -> list[Delivered]:
    """Return what a receiver has been delivered and has not answered for, in event order."""
    query = (
        sa.select(ending.c.pos, ending.c.job)
        .where(ending.c.receiver == number, ending.c.status.in_(UNANSWERED), *about.conditions)
        .order_by(ending.c.pos, ending.c.job)
    )
    with ledger.read() as connection:
        return [(row.pos, row.job) for row in connection.execute(query)]


def last_batch(ledger: Ledger, number: int, named: Collection[Delivered]) -> int | None:
    """Return the last batch in which any of these deliveries went."""
    found: list[int] = []
    with ledger.read() as connection:
        for part in parts(sorted(named)):
            mine = sa.tuple_(ending.c.pos, ending.c.job).in_(part)
            query = sa.select(sa.func.max(ending.c.batch)).where(ending.c.receiver == number, mine)
            found += [last for last in connection.execute(query).scalars() if last is not None]
    return max(found, default=None)


def awaited(ledger: Ledger, number: int, before: int) -> bool:
    """Tell whether a receiver owes an answer to what was delivered before a moment (milliseconds)."""
    late = sa.exists().where(ending.c.receiver == number, ending.c.status.in_(UNANSWERED), ending.c.at < before)
    with ledger.read() as connection:
        return bool(connection.execute(sa.select(late)).scalar_one())


def by_no(ledger: Ledger, number: int, wanted: Collection[int]) -> dict[int, Delivered]:
    """Return a receiver's deliveries by their `no`; those it never had are left out, and 0, which is none."""
    found: dict[int, Delivered] = {}
    with ledger.read() as connection:
        for part in parts(sorted(no for no in wanted if no > 0)):
            query = sa.select(ending.c.no, ending.c.pos, ending.c.job)
            for row in connection.execute(query.where(ending.c.receiver == number, ending.c.no.in_(part))):
                found[row.no] = (row.pos, row.job)
    return found


def by_key(ledger: Ledger, number: int, wanted: Collection[str]) -> dict[str, Delivered]:
    """Return a receiver's deliveries by their keys; those it never had are left out."""
    with ledger.read() as connection:
        name = connection.execute(sa.select(receiver.c.key).where(receiver.c.no == number)).scalar_one()
    found: dict[str, Delivered] = {}
    for key in wanted:
        reference, _, last = key.rpartition(":")
        event, _, named = reference.rpartition(":")
        if named != name or not last.isdecimal():
            continue
        try:
            one = Views(ledger).find(event), int(last)
        except (NotFound, UsageError):
            continue
        mine = (ending.c.receiver == number, ending.c.pos == one[0], ending.c.job == one[1])
        with ledger.read() as connection:
            if connection.execute(sa.select(ending.c.no).where(*mine)).first() is not None:
                found[key] = one
    return found
