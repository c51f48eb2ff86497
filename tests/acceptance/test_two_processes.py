"""Two processes beside each other, of which one is frozen past its leases again and again while both are at work.

The other takes over in mid-flow; the frozen one wakes, finds that it owns nothing, and takes up work anew. Leases are
short here, so that a test can wait for them. A person decides only when nobody is frozen: what a frozen process had
begun to send to a service that honours no key, it may still send when it wakes.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import sqlalchemy

from tests.acceptance.crash.city import CrashCity
from tests.acceptance.crash.story import Person
from tests.acceptance.progress import Progress, finishes, owed

LEASE = "3000"  # milliseconds, of which the last is not used
TAKE_OVERS = 3
TRIES = 12  # a process may freeze while it holds the ledger's own lock: then nobody can take over
PATIENCE = 8.0  # seconds


class Owners:
    """Who owns the receivers, by process id, asked in the ledger."""

    def __init__(self, url: str) -> None:
        self._engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)

    def now(self) -> list[int]:
        with self._engine.connect() as connection:
            owners = connection.exec_driver_sql("SELECT owner FROM receiver").scalars().all()
        return [int(owner.split(":")[1]) if owner else 0 for owner in owners]


def frozen(owners: Owners, sleeper: int, city: CrashCity, progress: Progress) -> bool:
    """Freeze a process until the other owns all; say whether it came to that, with work still to do."""
    os.kill(sleeper, signal.SIGSTOP)
    try:
        left = progress.ask("ending") < owed(city)
        end = time.monotonic() + PATIENCE
        while sleeper in owners.now():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return left
    finally:
        os.kill(sleeper, signal.SIGCONT)


def test_two_processes_that_take_over_from_each_other_in_mid_flow_tell_everybody_once_and_in_order(
    tmp_path: Path, new_shell: Any, service: Any, topic_prefix: str, database_url: str, kafka_bootstrap: str
):
    city = CrashCity(tmp_path / "city", database_url, service)
    city.write(topic_prefix)
    shell = new_shell(city.folder, HUB_LEDGER=database_url, HUB_KAFKA=kafka_bootstrap, TEST_LEASE=LEASE)
    shell.json("db", "upgrade")
    words = ("run", "--only", "intake,dispatch,delivery", "--port", "0")
    logs = [tmp_path / f"log{number}" for number in range(2)]
    processes = [shell.serve(*words, log=log, module="tests.acceptance.crash.shaped") for log in logs]
    progress, owners, happened = Progress(database_url), Owners(database_url), 0
    for _ in range(TRIES):
        before = owed(city)
        city.report(residents=20, each=3)
        progress.until(before * 3 // 4 + (owed(city) - before) // 5)
        owning = owners.now()
        sleeper = max((process.pid for process in processes), key=owning.count)
        happened += frozen(owners, sleeper, city, progress)
        if happened == TAKE_OVERS:
            break
    assert happened == TAKE_OVERS
    person = Person(city, shell)
    finishes(person, progress)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(20) for process in processes] == [0, 0]
    person.end()
