"""What came of a source's rows is counted whole, also when two calls of a system are taken at the same time."""

import threading
import time

import sqlalchemy as sa

from hub.ledger import sources
from hub.ledger.sources import Tally

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def advance(ledger, rows, meanwhile=lambda: None):
    with ledger.write() as connection:
        sources.advance(connection, "kokuho", "web", position={}, tally=Tally(rows), at=1)
        meanwhile()


def waits(ledger, thread):
    """Tell whether the other has begun and waits for this one: in the database, or before it."""
    if ledger.sqlite:
        return thread.is_alive()
    with ledger.read() as connection:
        return connection.execute(sa.text(BLOCKED)).scalar_one() > 0


def test_two_at_a_time_are_both_counted(ledger):
    advance(ledger, 1)
    other = threading.Thread(target=advance, args=(ledger, 10))

    def meanwhile():
        other.start()
        end = time.monotonic() + 20
        while not waits(ledger, other):
            assert time.monotonic() < end
            time.sleep(0.01)

    advance(ledger, 100, meanwhile)
    other.join()
    assert sources.load(ledger, "kokuho", "web").tally.rows == 111
