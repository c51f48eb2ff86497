"""Rule sets by hash: every one ever activated is kept, so that any plan can be explained and projected again."""

from __future__ import annotations

import time
from typing import Any

import orjson
import sqlalchemy as sa

from hub.ledger.engine import Ledger
from hub.ledger.tables import ruleset


def activate(ledger: Ledger, digest: str, content: dict[str, Any]) -> int:
    """Return the number of a rule set, recording it when it is new."""
    find = sa.select(ruleset.c.no).where(ruleset.c.hash == digest)
    with ledger.read() as connection:
        number = connection.execute(find).scalar()
    if number is not None:
        return int(number)
    with ledger.write() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO ruleset(hash, activated_at, content) VALUES (:hash, :at, :content) "
                "ON CONFLICT (hash) DO NOTHING"
            ),
            {"hash": digest, "at": time.time_ns() // 1_000_000, "content": orjson.dumps(content)},
        )
        return int(connection.execute(find).scalar_one())


def load(ledger: Ledger, number: int) -> dict[str, Any]:
    """Return the content of a rule set by its number; raises KeyError."""
    with ledger.read() as connection:
        content = connection.execute(sa.select(ruleset.c.content).where(ruleset.c.no == number)).scalar()
    if content is None:
        raise KeyError(number)
    found: dict[str, Any] = orjson.loads(bytes(content))
    return found
