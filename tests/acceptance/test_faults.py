"""Services that fail under load and come back, a disk that fills: nothing is lost, nothing is told twice.

The hub goes on running through it all; only what it stands on fails. In the end each system's own account is held to
what it was owed.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.kafka.local import LocalBroker
from tests.acceptance.conftest import Shell
from tests.acceptance.crash.city import CrashCity
from tests.acceptance.crash.service import Service
from tests.acceptance.crash.story import Person
from tests.acceptance.progress import LIMIT, Progress, finishes, owed
from tests.services import postgres

LOAD = {"residents": 20, "each": 3}


@pytest.fixture
def begin(
    tmp_path: Path, new_shell: Callable[..., Shell], topic_prefix: str, service: Service
) -> Callable[..., Person]:
    """Make a city on a ledger, whose person has a shell with this environment."""

    def made(ledger: str, **environ: str) -> Person:
        city = CrashCity(tmp_path / "city", ledger, service)
        city.write(topic_prefix)
        return Person(city, new_shell(city.folder, HUB_LEDGER=ledger, **environ))

    return made


def serve(person: Person, module: str = "hub.cli.main") -> Any:
    """Start the hub, and keep what it logs."""
    words = ("run", "--only", "intake,dispatch,delivery", "--port", "0")
    return person.shell.serve(*words, log=person.city.folder.parent / "log", module=module)


def said(person: Person, words: str) -> None:
    """Wait until the hub has logged something."""
    log, end = person.city.folder.parent / "log", time.monotonic() + LIMIT
    while words not in log.read_text():
        assert time.monotonic() < end, f"{words!r} is not in the log:\n{log.read_text()[-2000:]}"
        time.sleep(0.02)


def ends(person: Person, process: Any) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    person.end()


def test_a_broker_killed_under_load_and_started_again_loses_and_doubles_nothing(begin, sqlite_url, local_kafka):
    person = begin(sqlite_url)
    city, progress = person.city, Progress(sqlite_url)
    broker = LocalBroker(city.folder / "var", say=lambda _: None)
    try:
        broker.start()
        city.report(**LOAD)
        process = serve(person)
        progress.until(owed(city) // 4)
        os.kill(broker.status().pid, signal.SIGKILL)
        assert progress.ask("ending") < owed(city)
        first = owed(city)
        city.report(**LOAD)  # it has nowhere to go
        progress.until(first // 2)  # what is in the ledger goes on without Kafka
        broker.start()
        progress.until(owed(city) * 3 // 4)
        os.kill(broker.status().pid, signal.SIGKILL)
        broker.start()
        finishes(person, progress)
        ends(person, process)
    finally:
        broker.stop()


@pytest.fixture
def server() -> Iterator[dict[str, Any]]:
    """A PostgreSQL server of the test's own."""
    state = postgres.start_postgres()
    yield state
    postgres.stop(state)


def test_a_postgresql_that_crashes_under_load_and_comes_back_loses_and_doubles_nothing(begin, server, kafka_bootstrap):
    person = begin(server["url"], HUB_KAFKA=kafka_bootstrap)
    city, progress = person.city, Progress(server["url"])
    process = serve(person)
    for part in (1, 2):
        before = owed(city)
        city.report(**LOAD)
        progress.until(before + (owed(city) - before) // (2 * part))
        postgres.crash(server)
        city.report(**LOAD)
        postgres.start_again(server)
        assert progress.ask("ending") < owed(city)
        while person.shell("status", "--json").returncode:  # a person looks at it meanwhile
            pass
    finishes(person, progress)
    ends(person, process)


def test_a_disk_that_is_full_is_waited_for(begin, database_url, kafka_bootstrap, tmp_path):
    full = tmp_path / "full"
    person = begin(database_url, HUB_KAFKA=kafka_bootstrap, TEST_FULL=str(full))
    city, progress = person.city, Progress(database_url)
    process = serve(person, "tests.acceptance.crash.shaped")
    city.report(**LOAD)
    progress.until(owed(city) // 4)
    lines = city.folder / "out/lines.jsonl"
    full.touch()
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (lines.stat().st_size + 100, hard))
    city.report(**LOAD)
    said(person, "database or disk is full" if database_url.startswith("sqlite") else "File too large")
    assert progress.ask("ending") < owed(city)
    full.unlink()
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    finishes(person, progress)
    ends(person, process)
