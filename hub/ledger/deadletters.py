"""Dead letters nobody has been told of yet, with nothing of them that could concern a person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hub.ledger.engine import Ledger
from hub.ledger.status import DEATHS
from hub.ledger.tables import attempt, outcome, receiver

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9._:-]{0,63}|U\+[0-9A-F]{4,6}(?:[.,](?:U\+[0-9A-F]{4,6}|…))*")  # or code points
_NUMBER = re.compile(r"[0-9]{6}")
DEAD = sa.text(f"kind IN ({', '.join(map(repr, DEATHS))})")  # written out, so that the partial indexes serve


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that died: `no` is its number at the receiver `key`, `kind` is contract's reason of `dead`."""

    receiver: int
    pos: int
    job: int
    n: int
    key: str
    no: int
    kind: str
    code: str
    at: int


def unannounced(ledger: Ledger, limit: int = 500) -> list[DeadLetter]:
    """Return dead letters that Kafka has not been told of, receiver by receiver in event order."""
    died = (
        sa.select(attempt)
        .where(attempt.c.announced_at.is_(None), DEAD)
        .order_by(attempt.c.receiver, attempt.c.pos)
        .limit(limit)
        .subquery()
    )
    ended = sa.and_(outcome.c.receiver == died.c.receiver, outcome.c.pos == died.c.pos, outcome.c.job == died.c.job)
    query = (
        sa.select(died, receiver.c.key, outcome.c.no)
        .join(receiver, receiver.c.no == died.c.receiver)
        .outerjoin(outcome, ended)
        .order_by(died.c.receiver, died.c.pos)
    )
    with ledger.read() as connection:
        return [
            DeadLetter(
                row.receiver, row.pos, row.job, row.n, row.key, row.no or 0, row.kind, public_code(row.code), row.at
            )
            for row in connection.execute(query)
        ]


def announced(ledger: Ledger, letters: Sequence[DeadLetter]) -> None:
    """Record that Kafka has them."""
    one = sa.and_(
        attempt.c.receiver == sa.bindparam("r"),
        attempt.c.pos == sa.bindparam("p"),
        attempt.c.job == sa.bindparam("j"),
        attempt.c.n == sa.bindparam("i"),
    )
    with ledger.write() as connection:
        now = ledger.now(connection)
        connection.execute(
            sa.update(attempt).where(one).values(announced_at=now),
            [{"r": each.receiver, "p": each.pos, "j": each.job, "i": each.n} for each in letters],
        )


def public_code(code: str) -> str:
    """Return an error's code as it may leave the ledger, or `other` for what is no plain word or holds a long number.

    Adapters choose codes; nothing but this holds them to words such as `http-422`.
    """
    return code if _CODE.fullmatch(code) and (code.startswith("U+") or not _NUMBER.search(code)) else "other"
