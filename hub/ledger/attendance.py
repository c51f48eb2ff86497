"""When the hub's stages were last at work, and whether Kafka answered them then: in `meta`, a row a stage."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from hub.ledger.engine import Ledger
from hub.ledger.tables import meta, receiver

STAGES = ("intake", "dispatch", "delivery")
_KEY = "at-work:"


@dataclass(frozen=True, slots=True)
class Attendance:
    """A stage when it was last at work (milliseconds).

    `kafka` is `{"bootstrap", "managed", "since"}` while Kafka did not answer it; `managed`: the city's local one.
    """

    stage: str
    at: int
    kafka: dict[str, Any] | None


def note(ledger: Ledger, stages: Collection[str], kafka: Mapping[str, Any] | None = None) -> None:
    """Note that stages are at work now. Raises LedgerUnavailable."""
    with ledger.write() as connection:
        value = orjson.dumps({"at": ledger.now(connection), "kafka": kafka}).decode()
        rows = [{"key": _KEY + stage, "value": value} for stage in STAGES if stage in stages]
        if rows:
            connection.execute(sa.text(_UPSERT), rows)


def listing(ledger: Ledger) -> list[Attendance]:
    """Return the stages that have ever been at work, in the order in which a report meets them."""
    query = sa.select(meta.c.key, meta.c.value).where(meta.c.key.in_([_KEY + stage for stage in STAGES]))
    with ledger.read() as connection:
        found = {row.key: orjson.loads(row.value) for row in connection.execute(query)}
    return [Attendance(stage, **found[_KEY + stage]) for stage in STAGES if _KEY + stage in found]


def leased_until(ledger: Ledger) -> int:
    """Return until when the last receiver is leased that nobody has given back, in milliseconds; 0: none is."""
    query = sa.select(sa.func.max(receiver.c.until)).where(receiver.c.owner != "")
    with ledger.read() as connection:
        return connection.execute(query).scalar() or 0


_UPSERT = "INSERT INTO meta(key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
