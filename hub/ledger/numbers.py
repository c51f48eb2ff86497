"""The systems' own numbers of residents (`ids:`): which resident a system knows by which number.

A number belongs to one resident for good: what says it is another's is a mistake, and changes nothing. A resident may
have had several numbers in a system; the newest is the one that is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from hub.ledger.commands import parts
from hub.ledger.engine import Ledger
from hub.ledger.tables import local_id

Pair = tuple[str, str]
"""A system's number and the resident it stands for."""


def learn(connection: Connection, system: str, pairs: Iterable[Pair], at: int) -> list[Pair]:
    """Keep numbers in the caller's transaction, the first for each; return those that were claimed for two residents.

    Each with the resident whose it is and stays.
    """
    wanted: dict[str, str] = {}
    twice: set[str] = set()
    for number, subject in pairs:
        if wanted.setdefault(number, subject) != subject:
            twice.add(number)
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(local_id)
    taken: list[Pair] = []
    for part in parts(sorted(wanted)):
        rows = [{"system": system, "number": number, "subject": wanted[number], "at": at} for number in part]
        connection.execute(insert.values(rows).on_conflict_do_nothing(index_elements=["system", "number"]))
        known = sa.select(local_id.c.number, local_id.c.subject).where(
            local_id.c.system == system, local_id.c.number.in_(part)
        )
        found = [(row.number, row.subject) for row in connection.execute(known)]
        taken += [(number, owner) for number, owner in found if number in twice or wanted[number] != owner]
    return taken


@dataclass(frozen=True, slots=True)
class Numbers:
    """Who is who in which system, asked of the ledger each time: a number that was just learned is known at once."""

    ledger: Ledger

    def local_id(self, system: str, subject: str) -> str | None:
        """Return the number that a system has for a resident, the newest."""
        query = sa.select(local_id.c.number).where(local_id.c.subject == subject, local_id.c.system == system)
        with self.ledger.read() as connection:
            return connection.execute(query.order_by(local_id.c.no.desc()).limit(1)).scalar()

    def resident(self, system: str, number: str) -> str | None:
        """Return the resident whom a system knows by a number."""
        query = sa.select(local_id.c.subject).where(local_id.c.system == system, local_id.c.number == number)
        with self.ledger.read() as connection:
            return connection.execute(query).scalar()

    def known(self, system: str, subjects: Collection[str]) -> set[str]:
        """Return those residents whose number in a system is known."""
        found: set[str] = set()
        with self.ledger.read() as connection:
            for part in parts(sorted(set(subjects))):
                query = sa.select(local_id.c.subject).where(local_id.c.subject.in_(part), local_id.c.system == system)
                found.update(connection.execute(query).scalars())
        return found
