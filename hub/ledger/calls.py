"""Calls of systems that were taken, remembered as long as they could be repeated."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.ledger.engine import Ledger
from hub.ledger.tables import call


def taken(ledger: Ledger, source: str, id_: str) -> bytes | None:
    """Return the digest of the call's body, None for one that was not taken."""
    mine = (call.c.source == source, call.c.id == id_)
    with ledger.read() as connection:
        found = connection.execute(sa.select(call.c.digest).where(*mine)).scalar()
    return None if found is None else bytes(found)


def take(connection: Connection, source: str, id_: str, digest: bytes, *, until: int, now: int) -> None:
    """Remember a call in the caller's transaction until a time (milliseconds), and forget those whose time is over."""
    connection.execute(sa.delete(call).where(call.c.until < now))
    connection.execute(
        sa.text(
            "INSERT INTO call(source, id, digest, until) VALUES (:source, :id, :digest, :until) "
            "ON CONFLICT (source, id) DO NOTHING"
        ),
        {"source": source, "id": id_, "digest": digest, "until": until},
    )
