"""Keeping PostgreSQL's idea of the ledger's tables true while they grow.

Until a table is analysed PostgreSQL takes it for small and reads, or sorts, all of it for a few hundred rows. Its
autovacuum comes once a minute; a first load, or a job for every resident, is over by then.
"""

from __future__ import annotations

from hub.ledger.engine import Ledger
from hub.ledger.tables import attempt, command, dedup, delivered, event, fact, outcome, pending, standing

GROWING = (event, dedup, fact, standing, outcome, delivered, pending, attempt, command)
LEAST = 10_000  # changed rows: of what is smaller nothing is slow
SAMPLED = 25  # a target of statistics: 7,500 rows tell how many there are; autovacuum looks closer, a minute later
# By changes that were committed: a look during a long insert sees few rows, and would else be believed after it.
_GROWN = """
SELECT s.relname FROM pg_catalog.pg_stat_user_tables AS s JOIN pg_catalog.pg_class AS c ON c.oid = s.relid
WHERE s.relid = ANY(%s::text[]::regclass[]) AND s.n_mod_since_analyze > greatest(c.reltuples, 0) + %s
"""


def analyse_grown(ledger: Ledger) -> list[str]:
    """Have tables analysed of which as much has changed as they then held; return their names.

    Raises LedgerUnavailable.
    """
    if ledger.sqlite:
        return []
    with ledger.write() as connection:
        names = [table.name for table in GROWING]
        found = sorted(row[0] for row in connection.exec_driver_sql(_GROWN, (names, LEAST)))
        if found:
            connection.exec_driver_sql(f"SET LOCAL default_statistics_target = {SAMPLED}")
        for name in found:
            connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {name}")
    return found
