"""Keeping PostgreSQL's idea of the ledger's tables true while they grow.

Until a table is analysed PostgreSQL takes it for small and reads, or sorts, all of it for a few hundred rows. Its
autovacuum comes once a minute; a first load, or a job for every resident, is over by then.
"""

from __future__ import annotations

from hub.ledger.engine import Ledger
from hub.ledger.tables import attempt, command, dedup, event, fact, outcome, pending, standing

GROWING = (event, dedup, fact, standing, outcome, pending, attempt, command)
LEAST = 64  # pages: of what is smaller nothing is slow
_GROWN = """
SELECT c.relname FROM pg_catalog.pg_class AS c
WHERE c.oid = ANY(%s::text[]::regclass[]) AND pg_relation_size(c.oid) / current_setting('block_size')::int
    > greatest(2 * c.relpages, %s)
"""


def analyse_grown(ledger: Ledger) -> list[str]:
    """Have the tables analysed that have doubled since they last were; return their names. Raises LedgerUnavailable."""
    if ledger.sqlite:
        return []
    with ledger.write() as connection:
        names = [table.name for table in GROWING]
        found = sorted(row[0] for row in connection.exec_driver_sql(_GROWN, (names, LEAST)))
        for name in found:
            connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {name}")
    return found
