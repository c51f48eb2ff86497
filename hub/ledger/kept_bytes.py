"""The bytes of rows that their events cannot give back: a system's own characters, codes that meet in Unicode."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from hub.ledger.commands import parts
from hub.ledger.engine import Ledger
from hub.ledger.tables import source_bytes


def keep(connection: Connection, system: str, source: str, rows: Sequence[tuple[str, bytes]], at: int) -> None:
    """Keep `(event id, bytes)` in the caller's transaction; what is kept already stays as it is."""
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(source_bytes)
    for part in parts(list(dict(rows).items())):
        values = [{"system": system, "source": source, "event_id": id_, "at": at, "raw": raw} for id_, raw in part]
        connection.execute(insert.values(values).on_conflict_do_nothing(index_elements=["system", "event_id"]))


def of(ledger: Ledger, system: str, event_id: str) -> bytes | None:
    """Return the bytes that were kept of an event, None when its text gives them back."""
    query = sa.select(source_bytes.c.raw).where(source_bytes.c.system == system, source_bytes.c.event_id == event_id)
    with ledger.read() as connection:
        raw = connection.execute(query).scalar()
    return None if raw is None else bytes(raw)
