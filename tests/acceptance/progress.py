"""How far a hub is, looked at from outside, and waiting for it as long as it goes on."""

from __future__ import annotations

import time

import sqlalchemy

from tests.acceptance.crash.city import CrashCity
from tests.acceptance.crash.story import Person

LIMIT = 90.0  # seconds without progress


class Progress:
    """How far the hub is, asked from outside in its ledger."""

    def __init__(self, url: str) -> None:
        self._engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)

    def until(self, outcomes: int, events: int = 0) -> None:
        """Wait until so many deliveries have ended, and so many events are dispatched."""
        seen, end = (-1, -1), 0.0
        while seen[0] < outcomes or seen[1] < events:
            found = self.ask("ending"), self.ask("event")
            if found != seen:
                seen, end = found, time.monotonic() + LIMIT
            assert time.monotonic() < end, f"{seen} of {outcomes} outcomes and {events} events"
            time.sleep(0.005)

    def ask(self, table: str) -> int:
        """Return how many rows a table has; 0 while nobody answers."""
        try:
            with self._engine.connect() as connection:
                return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())
        except sqlalchemy.exc.OperationalError:
            return 0
        except sqlalchemy.exc.ProgrammingError:  # no table yet
            return 0


def owed(city: CrashCity) -> int:
    return sum(len(events) for residents in city.owed.values() for events in residents.values())


def finishes(person: Person, progress: Progress) -> None:
    """Wait until the hub that goes on running has ended everything, with a person who decides what it cannot know."""
    total, seen, end = owed(person.city), -1, 0.0
    while (found := progress.ask("ending")) < total:
        if found != seen:
            seen, end = found, time.monotonic() + LIMIT
        elif time.monotonic() > end - LIMIT + 2:  # it stands still: does it wait for somebody?
            person.decide()
        assert time.monotonic() < end, f"{found} of {total} outcomes"
        time.sleep(0.02)
